//! One TCP connection of the client, in clear or in TLS, and the ways it can end.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

use crate::axes::End;

/// One connection.
#[derive(Debug)]
pub enum Wire {
    /// In clear.
    Clear(TcpStream),
    /// In TLS.
    Tls(Box<TlsStream<TcpStream>>),
}

impl Wire {
    /// The TCP connection.
    #[must_use]
    pub fn socket(&self) -> &TcpStream {
        match self {
            Self::Clear(stream) => stream,
            Self::Tls(stream) => stream.get_ref().0,
        }
    }

    /// Ends the connection as clients do that wait for the server's end: what it still sends, such as tickets, is read.
    ///
    /// # Errors
    /// If the server has ended it already.
    pub async fn finish(mut self) -> io::Result<()> {
        self.shutdown().await?;
        let mut void = [0; 1024];
        let drain = async { while self.read(&mut void).await.is_ok_and(|count| count > 0) {} };
        // A server may keep its side open for longer; the client need not wait.
        let _late = tokio::time::timeout(Duration::from_millis(500), drain).await;
        Ok(())
    }

    /// Ends the connection in that way. What the server sends from now on is not read.
    ///
    /// # Errors
    /// If the server has ended it already.
    pub async fn end(self, end: End) -> io::Result<()> {
        match (end, self) {
            (End::CloseNotify, mut wire) => wire.shutdown().await,
            (End::Fin, Self::Clear(mut stream)) => stream.shutdown().await,
            (End::Fin, Self::Tls(stream)) => stream.into_inner().0.shutdown().await,
            (End::Rst, wire) => socket2::SockRef::from(wire.socket()).set_linger(Some(Duration::ZERO)),
        }
    }
}

impl AsyncRead for Wire {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Clear(stream) => Pin::new(stream).poll_read(cx, buffer),
            Self::Tls(stream) => Pin::new(stream).poll_read(cx, buffer),
        }
    }
}

impl AsyncWrite for Wire {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Clear(stream) => Pin::new(stream).poll_write(cx, data),
            Self::Tls(stream) => Pin::new(stream).poll_write(cx, data),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Clear(stream) => Pin::new(stream).poll_flush(cx),
            Self::Tls(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Clear(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}
