//! The client's TLS: AUTH, handshakes, names and protocols offered, and the way back into clear.

use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::axes::Security;
use crate::case::{Stop, must};
use crate::peer::control::{Peer, Protected};
use crate::peer::tls;
use crate::peer::wire::Wire;

impl Peer {
    /// A client's side of a TLS handshake, on whichever connection.
    ///
    /// # Errors
    /// [`Stop::Fails`] if it takes too long; the inner error if it fails.
    pub async fn shake(&self, stream: TcpStream) -> Result<std::io::Result<Wire>, Stop> {
        let shaking = tls::shake(&self.tls, self.server_name, stream, &self.context.transcript);
        Ok(self.context.in_time(shaking).await?.map(Wire::Tls))
    }

    /// From now on handshakes name no server.
    pub fn indicate_nothing(&mut self) {
        let mut tls = (*self.tls).clone();
        tls.enable_sni = false;
        self.tls = Arc::new(tls);
    }

    /// From now on handshakes offer these protocols.
    ///
    /// # Errors
    /// [`Stop::Broken`] if TLS cannot be set up.
    pub fn offer_alpn(&mut self, alpn: &[&[u8]]) -> Result<(), Stop> {
        let tls = tls::client(self.context.cell.version, alpn, &self.tickets);
        self.tls = tls.map_err(|error| Stop::Broken(error.to_string()))?;
        Ok(())
    }

    /// Starts TLS on the control connection.
    ///
    /// # Errors
    /// [`Stop::Fails`] if the handshake does.
    pub async fn secure(&mut self) -> Result<(), Stop> {
        let Some(Wire::Clear(stream)) = self.wire.take() else {
            return Err(Stop::Broken("no connection in clear".to_owned()));
        };
        let shaken = self.shake(stream).await?;
        self.wire = Some(shaken.map_err(|error| Stop::fails("a TLS handshake", error.to_string()))?);
        Ok(())
    }

    /// Ends TLS on the control connection with close_notify in both directions, and goes on in clear.
    ///
    /// # Errors
    /// [`Stop::Fails`] if the server does not do its part.
    pub async fn unsecure(&mut self) -> Result<(), Stop> {
        let Some(Wire::Tls(mut stream)) = self.wire.take() else {
            return Err(Stop::Broken("no connection in TLS".to_owned()));
        };
        let failed = |error: std::io::Error| Stop::fails("close_notify of the server", error.to_string());
        stream.get_mut().1.send_close_notify();
        stream.flush().await.map_err(failed)?;
        let mut rest = Vec::new();
        self.context.in_time(stream.read_to_end(&mut rest)).await?.map_err(failed)?;
        self.wire = Some(Wire::Clear(stream.into_inner().0));
        must!(rest.is_empty(), "nothing between the reply and close_notify", String::from_utf8_lossy(&rest))
    }

    /// The certificates that the server showed on the control connection, leaf first.
    #[must_use]
    pub fn certificates(&self) -> Vec<CertificateDer<'static>> {
        match &self.wire {
            Some(Wire::Tls(stream)) => stream.get_ref().1.peer_certificates().unwrap_or_default().to_vec(),
            Some(Wire::Clear(_)) | None => Vec::new(),
        }
    }

    /// AUTH TLS, PBSZ and PROT as the cell asks.
    ///
    /// # Errors
    /// [`Stop::Skipped`] if the server has no TLS.
    pub async fn protect(&mut self) -> Result<(), Stop> {
        match self.context.cell.security {
            Security::Plain => return Ok(()),
            Security::Explicit => {
                let reply = self.command("AUTH TLS").await?;
                if reply.code != 234 {
                    return Err(Stop::Skipped(format!("AUTH TLS: {}", reply.show())));
                }
                self.secure().await?;
            }
            // As clients do, although data are thought to be protected from the start: some servers need to be told.
            Security::Implicit => {}
        }
        self.expect("PBSZ 0", &[200]).await?;
        self.expect("PROT P", &[200]).await?;
        self.protected = Protected::Yes;
        Ok(())
    }
}
