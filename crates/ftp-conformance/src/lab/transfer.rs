//! One transfer as a classic client does it: it connects to the address that it is told.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::axes::{Data, End};
use crate::case::Stop;
use crate::lab::place::new;
use crate::lab::{Break, Order, Plan, Wish};
use crate::peer::data::{Setup, extended_port, passive_address};
use crate::peer::wire::Wire;
use crate::peer::{Peer, Reply};

/// How a transfer ended for the client: the final reply and the data, or nothing.
pub(super) enum Ended {
    Replied(Reply, Vec<u8>),
    /// The client broke off by leaving.
    Gone,
    Stopped(Stop),
}

pub(super) async fn transfer(peer: &mut Peer, plan: Plan) -> Ended {
    match try_transfer(peer, plan).await {
        Ok(Some((reply, data))) => Ended::Replied(reply, data),
        Ok(None) => Ended::Gone,
        Err(stop) => Ended::Stopped(stop),
    }
}

/// What is set up: a port to connect to, or one to be connected to.
enum Way {
    To(std::net::SocketAddr),
    From(TcpListener),
}

async fn set_up(peer: &mut Peer, plan: Plan) -> Result<Result<Way, Reply>, Stop> {
    let broken = |error: std::io::Error| Stop::Broken(error.to_string());
    let passive = |reply: Reply| if reply.code / 100 == 2 { Ok(reply) } else { Err(reply) };
    Ok(match plan.data {
        Data::Pasv => match passive(peer.command("PASV").await?) {
            Ok(reply) => Ok(Way::To(passive_address(&reply)?)),
            Err(reply) => Err(reply),
        },
        Data::Epsv => match passive(peer.command("EPSV").await?) {
            Ok(reply) => Ok(Way::To(std::net::SocketAddr::new(peer.ends.1.ip(), extended_port(&reply)?))),
            Err(reply) => Err(reply),
        },
        Data::Port | Data::Eprt => {
            let listener = TcpListener::bind((peer.ends.0.ip(), 0)).await.map_err(broken)?;
            let line = peer.active_line(listener.local_addr().map_err(broken)?);
            match passive(peer.command(&line).await?) {
                Ok(_) => Ok(Way::From(listener)),
                Err(reply) => Err(reply),
            }
        }
    })
}

/// How long a client tries to connect before it goes on without.
const PATIENCE: Duration = Duration::from_secs(2);

async fn connect(to: std::net::SocketAddr) -> Option<TcpStream> {
    tokio::time::timeout(PATIENCE, TcpStream::connect(to)).await.ok()?.ok()
}

async fn try_transfer(peer: &mut Peer, plan: Plan) -> Result<Option<(Reply, Vec<u8>)>, Stop> {
    let way = match set_up(peer, plan).await? {
        Ok(way) => way,
        // Refused at once: the client knows, and nothing is under way.
        Err(reply) => return Ok(Some((reply, Vec::new()))),
    };
    let line = match plan.wish {
        Wish::List => "LIST",
        Wish::Retr => "RETR f",
        Wish::StorNew | Wish::StorOver | Wish::Rest => "STOR f",
        Wish::Appe => "APPE f",
    };
    let setup = match (way, plan.order) {
        (Way::To(to), Order::ConnectFirst) => {
            let stream = connect(to).await;
            peer.send(line).await?;
            stream.map(Setup::Connected)
        }
        (Way::To(to), Order::CommandFirst) => {
            peer.send(line).await?;
            connect(to).await.map(Setup::Connected)
        }
        (Way::From(listener), _) => {
            peer.send(line).await?;
            Some(Setup::Listening(listener))
        }
    };
    let first = peer.reply().await?;
    if first.code / 100 != 1 {
        return Ok(Some((first, Vec::new())));
    }
    // Without a connection of its own the client waits for what the server says.
    let Some(setup) = setup else { return Ok(Some((peer.reply().await?, Vec::new()))) };
    let Ok(wire) = peer.meet(setup).await else { return Ok(Some((peer.reply().await?, Vec::new()))) };
    let data = match plan.broken {
        None => move_data(peer, wire, plan.wish).await?,
        Some((how, octets)) => {
            if !break_off(peer, wire, how, octets).await? {
                return Ok(None);
            }
            Vec::new()
        }
    };
    let reply = peer.reply().await?;
    if plan.broken.is_some_and(|(how, _)| how == Break::Abor) {
        // 426, then 226 for ABOR itself; or the transfer was over and 226 came for both.
        peer.expect_reply(&[225, 226]).await?;
    }
    Ok(Some((reply, data)))
}

async fn move_data(peer: &Peer, mut wire: Wire, wish: Wish) -> Result<Vec<u8>, Stop> {
    let patience = peer.context.timeout;
    let mut data = Vec::new();
    match wish {
        Wish::List | Wish::Retr => {
            // Whether they are all there is looked at afterwards.
            let _end = tokio::time::timeout(patience, wire.read_to_end(&mut data)).await;
        }
        Wish::StorNew | Wish::StorOver | Wish::Appe | Wish::Rest => {
            let sending = async {
                wire.write_all(&new()).await?;
                wire.finish().await
            };
            let _sent = tokio::time::timeout(patience, sending).await;
        }
    }
    Ok(data)
}

/// Breaks a transfer off; whether the client is still there.
async fn break_off(peer: &mut Peer, mut wire: Wire, how: Break, octets: usize) -> Result<bool, Stop> {
    let data = new();
    let part = data.get(..octets).unwrap_or_default();
    let _sent = wire.write_all(part).await;
    let _flushed = wire.flush().await;
    // The server has them before the break.
    tokio::time::sleep(Duration::from_millis(100)).await;
    match how {
        Break::Rst => {
            let _gone = wire.end(End::Rst).await;
            Ok(true)
        }
        Break::Abor => {
            peer.send("ABOR").await?;
            Ok(true)
        }
        Break::Kill => {
            let _gone = wire.end(End::Rst).await;
            peer.hang_up();
            Ok(false)
        }
    }
}
