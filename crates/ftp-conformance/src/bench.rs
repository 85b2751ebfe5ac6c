//! The wrk of FTP: how much a server moves, how fast it answers, and what that costs it.
//!
//! The generator is blocking threads with `splice` and `sendfile`, so that it is not what is measured. Everything that
//! is moved is checked: one file octet by octet, the others by their length. What is made on the server is removed.
//! [`limit`] is the bound that a server can be held against. Not here: other servers, which `cargo xtask bench` starts.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::axes::Security;

mod cases;
mod client;
mod folder;
pub mod limit;
mod load;
mod usage;
mod wire;

use client::Place;
use folder::Folder;
use load::Tally;

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Case {
    /// Downloads of one large file.
    Get,
    /// Uploads of one large file.
    Put,
    /// Downloads of 4 KiB files, all in one session a stream.
    SmallGet,
    /// Uploads of 4 KiB files over each other.
    SmallPut,
    /// Connect, log in, leave; under TLS with a full handshake.
    Login,
    /// The same, and TLS resumes the session of the login before.
    LoginResumed,
    /// LIST of a directory.
    List,
    /// MLSD of a directory.
    Mlsd,
    /// Sessions that do nothing, and a login beside them.
    Idle,
    /// Connect, log in, download 4 KiB, leave.
    Churn,
    /// NOOP while downloads run.
    Mixed,
}

impl Case {
    /// Every case.
    pub const ALL: [Case; 11] = [
        Self::Get,
        Self::Put,
        Self::SmallGet,
        Self::SmallPut,
        Self::Login,
        Self::LoginResumed,
        Self::List,
        Self::Mlsd,
        Self::Idle,
        Self::Churn,
        Self::Mixed,
    ];

    /// Its name on the command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Get => "get",
            Self::Put => "put",
            Self::SmallGet => "small-get",
            Self::SmallPut => "small-put",
            Self::Login => "login",
            Self::LoginResumed => "login-resumed",
            Self::List => "list",
            Self::Mlsd => "mlsd",
            Self::Idle => "idle",
            Self::Churn => "churn",
            Self::Mixed => "mixed",
        }
    }
}

impl std::fmt::Display for Case {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.pad(self.name())
    }
}

impl std::str::FromStr for Case {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL.into_iter().find(|case| case.name() == text).ok_or_else(|| {
            format!("{text:?} is no case: expected one of {}", Self::ALL.map(Self::name).join(" "))
        })
    }
}

/// What a server is put through.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where the control connections go.
    pub address: SocketAddr,
    /// Plain, explicit or implicit.
    pub security: Security,
    /// The user.
    pub user: String,
    /// Its password.
    pub password: String,
    /// Connections that work at once.
    pub streams: usize,
    /// Octets of a large file.
    pub size: usize,
    /// Entries of the directory that is listed, and sessions that are idle.
    pub count: usize,
    /// How long a case runs.
    pub duration: Duration,
    /// The process whose processor time and memory are looked at, with its children.
    pub server: Option<u32>,
    /// A file (get, mixed) or directory (list, mlsd) that is there, in place of one that is made and removed.
    pub path: Option<String>,
}

impl Settings {
    fn place(&self) -> Place {
        Place {
            address: self.address,
            security: self.security,
            user: self.user.clone(),
            password: self.password.clone(),
        }
    }
}

/// How long units took, in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Latency {
    /// The median.
    pub p50: f64,
    /// Of a hundred, the second slowest.
    pub p99: f64,
    /// Of a thousand.
    pub p999: f64,
    /// The slowest.
    pub max: f64,
}

/// What came of a case.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Figures {
    /// Which.
    pub case: Case,
    /// `plain`, `explicit`, `implicit`.
    pub security: String,
    /// Connections that worked at once.
    pub streams: usize,
    /// Units that were done.
    pub units: u64,
    /// Octets that were moved.
    pub octets: u64,
    /// How long it took.
    pub seconds: f64,
    /// How long units took.
    pub latency: Latency,
    /// Processor time of the server, in seconds.
    pub cpu: Option<f64>,
    /// `idle`: octets a session (PSS). `list` and `mlsd`: by how many octets the server grew at most (RSS).
    pub memory: Option<f64>,
    /// Units that failed, and what the first said.
    pub failed: u64,
    /// What the first failure said.
    pub failure: Option<String>,
}

impl Figures {
    fn new(case: Case, settings: &Settings, tally: &Tally) -> Self {
        Self {
            case,
            security: settings.security.to_string(),
            streams: settings.streams,
            units: tally.units,
            octets: tally.octets,
            seconds: tally.seconds,
            latency: tally.latency(),
            cpu: tally.cpu,
            memory: None,
            failed: tally.failed,
            failure: tally.failure.clone(),
        }
    }

    /// Units a second.
    #[must_use]
    pub fn rate(&self) -> f64 {
        self.units as f64 / self.seconds
    }

    /// Millions of octets a second.
    #[must_use]
    pub fn throughput(&self) -> f64 {
        self.octets as f64 / self.seconds / 1e6
    }

    /// Seconds of the server's processor time for 2^30 octets.
    #[must_use]
    pub fn cpu_per_gib(&self) -> Option<f64> {
        self.cpu.map(|cpu| cpu / (self.octets as f64 / f64::from(1 << 30)))
    }

    /// Milliseconds of the server's processor time for one unit.
    #[must_use]
    pub fn cpu_per_unit(&self) -> Option<f64> {
        self.cpu.map(|cpu| cpu * 1000.0 / self.units as f64)
    }
}

/// Runs one case. `progress` hears of the units that are done, now and then.
///
/// # Errors
/// If the server cannot be reached, refuses what the case needs, or moves other octets than it should.
pub fn run(case: Case, settings: &Settings, progress: &(dyn Fn(u64) + Sync)) -> io::Result<Figures> {
    let folder = Folder::prepare(case, settings)?;
    let figures = cases::run(case, settings, &folder, progress);
    let removed = folder.remove();
    let figures = figures?;
    removed.map(|()| figures)
}
