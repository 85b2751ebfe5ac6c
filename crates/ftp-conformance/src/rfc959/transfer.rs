//! Transfers: their replies, their ends, ABOR, pipelining, and what becomes of files (RFC 959 §3.4.1, §4.1.3, §5.4).

use tokio::io::AsyncWriteExt;

use crate::case::{Outcome, Stop};
use crate::peer::Peer;
use crate::peer::wire::Wire;

pub(crate) mod commands;
pub(crate) mod ends;
pub(crate) mod interrupted;

pub(super) fn octets(count: usize) -> Vec<u8> {
    (0..count).map(|index| u8::try_from((index * 31 + index / 256) % 256).unwrap_or(0)).collect()
}

pub(super) fn same(wanted: &[u8], data: &[u8]) -> Outcome {
    match wanted == data {
        true => Ok(()),
        false => Err(Stop::fails(
            format!("{} octets as stored", wanted.len()),
            format!("{} octets, or others", data.len()),
        )),
    }
}

/// Begins an upload and sends some of it.
pub(super) async fn half(peer: &mut Peer, line: &str, data: &[u8]) -> Result<Wire, Stop> {
    let setup = peer.set_up().await?;
    peer.expect(line, &[150, 125]).await?;
    let mut wire = peer.meet(setup).await?;
    let broken = |error: std::io::Error| Stop::fails("a data connection that takes data", error.to_string());
    wire.write_all(data).await.map_err(broken)?;
    wire.flush().await.map_err(broken)?;
    Ok(wire)
}

pub(super) async fn refused(peer: &mut Peer, line: &str) -> Outcome {
    let reply = peer.offer(line, b"x").await?;
    match reply.code {
        550 | 553 | 501 | 500 | 451 => Ok(()),
        _ => Err(Stop::fails(format!("550 or 553 to {line}"), reply.show())),
    }
}
