//! The server's protocol interpreter (PI) as a pure machine: events in, actions out, no I/O.
//!
//! ```text
//!           AUTH                       USER, PASS                    login
//! Visitor ───────> Securing ──> Visitor ──────────> Authenticating ────────> LoggedIn
//!    ^                             ^                      │ refused             │
//!    │                             └──────────────────────┘                     │ REIN
//!    └────────────── Unsecuring <───────────────────────────────────────────────┘
//! ```
//!
//! A driver loops: [`Session::handle`] an event, then [`Session::poll_action`] until there is none, doing each
//! action in order; what an action is answered with is the next event, never a call from within. Lines that had to wait
//! for a transfer are input like any other: [`Session::resume`] runs one. While [`Session::wants_command`] is false the
//! driver leaves the octets of the control connection where they are. Order is meaning in FTP, so there is one queue and no
//! other way out. Implicit TLS begins in `Securing`, before the greeting (RFC 4217 §2 names no such mode; it is custom).
//!
//! Not here: sockets, clocks, files, passwords. Times come in with each event; [`Session::deadline`] says when the
//! next one is due.
//!
//! ```
//! use std::sync::Arc;
//! use std::time::Instant;
//! use ftp_proto::session::{Action, Endpoints, Entrance, Event, Policy, Session};
//!
//! let ends = Endpoints { local: "192.0.2.1:21".parse().unwrap(), peer: "192.0.2.7:4000".parse().unwrap(), entrance: Entrance::Explicit };
//! let now = Instant::now();
//! let mut session = Session::new(Arc::new(Policy::default()), ends, now);
//! assert!(matches!(session.poll_action(), Some(Action::Reply(reply)) if reply.code().number() == 220));
//! session.handle(now, Event::Line(b"USER me"));
//! let Some(Action::Reply(reply)) = session.poll_action() else { panic!() };
//! assert_eq!(reply.code().number(), 530); // in clear, logins are refused by default
//! ```

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

use zeroize::Zeroizing;

use crate::command::Command;
use crate::reply::Code;
use crate::verb::During;

mod about;
mod action;
mod answers;
mod directory;
mod dispatch;
mod endpoint;
mod event;
mod inspect;
mod login;
mod policy;
mod refusal;
mod secure;
mod settings;
mod state;
mod transfer;
mod waiting;

pub use crate::value::address::is_out_of_reach;
pub use action::{
    Action, Algorithm, Create, Credentials, Ending, Format, Inbound, Notice, Outbound, Outgoing, Protection,
    Reading, Request, Span, Transferred,
};
pub use event::{
    Answer, Count, DataFault, Denied, Event, Failure, Fault, Left, Login, Refusal, Shown, Suspect, TlsFacts,
};
pub use policy::{Abilities, DataProtection, Plain, Policy, Rights, Switch};
pub use state::{Endpoints, Entrance, Session};

use state::{Core, Farewell, LoggedIn, Secure, Settings, Stage, Verdict, Visitor};
use waiting::{Input, Waiting};

/// What [`Session::resume`] did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resumed {
    /// A line that waited was run.
    Ran,
    /// None waits, or none may run now.
    Nothing,
}

/// Whether a line is answered in the midst of a transfer: ABOR, and STAT without a path (RFC 959 §4.1.3).
fn acts_at_once(input: Input<'_>) -> bool {
    let Input::Line(line) = input else { return false };
    match Command::parse(line) {
        Ok(Command::Stat(Some(_))) | Err(_) => false,
        Ok(command) => command.verb().spec().during == During::Now,
    }
}

impl Session {
    /// A session at its start: the greeting, or the TLS handshake, is in the queue already.
    #[must_use]
    pub fn new(policy: Arc<Policy>, ends: Endpoints, now: Instant) -> Self {
        let secure = Secure::new(ends.entrance);
        let queue = VecDeque::new();
        let core = Core {
            policy,
            ends,
            secure,
            queue,
            verdict: Verdict::Open,
            now,
            since: now,
            visiting: now,
            draining: Switch::Off,
            host: None,
            kept: Settings::default(),
        };
        let stage = Stage::Visitor(Visitor::default());
        let mut session = Self { core, stage, waiting: Waiting::default(), failures: 0, errors: 0 };
        match ends.entrance {
            Entrance::Explicit => session.greet(),
            Entrance::Implicit => {
                session.stage = Stage::Securing;
                session.core.push(Action::Secure);
            }
        }
        session
    }

    fn greet(&mut self) {
        let text = self.core.policy.greeting.clone();
        self.core.say(Code::READY, text);
    }

    /// Takes an event. Every event in every state has an answer; one that answers nothing is passed over.
    pub fn handle(&mut self, now: Instant, event: Event<'_>) {
        self.core.now = now;
        match event {
            Event::Line(line) => self.arrive(Input::Line(line)),
            Event::Overlong => self.arrive(Input::Overlong),
            Event::Secured(facts) => self.secured(facts),
            Event::Unsecured => self.unsecured(),
            Event::Authenticated(result) => self.authenticated(result),
            Event::Stored(result) => self.with(|me, core| me.stored(core, result)),
            Event::Listening(address) => self.with(|me, core| me.listening(core, address)),
            Event::NoPort => self.with(LoggedIn::no_port),
            Event::NoSocket(why) => self.with(|me, core| me.no_socket(core, &why)),
            Event::DataUp => self.with(LoggedIn::data_up),
            Event::DataFailed(fault, suspect) => self.with(|me, core| me.data_failed(core, &fault, suspect)),
            Event::Contested(from) => self.with(|me, _| me.contested(from)),
            Event::Ended(result) => self.with(|me, core| me.ended(core, &result)),
            Event::Deadline => self.out_of_time(),
            Event::Drain => self.drain(),
            Event::Gone => self.end(Ending::Gone),
        }
    }

    /// Runs one of the lines that waited for the end of a transfer, if it may run now.
    ///
    /// A driver calls this where it would give the session a fresh line, and before it does so: as long as it may run
    /// commands at all, and until the answer is [`Resumed::Nothing`]. What a line yields is in the queue then, as after
    /// [`Session::handle`].
    pub fn resume(&mut self, now: Instant) -> Resumed {
        if !self.may_run() {
            return Resumed::Nothing;
        }
        let mut line = Zeroizing::new(Vec::new());
        let Some(input) = self.waiting.pop(&mut line) else { return Resumed::Nothing };
        self.core.now = now;
        self.core.since = now;
        self.run(input);
        Resumed::Ran
    }

    /// The next thing to do. Drain it before the next [`Session::handle`] or [`Session::resume`].
    pub fn poll_action(&mut self) -> Option<Action> {
        let action = self.core.queue.pop_front();
        if self.core.queue.is_empty() && self.core.queue.capacity() > 8 {
            self.core.queue = VecDeque::new();
        }
        action
    }

    /// Whether the session takes another line now: it may run it, or let it wait. While lines wait that may run,
    /// [`Session::resume`] comes first.
    #[must_use]
    pub fn wants_command(&self) -> bool {
        if self.can_abort() { self.waiting.has_room() } else { self.may_run() && self.waiting.is_empty() }
    }

    /// When [`Event::Deadline`] is due, if nothing else happens. A time that ends beyond what the clock can tell never does.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        let idle = self.core.since.checked_add(self.core.policy.idle);
        match &self.stage {
            Stage::Securing | Stage::Unsecuring | Stage::Visitor(_) => {
                let login = self.core.visiting.checked_add(self.core.policy.login_time);
                login.into_iter().chain(idle).min()
            }
            Stage::LoggedIn(me) if me.is_idle() => idle,
            Stage::LoggedIn(_) | Stage::Authenticating(_) | Stage::Ending(_) => None,
        }
    }

    /// Whether what runs is for the client alone, a transfer or a digest: it ends when the control connection is lost,
    /// unless the client has said QUIT.
    #[must_use]
    pub fn needs_client(&self) -> bool {
        self.can_abort() && !self.has_said_quit()
    }

    /// Whether QUIT waits for the end of a transfer: the client may close its side, and the transfer goes on (RFC 959
    /// §4.1.1).
    #[must_use]
    pub fn has_said_quit(&self) -> bool {
        self.waiting.has_quit()
    }

    /// The level of the next data connection, so that a driver can shake hands before the command comes.
    #[must_use]
    pub fn data_protection(&self) -> Protection {
        self.core.secure.data()
    }

    /// Whether the session has said its last word: the driver closes when the queue is empty.
    #[must_use]
    pub fn is_over(&self) -> bool {
        matches!(self.stage, Stage::Ending(Farewell::Said))
    }

    /// Runs `act` on the logged-in state; without one the event or command is passed over with a 530 if it is a
    /// command, which the phase column of the verb table has made sure of already.
    fn with(&mut self, act: impl FnOnce(&mut LoggedIn, &mut Core)) {
        match &mut self.stage {
            Stage::LoggedIn(me) => act(me, &mut self.core),
            Stage::Ending(Farewell::AfterTransfer(me)) => {
                act(me, &mut self.core);
                if !me.in_transfer() {
                    if self.core.draining == Switch::On {
                        self.core.reply(Code::UNAVAILABLE, "The server stops now; come back later.");
                    }
                    self.close();
                }
            }
            Stage::Securing
            | Stage::Unsecuring
            | Stage::Visitor(_)
            | Stage::Authenticating(_)
            | Stage::Ending(_) => {}
        }
    }

    /// A line has arrived: run it, or let it wait until the transfer is over.
    fn arrive(&mut self, input: Input<'_>) {
        self.core.since = self.core.now;
        let waits = if self.can_abort() { !acts_at_once(input) } else { !self.waiting.is_empty() };
        if waits {
            self.waiting.push(input);
        } else {
            self.run(input);
        }
    }

    /// Whether ABOR has something to stop, so that other commands wait.
    fn can_abort(&self) -> bool {
        matches!(&self.stage, Stage::LoggedIn(me) if me.can_abort())
    }

    /// Whether a command that is neither ABOR nor STAT may run.
    fn may_run(&self) -> bool {
        match &self.stage {
            Stage::Visitor(_) => true,
            Stage::LoggedIn(me) => me.is_idle(),
            Stage::Securing | Stage::Unsecuring | Stage::Authenticating(_) | Stage::Ending(_) => false,
        }
    }

    fn out_of_time(&mut self) {
        if self.deadline().is_none_or(|deadline| deadline > self.core.now) {
            return;
        }
        if let Stage::LoggedIn(_) = self.stage {
            let text = format!("Idle for {} s; closing.", self.core.policy.idle.as_secs());
            self.core.say(Code::UNAVAILABLE, text);
            self.end(Ending::Idle);
        } else {
            if matches!(self.stage, Stage::Visitor(_)) {
                self.core.reply(Code::UNAVAILABLE, "Nobody logged in for too long; closing.");
            }
            self.end(Ending::NoLogin);
        }
    }

    fn drain(&mut self) {
        if let Stage::LoggedIn(me) = &self.stage
            && !me.is_idle()
        {
            if self.core.draining == Switch::On {
                return self.cut_short();
            }
            // What runs comes to its end first.
            self.waiting.clear();
            self.waiting.push(Input::Line(b"QUIT"));
            self.core.draining = Switch::On;
            return;
        }
        if !matches!(self.stage, Stage::Ending(_) | Stage::Securing | Stage::Unsecuring) {
            self.core.reply(Code::UNAVAILABLE, "The server is stopping; come back later.");
        }
        self.end(Ending::Drain);
    }

    /// The server waits no longer: a transfer is broken off, and says what it leaves; 421 answers whatever else runs.
    fn cut_short(&mut self) {
        if !matches!(&self.stage, Stage::LoggedIn(me) if me.in_transfer()) {
            self.core.reply(Code::UNAVAILABLE, "The server stops now; come back later.");
        }
        self.end(Ending::Drain);
    }

    /// Ends the session; a transfer that runs is aborted first and its end awaited, so that nothing is left behind.
    fn end(&mut self, ending: Ending) {
        self.waiting.clear();
        if matches!(self.stage, Stage::Ending(_)) {
            return;
        }
        self.core.notice(Notice::Ending(ending));
        if let Stage::LoggedIn(mut me) = std::mem::replace(&mut self.stage, Stage::Ending(Farewell::Said)) {
            me.give_up(&mut self.core);
            if me.in_transfer() {
                self.stage = Stage::Ending(Farewell::AfterTransfer(me));
                return;
            }
        }
        self.close();
    }

    fn close(&mut self) {
        self.stage = Stage::Ending(Farewell::Said);
        self.core.push(Action::DropData);
        self.core.push(Action::LogOut);
        self.core.push(Action::Close);
    }
}
