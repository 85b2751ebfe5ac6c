//! A file on its way to its name: one without a name (`O_TMPFILE`), or a hidden one where the file system cannot have such, or
//! cannot give it a name; and each way in which the file systems of this world let it have the name that clients know.
//!
//! ```text
//! Nameless ──link──────────────────────────────────────> the name, if that is free
//!    └──link, or copied──> Hidden ──rename, or link──────> the name
//!                            └──> Kept, beside the name, for its owner
//! ```
//!
//! Whoever has a draft holds the lock of its file (flock(2)) as soon as that has a name, so that no sweep takes it for one that
//! a killed process has left. Not here: what is written to it, and what becomes of it (`publish.rs`).

use std::ffi::OsStr;
use std::fs::File;
use std::io::Seek;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::fs::{AtFlags, Gid, Mode, OFlags, RenameFlags, Uid};
use rustix::io::Errno;

use crate::storage::StorageError;
use crate::storage::local::host::refusal;
use crate::storage::local::staging::{hold, staging_name};

/// Whether a nameless file can be given a name where a folder lies. Until one cannot, that is taken for granted.
#[derive(Debug, Default)]
pub(super) struct Unlinkable(AtomicBool);

/// The name that a file has until it is published.
#[derive(Debug)]
enum Interim {
    /// None (`O_TMPFILE`).
    Nameless,
    /// A hidden one, which goes with the upload.
    Hidden(Vec<u8>),
    /// The one under which it is kept for its owner, which stays.
    Kept(Vec<u8>),
}

/// What a name has to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wanted {
    /// Free.
    Free,
    /// Free, as it was; an old version that has come meanwhile goes.
    Any,
    /// That of an old version, which goes.
    Taken,
}

/// A file on its way to its name.
#[derive(Debug)]
pub(super) struct Draft {
    pub(super) file: File,
    interim: Interim,
}

fn os(name: &[u8]) -> &OsStr {
    OsStr::from_bytes(name)
}

impl Draft {
    /// A new file in `dir`, without a name if that is possible.
    pub(super) fn new(dir: &OwnedFd, unlinkable: &Unlinkable) -> Result<Self, StorageError> {
        // Also for reading: what is staged may be looked at before it has its name.
        let flags = OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC;
        if !unlinkable.0.load(Ordering::Relaxed)
            && let Ok(fd) = rustix::fs::openat(dir, c".", flags, Mode::from_raw_mode(0o666))
        {
            return Ok(Self { file: File::from(fd), interim: Interim::Nameless });
        }
        // Whatever was wrong with that: if it is wrong with every file, the next error says so.
        Self::hidden(dir)
    }

    /// A new file under a hidden name.
    fn hidden(dir: &OwnedFd) -> Result<Self, StorageError> {
        let flags = OFlags::CREATE | OFlags::EXCL | OFlags::RDWR | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        loop {
            let name = staging_name();
            let fd =
                rustix::fs::openat(dir, os(&name), flags, Mode::from_raw_mode(0o666)).map_err(refusal)?;
            let held = hold(&fd);
            // A sweep that comes before the lock takes it. Where there are no locks, no sweep takes anything.
            let is_lost =
                held == Err(Errno::WOULDBLOCK) || rustix::fs::fstat(&fd).map_err(refusal)?.st_nlink == 0;
            if !is_lost {
                return Ok(Self { file: File::from(fd), interim: Interim::Hidden(name) });
            }
        }
    }

    /// What is kept under that name, and held.
    pub(super) fn kept(file: File, name: Vec<u8>) -> Self {
        Self { file, interim: Interim::Kept(name) }
    }

    /// Whether it stays under a hidden name if it gets no other.
    pub(super) fn is_kept(&self) -> bool {
        matches!(self.interim, Interim::Kept(_))
    }

    /// Gives it its name in one step. What is in the way of a name that has to be free is refused as `EXIST`.
    pub(super) fn publish(
        &mut self,
        dir: &OwnedFd,
        name: &[u8],
        wanted: Wanted,
        unlinkable: &Unlinkable,
    ) -> Result<(), Errno> {
        if let Interim::Nameless = self.interim {
            let linked = if wanted == Wanted::Taken { Err(Errno::EXIST) } else { self.link(dir, name) };
            match linked {
                Ok(()) => {
                    announce(dir, name);
                    return Ok(());
                }
                Err(Errno::EXIST) if wanted == Wanted::Free => return Err(Errno::EXIST),
                Err(_) => self.hide(dir, unlinkable)?,
            }
        }
        let (Interim::Hidden(hidden) | Interim::Kept(hidden)) = &self.interim else { return Ok(()) };
        match wanted {
            Wanted::Any | Wanted::Taken => rustix::fs::renameat(dir, os(hidden), dir, os(name))?,
            Wanted::Free => rename_to_free(dir, os(hidden), os(name))?,
        }
        self.interim = Interim::Nameless;
        Ok(())
    }

    /// Lets it stay under the hidden name of what is kept, in place of what has that.
    pub(super) fn keep(
        &mut self,
        dir: &OwnedFd,
        name: Vec<u8>,
        unlinkable: &Unlinkable,
    ) -> Result<(), StorageError> {
        // What cannot be held cannot be gone on with: two might do it at once.
        hold(&self.file).map_err(refusal)?;
        if let Interim::Nameless = self.interim {
            self.hide(dir, unlinkable).map_err(refusal)?;
        }
        if let Interim::Hidden(hidden) = &self.interim {
            rustix::fs::renameat(dir, os(hidden), dir, os(&name)).map_err(refusal)?;
            self.interim = Interim::Kept(name);
        }
        Ok(())
    }

    /// Takes its hidden name away, if it has one; what cannot be removed now, a sweep removes.
    pub(super) fn forget(&mut self, dir: &OwnedFd) {
        if let Interim::Hidden(name) | Interim::Kept(name) = &self.interim {
            let _refused = rustix::fs::unlinkat(dir, os(name), AtFlags::empty());
        }
        self.interim = Interim::Nameless;
    }

    /// Gives the nameless file a name that must be free.
    fn link(&self, dir: &OwnedFd, name: &[u8]) -> Result<(), Errno> {
        match rustix::fs::linkat(&self.file, c"", dir, os(name), AtFlags::EMPTY_PATH) {
            // Before Linux 6.10 only the privileged may.
            Err(Errno::NOENT) => {
                let own = format!("/proc/self/fd/{}", self.file.as_raw_fd());
                rustix::fs::linkat(rustix::fs::CWD, own, dir, os(name), AtFlags::SYMLINK_FOLLOW)
            }
            done => done,
        }
    }

    /// Gives the nameless file a hidden name; where that cannot be, a copy of it has one, and later ones have from the start.
    fn hide(&mut self, dir: &OwnedFd, unlinkable: &Unlinkable) -> Result<(), Errno> {
        let name = staging_name();
        let _unlocked = hold(&self.file);
        match self.link(dir, &name) {
            Ok(()) => self.interim = Interim::Hidden(name),
            Err(full @ (Errno::NOSPC | Errno::DQUOT)) => return Err(full),
            Err(refused) => {
                let mut copy = Self::hidden(dir).map_err(|_| refused)?;
                if let Err(error) = copy.become_like(&self.file) {
                    copy.forget(dir);
                    return Err(Errno::from_io_error(&error).unwrap_or(refused));
                }
                unlinkable.0.store(true, Ordering::Relaxed);
                *self = copy;
            }
        }
        Ok(())
    }

    /// Takes everything over from a file that is finished but for its name.
    fn become_like(&mut self, mut file: &File) -> std::io::Result<()> {
        file.rewind()?;
        std::io::copy(&mut file, &mut self.file)?;
        let stat = rustix::fs::fstat(file)?;
        // As when the other one was made: without the right it stays with this process.
        let (owner, group) = (Uid::from_raw(stat.st_uid), Gid::from_raw(stat.st_gid));
        let _refused = rustix::fs::fchown(&self.file, Some(owner), Some(group));
        rustix::fs::fchmod(&self.file, Mode::from_raw_mode(stat.st_mode & 0o7777))?;
        self.file.sync_all()
    }
}

/// Renames to a name that has to be free: in one step where the file system knows how; else by a second name, and where it has
/// no such, by taking the name first. What refuses one way and would refuse all of them is said by the last.
fn rename_to_free(dir: &OwnedFd, from: &OsStr, to: &OsStr) -> Result<(), Errno> {
    match rustix::fs::renameat_with(dir, from, dir, to, RenameFlags::NOREPLACE) {
        Err(errno) if errno != Errno::EXIST => {}
        done => return done,
    }
    match by_link(dir, from, to) {
        Err(errno) if errno != Errno::EXIST => by_taking_it(dir, from, to),
        done => done,
    }
}

fn by_link(dir: &OwnedFd, from: &OsStr, to: &OsStr) -> Result<(), Errno> {
    rustix::fs::linkat(dir, from, dir, to, AtFlags::empty())?;
    // It has its name; what cannot be removed now, a sweep removes.
    let _refused = rustix::fs::unlinkat(dir, from, AtFlags::empty());
    announce(dir, to.as_bytes());
    Ok(())
}

fn by_taking_it(dir: &OwnedFd, from: &OsStr, to: &OsStr) -> Result<(), Errno> {
    let flags = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    drop(rustix::fs::openat(dir, to, flags, Mode::from_raw_mode(0o666))?);
    rustix::fs::renameat(dir, from, dir, to).inspect_err(|_| {
        let _refused = rustix::fs::unlinkat(dir, to, AtFlags::empty());
    })
}

/// Tells programs that watch the directory (inotify) that a file is whole: they wait for one that was open for writing and is
/// closed (`IN_CLOSE_WRITE`), or that came by a rename, and a link is neither.
fn announce(dir: &OwnedFd, name: &[u8]) {
    let flags = OFlags::WRONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    drop(rustix::fs::openat(dir, os(name), flags, Mode::empty()));
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use std::path::Path;

    fn open(folder: &Path) -> OwnedFd {
        rustix::fs::open(folder, OFlags::PATH | OFlags::DIRECTORY, Mode::empty()).unwrap()
    }

    fn names(folder: &Path) -> Vec<String> {
        let names = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name());
        let mut names: Vec<_> = names.map(|name| name.into_string().unwrap()).collect();
        names.sort();
        names
    }

    /// Every way in which a hidden file gets a name that has to be free: as on ext4, on NFS, and where there are no links.
    #[test]
    fn a_name_that_has_to_be_free_is_never_taken_from_another_file() {
        for way in [rename_to_free, by_link, by_taking_it] {
            let folder = tempfile::tempdir().unwrap();
            let dir = open(folder.path());
            let at = |name: &str| folder.path().join(name);
            std::fs::write(at("hidden"), "new").unwrap();
            std::fs::write(at("taken"), "old").unwrap();
            assert_eq!(way(&dir, os(b"hidden"), os(b"taken")), Err(Errno::EXIST));
            assert_eq!(std::fs::read(at("taken")).unwrap(), b"old");
            way(&dir, os(b"hidden"), os(b"free")).unwrap();
            assert_eq!(std::fs::read(at("free")).unwrap(), b"new");
            assert_eq!(names(folder.path()), ["free", "taken"]);
            assert!(way(&dir, os(b"gone"), os(b"never")).is_err());
            assert_eq!(names(folder.path()), ["free", "taken"], "nothing is left of a failure");
        }
    }

    /// A nameless file that cannot be linked, which one opened with `O_EXCL` is everywhere.
    #[test]
    fn a_file_that_cannot_have_a_name_has_a_copy_that_can() {
        for (wanted, old) in [(Wanted::Free, None), (Wanted::Any, None), (Wanted::Taken, Some("old"))] {
            let folder = tempfile::tempdir().unwrap();
            let dir = open(folder.path());
            if let Some(old) = old {
                std::fs::write(folder.path().join("name"), old).unwrap();
            }
            let flags = OFlags::TMPFILE | OFlags::EXCL | OFlags::RDWR;
            let fd = rustix::fs::openat(&dir, c".", flags, Mode::from_raw_mode(0o640)).unwrap();
            let mut draft = Draft { file: File::from(fd), interim: Interim::Nameless };
            draft.file.write_all(b"all of it").unwrap();
            let unlinkable = Unlinkable::default();
            draft.publish(&dir, b"name", wanted, &unlinkable).unwrap();
            assert_eq!(std::fs::read(folder.path().join("name")).unwrap(), b"all of it");
            assert_eq!(rustix::fs::fstat(&draft.file).unwrap().st_mode & 0o777, 0o640);
            assert_eq!(names(folder.path()), ["name"]);
            let mut next = Draft::new(&dir, &unlinkable).unwrap();
            assert_eq!(names(folder.path()).len(), 2, "later ones have a hidden name from the start");
            next.publish(&dir, b"next", Wanted::Free, &unlinkable).unwrap();
            let third = Draft::new(&dir, &unlinkable).unwrap();
            assert_eq!(crate::storage::local::staging::sweep(folder.path(), std::time::Duration::ZERO), 0);
            drop(third);
            assert_eq!(crate::storage::local::staging::sweep(folder.path(), std::time::Duration::ZERO), 1);
            assert_eq!(names(folder.path()), ["name", "next"]);
        }
    }
}
