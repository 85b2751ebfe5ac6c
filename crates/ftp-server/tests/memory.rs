//! What one session may hold. A program of its own: nothing else takes memory while it measures.
#![cfg(all(feature = "ring", target_os = "linux"))]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a failure is the test's failure"
)]

mod client;

use std::time::Duration;

use client::{Client, Profile, builder, start};
use ftp_server::proto::session::{Plain, Policy};

/// Resident octets of this process.
fn resident() -> usize {
    let status = std::fs::read_to_string("/proc/self/statm").unwrap();
    status.split(' ').nth(1).unwrap().parse::<usize>().unwrap() * 4096
}

#[tokio::test]
async fn a_client_that_reads_nothing_makes_its_session_hold_little() {
    const MOST: usize = 4 << 20;
    let folder = tempfile::tempdir().unwrap();
    for index in 0..2000 {
        std::fs::write(folder.path().join(format!("a-name-that-is-rather-long-for-a-file-{index:064}")), "")
            .unwrap();
    }
    let policy = Policy::default().plain(Plain::Allow).accept(Duration::from_secs(60));
    let server = start(builder(folder.path()).policy(policy)).await;
    for (line, count) in [("STAT /", 250), ("STAT", 10_000), ("NOOP", 10_000), ("EPSV", 10_000)] {
        let mut client = Client::login(&server, Profile::Plain).await;
        client.epsv().await;
        assert!(client.command("STAT /").await.1.len() > 200_000, "the listing is a large one");
        let before = resident();
        let lines =
            [b"LIST\r\n".to_vec(), format!("{line}\r\n").repeat(count).into_bytes(), b"ABOR\r\n".to_vec()];
        // What the server does not read any more stays here.
        let sending = client.send_raw(&lines.concat()).await;
        let mut most = 0;
        for _ in 0..20 {
            tokio::time::sleep(Duration::from_millis(50)).await;
            most = most.max(resident().saturating_sub(before));
        }
        assert!(most < MOST, "{count} times {line}: {most} octets");
        drop((sending, client));
    }
}
