//! What a logged-in session is busy with: a question to the storage, a port, a transfer; and the end of the data
//! connection that a transfer will take.
//!
//! ```text
//! command ──> Checking ──stored──> Connecting ──data up──> Moving ──ended──> Idle
//!                │ refused 55x        │ 425          150      │ ABOR           226, 425, 426, 45x
//!                └──────> Idle <──────┘                       └──> Aborting ──ended──> Idle   426, 226
//! ```

use std::net::{IpAddr, SocketAddr};
use std::time::Instant;

use crate::session::action::{Algorithm, Create, Outgoing};
use crate::value::facts::FactChange;
use crate::value::path::VPath;
use crate::verb::Verb;

/// What a logged-in session is busy with. A command leads from `Idle` to one of the others; each leads back.
#[derive(Debug)]
pub(in crate::session) enum Work {
    /// Nothing: the next command may run.
    Idle,
    /// The storage was asked; its answer leads to `Idle`, or to the next question.
    Asking(Ask),
    /// A passive port is being opened; port or refusal lead to `Idle`.
    Opening(Announce),
    /// CCC: TLS is being closed; its end leads to `Idle`.
    Clearing,
    /// A transfer, from its command to its final reply, which leads to `Idle`.
    Transfer(Box<Transfer>),
}

/// What an answer of the storage is for.
#[derive(Debug)]
pub(in crate::session) struct Ask {
    /// The command that asked.
    pub(in crate::session) verb: Verb,
    /// About what.
    pub(in crate::session) path: VPath,
    pub(in crate::session) then: Then,
}

/// What is done with an answer, as far as the verb does not say it.
#[derive(Debug)]
pub(in crate::session) enum Then {
    /// What the verb says.
    Reply,
    /// RNTO: the entry had this name before.
    Renamed(VPath),
    /// HASH: the digest, with the name as the client gave it.
    Hash(Algorithm, Vec<u8>),
    /// ALLO: whether so many octets are free.
    Fits(u64),
    /// XMD5 and its relatives: the digest alone.
    Digest,
    /// MFMT, MFF, SITE: the next fact, or the reply.
    Set {
        /// What is still to set, last first.
        left: Vec<FactChange>,
        /// What is set, as the reply tells it.
        echo: Vec<u8>,
        /// The name as the client gave it.
        name: Vec<u8>,
    },
}

impl Ask {
    /// A question whose verb says what the answer is for.
    pub(in crate::session) fn new(verb: Verb, path: VPath) -> Self {
        Self { verb, path, then: Then::Reply }
    }

    /// Whether the answer takes the reading of a file.
    pub(in crate::session) fn is_digest(&self) -> bool {
        matches!(self.then, Then::Hash(..) | Then::Digest)
    }
}

/// A transfer under way.
#[derive(Debug)]
pub(in crate::session) struct Transfer {
    pub(in crate::session) verb: Verb,
    pub(in crate::session) path: VPath,
    pub(in crate::session) plan: Plan,
    pub(in crate::session) stage: Progress,
    /// What the 150 of a download says of its length, if anything.
    pub(in crate::session) length: Length,
    /// Where the client listens, if it does.
    pub(in crate::session) active: Option<SocketAddr>,
    /// From where a second connection came to the port of this one.
    pub(in crate::session) contested: Option<IpAddr>,
    /// When it was asked for; when it began, once octets move.
    pub(in crate::session) started: Instant,
}

impl Transfer {
    /// A transfer at its start.
    pub(in crate::session) fn new(verb: Verb, path: VPath, plan: Plan, now: Instant) -> Self {
        Self {
            verb,
            path,
            plan,
            stage: Progress::Checking,
            length: Length::Untold,
            active: None,
            contested: None,
            started: now,
        }
    }

    /// Whether the storage was asked and has not answered.
    pub(in crate::session) fn is_checking(&self) -> bool {
        self.stage == Progress::Checking
    }
}

/// What the 150 says of the length of a download. The answer of the storage leads from `Behind` to `Octets`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::session) enum Length {
    /// Nothing: the octets on the wire are others than those of the file, or it is no download.
    Untold,
    /// So many octets more than are sent: REST has them skipped, and clients want to know the whole.
    Behind(u64),
    /// So many octets.
    Octets(u64),
}

/// What moves in which direction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::session) enum Plan {
    /// To the client.
    Send(Outgoing),
    /// To the server; so many octets at most, if RANG said it.
    Receive(Create, Option<u64>),
}

/// How far a transfer is. The diagram is in the head of this module.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::session) enum Progress {
    /// The storage was asked. Leads to `Connecting`, or ends with a refusal.
    Checking,
    /// The data connection is awaited. Leads to `Moving`, or ends with 425.
    Connecting,
    /// 150 was said, octets move. Leads to `Aborting` by ABOR, to `GivenUp` when the session ends.
    Moving,
    /// ABOR: the end is awaited, for 426 and 226. Leads to `GivenUp` when the session ends.
    Aborting,
    /// As `Aborting`, but because the session ends: nobody sent ABOR.
    GivenUp,
}

/// The end of the next data connection. PORT and PASV and their relatives set it, and the last one wins; each
/// transfer takes it, and leads back to `None`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::session) enum Endpoint {
    /// No command has set one.
    None,
    /// A passive port is open.
    Passive,
    /// The client listens here.
    Active(SocketAddr),
}

/// Which commands may set up a data connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::session) enum Setup {
    /// All four. EPSV ALL leads to `EpsvOnly`.
    Any,
    /// EPSV ALL: EPSV only, until the end of the login (RFC 2428 §4).
    EpsvOnly,
}

/// The form in which an open port is announced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::session) enum Announce {
    /// 227: address and port.
    Pasv,
    /// 229: the port.
    Epsv,
}
