//! TLS on both kinds of connection (RFC 4217, RFC 2228, RFC 9325, RFC 8996, ALPACA).

use std::sync::Arc;

use rustls::pki_types::ServerName;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use crate::axes::Version;
use crate::case::{Outcome, Stop};
use crate::context::Context;

pub(crate) mod auth;
pub(crate) mod data;
pub(crate) mod implicit;

/// A client in TLS, before PBSZ.
pub(super) async fn bare(context: &Context) -> Result<crate::peer::Peer, Stop> {
    let mut peer = context.greet().await?;
    peer.expect("AUTH TLS", &[234]).await?;
    peer.secure().await?;
    Ok(peer)
}

/// Begins a protected upload; the TLS stream, over TCP.
pub(super) async fn upload(
    peer: &mut crate::peer::Peer,
    data: &[u8],
) -> Result<tokio_rustls::client::TlsStream<TcpStream>, Stop> {
    let broken = |error: std::io::Error| Stop::fails("a protected data connection", error.to_string());
    let address = peer.passive().await?;
    let stream = TcpStream::connect(address).await.map_err(broken)?;
    peer.expect("STOR f", &[150, 125]).await?;
    let name = ServerName::try_from("localhost").map_err(|error| Stop::Broken(error.to_string()))?;
    let connector = tokio_rustls::TlsConnector::from(Arc::clone(&peer.tls));
    let mut wire = peer.context.in_time(connector.connect(name, stream)).await?.map_err(broken)?;
    wire.write_all(data).await.map_err(broken)?;
    wire.flush().await.map_err(broken)?;
    Ok(wire)
}

/// A whole session in one version of TLS.
pub(super) async fn version(context: Context, version: Version) -> Outcome {
    let context = Context { cell: crate::axes::Cell { version, ..context.cell }, ..context };
    context.login().await?.listing("LIST").await.map(drop)
}
