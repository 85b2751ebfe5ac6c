//! Who may connect to whom: strangers at passive ports, IPv6, the default data port (RFC 959 §3.2; RFC 2428; RFC
//! 2577 §4).

use std::time::Duration;

use tokio::io::AsyncReadExt;
use tokio::net::{TcpListener, TcpStream};

use crate::axes::{Data, Family, Ticket};
use crate::case::{Outcome, Stop, cases, must};
use crate::context::Context;
use crate::peer::Peer;
use crate::peer::data::Setup;

cases! {
    stranger: ["RFC2577-4-BNC-4"] Control [Write, SecondAddress];
    stranger_first: ["PRAC-PASV-10"] Control [Write, SecondAddress];
    stranger_writes: ["PRAC-PRT-3"] Protected [Write, SecondAddress];
    pasv_over_v6: ["PRAC-PASV-9"] V6;
    eprt_forms: ["RFC2428-2-EPRT-13"] V6 [Write];
    default_port: ["RFC959-3.2-ACT-3"] Clear [Write];
}

/// Every octet that a stranger is given within half a second.
async fn given(context: &Context, to: std::net::SocketAddr) -> Result<usize, Stop> {
    let Ok(mut stream) = context.from_elsewhere().connect(to).await? else { return Ok(0) };
    let mut octets = Vec::new();
    let _end = tokio::time::timeout(Duration::from_millis(500), stream.read_to_end(&mut octets)).await;
    Ok(octets.len())
}

async fn stranger(context: Context) -> Outcome {
    let mut peer = context.scratch().await?;
    peer.put("f", b"not for strangers").await?;
    let address = peer.passive().await?;
    let thief = context.clone();
    let stealing = tokio::spawn(async move { given(&thief, address).await });
    tokio::time::sleep(Duration::from_millis(50)).await;
    peer.send("RETR f").await?;
    let stolen = stealing.await.map_err(|error| Stop::Broken(error.to_string()))??;
    must!(stolen == 0, "no octet for a stranger", format!("{stolen} octets"))?;
    // The reservation may have been used up, or the server may still be waiting for the right client.
    let own = TcpStream::connect(address).await;
    let reply = peer.reply().await?;
    drop(own);
    must!(matches!(reply.code, 150 | 425 | 426 | 500), "425, or 150 for the right client", reply.show())
}

async fn stranger_first(context: Context) -> Outcome {
    let mut peer = context.scratch().await?;
    peer.put("f", b"for the right client").await?;
    let address = peer.passive().await?;
    given(&context, address).await?;
    let own = context.connect(address).await?;
    let own = own.map_err(|error| Stop::fails("the port still open for its client", error.to_string()))?;
    let (data, reply) = peer.fetch_over(Setup::Connected(own), "RETR f").await?;
    must!(
        reply.code == 226 && data == b"for the right client",
        "the file, although a stranger came first",
        format!("{}, {} octets", reply.show(), data.len()),
    )?;
    let after = given(&context, address).await?;
    must!(after == 0, "nothing for a second connection", format!("{after} octets"))
}

async fn stranger_writes(context: Context) -> Outcome {
    let mut peer = context.scratch().await?;
    let address = peer.passive().await?;
    peer.send("STOR f").await?;
    // A stranger who does not hold the session of the control connection, be it from the same address.
    let mut thief = context.with(|cell| cell.ticket = Some(Ticket::None)).login().await?;
    if let Ok(stream) = context.from_elsewhere().connect(address).await?
        && let Ok(mut wire) = thief.shake(stream).await?
    {
        use tokio::io::AsyncWriteExt;
        let _sent = wire.write_all(b"forged").await;
        let _ended = wire.shutdown().await;
    }
    let stream = context.connect(address).await?;
    let stream =
        stream.map_err(|error| Stop::fails("the port still open for its client", error.to_string()))?;
    peer.expect_reply(&[150, 125]).await?;
    let mut wire = peer.meet(Setup::Connected(stream)).await?;
    {
        use tokio::io::AsyncWriteExt;
        let broken =
            |error: std::io::Error| Stop::fails("a data connection that takes data", error.to_string());
        wire.write_all(b"genuine").await.map_err(broken)?;
        wire.finish().await.map_err(broken)?;
    }
    peer.expect_reply(&[226, 250]).await?;
    let data = peer.get("f").await?;
    thief.expect("NOOP", &[200]).await?;
    must!(data == b"genuine", "what the right client sent", String::from_utf8_lossy(&data))
}

async fn pasv_over_v6(context: Context) -> Outcome {
    let mut peer = context.login().await?;
    let reply = peer.command("PASV").await?;
    must!(matches!(reply.code, 425 | 421 | 500..=599), "5xx or 425 to PASV over IPv6", reply.show())?;
    peer.listing("LIST").await.map(drop)
}

async fn eprt_forms(context: Context) -> Outcome {
    let mut peer = context.with(|cell| cell.data = Data::Eprt).login().await?;
    let ip = peer.ends.0.ip();
    let std::net::IpAddr::V6(own) = ip else {
        return Err(Stop::Skipped(format!("not an IPv6 address: {ip}")));
    };
    let full: Vec<String> = own.segments().iter().map(|segment| format!("{segment:04X}")).collect();
    for form in [own.to_string(), full.join(":"), own.to_string().to_uppercase()] {
        let listener = TcpListener::bind((ip, 0)).await.map_err(|error| Stop::Broken(error.to_string()))?;
        let port = listener.local_addr().map_err(|error| Stop::Broken(error.to_string()))?.port();
        peer.expect(&format!("EPRT |2|{form}|{port}|"), &[200]).await?;
        let (_, reply) = peer.fetch_over(Setup::Listening(listener), "LIST").await?;
        must!(reply.code == 226, format!("a listing to {form}"), reply.show())?;
    }
    Ok(())
}

async fn default_port(context: Context) -> Outcome {
    let mut peer: Peer = context.with(|cell| cell.family = Family::V4).scratch().await?;
    let (data, reply) = {
        let listener = reuse(peer.ends.0);
        match listener {
            Ok(listener) => peer.fetch_over(Setup::Listening(listener), "LIST").await?,
            // The control connection's own port cannot be listened at on this system.
            Err(_) => (Vec::new(), peer.command("LIST").await?),
        }
    };
    must!(
        reply.code == 226 || matches!(reply.code, 425 | 503) && data.is_empty(),
        "a listing at the client's control port, or 425 or 503",
        reply.show(),
    )
}

/// Listens at an address that has a connection already.
fn reuse(address: std::net::SocketAddr) -> std::io::Result<TcpListener> {
    let socket = tokio::net::TcpSocket::new_v4()?;
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(1)
}
