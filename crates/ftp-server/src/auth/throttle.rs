//! Failed logins cost time: each failure from an address, of IPv6 from a network of 64 bits, doubles the wait of the next, and
//! is forgotten. Not here: how many sessions there may be.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::limits::network;

/// Addresses that are remembered at most; the table starts anew when it is full of live entries.
const ADDRESSES_MAX: usize = 65_536;
/// The longest wait, as a multiple of the first.
const FACTOR_MAX: u32 = 16;

/// Remembers failures by address.
#[derive(Debug)]
pub struct Throttle {
    first: Duration,
    forget: Duration,
    failures: Mutex<HashMap<IpAddr, (u32, Instant)>>,
}

impl Throttle {
    /// The first failure waits for `first`, the next twice as long, up to 16 times; an address without failures
    /// for `forget` starts anew.
    #[must_use]
    pub fn new(first: Duration, forget: Duration) -> Self {
        Self { first, forget, failures: Mutex::new(HashMap::new()) }
    }

    /// Notes a failure and says how long its answer must wait.
    pub fn failed(&self, peer: IpAddr, now: Instant) -> Duration {
        let mut failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        if failures.len() >= ADDRESSES_MAX {
            failures.retain(|_, (_, last)| now.saturating_duration_since(*last) < self.forget);
            if failures.len() >= ADDRESSES_MAX {
                failures.clear();
            }
        }
        let (count, last) = failures.entry(network(peer)).or_insert((0, now));
        if now.saturating_duration_since(*last) >= self.forget {
            *count = 0;
        }
        let factor = 1u32.checked_shl(*count).unwrap_or(FACTOR_MAX).min(FACTOR_MAX);
        *count = count.saturating_add(1);
        *last = now;
        self.first * factor
    }

    /// Forgets the failures of an address: its login was right.
    pub fn succeeded(&self, peer: IpAddr) {
        self.failures.lock().unwrap_or_else(PoisonError::into_inner).remove(&network(peer));
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
        let waits: Vec<u64> = (0..7).map(|_| throttle.failed(mallory, now).as_secs()).collect();
        assert_eq!(waits, [1, 2, 4, 8, 16, 16, 16]);
        assert_eq!(throttle.failed(alice, now).as_secs(), 1);
        assert_eq!(throttle.failed(mallory, now + Duration::from_secs(600)).as_secs(), 1);
        throttle.succeeded(alice);
        assert_eq!(throttle.failed(alice, now).as_secs(), 1);
    }

    #[test]
    fn addresses_of_one_network_wait_together() {
        let throttle = Throttle::new(Duration::from_secs(1), Duration::from_secs(600));
        let now = Instant::now();
        let waits = ["2001:db8::1", "2001:db8::2", "2001:db8:0:1::1"]
            .map(|address| throttle.failed(address.parse().unwrap(), now).as_secs());
        assert_eq!(waits, [1, 2, 1]);
    }
}
