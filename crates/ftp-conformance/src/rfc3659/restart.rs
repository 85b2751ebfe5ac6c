//! REST in stream mode, TVFS (RFC 3659 §5, §6).

use super::{furnished, mlsd, tail};
use crate::case::{Outcome, cases, must};
use crate::context::Context;
use crate::rfc2389::feature;

cases! {
    rest_codes: ["RFC3659-5.3-REST-1"] Control;
    rest_retr: ["RFC3659-5.3-REST-2"] Data [Write];
    rest_wrong: ["RFC3659-5.3-REST-3"] Control;
    rest_beyond: ["RFC3659-5.3-REST-4"] Data [Write];
    rest_at_end: ["PRAC-REST-5"] Data [Write];
    rest_once: ["RFC3659-5.3-REST-6"] Data [Write];
    rest_stor: ["RFC3659-5.3-REST-7"] Data [Write];
    rest_zero: ["RFC3659-5.3-REST-8"] Data [Write];
    rest_huge: ["PRAC-REST-9"] Data [Write];
    rest_ascii: ["RFC3659-5.3-REST-10"] Data [Write];
    rest_kept: ["RFC3659-5.3-SEQ-7"] Data [Write];
    rest_appe: ["RFC3659-5.3-APPE-3"] Data [Write];
    tvfs: ["RFC3659-6.2-TVFS-8", "RFC3659-6.2-TVFS-9", "RFC3659-6.2-TVFS-10"] Data [Write];
    no_slash_in_names: ["RFC3659-6.1-TVFS-11"] Data [Write];
}

async fn rest_codes(context: Context) -> Outcome {
    let mut peer = context.login().await?;
    for offset in ["0", "5", "4294967296"] {
        peer.expect(&format!("REST {offset}"), &[350]).await?;
    }
    Ok(())
}

async fn rest_retr(context: Context) -> Outcome {
    let mut peer = context.scratch().await?;
    let content = b"0123456789abcdef";
    peer.put("f", content).await?;
    for offset in [0, 1, 8, 15] {
        tail(&mut peer, offset, content.get(offset..).unwrap_or_default()).await?;
    }
    Ok(())
}

async fn rest_wrong(context: Context) -> Outcome {
    let mut peer = context.login().await?;
    for line in ["REST abc", "REST -1", "REST 1.5", "REST", "REST 1 2"] {
        peer.expect(line, &[501, 500, 504]).await?;
    }
    Ok(())
}

async fn rest_beyond(context: Context) -> Outcome {
    let mut peer = context.scratch().await?;
    peer.put("f", b"0123456789").await?;
    peer.expect("REST 11", &[350]).await?;
    let (data, reply) = peer.fetch("RETR f").await?;
    must!(
        matches!(reply.code, 550 | 551 | 554 | 451) && data.is_empty(),
        "550, 551, 554 or 451",
        reply.show()
    )
}

async fn rest_at_end(context: Context) -> Outcome {
    let mut peer = context.scratch().await?;
    peer.put("f", b"0123456789").await?;
    tail(&mut peer, 10, b"").await
}

async fn rest_once(context: Context) -> Outcome {
    let mut peer = context.scratch().await?;
    peer.put("f", b"0123456789").await?;
    tail(&mut peer, 5, b"56789").await?;
    let data = peer.get("f").await?;
    must!(data == b"0123456789", "the whole file", String::from_utf8_lossy(&data))
}

async fn rest_stor(context: Context) -> Outcome {
    let mut peer = context.scratch().await?;
    peer.put("f", b"01234").await?;
    peer.expect("REST 5", &[350]).await?;
    peer.put("f", b"56789").await?;
    let data = peer.get("f").await?;
    must!(data == b"0123456789", "0123456789", String::from_utf8_lossy(&data))
}

async fn rest_zero(context: Context) -> Outcome {
    let mut peer = context.scratch().await?;
    peer.put("f", b"0123456789").await?;
    peer.expect("REST 5", &[350]).await?;
    tail(&mut peer, 0, b"0123456789").await
}

async fn rest_huge(context: Context) -> Outcome {
    let mut peer = context.scratch().await?;
    peer.put("f", b"0123456789").await?;
    for offset in [
        "2147483648",
        "4294967296",
        "9223372036854775807",
        "9223372036854775808",
        "18446744073709551616",
        &"9".repeat(40),
    ] {
        let reply = peer.expect(&format!("REST {offset}"), &[350, 501, 554]).await?;
        if reply.code == 350 {
            let (data, reply) = peer.fetch("RETR f").await?;
            must!(reply.code / 100 >= 4 && data.is_empty(), "a refusal", reply.show())?;
        }
    }
    Ok(())
}

async fn rest_ascii(context: Context) -> Outcome {
    let mut peer = context.scratch().await?;
    peer.put("f", b"one\ntwo\nthree\n").await?;
    peer.expect("TYPE A", &[200]).await?;
    let reply = peer.expect("REST 10", &[350, 501, 503, 504]).await?;
    if reply.code != 350 {
        return Ok(());
    }
    let (data, reply) = peer.fetch("RETR f").await?;
    must!(
        reply.code / 100 == 5 || data == b"three\r\n",
        "the tail of the CR LF form, or a refusal",
        reply.show(),
    )
}

async fn rest_kept(context: Context) -> Outcome {
    let mut peer = context.scratch().await?;
    peer.put("f", b"0123456789").await?;
    peer.expect("REST 5", &[350]).await?;
    peer.expect("TYPE I", &[200]).await?;
    let data = peer.get("f").await?;
    must!(
        data == b"56789",
        "the tail: TYPE and the data port keep the offset",
        String::from_utf8_lossy(&data)
    )
}

async fn rest_appe(context: Context) -> Outcome {
    let mut peer = context.scratch().await?;
    peer.put("f", b"0123456789").await?;
    peer.expect("REST 4", &[350]).await?;
    let reply = peer.offer("APPE f", b"xx").await?;
    let data = peer.get("f").await?;
    let wanted: &[u8] = if reply.code / 100 == 5 { b"0123456789" } else { b"0123xx6789" };
    must!(data == wanted, String::from_utf8_lossy(wanted), String::from_utf8_lossy(&data))
}

async fn tvfs(context: Context) -> Outcome {
    let mut peer = context.scratch().await?;
    feature(&mut peer, "TVFS").await?;
    let path = crate::rfc959::files::place(&mut peer).await?;
    peer.expect("MKD b", &[257]).await?;
    peer.put("b/f", b"one place").await?;
    for from in ["/", &path, &format!("{path}/b")] {
        peer.expect(&format!("CWD {from}"), &[250]).await?;
        let data = peer.get(&format!("{path}/b/f")).await?;
        must!(data == b"one place", "the same object from everywhere", String::from_utf8_lossy(&data))?;
    }
    peer.expect("CWD /", &[250]).await?;
    let root = peer.expect("PWD", &[257]).await?.text();
    must!(root.starts_with("\"/\""), "the root", root)?;
    peer.expect("SIZE b/f", &[550]).await.map(drop)
}

async fn no_slash_in_names(context: Context) -> Outcome {
    let mut peer = furnished(&context).await?;
    let names: Vec<String> = mlsd(&mut peer, "MLSD").await?.into_iter().map(|entry| entry.name).collect();
    must!(
        names.len() == 3 && names.iter().all(|name| !name.contains('/')),
        "three bare names",
        format!("{names:?}"),
    )
}
