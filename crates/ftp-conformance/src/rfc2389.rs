//! FEAT, OPTS, LANG, HOST, CLNT (RFC 2389, RFC 2640 §4, RFC 7151, RFC 5797).

use crate::case::{Outcome, Stop, cases, must};
use crate::context::Context;
use crate::peer::Peer;

cases! {
    form: ["RFC2389-3.2-FEAT-1", "RFC2389-3.2-FEAT-2", "RFC2389-3.2-FEAT-3"] Control;
    argument: ["RFC2389-3.2-FEAT-4"] Control;
    works: ["RFC2389-3.2-FEAT-5", "RFC2389-3.2-FEAT-6"] Control [Write];
    not_itself: ["RFC2389-3.2-FEAT-7", "RFC5797-2.2-FEAT-17"] Control;
    upper_case: ["RFC2389-3.2-FEAT-8", "RFC2389-3.2-FEAT-9"] Control;
    auth: ["RFC4217-6-FEAT-10", "PRAC-FEAT-18"] Explicit;
    mdtm_and_size: ["RFC3659-3.3-FEAT-11", "RFC3659-4.3-FEAT-12"] Data [Write];
    rest: ["RFC3659-5.4-FEAT-13"] Data [Write];
    mlst: ["RFC3659-7.8-FEAT-14", "RFC3659-7.5.10-FCT-13"] Control;
    tvfs_and_utf8: ["RFC3659-6.3-FEAT-15", "RFC2640-3.2-FEAT-16"] Control;
    opts_exists: ["RFC2389-4-OPTS-1", "RFC2389-4-OPTS-3", "RFC2389-4-OPTS-5"] Control;
    opts_good: ["RFC2389-4-OPTS-2"] Control;
    opts_empty: ["RFC2389-4-OPTS-4"] Control;
    utf8_on: ["PRAC-OPTS-6"] Control;
    utf8_off: ["PRAC-OPTS-7", "PRAC-OPTS-8"] Data [Write];
    clnt: ["PRAC-OPTS-9"] Control;
    lang_default: ["RFC2640-4.2-LANG-1", "RFC2640-4.3-LANG-5"] Control;
    lang_offered: ["RFC2640-4.2-LANG-2", "RFC2640-4.2-LANG-6"] Control;
    lang_unknown: ["RFC2640-4.2-LANG-3"] Control;
    lang_malformed: ["RFC2640-4.2-LANG-4"] Control;
    lang_codes: ["RFC2640-4.1-LANG-7", "RFC2640-4.1-LANG-8"] Control;
    lang_and_rein: ["RFC2640-4.1-LANG-9"] Implicit;
    host_absent: ["RFC7151-3.3-HOST-15", "RFC7151-3.4-HOST-13"] Control;
    user_without_host: ["RFC7151-3.3-HOST-12"] Control;
}

/// The lines of FEAT: label and parameters.
pub(crate) async fn features(peer: &mut Peer) -> Result<Vec<(String, String)>, Stop> {
    let reply = peer.expect("FEAT", &[211]).await?;
    let split = |line: &Vec<u8>| {
        let text = String::from_utf8_lossy(line).trim().to_owned();
        let (label, parameters) = text.split_once(' ').unwrap_or((&text, ""));
        (label.to_owned(), parameters.to_owned())
    };
    Ok(reply.inner().iter().map(split).collect())
}

/// The parameters of a feature; the case ends if it is not there.
pub(crate) async fn feature(peer: &mut Peer, label: &str) -> Result<String, Stop> {
    let found = features(peer).await?.into_iter().find(|(known, _)| known.eq_ignore_ascii_case(label));
    found
        .map(|(_, parameters)| parameters)
        .ok_or_else(|| Stop::Unsupported(format!("{label} is not in FEAT")))
}

async fn form(context: Context) -> Outcome {
    let mut peer = context.secure().await?;
    let reply = peer.expect("FEAT", &[211]).await?;
    let one_space =
        |line: &Vec<u8>| matches!(line.as_slice(), [b' ', next, ..] if !next.is_ascii_whitespace());
    must!(
        reply.inner().iter().all(one_space) && !reply.inner().is_empty(),
        "one space in front of each feature",
        reply.show(),
    )?;
    let last = reply.lines.last().map(|line| String::from_utf8_lossy(line).into_owned()).unwrap_or_default();
    must!(last.eq_ignore_ascii_case("211 End"), "211 End", reply.show())
}

async fn argument(context: Context) -> Outcome {
    context.secure().await?.expect("FEAT x", &[501]).await?;
    context.login().await?.expect("FEAT x", &[501]).await.map(drop)
}

async fn works(context: Context) -> Outcome {
    let mut peer = context.scratch().await?;
    let list = features(&mut peer).await?;
    let tries = [
        ("SIZE", "SIZE missing"),
        ("MDTM", "MDTM missing"),
        ("MLST", "MLST"),
        ("EPSV", "EPSV"),
        ("EPRT", "EPRT |3|x|1|"),
        ("LANG", "LANG"),
        ("MFMT", "MFMT 20020717210715 missing"),
        ("MFF", "MFF Modify=20020717210715; missing"),
        ("HASH", "HASH missing"),
        ("RANG", "RANG 1 0"),
        ("REST", "REST 0"),
        ("AVBL", "AVBL"),
        ("XCRC", "XCRC missing"),
        ("XMD5", "XMD5 missing"),
        ("CLNT", "CLNT suite"),
        ("CSID", "CSID Name=suite;"),
        ("COMB", "COMB t a b"),
        ("DSIZ", "DSIZ missing"),
        ("THMB", "THMB PNG 1 1 missing"),
        ("MFCT", "MFCT 20020717210715 missing"),
    ];
    for (label, line) in tries {
        let listed = list.iter().any(|(known, _)| known.eq_ignore_ascii_case(label));
        let reply = peer.command(line).await?;
        let known = !matches!(reply.code, 500 | 502 | 202);
        let wanted = if listed { "to work, as FEAT says" } else { "to be absent, as FEAT says" };
        must!(known == listed, &format!("{label} {wanted}"), reply.show())?;
    }
    Ok(())
}

async fn not_itself(context: Context) -> Outcome {
    let mut peer = context.secure().await?;
    let reply = peer.expect("FEAT", &[211]).await?;
    let bad = ["feat", "opts", "base", "hist", "secu", "nat6"];
    let label = |line: &Vec<u8>| String::from_utf8_lossy(line).trim().to_ascii_lowercase();
    must!(
        !reply.inner().iter().any(|line| bad.contains(&label(line).as_str())),
        "neither FEAT nor OPTS nor a pseudo code",
        reply.show(),
    )
}

async fn upper_case(context: Context) -> Outcome {
    let mut peer = context.secure().await?;
    let reply = peer.expect("FEAT", &[211]).await?;
    let known = [
        "MDTM", "SIZE", "EPRT", "EPSV", "MLST", "TVFS", "UTF8", "AUTH", "PBSZ", "PROT", "REST", "LANG",
        "HASH",
    ];
    for line in reply.inner() {
        let text = String::from_utf8_lossy(line).into_owned();
        let labels: Vec<&str> = text
            .split([' ', ';'])
            .filter(|word| known.contains(&word.to_ascii_uppercase().as_str()))
            .collect();
        must!(labels.len() <= 1, "a line of its own for each extension", reply.show())?;
        must!(
            labels.iter().all(|label| **label == label.to_ascii_uppercase()),
            "upper-case labels",
            reply.show()
        )?;
    }
    Ok(())
}

async fn auth(context: Context) -> Outcome {
    let mut peer = context.greet().await?;
    let before = features(&mut peer).await?;
    let has = |label: &str| before.iter().any(|(known, _)| known == label);
    let tls = before
        .iter()
        .any(|(label, mechanisms)| label == "AUTH" && mechanisms.split(';').any(|name| name == "TLS"));
    if !(tls && has("PBSZ") && has("PROT")) {
        return Err(Stop::fails("AUTH with TLS, PBSZ and PROT in FEAT", format!("{before:?}")));
    }
    peer.protect().await?;
    let mut after = features(&mut peer).await?;
    let mut before = before;
    for list in [&mut before, &mut after] {
        list.retain(|(label, _)| !matches!(label.as_str(), "AUTH" | "CCC" | "HOST"));
    }
    match before == after {
        true => Ok(()),
        false => Err(Stop::fails(format!("{before:?}"), format!("{after:?}"))),
    }
}

async fn mdtm_and_size(context: Context) -> Outcome {
    let mut peer = context.scratch().await?;
    peer.put("f", b"x").await?;
    let list = features(&mut peer).await?;
    for label in ["MDTM", "SIZE"] {
        let reply = peer.command(&format!("{label} f")).await?;
        let listed = list.contains(&(label.to_owned(), String::new()));
        must!(
            listed == (reply.code == 213),
            &format!("{label} in FEAT if and only if it works"),
            reply.show()
        )?;
    }
    Ok(())
}

async fn rest(context: Context) -> Outcome {
    let mut peer = context.scratch().await?;
    peer.put("f", b"0123456789").await?;
    let listed = features(&mut peer).await?.contains(&("REST".to_owned(), "STREAM".to_owned()));
    let reply = peer.command("REST 4").await?;
    let works = reply.code == 350 && peer.get("f").await? == b"456789";
    must!(listed == works, "REST STREAM in FEAT if and only if it works", reply.show())
}

async fn mlst(context: Context) -> Outcome {
    let mut peer = context.login().await?;
    let facts = feature(&mut peer, "MLST").await?;
    let lower = facts.to_ascii_lowercase();
    let all = ["type", "perm", "size", "unique", "modify"].iter().all(|fact| lower.contains(fact));
    match facts.ends_with(';') && !facts.contains(' ') && all {
        true => Ok(()),
        false => Err(Stop::fails("MLST fact*;… with type, perm, size, unique and modify", facts)),
    }
}

async fn tvfs_and_utf8(context: Context) -> Outcome {
    let mut peer = context.login().await?;
    for label in ["TVFS", "UTF8"] {
        let parameters = feature(&mut peer, label).await?;
        if !parameters.is_empty() {
            return Err(Stop::fails(format!("exactly {label}"), parameters));
        }
    }
    Ok(())
}

async fn opts_exists(context: Context) -> Outcome {
    let mut peer = context.login().await?;
    for line in ["OPTS XYZZY", "OPTS NOOP", "OPTS XYZZY a", "OPTS FEAT", "OPTS OPTS"] {
        peer.expect(line, &[501, 451]).await?;
    }
    Ok(())
}

async fn opts_good(context: Context) -> Outcome {
    let mut peer = context.login().await?;
    feature(&mut peer, "MLST").await?;
    peer.expect("OPTS MLST type;size;", &[200]).await.map(drop)
}

async fn opts_empty(context: Context) -> Outcome {
    let mut peer = context.secure().await?;
    peer.expect("OPTS", &[501]).await?;
    peer.expect("NOOP", &[200, 530]).await.map(drop)
}

async fn utf8_on(context: Context) -> Outcome {
    let mut peer = context.secure().await?;
    feature(&mut peer, "UTF8").await?;
    peer.expect("OPTS UTF8 ON", &[200, 202]).await?;
    peer.expect("opts utf8 on", &[200, 202]).await.map(drop)
}

async fn utf8_off(context: Context) -> Outcome {
    let mut peer = context.scratch().await?;
    for line in ["OPTS UTF8 OFF", "OPTS UTF8", "OPTS UTF8 NLST"] {
        peer.expect(line, &[200, 202, 501, 504]).await?;
    }
    peer.put("\u{fc}", b"x").await?;
    let names = peer.listing("NLST").await?;
    match names == ["\u{fc}"] {
        true => Ok(()),
        false => Err(Stop::fails("\u{fc}", format!("{names:?}"))),
    }
}

async fn clnt(context: Context) -> Outcome {
    let mut peer = context.login().await?;
    feature(&mut peer, "CLNT").await?;
    peer.expect("CLNT testsuite 1.0", &[200]).await.map(drop)
}

async fn lang_default(context: Context) -> Outcome {
    let mut peer = context.secure().await?;
    let tags = feature(&mut peer, "LANG").await?;
    peer.expect("LANG", &[200]).await?;
    let stars = tags.matches('*').count();
    let tag = |tag: &str| {
        let tag = tag.trim_end_matches('*');
        tag.split('-').all(|part| {
            (1..=8).contains(&part.len()) && part.bytes().all(|octet| octet.is_ascii_alphanumeric())
        })
    };
    match stars == 1 && tags.trim_end_matches(';').split(';').all(tag) {
        true => Ok(()),
        false => Err(Stop::fails("LANG tag*;tag with one star", tags)),
    }
}

async fn lang_offered(context: Context) -> Outcome {
    let mut peer = context.secure().await?;
    let tags = feature(&mut peer, "LANG").await?;
    for tag in tags.trim_end_matches(';').split(';').map(|tag| tag.trim_end_matches('*')) {
        peer.expect(&format!("LANG {}", tag.to_ascii_lowercase()), &[200]).await?;
        peer.expect(&format!("LANG {}", tag.to_ascii_uppercase()), &[200]).await?;
        let now = feature(&mut peer, "LANG").await?.to_ascii_uppercase();
        if !now.contains(&format!("{}*", tag.to_ascii_uppercase())) {
            return Err(Stop::fails(format!("{tag} with the star"), now));
        }
    }
    Ok(())
}

async fn lang_unknown(context: Context) -> Outcome {
    let mut peer = context.secure().await?;
    let before = feature(&mut peer, "LANG").await?;
    peer.expect("LANG tlh", &[504]).await?;
    let after = feature(&mut peer, "LANG").await?;
    match before == after {
        true => Ok(()),
        false => Err(Stop::fails(before, after)),
    }
}

async fn lang_malformed(context: Context) -> Outcome {
    let mut peer = context.secure().await?;
    feature(&mut peer, "LANG").await?;
    for tag in ["123", "en_US", "toolongprimarytag"] {
        peer.expect(&format!("LANG {tag}"), &[501]).await?;
    }
    Ok(())
}

async fn lang_codes(context: Context) -> Outcome {
    let mut peer = context.secure().await?;
    feature(&mut peer, "LANG").await?;
    for line in ["NOOP", "FEAT", "USER x", "XYZZY"] {
        let reply = peer.command(line).await?;
        must!(reply.lines.iter().flatten().all(u8::is_ascii), "plain ASCII before LANG", reply.show())?;
    }
    peer.expect("LANG en", &[200]).await.map(drop)
}

async fn lang_and_rein(context: Context) -> Outcome {
    let mut peer = context.login().await?;
    let before = feature(&mut peer, "LANG").await?;
    let reply = peer.command("REIN").await?;
    if matches!(reply.code, 500 | 502) {
        return Err(Stop::Unsupported("REIN".to_owned()));
    }
    must!(reply.code == 220, "220", reply.show())?;
    let after = feature(&mut peer, "LANG").await?;
    match before == after {
        true => Ok(()),
        false => Err(Stop::fails(before, after)),
    }
}

async fn host_absent(context: Context) -> Outcome {
    let mut peer = context.secure().await?;
    let listed = features(&mut peer).await?.iter().any(|(label, _)| label == "HOST");
    let reply = peer.command("HOST no-such-host.invalid").await?;
    must!(
        listed != matches!(reply.code, 500 | 502 | 530),
        "HOST in FEAT if and only if it is known",
        reply.show()
    )
}

async fn user_without_host(context: Context) -> Outcome {
    context.secure().await?.expect("USER nobody", &[331, 530]).await.map(drop)
}
