//! Clients that die or hang up without a word, in every order of their two connections: an old version is never replaced by a
//! cut one, and who is allowed to end so is believed.
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
use std::time::{Duration, Instant};

use client::{Client, Profile, TestServer, builder_for, reset, start};
use ftp_server::auth::{Account, BareClose, Rights};
use ftp_server::storage::{
    Create, Durability, Entries, Facts, Left, LocalOptions, LocalStorage, MemoryStorage, NotStored, Sink,
    Source, Span, Storage, StorageError, Stored, VPath, Writing, async_trait,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const OLD: &[u8] = b"the old version";

async fn server(folder: &Path, bare_close: BareClose, durability: Durability) -> TestServer {
    let storage = LocalStorage::new(folder, LocalOptions::default().durability(durability)).unwrap();
    let mut account = Account::new(Rights::ALL, Arc::new(storage));
    account.bare_close = bare_close;
    // Each session ends before it is looked at what it left.
    account.sessions = Some(1);
    start(builder_for(account)).await
}

/// A control connection in clear on which an upload was begun, and its data connection.
async fn begun(server: &TestServer, command: &str) -> (TcpStream, TcpStream) {
    let began = Instant::now();
    let (mut control, mut said) = loop {
        let mut control = TcpStream::connect(server.explicit).await.unwrap();
        control.write_all(b"USER me\r\nPASS secret\r\nTYPE I\r\nEPSV\r\n").await.unwrap();
        let mut said = String::new();
        while !["\r\n229 ", "\r\n421 "].iter().any(|code| said.contains(code)) || !said.ends_with('\n') {
            said.push(char::from(control.read_u8().await.unwrap()));
        }
        if said.contains("\r\n229 ") {
            break (control, said);
        }
        assert!(began.elapsed() < Duration::from_secs(20), "the session before does not end");
    };
    let port = said.rsplit('|').nth(1).unwrap().parse::<u16>().unwrap();
    let data = TcpStream::connect((server.explicit.ip(), port)).await.unwrap();
    control.write_all(format!("{command}\r\n").as_bytes()).await.unwrap();
    said.clear();
    while !said.ends_with("\r\n") {
        said.push(char::from(control.read_u8().await.unwrap()));
    }
    assert!(said.starts_with("150 "), "{said}");
    (control, data)
}

/// How a client goes.
#[derive(Debug, Clone, Copy)]
enum Going {
    /// As the kernel closes the sockets of one that was killed.
    DataFirst,
    ControlFirst,
    /// The control connection by RST: something was unread.
    ControlReset,
    /// The data connection breaks a while after the control connection.
    ControlLongBefore,
}

const GOING: [Going; 4] =
    [Going::DataFirst, Going::ControlFirst, Going::ControlReset, Going::ControlLongBefore];

async fn go(how: Going, control: TcpStream, data: TcpStream) {
    match how {
        Going::DataFirst => drop((data, control)),
        Going::ControlFirst => {
            drop(control);
            drop(data);
        }
        Going::ControlReset => {
            reset(&control);
            drop((control, data));
        }
        Going::ControlLongBefore => {
            drop(control);
            tokio::time::sleep(Duration::from_millis(20)).await;
            drop(data);
        }
    }
}

/// Waits until the last session has ended; a file as it is then.
async fn after(server: &TestServer, file: &Path) -> Option<Vec<u8>> {
    let (control, data) = begun(server, "STOR probe").await;
    reset(&data);
    drop((control, data));
    std::fs::read(file).ok()
}

#[tokio::test]
async fn a_client_that_dies_in_clear_never_replaces_an_old_version() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("f");
    for durability in [Durability::None, Durability::Full] {
        let server = server(folder.path(), BareClose::Broken, durability).await;
        for round in 0..40 {
            let how = GOING[round % GOING.len()];
            std::fs::write(&file, OLD).unwrap();
            let (control, mut data) = begun(&server, "STOR f").await;
            data.write_all(&vec![b'n'; 1 << (round % 20)]).await.unwrap();
            go(how, control, data).await;
            assert_eq!(after(&server, &file).await.unwrap(), OLD, "{durability:?} {how:?} in round {round}");
        }
    }
}

/// A storage whose disk takes its time.
struct SlowDisk(MemoryStorage);

struct SlowSink(Box<dyn Sink>);

#[async_trait]
impl Storage for SlowDisk {
    async fn facts(&self, path: &VPath) -> Result<Facts, StorageError> {
        self.0.facts(path).await
    }

    async fn list(&self, dir: &VPath) -> Result<Box<dyn Entries>, StorageError> {
        self.0.list(dir).await
    }

    async fn read(&self, file: &VPath, part: Span) -> Result<Box<dyn Source>, StorageError> {
        self.0.read(file, part).await
    }

    async fn write(&self, file: &VPath, how: Create) -> Result<Writing, StorageError> {
        let Writing { path, sink, .. } = self.0.write(file, how).await?;
        Ok(Writing::new(path, Box::new(SlowSink(sink))))
    }
}

#[async_trait]
impl Sink for SlowSink {
    async fn write(&mut self, data: Vec<u8>) -> Result<Vec<u8>, StorageError> {
        self.0.write(data).await
    }

    fn replaces(&self) -> bool {
        false
    }

    async fn settle(&mut self, data: Vec<u8>) -> Result<(), StorageError> {
        tokio::time::sleep(Duration::from_millis(100)).await;
        self.0.settle(data).await
    }

    async fn commit(self: Box<Self>, last: Vec<u8>) -> Result<Stored, NotStored> {
        self.0.commit(last).await
    }

    async fn abandon(self: Box<Self>) -> Left {
        self.0.abandon().await
    }
}

/// Whoever polls for new files would take the cut one.
#[tokio::test]
async fn a_client_that_dies_while_the_disk_works_leaves_no_new_name() {
    let memory = MemoryStorage::new();
    let server = start(builder_for(Account::new(Rights::ALL, Arc::new(SlowDisk(memory.clone()))))).await;
    for octets in [10, 300_000] {
        let (control, mut data) = begun(&server, "STOR f").await;
        data.write_all(&vec![b'n'; octets]).await.unwrap();
        drop(data);
        tokio::time::sleep(Duration::from_millis(20)).await;
        drop(control);
        tokio::time::sleep(Duration::from_millis(200)).await;
        assert_eq!(memory.file(&VPath::new("/f").unwrap()), None, "{octets} octets");
    }
}

#[tokio::test]
async fn all_that_came_of_a_client_that_hung_up_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    let options = LocalOptions::default().durability(Durability::None).owner("/me");
    let storage = LocalStorage::new(folder.path(), options).unwrap();
    let server = start(builder_for(Account::new(Rights::ALL, Arc::new(storage.clone())))).await;
    for how in GOING {
        let (control, mut data) = begun(&server, "STOR f").await;
        data.write_all(&[b'n'; 54_321]).await.unwrap();
        go(how, control, data).await;
        let began = Instant::now();
        while storage.kept(&VPath::new("/f").unwrap()).await.unwrap() != Some(54_321) {
            assert!(began.elapsed() < Duration::from_secs(5), "{how:?}");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        assert_eq!(Client::login(&server, Profile::Plain).await.command("DELE f").await.0, 250);
    }
}

/// ffmpeg and some cameras close both connections when they are done, and read no 226.
#[tokio::test]
async fn clients_that_close_without_quit_are_believed_where_that_is_set() {
    let folder = tempfile::tempdir().unwrap();
    let octets = vec![b'n'; 300_000];
    for (bare_close, over) in [(BareClose::New, false), (BareClose::Always, true)] {
        let server = server(folder.path(), bare_close, Durability::None).await;
        for (round, how) in GOING.into_iter().cycle().take(12).enumerate() {
            for old in [false, true] {
                let file = folder.path().join(format!("{round}-{over}-{old}"));
                if old {
                    std::fs::write(&file, OLD).unwrap();
                }
                let name = file.file_name().unwrap().to_str().unwrap();
                let (control, mut data) = begun(&server, &format!("STOR {name}")).await;
                data.write_all(&octets).await.unwrap();
                go(how, control, data).await;
                let stored = after(&server, &file).await.unwrap();
                let wanted = if old && !over { OLD } else { &octets };
                assert!(stored == wanted, "{bare_close:?} {how:?} {old}: {} octets", stored.len());
            }
        }
    }
}

#[tokio::test]
async fn quit_and_close_is_orderly_however_it_is_closed() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("f");
    let octets = vec![b'n'; 300_000];
    let server = server(folder.path(), BareClose::Broken, Durability::None).await;
    for how in GOING {
        std::fs::write(&file, OLD).unwrap();
        let (mut control, mut data) = begun(&server, "STOR f").await;
        control.write_all(b"QUIT\r\n").await.unwrap();
        // What is reset takes along what was not read yet.
        tokio::time::sleep(Duration::from_millis(20)).await;
        data.write_all(&octets).await.unwrap();
        go(how, control, data).await;
        assert!(after(&server, &file).await.unwrap() == octets, "{how:?}");
    }
}

/// The end of the data is proved by close_notify; whoever loses the control connection then has uploaded all the same.
#[tokio::test]
async fn close_notify_proves_an_upload_whose_control_connection_is_lost() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("f");
    let octets = vec![b'n'; 300_000];
    for profile in [Profile::Explicit, Profile::Implicit] {
        let server = server(folder.path(), BareClose::Broken, Durability::None).await;
        std::fs::write(&file, OLD).unwrap();
        let mut client = Client::login(&server, profile).await;
        let stream = client.open().await;
        client.send("STOR f").await;
        assert_eq!(client.reply().await.0, 150);
        let mut wire = client.protect(stream).await;
        wire.write_all(&octets[..100_000]).await.unwrap();
        drop(client);
        tokio::time::sleep(Duration::from_millis(20)).await;
        wire.write_all(&octets[100_000..]).await.unwrap();
        wire.shutdown().await.unwrap();
        assert!(after(&server, &file).await.unwrap() == octets, "{profile:?}");
    }
}
