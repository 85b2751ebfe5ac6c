//! What a server allows and how long it waits: values, set once, shared by all sessions.

use std::time::Duration;

use crate::value::facts::Perm;
use crate::value::text::Text;

/// Whether logins without TLS are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Plain {
    /// USER and PASS are refused until the control connection is protected.
    #[default]
    Refuse,
    /// Logins and data connections in clear are permitted beside TLS.
    Allow,
}

/// Whether a protected session may move data in clear.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum DataProtection {
    /// PROT P is needed for every transfer of a TLS session; 521 otherwise.
    #[default]
    Required,
    /// PROT C is permitted.
    Optional,
}

/// A choice with two sides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Switch {
    /// Not offered.
    #[default]
    Off,
    /// Offered.
    On,
}

/// The rules of all sessions of a server.
#[derive(Debug, Clone)]
pub struct Policy {
    /// Text of the 220 greeting; names no product version.
    pub greeting: Text,
    /// Logins without TLS.
    pub plain: Plain,
    /// Data in clear within TLS sessions.
    pub data_protection: DataProtection,
    /// AUTH TLS.
    pub tls: Switch,
    /// PORT and EPRT.
    pub active: Switch,
    /// CCC.
    pub clear_control: Switch,
    /// What FEAT promises before login; after it, what the user's storage can do.
    pub abilities: Abilities,
    /// Names of virtual hosts, in lower case; none switches HOST off.
    pub hosts: Vec<String>,
    /// Passive ports as text, for replies.
    pub passive_ports: String,
    /// How long a session may be idle after login.
    pub idle: Duration,
    /// How long a connection may take to log in.
    pub login_time: Duration,
    /// How long to wait for the client on a passive port.
    pub accept: Duration,
    /// How long to try an active connection.
    pub connect: Duration,
    /// Failed logins before the session ends.
    pub attempts: u32,
    /// Errors in a row before the session ends.
    pub errors: u32,
}

impl Default for Policy {
    /// Only TLS, only protected data; 5 minutes idle, 2 minutes to log in, 20 s for a passive and 10 s for an
    /// active connection, 3 attempts.
    fn default() -> Self {
        Self {
            greeting: Text::from("FTP server ready."),
            plain: Plain::Refuse,
            data_protection: DataProtection::Required,
            tls: Switch::On,
            active: Switch::On,
            clear_control: Switch::Off,
            abilities: Abilities::ALL,
            hosts: Vec::new(),
            passive_ports: "40000-50000".to_owned(),
            idle: Duration::from_secs(300),
            login_time: Duration::from_secs(120),
            accept: Duration::from_secs(20),
            connect: Duration::from_secs(10),
            attempts: 3,
            errors: 100,
        }
    }
}

/// A set of flags with named members and an alphabet.
macro_rules! flags {
    ($(#[$doc:meta])* $type:ident: $($(#[$flag_doc:meta])* $flag:ident = $bit:literal),+ $(,)?) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub struct $type(u16);

        impl $type {
            $($(#[$flag_doc])* pub const $flag: $type = $type(1 << $bit);)+
            /// None of them.
            pub const NONE: $type = $type(0);
            /// All of them.
            pub const ALL: $type = $type(0 $(| 1 << $bit)+);

            /// Those of both.
            #[must_use]
            pub const fn and(self, other: Self) -> Self {
                Self(self.0 | other.0)
            }

            /// These without those of `other`.
            #[must_use]
            pub const fn without(self, other: Self) -> Self {
                Self(self.0 & !other.0)
            }

            /// Whether all of `other` are among these.
            #[must_use]
            pub const fn has(self, other: Self) -> bool {
                self.0 & other.0 == other.0
            }
        }
    };
}

flags! {
    /// What a storage can do; FEAT promises no more.
    Abilities:
    /// REST in front of RETR, and RANG.
    RESTART_READ = 0,
    /// REST in front of STOR, and APPE.
    RESTART_WRITE = 1,
    /// MFMT and SITE UTIME.
    TIMES = 2,
    /// SITE CHMOD.
    MODES = 3,
    /// AVBL.
    SPACE = 4,
}

flags! {
    /// What a user may do, written as the letters `elradfmwMT`.
    Rights:
    /// `e`: change the working directory.
    ENTER = 0,
    /// `l`: list, and read facts.
    LIST = 1,
    /// `r`: read files.
    READ = 2,
    /// `a`: append to files, and resume.
    APPEND = 3,
    /// `d`: delete files and directories.
    DELETE = 4,
    /// `f`: rename.
    RENAME = 5,
    /// `m`: make directories.
    MAKE_DIR = 6,
    /// `w`: store files.
    WRITE = 7,
    /// `M`: change permission bits.
    MODES = 8,
    /// `T`: change times.
    TIMES = 9,
}

/// The letters of [`Rights`], in the order of their bits.
const LETTERS: &str = "elradfmwMT";

impl Rights {
    /// Enter, list and read: `elr`.
    pub const READ_ONLY: Rights = Rights::ENTER.and(Rights::LIST).and(Rights::READ);

    /// The rights of `letters`.
    ///
    /// # Errors
    /// The first letter that is no right.
    pub fn parse(letters: &str) -> Result<Self, char> {
        letters.chars().try_fold(Self::NONE, |rights, letter| {
            LETTERS.find(letter).map(|bit| rights.and(Self(1 << bit))).ok_or(letter)
        })
    }

    /// The letters.
    #[must_use]
    pub fn letters(self) -> String {
        LETTERS
            .chars()
            .enumerate()
            .filter(|(bit, _)| self.0 >> bit & 1 == 1)
            .map(|(_, letter)| letter)
            .collect()
    }

    /// What these rights leave of the perm fact of an entry (RFC 3659 §7.5.5).
    #[must_use]
    pub fn perm(self) -> Perm {
        let letters: [(Rights, &[u8]); 8] = [
            (Rights::APPEND, b"a"),
            (Rights::WRITE, b"cw"),
            (Rights::DELETE, b"dp"),
            (Rights::ENTER, b"e"),
            (Rights::RENAME, b"f"),
            (Rights::LIST, b"l"),
            (Rights::MAKE_DIR, b"m"),
            (Rights::READ, b"r"),
        ];
        let left = letters.iter().filter(|(right, _)| self.has(*right)).flat_map(|(_, letters)| *letters);
        Perm::of(&left.copied().collect::<Vec<u8>>())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rights_are_letters_both_ways() {
        assert_eq!(Rights::parse("elradfmwMT"), Ok(Rights::ALL));
        assert_eq!(Rights::parse("elr").map(Rights::letters), Ok("elr".to_owned()));
        assert_eq!(Rights::parse("elx"), Err('x'));
        assert!(!Rights::READ_ONLY.has(Rights::WRITE));
    }

    #[test]
    fn rights_are_shown_as_the_perm_fact() {
        assert_eq!(Rights::READ_ONLY.perm(), Perm::of(b"elr"));
        assert_eq!(Rights::ALL.perm(), Perm::of(b"acdeflmprw"));
        assert_eq!(Rights::MODES.perm(), Perm::default());
    }

    #[test]
    fn the_default_is_safe() {
        let policy = Policy::default();
        assert_eq!((policy.plain, policy.data_protection), (Plain::Refuse, DataProtection::Required));
        assert_eq!(policy.clear_control, Switch::Off);
    }
}
