//! TLS on data connections (RFC 4217 §10, §12; RFC 8446 §6.1), CCC.

use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;

use super::upload;
use crate::axes::End;
use crate::case::{Outcome, Stop, cases};
use crate::context::Context;
use crate::peer::control::Protected;

cases! {
    hello_before_or_after: ["RFC4217-10.2-TDAT-1"] Explicit [Write];
    data_handshake_fails: ["RFC4217-10.2-TDAT-3", "PRAC-TDAT-12"] Explicit [Write];
    truncated_upload: ["RFC8446-6.1-TDAT-5"] Explicit [Write];
    closed_upload: ["RFC8446-6.1-TDAT-6", "PRAC-TDAT-7"] Explicit [Write];
    tls_empty: ["PRAC-TDAT-8"] Explicit [Write];
    tls_close: ["RFC4217-12.7-TDAT-4"] Explicit [Write];
    tls_abor: ["RFC4217-14-TDAT-11"] Explicit [Write];
    ccc_clear: ["RFC4217-5-CCC-1"] Explicit;
    ccc: ["RFC4217-5-CCC-2", "RFC4217-15.3-CCC-5"] Explicit;
}

async fn hello_before_or_after(context: Context) -> Outcome {
    let mut peer = context.scratch().await?;
    peer.put("f", b"either way").await?;
    let data = peer.get("f").await?;
    if data != b"either way" {
        return Err(Stop::fails("either way", String::from_utf8_lossy(&data)));
    }
    let address = peer.passive().await?;
    let stream = TcpStream::connect(address)
        .await
        .map_err(|error| Stop::fails("a passive port", error.to_string()))?;
    // The client shakes hands at once, before it sends its command.
    let early = peer.shake(stream).await?;
    let mut wire = early.map_err(|error| Stop::fails("a handshake before the command", error.to_string()))?;
    peer.expect("RETR f", &[150, 125]).await?;
    let mut data = Vec::new();
    let _end = context.in_time(wire.read_to_end(&mut data)).await?;
    drop(wire);
    peer.expect_reply(&[226, 250]).await?;
    match data == b"either way" {
        true => Ok(()),
        false => Err(Stop::fails("either way", String::from_utf8_lossy(&data))),
    }
}

async fn data_handshake_fails(context: Context) -> Outcome {
    let mut peer = context.scratch().await?;
    peer.protected = Protected::No;
    let reply = peer.offer("STOR f", b"clear text on a protected connection").await?;
    if !matches!(reply.code, 425 | 426 | 522 | 451 | 535) {
        return Err(Stop::fails("522, 425 or 426", reply.show()));
    }
    peer.protected = Protected::Yes;
    let (data, reply) = peer.fetch("RETR f").await?;
    match reply.code {
        550 => Ok(()),
        _ => Err(Stop::fails("no file", format!("{} octets, {}", data.len(), reply.show()))),
    }
}

async fn truncated_upload(context: Context) -> Outcome {
    let mut peer = context.scratch().await?;
    let wire = upload(&mut peer, b"only the first half").await?;
    let _gone = wire.end(End::Fin).await;
    peer.expect_reply(&[426, 451, 425, 522]).await?;
    peer.expect("NOOP", &[200]).await.map(drop)
}

async fn closed_upload(context: Context) -> Outcome {
    let mut peer = context.scratch().await?;
    for _ in 0..10 {
        let wire = upload(&mut peer, &[b'x'; 1024]).await?;
        // close_notify, and the socket is gone: nothing of the server's is read.
        let _gone = wire.end(End::CloseNotify).await;
        peer.expect_reply(&[226, 250]).await?;
        let data = peer.get("f").await?;
        if data != [b'x'; 1024] {
            return Err(Stop::fails("1024 octets", format!("{} octets", data.len())));
        }
    }
    Ok(())
}

async fn tls_empty(context: Context) -> Outcome {
    let mut peer = context.scratch().await?;
    peer.put("empty", b"").await?;
    peer.get("empty").await?;
    let reply = peer.expect("SIZE empty", &[213]).await?;
    match reply.text() == "0" {
        true => Ok(()),
        false => Err(Stop::fails("213 0", reply.show())),
    }
}

async fn tls_close(context: Context) -> Outcome {
    // The client's TLS makes an error of an end without close_notify.
    let mut peer = context.scratch().await?;
    peer.put("f", &[b'y'; 100_000]).await?;
    for _ in 0..10 {
        let data = peer.get("f").await?;
        if data.len() != 100_000 || data.iter().any(|octet| *octet != b'y') {
            return Err(Stop::fails("100000 octets", format!("{} octets, or others", data.len())));
        }
    }
    Ok(())
}

async fn tls_abor(context: Context) -> Outcome {
    let mut peer = context.scratch().await?;
    peer.put("f", &vec![b'z'; 8 << 20]).await?;
    let setup = peer.set_up().await?;
    peer.expect("RETR f", &[150, 125]).await?;
    let mut wire = peer.meet(setup).await?;
    let _some = wire.read(&mut [0; 1000]).await;
    peer.send_raw(b"\xff\xf4\xff\xf2ABOR\r\n").await?;
    let first = peer.expect_reply(&[426, 226]).await?;
    let codes: &[u16] = if first.code == 426 { &[226] } else { &[225, 226] };
    peer.expect_reply(codes).await?;
    drop(wire);
    peer.expect("NOOP", &[200]).await.map(drop)
}

async fn ccc_clear(context: Context) -> Outcome {
    context.greet().await?.expect("CCC", &[533, 500, 502, 530, 534]).await.map(drop)
}

async fn ccc(context: Context) -> Outcome {
    let mut peer = context.secure().await?;
    let reply = peer.expect("CCC", &[534, 500, 502, 530, 533, 200]).await?;
    if reply.code == 200 {
        return Ok(());
    }
    peer.expect("NOOP", &[200]).await.map(drop)
}
