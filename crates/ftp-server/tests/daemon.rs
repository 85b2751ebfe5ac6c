//! The program itself, under conditions that a library cannot be given.
#![cfg(all(feature = "daemon", target_os = "linux"))]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a failure is the test's failure"
)]

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

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

/// A control connection.
struct Control(BufReader<TcpStream>);

impl Control {
    fn login(port: u16) -> Self {
        let began = Instant::now();
        let stream = loop {
            match TcpStream::connect(("127.0.0.1", port)) {
                Ok(stream) => break stream,
                Err(error) => assert!(began.elapsed() < Duration::from_secs(20), "{error}"),
            }
            std::thread::sleep(Duration::from_millis(20));
        };
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        let mut control = Self(BufReader::new(stream));
        assert!(control.reply().starts_with("220"));
        assert!(control.command("USER me").starts_with("331"));
        assert!(control.command("PASS secret").starts_with("230"));
        assert!(control.command("TYPE I").starts_with("200"));
        control
    }

    fn reply(&mut self) -> String {
        let mut line = String::new();
        self.0.read_line(&mut line).unwrap();
        line
    }

    fn command(&mut self, line: &str) -> String {
        self.0.get_mut().write_all(format!("{line}\r\n").as_bytes()).unwrap();
        self.reply()
    }

    /// Uploads `count` octets; the final reply.
    fn upload(&mut self, name: &str, count: usize) -> String {
        let port: u16 = self.command("EPSV").split('|').nth(3).unwrap().parse().unwrap();
        let mut data = TcpStream::connect(("127.0.0.1", port)).unwrap();
        assert!(self.command(&format!("STOR {name}")).starts_with("150"));
        // It may be cut off.
        let _cut = data.write_all(&vec![7; count]);
        drop(data);
        self.reply()
    }
}

#[test]
fn a_limit_of_file_sizes_ends_an_upload_and_not_the_daemon() {
    let folder = tempfile::tempdir().unwrap();
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let _daemon = serve(folder.path(), port, "ulimit -f 40");
    let mut control = Control::login(port);
    for count in [60_000, 3_000_000] {
        let reply = control.upload("large", count);
        assert!(reply.starts_with("552"), "{count} octets: {reply}");
    }
    assert!(control.upload("small", 10_000).starts_with("226"));
    assert_eq!(std::fs::read(folder.path().join("files/small")).unwrap().len(), 10_000);
}
