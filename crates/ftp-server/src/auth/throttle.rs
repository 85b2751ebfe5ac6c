//! Failed logins cost time: each failure from an address, of IPv6 from a network of 64 bits, doubles the wait of the next, and
//! is forgotten after a while, or when the same user is let in from there.
//!
//! An answer waits, and so does the next try of the same name from there, on whatever connection, before anything is done
//! for it. Not here: how many sessions there may be, and how many tries a connection has (`ftp-proto`).

use std::collections::HashMap;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::limits::network;

/// Addresses that are remembered at most; the table starts anew when it is full of live entries.
const ADDRESSES_MAX: usize = 65_536;
/// Names that are told apart at one address; failures of others are forgotten by time only.
const NAMES_MAX: usize = 16;
/// The longest wait, as a multiple of the first.
const FACTOR_MAX: u32 = 16;

/// What failed at one address.
#[derive(Debug)]
struct Failures {
    count: u32,
    last: Instant,
    names: HashMap<u64, Named>,
}

/// What failed of one name there.
#[derive(Debug)]
struct Named {
    count: u32,
    /// When the next try may begin.
    until: Instant,
}

/// Remembers failures by address and name.
#[derive(Debug)]
pub struct Throttle {
    first: Duration,
    forget: Duration,
    /// Names are as long as clients like; what is kept of them is not.
    names: RandomState,
    failures: Mutex<HashMap<IpAddr, Failures>>,
}

impl Throttle {
    /// The first failure waits for `first`, the next twice as long, up to 16 times; an address without failures
    /// for `forget` starts anew.
    #[must_use]
    pub fn new(first: Duration, forget: Duration) -> Self {
        Self { first, forget, names: RandomState::new(), failures: Mutex::default() }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<IpAddr, Failures>> {
        // Counting cannot panic half way.
        self.failures.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// When a login of that name may be tried from there; at once if `None`.
    #[must_use]
    pub fn until(&self, peer: IpAddr, name: &[u8]) -> Option<Instant> {
        let name = self.names.hash_one(name);
        Some(self.lock().get(&network(peer))?.names.get(&name)?.until)
    }

    /// Notes a failure and says how long its answer must wait.
    pub fn failed(&self, peer: IpAddr, name: &[u8], now: Instant) -> Duration {
        let mut failures = self.lock();
        if failures.len() >= ADDRESSES_MAX {
            failures.retain(|_, known| now.saturating_duration_since(known.last) < self.forget);
            if failures.len() >= ADDRESSES_MAX {
                failures.clear();
            }
        }
        let fresh = || Failures { count: 0, last: now, names: HashMap::new() };
        let known = failures.entry(network(peer)).or_insert_with(fresh);
        if now.saturating_duration_since(known.last) >= self.forget {
            *known = fresh();
        }
        let factor = 1u32.checked_shl(known.count).unwrap_or(FACTOR_MAX).min(FACTOR_MAX);
        let wait = self.first.saturating_mul(factor);
        known.count = known.count.saturating_add(1);
        known.last = now;
        let name = self.names.hash_one(name);
        if known.names.len() < NAMES_MAX || known.names.contains_key(&name) {
            let named = known.names.entry(name).or_insert(Named { count: 0, until: now });
            named.count = named.count.saturating_add(1);
            named.until = now.checked_add(wait).unwrap_or(named.until);
        }
        wait
    }

    /// Forgets the failures of that name at that address: it was let in. Those of other names stay, or who has an account
    /// could guess at others without end.
    pub fn succeeded(&self, peer: IpAddr, name: &[u8]) {
        let (peer, name) = (network(peer), self.names.hash_one(name));
        let mut failures = self.lock();
        let Some(known) = failures.get_mut(&peer) else { return };
        let Some(named) = known.names.remove(&name) else { return };
        known.count = known.count.saturating_sub(named.count);
        if known.count == 0 {
            failures.remove(&peer);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_and_are_forgotten() {
        let throttle = Throttle::new(Duration::from_secs(1), Duration::from_secs(600));
        let (mallory, alice) = ("192.0.2.1".parse().unwrap(), "192.0.2.2".parse().unwrap());
        let now = Instant::now();
        let waits: Vec<u64> = (0..7).map(|_| throttle.failed(mallory, b"me", now).as_secs()).collect();
        assert_eq!(waits, [1, 2, 4, 8, 16, 16, 16]);
        assert_eq!(throttle.failed(alice, b"me", now).as_secs(), 1);
        assert_eq!(throttle.failed(mallory, b"me", now + Duration::from_secs(600)).as_secs(), 1);
        throttle.succeeded(alice, b"me");
        assert_eq!(throttle.failed(alice, b"me", now).as_secs(), 1);
    }

    #[test]
    fn addresses_of_one_network_wait_together() {
        let throttle = Throttle::new(Duration::from_secs(1), Duration::from_secs(600));
        let now = Instant::now();
        let waits = ["2001:db8::1", "2001:db8::2", "2001:db8:0:1::1"]
            .map(|address| throttle.failed(address.parse().unwrap(), b"me", now).as_secs());
        assert_eq!(waits, [1, 2, 1]);
    }

    #[test]
    fn a_login_forgives_its_own_failures_and_no_others() {
        let throttle = Throttle::new(Duration::from_secs(1), Duration::from_secs(600));
        let (here, there) = ("192.0.2.1".parse().unwrap(), "192.0.2.2".parse().unwrap());
        let now = Instant::now();
        let failed = |peer, name: &[u8]| throttle.failed(peer, name, now).as_secs();
        assert_eq!([failed(here, b"root"), failed(here, b"me"), failed(here, b"root")], [1, 2, 4]);
        assert_eq!(throttle.until(here, b"me"), Some(now + Duration::from_secs(2)));
        assert_eq!((throttle.until(here, b"you"), throttle.until(there, b"me")), (None, None));
        throttle.succeeded(here, b"anonymous");
        throttle.succeeded(there, b"root");
        assert_eq!(failed(here, b"root"), 8, "nobody's failures were forgiven");
        throttle.succeeded(here, b"me");
        assert_eq!(throttle.until(here, b"me"), None);
        assert_eq!(failed(here, b"root"), 8, "one of four");
        throttle.succeeded(here, b"root");
        assert!(throttle.lock().is_empty());
    }

    #[test]
    fn many_names_of_one_address_take_little() {
        let throttle = Throttle::new(Duration::MAX, Duration::from_secs(600));
        let (here, now) = ("192.0.2.1".parse().unwrap(), Instant::now());
        for number in 0..1000_u32 {
            assert_eq!(throttle.failed(here, &number.to_be_bytes(), now), Duration::MAX);
        }
        assert_eq!(throttle.lock()[&here].names.len(), NAMES_MAX);
    }
}
