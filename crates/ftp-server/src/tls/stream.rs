//! The TCP stream below TLS on a control connection: octets that were read before it, and an end that can be found. Not here:
//! what is done with either (`driver/control.rs`).

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// A stream whose first octets have been read already.
#[derive(Debug)]
pub(crate) struct Prefixed {
    prefix: Vec<u8>,
    stream: TcpStream,
    gate: Gate,
}

/// How much may be read at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Gate {
    /// As much as there is.
    Open,
    /// The header of a TLS record, so many of its octets are here. The last two are the length.
    Header { filled: usize, length: [u8; 2] },
    /// The rest of a record.
    Body { left: usize },
}

/// Octets of the header of a TLS record (RFC 8446 §5.1).
const HEADER: usize = 5;

impl Gate {
    /// The gate at the start of a record.
    const RECORD: Gate = Gate::Header { filled: 0, length: [0; 2] };

    /// How many octets may be read now.
    fn room(self) -> usize {
        match self {
            Self::Open => usize::MAX,
            Self::Header { filled, .. } => HEADER - filled,
            Self::Body { left } => left,
        }
    }

    /// The gate after `octets` were read.
    fn after(self, octets: &[u8]) -> Self {
        match self {
            Self::Open => Self::Open,
            Self::Header { filled, length: [_, last] } => {
                let length = match octets {
                    [] => return self,
                    [one] => [last, *one],
                    [.., high, low] => [*high, *low],
                };
                match filled + octets.len() {
                    HEADER => Self::Body { left: usize::from(u16::from_be_bytes(length)) },
                    filled => Self::Header { filled, length },
                }
            }
            Self::Body { left } if left > octets.len() => Self::Body { left: left - octets.len() },
            Self::Body { .. } => Self::RECORD,
        }
    }
}

impl Prefixed {
    /// A stream in front of which `prefix` was read.
    pub(crate) fn new(prefix: Vec<u8>, stream: TcpStream) -> Self {
        Self { prefix, stream, gate: Gate::Open }
    }

    /// From here on no read goes beyond the record in which it begins: what stands behind the last one stays in the socket.
    pub(crate) fn read_by_records(&mut self) {
        self.gate = Gate::RECORD;
    }

    pub(crate) fn tcp(&self) -> &TcpStream {
        &self.stream
    }

    pub(crate) fn tcp_mut(&mut self) -> &mut TcpStream {
        &mut self.stream
    }

    pub(crate) fn into_tcp(self) -> TcpStream {
        self.stream
    }
}

impl AsyncRead for Prefixed {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.prefix.is_empty() {
            if self.gate == Gate::Open {
                return Pin::new(&mut self.stream).poll_read(cx, buffer);
            }
            let room = self.gate.room().min(buffer.remaining());
            let mut part = ReadBuf::new(buffer.initialize_unfilled_to(room));
            ready!(Pin::new(&mut self.stream).poll_read(cx, &mut part))?;
            self.gate = self.gate.after(part.filled());
            let count = part.filled().len();
            buffer.advance(count);
            return Poll::Ready(Ok(()));
        }
        let count = self.prefix.len().min(buffer.remaining());
        buffer.put_slice(self.prefix.get(..count).unwrap_or_default());
        self.prefix.drain(..count);
        if self.prefix.is_empty() {
            self.prefix = Vec::new();
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Prefixed {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, data)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
