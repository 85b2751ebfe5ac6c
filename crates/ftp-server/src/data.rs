//! The data connection: made, perhaps protected, used once, closed.
//!
//! ```text
//! Reserved ──client connects──> Up ──first octets──> Handshaking ──> Secured
//! Dialled  ──client accepts───> Up
//! ```
//!
//! The server's side of a TLS handshake starts as soon as octets of the client are there, because some clients
//! shake hands before they send their command; the 150 never waits for it, because most start on the 150.

use std::future::poll_fn;
use std::io;
use std::net::Shutdown;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant};

use ftp_proto::session::{Count, DataFault, Fault, Protection};
use ftp_proto::value::text::Text;
use socket2::SockRef;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio_rustls::server::TlsStream;

use crate::ports::{Arrival, Lease, Origin, reset};
use crate::tls::{Holder, Kin, Proof, Protected, Tickets, Tls};

pub(crate) mod active;
pub(crate) mod handover;
pub(crate) mod receive;
pub(crate) mod send;

/// Octets that an upload gathers at most before they are written; it holds two such buffers at most.
pub(crate) const BUFFER: usize = 1 << 20;

/// How long no octet may come of a client that has left its control connection.
const BREAK: Duration = Duration::from_secs(2);

/// How long a closed connection is read from, so that its last octets are not lost to a RST.
const LINGER: Duration = Duration::from_secs(5);

/// How long a client may come to the passive port of a transfer that was refused.
const RETIRING: Duration = Duration::from_secs(5);

type Handshake = Pin<Box<dyn Future<Output = io::Result<Protected>> + Send>>;

/// What a transfer that runs needs to know of the session.
#[derive(Debug, Clone)]
pub(crate) struct Stop {
    /// Set by ABOR, and when the client is gone.
    signal: watch::Receiver<Go>,
    /// How long no octet may move.
    pub(crate) stall: Duration,
    /// When its 150 was said.
    pub(crate) begun: Instant,
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
    pub(crate) fn new(signal: watch::Receiver<Go>, stall: Duration) -> Self {
        Self { signal, stall, begun: Instant::now() }
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
}

impl Guard {
    /// Says who is logged in from here on.
    pub(crate) fn belong_to(&mut self, holder: Option<Holder>) {
        self.kin.belong_to(holder);
    }
}

/// The data connection of a session, as far as it has come. The diagram is in the head of this module.
#[derive(Default)]
pub(crate) enum Channel {
    #[default]
    None,
    Reserved(Lease),
    Up(TcpStream, Origin),
    Handshaking(Handshake, Origin),
    Secured(io::Result<Protected>, Origin),
    /// Of no use any more, but the client does not know yet.
    Retiring(Pin<Box<dyn Future<Output = ()> + Send>>),
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

impl Channel {
    /// Whether the TCP connection stands.
    pub(crate) fn is_up(&self) -> bool {
        matches!(self, Self::Up(..) | Self::Handshaking(..) | Self::Secured(..))
    }

    /// Takes the next step on its own, if there is one; pending for ever otherwise. Cancel safe.
    ///
    /// `guard` is given while PROT P is in force; a handshake that begins here brings `tickets`.
    pub(crate) async fn advance(&mut self, guard: Option<&Guard>, tickets: Tickets) {
        match (&mut *self, guard) {
            (Self::Reserved(lease), _) => {
                *self = match lease.accept().await {
                    Ok(Arrival { stream, origin }) => Self::Up(stream, origin),
                    Err(_) => Self::None,
                };
            }
            (Self::Up(stream, _), Some(guard)) => {
                // Readiness alone may be spurious: there has to be an octet, or the end. An error shows when it is used.
                let _peeked = stream.peek(&mut [0]).await;
                self.start_handshake(guard, tickets);
            }
            (Self::Handshaking(handshake, origin), _) => {
                let (done, origin) = (handshake.await, *origin);
                *self = Self::Secured(done, origin);
            }
            (Self::Retiring(closing), _) => {
                closing.await;
                *self = Self::None;
            }
            (Self::None | Self::Up(..) | Self::Secured(..), _) => std::future::pending().await,
        }
    }

    /// From here on whatever ends it before all is sent must not look like the end of what is sent: it ends by RST, be it
    /// dropped or broken off. An upload is spoken for by its client alone.
    pub(crate) fn begin(&self, flow: Flow) {
        if let (Self::Up(stream, _), Flow::Out) = (self, flow) {
            reset(stream);
        }
    }

    /// Nothing goes over it: it is closed in order, and if it does not stand yet, it is for a while when it comes.
    pub(crate) fn retire(self) -> Self {
        if matches!(self, Self::None) {
            return self;
        }
        Self::Retiring(Box::pin(async move {
            let _late = tokio::time::timeout(RETIRING, self.close()).await;
        }))
    }

    async fn close(self) {
        let secured = match self {
            Self::Reserved(mut lease) => match lease.accept().await {
                Ok(Arrival { stream, .. }) => return close_gently(stream),
                Err(_) => return,
            },
            Self::Up(stream, _) => return close_gently(stream),
            Self::Handshaking(handshake, _) => handshake.await,
            Self::Secured(secured, _) => secured,
            Self::None | Self::Retiring(_) => return,
        };
        if let Ok(Protected { mut stream, .. }) = secured {
            end_in_order(stream.get_ref().0);
            // Whether the client hears of it or not: the reply tells.
            let _gone = stream.shutdown().await;
            close_gently(stream.into_inner().0);
        }
    }

    fn start_handshake(&mut self, guard: &Guard, tickets: Tickets) {
        if let Self::Up(stream, origin) = std::mem::take(self) {
            // Nobody can reach the socket while hands are shaken.
            reset(&stream);
            // A handshake is a dialogue. Without the option it works all the same, only less well.
            let _refused = stream.set_nodelay(true);
            let handshake = Arc::clone(&guard.tls).data(stream, guard.kin.clone(), tickets, guard.handshake);
            *self = Self::Handshaking(Box::pin(handshake), origin);
        }
    }

    /// The connection at the level that PROT asks for.
    pub(crate) async fn finish(
        mut self,
        protection: Protection,
        guard: Option<&Guard>,
        flow: Flow,
    ) -> Result<DataStream, Fault> {
        let guard = match (protection, self) {
            (Protection::Clear, Self::Up(stream, Origin::Expected)) => return Ok(DataStream::Clear(stream)),
            // Without TLS there is nothing to prove it by.
            (Protection::Clear, Self::Up(_, Origin::Elsewhere)) => return Err(Fault::ForeignSession),
            (Protection::Clear, _) => {
                return Err(Fault::Handshake(Text::from("PROT was changed during the handshake")));
            }
            (Protection::Private, channel) => {
                self = channel;
                guard.ok_or_else(|| Fault::Handshake(Text::from("TLS is not in use")))?
            }
        };
        if matches!(self, Self::Up(..)) {
            self.start_handshake(guard, if flow == Flow::Out { Tickets::One } else { Tickets::None });
        }
        if let Self::Handshaking(handshake, origin) = self {
            self = Self::Secured(handshake.await, origin);
        }
        let Self::Secured(done, origin) = self else {
            return Err(Fault::Broken(Text::from("connection lost")));
        };
        let protected = done.map_err(|error| Fault::Handshake(Text::clean(error.to_string())))?;
        // One from another address than was expected has to prove it, whatever is demanded of others.
        let proof = if origin == Origin::Expected { Proof::AsDemanded } else { Proof::Needed };
        let admitted = guard.tls.admits(&protected, &guard.kin, proof, guard.handshake).await;
        let stream = protected.stream;
        if admitted {
            if flow == Flow::In {
                end_in_order(stream.get_ref().0);
            }
            return Ok(DataStream::Tls(stream));
        }
        refuse(stream, flow);
        Err(Fault::ForeignSession)
    }

    /// Who else came to the passive port.
    pub(crate) fn stranger(&self) -> Option<std::net::IpAddr> {
        match self {
            Self::Reserved(lease) => lease.stranger(),
            _ => None,
        }
    }

    /// Why nobody came to the passive port.
    pub(crate) fn nobody_came(&self, waited: Duration) -> DataFault {
        match self {
            Self::Reserved(lease) => {
                DataFault::NobodyCame { port: lease.port(), waited, stranger: lease.stranger() }
            }
            _ => DataFault::Lost,
        }
    }
}

/// A connection that is dropped ends by FIN again, behind what was sent.
pub(crate) fn end_in_order(stream: &TcpStream) {
    let _refused = SockRef::from(stream).set_linger(None);
}

/// Closes a connection that the server has written to: what is on its way arrives, whatever the client still sends.
pub(crate) fn close_gently(mut stream: TcpStream) {
    // Whether the end of it can be told shows in what comes back.
    let _refused = SockRef::from(&stream).shutdown(Shutdown::Write);
    tokio::spawn(async move {
        let mut void = [0; 4096];
        let drain = async { while stream.read(&mut void).await.is_ok_and(|count| count > 0) {} };
        let _late = tokio::time::timeout(LINGER, drain).await;
    });
}

/// Ends a connection whose TLS session belongs elsewhere. An upload ends in order, or the client would fail before it reads
/// why in the reply; a download must not, because that would look like an empty file.
fn refuse(mut stream: Box<TlsStream<TcpStream>>, flow: Flow) {
    match flow {
        Flow::Out => reset(stream.get_ref().0),
        Flow::In => drop(tokio::spawn(async move {
            end_in_order(stream.get_ref().0);
            // Whether the client hears of it or not: the reply tells.
            let _gone = tokio::time::timeout(LINGER, stream.shutdown()).await;
            close_gently(stream.into_inner().0);
        })),
    }
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
