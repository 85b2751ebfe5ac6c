//! The client's control connection.

use std::sync::Arc;
use std::time::Duration;

use rustls::ClientConfig;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::axes::Security;
use crate::case::Stop;
use crate::context::Context;
use crate::peer::fault::Fault;
use crate::peer::reply::{self, Reply};
use crate::peer::tls::{self, Tickets};
use crate::peer::wire::Wire;
use crate::target::Account;

/// How long a server may wait for a data connection; two minutes are what users put up with.
pub const DATA_WAIT: Duration = Duration::from_secs(125);

/// The name that the certificates of servers under test have, where nothing else is asked for.
const SERVER_NAME: &str = "localhost";

/// A client with its control connection.
pub struct Peer {
    pub(crate) context: Context,
    pub(super) wire: Option<Wire>,
    received: Vec<u8>,
    /// How this client speaks TLS, on both kinds of connection.
    pub(crate) tls: Arc<ClientConfig>,
    /// What of its TLS sessions can be resumed by data connections.
    pub(crate) tickets: Arc<Tickets>,
    /// The name of the server in TLS.
    pub(crate) server_name: &'static str,
    /// The addresses of the control connection: own and the server's.
    pub(crate) ends: (std::net::SocketAddr, std::net::SocketAddr),
    /// Whether data connections are protected.
    pub(crate) protected: Protected,
    greeted: Greeted,
}

impl std::fmt::Debug for Peer {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Peer")
            .field("ends", &self.ends)
            .field("greeted", &self.greeted)
            .finish_non_exhaustive()
    }
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

impl Peer {
    /// Connects; with implicit TLS the handshake is done, the greeting is not read.
    ///
    /// # Errors
    /// [`Stop::Broken`] if there is no connection.
    pub async fn open(context: Context) -> Result<Self, Stop> {
        Self::open_as(context, Some(SERVER_NAME)).await
    }

    /// The same with that name of the server in TLS, or with none.
    ///
    /// # Errors
    /// As for [`Peer::open`].
    pub async fn open_as(context: Context, name: Option<&'static str>) -> Result<Self, Stop> {
        let broken = |error: std::io::Error| Stop::Broken(error.to_string());
        let address = context.address()?;
        let stream = context.connect(address).await?.map_err(broken)?;
        let ends = (stream.local_addr().map_err(broken)?, stream.peer_addr().map_err(broken)?);
        let _refused = stream.set_nodelay(true);
        let tickets = Arc::new(Tickets::default());
        let tls = tls::client(context.cell.version, &[], &tickets)
            .map_err(|error| Stop::Broken(error.to_string()))?;
        let mut peer = Self {
            context,
            wire: Some(Wire::Clear(stream)),
            received: Vec::new(),
            tls,
            tickets,
            server_name: name.unwrap_or(SERVER_NAME),
            ends,
            protected: Protected::No,
            greeted: Greeted::No,
        };
        if name.is_none() {
            peer.indicate_nothing();
        }
        if peer.context.cell.security == Security::Implicit {
            peer.secure().await?;
            peer.protected = Protected::Yes;
        }
        Ok(peer)
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
        if self.context.fault == Some(Fault::Late) {
            tokio::time::sleep(Duration::from_secs(11)).await;
        }
        let count = wire.read(&mut octets).await.unwrap_or(0);
        if count == 0 && self.context.fault == Some(Fault::Stays) {
            std::future::pending::<()>().await;
        }
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

    /// The next reply, which may take as long as a server waits for a data connection.
    ///
    /// # Errors
    /// As for [`Peer::reply`].
    pub async fn late_reply(&mut self) -> Result<Reply, Stop> {
        let usual = std::mem::replace(&mut self.context.timeout, DATA_WAIT);
        let reply = self.reply().await;
        self.context.timeout = usual;
        reply
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

    /// Reads until the server closes, whatever it sends: for connections that carry no replies any more.
    pub async fn drain(&mut self) {
        while self.fill().await.is_ok_and(|count| count > 0) {}
        self.received.clear();
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

    /// Gives the TCP connection away, for octets that this client would not send.
    #[must_use]
    pub fn into_socket(self) -> Option<TcpStream> {
        match self.wire? {
            Wire::Clear(stream) => Some(stream),
            Wire::Tls(stream) => Some(stream.into_inner().0),
        }
    }

    /// Closes the control connection without a word.
    pub fn hang_up(&mut self) {
        self.wire = None;
    }

    /// The TCP connection of the control connection.
    #[must_use]
    pub fn socket(&self) -> Option<&TcpStream> {
        self.wire.as_ref().map(Wire::socket)
    }

    /// USER and PASS.
    ///
    /// # Errors
    /// [`Stop::Skipped`] if the server refuses the cell's profile, [`Stop::Broken`] if the account is refused.
    pub async fn log_in(&mut self) -> Result<(), Stop> {
        let account = self.context.server.account.clone();
        self.log_in_as(&account).await
    }

    /// USER and PASS of that account.
    ///
    /// # Errors
    /// As for [`Peer::log_in`].
    pub async fn log_in_as(&mut self, account: &Account) -> Result<(), Stop> {
        let Account { user, password } = account;
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
