//! The probes themselves.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};

use crate::axes::{Cell, Data, Family, Security, Version};
use crate::case::Stop;
use crate::context::Context;
use crate::diagnose::{Active, Cause, Connect, Control, Finding, Pasv, Seen, Taken, Transfer};
use crate::peer::Peer;
use crate::peer::data::{extended_port, passive_address};
use crate::target::Server;

/// Ports that are tried where some are open and some are not.
const MIXED: usize = 8;
/// Ports that are tried where all are open: each costs one round trip.
const OPEN: usize = 16;
/// Ports that are tried where none is open: each may cost the time of an attempt.
const CLOSED: usize = 12;
/// Ports that get a second try if nothing comes back. If none of these is reached it is not a lost segment.
const TWICE: usize = 3;

/// How probing is done.
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    /// How long one attempt may take.
    pub attempt: Duration,
    /// How long the server may take to say that a transfer has failed.
    pub verdict: Duration,
}

impl Default for Settings {
    /// 4 s an attempt, 25 s for the server's own verdict.
    fn default() -> Self {
        Self { attempt: Duration::from_secs(4), verdict: Duration::from_secs(25) }
    }
}

/// What came of connecting, by the error.
pub(super) fn why(result: &io::Result<TcpStream>) -> Connect {
    match result {
        Ok(_) => Connect::Good,
        Err(error) => match error.kind() {
            // The handshake was done, and then it was cut off: what P2 is about.
            io::ErrorKind::ConnectionReset => Connect::Good,
            io::ErrorKind::ConnectionRefused => Connect::Refused,
            io::ErrorKind::TimedOut => Connect::TimedOut,
            _ => Connect::Unreachable,
        },
    }
}

pub(super) async fn connect(to: SocketAddr, within: Duration) -> io::Result<TcpStream> {
    let late = |_| io::Error::from(io::ErrorKind::TimedOut);
    tokio::time::timeout(within, TcpStream::connect(to)).await.map_err(late)?
}

/// The same, once more if nothing came back: a segment may have been lost.
async fn try_twice(to: SocketAddr, within: Duration) -> io::Result<TcpStream> {
    match connect(to, within).await {
        Err(error) if error.kind() == io::ErrorKind::TimedOut => connect(to, within).await,
        done => done,
    }
}

/// One profile under examination.
pub(super) struct Probe<'a> {
    pub(super) context: Context,
    pub(super) settings: Settings,
    tell: &'a mut (dyn FnMut(&str) + Send),
    pub(super) seen: Seen,
}

/// Examines a server in one profile; `tell` hears of each step.
pub async fn probe(
    server: &Arc<Server>,
    security: Security,
    family: Family,
    settings: Settings,
    tell: &mut (dyn FnMut(&str) + Send),
) -> Seen {
    let cell = Cell { family, ..Cell::new(security, Data::Epsv, Version::Tls13) };
    let context = Context::new(Arc::clone(server), cell, settings.attempt);
    let mut probe = Probe { context, settings, tell, seen: Seen::new(security, Control::Good) };
    match probe.login().await {
        Ok(peer) => probe.examine(peer).await,
        Err(control) => probe.seen.control = control,
    }
    probe.seen
}

pub(super) fn said(stop: &Stop) -> String {
    match stop {
        Stop::Fails { actual, .. } => actual.clone(),
        Stop::Unsupported(what) | Stop::Skipped(what) | Stop::Broken(what) => what.clone(),
    }
}

pub(super) fn hangs(stop: &Stop) -> bool {
    matches!(stop, Stop::Fails { actual, .. } if actual.starts_with("nothing within"))
}

impl Probe<'_> {
    /// P0: greeting, TLS, login; TLS 1.2 where the server has no 1.3.
    async fn login(&mut self) -> Result<Peer, Control> {
        (self.tell)("control connection and login");
        let address = self.context.address().map_err(|stop| Control::NotOffered(said(&stop)))?;
        let reached = try_twice(address, self.settings.attempt).await;
        if reached.is_err() {
            return Err(Control::NoConnection(why(&reached)));
        }
        drop(reached);
        match self.login_once().await {
            Err(Control::TlsFails(_)) => {
                self.context.cell.version = Version::Tls12;
                self.login_once().await
            }
            done => done,
        }
    }

    async fn login_once(&mut self) -> Result<Peer, Control> {
        let security = self.context.cell.security;
        let mut peer = match Peer::open(self.context.clone()).await {
            Ok(peer) => peer,
            Err(stop) if hangs(&stop) => return Err(Control::TlsHangs),
            Err(stop) => return Err(Control::TlsFails(said(&stop))),
        };
        peer.reply().await.map_err(|_| Control::NoGreeting)?;
        if let Err(stop) = peer.protect().await {
            return Err(match stop {
                Stop::Skipped(why) => Control::NotOffered(why),
                stop if hangs(&stop) => Control::TlsHangs,
                stop => Control::TlsFails(said(&stop)),
            });
        }
        match peer.log_in().await {
            Ok(()) => {}
            Err(Stop::Skipped(why)) => return Err(Control::NotOffered(why)),
            Err(stop) if security == Security::Plain && said(&stop).starts_with(['4', '5']) => {
                return Err(Control::NotOffered(said(&stop)));
            }
            Err(stop) => return Err(Control::NoLogin(said(&stop))),
        }
        // TYPE is as in ASCII mode where it is refused; the probes' data are the same in both.
        let _type = peer.command("TYPE I").await;
        self.seen.ends = Some(peer.ends);
        Ok(peer)
    }

    /// A session that stands: the one before if it is in step, else a new one.
    async fn session(&mut self, mut peer: Peer) -> Option<Peer> {
        if peer.expect("NOOP", &[200]).await.is_ok() {
            return Some(peer);
        }
        self.login_once().await.ok()
    }

    async fn examine(&mut self, mut peer: Peer) {
        (self.tell)("passive ports (EPSV)");
        self.ports(&mut peer).await;
        let works = self.seen.ports.iter().any(|(_, connect)| *connect == Connect::Good);
        if works {
            (self.tell)("a small upload and a listing over EPSV");
            let Some(next) = self.session(peer).await else { return };
            peer = next;
            self.seen.list = Some(self.small(&mut peer).await);
        }
        if self.seen.list == Some(Transfer::Good) {
            (self.tell)("an upload of 20 kB over EPSV");
            let Some(next) = self.session(peer).await else { return };
            peer = next;
            self.seen.store = Some(self.store(&mut peer).await);
        }
        if self.context.cell.family == Family::V4 || works {
            (self.tell)("the address that PASV announces");
            let Some(next) = self.session(peer).await else { return };
            peer = next;
            self.seen.pasv = self.pasv(&mut peer).await;
        }
        (self.tell)("active mode");
        let Some(next) = self.session(peer).await else { return };
        peer = next;
        self.seen.active = self.active(&mut peer).await;
        // The server may still be waiting for something; nobody waits for its goodbye.
        let _closed = peer.send("QUIT").await;
    }

    /// P1
    async fn ports(&mut self, peer: &mut Peer) {
        while needs_another(self.seen.open(), self.seen.ports.len()) {
            let Ok(reply) = peer.command("EPSV").await else { return };
            let Ok(port) = extended_port(&reply) else { return };
            let to = SocketAddr::new(peer.ends.1.ip(), port);
            let within = self.settings.attempt / 2;
            let hopeless = self.seen.open() == 0 && self.seen.ports.len() >= TWICE;
            let reached = if hopeless { connect(to, within).await } else { try_twice(to, within).await };
            self.seen.ports.push((port, why(&reached)));
        }
        let first = self.seen.ports.first().map(|(_, connect)| connect.clone());
        if self.seen.ports.iter().all(|(_, connect)| Some(connect) == first.as_ref()) {
            return;
        }
        // Mixed: is it the port, or does the way change from one connection to the next?
        for _ in 0..6 {
            let Ok(reply) = peer.command("EPSV").await else { return };
            let Ok(port) = extended_port(&reply) else { return };
            let mut tries = Vec::new();
            while tries.len() < 4 && tries.last() != Some(&Connect::Good) {
                let to = SocketAddr::new(peer.ends.1.ip(), port);
                tries.push(why(&connect(to, self.settings.attempt / 4).await));
            }
            self.seen.one_port = tries;
            if self.seen.one_port.len() > 1 && self.seen.one_port.contains(&Connect::Good) {
                return;
            }
        }
    }

    /// P4
    async fn pasv(&mut self, peer: &mut Peer) -> Option<Pasv> {
        let reply = peer.command("PASV").await.ok()?;
        let mut pasv = Pasv { reply: reply.show(), announced: None, to_announced: None, to_peer: None };
        if reply.code != 227 {
            return Some(pasv);
        }
        let announced = passive_address(&reply).ok()?;
        pasv.announced = Some(announced);
        let peer_address = SocketAddr::new(peer.ends.1.ip(), announced.port());
        pasv.to_peer = Some(why(&try_twice(peer_address, self.settings.attempt / 2).await));
        if announced == peer_address {
            pasv.to_announced.clone_from(&pasv.to_peer);
        } else if !announced.ip().is_unspecified() {
            // That port has had its connection: another is asked for.
            let again = peer.command("PASV").await.ok().and_then(|reply| passive_address(&reply).ok());
            let to = again.unwrap_or(announced);
            pasv.to_announced = Some(why(&try_twice(to, self.settings.attempt / 2).await));
        }
        Some(pasv)
    }

    /// P5
    async fn active(&mut self, peer: &mut Peer) -> Option<Active> {
        let own: IpAddr = peer.ends.0.ip();
        let listener = TcpListener::bind((own, 0)).await.ok()?;
        peer.context.cell.data = Data::Port;
        let line = peer.active_line(listener.local_addr().ok()?);
        let reply = peer.command(&line).await.ok()?;
        let taken = if reply.code == 200 { Taken::Yes } else { Taken::No };
        let mut active = Active { reply: reply.show(), taken, from: None, listed: None };
        if taken == Taken::No {
            return Some(active);
        }
        peer.send("LIST").await.ok()?;
        let accepted = tokio::time::timeout(Duration::from_secs(5), listener.accept()).await;
        if let Ok(Ok((stream, from))) = accepted {
            active.from = Some(from.ip());
            let mut first = self.late(peer).await;
            if first.as_ref().is_some_and(|reply| reply.code / 100 == 1) {
                first = match self.fetch(peer, stream).await {
                    Transfer::Good => {
                        active.listed = Some("226".to_owned());
                        return Some(active);
                    }
                    Transfer::Reset(said) | Transfer::Unseen(said) => {
                        active.listed = said;
                        return Some(active);
                    }
                    _ => None,
                };
            }
            active.listed = first.map(|reply| reply.show());
        } else {
            active.listed = self.late(peer).await.map(|reply| reply.show());
        }
        Some(active)
    }
}

/// Whether `open` of `tried` ports may still be an accident of which ports the server chose: of a range that is half
/// open, eight in a row are closed once in 256 times.
fn needs_another(open: usize, tried: usize) -> bool {
    tried
        < match open {
            0 => CLOSED,
            _ if open == tried => OPEN,
            _ => MIXED,
        }
}

/// Leaves a control connection quiet for so long; what is wrong if it does not survive.
pub async fn stay_quiet(
    server: &Arc<Server>,
    security: Security,
    family: Family,
    quiet: Duration,
) -> Option<Finding> {
    let mut tell = |_: &str| {};
    let cell = Cell { family, ..Cell::new(security, Data::Epsv, Version::Tls13) };
    let settings = Settings::default();
    let context = Context::new(Arc::clone(server), cell, settings.attempt);
    let mut probe = Probe { context, settings, tell: &mut tell, seen: Seen::new(security, Control::Good) };
    let mut peer = probe.login().await.ok()?;
    tokio::time::sleep(quiet).await;
    let alive = peer.expect("NOOP", &[200]).await;
    let because = format!("after {} s without a word NOOP is not answered", quiet.as_secs());
    alive.is_err().then_some(Finding { cause: Cause::ControlExpires, because })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many ports are tried if `is_open` says which are.
    fn tried(is_open: impl Fn(usize) -> bool) -> usize {
        let (mut open, mut tried) = (0, 0);
        while needs_another(open, tried) {
            open += usize::from(is_open(tried));
            tried += 1;
        }
        tried
    }

    #[test]
    fn a_one_sided_sample_is_a_larger_one() {
        assert_eq!(tried(|port| port % 2 == 0), MIXED);
        assert_eq!(tried(|_| true), OPEN);
        assert_eq!(tried(|_| false), CLOSED);
        assert_eq!(tried(|port| port < MIXED), MIXED + 1, "the first that is closed settles it");
        assert_eq!(tried(|port| port > MIXED), MIXED + 2, "and so does the first that is open");
    }
}
