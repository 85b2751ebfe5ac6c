//! Hidden names beside those that clients know: of uploads under way, where the file system has no nameless files, and of
//! what is kept of broken ones; and the sweep that removes what is left of both.
//!
//! Not here: how an upload is staged and published (`publish.rs`), and how one goes on (`kept.rs`).

use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::time::SystemTime;

use sha2::{Digest, Sha256};

/// How names of uploads under way begin. No command sees them and no listing shows them.
const STAGING: &[u8] = b".ftp-upload-";
/// How names of what is kept of broken uploads begin.
const KEPT: &[u8] = b".ftp-partial-";
/// Octets of a digest that tell one owner's upload from all others in a directory.
const DIGEST: usize = 16;

/// Whether a name belongs to an upload under way, or to what is kept of one.
pub(super) fn is_staging(name: &[u8]) -> bool {
    name.starts_with(STAGING) || is_kept(name)
}

/// Whether a name belongs to what is kept of a broken upload.
pub(super) fn is_kept(name: &[u8]) -> bool {
    name.starts_with(KEPT)
}

/// Removes what was left of uploads that were last written to before `begun`, and what was kept of broken ones before
/// `expired`; returns how many.
pub(super) fn sweep(dir: &Path, begun: SystemTime, expired: SystemTime) -> usize {
    let Ok(entries) = std::fs::read_dir(dir) else { return 0 };
    let mut removed = 0;
    for entry in entries.flatten() {
        match entry.file_type() {
            Ok(kind) if kind.is_dir() => removed += sweep(&entry.path(), begun, expired),
            Ok(kind) if kind.is_file() && is_staging(entry.file_name().as_bytes()) => {
                // An upload that is under way was written to since this process began.
                let before = if is_kept(entry.file_name().as_bytes()) { expired } else { begun };
                let old = entry
                    .metadata()
                    .and_then(|metadata| metadata.modified())
                    .is_ok_and(|modified| modified < before);
                removed += usize::from(old && std::fs::remove_file(entry.path()).is_ok());
            }
            _ => {}
        }
    }
    removed
}

/// A name for an upload under way.
pub(super) fn staging_name() -> Vec<u8> {
    [STAGING, format!("{:016x}", rand::random::<u64>()).as_bytes()].concat()
}

/// The name under which a broken upload to `name` is kept for `owner`: the same after a restart, and in a directory that was
/// renamed.
pub(super) fn kept_name(owner: &str, name: &[u8]) -> Vec<u8> {
    // The length keeps one owner's names from being another's.
    let digest = Sha256::new()
        .chain_update((owner.len() as u64).to_be_bytes())
        .chain_update(owner)
        .chain_update(name)
        .finalize();
    let hex: String = digest.iter().take(DIGEST).map(|octet| format!("{octet:02x}")).collect();
    [KEPT, hex.as_bytes()].concat()
}
