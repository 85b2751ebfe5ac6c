//! What a case is given: the target, its cell, time, a transcript, and a directory of its own.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::net::{TcpSocket, TcpStream};

use crate::axes::Cell;
use crate::case::{Need, Stop};
use crate::peer::Peer;
use crate::peer::fault::Fault;
use crate::peer::transcript::Transcript;
use crate::target::{Account, Doors, Server};

/// What a case is given. Clones share the transcript.
#[derive(Debug, Clone)]
pub struct Context {
    /// The server that is judged.
    pub server: Arc<Server>,
    /// The cell in which the case runs.
    pub cell: Cell,
    /// Other ports of the server than its ordinary ones.
    pub doors: Option<Doors>,
    /// The client's address, where it is not the system's choice.
    pub source: Option<IpAddr>,
    /// How long a reply may take.
    pub timeout: Duration,
    /// What is said.
    pub transcript: Transcript,
    /// The fault that is planted, in the suite's own tests.
    pub fault: Option<Fault>,
}

impl Context {
    /// A client of that server in that cell, at its ordinary ports, from wherever the system likes, without a fault.
    #[must_use]
    pub fn new(server: Arc<Server>, cell: Cell, timeout: Duration) -> Self {
        Self {
            server,
            cell,
            doors: None,
            source: None,
            timeout,
            transcript: Transcript::default(),
            fault: None,
        }
    }

    /// Where this cell's control connections go.
    ///
    /// # Errors
    /// [`Stop::Skipped`] if the server has no such port.
    pub fn address(&self) -> Result<SocketAddr, Stop> {
        match self.doors {
            Some(doors) => doors.of(self.cell.security),
            None => self.server.door(self.cell.family, self.cell.security),
        }
        .map_err(Stop::Skipped)
    }

    /// The same at other ports of the server.
    #[must_use]
    pub fn at(&self, doors: Doors) -> Self {
        Self { doors: Some(doors), ..self.clone() }
    }

    /// User and password.
    #[must_use]
    pub fn account(&self) -> (String, String) {
        (self.server.account.user.clone(), self.server.account.password.clone())
    }

    /// The second account.
    ///
    /// # Errors
    /// [`Stop::Skipped`] if there is none.
    pub fn second(&self) -> Result<&Account, Stop> {
        self.server.second.as_ref().ok_or_else(|| Stop::Skipped(Need::Second.as_str().to_owned()))
    }

    /// The same in another cell.
    #[must_use]
    pub fn with(&self, change: impl FnOnce(&mut Cell)) -> Self {
        let mut context = self.clone();
        change(&mut context.cell);
        context
    }

    /// The data of a transfer as the case is to see them: a planted fault spoils them.
    #[must_use]
    pub fn seen(&self, data: Vec<u8>) -> Vec<u8> {
        match self.fault {
            Some(fault) => fault.spoil_data(data),
            None => data,
        }
    }

    /// The same from another address of this host.
    #[must_use]
    pub fn from_elsewhere(&self) -> Self {
        Self { source: Some(IpAddr::from([127, 0, 0, 2])), ..self.clone() }
    }

    /// A connection from this client's address.
    ///
    /// # Errors
    /// As for connecting; [`Stop::Fails`] if it takes too long.
    pub async fn connect(&self, to: SocketAddr) -> Result<std::io::Result<TcpStream>, Stop> {
        let connecting = async {
            let socket = if to.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
            if let Some(source) = self.source {
                socket.bind(SocketAddr::new(source, 0))?;
            }
            socket.connect(to).await
        };
        self.in_time(connecting).await
    }

    /// What `work` yields, if it is in time.
    ///
    /// # Errors
    /// [`Stop::Fails`] if it takes longer than [`Context::timeout`].
    pub async fn in_time<T>(&self, work: impl Future<Output = T>) -> Result<T, Stop> {
        let late =
            |_| Stop::fails("an answer in time", format!("nothing within {} s", self.timeout.as_secs_f64()));
        tokio::time::timeout(self.timeout, work).await.map_err(late)
    }

    /// A client that has read the greeting.
    ///
    /// # Errors
    /// [`Stop`] if there is none.
    pub async fn greet(&self) -> Result<Peer, Stop> {
        let mut peer = Peer::open(self.clone()).await?;
        let reply = peer.reply().await?;
        match reply.code {
            220 => Ok(peer),
            _ => Err(Stop::fails("220", reply.show())),
        }
    }

    /// The same with TLS, where the cell asks for it.
    ///
    /// # Errors
    /// [`Stop`] if the server does not do its part.
    pub async fn secure(&self) -> Result<Peer, Stop> {
        let mut peer = self.greet().await?;
        peer.protect().await?;
        Ok(peer)
    }

    /// The same, logged in, in TYPE I.
    ///
    /// # Errors
    /// [`Stop`] if the server does not do its part.
    pub async fn login(&self) -> Result<Peer, Stop> {
        let mut peer = self.secure().await?;
        peer.log_in().await?;
        peer.expect("TYPE I", &[200]).await?;
        Ok(peer)
    }

    /// The same, in a fresh directory of its own.
    ///
    /// # Errors
    /// [`Stop`] if the server does not do its part.
    pub async fn scratch(&self) -> Result<Peer, Stop> {
        static LAST: AtomicU64 = AtomicU64::new(0);
        let mut peer = self.login().await?;
        let number = LAST.fetch_add(1, Ordering::Relaxed);
        let name = format!("conformance-{}-{number}", std::process::id());
        peer.expect(&format!("MKD {name}"), &[257]).await?;
        peer.expect(&format!("CWD {name}"), &[250, 200]).await?;
        Ok(peer)
    }
}
