//! Directories, deletion and renaming (RFC 959 §4.1, appendix II).

use super::{place, quoted};
use crate::case::{Outcome, cases, must};
use crate::context::Context;

cases! {
    cwd: ["RFC959-5.4-CWD-1"] Control [Write];
    cwd_missing: ["RFC959-5.4-CWD-2"] Control [Write];
    cdup: ["RFC959-5.4-CDUP-4"] Control [Write];
    root_stays: ["PRAC-CDUP-5", "PRAC-PTH-1"] Control;
    pwd: ["RFC959-II-PWD-6", "RFC959-II-PWD-7"] Control [Write];
    mkd: ["RFC959-5.4-MKD-8", "RFC959-II-MKD-9"] Control [Write];
    mkd_twice: ["RFC959-II-MKD-10"] Control [Write];
    mkd_below_nothing: ["RFC959-5.4-MKD-11"] Control [Write];
    rmd: ["RFC959-5.4-RMD-12"] Control [Write];
    rmd_wrong: ["RFC959-5.4-RMD-13", "PRAC-RMD-14"] Data [Write];
    dele: ["RFC959-5.4-DELE-15"] Data [Write];
    dele_wrong: ["RFC959-5.4-DELE-16"] Control [Write];
    rename: ["RFC959-5.4-RN-1"] Data [Write];
    rename_missing: ["RFC959-5.4-RN-2"] Control;
    rename_wrong: ["RFC959-5.4-RN-3"] Control [Write];
    rename_over: ["PRAC-RN-4"] Data [Write];
    rename_across: ["RFC959-4.1.3-RN-5"] Data [Write];
}

async fn cwd(context: Context) -> Outcome {
    let mut peer = context.scratch().await?;
    peer.expect("MKD d", &[257]).await?;
    peer.expect("CWD d", &[250]).await?;
    let here = place(&mut peer).await?;
    must!(here.ends_with("/d"), "a path that ends in /d", here)
}

async fn cwd_missing(context: Context) -> Outcome {
    let mut peer = context.scratch().await?;
    let before = place(&mut peer).await?;
    peer.expect("CWD missing", &[550]).await?;
    let after = place(&mut peer).await?;
    must!(before == after, &before, after)
}

async fn cdup(context: Context) -> Outcome {
    let mut peer = context.scratch().await?;
    let before = place(&mut peer).await?;
    peer.expect("MKD d", &[257]).await?;
    peer.expect("CWD d", &[250]).await?;
    peer.expect("CDUP", &[200, 250]).await?;
    let after = place(&mut peer).await?;
    must!(before == after, &before, after)
}

async fn root_stays(context: Context) -> Outcome {
    let mut peer = context.login().await?;
    peer.expect("CWD /", &[250]).await?;
    for line in ["CDUP", "CWD ..", "CWD ../..", "CWD ../../../../etc"] {
        let reply = peer.command(line).await?;
        let here = place(&mut peer).await?;
        must!(
            here == "/" && matches!(reply.code, 200 | 250 | 550 | 553),
            "the root, or 550",
            format!("{} at {here}", reply.show()),
        )?;
    }
    Ok(())
}

async fn pwd(context: Context) -> Outcome {
    let mut peer = context.scratch().await?;
    for name in ["a b", "a\"b"] {
        let made = peer.expect(&format!("MKD {name}"), &[257, 553]).await?;
        if made.code == 553 {
            continue;
        }
        peer.expect(&format!("CWD {name}"), &[250]).await?;
        let here = place(&mut peer).await?;
        must!(here.ends_with(name), name, here.clone())?;
        peer.expect("CWD /", &[250]).await?;
        peer.expect(&format!("CWD {here}"), &[250]).await?;
        peer.expect("CDUP", &[200, 250]).await?;
    }
    Ok(())
}

async fn mkd(context: Context) -> Outcome {
    let mut peer = context.scratch().await?;
    let made = peer.expect("MKD x", &[257]).await?;
    let path = quoted(&made)?;
    must!(path.starts_with('/') && path.ends_with("/x"), "the absolute name of what was made", path.clone())?;
    peer.expect("CWD /", &[250]).await?;
    peer.expect(&format!("CWD {path}"), &[250]).await.map(drop)
}

async fn mkd_twice(context: Context) -> Outcome {
    let mut peer = context.scratch().await?;
    peer.expect("MKD d", &[257]).await?;
    peer.expect("MKD d", &[521, 550, 553]).await?;
    peer.expect("CWD d", &[250]).await.map(drop)
}

async fn mkd_below_nothing(context: Context) -> Outcome {
    let mut peer = context.scratch().await?;
    peer.expect("MKD no/x", &[550, 553]).await?;
    peer.expect("CWD no", &[550]).await.map(drop)
}

async fn rmd(context: Context) -> Outcome {
    let mut peer = context.scratch().await?;
    peer.expect("MKD d", &[257]).await?;
    peer.expect("RMD d", &[250]).await?;
    peer.expect("CWD d", &[550]).await.map(drop)
}

async fn rmd_wrong(context: Context) -> Outcome {
    let mut peer = context.scratch().await?;
    peer.expect("RMD no-such", &[550]).await?;
    peer.put("file", b"stays").await?;
    peer.expect("RMD file", &[550]).await?;
    peer.expect("MKD d", &[257]).await?;
    peer.put("d/inside", b"stays").await?;
    peer.expect("RMD d", &[550]).await?;
    for name in ["file", "d/inside"] {
        let data = peer.get(name).await?;
        must!(data == b"stays", "the file as it was", String::from_utf8_lossy(&data))?;
    }
    Ok(())
}

async fn dele(context: Context) -> Outcome {
    let mut peer = context.scratch().await?;
    peer.put("f", b"x").await?;
    peer.expect("DELE f", &[250]).await?;
    let (_, reply) = peer.fetch("RETR f").await?;
    must!(reply.code == 550, "550 to RETR of what was deleted", reply.show())
}

async fn dele_wrong(context: Context) -> Outcome {
    let mut peer = context.scratch().await?;
    peer.expect("DELE no-such", &[550, 450]).await?;
    peer.expect("MKD d", &[257]).await?;
    peer.expect("DELE d", &[550, 450]).await?;
    peer.expect("CWD d", &[250]).await.map(drop)
}

async fn rename(context: Context) -> Outcome {
    let mut peer = context.scratch().await?;
    peer.put("a", b"content").await?;
    peer.expect("RNFR a", &[350]).await?;
    peer.expect("RNTO b", &[250]).await?;
    let data = peer.get("b").await?;
    must!(data == b"content", "the content under the new name", String::from_utf8_lossy(&data))?;
    let (_, reply) = peer.fetch("RETR a").await?;
    must!(reply.code == 550, "550 under the old name", reply.show())
}

async fn rename_missing(context: Context) -> Outcome {
    let mut peer = context.login().await?;
    peer.expect("RNFR no-such-file-here", &[550, 450]).await?;
    peer.expect("RNTO x", &[503]).await.map(drop)
}

async fn rename_wrong(context: Context) -> Outcome {
    let mut peer = context.scratch().await?;
    peer.expect("MKD d", &[257]).await?;
    for target in ["no/such/x".to_owned(), "x".repeat(300), "d/inside-itself".to_owned()] {
        peer.expect("RNFR d", &[350]).await?;
        peer.expect(&format!("RNTO {target}"), &[550, 553, 501, 500]).await?;
    }
    peer.expect("CWD d", &[250]).await.map(drop)
}

async fn rename_over(context: Context) -> Outcome {
    let mut peer = context.scratch().await?;
    peer.put("a", b"from a").await?;
    peer.put("b", b"from b").await?;
    peer.expect("RNFR a", &[350]).await?;
    let reply = peer.expect("RNTO b", &[250, 550, 553]).await?;
    let data = peer.get("b").await?;
    let wanted: &[u8] = if reply.code == 250 { b"from a" } else { b"from b" };
    must!(data == wanted, String::from_utf8_lossy(wanted), String::from_utf8_lossy(&data))
}

async fn rename_across(context: Context) -> Outcome {
    let mut peer = context.scratch().await?;
    peer.expect("MKD d1", &[257]).await?;
    peer.expect("MKD d2", &[257]).await?;
    peer.put("d1/f", b"moved").await?;
    peer.expect("RNFR d1/f", &[350]).await?;
    peer.expect("RNTO d2/g", &[250]).await?;
    let data = peer.get("d2/g").await?;
    must!(data == b"moved", "the file in the other directory", String::from_utf8_lossy(&data))?;
    peer.expect("RNFR d2", &[350]).await?;
    peer.expect("RNTO d3", &[250, 550, 553]).await.map(drop)
}
