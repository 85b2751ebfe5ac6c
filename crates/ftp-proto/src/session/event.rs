//! What happens to a session: lines from the client, and answers to its own actions.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use thiserror::Error;

use crate::data::DataError;
use crate::session::policy::{Abilities, Rights};
use crate::value::facts::{Entry, FactChange, Facts, Kind};
use crate::value::path::{PathError, VPath};
use crate::value::text::Text;
use crate::value::time::TimeVal;

/// Something the driver reports. Every event has an answer in every state.
#[derive(Debug)]
#[non_exhaustive]
pub enum Event<'a> {
    /// A line of the control connection, without its end.
    Line(&'a [u8]),
    /// A line that was too long; its octets are gone.
    Overlong,
    /// Answer to [`Action::Secure`](super::Action::Secure): the TLS handshake is complete.
    Secured(TlsFacts),
    /// Answer to [`Action::Unsecure`](super::Action::Unsecure): TLS is closed, the connection is in clear.
    Unsecured,
    /// Answer to [`Action::Authenticate`](super::Action::Authenticate).
    Authenticated(Result<Login, Denied>),
    /// Answer to [`Action::Store`](super::Action::Store).
    Stored(Result<Answer, Refusal>),
    /// Answer to [`Action::Listen`](super::Action::Listen): the port is open; this is the address to announce.
    Listening(SocketAddr),
    /// Answer to [`Action::Listen`](super::Action::Listen): every passive port is in use.
    NoPort,
    /// Answer to [`Action::Listen`](super::Action::Listen): the system does not let the server open one, and why.
    NoSocket(Text),
    /// Answer to [`Action::Accept`](super::Action::Accept) and [`Action::Dial`](super::Action::Dial): the data
    /// connection stands, with the right peer.
    DataUp,
    /// The same, but there is no data connection.
    DataFailed(DataFault, Suspect),
    /// Before [`Event::Ended`]: a second connection came to the passive port of the transfer, from there. Somebody else may have
    /// been faster than the client.
    Contested(IpAddr),
    /// Answer to [`Action::Send`](super::Action::Send) and [`Action::Receive`](super::Action::Receive), also after
    /// [`Action::Abort`](super::Action::Abort).
    Ended(Result<Count, Failure>),
    /// The time that [`Session::deadline`](super::Session::deadline) gave has come.
    Deadline,
    /// The server stops: finish what runs, then close.
    Drain,
    /// The control connection is lost.
    Gone,
}

/// What the control connection's TLS session is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct TlsFacts {
    /// Protocol version, such as `TLSv1.3`.
    pub version: String,
    /// Cipher suite.
    pub cipher: String,
    /// Server name the client asked for.
    pub server_name: Option<String>,
}

impl TlsFacts {
    /// What a handshake agreed on, without a server name.
    pub fn new(version: impl Into<String>, cipher: impl Into<String>) -> Self {
        Self { version: version.into(), cipher: cipher.into(), server_name: None }
    }

    /// The same with the name that the client asked for, if it did.
    #[must_use]
    pub fn server_name(mut self, name: Option<String>) -> Self {
        self.server_name = name;
        self
    }
}

/// What a login yields to the session. The file system that comes with it stays with the driver.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Login {
    /// What the user may do.
    pub rights: Rights,
    /// Where the session starts.
    pub home: VPath,
    /// What the storage can do.
    pub abilities: Abilities,
    /// Octets that one file of this user may have, for ALLO.
    pub file_max: Option<u64>,
    /// Text of the 230 reply.
    pub welcome: Option<Text>,
}

impl Login {
    /// A login without bound and with the usual welcome.
    #[must_use]
    pub fn new(rights: Rights, home: VPath, abilities: Abilities) -> Self {
        Self { rights, home, abilities, file_max: None, welcome: None }
    }

    /// The same with a bound on the octets of a file.
    #[must_use]
    pub fn file_max(mut self, octets: Option<u64>) -> Self {
        self.file_max = octets;
        self
    }

    /// The same with another text for the 230 reply.
    #[must_use]
    pub fn welcome(mut self, text: Option<Text>) -> Self {
        self.welcome = text;
        self
    }
}

/// Why a login is refused. What is wrong with credentials is not told; the other causes are.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Denied {
    /// No such user, wrong password, disabled account.
    Credentials,
    /// The account may be used over TLS only.
    TlsOnly,
    /// The user, or the server, has as many sessions as allowed.
    TooMany,
    /// Accounts cannot be checked right now.
    Unavailable,
    /// What the account is served from cannot be opened; why is for the log, and not for the client.
    NoFolder(Text),
}

/// What a storage answers to a request.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Answer {
    /// It is done.
    Done,
    /// What is known of the entry.
    Facts(Facts),
    /// What STAT shows.
    Shown(Shown),
    /// The listing is open, of this file, directory or pattern.
    Listed(VPath),
    /// The file is open for reading; it has so many octets.
    Opened(u64),
    /// The file may be written; under this name, if the server was to choose one.
    Writable(VPath),
    /// The digest in lower-case hexadecimal, and the octets it covers.
    Digest(String, (u64, u64)),
    /// So many octets are free.
    Free(u64),
    /// What the fact is now, which may be less exact than what was asked for.
    Set(FactChange),
}

/// Entries that STAT shows.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Shown {
    /// What was found: a file, a directory, or a pattern that some match.
    pub path: VPath,
    /// What it is; the entries that match a pattern are shown as those of a directory are.
    pub kind: Kind,
    /// The file itself, or the entries.
    pub entries: Vec<Entry>,
    /// The present time, which decides between time and year, as in LIST.
    pub now: TimeVal,
}

impl Shown {
    /// Entries below, or at, `path`.
    #[must_use]
    pub fn new(path: VPath, kind: Kind, entries: Vec<Entry>, now: TimeVal) -> Self {
        Self { path, kind, entries, now }
    }
}

/// Why a storage does not do what was asked.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Refusal {
    /// There is no such entry.
    #[error("no such file or directory")]
    NotFound,
    /// It is no directory.
    #[error("not a directory")]
    NotADirectory,
    /// It is a directory.
    #[error("is a directory")]
    IsADirectory,
    /// The name is taken.
    #[error("file already exists")]
    Exists,
    /// It is neither a file nor a directory: a pipe, a socket, a device.
    #[error("neither a file nor a directory")]
    NotAFile,
    /// The directory has entries.
    #[error("the directory is not empty")]
    NotEmpty,
    /// All that the directory has are entries that no listing shows.
    #[error(
        "the directory looks empty, but has entries that no listing can show; the operator of the server can remove them"
    )]
    Unseen,
    /// Another file system begins there.
    #[error("another file system is mounted there")]
    MountPoint,
    /// It would have to move to another file system.
    #[error("the new name is on another file system; upload it there, and delete it here")]
    OtherFileSystem,
    /// Nothing can be changed there, by anybody.
    #[error("the file system is read-only")]
    ReadOnly,
    /// The file system has no such names.
    #[error("the file system does not take this name; try other characters")]
    Unstorable,
    /// The user has no right to it.
    #[error("permission denied")]
    Denied,
    /// All that the user has on the server is gone.
    #[error("your folder on the server is gone; tell its operator")]
    Gone,
    /// It lies outside the root.
    #[error("leads outside your directory tree")]
    Outside,
    /// Someone else is at it.
    #[error("busy, try again later")]
    Busy,
    /// The store cannot be reached now.
    #[error("the store cannot be reached now, try again later")]
    Unavailable,
    /// The store is asked for too much at once.
    #[error("too much is asked of the store at once, try again later")]
    TooMany,
    /// The store is full.
    #[error("no space left on the server")]
    NoSpace,
    /// The user has used up the allowance.
    #[error("over your quota")]
    OverQuota,
    /// The name cannot be stored.
    #[error("{0}")]
    Name(PathError),
    /// The offset lies behind the end.
    #[error("the offset is beyond the end of the file")]
    BeyondEnd,
    /// The offset lies behind so many octets, which are kept of a broken upload for this user.
    #[error("{0} octets of a broken upload are kept; send REST {0} and STOR to go on, or STOR to begin anew")]
    BeyondKept(u64),
    /// There is a whole file, and so many octets are kept of a broken upload of a new version: the two are no file together.
    #[error(
        "{0} octets of a broken upload are kept beside a whole file; send REST {0} and STOR to go on with the upload, or \
         STOR to send a whole new file, and APPE only then"
    )]
    KeptBeside(u64),
    /// The store cannot do this.
    #[error("not supported by this store")]
    Unsupported,
    /// The store failed.
    #[error("local error: {0}")]
    Io(Text),
}

/// Octets of a finished transfer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Count {
    /// Octets of the file or listing, before TYPE, STRU and MODE.
    pub file: u64,
    /// Octets on the data connection, without TLS.
    pub wire: u64,
}

/// Who seems to be in the way of data connections, as far as a server can tell from all that it has seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Suspect {
    /// Too little was seen to tell.
    #[default]
    Unknown,
    /// Data connections of other clients come about: something at this client.
    Client,
    /// None ever did, of several clients: something at this server.
    Server,
    /// Ports of this interval never work, others do.
    Ports(u16, u16),
}

/// Why no data connection came about.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum DataFault {
    /// Nobody connected to the passive port in time; perhaps a stranger did.
    NobodyCame {
        /// The port that was announced.
        port: u16,
        /// How long the server waited.
        waited: Duration,
        /// Who else connected to it.
        stranger: Option<IpAddr>,
    },
    /// The client refused the active connection.
    Refused(SocketAddr),
    /// The client did not answer the active connection in time.
    TimedOut(SocketAddr, Duration),
    /// There is no way to the client's address.
    Unreachable(SocketAddr, Text),
    /// The system does not let the server open or take one, and why: nobody is in the way.
    NoSocket(Text),
    /// The connection stood and is gone again.
    Lost,
}

/// A transfer that did not come to its end, and what it leaves behind.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Failure {
    /// Why.
    pub fault: Fault,
    /// What there is now.
    pub left: Left,
    /// Octets that were moved.
    pub count: Count,
}

impl Failure {
    /// A transfer that failed by `fault` after `count` octets and leaves `left` behind.
    #[must_use]
    pub fn new(fault: Fault, left: Left, count: Count) -> Self {
        Self { fault, left, count }
    }
}

/// Why a transfer failed.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// The session asked for it.
    Aborted,
    /// The TLS handshake on the data connection failed.
    Handshake(Text),
    /// The TLS session of the data connection does not belong to this control connection.
    ForeignSession,
    /// The data connection broke.
    Broken(Text),
    /// TLS ended without close_notify: the data may be cut short.
    Truncated,
    /// The control connection closed without QUIT behind an upload in clear, as it does when a client dies.
    ClientGone,
    /// No octet moved for so long.
    Stalled(Duration),
    /// Fewer octets moved than have to.
    TooSlow {
        /// Octets a second that have to move.
        least: u64,
        /// Over so long.
        over: Duration,
    },
    /// The octets do not follow TYPE, STRU and MODE.
    Undecodable(DataError),
    /// More octets came than RANG allows.
    BeyondRange,
    /// The storage failed.
    Storage(Refusal),
}

/// What a failed upload leaves behind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Left {
    /// It was no upload, or nothing was written: everything is as it was.
    Nothing,
    /// A new file holds the octets that came, so that the client can resume.
    Partial(u64),
    /// Nothing is seen of it, but so many octets are kept for this user, so that the client can resume.
    Kept(u64),
    /// An existing file was changed in place, as REST, APPE or RANG asked; this is its size.
    Extended(u64),
    /// Octets of an existing file were overwritten in place, as REST or RANG asked, and others stand behind them.
    Overwritten {
        /// Octets of the file.
        size: u64,
        /// The first octet behind those that were overwritten.
        end: u64,
    },
    /// All of it stands under its name, so many octets; what failed was behind that, and a crash may still take it away.
    Whole(u64),
}
