//! What a session *is*: its states, and what each of them holds. The diagram is in the head of [`crate::session`].
//!
//! What exists only after login lives in [`LoggedIn`], so that REIN and AUTH cannot forget to clear any of it. What a
//! logged-in session is busy with is in [`work`]. Not here: any rule of a command. Those stand in the files beside this
//! one, a group of commands each, and all of them lean on this one.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use crate::data::Coding;
use crate::reply::{Class, Code, Reply};
use crate::session::action::{Action, Algorithm, Notice, Protection, Span};
use crate::session::event::{Login, TlsFacts};
use crate::session::policy::{Abilities, Policy, Rights, Switch};
use crate::session::waiting::Waiting;
use crate::value::facts::FactSet;
use crate::value::path::VPath;
use crate::value::text::{Text, Username};

pub(super) mod work;

use work::{Endpoint, Setup, Work};

/// How the client comes in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Entrance {
    /// In clear, with AUTH TLS on offer: ports 21 and 3021.
    Explicit,
    /// TLS before the first octet: ports 990 and 3990.
    Implicit,
}

/// Both ends of the control connection. IPv4-mapped addresses must be given as IPv4.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Endpoints {
    /// The server's address and port.
    pub local: SocketAddr,
    /// The client's.
    pub peer: SocketAddr,
    /// How it came in.
    pub entrance: Entrance,
}

/// One control connection, from the greeting to the end.
#[derive(Debug)]
pub struct Session {
    pub(super) core: Core,
    pub(super) stage: Stage,
    /// Lines that came during a transfer and wait for its end.
    pub(super) waiting: Waiting,
    /// Failed logins since the last that went well.
    pub(super) failures: u32,
    /// Errors in a row.
    pub(super) errors: u32,
}

/// What every state needs: rules, addresses, protection, and the way out.
#[derive(Debug)]
pub(super) struct Core {
    pub(super) policy: Arc<Policy>,
    pub(super) ends: Endpoints,
    pub(super) secure: Secure,
    /// What is to be done, first in, first out: the only way out of the session.
    pub(super) queue: VecDeque<Action>,
    /// What the command that runs has been told.
    pub(super) verdict: Verdict,
    /// When the event came that is being handled.
    pub(super) now: Instant,
    /// When the client last did something.
    pub(super) since: Instant,
    /// Since when nobody is logged in.
    pub(super) visiting: Instant,
    /// Whether the server is about to stop.
    pub(super) draining: Switch,
    /// The virtual host that HOST chose.
    pub(super) host: Option<String>,
    /// The transfer parameters that a new USER leaves as they are.
    pub(super) kept: Settings,
}

/// How a command fared, by the worst of its replies. Each command begins at `Open` and leads on to the others in this
/// order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Verdict {
    /// Nothing final was said, or something that is no fault of the client.
    Open,
    /// It was done (2yz): the row of errors ends.
    Done,
    /// It makes no sense, or not here: it counts as an error.
    Nonsense,
}

impl Verdict {
    fn of(code: Code) -> Self {
        match code {
            Code::SYNTAX_ERROR
            | Code::BAD_ARGUMENT
            | Code::NOT_IMPLEMENTED
            | Code::BAD_SEQUENCE
            | Code::NOT_LOGGED_IN => Self::Nonsense,
            code if code.class() == Class::Completion => Self::Done,
            _ => Self::Open,
        }
    }
}

impl Core {
    pub(super) fn push(&mut self, action: Action) {
        if let Action::Reply(reply) = &action {
            self.verdict = self.verdict.max(Verdict::of(reply.code()));
        }
        self.queue.push_back(action);
    }

    pub(super) fn reply(&mut self, code: Code, text: &'static str) {
        self.push(Action::Reply(Reply::new(code, text)));
    }

    pub(super) fn say(&mut self, code: Code, text: impl Into<Text>) {
        self.push(Action::Reply(Reply::line(code, text)));
    }

    pub(super) fn notice(&mut self, notice: Notice) {
        self.push(Action::Notice(notice));
    }

    /// What a command that needs a login is told without one: 530, or 503 where the RFC has it so.
    pub(super) fn log_in_first(&mut self, code: Code) {
        self.reply(code, "Log in with USER and PASS first.");
    }
}

/// The protection of both kinds of connection.
#[derive(Debug)]
pub(super) struct Secure {
    pub(super) control: Control,
    /// Whether PBSZ was accepted, which PROT needs.
    pub(super) pbsz: Switch,
    /// The level of data connections.
    pub(super) data: Protection,
}

/// The protection of the control connection.
#[derive(Debug)]
pub(super) enum Control {
    /// The start. AUTH leads to `Tls`, and so does the implicit entrance.
    Clear,
    /// TLS runs. REIN leads to `Clear`, CCC to `Cleared`.
    Tls(TlsFacts),
    /// CCC: the control connection is in clear again, the data connections stay as they were. REIN leads to `Clear`.
    Cleared(TlsFacts),
}

/// Where the login stands.
#[derive(Debug)]
pub(super) enum Stage {
    /// AUTH was accepted, or the entrance is implicit: the TLS handshake runs. Leads to `Visitor`.
    Securing,
    /// REIN: TLS is being closed. Leads to `Visitor`.
    Unsecuring,
    /// Nobody has logged in. Leads to `Authenticating` and `Securing`.
    Visitor(Visitor),
    /// The password is being checked. Leads to `LoggedIn` or back to `Visitor`.
    Authenticating(Username),
    /// A user is logged in. Leads to `Visitor` by USER and REIN, `Unsecuring` by REIN, `Securing` by AUTH.
    LoggedIn(Box<LoggedIn>),
    /// The session is over, or will be when its transfer is. Every state leads here, and nothing leads away.
    Ending(Farewell),
}

/// How far a session is with ending.
#[derive(Debug)]
pub(super) enum Farewell {
    /// A transfer was told to stop; its end is awaited. Leads to `Said`.
    AfterTransfer(Box<LoggedIn>),
    /// Everything was said.
    Said,
}

/// Someone who has not logged in.
#[derive(Debug, Default)]
pub(super) struct Visitor {
    /// The name given by USER; PASS has to follow.
    pub(super) user: Option<Username>,
}

/// A user who is logged in, and everything that belongs to the login.
#[derive(Debug)]
pub(super) struct LoggedIn {
    pub(super) user: Username,
    pub(super) rights: Rights,
    pub(super) abilities: Abilities,
    /// Octets that a file of this user may have.
    pub(super) file_max: Option<u64>,
    /// The working directory.
    pub(super) cwd: VPath,
    pub(super) settings: Settings,
    pub(super) endpoint: Endpoint,
    pub(super) work: Work,
    /// How the last passive port was announced.
    pub(super) announced: Option<SocketAddr>,
    /// The last transfer and its final reply, for STAT.
    pub(super) last: Option<Text>,
    /// What RNFR named, if it was the last command.
    pub(super) rename_from: Option<VPath>,
}

impl LoggedIn {
    /// A user at the start: in the home directory, with nothing to do.
    pub(super) fn new(user: Username, login: Login, settings: Settings) -> Self {
        Self {
            user,
            rights: login.rights,
            abilities: login.abilities,
            file_max: login.file_max,
            cwd: login.home,
            settings,
            endpoint: Endpoint::None,
            work: Work::Idle,
            announced: None,
            last: None,
            rename_from: None,
        }
    }

    /// Whether the next command may run.
    pub(super) fn is_idle(&self) -> bool {
        matches!(self.work, Work::Idle)
    }

    /// Whether a transfer runs: commands wait, ABOR and STAT act at once.
    pub(super) fn in_transfer(&self) -> bool {
        matches!(&self.work, Work::Transfer(transfer) if !transfer.is_checking())
    }

    /// Whether ABOR has something to stop: a transfer, or a digest, which may take as long as one.
    pub(super) fn can_abort(&self) -> bool {
        self.in_transfer() || matches!(&self.work, Work::Asking(ask) if ask.is_digest())
    }
}

/// What a client has chosen: transfer parameters and options. Plain data; it leads nowhere.
#[derive(Debug)]
pub(super) struct Settings {
    pub(super) coding: Coding,
    /// OPTS MLST.
    pub(super) facts: FactSet,
    /// OPTS HASH.
    pub(super) digest: Algorithm,
    /// REST or RANG, for the next transfer.
    pub(super) restart: Restart,
    /// EPSV ALL.
    pub(super) setup: Setup,
}

impl Default for Settings {
    /// RFC 959 §5.1: ASCII non-print, file, stream.
    fn default() -> Self {
        Self {
            coding: Coding::default(),
            facts: FactSet::DEFAULT,
            digest: Algorithm::Sha256,
            restart: Restart::No,
            setup: Setup::Any,
        }
    }
}

/// Where the next transfer begins. REST and RANG set it; the next transfer or HASH takes it, and leaves `No`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Restart {
    /// At the start.
    #[default]
    No,
    /// REST: from this octet on.
    From(u64),
    /// RANG: these octets, both included.
    Range(u64, u64),
}

impl Restart {
    /// The part of the file that is wanted.
    pub(super) fn span(self) -> Span {
        match self {
            Self::No => Span::default(),
            Self::From(first) => Span { first, last: None },
            Self::Range(first, last) => Span { first, last: Some(last) },
        }
    }
}
