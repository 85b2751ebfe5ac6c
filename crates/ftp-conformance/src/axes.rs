//! The cells in which a case runs: how the client comes in, how data connections are made, which TLS.

use std::fmt;

/// How the client comes in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Security {
    /// In clear.
    Plain,
    /// AUTH TLS.
    Explicit,
    /// TLS from the first octet.
    Implicit,
}

/// How data connections are made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Data {
    /// PASV
    Pasv,
    /// EPSV
    Epsv,
    /// PORT
    Port,
    /// EPRT
    Eprt,
}

/// Which version of TLS the client offers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Version {
    /// TLS 1.2 only
    Tls12,
    /// TLS 1.3 only
    Tls13,
}

/// One cell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Cell {
    /// How the client comes in.
    pub security: Security,
    /// How data connections are made.
    pub data: Data,
    /// Which TLS it speaks, where it speaks any.
    pub version: Version,
}

impl fmt::Display for Cell {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let data = match self.data {
            Data::Pasv => "PASV",
            Data::Epsv => "EPSV",
            Data::Port => "PORT",
            Data::Eprt => "EPRT",
        };
        let version = if self.version == Version::Tls12 { "TLS 1.2" } else { "TLS 1.3" };
        match self.security {
            Security::Plain => write!(formatter, "plain {data}"),
            Security::Explicit => write!(formatter, "explicit {version} {data}"),
            Security::Implicit => write!(formatter, "implicit {version} {data}"),
        }
    }
}

macro_rules! names {
    ($type:ident, $what:literal: $($name:literal = $variant:ident),+) => {
        impl std::str::FromStr for $type {
            type Err = String;

            fn from_str(text: &str) -> Result<Self, String> {
                match text {
                    $($name => Ok(Self::$variant),)+
                    _ => Err(format!(concat!("{:?} is no ", $what, ": expected one of", $(" ", $name),+), text)),
                }
            }
        }
    };
}

names!(Security, "profile": "plain" = Plain, "explicit" = Explicit, "implicit" = Implicit);
names!(Data, "way of making data connections": "pasv" = Pasv, "epsv" = Epsv, "port" = Port, "eprt" = Eprt);
names!(Version, "version of TLS": "1.2" = Tls12, "1.3" = Tls13);
