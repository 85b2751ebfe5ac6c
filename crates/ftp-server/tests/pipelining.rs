//! Commands that come faster than they can be answered: in order, bounded, and ABOR is seen behind all of them.
#![cfg(feature = "ring")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a failure is the test's failure"
)]

mod client;

use std::time::{Duration, Instant};

use client::{Client, Profile, TestServer, builder, start};
use ftp_server::Options;
use ftp_server::proto::session::{Plain, Policy};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// A server with short lines, whose sessions may err as often as they like and wait so long for data connections.
async fn patient(folder: &std::path::Path, accept: Duration) -> TestServer {
    let policy = Policy::default().plain(Plain::Allow).accept(accept).errors(u32::MAX);
    let options = Options::default().line_max(64);
    start(builder(folder).policy(policy).options(options)).await
}

/// Sends everything on a connection that is logged in, then QUIT, and reads to the end; the codes of all replies.
async fn converse(server: &TestServer, lines: &[u8]) -> Vec<u16> {
    let stream = TcpStream::connect(server.explicit).await.unwrap();
    let (mut from, mut to) = stream.into_split();
    let sending = async {
        to.write_all(b"USER me\r\nPASS secret\r\nEPSV\r\n").await.unwrap();
        to.write_all(lines).await.unwrap();
        to.write_all(b"QUIT\r\n").await.unwrap();
    };
    let mut said = String::new();
    let reading = from.read_to_string(&mut said);
    let ((), read) = tokio::join!(sending, reading);
    read.unwrap();
    let is_last = |line: &&str| line.as_bytes().get(3) == Some(&b' ') && line.as_bytes()[0].is_ascii_digit();
    said.lines().filter(is_last).map(|line| line[..3].parse().unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn any_number_of_commands_behind_a_listing_is_answered_in_order() {
    let folder = tempfile::tempdir().unwrap();
    let server = patient(folder.path(), Duration::from_millis(300)).await;
    let overlong = [b'A'; 70];
    for (line, code) in [(&b"EPSV"[..], 229), (b"NOOP", 200), (&overlong, 500)] {
        for count in [120, 10_000] {
            let lines = [b"LIST\r\n".to_vec(), [line, b"\r\n"].concat().repeat(count)].concat();
            let codes = converse(&server, &lines).await;
            assert_eq!(codes[..5], [220, 331, 230, 229, 425]);
            assert_eq!(codes[5..codes.len() - 1], vec![code; count], "{count} times");
            assert_eq!(codes.last(), Some(&221));
        }
    }
    // STAT is answered in the midst of the listing, and all the same once each.
    let codes = converse(&server, &[b"LIST\r\n".to_vec(), b"STAT\r\n".repeat(10_000)].concat()).await;
    assert_eq!(codes.iter().filter(|code| **code == 211).count(), 10_000);
    assert_eq!(codes.iter().filter(|code| **code == 425).count(), 1);
}

#[tokio::test]
async fn what_waits_is_answered_in_the_order_in_which_it_came() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("f"), "x").unwrap();
    let server = patient(folder.path(), Duration::from_millis(300)).await;
    let overlong = [&[b'A'; 70][..], b"\r\n"].concat();
    let lines =
        [b"LIST\r\nNOOP\r\n".to_vec(), overlong, b"EPSV\r\nSTAT f\r\nPWD\r\nNLST\r\nSYST\r\n".to_vec()];
    let codes = converse(&server, &lines.concat()).await;
    assert_eq!(codes, [220, 331, 230, 229, 425, 200, 500, 229, 213, 257, 425, 215, 221]);
}

#[tokio::test]
async fn abor_is_seen_behind_commands_that_wait() {
    let folder = tempfile::tempdir().unwrap();
    let server = patient(folder.path(), Duration::from_secs(60)).await;
    for count in [256, 10_000] {
        let mut client = Client::login(&server, Profile::Plain).await;
        client.epsv().await;
        let began = Instant::now();
        client
            .send_raw(&[b"LIST\r\n".to_vec(), b"NOOP\r\n".repeat(count), b"ABOR\r\n".to_vec()].concat())
            .await;
        assert_eq!((client.reply().await.0, client.reply().await.0), (425, 226), "behind {count}");
        assert!(began.elapsed() < Duration::from_secs(10));
        for _ in 0..count {
            assert_eq!(client.reply().await.0, 200);
        }
    }
}
