//! Replies and command lines (RFC 959 §4.2, §5.3; RFC 1123 §4.1.2).

use std::time::Duration;

use super::answered;
use crate::case::{Outcome, Stop, cases};
use crate::context::Context;

cases! {
    reply_forms: ["RFC959-4.2-REPLY-1", "RFC959-4.2-REPLY-2", "RFC959-4.2-REPLY-3", "RFC959-4.2-REPLY-4", "RFC959-4.2-REPLY-6", "PRAC-REPLY-17"] Control;
    every_verb_answers: ["RFC959-4.2-REPLY-7"] Control;
    simple_commands: ["RFC959-6-REPLY-9"] Control;
    lasting_and_passing: ["RFC1123-4.1.2.11-REPLY-14"] Data;
    case_of_verbs: ["RFC959-5.3-CMD-1"] Control;
    case_of_parameters: ["RFC959-5.3-CMD-2"] Control;
    spaces: ["RFC959-5.3-CMD-3"] Control;
    nothing_before_the_end: ["RFC959-5.3-CMD-6"] Control;
    boundaries: ["RFC1123-4.1.2.10-CMD-7"] Control;
    lone_lf: ["PRAC-CMD-8"] Clear;
    lone_cr: ["PRAC-CMD-10"] Clear;
    overlong: ["RFC959-4.2.1-CMD-11"] Control;
    long_argument: ["PRAC-CMD-12"] Control;
    stray_argument: ["RFC959-5.3.1-CMD-13"] Control;
    missing_argument: ["RFC959-5.3.1-CMD-14"] Control;
    empty_line: ["PRAC-CMD-15"] Control;
    unknown: ["RFC959-4.2.1-UNK-1"] Control;
    not_implemented: ["RFC959-4.2-UNK-2"] Control;
    value_not_supported: ["RFC959-4.2-UNK-3"] Control;
    value_outside_grammar: ["RFC959-5.4-UNK-4"] Control;
    host_requirements: ["RFC1123-4.1.2.13-UNK-5"] Control [Write];
    base_commands: ["RFC5797-2.4-UNK-9"] Control [Write];
}

async fn reply_forms(context: Context) -> Outcome {
    // The strict reader checks each reply; here it gets many of them.
    let mut peer = context.login().await?;
    for line in
        ["FEAT", "HELP", "STAT", "MLST", "SYST", "PWD", "NOOP", "XYZZY", "RETR", "TYPE Q", "CWD missing"]
    {
        peer.command(line).await?;
    }
    peer.command(&format!("CWD {}", "x/".repeat(2000))).await?;
    peer.expect("NOOP", &[200]).await?;
    peer.expect_silence(Duration::from_millis(50)).await
}

async fn every_verb_answers(context: Context) -> Outcome {
    let verbs = [
        "USER", "ACCT", "CWD", "CDUP", "SMNT", "PORT", "TYPE", "STRU", "MODE", "RETR", "STOR", "APPE",
        "ALLO", "REST", "RNFR", "RNTO", "ABOR", "DELE", "RMD", "MKD", "PWD", "LIST", "NLST", "SITE", "SYST",
        "STAT", "HELP", "NOOP", "FEAT", "OPTS", "EPRT", "LANG", "MDTM", "SIZE", "MLST", "MLSD", "HOST",
        "AUTH", "PBSZ", "PROT", "ADAT", "MIC", "CONF", "ENC", "XYZZY",
    ];
    let mut peer = context.login().await?;
    for verb in verbs.iter().skip(1) {
        for argument in ["", " \u{fc}\u{7f};|~ 1"] {
            if peer.try_reply_to(&format!("{verb}{argument}")).await?.is_none() {
                return Err(Stop::fails(format!("a reply to {verb}"), "the server closed"));
            }
        }
    }
    peer.expect("NOOP", &[200]).await.map(drop)
}

async fn simple_commands(context: Context) -> Outcome {
    let mut peer = context.login().await?;
    let lines = [
        "CWD /",
        "CWD missing",
        "CDUP",
        "DELE missing",
        "HELP",
        "HELP XYZZY",
        "MODE S",
        "MODE X",
        "NOOP",
        "PASV",
        "PORT 1,2,3",
        "PWD",
        "RMD missing",
        "MKD",
        "STAT",
        "STRU F",
        "STRU X",
        "SYST",
        "TYPE A",
        "TYPE Q",
        "ALLO 1",
        "ALLO x",
        "SITE XYZZY",
    ];
    for line in lines {
        let reply = peer.command(line).await?;
        if !matches!(reply.code / 100, 2 | 4 | 5) {
            return Err(Stop::fails(format!("2yz, 4yz or 5yz to {line}"), reply.show()));
        }
    }
    peer.expect("PWD", &[257]).await.map(drop)
}

async fn lasting_and_passing(context: Context) -> Outcome {
    let mut peer = context.login().await?;
    let (_, reply) = peer.fetch("RETR no-such-file-here").await?;
    match reply.code {
        550 => Ok(()),
        _ => Err(Stop::fails("550 for a file that is not there", reply.show())),
    }
}

async fn case_of_verbs(context: Context) -> Outcome {
    let mut peer = context.login().await?;
    for verb in ["NOOP", "noop", "NoOp", "nOOp"] {
        peer.expect(verb, &[200]).await?;
    }
    for verb in ["feat", "FeAt"] {
        peer.expect(verb, &[211]).await?;
    }
    peer.expect("quit", &[221]).await.map(drop)
}

async fn case_of_parameters(context: Context) -> Outcome {
    let mut peer = context.login().await?;
    for line in ["type i", "TYPE a n", "mode s", "stru f"] {
        peer.expect(line, &[200]).await?;
    }
    Ok(())
}

async fn spaces(context: Context) -> Outcome {
    let mut peer = context.login().await?;
    for line in ["TYPE  I", "MODE   S", "STRU  F"] {
        peer.expect(line, &[200]).await?;
    }
    Ok(())
}

async fn nothing_before_the_end(context: Context) -> Outcome {
    let mut peer = context.login().await?;
    for piece in [&b"NOO"[..], b"P", b"\r"] {
        peer.send_raw(piece).await?;
        peer.expect_silence(Duration::from_millis(200)).await?;
    }
    peer.send_raw(b"\n").await?;
    peer.expect_reply(&[200]).await?;
    peer.expect_silence(Duration::from_millis(50)).await
}

async fn boundaries(context: Context) -> Outcome {
    let mut peer = context.login().await?;
    for octet in b"SYST\r\n" {
        peer.send_raw(&[*octet]).await?;
    }
    peer.expect_reply(&[215]).await?;
    peer.send_raw(b"NOOP\r\nSYST\r\nNOOP\r\n").await?;
    for code in [200, 215, 200] {
        peer.expect_reply(&[code]).await?;
    }
    peer.expect_silence(Duration::from_millis(50)).await
}

async fn lone_lf(context: Context) -> Outcome {
    let mut peer = context.login().await?;
    peer.send_raw(b"NOOP\nPWD\r\n").await?;
    let first = peer.expect_reply(&[200, 500, 501]).await?;
    if first.code == 200 {
        peer.expect_reply(&[257]).await?;
    }
    peer.expect("NOOP", &[200]).await.map(drop)
}

async fn lone_cr(context: Context) -> Outcome {
    let mut peer = context.login().await?;
    peer.send_raw(b"NOOP\rPWD\r\n").await?;
    peer.expect_reply(&[200, 500, 501]).await?;
    peer.expect_silence(Duration::from_millis(100)).await?;
    peer.expect("NOOP", &[200]).await.map(drop)
}

async fn overlong(context: Context) -> Outcome {
    let mut peer = context.login().await?;
    peer.send_raw(&[b'A'; 65_536]).await?;
    peer.send_raw(b"\r\n").await?;
    let reply = peer.expect_reply(&[500, 501, 421]).await?;
    match reply.code {
        421 => peer.expect_end().await,
        _ => peer.expect("NOOP", &[200]).await.map(drop),
    }
}

async fn long_argument(context: Context) -> Outcome {
    let mut peer = context.login().await?;
    peer.expect(&format!("CWD {}", "ab/".repeat(1333)), &[550, 553]).await?;
    peer.expect("NOOP", &[200]).await.map(drop)
}

async fn stray_argument(context: Context) -> Outcome {
    let mut peer = context.login().await?;
    for (line, good) in [("PWD x", 257), ("CDUP x", 250), ("SYST x", 215), ("NOOP x", 200), ("PASV x", 227)] {
        peer.expect(line, &[501, good, 200]).await?;
    }
    peer.expect("QUIT x", &[501, 221]).await.map(drop)
}

async fn missing_argument(context: Context) -> Outcome {
    let mut peer = context.login().await?;
    for verb in [
        "CWD", "RETR", "STOR", "APPE", "DELE", "RMD", "MKD", "RNFR", "TYPE", "MODE", "STRU", "PORT", "REST",
        "USER",
    ] {
        peer.expect(verb, &[501, 500]).await?;
    }
    Ok(())
}

async fn empty_line(context: Context) -> Outcome {
    let mut peer = context.login().await?;
    peer.send("").await?;
    peer.send("NOOP").await?;
    let first = peer.expect_reply(&[500, 501, 200]).await?;
    if first.code != 200 {
        peer.expect_reply(&[200]).await?;
    }
    peer.expect_silence(Duration::from_millis(50)).await
}

async fn unknown(context: Context) -> Outcome {
    let mut peer = context.login().await?;
    peer.expect("XYZZY", &[500, 502]).await?;
    peer.expect("FOO bar", &[500, 502]).await?;
    peer.expect("NOOP", &[200]).await.map(drop)
}

async fn not_implemented(context: Context) -> Outcome {
    let mut peer = context.login().await?;
    peer.expect("SMNT x", &[502, 202, 250, 500]).await?;
    peer.expect("ALLO 10", &[200, 202]).await.map(drop)
}

async fn value_not_supported(context: Context) -> Outcome {
    let mut peer = context.login().await?;
    for line in ["TYPE E", "STRU P"] {
        peer.expect(line, &[504, 501, 500, 200]).await?;
    }
    peer.expect("TYPE L 7", &[504, 501, 500]).await.map(drop)
}

async fn value_outside_grammar(context: Context) -> Outcome {
    let mut peer = context.login().await?;
    for line in ["TYPE Q", "TYPE A Z", "MODE X", "STRU X"] {
        peer.expect(line, &[501, 504]).await?;
    }
    let status = peer.expect("STAT", &[211]).await?.show().to_ascii_lowercase();
    match status.contains("image") || status.contains("binary") {
        true => Ok(()),
        false => Err(Stop::fails("the old type in STAT", status)),
    }
}

async fn host_requirements(context: Context) -> Outcome {
    let mut peer = context.scratch().await?;
    let lines = [
        "ACCT x",
        "PASV",
        "TYPE A",
        "MODE S",
        "STRU F",
        "RETR x",
        "STOR x",
        "APPE x",
        "RNFR x",
        "RNTO x",
        "DELE x",
        "CWD .",
        "CDUP",
        "RMD x",
        "MKD conformance-x",
        "RMD conformance-x",
        "PWD",
        "LIST",
        "NLST",
        "SYST",
        "STAT",
        "HELP",
        "NOOP",
    ];
    answered(&mut peer, &lines).await
}

async fn base_commands(context: Context) -> Outcome {
    let mut peer = context.scratch().await?;
    answered(&mut peer, &["ABOR", "ALLO 1", "REST 0", "SITE HELP", "STAT", "STOU"]).await
}
