//! The address that PASV announces: by rule for the client's network, else that of the control connection.
//!
//! A rule gives an address or a name; names are looked up again after a minute, for servers whose public address changes.
//! EPSV announces no address and needs no rule.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use ipnet::IpNet;

/// How long a name stays looked up.
const FRESH: Duration = Duration::from_secs(60);
/// How long a look-up may hold a reply back.
const LOOKUP_TIME: Duration = Duration::from_secs(2);

/// What is announced to the clients of a network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// The clients; all others than those of earlier rules if absent.
    pub clients: Option<IpNet>,
    /// What they are told.
    pub address: Announced,
}

/// What clients are told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Announced {
    /// This server's address of the control connection.
    Local,
    /// This address.
    Fixed(Ipv4Addr),
    /// The address of this name.
    Name(String),
}

impl std::str::FromStr for Announced {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "local" {
            return Ok(Self::Local);
        }
        match text.parse::<IpAddr>() {
            Ok(IpAddr::V4(address)) => return Ok(Self::Fixed(address)),
            Ok(IpAddr::V6(_)) => {
                return Err(format!("{text}: PASV carries IPv4 addresses only; EPSV needs none"));
            }
            Err(_) => {}
        }
        let is_name = text.contains('.')
            && text.bytes().all(|octet| octet.is_ascii_alphanumeric() || matches!(octet, b'.' | b'-'))
            && text.bytes().any(|octet| octet.is_ascii_alphabetic());
        match is_name {
            true => Ok(Self::Name(text.to_owned())),
            false => Err(format!("{text:?}: expected an IPv4 address, a host name, or local")),
        }
    }
}

/// The rules of a server, in order, and what their names were looked up to.
#[derive(Debug, Default)]
pub(crate) struct Announcer {
    rules: Vec<Rule>,
    known: Mutex<HashMap<String, (Ipv4Addr, Instant)>>,
}

impl Announcer {
    pub(crate) fn new(rules: Vec<Rule>) -> Self {
        Self { rules, known: Mutex::default() }
    }

    /// The address that `client` is told, who has connected to `local`.
    pub(crate) async fn address(&self, client: IpAddr, local: SocketAddr) -> IpAddr {
        let applies = |rule: &&Rule| rule.clients.is_none_or(|clients| clients.contains(&client));
        let rule = self.rules.iter().find(applies).filter(|_| local.is_ipv4());
        match rule.map(|rule| &rule.address) {
            None | Some(Announced::Local) => local.ip(),
            Some(Announced::Fixed(address)) => IpAddr::V4(*address),
            Some(Announced::Name(name)) => self.look_up(name).await.map_or(local.ip(), IpAddr::V4),
        }
    }

    fn remembered(&self, name: &str) -> Option<(Ipv4Addr, Instant)> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).get(name).copied()
    }

    /// The address of a name; the old one while it cannot be looked up.
    async fn look_up(&self, name: &str) -> Option<Ipv4Addr> {
        let old = self.remembered(name);
        if let Some((address, at)) = old
            && at.elapsed() < FRESH
        {
            return Some(address);
        }
        let looking = tokio::time::timeout(LOOKUP_TIME, tokio::net::lookup_host((name, 0)));
        let found = match looking.await {
            Ok(Ok(found)) => found
                .filter_map(|address| match address.ip() {
                    IpAddr::V4(address) => Some(address),
                    IpAddr::V6(_) => None,
                })
                .next(),
            Ok(Err(error)) => {
                tracing::warn!(name, %error, "the name for PASV cannot be looked up");
                None
            }
            Err(_) => {
                tracing::warn!(name, "the name for PASV was not looked up in time");
                None
            }
        };
        let address = found.or(old.map(|(address, _)| address))?;
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.insert(name.to_owned(), (address, Instant::now()));
        Some(address)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_first_rule_that_applies_is_taken() {
        let rule = |clients: Option<&str>, address: &str| Rule {
            clients: clients.map(|clients| clients.parse().unwrap()),
            address: address.parse().unwrap(),
        };
        let announcer = Announcer::new(vec![
            rule(Some("10.0.0.0/8"), "local"),
            rule(Some("192.0.2.0/24"), "localhost.localdomain"),
            rule(None, "203.0.113.5"),
        ]);
        let local: SocketAddr = "10.0.0.1:21".parse().unwrap();
        let told = async |client: &str| announcer.address(client.parse().unwrap(), local).await.to_string();
        assert_eq!(told("10.9.9.9").await, "10.0.0.1");
        assert_eq!(told("198.51.100.2").await, "203.0.113.5");
        // A name that cannot be looked up leaves the local address.
        let now = told("192.0.2.7").await;
        assert!(now == "10.0.0.1" || now.starts_with("127."), "{now}");
        let v6 = "[2001:db8::1]:21".parse().unwrap();
        assert_eq!(announcer.address("198.51.100.2".parse().unwrap(), v6).await.to_string(), "2001:db8::1");
    }

    #[test]
    fn words_are_told_apart() {
        assert_eq!("local".parse(), Ok(Announced::Local));
        assert_eq!("ftp.example.org".parse(), Ok(Announced::Name("ftp.example.org".to_owned())));
        assert!("::1".parse::<Announced>().unwrap_err().contains("EPSV needs none"));
        assert!("300.1.1.1".parse::<Announced>().is_err());
    }
}
