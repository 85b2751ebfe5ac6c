//! What is kept of broken uploads: every case of the table in the manual, as clients meet it, in plain FTP, explicit and implicit
//! FTPS.
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

use client::{Client, PROFILES, Profile, TestServer, Wire, builder, builder_for, certificate, start};
use ftp_server::Server;
use ftp_server::auth::{Account, User, Users};
use ftp_server::proto::session::{Plain, Policy, Rights};
use ftp_server::storage::{Durability, LocalOptions, LocalStorage};
use ftp_server::tls::Tls;
use tokio::io::AsyncWriteExt;

const KEPT: usize = 60_000;
const OLD: &[u8] = b"the old version, all of it";

fn octets() -> Vec<u8> {
    (0..100_000u32).map(|index| (index % 251) as u8).collect()
}

async fn server() -> (tempfile::TempDir, TestServer) {
    let folder = tempfile::tempdir().unwrap();
    let server = start(builder(folder.path())).await;
    (folder, server)
}

/// An upload that is under way, all of whose octets the server has.
async fn begin(client: &mut Client, command: &str, data: &[u8]) -> Box<dyn Wire> {
    let stream = client.open().await;
    assert_eq!(client.command(command).await.0, 150, "{command}");
    let mut data_connection: Box<dyn Wire> = match client.protects() {
        true => client.protect(stream).await,
        false => Box::new(stream),
    };
    data_connection.write_all(data).await.unwrap();
    data_connection.flush().await.unwrap();
    tokio::time::sleep(Duration::from_millis(50)).await;
    data_connection
}

/// Sends `data` and stops the transfer.
async fn break_off(client: &mut Client, command: &str, data: &[u8]) -> String {
    let _data = begin(client, command, data).await;
    client.send("ABOR").await;
    let (code, text) = client.reply().await;
    assert_eq!(code, 426, "{command}: {text}");
    assert_eq!(client.reply().await.0, 226);
    text
}

/// A client whose upload of `name` broke behind so many octets, in a new session.
async fn broken(server: &TestServer, profile: Profile, name: &str) -> Client {
    let mut client = Client::login(server, profile).await;
    let text = break_off(&mut client, &format!("STOR {name}"), &octets()[..KEPT]).await;
    assert!(text.contains("60000 octets are kept"), "{text}");
    client.command("QUIT").await;
    Client::login(server, profile).await
}

fn seen(folder: &Path) -> Vec<String> {
    let names = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name());
    names.map(|name| name.into_string().unwrap()).filter(|name| !name.starts_with('.')).collect()
}

/// curl asks for the size and appends; lftp asks for the size, and sends REST and STOR.
#[tokio::test]
async fn curl_and_lftp_go_on() {
    let (folder, server) = server().await;
    for profile in PROFILES {
        for restart in ["", "REST 60000", "REST 100", "REST 0"] {
            let mut client = broken(&server, profile, "new").await;
            assert_eq!(seen(folder.path()), [""; 0], "nothing is seen");
            assert_eq!(client.command("SIZE new").await, (213, "213 60000".to_owned()), "{profile:?}");
            let (command, from) = match restart.split_once(' ') {
                Some((_, offset)) => {
                    assert_eq!(client.command(restart).await.0, 350);
                    ("STOR new", offset.parse().unwrap())
                }
                None => ("APPE new", KEPT),
            };
            assert_eq!(client.upload(command, &octets()[from..]).await.0, 226, "{profile:?} {restart}");
            assert!(std::fs::read(folder.path().join("new")).unwrap() == octets(), "{profile:?} {restart}");
            assert_eq!(client.command("DELE new").await.0, 250);
            assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "nothing is left");
        }
    }
}

#[tokio::test]
async fn an_old_version_and_what_is_kept_are_never_joined() {
    let (folder, server) = server().await;
    let old = folder.path().join("old");
    for profile in PROFILES {
        std::fs::write(&old, OLD).unwrap();
        let mut client = broken(&server, profile, "old").await;
        assert_eq!(client.command("SIZE old").await.1, format!("213 {}", OLD.len()));
        let (code, text) = client.upload("APPE old", b"more").await;
        assert_eq!(code, 550, "{text}");
        assert!(text.contains("REST 60000 and STOR"), "{text}");
        assert_eq!(client.command("REST 60001").await.0, 350);
        let (code, text) = client.upload("STOR old", b"more").await;
        assert_eq!(code, 554, "{text}");
        assert!(text.contains("REST 60000 and STOR"), "{text}");
        assert_eq!(std::fs::read(&old).unwrap(), OLD);
        assert_eq!(client.command("REST 60000").await.0, 350);
        break_off(&mut client, "STOR old", &octets()[KEPT..70_000]).await;
        assert_eq!(std::fs::read(&old).unwrap(), OLD, "it breaks again");
        assert_eq!(client.command("REST 70000").await.0, 350);
        assert_eq!(client.upload("STOR old", &octets()[70_000..]).await.0, 226);
        assert!(std::fs::read(&old).unwrap() == octets());
        for (restart, command) in [("NOOP", "APPE old"), ("REST 5", "STOR old"), ("REST 100000", "STOR old")]
        {
            client.command(restart).await;
            let text = break_off(&mut client, command, b"cut").await;
            assert!(text.ends_with("Nothing was written."), "{command}: {text}");
            assert!(std::fs::read(&old).unwrap() == octets(), "{restart}, {command}");
        }
        assert_eq!(client.upload("APPE old", b"more").await.0, 226, "nothing is kept of a broken change");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}

#[tokio::test]
async fn what_is_kept_is_there_for_nothing_else() {
    let (folder, server) = server().await;
    let mut client = broken(&server, Profile::Explicit, "new").await;
    for command in ["MLST new", "MDTM new", "RNFR new", "XMD5 new", "STAT new"] {
        assert_eq!(client.command(command).await.0, 550, "{command}");
    }
    assert_eq!(client.download("RETR new").await.1, 550);
    for command in ["LIST -a", "MLSD", "NLST -a"] {
        let listed = String::from_utf8(client.download(command).await.0).unwrap();
        // The directory itself and the one above are no entries of it.
        let entries: Vec<&str> =
            listed.lines().filter(|line| !line.ends_with(" .") && !line.ends_with(" ..")).collect();
        assert_eq!(entries, [""; 0], "{command}");
    }
    assert_eq!(client.command("DELE new").await.0, 250);
    assert_eq!(client.command("SIZE new").await.0, 550);
    assert_eq!(client.command("DELE new").await.0, 550);
    assert_eq!(client.command("MKD d").await.0, 257);
    let mut client = broken(&server, Profile::Explicit, "d/new").await;
    assert_eq!(client.command("RNFR d").await.0, 350);
    assert_eq!(client.command("RNTO e").await.0, 250);
    assert_eq!(client.command("SIZE e/new").await.1, "213 60000");
    assert_eq!(client.command("RMD e").await.0, 250);
    assert_eq!(client.command("MKD e").await.0, 257);
    assert_eq!(client.command("SIZE e/new").await.0, 550);
    assert_eq!(client.upload("STOR e/new", b"whole").await.0, 226);
    assert_eq!(seen(&folder.path().join("e")), ["new"]);
}

#[tokio::test]
async fn one_session_at_a_time_goes_on() {
    let (folder, server) = server().await;
    for profile in PROFILES {
        let mut first = broken(&server, profile, "new").await;
        let mut second = Client::login(&server, profile).await;
        let mut data = begin(&mut first, "APPE new", &octets()[KEPT..70_000]).await;
        assert_eq!(second.upload("APPE new", b"more").await.0, 450, "{profile:?}");
        assert_eq!(second.command("REST 5").await.0, 350);
        assert_eq!(second.upload("STOR new", b"more").await.0, 450);
        assert_eq!(second.command("DELE new").await.0, 450);
        data.write_all(&octets()[70_000..]).await.unwrap();
        data.shutdown().await.unwrap();
        drop(data);
        assert_eq!(first.reply().await.0, 226);
        assert!(std::fs::read(folder.path().join("new")).unwrap() == octets());
        assert_eq!(second.command("DELE new").await.0, 250);
    }
}

/// A server of three accounts for one folder: two users, and an anonymous one.
async fn shared(folder: &Path) -> TestServer {
    let storage = LocalStorage::new(folder, LocalOptions::default().durability(Durability::None)).unwrap();
    let account = |storage: LocalStorage| Account::new(Rights::ALL, Arc::new(storage));
    let users = Users::new().unwrap().with("me", "secret", account(storage.for_owner("/me"))).unwrap();
    let mut users = users.with("you", "secret", account(storage.for_owner("/you"))).unwrap();
    users.add("ftp", User::anonymous(account(storage))).unwrap();
    let (chain, key) = certificate();
    let policy = Policy::default().plain(Plain::Allow);
    start(Server::builder(users).policy(policy).tls(Arc::new(Tls::with_ring(chain, key).unwrap()))).await
}

async fn login_as(server: &TestServer, name: &str) -> Client {
    let mut client = Client::connect(server, Profile::Plain).await;
    client.command(&format!("USER {name}")).await;
    assert_eq!(client.command("PASS secret").await.0, 230, "{name}");
    client.command("TYPE I").await;
    client
}

#[tokio::test]
async fn others_have_what_is_theirs_and_nobody_has_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let server = shared(folder.path()).await;
    let mut me = broken(&server, Profile::Plain, "new").await;
    let mut you = login_as(&server, "you").await;
    assert_eq!(you.command("SIZE new").await.0, 550);
    assert_eq!(you.command("DELE new").await.0, 550);
    break_off(&mut you, "STOR new", b"of you").await;
    assert_eq!(you.command("SIZE new").await.1, "213 6");
    assert_eq!(me.command("SIZE new").await.1, "213 60000");
    let mut nobody = login_as(&server, "ftp").await;
    assert_eq!(nobody.command("SIZE new").await.0, 550);
    let text = break_off(&mut nobody, "STOR of-nobody", b"lost").await;
    assert!(text.ends_with("Nothing was written."), "{text}");
    assert_eq!(nobody.command("SIZE of-nobody").await.0, 550);
    assert_eq!(me.upload("APPE new", &octets()[KEPT..]).await.0, 226);
    assert_eq!(you.command("SIZE new").await.1, "213 100000", "a whole file is everybody's");
}

#[tokio::test]
async fn many_who_append_at_once_stay_within_the_limit() {
    let folder = tempfile::tempdir().unwrap();
    let options = LocalOptions::default().durability(Durability::None);
    let mut account = Account::new(Rights::ALL, Arc::new(LocalStorage::new(folder.path(), options).unwrap()));
    account.file_max = Some(1000);
    let server = start(builder_for(account)).await;
    std::fs::write(folder.path().join("log"), "x").unwrap();
    let mut under_way = Vec::new();
    for _ in 0..10 {
        let mut client = Client::login(&server, Profile::Plain).await;
        let stream = client.open().await;
        assert_eq!(client.command("APPE log").await.0, 150);
        under_way.push((client, stream));
    }
    let mut codes = Vec::new();
    for (client, stream) in &mut under_way {
        stream.write_all(&[7; 900]).await.unwrap();
        stream.shutdown().await.unwrap();
        codes.push(client.reply().await.0);
    }
    assert_eq!(codes.iter().filter(|code| **code == 226).count(), 1, "{codes:?}");
    assert_eq!(codes.iter().filter(|code| **code == 552).count(), 9, "{codes:?}");
    assert_eq!(std::fs::metadata(folder.path().join("log")).unwrap().len(), 901);
}

/// A limit of octets holds for what came before, too, and nothing is kept of what is too large.
#[tokio::test]
async fn a_limit_counts_what_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    let options = LocalOptions::default().durability(Durability::None).owner("/me");
    let mut account = Account::new(Rights::ALL, Arc::new(LocalStorage::new(folder.path(), options).unwrap()));
    account.file_max = Some(80_000);
    let server = start(builder_for(account)).await;
    for (restart, command, from) in
        [("NOOP", "APPE new", KEPT), ("REST 60000", "STOR new", KEPT), ("NOOP", "STOR new", 0)]
    {
        let mut client = broken(&server, Profile::Plain, "new").await;
        client.command(restart).await;
        let (code, text) = client.upload(command, &octets()[from..]).await;
        assert_eq!(code, 552, "{restart}, {command}: {text}");
        assert_eq!(seen(folder.path()), [""; 0]);
        client.command("DELE new").await;
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "{restart}, {command}");
    }
}
