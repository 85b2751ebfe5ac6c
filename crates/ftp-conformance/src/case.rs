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
    /// Every security profile and every way of making data connections.
    Data,
    /// The explicit profile: the case does its own TLS.
    Explicit,
    /// The implicit profile.
    Implicit,
    /// In clear only: what TLS would hide.
    Clear,
}

/// What a case needs of a target beyond an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// It writes into a scratch directory.
    Write,
    /// It takes over five seconds.
    Slow,
    /// It spoils logins or may lock an account.
    Lockout,
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
