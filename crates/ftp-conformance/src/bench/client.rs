//! The generator's client: blocking, one thread each, as few calls and copies as a client can do with.

use std::fs::File;
use std::io::{self, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use rustix::pipe::{SpliceFlags, splice};
use rustls::client::Resumption;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection};

use crate::axes::Security;
use crate::bench::wire::{PIECE, Secured, Wire};
use crate::peer::tls::AnyCertificate;

/// How long a server may take for anything.
const PATIENCE: Duration = Duration::from_secs(60);

/// What every session of one run shares.
#[derive(Debug, Clone)]
pub(super) struct Place {
    pub(super) address: SocketAddr,
    pub(super) security: Security,
    pub(super) user: String,
    pub(super) password: String,
}

/// A configuration that takes any certificate; its tickets are kept for those who share it.
pub(super) fn tls() -> Result<Arc<ClientConfig>, rustls::Error> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(AnyCertificate(provider)))
        .with_no_client_auth();
    config.resumption = Resumption::in_memory_sessions(8);
    Ok(Arc::new(config))
}

/// A session that is logged in.
pub(super) struct Session {
    wire: Wire,
    input: Vec<u8>,
    home: IpAddr,
    config: Arc<ClientConfig>,
    security: Security,
    spare: Vec<u8>,
}

fn socket(address: SocketAddr) -> io::Result<TcpStream> {
    let stream = TcpStream::connect(address)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    Ok(stream)
}

/// The client's side of a handshake.
fn secured(config: &Arc<ClientConfig>, stream: TcpStream, buffer: Vec<u8>) -> io::Result<Secured> {
    let name = ServerName::try_from("localhost").map_err(io::Error::other)?;
    let connection = ClientConnection::new(Arc::clone(config), name).map_err(io::Error::other)?;
    Secured::new(connection.into(), stream, buffer)
}

impl Session {
    /// Connects, protects, logs in, and asks for TYPE I.
    pub(super) fn open(place: &Place, config: Arc<ClientConfig>) -> io::Result<Self> {
        let stream = socket(place.address)?;
        let home = place.address.ip();
        let mut session = Self {
            wire: Wire::Clear(stream),
            input: Vec::new(),
            home,
            config,
            security: place.security,
            spare: Vec::new(),
        };
        if place.security == Security::Implicit {
            session = session.secure()?;
        }
        session.expect(2)?;
        if place.security == Security::Explicit {
            session.command("AUTH TLS", 2)?;
            session = session.secure()?;
        }
        session.command(&format!("USER {}", place.user), 3)?;
        session.command(&format!("PASS {}", place.password), 2)?;
        if place.security != Security::Plain {
            session.command("PBSZ 0", 2)?;
            session.command("PROT P", 2)?;
        }
        session.command("TYPE I", 2)?;
        Ok(session)
    }

    fn secure(self) -> io::Result<Self> {
        let Wire::Clear(stream) = self.wire else { return Ok(self) };
        let secured = secured(&self.config, stream, vec![0; 4096])?;
        Ok(Self { wire: Wire::Tls(Box::new(secured)), ..self })
    }

    /// The next reply, whose code has to begin with `class`.
    pub(super) fn expect(&mut self, class: u8) -> io::Result<String> {
        let reply = self.reply()?;
        if reply.as_bytes().first() == Some(&(b'0' + class)) {
            return Ok(reply);
        }
        Err(io::Error::other(format!("the server said: {reply}")))
    }

    fn reply(&mut self) -> io::Result<String> {
        let mut line = self.line()?;
        if line.get(3..4) == Some("-") {
            let end = format!("{} ", line.get(..3).unwrap_or_default());
            while !line.starts_with(&end) {
                line = self.line()?;
            }
        }
        Ok(line)
    }

    fn line(&mut self) -> io::Result<String> {
        loop {
            if let Some(end) = self.input.windows(2).position(|pair| pair == b"\r\n") {
                let line = String::from_utf8_lossy(self.input.get(..end).unwrap_or_default()).into_owned();
                self.input.drain(..end + 2);
                return Ok(line);
            }
            let mut octets = [0; 1024];
            match self.wire.read(&mut octets)? {
                0 => return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the server hung up")),
                count => self.input.extend_from_slice(octets.get(..count).unwrap_or_default()),
            }
        }
    }

    pub(super) fn command(&mut self, line: &str, class: u8) -> io::Result<String> {
        self.wire.write_all(format!("{line}\r\n").as_bytes())?;
        self.expect(class)
    }

    /// A data connection over EPSV on which `line` was begun.
    fn begin(&mut self, line: &str) -> io::Result<Wire> {
        let reply = self.command("EPSV", 2)?;
        let port = reply.rsplit('|').nth(1).and_then(|port| port.parse().ok());
        let port = port.ok_or_else(|| io::Error::other(format!("no port in {reply:?}")))?;
        let stream = socket(SocketAddr::new(self.home, port))?;
        self.command(line, 1)?;
        if self.security == Security::Plain {
            return Ok(Wire::Clear(stream));
        }
        let spare = self.spare();
        Ok(Wire::Tls(Box::new(secured(&self.config, stream, spare)?)))
    }

    /// A buffer for a data connection: the last one's, if it was given back.
    fn spare(&mut self) -> Vec<u8> {
        let mut spare = std::mem::take(&mut self.spare);
        spare.resize(PIECE, 0);
        spare
    }

    /// Downloads into nothing; how many octets came.
    pub(super) fn get(&mut self, line: &str, void: &mut Void) -> io::Result<u64> {
        let mut wire = self.begin(line)?;
        let count = match &mut wire {
            Wire::Clear(stream) => void.drain(stream)?,
            Wire::Tls(stream) => {
                let mut count = 0;
                loop {
                    match stream.read(&mut void.buffer)? {
                        0 => break count,
                        octets => count += octets as u64,
                    }
                }
            }
        };
        match wire {
            // ProFTPD waits for this before it says that the transfer is complete.
            Wire::Clear(stream) => drop(stream),
            Wire::Tls(mut stream) => {
                // The server may have closed already.
                let _gone = stream.finish();
                self.spare = stream.into_buffer();
            }
        }
        self.expect(2)?;
        Ok(count)
    }

    /// Downloads into memory.
    pub(super) fn fetch(&mut self, line: &str) -> io::Result<Vec<u8>> {
        let mut wire = self.begin(line)?;
        let (mut data, mut buffer) = (Vec::new(), vec![0; PIECE]);
        loop {
            match wire.read(&mut buffer)? {
                0 => break,
                count => data.extend_from_slice(buffer.get(..count).unwrap_or_default()),
            }
        }
        drop(wire);
        self.expect(2)?;
        Ok(data)
    }

    /// Uploads `cargo`.
    pub(super) fn put(&mut self, line: &str, cargo: &Cargo) -> io::Result<()> {
        match self.begin(line)? {
            Wire::Clear(stream) => cargo.send(&stream)?,
            Wire::Tls(mut stream) => {
                for piece in cargo.octets.chunks(PIECE) {
                    stream.write_all(piece)?;
                }
                stream.finish()?;
                // A server that answers with close_notify is heard out.
                let _end = stream.read(&mut [0; 16]);
                self.spare = stream.into_buffer();
            }
        }
        self.expect(2).map(drop)
    }
}

/// Where downloads go.
pub(super) struct Void {
    pipe: (std::os::fd::OwnedFd, std::os::fd::OwnedFd),
    null: File,
    buffer: Vec<u8>,
}

impl Void {
    pub(super) fn new() -> io::Result<Self> {
        let pipe = rustix::pipe::pipe()?;
        // With a pipe of the usual 64 KiB it works as well, only slower.
        let _refused = rustix::pipe::fcntl_setpipe_size(&pipe.1, 1 << 20);
        let null = File::options().write(true).open("/dev/null")?;
        Ok(Self { pipe, null, buffer: vec![0; PIECE] })
    }

    /// Everything a socket brings goes to /dev/null without being looked at.
    fn drain(&self, stream: &TcpStream) -> io::Result<u64> {
        let mut count = 0;
        loop {
            let moved = splice(stream, None, &self.pipe.1, None, 1 << 20, SpliceFlags::MOVE)?;
            if moved == 0 {
                return Ok(count);
            }
            let mut left = moved;
            while left > 0 {
                left -= splice(&self.pipe.0, None, &self.null, None, left, SpliceFlags::MOVE)?;
            }
            count += moved as u64;
        }
    }
}

/// What uploads carry.
pub(super) struct Cargo {
    pub(super) octets: Vec<u8>,
    file: File,
}

impl Cargo {
    pub(super) fn new(size: usize) -> io::Result<Self> {
        let block: Vec<u8> = (0..65_521_u32).map(|index| index.wrapping_mul(31).to_le_bytes()[1]).collect();
        let mut octets = block.repeat(size.div_ceil(block.len()));
        octets.truncate(size);
        let mut file = tempfile::tempfile()?;
        file.write_all(&octets)?;
        Ok(Self { octets, file })
    }

    fn send(&self, stream: &TcpStream) -> io::Result<()> {
        let (mut offset, end) = (0, self.octets.len() as u64);
        while offset < end {
            rustix::fs::sendfile(stream, &self.file, Some(&mut offset), 1 << 20)?;
        }
        stream.shutdown(std::net::Shutdown::Write)
    }
}
