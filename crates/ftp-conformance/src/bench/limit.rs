//! The bound: a server that answers the generator's dialogue and checks nothing. A thread a session, blocking calls,
//! `sendfile`, large buffers, rustls with large reads; every password is right, every path is taken.
//!
//! It is not meant to be used for anything but to be compared with.

use std::fs::File;
use std::io::{self, PipeReader, PipeWriter, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::pipe::{SpliceFlags, splice};
use rustls::{ServerConfig, ServerConnection};

use crate::bench::wire::{PIECE, Secured, Wire};

/// What the server listens at and serves.
#[derive(Debug, Clone)]
pub struct Limit {
    /// Plain and explicit.
    pub address: SocketAddr,
    /// The folder.
    pub folder: PathBuf,
}

/// Octets of an upload that are written at once: a fifth cheaper than a quarter of them.
const UPLOAD: usize = 1 << 20;
/// Octets of an upload after which it goes by a pipe.
const PIPED_FROM: usize = 64 << 10;

/// Serves until it is killed.
///
/// # Errors
/// If it cannot listen, or make a certificate.
pub fn serve(limit: &Limit) -> io::Result<()> {
    let config = config()?;
    let listener = TcpListener::bind(limit.address)?;
    for stream in listener.incoming() {
        let (config, folder) = (Arc::clone(&config), limit.folder.clone());
        let stream = stream?;
        std::thread::spawn(move || {
            stream.set_nodelay(true)?;
            let home = stream.local_addr()?;
            let (piece, spare) = (vec![0; UPLOAD], vec![0; PIECE]);
            let wire = Wire::Clear(stream);
            let session = Session { wire, config, folder, home, passive: None, piece, spare, pipe: None };
            session.run()
        });
    }
    Ok(())
}

fn config() -> io::Result<Arc<ServerConfig>> {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).map_err(io::Error::other)?;
    let key = rustls::pki_types::PrivatePkcs8KeyDer::from(made.signing_key.serialize_der());
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .and_then(|builder| {
            builder.with_no_client_auth().with_single_cert(vec![made.cert.der().clone()], key.into())
        })
        .map_err(io::Error::other)?;
    config.ticketer = rustls::crypto::ring::Ticketer::new().map_err(io::Error::other)?;
    Ok(Arc::new(config))
}

struct Session {
    wire: Wire,
    config: Arc<ServerConfig>,
    folder: PathBuf,
    home: SocketAddr,
    passive: Option<TcpListener>,
    /// Buffers of data connections, made once.
    piece: Vec<u8>,
    spare: Vec<u8>,
    pipe: Option<(PipeReader, PipeWriter)>,
}

fn tell(done: &io::Result<()>) -> &'static [u8] {
    if done.is_ok() { b"250 \r\n" } else { b"550 \r\n" }
}

/// The rest of an upload.
fn splice_all(
    stream: &TcpStream,
    (out, into): &(PipeReader, PipeWriter),
    file: &File,
    mut offset: u64,
) -> io::Result<()> {
    loop {
        let mut left = splice(stream, None, into, None, UPLOAD, SpliceFlags::MOVE)?;
        if left == 0 {
            return Ok(());
        }
        while left > 0 {
            left -= splice(out, None, file, Some(&mut offset), left, SpliceFlags::MOVE)?;
        }
    }
}

/// The server's side of a handshake.
fn secured(config: &Arc<ServerConfig>, stream: TcpStream, buffer: Vec<u8>) -> io::Result<Secured> {
    let connection = ServerConnection::new(Arc::clone(config)).map_err(io::Error::other)?;
    Secured::new(connection.into(), stream, buffer)
}

impl Session {
    fn run(mut self) -> io::Result<()> {
        self.wire.write_all(b"220 \r\n")?;
        let mut octets = [0; 4096];
        let mut filled = 0;
        loop {
            match self.wire.read(octets.get_mut(filled..).unwrap_or_default())? {
                0 => return Ok(()),
                count => filled += count,
            }
            // The generator sends one line and waits.
            let line = octets.get(..filled).unwrap_or_default();
            if !line.ends_with(b"\r\n") {
                continue;
            }
            let line = String::from_utf8_lossy(line).into_owned();
            filled = 0;
            let (verb, argument) = line.trim_end().split_once(' ').unwrap_or((line.trim_end(), ""));
            let reply: &[u8] = match verb {
                "AUTH" => {
                    self.wire.write_all(b"234 \r\n")?;
                    self = self.secure()?;
                    continue;
                }
                "USER" => b"331 \r\n",
                "PASS" => b"230 \r\n",
                "EPSV" => {
                    self.listen()?;
                    continue;
                }
                "RETR" => self.send(argument)?,
                "STOR" => self.store(argument)?,
                "LIST" | "MLSD" => self.list(argument)?,
                "MKD" => tell(&std::fs::create_dir(self.folder.join(argument))),
                "RMD" => tell(&std::fs::remove_dir(self.folder.join(argument))),
                "DELE" => tell(&std::fs::remove_file(self.folder.join(argument))),
                "QUIT" => {
                    self.wire.write_all(b"221 \r\n")?;
                    return Ok(());
                }
                _ => b"200 \r\n",
            };
            self.wire.write_all(reply)?;
        }
    }

    fn secure(self) -> io::Result<Self> {
        let Wire::Clear(stream) = self.wire else { return Ok(self) };
        let secured = secured(&self.config, stream, vec![0; 4096])?;
        Ok(Self { wire: Wire::Tls(Box::new(secured)), ..self })
    }

    fn listen(&mut self) -> io::Result<()> {
        // One port for the whole session: looking for a free one grows dear with the connections in TIME_WAIT.
        if self.passive.is_none() {
            self.passive = Some(TcpListener::bind((self.home.ip(), 0))?);
        }
        let listener = self.passive.as_ref().ok_or(io::ErrorKind::NotConnected)?;
        let line = format!("229 (|||{}|)\r\n", listener.local_addr()?.port());
        self.wire.write_all(line.as_bytes())
    }

    /// The data connection, after its 150.
    fn data(&mut self) -> io::Result<Wire> {
        let listener = self.passive.as_ref().ok_or(io::ErrorKind::NotConnected)?;
        let (stream, _) = listener.accept()?;
        stream.set_nodelay(true)?;
        self.wire.write_all(b"150 \r\n")?;
        Ok(match &self.wire {
            Wire::Clear(_) => Wire::Clear(stream),
            Wire::Tls(_) => {
                let spare = std::mem::take(&mut self.spare);
                Wire::Tls(Box::new(secured(&self.config, stream, spare)?))
            }
        })
    }

    fn send(&mut self, name: &str) -> io::Result<&'static [u8]> {
        let file = File::open(self.folder.join(name))?;
        match self.data()? {
            Wire::Clear(stream) => {
                let mut offset = 0;
                while rustix::fs::sendfile(&stream, &file, Some(&mut offset), 1 << 20)? > 0 {}
            }
            Wire::Tls(mut stream) => {
                let mut offset = 0;
                loop {
                    let count = file.read_at(self.piece.get_mut(..PIECE).unwrap_or_default(), offset)?;
                    if count == 0 {
                        break;
                    }
                    offset += count as u64;
                    stream.write_all(self.piece.get(..count).unwrap_or_default())?;
                }
                stream.finish()?;
                self.spare = stream.into_buffer();
            }
        }
        Ok(b"226 \r\n")
    }

    fn store(&mut self, name: &str) -> io::Result<&'static [u8]> {
        let path = self.folder.join(name);
        let mut wire = self.data()?;
        let file = File::create(&path)?;
        let (mut filled, mut offset) = (0, 0);
        // What is long and in clear goes by a pipe, which spares a copy.
        let room = if matches!(wire, Wire::Clear(_)) { PIPED_FROM } else { self.piece.len() };
        loop {
            let count = wire.read(self.piece.get_mut(filled..room).unwrap_or_default())?;
            filled += count;
            if filled == room || count == 0 {
                file.write_all_at(self.piece.get(..filled).unwrap_or_default(), offset)?;
                offset += filled as u64;
                filled = 0;
            }
            if count == 0 {
                break;
            }
            if let Wire::Clear(stream) = &wire
                && filled == 0
            {
                splice_all(stream, self.pipe()?, &file, offset)?;
                break;
            }
        }
        if let Wire::Tls(mut stream) = wire {
            stream.finish()?;
            self.spare = stream.into_buffer();
        }
        Ok(b"226 \r\n")
    }

    /// A pipe for uploads, made once.
    fn pipe(&mut self) -> io::Result<&(PipeReader, PipeWriter)> {
        if self.pipe.is_none() {
            let (out, into) = io::pipe()?;
            rustix::pipe::fcntl_setpipe_size(&into, UPLOAD)?;
            self.pipe = Some((out, into));
        }
        self.pipe.as_ref().ok_or_else(|| io::ErrorKind::NotConnected.into())
    }

    /// Names and sizes: what any listing has to ask for.
    fn list(&mut self, name: &str) -> io::Result<&'static [u8]> {
        let mut wire = self.data()?;
        let mut out = Vec::with_capacity(PIECE);
        for entry in std::fs::read_dir(Path::new(&self.folder).join(name))? {
            let entry = entry?;
            let metadata = entry.metadata()?;
            writeln!(out, "-rw-r--r-- 1 0 0 {} {:?}\r", metadata.len(), entry.file_name())?;
            if out.len() > PIECE / 2 {
                wire.write_all(&out)?;
                out.clear();
            }
        }
        wire.write_all(&out)?;
        if let Wire::Tls(mut stream) = wire {
            stream.finish()?;
            self.spare = stream.into_buffer();
        }
        Ok(b"226 \r\n")
    }
}
