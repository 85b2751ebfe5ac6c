//! Rights, a letter at a time, where one letter could do what another is for.
#![cfg(feature = "ring")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a failure is the test's failure"
)]

mod client;

use std::fs;
use std::path::Path;
use std::sync::Arc;

use client::{Client, Profile, TestServer, builder_for, start};
use ftp_server::auth::{Account, Rights};
use ftp_server::storage::{LocalOptions, LocalStorage};

async fn with(rights: &str, folder: &Path) -> (TestServer, Client) {
    let storage = LocalStorage::new(folder, LocalOptions::default()).unwrap();
    let server = start(builder_for(Account::new(Rights::parse(rights).unwrap(), Arc::new(storage)))).await;
    let client = Client::login(&server, Profile::Plain).await;
    (server, client)
}

/// RNTO over something deletes it: that takes `d`, or `w`, which replaces too.
#[tokio::test]
async fn a_rename_replaces_only_what_its_user_may_replace() {
    for (rights, code) in [("f", 553), ("fl", 553), ("fa", 553), ("fd", 250), ("fw", 250)] {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("f"), "f").unwrap();
        fs::write(folder.path().join("g"), "g").unwrap();
        let (_server, mut client) = with(rights, folder.path()).await;
        assert_eq!(client.command("RNFR f").await.0, 350, "{rights}");
        assert_eq!(client.command("RNTO g").await.0, code, "{rights}");
        let kept = if code == 250 { "f" } else { "g" };
        assert_eq!(fs::read_to_string(folder.path().join("g")).unwrap(), kept, "{rights}");
        // A free name, and its own.
        for name in ["g", "h"] {
            assert_eq!(client.command(&format!("RNFR {name}")).await.0, 350, "{rights}");
            assert_eq!(client.command("RNTO h").await.0, 250, "{rights}");
        }
    }
}

/// APPE adds with `a`; a new file takes `w`.
#[tokio::test]
async fn an_append_makes_a_file_only_for_who_may_write() {
    for (rights, code) in [("a", 550), ("al", 550), ("aw", 226)] {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("f"), "f").unwrap();
        let (_server, mut client) = with(rights, folder.path()).await;
        assert_eq!(client.upload("APPE new", b"x").await.0, code, "{rights}");
        assert_eq!(folder.path().join("new").exists(), code == 226, "{rights}");
        assert_eq!(client.upload("APPE f", b"g").await.0, 226, "{rights}");
        assert_eq!(fs::read_to_string(folder.path().join("f")).unwrap(), "fg", "{rights}");
    }
}

/// AVBL tells of a directory, with an argument and without: it takes `l`.
#[tokio::test]
async fn free_space_is_told_to_who_may_list() {
    for (rights, code) in [("e", 550), ("el", 213)] {
        let folder = tempfile::tempdir().unwrap();
        let (_server, mut client) = with(rights, folder.path()).await;
        assert_eq!(client.command("AVBL").await.0, code, "{rights}");
        assert_eq!(client.command("AVBL /").await.0, code, "{rights}");
    }
}
