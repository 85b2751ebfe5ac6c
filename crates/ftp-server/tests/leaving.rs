//! Clients that leave, in order and otherwise: what they began is ended, said to whoever watches, and given back.
#![cfg(feature = "ring")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a failure is the test's failure"
)]

mod client;

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use client::{Client, PROFILES, Profile, TestServer, builder, builder_for, reset, start};
use ftp_server::auth::{Account, Rights};
use ftp_server::observe::{Incident, Notice, Observer, Who};
use ftp_server::storage::{LocalOptions, LocalStorage};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Remembers what it heard.
#[derive(Default, Clone)]
struct Ear(Arc<Mutex<Vec<String>>>);

impl Observer for Ear {
    fn notice(&self, _who: Who, notice: &Notice) {
        self.0.lock().unwrap().push(format!("{notice:?}"));
    }

    fn incident(&self, _who: Who, _incident: &Incident) {}
}

impl Ear {
    /// Waits until it has heard something that begins so.
    async fn hears(&self, start: &str) {
        let began = Instant::now();
        while !self.0.lock().unwrap().iter().any(|notice| notice.starts_with(start)) {
            assert!(began.elapsed() < Duration::from_secs(5), "{start} in {:?}", self.0.lock().unwrap());
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

/// A server whose user may have one session.
async fn narrow(folder: &std::path::Path) -> TestServer {
    let mut account =
        Account::new(Rights::ALL, Arc::new(LocalStorage::new(folder, LocalOptions::default()).unwrap()));
    account.sessions = Some(1);
    start(builder_for(account)).await
}

/// Logs in as soon as the place of an earlier session is free, which on a busy machine takes its time.
async fn login_soon(server: &TestServer) -> Client {
    let began = Instant::now();
    loop {
        let mut client = Client::connect(server, Profile::Plain).await;
        client.command("USER me").await;
        if client.command("PASS secret").await.0 == 230 {
            assert_eq!(client.command("TYPE I").await.0, 200);
            return client;
        }
        assert!(began.elapsed() < Duration::from_secs(10), "the place is not given back");
    }
}

/// A socket that is logged in, for a client that resets it.
async fn raw(server: &TestServer) -> TcpStream {
    let mut stream = TcpStream::connect(server.explicit).await.unwrap();
    stream.write_all(b"USER me\r\nPASS secret\r\nTYPE I\r\n").await.unwrap();
    let mut said = String::new();
    while !said.contains("\r\n200 ") || !said.ends_with("\r\n") {
        said.push(char::from(stream.read_u8().await.unwrap()));
    }
    stream
}

#[tokio::test]
async fn rein_user_and_quit_give_the_place_back_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let server = narrow(folder.path()).await;
    for farewell in ["REIN", "USER me", "QUIT"] {
        let mut first = login_soon(&server).await;
        assert!(matches!(first.command(farewell).await.0, 220 | 331 | 221));
        // The first one stays connected.
        let second = Client::login(&server, Profile::Plain).await;
        drop((first, second));
    }
}

#[tokio::test]
async fn a_session_that_quits_in_a_transfer_keeps_its_place_until_that_has_ended() {
    let folder = tempfile::tempdir().unwrap();
    let server = narrow(folder.path()).await;
    let mut first = Client::login(&server, Profile::Plain).await;
    let mut data = first.open().await;
    first.send_raw(b"STOR f\r\nQUIT\r\n").await;
    assert_eq!(first.reply().await.0, 150);
    let mut second = Client::connect(&server, Profile::Plain).await;
    second.command("USER me").await;
    assert_eq!(second.command("PASS secret").await.0, 421);
    data.write_all(b"whole").await.unwrap();
    drop(data);
    assert_eq!((first.reply().await.0, first.reply().await.0), (226, 221));
    let _third = Client::login(&server, Profile::Plain).await;
    assert_eq!(std::fs::read(folder.path().join("f")).unwrap(), b"whole");
}

#[tokio::test]
async fn what_was_done_is_told_to_whoever_watches_when_the_client_has_left() {
    let folder = tempfile::tempdir().unwrap();
    let ear = Ear::default();
    let server = start(builder(folder.path()).observer(Arc::new(ear.clone()))).await;
    for (name, abrupt) in [("fin", false), ("rst", true)] {
        std::fs::write(folder.path().join(name), "x").unwrap();
        let mut stream = raw(&server).await;
        if abrupt {
            reset(&stream);
        }
        stream.write_all(format!("DELE {name}\r\nMKD {name}-dir\r\n").as_bytes()).await.unwrap();
        if abrupt {
            // The reset would take along what has not been read.
            while folder.path().join(name).exists() {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        }
        drop(stream);
        ear.hears(&format!("Changed {{ verb: Dele, path: \"/{name}\"")).await;
        assert!(!folder.path().join(name).exists());
    }
    ear.hears("Changed { verb: Mkd, path: \"/fin-dir\"").await;
}

#[tokio::test]
async fn a_digest_ends_with_its_client_and_by_abor() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::File::create(folder.path().join("large")).unwrap().set_len(1 << 40).unwrap();
    let server = narrow(folder.path()).await;
    for farewell in ["", "NOOP\r\n"] {
        let mut leaver = login_soon(&server).await;
        leaver.send_raw(format!("HASH large\r\n{farewell}").as_bytes()).await;
        tokio::time::sleep(Duration::from_millis(50)).await;
        drop(leaver);
        // Its place is free again, so it has ended: to read the file takes minutes.
        let mut client = login_soon(&server).await;
        for command in ["HASH large", "XMD5 large"] {
            client.send(command).await;
            tokio::time::sleep(Duration::from_millis(20)).await;
            client.send_raw(b"NOOP\r\nABOR\r\n").await;
            let codes = [client.reply().await.0, client.reply().await.0, client.reply().await.0];
            assert_eq!(codes, [426, 226, 200], "{command}");
        }
        assert_eq!(client.command("QUIT").await.0, 221);
    }
}

/// Firmware says all that it has to say and closes its side (RFC 959 §4.1.1: QUIT awaits the end of the transfer).
#[tokio::test]
async fn quit_and_a_half_closed_connection_let_the_transfer_end() {
    let folder = tempfile::tempdir().unwrap();
    let octets = vec![7; 3_000_000];
    std::fs::write(folder.path().join("down"), &octets).unwrap();
    let server = start(builder(folder.path())).await;
    for _ in 0..10 {
        let mut client = Client::login(&server, Profile::Plain).await;
        let mut stream = client.open().await;
        client.send_raw(b"STOR up\r\nQUIT\r\n").await;
        client.half_close().await;
        tokio::time::sleep(Duration::from_millis(5)).await;
        stream.write_all(&octets).await.unwrap();
        drop(stream);
        for code in [150, 226, 221] {
            assert_eq!(client.reply().await.0, code);
        }
        assert!(std::fs::read(folder.path().join("up")).unwrap() == octets);

        let mut client = Client::login(&server, Profile::Plain).await;
        let mut stream = client.open().await;
        client.send_raw(b"RETR down\r\nQUIT\r\n").await;
        client.half_close().await;
        tokio::time::sleep(Duration::from_millis(5)).await;
        let mut got = Vec::new();
        stream.read_to_end(&mut got).await.unwrap();
        assert!(got == octets, "{} octets", got.len());
    }
}

#[tokio::test]
async fn a_client_that_is_gone_without_quit_has_its_transfer_aborted() {
    let folder = tempfile::tempdir().unwrap();
    let server = start(builder(folder.path())).await;
    for profile in PROFILES {
        let mut client = Client::login(&server, profile).await;
        let stream = client.open().await;
        client.send("STOR f").await;
        assert_eq!(client.reply().await.0, 150);
        let mut wire = client.protect(stream).await;
        wire.write_all(b"a part").await.unwrap();
        drop(client);
        let mut void = [0; 16];
        // The server lets go of the data connection.
        let ended = tokio::time::timeout(Duration::from_secs(5), wire.read(&mut void)).await;
        assert!(matches!(ended, Ok(Ok(0) | Err(_))), "{profile:?}: {ended:?}");
    }
}
