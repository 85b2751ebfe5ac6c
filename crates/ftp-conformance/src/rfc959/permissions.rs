//! What a user may not do, whatever the verb: files without rights, links that lead out (RFC 959 §5.4; RFC 3659
//! §7.5, §11; practice).

use std::time::{Duration, Instant};

use crate::case::{Outcome, Stop, cases, must};
use crate::context::Context;
use crate::peer::Peer;
use crate::rfc2389::feature;
use crate::rfc3659::{mlsd, mlst};

cases! {
    unreadable: ["RFC959-5.4-RETR-4"] Data [Fixtures];
    readonly: ["RFC959-5.4-STOR-4"] Data [Fixtures];
    readonly_append: ["RFC959-5.4-APPE-2"] Data [Fixtures];
    dangling: ["PRAC-RETR-7"] Control [Fixtures];
    every_verb: ["PRAC-PTH-5"] Control [Fixtures];
    links_outside: ["PRAC-PTH-3"] Control [Fixtures];
    unreadable_digest: ["HASH-6-HSH-9"] Control [Fixtures];
    link_facts: ["RFC3659-7.5.1.5-FCT-4"] Control [Fixtures];
    perm: ["RFC3659-7.5.5-FCT-10"] Control [Fixtures];
    unique_is_no_handle: ["RFC3659-11-PTH-7"] Control [Write];
}

/// A client among the fixtures.
async fn among_fixtures(context: &Context) -> Result<Peer, Stop> {
    let mut peer = context.login().await?;
    peer.expect("CWD fixtures", &[250, 200]).await?;
    Ok(peer)
}

async fn unreadable(context: Context) -> Outcome {
    let mut peer = among_fixtures(&context).await?;
    let (data, reply) = peer.fetch("RETR unreadable").await?;
    must!(
        reply.code == 550 && data.is_empty(),
        "550 and no octet",
        format!("{}, {} octets", reply.show(), data.len())
    )?;
    peer.expect("NOOP", &[200]).await.map(drop)
}

async fn unchanged(peer: &mut Peer) -> Outcome {
    let data = peer.get("readonly").await?;
    must!(data == b"read only", "the file as it was", String::from_utf8_lossy(&data))
}

async fn readonly(context: Context) -> Outcome {
    let mut peer = among_fixtures(&context).await?;
    for line in ["STOR readonly", "STOR closed/inside", "STOR closed/new"] {
        let reply = peer.offer_against(line, b"changed").await?;
        must!(matches!(reply.code, 550 | 553), format!("550 or 553 to {line}"), reply.show())?;
    }
    unchanged(&mut peer).await
}

async fn readonly_append(context: Context) -> Outcome {
    let mut peer = among_fixtures(&context).await?;
    for line in ["APPE readonly", "APPE closed/new"] {
        let reply = peer.offer_against(line, b"changed").await?;
        must!(matches!(reply.code, 550 | 553 | 532), format!("550 or 553 to {line}"), reply.show())?;
    }
    unchanged(&mut peer).await
}

async fn dangling(context: Context) -> Outcome {
    let mut peer = among_fixtures(&context).await?;
    for line in ["RETR dangling", "RETR loop-a", "SIZE loop-b", "CWD loop-a"] {
        let begun = Instant::now();
        let reply =
            if line.starts_with("RETR") { peer.fetch(line).await?.1 } else { peer.command(line).await? };
        must!(
            reply.code == 550 && begun.elapsed() < Duration::from_secs(5),
            format!("550 to {line} within 5 s"),
            reply.show(),
        )?;
    }
    Ok(())
}

async fn every_verb(context: Context) -> Outcome {
    let mut peer = among_fixtures(&context).await?;
    for line in [
        "DELE closed/inside",
        "RMD closed/inside",
        "MKD closed/new",
        "RNTO closed/moved",
        "MFMT 20020717210715 closed/none",
        "HASH unreadable",
        "XMD5 unreadable",
    ] {
        if line.starts_with("RNTO") {
            let reply = peer.command("RNFR closed/inside").await?;
            if reply.code / 100 == 5 {
                continue;
            }
        }
        let reply = peer.command(line).await?;
        must!(reply.code / 100 == 5, format!("5xx to {line}"), reply.show())?;
    }
    let inside = peer.get("closed/inside").await?;
    must!(inside == b"inside", "the file as it was", String::from_utf8_lossy(&inside))
}

async fn links_outside(context: Context) -> Outcome {
    let mut peer = among_fixtures(&context).await?;
    for line in [
        "SIZE outside",
        "MDTM outside",
        "HASH outside",
        "XMD5 outside",
        "CWD outside-dir",
        "MLST outside-dir/second",
    ] {
        let reply = peer.command(line).await?;
        must!(reply.code / 100 == 5, format!("5xx to {line}"), reply.show())?;
    }
    for line in ["RETR outside", "STOR outside", "APPE outside-dir/new", "STOR outside-dir/new"] {
        let reply = if line.starts_with("RETR") {
            peer.fetch(line).await?.1
        } else {
            peer.offer_against(line, b"x").await?
        };
        must!(matches!(reply.code, 550 | 553 | 501), format!("550 or 553 to {line}"), reply.show())?;
    }
    for line in ["LIST outside-dir/", "MLSD outside-dir"] {
        let (data, reply) = peer.fetch(line).await?;
        let shown = String::from_utf8_lossy(&data).into_owned();
        must!(
            reply.code / 100 == 5 || !shown.contains("second"),
            format!("nothing from outside for {line}"),
            shown
        )?;
    }
    Ok(())
}

async fn unreadable_digest(context: Context) -> Outcome {
    let mut peer = among_fixtures(&context).await?;
    feature(&mut peer, "HASH").await?;
    peer.expect("HASH unreadable", &[550, 552, 553]).await?;
    peer.expect("HASH target", &[213]).await.map(drop)
}

async fn link_facts(context: Context) -> Outcome {
    let mut peer = among_fixtures(&context).await?;
    feature(&mut peer, "MLST").await?;
    let entries = mlsd(&mut peer, "MLSD").await?;
    let find = |name: &str| {
        let found = entries.iter().find(|entry| entry.name == name);
        found.ok_or_else(|| Stop::fails(format!("{name} in MLSD"), "no such entry"))
    };
    let (link, target) = (find("link")?, find("target")?);
    let kind = link.fact("type").map(str::to_ascii_lowercase).unwrap_or_default();
    must!(kind == "file" || kind.starts_with("os.unix=slink"), "type=file", kind.clone())?;
    must!(
        kind != "file" || link.fact("unique") == target.fact("unique"),
        "the unique fact of what it leads to",
        format!("{:?} and {:?}", link.fact("unique"), target.fact("unique")),
    )
}

async fn perm(context: Context) -> Outcome {
    let mut peer = among_fixtures(&context).await?;
    feature(&mut peer, "MLST").await?;
    let letters = |entry: &crate::rfc3659::Entry| entry.fact("perm").map(str::to_ascii_lowercase);
    let Some(file) = letters(&mlst(&mut peer, "MLST readonly").await?) else {
        return Err(Stop::Unsupported("the perm fact".to_owned()));
    };
    must!(
        !file.contains(['a', 'w']) && file.contains('r'),
        "perm of a read-only file without a and w",
        file
    )?;
    let closed = letters(&mlst(&mut peer, "MLST closed").await?).unwrap_or_default();
    must!(!closed.contains(['c', 'm', 'p']), "perm of a read-only directory without c, m and p", closed)?;
    peer.expect("CWD ..", &[250]).await?;
    let open = letters(&mlst(&mut peer, "MLST").await?).unwrap_or_default();
    must!(open.contains('c') && open.contains('e'), "perm of a writable directory with c and e", open)
}

async fn unique_is_no_handle(context: Context) -> Outcome {
    let mut peer = context.scratch().await?;
    feature(&mut peer, "MLST").await?;
    let mut seen = Vec::new();
    for name in ["a", "b", "c"] {
        peer.put(name, b"x").await?;
        let entry = mlst(&mut peer, &format!("MLST {name}")).await?;
        let Some(unique) = entry.fact("unique") else {
            return Err(Stop::Unsupported("the unique fact".to_owned()));
        };
        seen.push(unique.to_owned());
    }
    // Inodes of files made one after the other are near each other, in whatever base they are written.
    let numbers: Vec<Option<i128>> = seen
        .iter()
        .map(|unique| {
            i128::from_str_radix(&unique.replace(|letter: char| !letter.is_ascii_hexdigit(), ""), 16).ok()
        })
        .collect();
    let near = numbers.windows(2).all(|pair| match pair {
        [Some(one), Some(other)] => (one - other).abs() < 1 << 16,
        _ => false,
    });
    must!(
        !near && numbers.iter().any(Option::is_some),
        "values that tell nothing of device and inode",
        seen.join(", ")
    )
}
