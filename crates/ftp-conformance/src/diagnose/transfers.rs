//! P2 and P3: small and large transfers over EPSV, and what the server says of those that fail.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;

use crate::case::Stop;
use crate::diagnose::probe::{Probe, connect, hangs, said, why};
use crate::diagnose::{Connect, Transfer};
use crate::peer::data::{Setup, extended_port};
use crate::peer::{Peer, Reply};

/// Octets of the upload: several segments, none of which a tunnel could pass whole.
const UPLOAD: usize = 20_000;
/// Whether the other side has not ended a connection.
async fn is_open(stream: &mut TcpStream) -> bool {
    let ended = tokio::time::timeout(Duration::from_millis(200), stream.read(&mut [0; 1])).await;
    !matches!(ended, Ok(Ok(0) | Err(_)))
}

impl Probe<'_> {
    /// The server's verdict on a transfer that the client has given up.
    pub(super) async fn late(&self, peer: &mut Peer) -> Option<Reply> {
        let usual = std::mem::replace(&mut peer.context.timeout, self.settings.verdict);
        let reply = peer.try_reply().await.ok().flatten();
        peer.context.timeout = usual;
        reply
    }

    /// What became of a transfer in which the client is connected and nothing is said.
    async fn unanswered(&self, peer: &mut Peer, stream: &mut TcpStream) -> Transfer {
        let reply = self.late(peer).await.map(|reply| reply.show());
        if is_open(stream).await { Transfer::Unseen(reply) } else { Transfer::Reset(reply) }
    }

    /// P2: everything fits in one segment. Where this user may write that is a directory with one short name.
    pub(super) async fn small(&self, peer: &mut Peer) -> Transfer {
        let name = format!("ftp-diagnose-{}", std::process::id());
        let may_write = peer.command(&format!("MKD {name}")).await.is_ok_and(|reply| reply.code == 257)
            && peer.command(&format!("CWD {name}")).await.is_ok_and(|reply| reply.code / 100 == 2);
        if !may_write {
            return self.list(peer).await;
        }
        let mut done = self.upload(peer, "f", 10).await;
        if done == Transfer::Good {
            done = self.list(peer).await;
        }
        for line in ["DELE f".to_owned(), "CDUP".to_owned(), format!("RMD {name}")] {
            // What the session still owes comes first; nothing is left behind if it can be helped.
            let _removed = peer.command(&line).await;
        }
        done
    }

    async fn list(&self, peer: &mut Peer) -> Transfer {
        let mut stream = match self.passive(peer).await {
            Ok(stream) => stream,
            Err(transfer) => return transfer,
        };
        if peer.send("LIST").await.is_err() {
            return Transfer::ControlLost;
        }
        let first = match peer.reply().await {
            Ok(reply) => reply,
            Err(stop) if hangs(&stop) => return self.unanswered(peer, &mut stream).await,
            Err(_) => return Transfer::ControlLost,
        };
        match first.code {
            100..200 => self.fetch(peer, stream).await,
            // Cut off here too, or held by something that is not the server?
            425 | 426 if is_open(&mut stream).await => Transfer::Unseen(Some(first.show())),
            425 | 426 => Transfer::Reset(Some(first.show())),
            _ => Transfer::Refused(first.show()),
        }
    }

    async fn passive(&self, peer: &mut Peer) -> Result<TcpStream, Transfer> {
        // A few ports: one of them may be closed.
        let mut last = Connect::TimedOut;
        for _ in 0..3 {
            let Ok(reply) = peer.command("EPSV").await else { return Err(Transfer::ControlLost) };
            let Ok(port) = extended_port(&reply) else { return Err(Transfer::Refused(reply.show())) };
            let reached = connect(SocketAddr::new(peer.ends.1.ip(), port), self.settings.attempt / 2).await;
            match reached {
                Ok(stream) => return Ok(stream),
                // Cut off as soon as it stood: the server does not take it, and says why to the command.
                Err(error) if error.kind() == io::ErrorKind::ConnectionReset => {
                    let _sent = peer.send("LIST").await;
                    return Err(Transfer::Reset(self.late(peer).await.map(|reply| reply.show())));
                }
                Err(_) => last = why(&reached),
            }
        }
        Err(Transfer::NoConnection(last))
    }

    /// The rest of a download, after its 150.
    pub(super) async fn fetch(&self, peer: &mut Peer, stream: TcpStream) -> Transfer {
        let mut wire = match peer.meet(Setup::Connected(stream)).await {
            Ok(wire) => wire,
            Err(stop) => return self.no_handshake(peer, &stop).await,
        };
        let read = tokio::time::timeout(self.settings.attempt, wire.read_to_end(&mut Vec::new())).await;
        match read {
            Err(_) => return Transfer::Silent,
            // Its last octets may be missing; the reply says whether they are.
            Ok(Ok(_) | Err(_)) => drop(wire),
        }
        match self.late(peer).await {
            Some(reply) if reply.code / 100 == 2 => Transfer::Good,
            Some(reply) => Transfer::Reset(Some(reply.show())),
            None => Transfer::ControlLost,
        }
    }

    async fn no_handshake(&self, peer: &mut Peer, stop: &Stop) -> Transfer {
        if hangs(stop) {
            return Transfer::Silent;
        }
        let reply = self.late(peer).await.map(|reply| reply.show());
        Transfer::Handshake(reply.unwrap_or_else(|| said(stop)))
    }

    /// P3: the file is removed whatever came of it.
    pub(super) async fn store(&mut self, peer: &mut Peer) -> Transfer {
        let name = format!("ftp-diagnose-{}", std::process::id());
        let done = self.upload(peer, &name, UPLOAD).await;
        if done != Transfer::Good && done != Transfer::ControlLost {
            // A server that empties the target first has an empty file now.
            if let Ok(reply) = peer.command(&format!("SIZE {name}")).await
                && reply.code == 213
                && reply.text().trim() == "0"
            {
                self.seen.left_empty = Some(name.clone());
            }
        }
        let _removed = peer.command(&format!("DELE {name}")).await;
        done
    }

    async fn upload(&self, peer: &mut Peer, name: &str, octets: usize) -> Transfer {
        use tokio::io::AsyncWriteExt;
        let mut stream = match self.passive(peer).await {
            Ok(stream) => stream,
            Err(transfer) => return transfer,
        };
        let first = match peer.command(&format!("STOR {name}")).await {
            Ok(reply) => reply,
            Err(stop) if hangs(&stop) => return self.unanswered(peer, &mut stream).await,
            Err(_) => return Transfer::ControlLost,
        };
        match first.code {
            100..200 => {}
            425 | 426 if is_open(&mut stream).await => return Transfer::Unseen(Some(first.show())),
            425 | 426 => return Transfer::Reset(Some(first.show())),
            _ => return Transfer::Refused(first.show()),
        }
        let mut wire = match peer.meet(Setup::Connected(stream)).await {
            Ok(wire) => wire,
            Err(stop) => return self.no_handshake(peer, &stop).await,
        };
        let begun = std::time::Instant::now();
        let sending = async {
            wire.write_all(&vec![b'd'; octets]).await?;
            wire.finish().await
        };
        let sent = tokio::time::timeout(self.settings.attempt, sending).await;
        if sent.is_err() {
            return Transfer::Silent;
        }
        match peer.reply().await {
            Ok(reply) if reply.code / 100 == 2 => Transfer::Good,
            // It has waited for octets that did not come.
            Ok(reply) if reply.code == 426 && begun.elapsed() > self.settings.attempt / 2 => Transfer::Silent,
            Ok(reply) => Transfer::Reset(Some(reply.show())),
            // The octets are in this host's buffers and get no further.
            Err(stop) if hangs(&stop) => Transfer::Silent,
            Err(_) => Transfer::ControlLost,
        }
    }
}
