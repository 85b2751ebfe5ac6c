//! Facts and OPTS MLST (RFC 3659 §7.5, §7.9).

use super::{furnished, is_date, mlsd, mlst, starred};
use crate::case::{Outcome, Stop, cases, must};
use crate::context::Context;
use crate::rfc2389::feature;

cases! {
    facts_form: ["RFC3659-7.4-FCT-1", "RFC3659-7.5-FCT-2", "RFC3659-7.4-FCT-14"] Data [Write];
    type_values: ["RFC3659-7.5.1-FCT-3"] Data [Write];
    unique_values: ["RFC3659-7.5.2-FCT-5"] Data [Write];
    modify_is_mdtm: ["RFC3659-7.5.3-FCT-6"] Data [Write];
    create_before_modify: ["RFC3659-7.5.4-FCT-8"] Data [Write];
    perm_letters: ["RFC3659-7.5.5-FCT-9"] Data [Write];
    size_fact: ["RFC3659-7.5.7-FCT-11"] Data [Write];
    defaults_are_starred: ["RFC3659-7.8-FCT-15"] Data [Write];
    opts_selects: ["RFC3659-7.9-OPM-1"] Data [Write];
    opts_reply: ["RFC3659-7.9.1-OPM-2"] Control;
    opts_none: ["RFC3659-7.9-OPM-3"] Data [Write];
    opts_stars: ["RFC3659-7.8-OPM-4"] Control;
    opts_unknown: ["RFC3659-7.9-OPM-5"] Control;
    opts_malformed: ["RFC3659-7.9.2-OPM-6"] Control;
    opts_mlsd: ["RFC3659-7.9-OPM-7"] Control;
    classic_names: ["RFC3659-8-NAM-12"] Data [Write];
    times_are_dates: ["RFC3659-2.3-TIME-7", "RFC3659-2.3-MDTM-5"] Data [Write];
    directories_change: ["RFC3659-7.5.3-FCT-7"] Control [Write];
    lower_case: ["PRAC-FCT-16"] Data [Write];
    no_guesses: ["RFC3659-7.5.8-FCT-12"] Control [Write];
}

async fn facts_form(context: Context) -> Outcome {
    let mut peer = furnished(&context).await?;
    let standard =
        ["type", "size", "modify", "create", "perm", "unique", "lang", "media-type", "charset", "sizd"];
    let entries = mlsd(&mut peer, "MLSD").await?;
    must!(entries.len() == 3, "three entries", format!("{}", entries.len()))?;
    for (name, value) in entries.iter().flat_map(|entry| &entry.facts) {
        let known = standard.contains(&name.as_str()) || name.contains('.') || name.starts_with('x');
        must!(
            known && !value.contains([' ', ';']),
            "standard facts without blanks",
            format!("{name}={value}"),
        )?;
    }
    Ok(())
}

async fn type_values(context: Context) -> Outcome {
    let mut peer = furnished(&context).await?;
    for entry in mlsd(&mut peer, "MLSD").await? {
        let kind = entry.fact("type").unwrap_or_default().to_ascii_lowercase();
        match kind.as_str() {
            "file" => drop(peer.get(&entry.name).await?),
            "dir" => {
                peer.expect(&format!("CWD {}", entry.name), &[250]).await?;
                peer.expect("CDUP", &[200, 250]).await?;
            }
            other => must!(other.starts_with("os."), "file, dir, cdir, pdir or OS.", other)?,
        }
    }
    Ok(())
}

async fn unique_values(context: Context) -> Outcome {
    let mut peer = furnished(&context).await?;
    let first = mlsd(&mut peer, "MLSD").await?;
    let second = mlsd(&mut peer, "MLSD").await?;
    let mut seen: Vec<&str> = first.iter().filter_map(|entry| entry.fact("unique")).collect();
    if seen.is_empty() {
        return Err(Stop::Unsupported("the unique fact".to_owned()));
    }
    for entry in &second {
        let same =
            first.iter().any(|old| old.name == entry.name && old.fact("unique") == entry.fact("unique"));
        must!(same, "the same value for the same object", entry.name.clone())?;
    }
    let count = seen.len();
    seen.sort_unstable();
    seen.dedup();
    must!(seen.len() == count && count == 3, "different values for different objects", format!("{seen:?}"))
}

async fn modify_is_mdtm(context: Context) -> Outcome {
    let mut peer = furnished(&context).await?;
    let entry = mlst(&mut peer, "MLST file").await?;
    let time = peer.expect("MDTM file", &[213]).await?.text();
    let modify = entry.fact("modify").unwrap_or_default().to_owned();
    must!(is_date(&modify) && modify.get(..14) == time.get(..14), &time, modify)
}

async fn create_before_modify(context: Context) -> Outcome {
    let mut peer = furnished(&context).await?;
    peer.expect("OPTS MLST type;create;modify;", &[200]).await?;
    for entry in mlsd(&mut peer, "MLSD").await? {
        if let (Some(create), Some(modify)) = (entry.fact("create"), entry.fact("modify")) {
            must!(is_date(create) && create.get(..14) <= modify.get(..14), modify, create)?;
        }
    }
    Ok(())
}

async fn perm_letters(context: Context) -> Outcome {
    let mut peer = furnished(&context).await?;
    for entry in mlsd(&mut peer, "MLSD").await? {
        let perm = entry.fact("perm").unwrap_or_default().to_ascii_lowercase();
        let legal = if entry.fact("type") == Some("file") { "adfrw" } else { "cdeflmp" };
        let once = perm.chars().all(|letter| legal.contains(letter) && perm.matches(letter).count() == 1);
        must!(once && !perm.is_empty(), &format!("letters of {legal}"), perm)?;
    }
    Ok(())
}

async fn size_fact(context: Context) -> Outcome {
    let mut peer = furnished(&context).await?;
    let file = mlst(&mut peer, "MLST file").await?;
    must!(file.fact("size") == Some("1234"), "1234", file.fact("size").unwrap_or("none"))?;
    let sub = mlst(&mut peer, "MLST sub").await?;
    must!(sub.fact("size").is_none(), "no size of a directory", sub.fact("size").unwrap_or_default())
}

async fn defaults_are_starred(context: Context) -> Outcome {
    let mut peer = furnished(&context).await?;
    let starred = starred(&mut peer).await?;
    let entries = mlsd(&mut peer, "MLSD").await?;
    let sent: Vec<&String> =
        entries.iter().flat_map(|entry| entry.facts.iter().map(|(name, _)| name)).collect();
    let good =
        sent.iter().all(|name| starred.contains(name)) && starred.iter().all(|name| sent.contains(&name));
    must!(good, &format!("{starred:?}"), format!("{sent:?}"))
}

async fn opts_selects(context: Context) -> Outcome {
    let mut peer = furnished(&context).await?;
    peer.expect("OPTS MLST size;type;", &[200]).await?;
    let mut entries = mlsd(&mut peer, "MLSD").await?;
    entries.push(mlst(&mut peer, "MLST file").await?);
    for (name, _) in entries.iter().flat_map(|entry| &entry.facts) {
        must!(matches!(name.as_str(), "size" | "type"), "size and type only", name.clone())?;
    }
    Ok(())
}

async fn opts_reply(context: Context) -> Outcome {
    let mut peer = context.login().await?;
    feature(&mut peer, "MLST").await?;
    let reply = peer.expect("OPTS MLST Type;Size;frogs;", &[200]).await?;
    let text = reply.text();
    let list = text.strip_prefix("MLST OPTS").unwrap_or("?").trim().to_ascii_lowercase();
    must!(matches!(list.as_str(), "type;size;" | "size;type;"), "200 MLST OPTS Type;Size;", reply.show())
}

async fn opts_none(context: Context) -> Outcome {
    let mut peer = furnished(&context).await?;
    peer.expect("OPTS MLST", &[200]).await?;
    let lines = peer.listing("MLSD").await?;
    must!(
        lines.len() == 3 && lines.iter().all(|line| line.starts_with(' ')),
        "a blank and the name",
        format!("{lines:?}"),
    )
}

async fn opts_stars(context: Context) -> Outcome {
    let mut peer = context.login().await?;
    feature(&mut peer, "MLST").await?;
    peer.expect("OPTS MLST modify;", &[200]).await?;
    let starred = starred(&mut peer).await?;
    must!(starred == ["modify"], "modify*", format!("{starred:?}"))
}

async fn opts_unknown(context: Context) -> Outcome {
    let mut peer = context.login().await?;
    feature(&mut peer, "MLST").await?;
    let reply = peer.expect("OPTS MLST fish;cakes;", &[200]).await?;
    must!(reply.text().trim_end() == "MLST OPTS", "200 MLST OPTS", reply.show())
}

async fn opts_malformed(context: Context) -> Outcome {
    let mut peer = context.login().await?;
    let before = feature(&mut peer, "MLST").await?;
    peer.expect("OPTS MLST unique type;", &[501]).await?;
    let after = feature(&mut peer, "MLST").await?;
    must!(before == after, &before, after)
}

async fn opts_mlsd(context: Context) -> Outcome {
    let mut peer = context.login().await?;
    feature(&mut peer, "MLST").await?;
    peer.expect("OPTS MLSD type;", &[501]).await.map(drop)
}

async fn classic_names(context: Context) -> Outcome {
    let mut peer = furnished(&context).await?;
    peer.put("a;b=c d", b"x").await?;
    for entry in mlsd(&mut peer, "MLSD").await? {
        let name = entry.name;
        peer.expect(&format!("STAT {name}"), &[211, 212, 213]).await?;
        peer.expect(&format!("RNFR {name}"), &[350]).await?;
        peer.expect(&format!("RNTO {name} moved"), &[250]).await?;
        if entry.facts.iter().any(|(_, value)| value.eq_ignore_ascii_case("file")) {
            peer.expect(&format!("DELE {name} moved"), &[250]).await?;
        } else {
            peer.expect(&format!("RMD {name} moved"), &[250]).await?;
        }
    }
    Ok(())
}

async fn times_are_dates(context: Context) -> Outcome {
    let mut peer = furnished(&context).await?;
    feature(&mut peer, "MFMT").await?;
    for time in ["19700101000000", "20000229000000", "20380120000000", "21000301000000"] {
        peer.expect(&format!("MFMT {time} file"), &[213]).await?;
        let said = peer.expect("MDTM file", &[213]).await?.text();
        must!(said == time, time, said)?;
    }
    Ok(())
}

async fn directories_change(context: Context) -> Outcome {
    let mut peer = furnished(&context).await?;
    let modified = async |peer: &mut crate::peer::Peer| {
        let entry = mlst(peer, "MLST sub").await?;
        let fact = entry.fact("modify").map(str::to_owned);
        fact.ok_or_else(|| Stop::Unsupported("the modify fact of directories".to_owned()))
    };
    let before = modified(&mut peer).await?;
    tokio::time::sleep(std::time::Duration::from_millis(1100)).await;
    peer.put("sub/x", b"x").await?;
    let after = modified(&mut peer).await?;
    must!(after > before, format!("later than {before}"), after)
}

async fn no_guesses(context: Context) -> Outcome {
    let mut peer = furnished(&context).await?;
    let mut kinds = Vec::new();
    for name in ["x.txt", "x.jpg", "x"] {
        peer.put(name, b"the same octets").await?;
        let entry = mlst(&mut peer, &format!("MLST {name}")).await?;
        kinds.push(entry.fact("media-type").map(str::to_owned));
    }
    kinds.dedup();
    must!(kinds.len() == 1, "no media type that follows the suffix", format!("{kinds:?}"))
}

async fn lower_case(context: Context) -> Outcome {
    let mut peer = furnished(&context).await?;
    for line in peer.listing("MLSD").await? {
        let facts = line.split(' ').next().unwrap_or_default();
        let mut names = facts.split(';').filter_map(|fact| Some(fact.split_once('=')?.0));
        let count = names.clone().count();
        let known = |name: &str| matches!(name, "type" | "size" | "modify" | "perm" | "unique" | "create");
        let good = names.all(|name| known(name) || !known(&name.to_ascii_lowercase()));
        must!(good && count > 0, "type, size and modify in lower case", line.clone())?;
    }
    Ok(())
}
