//! What this suite exists for: passive ports, plain FTP, and uploads whose data connection fails.

use std::collections::HashSet;
use std::time::Duration;

use crate::case::{Outcome, Stop, cases, must};
use crate::context::Context;
use crate::peer::Peer;
use crate::peer::data::extended_port;

cases! {
    both_passive_commands: ["SEED-PASV-1"] Control;
    passive_range: ["SEED-PASV-2", "SEED-PASV-4"] Control;
    one_mode_a_port: ["SEED-PORT-4"] Clear;
    both_pairs_of_ports: ["SEED-PORT-3"] Control [Write];
    explicit_port: ["SEED-PORT-1"] Explicit;
    implicit_port: ["SEED-PORT-2"] Implicit;
    active_works: ["SEED-ACT-1", "SEED-ACT-2"] Control [Write];
    active_unreachable: ["SEED-ACT-3"] Control;
    no_connection_new: ["SEED-FAIL-2", "SEED-FAIL-3", "RFC959-5.4-DAT-4"] Control [Write];
    no_connection_old: ["PRAC-FAIL-4"] Control [Write];
    control_goes_on: ["SEED-FAIL-1"] Control [Write];
    transfers_again: ["SEED-FAIL-5"] Control [Write];
    empty_is_not_failed: ["SEED-FAIL-6"] Control [Write];
    short_wait: ["SEED-FAIL-7"] Control [Write];
}

async fn both_passive_commands(context: Context) -> Outcome {
    let mut peer = context.login().await?;
    peer.expect("EPSV", &[229]).await?;
    peer.expect("PASV", &[227]).await?;
    peer.listing("LIST").await.map(drop)
}

async fn passive_range(context: Context) -> Outcome {
    let mut peer = context.login().await?;
    let mut ports = HashSet::new();
    for _ in 0..60 {
        ports.insert(extended_port(&peer.expect("EPSV", &[229]).await?)?);
    }
    match ports.iter().find(|port| !(40_000..=50_000).contains(*port)) {
        Some(port) => Err(Stop::fails("ports in 40000-50000", port.to_string())),
        None => Ok(()),
    }
}

async fn one_mode_a_port(context: Context) -> Outcome {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let broken = |error: std::io::Error| Stop::Broken(error.to_string());
    let mut stream = tokio::net::TcpStream::connect(context.address()?).await.map_err(broken)?;
    // A record that looks like a ClientHello: the explicit port answers in clear or closes.
    stream.write_all(&[22, 3, 1, 0, 4, 1, 0, 0, 0, b'\r', b'\n']).await.map_err(broken)?;
    let mut octets = [0; 512];
    let count = context.in_time(stream.read(&mut octets)).await?.unwrap_or(0);
    if octets.first() == Some(&22) && count > 0 {
        return Err(Stop::fails("220 in clear, or the end", "a TLS handshake"));
    }
    context.greet().await?.expect("NOOP", &[200, 530]).await.map(drop)
}

async fn explicit_port(context: Context) -> Outcome {
    context.greet().await?.expect("AUTH TLS", &[234]).await.map(drop)
}

async fn implicit_port(context: Context) -> Outcome {
    context.greet().await?.expect("NOOP", &[200, 530]).await.map(drop)
}

async fn active_works(context: Context) -> Outcome {
    let context = context.with(|cell| cell.data = crate::axes::Data::Port);
    let mut peer = context.scratch().await?;
    peer.put("f", b"active").await?;
    let data = peer.get("f").await?;
    match data == b"active" {
        true => Ok(()),
        false => Err(Stop::fails("active", String::from_utf8_lossy(&data))),
    }
}

async fn active_unreachable(context: Context) -> Outcome {
    let context = context.with(|cell| cell.data = crate::axes::Data::Port);
    let mut peer = context.login().await?;
    // A port that was free a moment ago: nobody listens.
    let address = {
        let listener = tokio::net::TcpListener::bind((peer.ends.0.ip(), 0))
            .await
            .map_err(|error| Stop::Broken(error.to_string()))?;
        listener.local_addr().map_err(|error| Stop::Broken(error.to_string()))?
    };
    let line = peer.active_line(address);
    let reply = peer.command(&line).await?;
    if reply.code != 200 {
        return Err(Stop::Unsupported(format!("active mode: {}", reply.show())));
    }
    let mut reply = peer.command("LIST").await?;
    if reply.code == 150 {
        reply = peer.late_reply().await?;
    }
    if reply.code != 425 {
        return Err(Stop::fails("425", reply.show()));
    }
    let context = context.with(|cell| cell.data = crate::axes::Data::Epsv);
    context.login().await?.listing("LIST").await?;
    peer.expect("NOOP", &[200]).await.map(drop)
}

/// An upload whose data connection never comes; the final reply.
async fn unconnected(peer: &mut Peer, name: &str) -> Result<crate::peer::Reply, Stop> {
    peer.passive().await?;
    peer.send(&format!("STOR {name}")).await?;
    let reply = peer.late_reply().await?;
    if reply.code == 150 { peer.late_reply().await } else { Ok(reply) }
}

async fn no_connection_new(context: Context) -> Outcome {
    let mut peer = context.scratch().await?;
    let reply = unconnected(&mut peer, "f").await?;
    if reply.code != 425 {
        return Err(Stop::fails("425", reply.show()));
    }
    let size = peer.command("SIZE f").await?;
    match size.code {
        550 => peer.expect("NOOP", &[200]).await.map(drop),
        _ => Err(Stop::fails("no file", size.show())),
    }
}

async fn no_connection_old(context: Context) -> Outcome {
    let mut peer = context.scratch().await?;
    peer.put("f", &[b'x'; 1024]).await?;
    unconnected(&mut peer, "f").await?;
    let size = peer.expect("SIZE f", &[213]).await?;
    match size.text() == "1024" {
        true => Ok(()),
        false => Err(Stop::fails("the old file of 1024 octets", size.show())),
    }
}

async fn control_goes_on(context: Context) -> Outcome {
    let mut peer = context.scratch().await?;
    unconnected(&mut peer, "f").await?;
    peer.expect("MKD d", &[257]).await?;
    peer.expect("CWD d", &[250]).await?;
    peer.expect("PWD", &[257]).await.map(drop)
}

async fn transfers_again(context: Context) -> Outcome {
    let mut peer = context.scratch().await?;
    unconnected(&mut peer, "f").await?;
    peer.put("f", b"now it works").await?;
    let size = peer.expect("SIZE f", &[213]).await?;
    match size.text() == "12" {
        true => Ok(()),
        false => Err(Stop::fails("213 12", size.show())),
    }
}

async fn empty_is_not_failed(context: Context) -> Outcome {
    let mut peer = context.scratch().await?;
    let failed = unconnected(&mut peer, "failed").await?;
    peer.put("empty", b"").await?;
    peer.expect("SIZE empty", &[213]).await?;
    match matches!(failed.code, 425 | 426) {
        true => Ok(()),
        false => Err(Stop::fails("425 or 426 for the failed one", failed.show())),
    }
}

async fn short_wait(context: Context) -> Outcome {
    let mut peer = context.scratch().await?;
    let begun = std::time::Instant::now();
    let reply = unconnected(&mut peer, "f").await?;
    let hint = reply.text().to_ascii_lowercase();
    match reply.code == 425 && begun.elapsed() < Duration::from_secs(120) && hint.contains("firewall") {
        true => Ok(()),
        false => Err(Stop::fails("425 within 120 s that hints at a firewall", reply.show())),
    }
}

/// What a server says and does at one pair of ports: replies without what differs from session to session.
async fn behaviour(context: &Context) -> Result<Vec<String>, Stop> {
    let mut peer = context.scratch().await?;
    let mut seen = Vec::new();
    for line in ["FEAT", "SYST", "PBSZ 0", "TYPE A", "TYPE I", "MODE X", "NOOP x", "REST 5", "REST 0"] {
        seen.push(peer.command(line).await?.show());
    }
    peer.put("f", b"the same at both").await?;
    seen.push(String::from_utf8_lossy(&peer.get("f").await?).into_owned());
    seen.push(peer.listing("NLST").await?.join(" "));
    seen.push(peer.expect("QUIT", &[221]).await?.show());
    Ok(seen)
}

async fn both_pairs_of_ports(context: Context) -> Outcome {
    let Some(doors) = context.server.alternative else {
        return Err(Stop::Skipped("a second pair of ports: 3021 beside 21, 3990 beside 990".to_owned()));
    };
    let (ordinary, other) = (behaviour(&context).await?, behaviour(&context.at(doors)).await?);
    must!(ordinary == other, ordinary.join(" // "), other.join(" // "))
}
