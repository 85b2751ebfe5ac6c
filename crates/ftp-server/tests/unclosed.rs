//! Uploads over TLS whose data end without close_notify (RFC 8446 §6.1): refused, or taken where that is permitted.
#![cfg(feature = "ring")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a failure is the test's failure"
)]

mod client;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use client::{Client, Profile, TestServer, builder_for, certificate, reset, start};
use ftp_server::Options;
use ftp_server::auth::{Account, Rights};
use ftp_server::storage::{Durability, LocalOptions, LocalStorage};
use ftp_server::tls::{CloseNotify, Tls};
use tokio::io::AsyncWriteExt;
use tokio_rustls::TlsConnector;

/// A server that demands so much of everyone, and of `me` as said.
async fn server(root: &Path, all: CloseNotify, me: Option<CloseNotify>) -> TestServer {
    let storage = LocalStorage::new(root, LocalOptions::default().durability(Durability::None)).unwrap();
    let mut account = Account::new(Rights::ALL, Arc::new(storage));
    account.close_notify = me;
    let (chain, key) = certificate();
    let tls = Tls::with_ring(chain, key).unwrap().close_notify(all);
    let options = Options::default().login_delay(Duration::from_millis(10));
    start(builder_for(account).tls(Arc::new(tls)).options(options)).await
}

/// Uploads and ends by FIN, or by RST.
async fn upload(client: &mut Client, command: &str, data: &[u8], end: End) -> (u16, String) {
    let stream = client.open().await;
    assert_eq!(client.command(command).await.0, 150);
    let name = rustls::pki_types::ServerName::try_from("localhost").unwrap();
    let mut tls = TlsConnector::from(Arc::clone(&client.tls)).connect(name, stream).await.unwrap();
    tls.write_all(data).await.unwrap();
    tls.flush().await.unwrap();
    let mut stream = tls.into_inner().0;
    match end {
        End::Fin => stream.shutdown().await.unwrap(),
        End::Rst => reset(&stream),
    }
    drop(stream);
    client.reply().await
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Fin,
    Rst,
}

#[tokio::test]
async fn what_is_permitted_is_taken_and_nothing_else() {
    use CloseNotify::{Optional, Require};
    for profile in [Profile::Explicit, Profile::Implicit] {
        for (all, me, wanted) in [
            (Require, None, 426),
            (Optional, None, 226),
            (Require, Some(Optional), 226),
            (Optional, Some(Require), 426),
        ] {
            let folder = tempfile::tempdir().unwrap();
            let server = server(folder.path(), all, me).await;
            let mut client = Client::login(&server, profile).await;
            for (command, data) in [
                ("STOR a", &b"octets"[..]),
                ("APPE a", b" and more"),
                ("STOU", b"unique"),
                ("STOR empty", b""),
            ] {
                let (code, text) = upload(&mut client, command, data, End::Fin).await;
                assert_eq!(code, wanted, "{profile:?} {all:?} {me:?} {command}: {text}");
                assert!(code == 226 || text.contains("close_notify = \"optional\""), "{text}");
            }
            if wanted == 226 {
                assert_eq!(std::fs::read(folder.path().join("a")).unwrap(), b"octets and more");
                assert_eq!(std::fs::read(folder.path().join("empty")).unwrap(), b"");
            }
            assert_eq!(client.command("TYPE A").await.0, 200);
            assert_eq!(upload(&mut client, "STOR text", b"a\r\nb\r", End::Fin).await.0, wanted);
            if wanted == 226 {
                assert_eq!(
                    std::fs::read(folder.path().join("text")).unwrap(),
                    b"a\nb\r",
                    "to the last octet"
                );
            }
        }
    }
}

/// RST is no end, and a client that is gone has not ended anything.
#[tokio::test]
async fn a_broken_upload_is_not_taken() {
    let folder = tempfile::tempdir().unwrap();
    let server = server(folder.path(), CloseNotify::Optional, None).await;
    let mut client = Client::login(&server, Profile::Explicit).await;
    std::fs::write(folder.path().join("old"), "the old version").unwrap();
    assert_eq!(upload(&mut client, "STOR old", &[7; 100_000], End::Rst).await.0, 426);
    assert_eq!(std::fs::read(folder.path().join("old")).unwrap(), b"the old version");
    let stream = client.open().await;
    assert_eq!(client.command("STOR old").await.0, 150);
    let mut wire = client.protect(stream).await;
    wire.write_all(b"cut").await.unwrap();
    wire.flush().await.unwrap();
    drop((client, wire));
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(std::fs::read(folder.path().join("old")).unwrap(), b"the old version");
}
