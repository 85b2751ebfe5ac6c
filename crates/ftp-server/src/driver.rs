//! One task owns one session: it reads the control connection, does what [`Session`] asks, and reports back.
//!
//! This holds the only `select!` over a session: control connection, the job that runs (storage, login, transfer),
//! the data connection that is being made, and the clock. Not here: the protocol, which is all in `ftp-proto`.

use std::collections::VecDeque;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ftp_proto::frame::Frame;
use ftp_proto::session::{Event, Protection, Resumed, Session};
use tokio::net::TcpStream;
use tokio::sync::watch;

use crate::auth::Account;
use crate::data::{Channel, Go, Guard};
use crate::observe::{Incident, Who};
use crate::server::Shared;
use crate::server::limits::Seat;
use crate::tls::{Binding, Kin, Tickets};

mod control;
mod execute;
mod record;

use control::{Control, Turn, Unsecured, Wanted};
use execute::{Done, Ready};
use record::Trace;

/// Work that ends in an event. At most one runs.
type Job = Pin<Box<dyn Future<Output = Done> + Send>>;

/// A session and everything it owns.
pub(crate) struct Driver {
    shared: Arc<Shared>,
    who: Who,
    local: std::net::SocketAddr,
    session: Session,
    /// What actions were answered with, and the session has not heard yet.
    answers: VecDeque<Event<'static>>,
    control: Control,
    /// What the login yielded.
    account: Option<(Account, Option<Seat>)>,
    channel: Channel,
    /// What is known of it so far.
    trace: Option<Trace>,
    /// Until when a client is awaited on the passive port, and for how long that was.
    awaiting: Option<(Instant, Duration)>,
    /// What is open for the next transfer.
    ready: Ready,
    job: Option<Job>,
    stop: watch::Sender<Go>,
    binding: Binding,
    guard: Option<Guard>,
    incoming: Incoming,
    stay: Stay,
    ending: Option<End>,
}

/// Whether the client may still send something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Incoming {
    Open,
    Ended,
}

/// Whether the session knows that the server stops.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stay {
    Open,
    Draining,
}

/// Why the loop ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// The session has said its last word.
    Said,
    /// There is nobody to say it to.
    Lost,
}

/// What the loop has to attend to.
enum Happening {
    Turned(Turn),
    Done(Done),
    Advanced,
    NobodyCame,
    Deadline,
    Drain,
}

/// The job that runs, for ever pending if there is none.
async fn finish(job: &mut Option<Job>) -> Done {
    match job {
        Some(job) => job.await,
        None => std::future::pending().await,
    }
}

async fn until(moment: Option<Instant>) {
    match moment {
        Some(moment) => tokio::time::sleep_until(moment.into()).await,
        None => std::future::pending().await,
    }
}

impl Driver {
    pub(crate) fn new(shared: Arc<Shared>, who: Who, stream: TcpStream, local: std::net::SocketAddr) -> Self {
        let ends = ftp_proto::session::Endpoints { local, peer: who.peer, entrance: who.entrance };
        let may_dial = &shared.options.active_clients;
        let is_listed = may_dial.iter().any(|network| network.contains(&who.peer.ip()));
        let policy = if may_dial.is_empty() || is_listed { &shared.policy } else { &shared.passive_policy };
        let session = Session::new(Arc::clone(policy), ends, Instant::now());
        let control = Control::new(stream, shared.options.line_max);
        Self {
            who,
            local,
            session,
            answers: VecDeque::new(),
            control,
            account: None,
            channel: Channel::None,
            trace: None,
            awaiting: None,
            ready: Ready::Nothing,
            job: None,
            stop: watch::Sender::new(Go::On),
            binding: Binding::random(),
            guard: None,
            incoming: Incoming::Open,
            stay: Stay::Open,
            ending: None,
            shared,
        }
    }

    /// Runs the session to its end.
    pub(crate) async fn run(mut self, mut drain: watch::Receiver<bool>) {
        self.shared.observer.incident(self.who, &Incident::Opened);
        self.settle().await;
        loop {
            self.take_lines().await;
            if let Some(ending) = self.ending {
                if ending == End::Said {
                    self.control.close().await;
                }
                return;
            }
            let happening = self.attend(&mut drain).await;
            self.respond(happening).await;
            self.settle().await;
        }
    }

    async fn attend(&mut self, drain: &mut watch::Receiver<bool>) -> Happening {
        // Octets are read while lines have to wait, too: the end of the connection stands behind them.
        let room = self.control.framer.buffered() <= self.shared.options.line_max;
        let wanted = if room && self.incoming == Incoming::Open { Wanted::Octets } else { Wanted::Nothing };
        let stuck = self.control.deadline();
        let guard = match self.session.data_protection() {
            Protection::Private => self.guard.as_ref(),
            Protection::Clear => None,
        };
        let tickets = match self.ready {
            Ready::Download(_) => Tickets::One,
            Ready::Nothing | Ready::Upload(_) => Tickets::None,
        };
        tokio::select! {
            biased;
            // First, so that one write carries 150 and 226 of a transfer that is done at once.
            done = finish(&mut self.job) => Happening::Done(done),
            turn = self.control.turn(wanted) => Happening::Turned(turn),
            () = self.channel.advance(guard, tickets) => Happening::Advanced,
            () = until(self.awaiting.map(|(moment, _)| moment)) => Happening::NobodyCame,
            () = until(self.session.deadline()) => Happening::Deadline,
            () = until(stuck) => Happening::Turned(Turn::Lost),
            _ = drain.wait_for(|drain| *drain), if self.stay == Stay::Open => Happening::Drain,
        }
    }

    async fn respond(&mut self, happening: Happening) {
        match happening {
            Happening::Turned(Turn::Read | Turn::Relieved) => {}
            Happening::Turned(Turn::End) => {
                self.incoming = Incoming::Ended;
                // What came before the end is done and answered, but a transfer has lost its client.
                if self.session.needs_client() {
                    self.answers.push_back(Event::Gone);
                }
            }
            Happening::Turned(Turn::Lost) => {
                if !self.session.needs_client() {
                    // What is being done is heard of by those who watch, if not by the client.
                    self.finish_job().await;
                }
                self.answers.push_back(Event::Gone);
                self.settle().await;
                self.finish_job().await;
                self.ending = Some(End::Lost);
            }
            Happening::Done(done) => {
                self.job = None;
                self.report(done);
            }
            Happening::Advanced => self.look_at_channel(),
            Happening::NobodyCame => {
                let waited = self.awaiting.take().map_or(Duration::ZERO, |(_, waited)| waited);
                let fault = self.channel.nobody_came(waited);
                let suspect = self.note_missed(&fault);
                self.answers.push_back(Event::DataFailed(fault, suspect));
            }
            Happening::Deadline => self.answers.push_back(Event::Deadline),
            Happening::Drain => {
                self.stay = Stay::Draining;
                self.answers.push_back(Event::Drain);
            }
        }
    }

    /// What runs comes to its end, a transfer too that was told to stop, so that what it leaves behind is settled.
    async fn finish_job(&mut self) {
        if self.job.is_some() && !self.session.is_over() {
            let done = finish(&mut self.job).await;
            self.job = None;
            self.report(done);
            self.settle().await;
        }
    }

    /// Gives the session lines as long as it wants any and the client reads what they are answered with: those that had
    /// to wait for a transfer first, then those that are here.
    async fn take_lines(&mut self) {
        while self.ending.is_none() && !self.control.is_congested() {
            let now = Instant::now();
            if self.session.resume(now) == Resumed::Nothing {
                if !self.session.wants_command() {
                    return;
                }
                match self.control.framer.next_frame() {
                    Some(Frame::Line(line)) => self.session.handle(now, Event::Line(line)),
                    Some(Frame::Overlong) => self.session.handle(now, Event::Overlong),
                    Some(Frame::Refuse(refusal)) => {
                        let octets = refusal.octets();
                        self.control.raw(&octets);
                    }
                    None if self.incoming == Incoming::Ended && !self.session.has_said_quit() => {
                        self.session.handle(now, Event::Gone);
                    }
                    None => {
                        self.control.framer.shrink();
                        return;
                    }
                }
            }
            self.settle().await;
        }
    }

    /// Does what the session wants done and tells it what that was answered with, until there is neither. Nothing that is
    /// called from here calls the session.
    async fn settle(&mut self) {
        loop {
            while let Some(action) = self.session.poll_action() {
                self.act(action).await;
            }
            let Some(answer) = self.answers.pop_front() else { return };
            self.session.handle(Instant::now(), answer);
        }
    }

    /// Tells the session that its data connection stands, if it waits for that.
    fn look_at_channel(&mut self) {
        if self.awaiting.is_some() && self.channel.is_up() {
            self.awaiting = None;
            self.note_connected();
            self.answers.push_back(Event::DataUp);
        }
    }

    async fn secure(&mut self) {
        let Some(tls) = self.shared.tls.clone() else {
            self.ending = Some(End::Lost);
            return;
        };
        let handshake = self.shared.options.handshake;
        match self.control.secure(&tls, self.binding, handshake).await {
            Ok(facts) => {
                let kin = Kin { own: self.binding, resumed: self.control.resumed_binding() };
                self.guard = Some(Guard { tls, kin, handshake });
                self.answers.push_back(Event::Secured(facts));
            }
            Err(why) => {
                let incident = match why {
                    Unsecured::Injected => Incident::Injected,
                    Unsecured::Failed(error) => Incident::HandshakeFailed(error.to_string()),
                };
                self.shared.observer.incident(self.who, &incident);
                self.ending = Some(End::Lost);
            }
        }
    }

    async fn unsecure(&mut self) {
        match self.control.unsecure().await {
            Ok(()) => self.answers.push_back(Event::Unsecured),
            Err(_) => self.ending = Some(End::Lost),
        }
    }

    fn peer(&self) -> IpAddr {
        self.who.peer.ip()
    }
}
