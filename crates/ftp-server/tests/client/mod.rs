//! A small client and a server to point it at, for the tests of this folder.
#![allow(dead_code, reason = "each test file uses its own part")]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a failure is the test's failure"
)]

use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use ftp_server::auth::{Account, Rights, Users};
use ftp_server::proto::session::{Plain, Policy};
use ftp_server::storage::{Durability, LocalOptions, LocalStorage};
use ftp_server::tls::Tls;
use ftp_server::{Builder, Options, Server};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, HandshakeKind, RootCertStore};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::task::AbortHandle;
use tokio_rustls::TlsConnector;

/// How a client comes in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Profile {
    Plain,
    Explicit,
    Implicit,
}

pub(crate) const PROFILES: [Profile; 3] = [Profile::Plain, Profile::Explicit, Profile::Implicit];

pub(crate) trait Wire: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Wire for T {}

/// A certificate for `localhost`, made once a run.
pub(crate) fn certificate() -> (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>) {
    static MADE: OnceLock<(CertificateDer<'static>, Vec<u8>)> = OnceLock::new();
    let (cert, key) = MADE.get_or_init(|| {
        let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
        (made.cert.der().clone(), made.signing_key.serialize_der())
    });
    (vec![cert.clone()], PrivateKeyDer::try_from(key.clone()).unwrap())
}

/// A client configuration that trusts it; sessions are resumed.
pub(crate) fn trust() -> Arc<ClientConfig> {
    trust_in(rustls::DEFAULT_VERSIONS)
}

/// The same for certain versions of TLS.
pub(crate) fn trust_in(versions: &[&'static rustls::SupportedProtocolVersion]) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    roots.add(certificate().0.remove(0)).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_protocol_versions(versions).unwrap();
    Arc::new(builder.with_root_certificates(roots).with_no_client_auth())
}

/// A server for a folder, with short waits.
pub(crate) struct TestServer {
    pub(crate) explicit: SocketAddr,
    pub(crate) implicit: SocketAddr,
    task: AbortHandle,
}

impl Drop for TestServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// The usual server of these tests: user `me`, password `secret`, everything allowed, short waits.
pub(crate) fn builder(root: &Path) -> Builder {
    let options = LocalOptions::default().durability(Durability::None).owner("me");
    let storage = LocalStorage::new(root, options).unwrap();
    let policy = Policy::default().plain(Plain::Allow).accept(Duration::from_millis(300));
    let options = Options::default().login_delay(Duration::from_millis(10));
    builder_for(Account::new(Rights::ALL, Arc::new(storage))).policy(policy).options(options)
}

/// A server with TLS, in clear too, whose user `me` has that account.
pub(crate) fn builder_for(account: Account) -> Builder {
    let users = Users::new().unwrap().with("me", "secret", account).unwrap();
    let (chain, key) = certificate();
    let policy = Policy::default().plain(Plain::Allow);
    Server::builder(users).policy(policy).tls(Arc::new(Tls::with_ring(chain, key).unwrap()))
}

pub(crate) async fn start(builder: Builder) -> TestServer {
    let home: SocketAddr = "127.0.0.1:0".parse().unwrap();
    let server = builder.explicit(home).implicit(home).bind().await.unwrap();
    let addresses = server.addresses();
    let task = tokio::spawn(server.run(std::future::pending())).abort_handle();
    TestServer { explicit: addresses[0], implicit: addresses[1], task }
}

/// A client with its control connection.
pub(crate) struct Client {
    wire: Option<Box<dyn Wire>>,
    read: Vec<u8>,
    pub(crate) tls: Arc<ClientConfig>,
    /// How AUTH TLS went.
    pub(crate) secured: Option<HandshakeKind>,
    /// Who logs in.
    pub(crate) user: &'static str,
    profile: Profile,
    address: SocketAddr,
}

async fn shake(tls: &Arc<ClientConfig>, wire: impl Wire + 'static) -> (Box<dyn Wire>, Option<HandshakeKind>) {
    try_shake(tls, wire).await.unwrap()
}

async fn try_shake(
    tls: &Arc<ClientConfig>,
    wire: impl Wire + 'static,
) -> std::io::Result<(Box<dyn Wire>, Option<HandshakeKind>)> {
    let name = ServerName::try_from("localhost").unwrap();
    let stream = TlsConnector::from(Arc::clone(tls)).connect(name, wire).await?;
    let kind = stream.get_ref().1.handshake_kind();
    Ok((Box::new(stream), kind))
}

impl Client {
    /// Connects and reads the greeting.
    pub(crate) async fn connect(server: &TestServer, profile: Profile) -> Self {
        let address = if profile == Profile::Implicit { server.implicit } else { server.explicit };
        Self::connect_to(address, profile).await
    }

    pub(crate) async fn connect_to(address: SocketAddr, profile: Profile) -> Self {
        let stream = TcpStream::connect(address).await.unwrap();
        Self::greet(stream, profile, trust()).await
    }

    /// The same in clear from an address of this host.
    pub(crate) async fn connect_from(source: IpAddr, address: SocketAddr) -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind((source, 0).into()).unwrap();
        Self::greet(socket.connect(address).await.unwrap(), Profile::Plain, trust()).await
    }

    /// Takes up a connection, with the TLS sessions of `tls`, and reads the greeting.
    pub(crate) async fn greet(stream: TcpStream, profile: Profile, tls: Arc<ClientConfig>) -> Self {
        let address = stream.peer_addr().unwrap();
        let wire: Box<dyn Wire> =
            if profile == Profile::Implicit { shake(&tls, stream).await.0 } else { Box::new(stream) };
        let (wire, read) = (Some(wire), Vec::new());
        let mut client = Self { wire, read, tls, secured: None, user: "me", profile, address };
        assert_eq!(client.reply().await.0, 220);
        client
    }

    /// Connects, protects what the profile protects, and logs in.
    pub(crate) async fn login(server: &TestServer, profile: Profile) -> Self {
        let client = Self::connect(server, profile).await;
        client.log_in().await
    }

    pub(crate) async fn log_in(mut self) -> Self {
        if self.profile == Profile::Explicit {
            assert_eq!(self.command("AUTH TLS").await.0, 234);
            self.secure().await;
            assert_eq!(self.command("PBSZ 0").await.0, 200);
            assert_eq!(self.command("PROT P").await.0, 200);
        }
        assert_eq!(self.command(&format!("USER {}", self.user)).await.0, 331);
        assert_eq!(self.command("PASS secret").await.0, 230);
        assert_eq!(self.command("TYPE I").await.0, 200);
        self
    }

    /// Starts TLS on the control connection.
    pub(crate) async fn secure(&mut self) {
        let wire = self.wire.take().unwrap();
        let (wire, kind) = shake(&self.tls, wire).await;
        (self.wire, self.secured) = (Some(wire), kind);
    }

    pub(crate) async fn send(&mut self, text: &str) {
        self.send_raw(format!("{text}\r\n").as_bytes()).await;
    }

    pub(crate) async fn send_raw(&mut self, octets: &[u8]) {
        let wire = self.wire.as_mut().unwrap();
        wire.write_all(octets).await.unwrap();
        wire.flush().await.unwrap();
    }

    /// Says that nothing more will be said; replies still come.
    pub(crate) async fn half_close(&mut self) {
        self.wire.as_mut().unwrap().shutdown().await.unwrap();
    }

    /// One line of the control connection; `None` at its end.
    async fn line(&mut self) -> Option<String> {
        loop {
            if let Some(end) = self.read.windows(2).position(|pair| pair == b"\r\n") {
                let line: Vec<u8> = self.read.drain(..end + 2).collect();
                return Some(String::from_utf8_lossy(&line[..end]).into_owned());
            }
            let mut octets = [0; 4096];
            let reading = self.wire.as_mut().unwrap().read(&mut octets);
            let count =
                tokio::time::timeout(Duration::from_secs(10), reading).await.expect("a reply within 10 s");
            match count {
                Ok(0) | Err(_) => return None,
                Ok(count) => self.read.extend_from_slice(&octets[..count]),
            }
        }
    }

    /// What comes in one segment of the control connection.
    pub(crate) async fn burst(&mut self) -> String {
        let mut octets = [0; 4096];
        let count = self.wire.as_mut().unwrap().read(&mut octets).await.unwrap();
        String::from_utf8_lossy(&octets[..count]).into_owned()
    }

    /// The next reply: its code and all of its lines.
    pub(crate) async fn reply(&mut self) -> (u16, String) {
        self.try_reply().await.expect("a reply, not the end")
    }

    pub(crate) async fn try_reply(&mut self) -> Option<(u16, String)> {
        let first = self.line().await?;
        let code: u16 = first[..3].parse().unwrap_or_else(|_| panic!("no reply: {first}"));
        let mut text = first.clone();
        if first.as_bytes().get(3) == Some(&b'-') {
            loop {
                let line = self.line().await?;
                text += "\n";
                text += &line;
                if line.starts_with(&format!("{code} ")) {
                    break;
                }
            }
        }
        Some((code, text))
    }

    pub(crate) async fn command(&mut self, text: &str) -> (u16, String) {
        self.send(text).await;
        self.reply().await
    }

    /// Whether data connections are protected.
    pub(crate) fn protects(&self) -> bool {
        self.profile != Profile::Plain
    }

    /// The port of a new `EPSV`.
    pub(crate) async fn epsv(&mut self) -> SocketAddr {
        let (code, text) = self.command("EPSV").await;
        assert_eq!(code, 229, "{text}");
        let port = text.split('|').nth(3).unwrap().parse().unwrap();
        let mut address = self.address;
        address.set_port(port);
        address
    }

    /// A connected passive data connection, still in clear.
    pub(crate) async fn open(&mut self) -> TcpStream {
        let address = self.epsv().await;
        TcpStream::connect(address).await.unwrap()
    }

    /// The same protected as the profile asks.
    pub(crate) async fn protect(&self, stream: TcpStream) -> Box<dyn Wire> {
        if self.protects() { shake(&self.tls, stream).await.0 } else { Box::new(stream) }
    }

    /// Uploads; the final reply.
    pub(crate) async fn upload(&mut self, command: &str, data: &[u8]) -> (u16, String) {
        let stream = self.open().await;
        self.send(command).await;
        let (code, text) = self.reply().await;
        if code != 150 {
            return (code, text);
        }
        let mut wire = self.protect(stream).await;
        wire.write_all(data).await.unwrap();
        wire.shutdown().await.unwrap();
        self.reply().await
    }

    /// Downloads; the octets and the final reply.
    pub(crate) async fn download(&mut self, command: &str) -> (Vec<u8>, u16, String) {
        let stream = self.open().await;
        self.send(command).await;
        let (code, text) = self.reply().await;
        if code != 150 {
            return (Vec::new(), code, text);
        }
        let mut data = Vec::new();
        // A server that refuses the connection may do so before the handshake is over.
        if !self.protects() {
            let _cut = { stream }.read_to_end(&mut data).await;
        } else if let Ok((mut wire, _)) = try_shake(&self.tls, stream).await {
            let _cut = wire.read_to_end(&mut data).await;
        }
        let (code, text) = self.reply().await;
        (data, code, text)
    }
}

/// Closes with RST.
pub(crate) fn reset(stream: &TcpStream) {
    socket2::SockRef::from(stream).set_linger(Some(Duration::ZERO)).unwrap();
}
