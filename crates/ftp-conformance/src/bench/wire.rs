//! A blocking connection, in clear or in TLS, for both sides of the benchmark: the generator and the bound.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::ops::Range;

use rustls::Connection;

/// Octets that are moved by one call.
pub(super) const PIECE: usize = 256 << 10;

/// TLS whose reads from the socket are large: rustls itself asks for 4 KiB at a time.
pub(super) struct Secured {
    connection: Connection,
    socket: TcpStream,
    buffer: Vec<u8>,
    /// What of `buffer` was not looked at.
    filled: Range<usize>,
}

impl Secured {
    /// Shakes hands; `buffer` is what the socket is read into.
    pub(super) fn new(mut connection: Connection, socket: TcpStream, buffer: Vec<u8>) -> io::Result<Self> {
        connection.set_buffer_limit(Some(2 * PIECE));
        let mut secured = Self { connection, socket, buffer, filled: 0..0 };
        secured.send()?;
        while secured.connection.is_handshaking() {
            if secured.receive()? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        Ok(secured)
    }

    fn send(&mut self) -> io::Result<()> {
        while self.connection.wants_write() {
            self.connection.write_tls(&mut self.socket)?;
        }
        Ok(())
    }

    /// Takes octets in and answers what has to be answered; 0 is the end of the connection.
    fn receive(&mut self) -> io::Result<usize> {
        if self.filled.is_empty() {
            self.filled = 0..self.socket.read(&mut self.buffer)?;
        }
        let mut rest = self.buffer.get(self.filled.clone()).unwrap_or_default();
        let count = self.connection.read_tls(&mut rest)?;
        self.filled.start += count;
        self.connection.process_new_packets().map_err(io::Error::other)?;
        self.send()?;
        Ok(count)
    }

    /// close_notify, then FIN.
    pub(super) fn finish(&mut self) -> io::Result<()> {
        self.connection.send_close_notify();
        self.send()?;
        self.socket.shutdown(Shutdown::Write)
    }

    /// Closes, and gives the buffer back for the next connection.
    pub(super) fn into_buffer(self) -> Vec<u8> {
        self.buffer
    }
}

impl Read for Secured {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            match self.connection.reader().read(buffer) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                done => return done,
            }
            if self.receive()? == 0 {
                // The reader says whether that was announced.
                return self.connection.reader().read(buffer);
            }
        }
    }
}

impl Write for Secured {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        let count = self.connection.writer().write(data)?;
        self.send()?;
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.send()
    }
}

/// Either kind of connection.
pub(super) enum Wire {
    Clear(TcpStream),
    Tls(Box<Secured>),
}

impl Wire {
    pub(super) fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Clear(stream) => stream.read(buffer),
            Self::Tls(stream) => stream.read(buffer),
        }
    }

    pub(super) fn write_all(&mut self, data: &[u8]) -> io::Result<()> {
        match self {
            Self::Clear(stream) => stream.write_all(data),
            Self::Tls(stream) => stream.write_all(data),
        }
    }
}
