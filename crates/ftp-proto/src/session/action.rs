//! What a session wants done: the only way out of it.

use std::net::SocketAddr;
use std::time::Duration;

use crate::command::service::Switches;
use crate::data::Coding;
use crate::reply::Reply;
use crate::session::event::TlsFacts;
use crate::value::facts::{FactChange, FactSet};
use crate::value::path::{PathArg, VPath};
use crate::value::text::{Password, Text, Username};
use crate::verb::Verb;

/// Something the driver does, in the order in which it is given. Those with an answer say which.
///
/// It is exhaustive, as are [`Format`] and [`Algorithm`]: a driver has to do all of it, and the compiler says what it lacks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Send a reply.
    Reply(Reply),
    /// Start TLS on the control connection once everything before is sent. Answer: `Secured`, or the end.
    Secure,
    /// Close TLS on the control connection and go on in clear. Answer: `Unsecured`.
    Unsecure,
    /// Check a login. Answer: `Authenticated`.
    Authenticate(Credentials),
    /// Ask the storage. Answer: `Stored`.
    Store(Request),
    /// Open a passive port for the client's address. Answer: `Listening`, `NoPort` or `NoSocket`.
    Listen,
    /// Wait on the passive port. Answer: `DataUp` or `DataFailed`.
    Accept(Duration),
    /// Connect to the client. Answer: `DataUp` or `DataFailed`.
    Dial(SocketAddr, Duration),
    /// Send what was opened on the data connection. Answer: `Ended`.
    Send(Outbound),
    /// Receive from the data connection. Answer: `Ended`.
    Receive(Inbound),
    /// Stop the transfer that runs; its `Ended` still comes. Where none runs, forget the question that the storage works
    /// at, which then has no answer.
    Abort,
    /// Close the passive port, the data connection and what was opened for it. No answer.
    DropData,
    /// The transfer was refused: forget what was set up for it. A client may connect before it reads why, so whoever comes to the
    /// passive port within some seconds, and before the next set-up, is let in and closed in order. No answer.
    RetireData,
    /// Give back what the login yielded, if there is one: account, storage, the user's place. No answer.
    LogOut,
    /// Tell the observers.
    Notice(Notice),
    /// Send what is left and close the control connection.
    Close,
}

/// What a client proves itself with.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Credentials {
    /// The virtual host it chose by HOST.
    pub host: Option<String>,
    /// The user.
    pub user: Username,
    /// The password.
    pub password: Password,
    /// The control connection's TLS; `None` in clear.
    pub tls: Option<TlsFacts>,
}

impl Credentials {
    /// A user name and a password, given in clear and to no host in particular.
    #[must_use]
    pub fn new(user: Username, password: Password) -> Self {
        Self { host: None, user, password, tls: None }
    }
}

/// What a session asks its storage.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Request {
    /// What is known of an entry; links are followed. Answer: `Facts`.
    Facts(VPath),
    /// Octets of a file, or, where there is none, those that are kept of a broken upload to it for this user, from which the
    /// user may go on. Answer: `Facts`.
    Size(VPath),
    /// What is known of an entry itself: of a link, not of what it leads to. Answer: `Facts`.
    OwnFacts(VPath),
    /// May this directory be entered? Answer: `Done`.
    Enter(VPath),
    /// What STAT shows of the first of these that exists. Answer: `Shown`.
    Entries(Vec<Reading>),
    /// Open a file for reading. Answer: `Opened`.
    OpenFile(VPath, Span),
    /// Open the first of these that exists, a directory or one file, for a listing. Answer: `Listed`.
    OpenList(Vec<Reading>, Format),
    /// May this be written? The storage may make ready for it, but changes nothing. Answer: `Writable`.
    MayWrite(VPath, Create),
    /// Make a directory. Answer: `Done`.
    MakeDir(VPath),
    /// Remove an empty directory. Answer: `Done`.
    RemoveDir(VPath),
    /// Remove a file. Answer: `Done`.
    RemoveFile(VPath),
    /// Rename. Answer: `Done`.
    Rename(VPath, VPath),
    /// Set a fact. Answer: `Set`.
    Change(VPath, FactChange),
    /// Digest a file. Answer: `Digest`.
    Digest(VPath, Algorithm, Span),
    /// Free octets at a directory. Answer: `Free`.
    Free(VPath),
}

/// What the argument of a listing may mean.
///
/// Where nothing has the path of the last reading, and its last name is a [`Pattern`](crate::value::pattern::Pattern), the
/// entries of the directory above that match are meant, none perhaps; not so for MLSD.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Reading {
    /// What is to be listed.
    pub path: VPath,
    /// The same as the client wrote it, which NLST puts in front of names; `None` if it wrote nothing.
    pub given: Option<PathArg>,
}

/// A part of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Span {
    /// The first octet, from 0.
    pub first: u64,
    /// The last octet, included; the end of the file if absent.
    pub last: Option<u64>,
}

impl Span {
    /// How many octets it has; `None` if it goes to the end of the file. A `last` before `first` counts as one octet.
    #[must_use]
    #[allow(clippy::len_without_is_empty, reason = "a span has one octet at least")]
    pub fn len(&self) -> Option<u64> {
        self.last.map(|last| last.saturating_sub(self.first).saturating_add(1))
    }
}

/// How an upload goes into the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Create {
    /// STOR: a new file, or in place of an old one.
    Replace,
    /// APPE: at the end of the file.
    Append,
    /// REST or RANG and STOR: from this octet on, in place.
    At(u64),
    /// STOU: under a name that is not taken, in the directory of that path, or beside it and made from it.
    Unique,
}

/// The form of a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Format {
    /// NLST: names, behind the directory as the client wrote it.
    Names,
    /// LIST with these switches.
    Unix(Switches),
    /// MLSD with these facts; of directories only.
    Facts(FactSet),
}

/// What a data connection carries to the client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outgoing {
    /// The file that was opened.
    File,
    /// The listing that was opened.
    Listing,
}

/// A download.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Outbound {
    /// What was opened before.
    pub what: Outgoing,
    /// TYPE, STRU and MODE.
    pub coding: Coding,
    /// PROT.
    pub protection: Protection,
}

/// An upload.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Inbound {
    /// Where to.
    pub path: VPath,
    /// How.
    pub how: Create,
    /// TYPE, STRU and MODE.
    pub coding: Coding,
    /// PROT.
    pub protection: Protection,
    /// The most octets that RANG allows.
    pub limit: Option<u64>,
}

impl Inbound {
    /// An upload of whatever length.
    #[must_use]
    pub fn new(path: VPath, how: Create, coding: Coding, protection: Protection) -> Self {
        Self { path, how, coding, protection, limit: None }
    }
}

/// Whether a data connection is protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Protection {
    /// PROT C: in clear.
    Clear,
    /// PROT P: TLS.
    Private,
}

/// Digest algorithms, by their names in the IANA registry of textual hash names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Algorithm {
    /// `CRC32`
    Crc32,
    /// `MD5`
    Md5,
    /// `SHA-1`
    Sha1,
    /// `SHA-256`
    Sha256,
    /// `SHA-512`
    Sha512,
}

impl Algorithm {
    /// Every algorithm, strongest default first as FEAT lists them.
    pub const ALL: [Algorithm; 5] = [Self::Sha256, Self::Sha512, Self::Sha1, Self::Md5, Self::Crc32];

    /// The textual name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Crc32 => "CRC32",
            Self::Md5 => "MD5",
            Self::Sha1 => "SHA-1",
            Self::Sha256 => "SHA-256",
            Self::Sha512 => "SHA-512",
        }
    }

    /// The algorithm of that name, in any letter case.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|algorithm| algorithm.as_str().eq_ignore_ascii_case(name))
    }
}

/// Something worth a line in a log or a count in a metric. It never holds a password.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Notice {
    /// The control connection is protected.
    Secured(TlsFacts),
    /// A user logged in.
    LoggedIn(Username),
    /// A login was refused.
    LoginFailed(Username, crate::session::event::Denied),
    /// A transfer ended, well or not.
    Transfer(Transferred),
    /// The store was changed by a command.
    Changed {
        /// The command.
        verb: Verb,
        /// What was changed.
        path: VPath,
        /// The new name, for RNTO.
        to: Option<VPath>,
    },
    /// The session ends.
    Ending(Ending),
}

/// One transfer, for the log.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Transferred {
    /// The command.
    pub verb: Verb,
    /// The file or directory.
    pub path: VPath,
    /// Octets of the file.
    pub octets: u64,
    /// From the 150 to the end.
    pub elapsed: Duration,
    /// PASV, EPSV, or the address of PORT and EPRT.
    pub active: Option<SocketAddr>,
    /// PROT.
    pub protection: Protection,
    /// The final reply.
    pub reply: Reply,
}

/// Why a session ends.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Ending {
    /// QUIT.
    Quit,
    /// The client closed the control connection.
    Gone,
    /// Nothing happened for too long.
    Idle,
    /// Nobody logged in for too long.
    NoLogin,
    /// Too many failed logins.
    Attempts,
    /// The user has too many sessions, or accounts could not be checked.
    Unavailable,
    /// Too many errors in a row, or another protocol.
    Nonsense(Text),
    /// The server stops.
    Drain,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_length_of_a_span_never_wraps() {
        let span = |first, last| Span { first, last: Some(last) };
        assert_eq!(Span::default().len(), None);
        assert_eq!(span(2, 3).len(), Some(2));
        assert_eq!(span(0, u64::MAX).len(), Some(u64::MAX));
        assert_eq!(span(3, 2).len(), Some(1));
    }
}
