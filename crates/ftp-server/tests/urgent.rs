//! Commands in TCP urgent data (RFC 959 §4.1.3, RFC 1123 §4.1.2.10): read and answered at once, wherever the mark stands.
#![cfg(feature = "ring")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a failure is the test's failure"
)]

mod client;

use std::time::Duration;

use client::{TestServer, builder, start};
use socket2::SockRef;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

/// What is sent in one go.
#[derive(Clone, Copy)]
enum Piece {
    Plain(&'static [u8]),
    /// With the mark at its last octet.
    Urgent(&'static [u8]),
    /// Each octet with a mark of its own.
    Marks(&'static [u8]),
}

use Piece::{Marks, Plain, Urgent};

/// A control connection in clear.
struct Peer(BufReader<TcpStream>);

impl Peer {
    async fn connect(server: &TestServer) -> Self {
        let stream = TcpStream::connect(server.explicit).await.unwrap();
        stream.set_nodelay(true).unwrap();
        let mut peer = Self(BufReader::new(stream));
        assert_eq!(peer.code().await, 220);
        peer
    }

    async fn login(server: &TestServer) -> Self {
        let mut peer = Self::connect(server).await;
        for (line, code) in [("USER me", 331), ("PASS secret", 230), ("TYPE I", 200)] {
            peer.0.get_mut().write_all(format!("{line}\r\n").as_bytes()).await.unwrap();
            assert_eq!(peer.code().await, code);
        }
        peer
    }

    async fn send(&mut self, pieces: &[Piece]) {
        for piece in pieces {
            let stream = self.0.get_mut();
            match piece {
                Plain(octets) => stream.write_all(octets).await.unwrap(),
                Urgent(octets) => {
                    assert_eq!(SockRef::from(&*stream).send_out_of_band(octets).unwrap(), octets.len());
                }
                Marks(octets) => {
                    for octet in octets.chunks(1) {
                        assert_eq!(SockRef::from(&*stream).send_out_of_band(octet).unwrap(), 1);
                    }
                }
            }
        }
    }

    /// The code of the next reply, and the first line of it.
    async fn reply(&mut self) -> (u16, String) {
        let mut first = String::new();
        loop {
            let mut line = String::new();
            let reading = self.0.read_line(&mut line);
            tokio::time::timeout(Duration::from_secs(5), reading).await.expect("a reply within 5 s").unwrap();
            if first.is_empty() {
                first.clone_from(&line);
            }
            if let (Some(b' '), Ok(code)) = (line.as_bytes().get(3), line[..3].parse()) {
                return (code, first);
            }
        }
    }

    async fn code(&mut self) -> u16 {
        self.reply().await.0
    }
}

/// ABOR in every form that clients are known to send, and some more; the codes behind those of ABOR.
const ABORTS: &[(&str, &[Piece], &[u16])] = &[
    ("Python and Ruby", &[Urgent(b"ABOR\r\n")], &[]),
    ("urgent line end", &[Plain(b"ABOR"), Urgent(b"\r\n")], &[]),
    ("urgent line end behind it", &[Plain(b"ABOR\r\n"), Urgent(b"\r\n")], &[500]),
    ("only LF", &[Urgent(b"ABOR\n")], &[]),
    ("Synch", &[Plain(b"\xff\xf4\xff"), Urgent(b"\xf2"), Plain(b"ABOR\r\n")], &[]),
    ("Synch whole", &[Urgent(b"\xff\xf4\xff\xf2"), Plain(b"ABOR\r\n")], &[]),
    ("Synch and urgent command", &[Urgent(b"\xff\xf4\xff\xf2ABOR\r\n")], &[]),
    ("Telnet without IAC", &[Plain(b"\xf4"), Urgent(b"\xf2"), Plain(b"ABOR\r\n")], &[]),
    ("IP with IAC, DM without", &[Plain(b"\xff\xf4"), Urgent(b"\xf2"), Plain(b"ABOR\r\n")], &[]),
    ("cut at the mark", &[Urgent(b"AB"), Plain(b"OR\r\n")], &[]),
    ("many marks", &[Marks(b"ABOR\r\n")], &[]),
    (
        "marks and urgent lines",
        &[Marks(b"\xff\xf2\xff\xf2"), Urgent(b"ABOR\r\n"), Urgent(b"NOOP\r\n")],
        &[200],
    ),
];

#[tokio::test]
async fn abort_ends_a_transfer_wherever_the_mark_stands() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::File::create(folder.path().join("f")).unwrap().set_len(64 << 20).unwrap();
    let server = start(builder(folder.path())).await;
    for (name, pieces, behind) in ABORTS {
        let mut peer = Peer::login(&server).await;
        peer.send(&[Plain(b"EPSV\r\n")]).await;
        let (code, text) = peer.reply().await;
        let port: u16 = text.split('|').nth(3).unwrap().parse().unwrap();
        assert_eq!(code, 229);
        let mut data = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
        peer.send(&[Plain(b"RETR f\r\n")]).await;
        assert_eq!(peer.code().await, 150);
        data.read_exact(&mut [0; 1000]).await.unwrap();
        peer.send(pieces).await;
        assert_eq!((peer.code().await, peer.code().await), (426, 226), "{name}");
        for code in *behind {
            assert_eq!(peer.code().await, *code, "{name}");
        }
        peer.send(&[Plain(b"NOOP\r\n")]).await;
        assert_eq!(peer.code().await, 200, "{name}");
    }
}

#[tokio::test]
async fn urgent_commands_are_answered_without_a_transfer_and_before_login() {
    let folder = tempfile::tempdir().unwrap();
    let server = start(builder(folder.path())).await;
    for (name, pieces, behind) in ABORTS {
        for mut peer in [Peer::connect(&server).await, Peer::login(&server).await] {
            peer.send(pieces).await;
            assert_eq!(peer.code().await, 226, "{name}");
            for code in *behind {
                assert_eq!(peer.code().await, *code, "{name}");
            }
        }
    }
    let mut peer = Peer::connect(&server).await;
    for (pieces, codes) in [
        (&[Urgent(b"USER me\r\n")][..], &[331][..]),
        (&[Urgent(b"PASS secret\r\n")], &[230]),
        (&[Urgent(b"STAT\r\n")], &[211]),
        (&[Urgent(b"NOOP\r\n")], &[200]),
        (&[Plain(b"NOOP\r\n"), Urgent(b"STAT\r\n")], &[200, 211]),
        (&[Urgent(b"NOOP\r\n"), Urgent(b"STAT\r\n"), Urgent(b"SYST\r\n")], &[200, 211, 215]),
        (&[Plain(b"NOOP\r\nN"), Urgent(b"O"), Plain(b"OP\r\nSYST\r\n")], &[200, 200, 215]),
        (&[Plain(b"\xf4\xf2STAT\r\n")], &[211]),
        (&[Plain(b"\xf4"), Urgent(b"\xf2"), Plain(b"QUIT\r\n")], &[221]),
    ] {
        peer.send(pieces).await;
        for code in codes {
            assert_eq!(peer.code().await, *code);
        }
    }
}
