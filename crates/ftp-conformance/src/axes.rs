//! The cells in which a case runs: how the client comes in, how data connections are made, which TLS, which
//! addresses, which tickets, which way the data go and how they end.

use std::fmt;

/// A name out of a few, on the command line and in reports.
macro_rules! axis {
    ($(#[$doc:meta])* $type:ident, $what:literal: $($(#[$variant_doc:meta])* $variant:ident = $name:literal, $shown:literal;)+) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum $type {
            $($(#[$variant_doc])* $variant,)+
        }

        impl $type {
            /// Every value.
            pub const ALL: &[$type] = &[$($type::$variant),+];
        }

        impl fmt::Display for $type {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.pad(match self {
                    $(Self::$variant => $shown,)+
                })
            }
        }

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

axis! {
    /// How the client comes in.
    Security, "profile":
    /// In clear.
    Plain = "plain", "plain";
    /// AUTH TLS.
    Explicit = "explicit", "explicit";
    /// TLS from the first octet.
    Implicit = "implicit", "implicit";
}

axis! {
    /// How data connections are made.
    Data, "way of making data connections":
    /// PASV
    Pasv = "pasv", "PASV";
    /// EPSV
    Epsv = "epsv", "EPSV";
    /// PORT
    Port = "port", "PORT";
    /// EPRT
    Eprt = "eprt", "EPRT";
}

axis! {
    /// Which version of TLS the client offers.
    Version, "version of TLS":
    /// TLS 1.2 only
    Tls12 = "1.2", "TLS 1.2";
    /// TLS 1.3 only
    Tls13 = "1.3", "TLS 1.3";
}

axis! {
    /// Which addresses the connections have.
    Family, "version of IP":
    /// IPv4
    V4 = "4", "IPv4";
    /// IPv6
    V6 = "6", "IPv6";
}

axis! {
    /// What a data connection shows of an earlier TLS session.
    Ticket, "kind of session reuse":
    /// Nothing: a full handshake.
    None = "none", "no reuse";
    /// A session of its own control connection, each ticket once.
    Reuse = "reuse", "reuse";
    /// The same ticket for every connection.
    Same = "same", "same ticket twice";
    /// A session of another control connection.
    Foreign = "foreign", "another session's ticket";
}

axis! {
    /// How the client ends a data connection.
    End, "end of a connection":
    /// close_notify of TLS, then FIN.
    CloseNotify = "close-notify", "close_notify";
    /// FIN alone.
    Fin = "fin", "FIN";
    /// RST.
    Rst = "rst", "RST";
}

axis! {
    /// Which way the data go.
    Way, "way of the data":
    /// An upload.
    Up = "up", "up";
    /// A download.
    Down = "down", "down";
    /// A listing.
    List = "list", "list";
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
    /// Which addresses it uses.
    pub family: Family,
    /// What of session reuse, in cases that try it.
    pub ticket: Option<Ticket>,
    /// How the data connection ends, in cases that try it.
    pub end: Option<End>,
    /// Which way the data go, in cases that try all.
    pub way: Option<Way>,
}

impl Cell {
    /// The cell of a profile and a way of making data connections, over IPv4.
    #[must_use]
    pub fn new(security: Security, data: Data, version: Version) -> Self {
        Self { security, data, version, family: Family::V4, ticket: None, end: None, way: None }
    }
}

impl fmt::Display for Cell {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}", self.security)?;
        if self.security != Security::Plain {
            write!(formatter, " {}", self.version)?;
        }
        write!(formatter, " {}", self.data)?;
        if self.family == Family::V6 {
            write!(formatter, " {}", self.family)?;
        }
        let more = [
            self.way.map(|way| way.to_string()),
            self.ticket.map(|ticket| ticket.to_string()),
            self.end.map(|end| end.to_string()),
        ];
        more.into_iter().flatten().try_for_each(|word| write!(formatter, ", {word}"))
    }
}
