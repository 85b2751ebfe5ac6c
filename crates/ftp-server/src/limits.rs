//! How many sessions there may be: in all, from one address, of one user.

use std::collections::HashMap;
use std::hash::Hash;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The most sessions at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// In all.
    pub(crate) sessions: usize,
    /// From one address; of IPv6, from one network of 64 bits.
    pub(crate) per_address: usize,
}

impl Default for Limits {
    /// 10,000 in all, 300 from one address.
    fn default() -> Self {
        Self { sessions: 10_000, per_address: 300 }
    }
}

impl Limits {
    /// So many in all.
    #[must_use]
    pub fn sessions(mut self, sessions: usize) -> Self {
        self.sessions = sessions;
        self
    }

    /// So many from one address.
    #[must_use]
    pub fn per_address(mut self, per_address: usize) -> Self {
        self.per_address = per_address;
        self
    }
}

/// Whose an address is: that of IPv4 itself, of IPv6 the network of 64 bits, within which one client has as many addresses as
/// it likes.
pub(crate) fn network(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(long) => IpAddr::V6(Ipv6Addr::from_bits(long.to_bits() >> 64 << 64)),
    }
}

/// Who is here.
#[derive(Debug)]
pub(crate) struct Register {
    limits: Limits,
    counts: Mutex<Counts>,
}

#[derive(Debug, Default)]
struct Counts {
    sessions: usize,
    addresses: HashMap<IpAddr, usize>,
    users: HashMap<Vec<u8>, usize>,
    unknown: HashMap<IpAddr, usize>,
}

/// Connections of one load balancer at most that have not said yet who their client is. It does so at once.
const UNKNOWN_MAX: usize = 1000;

/// A place that is taken; dropping it gives it back.
#[derive(Debug)]
pub(crate) struct Seat {
    register: Arc<Register>,
    whose: Whose,
}

#[derive(Debug)]
enum Whose {
    Address(IpAddr),
    User(Vec<u8>),
    /// Somebody behind a load balancer.
    Unknown(IpAddr),
}

/// Counts one more, unless there are `most` already. Who is not let in leaves nothing behind.
fn take<K: Hash + Eq>(counts: &mut HashMap<K, usize>, key: K, most: usize) -> bool {
    let free = counts.get(&key).copied().unwrap_or(0) < most;
    if free {
        *counts.entry(key).or_insert(0) += 1;
    }
    free
}

fn give<K: Hash + Eq>(counts: &mut HashMap<K, usize>, key: &K) {
    if let Some(count) = counts.get_mut(key) {
        *count -= 1;
        if *count == 0 {
            counts.remove(key);
        }
    }
}

impl Register {
    pub(crate) fn new(limits: Limits) -> Arc<Self> {
        Arc::new(Self { limits, counts: Mutex::default() })
    }

    fn lock(&self) -> MutexGuard<'_, Counts> {
        // Counting cannot panic half way.
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A place for a session from that address.
    pub(crate) fn sit(self: &Arc<Self>, address: IpAddr) -> Option<Seat> {
        let address = network(address);
        let mut counts = self.lock();
        if counts.sessions >= self.limits.sessions
            || !take(&mut counts.addresses, address, self.limits.per_address)
        {
            return None;
        }
        counts.sessions += 1;
        Some(Seat { register: Arc::clone(self), whose: Whose::Address(address) })
    }

    /// A place for a connection of a load balancer until it is known who its client is.
    pub(crate) fn wait(self: &Arc<Self>, balancer: IpAddr) -> Option<Seat> {
        take(&mut self.lock().unknown, balancer, UNKNOWN_MAX)
            .then(|| Seat { register: Arc::clone(self), whose: Whose::Unknown(balancer) })
    }

    /// A place for a session of that user, who may have `most`.
    pub(crate) fn sit_user(self: &Arc<Self>, user: &[u8], most: usize) -> Option<Seat> {
        take(&mut self.lock().users, user.to_vec(), most)
            .then(|| Seat { register: Arc::clone(self), whose: Whose::User(user.to_vec()) })
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut counts = self.register.lock();
        match &self.whose {
            Whose::Address(address) => {
                counts.sessions -= 1;
                give(&mut counts.addresses, address);
            }
            Whose::User(user) => give(&mut counts.users, user),
            Whose::Unknown(balancer) => give(&mut counts.unknown, balancer),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seats_are_given_back() {
        let register = Register::new(Limits::default().sessions(3).per_address(2));
        let (here, there) = ("192.0.2.1".parse().unwrap(), "192.0.2.2".parse().unwrap());
        let first = register.sit(here).unwrap();
        let _second = register.sit(here).unwrap();
        assert!(register.sit(here).is_none(), "two from one address");
        let _third = register.sit(there).unwrap();
        assert!(register.sit(there).is_none(), "three in all");
        drop(first);
        assert!(register.sit(there).is_some());
        assert!(register.sit_user(b"me", 0).is_none());
        assert!(register.lock().users.is_empty(), "who was not let in is not kept");
        let user = register.sit_user(b"me", 1).unwrap();
        assert!(register.sit_user(b"me", 1).is_none());
        drop(user);
        assert!(register.sit_user(b"me", 1).is_some());
        assert!(register.lock().users.is_empty(), "a user without sessions is forgotten");
    }

    #[test]
    fn connections_whose_client_is_unknown_are_bounded_by_load_balancer() {
        let register = Register::new(Limits::default());
        let (here, there) = ("192.0.2.1".parse().unwrap(), "192.0.2.2".parse().unwrap());
        let mut waiting: Vec<_> = (0..UNKNOWN_MAX).map(|_| register.wait(here).unwrap()).collect();
        assert!(register.wait(here).is_none() && register.wait(there).is_some());
        waiting.pop();
        assert!(register.wait(here).is_some());
    }

    #[test]
    fn a_client_with_many_addresses_of_one_network_is_one() {
        let register = Register::new(Limits::default().sessions(9).per_address(2));
        let at = |address: &str| register.sit(address.parse().unwrap());
        let _here = (at("2001:db8::1").unwrap(), at("2001:db8::ffff:2").unwrap());
        assert!(at("2001:db8::3").is_none(), "two from one network");
        assert!(at("2001:db8:0:1::1").is_some(), "the next one is another");
    }
}
