//! Why transfers fail: probes a server from where the client is, and says in plain words what is in the way, who has to
//! change what, and how.
//!
//! The probes (P0 to P5) see what a client can see; [`verdict`] is a table from symptoms to causes and runs without a
//! network. Nothing is left behind: the one file that is stored has a name of its own and is removed.

use std::net::{IpAddr, SocketAddr};

use serde::Serialize;

mod probe;
mod remedy;
mod transfers;
mod verdict;

pub use probe::{Settings, probe, stay_quiet};
pub use remedy::remedy;
pub use verdict::{Cause, Finding, verdict};

use crate::axes::Security;

/// What came of trying to connect.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Connect {
    /// It stands.
    Good,
    /// Nothing came back.
    TimedOut,
    /// A RST came back.
    Refused,
    /// A router said that there is no way, or that it is prohibited.
    Unreachable,
}

/// What came of a transfer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Transfer {
    /// It worked.
    Good,
    /// The data connection did not come about.
    NoConnection(Connect),
    /// It was closed or reset before anything moved; what the server said of it, if it did.
    Reset(Option<String>),
    /// The server sees no data connection, although the client has one; what it said, if it did.
    Unseen(Option<String>),
    /// 150, and then nothing moved.
    Silent,
    /// The handshake on it failed, or was refused for want of a resumed session.
    Handshake(String),
    /// The server refused the command.
    Refused(String),
    /// The control connection broke.
    ControlLost,
}

/// P0: what came of the control connection.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Control {
    /// Logged in.
    Good,
    /// No connection.
    NoConnection(Connect),
    /// Connected, and no greeting came.
    NoGreeting,
    /// The TLS handshake hangs.
    TlsHangs,
    /// The TLS handshake fails.
    TlsFails(String),
    /// The server takes no logins in this profile.
    NotOffered(String),
    /// The login is refused.
    NoLogin(String),
}

/// P4: what PASV announces.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Pasv {
    /// What the server said.
    pub reply: String,
    /// The address in it.
    pub announced: Option<SocketAddr>,
    /// Connecting to that.
    pub to_announced: Option<Connect>,
    /// Connecting to the same port of the control connection's address.
    pub to_peer: Option<Connect>,
}

/// P5: what came of active mode.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Active {
    /// What the server said to PORT or EPRT.
    pub reply: String,
    /// Whether it took it.
    pub taken: Taken,
    /// From where it connected, if it did within 5 s.
    pub from: Option<IpAddr>,
    /// Whether the listing came.
    pub listed: Option<String>,
}

/// Whether PORT or EPRT was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Taken {
    /// 200
    Yes,
    /// Something else.
    No,
}

/// Everything that was seen in one profile.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Seen {
    /// The profile.
    #[serde(serialize_with = "shown")]
    pub security: Security,
    /// P0
    pub control: Control,
    /// This end and the other of the control connection.
    pub ends: Option<(SocketAddr, SocketAddr)>,
    /// P1: the ports of EPSV, and what came of connecting to each.
    pub ports: Vec<(u16, Connect)>,
    /// P1: connecting to one of them three times, where they were mixed.
    pub one_port: Vec<Connect>,
    /// P2: a listing over EPSV.
    pub list: Option<Transfer>,
    /// P3: an upload of 20 kB over EPSV.
    pub store: Option<Transfer>,
    /// P4
    pub pasv: Option<Pasv>,
    /// P5
    pub active: Option<Active>,
    /// Whether an upload whose data connection failed left an empty file behind.
    pub left_empty: Option<String>,
}

fn shown<S: serde::Serializer>(security: &Security, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(security)
}

impl Seen {
    /// Nothing yet.
    #[must_use]
    pub fn new(security: Security, control: Control) -> Self {
        Self {
            security,
            control,
            ends: None,
            ports: Vec::new(),
            one_port: Vec::new(),
            list: None,
            store: None,
            pasv: None,
            active: None,
            left_empty: None,
        }
    }

    /// Ports that were reached.
    fn open(&self) -> usize {
        self.ports.iter().filter(|(_, connect)| *connect == Connect::Good).count()
    }

    /// Ports that were not.
    fn closed(&self) -> usize {
        self.ports.len() - self.open()
    }
}

/// Whether an address is of a private network (RFC 1918), or of this host or link.
#[must_use]
pub fn is_private(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => ip.is_private() || ip.is_loopback() || ip.is_link_local(),
        IpAddr::V6(ip) => ip.is_loopback() || ip.is_unique_local() || ip.is_unicast_link_local(),
    }
}
