//! What a case is given: the target, its cell, time, a transcript, and a directory of its own.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::axes::{Cell, Security};
use crate::case::Stop;
use crate::peer::Peer;
use crate::peer::fault::Fault;
use crate::peer::transcript::Transcript;
use crate::target::Target;

/// What a case is given. Clones share the transcript.
#[derive(Debug, Clone)]
pub struct Context {
    /// The server that is judged.
    pub target: Arc<Target>,
    /// The cell in which the case runs.
    pub cell: Cell,
    /// How long a reply may take.
    pub timeout: Duration,
    /// What is said.
    pub transcript: Transcript,
    /// The fault that is planted, in the suite's own tests.
    pub fault: Option<Fault>,
}

impl Context {
    /// Where this cell's control connections go.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        match self.cell.security {
            Security::Implicit => self.target.implicit.unwrap_or(self.target.explicit),
            Security::Plain | Security::Explicit => self.target.explicit,
        }
    }

    /// User and password.
    #[must_use]
    pub fn account(&self) -> (String, String) {
        (self.target.user.clone(), self.target.password.clone())
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
