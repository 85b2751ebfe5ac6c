//! MLST and MLSD (RFC 3659 §7).

use super::{Entry, furnished, mlsd, mlst};
use crate::case::{Outcome, cases, must};
use crate::context::Context;
use crate::rfc2389::feature;

cases! {
    mlst_form: ["RFC3659-7.2-MLST-1", "RFC3659-7.2-MLST-6"] Data [Write];
    mlst_default: ["RFC3659-7.1-MLST-2"] Control [Write];
    mlst_types: ["RFC3659-7.1-MLST-3"] Data [Write];
    mlst_missing: ["RFC3659-7.2.1-MLST-4"] Control;
    mlst_name: ["RFC3659-7.3.1-MLST-5"] Data [Write];
    mlsd_form: ["RFC3659-7.2-MLSD-1", "RFC3659-7.2-MLSD-4"] Data [Write];
    mlsd_file: ["RFC3659-7.1-MLSD-2"] Data [Write];
    mlsd_missing: ["RFC3659-7.2.1-MLSD-3"] Data;
    mlsd_keeps_type: ["RFC3659-7.2-MLSD-5"] Data [Write];
    mlsd_names: ["RFC3659-7.3.1-MLSD-6"] Data [Write];
    no_type_no_cdir: ["RFC3659-7.5.1.2-MLSD-7"] Data [Write];
    leading_blanks: ["RFC3659-7.2-MLSD-9"] Data [Write];
    mlsd_default: ["RFC3659-7.2-MLSD-10"] Data [Write];
    parent_leads_up: ["RFC3659-7.5.1.4-MLSD-8"] Control [Write];
}

async fn mlst_form(context: Context) -> Outcome {
    let mut peer = furnished(&context).await?;
    let entry = mlst(&mut peer, "MLST file").await?;
    must!(entry.name.ends_with("file"), "the entry asked for", entry.name)
}

async fn mlst_default(context: Context) -> Outcome {
    let mut peer = context.scratch().await?;
    feature(&mut peer, "MLST").await?;
    let entry = mlst(&mut peer, "MLST").await?;
    let kind = entry.fact("type").unwrap_or_default().to_ascii_lowercase();
    must!(matches!(kind.as_str(), "cdir" | "dir"), "type=cdir or dir", kind)
}

async fn mlst_types(context: Context) -> Outcome {
    let mut peer = furnished(&context).await?;
    for (line, wanted) in [("MLST file", "file"), ("MLST sub", "dir")] {
        let entry = mlst(&mut peer, line).await?;
        let kind = entry.fact("type").unwrap_or_default().to_ascii_lowercase();
        must!(kind == wanted, wanted, kind)?;
    }
    Ok(())
}

async fn mlst_missing(context: Context) -> Outcome {
    let mut peer = context.login().await?;
    let reply = peer.expect("MLST no-such-file-here", &[550]).await?;
    must!(reply.lines.len() == 1, "one line", reply.show())
}

async fn mlst_name(context: Context) -> Outcome {
    let mut peer = furnished(&context).await?;
    peer.put("sub/f", b"x").await?;
    let entry = mlst(&mut peer, "MLST sub/f").await?;
    must!(
        entry.name == "sub/f" || entry.name.starts_with('/') && entry.name.ends_with("/sub/f"),
        "sub/f, or its full path",
        entry.name,
    )
}

async fn mlsd_form(context: Context) -> Outcome {
    let mut peer = furnished(&context).await?;
    let image = peer.listing("MLSD").await?;
    peer.expect("TYPE A", &[200]).await?;
    let ascii = peer.listing("MLSD").await?;
    let sorted = |mut lines: Vec<String>| {
        lines.sort();
        lines
    };
    let (image, ascii) = (sorted(image), sorted(ascii));
    for line in &image {
        must!(!line.starts_with(' ') && !line.is_empty(), "no blank in front", line.clone())?;
        Entry::read(line)?;
    }
    must!(image == ascii && image.len() >= 3, "the same octets in every TYPE", format!("{image:?} {ascii:?}"))
}

async fn mlsd_file(context: Context) -> Outcome {
    let mut peer = furnished(&context).await?;
    let (_, reply) = peer.fetch("MLSD file").await?;
    must!(reply.code == 501, "501", reply.show())
}

async fn mlsd_missing(context: Context) -> Outcome {
    let mut peer = context.login().await?;
    let (_, reply) = peer.fetch("MLSD no-such-directory").await?;
    must!(matches!(reply.code, 550 | 501), "550", reply.show())
}

async fn mlsd_keeps_type(context: Context) -> Outcome {
    let mut peer = furnished(&context).await?;
    peer.put("text", b"a\nb\n").await?;
    peer.expect("TYPE A", &[200]).await?;
    mlsd(&mut peer, "MLSD").await?;
    let data = peer.get("text").await?;
    must!(data == b"a\r\nb\r\n", "a CRLF b CRLF", String::from_utf8_lossy(&data))
}

async fn mlsd_names(context: Context) -> Outcome {
    let mut peer = furnished(&context).await?;
    peer.put("sub/inner", b"x").await?;
    let names: Vec<String> = mlsd(&mut peer, "MLSD sub").await?.into_iter().map(|entry| entry.name).collect();
    must!(names == ["inner"], "inner", format!("{names:?}"))
}

async fn no_type_no_cdir(context: Context) -> Outcome {
    let mut peer = furnished(&context).await?;
    peer.expect("OPTS MLST size;", &[200]).await?;
    let lines = peer.listing("MLSD").await?;
    must!(lines.len() == 3, "three entries", format!("{lines:?}"))
}

async fn leading_blanks(context: Context) -> Outcome {
    let mut peer = furnished(&context).await?;
    for name in [" x", "   "] {
        peer.put(name, b"x").await?;
        let lines = peer.listing("MLSD").await?;
        must!(
            lines.iter().any(|line| line.ends_with(&format!("; {name}"))),
            "the blank, then the name",
            format!("{lines:?}"),
        )?;
        peer.expect(&format!("DELE {name}"), &[250]).await?;
    }
    Ok(())
}

async fn mlsd_default(context: Context) -> Outcome {
    let mut peer = furnished(&context).await?;
    peer.put("sub/inner", b"x").await?;
    peer.expect("CWD sub", &[250]).await?;
    let names: Vec<String> = mlsd(&mut peer, "MLSD").await?.into_iter().map(|entry| entry.name).collect();
    must!(names == ["inner"], "the working directory", format!("{names:?}"))
}

async fn parent_leads_up(context: Context) -> Outcome {
    let mut peer = furnished(&context).await?;
    let parent = crate::rfc959::files::place(&mut peer).await?;
    let lines = peer.listing("MLSD sub").await?;
    let entries = lines.iter().map(|line| Entry::read(line)).collect::<Result<Vec<_>, _>>()?;
    let listed =
        entries.iter().find(|entry| entry.fact("type").is_some_and(|kind| kind.eq_ignore_ascii_case("pdir")));
    peer.expect("CWD sub", &[250]).await?;
    // A server need not list the parent; CDUP leads there all the same.
    match listed {
        Some(entry) => peer.expect(&format!("CWD {}", entry.name), &[250]).await?,
        None => peer.expect("CDUP", &[200, 250]).await?,
    };
    let place = crate::rfc959::files::place(&mut peer).await?;
    must!(place == parent, parent, place)
}
