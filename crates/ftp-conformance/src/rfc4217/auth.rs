//! AUTH, PBSZ and PROT (RFC 4217 §4, §8, §9; RFC 2228).

use std::time::Duration;

use super::bare;
use crate::case::{Outcome, Stop, cases, must};
use crate::context::Context;
use crate::peer::control::Protected;

cases! {
    auth: ["RFC4217-4.2-AUTH-1", "PRAC-AUTH-13"] Explicit;
    auth_names: ["RFC4217-17-AUTH-2"] Explicit;
    auth_unknown: ["RFC2228-3-AUTH-3"] Explicit;
    auth_argument: ["RFC2228-3-AUTH-5"] Explicit;
    auth_injection: ["PRAC-AUTH-6"] Explicit;
    auth_forgets: ["PRAC-AUTH-7", "RFC4217-4.2-AUTH-8", "RFC2228-3-AUTH-9"] Explicit;
    auth_within: ["PRAC-AUTH-10"] Explicit;
    auth_garbage: ["RFC4217-10.1-AUTH-11"] Explicit;
    usual_order: ["RFC4217-12.1-AUTH-14"] Explicit;
    pbsz_first: ["RFC4217-9-PROT-1"] Explicit;
    prot_without_pbsz: ["RFC2228-3-PROT-2"] Explicit;
    pbsz: ["RFC4217-9-PROT-3", "RFC2228-3-PROT-5"] Explicit;
    pbsz_wrong: ["RFC2228-3-PROT-4"] Explicit;
    prot_levels: ["RFC4217-9-PROT-6", "RFC2228-3-PROT-7"] Explicit;
    clear_until_prot: ["RFC4217-9-PROT-8"] Explicit;
    protected_after_prot: ["RFC4217-9-PROT-9"] Explicit [Write];
    prot_between: ["RFC4217-8-PROT-10"] Explicit;
    prot_order: ["PRAC-PROT-14"] Explicit;
}

async fn auth(context: Context) -> Outcome {
    let mut peer = context.greet().await?;
    peer.expect("AUTH TLS", &[234]).await?;
    peer.secure().await?;
    peer.expect("NOOP", &[200]).await.map(drop)
}

async fn auth_names(context: Context) -> Outcome {
    for line in ["AUTH tls", "AUTH TLS-C"] {
        context.greet().await?.expect(line, &[234, 504]).await?;
    }
    Ok(())
}

async fn auth_unknown(context: Context) -> Outcome {
    let mut peer = context.greet().await?;
    peer.expect("AUTH FOO", &[504]).await?;
    peer.expect("AUTH KERBEROS_V5", &[504, 534]).await?;
    peer.expect("NOOP", &[200, 530]).await.map(drop)
}

async fn auth_argument(context: Context) -> Outcome {
    let mut peer = context.greet().await?;
    peer.expect("AUTH", &[501, 504]).await?;
    peer.expect("NOOP", &[200]).await.map(drop)
}

async fn auth_injection(context: Context) -> Outcome {
    let mut peer = context.greet().await?;
    peer.send_raw(b"AUTH TLS\r\nNOOP\r\nUSER x\r\n").await?;
    peer.expect_reply(&[234]).await?;
    // The server may close; if it shakes hands, what was injected has no answer.
    if peer.secure().await.is_err() {
        return Ok(());
    }
    peer.expect_silence(Duration::from_millis(300)).await
}

async fn auth_forgets(context: Context) -> Outcome {
    let mut peer = context.greet().await?;
    let (user, password) = context.account();
    let clear = peer.command(&format!("USER {user}")).await?.code == 331;
    if clear {
        peer.expect(&format!("PASS {password}"), &[230]).await?;
    }
    let reply = peer.command("AUTH TLS").await?;
    if clear && reply.code / 100 == 5 {
        // Refused after a login: then nothing can leak.
        return peer.expect("PWD", &[257]).await.map(drop);
    }
    must!(reply.code == 234, "234, or a refusal after the login", reply.show())?;
    peer.secure().await?;
    peer.expect("PWD", &[530]).await?;
    peer.expect(&format!("PASS {password}"), &[503, 530]).await.map(drop)
}

async fn auth_within(context: Context) -> Outcome {
    let mut peer = context.secure().await?;
    let reply = peer.command("AUTH TLS").await?;
    if reply.code / 100 != 5 {
        return Err(Stop::fails("5xx to AUTH within TLS", reply.show()));
    }
    peer.expect("NOOP", &[200]).await.map(drop)
}

async fn auth_garbage(context: Context) -> Outcome {
    let mut peer = context.greet().await?;
    peer.expect("AUTH TLS", &[234]).await?;
    peer.send_raw(b"this is no ClientHello, it is a lot of clear text\r\nNOOP\r\n").await?;
    match peer.try_reply().await {
        Ok(Some(reply)) if reply.code != 421 => Err(Stop::fails("the end of the connection", reply.show())),
        // The end, or a TLS alert, which is no reply.
        _ => Ok(()),
    }?;
    context.greet().await?.expect("NOOP", &[200]).await.map(drop)
}

async fn usual_order(context: Context) -> Outcome {
    let mut peer = context.secure().await?;
    peer.log_in().await?;
    peer.listing("LIST").await.map(drop)
}

async fn pbsz_first(context: Context) -> Outcome {
    context.greet().await?.expect("PBSZ 0", &[503, 530]).await.map(drop)
}

async fn prot_without_pbsz(context: Context) -> Outcome {
    let mut peer = bare(&context).await?;
    peer.expect("PROT P", &[503]).await?;
    peer.expect("PBSZ 0", &[200]).await?;
    peer.expect("PROT P", &[200]).await.map(drop)
}

async fn pbsz(context: Context) -> Outcome {
    let mut peer = bare(&context).await?;
    peer.expect("PBSZ 0", &[200]).await?;
    let reply = peer.expect("PBSZ 16384", &[200]).await?;
    match reply.text().contains("PBSZ=0") {
        true => Ok(()),
        false => Err(Stop::fails("200 with PBSZ=0", reply.show())),
    }
}

async fn pbsz_wrong(context: Context) -> Outcome {
    let mut peer = bare(&context).await?;
    for line in ["PBSZ x", "PBSZ 4294967296", "PBSZ"] {
        peer.expect(line, &[501, 500]).await?;
    }
    Ok(())
}

async fn prot_levels(context: Context) -> Outcome {
    let mut peer = bare(&context).await?;
    peer.expect("PBSZ 0", &[200]).await?;
    peer.expect("PROT P", &[200]).await?;
    peer.expect("PROT C", &[200, 504, 534, 536]).await?;
    for line in ["PROT S", "PROT E"] {
        peer.expect(line, &[536, 504]).await?;
    }
    peer.expect("PROT X", &[504, 501]).await.map(drop)
}

async fn clear_until_prot(context: Context) -> Outcome {
    let mut peer = bare(&context).await?;
    peer.log_in().await?;
    let (_, reply) = peer.fetch("LIST").await?;
    match reply.code {
        226 | 250 | 521 | 522 | 534 => Ok(()),
        _ => Err(Stop::fails("a listing in clear, or 521", reply.show())),
    }
}

async fn protected_after_prot(context: Context) -> Outcome {
    let mut peer = context.scratch().await?;
    peer.put("f", b"protected").await?;
    let data = peer.get("f").await?;
    match data == b"protected" {
        true => Ok(()),
        false => Err(Stop::fails("protected", String::from_utf8_lossy(&data))),
    }
}

async fn prot_between(context: Context) -> Outcome {
    let mut peer = context.login().await?;
    let setup = peer.set_up().await?;
    let reply = peer.expect("PROT C", &[200, 534, 536, 504]).await?;
    if reply.code != 200 {
        return Err(Stop::Unsupported("PROT C".to_owned()));
    }
    peer.protected = Protected::No;
    let (_, reply) = peer.fetch_over(setup, "LIST").await?;
    if !matches!(reply.code, 226 | 250) {
        return Err(Stop::fails("a listing in clear", reply.show()));
    }
    let setup = peer.set_up().await?;
    peer.expect("PROT P", &[200]).await?;
    peer.protected = Protected::Yes;
    let (_, reply) = peer.fetch_over(setup, "LIST").await?;
    match reply.code {
        226 | 250 => Ok(()),
        _ => Err(Stop::fails("a protected listing", reply.show())),
    }
}

async fn prot_order(context: Context) -> Outcome {
    let mut peer = bare(&context).await?;
    peer.log_in().await?;
    peer.expect("PBSZ 0", &[200]).await?;
    peer.expect("PROT P", &[200]).await?;
    peer.protected = Protected::Yes;
    peer.listing("LIST").await.map(drop)
}
