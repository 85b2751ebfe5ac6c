//! The provider that the daemon has (feature `ring`): its cipher suites in the order of what they cost.

use std::sync::Arc;

use rustls::crypto::CryptoProvider;
use rustls::crypto::ring::{Ticketer, default_provider};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::tls::{Tls, TlsError, is_chacha};

impl Tls {
    /// [`Tls::new`] with [`ring_provider`] and its tickets.
    ///
    /// # Errors
    /// As for [`Tls::new`], and if the system has no random octets for the key of the tickets.
    pub fn with_ring(
        chain: Vec<CertificateDer<'static>>,
        key: PrivateKeyDer<'static>,
    ) -> Result<Self, TlsError> {
        Self::new(Arc::new(ring_provider()), Ticketer::new()?, chain, key)
    }
}

/// ring, with the cipher suites in the order of what they cost here: AES-128-GCM, whose SHA-256 most processors do in
/// hardware, before AES-256-GCM, whose SHA-384 they do not (a tenth of a small file); ChaCha20 where AES is software.
#[must_use]
pub fn ring_provider() -> CryptoProvider {
    let mut provider = default_provider();
    provider.cipher_suites.sort_by_key(|suite| match suite.suite() {
        suite if is_chacha(&suite) => {
            if has_aes() {
                2
            } else {
                0
            }
        }
        suite if suite.as_str().is_some_and(|name| name.contains("AES_128")) => 1,
        _ => 2,
    });
    provider
}

/// Whether the processor has instructions for AES.
fn has_aes() -> bool {
    #[cfg(target_arch = "x86_64")]
    return std::arch::is_x86_feature_detected!("aes");
    #[cfg(target_arch = "aarch64")]
    return std::arch::is_aarch64_feature_detected!("aes");
    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    return false;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tls::facts;
    use rustls::pki_types::ServerName;
    use rustls::{ClientConfig, RootCertStore};
    use std::time::Duration;
    use tokio_rustls::TlsConnector;

    /// What is agreed on with a client that prefers suites whose name has `first`.
    async fn agreed(first: &str) -> String {
        let made = rcgen::generate_simple_self_signed(vec!["localhost".into()]).unwrap();
        let leaf = made.cert.der().clone();
        let tls =
            Tls::with_ring(vec![leaf.clone()], made.signing_key.serialize_der().try_into().unwrap()).unwrap();
        let mut provider = default_provider();
        provider.cipher_suites.sort_by_key(|suite| !suite.suite().as_str().unwrap().contains(first));
        let mut roots = RootCertStore::empty();
        roots.add(leaf).unwrap();
        let client = ClientConfig::builder_with_provider(Arc::new(provider))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let (here, there) = tokio::io::duplex(1 << 16);
        let name = ServerName::try_from("localhost").unwrap();
        let connector = TlsConnector::from(Arc::new(client));
        let (server, client) =
            tokio::join!(tls.control(here, Duration::from_secs(5)), connector.connect(name, there));
        client.unwrap();
        facts(server.unwrap().0.get_ref().1).cipher
    }

    #[tokio::test]
    async fn the_server_chooses_the_suite_but_for_those_who_need_chacha() {
        let ours = ring_provider().cipher_suites.first().unwrap().suite();
        assert_eq!(agreed("AES_256").await, ours.as_str().unwrap());
        assert_eq!(agreed("AES_128").await, ours.as_str().unwrap());
        assert!(agreed("CHACHA20").await.contains("CHACHA20"));
    }
}
