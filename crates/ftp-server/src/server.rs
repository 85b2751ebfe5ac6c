//! A server: what it is made of, its listeners, and its end.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use ftp_proto::session::{Abilities, Entrance, Policy, Switch};
use thiserror::Error;
use tokio::net::TcpListener;

use crate::announce::Announcer;
use crate::auth::Authenticator;
use crate::auth::throttle::Throttle;
use crate::health::{Health, Report};
use crate::limits::{Limits, Register};
use crate::observe::{Log, Observer};
use crate::ports::{Ports, Terms};
use crate::shared::{Options, Shared};
use crate::threads::{Duty, Threads};
use crate::tls::Tls;

mod accept;

/// Why a server does not start.
#[derive(Debug, Error)]
#[non_exhaustive]
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
    /// The range of passive ports has no port, or port 0.
    #[error("no passive port can be announced from {0}-{1}: the range begins above 0, and not above its end")]
    PassivePorts(u16, u16),
    /// The threads of [`Builder::threads`] cannot be started.
    #[error("cannot start threads for sessions and transfers: {0}")]
    Threads(#[source] io::Error),
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

impl fmt::Debug for Builder {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Builder")
            .field("policy", &self.policy)
            .field("options", &self.options)
            .field("ports", &self.ports)
            .field("addresses", &self.addresses)
            .finish_non_exhaustive()
    }
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
        if self.ports.is_empty() || *self.ports.start() == 0 {
            return Err(ServeError::PassivePorts(*self.ports.start(), *self.ports.end()));
        }
        if self.tls.is_none() && self.policy.needs_tls() {
            return Err(ServeError::NobodyCanLogIn);
        }
        if self.tls.is_none() && self.addresses.iter().any(|(_, entrance)| *entrance == Entrance::Implicit) {
            return Err(ServeError::ImplicitWithoutTls);
        }
        self.policy = self
            .policy
            .tls(if self.tls.is_some() { Switch::On } else { Switch::Off })
            .passive_ports(format!("{}-{}", self.ports.start(), self.ports.end()));
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
        let start = |duty| Threads::start(duty, self.threads).map_err(ServeError::Threads);
        let (sessions, transfers) = (start(Duty::Sessions)?, start(Duty::Transfers)?);
        let passive_policy = Arc::new(self.policy.clone().active(Switch::Off));
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
            limits: Register::new(self.limits),
            told_of_private: AtomicBool::new(false),
            transfers: transfers.workers(),
        };
        Ok(Server { shared: Arc::new(shared), listeners, sessions, transfers })
    }
}

/// A server whose listeners are open.
pub struct Server {
    shared: Arc<Shared>,
    listeners: Vec<(TcpListener, Entrance)>,
    sessions: Threads,
    transfers: Threads,
}

impl fmt::Debug for Server {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Server").field("addresses", &self.addresses()).finish_non_exhaustive()
    }
}

impl Server {
    /// A server for the accounts of `authenticator`.
    pub fn builder(authenticator: impl Authenticator + 'static) -> Builder {
        Builder {
            authenticator: Arc::new(authenticator),
            policy: Policy::default().abilities(Abilities::ALL),
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
    /// [`Options::drain`] whatever is left is broken off: 426 says what is kept of it.
    pub async fn run(self, stop: impl Future<Output = ()>) {
        self.run_until(stop, std::future::pending()).await;
    }

    /// The same; when `hurry` completes after `stop`, nothing is waited for any more.
    pub async fn run_until(self, stop: impl Future<Output = ()>, hurry: impl Future<Output = ()>) {
        accept::serve(&self.shared, self.listeners, &self.sessions.workers(), (stop, hurry)).await;
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
