//! How an upload becomes a file: staged beside its target, published by one rename, or not at all.
//!
//! ```text
//! Plan ──first octets, or commit──> Staged ──write──> Staged ──commit──> durable ──> linked or renamed over the target
//!                                     └── breaks ──> nothing, or kept for its owner, or a partial under a name that was free
//! ```
//!
//! Staging uses a file without a name: whatever kills the process, nothing is left. An upload that goes on with what was kept of a
//! broken one writes to that. The old version of a file is never opened for writing and never deleted before the new
//! one takes its name. Not here: whether it may be written (`write.rs`), on which thread that is done (`upload.rs`), and how a file
//! gets its name (`draft.rs`).

use std::ffi::OsStr;
use std::fs::File;
use std::io::{PipeReader, Read};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileExt, MetadataExt};

use rustix::fs::{AtFlags, FileType, Mode, OFlags, Stat};
use rustix::io::Errno;
use rustix::pipe::SpliceFlags;

use crate::storage::local::confine::Place;
use crate::storage::local::draft::{Draft, Wanted};
use crate::storage::local::durable::{Names, make_durable};
use crate::storage::local::ground::{Room, is_full, make_room, note_kept};
use crate::storage::local::host::{io_refusal, name_refusal, refusal};
use crate::storage::local::kept::Kept;
use crate::storage::local::label;
use crate::storage::local::options::Partial;
use crate::storage::local::plan::{Naming, Plan, Start, Terms};
use crate::storage::local::read::LocalSource;
use crate::storage::{Left, NotStored, StorageError, Stored};

/// A file that has no name yet, or a hidden one.
#[derive(Debug)]
pub(super) struct Staged {
    pub(super) place: Place,
    draft: Draft,
    /// What has the name now.
    old: Option<Stat>,
    naming: Naming,
    terms: Terms,
    /// Where the next octets go.
    at: u64,
    /// The old version as it was copied, if some of it stays.
    base: Option<std::fs::Metadata>,
    room: Room,
    /// How far it was brought to the disk last.
    synced: Option<u64>,
}

impl Staged {
    /// Opens a staging file beside its place.
    pub(super) fn open(Plan { place, old, naming, start, terms }: Plan) -> Result<Self, StorageError> {
        let (draft, at) = match start {
            Start::GoOn(Kept { file, name, .. }, at) => {
                // What stands behind is sent again.
                file.set_len(at).map_err(|error| io_refusal(&error))?;
                (Draft::kept(file, name), at)
            }
            Start::Anew => (Draft::new(&place.dir, &terms.ground.unlinkable)?, 0),
            Start::Change(at) => (Draft::new(&place.dir, &terms.ground.unlinkable)?, at),
        };
        let is_change = naming == Naming::Change;
        let mut staged =
            Self { place, draft, old, naming, terms, at, base: None, room: Room::Some, synced: None };
        if is_change {
            staged.copy_old()?;
        }
        Ok(staged)
    }

    /// Begins with all of the old version.
    fn copy_old(&mut self) -> Result<(), StorageError> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
        let name = OsStr::from_bytes(&self.place.name);
        let fd = rustix::fs::openat(&self.place.dir, name, flags, Mode::empty()).map_err(refusal)?;
        let mut old = File::from(fd);
        let base = old.metadata().map_err(|error| io_refusal(&error))?;
        // It may have become shorter since the command: there must be no hole.
        if base.len() < self.at {
            return Err(StorageError::BeyondEnd);
        }
        std::io::copy(&mut old, &mut self.draft.file).map_err(|error| io_refusal(&error))?;
        self.base = Some(base);
        Ok(())
    }

    /// Does what fills the disk, as often as something that is kept of broken uploads makes room for it.
    fn fill(
        &mut self,
        mut work: impl FnMut(&File, &mut u64) -> std::io::Result<()>,
    ) -> Result<(), StorageError> {
        loop {
            let Err(error) = work(&self.draft.file, &mut self.at) else { return Ok(()) };
            if is_full(&error) && make_room(&self.place.dir) == Room::Some {
                continue;
            }
            let why = io_refusal(&error);
            if matches!(why, StorageError::NoSpace | StorageError::OverQuota) {
                self.room = Room::None;
            }
            return Err(why);
        }
    }

    pub(super) fn write(&mut self, data: &[u8]) -> Result<(), StorageError> {
        self.fill(|file, at| {
            file.write_all_at(data, *at)?;
            *at += data.len() as u64;
            Ok(())
        })
    }

    pub(super) fn take(&mut self, pipe: &PipeReader, octets: usize) -> Result<(), StorageError> {
        let (end, mut read) = (self.at + octets as u64, Vec::new());
        self.fill(|file, at| move_all((pipe, &mut read), file, at, end))
    }

    /// Octets that there are.
    fn size(&self) -> u64 {
        self.at.max(self.base.as_ref().map_or(0, std::fs::Metadata::len))
    }

    /// Whether an older version goes when it gets its name.
    pub(super) fn replaces(&self) -> bool {
        self.old.is_some()
    }

    /// Brings what was written so far to the disk.
    pub(super) fn sync(&mut self) -> Result<(), StorageError> {
        make_durable(&self.draft.file, self.terms.durability)?;
        self.synced = Some(self.at);
        Ok(())
    }

    /// What was written so far.
    pub(super) fn source(&self) -> Result<LocalSource, StorageError> {
        let file = self.draft.file.try_clone().map_err(|error| io_refusal(&error))?;
        Ok(LocalSource::new(file, 0, self.size()))
    }

    /// Writes all of an open file.
    pub(super) fn copy(&mut self, from: &mut File) -> Result<(), StorageError> {
        self.at += std::io::copy(from, &mut self.draft.file).map_err(|error| io_refusal(&error))?;
        Ok(())
    }

    /// Mode and group of the old file, as far as this process may set them. Not its owner, and not the set-user-ID bit and its
    /// kin: what a client sends is not to run, or to count, as somebody else's.
    fn inherit(&self) -> Result<(), StorageError> {
        let Some(old) = &self.old else { return Ok(()) };
        let now = rustix::fs::fstat(&self.draft.file).map_err(refusal)?;
        if now.st_gid != old.st_gid {
            let group = Some(rustix::fs::Gid::from_raw(old.st_gid));
            // Of a group that this process is not in, the file does not become a part.
            let _refused = rustix::fs::fchown(&self.draft.file, None, group);
        }
        if now.st_mode & 0o7777 == old.st_mode & 0o777 {
            return Ok(());
        }
        rustix::fs::fchmod(&self.draft.file, Mode::from_raw_mode(old.st_mode & 0o777)).map_err(refusal)
    }

    /// Makes the file visible under its name in one step.
    fn publish(&mut self) -> Result<(), StorageError> {
        let wanted = match self.naming {
            Naming::Fresh | Naming::Unique => Wanted::Free,
            Naming::Replace | Naming::Change if self.old.is_some() => Wanted::Taken,
            Naming::Replace | Naming::Change => Wanted::Any,
        };
        let (dir, name) = (&self.place.dir, &self.place.name);
        self.draft.publish(dir, name, wanted, &self.terms.ground.unlinkable).map_err(name_refusal)
    }

    /// Makes it durable and gives it its name.
    pub(super) fn finish(mut self) -> Result<Stored, NotStored> {
        if let Err(why) = self.make_ready() {
            return Err(self.not_stored(why));
        }
        // Facts of an old version that it has taken over are new to the disk, too.
        let is_synced = self.synced == Some(self.at) && self.old.is_none();
        if !is_synced && let Err(why) = self.sync() {
            // What the disk has of it is not known.
            return Err(NotStored { why, left: self.discard() });
        }
        // A directory that cannot be synced is found out before anything is visible.
        match Names::of(&self.place.dir, self.terms.durability) {
            Ok(names) => self.name(&names),
            Err(why) => Err(self.not_stored(why)),
        }
    }

    /// Gives it its name, and makes that durable in the directory, if it is to be.
    fn name(mut self, names: &Names) -> Result<Stored, NotStored> {
        let was_kept = self.draft.is_kept();
        if let Err(why) = self.publish() {
            return Err(self.not_stored(why));
        }
        if was_kept {
            label::remove(&self.draft.file);
        }
        self.drop_kept();
        let size = self.size();
        let old = self.old.as_ref().and_then(|old| u64::try_from(old.st_size).ok());
        match names.sync(Some(&self.draft.file)) {
            Ok(()) => Ok(Stored::new(size).in_place_of(old)),
            // The name is given, and nothing takes it back.
            Err(why) => Err(NotStored { why, left: Left::Whole(size) }),
        }
    }

    /// Everything before the name.
    fn make_ready(&mut self) -> Result<(), StorageError> {
        // The client took its time: what has the name may be another file by now, or have another mode.
        let name = OsStr::from_bytes(&self.place.name);
        self.old = rustix::fs::statat(&self.place.dir, name, AtFlags::SYMLINK_NOFOLLOW)
            .ok()
            .filter(|stat| FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile);
        if self.base.as_ref().is_some_and(|base| !self.old.as_ref().is_some_and(|old| is_same(base, old))) {
            return Err(StorageError::Busy);
        }
        self.inherit()
    }

    /// What is left where it gets no name: an upload that went on with what was kept is kept further.
    fn not_stored(self, why: StorageError) -> NotStored {
        let left = if self.draft.is_kept() { Left::Kept(self.size()) } else { Left::Nothing };
        NotStored { why, left }
    }

    /// What was kept of an earlier upload is of no use behind a whole one. What another session goes on with stays its own.
    fn drop_kept(&self) {
        if let Some((_, name)) = &self.terms.keep
            && let Ok(Some(kept)) = Kept::take(&self.place.dir, name)
        {
            // It is too old one day.
            let _refused = kept.remove(&self.place.dir);
        }
    }

    /// Ends a broken upload: keeps what came, if that is wanted; never over an old version.
    pub(super) fn give_up(mut self) -> Left {
        // What is on the disk counts, not what was asked to be written.
        let size = self.draft.file.metadata().map_or(0, |metadata| metadata.len());
        if self.room == Room::None || size == 0 {
            return self.discard();
        }
        if matches!(self.naming, Naming::Unique | Naming::Change) {
            return Left::Nothing;
        }
        match self.terms.partial {
            Partial::Never => Left::Nothing,
            Partial::Hidden if self.terms.keep.is_none() => Left::Nothing,
            // What the disk has of it is not known.
            Partial::Hidden if make_durable(&self.draft.file, self.terms.durability).is_err() => {
                self.discard()
            }
            Partial::Hidden => self.keep().map_or(Left::Nothing, |()| Left::Kept(size)),
            Partial::Visible if self.old.is_some() => Left::Nothing,
            Partial::Visible => {
                self.naming = Naming::Fresh;
                let kept =
                    make_durable(&self.draft.file, self.terms.durability).and_then(|()| self.publish());
                kept.map_or(Left::Nothing, |()| Left::Partial(size))
            }
        }
    }

    /// Ends an upload of which nothing is to be kept, nor of the one that it went on with.
    pub(super) fn discard(mut self) -> Left {
        self.draft.forget(&self.place.dir);
        Left::Nothing
    }

    /// Keeps what came for its owner, in place of what was kept before.
    fn keep(&mut self) -> Result<(), StorageError> {
        let Some((owner, name)) = self.terms.keep.take().filter(|_| !self.draft.is_kept()) else {
            return Ok(());
        };
        // It is held while it is replaced: nobody goes on with it meanwhile.
        let _earlier = Kept::take(&self.place.dir, &name)?;
        self.draft.keep(&self.place.dir, name, &self.terms.ground.unlinkable)?;
        label::put(&self.draft.file, &owner, &self.place.name);
        note_kept();
        Ok(())
    }
}

/// Whether a file is still the one that was copied, as it was then.
fn is_same(base: &std::fs::Metadata, now: &Stat) -> bool {
    (base.dev(), base.ino(), base.len()) == (now.st_dev, now.st_ino, u64::try_from(now.st_size).unwrap_or(0))
        && (base.mtime(), u64::try_from(base.mtime_nsec()).ok()) == (now.st_mtime, Some(now.st_mtime_nsec))
}

impl Drop for Staged {
    fn drop(&mut self) {
        if !self.draft.is_kept() {
            self.draft.forget(&self.place.dir);
        }
    }
}

/// Moves octets that are in a pipe to a file, until `at`, which goes with them, is `end`. What was read from the pipe and could
/// not be written is in `read`, for the next time.
fn move_all(
    (mut pipe, read): (&PipeReader, &mut Vec<u8>),
    file: &File,
    at: &mut u64,
    end: u64,
) -> std::io::Result<()> {
    while *at < end {
        if !read.is_empty() {
            file.write_all_at(read, *at)?;
            *at += read.len() as u64;
            read.clear();
            continue;
        }
        let octets = usize::try_from(end - *at).unwrap_or(usize::MAX);
        match rustix::pipe::splice(pipe, None, file, Some(at), octets, SpliceFlags::MOVE) {
            Ok(0) => return Err(std::io::Error::other("a pipe has lost octets")),
            Ok(_) | Err(Errno::INTR) => {}
            // Not every file system can.
            Err(Errno::INVAL) => {
                read.resize(octets, 0);
                pipe.read_exact(read)?;
            }
            Err(errno) => return Err(errno.into()),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    #[test]
    fn a_name_that_is_given_is_told_though_syncing_its_directory_fails() {
        let folder = tempfile::tempdir().unwrap();
        for (naming, old) in [(Naming::Fresh, None), (Naming::Replace, Some("old")), (Naming::Unique, None)] {
            let path = folder.path().join("name");
            let _none = std::fs::remove_file(&path);
            old.iter().for_each(|old| std::fs::write(&path, old).unwrap());
            let flags = OFlags::PATH | OFlags::DIRECTORY;
            let open = || rustix::fs::open(folder.path(), flags, Mode::empty()).unwrap();
            let (dir, unsyncable) = (open(), Names::ByDirectory(open()));
            let old = rustix::fs::stat(&path).ok();
            let place = Place { dir, name: b"name".to_vec(), medium: crate::page_cache::Medium::Other };
            let terms = Terms {
                durability: crate::storage::Durability::Full,
                partial: Partial::Hidden,
                keep: None,
                ground: std::sync::Arc::new(crate::storage::local::ground::Ground::new(folder.path().into())),
            };
            let mut staged = Staged::open(Plan { place, old, naming, start: Start::Anew, terms }).unwrap();
            staged.write(b"whole").unwrap();
            assert_eq!(staged.name(&unsyncable).unwrap_err().left, Left::Whole(5), "{naming:?}");
            assert_eq!(std::fs::read(&path).unwrap(), b"whole");
        }
    }

    #[test]
    fn octets_of_a_pipe_reach_files_that_can_be_spliced_to_and_others() {
        let folder = tempfile::tempdir().unwrap();
        for (name, append) in [("spliced", false), ("copied", true)] {
            let path = folder.path().join(name);
            // The kernel splices to no file that is open for appending.
            let file = File::options().create(true).write(true).append(append).open(&path).unwrap();
            let (reader, mut writer) = std::io::pipe().unwrap();
            writer.write_all(b"octets behind").unwrap();
            let (mut at, mut read) = (0, Vec::new());
            move_all((&reader, &mut read), &file, &mut at, 6).unwrap();
            move_all((&reader, &mut read), &file, &mut at, 10).unwrap();
            assert_eq!(at, 10);
            assert_eq!(std::fs::read(&path).unwrap(), b"octets beh", "{name}");
        }
    }
}
