//! Passive ports: reserved for one client address each, shared between addresses.
//!
//! A reservation belongs to (client address, port). One listening socket serves many addresses at once, so that a
//! range of n ports means n reservations *per client address*. Whoever connects without a reservation is reset and
//! uses up nobody's. Ports are chosen at random (RFC 2577 §8). A reservation takes one connection.

use std::collections::HashMap;
use std::net::{IpAddr, Shutdown, SocketAddr};
use std::ops::RangeInclusive;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::time::Duration;

use rand::Rng;
use socket2::{Domain, SockRef, Socket, Type};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::AbortHandle;

/// Connections that wait in one listening socket.
const BACKLOG: i32 = 128;

/// The passive ports of a server.
#[derive(Debug)]
pub struct Ports {
    range: RangeInclusive<u16>,
    table: Mutex<Table>,
}

type Table = HashMap<(IpAddr, u16), Listening>;

/// A listening socket and who may connect to it.
#[derive(Debug)]
struct Listening {
    claims: HashMap<IpAddr, Claim>,
    socket: Arc<TcpListener>,
    task: AbortHandle,
}

/// A reservation as the listening socket sees it.
#[derive(Debug)]
struct Claim {
    client: oneshot::Sender<TcpStream>,
    stranger: Arc<OnceLock<IpAddr>>,
}

/// A reserved port. Dropping it gives the port back.
#[derive(Debug)]
pub struct Lease {
    ports: Weak<Ports>,
    key: (IpAddr, u16),
    client: IpAddr,
    accepted: oneshot::Receiver<TcpStream>,
    stranger: Arc<OnceLock<IpAddr>>,
}

impl Ports {
    /// The ports of `range`.
    #[must_use]
    pub fn new(range: RangeInclusive<u16>) -> Arc<Self> {
        Arc::new(Self { range, table: Mutex::new(HashMap::new()) })
    }

    /// The range.
    #[must_use]
    pub fn range(&self) -> RangeInclusive<u16> {
        self.range.clone()
    }

    fn lock(&self) -> MutexGuard<'_, Table> {
        // Every change is one insertion or removal, so a panic elsewhere leaves a good table.
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reserves a port at `local` for `client`; `None` if every port has a reservation of that client, or is in use
    /// by another program. The port listens when this returns.
    #[must_use]
    pub fn reserve(self: &Arc<Self>, local: IpAddr, client: IpAddr) -> Option<Lease> {
        let count = u32::from(self.range.end() - self.range.start()) + 1;
        let first = rand::rng().random_range(0..count);
        let mut table = self.lock();
        (0..count).find_map(|step| {
            let offset = u16::try_from((first + step) % count).ok()?;
            let key = (local, self.range.start() + offset);
            let (sender, accepted) = oneshot::channel();
            let stranger = Arc::new(OnceLock::new());
            let claim = Claim { client: sender, stranger: Arc::clone(&stranger) };
            match table.get_mut(&key) {
                Some(listening) if listening.claims.contains_key(&client) => return None,
                Some(listening) => {
                    listening.claims.insert(client, claim);
                }
                None => {
                    let socket = Arc::new(listen(SocketAddr::new(key.0, key.1)).ok()?);
                    let task =
                        tokio::spawn(serve(Arc::downgrade(self), key, Arc::clone(&socket))).abort_handle();
                    table.insert(key, Listening { claims: HashMap::from([(client, claim)]), socket, task });
                }
            }
            Some(Lease { ports: Arc::downgrade(self), key, client, accepted, stranger })
        })
    }

    /// Hands a connection to the session that waits for it; resets any other.
    fn deliver(&self, key: (IpAddr, u16), listener: &Arc<TcpListener>, stream: TcpStream, peer: IpAddr) {
        let mut table = self.lock();
        // A connection to a socket that is closed by now must not use up a reservation of its successor.
        let current = table.get_mut(&key).filter(|listening| Arc::ptr_eq(&listening.socket, listener));
        let Some(listening) = current else { return reset(&stream) };
        if let Some(claim) = listening.claims.remove(&peer) {
            // The session may have left meanwhile; then the connection closes with the channel.
            let _gone = claim.client.send(stream);
            return;
        }
        for claim in listening.claims.values() {
            // The first one is the one that is told of.
            let _later = claim.stranger.set(peer);
        }
        drop(table);
        reset(&stream);
    }
}

/// Closes with RST: nobody mistakes it for an empty transfer.
pub(crate) fn reset(stream: &TcpStream) {
    // Without the option the close is an ordinary one.
    let _refused = SockRef::from(stream).set_linger(Some(Duration::ZERO));
}

fn listen(address: SocketAddr) -> std::io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    TcpListener::from_std(socket.into())
}

async fn serve(ports: Weak<Ports>, key: (IpAddr, u16), listener: Arc<TcpListener>) {
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => {
                let Some(ports) = ports.upgrade() else { return };
                ports.deliver(key, &listener, stream, peer.ip().to_canonical());
            }
            // Out of descriptors, or a connection that was gone again: the next one may work.
            Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
        }
    }
}

impl Lease {
    /// The port.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.key.1
    }

    /// Who else has tried to connect, the first of them.
    #[must_use]
    pub fn stranger(&self) -> Option<IpAddr> {
        self.stranger.get().copied()
    }

    /// The client's connection. Cancel safe.
    ///
    /// # Errors
    /// If the port was taken away.
    pub async fn accept(&mut self) -> std::io::Result<TcpStream> {
        (&mut self.accepted).await.map_err(|_| std::io::ErrorKind::ConnectionAborted.into())
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let Some(ports) = self.ports.upgrade() else { return };
        let mut table = ports.lock();
        let Some(listening) = table.get_mut(&self.key) else { return };
        // After a connection the claim is gone, and another session of this client may have made a new one.
        if listening
            .claims
            .get(&self.client)
            .is_some_and(|claim| Arc::ptr_eq(&claim.stranger, &self.stranger))
        {
            listening.claims.remove(&self.client);
        }
        if listening.claims.is_empty() {
            // The task lets go of the socket only when the runtime gets to it: the port must be free at once.
            let _refused = SockRef::from(&*listening.socket).shutdown(Shutdown::Both);
            listening.task.abort();
            table.remove(&self.key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::AsyncReadExt;

    const HOME: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

    fn other(last: u8) -> IpAddr {
        IpAddr::from([127, 0, 0, last])
    }

    #[tokio::test]
    async fn a_port_is_shared_between_addresses_and_not_within_one() {
        let ports = Ports::new(45_901..=45_902);
        let first = ports.reserve(HOME, HOME).unwrap();
        let second = ports.reserve(HOME, HOME).unwrap();
        assert_ne!(first.port(), second.port());
        assert!(ports.reserve(HOME, HOME).is_none(), "both are reserved for this address");
        assert!(ports.reserve(HOME, other(2)).is_some());
        drop(first);
        assert!(ports.reserve(HOME, HOME).is_some());
    }

    #[tokio::test]
    async fn a_stranger_is_reset_and_uses_up_nothing() {
        let ports = Ports::new(45_903..=45_903);
        let mut lease = ports.reserve(HOME, other(2)).unwrap();
        let mut stranger = TcpStream::connect((HOME, lease.port())).await.unwrap();
        let error = stranger.read_u8().await.unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
        assert_eq!(lease.stranger(), Some(HOME));
        let socket = tokio::net::TcpSocket::new_v4().unwrap();
        socket.bind((other(2), 0).into()).unwrap();
        let _client = socket.connect((HOME, lease.port()).into()).await.unwrap();
        assert_eq!(lease.accept().await.unwrap().peer_addr().unwrap().ip(), other(2));
        drop(lease);
        assert!(TcpStream::connect((HOME, 45_903)).await.is_err(), "the port is closed with its lease");
    }

    #[tokio::test]
    async fn a_connection_to_an_earlier_socket_uses_up_nothing() {
        let ports = Ports::new(45_904..=45_904);
        let earlier = ports.reserve(HOME, HOME).unwrap();
        let old = Arc::clone(&ports.lock().get(&(HOME, 45_904)).unwrap().socket);
        drop(earlier);
        let mut lease = ports.reserve(HOME, HOME).unwrap();
        let (mut mine, stale) = {
            let listener = TcpListener::bind((HOME, 0)).await.unwrap();
            let mine = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
            (mine, listener.accept().await.unwrap().0)
        };
        ports.deliver((HOME, 45_904), &old, stale, HOME);
        assert_eq!(mine.read_u8().await.unwrap_err().kind(), std::io::ErrorKind::ConnectionReset);
        let client = TcpStream::connect((HOME, 45_904)).await.unwrap();
        let accepted = lease.accept().await.unwrap();
        assert_eq!(accepted.peer_addr().unwrap(), client.local_addr().unwrap());
    }
}
