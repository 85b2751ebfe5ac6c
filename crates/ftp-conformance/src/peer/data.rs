//! The client's data connections, in the way that the cell says.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::axes::Data;
use crate::case::Stop;
use crate::peer::control::{Peer, Protected};
use crate::peer::reply::Reply;
use crate::peer::wire::Wire;

/// A data connection that is set up: the client has connected, or listens.
#[derive(Debug)]
pub enum Setup {
    /// Passive: connected.
    Connected(TcpStream),
    /// Active: the server will connect here.
    Listening(TcpListener),
}

/// The port in a 229 reply (RFC 2428 §3): three delimiters, the port, one delimiter, all the same.
///
/// # Errors
/// [`Stop::Fails`] if it has another form.
pub fn extended_port(reply: &Reply) -> Result<u16, Stop> {
    let text = reply.text();
    let inner = text.split_once('(').and_then(|(_, rest)| rest.split_once(')')).map(|(inner, _)| inner);
    let wrong = || Stop::fails("(<d><d><d>port<d>) with one printable delimiter", text.clone());
    let inner = inner.ok_or_else(wrong)?;
    let delimiter = inner.chars().next().filter(char::is_ascii_graphic).ok_or_else(wrong)?;
    let fields: Vec<&str> = inner.split(delimiter).collect();
    match fields.as_slice() {
        ["", "", "", port, ""] => port.parse().ok().filter(|port| *port > 0).ok_or_else(wrong),
        _ => Err(wrong()),
    }
}

/// The address in a 227 reply: six numbers in parentheses, on one line.
///
/// # Errors
/// [`Stop::Fails`] if it has another form.
pub fn passive_address(reply: &Reply) -> Result<SocketAddr, Stop> {
    let text = reply.text();
    let wrong = || Stop::fails("227 with (h1,h2,h3,h4,p1,p2), each from 0 to 255", text.clone());
    let inner = text.split_once('(').and_then(|(_, rest)| rest.split_once(')')).map(|(inner, _)| inner);
    let numbers: Option<Vec<u8>> =
        inner.ok_or_else(wrong)?.split(',').map(|number| number.parse().ok()).collect();
    match numbers.ok_or_else(wrong)?.as_slice() {
        [a, b, c, d, high, low] => {
            Ok(SocketAddr::from(([*a, *b, *c, *d], u16::from_be_bytes([*high, *low]))))
        }
        _ => Err(wrong()),
    }
}

impl Peer {
    /// Asks for a passive port: EPSV, or PASV in cells that say so. The address to connect to.
    ///
    /// # Errors
    /// [`Stop::Fails`] if there is none.
    pub async fn passive(&mut self) -> Result<SocketAddr, Stop> {
        if self.context.cell.data == Data::Pasv {
            let reply = self.expect("PASV", &[227]).await?;
            return passive_address(&reply);
        }
        let reply = self.expect("EPSV", &[229]).await?;
        Ok(SocketAddr::new(self.ends.1.ip(), extended_port(&reply)?))
    }

    /// Sets up a data connection.
    ///
    /// # Errors
    /// [`Stop::Fails`] if the server does not do its part; [`Stop::Unsupported`] if it refuses active mode.
    pub async fn set_up(&mut self) -> Result<Setup, Stop> {
        let broken = |error: std::io::Error| Stop::fails("a data connection", error.to_string());
        if matches!(self.context.cell.data, Data::Pasv | Data::Epsv) {
            let address = self.passive().await?;
            return self
                .context
                .in_time(TcpStream::connect(address))
                .await?
                .map(Setup::Connected)
                .map_err(broken);
        }
        let listener = TcpListener::bind(SocketAddr::new(self.ends.0.ip(), 0)).await.map_err(broken)?;
        let address = listener.local_addr().map_err(broken)?;
        let line = self.active_line(address);
        let reply = self.command(&line).await?;
        match reply.code {
            200 => Ok(Setup::Listening(listener)),
            500 | 502 => Err(Stop::Unsupported(format!("active mode: {}", reply.show()))),
            _ => Err(Stop::fails("200 to PORT and EPRT", reply.show())),
        }
    }

    /// PORT or EPRT for that address, as the cell says.
    #[must_use]
    pub fn active_line(&self, address: SocketAddr) -> String {
        match (self.context.cell.data, address) {
            (Data::Port, SocketAddr::V4(v4)) => {
                let [a, b, c, d] = v4.ip().octets();
                let [high, low] = v4.port().to_be_bytes();
                format!("PORT {a},{b},{c},{d},{high},{low}")
            }
            (_, SocketAddr::V4(v4)) => format!("EPRT |1|{}|{}|", v4.ip(), v4.port()),
            (_, SocketAddr::V6(v6)) => format!("EPRT |2|{}|{}|", v6.ip(), v6.port()),
        }
    }

    /// The data connection itself, after the 150, protected as PROT says.
    ///
    /// # Errors
    /// [`Stop::Fails`] if it does not come about.
    pub async fn meet(&mut self, setup: Setup) -> Result<Wire, Stop> {
        let broken = |error: std::io::Error| Stop::fails("a data connection", error.to_string());
        let stream = match setup {
            Setup::Connected(stream) => stream,
            Setup::Listening(listener) => self.context.in_time(listener.accept()).await?.map_err(broken)?.0,
        };
        if self.protected == Protected::No {
            return Ok(Wire::Clear(stream));
        }
        let shaken = self.shake(stream).await?;
        shaken.map_err(|error| Stop::fails("a TLS handshake on the data connection", error.to_string()))
    }

    /// Runs a command that sends data; the data and the final reply, or the reply alone if there was no 150.
    ///
    /// # Errors
    /// [`Stop::Fails`] if the transfer breaks.
    pub async fn fetch(&mut self, line: &str) -> Result<(Vec<u8>, Reply), Stop> {
        let setup = self.set_up().await?;
        self.fetch_over(setup, line).await
    }

    /// The same over a data connection that is set up already.
    ///
    /// # Errors
    /// As for [`Peer::fetch`].
    pub async fn fetch_over(&mut self, setup: Setup, line: &str) -> Result<(Vec<u8>, Reply), Stop> {
        let first = self.command(line).await?;
        if first.code / 100 != 1 {
            return Ok((Vec::new(), first));
        }
        let mut wire = self.meet(setup).await?;
        let mut data = Vec::new();
        let read = self.context.in_time(wire.read_to_end(&mut data)).await?;
        read.map_err(|error| Stop::fails("a clean end of the data", error.to_string()))?;
        self.context.transcript.note('*', format!("{} octets of data", data.len()).as_bytes());
        drop(wire);
        Ok((self.context.seen(data), self.reply().await?))
    }

    /// The content of a file, which has to be there.
    ///
    /// # Errors
    /// [`Stop::Fails`] if it cannot be had.
    pub async fn get(&mut self, name: &str) -> Result<Vec<u8>, Stop> {
        let (data, reply) = self.fetch(&format!("RETR {name}")).await?;
        match reply.code {
            226 | 250 => Ok(data),
            _ => Err(Stop::fails(format!("226 to RETR {name}"), reply.show())),
        }
    }

    /// The listing that a command yields.
    ///
    /// # Errors
    /// [`Stop::Fails`] if it cannot be had.
    pub async fn listing(&mut self, line: &str) -> Result<Vec<String>, Stop> {
        let (data, reply) = self.fetch(line).await?;
        if !matches!(reply.code, 226 | 250) {
            return Err(Stop::fails(format!("226 to {line}"), reply.show()));
        }
        let text = String::from_utf8_lossy(&data).into_owned();
        if !text.is_empty() && !text.ends_with("\r\n") {
            return Err(Stop::fails("lines that end in CR LF", format!("{text:?}")));
        }
        let lines: Vec<String> = text.split_terminator("\r\n").map(str::to_owned).collect();
        match lines.iter().find(|line| line.contains('\n')) {
            Some(line) => Err(Stop::fails("lines that end in CR LF", format!("{line:?}"))),
            None => Ok(lines),
        }
    }

    /// Runs a command that takes data; the final reply, or the first if there was no 150.
    ///
    /// # Errors
    /// [`Stop::Fails`] if the transfer breaks.
    pub async fn offer(&mut self, line: &str, data: &[u8]) -> Result<Reply, Stop> {
        let setup = self.set_up().await?;
        let first = self.command(line).await?;
        if first.code / 100 != 1 {
            return Ok(first);
        }
        let mut wire = self.meet(setup).await?;
        let broken =
            |error: std::io::Error| Stop::fails("a data connection that takes data", error.to_string());
        wire.write_all(data).await.map_err(broken)?;
        wire.finish().await.map_err(broken)?;
        self.reply().await
    }

    /// The same for a server that may refuse the data connection, or stop reading before the end: the final reply.
    ///
    /// # Errors
    /// [`Stop::Fails`] if there is none.
    pub async fn offer_against(&mut self, line: &str, data: &[u8]) -> Result<Reply, Stop> {
        let setup = self.set_up().await?;
        let first = self.command(line).await?;
        if first.code / 100 != 1 {
            return Ok(first);
        }
        if let Ok(mut wire) = self.meet(setup).await {
            // Whether it is all taken is what the reply is about.
            let _taken = self.context.in_time(wire.write_all(data)).await?;
            let _ended = self.context.in_time(wire.finish()).await?;
        }
        self.reply().await
    }

    /// As [`Peer::fetch`], for a server that may refuse the data connection, or break off: what came of the data, and
    /// the final reply.
    ///
    /// # Errors
    /// [`Stop::Fails`] if there is none.
    pub async fn fetch_against(&mut self, line: &str) -> Result<(Vec<u8>, Reply), Stop> {
        let setup = self.set_up().await?;
        let first = self.command(line).await?;
        if first.code / 100 != 1 {
            return Ok((Vec::new(), first));
        }
        let mut data = Vec::new();
        if let Ok(mut wire) = self.meet(setup).await {
            let _end = self.context.in_time(wire.read_to_end(&mut data)).await?;
        }
        Ok((self.context.seen(data), self.reply().await?))
    }

    /// Stores a file, which has to work.
    ///
    /// # Errors
    /// [`Stop::Fails`] if it does not.
    pub async fn put(&mut self, name: &str, data: &[u8]) -> Result<(), Stop> {
        let reply = self.offer(&format!("STOR {name}"), data).await?;
        match reply.code {
            226 | 250 => Ok(()),
            _ => Err(Stop::fails(format!("226 to STOR {name}"), reply.show())),
        }
    }
}
