//! The PROXY protocol, versions 1 and 2: a load balancer in front says who the client is.
//!
//! Only connections from trusted sources have the header, and those must have it: anyone else could claim to be anybody.
//!
//! ```abnf
//! v1 = "PROXY " ( "TCP4" / "TCP6" ) SP source SP destination SP port SP port CRLF / "PROXY UNKNOWN" *OCTET CRLF
//! v2 = %x0D.0A.0D.0A.00.0D.0A.51.55.49.54.0A  version-command family length *OCTET
//! ```
//!
//! Source: "The PROXY protocol, versions 1 & 2", HAProxy. TLVs of version 2 are passed over.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use ipnet::IpNet;
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;

/// Octets of a header of version 1 at most, with its line end.
const V1_MAX: usize = 107;
/// What a header of version 2 begins with.
const V2_SIGNATURE: [u8; 12] = *b"\r\n\r\n\0\r\nQUIT\n";
/// How long a trusted source may take for its header.
const HEADER_TIME: Duration = Duration::from_secs(5);

/// Both ends of a connection as a proxy tells them: the client's, and the one that it connected to.
pub(crate) type Ends = (SocketAddr, SocketAddr);

/// Whether a source is trusted.
pub(crate) fn is_trusted(sources: &[IpNet], source: IpAddr) -> bool {
    sources.iter().any(|network| network.contains(&source))
}

fn wrong(why: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("PROXY header: {why}"))
}

/// Reads the header and not an octet more; `None` for a connection of the proxy's own (health checks).
pub(crate) async fn read(stream: &mut TcpStream) -> io::Result<Option<Ends>> {
    let late = |_| wrong("it did not come in time");
    tokio::time::timeout(HEADER_TIME, read_header(stream)).await.map_err(late)?
}

async fn read_header(stream: &mut TcpStream) -> io::Result<Option<Ends>> {
    let mut head = [0; V2_SIGNATURE.len()];
    stream.read_exact(&mut head).await?;
    if head == V2_SIGNATURE {
        return read_v2(stream).await;
    }
    let mut line = head.to_vec();
    while !line.ends_with(b"\r\n") {
        if line.len() == V1_MAX {
            return Err(wrong("longer than 107 octets"));
        }
        // Octet by octet: what follows belongs to the session.
        line.push(stream.read_u8().await?);
    }
    let text = std::str::from_utf8(&line).map_err(|_| wrong("not ASCII"))?;
    parse_v1(text.trim_end())
}

fn parse_v1(line: &str) -> io::Result<Option<Ends>> {
    let fields: Vec<&str> = line.split(' ').collect();
    match fields.as_slice() {
        ["PROXY", "UNKNOWN", ..] => Ok(None),
        ["PROXY", "TCP4" | "TCP6", source, destination, source_port, destination_port] => {
            let end = |ip: &str, port: &str| {
                let ip: IpAddr = ip.parse().map_err(|_| wrong("not an address"))?;
                let port: u16 = port.parse().map_err(|_| wrong("not a port"))?;
                Ok::<_, io::Error>(SocketAddr::new(ip.to_canonical(), port))
            };
            Ok(Some((end(source, source_port)?, end(destination, destination_port)?)))
        }
        _ => Err(wrong("expected PROXY TCP4|TCP6 source destination port port")),
    }
}

async fn read_v2(stream: &mut TcpStream) -> io::Result<Option<Ends>> {
    let mut rest = [0; 4];
    stream.read_exact(&mut rest).await?;
    let [version_command, family, high, low] = rest;
    let mut body = vec![0; usize::from(u16::from_be_bytes([high, low]))];
    stream.read_exact(&mut body).await?;
    parse_v2(version_command, family, &body)
}

fn parse_v2(version_command: u8, family: u8, body: &[u8]) -> io::Result<Option<Ends>> {
    let port = |at: usize| {
        let pair = body.get(at..at + 2).and_then(|pair| <[u8; 2]>::try_from(pair).ok());
        pair.map(u16::from_be_bytes).ok_or_else(|| wrong("cut short"))
    };
    let v4 = |at: usize| {
        let octets = body.get(at..at + 4).and_then(|octets| <[u8; 4]>::try_from(octets).ok());
        octets.map(Ipv4Addr::from).ok_or_else(|| wrong("cut short"))
    };
    let v6 = |at: usize| {
        let octets = body.get(at..at + 16).and_then(|octets| <[u8; 16]>::try_from(octets).ok());
        octets.map(Ipv6Addr::from).ok_or_else(|| wrong("cut short"))
    };
    match (version_command, family) {
        // LOCAL: the proxy itself.
        (0x20, _) => Ok(None),
        (0x21, 0x11) => {
            Ok(Some((SocketAddr::from((v4(0)?, port(8)?)), SocketAddr::from((v4(4)?, port(10)?)))))
        }
        (0x21, 0x21) => {
            let end = |ip: Ipv6Addr, port: u16| SocketAddr::new(IpAddr::V6(ip).to_canonical(), port);
            Ok(Some((end(v6(0)?, port(32)?), end(v6(16)?, port(34)?))))
        }
        (0x21, _) => Ok(None),
        _ => Err(wrong("version or command is unknown")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn version_1() {
        let ends = parse_v1("PROXY TCP4 192.0.2.7 198.51.100.1 56324 21").unwrap().unwrap();
        assert_eq!(ends, ("192.0.2.7:56324".parse().unwrap(), "198.51.100.1:21".parse().unwrap()));
        let ends = parse_v1("PROXY TCP6 2001:db8::7 2001:db8::1 1 2").unwrap().unwrap();
        assert_eq!(ends.0, "[2001:db8::7]:1".parse().unwrap());
        assert_eq!(parse_v1("PROXY UNKNOWN").unwrap(), None);
        for bad in ["PROXY TCP4 x y 1 2", "PROXY TCP4 192.0.2.7 192.0.2.8 70000 2", "USER me", "PROXY"] {
            assert!(parse_v1(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn version_2() {
        let body = [192, 0, 2, 7, 198, 51, 100, 1, 0xdc, 4, 0, 21, 0xee];
        let ends = parse_v2(0x21, 0x11, &body).unwrap().unwrap();
        assert_eq!(ends, ("192.0.2.7:56324".parse().unwrap(), "198.51.100.1:21".parse().unwrap()));
        assert_eq!(parse_v2(0x20, 0, &[]).unwrap(), None);
        assert!(parse_v2(0x21, 0x11, &body[..9]).is_err());
        assert!(parse_v2(0x31, 0x11, &body).is_err());
    }

    #[tokio::test]
    async fn not_an_octet_more_is_read() {
        use tokio::io::AsyncWriteExt;
        let v2 =
            [&V2_SIGNATURE[..], &[0x21, 0x11, 0, 12, 192, 0, 2, 7, 198, 51, 100, 1, 0xdc, 4, 0, 21]].concat();
        for header in [&b"PROXY TCP4 192.0.2.7 198.51.100.1 56324 21\r\n"[..], &v2] {
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
            let mut client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
            client.write_all(&[header, b"USER me\r\n"].concat()).await.unwrap();
            let mut stream = listener.accept().await.unwrap().0;
            let ends = read(&mut stream).await.unwrap().unwrap();
            assert_eq!(ends.0, "192.0.2.7:56324".parse().unwrap());
            let mut rest = [0; 9];
            stream.read_exact(&mut rest).await.unwrap();
            assert_eq!(&rest, b"USER me\r\n");
        }
    }
}
