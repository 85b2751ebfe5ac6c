//! What moves octets between a data connection and a file, and what all of that shares: a connection that is ready, how it is
//! stopped, how it is closed.
//!
//! Not here: how a data connection comes about (`data/channel.rs`), and the ways of octets (`data/send.rs`, `data/receive.rs`).

use std::future::poll_fn;
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant};

use ftp_proto::session::{Count, Fault};
use ftp_proto::value::text::Text;
use socket2::SockRef;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio_rustls::server::TlsStream;

use crate::data::linger::{LINGER, Lingering};
use crate::data::pace::Pace;
use crate::ports::{Lease, reset};
use crate::tls::{Holder, Kin, Tls};

pub(crate) mod active;
mod candidates;
pub(crate) mod channel;
pub(crate) mod handover;
pub(crate) mod linger;
pub(crate) mod pace;
pub(crate) mod receive;
pub(crate) mod send;

/// Octets that an upload gathers at most before they are written; it holds two such buffers at most.
pub(crate) const BUFFER: usize = 1 << 20;

/// How long no octet may come of a client that has left its control connection.
const BREAK: Duration = Duration::from_secs(2);

/// How long a client may leave a data connection without the first octet of its handshake. Some never send one: they take
/// it for a connection in clear.
pub(crate) const HELLO: Duration = Duration::from_secs(10);

/// What a transfer that runs needs to know of the session.
#[derive(Debug, Clone)]
pub(crate) struct Stop {
    /// Set by ABOR, and when the client is gone.
    signal: watch::Receiver<Go>,
    pub(crate) pace: Pace,
    /// When its 150 was said.
    pub(crate) begun: Instant,
    /// Where its connection goes when it is closed.
    pub(crate) lingering: Lingering,
}

/// Whether a transfer goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Go {
    /// It does.
    On,
    /// Its client has left the control connection: it takes what still comes, as long as that comes without a break.
    Rest,
    /// It stops.
    Stop,
}

impl Stop {
    pub(crate) fn new(signal: watch::Receiver<Go>, pace: Pace, lingering: Lingering) -> Self {
        Self { signal, pace, begun: Instant::now(), lingering }
    }

    /// Whether the transfer is to stop.
    pub(crate) fn is_set(&self) -> bool {
        *self.signal.borrow() == Go::Stop
    }
}

/// Completes when the transfer is to stop.
pub(crate) async fn stopped(stop: &mut Stop) {
    let go = stop.signal.wait_for(|go| *go != Go::On).await.map(|go| *go);
    let resting = match go {
        Ok(Go::Stop) => return,
        Ok(Go::On | Go::Rest) => {
            let stopping = stop.signal.wait_for(|go| *go == Go::Stop);
            tokio::time::timeout(BREAK, stopping).await.map(|stopped| stopped.is_ok()).unwrap_or(true)
        }
        Err(_) => false,
    };
    if !resting {
        // The session is gone, and with it this transfer.
        std::future::pending::<()>().await;
    }
}

/// What a data connection needs to be protected.
#[derive(Debug, Clone)]
pub(crate) struct Guard {
    pub(crate) tls: Arc<Tls>,
    pub(crate) kin: Kin,
    /// How long a handshake may take.
    pub(crate) handshake: Duration,
    /// Where connections go that are refused.
    pub(crate) lingering: Lingering,
}

impl Guard {
    /// Says who is logged in from here on.
    pub(crate) fn belong_to(&mut self, holder: Option<Holder>) {
        self.kin.belong_to(holder);
    }
}

/// A data connection that is ready for octets.
#[derive(Debug)]
pub(crate) enum DataStream {
    Clear(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

impl DataStream {
    /// The TCP connection below.
    pub(crate) fn tcp(&self) -> &TcpStream {
        match self {
            Self::Clear(stream) => stream,
            Self::Tls(stream) => stream.get_ref().0,
        }
    }
}

/// What tells that an upload has come to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Farewell {
    /// The client has said so (RFC 4217 §9).
    CloseNotify,
    /// A FIN alone, which is that of a client that died, too; for MODE B and C there are others, but not for STRU F, MODE S.
    Bare,
}

/// Which way the octets of a transfer go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flow {
    /// An upload.
    In,
    /// A download.
    Out,
}

/// A connection that is dropped ends by FIN again, behind what was sent.
pub(crate) fn end_in_order(stream: &TcpStream) {
    let _refused = SockRef::from(stream).set_linger(None);
}

/// Runs a transfer, and for as long as somebody may be late turns away whoever comes to its port besides.
pub(crate) async fn alone<T>(transfer: impl Future<Output = T>, lease: Option<Lease>) -> T {
    let Some(mut lease) = lease else { return transfer.await };
    let mut transfer = pin!(transfer);
    let others = async { while turn_away(&mut lease).await {} };
    let late = tokio::select! {
        biased;
        end = &mut transfer => Some(end),
        _ = tokio::time::timeout(LINGER, others) => None,
    };
    if late.is_some() {
        let _nobody = at_once(&mut pin!(turn_away(&mut lease))).await;
    }
    drop(lease);
    match late {
        Some(end) => end,
        None => transfer.await,
    }
}

/// Resets the next connection to a port; whether others may follow.
async fn turn_away(lease: &mut Lease) -> bool {
    let arrival = lease.accept().await;
    arrival.inspect(|arrival| reset(&arrival.stream)).is_ok()
}

/// An error of a data connection in words.
pub(crate) fn broken(error: &io::Error) -> Fault {
    if error.kind() == io::ErrorKind::UnexpectedEof {
        return Fault::Truncated;
    }
    Fault::Broken(Text::clean(error.to_string()))
}

/// Octets that a transfer has cost: those of the wire, or of the file where that has more (MODE Z).
pub(crate) fn moved(count: &Count) -> u64 {
    count.wire.max(count.file)
}

/// What a step of a transfer comes to, unless it takes longer than `stall`. The clock is not believed alone: it may have run
/// ahead of a process that was stopped, and what has come meanwhile counts.
pub(crate) async fn within<F: Future>(stall: Duration, step: F) -> Result<F::Output, Fault> {
    let mut step = pin!(step);
    if let Ok(done) = tokio::time::timeout(stall, &mut step).await {
        return Ok(done);
    }
    two_turns().await;
    match at_once(&mut step).await {
        Poll::Ready(done) => Ok(done),
        Poll::Pending => Err(Fault::Stalled(stall)),
    }
}

/// Two turns of a runtime, in which it hears what has come and polls whoever waited for that.
pub(crate) async fn two_turns() {
    tokio::task::yield_now().await;
    tokio::task::yield_now().await;
}

/// What a future has come to without being waited for.
pub(crate) async fn at_once<F: Future + Unpin>(future: &mut F) -> Poll<F::Output> {
    poll_fn(|cx| Poll::Ready(Pin::new(&mut *future).poll(cx))).await
}
