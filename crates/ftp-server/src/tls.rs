//! TLS for both kinds of connection.
//!
//! The crypto provider is a value that the application passes. Tickets are stateless and reusable, because a
//! client resumes one control session for many data connections. Clients that use each ticket once (RFC 8446 §C.4) get a
//! new one with every download; none are sent on uploads, because a client that only writes would never read them, its
//! kernel would answer the close with RST, and the end of the upload would be lost. Each ticket carries the random id of its
//! control connection (`tls/ticket.rs`), so that a resumed data connection shows to whom it belongs (`tls/kinship.rs`); one
//! from a data connection that did not show it says so, and proves no more than it did.
//!
//! ALPN is `ftp` for clients that offer any (ALPACA). The server chooses the cipher suite, in the order of its provider, because every data connection
//! pays for it; a client that puts ChaCha20 first has no AES in hardware, and gets it. Not here: where certificates come from.

use std::collections::HashMap;
use std::io;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use ftp_proto::session::TlsFacts;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{Acceptor, ClientHello, ProducesTickets, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{CipherSuite, ProtocolVersion, ServerConfig, ServerConnection};
use thiserror::Error;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::LazyConfigAcceptor;
use tokio_rustls::server::TlsStream;

mod kinship;
pub(crate) mod stream;
mod ticket;

#[cfg(feature = "ring")]
mod ring;

#[cfg(feature = "ring")]
pub use self::ring::ring_provider;

pub use self::kinship::DataSession;
pub(crate) use self::kinship::{Holder, Kin};

use self::kinship::{Given, Kinships, Shown};
use self::ticket::{Binding, Sessions, Ticket, Ticketer};

/// Why TLS cannot be set up.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum TlsError {
    /// The certificate and the key do not fit each other, or the provider cannot use them.
    #[error("certificate or key cannot be used: {0}")]
    Certificate(#[from] rustls::Error),
}

/// Whether an upload over TLS has to end with close_notify (RFC 8446 §6.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum CloseNotify {
    /// It has to: without it nobody knows whether the file is whole, and the reply is 426.
    #[default]
    Require,
    /// FIN alone will do while the control connection lives, as in clear: for the clients that send nothing else.
    Optional,
}

/// Whether a data connection gets a ticket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tickets {
    /// One, for the one that it used: its client reads all there is.
    One,
    /// None: its client might not read it.
    None,
}

/// One configuration with the cipher suites in two orders.
#[derive(Debug, Clone)]
struct Config {
    /// That of the provider.
    ours: Arc<ServerConfig>,
    /// That of the client.
    theirs: Arc<ServerConfig>,
}

impl Config {
    fn new(config: ServerConfig) -> Self {
        let mut ours = config.clone();
        ours.ignore_client_order = true;
        Self { ours: Arc::new(ours), theirs: Arc::new(config) }
    }

    /// The one for a client that offers these suites, best first.
    fn choose(self, offered: &[CipherSuite]) -> Arc<ServerConfig> {
        let known = |suite: &&CipherSuite| {
            self.ours.crypto_provider().cipher_suites.iter().any(|our| our.suite() == **suite)
        };
        if offered.iter().find(known).is_some_and(is_chacha) { self.theirs } else { self.ours }
    }
}

fn is_chacha(suite: &CipherSuite) -> bool {
    suite.as_str().is_some_and(|name| name.contains("CHACHA20"))
}

/// The configurations of all kinds of connection.
#[derive(Debug, Clone)]
struct Configs {
    control: Config,
    data: Config,
    /// Data connections whose client reads.
    download: Config,
}

/// A certificate chain, leaf first, and its key.
pub type Identity = (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>);

/// Chooses the certificate by the name that the client asks for (SNI, RFC 6066 §3).
#[derive(Debug)]
struct Certificates {
    /// By host name in lower case.
    hosts: HashMap<String, Arc<CertifiedKey>>,
    other: Arc<CertifiedKey>,
}

impl ResolvesServerCert for Certificates {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let named = hello.server_name().and_then(|name| self.hosts.get(&name.to_ascii_lowercase()));
        Some(Arc::clone(named.unwrap_or(&self.other)))
    }
}

/// TLS of a server. The certificates can be replaced while it runs.
#[derive(Debug)]
pub struct Tls {
    provider: Arc<CryptoProvider>,
    sessions: Sessions,
    current: RwLock<Configs>,
    data_session: DataSession,
    close_notify: CloseNotify,
    kinships: Arc<Kinships>,
}

/// A data connection after its handshake.
#[derive(Debug)]
pub(crate) struct Protected {
    pub(crate) stream: Box<TlsStream<TcpStream>>,
    /// What it was resumed from.
    ticket: Option<Ticket>,
    given: Given,
}

/// How sure it has to be that a data connection belongs to its control connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Proof {
    /// As is demanded of all.
    AsDemanded,
    /// It has to have shown it, whatever is demanded of others.
    Needed,
}

impl Tls {
    /// TLS 1.2 and 1.3 with this chain, leaf first, and its key. Each provider of rustls has a `Ticketer`, which makes
    /// and reads tickets; where two servers share one, a client may resume at the other, which proves nothing there.
    ///
    /// # Errors
    /// [`TlsError::Certificate`] if they, or the suites of the provider, cannot be used.
    pub fn new(
        provider: Arc<CryptoProvider>,
        ticketer: Arc<dyn ProducesTickets>,
        chain: Vec<CertificateDer<'static>>,
        key: PrivateKeyDer<'static>,
    ) -> Result<Self, TlsError> {
        let current = RwLock::new(configs(&provider, (chain, key), Vec::new())?);
        let (data_session, close_notify) = (DataSession::default(), CloseNotify::default());
        Ok(Self {
            provider,
            sessions: Sessions::new(ticketer),
            current,
            data_session,
            close_notify,
            kinships: Arc::default(),
        })
    }

    /// What data connections have to prove; [`DataSession::Prefer`] unless this says otherwise.
    #[must_use]
    pub fn data_session(mut self, demanded: DataSession) -> Self {
        self.data_session = demanded;
        self
    }

    /// Whether uploads have to end with close_notify, where an account does not say it; [`CloseNotify::Require`] unless
    /// this says otherwise.
    #[must_use]
    pub fn close_notify(mut self, demanded: CloseNotify) -> Self {
        self.close_notify = demanded;
        self
    }

    pub(crate) fn demands_close_notify(&self) -> CloseNotify {
        self.close_notify
    }

    /// Uses other certificates from the next handshake on: those of `hosts` for clients that ask for these names,
    /// `identity` for all others. Tickets stay good.
    ///
    /// # Errors
    /// [`TlsError::Certificate`] if one cannot be used; the old ones stay.
    pub fn replace(&self, identity: Identity, hosts: Vec<(String, Identity)>) -> Result<(), TlsError> {
        let fresh = configs(&self.provider, identity, hosts)?;
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = fresh;
        Ok(())
    }

    fn current(&self) -> Configs {
        self.current.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The server's side of a handshake on a control connection, and what shows that a data connection belongs to it. An
    /// earlier handshake on the same connection proves nothing for this one.
    pub(crate) async fn control<S>(&self, stream: S, within: Duration) -> io::Result<(TlsStream<S>, Kin)>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let own = Binding::random();
        let ticketer = Ticketer::control(&self.sessions, own);
        let stream =
            in_time(within, shake(self.current().control, &ticketer, stream, |_connection| {})).await?;
        let kin = Kinships::note(&self.kinships, own, ticketer.used_by(stream.get_ref().1));
        Ok((stream, kin))
    }

    /// The server's side of a handshake on a data connection.
    pub(crate) async fn data(
        self: Arc<Self>,
        stream: TcpStream,
        kin: Kin,
        tickets: Tickets,
        within: Duration,
    ) -> io::Result<Protected> {
        let current = self.current();
        let config = if tickets == Tickets::One { current.download } else { current.data };
        let ticketer = Ticketer::data(&self.sessions);
        // The hello has been answered by then, so it is known what was resumed; tickets come at the end of the handshake.
        // After a HelloRetryRequest it is not known yet: the tickets of such a connection prove nothing.
        let prepare = |connection: &mut ServerConnection| {
            match ticketer.used_by(connection) {
                Some(ticket) if self.kinships.knows(&kin, ticket) => ticketer.write(kin.own),
                Some(ticket) => ticketer.write(ticket.binding),
                // Whoever is refused for it goes on with the tickets that it has.
                None if self.kinships.expects(self.data_session, &kin) => ticketer.stop(),
                None => ticketer.write(Binding::UNPROVED),
            }
        };
        let stream = Box::new(in_time(within, shake(config, &ticketer, stream, prepare)).await?);
        let connection = stream.get_ref().1;
        // TLS 1.2 renews each ticket.
        let comes =
            tickets == Tickets::One || connection.protocol_version() == Some(ProtocolVersion::TLSv1_2);
        let proves = ticketer.written().is_some_and(|binding| binding != Binding::UNPROVED);
        let given = if comes && proves { Given::Kin } else { Given::Nothing };
        Ok(Protected { ticket: ticketer.used_by(connection), stream, given })
    }

    /// Whether a data connection may serve a control connection.
    pub(crate) async fn admits(&self, data: &Protected, kin: &Kin, proof: Proof, patience: Duration) -> bool {
        if self.data_session == DataSession::Off && proof == Proof::AsDemanded {
            return true;
        }
        let shown = self.kinships.shown(kin, data.ticket, patience).await;
        let admitted = self.kinships.admits(self.data_session, kin, (shown, data.ticket, data.given));
        admitted && (proof == Proof::AsDemanded || shown == Shown::Kinship)
    }
}

/// The alert that refuses every protocol a client offers (RFC 7301 §3.2), in clear: nothing was agreed yet.
const NO_APPLICATION_PROTOCOL: [u8; 7] = [21, 3, 3, 0, 2, 2, 120];

/// A handshake. What ALPN offers is looked at before anything is answered: in TLS 1.3 rustls would put the alert
/// behind keys that the client does not have yet.
async fn shake<S>(
    config: Config,
    ticketer: &Arc<Ticketer>,
    stream: S,
    prepare: impl FnOnce(&mut ServerConnection),
) -> io::Result<TlsStream<S>>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut start = LazyConfigAcceptor::new(Acceptor::default(), stream).await?;
    let config = config.choose(start.client_hello().cipher_suites());
    let known = |name: &[u8]| config.alpn_protocols.iter().any(|known| known == name);
    let refused = start.client_hello().alpn().is_some_and(|mut offered| !offered.any(known));
    if refused {
        start.io.write_all(&NO_APPLICATION_PROTOCOL).await?;
        start.io.flush().await?;
        return Err(io::Error::other("the client offers other protocols than ftp by ALPN"));
    }
    let mut config = ServerConfig::clone(&config);
    config.ticketer = Arc::<Ticketer>::clone(ticketer);
    config.session_storage = Arc::<Ticketer>::clone(ticketer);
    start.into_stream_with(Arc::new(config), prepare).await
}

async fn in_time<T>(within: Duration, handshake: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    let late = |_| io::Error::new(io::ErrorKind::TimedOut, "the client did not finish the handshake");
    tokio::time::timeout(within, handshake).await.map_err(late)?
}

fn configs(
    provider: &Arc<CryptoProvider>,
    (chain, key): Identity,
    hosts: Vec<(String, Identity)>,
) -> Result<Configs, TlsError> {
    let certified = |chain, key| CertifiedKey::from_der(chain, key, provider).map(Arc::new);
    let mut certificates = Certificates { hosts: HashMap::new(), other: certified(chain, key)? };
    for (name, (chain, key)) in hosts {
        certificates.hosts.insert(name.to_ascii_lowercase(), certified(chain, key)?);
    }
    let builder =
        ServerConfig::builder_with_provider(Arc::clone(provider)).with_safe_default_protocol_versions()?;
    let mut control = builder.with_no_client_auth().with_cert_resolver(Arc::new(certificates));
    control.send_tls13_tickets = 4;
    control.alpn_protocols = vec![b"ftp".to_vec()];
    let mut data = control.clone();
    data.send_tls13_tickets = 0;
    data.alpn_protocols = vec![b"ftp".to_vec(), b"ftp-data".to_vec()];
    let mut download = data.clone();
    download.send_tls13_tickets = 1;
    Ok(Configs { control: Config::new(control), data: Config::new(data), download: Config::new(download) })
}

/// What the session may know of a control connection's TLS.
pub(crate) fn facts(connection: &ServerConnection) -> TlsFacts {
    let version = connection.protocol_version().and_then(|version| version.as_str()).unwrap_or("TLS");
    let cipher = connection.negotiated_cipher_suite().and_then(|suite| suite.suite().as_str());
    TlsFacts::new(version, cipher.unwrap_or("unknown cipher"))
        .server_name(connection.server_name().map(str::to_owned))
}
