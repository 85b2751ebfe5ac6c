//! Names (RFC 2640 §3, RFC 3659 §2.2).

use super::survives;
use crate::case::{Outcome, cases, must};
use crate::context::Context;
use crate::peer::Reply;

cases! {
    aliases: ["RFC1123-4.1.3.1-CMD-18"] Control [Write];
    only_the_first_space: ["RFC2640-3.1-CMD-4", "RFC3659-2.2-CMD-5"] Control [Write];
    utf8_names: ["RFC2640-3.1-NAM-1"] Data [Write];
    raw_names: ["RFC2640-3.1-NAM-2"] Control [Write];
    wildcards_are_plain: ["RFC3659-2.2.2-NAM-3", "PRAC-NAM-4"] Data [Write];
    odd_names: ["PRAC-NAM-5"] Data [Write];
    dot_files: ["PRAC-NAM-6"] Data [Write];
    long_names: ["PRAC-NAM-7"] Data [Write];
    iac_in_names: ["RFC3659-2.2-TEL-4"] Control [Write];
    cr_nul: ["RFC2640-3.1-CMD-9"] Control [Write];
    every_octet: ["RFC3659-7-CMD-17"] Control [Write];
    controls_are_not_shown: ["PRAC-INJ-3"] Control [Write];
}

async fn aliases(context: Context) -> Outcome {
    let mut peer = context.scratch().await?;
    for (line, code) in [("XMKD d", 257), ("XCWD d", 250), ("XPWD", 257), ("XCUP", 250), ("XRMD d", 250)] {
        peer.expect(line, &[code, 200]).await?;
    }
    peer.expect("CWD d", &[550]).await.map(drop)
}

async fn only_the_first_space(context: Context) -> Outcome {
    let mut peer = context.scratch().await?;
    for name in [" d", "e "] {
        let made = peer.command(&format!("MKD {name}")).await?;
        if matches!(made.code, 501 | 550 | 553) {
            continue;
        }
        must!(made.code == 257, "257 or a refusal", made.show())?;
        peer.expect(&format!("CWD {}", name.trim()), &[550]).await?;
        peer.expect(&format!("CWD {name}"), &[250]).await?;
        peer.expect("CDUP", &[200, 250]).await?;
    }
    Ok(())
}

async fn utf8_names(context: Context) -> Outcome {
    let mut peer = context.scratch().await?;
    survives(&mut peer, &["\u{3b1}\u{3b2}", "\u{4e2d}\u{6587}.txt", "\u{1f4c4}", "\u{e9}", "e\u{301}"]).await
}

async fn raw_names(context: Context) -> Outcome {
    let mut peer = context.scratch().await?;
    peer.send_raw(b"MKD caf\xe9\r\n").await?;
    let reply = peer.reply().await?;
    if matches!(reply.code, 501 | 553 | 550) {
        return Ok(());
    }
    must!(
        reply.code == 257
            && reply.lines.iter().any(|line| line.windows(4).any(|octets| octets == b"caf\xe9")),
        "257 with the same octets",
        reply.show(),
    )
}

async fn wildcards_are_plain(context: Context) -> Outcome {
    let mut peer = context.scratch().await?;
    survives(&mut peer, &["a*", "a?", "[a]"]).await?;
    peer.put("ab", b"stays").await?;
    peer.expect("DELE a*", &[550]).await?;
    let data = peer.get("ab").await?;
    must!(data == b"stays", "a file that the wildcard does not name", String::from_utf8_lossy(&data))
}

async fn odd_names(context: Context) -> Outcome {
    let mut peer = context.scratch().await?;
    survives(&mut peer, &["-x.txt", " x", "a\"b", "a;b", "a=b", "a%20b", "~a", "#a", "a\\b"]).await
}

async fn dot_files(context: Context) -> Outcome {
    let mut peer = context.scratch().await?;
    peer.put(".x", b"dot").await?;
    let listed = peer.listing("LIST -a").await?;
    must!(listed.iter().any(|line| line.ends_with(" .x")), ".x in LIST -a", format!("{listed:?}"))?;
    let data = peer.get(".x").await?;
    must!(data == b"dot", "dot", String::from_utf8_lossy(&data))
}

async fn long_names(context: Context) -> Outcome {
    let mut peer = context.scratch().await?;
    survives(&mut peer, &[&"n".repeat(255)]).await?;
    peer.expect(&format!("MKD {}", "n".repeat(256)), &[550, 553]).await.map(drop)
}

async fn iac_in_names(context: Context) -> Outcome {
    let mut peer = context.scratch().await?;
    peer.send_raw(b"MKD a\xff\xffb\r\n").await?;
    let reply = peer.reply().await?;
    if matches!(reply.code, 501 | 553 | 550) {
        return Ok(());
    }
    let doubled =
        |reply: &Reply| reply.lines.iter().any(|line| line.windows(4).any(|octets| octets == b"a\xff\xffb"));
    must!(reply.code == 257 && doubled(&reply), "257 with a doubled octet 255", reply.show())?;
    peer.send_raw(b"CWD a\xff\xffb\r\n").await?;
    peer.expect_reply(&[250]).await?;
    let here = peer.expect("PWD", &[257]).await?;
    must!(doubled(&here), "257 with a doubled octet 255", here.show())
}

/// Whether a name was refused as one that cannot be.
fn is_refused(reply: &Reply) -> bool {
    matches!(reply.code, 501 | 550 | 553 | 500)
}

async fn cr_nul(context: Context) -> Outcome {
    let mut peer = context.scratch().await?;
    peer.send_raw(b"MKD a\r\0b\r\n").await?;
    let reply = peer.reply().await?;
    if !is_refused(&reply) {
        must!(reply.code == 257, "257, or 501 or 553", reply.show())?;
        peer.expect("CWD a", &[550]).await?;
        peer.send_raw(b"RMD a\r\0b\r\n").await?;
        peer.expect_reply(&[250]).await?;
    }
    // Whatever became of it, no name was cut at the CR.
    let listed = peer.listing("NLST").await?;
    must!(listed.is_empty(), "no directory", format!("{listed:?}"))?;
    peer.expect("RMD a", &[550]).await.map(drop)
}

async fn every_octet(context: Context) -> Outcome {
    let mut peer = context.scratch().await?;
    crate::rfc2389::feature(&mut peer, "MLST").await?;
    for octet in (1..=255u8).filter(|octet| !matches!(octet, b'\r' | b'\n' | b'/')) {
        let name: Vec<u8> = if octet == 255 { vec![b'x', 255, 255, b'y'] } else { vec![b'x', octet, b'y'] };
        peer.send_raw(&[b"MKD ", name.as_slice(), b"\r\n"].concat()).await?;
        let made = peer.reply().await?;
        if is_refused(&made) {
            continue;
        }
        must!(made.code == 257, "257, or a refusal", made.show())?;
        peer.send_raw(&[b"MLST ", name.as_slice(), b"\r\n"].concat()).await?;
        let shown = peer.reply().await?;
        let wanted = [b'x', octet, b'y'];
        let same = shown.inner().iter().any(|line| line.ends_with(&wanted) || line.ends_with(&name));
        must!(shown.code == 250 && same, format!("the name with octet {octet:#04x}"), shown.show())?;
    }
    peer.expect("NOOP", &[200]).await.map(drop)
}

async fn controls_are_not_shown(context: Context) -> Outcome {
    let mut peer = context.scratch().await?;
    let mut made = 0;
    for name in [&b"esc\x1b[31mred"[..], b"cr\r\0-rw-r--r-- forged", b"tab\there", b"bell\x07"] {
        peer.send_raw(&[b"MKD ", name, b"\r\n"].concat()).await?;
        let reply = peer.reply().await?;
        made += usize::from(reply.code == 257);
        must!(reply.code == 257 || is_refused(&reply), "257, or a refusal", reply.show())?;
    }
    peer.put("plain", b"x").await?;
    for line in ["NLST", "LIST"] {
        let lines = peer.listing(line).await?;
        let is_entry = |line: &&String| {
            !line.starts_with("total ") && !matches!(line.rsplit(' ').next(), Some("." | ".."))
        };
        let entries = lines.iter().filter(is_entry).count();
        let forged =
            lines.iter().any(|line| line.starts_with("-rw-r--r-- forged") || line.contains('\u{1b}'));
        must!(
            !forged && (1..=made + 1).contains(&entries),
            &format!("at most {} lines without control characters in {line}", made + 1),
            format!("{lines:?}"),
        )?;
    }
    Ok(())
}
