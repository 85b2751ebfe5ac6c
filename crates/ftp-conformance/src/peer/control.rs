//! The client's control connection.

use std::sync::Arc;
use std::time::Duration;

use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::axes::Security;
use crate::case::Stop;
use crate::context::Context;
use crate::peer::reply::{self, Reply};
use crate::peer::tls;

/// What a connection is written to and read from.
pub trait Wire: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Wire for T {}

/// A client with its control connection.
pub struct Peer {
    pub(crate) context: Context,
    wire: Option<Box<dyn Wire>>,
    received: Vec<u8>,
    /// Sessions of this configuration can be resumed by data connections.
    pub(crate) tls: Arc<ClientConfig>,
    /// The addresses of the control connection: own and the server's.
    pub(crate) ends: (std::net::SocketAddr, std::net::SocketAddr),
    /// Whether data connections are protected.
    pub(crate) protected: Protected,
    greeted: Greeted,
}

/// Whether the greeting was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Greeted {
    No,
    Yes,
}

/// The level of data connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Protected {
    No,
    Yes,
}

/// A client's side of a TLS handshake.
pub(crate) async fn shake(
    config: &Arc<ClientConfig>,
    wire: impl Wire + 'static,
) -> std::io::Result<Box<dyn Wire>> {
    let name = ServerName::try_from("localhost").map_err(std::io::Error::other)?;
    Ok(Box::new(TlsConnector::from(Arc::clone(config)).connect(name, wire).await?))
}

impl Peer {
    /// Connects; with implicit TLS the handshake is done, the greeting is not read.
    ///
    /// # Errors
    /// [`Stop::Broken`] if there is no connection.
    pub async fn open(context: Context) -> Result<Self, Stop> {
        let broken = |error: std::io::Error| Stop::Broken(error.to_string());
        let address = context.address();
        let stream = context.in_time(TcpStream::connect(address)).await?.map_err(broken)?;
        let ends = (stream.local_addr().map_err(broken)?, stream.peer_addr().map_err(broken)?);
        let _refused = stream.set_nodelay(true);
        let tls = tls::client(context.cell.version, &[]).map_err(|error| Stop::Broken(error.to_string()))?;
        let implicit = context.cell.security == Security::Implicit;
        let wire: Box<dyn Wire> = if implicit {
            context.in_time(shake(&tls, stream)).await?.map_err(broken)?
        } else {
            Box::new(stream)
        };
        let protected = if implicit { Protected::Yes } else { Protected::No };
        Ok(Self {
            context,
            wire: Some(wire),
            received: Vec::new(),
            tls,
            ends,
            protected,
            greeted: Greeted::No,
        })
    }

    /// Sends octets as they are.
    ///
    /// # Errors
    /// [`Stop::Fails`] if the connection is gone.
    pub async fn send_raw(&mut self, octets: &[u8]) -> Result<(), Stop> {
        self.context.transcript.note('>', octets);
        let gone = |error: std::io::Error| Stop::fails("an open control connection", error.to_string());
        let Some(wire) = &mut self.wire else { return Err(Stop::Broken("no connection".to_owned())) };
        wire.write_all(octets).await.map_err(gone)?;
        wire.flush().await.map_err(gone)
    }

    /// Sends a line.
    ///
    /// # Errors
    /// As for [`Peer::send_raw`].
    pub async fn send(&mut self, line: &str) -> Result<(), Stop> {
        self.send_raw(format!("{line}\r\n").as_bytes()).await
    }

    /// Reads some octets; none at the end.
    async fn fill(&mut self) -> Result<usize, Stop> {
        let mut octets = [0; 8192];
        let Some(wire) = &mut self.wire else { return Err(Stop::Broken("no connection".to_owned())) };
        let count = wire.read(&mut octets).await.unwrap_or(0);
        let fresh = octets.get(..count).unwrap_or_default();
        match self.context.fault {
            Some(fault) => {
                // The greeting is left as it is: without it there is no dialogue to spoil.
                let whole = if self.greeted == Greeted::No {
                    fresh.iter().position(|octet| *octet == b'\n')
                } else {
                    None
                };
                let (greeting, rest) = match whole {
                    Some(end) => fresh.split_at(end + 1),
                    None => (&[][..], fresh),
                };
                self.greeted = Greeted::Yes;
                self.received.extend_from_slice(greeting);
                self.received.extend(fault.spoil_reply(rest));
            }
            None => self.received.extend_from_slice(fresh),
        }
        Ok(count)
    }

    /// The next reply; `None` at the end of the connection.
    ///
    /// # Errors
    /// [`Stop::Fails`] if none comes in time, or it breaks RFC 959 §4.2.
    pub async fn try_reply(&mut self) -> Result<Option<Reply>, Stop> {
        loop {
            if let Some((reply, taken)) = reply::read(&self.received)? {
                self.received.drain(..taken);
                self.context.transcript.note('<', reply.show().as_bytes());
                return Ok(Some(reply));
            }
            let time = self.context.timeout;
            match tokio::time::timeout(time, self.fill()).await {
                Err(_) => {
                    return Err(Stop::fails("a reply", format!("nothing within {} s", time.as_secs_f64())));
                }
                Ok(Ok(0)) if self.received.is_empty() => {
                    self.context.transcript.note('*', b"the server has closed");
                    return Ok(None);
                }
                Ok(Ok(0)) => return Err(Stop::fails("whole replies", "the end in the middle of one")),
                Ok(Ok(_)) => {}
                Ok(Err(stop)) => return Err(stop),
            }
        }
    }

    /// The next reply.
    ///
    /// # Errors
    /// As for [`Peer::try_reply`], and if the server closes.
    pub async fn reply(&mut self) -> Result<Reply, Stop> {
        self.try_reply().await?.ok_or_else(|| Stop::fails("a reply", "the server closed"))
    }

    /// Sends a line and reads one reply.
    ///
    /// # Errors
    /// As for [`Peer::reply`].
    pub async fn command(&mut self, line: &str) -> Result<Reply, Stop> {
        self.send(line).await?;
        self.reply().await
    }

    /// Sends a line and reads one reply, or the end of the connection.
    ///
    /// # Errors
    /// As for [`Peer::try_reply`].
    pub async fn try_reply_to(&mut self, line: &str) -> Result<Option<Reply>, Stop> {
        self.send(line).await?;
        self.try_reply().await
    }

    /// Sends a line; its reply has to have one of `codes`.
    ///
    /// # Errors
    /// As for [`Peer::reply`], and if it is another code.
    pub async fn expect(&mut self, line: &str, codes: &[u16]) -> Result<Reply, Stop> {
        let reply = self.command(line).await?;
        wanted(line, codes, reply)
    }

    /// The next reply has to have one of `codes`.
    ///
    /// # Errors
    /// As for [`Peer::expect`].
    pub async fn expect_reply(&mut self, codes: &[u16]) -> Result<Reply, Stop> {
        let reply = self.reply().await?;
        wanted("the next reply", codes, reply)
    }

    /// Nothing more is said, and the server closes.
    ///
    /// # Errors
    /// [`Stop::Fails`] if it says something else, or stays.
    pub async fn expect_end(&mut self) -> Result<(), Stop> {
        match self.try_reply().await? {
            None => Ok(()),
            Some(reply) => Err(Stop::fails("the end of the connection", reply.show())),
        }
    }

    /// Nothing is said for so long.
    ///
    /// # Errors
    /// [`Stop::Fails`] if something is.
    pub async fn expect_silence(&mut self, time: Duration) -> Result<(), Stop> {
        if self.received.is_empty() && tokio::time::timeout(time, self.fill()).await.is_err() {
            return Ok(());
        }
        let said = String::from_utf8_lossy(&self.received).into_owned();
        if said.is_empty() {
            return Err(Stop::fails("silence", "the server closed"));
        }
        Err(Stop::fails("silence", said))
    }

    /// Starts TLS on the control connection.
    ///
    /// # Errors
    /// [`Stop::Fails`] if the handshake does.
    pub async fn secure(&mut self) -> Result<(), Stop> {
        let Some(wire) = self.wire.take() else { return Err(Stop::Broken("no connection".to_owned())) };
        let shaken = self.context.in_time(shake(&self.tls, wire)).await?;
        self.wire = Some(shaken.map_err(|error| Stop::fails("a TLS handshake", error.to_string()))?);
        Ok(())
    }

    /// AUTH TLS, PBSZ and PROT as the cell asks.
    ///
    /// # Errors
    /// [`Stop::Skipped`] if the server has no TLS.
    pub async fn protect(&mut self) -> Result<(), Stop> {
        if self.context.cell.security != Security::Explicit {
            return Ok(());
        }
        let reply = self.command("AUTH TLS").await?;
        if reply.code != 234 {
            return Err(Stop::Skipped(format!("AUTH TLS: {}", reply.show())));
        }
        self.secure().await?;
        self.expect("PBSZ 0", &[200]).await?;
        self.expect("PROT P", &[200]).await?;
        self.protected = Protected::Yes;
        Ok(())
    }

    /// USER and PASS.
    ///
    /// # Errors
    /// [`Stop::Skipped`] if the server refuses the cell's profile, [`Stop::Broken`] if the account is refused.
    pub async fn log_in(&mut self) -> Result<(), Stop> {
        let (user, password) = self.context.account();
        let reply = self.command(&format!("USER {user}")).await?;
        match reply.code {
            230 => return Ok(()),
            331 => {}
            _ if self.context.cell.security == Security::Plain && reply.code / 100 == 5 => {
                return Err(Stop::Skipped(format!("no logins in clear: {}", reply.show())));
            }
            _ => return Err(Stop::fails("331 or 230 to USER", reply.show())),
        }
        let reply = self.command(&format!("PASS {password}")).await?;
        wanted("PASS with the right password", &[230], reply).map(drop)
    }
}

fn wanted(what: &str, codes: &[u16], reply: Reply) -> Result<Reply, Stop> {
    if codes.contains(&reply.code) {
        return Ok(reply);
    }
    let list: Vec<String> = codes.iter().map(u16::to_string).collect();
    let what = what.chars().take(60).collect::<String>();
    Err(Stop::fails(format!("{} to {:?}", list.join(" or "), what), reply.show()))
}
