//! ABOR, STAT and QUIT in transfers (RFC 959 §4.1.3).

use std::time::Duration;

use tokio::io::AsyncReadExt;

use super::{half, octets, same};
use crate::case::{Outcome, Stop, cases};
use crate::context::Context;

cases! {
    abor_in_transfer: ["RFC959-4.1.3-ABOR-2", "RFC959-4.1.3-ABOR-3"] Data [Write];
    abor_while_waiting: ["PRAC-ABOR-5"] Control [Write];
    abor_upload: ["PRAC-ABOR-10"] Data [Write];
    stat_in_transfer: ["RFC1123-4.1.3.3-ABOR-6", "RFC959-4.1.3-STAT-7"] Data [Write];
    queued: ["RFC959-4.2-PIPE-8"] Data [Write];
    quit_in_transfer: ["RFC959-4.1.1-SES-3"] Data [Write];
    control_lost: ["RFC959-4.1.1-SES-9"] Data [Write];
    minimum: ["RFC959-5.1-UNK-6"] Data [Write];
    success_by_code: ["RFC959-4.2-REPLY-15"] Data [Write];
    codes_in_their_lists: ["RFC959-5.4-REPLY-12", "RFC959-4.2-REPLY-11"] Data [Write];
}

async fn abor_in_transfer(context: Context) -> Outcome {
    let mut peer = context.scratch().await?;
    peer.put("f", &octets(16 << 20)).await?;
    let setup = peer.set_up().await?;
    peer.expect("RETR f", &[150, 125]).await?;
    let mut wire = peer.meet(setup).await?;
    let _some = wire.read(&mut [0; 65_536]).await;
    peer.send("ABOR").await?;
    let first = peer.expect_reply(&[426, 226]).await?;
    if first.code == 426 {
        peer.expect_reply(&[226]).await?;
    } else {
        peer.expect_reply(&[225, 226]).await?;
    }
    drop(wire);
    peer.expect("NOOP", &[200]).await?;
    peer.put("small", b"in step").await?;
    let data = peer.get("small").await?;
    same(b"in step", &data)
}

async fn abor_while_waiting(context: Context) -> Outcome {
    let mut peer = context.scratch().await?;
    peer.passive().await?;
    peer.send("STOR f").await?;
    tokio::time::sleep(Duration::from_millis(50)).await;
    peer.send("ABOR").await?;
    let mut reply = peer.expect_reply(&[150, 425, 426]).await?;
    if reply.code == 150 {
        reply = peer.expect_reply(&[425, 426]).await?;
    }
    peer.expect_reply(&[225, 226]).await?;
    peer.put("after", b"x").await?;
    match peer.command("SIZE f").await?.code {
        550 | 500 | 502 => Ok(()),
        _ => Err(Stop::fails("no file after an aborted upload", reply.show())),
    }
}

async fn abor_upload(context: Context) -> Outcome {
    let mut peer = context.scratch().await?;
    let sent = octets(100_000);
    let wire = half(&mut peer, "STOR f", &sent).await?;
    tokio::time::sleep(Duration::from_millis(50)).await;
    peer.send("ABOR").await?;
    peer.expect_reply(&[426, 451]).await?;
    peer.expect_reply(&[225, 226]).await?;
    drop(wire);
    let (data, reply) = peer.fetch("RETR f").await?;
    match reply.code == 550 || sent.starts_with(&data) {
        true => Ok(()),
        false => Err(Stop::fails("nothing, or a part of what was sent", format!("{} octets", data.len()))),
    }
}

async fn stat_in_transfer(context: Context) -> Outcome {
    let mut peer = context.scratch().await?;
    let wire = half(&mut peer, "STOR f", b"slow").await?;
    let status = peer.expect("STAT", &[211, 213]).await?.show();
    let _closed = wire.finish().await;
    peer.expect_reply(&[226, 250]).await?;
    match status.contains("STOR") || status.contains("transfer") || status.contains("ytes") {
        true => Ok(()),
        false => Err(Stop::fails("a STAT that mentions the transfer", status)),
    }
}

async fn queued(context: Context) -> Outcome {
    let mut peer = context.scratch().await?;
    let wire = half(&mut peer, "STOR f", b"slow").await?;
    peer.send_raw(b"NOOP\r\nPWD\r\n").await?;
    tokio::time::sleep(Duration::from_millis(50)).await;
    let _closed = wire.finish().await;
    for code in [226, 200, 257] {
        peer.expect_reply(&[code]).await?;
    }
    Ok(())
}

async fn quit_in_transfer(context: Context) -> Outcome {
    let mut peer = context.scratch().await?;
    let content = octets(4 << 20);
    peer.put("f", &content).await?;
    let setup = peer.set_up().await?;
    peer.expect("RETR f", &[150, 125]).await?;
    peer.send("QUIT").await?;
    let mut wire = peer.meet(setup).await?;
    let mut data = Vec::new();
    let _end = context.in_time(wire.read_to_end(&mut data)).await?;
    drop(wire);
    same(&content, &data)?;
    peer.expect_reply(&[226, 250]).await?;
    peer.expect_reply(&[221]).await?;
    peer.expect_end().await
}

async fn control_lost(context: Context) -> Outcome {
    let mut peer = context.scratch().await?;
    let path = crate::rfc959::files::place(&mut peer).await?;
    let mut wire = half(&mut peer, "STOR f", b"half of it").await?;
    drop(peer);
    let closed = context.in_time(wire.read(&mut [0; 16])).await?;
    if closed.is_ok_and(|count| count > 0) {
        return Err(Stop::fails("a closed data connection", "data"));
    }
    context.login().await?.expect(&format!("CWD {path}"), &[250]).await.map(drop)
}

async fn minimum(context: Context) -> Outcome {
    let mut peer = context.scratch().await?;
    for line in ["TYPE A N", "MODE S", "STRU F"] {
        peer.expect(line, &[200]).await?;
    }
    peer.put("f", b"minimum\r\n").await?;
    let data = peer.get("f").await?;
    same(b"minimum\r\n", &data)?;
    peer.expect("NOOP", &[200]).await?;
    peer.expect("QUIT", &[221]).await.map(drop)
}

async fn success_by_code(context: Context) -> Outcome {
    let mut peer = context.scratch().await?;
    let expected = [
        ("MKD d", 2, "CWD d", 2),
        ("CWD ..", 2, "CWD d/x", 5),
        ("MKD d", 5, "NOOP", 2),
        ("RMD nothing", 5, "CWD d", 2),
        ("CWD ..", 2, "RMD d", 2),
        ("CWD d", 5, "DELE d", 5),
        ("RNFR d", 5, "RNTO e", 5),
        ("CWD e", 5, "PWD", 2),
    ];
    for (one, first, other, second) in expected {
        for (line, class) in [(one, first), (other, second)] {
            let reply = peer.command(line).await?;
            if reply.code / 100 != class {
                return Err(Stop::fails(format!("{class}yz to {line}"), reply.show()));
            }
        }
    }
    Ok(())
}

async fn codes_in_their_lists(context: Context) -> Outcome {
    let mut peer = context.scratch().await?;
    let lists: [(&str, &[u16]); 14] = [
        ("CWD missing", &[550]),
        ("RMD missing", &[550]),
        ("DELE missing", &[450, 550]),
        ("MKD no/x", &[550, 553]),
        ("RNFR missing", &[450, 550]),
        ("SIZE missing", &[550]),
        ("MDTM missing", &[550]),
        ("TYPE Q", &[501, 504]),
        ("MODE X", &[501, 504]),
        ("STRU X", &[501, 504]),
        ("REST x", &[501, 500]),
        ("PORT x", &[501, 500]),
        ("SYST", &[215]),
        ("NOOP", &[200]),
    ];
    for (line, codes) in lists {
        peer.expect(line, codes).await?;
    }
    let reply = peer.offer("STOR no/such/place", b"x").await?;
    match reply.code {
        452 | 532 | 550 | 553 => Ok(()),
        _ => Err(Stop::fails("450, 452, 532, 550 or 553 to STOR", reply.show())),
    }
}
