//! The connections that came to the port of one transfer, and which of them is the client's: the first that proves by TLS
//! what is demanded. Mostly there is one. Somebody else at the client's address may have been faster, or, where clients may
//! come from other addresses, anyone.
//!
//! Not here: what counts as a proof (`tls/kinship.rs`), and data connections in clear, of which the first one counts.

use std::future::poll_fn;
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;

use ftp_proto::session::Fault;
use ftp_proto::value::text::Text;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;

use crate::data::linger::{LINGER, Lingering};
use crate::data::{Flow, Guard, HELLO, end_in_order};
use crate::ports::{Arrival, Lease, Origin, reset};
use crate::tls::{Proof, Protected, Tickets};

pub(super) type Handshake = Pin<Box<dyn Future<Output = io::Result<Protected>> + Send>>;

/// How a data connection came about.
pub(crate) struct Came {
    pub(super) origin: Origin,
    /// The port that it came to, to which others may come.
    pub(super) lease: Option<Lease>,
}

type Proving = Pin<Box<dyn Future<Output = Result<Box<TlsStream<TcpStream>>, Fault>> + Send>>;

/// Those who shake hands for one transfer.
pub(super) struct Candidates<'a> {
    guard: &'a Guard,
    flow: Flow,
    proving: Vec<Proving>,
    /// The port, to which more of them may come.
    lease: Option<Lease>,
    owner: Owner,
}

/// Whether somebody has come from where the client is expected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Owner {
    Awaited,
    MayBeHere,
}

impl<'a> Candidates<'a> {
    /// The first of them.
    pub(super) fn new(guard: &'a Guard, flow: Flow, handshake: Handshake, came: Came) -> Self {
        let mut candidates =
            Self { guard, flow, proving: Vec::new(), lease: came.lease, owner: Owner::Awaited };
        candidates.add(handshake, came.origin);
        candidates
    }

    /// The client's connection, and the port; or why none of them is the client's.
    pub(super) async fn choose(mut self) -> Result<(Box<TlsStream<TcpStream>>, Option<Lease>), Fault> {
        let mut patience = pin!(tokio::time::sleep(self.guard.handshake));
        let mut refused = Fault::ForeignSession;
        while !self.proving.is_empty() || (self.owner == Owner::Awaited && self.lease.is_some()) {
            tokio::select! {
                biased;
                arrival = next(&mut self.lease) => match arrival {
                    Ok(Arrival { stream, origin }) => self.add(hello(self.guard, stream, self.flow), origin),
                    Err(_) => self.lease = None,
                },
                proved = any(&mut self.proving) => match proved {
                    Ok(stream) => return Ok((stream, self.lease)),
                    Err(fault) => refused = fault,
                },
                () = &mut patience, if self.proving.is_empty() => break,
            }
        }
        Err(refused)
    }

    fn add(&mut self, handshake: Handshake, origin: Origin) {
        // One from another address than was expected has to prove it, whatever is demanded of others.
        let proof = match origin {
            Origin::Expected => {
                self.owner = Owner::MayBeHere;
                Proof::AsDemanded
            }
            Origin::Elsewhere => Proof::Needed,
        };
        self.proving.push(Box::pin(prove(self.guard.clone(), handshake, proof, self.flow)));
    }
}

/// The server's side of a handshake on a data connection whose client is to begin.
pub(super) fn hello(guard: &Guard, stream: TcpStream, flow: Flow) -> Handshake {
    let guard = guard.clone();
    let patience = guard.handshake.min(HELLO);
    // Nobody can reach the socket while hands are shaken.
    reset(&stream);
    Box::pin(async move {
        // Readiness alone may be spurious: there has to be an octet, or the end. An error shows when it is used.
        let late = || {
            let why = format!("the client sent nothing for {} s", patience.as_secs_f64());
            io::Error::new(io::ErrorKind::TimedOut, why)
        };
        let _peeked = tokio::time::timeout(patience, stream.peek(&mut [0])).await.map_err(|_| late())?;
        handshake(&guard, stream, flow).await
    })
}

/// The same where octets of the client are here.
pub(super) fn handshake(guard: &Guard, stream: TcpStream, flow: Flow) -> Handshake {
    let tickets = if flow == Flow::Out { Tickets::One } else { Tickets::None };
    // Nobody can reach the socket while hands are shaken.
    reset(&stream);
    // A handshake is a dialogue. Without the option it works all the same, only less well.
    let _refused = stream.set_nodelay(true);
    Box::pin(Arc::clone(&guard.tls).data(stream, guard.kin.clone(), tickets, guard.handshake))
}

async fn prove(
    guard: Guard,
    handshake: Handshake,
    proof: Proof,
    flow: Flow,
) -> Result<Box<TlsStream<TcpStream>>, Fault> {
    let failed = |error: io::Error| Fault::Handshake(Text::clean(error.to_string()));
    let protected: Protected = handshake.await.map_err(failed)?;
    if guard.tls.admits(&protected, &guard.kin, proof, guard.handshake).await {
        if flow == Flow::In {
            end_in_order(protected.stream.get_ref().0);
        }
        return Ok(protected.stream);
    }
    refuse(protected.stream, flow, guard.lingering);
    Err(Fault::ForeignSession)
}

/// The next one that comes to a port, if there is one.
async fn next(lease: &mut Option<Lease>) -> io::Result<Arrival> {
    match lease {
        Some(lease) => lease.accept().await,
        None => std::future::pending().await,
    }
}

/// What one of them has come to.
async fn any(proving: &mut Vec<Proving>) -> Result<Box<TlsStream<TcpStream>>, Fault> {
    poll_fn(|cx| {
        for (place, candidate) in proving.iter_mut().enumerate() {
            if let Poll::Ready(proved) = candidate.as_mut().poll(cx) {
                drop(proving.swap_remove(place));
                return Poll::Ready(proved);
            }
        }
        Poll::Pending
    })
    .await
}

/// Ends a connection whose TLS session belongs elsewhere. An upload ends in order, or the client would fail before it reads
/// why in the reply; a download must not, because that would look like an empty file.
fn refuse(mut stream: Box<TlsStream<TcpStream>>, flow: Flow, lingering: Lingering) {
    match flow {
        Flow::Out => reset(stream.get_ref().0),
        Flow::In => drop(tokio::spawn(async move {
            end_in_order(stream.get_ref().0);
            // Whether the client hears of it or not: the reply tells.
            let _gone = tokio::time::timeout(LINGER, stream.shutdown()).await;
            lingering.close(stream.into_inner().0);
        })),
    }
}
