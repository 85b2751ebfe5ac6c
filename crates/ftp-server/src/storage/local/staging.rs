//! Hidden names beside those that clients know: of uploads under way, where the file system has no nameless files, and of
//! what is kept of broken ones; and the sweep that removes what is left of both.
//!
//! Not here: how an upload is staged and published (`publish.rs`), and how one goes on (`kept.rs`).

use std::fs::{DirEntry, File};
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use rustix::fs::{FlockOperation, Mode, OFlags};
use rustix::io::Errno;
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

/// Holds a file, until it is closed: nobody else, in this process or another, does at the same time (flock(2)).
pub(super) fn hold(file: impl AsFd) -> Result<(), Errno> {
    rustix::fs::flock(file, FlockOperation::NonBlockingLockExclusive)
}

/// Looks at each hidden file below a directory. Directories that cannot be read are passed over.
fn each_hidden(dir: &Path, look: &mut dyn FnMut(&DirEntry)) {
    let Ok(entries) = std::fs::read_dir(dir) else { return };
    for entry in entries.flatten() {
        match entry.file_type() {
            Ok(kind) if kind.is_dir() => each_hidden(&entry.path(), look),
            Ok(kind) if kind.is_file() && is_staging(entry.file_name().as_bytes()) => look(&entry),
            _ => {}
        }
    }
}

/// Removes what was left of uploads, and what was kept of broken ones for so long, unless somebody holds it; returns how many
/// files.
pub(super) fn sweep(dir: &Path, lifetime: Duration) -> usize {
    let mut removed = 0;
    each_hidden(dir, &mut |entry| {
        removed += usize::from(sweep_file(entry, lifetime).is_ok_and(|fate| fate == Fate::Removed));
    });
    removed
}

/// A file that is kept of a broken upload.
#[derive(Debug)]
pub(super) struct KeptFile {
    pub(super) path: PathBuf,
    pub(super) octets: u64,
    /// When it was last written to.
    pub(super) modified: SystemTime,
}

/// Where to look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Device {
    Any,
    Only(u64),
}

/// What is kept of broken uploads below a directory.
pub(super) fn kept_below(dir: &Path, device: Device) -> Vec<KeptFile> {
    let mut all = Vec::new();
    each_hidden(dir, &mut |entry| {
        if is_kept(entry.file_name().as_bytes())
            && let Ok(metadata) = entry.metadata()
            && [Device::Any, Device::Only(metadata.dev())].contains(&device)
            && let Ok(modified) = metadata.modified()
        {
            all.push(KeptFile { path: entry.path(), octets: metadata.len(), modified });
        }
    });
    all
}

/// Opens a hidden file, to be held.
fn open_held(path: &Path) -> std::io::Result<File> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = File::from(rustix::fs::open(path, flags, Mode::empty())?);
    hold(&file)?;
    Ok(file)
}

/// Removes what is kept of a broken upload, unless somebody holds it.
pub(super) fn remove_kept(path: &Path) -> std::io::Result<()> {
    let _held = open_held(path)?;
    std::fs::remove_file(path)
}

/// What a sweep does with a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Removed,
    Stays,
}

fn sweep_file(entry: &DirEntry, lifetime: Duration) -> std::io::Result<Fate> {
    let now = SystemTime::now();
    let age = now.duration_since(entry.metadata()?.modified()?);
    let is_kept = is_kept(entry.file_name().as_bytes());
    // Not to be in the way of a client that goes on with it just now.
    if is_kept && age.as_ref().is_ok_and(|age| *age < lifetime) {
        return Ok(Fate::Stays);
    }
    let file = open_held(&entry.path())?;
    // The clock was set back: it would be kept for longer than it should.
    if is_kept && age.is_err() {
        return file.set_modified(now).map(|()| Fate::Stays);
    }
    std::fs::remove_file(entry.path()).map(|()| Fate::Removed)
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
