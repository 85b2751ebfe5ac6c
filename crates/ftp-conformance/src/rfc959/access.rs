//! Login and session: greeting, USER, PASS, ACCT, REIN, QUIT, NOOP, HELP, SYST (RFC 959 §4.1.1, §4.1.3, §5.4).

use std::time::Duration;

use crate::case::{Outcome, Stop, cases, must};
use crate::context::Context;

cases! {
    greeting: ["RFC959-5.4-GREET-1", "RFC959-4.2-GREET-3"] Control;
    no_version: ["PRAC-GREET-5"] Control;
    hasty_noop: ["PRAC-GREET-6"] Clear;
    pass_first: ["RFC959-5.4-SEQ-1"] Control;
    user_codes: ["RFC959-5.4-LOG-1"] Control;
    right_password: ["RFC959-5.4-LOG-2"] Control;
    wrong_password: ["RFC959-5.4-LOG-3", "RFC959-5.4-SEQ-8"] Control [Lockout];
    before_login: ["RFC959-5.4-LOG-6"] Control;
    help_before_login: ["RFC959-4.1.3-LOG-7"] Control;
    feat_before_login: ["RFC3659-11-LOG-8"] Control;
    usable_before_login: ["PRAC-LOG-9"] Control;
    pass_after_login: ["RFC959-5.4-LOG-10"] Control;
    empty_password: ["PRAC-LOG-12"] Control [Lockout];
    user_names_alike: ["RFC2577-7-USR-1"] Control;
    attempts_are_limited: ["RFC2577-5-PWD-1"] Control [Lockout];
    secret_is_kept: ["PRAC-PWD-5"] Control [Lockout];
    noop: ["RFC959-5.4-SES-1"] Control;
    quit: ["RFC959-5.4-SES-2", "RFC959-4.2.1-SES-10"] Control;
    half_closed_quit: ["PRAC-SES-11"] Clear;
    rein: ["RFC959-4.1.1-SES-4", "RFC959-4.1.1-SES-5"] Implicit [Write];
    acct: ["RFC1123-4.1.2.13-UNK-7"] Control;
    syst: ["RFC959-5.4-SYST-1"] Control;
    help: ["RFC959-5.4-HELP-2", "RFC959-4.1.3-HELP-3"] Control;
    pipelined_login: ["PRAC-PIPE-9"] Clear;
    pasv_needs_login: ["SEED-PASV-5"] Control;
    http_is_cut_off: ["PRAC-INJ-1"] Clear;
    nothing_is_reflected: ["PRAC-INJ-2"] Control;
    unknown_before_login: ["PRAC-UNK-8"] Control;
    binary_lines: ["PRAC-CMD-16"] Clear;
}

async fn greeting(context: Context) -> Outcome {
    let mut peer = context.greet().await?;
    peer.expect("NOOP", &[200, 530]).await.map(drop)
}

async fn no_version(context: Context) -> Outcome {
    let mut peer = crate::peer::Peer::open(context).await?;
    let text = peer.reply().await?.show();
    peer.expect("NOOP", &[200, 530]).await?;
    let dotted = text
        .split(|letter: char| !letter.is_ascii_digit() && letter != '.')
        .find(|word| word.split('.').filter(|part| !part.is_empty()).count() >= 2);
    match dotted {
        Some(version) => Err(Stop::fails("a greeting without a version", format!("{version} in {text:?}"))),
        None => Ok(()),
    }
}

async fn hasty_noop(context: Context) -> Outcome {
    let mut peer = crate::peer::Peer::open(context).await?;
    peer.send("NOOP").await?;
    peer.expect_reply(&[220]).await?;
    peer.expect_reply(&[200, 530]).await.map(drop)
}

async fn pass_first(context: Context) -> Outcome {
    let mut peer = context.secure().await?;
    peer.expect("PASS x", &[503, 530]).await.map(drop)
}

async fn user_codes(context: Context) -> Outcome {
    let mut peer = context.secure().await?;
    let (user, _) = context.account();
    let reply = peer.command(&format!("USER {user}")).await?;
    if !matches!(reply.code, 331 | 332 | 530) {
        return Err(Stop::fails("331, 332 or 530 to USER of an account with a password", reply.show()));
    }
    peer.expect(&format!("USER {}", "x".repeat(1000)), &[331, 332, 501, 530]).await.map(drop)
}

async fn right_password(context: Context) -> Outcome {
    let mut peer = context.secure().await?;
    peer.log_in().await?;
    peer.expect("PWD", &[257]).await.map(drop)
}

async fn wrong_password(context: Context) -> Outcome {
    let mut peer = context.secure().await?;
    let (user, password) = context.account();
    let reply = peer.command(&format!("USER {user}")).await?;
    if reply.code == 530 {
        return Err(Stop::Skipped("no logins in this profile".to_owned()));
    }
    peer.expect(&format!("PASS not-{password}"), &[530, 421]).await?;
    peer.expect(&format!("PASS {password}"), &[503, 530]).await.map(drop)
}

async fn before_login(context: Context) -> Outcome {
    let mut peer = context.secure().await?;
    let commands = [
        "PWD",
        "CWD /",
        "CDUP",
        "LIST",
        "NLST",
        "RETR x",
        "STOR x",
        "APPE x",
        "STOU",
        "DELE x",
        "RMD x",
        "MKD x",
        "RNFR x",
        "PASV",
        "EPSV",
        "PORT 127,0,0,1,200,10",
        "EPRT |1|127.0.0.1|50000|",
        "SIZE x",
        "MDTM x",
        "MLST",
        "MLSD",
        "REST 0",
        "STAT x",
        "SITE HELP",
    ];
    for command in commands {
        peer.expect(command, &[530]).await?;
    }
    peer.expect("RNTO x", &[530, 503]).await.map(drop)
}

async fn help_before_login(context: Context) -> Outcome {
    context.secure().await?.expect("HELP", &[211, 214]).await.map(drop)
}

async fn feat_before_login(context: Context) -> Outcome {
    let mut peer = context.secure().await?;
    peer.expect("FEAT", &[211]).await?;
    peer.expect("OPTS MLST type;", &[200, 501, 504, 530]).await.map(drop)
}

async fn usable_before_login(context: Context) -> Outcome {
    let mut peer = context.greet().await?;
    peer.expect("SYST", &[215, 530]).await?;
    peer.expect("NOOP", &[200]).await?;
    peer.expect("QUIT", &[221]).await.map(drop)
}

async fn pass_after_login(context: Context) -> Outcome {
    let mut peer = context.login().await?;
    peer.expect("PASS x", &[503, 202, 230, 530]).await?;
    peer.expect("PWD", &[257]).await.map(drop)
}

async fn empty_password(context: Context) -> Outcome {
    let mut peer = context.secure().await?;
    let (user, _) = context.account();
    for line in ["PASS ", "PASS"] {
        if peer.command(&format!("USER {user}")).await?.code == 530 {
            return Err(Stop::Skipped("no logins in this profile".to_owned()));
        }
        peer.expect(line, &[530, 501]).await?;
    }
    Ok(())
}

async fn user_names_alike(context: Context) -> Outcome {
    let mut peer = context.secure().await?;
    let (user, _) = context.account();
    let known = peer.expect(&format!("USER {user}"), &[331, 530]).await?;
    let unknown = peer.expect("USER nobody-of-that-name", &[331, 530]).await?;
    match known == unknown {
        true => Ok(()),
        false => Err(Stop::fails(
            "the same reply for a known and an unknown user",
            format!("{} and {}", known.show(), unknown.show()),
        )),
    }
}

async fn attempts_are_limited(context: Context) -> Outcome {
    let mut peer = context.secure().await?;
    for attempt in 1..=10 {
        let Some(reply) = peer.try_reply_to("USER nobody-of-that-name").await? else {
            return must!(attempt > 3, "three attempts at least", format!("{}", attempt - 1));
        };
        if reply.code == 530 {
            return Err(Stop::Skipped("no logins in this profile".to_owned()));
        }
        if reply.code == 421 {
            return peer.expect_end().await;
        }
        let Some(reply) = peer.try_reply_to("PASS wrong").await? else {
            // Closed without a word: limited all the same.
            return must!(attempt >= 3, "three attempts at least", format!("{attempt}"));
        };
        match reply.code {
            421 if attempt >= 2 => return peer.expect_end().await,
            530 => {}
            _ => return Err(Stop::fails("530, then 421 at the third to sixth wrong password", reply.show())),
        }
    }
    Err(Stop::fails("421 after some wrong passwords", "ten of them and the session goes on"))
}

async fn secret_is_kept(context: Context) -> Outcome {
    let mut peer = context.secure().await?;
    let (user, _) = context.account();
    let mut said = Vec::new();
    for line in
        ["PASS hush-this-is-secret", &format!("USER {user}"), "PASS hush-this-is-secret", "STAT", "HELP PASS"]
    {
        said.push(peer.command(line).await?.show());
    }
    match said.iter().find(|text| text.contains("hush-this")) {
        Some(text) => Err(Stop::fails("replies without the password", text.clone())),
        None => peer.expect("NOOP", &[200, 530]).await.map(drop),
    }
}

async fn noop(context: Context) -> Outcome {
    context.secure().await?.expect("NOOP", &[200, 530]).await?;
    context.login().await?.expect("NOOP", &[200]).await.map(drop)
}

async fn quit(context: Context) -> Outcome {
    for mut peer in [context.secure().await?, context.login().await?] {
        peer.expect("QUIT", &[221]).await?;
        peer.expect_end().await?;
    }
    Ok(())
}

async fn half_closed_quit(context: Context) -> Outcome {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let broken = |error: std::io::Error| Stop::Broken(error.to_string());
    let mut stream = tokio::net::TcpStream::connect(context.address()?).await.map_err(broken)?;
    stream.write_all(b"QUIT\r\n").await.map_err(broken)?;
    stream.shutdown().await.map_err(broken)?;
    let mut octets = Vec::new();
    let read = context.in_time(stream.read_to_end(&mut octets)).await?;
    read.map_err(|error| Stop::fails("221 before the end", error.to_string()))?;
    let octets = context.fault.map_or(octets.clone(), |fault| fault.spoil_reply(&octets));
    match octets.windows(4).any(|window| window == b"221 ") {
        true => Ok(()),
        false => Err(Stop::fails("221 before the end", String::from_utf8_lossy(&octets).into_owned())),
    }
}

async fn rein(context: Context) -> Outcome {
    let mut peer = context.scratch().await?;
    let reply = peer.command("REIN").await?;
    if matches!(reply.code, 500 | 502) {
        return Err(Stop::Unsupported("REIN".to_owned()));
    }
    if reply.code != 220 {
        return Err(Stop::fails("220 to REIN", reply.show()));
    }
    peer.expect("PWD", &[530]).await?;
    peer.log_in().await?;
    let place = peer.expect("PWD", &[257]).await?.text();
    match place.contains("conformance-") {
        true => Err(Stop::fails("the home directory after REIN", place)),
        false => Ok(()),
    }
}

async fn acct(context: Context) -> Outcome {
    context.login().await?.expect("ACCT x", &[202, 230, 503, 530]).await.map(drop)
}

async fn syst(context: Context) -> Outcome {
    let reply = context.login().await?.expect("SYST", &[215]).await?;
    let first = reply.text().split(' ').next().unwrap_or_default().to_ascii_uppercase();
    match ["UNIX", "WINDOWS_NT", "MVS", "VMS", "OS/2", "MACOS", "OS/400"].contains(&first.as_str()) {
        true => Ok(()),
        false => Err(Stop::fails("a registered system name", reply.show())),
    }
}

async fn help(context: Context) -> Outcome {
    let mut peer = context.login().await?;
    peer.expect("HELP", &[211, 214]).await?;
    peer.expect("HELP RETR", &[211, 214]).await?;
    peer.expect("HELP SITE", &[211, 214]).await?;
    peer.expect("HELP XYZZY", &[501, 502, 504]).await.map(drop)
}

async fn pipelined_login(context: Context) -> Outcome {
    let mut peer = context.greet().await?;
    let (user, password) = context.account();
    peer.send_raw(format!("USER {user}\r\nPASS {password}\r\nSYST\r\nPWD\r\n").as_bytes()).await?;
    if peer.reply().await?.code == 530 {
        return Err(Stop::Skipped("no logins in clear".to_owned()));
    }
    for code in [230, 215, 257] {
        peer.expect_reply(&[code]).await?;
    }
    Ok(())
}

async fn pasv_needs_login(context: Context) -> Outcome {
    let mut peer = context.secure().await?;
    peer.expect("PASV", &[530]).await?;
    peer.expect("EPSV", &[530]).await.map(drop)
}

async fn http_is_cut_off(context: Context) -> Outcome {
    let mut peer = context.greet().await?;
    peer.send_raw(b"POST / HTTP/1.1\r\nHost: x\r\n\r\nNOOP\r\n").await?;
    match peer.try_reply().await? {
        None => return Ok(()),
        Some(reply) if reply.code / 100 == 2 => {
            return Err(Stop::fails("a refusal and the end", reply.show()));
        }
        Some(_) => {}
    }
    peer.expect_end().await
}

async fn nothing_is_reflected(context: Context) -> Outcome {
    let mut peer = context.secure().await?;
    for line in [
        "USER <script>x</script>",
        "HELP <script>x</script>",
        "LANG <script>x</script>",
        "FOO <script>x</script>",
    ] {
        let text = peer.command(line).await?.show();
        if text.contains("<script>") {
            return Err(Stop::fails("replies that do not repeat what a stranger sent", text));
        }
    }
    peer.expect("NOOP", &[200, 530]).await.map(drop)
}

async fn unknown_before_login(context: Context) -> Outcome {
    let mut peer = context.secure().await?;
    peer.expect("FOO", &[500, 502, 530]).await?;
    peer.expect("RETR x", &[530]).await?;
    peer.expect("NOOP", &[200, 530]).await.map(drop)
}

async fn binary_lines(context: Context) -> Outcome {
    let mut peer = context.greet().await?;
    for seed in 0..60u32 {
        let octets = (0..20).map(|index| (seed.wrapping_mul(167).wrapping_add(index * 91) % 251) as u8);
        let line: Vec<u8> = octets.filter(|octet| !matches!(octet, b'\r' | b'\n' | 240..=255)).collect();
        peer.send_raw(&[line.as_slice(), b"\r\n"].concat()).await?;
        match peer.try_reply().await? {
            Some(reply) if matches!(reply.code, 500 | 501 | 530) => {}
            Some(reply) if reply.code == 421 => return peer.expect_end().await,
            Some(reply) => return Err(Stop::fails("500, 501, 530 or 421", reply.show())),
            None => return Err(Stop::fails("a reply to each line", "the server closed")),
        }
    }
    peer.expect_silence(Duration::from_millis(100)).await?;
    context.greet().await.map(drop)
}
