//! The data side of a session: one value, from the command that sets up a data connection to the end of what it carried.
//!
//! ```text
//! PASV, EPSV ──> reserved ──client connects──┐
//! PORT, EPRT ──> dialling ──client accepts───┴──> up ──Send, Receive──> moving ──> gone
//! ```
//!
//! It begins and ends in one place each, and nothing of one transfer is there for the next. Not here: the connection itself
//! and how octets are moved (`data.rs`).

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use ftp_proto::session::{
    Count, Create, DataFault, Failure, Fault, Inbound, Left, Outbound, Refusal, Suspect, Transferred,
};
use tokio::net::TcpStream;
use tokio::sync::watch;

use crate::auth::Account;
use crate::data::channel::Channel;
use crate::data::handover::run;
use crate::data::linger::Lingering;
use crate::data::pace::Pace;
use crate::data::receive::{Ending, Upload};
use crate::data::send::Download;
use crate::data::{DataStream, Flow, Go, Guard, Stop, active, alone, stopped};
use crate::driver::ask::{Ready, size};
use crate::driver::job::{Bereft, Done, Job};
use crate::driver::publish::{Behind, Looked, Whole};
use crate::driver::record::{LetGo, Trace, note_end};
use crate::observe::{ClientEnd, Initiator, Who};
use crate::ports::{Lease, Seen};
use crate::shared::Shared;
use crate::storage::Storage;

/// What belongs to one transfer. Without any: no port, no connection, nothing ready.
#[derive(Default)]
pub(super) struct Transfer {
    pub(super) channel: Channel,
    /// Until when a client is awaited on the passive port, and for how long that was.
    pub(super) awaiting: Option<(Option<Instant>, Duration)>,
    /// What is open for it.
    pub(super) ready: Ready,
    /// The connection being made, or octets being moved.
    pub(super) job: Option<Job>,
    /// What is known of the data connection so far.
    pub(super) trace: Option<Trace>,
    /// Who came to the passive port.
    seen: Option<Arc<Seen>>,
    /// The connections of earlier ones that are closed.
    pub(super) lingering: Lingering,
    /// Tells octets that move to stop.
    stop: Option<watch::Sender<Go>>,
    /// Which way they move.
    flow: Option<Flow>,
    /// An upload that has come to its end, while it is not known how its client stands behind it.
    whole: Option<Box<Whole>>,
}

impl Transfer {
    /// A passive port is open.
    pub(super) fn reserve(&mut self, shared: &Shared, who: Who, (lease, announced): (Lease, SocketAddr)) {
        drop(self.take());
        self.trace = Some(Trace::begin(shared, who, announced, Initiator::Client));
        self.seen = Some(lease.seen());
        self.channel = Channel::Reserved(lease);
    }

    /// It, and nothing in its place but what outlives transfers.
    pub(super) fn take(&mut self) -> Self {
        let lingering = self.lingering.clone();
        std::mem::replace(self, Self { lingering, ..Self::default() })
    }

    /// From where a second connection came to the passive port.
    pub(super) fn second(&self) -> Option<IpAddr> {
        self.seen.as_ref().and_then(|seen| seen.second())
    }

    /// Connects to the client.
    pub(super) fn dial(
        &mut self,
        shared: &Shared,
        who: Who,
        (local, to): (SocketAddr, SocketAddr),
        within: Duration,
    ) {
        self.trace = Some(Trace::begin(shared, who, to, Initiator::Server));
        let mss = shared.options.data_mss;
        self.job =
            Some(Job::new(
                Bereft::Drop,
                async move { Done::Dialled(active::dial(local, to, mss, within).await) },
            ));
    }

    /// The client has accepted.
    pub(super) fn dialled(&mut self, stream: TcpStream) {
        self.channel = Channel::dialled(stream);
    }

    /// Waits for the client for so long; without an end, if the clock does not go so far.
    pub(super) fn await_client(&mut self, within: Duration) {
        self.awaiting = Some((Instant::now().checked_add(within), within));
    }

    /// Nobody came to the passive port in time.
    pub(super) fn nobody_came(&mut self) -> DataFault {
        let waited = self.awaiting.take().map_or(Duration::ZERO, |(_, waited)| waited);
        self.channel.nobody_came(waited)
    }

    /// Whether the connection that is awaited stands; it is awaited no longer then.
    pub(super) fn has_come(&mut self) -> bool {
        self.channel.is_up() && self.awaiting.take().is_some()
    }

    /// The data connection stands.
    pub(super) fn connected(&mut self, shared: &Shared, client: IpAddr) {
        let stranger = self.channel.stranger();
        if let Some(trace) = &mut self.trace {
            trace.connected(shared, client, stranger);
        }
    }

    /// It did not come about; who seems to be in the way.
    pub(super) fn missed(&mut self, shared: &Shared, client: IpAddr, fault: &DataFault) -> Suspect {
        self.trace.as_mut().map(|trace| trace.missed(shared, client, fault)).unwrap_or_default()
    }

    /// What it carried has come to its end, one way or the other.
    pub(super) fn end(&mut self, shared: &Shared, who: Who, transfer: &Transferred) {
        let stood = self.trace.take().and_then(|trace| trace.end(shared, who, self.second()));
        note_end(shared, who.peer.ip(), transfer, stood);
    }

    /// A download was sent, and so its client ended.
    pub(super) fn sent(&mut self, count: Count, client_end: ClientEnd) -> Count {
        if let Some(trace) = &mut self.trace {
            trace.client_ended(client_end);
        }
        count
    }

    /// It is given up, with whatever was set up for it.
    pub(super) fn let_go(self, shared: &Shared, client: IpAddr, how: LetGo) {
        if let Some(trace) = self.trace {
            trace.let_go(shared, client, self.channel.stranger(), how);
        }
    }

    /// It was refused. The client may not know yet, and come all the same.
    pub(super) fn retire(&mut self, shared: &Shared, client: IpAddr) {
        let Self { channel, trace, .. } = self.take();
        if let Some(trace) = trace {
            trace.let_go(shared, client, channel.stranger(), LetGo::InSession);
        }
        self.channel = channel.retire(self.lingering.clone());
    }

    /// Whether octets move.
    pub(super) fn is_moving(&self) -> bool {
        self.stop.is_some()
    }

    /// Whether an upload is under way.
    pub(super) fn is_receiving(&self) -> bool {
        self.flow == Some(Flow::In)
    }

    /// Octets that move stop, and what they leave behind is settled.
    pub(super) fn abort(&mut self) {
        if let Some(stop) = &self.stop {
            stop.send_replace(Go::Stop);
        }
    }

    /// The client has left its control connection: what still comes is taken.
    pub(super) fn rest(&mut self) {
        if let Some(stop) = &self.stop {
            stop.send_if_modified(|go| *go == Go::On && std::mem::replace(go, Go::Rest) == Go::On);
        }
    }

    /// All of an upload has come.
    pub(super) fn received(&mut self, whole: Box<Whole>) {
        self.whole = Some(whole);
    }

    /// Decides what becomes of an upload that has come to its end, if there is one.
    pub(super) fn judge(&mut self, behind: impl FnOnce() -> Behind) {
        let Some(whole) = self.whole.take() else { return };
        match Job::publish(whole, behind()) {
            Ok(job) => self.job = Some(job),
            Err(whole) => self.whole = Some(whole),
        }
    }

    /// A signal for octets that begin to move.
    fn stop(&mut self, shared: &Shared) -> Stop {
        let stop = watch::Sender::new(Go::On);
        let receiver = stop.subscribe();
        self.stop = Some(stop);
        Stop::new(receiver, Pace::new(shared.options.stall, shared.options.rate), self.lingering.clone())
    }

    /// Sends what is open.
    pub(super) fn send(&mut self, shared: &Shared, guard: Option<Guard>, plan: &Outbound) {
        let mut stop = self.stop(shared);
        let (channel, ready) = (std::mem::take(&mut self.channel), std::mem::take(&mut self.ready));
        channel.begin(Flow::Out);
        let (coding, protection, workers) = (plan.coding, plan.protection, shared.transfers.clone());
        self.job = Some(Job::new(Bereft::Finish, async move {
            let nothing = |fault| ended(Count::default(), fault, Left::Nothing);
            let Ready::Download(origin) = ready else {
                return nothing(Fault::Storage(Refusal::NotFound));
            };
            let stream = channel.finish(protection, guard.as_ref(), Flow::Out);
            let (stream, lease) = match unless_stopped(stream, &mut stop).await {
                Ok(stood) => stood,
                Err(fault) => return nothing(fault),
            };
            match alone(run(Download::new(stream, origin, coding, stop), &workers), lease).await {
                (count, Ok(client_end)) => Done::Sent(count, client_end),
                (count, Err(fault)) => ended(count, fault, Left::Nothing),
            }
        }));
    }

    /// Receives into what is open, for `account`.
    pub(super) fn receive(
        &mut self,
        shared: &Shared,
        guard: Option<Guard>,
        account: Option<&Account>,
        plan: Inbound,
    ) {
        let mut stop = self.stop(shared);
        let (channel, ready) = (std::mem::take(&mut self.channel), std::mem::take(&mut self.ready));
        self.flow = Some(Flow::In);
        let bare_close = account.map(|account| account.bare_close).unwrap_or_default();
        let permitted = account.and_then(|account| account.close_notify);
        let demanded = permitted.or(shared.tls.as_ref().map(|tls| tls.demands_close_notify()));
        let account = account.map(|account| (Arc::clone(&account.storage), account.file_max));
        let workers = shared.transfers.clone();
        self.job = Some(Job::new(Bereft::Finish, async move {
            let nothing = |fault| ended(Count::default(), fault, Left::Nothing);
            let (Some((storage, file_max)), Ready::Upload(mut sink)) = (account, ready) else {
                return nothing(Fault::Storage(Refusal::Denied));
            };
            let stream = channel.finish(plan.protection, guard.as_ref(), Flow::In);
            let (stream, lease) = match unless_stopped(stream, &mut stop).await {
                Ok(stood) => stood,
                Err(fault) => return nothing(fault),
            };
            let room = match room(&*storage, file_max, &plan).await {
                Ok(room) => room,
                Err(refusal) => return nothing(Fault::Storage(refusal)),
            };
            sink.limit(file_max.unwrap_or(u64::MAX));
            let upload = Upload::new(stream, sink, &plan, room, stop.clone());
            let upload = upload.close_notify(demanded.unwrap_or_default());
            match alone(run(upload, &workers), lease).await {
                (count, Ok(received)) => {
                    Done::received(Whole { received, count, stop, bare_close, looked: Looked::NotYet })
                }
                (count, Err((fault, left))) => ended(count, fault, left),
            }
        }));
    }
}

/// Octets that an upload may add to its file before it is longer than the user's files may be.
async fn room(storage: &dyn Storage, file_max: Option<u64>, plan: &Inbound) -> Result<u64, Refusal> {
    let Some(most) = file_max else { return Ok(u64::MAX) };
    let before = match plan.how {
        Create::Replace | Create::Unique => 0,
        Create::At(offset) => offset,
        Create::Append => match size(storage, &plan.path).await {
            Ok(facts) => facts.size,
            Err(Refusal::NotFound) => 0,
            Err(refusal) => return Err(refusal),
        },
        _ => return Err(Refusal::Unsupported),
    };
    most.checked_sub(before).ok_or(Refusal::OverQuota)
}

/// The data connection, unless the transfer is stopped first.
async fn unless_stopped(
    stream: impl Future<Output = Result<(DataStream, Option<Lease>), Fault>>,
    stop: &mut Stop,
) -> Result<(DataStream, Option<Lease>), Fault> {
    tokio::select! {
        biased;
        () = stopped(stop) => Err(Fault::Aborted),
        stream = stream => stream,
    }
}

fn ended(count: Count, fault: Fault, left: Left) -> Done {
    Done::Ended(Err(Failure::new(fault, left, count)), Ending::Regular)
}
