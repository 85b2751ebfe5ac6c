//! The client's side of TLS: one configuration a session, so that a data connection can resume its control session.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustls::RootCertStore;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::verify_server_name;
use rustls::client::{ClientSessionStore, Resumption, Tls12ClientSessionValue, Tls13ClientSessionValue};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{ClientConfig, DigitallySignedStruct, HandshakeKind, NamedGroup, SignatureScheme};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::axes::Version;
use crate::peer::transcript::Transcript;

/// Takes any certificate: this suite judges the protocol; who signed a test server is not its business.
#[derive(Debug)]
pub(crate) struct AnyCertificate(pub(crate) Arc<CryptoProvider>);

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _leaf: &CertificateDer<'_>,
        _chain: &[CertificateDer<'_>],
        _name: &ServerName<'_>,
        _ocsp: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signature, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signature, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

/// What is remembered of TLS sessions, and which of it is shown: a store of tickets that does as it is told.
#[derive(Debug, Default)]
pub struct Tickets(Mutex<Kept>);

#[derive(Debug, Default)]
struct Kept {
    show: Show,
    group: Option<NamedGroup>,
    tls12: Option<Tls12ClientSessionValue>,
    tls13: Vec<Tls13ClientSessionValue>,
}

/// Whether anything is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Show {
    /// The newest session, each ticket of TLS 1.3 once.
    #[default]
    Newest,
    /// Nothing: every handshake is a full one.
    Nothing,
}

impl Tickets {
    fn lock(&self) -> MutexGuard<'_, Kept> {
        // Every change is one assignment, so a panic elsewhere leaves a good store.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// From now on this is shown.
    pub fn show(&self, show: Show) {
        self.lock().show = show;
    }

    /// Sessions of TLS that could be resumed: tickets of TLS 1.3, or 1 of TLS 1.2.
    #[must_use]
    pub fn count(&self) -> usize {
        let kept = self.lock();
        kept.tls13.len() + usize::from(kept.tls12.is_some())
    }

    /// Takes over everything that `other` has, in place of its own.
    pub fn steal(&self, other: &Self) {
        let stolen = std::mem::take(&mut *other.lock());
        *self.lock() = stolen;
    }
}

impl ClientSessionStore for Tickets {
    fn set_kx_hint(&self, _: ServerName<'static>, group: NamedGroup) {
        self.lock().group = Some(group);
    }

    fn kx_hint(&self, _: &ServerName<'_>) -> Option<NamedGroup> {
        self.lock().group
    }

    fn set_tls12_session(&self, _: ServerName<'static>, value: Tls12ClientSessionValue) {
        self.lock().tls12 = Some(value);
    }

    fn tls12_session(&self, _: &ServerName<'_>) -> Option<Tls12ClientSessionValue> {
        let kept = self.lock();
        kept.tls12.clone().filter(|_| kept.show == Show::Newest)
    }

    fn remove_tls12_session(&self, _: &ServerName<'static>) {
        self.lock().tls12 = None;
    }

    fn insert_tls13_ticket(&self, _: ServerName<'static>, value: Tls13ClientSessionValue) {
        self.lock().tls13.push(value);
    }

    fn take_tls13_ticket(&self, _: &ServerName<'static>) -> Option<Tls13ClientSessionValue> {
        let mut kept = self.lock();
        if kept.show == Show::Nothing { None } else { kept.tls13.pop() }
    }
}

/// A configuration that speaks only `version`, offers `alpn`, and remembers sessions in `tickets`.
///
/// # Errors
/// If the provider does not know the version.
pub fn client(
    version: Version,
    alpn: &[&[u8]],
    tickets: &Arc<Tickets>,
) -> Result<Arc<ClientConfig>, rustls::Error> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let versions = match version {
        Version::Tls12 => [&rustls::version::TLS12],
        Version::Tls13 => [&rustls::version::TLS13],
    };
    let builder =
        ClientConfig::builder_with_provider(Arc::clone(&provider)).with_protocol_versions(&versions)?;
    let verifier = Arc::new(AnyCertificate(provider));
    let mut config = builder.dangerous().with_custom_certificate_verifier(verifier).with_no_client_auth();
    config.alpn_protocols = alpn.iter().map(|name| name.to_vec()).collect();
    config.resumption = Resumption::store(Arc::clone(tickets) as Arc<dyn ClientSessionStore>);
    Ok(Arc::new(config))
}

/// A client's side of a handshake with the server called `name`; what was agreed on goes into the transcript.
///
/// # Errors
/// If it fails.
pub async fn shake(
    config: &Arc<ClientConfig>,
    name: &str,
    stream: TcpStream,
    transcript: &Transcript,
) -> io::Result<Box<TlsStream<TcpStream>>> {
    let name = ServerName::try_from(name.to_owned()).map_err(io::Error::other)?;
    let stream = TlsConnector::from(Arc::clone(config)).connect(name, stream).await?;
    let connection = stream.get_ref().1;
    let version = connection.protocol_version().and_then(|version| version.as_str()).unwrap_or("TLS");
    let suite = connection.negotiated_cipher_suite().and_then(|suite| suite.suite().as_str()).unwrap_or("?");
    let kind = if is_resumed(&stream) { "resumed" } else { "full handshake" };
    transcript.note('*', format!("{version}, {suite}, {kind}").as_bytes());
    Ok(Box::new(stream))
}

/// Whether a session was resumed.
#[must_use]
pub fn is_resumed(stream: &TlsStream<TcpStream>) -> bool {
    stream.get_ref().1.handshake_kind() == Some(HandshakeKind::Resumed)
}

/// Whether a certificate is good for a name or an address.
#[must_use]
pub fn is_for(leaf: &CertificateDer<'_>, name: &str) -> bool {
    let (Ok(leaf), Ok(name)) = (ParsedCertificate::try_from(leaf), ServerName::try_from(name)) else {
        return false;
    };
    verify_server_name(&leaf, &name).is_ok()
}

/// What is wrong with a chain, leaf first, whose last certificate is trusted for the occasion.
#[must_use]
pub fn complaint(chain: &[CertificateDer<'static>], name: &str) -> Option<String> {
    let Some((leaf, issuers)) = chain.split_first() else { return Some("no certificate".to_owned()) };
    if !is_for(leaf, name) {
        return Some("the certificate is for another name".to_owned());
    }
    let Some((root, middle)) = issuers.split_last() else {
        // One that has signed itself, or one whose issuer every client is thought to have.
        return None;
    };
    let mut roots = RootCertStore::empty();
    if let Err(error) = roots.add(root.clone()) {
        return Some(format!("the last certificate of the chain is no authority: {error}"));
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider).build();
    let name = ServerName::try_from(name.to_owned()).ok()?;
    let verified = verifier.ok()?.verify_server_cert(leaf, middle, &name, &[], UnixTime::now());
    verified.err().map(|error| error.to_string())
}
