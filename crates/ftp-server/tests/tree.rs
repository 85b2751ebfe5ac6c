//! What a tree of the host looks like from outside: links, pipes, sockets, folders that go away.
#![cfg(feature = "ring")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a failure is the test's failure"
)]

mod client;

use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;
use std::path::Path;

use client::{Client, Profile, builder, start};
use rustix::fs::{CWD, FileType, Mode, mknodat};

/// The line of a listing that ends with a name.
fn line_of(listing: &[u8], name: &str) -> String {
    let listing = String::from_utf8(listing.to_vec()).unwrap();
    let end = format!(" {name}");
    let line = listing.lines().find(|line| line.ends_with(&end));
    line.unwrap_or_else(|| panic!("{name} is not in {listing}")).to_owned()
}

fn fifo(path: &Path) {
    mknodat(CWD, path, FileType::Fifo, Mode::from_raw_mode(0o644), 0).unwrap();
}

/// A tree with everything that is neither file nor directory, beside a file that must stay.
fn strange_tree() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    std::fs::create_dir(root.join("real")).unwrap();
    std::fs::write(root.join("real/keep.txt"), "kept").unwrap();
    std::fs::create_dir(root.join("tree")).unwrap();
    for (target, link) in [
        ("../real", "link"),
        ("../real/keep.txt", "file"),
        ("nowhere", "dang"),
        (".", "self"),
        ("round", "round"),
        ("/etc", "out"),
    ] {
        symlink(target, root.join("tree").join(link)).unwrap();
    }
    fifo(&root.join("tree/fifo"));
    drop(UnixListener::bind(root.join("tree/sock")).unwrap());
    folder
}

/// A client that takes a link for a directory goes through it, and deletes what is there (RFC 3659 §7.5.1.5).
#[tokio::test]
async fn links_are_shown_as_links_and_other_things_as_what_they_are() {
    let folder = strange_tree();
    let server = start(builder(folder.path())).await;
    let mut client = Client::login(&server, Profile::Plain).await;
    let (facts, code, _) = client.download("MLSD tree").await;
    assert_eq!(code, 226);
    let (lines, ..) = client.download("LIST tree").await;
    for (name, kind, letter) in [
        ("link", "slink", 'l'),
        ("file", "slink", 'l'),
        ("dang", "slink", 'l'),
        ("self", "slink", 'l'),
        ("round", "slink", 'l'),
        ("out", "slink", 'l'),
        ("fifo", "fifo", 'p'),
        ("sock", "sock", 's'),
    ] {
        let fact = line_of(&facts, name).to_ascii_lowercase();
        assert!(fact.contains(&format!("type=os.unix={kind};")) && fact.contains("perm=df;"), "{fact}");
        assert!(!fact.contains("size="), "{fact}");
        let line = line_of(&lines, name);
        assert!(line.starts_with(letter), "{line}");
        let (code, text) = client.command(&format!("MLST tree/{name}")).await;
        assert!(code == 250 && text.to_ascii_lowercase().contains(&format!("os.unix={kind};")), "{text}");
    }
    for name in ["dang", "round", "out", "file"] {
        let (line, ..) = client.download(&format!("LIST tree/{name}")).await;
        assert!(line_of(&line, name).starts_with('l'));
        assert_eq!(
            client.download(&format!("NLST tree/{name}")).await.0,
            format!("tree/{name}\r\n").as_bytes()
        );
    }
    assert_eq!(client.download("LIST tree/none").await.1, 550);
}

#[tokio::test]
async fn links_lead_where_they_lead_and_are_removed_themselves() {
    let folder = strange_tree();
    let server = start(builder(folder.path())).await;
    let mut client = Client::login(&server, Profile::Plain).await;
    assert_eq!(client.download("RETR tree/file").await.0, b"kept");
    assert_eq!(client.command("SIZE tree/file").await.0, 213);
    assert_eq!(client.command("CWD tree/link").await.0, 250);
    let (code, text) = client.command("MLST").await;
    assert!(code == 250 && text.to_ascii_lowercase().contains("type=dir;"), "{text}");
    assert!(line_of(&client.download("LIST").await.0, "keep.txt").starts_with('-'));
    client.command("CWD /").await;
    for name in ["dang", "out"] {
        assert_eq!(client.command(&format!("RNFR tree/{name}")).await.0, 350, "{name}");
        assert_eq!(client.command(&format!("RNTO tree/{name}-2")).await.0, 250, "{name}");
    }
    for command in ["RMD tree/link", "RMD tree/self", "RMD tree/out-2", "DELE tree/file", "DELE tree/dang-2"]
    {
        assert_eq!(client.command(command).await.0, 250, "{command}");
    }
    assert_eq!(client.command("RMD tree/fifo").await.0, 550);
    for command in ["DELE tree/fifo", "DELE tree/sock", "DELE tree/round", "RMD tree"] {
        assert_eq!(client.command(command).await.0, 250, "{command}");
    }
    assert_eq!(std::fs::read(folder.path().join("real/keep.txt")).unwrap(), b"kept");
}
