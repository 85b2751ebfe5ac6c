//! What an operator is told of a partial, whose hidden name is a digest: who sent it, and what it was to be called. It is an extended
//! attribute of the file, as far as the file system has such.
//!
//! Not here: what is kept (`kept.rs`), and finding it again, which needs no label.

use std::ffi::{CStr, OsString};
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use rustix::fs::XattrFlags;

use crate::storage::local::staging::KeptFile;

const ATTRIBUTE: &CStr = c"user.ftp-server.partial";
/// Octets of an owner and of a name, which has 255 at most.
const LENGTH_MAX: usize = 1024;

/// Octets of a broken upload that are kept for its owner.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct KeptUpload {
    /// What it was to be called, as a path of the host; where that is not known, where it lies.
    pub path: PathBuf,
    /// The key of the storage that it was sent to, if that is known.
    pub owner: Option<String>,
    /// Octets that are there.
    pub octets: u64,
    /// When the last of them came.
    pub modified: SystemTime,
}

/// Labels a partial; one that cannot be labelled is as good.
pub(super) fn put(file: impl AsFd, owner: &str, name: &[u8]) {
    let label = [owner.as_bytes(), b"\0", name].concat();
    let _refused = rustix::fs::fsetxattr(file, ATTRIBUTE, &label, XattrFlags::empty());
}

/// Takes the label from what becomes a file like others.
pub(super) fn remove(file: impl AsFd) {
    let _none = rustix::fs::fremovexattr(file, ATTRIBUTE);
}

/// What is known of a partial.
pub(super) fn describe(kept: KeptFile) -> KeptUpload {
    let KeptFile { path, octets, modified } = kept;
    match read(&path) {
        Some((owner, name)) => {
            let path = path.with_file_name(OsString::from_vec(name));
            KeptUpload { path, owner: Some(owner), octets, modified }
        }
        None => KeptUpload { path, owner: None, octets, modified },
    }
}

fn read(path: &Path) -> Option<(String, Vec<u8>)> {
    let mut label = vec![0; LENGTH_MAX];
    let length = rustix::fs::lgetxattr(path, ATTRIBUTE, &mut label).ok()?;
    let end = label.iter().position(|octet| *octet == 0)?;
    let owner = String::from_utf8(label.get(..end)?.to_vec()).ok()?;
    Some((owner, label.get(end + 1..length)?.to_vec()))
}
