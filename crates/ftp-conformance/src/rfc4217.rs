//! TLS on both kinds of connection (RFC 4217, RFC 2228, RFC 9325, RFC 8996, ALPACA).

use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use crate::axes::Version;
use crate::case::{Outcome, Stop};
use crate::context::Context;
use crate::peer::Peer;
use crate::peer::wire::Wire;

pub(crate) mod auth;
pub(crate) mod data;
pub(crate) mod implicit;
pub(crate) mod policy;
pub(crate) mod session;
pub(crate) mod versions;

/// A client in TLS, before PBSZ.
pub(super) async fn bare(context: &Context) -> Result<Peer, Stop> {
    let mut peer = context.greet().await?;
    peer.expect("AUTH TLS", &[234]).await?;
    peer.secure().await?;
    Ok(peer)
}

/// Begins a protected upload.
pub(super) async fn upload(peer: &mut Peer, data: &[u8]) -> Result<Wire, Stop> {
    let broken = |error: std::io::Error| Stop::fails("a protected data connection", error.to_string());
    let address = peer.passive().await?;
    let stream = TcpStream::connect(address).await.map_err(broken)?;
    peer.expect("STOR f", &[150, 125]).await?;
    let mut wire = peer.shake(stream).await?.map_err(broken)?;
    wire.write_all(data).await.map_err(broken)?;
    wire.flush().await.map_err(broken)?;
    Ok(wire)
}

/// A whole session in one version of TLS.
pub(super) async fn version(context: Context, version: Version) -> Outcome {
    let context = context.with(|cell| cell.version = version);
    context.login().await?.listing("LIST").await.map(drop)
}
