//! Implicit TLS, versions, ALPN and SNI (custom; RFC 9325; ALPACA).

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::version;
use crate::axes::Version;
use crate::case::{Outcome, Stop, cases};
use crate::context::Context;
use crate::peer::control::Protected;

cases! {
    implicit_greeting: ["MSFTPS-IMPLICIT-IMP-1", "MSFTPS-IMPLICIT-IMP-2"] Implicit;
    implicit_data: ["MSFTPS-IMPLICIT-IMP-3"] Implicit;
    implicit_levels: ["PRAC-IMP-4"] Implicit;
    implicit_auth: ["PRAC-IMP-5"] Implicit;
    implicit_plain: ["PRAC-IMP-6"] Implicit;
    implicit_ccc: ["PRAC-IMP-7"] Implicit;
    implicit_prot_c: ["PRAC-IMP-8"] Implicit;
    auth_ssl: ["MSFTPS-AUTHSSL-IMP-9", "MURRAY-HIST-IMP-10"] Explicit;
    tls12: ["RFC9325-3.1.1-VER-3"] Explicit;
    tls13: ["RFC9325-3.1.1-VER-4"] Explicit;
    alpn: ["ALPACA-ALPN-ALP-1", "ALPACA-ALPN-ALP-2", "ALPACA-ALPN-ALP-3", "RFC7301-3.2-ALP-4"] Explicit;
    no_sni: ["PRAC-SNI-7"] Explicit;
    clear_commands: ["PRAC-REQ-3"] Clear;
}

async fn implicit_greeting(context: Context) -> Outcome {
    let mut stream =
        TcpStream::connect(context.address()?).await.map_err(|error| Stop::Broken(error.to_string()))?;
    let early = tokio::time::timeout(Duration::from_millis(300), stream.read(&mut [0; 64])).await;
    if early.is_ok() {
        return Err(Stop::fails("nothing before the handshake", "octets in clear"));
    }
    let mut peer = context.greet().await?;
    peer.log_in().await?;
    peer.expect("PWD", &[257]).await.map(drop)
}

async fn implicit_data(context: Context) -> Outcome {
    let mut peer = context.greet().await?;
    peer.log_in().await?;
    peer.listing("LIST").await.map(drop)
}

async fn implicit_levels(context: Context) -> Outcome {
    let mut peer = context.login().await?;
    peer.expect("PBSZ 0", &[200]).await?;
    peer.expect("PROT P", &[200]).await?;
    peer.listing("LIST").await.map(drop)
}

async fn implicit_auth(context: Context) -> Outcome {
    let mut peer = context.greet().await?;
    let reply = peer.command("AUTH TLS").await?;
    if reply.code / 100 != 5 {
        return Err(Stop::fails("5xx", reply.show()));
    }
    peer.expect("NOOP", &[200]).await.map(drop)
}

async fn implicit_plain(context: Context) -> Outcome {
    let broken = |error: std::io::Error| Stop::Broken(error.to_string());
    let mut stream = TcpStream::connect(context.address()?).await.map_err(broken)?;
    stream.write_all(b"USER x\r\n").await.map_err(broken)?;
    let mut octets = Vec::new();
    let _end = context.in_time(stream.read_to_end(&mut octets)).await?;
    match octets.iter().take(3).all(u8::is_ascii_digit) && !octets.is_empty() {
        true => Err(Stop::fails("the end, or a TLS alert", String::from_utf8_lossy(&octets))),
        false => context.greet().await?.expect("NOOP", &[200]).await.map(drop),
    }
}

async fn implicit_ccc(context: Context) -> Outcome {
    let mut peer = context.login().await?;
    let reply = peer.expect("CCC", &[534, 533, 500, 502, 200]).await?;
    if reply.code == 200 {
        return Ok(());
    }
    peer.expect("NOOP", &[200]).await.map(drop)
}

async fn implicit_prot_c(context: Context) -> Outcome {
    let mut peer = context.login().await?;
    peer.expect("PBSZ 0", &[200]).await?;
    let reply = peer.expect("PROT C", &[200, 534, 536, 504]).await?;
    if reply.code == 200 {
        peer.protected = Protected::No;
    }
    peer.listing("LIST").await.map(drop)
}

async fn auth_ssl(context: Context) -> Outcome {
    let mut peer = context.greet().await?;
    let reply = peer.expect("AUTH SSL", &[234, 504, 534]).await?;
    if reply.code != 234 {
        return Err(Stop::Unsupported("AUTH SSL".to_owned()));
    }
    peer.secure().await?;
    peer.log_in().await?;
    peer.expect("PBSZ 0", &[200]).await?;
    peer.expect("PROT P", &[200]).await?;
    peer.protected = Protected::Yes;
    peer.listing("LIST").await.map(drop)
}

async fn tls12(context: Context) -> Outcome {
    version(context, Version::Tls12).await
}

async fn tls13(context: Context) -> Outcome {
    version(context, Version::Tls13).await
}

async fn alpn(context: Context) -> Outcome {
    for (offered, good) in [(&[&b"ftp"[..]][..], true), (&[], true), (&[&b"http/1.1"[..]][..], false)] {
        let mut peer = context.greet().await?;
        peer.expect("AUTH TLS", &[234]).await?;
        peer.offer_alpn(offered)?;
        let shaken = peer.secure().await;
        match (shaken, good) {
            (Ok(()), true) => drop(peer.expect("NOOP", &[200, 530]).await?),
            (Err(Stop::Fails { actual, .. }), false) if actual.contains("NoApplicationProtocol") => {}
            (Ok(()), false) => return Err(Stop::fails("a refusal of ALPN http/1.1", "a handshake")),
            (Err(Stop::Fails { actual, .. }), false) => {
                return Err(Stop::fails("alert no_application_protocol", actual));
            }
            (Err(stop), _) => return Err(stop),
        }
    }
    Ok(())
}

async fn no_sni(context: Context) -> Outcome {
    let mut peer = context.greet().await?;
    peer.expect("AUTH TLS", &[234]).await?;
    peer.indicate_nothing();
    peer.secure().await?;
    peer.expect("NOOP", &[200]).await.map(drop)
}

async fn clear_commands(context: Context) -> Outcome {
    let mut peer = context.greet().await?;
    let features = peer.expect("FEAT", &[211]).await?.show();
    for line in ["NOOP", "HELP", "SYST"] {
        peer.expect(line, &[200, 211, 214, 215, 530]).await?;
    }
    peer.expect("QUIT", &[221]).await?;
    match features.contains("AUTH") {
        true => Ok(()),
        false => Err(Stop::fails("AUTH TLS in FEAT", features)),
    }
}
