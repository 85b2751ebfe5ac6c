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

use std::io::Read;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use client::{Client, Profile};
use rustix::process::{Pid, Signal, kill_process};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use tokio::io::AsyncWriteExt;
use tokio::sync::Barrier;

/// A daemon that ends with its test.
struct Daemon(Child);

impl Drop for Daemon {
    fn drop(&mut self) {
        // It may have ended by itself, which is what the test is about.
        let _gone = self.0.kill();
        let _reaped = self.0.wait();
    }
}

impl Daemon {
    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.0), signal).unwrap();
    }

    /// Its end, which is near.
    async fn end(&mut self) -> ExitStatus {
        let began = Instant::now();
        loop {
            if let Some(status) = self.0.try_wait().unwrap() {
                return status;
            }
            assert!(began.elapsed() < Duration::from_secs(20), "it goes on");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

/// A port that is free, most likely.
fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// Serves `root` in clear at `port` from a shell that has done `first`.
fn serve(root: &Path, port: u16, first: &str) -> Daemon {
    Daemon(command(root, port, first).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap())
}

/// What `doctor` says.
fn doctor(root: &Path) -> String {
    let mut asking = Command::new(env!("CARGO_BIN_EXE_ftp-server"));
    let asked =
        asking.arg("doctor").arg("--socket").arg(root.join("ftp-server/doctor.sock")).output().unwrap();
    String::from_utf8(asked.stdout).unwrap()
}

fn command(root: &Path, port: u16, first: &str) -> Command {
    let daemon = env!("CARGO_BIN_EXE_ftp-server");
    let script = format!(
        "{first}; exec '{daemon}' serve files --plain allow --explicit 127.0.0.1:{port} --user me:secret"
    );
    std::fs::create_dir_all(root.join("files")).unwrap();
    let mut command = Command::new("sh");
    command
        .arg("-c")
        .arg(script)
        .current_dir(root)
        .env("HOME", root)
        .env("XDG_STATE_HOME", root)
        .env("XDG_RUNTIME_DIR", root);
    command
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

/// A password in an argument is in the list of processes, and one that is printed is in the journal.
#[tokio::test]
async fn a_password_may_come_from_elsewhere_and_is_not_printed() {
    let daemon = env!("CARGO_BIN_EXE_ftp-server");
    for (how, given) in [("--password-env P", ""), ("", "secret\n"), ("--password-env NONE", ""), ("", "")] {
        let place = tempfile::tempdir().unwrap();
        let root = place.path().join("files");
        std::fs::create_dir(&root).unwrap();
        std::fs::write(place.path().join("input"), given).unwrap();
        let port = free_port();
        let address = format!("127.0.0.1:{port}");
        let mut command = Command::new(daemon);
        command.args(["serve", ".", "--plain", "allow", "--explicit", &address, "--user", "me"]);
        command.args(how.split_whitespace()).current_dir(&root).env("P", "secret");
        for state in ["HOME", "XDG_STATE_HOME", "XDG_RUNTIME_DIR"] {
            command.env(state, place.path());
        }
        command.stdin(std::fs::File::open(place.path().join("input")).unwrap());
        let said = place.path().join("said");
        let output = || std::fs::File::options().create(true).append(true).open(&said).unwrap();
        let mut daemon = Daemon(command.stdout(output()).stderr(output()).spawn().unwrap());
        if how.contains("NONE") || (how.is_empty() && given.is_empty()) {
            assert!(!daemon.end().await.success());
            let said = std::fs::read_to_string(&said).unwrap();
            assert!(
                said.contains("--password-env NONE") || said.contains("--user me: the password is empty"),
                "{said}"
            );
            continue;
        }
        assert_eq!(login(port).await.command("NOOP").await.0, 200);
        daemon.signal(Signal::TERM);
        let said = std::fs::read_to_string(&said).unwrap();
        assert!(said.contains("--user 'me'") && !said.contains("secret"), "{said}");
    }
}

#[tokio::test]
async fn a_limit_of_file_sizes_ends_an_upload_and_not_the_daemon() {
    let folder = tempfile::tempdir().unwrap();
    let port = free_port();
    let _daemon = serve(folder.path(), port, "ulimit -f 40");
    let mut client = login(port).await;
    for count in [60_000, 3_000_000] {
        let (code, text) = upload(&mut client, "large", count).await;
        assert_eq!(code, 552, "{count} octets: {text}");
    }
    assert_eq!(upload(&mut client, "small", 10_000).await.0, 226);
    assert_eq!(std::fs::read(folder.path().join("files/small")).unwrap().len(), 10_000);
}

#[tokio::test]
async fn a_log_that_cannot_be_written_is_lost_and_nobody_else() {
    for first in ["exec 2>/dev/full", "exec >/dev/full 2>&1", "exec >&- 2>&-"] {
        let (folder, port) = (tempfile::tempdir().unwrap(), free_port());
        let mut daemon = serve(folder.path(), port, first);
        for name in ["one", "two"] {
            let mut client = login(port).await;
            assert_eq!(upload(&mut client, name, 10).await.0, 226, "{first}");
        }
        daemon.signal(Signal::TERM);
        assert_eq!(daemon.end().await.code(), Some(0), "{first}");
    }
}

#[tokio::test]
async fn sessions_outlive_the_reader_of_the_log() {
    let (folder, port) = (tempfile::tempdir().unwrap(), free_port());
    let child = command(folder.path(), port, ":").stdout(Stdio::null()).stderr(Stdio::piped()).spawn();
    let mut daemon = Daemon(child.unwrap());
    let mut before = login(port).await;
    drop(daemon.0.stderr.take());
    assert_eq!(upload(&mut before, "one", 10).await.0, 226);
    let mut after = login(port).await;
    assert_eq!(upload(&mut after, "two", 10).await.0, 226);
    let said = doctor(folder.path());
    assert!(said.contains("lines of the log were lost") && !said.contains("panic"), "{said}");
    daemon.signal(Signal::TERM);
    assert_eq!(daemon.end().await.code(), Some(0));
}

/// It is there and does not read: a pager, a terminal that was stopped.
#[tokio::test]
async fn sessions_do_not_wait_for_the_reader_of_the_log() {
    let (folder, port) = (tempfile::tempdir().unwrap(), free_port());
    let child = command(folder.path(), port, ":").stdout(Stdio::null()).stderr(Stdio::piped()).spawn();
    let mut daemon = Daemon(child.unwrap());
    let mut client = login(port).await;
    let name = "n".repeat(200);
    for _ in 0..300 {
        // Each is a line of the log, and more than a pipe takes in all.
        assert_eq!(client.command(&format!("MKD {name}")).await.0, 257);
        assert_eq!(client.command(&format!("RMD {name}")).await.0, 250);
    }
    daemon.signal(Signal::TERM);
    drop(client);
    assert_eq!(daemon.end().await.code(), Some(0));
}

#[tokio::test]
async fn the_end_of_the_terminal_is_the_end_of_a_server_without_a_configuration() {
    let (folder, port) = (tempfile::tempdir().unwrap(), free_port());
    let terminal = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&terminal).unwrap();
    unlockpt(&terminal).unwrap();
    let name = ptsname(&terminal, Vec::new()).unwrap().into_string().unwrap();
    let on_terminal = std::fs::OpenOptions::new().read(true).write(true).open(name).unwrap();
    let child = command(folder.path(), port, ":").stdout(Stdio::null()).stderr(on_terminal).spawn();
    let mut daemon = Daemon(child.unwrap());
    drop(login(port).await);
    drop(terminal);
    drop(login(port).await);
    daemon.signal(Signal::HUP);
    assert_eq!(daemon.end().await.code(), Some(0));

    let (folder, port) = (tempfile::tempdir().unwrap(), free_port());
    let mut daemon = serve(folder.path(), port, ":");
    drop(login(port).await);
    daemon.signal(Signal::HUP);
    tokio::time::sleep(Duration::from_millis(200)).await;
    drop(login(port).await);
    assert!(daemon.0.try_wait().unwrap().is_none(), "without a terminal it is asked to read its files anew");
}

/// MiB of a process that are no files.
fn resident(daemon: &Daemon) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", daemon.0.id())).unwrap();
    let line = status.lines().find(|line| line.starts_with("RssAnon:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() >> 10
}

#[tokio::test]
async fn memory_that_passwords_were_verified_in_is_given_back() {
    let (folder, port) = (tempfile::tempdir().unwrap(), free_port());
    let daemon = serve(folder.path(), port, ":");
    drop(login(port).await);
    let before = resident(&daemon);
    let mut guessers = tokio::task::JoinSet::new();
    for number in 0..40_u8 {
        guessers.spawn(async move {
            let (source, address) = ([127, 0, 2, number + 1], ([127, 0, 0, 1], port));
            let mut client = Client::connect_from(source.into(), address.into()).await;
            for guess in 0..2 {
                assert_eq!(client.command("USER me").await.0, 331);
                assert_eq!(client.command(&format!("PASS {number} {guess}")).await.0, 530);
            }
        });
    }
    while let Some(guesser) = guessers.join_next().await {
        guesser.unwrap();
    }
    gives_back(&daemon, before).await;
}

/// Waits until the daemon has about as much memory as before: what is free goes back within seconds.
async fn gives_back(daemon: &Daemon, before: u64) {
    let began = Instant::now();
    while resident(daemon) >= before + 16 {
        assert!(began.elapsed() < Duration::from_secs(40), "{before} MiB before, {} after", resident(daemon));
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// Trust in the certificate that the daemon has made.
fn trust_in_daemon(root: &Path) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(root.join("ftp-server/cert.pem")).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder =
        ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    Arc::new(builder.with_root_certificates(roots).with_no_client_auth())
}

#[tokio::test]
async fn memory_of_transfers_is_given_back() {
    const CLIENTS: usize = 100;
    let (folder, port) = (tempfile::tempdir().unwrap(), free_port());
    let daemon = serve(folder.path(), port, ":");
    drop(login(port).await);
    let before = resident(&daemon);
    let begin = Arc::new(Barrier::new(CLIENTS));
    let (here, mut clients) = (tokio::task::LocalSet::new(), tokio::task::JoinSet::new());
    for number in 0..CLIENTS {
        // Tickets are each client's own.
        let (tls, begin) = (trust_in_daemon(folder.path()), Arc::clone(&begin));
        let client = async move {
            let mut client = Client::connect_to(([127, 0, 0, 1], port).into(), Profile::Explicit).await;
            client.tls = tls;
            let mut client = client.log_in().await;
            begin.wait().await;
            let name = format!("file-{number}");
            for size in [20_000, 300_000, 3_000_000] {
                let (code, text) = client.upload(&format!("STOR {name}"), &vec![7; size]).await;
                assert_eq!(code, 226, "{text}");
                assert_eq!(client.download(&format!("RETR {name}")).await.0.len(), size);
            }
        };
        clients.spawn_local_on(client, &here);
    }
    let ended = async {
        while let Some(client) = clients.join_next().await {
            client.unwrap();
        }
    };
    here.run_until(ended).await;
    gives_back(&daemon, before).await;
}

#[tokio::test]
async fn clients_and_operators_are_told_that_there_are_no_descriptors() {
    let (folder, port) = (tempfile::tempdir().unwrap(), free_port());
    let log = std::fs::File::create(folder.path().join("log")).unwrap();
    let child = command(folder.path(), port, "ulimit -n 64").stdout(Stdio::null()).stderr(log).spawn();
    let _daemon = Daemon(child.unwrap());
    let mut first = login(port).await;
    let mut others = Vec::new();
    let farewell = loop {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        let mut greeting = [0; 200];
        let count = stream.read(&mut greeting).unwrap();
        if !greeting.starts_with(b"220") {
            break String::from_utf8_lossy(&greeting[..count]).into_owned();
        }
        others.push(stream);
    };
    assert!(
        others.len() < 64 && farewell.contains("421") && farewell.contains("too many open files"),
        "{farewell}"
    );
    // Who asks now cannot be let in, and costs next to nothing.
    let _asker = UnixStream::connect(folder.path().join("ftp-server/doctor.sock")).unwrap();
    let (code, text) = first.command("EPSV").await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(code == 425 && text.contains("Too many open files"), "{text}");
    drop(others);
    let began = Instant::now();
    while first.command("EPSV").await.0 != 229 {
        assert!(began.elapsed() < Duration::from_secs(5), "it recovers");
    }
    let said = doctor(folder.path());
    assert!(said.starts_with("trouble") && said.contains("Too many open files"), "{said}");
    let log = std::fs::read_to_string(folder.path().join("log")).unwrap();
    let lines = |what: &str| log.lines().filter(|line| line.contains(what)).count();
    let told = lines("the system refuses").max(lines("cannot be answered"));
    assert!(told == 1 && log.contains("64 open files are few for 10000 sessions"), "{log}");
}

#[tokio::test]
async fn what_is_the_daemons_own_is_closed_to_others_and_what_is_stored_is_not() {
    let (folder, port) = (tempfile::tempdir().unwrap(), free_port());
    let own = folder.path().join("ftp-server");
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    for turn in ["made", "found"] {
        let _daemon = serve(folder.path(), port, "umask 0");
        let mut client = login(port).await;
        assert_eq!(upload(&mut client, turn, 10).await.0, 226);
        assert_eq!(client.command(&format!("MKD folder-{turn}")).await.0, 257);
        let stored = folder.path().join("files");
        assert_eq!([mode(&stored.join(turn)), mode(&stored.join(format!("folder-{turn}")))], [0o666, 0o777]);
        assert_eq!(mode(&own.join("key.pem")), 0o600, "{turn}");
        assert_eq!(mode(&own.join("doctor.sock")) & 0o077, 0, "{turn}");
        let said = doctor(folder.path());
        assert!(said.contains(&format!("listens at 127.0.0.1:{port}")), "{said}");
        let open = std::fs::Permissions::from_mode(0o644);
        std::fs::set_permissions(own.join("key.pem"), open).unwrap();
    }
}

#[tokio::test]
async fn a_second_signal_breaks_transfers_off_and_says_what_is_kept() {
    let (folder, port) = (tempfile::tempdir().unwrap(), free_port());
    let mut daemon = serve(folder.path(), port, ":");
    let mut client = login(port).await;
    let mut data = client.open().await;
    assert_eq!(client.command("STOR file").await.0, 150);
    data.write_all(&vec![7; 300_000]).await.unwrap();
    daemon.signal(Signal::TERM);
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(daemon.0.try_wait().unwrap().is_none(), "the transfer may come to its end");
    daemon.signal(Signal::TERM);
    let (code, text) = client.reply().await;
    assert!(code == 426 && text.contains("octets"), "{text}");
    assert_eq!(client.reply().await.0, 421);
    assert_eq!(daemon.end().await.code(), Some(0));
}
