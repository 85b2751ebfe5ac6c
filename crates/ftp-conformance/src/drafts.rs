//! HASH, RANG, MFMT, MFF, AVBL, CSID, MODE Z and SITE: drafts that servers and clients have taken up.

use crate::case::{Outcome, Stop, cases, must};
use crate::context::Context;
use crate::peer::{Peer, Reply};
use crate::rfc2389::feature;

cases! {
    hash: ["HASH-3-HSH-1", "HASH-3-HSH-2", "HASH-3-HSH-3"] Data [Write];
    hash_feature: ["HASH-3.1-HSH-4", "HASH-5-HSH-10"] Control;
    hash_options: ["HASH-3.2-HSH-5"] Control;
    hash_unknown: ["HASH-3.5-HSH-6"] Control;
    hash_missing: ["HASH-3.5-HSH-7"] Control;
    hash_range: ["HASH-3.3-HSH-8"] Data [Write];
    legacy_digests: ["PRAC-HSH-11"] Data [Write];
    rang: ["RANG-3-RNG-1", "RANG-3-RNG-2"] Data [Write];
    rang_wrong: ["RANG-3-RNG-3"] Data [Write];
    rang_feature: ["RANG-3.1-RNG-4"] Control;
    rang_ascii: ["RANG-5-RNG-5"] Control;
    rang_stor: ["RANG-4.3-RNG-6"] Data [Write];
    mfmt: ["MFXX-3.1-MFMT-1", "MFXX-3.1-MFMT-2", "MFXX-3.3-MFMT-5"] Data [Write];
    mfmt_wrong: ["MFXX-3.2-MFMT-3", "MFXX-3.2-MFMT-4"] Control;
    mfmt_name: ["MFXX-3.1-MFMT-6"] Data [Write];
    mff: ["MFXX-5.1-MFF-8", "MFXX-5.6-MFF-10"] Data [Write];
    mff_wrong: ["MFXX-5.5-MFF-9"] Data [Write];
    avbl: ["STREAM-AVBL-AVB-1", "STREAM-AVBL-AVB-2"] Control;
    csid: ["STREAM-CSID-CSI-7"] Control;
    mode_z: ["DEFLATE-3-DFL-1", "DEFLATE-3-DFL-2", "DEFLATE-3-DFL-5", "PRAC-DFL-7"] Data [Write];
    mode_z_broken: ["DEFLATE-3.4-DFL-4"] Control;
    mode_z_listing: ["DEFLATE-3.1-DFL-3"] Data [Write];
    site_chmod: ["PRAC-SITE-10"] Data [Write];
}

/// SHA-256 of `123456789`.
const NINE: &str = "15e2b0d3c33891ebb0f1ef609ec419420c20e320ce94c65fbc8c3312448eb225";

async fn hash(context: Context) -> Outcome {
    let mut peer = context.scratch().await?;
    feature(&mut peer, "HASH").await?;
    peer.put("f", b"123456789").await?;
    if peer.command("OPTS HASH SHA-256").await?.code != 200 {
        return Err(Stop::Unsupported("SHA-256".to_owned()));
    }
    for kind in ["TYPE A", "TYPE I"] {
        peer.expect(kind, &[200]).await?;
        let reply = peer.expect("HASH f", &[213]).await?;
        let text = reply.text();
        let fields: Vec<&str> = text.splitn(4, ' ').collect();
        must!(
            matches!(fields.as_slice(), ["SHA-256", "0-9" | "0-8", NINE, name] if name.ends_with('f')),
            "SHA-256 first-last hex name",
            text.clone(),
        )?;
    }
    Ok(())
}

async fn hash_feature(context: Context) -> Outcome {
    let mut peer = context.secure().await?;
    let list = feature(&mut peer, "HASH").await?;
    let starred: Vec<&str> = list.split(';').filter_map(|name| name.strip_suffix('*')).collect();
    let strong = !matches!(starred.first(), Some(&("MD5" | "CRC32")));
    must!(
        starred.len() == 1 && list.contains("SHA-1") && strong,
        "algorithms with SHA-1, one strong one starred",
        list,
    )
}

async fn hash_options(context: Context) -> Outcome {
    let mut peer = context.login().await?;
    let list = feature(&mut peer, "HASH").await?;
    let current = list.split(';').find_map(|name| name.strip_suffix('*')).unwrap_or_default().to_owned();
    let reply = peer.expect("OPTS HASH", &[200]).await?;
    must!(reply.text().contains(&current), &current, reply.show())?;
    let reply = peer.expect("OPTS HASH SHA-1", &[200]).await?;
    must!(reply.text().contains("SHA-1"), "SHA-1", reply.show())?;
    let list = feature(&mut peer, "HASH").await?;
    must!(list.contains("SHA-1*"), "SHA-1*", list)
}

async fn hash_unknown(context: Context) -> Outcome {
    let mut peer = context.login().await?;
    feature(&mut peer, "HASH").await?;
    let before = peer.expect("OPTS HASH", &[200]).await?.text();
    peer.expect("OPTS HASH CRC-37", &[501]).await?;
    let after = peer.expect("OPTS HASH", &[200]).await?.text();
    must!(before == after, &before, after)
}

async fn hash_missing(context: Context) -> Outcome {
    let mut peer = context.login().await?;
    feature(&mut peer, "HASH").await?;
    peer.expect("HASH no-such-file-here", &[550]).await?;
    peer.expect("HASH /", &[553, 550]).await.map(drop)
}

async fn hash_range(context: Context) -> Outcome {
    let mut peer = context.scratch().await?;
    feature(&mut peer, "HASH").await?;
    feature(&mut peer, "RANG").await?;
    peer.put("f", b"123456789 and more").await?;
    peer.expect("OPTS HASH SHA-256", &[200]).await?;
    peer.expect("RANG 0 8", &[350]).await?;
    let reply = peer.command("HASH f").await?;
    must!(
        reply.code / 100 == 5 || reply.text().contains(NINE),
        "the digest of nine octets, or an error",
        reply.show(),
    )
}

async fn legacy_digests(context: Context) -> Outcome {
    let mut peer = context.scratch().await?;
    feature(&mut peer, "XMD5").await?;
    peer.put("a b", b"123456789").await?;
    for line in ["XMD5 a b", "XMD5 \"a b\""] {
        let reply = peer.expect(line, &[213, 250, 251]).await?;
        must!(
            reply.text().to_ascii_lowercase().contains("25f9e794323b453885f5181f1b624d0b"),
            "the MD5",
            reply.show(),
        )?;
    }
    Ok(())
}

async fn expect_data(peer: &mut Peer, wanted: &[u8]) -> Outcome {
    let data = peer.get("f").await?;
    must!(data == wanted, String::from_utf8_lossy(wanted), String::from_utf8_lossy(&data))
}

async fn rang(context: Context) -> Outcome {
    let mut peer = context.scratch().await?;
    feature(&mut peer, "RANG").await?;
    peer.put("f", b"0123456789abcdef").await?;
    peer.expect("RANG 0 9", &[350]).await?;
    expect_data(&mut peer, b"0123456789").await?;
    peer.expect("RANG 5 5", &[350]).await?;
    expect_data(&mut peer, b"5").await?;
    peer.expect("RANG 2 3", &[350]).await?;
    peer.expect("RANG 1 0", &[350]).await?;
    expect_data(&mut peer, b"0123456789abcdef").await
}

async fn rang_wrong(context: Context) -> Outcome {
    let mut peer = context.scratch().await?;
    feature(&mut peer, "RANG").await?;
    peer.put("f", b"0123456789").await?;
    peer.expect("RANG 2 5", &[350]).await?;
    peer.expect("RANG 9 2", &[501]).await?;
    expect_data(&mut peer, b"0123456789").await
}

async fn rang_feature(context: Context) -> Outcome {
    let mut peer = context.login().await?;
    let parameters = feature(&mut peer, "RANG").await?;
    must!(parameters == "STREAM", "RANG STREAM", parameters)?;
    peer.expect("RANG 0 9", &[350]).await.map(drop)
}

async fn rang_ascii(context: Context) -> Outcome {
    let mut peer = context.login().await?;
    feature(&mut peer, "RANG").await?;
    peer.expect("TYPE A", &[200]).await?;
    peer.expect("RANG 0 9", &[551]).await.map(drop)
}

async fn rang_stor(context: Context) -> Outcome {
    let mut peer = context.scratch().await?;
    feature(&mut peer, "RANG").await?;
    peer.put("f", b"0123456789").await?;
    peer.expect("RANG 2 4", &[350]).await?;
    peer.put("f", b"xyz").await?;
    expect_data(&mut peer, b"01xyz56789").await
}

/// The answer to MFMT and MFF of `f`; names of facts are in any case (RFC 3659 §7.5).
fn is_modified(reply: &Reply) -> Result<(), Stop> {
    let good = reply.text().eq_ignore_ascii_case("modify=20020717210715; f");
    must!(good, "213 Modify=20020717210715; f", reply.show())
}

async fn mfmt(context: Context) -> Outcome {
    let mut peer = context.scratch().await?;
    feature(&mut peer, "MFMT").await?;
    peer.put("f", b"x").await?;
    let reply = peer.expect("MFMT 20020717210715 f", &[213]).await?;
    is_modified(&reply)?;
    let time = peer.expect("MDTM f", &[213]).await?.text();
    must!(time == "20020717210715", "20020717210715", time)
}

async fn mfmt_wrong(context: Context) -> Outcome {
    let mut peer = context.scratch().await?;
    feature(&mut peer, "MFMT").await?;
    peer.put("f", b"x").await?;
    for time in ["20010229000000", "20021301000000", "20020717250000", "2002"] {
        peer.expect(&format!("MFMT {time} f"), &[501]).await?;
    }
    peer.expect("MFMT 20020717210715 no-such-file-here", &[550]).await?;
    peer.expect("MFMT", &[501, 500]).await?;
    peer.expect("MFMT 20020717210715", &[501, 500]).await.map(drop)
}

async fn mfmt_name(context: Context) -> Outcome {
    let mut peer = context.scratch().await?;
    feature(&mut peer, "MFMT").await?;
    peer.put("a b  c", b"x").await?;
    peer.expect("MFMT 20020717210715 a b  c", &[213]).await?;
    let time = peer.expect("MDTM a b  c", &[213]).await?.text();
    must!(time == "20020717210715", "20020717210715", time)
}

async fn mff(context: Context) -> Outcome {
    let mut peer = context.scratch().await?;
    let facts = feature(&mut peer, "MFF").await?;
    must!(facts.ends_with(';') && facts.to_ascii_lowercase().contains("modify;"), "MFF Modify;…", facts)?;
    peer.put("f", b"x").await?;
    let reply = peer.expect("MFF Modify=20020717210715; f", &[213]).await?;
    is_modified(&reply)
}

async fn mff_wrong(context: Context) -> Outcome {
    let mut peer = context.scratch().await?;
    feature(&mut peer, "MFF").await?;
    peer.put("f", b"x").await?;
    peer.expect("MFF Fish=1; f", &[504]).await?;
    peer.expect("MFF Modify=20010229000000; f", &[501]).await?;
    peer.expect("MFF Modify=20020717210715; none", &[550]).await.map(drop)
}

async fn avbl(context: Context) -> Outcome {
    let mut peer = context.login().await?;
    feature(&mut peer, "AVBL").await?;
    for line in ["AVBL", "AVBL /"] {
        let reply = peer.expect(line, &[213]).await?;
        must!(reply.text().parse::<u64>().is_ok(), "213 and digits", reply.show())?;
    }
    peer.expect("AVBL /no/such/directory", &[550]).await.map(drop)
}

async fn csid(context: Context) -> Outcome {
    let mut peer = context.login().await?;
    feature(&mut peer, "CSID").await?;
    let reply = peer.expect("CSID Name=suite; Version=1;", &[200]).await?;
    must!(reply.text().to_ascii_lowercase().contains("name="), "200 with Name=", reply.show())
}

/// MODE Z; the case ends if it is not there.
async fn deflate(peer: &mut Peer) -> Outcome {
    match peer.command("MODE Z").await?.code {
        200 => Ok(()),
        _ => Err(Stop::Unsupported("MODE Z".to_owned())),
    }
}

async fn mode_z(context: Context) -> Outcome {
    let mut peer = context.scratch().await?;
    let content = b"deflate ".repeat(2000);
    peer.put("plain", &content).await?;
    deflate(&mut peer).await?;
    let wire = peer.get("plain").await?;
    must!(
        wire.first().is_some_and(|octet| octet & 15 == 8) && wire.len() < content.len() / 4,
        "a zlib stream",
        format!("{} octets", wire.len()),
    )?;
    // What the server has deflated it inflates to the same file.
    peer.put("f", &wire).await?;
    peer.expect("MODE S", &[200]).await?;
    expect_data(&mut peer, &content).await
}

async fn mode_z_broken(context: Context) -> Outcome {
    let mut peer = context.login().await?;
    deflate(&mut peer).await?;
    peer.expect("OPTS MODE Z LEVEL 6", &[200]).await?;
    peer.expect("OPTS MODE Z LEVEL 99", &[501]).await?;
    peer.expect("OPTS MODE Z FOO 1", &[501]).await.map(drop)
}

async fn mode_z_listing(context: Context) -> Outcome {
    let mut peer = context.scratch().await?;
    peer.put("f", b"x").await?;
    deflate(&mut peer).await?;
    let (data, reply) = peer.fetch("NLST").await?;
    // RFC 1950: the stream ends with the Adler-32 of `f` CR LF, whatever the deflate block looks like.
    let (low, high) = b"f\r\n"
        .iter()
        .fold((1u32, 0u32), |(low, high), octet| (low + u32::from(*octet), high + low + u32::from(*octet)));
    let adler = (high << 16 | low).to_be_bytes();
    let header = data.first().is_some_and(|octet| octet & 15 == 8);
    must!(
        reply.code == 226 && header && data.ends_with(&adler),
        "a zlib stream of the listing",
        format!("{data:?}"),
    )
}

async fn site_chmod(context: Context) -> Outcome {
    let mut peer = context.scratch().await?;
    peer.put("f", b"x").await?;
    let reply = peer.command("SITE CHMOD 600 f").await?;
    if reply.code / 100 == 5 {
        return Err(Stop::Unsupported("SITE CHMOD".to_owned()));
    }
    must!(reply.code == 200, "200", reply.show())?;
    let lines = peer.listing("LIST").await?;
    must!(lines.iter().any(|line| line.starts_with("-rw-------")), "-rw-------", format!("{lines:?}"))?;
    peer.expect("SITE CHMOD 9999 f", &[501, 504, 550]).await.map(drop)
}
