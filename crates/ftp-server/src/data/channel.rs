//! The data connection of a session: made, perhaps protected, used once, closed.
//!
//! ```text
//! Reserved ──somebody connects──> Up ──first octets──> Handshaking ──> Secured
//! Dialled  ──client accepts─────> Up
//! ```
//!
//! The server's side of a TLS handshake starts as soon as octets of the client are there, because some clients
//! shake hands before they send their command; the 150 never waits for it, because most start on the 150. Not here: which of
//! several connections counts (`data/candidates.rs`).

use std::io;
use std::net::IpAddr;
use std::pin::Pin;
use std::time::Duration;

use ftp_proto::session::{DataFault, Fault, Protection};
use ftp_proto::value::text::Text;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use crate::data::candidates::{Came, Candidates, Handshake, handshake, hello};
use crate::data::linger::Lingering;
use crate::data::{DataStream, Flow, Guard, end_in_order};
use crate::ports::{Arrival, Lease, Origin, reset};
use crate::tls::Protected;

/// How long a client may come to the passive port of a transfer that was refused.
const RETIRING: Duration = Duration::from_secs(5);

/// The data connection of a session, as far as it has come. The diagram is in the head of this module.
#[derive(Default)]
pub(crate) enum Channel {
    #[default]
    None,
    Reserved(Lease),
    Up(TcpStream, Came),
    Handshaking(Handshake, Came),
    Secured(io::Result<Protected>, Came),
    /// Of no use any more, but the client does not know yet.
    Retiring(Pin<Box<dyn Future<Output = ()> + Send>>),
}

impl Channel {
    /// One that the server has made.
    pub(crate) fn dialled(stream: TcpStream) -> Self {
        Self::Up(stream, Came { origin: Origin::Expected, lease: None })
    }

    /// Whether the TCP connection stands.
    pub(crate) fn is_up(&self) -> bool {
        matches!(self, Self::Up(..) | Self::Handshaking(..) | Self::Secured(..))
    }

    /// Takes the next step on its own, if there is one; pending for ever otherwise. Cancel safe.
    ///
    /// `guard` is given while PROT P is in force; a handshake that begins here is for octets that flow so.
    pub(crate) async fn advance(&mut self, guard: Option<&Guard>, flow: Flow) {
        match (&mut *self, guard) {
            (Self::Reserved(lease), guard) => {
                let arrival = lease.accept().await;
                self.arrived(arrival, guard);
            }
            (Self::Up(stream, _), Some(guard)) => {
                // Readiness alone may be spurious: there has to be an octet, or the end. An error shows when it is used.
                let _peeked = stream.peek(&mut [0]).await;
                if let Self::Up(stream, came) = std::mem::take(self) {
                    *self = Self::Handshaking(handshake(guard, stream, flow), came);
                }
            }
            (Self::Handshaking(handshake, _), _) => {
                let done = handshake.await;
                if let Self::Handshaking(_, came) = std::mem::take(self) {
                    *self = Self::Secured(done, came);
                }
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
    pub(crate) fn retire(self, lingering: Lingering) -> Self {
        if matches!(self, Self::None) {
            return self;
        }
        Self::Retiring(Box::pin(async move {
            let _late = tokio::time::timeout(RETIRING, self.close(lingering)).await;
        }))
    }

    async fn close(self, lingering: Lingering) {
        let secured = match self {
            Self::Reserved(mut lease) => match lease.accept().await {
                Ok(Arrival { stream, .. }) => return lingering.close(stream),
                Err(_) => return,
            },
            Self::Up(stream, _) => return lingering.close(stream),
            Self::Handshaking(handshake, _) => handshake.await,
            Self::Secured(secured, _) => secured,
            Self::None | Self::Retiring(_) => return,
        };
        if let Ok(Protected { mut stream, .. }) = secured {
            end_in_order(stream.get_ref().0);
            // Whether the client hears of it or not: the reply tells.
            let _gone = stream.shutdown().await;
            lingering.close(stream.into_inner().0);
        }
    }

    fn arrived(&mut self, arrival: io::Result<Arrival>, guard: Option<&Guard>) {
        *self = match (arrival, std::mem::take(self)) {
            // Without TLS there is nothing to prove it by; the client is still to come.
            (Ok(Arrival { stream, origin: Origin::Elsewhere }), reserved) if guard.is_none() => {
                reset(&stream);
                reserved
            }
            (Ok(Arrival { stream, origin }), Self::Reserved(lease)) => {
                Self::Up(stream, Came { origin, lease: Some(lease) })
            }
            (Ok(_) | Err(_), _) => Self::None,
        };
    }

    /// The connection at the level that PROT asks for, and the port that it came to.
    pub(crate) async fn finish(
        self,
        protection: Protection,
        guard: Option<&Guard>,
        flow: Flow,
    ) -> Result<(DataStream, Option<Lease>), Fault> {
        let guard = match (protection, &self) {
            (Protection::Private, _) => {
                guard.ok_or_else(|| Fault::Handshake(Text::from("TLS is not in use")))?
            }
            (Protection::Clear, Self::Up(_, Came { origin: Origin::Elsewhere, .. })) => {
                return Err(Fault::ForeignSession);
            }
            (Protection::Clear, _) => return self.in_clear(),
        };
        let (handshake, came): (Handshake, Came) = match self {
            Self::Up(stream, came) => (hello(guard, stream, flow), came),
            Self::Handshaking(handshake, came) => (handshake, came),
            Self::Secured(done, came) => (Box::pin(std::future::ready(done)), came),
            Self::None | Self::Reserved(_) | Self::Retiring(_) => {
                return Err(Fault::Broken(Text::from("connection lost")));
            }
        };
        let (stream, lease) = Candidates::new(guard, flow, handshake, came).choose().await?;
        Ok((DataStream::Tls(stream), lease))
    }

    fn in_clear(self) -> Result<(DataStream, Option<Lease>), Fault> {
        match self {
            Self::Up(stream, came) => Ok((DataStream::Clear(stream), came.lease)),
            _ => Err(Fault::Handshake(Text::from("PROT was changed during the handshake"))),
        }
    }

    /// Who else came to the passive port.
    pub(crate) fn stranger(&self) -> Option<IpAddr> {
        match self {
            Self::Reserved(lease) => lease.stranger(),
            Self::Up(_, came) | Self::Handshaking(_, came) | Self::Secured(_, came) => {
                came.lease.as_ref().and_then(Lease::stranger)
            }
            Self::None | Self::Retiring(_) => None,
        }
    }

    /// Why nobody came to the passive port.
    pub(crate) fn nobody_came(&self, waited: Duration) -> DataFault {
        match self {
            Self::Reserved(lease) => match lease.refused() {
                Some(why) => DataFault::NoSocket(Text::clean(why)),
                None => DataFault::NobodyCame { port: lease.port(), waited, stranger: lease.stranger() },
            },
            _ => DataFault::Lost,
        }
    }
}
