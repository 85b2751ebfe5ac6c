//! HOST and the server name of TLS (RFC 7151; RFC 9325 §3.7).

use crate::case::{Outcome, Stop, cases, must};
use crate::context::Context;
use crate::peer::Peer;
use crate::rfc2389::feature;
use crate::target::Account;

cases! {
    after_login: ["RFC7151-3-HOST-1"] Control [Hosts];
    last_counts: ["RFC7151-3-HOST-2"] Control [Hosts];
    address: ["RFC7151-3.1-HOST-3"] Control [Hosts];
    port: ["RFC7151-3.1-HOST-4"] Control [Hosts];
    letter_case: ["RFC7151-3.1-HOST-5", "RFC7151-3.1-HOST-8"] Control [Hosts];
    brackets: ["RFC7151-3.1-HOST-6"] V6 [Hosts];
    unknown: ["RFC7151-3.2-HOST-7"] Control [Hosts];
    rein: ["RFC7151-3.2.1-HOST-9"] Control [Hosts];
    server_name: ["RFC7151-3.2.2-HOST-10"] Protected [Hosts];
    malformed: ["RFC7151-3.3-HOST-11"] Control [Hosts];
    between: ["RFC7151-4-HOST-14"] Control [Hosts];
    certificates: ["RFC9325-3.7-SNI-6"] Protected [Hosts];
}

/// The host that is asked for by HOST in these cases; TLS asks for another name, or none.
const HOST: &str = "a.example";
const OTHER: &str = "b.example";

/// The account that exists on one host only.
fn only(letter: char) -> Account {
    Account::new(&format!("only-{letter}"), "conformance")
}

/// A client that names no host in TLS: `localhost` is none of them, and RFC 7151 §3.2.2 would refuse HOST with it.
async fn unnamed(context: &Context) -> Result<Peer, Stop> {
    named(context, None).await
}

/// A client that names that host in TLS, where there is TLS.
async fn named(context: &Context, host: Option<&'static str>) -> Result<Peer, Stop> {
    let mut peer = Peer::open_as(context.clone(), host).await?;
    let reply = peer.reply().await?;
    must!(reply.code == 220, "220", reply.show())?;
    peer.protect().await?;
    Ok(peer)
}

async fn login(peer: &mut Peer, account: &Account) -> Result<u16, Stop> {
    let reply = peer.command(&format!("USER {}", account.user)).await?;
    if reply.code != 331 {
        return Ok(reply.code);
    }
    Ok(peer.command(&format!("PASS {}", account.password)).await?.code)
}

async fn after_login(context: Context) -> Outcome {
    let mut peer = unnamed(&context).await?;
    peer.log_in().await?;
    feature(&mut peer, "HOST").await?;
    peer.expect(&format!("HOST {HOST}"), &[503]).await?;
    peer.expect("PWD", &[257]).await.map(drop)
}

async fn last_counts(context: Context) -> Outcome {
    for (letter, wanted) in [('b', 230), ('a', 530)] {
        let mut peer = unnamed(&context).await?;
        peer.expect(&format!("HOST {HOST}"), &[220]).await?;
        peer.expect(&format!("HOST {OTHER}"), &[220]).await?;
        let code = login(&mut peer, &only(letter)).await?;
        must!(code == wanted, format!("{wanted} to only-{letter} on {OTHER}"), code.to_string())?;
    }
    Ok(())
}

/// An address literal as HOST takes it.
fn literal(ip: std::net::IpAddr) -> String {
    if ip.is_ipv6() { format!("[{ip}]") } else { ip.to_string() }
}

async fn address(context: Context) -> Outcome {
    let mut peer = unnamed(&context).await?;
    peer.expect("HOST 192.0.2.77", &[504]).await?;
    let own = literal(peer.ends.1.ip());
    peer.expect(&format!("HOST {own}"), &[220]).await.map(drop)
}

async fn port(context: Context) -> Outcome {
    let mut peer = unnamed(&context).await?;
    peer.expect("HOST 192.0.2.1:2112", &[501]).await?;
    peer.expect("HOST [2001:db8::1]:21", &[501]).await.map(drop)
}

async fn letter_case(context: Context) -> Outcome {
    let mut peer = unnamed(&context).await?;
    peer.expect("HOST A.Example", &[220]).await?;
    peer.expect("HOST a.example", &[220]).await.map(drop)
}

async fn brackets(context: Context) -> Outcome {
    let mut peer = unnamed(&context).await?;
    let own = peer.ends.1.ip();
    peer.expect(&format!("HOST {own}"), &[501]).await?;
    peer.expect(&format!("HOST [{own}]"), &[220]).await.map(drop)
}

async fn unknown(context: Context) -> Outcome {
    let mut peer = unnamed(&context).await?;
    peer.expect("HOST no-such-host.invalid", &[504]).await?;
    match peer.try_reply_to("USER x").await? {
        None => Ok(()),
        Some(reply) => must!(matches!(reply.code, 331 | 530), "331 to USER, or the end", reply.show()),
    }
}

async fn rein(context: Context) -> Outcome {
    let mut peer = unnamed(&context).await?;
    peer.expect(&format!("HOST {OTHER}"), &[220]).await?;
    let code = login(&mut peer, &only('b')).await?;
    must!(code == 230, "230", code.to_string())?;
    let reply = peer.command("REIN").await?;
    if reply.code != 220 {
        return Err(Stop::Unsupported(format!("REIN: {}", reply.show())));
    }
    if context.cell.security == crate::axes::Security::Explicit {
        peer.unsecure().await?;
        peer.protect().await?;
    }
    let code = login(&mut peer, &only('b')).await?;
    must!(code == 530, "530: the host is forgotten", code.to_string())
}

async fn server_name(context: Context) -> Outcome {
    let mut peer = named(&context, Some(HOST)).await?;
    peer.expect(&format!("HOST {OTHER}"), &[504, 503]).await?;
    peer.expect(&format!("HOST {HOST}"), &[220]).await.map(drop)
}

async fn malformed(context: Context) -> Outcome {
    let mut peer = unnamed(&context).await?;
    for line in ["HOST -bad-.example", "HOST a..b", "HOST", "HOST a_b!"] {
        peer.expect(line, &[501]).await?;
    }
    Ok(())
}

async fn between(context: Context) -> Outcome {
    let mut peer = unnamed(&context).await?;
    let account = only('a');
    peer.expect(&format!("HOST {HOST}"), &[220]).await?;
    peer.expect(&format!("USER {}", account.user), &[331]).await?;
    peer.expect(&format!("HOST {OTHER}"), &[220]).await?;
    peer.expect(&format!("PASS {}", account.password), &[503, 530]).await.map(drop)
}

async fn certificates(context: Context) -> Outcome {
    let mut seen = Vec::new();
    for host in [HOST, OTHER] {
        let mut peer = named(&context, Some(host)).await?;
        peer.expect("NOOP", &[200, 530]).await?;
        let leaf = peer.certificates().into_iter().next();
        let leaf = leaf.ok_or_else(|| Stop::fails("a certificate", "none"))?;
        must!(
            crate::peer::tls::is_for(&leaf, host),
            format!("a certificate for {host}"),
            "one for another name"
        )?;
        seen.push(leaf);
    }
    seen.dedup();
    must!(seen.len() == 2, "a certificate for each host", "the same for both")
}
