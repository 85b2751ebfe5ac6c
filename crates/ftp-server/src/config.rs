//! The configuration file: TOML, checked as a whole, every complaint with its line.
//!
//! ```
//! use ftp_server::config::Config;
//!
//! let config = Config::parse("[passive]\nports = \"40000-40100\"\n").unwrap();
//! assert_eq!(config.passive.ports.get_ref().0, 40000..=40100);
//! let error = Config::parse("[passive]\nports = \"high-low\"\n").unwrap_err();
//! assert!(error.to_string().contains("line 2"));
//! ```
//!
//! Not here: what the command line adds, which is in the program.

use std::fmt;
use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use ftp_proto::value::path::VPath;
use ipnet::IpNet;
use serde::{Deserialize, Deserializer};
use thiserror::Error;
use toml::Spanned;

use crate::announce::Announced;

mod assemble;
mod limits;
mod names;
mod problem;

pub use assemble::read_certificate;
pub use limits::LimitsSection;
pub use problem::Problem;

/// Why a text is no configuration.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{0}")]
pub struct ConfigError(String);

/// A whole configuration.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Where to listen.
    pub listen: Listen,
    /// Certificate and rules of TLS.
    pub tls: TlsSection,
    /// Passive mode.
    pub passive: Passive,
    /// Rules of the protocol.
    pub policy: PolicySection,
    /// Numbers and times.
    pub limits: LimitsSection,
    /// How files are stored.
    pub storage: StorageSection,
    /// Virtual hosts.
    pub host: Vec<Spanned<HostSection>>,
    /// Accounts.
    pub user: Vec<Spanned<UserSection>>,
    /// Logins without a password.
    pub anonymous: Option<Spanned<Anonymous>>,
}

/// `[listen]`
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Listen {
    /// Addresses for explicit FTPS (and plain FTP where allowed).
    pub explicit: Vec<SocketAddr>,
    /// Addresses for implicit FTPS.
    pub implicit: Vec<SocketAddr>,
    /// Load balancers whose connections begin with a header of the PROXY protocol, version 1 or 2.
    pub proxies: Vec<IpNet>,
}

/// `[tls]`
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TlsSection {
    /// PEM file with the certificate and its chain.
    pub cert: Option<Spanned<PathBuf>>,
    /// PEM file with the key.
    pub key: Option<Spanned<PathBuf>>,
    /// What data connections prove by resumption: `off`, `observe`, `prefer` or `require`.
    pub data_session: DataSessionName,
    /// Whether a protected session may move data in clear (PROT C).
    pub clear_data: Toggle,
    /// Whether CCC is taken.
    pub clear_control: Toggle,
    /// Whether uploads have to end with close_notify: `require` or `optional`.
    pub close_notify: CloseNotifyName,
}

/// `[passive]`
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Passive {
    /// The ports, as `LOW-HIGH`.
    pub ports: Spanned<PortRange>,
    /// What PASV announces behind NAT: an IPv4 address, or a name that is looked up.
    pub address: Option<AddressName>,
    /// What it announces to some clients.
    pub announce: Vec<AnnounceSection>,
    /// From where data connections may come: `exact`, `prefix` or `resumed`.
    pub data_peer: DataPeerName,
    /// Octets of the largest segment of data connections (TCP_MAXSEG).
    #[serde(deserialize_with = "limits::segment")]
    pub data_mss: Option<u32>,
}

/// `[[passive.announce]]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AnnounceSection {
    /// A network of clients.
    pub clients: IpNet,
    /// What they are told: an IPv4 address, a name, or `local`.
    pub address: AddressName,
}

/// What PASV announces, as text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AddressName(pub Announced);

impl<'de> Deserialize<'de> for AddressName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map(Self).map_err(serde::de::Error::custom)
    }
}

impl Default for Passive {
    fn default() -> Self {
        Self {
            ports: Spanned::new(0..0, PortRange(crate::server::PASSIVE_PORTS)),
            address: None,
            announce: Vec::new(),
            data_peer: DataPeerName::default(),
            data_mss: None,
        }
    }
}

/// `[policy]`
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PolicySection {
    /// Logins in clear: `refuse` or `allow`.
    pub plain: PlainName,
    /// PORT and EPRT; on by default.
    pub active: Option<Toggle>,
    /// The networks of clients that may use them; all if empty.
    pub active_clients: Vec<IpNet>,
    /// Text of the greeting.
    pub greeting: Option<String>,
}

/// `[storage]`
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct StorageSection {
    /// When a change counts as done: `none`, `data` or `full`.
    pub durability: DurabilityName,
    /// What becomes of broken uploads: `hidden`, `visible` or `never`.
    pub partial: PartialName,
    /// Directories in which uploads are seen as they grow.
    #[serde(deserialize_with = "paths")]
    pub live: Vec<VPath>,
}

/// `[[host]]`: a name for HOST (RFC 7151) and for the server name of TLS.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HostSection {
    /// The name.
    pub name: Spanned<String>,
    /// PEM file with its certificate and chain; that of `[tls]` if absent.
    pub cert: Option<Spanned<PathBuf>>,
    /// PEM file with the key.
    pub key: Option<Spanned<PathBuf>>,
}

/// `[[user]]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UserSection {
    /// The name for USER.
    pub name: Spanned<String>,
    /// The argon2id string that `hash-password` prints.
    pub password: Spanned<String>,
    /// The folder that is the user's root.
    pub home: Spanned<PathBuf>,
    /// Letters of `elradfmwMT`; all by default.
    pub rights: Option<Spanned<String>>,
    /// Sessions at once.
    pub sessions: Option<usize>,
    /// The only virtual host on which this account exists.
    pub host: Option<Spanned<String>>,
    /// Octets that one file of this user may have.
    pub file_max: Option<u64>,
    /// What an upload in clear is taken for whose client closed everything without QUIT: `broken`, `new` or `always` whole.
    #[serde(default)]
    pub bare_close: BareCloseName,
    /// Whether uploads over TLS have to end with close_notify; as in `[tls]` if absent.
    pub close_notify: Option<CloseNotifyName>,
    /// Whether TLS is needed even where plain FTP is allowed.
    #[serde(default)]
    pub tls_only: Toggle,
}

/// `[anonymous]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Anonymous {
    /// The folder that everyone may read.
    pub home: Spanned<PathBuf>,
    /// Sessions at once.
    pub sessions: Option<usize>,
}

/// `true` or `false` in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Toggle {
    /// `false`
    #[default]
    Off,
    /// `true`
    On,
}

impl<'de> Deserialize<'de> for Toggle {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        bool::deserialize(deserializer).map(|on| if on { Self::On } else { Self::Off })
    }
}

/// A name out of a few, with what it stands for.
macro_rules! names {
    ($($(#[$doc:meta])* $type:ident: $($name:literal => $value:expr),+; default $default:expr, $target:ty;)+) => {
        $(
            $(#[$doc])*
            #[derive(Debug, Clone, Copy, PartialEq, Eq)]
            pub struct $type(pub $target);

            impl Default for $type {
                fn default() -> Self {
                    Self($default)
                }
            }

            impl<'de> Deserialize<'de> for $type {
                fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                    match String::deserialize(deserializer)?.as_str() {
                        $($name => Ok(Self($value)),)+
                        other => Err(serde::de::Error::unknown_variant(other, &[$($name),+])),
                    }
                }
            }
        )+
    };
}

names! {
    /// `plain`
    PlainName: "refuse" => ftp_proto::session::Plain::Refuse, "allow" => ftp_proto::session::Plain::Allow;
        default ftp_proto::session::Plain::Refuse, ftp_proto::session::Plain;
    /// `data_session`
    DataSessionName: "off" => crate::tls::DataSession::Off, "observe" => crate::tls::DataSession::Observe, "prefer" => crate::tls::DataSession::Prefer,
        "require" => crate::tls::DataSession::Require;
        default crate::tls::DataSession::Prefer, crate::tls::DataSession;
    /// `close_notify`
    CloseNotifyName: "require" => crate::tls::CloseNotify::Require, "optional" => crate::tls::CloseNotify::Optional;
        default crate::tls::CloseNotify::Require, crate::tls::CloseNotify;
    /// `data_peer`
    DataPeerName: "exact" => crate::ports::DataPeer::Exact, "prefix" => crate::ports::DataPeer::Prefix,
        "resumed" => crate::ports::DataPeer::Resumed;
        default crate::ports::DataPeer::Exact, crate::ports::DataPeer;
    /// `durability`
    DurabilityName: "none" => crate::storage::Durability::None, "data" => crate::storage::Durability::Data,
        "full" => crate::storage::Durability::Full;
        default crate::storage::Durability::Full, crate::storage::Durability;
    /// `partial`
    PartialName: "hidden" => crate::storage::Partial::Hidden, "visible" => crate::storage::Partial::Visible,
        "never" => crate::storage::Partial::Never;
        default crate::storage::Partial::Hidden, crate::storage::Partial;
    /// `bare_close`
    BareCloseName: "broken" => crate::auth::BareClose::Broken, "new" => crate::auth::BareClose::New,
        "always" => crate::auth::BareClose::Always;
        default crate::auth::BareClose::Broken, crate::auth::BareClose;
}

/// A range of ports as `LOW-HIGH`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PortRange(pub RangeInclusive<u16>);

impl FromStr for PortRange {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("{text:?} is no range of ports: expected LOW-HIGH, as in 40000-50000");
        let (low, high) = text.split_once('-').ok_or_else(wrong)?;
        let (low, high): (u16, u16) =
            (low.trim().parse().map_err(|_| wrong())?, high.trim().parse().map_err(|_| wrong())?);
        if low < 1024 || low > high {
            return Err(format!("{text:?}: passive ports begin at 1024, and LOW is not above HIGH"));
        }
        Ok(Self(low..=high))
    }
}

impl fmt::Display for PortRange {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}-{}", self.0.start(), self.0.end())
    }
}

impl<'de> Deserialize<'de> for PortRange {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

fn paths<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<VPath>, D::Error> {
    let texts = Vec::<String>::deserialize(deserializer)?;
    texts.into_iter().map(|text| VPath::new(text).map_err(serde::de::Error::custom)).collect()
}

impl Config {
    /// Reads a configuration.
    ///
    /// # Errors
    /// [`ConfigError`] with line and column, what is wrong and what would be right.
    pub fn parse(text: &str) -> Result<Self, ConfigError> {
        toml::from_str(text).map_err(|error| ConfigError(error.to_string().trim_end().to_owned()))
    }
}

/// The line of an offset in a text, from 1.
#[must_use]
pub fn line_of(text: &str, offset: usize) -> usize {
    text.bytes().take(offset).filter(|octet| *octet == b'\n').count() + 1
}

/// Seconds as a duration; nothing negative or endless.
fn seconds(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn complaints_name_the_line_and_what_is_right() {
        for (text, wanted) in [
            ("[listen]\nexplicit = [\"nowhere\"]", "line 2"),
            ("[policy]\nplain = \"perhaps\"", "expected `refuse` or `allow`"),
            ("[passive]\nports = \"50000-40000\"", "LOW is not above HIGH"),
            ("[tls]\ncertificate = \"x\"", "unknown field `certificate`"),
            ("[storage]\ndurability = 1", "line 2"),
            ("[[user]]\nname = \"a\"", "missing field `password`"),
        ] {
            let error = Config::parse(text).unwrap_err().to_string();
            assert!(error.contains(wanted), "{text}: {error}");
        }
    }

    #[test]
    fn an_empty_file_is_the_safe_default() {
        let config = Config::parse("").unwrap();
        assert_eq!(config.policy.plain.0, ftp_proto::session::Plain::Refuse);
        assert_eq!(config.passive.ports.get_ref().0, 40_000..=50_000);
        assert_eq!(config.storage.durability.0, crate::storage::Durability::Full);
    }
}
