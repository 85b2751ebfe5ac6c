//! Passive ports: reserved for one client address each, shared between addresses.
//!
//! A reservation belongs to (client address, port). One listening socket serves many addresses at once, so that a
//! range of n ports means n reservations *per client address*. Whoever connects without a reservation is reset and
//! uses up nobody's. Whoever waits on a socket accepts, and hands on what is for somebody else. Ports are chosen at random (RFC 2577 §8).
//!
//! A reservation is for one connection. What comes behind the first, as long as its lease is held, is handed to its owner, too, who
//! tells it from the one that counts: somebody else at the client's address may have been faster.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, Shutdown, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::time::Duration;

use rand::Rng;
use socket2::{Domain, SockRef, Socket, Type};
use thiserror::Error;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc::{self, error::TrySendError};

use crate::proxy;
use crate::shortage::is_out_of_descriptors;

mod terms;

pub use terms::{DataPeer, Terms};

/// Connections that wait in one listening socket.
const BACKLOG: i32 = 128;
/// Ports that are drawn before each of the range is tried.
const DRAWS: usize = 8;
/// Connections that may come to one reservation; further ones are reset.
const ARRIVALS: usize = 4;

/// The passive ports of a server.
#[derive(Debug)]
pub struct Ports {
    terms: Terms,
    table: Mutex<Table>,
}

/// A connection that came to a reserved port.
#[derive(Debug)]
pub struct Arrival {
    /// It.
    pub stream: TcpStream,
    /// Whether its address is the one that was expected.
    pub origin: Origin,
}

/// From where a connection came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// From where it was expected.
    Expected,
    /// From elsewhere: it has to prove that it belongs here.
    Elsewhere,
}

/// Why there is no port.
#[derive(Debug, Error)]
pub enum NoPort {
    /// Every port has a reservation of that client, or is in use by another program.
    #[error("all passive ports are in use")]
    InUse,
    /// The system does not let the server open one.
    #[error("no passive port can be opened: {0}")]
    Refused(#[source] io::Error),
}

/// Listening sockets by the address that they are bound to, with its zone (RFC 4007 §6).
type Table = HashMap<SocketAddr, Listening>;

/// A port that listens.
type Listened = (SocketAddr, Arc<TcpListener>);

/// A listening socket and who may connect to it.
#[derive(Debug)]
struct Listening {
    claims: HashMap<IpAddr, Claim>,
    socket: Arc<TcpListener>,
}

/// A reservation as the listening socket sees it.
#[derive(Debug)]
struct Claim {
    client: mpsc::Sender<Arrival>,
    seen: Arc<Seen>,
    standing: Standing,
}

/// Whether a reservation still keeps others of its client from the port. `Open -> Taken` by the first connection from where
/// one was expected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    Open,
    Taken,
}

/// Who came to a reserved port beside the client's one connection.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    /// From another address than was expected, the first of them.
    stranger: OnceLock<IpAddr>,
    /// Behind another one from where one was expected.
    second: OnceLock<IpAddr>,
}

impl Seen {
    /// From where a second connection came.
    pub(crate) fn second(&self) -> Option<IpAddr> {
        self.second.get().copied()
    }
}

/// A reserved port. Dropping it gives the port back.
#[derive(Debug)]
pub struct Lease {
    ports: Weak<Ports>,
    key: SocketAddr,
    client: IpAddr,
    socket: Arc<TcpListener>,
    accepted: mpsc::Receiver<Arrival>,
    seen: Arc<Seen>,
    /// Why the system did not let a connection in that came.
    refused: Option<String>,
}

impl Ports {
    /// The ports of a server.
    #[must_use]
    pub fn new(terms: Terms) -> Arc<Self> {
        Arc::new(Self { terms, table: Mutex::new(HashMap::new()) })
    }

    fn lock(&self) -> MutexGuard<'_, Table> {
        // Every change is one insertion or removal, so a panic elsewhere leaves a good table.
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reserves a port at the address of `local` for `client`. The port listens when this returns.
    ///
    /// # Errors
    /// Why there is none.
    pub fn reserve(self: &Arc<Self>, local: SocketAddr, client: IpAddr) -> Result<Lease, NoPort> {
        let range = &self.terms.range;
        let client = self.terms.peer.key(client);
        let count = self.terms.count();
        let first = rand::rng().random_range(0..count);
        let key = |step| {
            let offset = u16::try_from((first + step) % count).ok()?;
            Some(with_port(local, range.start() + offset))
        };
        // Mostly a free one is drawn, and nobody has to wait until it listens. In a narrow range two clients may want the same
        // port, which they share: there the table must not change meanwhile.
        if self.terms.is_wide()
            && let Some((key, socket)) = self.draw(local)?
        {
            return Ok(self.claim(&mut self.lock(), key, client, socket));
        }
        let mut table = self.lock();
        for key in (0..count).filter_map(key) {
            let socket = match table.get(&key) {
                Some(listening)
                    if listening
                        .claims
                        .get(&client)
                        .is_some_and(|claim| claim.standing == Standing::Open) =>
                {
                    continue;
                }
                // Whoever comes from elsewhere must have one reservation to prove.
                Some(_) if self.terms.peer == DataPeer::Resumed => continue,
                Some(listening) => Arc::clone(&listening.socket),
                None => match self.listen(local, std::iter::once(key))? {
                    Some((_, socket)) => socket,
                    None => continue,
                },
            };
            return Ok(self.claim(&mut table, key, client, socket));
        }
        Err(NoPort::InUse)
    }

    /// A port at `local` that is nobody's, and listens; `None` if a few that are drawn are all taken. Connections of this
    /// host's own clients take ports of a range that is in the system's range, too.
    fn draw(&self, local: SocketAddr) -> Result<Option<Listened>, NoPort> {
        let drawn = (0..DRAWS).map(|_| with_port(local, rand::rng().random_range(self.terms.range.clone())));
        self.listen(local, drawn.filter(|key| !self.lock().contains_key(key)))
    }

    /// A socket that listens at the first of `keys`, all of them at `local`, that another program leaves; `None` if there
    /// is none.
    fn listen(
        &self,
        local: SocketAddr,
        keys: impl Iterator<Item = SocketAddr>,
    ) -> Result<Option<Listened>, NoPort> {
        let socket = open(local.ip(), self.terms.mss).map_err(NoPort::Refused)?;
        for key in keys {
            match socket.bind(&key.into()) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::AddrInUse => continue,
                Err(error) => return Err(NoPort::Refused(error)),
            }
            match socket.listen(BACKLOG) {
                Ok(()) => {}
                // Another program has come between.
                Err(error) if error.kind() == io::ErrorKind::AddrInUse => return Ok(None),
                Err(error) => return Err(NoPort::Refused(error)),
            }
            let socket = TcpListener::from_std(socket.into()).map_err(NoPort::Refused)?;
            return Ok(Some((key, Arc::new(socket))));
        }
        Ok(None)
    }

    /// Enters the reservation of a port that listens.
    fn claim(
        self: &Arc<Self>,
        table: &mut Table,
        key: SocketAddr,
        client: IpAddr,
        socket: Arc<TcpListener>,
    ) -> Lease {
        let (sender, accepted) = mpsc::channel(ARRIVALS);
        let seen = Arc::<Seen>::default();
        let claim = Claim { client: sender, seen: Arc::clone(&seen), standing: Standing::Open };
        let listening = Listening { claims: HashMap::new(), socket: Arc::clone(&socket) };
        table.entry(key).or_insert(listening).claims.insert(client, claim);
        Lease { ports: Arc::downgrade(self), key, client, socket, accepted, seen, refused: None }
    }

    /// Hands a connection to the session that waits for it; resets any other.
    fn deliver(&self, key: SocketAddr, listener: &Arc<TcpListener>, stream: TcpStream, peer: IpAddr) {
        let mut table = self.lock();
        // A connection to a socket that is closed by now must not use up a reservation of its successor.
        let current = table.get_mut(&key).filter(|listening| Arc::ptr_eq(&listening.socket, listener));
        let Some(listening) = current else { return reset(&stream) };
        if let Some(claim) = listening.claims.get_mut(&self.terms.peer.key(peer)) {
            if claim.standing == Standing::Taken {
                let _third = claim.seen.second.set(peer);
            }
            claim.standing = Standing::Taken;
            return claim.hand_over(stream, Origin::Expected);
        }
        for claim in listening.claims.values() {
            // The first one is the one that is told of.
            let _later = claim.seen.stranger.set(peer);
        }
        match listening.claims.values().next() {
            // There is one only, and its owner is expected still.
            Some(claim) if self.terms.peer == DataPeer::Resumed => {
                claim.hand_over(stream, Origin::Elsewhere);
            }
            _ => reset(&stream),
        }
    }
}

impl Claim {
    /// A connection for the session that waits. One that it has no room for, or comes when it has left, is reset.
    fn hand_over(&self, stream: TcpStream, origin: Origin) {
        match self.client.try_send(Arrival { stream, origin }) {
            Ok(()) => {}
            Err(TrySendError::Full(arrival) | TrySendError::Closed(arrival)) => reset(&arrival.stream),
        }
    }
}

/// The same address, with its zone, and another port.
fn with_port(mut address: SocketAddr, port: u16) -> SocketAddr {
    address.set_port(port);
    address
}

/// Closes with RST: nobody mistakes it for an empty transfer.
pub(crate) fn reset(stream: &TcpStream) {
    // Without the option the close is an ordinary one.
    let _refused = SockRef::from(stream).set_linger(Some(Duration::ZERO));
}

/// A socket with the options of a passive port.
fn open(local: IpAddr, mss: Option<u32>) -> std::io::Result<Socket> {
    let domain = if local.is_ipv6() { Domain::IPV6 } else { Domain::IPV4 };
    let socket = Socket::new(domain, Type::STREAM.nonblocking().cloexec(), None)?;
    socket.set_reuse_address(true)?;
    if local.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    if let Some(mss) = mss {
        // What is accepted here inherits it.
        socket.set_tcp_mss(mss)?;
    }
    Ok(socket)
}

/// A connection of a load balancer, which says whose it is.
async fn introduce(ports: Arc<Ports>, key: SocketAddr, listener: Arc<TcpListener>, mut stream: TcpStream) {
    match proxy::read(&mut stream).await {
        Ok(Some((client, _))) => ports.deliver(key, &listener, stream, client.ip()),
        // A health check, or something that is no proxy.
        Ok(None) => {}
        Err(error) => {
            tracing::warn!(port = key.port(), %error, "data connection of a trusted source refused")
        }
    }
}

impl Lease {
    /// The port.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.key.port()
    }

    /// Who else has tried to connect, the first of them.
    #[must_use]
    pub fn stranger(&self) -> Option<IpAddr> {
        self.seen.stranger.get().copied()
    }

    /// Who came beside the client's one connection, as long as this lease is held.
    pub(crate) fn seen(&self) -> Arc<Seen> {
        Arc::clone(&self.seen)
    }

    /// Why the system did not let a connection in that came to this port.
    pub(crate) fn refused(&self) -> Option<&str> {
        self.refused.as_deref()
    }

    /// The client's connection, or another one that came behind it. Cancel safe.
    ///
    /// # Errors
    /// If the port was taken away.
    pub async fn accept(&mut self) -> std::io::Result<Arrival> {
        loop {
            let accepted = tokio::select! {
                biased;
                arrival = self.accepted.recv() => {
                    return arrival.ok_or(std::io::ErrorKind::ConnectionAborted.into());
                }
                accepted = self.socket.accept() => accepted,
            };
            match accepted {
                Ok((stream, peer)) => self.receive(stream, peer.ip().to_canonical()),
                // Out of descriptors, or a connection that was gone again: the next one may work.
                Err(error) => {
                    if is_out_of_descriptors(&error) {
                        self.refused = Some(error.to_string());
                    }
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
            }
        }
    }

    /// A connection came to this port, for whomever.
    fn receive(&self, stream: TcpStream, peer: IpAddr) {
        let Some(ports) = self.ports.upgrade() else { return };
        if proxy::is_trusted(&ports.terms.proxies, peer) {
            tokio::spawn(introduce(ports, self.key, Arc::clone(&self.socket), stream));
        } else {
            ports.deliver(self.key, &self.socket, stream, peer);
        }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let Some(ports) = self.ports.upgrade() else { return };
        let mut table = ports.lock();
        // It may be the next one's by now.
        let own = table.get_mut(&self.key).filter(|listening| Arc::ptr_eq(&listening.socket, &self.socket));
        let Some(listening) = own else { return };
        // After a connection another session of this client may have made a new one.
        if listening.claims.get(&self.client).is_some_and(|claim| Arc::ptr_eq(&claim.seen, &self.seen)) {
            listening.claims.remove(&self.client);
        }
        if listening.claims.is_empty() {
            table.remove(&self.key);
            // The port must be free before another session looks for one, which finds others in a wide range. A connection
            // that is being introduced may hold the socket for seconds.
            if !ports.terms.is_wide() || Arc::strong_count(&self.socket) > 1 {
                let _refused = SockRef::from(&*self.socket).shutdown(Shutdown::Both);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::AsyncReadExt;

    const HOME: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

    fn at(local: IpAddr) -> SocketAddr {
        SocketAddr::new(local, 21)
    }

    fn other(last: u8) -> IpAddr {
        IpAddr::from([127, 0, 0, last])
    }

    #[tokio::test]
    async fn a_port_is_shared_between_addresses_and_not_within_one() {
        let ports = Ports::new(Terms::of(25_901..=25_902));
        let first = ports.reserve(at(HOME), HOME).unwrap();
        let second = ports.reserve(at(HOME), HOME).unwrap();
        assert_ne!(first.port(), second.port());
        assert!(ports.reserve(at(HOME), HOME).is_err(), "both are reserved for this address");
        assert!(ports.reserve(at(HOME), other(2)).is_ok());
        drop(first);
        assert!(ports.reserve(at(HOME), HOME).is_ok());
    }

    /// Sessions on several threads ask at the same time.
    #[test]
    fn a_narrow_range_serves_every_address_at_once() {
        let ports = Ports::new(Terms::of(25_908..=25_909));
        let reserve = |client: IpAddr| {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build().unwrap();
            let _inside = runtime.enter();
            for turn in 0..2000 {
                assert!(ports.reserve(at(HOME), client).is_ok(), "refused in turn {turn}");
            }
        };
        std::thread::scope(|scope| {
            for last in 2..6 {
                scope.spawn(move || reserve(other(last)));
            }
        });
    }

    /// 127.0.0.77 is nobody else's.
    fn taken(ports: std::ops::RangeInclusive<u16>) -> Vec<std::net::TcpListener> {
        ports.map(|port| std::net::TcpListener::bind((other(77), port)).unwrap()).collect()
    }

    #[tokio::test]
    async fn ports_that_others_use_are_passed_over() {
        let _taken = taken(25_910..=26_008);
        let ports = Ports::new(Terms::of(25_910..=26_009));
        let last = ports.reserve(at(other(77)), HOME).unwrap();
        assert_eq!(last.port(), 26_009);
        assert!(ports.reserve(at(other(77)), HOME).is_err());
    }

    #[tokio::test]
    async fn another_port_is_drawn_if_the_first_is_taken() {
        let _taken = taken(26_010..=26_059);
        let ports = Ports::new(Terms::of(26_010..=26_109));
        // Of single draws half would fail; of eight in a row one of 256 does.
        let drawn = (0..40).filter(|_| ports.draw(at(other(77))).unwrap().is_some()).count();
        assert!(drawn > 35, "{drawn} of 40");
    }

    #[tokio::test]
    async fn a_stranger_is_reset_and_uses_up_nothing() {
        let ports = Ports::new(Terms::of(25_903..=25_903));
        let mut lease = ports.reserve(at(HOME), other(2)).unwrap();
        let mut stranger = TcpStream::connect((HOME, lease.port())).await.unwrap();
        let error = tokio::select! {
            read = stranger.read_u8() => read.unwrap_err(),
            _ = lease.accept() => unreachable!("a stranger is let in"),
        };
        assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
        assert_eq!(lease.stranger(), Some(HOME));
        let socket = tokio::net::TcpSocket::new_v4().unwrap();
        socket.bind((other(2), 0).into()).unwrap();
        let _client = socket.connect((HOME, lease.port()).into()).await.unwrap();
        assert_eq!(lease.accept().await.unwrap().stream.peer_addr().unwrap().ip(), other(2));
        drop(lease);
        assert!(TcpStream::connect((HOME, 25_903)).await.is_err(), "the port is closed with its lease");
    }

    #[tokio::test]
    async fn a_connection_to_an_earlier_socket_uses_up_nothing() {
        let ports = Ports::new(Terms::of(25_904..=25_904));
        let earlier = ports.reserve(at(HOME), HOME).unwrap();
        let old = Arc::clone(&ports.lock().get(&SocketAddr::new(HOME, 25_904)).unwrap().socket);
        drop(earlier);
        let mut lease = ports.reserve(at(HOME), HOME).unwrap();
        let (mut mine, stale) = {
            let listener = TcpListener::bind((HOME, 0)).await.unwrap();
            let mine = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
            (mine, listener.accept().await.unwrap().0)
        };
        ports.deliver((HOME, 25_904).into(), &old, stale, HOME);
        assert_eq!(mine.read_u8().await.unwrap_err().kind(), std::io::ErrorKind::ConnectionReset);
        let client = TcpStream::connect((HOME, 25_904)).await.unwrap();
        let accepted = lease.accept().await.unwrap();
        assert_eq!(accepted.stream.peer_addr().unwrap(), client.local_addr().unwrap());
    }

    #[tokio::test]
    async fn a_lease_gives_back_its_own_port_only() {
        const PORT: u16 = 26_110;
        let ports = Ports::new(Terms::of(PORT..=PORT));
        let connect = async |from: u8, lease: &Lease| {
            let socket = tokio::net::TcpSocket::new_v4().unwrap();
            socket.bind((other(from), 0).into()).unwrap();
            let client = socket.connect((HOME, PORT).into()).await.unwrap();
            let (stream, peer) = lease.socket.accept().await.unwrap();
            lease.receive(stream, peer.ip());
            client
        };
        let (first, second) =
            (ports.reserve(at(HOME), other(2)).unwrap(), ports.reserve(at(HOME), other(3)).unwrap());
        let _served = connect(2, &first).await;
        drop(second);
        // Nobody waits at the first socket any more; the next one is another.
        let third = ports.reserve(at(HOME), other(4)).unwrap();
        let _served = connect(4, &third).await;
        drop(first);
        assert!(ports.reserve(at(HOME), other(5)).is_ok(), "the port of the third is shared");
    }

    #[tokio::test]
    async fn a_pool_of_addresses_is_one_client_by_prefix_and_has_to_prove_itself_by_resumption() {
        let socket = || tokio::net::TcpSocket::new_v4().unwrap();
        for (peer, port, origin) in
            [(DataPeer::Prefix, 25_905, Origin::Expected), (DataPeer::Resumed, 25_906, Origin::Elsewhere)]
        {
            let ports = Ports::new(Terms { peer, ..Terms::of(port..=port) });
            let mut lease = ports.reserve(at(HOME), other(2)).unwrap();
            assert!(
                peer == DataPeer::Prefix || ports.reserve(at(HOME), other(9)).is_err(),
                "one reservation a port"
            );
            let from_the_pool = socket();
            from_the_pool.bind((other(77), 0).into()).unwrap();
            let _client = from_the_pool.connect((HOME, port).into()).await.unwrap();
            assert_eq!(lease.accept().await.unwrap().origin, origin);
            // The address itself is expected still, after whomever.
            let itself = socket();
            itself.bind((other(2), 0).into()).unwrap();
            let _client = itself.connect((HOME, port).into()).await.unwrap();
            assert_eq!(lease.accept().await.unwrap().origin, Origin::Expected);
            assert_eq!(lease.seen.second().is_some(), peer == DataPeer::Prefix);
        }
    }

    #[tokio::test]
    async fn a_second_connection_is_told_of_and_a_taken_port_keeps_nobody_away() {
        let ports = Ports::new(Terms::of(26_111..=26_111));
        let mut lease = ports.reserve(at(HOME), HOME).unwrap();
        let _first = TcpStream::connect((HOME, 26_111)).await.unwrap();
        let first = lease.accept().await.unwrap();
        assert_eq!((first.origin, lease.seen.second()), (Origin::Expected, None));
        let _second = TcpStream::connect((HOME, 26_111)).await.unwrap();
        assert_eq!(lease.accept().await.unwrap().origin, Origin::Expected);
        assert_eq!(lease.seen.second(), Some(HOME));
        let mut next = ports.reserve(at(HOME), HOME).unwrap();
        assert!(lease.accept().await.is_err(), "the port is the next one's");
        drop(lease);
        let _next = TcpStream::connect((HOME, 26_111)).await.unwrap();
        assert_eq!(next.accept().await.unwrap().origin, Origin::Expected);
        assert_eq!(next.seen.second(), None);
    }

    #[tokio::test]
    async fn a_load_balancer_says_who_comes() {
        use tokio::io::AsyncWriteExt;
        let proxies = vec!["127.0.0.1/32".parse().unwrap()];
        let ports = Ports::new(Terms { proxies, ..Terms::of(25_907..=25_907) });
        let client: IpAddr = "192.0.2.7".parse().unwrap();
        let mut lease = ports.reserve(at(HOME), client).unwrap();
        let mut through = TcpStream::connect((HOME, 25_907)).await.unwrap();
        through.write_all(b"PROXY TCP4 192.0.2.7 127.0.0.1 5555 25907\r\ndata").await.unwrap();
        let mut arrived = lease.accept().await.unwrap().stream;
        let mut data = [0; 4];
        arrived.read_exact(&mut data).await.unwrap();
        assert_eq!(&data, b"data");
    }
}
