//! The server that is judged: one that this program starts, or any that is there.

use std::any::Any;
use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;

use tokio::sync::Mutex;

use crate::axes::{Family, Security};
use crate::case::{Case, Need};
use crate::peer::fault::Fault;

mod builtin;
pub mod fixtures;
mod peers;
mod storage;

pub use peers::{Product, Stand, serve};

/// An error in words.
#[allow(clippy::needless_pass_by_value, reason = "map_err hands errors over")]
fn text<E: ToString>(error: E) -> String {
    error.to_string()
}

/// Who logs in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// The user.
    pub user: String,
    /// The password.
    pub password: String,
}

impl Account {
    /// An account.
    #[must_use]
    pub fn new(user: &str, password: &str) -> Self {
        Self { user: user.to_owned(), password: password.to_owned() }
    }
}

/// Where a server takes connections, in one version of IP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Doors {
    /// Plain FTP and explicit FTPS.
    pub explicit: SocketAddr,
    /// Implicit FTPS.
    pub implicit: Option<SocketAddr>,
}

impl Doors {
    /// Where connections of that kind go.
    ///
    /// # Errors
    /// That there is no such port.
    pub fn of(self, security: Security) -> Result<SocketAddr, String> {
        match security {
            Security::Implicit => {
                self.implicit.ok_or_else(|| "the server has no port for implicit FTPS".to_owned())
            }
            Security::Plain | Security::Explicit => Ok(self.explicit),
        }
    }
}

/// A server that runs, set up in one way.
pub struct Server {
    /// The name that its certificate has to be good for.
    pub host: String,
    /// Over IPv4.
    pub v4: Option<Doors>,
    /// Over IPv6.
    pub v6: Option<Doors>,
    /// The same server at its other pair of ports, over IPv4.
    pub alternative: Option<Doors>,
    /// The account for most cases.
    pub account: Account,
    /// Another one, with another root.
    pub second: Option<Account>,
    /// What lives as long as the server.
    _alive: Option<Box<dyn Any + Send + Sync>>,
}

impl std::fmt::Debug for Server {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Server").field("v4", &self.v4).field("v6", &self.v6).finish_non_exhaustive()
    }
}

impl Server {
    /// Where connections of that kind go.
    ///
    /// # Errors
    /// What the server lacks.
    pub fn door(&self, family: Family, security: Security) -> Result<SocketAddr, String> {
        let doors = if family == Family::V4 { self.v4 } else { self.v6 };
        doors.ok_or_else(|| format!("the server has no {family} address"))?.of(security)
    }
}

/// A server that is there already.
#[derive(Debug, Clone)]
pub struct Remote {
    /// Its name, as the user gave it.
    pub host: String,
    /// Where it takes plain FTP and explicit FTPS.
    pub explicit: SocketAddr,
    /// The port of implicit FTPS.
    pub implicit_port: Option<u16>,
    /// The account for most cases.
    pub account: Account,
    /// Another one.
    pub second: Option<Account>,
    /// How it is set up.
    pub setups: Vec<Need>,
}

enum Kind {
    /// `ftp-server` in this process; planted faults of its storage.
    Builtin(Option<Fault>),
    /// One server, whatever is asked for, as far as it is set up so.
    Remote { server: Arc<Server>, setups: Vec<Need> },
    /// A peer's program.
    Process(Product),
}

/// What is judged. Servers start when the first case needs them.
pub struct Target {
    /// Its name in reports.
    pub name: String,
    kind: Kind,
    /// Those that serve more than one case, by set-up.
    running: Mutex<HashMap<Option<Need>, Arc<Server>>>,
}

impl std::fmt::Debug for Target {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Target").field("name", &self.name).finish_non_exhaustive()
    }
}

impl Target {
    fn of(name: String, kind: Kind) -> Self {
        Self { name, kind, running: Mutex::default() }
    }

    /// `ftp-server` in this process, over fresh folders, with fresh certificates, in whatever way a case needs it.
    #[must_use]
    pub fn builtin() -> Self {
        Self::of("builtin".to_owned(), Kind::Builtin(None))
    }

    /// The same with a storage that breaks a rule, for the suite's own tests.
    #[must_use]
    pub fn spoilt(fault: Fault) -> Self {
        Self::of("builtin".to_owned(), Kind::Builtin(Some(fault)))
    }

    /// A server that is there.
    #[must_use]
    pub fn remote(remote: Remote) -> Self {
        let implicit = remote.implicit_port.map(|port| SocketAddr::new(remote.explicit.ip(), port));
        let doors = Some(Doors { explicit: remote.explicit, implicit });
        let (v4, v6) = if remote.explicit.is_ipv4() { (doors, None) } else { (None, doors) };
        // The standard ports and the alternative ones are 3000 apart: 21 and 3021, 990 and 3990.
        let other = |address: SocketAddr| match address.port() {
            port @ (21 | 990) => Some(SocketAddr::new(address.ip(), port + 3000)),
            port @ (3021 | 3990) => Some(SocketAddr::new(address.ip(), port - 3000)),
            _ => None,
        };
        let alternative = v4.and_then(|doors: Doors| {
            Some(Doors { explicit: other(doors.explicit)?, implicit: doors.implicit.and_then(other) })
        });
        let server = Server {
            host: remote.host,
            v4,
            v6,
            alternative,
            account: remote.account,
            second: remote.second,
            _alive: None,
        };
        let name = remote.explicit.to_string();
        Self::of(name, Kind::Remote { server: Arc::new(server), setups: remote.setups })
    }

    /// A peer's program, which this program starts.
    #[must_use]
    pub fn process(product: Product) -> Self {
        Self::of(product.to_string(), Kind::Process(product))
    }

    /// The server for a case. One whose limits the case wears out, or whose memory of failed logins, serves it alone.
    ///
    /// # Errors
    /// Why there is none.
    pub async fn server_for(&self, case: &Case) -> Result<Arc<Server>, Missing> {
        let wears_out =
            case.needs.iter().any(|need| matches!(need, Need::Few | Need::Narrow | Need::Lockout));
        match &self.kind {
            Kind::Builtin(_) if wears_out => self.start(Self::known(case.setup())).await,
            Kind::Builtin(_) | Kind::Remote { .. } | Kind::Process(_) => self.server(case.setup()).await,
        }
    }

    /// The files of [`fixtures`] are there on every server that this program starts.
    fn known(setup: Option<Need>) -> Option<Need> {
        setup.filter(|setup| *setup != Need::Fixtures)
    }

    /// A server that is set up so, shared by all who want it.
    ///
    /// # Errors
    /// Why there is none.
    pub async fn server(&self, setup: Option<Need>) -> Result<Arc<Server>, Missing> {
        if let Kind::Remote { server, setups } = &self.kind {
            return match setup.filter(|setup| !setups.contains(setup)) {
                Some(setup) => Err(Missing::Setup(setup)),
                None => Ok(Arc::clone(server)),
            };
        }
        let setup = Self::known(setup);
        let mut running = self.running.lock().await;
        if let Some(server) = running.get(&setup) {
            return Ok(Arc::clone(server));
        }
        let server = self.start(setup).await?;
        running.insert(setup, Arc::clone(&server));
        Ok(server)
    }

    async fn start(&self, setup: Option<Need>) -> Result<Arc<Server>, Missing> {
        let server = match &self.kind {
            Kind::Builtin(fault) => builtin::start(setup, *fault).await.map_err(Missing::Broken)?,
            Kind::Process(product) => peers::start(*product, setup).await?,
            Kind::Remote { server, .. } => return Ok(Arc::clone(server)),
        };
        Ok(Arc::new(server))
    }
}

/// Why there is no server for a case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Missing {
    /// The target cannot be set up so.
    Setup(Need),
    /// It does not start.
    Broken(String),
}

impl std::fmt::Display for Missing {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Setup(setup) => write!(formatter, "the target lacks {}", setup.as_str()),
            Self::Broken(why) => formatter.write_str(why),
        }
    }
}
