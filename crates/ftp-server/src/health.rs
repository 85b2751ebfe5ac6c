//! What a server knows of its data connections: which come about, for whom, on which ports, and who seems to be in the
//! way of the others.
//!
//! Counters by client and by port; nothing here is on the path of data. A client that never gets through while others do
//! has a firewall of its own; nobody ever getting through is the server's own; an interval of ports that never works is
//! a hole in what was opened. Not here: what is said of it, which is `session/refusal.rs`, and the log.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use ftp_proto::session::Suspect;

pub use crate::shortage::Refused;
use crate::shortage::Shortage;

/// Clients that are remembered at most; the one that was quiet longest goes first.
const CLIENTS_MAX: usize = 4096;
/// Ports that must have failed, and none of them worked, before an interval counts as a hole.
const HOLE_MIN: usize = 2;

/// How often data connections came about.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// They did.
    pub good: u64,
    /// They did not.
    pub bad: u64,
}

impl Tally {
    fn count(&mut self, outcome: Outcome) {
        match outcome {
            Outcome::Good => self.good += 1,
            Outcome::Bad => self.bad += 1,
        }
    }
}

/// Whether a data connection came about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    Good,
    Bad,
}

/// One client.
#[derive(Debug, Clone)]
pub struct Client {
    /// Connections of this client to passive ports.
    pub passive: Tally,
    /// Connections to this client.
    pub active: Tally,
    /// Transfers in which the connection stood and nothing moved.
    pub silent: u64,
    /// Uploads that ended without TLS close_notify: taken, and refused.
    pub unclosed: Tally,
    /// Uploads in clear that counted as broken because everything closed behind them without QUIT.
    pub hung_up: u64,
    /// From where a connection came in its place, the last time.
    pub stranger: Option<IpAddr>,
    /// What went wrong last, in the words of the reply.
    pub trouble: Option<String>,
    /// The passive port to which it did not come, the last time.
    missed: Option<u16>,
    last: Instant,
}

/// Everything that is known, at one moment.
#[derive(Debug, Clone)]
pub struct Report {
    /// The passive ports.
    pub range: RangeInclusive<u16>,
    /// Connections to them.
    pub passive: Tally,
    /// Connections to clients.
    pub active: Tally,
    /// Uploads that ended without TLS close_notify: taken, and refused.
    pub unclosed: Tally,
    /// Ports that never work between others that do.
    pub holes: Vec<(u16, u16)>,
    /// Clients with trouble, the latest first: address, what is known, who seems to be in the way.
    pub clients: Vec<(IpAddr, Client, Suspect)>,
    /// Sessions that a fault of the server has ended.
    pub panicked: u64,
    /// What the system has refused to the server itself.
    pub refused: Option<Refused>,
    /// How long the server has run.
    pub age: Duration,
}

/// The memory of a server.
#[derive(Debug)]
pub(crate) struct Health {
    range: RangeInclusive<u16>,
    begun: Instant,
    panicked: AtomicU64,
    pub(crate) shortage: Shortage,
    seen: Mutex<Seen>,
}

#[derive(Debug, Default)]
struct Seen {
    passive: Tally,
    active: Tally,
    unclosed: Tally,
    ports: BTreeMap<u16, Tally>,
    clients: HashMap<IpAddr, Client>,
}

impl Seen {
    fn client(&mut self, address: IpAddr) -> &mut Client {
        if self.clients.len() >= CLIENTS_MAX && !self.clients.contains_key(&address) {
            let quiet =
                self.clients.iter().min_by_key(|(_, client)| client.last).map(|(address, _)| *address);
            quiet.map(|quiet| self.clients.remove(&quiet));
        }
        let client = self.clients.entry(address).or_insert_with(|| Client {
            passive: Tally::default(),
            active: Tally::default(),
            silent: 0,
            unclosed: Tally::default(),
            hung_up: 0,
            stranger: None,
            trouble: None,
            missed: None,
            last: Instant::now(),
        });
        client.last = Instant::now();
        client
    }

    /// The interval around a port in which none ever worked, if enough of it was tried and nearly every port that failed
    /// lies in it: failures that are spread over the range have another cause.
    fn hole(&self, port: u16, range: &RangeInclusive<u16>) -> Option<(u16, u16)> {
        let works = |tally: &Tally| tally.good > 0;
        let mut below = self.ports.range(..port).rev().filter(|(_, tally)| works(tally));
        let mut above = self.ports.range(port..).filter(|(_, tally)| works(tally));
        let low = below.next().map_or(*range.start(), |(port, _)| port + 1);
        let high = above.next().map_or(*range.end(), |(port, _)| port - 1);
        if low > high || (low, high) == (*range.start(), *range.end()) {
            return None;
        }
        let inside = self.ports.range(low..=high).count();
        let failed = self.ports.values().filter(|tally| !works(tally)).count();
        (inside >= HOLE_MIN && inside * 10 >= failed * 9).then_some((low, high))
    }

    /// Who is in the way of a client whose connections to passive ports `worked` so many times.
    fn suspect_passive(&self, worked: u64, port: u16, range: &RangeInclusive<u16>) -> Suspect {
        let missed = self.clients.values().filter(|client| client.passive.bad > 0).count();
        match (worked, self.passive.good) {
            (0, 0) if missed > 1 => Suspect::Server,
            (0, 0) => Suspect::Unknown,
            (0, _) => Suspect::Client,
            _ => self.hole(port, range).map_or(Suspect::Unknown, |(low, high)| Suspect::Ports(low, high)),
        }
    }

    /// The same of connections to the client.
    fn suspect_active(&self, worked: u64) -> Suspect {
        let failed = self.clients.values().filter(|client| client.active.bad > 0).count();
        match (worked, self.active.good) {
            (0, 0) if failed > 1 => Suspect::Server,
            (0, 1..) => Suspect::Client,
            _ => Suspect::Unknown,
        }
    }
}

impl Health {
    pub(crate) fn new(range: RangeInclusive<u16>) -> Self {
        Self {
            range,
            begun: Instant::now(),
            panicked: AtomicU64::new(0),
            shortage: Shortage::default(),
            seen: Mutex::default(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Seen> {
        // Counting cannot panic half way.
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A client came to its passive port, or did not, or a stranger came in its place; who seems to be in the way.
    pub(crate) fn passive(
        &self,
        client: IpAddr,
        port: u16,
        outcome: Outcome,
        stranger: Option<IpAddr>,
    ) -> Suspect {
        let mut seen = self.lock();
        seen.passive.count(outcome);
        seen.ports.entry(port).or_default().count(outcome);
        let known = seen.client(client);
        known.passive.count(outcome);
        if outcome == Outcome::Bad {
            known.missed = Some(port);
        }
        known.stranger = stranger.or(known.stranger);
        let worked = known.passive.good;
        match outcome {
            Outcome::Good => Suspect::Unknown,
            Outcome::Bad => seen.suspect_passive(worked, port, &self.range),
        }
    }

    /// A client was connected to, or could not be; who seems to be in the way.
    pub(crate) fn active(&self, client: IpAddr, outcome: Outcome) -> Suspect {
        let mut seen = self.lock();
        seen.active.count(outcome);
        let known = seen.client(client);
        known.active.count(outcome);
        let worked = known.active.good;
        match outcome {
            Outcome::Good => Suspect::Unknown,
            Outcome::Bad => seen.suspect_active(worked),
        }
    }

    /// An upload ended without TLS close_notify, and was taken or not.
    pub(crate) fn unclosed(&self, client: IpAddr, outcome: Outcome) {
        let mut seen = self.lock();
        seen.unclosed.count(outcome);
        seen.client(client).unclosed.count(outcome);
    }

    /// Everything closed behind an upload in clear, without QUIT, and it counted as broken.
    pub(crate) fn hung_up(&self, client: IpAddr) {
        self.lock().client(client).hung_up += 1;
    }

    /// A transfer failed; in the words of its reply.
    pub(crate) fn trouble(&self, client: IpAddr, said: String, moved: Moved) {
        let mut seen = self.lock();
        let known = seen.client(client);
        known.silent += u64::from(moved == Moved::Nothing);
        known.trouble = Some(said);
    }

    /// A session has panicked.
    pub(crate) fn panicked(&self) {
        self.panicked.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn report(&self) -> Report {
        let seen = self.lock();
        let mut holes: Vec<(u16, u16)> = seen
            .ports
            .iter()
            .filter(|(_, tally)| tally.good == 0)
            .filter_map(|(port, _)| seen.hole(*port, &self.range))
            .collect();
        holes.dedup();
        let mut clients: Vec<(IpAddr, Client, Suspect)> = seen
            .clients
            .iter()
            .filter(|(_, client)| client.trouble.is_some())
            .map(|(address, client)| {
                let suspect = if let Some(port) = client.missed {
                    seen.suspect_passive(client.passive.good, port, &self.range)
                } else if client.active.bad > 0 {
                    seen.suspect_active(client.active.good)
                } else {
                    Suspect::Unknown
                };
                (*address, client.clone(), suspect)
            })
            .collect();
        clients.sort_by_key(|(_, client, _)| std::cmp::Reverse(client.last));
        Report {
            range: self.range.clone(),
            passive: seen.passive,
            active: seen.active,
            unclosed: seen.unclosed,
            holes,
            clients,
            panicked: self.panicked.load(Ordering::Relaxed),
            refused: self.shortage.refused(),
            age: self.begun.elapsed(),
        }
    }
}

/// Whether anything moved in a transfer that failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Moved {
    /// The connection stood, and no octet came through.
    Nothing,
    /// Some did, or there was no connection.
    Otherwise,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(last: u8) -> IpAddr {
        IpAddr::from([192, 0, 2, last])
    }

    #[test]
    fn one_client_is_told_from_all() {
        let health = Health::new(40_000..=50_000);
        let missed = |last, port| health.passive(address(last), port, Outcome::Bad, None);
        assert_eq!(missed(1, 40_001), Suspect::Unknown, "one client tells nothing");
        assert_eq!(missed(1, 40_002), Suspect::Unknown);
        assert_eq!(missed(2, 40_003), Suspect::Server, "two clients, and none ever");
        health.passive(address(3), 45_000, Outcome::Good, None);
        assert_eq!(missed(1, 40_004), Suspect::Client);
        assert_eq!(health.active(address(1), Outcome::Bad), Suspect::Unknown);
        assert_eq!(health.active(address(2), Outcome::Bad), Suspect::Server);
        health.active(address(3), Outcome::Good);
        assert_eq!(health.active(address(1), Outcome::Bad), Suspect::Client);
    }

    #[test]
    fn a_hole_is_found_between_ports_that_work() {
        let health = Health::new(40_000..=50_000);
        for port in [40_100, 43_000, 44_990] {
            health.passive(address(1), port, Outcome::Good, None);
        }
        assert_eq!(health.passive(address(1), 47_000, Outcome::Bad, None), Suspect::Unknown);
        assert_eq!(health.passive(address(1), 49_000, Outcome::Bad, None), Suspect::Ports(44_991, 50_000));
        assert_eq!(health.report().holes, [(44_991, 50_000)]);
        health.trouble(address(1), "425 no".to_owned(), Moved::Otherwise);
        assert_eq!(
            health.report().clients[0].2,
            Suspect::Ports(44_991, 50_000),
            "the port that it missed decides"
        );
        health.passive(address(1), 49_500, Outcome::Good, None);
        assert_eq!(health.passive(address(1), 49_800, Outcome::Bad, None), Suspect::Unknown);
        // Failures between ports that work, here and there, are no hole.
        for port in [40_050, 42_000, 44_000] {
            assert_eq!(health.passive(address(1), port, Outcome::Bad, None), Suspect::Unknown, "{port}");
        }
    }

    #[test]
    fn clients_with_trouble_are_reported_and_old_ones_forgotten() {
        let health = Health::new(40_000..=50_000);
        health.passive(address(1), 40_000, Outcome::Good, None);
        health.passive(address(2), 40_001, Outcome::Bad, Some(address(9)));
        health.trouble(address(2), "425 no".to_owned(), Moved::Otherwise);
        health.unclosed(address(2), Outcome::Bad);
        health.hung_up(address(2));
        health.unclosed(address(1), Outcome::Good);
        let report = health.report();
        let [(client, known, suspect)] = report.clients.as_slice() else { panic!("{:?}", report.clients) };
        assert_eq!((*client, known.stranger, *suspect), (address(2), Some(address(9)), Suspect::Client));
        let tally = |good, bad| Tally { good, bad };
        assert_eq!(known.hung_up, 1);
        assert_eq!((known.unclosed, report.unclosed), (tally(0, 1), tally(1, 1)));
        for number in 0..u32::try_from(CLIENTS_MAX).unwrap() + 10 {
            health.active(IpAddr::from(number.to_be_bytes()), Outcome::Good);
        }
        assert_eq!(health.lock().clients.len(), CLIENTS_MAX);
    }
}
