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

use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::sync::Arc;

use client::{Client, Profile, builder, builder_for, start};
use ftp_server::auth::{Account, Rights};
use ftp_server::proto::value::path::VPath;
use ftp_server::storage::{LocalOptions, LocalStorage};
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

/// What a client sends would run with the rights of whom the old file belonged to.
#[tokio::test]
async fn no_content_comes_in_under_a_set_user_id_bit() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("live")).unwrap();
    let options = LocalOptions::default().live(vec![VPath::new("/live").unwrap()]);
    let storage = LocalStorage::new(folder.path(), options).unwrap();
    let server = start(builder_for(Account::new(Rights::ALL, Arc::new(storage)))).await;
    let mut client = Client::login(&server, Profile::Plain).await;
    for mode in [0o4755, 0o2755, 0o6711] {
        for (name, commands, code, content) in [
            ("tool", &["STOR tool"][..], 226, &b"octets of a client"[..]),
            ("live/tool", &["STOR live/tool"], 553, b"tool"),
            ("tool", &["APPE tool"], 550, b"tool"),
            ("tool", &["REST 4", "STOR tool"], 553, b"tool"),
            // Before the end of the file a copy is changed, which has no such bit.
            ("tool", &["REST 2", "STOR tool"], 226, b"tooctets of a client"),
        ] {
            let path = folder.path().join(name);
            std::fs::write(&path, "tool").unwrap();
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
            let (last, first) = commands.split_last().unwrap();
            for command in first {
                client.command(command).await;
            }
            assert_eq!(client.upload(last, b"octets of a client").await.0, code, "{commands:?}");
            let now = path.metadata().unwrap().mode() & 0o7777;
            let wanted = if code == 226 { mode & 0o777 } else { mode };
            assert_eq!(std::fs::read(&path).unwrap(), content, "{commands:?} {mode:o}");
            assert_eq!(now, wanted, "{commands:?} {mode:o}");
        }
    }
}

#[tokio::test]
async fn what_is_neither_file_nor_directory_is_refused_for_good() {
    let folder = strange_tree();
    let server = start(builder(folder.path())).await;
    let mut client = Client::login(&server, Profile::Plain).await;
    for name in ["fifo", "sock"] {
        for verb in ["SIZE", "XMD5", "HASH"] {
            let (code, text) = client.command(&format!("{verb} tree/{name}")).await;
            assert!(code == 550 && text.contains("neither a file nor a directory"), "{verb}: {text}");
        }
        assert_eq!(client.download(&format!("RETR tree/{name}")).await.1, 550, "{name}");
        assert_eq!(client.upload(&format!("STOR tree/{name}"), b"x").await.0, 553, "{name}");
        assert_eq!(client.upload(&format!("APPE tree/{name}"), b"x").await.0, 550, "{name}");
    }
}

#[tokio::test]
async fn a_directory_that_only_looks_empty_says_so() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("d")).unwrap();
    std::fs::write(folder.path().join("d/a\tb"), "").unwrap();
    let server = start(builder(folder.path())).await;
    let mut client = Client::login(&server, Profile::Plain).await;
    assert_eq!(client.download("MLSD d").await.0, b"");
    let (code, text) = client.command("RMD d").await;
    assert!(code == 550 && text.contains("entries that no listing can show"), "{text}");
    std::fs::write(folder.path().join("d/shown"), "").unwrap();
    let (code, text) = client.command("RMD d").await;
    assert!(code == 550 && text.contains("not empty"), "{text}");
}

/// draft-somers-ftp-mfxx §3: the reply tells the time that is set, and ext4 and others know no year 9999.
#[tokio::test]
async fn a_time_that_is_confirmed_is_the_time_that_is_set() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("f"), "").unwrap();
    let server = start(builder(folder.path())).await;
    let mut client = Client::login(&server, Profile::Plain).await;
    for (command, code) in [("MFMT ", 213), ("MFF Modify=", 213), ("SITE UTIME ", 200)] {
        for time in ["20020717210715", "99991231235959", "18000101000000"] {
            let end = if command.contains('=') { "; f" } else { " f" };
            let (got, text) = client.command(&format!("{command}{time}{end}")).await;
            assert_eq!(got, code, "{text}");
            let set = client.command("MDTM f").await.1;
            let set = set.split_once(' ').map_or(set.as_str(), |(_, time)| time).trim().to_owned();
            assert!(text.contains(&set), "{command}{time}: {text}, and MDTM says {set}");
        }
    }
}

/// A folder that is away is no reason to refuse others, and one that was made again serves without a restart.
#[tokio::test]
async fn a_folder_is_opened_at_login_and_one_that_is_gone_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let home = folder.path().join("home");
    let storage = LocalStorage::opened_at_login(&home, LocalOptions::default());
    let server = start(builder_for(Account::new(Rights::ALL, Arc::new(storage)))).await;
    let mut early = Client::connect(&server, Profile::Plain).await;
    early.command("USER me").await;
    let (code, text) = early.command("PASS secret").await;
    assert!(code == 530 && text.contains("folder") && !text.contains("home"), "{text}");
    std::fs::create_dir(&home).unwrap();
    let mut client = Client::login(&server, Profile::Plain).await;
    assert_eq!(client.upload("STOR f", b"x").await.0, 226);
    std::fs::remove_dir_all(&home).unwrap();
    for command in ["CWD /", "MLST", "MKD d", "RNFR f", "SIZE f"] {
        let (code, text) = client.command(command).await;
        assert!(code == 550 && text.contains("folder on the server is gone"), "{command}: {text}");
    }
    for command in ["LIST", "MLSD", "NLST", "RETR f"] {
        assert_eq!(client.download(command).await.1, 550, "{command}");
    }
    assert_eq!(client.upload("STOR f", b"x").await.0, 553);
    std::fs::create_dir(&home).unwrap();
    assert_eq!(client.upload("STOR f", b"x").await.0, 226);
    assert!(home.join("f").exists());
}
