//! What passive ports keep to: which there are, and from where connections to them may come. Not here: the ports (`ports.rs`).

use std::net::IpAddr;
use std::ops::RangeInclusive;

use ipnet::IpNet;

/// Ports of a range that is not narrow.
const WIDE: u32 = 100;

/// From where a data connection may come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum DataPeer {
    /// The address of the control connection.
    #[default]
    Exact,
    /// Its network: /24 of IPv4, /56 of IPv6. For clients behind a pool of addresses.
    Prefix,
    /// Any address that proves by TLS that it resumes the control connection's session. Without TLS as `Exact`.
    Resumed,
}

impl DataPeer {
    /// What two addresses have to have in common.
    pub(crate) fn key(self, address: IpAddr) -> IpAddr {
        match (self, address) {
            // One network is all of those, whose hosts tell each other apart by nothing else.
            (Self::Prefix, IpAddr::V6(ip)) if ip.is_unicast_link_local() => address,
            (Self::Prefix, IpAddr::V4(ip)) => IpAddr::V4((u32::from(ip) & 0xffff_ff00).into()),
            (Self::Prefix, IpAddr::V6(ip)) => IpAddr::V6((u128::from(ip) & !0 << 72).into()),
            (Self::Exact | Self::Resumed, address) => address,
        }
    }
}

/// What passive ports keep to.
#[derive(Debug, Clone)]
pub struct Terms {
    /// The ports.
    pub range: RangeInclusive<u16>,
    /// From where connections may come.
    pub peer: DataPeer,
    /// The largest segment of data connections (TCP_MAXSEG); the system's choice if absent.
    pub mss: Option<u32>,
    /// Load balancers that say who the client is by the PROXY protocol.
    pub proxies: Vec<IpNet>,
}

impl Terms {
    /// The ports of `range`, and nothing special.
    #[must_use]
    pub fn of(range: RangeInclusive<u16>) -> Self {
        Self { range, peer: DataPeer::default(), mss: None, proxies: Vec::new() }
    }

    pub(super) fn count(&self) -> u32 {
        u32::from(self.range.end().saturating_sub(*self.range.start())) + 1
    }

    /// Whether a client finds another port if somebody takes the one that it was about to get.
    pub(super) fn is_wide(&self) -> bool {
        self.count() >= WIDE
    }
}
