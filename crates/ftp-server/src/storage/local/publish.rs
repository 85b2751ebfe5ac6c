//! How an upload becomes a file: staged beside its target, published by one rename, or not at all.
//!
//! ```text
//! Planned ──first octets, or commit──> Staged ──write──> Staged ──commit──> durable ──> linked or renamed over the target
//!    └── abandon ──> nothing, or a partial under a name that was free
//! ```
//!
//! Staging uses a file without a name (`O_TMPFILE`): whatever kills the process, nothing is left. Where the file
//! system cannot do that, a hidden name is used, which a sweep at the next start removes. The old version of a
//! file is never opened for writing and never deleted before the new one takes its name. Not here: whether it may be
//! written (`local/write.rs`).

use std::ffi::OsStr;
use std::fs::File;
use std::io::{PipeReader, Read};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use async_trait::async_trait;
use rustix::fs::{AtFlags, FileType, Mode, OFlags, RenameFlags, Stat};
use rustix::io::Errno;
use rustix::pipe::SpliceFlags;

use crate::page_cache::Medium;
use crate::storage::local::confine::Place;
use crate::storage::local::host::{blocking, io_refusal, refusal};
use crate::storage::local::options::{Durability, KeepPartial};
use crate::storage::local::read::LocalSource;
use crate::storage::local::staging::staging_name;
use crate::storage::sealed::Sealed;
use crate::storage::{Left, NotStored, Sink, Source, Splice, StorageError, Stored};

/// What is done with a finished upload, and with a broken one.
#[derive(Debug, Clone, Copy)]
pub(super) struct Terms {
    pub(super) durability: Durability,
    pub(super) keep_partial: KeepPartial,
}

/// What a finished upload does about its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Naming {
    /// It takes the name from whatever has it.
    Replace,
    /// It must still be free, as it was: APPE, and REST 0 and STOR, to nothing. A broken one may keep it.
    Fresh,
    /// It must be free: STOU, whose names nobody knows before the end.
    Unique,
}

/// A file that has no name yet, or a hidden one.
#[derive(Debug)]
pub(super) struct Staged {
    place: Place,
    file: File,
    /// The hidden name, where the file system has no `O_TMPFILE`.
    hidden: Option<Vec<u8>>,
    /// What has the name now.
    old: Option<Stat>,
    naming: Naming,
    terms: Terms,
    written: u64,
}

impl Staged {
    /// Opens a staging file beside its place.
    pub(super) fn open(Plan { place, old, naming, terms }: Plan) -> Result<Self, StorageError> {
        // Also for reading: what is staged may be looked at before it has its name.
        let flags = OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC;
        let mode = Mode::from_raw_mode(0o666);
        let (fd, hidden) = match rustix::fs::openat(&place.dir, c".", flags, mode) {
            Ok(fd) => (fd, None),
            Err(Errno::OPNOTSUPP | Errno::ISDIR | Errno::INVAL | Errno::NOENT) => {
                let name = staging_name();
                let flags = OFlags::CREATE | OFlags::EXCL | OFlags::RDWR | OFlags::NOFOLLOW | OFlags::CLOEXEC;
                let fd =
                    rustix::fs::openat(&place.dir, OsStr::from_bytes(&name), flags, mode).map_err(refusal)?;
                (fd, Some(name))
            }
            Err(errno) => return Err(refusal(errno)),
        };
        Ok(Self { place, file: File::from(fd), hidden, old, naming, terms, written: 0 })
    }

    fn write(&mut self, data: &[u8]) -> Result<(), StorageError> {
        self.file.write_all_at(data, self.written).map_err(|error| io_refusal(&error))?;
        self.written += data.len() as u64;
        Ok(())
    }

    fn take(&mut self, pipe: &PipeReader, octets: usize) -> Result<(), StorageError> {
        move_all(pipe, &self.file, &mut self.written, octets)
    }

    /// What was written so far.
    fn source(&self) -> Result<LocalSource, StorageError> {
        let file = self.file.try_clone().map_err(|error| io_refusal(&error))?;
        Ok(LocalSource::new(file, 0, self.written))
    }

    /// Writes all of an open file.
    pub(super) fn copy(&mut self, from: &mut File) -> Result<(), StorageError> {
        self.written += std::io::copy(from, &mut self.file).map_err(|error| io_refusal(&error))?;
        Ok(())
    }

    /// Mode and owner of the old file, as far as this process may set them.
    fn inherit(&self) -> Result<(), StorageError> {
        let Some(old) = &self.old else { return Ok(()) };
        let now = rustix::fs::fstat(&self.file).map_err(refusal)?;
        if (now.st_uid, now.st_gid) != (old.st_uid, old.st_gid) {
            let owner = Some(rustix::fs::Uid::from_raw(old.st_uid));
            let group = Some(rustix::fs::Gid::from_raw(old.st_gid));
            // Only root may give files away; without the right the file stays with this process.
            let _refused = rustix::fs::fchown(&self.file, owner, group);
        }
        if now.st_mode & 0o7777 == old.st_mode & 0o7777 {
            return Ok(());
        }
        rustix::fs::fchmod(&self.file, Mode::from_raw_mode(old.st_mode & 0o7777)).map_err(refusal)
    }

    /// Gives the nameless file a name that must be free.
    fn link(&self, name: &[u8]) -> Result<(), Errno> {
        let name = OsStr::from_bytes(name);
        match rustix::fs::linkat(&self.file, c"", &self.place.dir, name, AtFlags::EMPTY_PATH) {
            // Before Linux 6.10 only the privileged may.
            Err(Errno::NOENT) => {
                let own = format!("/proc/self/fd/{}", self.file.as_raw_fd());
                rustix::fs::linkat(rustix::fs::CWD, own, &self.place.dir, name, AtFlags::SYMLINK_FOLLOW)
            }
            done => done,
        }
    }

    /// Makes the file visible under its name in one step.
    fn publish(&mut self) -> Result<(), StorageError> {
        let fresh = self.naming != Naming::Replace;
        if self.hidden.is_none() {
            if self.old.is_none() || fresh {
                match self.link(&self.place.name) {
                    Err(Errno::EXIST) if !fresh => {}
                    done => return done.map_err(refusal),
                }
            }
            let name = staging_name();
            self.link(&name).map_err(refusal)?;
            self.hidden = Some(name);
        }
        let Some(hidden) = &self.hidden else { return Ok(()) };
        let (dir, from, to) =
            (&self.place.dir, OsStr::from_bytes(hidden), OsStr::from_bytes(&self.place.name));
        let flags = if fresh { RenameFlags::NOREPLACE } else { RenameFlags::empty() };
        let done = match rustix::fs::renameat_with(dir, from, dir, to, flags) {
            Err(Errno::INVAL | Errno::NOSYS) if !fresh => rustix::fs::renameat(dir, from, dir, to),
            done => done,
        };
        done.map_err(refusal)?;
        self.hidden = None;
        Ok(())
    }

    /// Makes it durable and gives it its name.
    pub(super) fn finish(mut self) -> Result<Stored, NotStored> {
        // The client took its time: what has the name may be another file by now, or have another mode.
        let name = OsStr::from_bytes(&self.place.name);
        self.old = rustix::fs::statat(&self.place.dir, name, AtFlags::SYMLINK_NOFOLLOW)
            .ok()
            .filter(|stat| FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile);
        self.inherit()?;
        make_durable(&self.file, self.terms.durability)?;
        // A directory that cannot be synced is found out before anything is visible.
        let dir = syncable(&self.place.dir, self.terms.durability)?;
        self.publish()?;
        let size = self.written;
        let old = self.old.as_ref().and_then(|old| u64::try_from(old.st_size).ok());
        match dir.map_or(Ok(()), rustix::fs::fsync) {
            Ok(()) => Ok(Stored::new(size).in_place_of(old)),
            // The name is given, and nothing takes it back.
            Err(errno) => Err(NotStored { why: refusal(errno), left: Left::Whole(size) }),
        }
    }

    /// Keeps a partial under a new name if that is wanted; never over an old version.
    fn give_up(mut self) -> Left {
        // What is on the disk counts, not what was asked to be written.
        let size = self.file.metadata().map_or(0, |metadata| metadata.len());
        let keep = self.terms.keep_partial == KeepPartial::NewOnly && self.old.is_none() && size > 0;
        if keep && self.naming != Naming::Unique {
            self.naming = Naming::Fresh;
            if make_durable(&self.file, self.terms.durability).and_then(|()| self.publish()).is_ok() {
                return Left::Partial(size);
            }
        }
        Left::Nothing
    }
}

impl Drop for Staged {
    fn drop(&mut self) {
        if let Some(hidden) = &self.hidden {
            // What cannot be removed now is removed by the sweep at the next start.
            let _refused = rustix::fs::unlinkat(&self.place.dir, OsStr::from_bytes(hidden), AtFlags::empty());
        }
    }
}

/// Moves octets that are in a pipe to a file; `at` goes with them.
fn move_all(mut pipe: &PipeReader, file: &File, at: &mut u64, mut octets: usize) -> Result<(), StorageError> {
    while octets > 0 {
        match rustix::pipe::splice(pipe, None, file, Some(at), octets, SpliceFlags::MOVE) {
            Ok(0) => return Err(StorageError::Io("a pipe has lost octets".into())),
            Ok(moved) => octets -= moved,
            Err(Errno::INTR) => {}
            // Not every file system can.
            Err(Errno::INVAL) => {
                let mut data = vec![0; octets];
                let copied = pipe.read_exact(&mut data).and_then(|()| file.write_all_at(&data, *at));
                *at += octets as u64;
                return copied.map_err(|error| io_refusal(&error));
            }
            Err(errno) => return Err(refusal(errno)),
        }
    }
    Ok(())
}

pub(super) fn make_durable(file: &File, durability: Durability) -> Result<(), StorageError> {
    match durability {
        Durability::None => Ok(()),
        Durability::Data => file.sync_data().map_err(|error| io_refusal(&error)),
        Durability::Full => file.sync_all().map_err(|error| io_refusal(&error)),
    }
}

/// The directory, which is open for its path only, open for syncing if names are to be durable.
fn syncable(dir: &OwnedFd, durability: Durability) -> Result<Option<OwnedFd>, StorageError> {
    if durability != Durability::Full {
        return Ok(None);
    }
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    rustix::fs::openat(dir, c".", flags, Mode::empty()).map(Some).map_err(refusal)
}

/// An upload that is staged from its first octets on, so that a small one is opened, written and published by one visit to
/// a thread that may wait.
#[derive(Debug)]
pub(super) enum Upload {
    Planned(Plan),
    Staged(Staged),
    /// A thread has it, or had it when it failed.
    Away,
}

/// Where an upload will go.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) place: Place,
    /// What has the name now.
    pub(super) old: Option<Stat>,
    pub(super) naming: Naming,
    pub(super) terms: Terms,
}

/// Does at once what touches memory only; a thread that may wait does the rest.
async fn where_it_may_wait<T: Send + 'static>(
    medium: Medium,
    work: impl FnOnce() -> Result<T, StorageError> + Send + 'static,
) -> Result<T, StorageError> {
    if medium == Medium::Memory { work() } else { blocking(work).await }
}

impl Upload {
    fn medium(&self) -> Medium {
        match self {
            Self::Planned(plan) => plan.place.medium,
            Self::Staged(staged) => staged.place.medium,
            Self::Away => Medium::Other,
        }
    }

    /// Works on the staged file where that may take its time. Work that fails leaves what was there before.
    async fn work<T: Send + 'static>(
        &mut self,
        work: impl FnOnce(&mut Staged) -> Result<T, StorageError> + Send + 'static,
    ) -> Result<T, StorageError> {
        let medium = self.medium();
        let upload = std::mem::replace(self, Self::Away);
        let working = move || {
            let mut staged = upload.staged()?;
            let done = work(&mut staged);
            Ok((staged, done))
        };
        let (staged, done) = where_it_may_wait(medium, working).await?;
        *self = Self::Staged(staged);
        done
    }

    fn staged(self) -> Result<Staged, StorageError> {
        match self {
            Self::Planned(plan) => Staged::open(plan),
            Self::Staged(staged) => Ok(staged),
            Self::Away => Err(StorageError::Io("an earlier write has failed".into())),
        }
    }
}

#[async_trait]
impl Sink for Upload {
    async fn write(&mut self, mut data: Vec<u8>) -> Result<Vec<u8>, StorageError> {
        let writing = move |staged: &mut Staged| {
            staged.write(&data)?;
            data.clear();
            Ok(data)
        };
        self.work(writing).await
    }

    async fn staged(&mut self) -> Result<Option<Box<dyn Source>>, StorageError> {
        let source = self.work(|staged| staged.source()).await?;
        Ok(Some(Box::new(source)))
    }

    fn replaces(&self) -> bool {
        match self {
            Self::Planned(Plan { old, .. }) | Self::Staged(Staged { old, .. }) => old.is_some(),
            Self::Away => false,
        }
    }

    async fn settle(&mut self, data: Vec<u8>) -> Result<(), StorageError> {
        self.work(move |staged| {
            staged.write(&data)?;
            make_durable(&staged.file, staged.terms.durability)
        })
        .await
    }

    async fn commit(self: Box<Self>, last: Vec<u8>) -> Result<Stored, NotStored> {
        let medium = self.medium();
        let finishing = move || {
            let mut staged = self.staged()?;
            staged.write(&last)?;
            Ok(staged.finish())
        };
        where_it_may_wait(medium, finishing).await?
    }

    fn native(&mut self) -> Option<&mut dyn Splice> {
        Some(self)
    }

    async fn abandon(self: Box<Self>) -> Left {
        match *self {
            Self::Staged(staged) => blocking(move || Ok(staged.give_up())).await.unwrap_or(Left::Nothing),
            Self::Planned(_) | Self::Away => Left::Nothing,
        }
    }
}

impl Sealed for Upload {}

#[async_trait]
impl Splice for Upload {
    async fn take(&mut self, pipe: Arc<PipeReader>, octets: usize) -> Result<(), StorageError> {
        self.work(move |staged| staged.take(&pipe, octets)).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    #[test]
    fn octets_of_a_pipe_reach_files_that_can_be_spliced_to_and_others() {
        let folder = tempfile::tempdir().unwrap();
        for (name, append) in [("spliced", false), ("copied", true)] {
            let path = folder.path().join(name);
            // The kernel splices to no file that is open for appending.
            let file = File::options().create(true).write(true).append(append).open(&path).unwrap();
            let (reader, mut writer) = std::io::pipe().unwrap();
            writer.write_all(b"octets behind").unwrap();
            let mut at = 0;
            move_all(&reader, &file, &mut at, 6).unwrap();
            move_all(&reader, &file, &mut at, 4).unwrap();
            assert_eq!(at, 10);
            assert_eq!(std::fs::read(&path).unwrap(), b"octets beh", "{name}");
        }
    }
}
