//! LIST, NLST and STAT, and what names may not do (RFC 959 §4.1.3).

use super::place;
use crate::case::{Outcome, Stop, cases, must};
use crate::context::Context;

cases! {
    list_names: ["RFC959-4.1.3-LIST-1", "RFC1123-4.1.2.7-LIST-2"] Data [Write];
    list_empty: ["PRAC-LIST-3"] Data [Write];
    list_file: ["RFC959-4.1.3-LIST-4"] Data [Write];
    list_missing: ["RFC959-5.4-LIST-5", "RFC959-5.4-NLST-3"] Data;
    list_is_ls: ["PRAC-LIST-6"] Data [Write];
    list_switches: ["PRAC-LIST-7"] Data [Write];
    list_default: ["RFC959-4.1.3-LIST-8"] Data [Write];
    list_odd_names: ["PRAC-LIST-10"] Data [Write];
    nlst_names: ["RFC1123-4.1.2.7-NLST-1", "RFC959-4.1.3-NLST-2"] Data [Write];
    nlst_file: ["PRAC-NLST-4"] Data [Write];
    multi_line_names: ["RFC959-4.2-REPLY-5"] Data [Write];
    controls_in_names: ["PRAC-REPLY-16"] Control [Write];
    root_is_hidden: ["PRAC-PTH-6"] Control [Write];
    encoded_dots: ["PRAC-PTH-2"] Control;
    homes_of_others: ["PRAC-USR-4"] Control;
    rnto_outside: ["PRAC-PTH-4"] Data [Write];
    stat_inside_tls: ["PRAC-STAT-7"] Explicit [Write];
    big_directory: ["PRAC-LIST-9"] Control [Write, Load];
    patterns: ["PRAC-NLST-5"] Control [Write];
    patterns_match: ["PRAC-NLST-6"] Data [Write];
    switches_of_ls: ["PRAC-LIST-12"] Data [Write];
    stat_is_list: ["PRAC-STAT-8"] Data [Write];
}

async fn list_names(context: Context) -> Outcome {
    let mut peer = context.scratch().await?;
    let names = ["one", "two", "three", "four", "five"];
    for name in names {
        peer.put(name, b"x").await?;
    }
    for kind in ["TYPE I", "TYPE A"] {
        peer.expect(kind, &[200]).await?;
        let lines = peer.listing("LIST").await?;
        for name in names {
            let count = lines.iter().filter(|line| line.ends_with(&format!(" {name}"))).count();
            must!(count == 1, &format!("{name} once"), format!("{lines:?}"))?;
        }
    }
    Ok(())
}

async fn list_empty(context: Context) -> Outcome {
    let mut peer = context.scratch().await?;
    peer.expect("MKD e", &[257]).await?;
    for line in ["LIST e", "NLST e"] {
        let lines = peer.listing(line).await?;
        let entries = lines.iter().filter(|line| !line.starts_with("total")).count();
        must!(entries == 0, "no entries", format!("{lines:?}"))?;
    }
    Ok(())
}

async fn list_file(context: Context) -> Outcome {
    let mut peer = context.scratch().await?;
    peer.put("f", b"x").await?;
    peer.put("g", b"x").await?;
    let lines = peer.listing("LIST f").await?;
    must!(
        matches!(lines.as_slice(), [line] if line.ends_with('f')),
        "one line that ends in f",
        format!("{lines:?}"),
    )
}

async fn list_missing(context: Context) -> Outcome {
    let mut peer = context.login().await?;
    for line in ["LIST no-such-file-here", "NLST no-such-file-here"] {
        let (data, reply) = peer.fetch(line).await?;
        must!(matches!(reply.code, 450 | 550) && data.is_empty(), "450 or 550", reply.show())?;
    }
    Ok(())
}

async fn list_is_ls(context: Context) -> Outcome {
    let mut peer = context.scratch().await?;
    peer.put("sized", &[b'x'; 1234]).await?;
    let lines = peer.listing("LIST").await?;
    let line = lines
        .iter()
        .find(|line| line.ends_with(" sized"))
        .ok_or_else(|| Stop::fails("a line for the file", format!("{lines:?}")))?;
    let fields: Vec<&str> = line.split_whitespace().collect();
    let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let good = match fields.as_slice() {
        [mode, links, _, _, size, month, day, time, name] => {
            mode.len() == 10
                && mode.starts_with('-')
                && links.parse::<u32>().is_ok()
                && *size == "1234"
                && months.contains(month)
                && day.parse::<u8>().is_ok_and(|day| (1..=31).contains(&day))
                && (time.contains(':') || time.len() == 4)
                && *name == "sized"
        }
        _ => false,
    };
    must!(good, "mode links owner group size Mon dd hh:mm name", line.clone())
}

async fn list_switches(context: Context) -> Outcome {
    let mut peer = context.scratch().await?;
    peer.expect("MKD sub", &[257]).await?;
    peer.put("sub/f", b"x").await?;
    for line in ["LIST -a sub", "LIST -l sub", "LIST -la sub"] {
        let lines = peer.listing(line).await?;
        must!(lines.iter().any(|line| line.ends_with(" f")), &format!("f in {line}"), format!("{lines:?}"))?;
    }
    Ok(())
}

async fn list_default(context: Context) -> Outcome {
    let mut peer = context.scratch().await?;
    peer.put("f", b"x").await?;
    let here = place(&mut peer).await?;
    let names = |lines: Vec<String>| -> Vec<String> {
        lines.iter().filter_map(|line| line.rsplit(['/', ' ']).next().map(str::to_owned)).collect()
    };
    for verb in ["LIST", "NLST"] {
        let (one, other) =
            (names(peer.listing(verb).await?), names(peer.listing(&format!("{verb} {here}")).await?));
        must!(one == other && one == ["f"], "the working directory", format!("{one:?} and {other:?}"))?;
    }
    Ok(())
}

async fn list_odd_names(context: Context) -> Outcome {
    let mut peer = context.scratch().await?;
    let names = [" lead", "trail ", "a -> b", "\u{fc}"];
    for name in names {
        peer.put(name, b"x").await?;
    }
    let lines = peer.listing("LIST").await?;
    let entries: Vec<&String> = lines.iter().filter(|line| !line.starts_with("total")).collect();
    must!(entries.len() == names.len(), "a line each", format!("{lines:?}"))?;
    for name in names {
        must!(
            entries.iter().any(|line| line.ends_with(name)),
            &format!("{name:?} at the end of a line"),
            format!("{lines:?}"),
        )?;
    }
    Ok(())
}

async fn nlst_names(context: Context) -> Outcome {
    let mut peer = context.scratch().await?;
    peer.put("one", b"1").await?;
    peer.expect("MKD sub", &[257]).await?;
    peer.put("sub/two", b"2").await?;
    let sub = peer.listing("NLST sub").await?;
    must!(sub.len() == 1, "one name", format!("{sub:?}"))?;
    for name in sub {
        let data = peer.get(&name).await?;
        must!(data == b"2", "the file that NLST names", name)?;
    }
    let mut here = peer.listing("NLST").await?;
    here.sort();
    must!(here == ["one", "sub"], "names only", format!("{here:?}"))
}

async fn nlst_file(context: Context) -> Outcome {
    let mut peer = context.scratch().await?;
    peer.put("f", b"x").await?;
    let lines = peer.listing("NLST f").await?;
    must!(lines == ["f"], "f", format!("{lines:?}"))
}

async fn multi_line_names(context: Context) -> Outcome {
    let mut peer = context.scratch().await?;
    for name in ["213 end", "211 done", "250 End", "212 x"] {
        peer.put(name, b"x").await?;
        peer.command(&format!("MLST {name}")).await?;
    }
    peer.expect("STAT .", &[211, 212, 213]).await?;
    peer.expect("NOOP", &[200]).await?;
    peer.expect_silence(std::time::Duration::from_millis(50)).await
}

async fn controls_in_names(context: Context) -> Outcome {
    let mut peer = context.scratch().await?;
    for name in ["a\u{1b}[31mb", "a\u{7}b", "a\tb", "a\u{7f}b"] {
        let reply = peer.command(&format!("CWD {name}")).await?;
        let raw = reply.lines.iter().flatten().any(|octet| matches!(octet, 0x1b | 0x07 | 0x7f));
        must!(
            !raw && matches!(reply.code, 501 | 550 | 553),
            "a refusal without control characters",
            reply.show(),
        )?;
    }
    Ok(())
}

async fn root_is_hidden(context: Context) -> Outcome {
    let mut peer = context.scratch().await?;
    let mut said = String::new();
    for line in ["PWD", "CWD missing", "MLST", "STAT", "MKD d", "RMD missing", "RETR missing"] {
        said += &peer.command(line).await?.show();
    }
    peer.expect("CWD d", &[250]).await?;
    let leaks = ["/tmp/", "/home/", "/srv/", "/var/"].iter().any(|host| said.contains(host));
    must!(!leaks, "no path of the host", said)
}

async fn encoded_dots(context: Context) -> Outcome {
    let mut peer = context.login().await?;
    for path in ["..\\..\\", "....//", "%2e%2e/", "C:\\", "\\\\host\\share"] {
        peer.expect(&format!("CWD {path}"), &[550, 553, 501]).await?;
    }
    Ok(())
}

async fn homes_of_others(context: Context) -> Outcome {
    context.login().await?.expect("CWD ~root", &[550, 553]).await.map(drop)
}

async fn rnto_outside(context: Context) -> Outcome {
    let mut peer = context.scratch().await?;
    peer.put("f", b"stays inside").await?;
    peer.expect("RNFR f", &[350]).await?;
    let reply = peer.expect("RNTO ../../../../../../no-such-directory/out", &[550, 553]).await?;
    let data = peer.get("f").await?;
    must!(data == b"stays inside", "the file where it was", reply.show())
}

async fn stat_inside_tls(context: Context) -> Outcome {
    // Whatever comes, comes through the TLS session that reads it.
    let mut peer = context.scratch().await?;
    peer.expect("PROT C", &[200, 534, 536]).await?;
    peer.expect("STAT .", &[211, 212, 213]).await.map(drop)
}

async fn big_directory(context: Context) -> Outcome {
    const COUNT: usize = 2000;
    let mut peer = context.scratch().await?;
    for first in (0..COUNT).step_by(100) {
        // A hundred commands in one flight, as a client may send them.
        let lines: String = (first..first + 100).map(|number| format!("MKD entry-{number}\r\n")).collect();
        peer.send_raw(lines.as_bytes()).await?;
        for _ in 0..100 {
            peer.expect_reply(&[257]).await?;
        }
    }
    let begun = std::time::Instant::now();
    for line in ["NLST", "LIST"] {
        let lines = peer.listing(line).await?;
        let names: std::collections::HashSet<&str> = lines
            .iter()
            .filter_map(|line| line.rsplit(' ').next())
            .filter(|name| name.starts_with("entry-"))
            .collect();
        must!(names.len() == COUNT, &format!("{COUNT} names in {line}"), format!("{}", names.len()))?;
    }
    must!(begun.elapsed().as_secs() < 60, "an end within 60 s", format!("{:?}", begun.elapsed()))
}

async fn patterns(context: Context) -> Outcome {
    let mut peer = context.scratch().await?;
    peer.put("a.txt", b"x").await?;
    peer.put("b.dat", b"x").await?;
    peer.expect("MKD sub", &[257]).await?;
    peer.put("sub/c.txt", b"x").await?;
    let (data, reply) = peer.fetch("NLST *.txt").await?;
    let shown = String::from_utf8_lossy(&data).into_owned();
    must!(
        matches!(reply.code, 450 | 550 | 501)
            || reply.code == 226 && (shown == "a.txt\r\n" || shown.is_empty()),
        "a.txt, or 450 or 550",
        format!("{}, {shown:?}", reply.show()),
    )
}

async fn patterns_match(context: Context) -> Outcome {
    let mut peer = context.scratch().await?;
    for name in ["a.txt", "b.txt", "c.dat"] {
        peer.put(name, b"x").await?;
    }
    for (line, names) in [("NLST *.txt", &["a.txt", "b.txt"][..]), ("NLST ?.dat", &["c.dat"])] {
        let mut lines = peer.listing(line).await?;
        lines.sort();
        must!(lines == names, &format!("{names:?} to {line}"), format!("{lines:?}"))?;
    }
    Ok(())
}

async fn switches_of_ls(context: Context) -> Outcome {
    let mut peer = context.scratch().await?;
    peer.expect("MKD sub", &[257]).await?;
    peer.put("sub/f", b"x").await?;
    for switch in ["-C", "-CF", "-lp", "-alt", "-1", "--color=never"] {
        for verb in ["LIST", "NLST"] {
            let line = format!("{verb} {switch} sub");
            let lines = peer.listing(&line).await?;
            let shown = lines.iter().any(|line| line.ends_with('f'));
            must!(shown, &format!("f in {line}"), format!("{lines:?}"))?;
        }
    }
    Ok(())
}

async fn stat_is_list(context: Context) -> Outcome {
    let mut peer = context.scratch().await?;
    peer.put("f", b"x").await?;
    // One of long ago, if the server can set times: its line has a year.
    peer.command("MFMT 20090615000000 f").await?;
    let lines = peer.listing("LIST f").await?;
    let reply = peer.expect("STAT f", &[211, 212, 213]).await?;
    let listed = lines.first().map(|line| line.trim()).unwrap_or_default();
    let shown = reply.lines.iter().any(|line| String::from_utf8_lossy(line).trim() == listed);
    must!(shown && !listed.is_empty(), &format!("the line {listed:?} of LIST"), reply.show())
}
