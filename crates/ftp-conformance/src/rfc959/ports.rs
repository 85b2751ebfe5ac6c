//! PORT, EPRT, PASV, EPSV (RFC 959 §4.1.2, RFC 1123 §4.1.2.6, RFC 2428, RFC 2577).

use std::collections::HashSet;
use std::time::Duration;

use tokio::io::AsyncReadExt;
use tokio::net::{TcpListener, TcpStream};

use crate::axes::Data;
use crate::case::{Outcome, Stop, cases};
use crate::context::Context;
use crate::peer::data::{extended_port, passive_address};

cases! {
    pasv_form: ["RFC1123-4.1.2.6-PASV-1", "RFC959-4.2.1-PASV-2", "PRAC-PASV-3"] Control;
    pasv_address: ["RFC1123-4.1.2.6-PASV-4"] Control;
    pasv_listens: ["RFC959-4.1.2-PASV-5"] Control;
    pasv_replaces: ["RFC959-3.2-PASV-6", "RFC959-3.2-DAT-16"] Control;
    pasv_once: ["RFC1123-4.1.2.6-PASV-7"] Control;
    last_one_decides: ["RFC959-3.3-PASV-8"] Control;
    port_dies_with_session: ["PRAC-PASV-11"] Control;
    refused_transfer: ["PRAC-PASV-12"] Data [Write];
    one_port_a_session: ["PRAC-PRT-4"] Control;
    random_ports: ["RFC2577-8-PRT-1", "SEED-PASV-3"] Control;
    epsv_form: ["RFC2428-3-EPSV-1", "PRAC-EPSV-9"] Control;
    epsv_address: ["RFC2428-3-EPSV-2"] Control;
    epsv_family: ["RFC2428-3-EPSV-3"] Control;
    epsv_other_family: ["RFC2428-3-EPSV-4"] Control;
    epsv_wrong: ["RFC2428-3-EPSV-5"] Control;
    epsv_all: ["PRAC-EPSV-6", "RFC2428-3-EPSV-7", "RFC2428-4-EPSV-8"] Control;
    active: ["RFC959-4.1.2-ACT-1"] Data [Write];
    active_waits: ["RFC959-3.2-ACT-2"] Control;
    active_from_control_address: ["RFC1123-4.1.2.12-ACT-5"] Control;
    port_wrong: ["RFC959-5.4-ACT-6"] Control;
    refused_port: ["PRAC-ACT-7"] Control;
    port_zero: ["PRAC-ACT-8"] Control;
    eprt: ["RFC2428-2-EPRT-9"] Control;
    eprt_delimiters: ["RFC2428-2-EPRT-10"] Control;
    eprt_family: ["RFC2428-2-EPRT-11", "RFC2428-2-EPRT-14"] Control;
    eprt_wrong: ["RFC2428-2-EPRT-12"] Control;
    low_ports: ["RFC2577-3-BNC-1"] Control;
    third_hosts: ["PRAC-BNC-3", "RFC2577-3-BNC-2", "PRAC-BNC-6"] Control;
    mapped_addresses: ["PRAC-BNC-5"] Control;
}

async fn pasv_form(context: Context) -> Outcome {
    let mut peer = context.login().await?;
    let reply = peer.expect("PASV", &[227]).await?;
    let address = passive_address(&reply)?;
    match address.port() > 1023 && reply.lines.len() == 1 {
        true => Ok(()),
        false => Err(Stop::fails("a port above 1023, on one line", reply.show())),
    }
}

async fn pasv_address(context: Context) -> Outcome {
    let mut peer = context.login().await?;
    let reply = peer.expect("PASV", &[227]).await?;
    let (announced, server) = (passive_address(&reply)?.ip(), peer.ends.1.ip());
    match announced == server {
        true => Ok(()),
        false => Err(Stop::fails(server.to_string(), announced.to_string())),
    }
}

async fn pasv_listens(context: Context) -> Outcome {
    let mut peer = context.login().await?;
    for _ in 0..20 {
        let reply = peer.expect("PASV", &[227]).await?;
        let address = passive_address(&reply)?;
        TcpStream::connect(address)
            .await
            .map_err(|error| Stop::fails(format!("{address} to listen"), error.to_string()))?;
    }
    Ok(())
}

/// Whether a connection is refused, or closed at once.
async fn is_dead(address: std::net::SocketAddr) -> bool {
    match TcpStream::connect(address).await {
        Err(_) => true,
        Ok(mut stream) => {
            tokio::time::timeout(Duration::from_secs(2), stream.read(&mut [0; 16])).await.is_ok()
        }
    }
}

async fn pasv_replaces(context: Context) -> Outcome {
    let mut peer = context.login().await?;
    let first = passive_address(&peer.expect("PASV", &[227]).await?)?;
    let mut idle =
        TcpStream::connect(first).await.map_err(|error| Stop::fails("a passive port", error.to_string()))?;
    let second = passive_address(&peer.expect("PASV", &[227]).await?)?;
    let closed = tokio::time::timeout(Duration::from_secs(2), idle.read(&mut [0; 16])).await;
    if closed.is_err() {
        return Err(Stop::fails("the first connection closed by a new PASV", "it stays open"));
    }
    if first != second && !is_dead(first).await {
        return Err(Stop::fails("the first port closed by a new PASV", first.to_string()));
    }
    peer.expect("NOOP", &[200]).await.map(drop)
}

async fn pasv_once(context: Context) -> Outcome {
    let mut peer = context.login().await?;
    peer.listing("LIST").await?;
    peer.expect("LIST", &[425, 503]).await.map(drop)
}

async fn last_one_decides(context: Context) -> Outcome {
    let active = context.with(|cell| cell.data = crate::axes::Data::Port);
    let mut peer = active.login().await?;
    peer.expect("PASV", &[227]).await?;
    peer.listing("LIST").await?;
    let listener =
        TcpListener::bind((peer.ends.0.ip(), 0)).await.map_err(|error| Stop::Broken(error.to_string()))?;
    let address = listener.local_addr().map_err(|error| Stop::Broken(error.to_string()))?;
    let line = peer.active_line(address);
    peer.expect(&line, &[200]).await?;
    let passive = passive_address(&peer.expect("PASV", &[227]).await?)?;
    let stream = TcpStream::connect(passive)
        .await
        .map_err(|error| Stop::fails("a passive port", error.to_string()))?;
    let (_, reply) = peer.fetch_over(crate::peer::data::Setup::Connected(stream), "LIST").await?;
    match reply.code {
        226 | 250 => Ok(()),
        _ => Err(Stop::fails("a transfer over the passive port", reply.show())),
    }
}

async fn port_dies_with_session(context: Context) -> Outcome {
    let mut peer = context.login().await?;
    let address = peer.passive().await?;
    peer.expect("QUIT", &[221]).await?;
    peer.expect_end().await?;
    tokio::time::sleep(Duration::from_millis(100)).await;
    match is_dead(address).await {
        true => Ok(()),
        false => Err(Stop::fails("a closed port", address.to_string())),
    }
}

async fn refused_transfer(context: Context) -> Outcome {
    let mut peer = context.scratch().await?;
    peer.put("f", b"good").await?;
    let (_, reply) = peer.fetch("RETR missing").await?;
    if reply.code != 550 {
        return Err(Stop::fails("550", reply.show()));
    }
    let data = peer.get("f").await?;
    match data == b"good" {
        true => Ok(()),
        false => Err(Stop::fails("the whole file", format!("{} octets", data.len()))),
    }
}

async fn one_port_a_session(context: Context) -> Outcome {
    let mut peer = context.login().await?;
    let mut ports = Vec::new();
    for _ in 0..30 {
        ports.push(passive_address(&peer.expect("PASV", &[227]).await?)?);
    }
    let last = ports.pop();
    for address in ports.iter().filter(|address| Some(**address) != last) {
        if TcpStream::connect(address).await.is_ok() && !is_dead(*address).await {
            return Err(Stop::fails("one open port a session", address.to_string()));
        }
    }
    Ok(())
}

async fn random_ports(context: Context) -> Outcome {
    let mut peer = context.login().await?;
    let mut ports = Vec::new();
    for _ in 0..60 {
        ports.push(i32::from(extended_port(&peer.expect("EPSV", &[229]).await?)?));
    }
    let distinct: HashSet<i32> = ports.iter().copied().collect();
    let steps: HashSet<i32> = ports
        .windows(2)
        .map(|pair| pair.iter().rev().copied().reduce(|last, first| last - first).unwrap_or(0))
        .collect();
    match distinct.len() > 50 && steps.len() > 30 {
        true => Ok(()),
        false => Err(Stop::fails("ports without order", format!("{ports:?}"))),
    }
}

async fn epsv_form(context: Context) -> Outcome {
    let mut peer = context.login().await?;
    let reply = peer.expect("EPSV", &[229]).await?;
    extended_port(&reply).map(drop)
}

async fn epsv_address(context: Context) -> Outcome {
    let context = context.with(|cell| cell.data = crate::axes::Data::Epsv);
    context.login().await?.listing("LIST").await.map(drop)
}

async fn epsv_family(context: Context) -> Outcome {
    let mut peer = context.login().await?;
    let own = if peer.ends.1.is_ipv4() { "EPSV 1" } else { "EPSV 2" };
    peer.expect(own, &[229]).await.map(drop)
}

/// The list of families in a 522: digits and commas in the only parentheses.
fn families(reply: &crate::peer::Reply) -> Outcome {
    let text = reply.text();
    let list = text.split_once('(').and_then(|(_, rest)| rest.split_once(')')).map(|(list, _)| list);
    let count = |letter: char| text.matches(letter).count();
    match list {
        Some("1" | "2" | "1,2" | "2,1") if count('(') == 1 && count(')') == 1 => Ok(()),
        _ => Err(Stop::fails("522 … (1), (2) or (1,2)", reply.show())),
    }
}

async fn epsv_other_family(context: Context) -> Outcome {
    let mut peer = context.login().await?;
    for line in ["EPSV 3", "EPSV 99"] {
        let reply = peer.expect(line, &[522]).await?;
        families(&reply)?;
    }
    Ok(())
}

async fn epsv_wrong(context: Context) -> Outcome {
    let mut peer = context.login().await?;
    peer.expect("EPSV foo", &[501, 500]).await?;
    peer.expect("EPSV 1 2", &[501, 500]).await.map(drop)
}

async fn epsv_all(context: Context) -> Outcome {
    let context = context.with(|cell| cell.data = crate::axes::Data::Epsv);
    let mut peer = context.login().await?;
    peer.expect("epsv all", &[200, 202, 220]).await?;
    for _ in 0..2 {
        for line in ["PASV", "PORT 127,0,0,1,200,10", "EPRT |1|127.0.0.1|50000|"] {
            peer.expect(line, &[500, 501, 502, 503, 522, 550]).await?;
        }
        peer.listing("LIST").await?;
        peer.expect("ABOR", &[225, 226]).await?;
    }
    Ok(())
}

async fn active(context: Context) -> Outcome {
    if !matches!(context.cell.data, Data::Port | Data::Eprt) {
        return Err(Stop::Skipped("of active mode only".to_owned()));
    }
    let mut peer = context.scratch().await?;
    peer.put("f", b"by active mode").await?;
    let data = peer.get("f").await?;
    match data == b"by active mode" {
        true => Ok(()),
        false => Err(Stop::fails("by active mode", String::from_utf8_lossy(&data))),
    }
}

/// A listener, and the line that names it.
async fn listen(peer: &mut crate::peer::Peer) -> Result<(TcpListener, String), Stop> {
    let broken = |error: std::io::Error| Stop::Broken(error.to_string());
    let listener = TcpListener::bind((peer.ends.0.ip(), 0)).await.map_err(broken)?;
    let address = listener.local_addr().map_err(broken)?;
    let line = peer.active_line(address);
    Ok((listener, line))
}

async fn active_waits(context: Context) -> Outcome {
    let mut peer = context.login().await?;
    let (listener, line) = listen(&mut peer).await?;
    let reply = peer.command(&line).await?;
    if reply.code != 200 {
        return Err(Stop::Unsupported(format!("active mode: {}", reply.show())));
    }
    if tokio::time::timeout(Duration::from_millis(500), listener.accept()).await.is_ok() {
        return Err(Stop::fails("no connection before the transfer", "one at once"));
    }
    let (_, reply) = peer.fetch_over(crate::peer::data::Setup::Listening(listener), "LIST").await?;
    match reply.code {
        226 | 250 => Ok(()),
        _ => Err(Stop::fails("226", reply.show())),
    }
}

async fn active_from_control_address(context: Context) -> Outcome {
    let mut peer = context.login().await?;
    let (listener, line) = listen(&mut peer).await?;
    peer.expect(&line, &[200]).await?;
    peer.expect("LIST", &[150, 125]).await?;
    let (_, from) =
        context.in_time(listener.accept()).await?.map_err(|error| Stop::Broken(error.to_string()))?;
    match from.ip() == peer.ends.1.ip() {
        true => Ok(()),
        false => Err(Stop::fails(peer.ends.1.ip().to_string(), from.ip().to_string())),
    }
}

async fn port_wrong(context: Context) -> Outcome {
    let mut peer = context.login().await?;
    for argument in
        ["1,2,3,4,5", "1,2,3,4,5,6,7", "256,0,0,1,4,1", "a,b,c,d,e,f", "1,2,3,x,4,5,6", "127,0,0,1,-1,5"]
    {
        peer.expect(&format!("PORT {argument}"), &[501, 500]).await?;
    }
    peer.expect("PORT", &[501, 500]).await?;
    peer.expect("NOOP", &[200]).await.map(drop)
}

async fn refused_port(context: Context) -> Outcome {
    let mut peer = context.login().await?;
    peer.passive().await?;
    peer.expect("PORT 256,0,0,1,4,1", &[501, 500]).await?;
    peer.expect("LIST", &[425, 503]).await.map(drop)
}

async fn port_zero(context: Context) -> Outcome {
    let mut peer = context.login().await?;
    peer.expect("PORT 127,0,0,1,0,0", &[501, 504, 500]).await?;
    peer.expect("EPRT |1|127.0.0.1|0|", &[501, 504, 500]).await.map(drop)
}

async fn eprt(context: Context) -> Outcome {
    let context = context.with(|cell| cell.data = crate::axes::Data::Eprt);
    context.login().await?.listing("LIST").await.map(drop)
}

async fn eprt_delimiters(context: Context) -> Outcome {
    let mut peer = context.login().await?;
    let ip = peer.ends.0.ip();
    let family = if ip.is_ipv4() { 1 } else { 2 };
    for delimiter in ['!', '#', '~'] {
        peer.expect(&format!("EPRT {delimiter}{family}{delimiter}{ip}{delimiter}50000{delimiter}"), &[200])
            .await?;
    }
    Ok(())
}

async fn eprt_family(context: Context) -> Outcome {
    let mut peer = context.login().await?;
    for line in ["EPRT |3|x|1|", "EPRT |99|a|1|"] {
        let reply = peer.expect(line, &[522]).await?;
        families(&reply)?;
    }
    Ok(())
}

async fn eprt_wrong(context: Context) -> Outcome {
    let mut peer = context.login().await?;
    for argument in ["|1|127.0.0.1|", "|1|::1|21000|", "|1|127.0.0.1|70000|", "|x|a|1|"] {
        peer.expect(&format!("EPRT {argument}"), &[501, 500]).await?;
    }
    peer.expect("EPRT", &[501, 500]).await.map(drop)
}

async fn low_ports(context: Context) -> Outcome {
    let mut peer = context.login().await?;
    let line = |port: u16| format!("EPRT |1|{}|{port}|", peer.ends.0.ip());
    let (smtp, http) = (line(25), line(80));
    peer.expect(&smtp, &[504, 500, 501, 530]).await?;
    peer.expect(&http, &[504, 500, 501, 530]).await.map(drop)
}

async fn third_hosts(context: Context) -> Outcome {
    let mut peer = context.login().await?;
    for address in ["169,254,1,1", "224,0,0,1", "0,0,0,0", "192,0,2,77", "10,1,2,3"] {
        let reply = peer.command(&format!("PORT {address},200,10")).await?;
        if reply.code / 100 != 5 {
            return Err(Stop::fails(format!("5xx to PORT {address}"), reply.show()));
        }
    }
    peer.expect("STOR f", &[425, 503]).await.map(drop)
}

async fn mapped_addresses(context: Context) -> Outcome {
    let mut peer = context.login().await?;
    for address in ["::ffff:192.0.2.77", "::2", "2001:db8::1"] {
        let reply = peer.command(&format!("EPRT |2|{address}|50000|")).await?;
        if reply.code / 100 != 5 {
            return Err(Stop::fails(format!("5xx to EPRT {address}"), reply.show()));
        }
    }
    Ok(())
}
