//! Hidden names of uploads under way, where the file system has no nameless files, and what removes them.
//!
//! Not here: how an upload is staged and published (`publish.rs`).

use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::time::SystemTime;

/// How names of uploads under way begin. No command sees them and no listing shows them.
const STAGING: &[u8] = b".ftp-upload-";

/// Whether a name belongs to an upload under way.
pub(super) fn is_staging(name: &[u8]) -> bool {
    name.starts_with(STAGING)
}

/// Removes what uploads have left that were last written to before `before`; returns how many.
pub(super) fn sweep(dir: &Path, before: SystemTime) -> usize {
    let Ok(entries) = std::fs::read_dir(dir) else { return 0 };
    let mut removed = 0;
    for entry in entries.flatten() {
        match entry.file_type() {
            Ok(kind) if kind.is_dir() => removed += sweep(&entry.path(), before),
            Ok(kind) if kind.is_file() && is_staging(entry.file_name().as_bytes()) => {
                // An upload that is under way was written to since this process began.
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
