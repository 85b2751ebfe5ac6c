//! Replies and ends of transfers (RFC 959 §3.4.1, §5.4).

use std::time::Duration;

use tokio::io::AsyncReadExt;

use super::{half, octets, same};
use crate::axes::{End, Way};
use crate::case::{Outcome, Stop, cases};
use crate::context::Context;
use crate::peer::Peer;
use crate::peer::wire::Wire;

cases! {
    sequence: ["RFC959-5.4-DAT-1", "RFC959-4.2-REPLY-8", "RFC959-6-REPLY-10"] Data [Write];
    all_sent: ["RFC959-5.2-DAT-2", "RFC959-3.4.1-DAT-8"] Data [Write];
    stored_at_226: ["RFC959-5.4-DAT-3", "PRAC-STOR-7"] Data [Write];
    ends: ["RFC959-5.4-DAT-5", "PRAC-LIST-11"] Ends [Write];
    refused_without_150: ["RFC959-5.4-DAT-7", "RFC959-5.4-RETR-2"] Data;
    close_at_once: ["RFC959-5.2-DAT-9"] Data [Write];
    connect_before_or_after: ["RFC4217-12.5-DAT-10"] Data [Write];
    opening_code: ["RFC959-5.4-DAT-11"] Data [Write];
    empty_files: ["PRAC-DAT-12"] Data [Write];
    many_transfers: ["PRAC-DAT-14"] Data [Write];
    one_at_a_time: ["PRAC-DAT-17"] Data [Write];
}

async fn sequence(context: Context) -> Outcome {
    let mut peer = context.scratch().await?;
    for line in ["STOR f", "APPE f", "STOU"] {
        let reply = peer.offer(line, b"x").await?;
        if !matches!(reply.code, 226 | 250) {
            return Err(Stop::fails(format!("226 or 250 to {line}"), reply.show()));
        }
    }
    for line in ["RETR f", "LIST", "NLST"] {
        let (_, reply) = peer.fetch(line).await?;
        if !matches!(reply.code, 226 | 250) {
            return Err(Stop::fails(format!("226 or 250 to {line}"), reply.show()));
        }
    }
    peer.expect_silence(Duration::from_millis(50)).await
}

async fn all_sent(context: Context) -> Outcome {
    let mut peer = context.scratch().await?;
    let content = octets(4 << 20);
    peer.put("f", &content).await?;
    let setup = peer.set_up().await?;
    peer.expect("RETR f", &[150, 125]).await?;
    let mut wire = peer.meet(setup).await?;
    tokio::time::sleep(Duration::from_millis(50)).await;
    let mut data = Vec::new();
    let read = context.in_time(wire.read_to_end(&mut data)).await?;
    read.map_err(|error| Stop::fails("a clean end of the data", error.to_string()))?;
    drop(wire);
    peer.expect_reply(&[226, 250]).await?;
    same(&content, &context.seen(data))
}

async fn stored_at_226(context: Context) -> Outcome {
    let (mut one, mut other) = (context.scratch().await?, context.login().await?);
    let path = crate::rfc959::files::place(&mut one).await?;
    for round in 1..=10 {
        let content = octets(round * 1000);
        one.put("f", &content).await?;
        let data = other.get(&format!("{path}/f")).await?;
        same(&content, &data)?;
    }
    Ok(())
}

/// A transfer under way in the cell's way: an upload of which some is sent, or data of which some have come.
async fn begun(peer: &mut Peer) -> Result<Wire, Stop> {
    match peer.context.cell.way {
        Some(Way::Up) | None => half(peer, "STOR f", &octets(100_000)).await,
        Some(way) => {
            let setup = peer.set_up().await?;
            peer.expect(if way == Way::List { "LIST" } else { "RETR big" }, &[150, 125]).await?;
            let mut wire = peer.meet(setup).await?;
            let read = peer.context.in_time(wire.read(&mut [0; 100])).await?;
            read.map_err(|error| Stop::fails("data", error.to_string()))?;
            Ok(wire)
        }
    }
}

async fn ends(context: Context) -> Outcome {
    let mut peer = context.scratch().await?;
    peer.put("big", &octets(8 << 20)).await?;
    let wire = begun(&mut peer).await?;
    let (end, is_protected) = (context.cell.end.unwrap_or(End::Rst), matches!(wire, Wire::Tls(_)));
    // The server may have closed already: a short listing is sent in one go.
    let _gone = wire.end(end).await;
    let codes: &[u16] = match (context.cell.way, end) {
        (Some(Way::Up) | None, End::CloseNotify) => &[226, 250],
        (Some(Way::Up) | None, End::Fin) if !is_protected => &[226, 250],
        // TLS that ends without close_notify may be cut short; whether that is seen, RFC 8446 §6.1 judges apart.
        (Some(Way::Up) | None, End::Fin) => &[226, 250, 425, 426, 451, 522],
        (Some(Way::Up) | None, End::Rst) => &[425, 426, 451, 522],
        // All of a listing may have been taken already.
        (Some(Way::List), _) => &[226, 250, 425, 426, 451],
        (Some(Way::Down), _) => &[425, 426, 451],
    };
    peer.expect_reply(codes).await?;
    peer.expect("NOOP", &[200]).await?;
    // The session goes on, with whole data.
    let data = peer.get("big").await?;
    same(&octets(8 << 20), &data)
}

async fn refused_without_150(context: Context) -> Outcome {
    let mut peer = context.login().await?;
    let setup = peer.set_up().await?;
    peer.expect("RETR no-such-file-here", &[550, 450]).await?;
    drop(setup);
    peer.listing("LIST").await.map(drop)
}

async fn close_at_once(context: Context) -> Outcome {
    let mut peer = context.scratch().await?;
    let content = octets(1 << 20);
    for _ in 0..5 {
        peer.put("f", &content).await?;
        let data = peer.get("f").await?;
        same(&content, &data)?;
    }
    Ok(())
}

async fn connect_before_or_after(context: Context) -> Outcome {
    let mut peer = context.scratch().await?;
    peer.put("f", b"either order").await?;
    let data = peer.get("f").await?;
    same(b"either order", &data)?;
    let address = peer.passive().await?;
    peer.send("RETR f").await?;
    tokio::time::sleep(Duration::from_millis(200)).await;
    let stream = tokio::net::TcpStream::connect(address)
        .await
        .map_err(|error| Stop::fails("a passive port", error.to_string()))?;
    peer.expect_reply(&[150, 125]).await?;
    let mut wire = peer.meet(crate::peer::data::Setup::Connected(stream)).await?;
    let mut data = Vec::new();
    let _end = context.in_time(wire.read_to_end(&mut data)).await?;
    drop(wire);
    peer.expect_reply(&[226, 250]).await?;
    same(b"either order", &data)
}

async fn opening_code(context: Context) -> Outcome {
    let mut peer = context.scratch().await?;
    let setup = peer.set_up().await?;
    let reply = peer.expect("LIST", &[125, 150]).await?;
    if reply.code == 125 && matches!(setup, crate::peer::data::Setup::Listening(_)) {
        return Err(Stop::fails("150 while the connection is still to come", reply.show()));
    }
    let mut wire = peer.meet(setup).await?;
    let _end = context.in_time(wire.read_to_end(&mut Vec::new())).await?;
    // Some servers wait for the client's close.
    drop(wire);
    peer.expect_reply(&[226, 250]).await.map(drop)
}

async fn empty_files(context: Context) -> Outcome {
    let mut peer = context.scratch().await?;
    peer.put("empty", b"").await?;
    let data = peer.get("empty").await?;
    same(b"", &data)?;
    let reply = peer.command("SIZE empty").await?;
    match (reply.code, reply.text().as_str()) {
        (213, "0") | (500 | 502, _) => Ok(()),
        _ => Err(Stop::fails("213 0", reply.show())),
    }
}

async fn many_transfers(context: Context) -> Outcome {
    let mut peer = context.scratch().await?;
    peer.put("f", &octets(1024)).await?;
    for _ in 0..40 {
        let data = peer.get("f").await?;
        same(&octets(1024), &data)?;
    }
    Ok(())
}

async fn one_at_a_time(context: Context) -> Outcome {
    let mut peer = context.scratch().await?;
    let content = octets(2 << 20);
    peer.put("f", &content).await?;
    let setup = peer.set_up().await?;
    peer.expect("RETR f", &[150, 125]).await?;
    peer.send("RETR f").await?;
    let mut wire = peer.meet(setup).await?;
    let mut data = Vec::new();
    let _end = context.in_time(wire.read_to_end(&mut data)).await?;
    drop(wire);
    same(&content, &context.seen(data))?;
    peer.expect_reply(&[226, 250, 425, 450, 503]).await?;
    peer.expect_reply(&[226, 250, 425, 450, 503]).await.map(drop)
}
