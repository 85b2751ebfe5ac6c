//! A failed upload leaves nothing behind: each way in which one can fail, to a new and to an existing name, in
//! plain FTP, explicit and implicit FTPS. After each the folder is looked at, and the session goes on.
#![cfg(feature = "ring")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a failure is the test's failure"
)]

mod client;

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, SystemTime};

use client::{Client, PROFILES, Profile, TestServer, builder, reset, start};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

const OLD: &[u8] = b"the old version, all of it";

/// What there is in a folder: content and modification time.
type Folder = BTreeMap<String, (Vec<u8>, SystemTime)>;

fn look(root: &Path) -> Folder {
    let entry = |entry: std::io::Result<std::fs::DirEntry>| {
        let entry = entry.unwrap();
        let content = std::fs::read(entry.path()).unwrap();
        (entry.file_name().into_string().unwrap(), (content, entry.metadata().unwrap().modified().unwrap()))
    };
    std::fs::read_dir(root).unwrap().map(entry).collect()
}

/// What the folder may look like after a broken upload of `sent` octets: nothing is seen, and what came may be kept hidden.
fn assert_undamaged(root: &Path, before: &Folder, sent: &[u8], case: &str) {
    let mut now = look(root);
    let mut before = before.clone();
    before.retain(|name, _| !is_hidden(name));
    now.retain(|name, (kept, _)| {
        if is_hidden(name) {
            assert!(!kept.is_empty(), "{case}: nothing is kept of nothing");
            assert!(sent.starts_with(kept), "{case}: what is kept is no part of what was sent");
        }
        !is_hidden(name)
    });
    assert_eq!(now, before, "{case}: the folder has changed");
}

fn is_hidden(name: &str) -> bool {
    name.starts_with(".ftp-partial-")
}

/// A way in which an upload fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Break {
    NoConnection,
    Reset(usize),
    Handshake,
    /// TLS ends by FIN without close_notify.
    Fin,
    Control,
    Abor,
}

const BREAKS: [Break; 8] = [
    Break::NoConnection,
    Break::Reset(0),
    Break::Reset(1),
    Break::Reset(100_000),
    Break::Handshake,
    Break::Fin,
    Break::Control,
    Break::Abor,
];

/// A folder with an old file, and a server for it.
async fn scene() -> (tempfile::TempDir, TestServer) {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("old"), OLD).unwrap();
    let server = start(builder(folder.path())).await;
    (folder, server)
}

/// An upload as far as its data connection: protected, if the profile says so, with the TCP stream beneath.
enum Data {
    Clear(TcpStream),
    Tls(Box<tokio_rustls::client::TlsStream<TcpStream>>),
}

impl Data {
    async fn begin(client: &mut Client, command: &str) -> Self {
        let stream = client.open().await;
        assert_eq!(client.command(command).await.0, 150);
        if !client.protects() {
            return Self::Clear(stream);
        }
        let name = rustls::pki_types::ServerName::try_from("localhost").unwrap();
        let connector = TlsConnector::from(std::sync::Arc::clone(&client.tls));
        Self::Tls(Box::new(connector.connect(name, stream).await.unwrap()))
    }

    async fn write(&mut self, data: &[u8]) {
        match self {
            Self::Clear(stream) => stream.write_all(data).await.unwrap(),
            Self::Tls(stream) => {
                stream.write_all(data).await.unwrap();
                stream.flush().await.unwrap();
            }
        }
        // Let the server take it: a RST would throw away what it has not read.
        tokio::time::sleep(Duration::from_millis(50)).await;
    }

    fn tcp(self) -> TcpStream {
        match self {
            Self::Clear(stream) => stream,
            Self::Tls(stream) => stream.into_inner().0,
        }
    }
}

/// Breaks an upload; the final replies, none if the client is gone.
async fn break_upload(client: &mut Client, command: &str, how: Break, sent: &[u8]) -> Vec<u16> {
    match how {
        Break::NoConnection => {
            client.epsv().await;
            vec![client.command(command).await.0]
        }
        Break::Reset(octets) => {
            let mut data = Data::begin(client, command).await;
            data.write(&sent[..octets]).await;
            reset(&data.tcp());
            vec![client.reply().await.0]
        }
        Break::Handshake => {
            let mut stream = client.open().await;
            assert_eq!(client.command(command).await.0, 150);
            stream.write_all(b"this is no ClientHello").await.unwrap();
            let _alert = stream.read(&mut [0; 64]).await;
            drop(stream);
            vec![client.reply().await.0]
        }
        Break::Fin => {
            let mut data = Data::begin(client, command).await;
            data.write(sent).await;
            data.tcp().shutdown().await.unwrap();
            vec![client.reply().await.0]
        }
        Break::Control => panic!("the client has to go"),
        Break::Abor => {
            let mut data = Data::begin(client, command).await;
            data.write(sent).await;
            client.send("ABOR").await;
            vec![client.reply().await.0, client.reply().await.0]
        }
    }
}

fn replies(how: Break) -> Vec<u16> {
    match how {
        Break::NoConnection | Break::Handshake => vec![425],
        Break::Reset(_) | Break::Fin => vec![426],
        Break::Control => Vec::new(),
        Break::Abor => vec![426, 226],
    }
}

async fn broken_uploads(profile: Profile) {
    let (folder, server) = scene().await;
    let sent: Vec<u8> = (0..100_000u32).map(|index| (index % 251) as u8).collect();
    for (round, how) in BREAKS.into_iter().enumerate() {
        let needs_tls = matches!(how, Break::Handshake | Break::Fin);
        if needs_tls && profile == Profile::Plain {
            // In clear a FIN is the end of the file, and there is no handshake.
            continue;
        }
        for name in ["old".to_owned(), format!("new-{round}")] {
            let case = format!("{profile:?} {how:?} {name}");
            let before = look(folder.path());
            let mut client = Client::login(&server, profile).await;
            let command = format!("STOR {name}");
            if how == Break::Control {
                let mut data = Data::begin(&mut client, &command).await;
                data.write(&sent).await;
                drop(client);
                tokio::time::sleep(Duration::from_millis(200)).await;
                drop(data);
            } else {
                assert_eq!(break_upload(&mut client, &command, how, &sent).await, replies(how), "{case}");
                assert_eq!(client.command("NOOP").await.0, 200, "{case}: the session goes on");
                assert_eq!(client.upload("STOR after", b"x").await.0, 226, "{case}: the next upload works");
                std::fs::remove_file(folder.path().join("after")).unwrap();
            }
            assert_undamaged(folder.path(), &before, &sent, &case);
        }
    }
}

#[tokio::test]
async fn broken_uploads_in_clear() {
    broken_uploads(Profile::Plain).await;
}

#[tokio::test]
async fn broken_uploads_under_explicit_tls() {
    broken_uploads(Profile::Explicit).await;
}

#[tokio::test]
async fn broken_uploads_under_implicit_tls() {
    broken_uploads(Profile::Implicit).await;
}

/// A client that dies closes both connections at once: the end of the data is no end of the file.
#[tokio::test]
async fn a_client_that_dies_publishes_nothing() {
    let (folder, small) = scene().await;
    // Where long transfers have threads of their own.
    let large = start(builder(folder.path()).threads(2)).await;
    for (server, length) in [(&small, 19), (&large, 19), (&large, 3_000_000)] {
        let half = vec![b'h'; length];
        for round in 0..20 {
            let before = look(folder.path());
            let mut client = Client::login(server, Profile::Plain).await;
            let mut data = Data::begin(&mut client, "STOR old").await;
            data.write(&half).await;
            drop(client);
            drop(data);
            tokio::time::sleep(Duration::from_millis(30)).await;
            assert_undamaged(folder.path(), &before, &half, &format!("{length} octets, round {round}"));
        }
    }
}

/// STOR, ABOR and the end in one flight, and STOR without PASV.
#[tokio::test]
async fn commands_in_one_flight_touch_nothing() {
    let (folder, server) = scene().await;
    let before = look(folder.path());
    let mut client = Client::login(&server, Profile::Plain).await;
    assert_eq!(client.command("STOR old").await.0, 425);
    client.epsv().await;
    client.send_raw(b"STOR old\r\nABOR\r\nQUIT\r\n").await;
    let codes = [client.reply().await.0, client.reply().await.0, client.reply().await.0];
    assert_eq!(codes, [425, 226, 221]);
    assert!(client.try_reply().await.is_none());
    assert_eq!(look(folder.path()), before);
}

/// The daemon itself, for the tests that kill it.
struct Daemon {
    child: Child,
    explicit: std::net::SocketAddr,
    implicit: std::net::SocketAddr,
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _dead = self.child.kill();
        let _reaped = self.child.wait();
    }
}

fn daemon(root: &Path, state: &Path) -> Daemon {
    let (cert, key) = client::certificate();
    std::fs::create_dir_all(state).unwrap();
    let pem = |label: &str, der: &[u8]| {
        let text = base64(der);
        format!("-----BEGIN {label}-----\n{text}\n-----END {label}-----\n")
    };
    std::fs::write(state.join("cert.pem"), pem("CERTIFICATE", &cert[0])).unwrap();
    std::fs::write(state.join("key.pem"), pem("PRIVATE KEY", key.secret_der())).unwrap();
    let mut child = Command::new(env!("CARGO_BIN_EXE_ftp-server"))
        .arg("serve")
        .arg(root)
        .args([
            "--user",
            "me:secret",
            "--plain",
            "allow",
            "--explicit",
            "127.0.0.1:0",
            "--implicit",
            "127.0.0.1:0",
        ])
        .arg("--cert")
        .arg(state.join("cert.pem"))
        .arg("--key")
        .arg(state.join("key.pem"))
        .env("HOME", state)
        .env("XDG_STATE_HOME", state)
        .env("XDG_RUNTIME_DIR", state)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    // It says where it listens: a port that was free a moment ago may be somebody else's by now.
    let mut said = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
    let mut address = |what: &str| {
        let line = said.find(|line| line.contains(what)).expect("the daemon comes up");
        line.split_whitespace().last().unwrap().parse().unwrap()
    };
    let (explicit, implicit) = (address("explicit FTPS"), address("implicit FTPS"));
    // What it says further may be read by nobody.
    std::thread::spawn(move || said.for_each(drop));
    Daemon { child, explicit, implicit }
}

/// PEM wants base 64; this is the alphabet of RFC 4648 §4, without line breaks.
fn base64(octets: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let letters = octets.chunks(3).flat_map(|group| {
        let bits =
            group.iter().chain([0, 0].iter()).take(3).fold(0u32, |bits, octet| bits << 8 | u32::from(*octet));
        (0..4).map(move |index| match index > group.len() {
            true => '=',
            false => char::from(ALPHABET[(bits >> (18 - 6 * index) & 63) as usize]),
        })
    });
    letters.collect()
}

#[tokio::test]
async fn kill_nine_leaves_the_folder_as_it_was() {
    for profile in PROFILES {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("root");
        std::fs::create_dir(&root).unwrap();
        std::fs::write(root.join("old"), OLD).unwrap();
        for name in ["old", "new"] {
            let before = look(&root);
            let mut daemon = daemon(&root, &folder.path().join("state"));
            let address = if profile == Profile::Implicit { daemon.implicit } else { daemon.explicit };
            let mut client = Client::connect_to(address, profile).await.log_in().await;
            let mut data = Data::begin(&mut client, &format!("STOR {name}")).await;
            data.write(&[b'x'; 100_000]).await;
            daemon.child.kill().unwrap();
            daemon.child.wait().unwrap();
            drop(data);
            assert_eq!(look(&root), before, "{profile:?} {name}");
        }
    }
}

/// What the clause asks of a resume: the file grows in place, and only when octets come.
#[tokio::test]
async fn resumed_uploads_grow_the_file() {
    let (folder, server) = scene().await;
    for profile in PROFILES {
        let mut client = Client::login(&server, profile).await;
        assert_eq!(client.upload("STOR part", b"0123456789").await.0, 226);
        assert_eq!(client.upload("APPE part", b"abc").await.0, 226);
        assert_eq!(client.command("REST 5").await.0, 350);
        assert_eq!(client.upload("STOR part", b"XY").await.0, 226);
        assert_eq!(std::fs::read(folder.path().join("part")).unwrap(), b"01234XY789abc");
        assert_eq!(client.command("REST 99").await.0, 350);
        assert_eq!(client.upload("STOR part", b"XY").await.0, 554);
        assert_eq!(client.command("RANG 1 2").await.0, 350);
        assert_eq!(client.upload("STOR part", b"too long").await.0, 451);
        assert_eq!(std::fs::read(folder.path().join("part")).unwrap(), b"01234XY789abc");
        assert_eq!(client.command("DELE part").await.0, 250);
    }
}

/// An empty file is legal after a clean end, and only then.
#[tokio::test]
async fn empty_uploads_are_files() {
    let (folder, server) = scene().await;
    for profile in PROFILES {
        let mut client = Client::login(&server, profile).await;
        assert_eq!(client.upload("STOR empty", b"").await.0, 226, "{profile:?}");
        assert_eq!(std::fs::read(folder.path().join("empty")).unwrap(), b"");
        assert_eq!(client.command("DELE empty").await.0, 250);
    }
}

/// A replaced file keeps its mode; one that may not be written is refused before anything happens.
#[cfg(unix)]
#[tokio::test]
async fn modes_are_kept_and_read_only_files_stay() {
    use std::os::unix::fs::PermissionsExt;
    let (folder, server) = scene().await;
    let path = folder.path().join("old");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
    let mut client = Client::login(&server, Profile::Plain).await;
    assert_eq!(client.upload("STOR old", b"new").await.0, 226);
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o640);
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o444)).unwrap();
    assert_eq!(client.upload("STOR old", b"newer").await.0, 553);
    assert_eq!(std::fs::read(&path).unwrap(), b"new");
}

/// The client takes its time between the command and the first octet: what happens to the target meanwhile is respected.
#[tokio::test]
async fn a_target_that_changes_after_the_command_is_not_damaged() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    std::fs::write(at("shorter"), "0123456789").unwrap();
    std::fs::write(at("closed"), "old").unwrap();
    let server = start(builder(folder.path())).await;
    let mut client = Client::login(&server, Profile::Plain).await;
    let change = |name: &str| match name {
        "made" => std::fs::write(at(name), "of somebody else").unwrap(),
        "shorter" => std::fs::write(at(name), "01").unwrap(),
        _ => std::fs::set_permissions(at(name), PermissionsExt::from_mode(0o600)).unwrap(),
    };
    for (before, command, code, left) in [
        ("NOOP", "APPE made", 550, "of somebody else"),
        ("REST 5", "STOR shorter", 554, "01"),
        ("NOOP", "STOR closed", 226, "new"),
    ] {
        let mut stream = client.open().await;
        client.command(before).await;
        assert_eq!(client.command(command).await.0, 150);
        let name = command.split(' ').nth(1).unwrap();
        change(name);
        stream.write_all(b"new").await.unwrap();
        drop(stream);
        let (said, text) = client.reply().await;
        assert_eq!(said, code, "{command}: {text}");
        assert_eq!(std::fs::read_to_string(at(name)).unwrap(), left, "{command}");
    }
    let mode = std::fs::metadata(at("closed")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600, "the mode of the target at the end");
}

/// Programs that watch a folder wait until a file was open for writing and is closed, or comes by a rename.
#[tokio::test]
async fn watchers_of_the_folder_hear_of_each_upload() {
    use rustix::fs::inotify::{CreateFlags, ReadFlags, Reader, WatchFlags, add_watch, init};
    let (folder, server) = scene().await;
    let mut client = Client::login(&server, Profile::Plain).await;
    let mut data = Data::begin(&mut client, "STOR resumed").await;
    data.write(b"half").await;
    client.send("ABOR").await;
    assert_eq!((client.reply().await.0, client.reply().await.0), (426, 226));
    let watch = init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK).unwrap();
    add_watch(&watch, folder.path(), WatchFlags::CLOSE_WRITE | WatchFlags::MOVED_TO).unwrap();
    let mut buffer = [std::mem::MaybeUninit::uninit(); 4096];
    let mut events = Reader::new(&watch, &mut buffer);
    let heard = [ReadFlags::CLOSE_WRITE, ReadFlags::MOVED_TO];
    for command in ["STOR new", "STOR old", "APPE appended", "APPE old", "STOU", "APPE resumed", "STOR large"]
    {
        let data = vec![b'x'; if command == "STOR large" { 3_000_000 } else { 10 }];
        let (code, text) = client.upload(command, &data).await;
        assert_eq!(code, 226, "{command}: {text}");
        let mut names = Vec::new();
        while let Ok(event) = events.next() {
            if heard.iter().any(|kind| event.events().contains(*kind)) {
                names.extend(event.file_name().map(|name| name.to_string_lossy().into_owned()));
            }
        }
        let name = command.split(' ').nth(1).unwrap_or("upload-");
        assert!(names.iter().any(|heard| heard.starts_with(name)), "{command}: {names:?}");
    }
}

/// What a killed process has left goes, at the start and when the users are read anew, whatever its time says.
#[tokio::test]
async fn remains_are_swept_at_the_start_and_at_a_hangup() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("root");
    std::fs::create_dir_all(root.join("deep")).unwrap();
    let remains = root.join("deep/.ftp-upload-0123456789abcdef");
    let day = Duration::from_secs(86_400);
    let leave = |time| {
        std::fs::write(&remains, "half").unwrap();
        std::fs::File::options().write(true).open(&remains).unwrap().set_modified(time).unwrap();
    };
    let gone = async || {
        for _ in 0..500 {
            if !remains.exists() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("it is still there");
    };
    leave(SystemTime::now() + day);
    let daemon = daemon(&root, &folder.path().join("state"));
    gone().await;
    leave(SystemTime::now());
    let pid = rustix::process::Pid::from_child(&daemon.child);
    rustix::process::kill_process(pid, rustix::process::Signal::HUP).unwrap();
    gone().await;
}
