//! RETR, STOR, APPE, STOU and ALLO (RFC 959 §4.1.3).

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::{octets, refused, same};
use crate::case::{Outcome, Stop, cases};
use crate::context::Context;

cases! {
    retr_exact: ["RFC959-4.1.3-RETR-1", "RFC959-4.1.3-STOR-1"] Data [Write];
    retr_directory: ["RFC959-5.4-RETR-3"] Data;
    retr_changes_nothing: ["RFC959-4.1.3-RETR-5"] Data [Write];
    reader_leaves: ["PRAC-RETR-6"] Data [Write];
    stor_replaces: ["RFC959-4.1.3-STOR-2"] Data [Write];
    stor_nowhere: ["RFC959-5.4-STOR-3"] Data [Write];
    stor_directory: ["RFC959-5.4-STOR-5"] Data [Write];
    stor_bad_name: ["RFC959-5.4-STOR-6"] Data [Write];
    two_writers: ["PRAC-STOR-8"] Data [Write];
    appe: ["RFC959-4.1.3-APPE-1"] Data [Write];
    stou: ["RFC1123-4.1.2.9-STOU-1", "RFC959-4.1.3-STOU-2"] Data [Write];
    stou_argument: ["RFC959-5.3.1-STOU-3"] Data [Write];
    allo: ["RFC959-4.1.3-ALLO-1"] Data [Write];
    allo_differs: ["PRAC-ALLO-4"] Data [Write];
    allo_wrong: ["RFC959-5.4-ALLO-2"] Control;
    cwd_keeps_parameters: ["RFC959-4.1.1-CWD-3"] Data [Write];
    append_otherwise: ["RFC1123-4.1.3.4-APPE-4"] Data [Write];
    changed_meanwhile: ["PRAC-DAT-19"] Data [Write];
}

async fn retr_exact(context: Context) -> Outcome {
    let mut peer = context.scratch().await?;
    for size in [0, 1, 4095, 4096, 65_535, 65_536, (1 << 20) + 1] {
        let content = octets(size);
        peer.put("f", &content).await?;
        let data = peer.get("f").await?;
        same(&content, &data)?;
    }
    Ok(())
}

async fn retr_directory(context: Context) -> Outcome {
    let mut peer = context.login().await?;
    let (_, reply) = peer.fetch("RETR /").await?;
    match reply.code {
        550 | 551 | 553 => Ok(()),
        _ => Err(Stop::fails("550, 551 or 553", reply.show())),
    }
}

async fn retr_changes_nothing(context: Context) -> Outcome {
    let mut peer = context.scratch().await?;
    peer.put("f", b"steady").await?;
    let before = [peer.expect("SIZE f", &[213]).await?.text(), peer.expect("MDTM f", &[213]).await?.text()];
    let data = peer.get("f").await?;
    same(b"steady", &data)?;
    let after = [peer.expect("SIZE f", &[213]).await?.text(), peer.expect("MDTM f", &[213]).await?.text()];
    match before == after {
        true => Ok(()),
        false => Err(Stop::fails(format!("{before:?}"), format!("{after:?}"))),
    }
}

async fn reader_leaves(context: Context) -> Outcome {
    let mut peer = context.scratch().await?;
    let content = octets(8 << 20);
    peer.put("f", &content).await?;
    let setup = peer.set_up().await?;
    peer.expect("RETR f", &[150, 125]).await?;
    let mut wire = peer.meet(setup).await?;
    let _some = wire.read(&mut [0; 1024]).await;
    drop(wire);
    peer.expect_reply(&[426, 451, 226]).await?;
    let data = peer.get("f").await?;
    same(&content, &data)
}

async fn stor_replaces(context: Context) -> Outcome {
    let mut peer = context.scratch().await?;
    peer.put("f", &octets(1 << 20)).await?;
    peer.put("f", b"ten octets").await?;
    let data = peer.get("f").await?;
    same(b"ten octets", &data)
}

async fn stor_nowhere(context: Context) -> Outcome {
    let mut peer = context.scratch().await?;
    refused(&mut peer, "STOR nodir/f").await?;
    peer.expect("CWD nodir", &[550]).await.map(drop)
}

async fn stor_directory(context: Context) -> Outcome {
    let mut peer = context.scratch().await?;
    peer.expect("MKD d", &[257]).await?;
    refused(&mut peer, "STOR d").await?;
    peer.expect("CWD d", &[250]).await.map(drop)
}

async fn stor_bad_name(context: Context) -> Outcome {
    let mut peer = context.scratch().await?;
    for name in ["x".repeat(5000), "/".to_owned(), ".".to_owned(), "..".to_owned()] {
        refused(&mut peer, &format!("STOR {name}")).await?;
    }
    Ok(())
}

async fn two_writers(context: Context) -> Outcome {
    let (mut one, mut other) = (context.scratch().await?, context.login().await?);
    let path = crate::rfc959::files::place(&mut one).await?;
    let (a, b) = (vec![b'a'; 1 << 20], vec![b'b'; 1 << 20]);
    let second = format!("STOR {path}/f");
    let (first, second) = tokio::join!(one.offer("STOR f", &a), other.offer(&second, &b));
    let (first, second) = (first?, second?);
    for reply in [first, second] {
        if !matches!(reply.code, 226 | 250 | 450 | 550 | 553) {
            return Err(Stop::fails("226, 450 or 550", reply.show()));
        }
    }
    let data = one.get("f").await?;
    match data == a || data == b {
        true => Ok(()),
        false => Err(Stop::fails("one of the two, whole", format!("{} octets of both", data.len()))),
    }
}

async fn appe(context: Context) -> Outcome {
    let mut peer = context.scratch().await?;
    for piece in [&b"0123456789"[..], b"abcde"] {
        let reply = peer.offer("APPE f", piece).await?;
        if !matches!(reply.code, 226 | 250) {
            return Err(Stop::fails("226 or 250 to APPE", reply.show()));
        }
    }
    let data = peer.get("f").await?;
    same(b"0123456789abcde", &data)
}

async fn stou(context: Context) -> Outcome {
    let mut peer = context.scratch().await?;
    let mut names: Vec<String> = Vec::new();
    for round in 0..4 {
        let setup = peer.set_up().await?;
        let opening = peer.command("STOU").await?;
        if matches!(opening.code, 500 | 502) {
            return Err(Stop::Unsupported("STOU".to_owned()));
        }
        let text = opening.text();
        let name =
            text.strip_prefix("FILE: ").filter(|_| matches!(opening.code, 125 | 150)).map(str::to_owned);
        let name = name.ok_or_else(|| Stop::fails("150 FILE: name", opening.show()))?;
        let mut wire = peer.meet(setup).await?;
        let sent = format!("unique {round}");
        let _written = wire.write_all(sent.as_bytes()).await;
        let _closed = wire.finish().await;
        peer.expect_reply(&[226, 250]).await?;
        let data = peer.get(&name).await?;
        same(sent.as_bytes(), &data)?;
        if names.contains(&name) {
            return Err(Stop::fails("another name each time", name));
        }
        names.push(name);
    }
    Ok(())
}

async fn stou_argument(context: Context) -> Outcome {
    let mut peer = context.scratch().await?;
    peer.put("x", b"stays").await?;
    let reply = peer.offer("STOU x", b"other").await?;
    if !matches!(reply.code, 226 | 250 | 501 | 500 | 502) {
        return Err(Stop::fails("226 or 501", reply.show()));
    }
    let data = peer.get("x").await?;
    same(b"stays", &data)
}

async fn allo(context: Context) -> Outcome {
    let mut peer = context.scratch().await?;
    peer.expect("ALLO 5 R 80", &[200, 202]).await?;
    peer.expect("ALLO 5", &[200, 202]).await?;
    peer.put("f", b"five!").await
}

async fn allo_differs(context: Context) -> Outcome {
    let mut peer = context.scratch().await?;
    for line in ["ALLO 512", "ALLO 0", "ALLO 3", "ALLO 100 R 80"] {
        peer.expect(line, &[200, 202]).await?;
        peer.expect("NOOP", &[200]).await?;
        peer.put("f", b"five!").await?;
        same(b"five!", &peer.get("f").await?)?;
    }
    Ok(())
}

async fn allo_wrong(context: Context) -> Outcome {
    let mut peer = context.login().await?;
    for line in ["ALLO x", "ALLO -1", "ALLO"] {
        peer.expect(line, &[501, 504]).await?;
    }
    Ok(())
}

async fn cwd_keeps_parameters(context: Context) -> Outcome {
    let mut peer = context.scratch().await?;
    peer.expect("MKD d", &[257]).await?;
    peer.put("d/f", b"a\nb\n").await?;
    peer.expect("CWD d", &[250]).await?;
    let data = peer.get("f").await?;
    same(b"a\nb\n", &data)
}

async fn append_otherwise(context: Context) -> Outcome {
    let mut peer = context.scratch().await?;
    peer.put("f", b"first").await?;
    for line in ["TYPE E", "STRU R"] {
        if peer.command(line).await?.code != 200 {
            continue;
        }
        // In STRU R a record ends in the octets 255 and 1, the file in 255 and 2 (RFC 959 §3.4.1).
        let sent: &[u8] = if line == "STRU R" { b"second\xff\x01\xff\x02" } else { b"second" };
        let reply = peer.offer_against("APPE f", sent).await?;
        peer.expect("STRU F", &[200]).await?;
        peer.expect("TYPE I", &[200]).await?;
        let data = peer.get("f").await?;
        let refused = reply.code / 100 == 5 && data == b"first";
        let appended = matches!(reply.code, 226 | 250) && data.starts_with(b"firstsecond");
        if !refused && !appended {
            let what = format!("{}, {:?}", reply.show(), String::from_utf8_lossy(&data));
            return Err(Stop::fails("555, or both parts", what));
        }
    }
    let data = peer.get("f").await?;
    match data.starts_with(b"first") {
        true => Ok(()),
        false => Err(Stop::fails("the first part as it was", String::from_utf8_lossy(&data))),
    }
}

async fn changed_meanwhile(context: Context) -> Outcome {
    use tokio::io::AsyncReadExt;
    let (mut one, mut other) = (context.scratch().await?, context.login().await?);
    let path = crate::rfc959::files::place(&mut one).await?;
    let content = octets(16 << 20);
    one.put("f", &content).await?;
    for line in ["STOR", "DELE"] {
        let setup = one.set_up().await?;
        one.expect("RETR f", &[150, 125]).await?;
        let mut wire = one.meet(setup).await?;
        let mut data = vec![0; 1000];
        let read = context.in_time(wire.read_exact(&mut data)).await?;
        read.map_err(|error| Stop::fails("the start of the file", error.to_string()))?;
        if line == "STOR" {
            other.put(&format!("{path}/f"), b"short").await?;
        } else {
            other.expect(&format!("DELE {path}/f"), &[250]).await?;
        }
        // A clean end is not asked for: a server may break off.
        let _end = context.in_time(wire.read_to_end(&mut data)).await?;
        drop(wire);
        let reply = one.expect_reply(&[226, 250, 426, 451, 551]).await?;
        let data = context.seen(data);
        let whole = data == content;
        let short = content.starts_with(&data) && reply.code / 100 >= 4;
        if !whole && !short {
            let what = format!("{}, {} octets", reply.show(), data.len());
            return Err(Stop::fails("the old content and 226, or the start of it and 426 or 451", what));
        }
        one.put("f", &content).await?;
    }
    one.expect("NOOP", &[200]).await.map(drop)
}
