//! One task owns one session: it reads the control connection, does what [`Session`] asks, and reports back.
//!
//! ```text
//! attend ──what happened──> respond ──answers──> settle ──> take_lines ──> attend
//!                                                 │  ^         │  ^
//!                                          action │  │ answer  │  │ a line
//!                                                 v  │         v  │
//!                                              act, jobs      Session
//! ```
//!
//! This holds the only `select!` over a session: its control connection, the job that runs (login, TLS, storage, a look-up),
//! its transfer, and the clock. Nothing below the loop calls the session: what an action is answered with is an event in a
//! queue, so that the stack does not grow with what a client sends. Not here: the protocol, which is all in `ftp-proto`.

use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Instant;

use ftp_proto::frame::Frame;
use ftp_proto::session::{
    Action, DataFault, Endpoints, Event, Notice, Protection, Refusal, Request, Resumed, Session, TlsFacts,
};
use tokio::net::TcpStream;
use tokio::sync::watch;

use crate::data::Guard;
use crate::observe::{Incident, Who};
use crate::shared::Shared;
use crate::tls::Kin;

mod ask;
mod control;
mod job;
mod login;
pub(crate) mod phase;
mod publish;
mod record;
mod transfer;

use control::{Control, Incoming, Turn, Unsecured};
use job::{Bereft, Done, Job, finish, no_port};
use login::{Guest, authenticate};
pub(crate) use phase::Stay;
use phase::{End, Happening, further, until};
use publish::Behind;
use record::{LetGo, note_close};
use transfer::Transfer;

/// A session and everything it owns.
pub(crate) struct Driver {
    shared: Arc<Shared>,
    who: Who,
    local: SocketAddr,
    session: Session,
    /// What actions were answered with, and the session has not heard yet.
    answers: VecDeque<Event<'static>>,
    control: Control,
    guest: Option<Guest>,
    transfer: Transfer,
    /// What runs for the session itself.
    job: Option<Job>,
    guard: Option<Guard>,
    incoming: Incoming,
    stay: Stay,
    ending: Option<End>,
}

impl Driver {
    pub(crate) fn new(shared: Arc<Shared>, who: Who, stream: TcpStream, local: SocketAddr) -> Self {
        let ends = Endpoints { local, peer: who.peer, entrance: who.entrance };
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
            guest: None,
            transfer: Transfer::default(),
            job: None,
            guard: None,
            incoming: Incoming::Open,
            stay: Stay::Open,
            ending: None,
            shared,
        }
    }

    /// Runs the session to its end.
    pub(crate) async fn run(mut self, mut drain: watch::Receiver<Stay>) {
        self.shared.observer.incident(self.who, &Incident::Opened);
        self.settle();
        loop {
            self.take_lines();
            self.judge();
            if let Some(ending) = self.ending {
                if ending == End::Said {
                    self.control.close().await;
                }
                return;
            }
            // A client that pipelines takes turns with the other sessions of its thread.
            tokio::task::consume_budget().await;
            let happening = self.attend(&mut drain).await;
            self.respond(happening);
            self.settle();
            self.bereave();
        }
    }

    async fn attend(&mut self, drain: &mut watch::Receiver<Stay>) -> Happening {
        let stuck = self.control.deadline();
        let guard = match self.session.data_protection() {
            Protection::Private => self.guard.as_ref(),
            Protection::Clear => None,
        };
        let flow = self.transfer.ready.flow();
        tokio::select! {
            biased;
            done = finish(&mut self.job) => Happening::Done(done),
            // Before the transfer: the 150 is on its way before the first octet, and a client that has left is heard of.
            turn = self.control.turn(self.incoming) => Happening::Turned(turn),
            done = finish(&mut self.transfer.job) => Happening::Done(done),
            () = self.transfer.channel.advance(guard, flow) => Happening::Advanced,
            () = until(self.transfer.awaiting.and_then(|(moment, _)| moment)) => Happening::NobodyCame,
            () = until(self.session.deadline()) => Happening::Deadline,
            () = until(stuck) => Happening::Turned(Turn::Lost),
            stay = further(drain, self.stay) => Happening::Drain(stay),
        }
    }

    fn respond(&mut self, happening: Happening) {
        match happening {
            Happening::Turned(Turn::Read | Turn::Relieved) => {}
            Happening::Turned(Turn::Lost) => {
                self.incoming = Incoming::Lost;
                self.control.give_up();
            }
            Happening::Turned(Turn::End) => {
                self.incoming = Incoming::Ended;
                // What came before the end is done and answered, but a transfer has lost its client.
                if self.session.needs_client() && !self.transfer.is_receiving() {
                    self.answers.push_back(Event::Gone);
                }
            }
            Happening::Done(done) => self.report(done),
            Happening::Advanced => self.look_at_channel(),
            Happening::NobodyCame => {
                let fault = self.transfer.nobody_came();
                self.report_missed(fault);
            }
            Happening::Deadline => self.answers.push_back(Event::Deadline),
            Happening::Drain(stay) => {
                self.answers.extend(stay.told_after(self.stay));
                self.stay = stay;
            }
        }
    }

    /// What becomes of work whose client sends no more. An upload takes what is on its way, and is judged then; of a broken
    /// connection, a deed comes to its end, so that those who watch hear of it, and a download stops.
    fn bereave(&mut self) {
        if self.incoming == Incoming::Open || self.ending.is_some() {
            return;
        }
        if self.transfer.is_receiving() {
            if !self.session.has_said_quit() {
                self.transfer.rest();
            }
            return;
        }
        if self.incoming == Incoming::Lost && !self.job.as_ref().is_some_and(Job::outlives_client) {
            self.answers.push_back(Event::Gone);
            self.settle();
            if !self.transfer.is_moving() {
                self.ending = Some(End::Lost);
            }
        }
    }

    /// Whether the client has closed its side, and nothing waits for that to be said but an upload that is on its way.
    fn has_left(&self) -> bool {
        self.incoming == Incoming::Ended && !self.session.has_said_quit() && !self.transfer.is_receiving()
    }

    /// Decides about an upload that has come to its end.
    fn judge(&mut self) {
        let Self { transfer, session, control, incoming, .. } = self;
        transfer.judge(|| match incoming {
            _ if session.has_said_quit() => Behind::Quit,
            Incoming::Open if !control.has_ended() => Behind::Here,
            Incoming::Open if control.has_room() => Behind::Leaving,
            Incoming::Open | Incoming::Ended | Incoming::Lost => Behind::Gone,
        });
    }

    /// Gives the session lines as long as it wants any and the client reads what they are answered with: those that had
    /// to wait for a transfer first, then those that are here.
    fn take_lines(&mut self) {
        while self.ending.is_none() && !self.control.is_congested() {
            let now = Instant::now();
            if self.session.resume(now) == Resumed::Nothing {
                if !self.session.wants_command() {
                    return;
                }
                let has_left = self.has_left();
                match self.control.framer.next_frame() {
                    Some(Frame::Line(line)) => self.session.handle(now, Event::Line(line)),
                    Some(Frame::Overlong) => self.session.handle(now, Event::Overlong),
                    Some(Frame::Refuse(refusal)) => {
                        let octets = refusal.octets();
                        self.control.raw(&octets);
                    }
                    None if has_left => {
                        self.session.handle(now, Event::Gone);
                    }
                    None => {
                        self.control.framer.shrink();
                        return;
                    }
                }
            }
            self.settle();
        }
    }

    /// Does what the session wants done and tells it what that was answered with, until there is neither.
    fn settle(&mut self) {
        loop {
            while let Some(action) = self.session.poll_action() {
                self.act(action);
            }
            let Some(answer) = self.answers.pop_front() else { return };
            self.session.handle(Instant::now(), answer);
        }
    }

    /// Does one action; those that take time become a job.
    fn act(&mut self, action: Action) {
        match action {
            Action::Reply(reply) => self.control.reply(&reply),
            Action::Notice(notice) => self.notice(&notice),
            Action::Secure => self.secure(),
            Action::Unsecure => self.job = Some(Job::unsecure(self.control.lend())),
            Action::Authenticate(credentials) => {
                let checking = authenticate(Arc::clone(&self.shared), self.peer(), credentials);
                self.job = Some(Job::new(Bereft::Drop, async { Done::Authenticated(checking.await) }));
            }
            Action::Store(request) => self.ask(request),
            Action::Listen => {
                drop(self.transfer.take());
                self.job = Some(Job::listen(Arc::clone(&self.shared), self.peer(), self.local));
            }
            Action::Accept(within) => {
                self.transfer.await_client(within);
                self.look_at_channel();
            }
            Action::Dial(to, within) => {
                self.transfer.dial(&self.shared, self.who, (self.local, to), within);
            }
            Action::Send(plan) => self.transfer.send(&self.shared, self.guard.clone(), &plan),
            Action::Receive(plan) => {
                let account = self.guest.as_ref().map(|guest| &guest.account);
                self.transfer.receive(&self.shared, self.guard.clone(), account, plan);
            }
            Action::Abort if self.transfer.is_moving() => self.transfer.abort(),
            Action::Abort => self.job = None,
            Action::DropData => self.drop_data(),
            Action::RetireData => self.transfer.retire(&self.shared, self.who.peer.ip()),
            Action::LogOut => self.seat(None),
            Action::Close => self.ending = Some(End::Said),
        }
    }

    /// Reports what a job has come to.
    fn report(&mut self, done: Done) {
        let answer = match done {
            Done::Secured(control, result) => return self.secured(*control, result),
            Done::Unsecured(control, result) => {
                self.control = *control;
                match result {
                    Ok(()) => Event::Unsecured,
                    Err(_) => return self.ending = Some(End::Lost),
                }
            }
            Done::Authenticated(result) => Event::Authenticated(result.map(|guest| {
                let login = guest.login();
                self.seat(Some(guest));
                login
            })),
            Done::Stored(answer, ready) => {
                self.transfer.ready = ready;
                Event::Stored(answer)
            }
            Done::Listening(Err(none)) => no_port(&self.shared, &none),
            Done::Listening(Ok((lease, ip))) => {
                let address = SocketAddr::new(ip, lease.port());
                self.transfer.reserve(&self.shared, self.who, (lease, address));
                Event::Listening(address)
            }
            Done::Dialled(Ok(stream)) => {
                self.transfer.dialled(stream);
                return self.report_connected();
            }
            Done::Dialled(Err(fault)) => return self.report_missed(fault),
            Done::Received(whole) => return self.transfer.received(whole),
            Done::Sent(count, client_end) => Event::Ended(Ok(self.transfer.sent(count, client_end))),
            Done::Ended(result, ending) => Event::Ended(note_close(&self.shared, self.who, result, ending)),
        };
        let rival = self.transfer.second().filter(|_| matches!(answer, Event::Ended(_)));
        self.answers.extend(rival.map(Event::Contested));
        self.answers.push_back(answer);
    }

    /// Tells the session that its data connection stands, if it waits for that.
    fn look_at_channel(&mut self) {
        if self.transfer.has_come() {
            self.report_connected();
        }
    }

    fn report_connected(&mut self) {
        self.transfer.connected(&self.shared, self.who.peer.ip());
        self.answers.push_back(Event::DataUp);
    }

    fn report_missed(&mut self, fault: DataFault) {
        let suspect = self.transfer.missed(&self.shared, self.who.peer.ip(), &fault);
        self.answers.push_back(Event::DataFailed(fault, suspect));
    }

    fn secure(&mut self) {
        let Some(tls) = self.shared.tls.clone() else {
            return self.ending = Some(End::Lost);
        };
        let within = self.shared.options.handshake;
        self.job = Some(Job::secure(self.control.lend(), tls, within));
    }

    fn secured(&mut self, control: Control, result: Result<(TlsFacts, Kin), Unsecured>) {
        self.control = control;
        match (result, self.shared.tls.clone()) {
            (Ok((facts, kin)), Some(tls)) => {
                let (handshake, lingering) = (self.shared.options.handshake, self.transfer.lingering.clone());
                self.guard = Some(Guard { tls, kin, handshake, lingering });
                self.answers.push_back(Event::Secured(facts));
            }
            (Ok(_), None) => self.ending = Some(End::Lost),
            (Err(why), _) => {
                self.shared.observer.incident(self.who, &why.into());
                self.ending = Some(End::Lost);
            }
        }
    }

    /// Who is logged in from here on.
    fn seat(&mut self, guest: Option<Guest>) {
        if let Some(guard) = &mut self.guard {
            guard.belong_to(guest.as_ref().map(|guest| guest.holder.clone()));
        }
        self.guest = guest;
    }

    fn ask(&mut self, request: Request) {
        match &self.guest {
            Some(guest) => self.job = Some(Job::ask(&guest.account, request)),
            None => self.answers.push_back(Event::Stored(Err(Refusal::Denied))),
        }
    }

    fn notice(&mut self, notice: &Notice) {
        if let Notice::Transfer(transfer) = notice {
            self.transfer.end(&self.shared, self.who, transfer);
        }
        self.shared.observer.notice(self.who, notice);
    }

    /// Gives up what was set up for a transfer.
    fn drop_data(&mut self) {
        let how = if self.session.is_over() { LetGo::WithSession } else { LetGo::InSession };
        self.transfer.take().let_go(&self.shared, self.peer(), how);
    }

    fn peer(&self) -> IpAddr {
        self.who.peer.ip()
    }
}

impl Drop for Driver {
    /// However a session ends: those who count sessions hear of each end.
    fn drop(&mut self) {
        self.shared.observer.incident(self.who, &Incident::Closed);
    }
}
