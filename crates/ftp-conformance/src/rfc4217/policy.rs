//! What a server demands of protection: TLS for logins, TLS for data, and neither by accident (RFC 4217 §10; RFC
//! 2228 §3; RFC 9325 §3.2).

use crate::case::{Outcome, Stop, cases, must};
use crate::context::Context;
use crate::peer::control::Protected;
use crate::target::Account;

cases! {
    plain_is_off: ["SEED-PLAIN-1"] Clear [Strict];
    user_is_refused: ["RFC4217-10.1-REQ-1"] Clear [Strict];
    plain_is_off_there_too: ["SEED-PLAIN-2"] Clear [Strict];
    plain_weakens_nothing: ["SEED-PLAIN-3"] Explicit [Write];
    refusal_names_tls: ["SEED-PLAIN-4"] Clear [Strict];
    said_or_refused: ["PRAC-PWD-6"] Clear [Strict];
    no_password_is_looked_at: ["PRAC-REQ-2"] Clear [Strict];
    nothing_in_clear: ["RFC9325-3.2-REQ-4"] Clear [Strict];
    policy_code: ["RFC2228-3-REQ-6"] Clear [Strict];
    data_refused: ["RFC4217-10.2-PROT-12"] Explicit [Strict];
    no_clear_octet: ["PRAC-PROT-13"] Explicit [Write, Strict];
    no_tls: ["RFC2228-3-AUTH-4"] Clear [NoTls];
}

/// Codes with which a login in clear is refused; 533 and 534 are by the book (RFC 2228 §3).
const REFUSALS: [u16; 6] = [530, 533, 534, 550, 421, 521];

/// USER and, where it is taken, PASS in clear: no login comes of them.
async fn no_login(context: &Context) -> Outcome {
    let (user, password) = context.account();
    let mut peer = context.greet().await?;
    let mut reply = peer.command(&format!("USER {user}")).await?;
    if reply.code == 331 {
        reply = peer.command(&format!("PASS {password}")).await?;
    }
    must!(REFUSALS.contains(&reply.code), "530, 534, 550 or 421 to a login in clear", reply.show())
}

async fn plain_is_off(context: Context) -> Outcome {
    no_login(&context).await
}

async fn user_is_refused(context: Context) -> Outcome {
    let (user, _) = context.account();
    let mut peer = context.greet().await?;
    let reply = peer.expect(&format!("USER {user}"), &REFUSALS).await?;
    if reply.code == 421 {
        return Ok(());
    }
    peer.expect("AUTH TLS", &[234]).await?;
    peer.secure().await?;
    peer.log_in().await
}

async fn plain_is_off_there_too(context: Context) -> Outcome {
    let Some(doors) = context.server.alternative else {
        return Err(Stop::Skipped("a second pair of ports".to_owned()));
    };
    no_login(&context.at(doors)).await
}

async fn plain_weakens_nothing(context: Context) -> Outcome {
    let mut peer = context.scratch().await?;
    peer.put("f", b"protected").await?;
    // In clear nothing comes over a connection that PROT P protects.
    peer.protected = Protected::No;
    let reply = peer.offer_against("STOR g", b"in clear").await?;
    must!(reply.code / 100 >= 4, "no upload in clear under PROT P", reply.show())?;
    peer.protected = Protected::Yes;
    let data = peer.get("f").await?;
    must!(data == b"protected", "protected", String::from_utf8_lossy(&data))?;
    // An account of builtin that is for TLS only; elsewhere it does not exist, and is refused all the same.
    let mut clear = context.with(|cell| cell.security = crate::axes::Security::Plain).greet().await?;
    let reply = clear.command("USER guarded").await?;
    let reply = if reply.code == 331 { clear.command("PASS conformance").await? } else { reply };
    must!(
        reply.code / 100 == 5 || reply.code == 421,
        "an account for TLS only refused in clear",
        reply.show()
    )
}

async fn refusal_names_tls(context: Context) -> Outcome {
    let (user, password) = context.account();
    let mut peer = context.greet().await?;
    let mut said = peer.command(&format!("USER {user}")).await?.show();
    if let Ok(Some(reply)) = peer.try_reply_to(&format!("PASS {password}")).await {
        said += &reply.show();
    }
    must!(
        said.contains("TLS") || said.contains("FTPS") || said.contains("SSL"),
        "a word of TLS or FTPS",
        said
    )
}

async fn said_or_refused(context: Context) -> Outcome {
    let (user, _) = context.account();
    let mut peer = context.greet().await?;
    let reply = peer.command(&format!("USER {user}")).await?;
    let warned = ["TLS", "SSL", "clear"].iter().any(|word| reply.show().contains(word));
    must!(
        REFUSALS.contains(&reply.code) || reply.code == 331 && warned,
        "a refusal, or a warning in the 331",
        reply.show()
    )
}

async fn no_password_is_looked_at(context: Context) -> Outcome {
    let (user, password) = context.account();
    let mut said = Vec::new();
    for password in [password.as_str(), "certainly-wrong"] {
        let mut peer = context.greet().await?;
        let first = peer.command(&format!("USER {user}")).await?;
        let begun = std::time::Instant::now();
        let last = peer.try_reply_to(&format!("PASS {password}")).await?;
        let shown = last.map_or_else(|| "the end".to_owned(), |reply| reply.show());
        must!(!shown.starts_with('2'), "503 or 530 to PASS in clear", shown.clone())?;
        must!(begun.elapsed().as_millis() < 500, "an answer at once", format!("{:?}", begun.elapsed()))?;
        said.push(format!("{} / {shown}", first.show()));
    }
    said.dedup();
    must!(said.len() == 1, "the same for right and wrong passwords", said.join(" // "))
}

async fn nothing_in_clear(context: Context) -> Outcome {
    let mut peer = context.greet().await?;
    for _ in 0..2 {
        for line in ["LIST", "RETR f", "STOR f", "PASV", "EPSV", "MKD d", "PWD"] {
            let Some(reply) = peer.try_reply_to(line).await? else { return Ok(()) };
            must!(
                reply.code / 100 == 5 || reply.code == 421,
                format!("5xx to {line} in clear"),
                reply.show()
            )?;
        }
        // An upgrade that does not come about changes nothing.
        let reply = peer.expect("AUTH NONSENSE", &[500, 501, 502, 504, 534]).await?;
        must!(reply.code != 234, "no handshake", reply.show())?;
    }
    Ok(())
}

async fn policy_code(context: Context) -> Outcome {
    let (user, _) = context.account();
    let mut peer = context.greet().await?;
    // 530 is custom: which of the two families the server chose is in the transcript.
    peer.expect(&format!("USER {user}"), &[530, 533, 534, 421]).await.map(drop)
}

async fn data_refused(context: Context) -> Outcome {
    let mut peer = context.login().await?;
    let reply = peer.command("PROT C").await?;
    if reply.code / 100 == 5 {
        // Refused at once: then data cannot be in clear either.
        return peer.listing("LIST").await.map(drop);
    }
    must!(reply.code == 200, "200, or 534", reply.show())?;
    for line in ["LIST", "NLST", "RETR f", "STOR f", "APPE f", "STOU", "MLSD"] {
        peer.passive().await?;
        peer.expect(line, &[521, 522, 534]).await?;
    }
    Ok(())
}

async fn no_clear_octet(context: Context) -> Outcome {
    use tokio::io::AsyncReadExt;
    let mut peer = context.scratch().await?;
    peer.put("f", b"protected").await?;
    let level = peer.command("PROT C").await?;
    for line in ["MLSD", "LIST", "NLST", "RETR f"] {
        let address = peer.passive().await?;
        let stream = context.connect(address).await?;
        let mut stream = stream.map_err(|error| Stop::fails("a passive port", error.to_string()))?;
        let reply = peer.command(line).await?;
        let mut octets = Vec::new();
        if reply.code / 100 == 1 {
            // Without a handshake of the client the server has nothing to say but an alert.
            let _end =
                tokio::time::timeout(std::time::Duration::from_millis(300), stream.read_to_end(&mut octets))
                    .await;
            drop(stream);
            peer.reply().await?;
        }
        let clear = !octets.is_empty() && octets.first() != Some(&21);
        must!(!clear, format!("no octet of {line} in clear"), format!("{} octets", octets.len()))?;
    }
    must!(level.code / 100 == 2 || level.code / 100 == 5, "200 or 534 to PROT C", level.show())?;
    peer.expect("PROT P", &[200]).await?;
    let data = peer.get("f").await?;
    must!(data == b"protected", "protected", String::from_utf8_lossy(&data))
}

async fn no_tls(context: Context) -> Outcome {
    let Account { user, .. } = context.server.account.clone();
    let mut peer = context.greet().await?;
    peer.expect("AUTH TLS", &[500, 502, 504, 534, 431]).await?;
    peer.expect(&format!("USER {user}"), &[331]).await.map(drop)
}
