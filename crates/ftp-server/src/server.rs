//! A server: what it is made of, its listeners, and its end.

use std::io;
use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use ftp_proto::session::{Abilities, Entrance, Plain, Policy, Switch};
use ipnet::IpNet;
use thiserror::Error;
use tokio::net::TcpListener;

use crate::announce::{Announcer, Rule};
use crate::auth::Authenticator;
use crate::auth::throttle::Throttle;
use crate::health::{Health, Report};
use crate::observe::{Log, Observer};
use crate::ports::{DataPeer, Ports, Terms};
use crate::tls::Tls;

mod accept;
pub(crate) mod limits;
pub(crate) mod shards;

pub use limits::Limits;
use shards::{Duty, Shards, Spots};

/// Why a server does not start.
#[derive(Debug, Error)]
pub enum ServeError {
    /// An address cannot be bound.
    #[error("cannot listen on {0}: {1}")]
    Bind(SocketAddr, #[source] io::Error),
    /// No address was given.
    #[error("no address to listen on: give an explicit or an implicit one")]
    NoListener,
    /// There is no TLS, and logins in clear are refused: nobody could log in.
    #[error("without TLS nobody can log in: give a certificate, or allow plain FTP")]
    NobodyCanLogIn,
    /// Implicit FTPS without TLS.
    #[error("an implicit FTPS address needs a certificate")]
    ImplicitWithoutTls,
    /// The threads of [`Builder::threads`] cannot be started.
    #[error("cannot start threads for sessions and transfers: {0}")]
    Threads(#[source] io::Error),
}

/// Times and sizes that are no matter of the protocol.
#[derive(Debug, Clone)]
pub struct Options {
    /// The longest command line, in octets.
    pub line_max: usize,
    /// How long no octet may move in a transfer.
    pub stall: Duration,
    /// How long a TLS handshake may take, on either kind of connection.
    pub handshake: Duration,
    /// How long a stopping server waits for transfers.
    pub drain: Duration,
    /// How long the first failed login waits for its answer; the next ones wait longer.
    pub login_delay: Duration,
    /// What 227 announces, by the client's network; the address of the control connection where no rule applies.
    pub announce: Vec<Rule>,
    /// From where data connections may come.
    pub data_peer: DataPeer,
    /// The largest segment of data connections, in octets (TCP_MAXSEG): a cure for paths that drop big packets.
    pub data_mss: Option<u32>,
    /// The clients that may use active mode, where the policy permits it; all if empty.
    pub active_clients: Vec<IpNet>,
    /// Load balancers whose connections begin with a header of the PROXY protocol.
    pub proxies: Vec<IpNet>,
}

impl Default for Options {
    /// 8 KiB lines, 60 s without an octet, 30 s for a handshake, 30 s to drain, 1 s for the first failed login.
    fn default() -> Self {
        Self {
            line_max: ftp_proto::frame::LINE_MAX,
            stall: Duration::from_secs(60),
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
    pub(crate) limits: Arc<limits::Register>,
    /// Where long transfers go on.
    pub(crate) transfers: Spots,
}

/// Puts a server together. Everything has a safe default but the accounts and the certificate.
#[must_use]
pub struct Builder {
    authenticator: Arc<dyn Authenticator>,
    policy: Policy,
    options: Options,
    tls: Option<Arc<Tls>>,
    ports: RangeInclusive<u16>,
    observer: Arc<dyn Observer>,
    limits: Limits,
    threads: usize,
    addresses: Vec<(SocketAddr, Entrance)>,
}

/// The passive ports that the product recommends to open.
pub const PASSIVE_PORTS: RangeInclusive<u16> = 40_000..=50_000;

impl Builder {
    /// The rules of the protocol: plain logins, protection of data, active mode, time limits.
    pub fn policy(mut self, policy: Policy) -> Self {
        self.policy = policy;
        self
    }

    /// Times and sizes.
    pub fn options(mut self, options: Options) -> Self {
        self.options = options;
        self
    }

    /// The certificate and what TLS asks of data connections.
    pub fn tls(mut self, tls: Arc<Tls>) -> Self {
        self.tls = Some(tls);
        self
    }

    /// The passive ports; 40000 to 50000 by default.
    pub fn passive_ports(mut self, ports: RangeInclusive<u16>) -> Self {
        self.ports = ports;
        self
    }

    /// Who hears of logins, transfers and changes; `tracing` by default.
    pub fn observer(mut self, observer: Arc<dyn Observer>) -> Self {
        self.observer = observer;
        self
    }

    /// How many sessions there may be.
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Runs sessions on so many threads of the server's own, each session on one of them, and long transfers on as many
    /// others; 0, the default, runs them where [`Server::run`] runs. A program that does nothing else is fastest with one
    /// for each processor.
    pub fn threads(mut self, threads: usize) -> Self {
        self.threads = threads;
        self
    }

    /// Listens at `address` for connections in clear that may turn to TLS by AUTH.
    pub fn explicit(mut self, address: SocketAddr) -> Self {
        self.addresses.push((address, Entrance::Explicit));
        self
    }

    /// Listens at `address` for connections that begin with TLS.
    pub fn implicit(mut self, address: SocketAddr) -> Self {
        self.addresses.push((address, Entrance::Implicit));
        self
    }

    /// Opens the listeners.
    ///
    /// # Errors
    /// [`ServeError`]: an address cannot be bound, or nobody could log in.
    pub async fn bind(mut self) -> Result<Server, ServeError> {
        if self.addresses.is_empty() {
            return Err(ServeError::NoListener);
        }
        if self.tls.is_none() && self.policy.plain == Plain::Refuse {
            return Err(ServeError::NobodyCanLogIn);
        }
        if self.tls.is_none() && self.addresses.iter().any(|(_, entrance)| *entrance == Entrance::Implicit) {
            return Err(ServeError::ImplicitWithoutTls);
        }
        self.policy.tls = if self.tls.is_some() { Switch::On } else { Switch::Off };
        self.policy.passive_ports = format!("{}-{}", self.ports.start(), self.ports.end());
        let mut listeners = Vec::new();
        for (address, entrance) in &self.addresses {
            let listener = accept::listen(*address).map_err(|error| ServeError::Bind(*address, error))?;
            listeners.push((listener, *entrance));
        }
        let terms = Terms {
            range: self.ports.clone(),
            peer: self.options.data_peer,
            mss: self.options.data_mss,
            proxies: self.options.proxies.clone(),
        };
        let start = |duty| Shards::start(duty, self.threads).map_err(ServeError::Threads);
        let (sessions, transfers) = (start(Duty::Sessions)?, start(Duty::Transfers)?);
        let passive_policy = Arc::new(Policy { active: Switch::Off, ..self.policy.clone() });
        let shared = Shared {
            policy: Arc::new(self.policy),
            passive_policy,
            announcer: Announcer::new(self.options.announce.clone()),
            health: Arc::new(Health::new(self.ports)),
            throttle: Throttle::new(self.options.login_delay, Duration::from_secs(600)),
            options: self.options,
            tls: self.tls,
            ports: Ports::new(terms),
            authenticator: self.authenticator,
            observer: self.observer,
            limits: limits::Register::new(self.limits),
            transfers: transfers.spots(),
        };
        Ok(Server { shared: Arc::new(shared), listeners, sessions, transfers })
    }
}

/// A server whose listeners are open.
pub struct Server {
    shared: Arc<Shared>,
    listeners: Vec<(TcpListener, Entrance)>,
    sessions: Shards,
    transfers: Shards,
}

impl Server {
    /// A server for the accounts of `authenticator`.
    pub fn builder(authenticator: impl Authenticator + 'static) -> Builder {
        Builder {
            authenticator: Arc::new(authenticator),
            policy: Policy { abilities: Abilities::ALL, ..Policy::default() },
            options: Options::default(),
            tls: None,
            ports: PASSIVE_PORTS,
            observer: Arc::new(Log),
            limits: Limits::default(),
            threads: 0,
            addresses: Vec::new(),
        }
    }

    /// Where the server listens, in the order in which the addresses were given: port 0 has become a real one.
    #[must_use]
    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.listeners.iter().filter_map(|(listener, _)| listener.local_addr().ok()).collect()
    }

    /// A view of the health of data connections, for as long as wanted.
    #[must_use]
    pub fn doctor(&self) -> Doctor {
        Doctor(Arc::clone(&self.shared.health))
    }

    /// Serves until `stop` completes. Then transfers that run may end, new commands get 421, and after
    /// [`Options::drain`] whatever is left is cut off.
    pub async fn run(self, stop: impl Future<Output = ()>) {
        accept::serve(&self.shared, self.listeners, &self.sessions.spots(), stop).await;
        // Joining the threads may take the moment that a session takes to notice.
        let _panicked = tokio::task::spawn_blocking(move || drop((self.sessions, self.transfers))).await;
    }
}

/// Tells of the health of data connections while the server runs.
#[derive(Debug, Clone)]
pub struct Doctor(Arc<Health>);

impl Doctor {
    /// What is known now.
    #[must_use]
    pub fn report(&self) -> Report {
        self.0.report()
    }
}
