//! Connections come in, get a seat and a task of their own; at the end everyone is sent home.
//!
//! Not here: how many there may be (`limits.rs`), on which thread they live (`threads.rs`), and what a session does.

use std::fs::File;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use ftp_proto::session::Entrance;
use socket2::{Domain, SockRef, Socket, TcpKeepalive, Type};
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinError, JoinSet};

use crate::driver::Driver;
use crate::driver::phase::Stay;
use crate::observe::{Incident, SessionId, Who};
use crate::proxy;
use crate::shared::Shared;
use crate::shortage::is_out_of_descriptors;
use crate::threads::Workers;

/// Connections that wait in one listening socket.
const BACKLOG: i32 = 1024;
/// After so long without an octet the kernel asks whether the client is still there.
const KEEPALIVE: Duration = Duration::from_secs(45);

/// What transfers that are broken off at the end have to say what they leave, and to whom.
const SETTLING: Duration = Duration::from_secs(3);
/// How long a segment of the control connection may stay unacknowledged.
const UNACKNOWLEDGED: Duration = Duration::from_secs(30);

pub(super) fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    if address.is_ipv6() {
        // `[::]` serves both families where nothing else has the port.
        socket.set_only_v6(!address.ip().is_unspecified())?;
    }
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    TcpListener::from_std(socket.into())
}

pub(super) async fn serve(
    shared: &Arc<Shared>,
    listeners: Vec<(TcpListener, Entrance)>,
    workers: &Workers,
    (stop, hurry): (impl Future<Output = ()>, impl Future<Output = ()>),
) {
    let drain = watch::Sender::new(Stay::Open);
    let mut loops = JoinSet::new();
    for (listener, entrance) in listeners {
        let listening = Listener { shared: Arc::clone(shared), workers: workers.clone(), entrance };
        loops.spawn(listening.accept(listener, drain.subscribe()));
    }
    stop.await;
    drain.send_replace(Stay::Draining);
    let mut homeward = pin!(async { while loops.join_next().await.is_some() {} });
    let in_time = tokio::select! {
        () = &mut homeward => return,
        () = tokio::time::sleep(shared.options.drain) => "the time to drain is over",
        () = hurry => "it is to stop now",
    };
    tracing::warn!("{in_time}: transfers that still run are broken off");
    drain.send_replace(Stay::Over);
    // Whoever is left after that is cut off when `loops` goes.
    let _late = tokio::time::timeout(SETTLING, homeward).await;
}

/// What one listening socket needs to admit someone.
struct Listener {
    shared: Arc<Shared>,
    workers: Workers,
    entrance: Entrance,
}

impl Listener {
    /// Accepts until the server stops, then waits for its sessions.
    async fn accept(self, listener: TcpListener, mut drain: watch::Receiver<Stay>) {
        let (mut sessions, mut spare) = (JoinSet::new(), Spare::new());
        loop {
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                Some(ended) = sessions.join_next(), if !sessions.is_empty() => {
                    self.count(&ended);
                    continue;
                }
                _ = drain.wait_for(|stay| *stay > Stay::Open) => break,
            };
            match accepted {
                Ok((stream, peer)) => self.admit(&mut sessions, stream, peer, &drain),
                Err(error) => {
                    if is_out_of_descriptors(&error) {
                        self.shared.health.shortage.note("control connections", &error.to_string());
                        spare.turn_away(&listener, self.entrance).await;
                    }
                    // Also behind a connection that was gone again: the next one may work.
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
            }
        }
        drop(listener);
        while let Some(ended) = sessions.join_next().await {
            self.count(&ended);
        }
    }

    /// A session that has panicked has taken nobody with it, and is known.
    fn count(&self, ended: &Result<(), JoinError>) {
        if ended.as_ref().is_err_and(JoinError::is_panic) {
            self.shared.health.panicked();
        }
    }

    fn admit(
        &self,
        sessions: &mut JoinSet<()>,
        stream: TcpStream,
        peer: SocketAddr,
        drain: &watch::Receiver<Stay>,
    ) {
        let peer = canonical(peer);
        let (shared, entrance, drain) = (Arc::clone(&self.shared), self.entrance, drain.clone());
        let Some(worker) = self.workers.idlest() else {
            sessions.spawn(introduce(shared, entrance, peer, stream, drain));
            return;
        };
        // From this runtime to that of the thread. A socket that cannot be moved is closed.
        let session = async move {
            let _token = worker.token;
            match stream.into_std().and_then(TcpStream::from_std) {
                Ok(stream) => introduce(shared, entrance, peer, stream, drain).await,
                Err(error) => shared.health.shortage.note("control connections", &error.to_string()),
            }
        };
        sessions.spawn_on(session, &worker.handle);
    }
}

/// An address as it is spoken of: of IPv4 where it is mapped to IPv6. A link-local one keeps its zone, without which nothing can
/// be bound or connected (RFC 4007 §6).
fn canonical(address: SocketAddr) -> SocketAddr {
    match address.ip().to_canonical() {
        ip @ IpAddr::V4(_) => SocketAddr::new(ip, address.port()),
        IpAddr::V6(_) => address,
    }
}

/// A descriptor that is kept for those who come when there is no other.
struct Spare(Option<File>);

impl Spare {
    fn new() -> Self {
        // Without one whoever comes then waits.
        Self(File::open("/dev/null").ok())
    }

    /// Takes a connection in its place and says why that is all.
    async fn turn_away(&mut self, listener: &TcpListener, entrance: Entrance) {
        self.0 = None;
        let accepting = tokio::time::timeout(Duration::from_millis(10), listener.accept());
        if let (Ok(Ok((stream, _))), Entrance::Explicit) = (accepting.await, entrance) {
            let farewell =
                b"421 The server has no descriptors left (too many open files); try again later.\r\n";
            // A new connection has room for it, or has gone.
            let _gone = stream.try_write(farewell);
        }
        *self = Self::new();
    }
}

/// Finds out who comes: a load balancer says it.
async fn introduce(
    shared: Arc<Shared>,
    entrance: Entrance,
    peer: SocketAddr,
    mut stream: TcpStream,
    drain: watch::Receiver<Stay>,
) {
    let Ok(local) = stream.local_addr() else { return };
    let local = canonical(local);
    let peer = if proxy::is_trusted(&shared.options.proxies, peer.ip()) {
        let Some(_waiting) = shared.limits.wait(peer.ip()) else {
            let who = Who { id: SessionId::next(), peer, entrance };
            let why = "too many of its connections do not say who their client is";
            return shared.observer.incident(who, &Incident::NoIntroduction(why.to_owned()));
        };
        match proxy::read(&mut stream).await {
            Ok(Some((client, _))) => client,
            // A health check of the load balancer.
            Ok(None) => return,
            Err(error) => {
                let who = Who { id: SessionId::next(), peer, entrance };
                return shared.observer.incident(who, &Incident::NoIntroduction(error.to_string()));
            }
        }
    } else {
        peer
    };
    let who = Who { id: SessionId::next(), peer, entrance };
    start(shared, who, stream, local, drain).await;
}

/// Gives the connection its options and a place, and runs its session.
async fn start(
    shared: Arc<Shared>,
    who: Who,
    stream: TcpStream,
    local: SocketAddr,
    drain: watch::Receiver<Stay>,
) {
    let socket = SockRef::from(&stream);
    // Without an option the session works all the same, only less well.
    let _refused = socket.set_tcp_nodelay(true);
    let _refused =
        socket.set_tcp_keepalive(&TcpKeepalive::new().with_time(KEEPALIVE).with_interval(KEEPALIVE));
    // A reply that is not acknowledged for so long has lost its client: a NAT on the way has forgotten it.
    let _refused = socket.set_tcp_user_timeout(Some(UNACKNOWLEDGED));
    // Telnet's urgent data are read where they stand (RFC 959 §4.1.3).
    let _refused = socket.set_out_of_band_inline(true);
    let Some(_seat) = shared.limits.sit(who.peer.ip()) else {
        shared.observer.incident(who, &Incident::TurnedAway);
        return turn_away(who, stream).await;
    };
    Driver::new(Arc::clone(&shared), who, stream, local).run(drain).await;
}

/// Says why before it closes; inside implicit TLS nothing can be said without a handshake.
async fn turn_away(who: Who, mut stream: TcpStream) {
    if who.entrance == Entrance::Explicit {
        let farewell = stream.write_all(b"421 Too many connections; close one or try again later.\r\n");
        let _late = tokio::time::timeout(Duration::from_secs(1), farewell).await;
    }
}
