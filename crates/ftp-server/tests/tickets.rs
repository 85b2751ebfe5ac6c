//! What TLS sessions of data connections prove (RFC 4217 §12): whose ticket opens whose data connection.
#![cfg(feature = "ring")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a failure is the test's failure"
)]

mod client;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use client::{Client, Profile, TestServer, builder, certificate, start, trust, trust_in};
use ftp_server::auth::{Account, Rights, Users};
use ftp_server::ports::DataPeer;
use ftp_server::proto::session::{Plain, Policy};
use ftp_server::proto::value::path::VPath;
use ftp_server::storage::MemoryStorage;
use ftp_server::tls::{DataSession, Tls};
use ftp_server::{Builder, Options, Server};
use rustls::{ClientConfig, SupportedProtocolVersion};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};

const VERSIONS: [&[&SupportedProtocolVersion]; 2] = [&[&rustls::version::TLS12], &[&rustls::version::TLS13]];

/// A server with two users, `me` and `bob`, who see the same files.
fn two_users(mode: DataSession) -> Builder {
    let storage = MemoryStorage::new().with_file(&VPath::new("/file").unwrap(), "bound");
    let account = Account::new(Rights::ALL, Arc::new(storage));
    let users = Users::new().unwrap().with("me", "secret", account.clone()).unwrap();
    let users = users.with("bob", "secret", account).unwrap();
    let (chain, key) = certificate();
    let tls = Tls::with_ring(chain, key).unwrap().data_session(mode);
    let policy = Policy::default().plain(Plain::Allow).accept(Duration::from_millis(300));
    Server::builder(users).policy(policy).tls(Arc::new(tls))
}

async fn server(mode: DataSession) -> TestServer {
    start(two_users(mode)).await
}

/// A client that has not logged in, with its TLS sessions in `tls`.
async fn come(server: &TestServer, user: &'static str, tls: &Arc<ClientConfig>) -> Client {
    let mut client = Client::connect(server, Profile::Explicit).await;
    (client.user, client.tls) = (user, Arc::clone(tls));
    client
}

/// The session of user `me`.
async fn login(server: &TestServer, tls: &Arc<ClientConfig>) -> Client {
    come(server, "me", tls).await.log_in().await
}

/// A connection from another address of this host.
async fn connect_from(address: &str, to: SocketAddr) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(address.parse().unwrap()).unwrap();
    socket.connect(to).await.unwrap()
}

/// A TLS session belongs to its account: another one's ticket opens no data connection, and what a ticket proves is what its
/// connection had shown.
#[tokio::test]
async fn tickets_of_other_accounts_are_refused() {
    for versions in VERSIONS {
        for (mode, own, fresh, foreign) in [
            (DataSession::Off, 226, 226, 226),
            (DataSession::Prefer, 226, 226, 522),
            (DataSession::Require, 226, 522, 522),
        ] {
            let server = server(mode).await;
            let mut bob = come(&server, "bob", &trust_in(versions)).await.log_in().await;
            let mut me = login(&server, &trust_in(versions)).await;
            assert_eq!(me.download("RETR file").await.1, own, "{mode:?}: its own session, resumed");
            let remembered = std::mem::replace(&mut bob.tls, Arc::clone(&me.tls));
            let (data, code, _) = bob.download("RETR file").await;
            assert_eq!(code, foreign, "{versions:?} {mode:?}: the session of another account");
            assert!(code == 226 || data.is_empty(), "{versions:?} {mode:?}: nothing was told");
            bob.tls = remembered;
            assert_eq!(bob.download("RETR file").await.1, own, "{versions:?} {mode:?}");

            let mut me = login(&server, &trust_in(versions)).await;
            me.tls = trust_in(versions);
            assert_eq!(me.download("RETR file").await.1, fresh, "{versions:?} {mode:?}: a full handshake");
            let (_, code, _) = me.download("RETR file").await;
            assert_eq!(code, fresh, "{versions:?} {mode:?}: its ticket proves no more than it did");
            let mut later = login(&server, &trust_in(versions)).await;
            later.tls = Arc::clone(&me.tls);
            let (_, code, _) = later.download("RETR file").await;
            assert_eq!(code, fresh, "{versions:?} {mode:?}: nor in another session");
        }
    }
}

/// curl takes no tickets in TLS 1.2 and resumes by session id.
#[tokio::test]
async fn session_ids_are_bound_as_tickets_are() {
    use rustls::client::{Resumption, Tls12Resumption};
    let by_id = || {
        let mut tls = ClientConfig::clone(&trust_in(VERSIONS[0]));
        tls.resumption = Resumption::in_memory_sessions(8).tls12_resumption(Tls12Resumption::SessionIdOnly);
        Arc::new(tls)
    };
    for mode in [DataSession::Prefer, DataSession::Require] {
        let server = server(mode).await;
        let mut bob = come(&server, "bob", &by_id()).await.log_in().await;
        let mut me = login(&server, &by_id()).await;
        for _ in 0..3 {
            assert_eq!(me.upload("STOR up", b"octets").await.0, 226, "{mode:?}");
            assert_eq!(me.download("RETR file").await.1, 226, "{mode:?}");
        }
        bob.tls = Arc::clone(&me.tls);
        assert_eq!(bob.download("RETR file").await.1, 522, "{mode:?}: the session of another account");
    }
}

/// Go programs share one cache of tickets between several control connections, some of which have ended.
#[tokio::test]
async fn tickets_are_shared_between_the_sessions_of_an_account() {
    for versions in VERSIONS {
        for mode in [DataSession::Prefer, DataSession::Require] {
            let server = server(mode).await;
            let tls = trust_in(versions);
            let mut ended = login(&server, &tls).await;
            assert_eq!(ended.download("RETR file").await.1, 226);
            assert_eq!(ended.command("QUIT").await.0, 221);
            drop(ended);
            let mut sessions = Vec::new();
            for _ in 0..4 {
                sessions.push(login(&server, &tls).await);
            }
            for turn in 0..12 {
                let session = &mut sessions[turn % 4];
                let (data, code, text) = session.download("RETR file").await;
                assert_eq!((&data[..], code), (&b"bound"[..], 226), "{versions:?} {mode:?} {turn}: {text}");
                // Uploads bring no ticket for the one that they use.
                if turn % 5 == 0 {
                    let (code, text) = session.upload(&format!("STOR {turn}"), b"x").await;
                    assert_eq!(code, 226, "{versions:?} {mode:?} {turn}: {text}");
                }
            }
        }
    }
}

/// A ticket may be of a control connection whose login is still under way.
#[tokio::test]
async fn a_login_under_way_is_waited_for() {
    for (user, wanted) in [("me", 226), ("bob", 522)] {
        let server = server(DataSession::Require).await;
        let mut me = login(&server, &trust()).await;
        let mut other = come(&server, user, &trust()).await;
        assert_eq!(other.command("AUTH TLS").await.0, 234);
        other.secure().await;
        // What the handshake brought is read before it is used.
        assert_eq!(other.command("NOOP").await.0, 200);
        me.tls = Arc::clone(&other.tls);
        let rest = async {
            tokio::time::sleep(Duration::from_millis(100)).await;
            assert_eq!(other.command(&format!("USER {user}")).await.0, 331);
            assert_eq!(other.command("PASS secret").await.0, 230);
        };
        let (transfer, ()) = tokio::join!(me.download("RETR file"), rest);
        assert_eq!(transfer.1, wanted, "{user}");
    }
}

/// Once a client has resumed and must hold a ticket still, a full handshake is somebody else's.
#[tokio::test]
async fn who_has_resumed_has_to_go_on() {
    for versions in VERSIONS {
        let server = server(DataSession::Prefer).await;
        let mut me = login(&server, &trust_in(versions)).await;
        assert_eq!(me.download("RETR file").await.1, 226);
        let own = std::mem::replace(&mut me.tls, trust_in(versions));
        let (data, code, _) = me.download("RETR file").await;
        assert_eq!((data.len(), code), (0, 522), "{versions:?}: somebody without a ticket");
        assert_eq!(me.upload("STOR forged", b"x").await.0, 522, "{versions:?}");
        me.tls = own;
        assert_eq!(me.download("RETR file").await.1, 226, "{versions:?}: itself");
    }
}

/// A client that uses each ticket once may have none left behind uploads, which bring none.
#[tokio::test]
async fn uploads_use_tickets_up_and_go_on() {
    let server = server(DataSession::Prefer).await;
    let mut me = login(&server, &trust_in(&[&rustls::version::TLS13])).await;
    for turn in 0..8 {
        let (code, text) = me.upload(&format!("STOR {turn}"), b"x").await;
        assert_eq!(code, 226, "{turn}: {text}");
    }
    assert_eq!(me.download("RETR file").await.1, 226);
}

/// Addresses of one network count as one client where `data_peer = "prefix"` says so: its account binds all the same.
#[tokio::test]
async fn a_network_that_is_one_client_shares_tickets_within_an_account() {
    for versions in VERSIONS {
        for (peer, wanted) in [(DataPeer::Prefix, 226), (DataPeer::Exact, 522)] {
            let options = Options::default().data_peer(peer);
            let server = start(two_users(DataSession::Require).options(options)).await;
            let tls = trust_in(versions);
            let stream = connect_from("127.0.0.9:0", server.explicit).await;
            let away = Client::greet(stream, Profile::Explicit, Arc::clone(&tls)).await.log_in().await;
            let mut me = login(&server, &trust_in(versions)).await;
            me.tls = Arc::clone(&tls);
            assert_eq!(me.download("RETR file").await.1, wanted, "{versions:?} {peer:?}");
            let mut bob = come(&server, "bob", &trust_in(versions)).await.log_in().await;
            bob.tls = tls;
            assert_eq!(bob.download("RETR file").await.1, 522, "{versions:?} {peer:?}");
            drop(away);
        }
    }
}

/// A login on the TLS session of an earlier one: what that left with its client proves nothing for the next.
#[tokio::test]
async fn another_login_has_other_tickets() {
    let server = server(DataSession::Require).await;
    let mut me = login(&server, &trust()).await;
    let earlier = Arc::clone(&me.tls);
    assert_eq!(me.command("REIN").await.0, 220);
    let mut bob = come(&server, "bob", &trust()).await.log_in().await;
    bob.tls = earlier;
    assert_eq!(bob.download("RETR file").await.1, 522);
}

/// A ticket of a data connection that had shown nothing shows nothing where the control connection was resumed from such a
/// ticket, either. Two servers share their tickets here: one that asks for nothing hands them out.
#[tokio::test]
async fn a_login_does_not_make_an_unproved_ticket_prove_anything() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("file"), "unproved").unwrap();
    let (chain, key) = certificate();
    let ticketer = rustls::crypto::ring::Ticketer::new().unwrap();
    let server = |mode| {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let tls = Tls::new(provider, Arc::clone(&ticketer), chain.clone(), key.clone_key()).unwrap();
        start(builder(folder.path()).tls(Arc::new(tls.data_session(mode))))
    };
    let (lax, strict) = (server(DataSession::Prefer).await, server(DataSession::Require).await);
    let mut client = Client::login(&lax, Profile::Explicit).await;
    let mut unproved = Vec::new();
    for _ in 0..2 {
        client.tls = trust();
        assert_eq!(client.download("RETR file").await.1, 226);
        unproved.push(Arc::clone(&client.tls));
    }
    let mut impostor = Client::connect(&strict, Profile::Explicit).await;
    impostor.tls = Arc::clone(&unproved[0]);
    let mut impostor = impostor.log_in().await;
    assert_eq!(impostor.secured, Some(rustls::HandshakeKind::Resumed));
    let own = std::mem::replace(&mut impostor.tls, Arc::clone(&unproved[1]));
    assert_eq!(impostor.download("RETR file").await.1, 522);
    impostor.tls = own;
    assert_eq!(impostor.download("RETR file").await.1, 226, "its control connection's own tickets do");
}

/// Clients that keep to RFC 8446 §C.4 use each ticket once: with a new one in every download they never run out.
#[tokio::test]
async fn a_client_that_uses_tickets_once_resumes_for_every_download() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("file"), "resumed").unwrap();
    let (chain, key) = certificate();
    let tls = Tls::with_ring(chain, key).unwrap().data_session(DataSession::Require);
    let server = start(builder(folder.path()).tls(Arc::new(tls))).await;
    let mut client = Client::login(&server, Profile::Explicit).await;
    for _ in 0..12 {
        let (data, code, text) = client.download("RETR file").await;
        assert_eq!((data.as_slice(), code), (&b"resumed"[..], 226), "{text}");
        assert_eq!(client.download("MLSD").await.1, 226);
    }
}

#[tokio::test]
async fn tls_1_2_clients_may_resume() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("file"), "resumed").unwrap();
    for mode in [DataSession::Prefer, DataSession::Require] {
        let (chain, key) = certificate();
        let tls = Tls::with_ring(chain, key).unwrap().data_session(mode);
        let server = start(builder(folder.path()).tls(Arc::new(tls))).await;
        let mut client = Client::connect(&server, Profile::Explicit).await;
        client.tls = client::trust_in(&[&rustls::version::TLS12]);
        let mut client = client.log_in().await;
        for _ in 0..3 {
            let (data, code, text) = client.download("RETR file").await;
            assert_eq!((data.as_slice(), code), (&b"resumed"[..], 226), "{mode:?}: {text}");
        }
    }
}

/// What somebody else does who is faster than the client at its passive port.
#[derive(Debug, Clone, Copy)]
enum Rival {
    Silent,
    Gone,
    Shakes,
}

async fn rival(how: Rival, from: &str, to: SocketAddr) -> Option<TcpStream> {
    let stream = connect_from(from, to).await;
    tokio::time::sleep(Duration::from_millis(20)).await;
    match how {
        Rival::Silent => Some(stream),
        Rival::Gone => None,
        Rival::Shakes => {
            let name = rustls::pki_types::ServerName::try_from("localhost").unwrap();
            drop(tokio::spawn(tokio_rustls::TlsConnector::from(trust()).connect(name, stream)));
            None
        }
    }
}

/// Where anyone may come who proves to be the client, the client itself is served whoever was faster.
#[tokio::test]
async fn a_stranger_does_not_keep_the_client_away() {
    for versions in VERSIONS {
        let options = Options::default().data_peer(DataPeer::Resumed).handshake(Duration::from_secs(2));
        let server = start(two_users(DataSession::Prefer).options(options)).await;
        let mut me = login(&server, &trust_in(versions)).await;
        for how in [Rival::Silent, Rival::Gone, Rival::Shakes] {
            for first in [0, 1] {
                let address = me.epsv().await;
                let _stays = rival(how, "127.0.0.9:0", address).await;
                if first == 1 {
                    me.send("RETR file").await;
                    assert_eq!(me.reply().await.0, 150);
                }
                let stream = TcpStream::connect(address).await.unwrap();
                if first == 0 {
                    me.send("RETR file").await;
                    assert_eq!(me.reply().await.0, 150);
                }
                let mut data = Vec::new();
                me.protect(stream).await.read_to_end(&mut data).await.unwrap();
                let (code, text) = me.reply().await;
                assert_eq!((&data[..], code), (&b"bound"[..], 226), "{versions:?} {how:?} {first}: {text}");
            }
        }
        // In clear there is nothing to prove it by: the stranger is reset, and the client served.
        let mut plain = Client::connect(&server, Profile::Plain).await.log_in().await;
        let address = plain.epsv().await;
        let mut stranger = connect_from("127.0.0.9:0", address).await;
        assert!(stranger.read_u8().await.is_err());
        let mut stream = TcpStream::connect(address).await.unwrap();
        assert_eq!(plain.command("RETR file").await.0, 150);
        let mut data = Vec::new();
        stream.read_to_end(&mut data).await.unwrap();
        assert_eq!((&data[..], plain.reply().await.0), (&b"bound"[..], 226));
    }
}

/// A client whose address somebody else shares: told in clear, served over TLS.
#[tokio::test]
async fn a_client_hears_of_who_else_came_to_its_port() {
    let server = server(DataSession::Prefer).await;
    let mut plain = Client::connect(&server, Profile::Plain).await.log_in().await;
    for is_late in [false, true] {
        let address = plain.epsv().await;
        let mut thief = TcpStream::connect(address).await.unwrap();
        let early = if is_late { None } else { Some(TcpStream::connect(address).await.unwrap()) };
        assert_eq!(plain.command("STOR f").await.0, 150);
        let mut late = match early {
            Some(early) => early,
            None => TcpStream::connect(address).await.unwrap(),
        };
        assert!(late.read_u8().await.is_err(), "the second one is reset");
        thief.write_all(b"forged").await.unwrap();
        thief.shutdown().await.unwrap();
        let (code, text) = plain.reply().await;
        assert!(code == 226 && text.contains("A second connection") && text.contains("127.0.0.1"), "{text}");
    }
    let (code, text) = plain.upload("STOR f", b"mine").await;
    assert!(code == 226 && !text.contains("second"), "{text}");

    let mut me = login(&server, &trust()).await;
    assert_eq!(me.download("RETR file").await.1, 226);
    let address = me.epsv().await;
    let _rival = rival(Rival::Shakes, "127.0.0.1:0", address).await;
    let stream = TcpStream::connect(address).await.unwrap();
    assert_eq!(me.command("RETR file").await.0, 150);
    let mut data = Vec::new();
    me.protect(stream).await.read_to_end(&mut data).await.unwrap();
    let (code, text) = me.reply().await;
    assert_eq!((&data[..], code), (&b"bound"[..], 226), "{text}");
    assert!(text.contains("A second connection"), "{text}");
}
