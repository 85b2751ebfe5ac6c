//! Tickets that say whose they are (RFC 5077, RFC 8446 §4.6.1): in front of what rustls puts into a ticket stands the id of
//! the control connection that it belongs to. TLS 1.2 and 1.3 alike, and nothing is kept on the server for it, but for clients
//! that take no tickets in TLS 1.2 (curl): their sessions are kept by id, with the same in front.
//!
//! A ticket shows what it says only where the handshake was resumed from it: whoever sees a ticket on the wire can offer it,
//! and without its secret gets a full handshake, or none. Not here: what is demanded of whom (`tls/kinship.rs`), and how
//! tickets are sealed, which is the provider's.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustls::server::{ProducesTickets, ServerSessionMemoryCache, StoresServerSessions};
use rustls::{HandshakeKind, ServerConnection};

/// Octets of an id.
const LENGTH: usize = 16;

/// Where TLS sessions belong: the id of a control connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Binding([u8; LENGTH]);

impl Binding {
    /// That of data connections that have shown nothing: their tickets show nothing either, in whatever session.
    pub(crate) const UNPROVED: Self = Self([0; LENGTH]);

    pub(crate) fn random() -> Self {
        Self(rand::random())
    }
}

/// The last octets of a ticket, its seal, which tell it from all others.
type Seal = [u8; LENGTH];

/// A ticket that a connection was resumed from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ticket {
    pub(crate) binding: Binding,
    pub(crate) seal: Seal,
}

/// Sessions that are kept by id at most; the oldest go first.
const KEPT_MAX: usize = 4096;

/// What the tickets of all connections are sealed with, and the sessions that are kept for clients without tickets.
#[derive(Debug, Clone)]
pub(crate) struct Sessions {
    sealing: Arc<dyn ProducesTickets>,
    kept: Arc<ServerSessionMemoryCache>,
}

impl Sessions {
    pub(crate) fn new(sealing: Arc<dyn ProducesTickets>) -> Self {
        Self { sealing, kept: ServerSessionMemoryCache::new(KEPT_MAX) }
    }
}

/// Makes and reads the tickets of one connection.
#[derive(Debug)]
pub(crate) struct Ticketer {
    sealing: Arc<dyn ProducesTickets>,
    /// Sessions of TLS 1.2 by id, of all connections.
    kept: Arc<ServerSessionMemoryCache>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// The last one that could be read: the one that counts, if the handshake was resumed.
    read: Option<Ticket>,
    /// What the next ones say.
    write: Write,
}

/// What tickets say.
#[derive(Debug, Clone, Copy)]
enum Write {
    /// This.
    Binding(Binding),
    /// What the one says that was read. A ticket that TLS 1.2 renews has the secret of the old one, and proves the same.
    Read,
    /// There are none: a client keeps the newest one (RFC 5077 §3.3 lets it be empty), and this one would prove nothing.
    Nothing,
}

impl Ticketer {
    /// For a control connection.
    pub(crate) fn control(from: &Sessions, own: Binding) -> Arc<Self> {
        Self::new(from, Write::Binding(own))
    }

    /// For a data connection.
    pub(crate) fn data(from: &Sessions) -> Arc<Self> {
        Self::new(from, Write::Read)
    }

    fn new(Sessions { sealing, kept }: &Sessions, write: Write) -> Arc<Self> {
        let state = Mutex::new(State { read: None, write });
        Arc::new(Self { sealing: Arc::clone(sealing), kept: Arc::clone(kept), state })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The ticket that the connection was resumed from, as far as its handshake has come.
    pub(crate) fn used_by(&self, connection: &ServerConnection) -> Option<Ticket> {
        let resumed = connection.handshake_kind() == Some(HandshakeKind::Resumed);
        self.lock().read.filter(|_| resumed)
    }

    /// Tickets say this from now on.
    pub(crate) fn write(&self, binding: Binding) {
        self.lock().write = Write::Binding(binding);
    }

    /// There are none from now on.
    pub(crate) fn stop(&self) {
        self.lock().write = Write::Nothing;
    }

    /// What tickets say, if there are any.
    pub(crate) fn written(&self) -> Option<Binding> {
        let state = self.lock();
        match state.write {
            Write::Binding(binding) => Some(binding),
            Write::Read => Some(state.read.map_or(Binding::UNPROVED, |read| read.binding)),
            Write::Nothing => None,
        }
    }
}

impl ProducesTickets for Ticketer {
    fn enabled(&self) -> bool {
        self.sealing.enabled()
    }

    fn lifetime(&self) -> u32 {
        self.sealing.lifetime()
    }

    fn encrypt(&self, plain: &[u8]) -> Option<Vec<u8>> {
        self.sealing.encrypt(&[&self.written()?.0, plain].concat())
    }

    fn decrypt(&self, cipher: &[u8]) -> Option<Vec<u8>> {
        self.open(self.sealing.decrypt(cipher)?, cipher)
    }
}

impl Ticketer {
    /// What stands behind the binding; that one is noted.
    fn open(&self, mut plain: Vec<u8>, shown: &[u8]) -> Option<Vec<u8>> {
        let binding = Binding(*plain.first_chunk()?);
        self.lock().read = Some(Ticket { binding, seal: *shown.last_chunk()? });
        plain.drain(..LENGTH);
        Some(plain)
    }
}

/// Sessions of TLS 1.2 by id.
impl StoresServerSessions for Ticketer {
    fn put(&self, id: Vec<u8>, session: Vec<u8>) -> bool {
        self.written().is_some_and(|binding| self.kept.put(id, [&binding.0, session.as_slice()].concat()))
    }

    fn get(&self, id: &[u8]) -> Option<Vec<u8>> {
        self.open(self.kept.get(id)?, id)
    }

    fn take(&self, id: &[u8]) -> Option<Vec<u8>> {
        self.open(self.kept.take(id)?, id)
    }

    /// Those of control connections: a client keeps the newest, and that of a data connection that resumed nothing proves nothing.
    fn can_cache(&self) -> bool {
        matches!(self.lock().write, Write::Binding(_))
    }
}
