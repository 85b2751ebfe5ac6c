//! What a case is: the requirements it decides, where it runs, what it needs, and how it asks.

use std::future::Future;
use std::pin::Pin;

use crate::context::Context;

/// How a case ends, if not well.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stop {
    /// The server does not do what the clause says.
    Fails {
        /// What the clause wants.
        expected: String,
        /// What came.
        actual: String,
    },
    /// An optional command or feature is not there, and was refused properly.
    Unsupported(String),
    /// Something the case needs is not there.
    Skipped(String),
    /// The harness could not ask: no connection, no login.
    Broken(String),
}

impl Stop {
    /// A failure.
    pub fn fails(expected: impl Into<String>, actual: impl Into<String>) -> Self {
        Self::Fails { expected: expected.into(), actual: actual.into() }
    }
}

/// The end of a case.
pub type Outcome = Result<(), Stop>;

/// A case under way.
pub type Running = Pin<Box<dyn Future<Output = Outcome> + Send>>;

/// Over which axes a case runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Axes {
    /// Every security profile.
    Control,
    /// Every security profile, version of IP and way of making data connections.
    Data,
    /// Protected profiles, ways of making data connections, ways of the data and kinds of session reuse.
    Tickets,
    /// Every security profile, way of making data connections, way of the data and end of theirs.
    Ends,
    /// Both protected profiles.
    Protected,
    /// The explicit profile: the case does its own TLS.
    Explicit,
    /// The implicit profile.
    Implicit,
    /// In clear only: what TLS would hide.
    Clear,
    /// Every security profile, over IPv6.
    V6,
}

macro_rules! needs {
    ($($(#[$doc:meta])* $need:ident = $words:literal;)+) => {
        /// What a case needs of a target beyond an account.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Need {
            $($(#[$doc])* $need,)+
        }

        impl Need {
            /// Every need.
            pub const ALL: &[Need] = &[$(Need::$need),+];

            /// What it is, in words.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$need => $words,)+
                }
            }
        }
    };
}

needs! {
    /// It writes into a scratch directory.
    Write = "a directory to write into";
    /// It takes over five seconds.
    Slow = "time";
    /// It spoils logins or may lock an account.
    Lockout = "failed logins";
    /// It opens very many connections, or makes the server work hard.
    Load = "load";
    /// A second account.
    Second = "a second account (--second-user)";
    /// A second address of the client: a target on the loopback interface.
    SecondAddress = "a second address of this host: a target at 127.0.0.1";
    /// The folder `fixtures` that `ftp-conformance fixtures` makes, in the account's root.
    Fixtures = "the files that `ftp-conformance fixtures` makes (--setup fixtures)";
    /// A server as it is after installation: no plain logins, data protected, failed logins delayed.
    Strict = "a server that takes logins over TLS only (--setup strict)";
    /// An idle limit of 2 s, a login limit of 3 s, a stall limit of 2 s.
    Impatient = "a server with limits of some seconds (--setup impatient)";
    /// Three sessions from one address.
    Few = "a server with room for three sessions of one address (--setup few)";
    /// Two passive ports.
    Narrow = "a server with two passive ports (--setup narrow)";
    /// Data connections have to resume the control connection's TLS session.
    Resume = "a server that demands session reuse (--setup resume)";
    /// No TLS at all.
    NoTls = "a server without TLS (--setup no-tls)";
    /// Virtual hosts a.example and b.example with certificates; users only-a and only-b.
    Hosts = "a server with the virtual hosts a.example and b.example (--setup hosts)";
    /// Files of at most 1 MiB.
    Quota = "a server that stores 1 MiB at most (--setup quota)";
    /// CCC is taken.
    Ccc = "a server that takes CCC (--setup ccc)";
    /// The storage fails after 1 MiB, in both ways.
    Faulty = "a server whose storage fails after 1 MiB (--setup faulty)";
    /// Logins as anonymous.
    Anonymous = "a server that takes anonymous logins (--setup anonymous)";
}

impl Need {
    /// Whether it is a way of setting a server up.
    #[must_use]
    pub fn is_setup(self) -> bool {
        !matches!(
            self,
            Self::Write | Self::Slow | Self::Lockout | Self::Load | Self::Second | Self::SecondAddress
        )
    }
}

impl std::str::FromStr for Need {
    type Err = String;

    /// The names of `--setup`.
    fn from_str(text: &str) -> Result<Self, String> {
        let setups = || Self::ALL.iter().copied().filter(|need| need.is_setup());
        setups().find(|setup| setup.to_string() == text).ok_or_else(|| {
            let names: Vec<String> = setups().map(|setup| setup.to_string()).collect();
            format!("{text:?} is no set-up: expected one of {}", names.join(" "))
        })
    }
}

impl std::fmt::Display for Need {
    /// The variant in lower case, words joined by hyphens.
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let name = format!("{self:?}");
        let mut out = String::new();
        for letter in name.chars() {
            if letter.is_ascii_uppercase() && !out.is_empty() {
                out.push('-');
            }
            out.push(letter.to_ascii_lowercase());
        }
        formatter.pad(&out)
    }
}

/// One case.
#[derive(Clone, Copy)]
pub struct Case {
    /// The requirements it decides; the first one names it.
    pub decides: &'static [&'static str],
    /// Where it runs.
    pub axes: Axes,
    /// What it needs.
    pub needs: &'static [Need],
    /// How it asks.
    pub run: fn(Context) -> Running,
}

impl Case {
    /// The id of the case: that of the first requirement it decides.
    #[must_use]
    pub fn id(&self) -> &'static str {
        self.decides.first().copied().unwrap_or_default()
    }

    /// How the server has to be set up.
    #[must_use]
    pub fn setup(&self) -> Option<Need> {
        self.needs.iter().copied().find(|need| need.is_setup())
    }
}

impl std::fmt::Debug for Case {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Case")
            .field("id", &self.id())
            .field("axes", &self.axes)
            .finish_non_exhaustive()
    }
}

/// The table of a group: `function: ["ID", …] Axes [needs];` a row.
macro_rules! cases {
    ($($function:ident: [$($id:literal),+] $axes:ident $([$($need:ident),+])?;)+) => {
        /// The cases of this group.
        pub(crate) const CASES: &[$crate::case::Case] = &[$($crate::case::Case {
            decides: &[$($id),+],
            axes: $crate::case::Axes::$axes,
            needs: &[$($($crate::case::Need::$need),+)?],
            run: |context| Box::pin($function(context)),
        },)+];
    };
}
pub(crate) use cases;

/// What has to be so: `must!(condition, expected, actual)`.
macro_rules! must {
    ($wanted:expr, $expected:expr, $actual:expr $(,)?) => {
        if $wanted { Ok(()) } else { Err($crate::case::Stop::fails($expected, $actual)) }
    };
}
pub(crate) use must;
