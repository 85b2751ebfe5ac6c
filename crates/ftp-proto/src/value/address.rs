//! Addresses of data connections: `PORT` and 227, `EPRT`, `EPSV`.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4};

use nom::Parser;
use nom::bytes::complete::tag;
use nom::sequence::preceded;

use crate::grammar::{Argument, Encode, Expected, Parsed, octet, port, put_number, trimmed, whole};

/// An IPv4 address and a port as six numbers.
///
/// ```abnf
/// host-port   = host-number "," port-number     ; RFC 959 §5.3.2
/// host-number = number "," number "," number "," number
/// port-number = number "," number
/// number      = 1*3DIGIT                        ; 0 to 255
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct HostPort(pub SocketAddrV4);

/// The six numbers, without anything around them.
pub(crate) fn host_port(input: &[u8]) -> Parsed<'_, HostPort> {
    let next = || preceded(tag(&b","[..]), octet);
    let (rest, (a, b, c, d, high, low)) = (octet, next(), next(), next(), next(), next()).parse(input)?;
    let port = u16::from_be_bytes([high, low]);
    Ok((rest, HostPort(SocketAddrV4::new(Ipv4Addr::new(a, b, c, d), port))))
}

impl Encode for HostPort {
    fn encode(&self, out: &mut Vec<u8>) {
        let [high, low] = self.0.port().to_be_bytes();
        let [a, b, c, d] = self.0.ip().octets();
        for (index, number) in [a, b, c, d, high, low].into_iter().enumerate() {
            if index > 0 {
                out.push(b',');
            }
            put_number(u64::from(number), out);
        }
    }
}

impl Argument for HostPort {
    fn parse(argument: &[u8]) -> Result<Self, Expected> {
        whole(host_port, trimmed(argument)).ok_or(Expected::Syntax("h1,h2,h3,h4,p1,p2, each from 0 to 255"))
    }
}

/// The argument of `EPRT`.
///
/// ```abnf
/// eprt-argument = d net-prt d net-addr d tcp-port d     ; RFC 2428 §2
/// d             = %x21-7E                               ; the same octet each time, usually "|"
/// net-prt       = 1*DIGIT                               ; 1 = IPv4, 2 = IPv6
/// net-addr      = IPv4address / IPv6address [ "%" zone ]
/// zone          = 1*VCHAR                               ; RFC 4007 §11, without meaning on another host
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ExtendedAddress {
    /// An address of family 1 or 2.
    Known(SocketAddr),
    /// Another address family, to be refused with 522.
    OtherFamily(u16),
}

impl ExtendedAddress {
    fn from_fields(family: &[u8], address: &[u8], tcp_port: &[u8]) -> Option<Self> {
        let family = whole(port, family)?;
        let address = std::str::from_utf8(address).ok()?;
        let ip = match family {
            1 => IpAddr::V4(address.parse::<Ipv4Addr>().ok()?),
            2 => IpAddr::V6(without_zone(address)?.parse::<Ipv6Addr>().ok()?),
            other => return Some(Self::OtherFamily(other)),
        };
        Some(Self::Known(SocketAddr::new(ip, whole(port, tcp_port)?)))
    }
}

/// What stands before the zone, if there is one.
fn without_zone(address: &str) -> Option<&str> {
    match address.split_once('%') {
        None => Some(address),
        Some((address, zone)) => (!zone.is_empty()).then_some(address),
    }
}

impl Encode for ExtendedAddress {
    fn encode(&self, out: &mut Vec<u8>) {
        let text = match self {
            Self::Known(SocketAddr::V4(v4)) => format!("|1|{}|{}|", v4.ip(), v4.port()),
            Self::Known(SocketAddr::V6(v6)) => format!("|2|{}|{}|", v6.ip(), v6.port()),
            Self::OtherFamily(family) => format!("|{family}|x|1|"),
        };
        out.extend_from_slice(text.as_bytes());
    }
}

impl Argument for ExtendedAddress {
    fn parse(argument: &[u8]) -> Result<Self, Expected> {
        let expected = Expected::Syntax("|1|IPv4 address|port| or |2|IPv6 address|port|");
        let (delimiter, rest) = trimmed(argument).split_first().ok_or(expected)?;
        if !delimiter.is_ascii_graphic() {
            return Err(expected);
        }
        let mut fields = rest.split(|octet| octet == delimiter);
        match (fields.next(), fields.next(), fields.next(), fields.next(), fields.next()) {
            (Some(family), Some(address), Some(port), Some([]), None) => {
                Self::from_fields(family, address, port).ok_or(expected)
            }
            _ => Err(expected),
        }
    }
}

/// The argument of `EPSV`.
///
/// ```abnf
/// epsv-argument = net-prt / "ALL"       ; RFC 2428 §3
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum EpsvArg {
    /// From now on only `EPSV` sets up data connections.
    All,
    /// The address family wanted: 1 is IPv4, 2 is IPv6.
    Family(u16),
}

impl Encode for EpsvArg {
    fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Self::All => out.extend_from_slice(b"ALL"),
            Self::Family(family) => put_number(u64::from(*family), out),
        }
    }
}

impl Argument for EpsvArg {
    fn parse(argument: &[u8]) -> Result<Self, Expected> {
        let argument = trimmed(argument);
        if argument.eq_ignore_ascii_case(b"ALL") {
            return Ok(Self::All);
        }
        whole(port, argument)
            .map(Self::Family)
            .ok_or(Expected::Syntax("ALL, 1 (IPv4) or 2 (IPv6), or nothing"))
    }
}

/// Whether a client at `peer` cannot reach `announced`, which is an address of a private network (RFC 1918).
#[must_use]
pub fn is_out_of_reach(announced: SocketAddr, peer: IpAddr) -> bool {
    let is_private = |ip: IpAddr| match ip {
        IpAddr::V4(ip) => ip.is_private() || ip.is_loopback() || ip.is_link_local(),
        IpAddr::V6(_) => false,
    };
    is_private(announced.ip()) && peer.is_ipv4() && !is_private(peer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn host_ports_of_rfc_959() {
        let parsed = HostPort::parse(b"127,0,0,1,195,80").unwrap();
        assert_eq!(parsed.0, "127.0.0.1:50000".parse().unwrap());
        assert_eq!(parsed.to_bytes(), b"127,0,0,1,195,80");
        for bad in
            ["1,2,3,4,5", "1,2,3,4,5,6,7", "256,0,0,1,4,1", "a,b,c,d,e,f", "127,0,0,1,-1,5", "", "1,,2,3,4,5"]
        {
            assert!(HostPort::parse(bad.as_bytes()).is_err(), "{bad}");
        }
    }

    #[test]
    fn eprt_examples_of_rfc_2428() {
        for (text, address) in [
            ("|1|132.235.1.2|6275|", "132.235.1.2:6275"),
            ("|2|1080::8:800:200C:417A|5282|", "[1080::8:800:200c:417a]:5282"),
            ("!1!10.0.0.1!80!", "10.0.0.1:80"),
            ("|2|fe80::1%eth0|80|", "[fe80::1]:80"),
        ] {
            let parsed = ExtendedAddress::parse(text.as_bytes()).unwrap();
            assert_eq!(parsed, ExtendedAddress::Known(address.parse().unwrap()), "{text}");
            assert_eq!(ExtendedAddress::parse(&parsed.to_bytes()).unwrap(), parsed);
        }
        assert_eq!(ExtendedAddress::parse(b"|3|x|1|").unwrap(), ExtendedAddress::OtherFamily(3));
        for bad in [
            "",
            "|1|10.0.0.1|",
            "|1|::1|21000|",
            "|1|10.0.0.1%eth0|80|",
            "|2|fe80::1%|80|",
            "|1|10.0.0.1|70000|",
            "|x|a|1|",
            "|1|10.0.0.1|80",
            "\u{7f}1",
        ] {
            assert!(ExtendedAddress::parse(bad.as_bytes()).is_err(), "{bad}");
        }
    }

    #[test]
    fn epsv_arguments() {
        assert_eq!(EpsvArg::parse(b"all"), Ok(EpsvArg::All));
        assert_eq!(EpsvArg::parse(b"2"), Ok(EpsvArg::Family(2)));
        assert!(EpsvArg::parse(b"foo").is_err());
        assert!(EpsvArg::parse(b"1 2").is_err());
    }
}
