//! What a server allows and how long it waits: values, set once, shared by all sessions.

use std::time::Duration;

use bitflags::bitflags;

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

/// The rules of all sessions of a server: the safe ones of [`Policy::default`], and what is set after.
///
/// ```
/// use std::time::Duration;
/// use ftp_proto::session::{Plain, Policy};
///
/// let policy = Policy::default().plain(Plain::Allow).idle(Duration::from_secs(60));
/// assert!(!policy.needs_tls());
/// ```
#[derive(Debug, Clone)]
pub struct Policy {
    pub(super) greeting: Text,
    pub(super) plain: Plain,
    pub(super) data_protection: DataProtection,
    pub(super) tls: Switch,
    pub(super) active: Switch,
    pub(super) clear_control: Switch,
    pub(super) abilities: Abilities,
    pub(super) hosts: Vec<String>,
    pub(super) passive_ports: String,
    pub(super) idle: Duration,
    pub(super) login_time: Duration,
    pub(super) accept: Duration,
    pub(super) connect: Duration,
    pub(super) attempts: u32,
    pub(super) errors: u32,
}

impl Policy {
    /// Text of the 220 greeting; names no product version.
    #[must_use]
    pub fn greeting(mut self, text: impl Into<Text>) -> Self {
        self.greeting = text.into();
        self
    }

    /// Whether logins without TLS are taken.
    #[must_use]
    pub fn plain(mut self, plain: Plain) -> Self {
        self.plain = plain;
        self
    }

    /// Whether TLS sessions may move data in clear.
    #[must_use]
    pub fn data_protection(mut self, level: DataProtection) -> Self {
        self.data_protection = level;
        self
    }

    /// AUTH TLS.
    #[must_use]
    pub fn tls(mut self, tls: Switch) -> Self {
        self.tls = tls;
        self
    }

    /// PORT and EPRT.
    #[must_use]
    pub fn active(mut self, active: Switch) -> Self {
        self.active = active;
        self
    }

    /// CCC.
    #[must_use]
    pub fn clear_control(mut self, ccc: Switch) -> Self {
        self.clear_control = ccc;
        self
    }

    /// What FEAT promises before login; after it, what the user's storage can do.
    #[must_use]
    pub fn abilities(mut self, abilities: Abilities) -> Self {
        self.abilities = abilities;
        self
    }

    /// Names of virtual hosts, in any letter case; none switches HOST off.
    #[must_use]
    pub fn hosts(mut self, names: impl IntoIterator<Item = String>) -> Self {
        self.hosts = names.into_iter().map(|name| name.to_ascii_lowercase()).collect();
        self
    }

    /// Passive ports as text, for replies.
    #[must_use]
    pub fn passive_ports(mut self, text: impl Into<String>) -> Self {
        self.passive_ports = text.into();
        self
    }

    /// How long a session may be idle after login.
    #[must_use]
    pub fn idle(mut self, time: Duration) -> Self {
        self.idle = time;
        self
    }

    /// How long a connection may take to log in.
    #[must_use]
    pub fn login_time(mut self, time: Duration) -> Self {
        self.login_time = time;
        self
    }

    /// How long to wait for the client on a passive port.
    #[must_use]
    pub fn accept(mut self, time: Duration) -> Self {
        self.accept = time;
        self
    }

    /// How long to try an active connection.
    #[must_use]
    pub fn connect(mut self, time: Duration) -> Self {
        self.connect = time;
        self
    }

    /// Failed logins before the session ends.
    #[must_use]
    pub fn attempts(mut self, most: u32) -> Self {
        self.attempts = most;
        self
    }

    /// Errors in a row before the session ends.
    #[must_use]
    pub fn errors(mut self, most: u32) -> Self {
        self.errors = most;
        self
    }

    /// Whether logins are taken over TLS only.
    #[must_use]
    pub fn needs_tls(&self) -> bool {
        self.plain == Plain::Refuse
    }

    /// The names of virtual hosts, in lower case.
    #[must_use]
    pub fn host_names(&self) -> &[String] {
        &self.hosts
    }
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

bitflags! {
    /// What a storage can do; FEAT promises no more.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
    pub struct Abilities: u16 {
        /// REST in front of RETR, and RANG.
        const RESTART_READ = 1 << 0;
        /// REST in front of STOR, and APPE.
        const RESTART_WRITE = 1 << 1;
        /// MFMT and SITE UTIME.
        const TIMES = 1 << 2;
        /// SITE CHMOD.
        const MODES = 1 << 3;
        /// AVBL.
        const SPACE = 1 << 4;
    }
}

impl Abilities {
    /// All of them, as of this version.
    pub const ALL: Abilities = Abilities::all();
}

bitflags! {
    /// What a user may do, written as the letters `elradfmwMT`.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
    pub struct Rights: u16 {
        /// `e`: change the working directory.
        const ENTER = 1 << 0;
        /// `l`: list, and read facts.
        const LIST = 1 << 1;
        /// `r`: read files.
        const READ = 1 << 2;
        /// `a`: append to files, and resume.
        const APPEND = 1 << 3;
        /// `d`: delete files and directories.
        const DELETE = 1 << 4;
        /// `f`: rename.
        const RENAME = 1 << 5;
        /// `m`: make directories.
        const MAKE_DIR = 1 << 6;
        /// `w`: store files.
        const WRITE = 1 << 7;
        /// `M`: change permission bits.
        const MODES = 1 << 8;
        /// `T`: change times.
        const TIMES = 1 << 9;
    }
}

/// The letters of [`Rights`], in the order of their bits.
const LETTERS: &str = "elradfmwMT";

impl Rights {
    /// All of them, as of this version.
    pub const ALL: Rights = Rights::all();
    /// Enter, list and read: `elr`.
    pub const READ_ONLY: Rights = Rights::ENTER.union(Rights::LIST).union(Rights::READ);

    /// The rights of `letters`.
    ///
    /// # Errors
    /// The first letter that is no right.
    pub fn parse(letters: &str) -> Result<Self, char> {
        letters
            .chars()
            .map(|letter| LETTERS.find(letter).map(|bit| Self::from_bits_truncate(1 << bit)).ok_or(letter))
            .collect()
    }

    /// The letters.
    #[must_use]
    pub fn letters(self) -> String {
        LETTERS
            .chars()
            .enumerate()
            .filter(|(bit, _)| self.bits() >> bit & 1 == 1)
            .map(|(_, letter)| letter)
            .collect()
    }

    /// What these rights leave of the perm fact of an entry (RFC 3659 §7.5.5).
    #[must_use]
    pub fn perm(self) -> Perm {
        let map = [
            (Rights::APPEND, Perm::APPEND),
            (Rights::WRITE, Perm::CREATE | Perm::WRITE),
            (Rights::DELETE, Perm::DELETE | Perm::PURGE),
            (Rights::ENTER, Perm::ENTER),
            (Rights::RENAME, Perm::RENAME),
            (Rights::LIST, Perm::LIST),
            (Rights::MAKE_DIR, Perm::MAKE_DIR),
            (Rights::READ, Perm::READ),
        ];
        map.iter().filter(|(right, _)| self.contains(*right)).map(|(_, perm)| *perm).collect()
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
        assert!(!Rights::READ_ONLY.contains(Rights::WRITE));
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
