//! Tickets that say whose they are (RFC 5077, RFC 8446 §4.6.1): in front of what rustls puts into a ticket stands the id of
//! the control connection that it belongs to. TLS 1.2 and 1.3 alike, and nothing is kept on the server for it.
//!
//! A ticket shows what it says only where the handshake was resumed from it: whoever sees a ticket on the wire can offer it,
//! and without its secret gets a full handshake, or none. Not here: what is demanded of whom (`tls/kinship.rs`), and how
//! tickets are sealed, which is the provider's.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustls::server::ProducesTickets;
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

/// Makes and reads the tickets of one connection.
#[derive(Debug)]
pub(crate) struct Ticketer {
    sealing: Arc<dyn ProducesTickets>,
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
    pub(crate) fn control(sealing: Arc<dyn ProducesTickets>, own: Binding) -> Arc<Self> {
        Self::new(sealing, Write::Binding(own))
    }

    /// For a data connection.
    pub(crate) fn data(sealing: Arc<dyn ProducesTickets>) -> Arc<Self> {
        Self::new(sealing, Write::Read)
    }

    fn new(sealing: Arc<dyn ProducesTickets>, write: Write) -> Arc<Self> {
        Arc::new(Self { sealing, state: Mutex::new(State { read: None, write }) })
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
        let mut plain = self.sealing.decrypt(cipher)?;
        let binding = Binding(*plain.first_chunk()?);
        self.lock().read = Some(Ticket { binding, seal: *cipher.last_chunk()? });
        plain.drain(..LENGTH);
        Some(plain)
    }
}
