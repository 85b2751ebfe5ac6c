//! How the data of an upload over TLS end: by close_notify, which proves that all of them are here (RFC 8446 §6.1), or by FIN
//! alone, which many clients send in its place, and which counts only where it is permitted.
//!
//! Not here: a data connection that is reset, which is a fault whatever is permitted.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;

use crate::tls::CloseNotify;

/// How the data ended, as far as they have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    /// As their protection demands: by close_notify, or by FIN in clear.
    Regular,
    /// By FIN under TLS, as in clear.
    Bare,
}

/// What comes over TLS, up to an end that is permitted.
pub(super) struct Read<'a> {
    pub(super) stream: &'a mut TlsStream<TcpStream>,
    pub(super) close_notify: CloseNotify,
    pub(super) ending: &'a mut Ending,
}

impl AsyncRead for Read<'_> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        match Pin::new(&mut *this.stream).poll_read(cx, buffer) {
            Poll::Ready(Err(error))
                if error.kind() == io::ErrorKind::UnexpectedEof
                    && this.close_notify == CloseNotify::Optional =>
            {
                *this.ending = Ending::Bare;
                Poll::Ready(Ok(()))
            }
            other => other,
        }
    }
}
