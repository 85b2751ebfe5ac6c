//! Whole sessions over loopback: TLS, limits, pipelining, data connections, and how a server stops.
#![cfg(feature = "ring")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a failure is the test's failure"
)]

mod client;

use std::sync::Arc;
use std::time::Duration;

use client::{Client, PROFILES, Profile, builder, builder_for, start, trust};
use ftp_server::auth::{Account, Rights};
use ftp_server::proto::session::Policy;
use ftp_server::proto::value::path::VPath;
use ftp_server::storage::MemoryStorage;
use ftp_server::{Limits, Options};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

fn path(path: &str) -> VPath {
    VPath::new(path).unwrap()
}

#[tokio::test]
async fn transfers_round_trip_in_every_profile_and_mode() {
    let folder = tempfile::tempdir().unwrap();
    let server = start(builder(folder.path())).await;
    let data: Vec<u8> =
        (0..1_000_000u32).map(|index| (index.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    for profile in PROFILES {
        let mut client = Client::login(&server, profile).await;
        assert_eq!(client.upload("STOR file", &data).await.0, 226);
        let (back, code, text) = client.download("RETR file").await;
        assert_eq!((back.len(), code), (data.len(), 226), "{profile:?}: {text}");
        assert!(back == data, "{profile:?}: other octets");
        client.command("REST 999990").await;
        assert_eq!(client.download("RETR file").await.0, &data[999_990..]);
        client.command("RANG 10 19").await;
        assert_eq!(client.download("RETR file").await.0, &data[10..20]);
        let (listing, ..) = client.download("MLSD").await;
        assert!(String::from_utf8(listing).unwrap().contains("type=file;size=1000000;"));
        assert_eq!(client.download("RETR missing").await.1, 550);
        assert_eq!(client.command("QUIT").await.0, 221);
        assert!(client.try_reply().await.is_none());
    }
}

/// Clients that read 150 and 226 at once wait for the second for ever (aria2), and before they have closed the data
/// connection nobody knows that they have the octets. On threads of its own: a client that takes turns with the server would
/// see both in one piece anyway.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_download_has_a_150_of_its_own_and_a_226_behind_the_end_of_its_data() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("small"), "small").unwrap();
    let server = start(builder(folder.path())).await;
    let mut client = Client::login(&server, Profile::Plain).await;
    for (command, round) in ["RETR small", "LIST", "NLST", "MLSD"].into_iter().cycle().zip(0..80) {
        let mut data = client.open().await;
        client.send(command).await;
        let first = client.burst().await;
        assert!(first.starts_with("150 ") && first.lines().count() == 1, "{command} {round}: {first:?}");
        let mut got = String::new();
        data.read_to_string(&mut got).await.unwrap();
        assert!(got.contains("small"), "{got:?}");
        // Half of the clients keep it until they hear the 226, as aria2 and KIO do.
        let kept = (round % 8 < 4).then_some(data);
        assert_eq!(client.reply().await.0, 226);
        drop(kept);
    }
}

/// An end in order would be that of an empty file or directory.
#[tokio::test]
async fn a_download_that_is_aborted_before_its_first_octet_ends_by_rst() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("file"), vec![0; 100_000]).unwrap();
    let server = start(builder(folder.path())).await;
    for profile in PROFILES {
        let mut client = Client::login(&server, profile).await;
        for (command, _) in ["RETR file", "LIST", "MLSD"].into_iter().cycle().zip(0..15) {
            let mut data = client.open().await;
            client.send_raw(format!("{command}\r\nABOR\r\n").as_bytes()).await;
            assert_eq!(client.reply().await.0, 150);
            let end = client.reply().await.0;
            assert_eq!(client.reply().await.0, 226);
            let read = data.read_to_end(&mut Vec::new()).await;
            match end {
                426 => assert!(read.is_err(), "{profile:?} {command}: {read:?}"),
                // It was done before ABOR was read.
                _ => assert_eq!(end, 226, "{profile:?} {command}"),
            }
        }
    }
}

/// With threads for transfers, which take over once a transfer is long.
#[tokio::test]
async fn long_transfers_arrive_are_aborted_and_leave_nothing_on_threads_of_their_own() {
    let folder = tempfile::tempdir().unwrap();
    let server = start(builder(folder.path()).threads(2)).await;
    let data: Vec<u8> =
        (0..9_000_001u32).map(|index| (index.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    for profile in PROFILES {
        let mut client = Client::login(&server, profile).await;
        assert_eq!(client.upload("STOR file", &data).await.0, 226, "{profile:?}");
        let (back, code, _) = client.download("RETR file").await;
        assert!(code == 226 && back == data, "{profile:?}: {code}, {} octets", back.len());

        let stream = client.open().await;
        client.send("RETR file").await;
        assert_eq!(client.reply().await.0, 150);
        let mut wire = client.protect(stream).await;
        wire.read_exact(&mut vec![0; 3_000_000]).await.unwrap();
        client.send("ABOR").await;
        assert_eq!((client.reply().await.0, client.reply().await.0), (426, 226), "{profile:?}");
        drop(wire);

        let stream = client.open().await;
        client.send("STOR file").await;
        assert_eq!(client.reply().await.0, 150);
        let mut wire = client.protect(stream).await;
        wire.write_all(&data[..3_000_000]).await.unwrap();
        client.send("ABOR").await;
        // It goes on sending until it is cut off.
        let sending = async { while wire.write_all(&data).await.is_ok() {} };
        let replies = async { (client.reply().await.0, client.reply().await.0) };
        let ((), codes) = tokio::join!(sending, replies);
        assert_eq!(codes, (426, 226), "{profile:?}");
        assert!(std::fs::read(folder.path().join("file")).unwrap() == data, "the old version stays");
        // What came is kept for its owner, where nobody sees it.
        let names = std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name());
        let seen = names.filter(|name| !name.to_string_lossy().starts_with(".ftp-partial-")).count();
        assert_eq!(seen, 1, "nothing is left behind");
    }
}

#[tokio::test]
async fn text_modes_and_structures_on_the_wire() {
    let folder = tempfile::tempdir().unwrap();
    let server = start(builder(folder.path())).await;
    let mut client = Client::login(&server, Profile::Plain).await;
    assert_eq!(client.command("TYPE A").await.0, 200);
    assert_eq!(client.upload("STOR text", b"one\r\ntwo\r\n").await.0, 226);
    assert_eq!(std::fs::read(folder.path().join("text")).unwrap(), b"one\ntwo\n");
    assert_eq!(client.download("RETR text").await.0, b"one\r\ntwo\r\n");
    client.command("STRU R").await;
    assert_eq!(client.download("RETR text").await.0, b"one\xff\x01two\xff\x01\xff\x02");
    client.command("STRU F").await;
    client.command("MODE B").await;
    assert_eq!(client.download("RETR text").await.0, b"\0\0\x0aone\r\ntwo\r\n\x40\0\0");
    assert_eq!(client.upload("STOR cut", b"\0\0\x03abc").await.0, 451, "no end-of-file mark");
    client.command("MODE Z").await;
    let (zlib, code, _) = client.download("RETR text").await;
    assert_eq!((zlib[0] & 15, code), (8, 226));
    assert_eq!(client.upload("STOR again", &zlib).await.0, 226);
    assert_eq!(std::fs::read(folder.path().join("again")).unwrap(), b"one\ntwo\n");
}

#[tokio::test]
async fn clear_logins_are_refused_and_the_text_names_tls() {
    let folder = tempfile::tempdir().unwrap();
    let server = start(builder(folder.path()).policy(Policy::default())).await;
    let mut client = Client::connect(&server, Profile::Plain).await;
    let (code, text) = client.command("USER me").await;
    assert_eq!(code, 530);
    assert!(text.contains("TLS"), "{text}");
    assert_eq!(client.command("PASS secret").await, (code, text));
    let client = Client::login(&server, Profile::Explicit).await;
    drop(client);
}

#[tokio::test]
async fn unprotected_data_are_refused_within_tls() {
    let folder = tempfile::tempdir().unwrap();
    let server = start(builder(folder.path())).await;
    let mut client = Client::connect(&server, Profile::Explicit).await;
    assert_eq!(client.command("AUTH TLS").await.0, 234);
    client.secure().await;
    assert_eq!(client.command("USER me").await.0, 331);
    assert_eq!(client.command("PASS secret").await.0, 230);
    client.epsv().await;
    assert_eq!(client.command("LIST").await.0, 521);
    assert_eq!(client.command("PROT P").await.0, 503);
}

/// Data are protected at the implicit entrance without being asked: clients that do not know it are told soon.
#[tokio::test]
async fn who_does_not_shake_hands_hears_why() {
    let folder = tempfile::tempdir().unwrap();
    let options = Options::default().handshake(Duration::from_secs(1));
    let server = start(builder(folder.path()).options(options)).await;
    let mut client = Client::login(&server, Profile::Implicit).await;
    let _silent = client.open().await;
    assert_eq!(client.command("LIST").await.0, 150);
    let (code, text) = client.reply().await;
    assert!(code == 425 && text.contains("sent nothing for 1 s. PROT P is in force"), "{text}");
    let mut hasty = client.open().await;
    assert_eq!(client.command("STOR f").await.0, 150);
    hasty.write_all(b"in clear, and long enough for a record of TLS").await.unwrap();
    let (code, text) = client.reply().await;
    assert!(code == 425 && text.contains("PROT P is in force"), "{text}");
}

#[tokio::test]
async fn octets_behind_auth_end_the_session() {
    let folder = tempfile::tempdir().unwrap();
    let server = start(builder(folder.path())).await;
    let mut client = Client::connect(&server, Profile::Plain).await;
    client.send_raw(b"AUTH TLS\r\nUSER me\r\n").await;
    assert_eq!(client.reply().await.0, 234);
    assert!(client.try_reply().await.is_none(), "what was injected must have no answer");
}

/// A ClientHello in the same segment as AUTH TLS is part of the handshake and not lost.
#[tokio::test]
async fn a_hasty_client_hello_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    let server = start(builder(folder.path())).await;
    let mut stream = TcpStream::connect(server.explicit).await.unwrap();
    let mut greeting = [0; 256];
    let _greeting = stream.read(&mut greeting).await.unwrap();
    let name = rustls::pki_types::ServerName::try_from("localhost").unwrap();
    let mut tls = rustls::ClientConnection::new(trust(), name).unwrap();
    let mut hasty = b"AUTH TLS\r\n".to_vec();
    tls.write_tls(&mut hasty).unwrap();
    stream.write_all(&hasty).await.unwrap();
    let mut reply = vec![0; 4096];
    let mut seen = Vec::new();
    while !seen.windows(2).any(|pair| pair == [22, 3]) {
        let count = stream.read(&mut reply).await.unwrap();
        assert!(count > 0, "the server closed: {:?}", String::from_utf8_lossy(&seen));
        seen.extend_from_slice(&reply[..count]);
    }
    assert!(seen.starts_with(b"234"));
}

#[tokio::test]
async fn a_stranger_gets_nothing_and_takes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("secret"), "for one client only").unwrap();
    let server = start(builder(folder.path())).await;
    let mut client = Client::login(&server, Profile::Plain).await;
    let address = client.epsv().await;
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.2:0".parse().unwrap()).unwrap();
    let mut stranger = socket.connect(address).await.unwrap();
    assert!(stranger.read_u8().await.is_err(), "the stranger is reset");
    let mut mine = TcpStream::connect(address).await.unwrap();
    assert_eq!(client.command("RETR secret").await.0, 150);
    let mut data = String::new();
    mine.read_to_string(&mut data).await.unwrap();
    assert_eq!((data.as_str(), client.reply().await.0), ("for one client only", 226));
    // A stranger only: the reply names both addresses.
    let address = client.epsv().await;
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.2:0".parse().unwrap()).unwrap();
    let _stranger = socket.connect(address).await.unwrap();
    let (code, text) = client.command("RETR secret").await;
    assert_eq!(code, 425);
    assert!(text.contains("127.0.0.2") && text.contains("127.0.0.1"), "{text}");
}

#[tokio::test]
async fn active_mode_connects_to_the_client_only() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("file"), "active").unwrap();
    let server = start(builder(folder.path())).await;
    for profile in PROFILES {
        let mut client = Client::login(&server, profile).await;
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        assert_eq!(client.command("PORT 10,1,0,2,200,10").await.0, 501);
        assert_eq!(client.command(&format!("PORT 127,0,0,1,{},{}", port >> 8, port & 255)).await.0, 200);
        client.send("RETR file").await;
        let (stream, _) = listener.accept().await.unwrap();
        assert_eq!(client.reply().await.0, 150);
        let mut data = String::new();
        client.protect(stream).await.read_to_string(&mut data).await.unwrap();
        assert_eq!((data.as_str(), client.reply().await.0), ("active", 226), "{profile:?}");
        drop(listener);
        client.command(&format!("EPRT |1|127.0.0.1|{port}|")).await;
        let (code, text) = client.command("RETR file").await;
        assert!(code == 425 && text.contains("refused"), "{text}");
    }
}

#[tokio::test]
async fn commands_are_pipelined_and_parked_in_order() {
    let folder = tempfile::tempdir().unwrap();
    let server = start(builder(folder.path())).await;
    let mut client = Client::connect(&server, Profile::Plain).await;
    client.send_raw(b"USER me\r\nPASS secret\r\nSYST\r\nPWD\r\n").await;
    for code in [331, 230, 215, 257] {
        assert_eq!(client.reply().await.0, code);
    }
    let mut stream = client.open().await;
    client.send_raw(b"STOR f\r\nNOOP\r\nPWD\r\nSTAT\r\n").await;
    assert_eq!(client.reply().await.0, 150);
    assert_eq!(client.reply().await.0, 211, "STAT acts at once");
    stream.write_all(b"x").await.unwrap();
    stream.shutdown().await.unwrap();
    for code in [226, 200, 257] {
        assert_eq!(client.reply().await.0, code);
    }
}

#[tokio::test]
async fn telnet_and_overlong_lines_keep_in_step() {
    let folder = tempfile::tempdir().unwrap();
    let server = start(builder(folder.path())).await;
    let mut client = Client::login(&server, Profile::Plain).await;
    client.send_raw(b"\xff\xf4\xff\xf2ABOR\r\n").await;
    assert_eq!(client.reply().await.0, 226);
    client.send_raw(&[b'A'; 70_000]).await;
    client.send_raw(b"\r\nNOOP\r\n").await;
    assert_eq!(client.reply().await.0, 500);
    assert_eq!(client.reply().await.0, 200);
}

fn memory_server() -> ftp_server::Builder {
    let storage = MemoryStorage::new().with_file(&path("/dir/file"), "in memory");
    let mut account = Account::new(Rights::READ_ONLY, Arc::new(storage));
    account.sessions = Some(1);
    builder_for(account).options(Options::default().login_delay(Duration::from_millis(20)))
}

#[tokio::test]
async fn an_embedded_server_with_storage_of_its_own() {
    let server = start(memory_server()).await;
    let mut client = Client::login(&server, Profile::Implicit).await;
    assert_eq!(client.download("RETR dir/file").await.0, b"in memory");
    assert_eq!(client.download("NLST dir").await.0, b"dir/file\r\n");
    assert_eq!(client.download("NLST dir/file").await.0, b"dir/file\r\n");
    assert_eq!(client.download("MLSD dir/file").await.1, 501);
    assert_eq!(client.upload("STOR new", b"x").await.0, 553, "read only");
    let (code, text) = client.command("HASH dir/file").await;
    assert!(code == 213 && text.contains("SHA-256 0-8 "), "{text}");
    assert_eq!(client.command("AVBL").await.0, 502);
    assert!(!client.command("FEAT").await.1.contains("AVBL"));
}

#[tokio::test]
async fn numbers_of_sessions_are_limited() {
    let server = start(memory_server().limits(Limits::default().sessions(10).per_address(2))).await;
    let first = Client::login(&server, Profile::Plain).await;
    let mut second = Client::connect(&server, Profile::Plain).await;
    second.command("USER me").await;
    assert_eq!(second.command("PASS secret").await.0, 421, "one session a user");
    drop(second);
    let second = Client::connect(&server, Profile::Plain).await;
    let mut third = TcpStream::connect(server.explicit).await.unwrap();
    let mut text = String::new();
    third.read_to_string(&mut text).await.unwrap();
    assert!(text.starts_with("421 "), "{text}");
    drop((first, second));
}

#[tokio::test]
async fn failed_logins_are_slow_and_end_the_session() {
    let server = start(memory_server()).await;
    let mut client = Client::connect(&server, Profile::Plain).await;
    let begun = std::time::Instant::now();
    for code in [530, 530, 421] {
        assert_eq!(client.command("USER me").await.0, 331);
        assert_eq!(client.command("PASS wrong").await.0, code);
    }
    assert!(begun.elapsed() >= Duration::from_millis(20 + 40 + 80));
    assert!(client.try_reply().await.is_none());
}

/// Sessions end: idle ones at once, one that transfers when it is done.
#[tokio::test]
async fn a_stopping_server_lets_transfers_end() {
    let folder = tempfile::tempdir().unwrap();
    let home = "127.0.0.1:0".parse().unwrap();
    let server = builder(folder.path()).explicit(home).implicit(home).bind().await.unwrap();
    let explicit = server.addresses()[0];
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let running = tokio::spawn(server.run(async { stopped.await.unwrap() }));
    let mut idle = Client::connect_to(explicit, Profile::Plain).await.log_in().await;
    let mut busy = Client::connect_to(explicit, Profile::Plain).await.log_in().await;
    let mut stream = busy.open().await;
    assert_eq!(busy.command("STOR f").await.0, 150);
    stop.send(()).unwrap();
    assert_eq!(idle.reply().await.0, 421);
    assert!(idle.try_reply().await.is_none());
    assert!(TcpStream::connect(explicit).await.is_err(), "nobody new is taken");
    stream.write_all(b"to the end").await.unwrap();
    stream.shutdown().await.unwrap();
    assert_eq!(busy.reply().await.0, 226);
    assert_eq!(busy.reply().await.0, 421);
    assert_eq!(std::fs::read(folder.path().join("f")).unwrap(), b"to the end");
    drop((idle, busy));
    tokio::time::timeout(Duration::from_secs(8), running).await.unwrap().unwrap();
}

#[tokio::test]
async fn rein_keeps_implicit_tls() {
    let folder = tempfile::tempdir().unwrap();
    let server = start(builder(folder.path())).await;
    let mut client = Client::login(&server, Profile::Implicit).await;
    assert_eq!(client.command("REIN").await.0, 220);
    assert_eq!(client.command("PWD").await.0, 530);
    assert_eq!(client.command("NOOP").await.0, 200);
}

/// REIN ends explicit TLS; a command in clear right behind the client's close_notify is not lost.
#[tokio::test]
async fn rein_leaves_explicit_tls() {
    let folder = tempfile::tempdir().unwrap();
    let server = start(builder(folder.path())).await;
    let mut stream = TcpStream::connect(server.explicit).await.unwrap();
    let mut octets = [0; 4096];
    let _greeting = stream.read(&mut octets).await.unwrap();
    stream.write_all(b"AUTH TLS\r\n").await.unwrap();
    let _accepted = stream.read(&mut octets).await.unwrap();
    let name = rustls::pki_types::ServerName::try_from("localhost").unwrap();
    let mut tls = tokio_rustls::TlsConnector::from(trust()).connect(name, stream).await.unwrap();
    tls.write_all(b"REIN\r\n").await.unwrap();
    let count = tls.read(&mut octets).await.unwrap();
    assert!(octets[..count].starts_with(b"220 "), "the reply to REIN is inside TLS");
    tls.get_mut().1.send_close_notify();
    let mut last = Vec::new();
    tls.get_mut().1.write_tls(&mut last).unwrap();
    last.extend_from_slice(b"NOOP\r\n");
    let mut stream = tls.into_inner().0;
    stream.write_all(&last).await.unwrap();
    let mut seen = Vec::new();
    while !seen.windows(4).any(|window| window == b"200 ") {
        let count =
            tokio::time::timeout(Duration::from_secs(5), stream.read(&mut octets)).await.unwrap().unwrap();
        assert!(count > 0, "the server closed");
        seen.extend_from_slice(&octets[..count]);
    }
}

#[tokio::test]
async fn a_download_that_breaks_is_told_and_the_session_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("big"), vec![7; 20_000_000]).unwrap();
    let server = start(builder(folder.path())).await;
    for profile in PROFILES {
        let mut client = Client::login(&server, profile).await;
        let stream = client.open().await;
        assert_eq!(client.command("RETR big").await.0, 150);
        let mut wire = client.protect(stream).await;
        let mut some = [0; 1000];
        wire.read_exact(&mut some).await.unwrap();
        drop(wire);
        assert_eq!(client.reply().await.0, 426, "{profile:?}");
        let stream = client.open().await;
        assert_eq!(client.command("RETR big").await.0, 150);
        let mut wire = client.protect(stream).await;
        wire.read_exact(&mut some).await.unwrap();
        client.send("ABOR").await;
        assert_eq!((client.reply().await.0, client.reply().await.0), (426, 226), "{profile:?}");
        let mut rest = Vec::new();
        let end = wire.read_to_end(&mut rest).await;
        assert!(end.is_err(), "{profile:?}: an aborted download must not look complete");
        assert_eq!(client.command("NOOP").await.0, 200);
    }
}

/// A client that sends commands and reads nothing is not served without end.
#[tokio::test]
async fn replies_nobody_reads_hold_up_the_commands() {
    let folder = tempfile::tempdir().unwrap();
    let server = start(builder(folder.path())).await;
    let mut stream = TcpStream::connect(server.explicit).await.unwrap();
    let flood = b"HELP\r\n".repeat(4 << 20);
    let sending = tokio::time::timeout(Duration::from_secs(2), stream.write_all(&flood)).await;
    assert!(sending.is_err(), "24 MiB of commands were taken although no reply was read");
    let other = Client::login(&server, Profile::Plain).await;
    drop(other);
}

/// Two who append to one file at once lose nothing.
#[tokio::test]
async fn appends_do_not_overwrite_each_other() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("log"), "").unwrap();
    let server = start(builder(folder.path())).await;
    let (mut one, mut other) =
        (Client::login(&server, Profile::Plain).await, Client::login(&server, Profile::Plain).await);
    let mut streams = [one.open().await, other.open().await];
    assert_eq!(one.command("APPE log").await.0, 150);
    assert_eq!(other.command("APPE log").await.0, 150);
    for stream in &mut streams {
        stream.write_all(&[b'x'; 1000]).await.unwrap();
        stream.shutdown().await.unwrap();
    }
    assert_eq!((one.reply().await.0, other.reply().await.0), (226, 226));
    assert_eq!(std::fs::metadata(folder.path().join("log")).unwrap().len(), 2000);
}

/// ALLO asks for room, and is no promise of a length (RFC 959 §4.1.3).
#[tokio::test]
async fn an_upload_may_have_another_length_than_was_announced() {
    let folder = tempfile::tempdir().unwrap();
    let server = start(builder(folder.path())).await;
    let mut client = Client::login(&server, Profile::Plain).await;
    for kind in ["TYPE A", "TYPE I"] {
        client.command(kind).await;
        for announced in ["6", "4", "0", "3", "512", "1000 R 80", "1 r 1"] {
            assert_eq!(client.command(&format!("ALLO {announced}")).await.0, 200);
            assert_eq!(client.upload("STOR f", b"a\r\nb\r\n").await.0, 226, "{announced}");
            assert_eq!(client.command(&format!("ALLO {announced}")).await.0, 200);
            assert_eq!(client.upload("APPE f", b"c").await.0, 226, "{announced}");
        }
    }
    assert_eq!(client.command("ALLO 18446744073709551615").await.0, 452);
    assert_eq!(client.upload("STOR f", b"whole").await.0, 226);
    assert_eq!(std::fs::read(folder.path().join("f")).unwrap(), b"whole");
}

/// A client that leaves while the server digests a huge file takes the work with it.
#[tokio::test]
async fn a_lost_client_ends_long_work() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::File::create(folder.path().join("sparse")).unwrap().set_len(1 << 40).unwrap();
    let limits = Limits::default().sessions(10).per_address(1);
    let server = start(builder(folder.path()).limits(limits)).await;
    let mut client = Client::login(&server, Profile::Plain).await;
    client.send("XSHA256 sparse").await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    drop(client);
    tokio::time::sleep(Duration::from_millis(500)).await;
    let mut next = Client::connect(&server, Profile::Plain).await;
    assert_eq!(next.command("NOOP").await.0, 200, "the seat of the lost client is free");
}

/// suppaftp and opendal connect before they read the reply.
#[tokio::test]
async fn a_client_that_connects_after_its_transfer_was_refused_is_let_in_and_closed_in_order() {
    let folder = tempfile::tempdir().unwrap();
    let server = start(builder(folder.path())).await;
    for profile in PROFILES {
        let mut client = Client::login(&server, profile).await;
        for command in ["RETR none", "LIST none", "NLST none", "MLSD none", "STOR none/x"] {
            let port = client.epsv().await;
            let refused = client.command(command).await;
            assert!([550, 553].contains(&refused.0), "{refused:?}");
            let mut data = TcpStream::connect(port).await.unwrap();
            assert_eq!(data.read(&mut [0; 16]).await.unwrap(), 0, "{profile:?} {command}");
            // It is not for ever, and not beside another.
            let old = client.epsv().await;
            client.command(command).await;
            assert_eq!(client.upload("STOR f", b"octets").await.0, 226);
            assert!(TcpStream::connect(old).await.is_err(), "{profile:?} {command}");
        }
    }
}

/// A link-local address of this host, with its zone, if there is any.
fn link_local() -> Option<std::net::SocketAddrV6> {
    let known = std::fs::read_to_string("/proc/net/if_inet6").ok()?;
    known.lines().find_map(|line| {
        let mut fields = line.split_whitespace();
        let address = std::net::Ipv6Addr::from(u128::from_str_radix(fields.next()?, 16).ok()?);
        let zone = u32::from_str_radix(fields.next()?, 16).ok()?;
        address.is_unicast_link_local().then(|| std::net::SocketAddrV6::new(address, 0, 0, zone))
    })
}

/// Data connections have the zone of the control connection (RFC 4007 §6). Where there is no such address nothing is tested.
#[tokio::test]
async fn link_local_clients_transfer_in_both_modes() {
    let Some(home) = link_local() else { return };
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("file"), "near").unwrap();
    let server = builder(folder.path()).explicit(home.into()).bind().await.unwrap();
    let address = server.addresses()[0];
    let _running = tokio::spawn(server.run(std::future::pending()));
    let mut client = Client::connect_to(address, Profile::Plain).await.log_in().await;
    assert_eq!(client.download("RETR file").await.0, b"near");
    let listener = tokio::net::TcpListener::bind(std::net::SocketAddr::from(home)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    for zone in ["", "%eth7"] {
        let (code, text) = client.command(&format!("EPRT |2|{}{zone}|{port}|", home.ip())).await;
        assert_eq!(code, 200, "{text}");
        client.send("RETR file").await;
        let (mut stream, _) = listener.accept().await.unwrap();
        assert_eq!(client.reply().await.0, 150);
        let mut data = String::new();
        stream.read_to_string(&mut data).await.unwrap();
        assert_eq!((data.as_str(), client.reply().await.0), ("near", 226));
    }
}
