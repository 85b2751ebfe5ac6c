//! `ftp-server partial`, beside a server and without.
#![cfg(feature = "daemon")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a failure is the test's failure"
)]

use std::path::Path;
use std::process::Command;

use ftp_server::storage::{Create, Left, LocalOptions, LocalStorage, Storage, VPath};

fn at(path: &str) -> VPath {
    VPath::new(path).unwrap()
}

/// What the command prints, or how it complains.
fn partial(args: &[&str], folder: &Path) -> Result<String, String> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ftp-server"));
    let (what, more) = args.split_first().unwrap();
    let output = command.arg("partial").arg(what).arg(folder).args(more).output().unwrap();
    match output.status.success() {
        true => Ok(String::from_utf8(output.stdout).unwrap()),
        false => Err(String::from_utf8(output.stderr).unwrap()),
    }
}

async fn break_off(storage: &LocalStorage, file: &str, data: &[u8]) {
    let mut sink = storage.write(&at(file), Create::Replace).await.unwrap().sink;
    sink.write(data.to_vec()).await.unwrap();
    assert_eq!(sink.abandon().await, Left::Kept(data.len() as u64));
}

#[tokio::test]
async fn what_is_kept_is_listed_published_and_dropped() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    std::fs::create_dir(root.join("d")).unwrap();
    let me = LocalStorage::new(root, LocalOptions::default().owner("/me")).unwrap();
    let guest = me.for_owner("example.org/guest");
    break_off(&me, "/d/mine", b"first half").await;
    break_off(&guest, "/theirs", b"1234").await;
    let listed = partial(&["list"], root).unwrap();
    assert!(listed.contains("\"d/mine\" of me: 10 octets"), "{listed}");
    assert!(listed.contains("\"theirs\" of guest at example.org: 4 octets"), "{listed}");

    let under_way = me.write(&at("/d/mine"), Create::Append).await.unwrap();
    for what in ["publish", "drop"] {
        let busy = partial(&[what, "d/mine", "--user", "me"], root).unwrap_err();
        assert!(busy.contains("busy"), "{what}: {busy}");
    }
    drop(under_way);
    let other = partial(&["publish", "d/mine", "--user", "guest"], root).unwrap_err();
    assert!(other.contains("nothing is kept"), "{other}");
    assert_eq!(partial(&["publish", "/d/mine", "--user", "me"], root).unwrap(), "/d/mine: 10 octets\n");
    assert_eq!(std::fs::read(root.join("d/mine")).unwrap(), b"first half");

    break_off(&me, "/d/mine", b"another").await;
    let taken = partial(&["publish", "d/mine", "--user", "me"], root).unwrap_err();
    assert!(taken.contains("already exists"), "{taken}");
    partial(&["drop", "d/mine", "--user", "me"], root).unwrap();
    partial(&["drop", "theirs", "--user", "guest", "--host", "Example.org"], root).unwrap();
    assert_eq!(std::fs::read(root.join("d/mine")).unwrap(), b"first half");
    assert_eq!(partial(&["list"], root).unwrap(), "");
    let mut names = std::fs::read_dir(root).unwrap().map(|entry| entry.unwrap().file_name());
    assert_eq!((names.next(), names.next()), (Some("d".into()), None), "nothing is left");
}
