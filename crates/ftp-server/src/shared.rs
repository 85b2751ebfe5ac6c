//! What all sessions of a server share. Not here: how a server is put together (`server.rs`), and how many sessions there
//! may be (`limits.rs`).

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use ftp_proto::session::Policy;
use ipnet::IpNet;

use crate::announce::{Announcer, Rule};
use crate::auth::Authenticator;
use crate::auth::throttle::Throttle;
use crate::health::Health;
use crate::limits::Register;
use crate::observe::Observer;
use crate::ports::{DataPeer, Ports};
use crate::threads::Workers;
use crate::tls::Tls;

/// Times and sizes that are no matter of the protocol: the default, and then what is to be otherwise.
#[derive(Debug, Clone)]
pub struct Options {
    /// The longest command line, in octets.
    pub(crate) line_max: usize,
    /// How long no octet may move in a transfer.
    pub(crate) stall: Duration,
    /// Octets a second that have to move.
    pub(crate) rate: u64,
    /// How long a TLS handshake may take, on either kind of connection.
    pub(crate) handshake: Duration,
    /// How long a stopping server waits for transfers.
    pub(crate) drain: Duration,
    /// How long the first failed login waits for its answer; the next ones wait longer.
    pub(crate) login_delay: Duration,
    /// What 227 announces, by the client's network; the address of the control connection where no rule applies.
    pub(crate) announce: Vec<Rule>,
    /// From where data connections may come.
    pub(crate) data_peer: DataPeer,
    /// The largest segment of data connections, in octets (TCP_MAXSEG): a cure for paths that drop big packets.
    pub(crate) data_mss: Option<u32>,
    /// The clients that may use active mode, where the policy permits it; all if empty.
    pub(crate) active_clients: Vec<IpNet>,
    /// Load balancers whose connections begin with a header of the PROXY protocol.
    pub(crate) proxies: Vec<IpNet>,
}

impl Default for Options {
    /// 8 KiB lines, 60 s without an octet, 30 s for a handshake, 30 s to drain, 1 s for the first failed login.
    fn default() -> Self {
        Self {
            line_max: ftp_proto::frame::LINE_MAX,
            stall: Duration::from_secs(60),
            rate: 0,
            handshake: Duration::from_secs(30),
            drain: Duration::from_secs(30),
            login_delay: Duration::from_secs(1),
            announce: Vec::new(),
            data_peer: DataPeer::default(),
            data_mss: None,
            active_clients: Vec::new(),
            proxies: Vec::new(),
        }
    }
}

impl Options {
    /// The longest command line, in octets.
    #[must_use]
    pub fn line_max(mut self, line_max: usize) -> Self {
        self.line_max = line_max;
        self
    }

    /// How long no octet may move in a transfer.
    #[must_use]
    pub fn stall(mut self, stall: Duration) -> Self {
        self.stall = stall;
        self
    }

    /// Octets a second that a transfer has to move, over each time in which none may move; 0, the default, if few will do. A
    /// client that sends an octet now and then is no stalled one, and would stay for ever.
    #[must_use]
    pub fn rate(mut self, octets: u64) -> Self {
        self.rate = octets;
        self
    }

    /// How long a TLS handshake may take, on either kind of connection.
    #[must_use]
    pub fn handshake(mut self, handshake: Duration) -> Self {
        self.handshake = handshake;
        self
    }

    /// How long a stopping server waits for transfers.
    #[must_use]
    pub fn drain(mut self, drain: Duration) -> Self {
        self.drain = drain;
        self
    }

    /// How long the first failed login waits for its answer; the next ones wait longer.
    #[must_use]
    pub fn login_delay(mut self, login_delay: Duration) -> Self {
        self.login_delay = login_delay;
        self
    }

    /// What 227 announces, by the client's network; the address of the control connection where no rule applies.
    #[must_use]
    pub fn announce(mut self, announce: Vec<Rule>) -> Self {
        self.announce = announce;
        self
    }

    /// From where data connections may come.
    #[must_use]
    pub fn data_peer(mut self, data_peer: DataPeer) -> Self {
        self.data_peer = data_peer;
        self
    }

    /// The largest segment of data connections, in octets (TCP_MAXSEG): a cure for paths that drop big packets.
    #[must_use]
    pub fn data_mss(mut self, data_mss: Option<u32>) -> Self {
        self.data_mss = data_mss;
        self
    }

    /// The clients that may use active mode, where the policy permits it; all if empty.
    #[must_use]
    pub fn active_clients(mut self, active_clients: Vec<IpNet>) -> Self {
        self.active_clients = active_clients;
        self
    }

    /// Load balancers whose connections begin with a header of the PROXY protocol.
    #[must_use]
    pub fn proxies(mut self, proxies: Vec<IpNet>) -> Self {
        self.proxies = proxies;
        self
    }
}

/// What all sessions of a server share.
pub(crate) struct Shared {
    pub(crate) policy: Arc<Policy>,
    /// The same for clients that may not use active mode.
    pub(crate) passive_policy: Arc<Policy>,
    pub(crate) announcer: Announcer,
    pub(crate) health: Arc<Health>,
    pub(crate) options: Options,
    pub(crate) tls: Option<Arc<Tls>>,
    pub(crate) ports: Arc<Ports>,
    pub(crate) authenticator: Arc<dyn Authenticator>,
    pub(crate) throttle: Throttle,
    pub(crate) observer: Arc<dyn Observer>,
    pub(crate) limits: Arc<Register>,
    /// Whether it was said that clients outside are told an address that they cannot reach.
    pub(crate) told_of_private: AtomicBool,
    /// Where long transfers go on.
    pub(crate) transfers: Workers,
}
