//! The program itself, under conditions that a library cannot be given.
#![cfg(all(feature = "daemon", target_os = "linux"))]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a failure is the test's failure"
)]

mod client;

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use client::{Client, Profile};
use tokio::io::AsyncWriteExt;

/// A daemon that ends with its test.
struct Daemon(Child);

impl Drop for Daemon {
    fn drop(&mut self) {
        // It may have ended by itself, which is what the test is about.
        let _gone = self.0.kill();
        let _reaped = self.0.wait();
    }
}

/// Serves `root` in clear at `port` from a shell that has done `first`.
fn serve(root: &std::path::Path, port: u16, first: &str) -> Daemon {
    let daemon = env!("CARGO_BIN_EXE_ftp-server");
    let script = format!(
        "{first}; exec '{daemon}' serve files --plain allow --explicit 127.0.0.1:{port} --user me:secret"
    );
    std::fs::create_dir(root.join("files")).unwrap();
    let mut command = Command::new("sh");
    command
        .arg("-c")
        .arg(script)
        .current_dir(root)
        .env("HOME", root)
        .env("XDG_STATE_HOME", root)
        .env("XDG_RUNTIME_DIR", root);
    Daemon(command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap())
}

/// Logs in once the daemon listens.
async fn login(port: u16) -> Client {
    let address = SocketAddr::from(([127, 0, 0, 1], port));
    let began = Instant::now();
    while let Err(error) = TcpStream::connect(address) {
        assert!(began.elapsed() < Duration::from_secs(20), "{error}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    Client::connect_to(address, Profile::Plain).await.log_in().await
}

/// Uploads `count` octets, and may be cut off; the final reply.
async fn upload(client: &mut Client, name: &str, count: usize) -> (u16, String) {
    let mut data = client.open().await;
    assert_eq!(client.command(&format!("STOR {name}")).await.0, 150);
    let _cut = data.write_all(&vec![7; count]).await;
    drop(data);
    client.reply().await
}

#[tokio::test]
async fn a_limit_of_file_sizes_ends_an_upload_and_not_the_daemon() {
    let folder = tempfile::tempdir().unwrap();
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let _daemon = serve(folder.path(), port, "ulimit -f 40");
    let mut client = login(port).await;
    for count in [60_000, 3_000_000] {
        let (code, text) = upload(&mut client, "large", count).await;
        assert_eq!(code, 552, "{count} octets: {text}");
    }
    assert_eq!(upload(&mut client, "small", 10_000).await.0, 226);
    assert_eq!(std::fs::read(folder.path().join("files/small")).unwrap().len(), 10_000);
}
