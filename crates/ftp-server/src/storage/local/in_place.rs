//! Files that are changed where they are: APPE, REST and STOR, and directories whose uploads are seen as they grow.
//!
//! ```text
//! InPlace ──first octets──> opened ──write──> the file grows ──commit──> durable
//! ```
//!
//! Not here: uploads that are staged, which is what all others are (`publish.rs`).

use std::ffi::OsStr;
use std::fs::File;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use rustix::fs::{AtFlags, Mode, OFlags};
use rustix::io::Errno;

use crate::storage::local::confine::Place;
use crate::storage::local::durable::{Names, make_durable};
use crate::storage::local::ground::{Room, is_full, make_room};
use crate::storage::local::host::{blocking, io_refusal, refusal};
use crate::storage::local::options::{Durability, Partial};
use crate::storage::local::plan::Terms;
use crate::storage::{Left, NotStored, Sink, StorageError, Stored};

/// Set-user-ID and set-group-ID.
const SET_ID: u32 = 0o6000;

/// A file that is changed where it is: APPE, REST and STOR, and directories whose uploads are seen as they grow.
#[derive(Debug)]
pub(super) struct InPlace {
    place: Arc<Place>,
    /// Opened at the first octet.
    target: Option<Arc<Target>>,
    opening: Opening,
    offset: u64,
    terms: Terms,
    health: Health,
    /// Octets that the file may have at most.
    most: u64,
}

/// Whether the file system has done all that was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Health {
    Good,
    Failed,
}

/// What opening an in-place target does to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Opening {
    /// Its octets stay.
    Keep,
    /// They stay, and the kernel puts new ones behind them: two who append at once lose nothing.
    Append,
    /// They go, with the first octet of the new ones.
    Truncate,
}

/// Where a target comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Origin {
    Found,
    /// It was made for this upload.
    Made,
}

/// Turns of those who append under a limit, by inode: between asking for the size and writing nobody else may append.
static TURNS: [Mutex<()>; 32] = [const { Mutex::new(()) }; 32];

/// The open file.
#[derive(Debug)]
struct Target {
    file: File,
    opening: Opening,
    origin: Origin,
    /// Its size when it was opened.
    before: u64,
    /// Where the first octet goes.
    from: u64,
    /// Octets that the file system has taken, by its own word.
    taken: AtomicU64,
}

impl Target {
    /// Opens the file at `place`, from octet `from` on. Nothing of it is changed by that.
    fn open(place: &Place, opening: Opening, from: u64) -> Result<Self, StorageError> {
        let flags = OFlags::WRONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
        let flags = if opening == Opening::Append { flags | OFlags::APPEND } else { flags };
        let open = |more| {
            let mode = Mode::from_raw_mode(0o666);
            rustix::fs::openat(&place.dir, OsStr::from_bytes(&place.name), flags | more, mode)
        };
        let (opened, origin) = match open(OFlags::empty()) {
            Err(Errno::NOENT) if opening != Opening::Keep => {
                (open(OFlags::CREATE | OFlags::EXCL), Origin::Made)
            }
            opened => (opened, Origin::Found),
        };
        let file = File::from(opened.map_err(refusal)?);
        let metadata = file.metadata().map_err(|error| io_refusal(&error))?;
        // It runs as somebody else: a client's octets are not to. A staged upload leaves the bits behind.
        if metadata.mode() & SET_ID != 0 {
            return Err(StorageError::Denied);
        }
        let before = metadata.len();
        // It may have become shorter since the command: there must be no hole.
        if opening == Opening::Keep && before < from {
            return Err(StorageError::BeyondEnd);
        }
        let from = if opening == Opening::Append { before } else { from };
        Ok(Self { file, opening, origin, before, from, taken: AtomicU64::new(0) })
    }

    fn taken(&self) -> u64 {
        self.taken.load(Ordering::Relaxed)
    }

    /// Writes all of `data`, unless the file had more octets than it may have then.
    fn put(&self, data: &[u8], most: u64) -> Result<(), StorageError> {
        let (mut end, mut _turn) = (self.from + self.taken(), None);
        if most < u64::MAX && self.opening == Opening::Append {
            let inode = rustix::fs::fstat(&self.file).map_err(refusal)?.st_ino;
            let turn = TURNS.get(usize::try_from(inode).unwrap_or(0) % TURNS.len());
            // It guards no value that a panic could leave half done.
            _turn = turn.map(|turn| turn.lock().unwrap_or_else(PoisonError::into_inner));
            end = self.size().map_err(|error| io_refusal(&error))?;
        }
        if end.saturating_add(data.len() as u64) > most {
            return Err(StorageError::OverQuota);
        }
        self.write(data).map_err(|error| io_refusal(&error))
    }

    /// Writes all of `data` behind what was taken before, and counts what is taken even if not all of it is.
    fn write(&self, mut data: &[u8]) -> std::io::Result<()> {
        while !data.is_empty() {
            match self.file.write_at(data, self.from + self.taken()) {
                Ok(0) => return Err(std::io::ErrorKind::WriteZero.into()),
                Ok(count) => {
                    let before = self.taken.fetch_add(count as u64, Ordering::Relaxed);
                    // Only now: where the disk takes nothing, the old version stays.
                    if before == 0 && self.opening == Opening::Truncate {
                        self.file.set_len(count as u64)?;
                    }
                    data = data.get(count..).unwrap_or_default();
                }
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) if is_full(&error) && make_room(&self.file) == Room::Some => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Ends a write of which nothing may have come.
    fn end(&self) -> std::io::Result<u64> {
        if self.opening == Opening::Truncate && self.taken() == 0 {
            self.file.set_len(0)?;
        }
        self.size()
    }

    fn size(&self) -> std::io::Result<u64> {
        self.file.metadata().map(|metadata| metadata.len())
    }

    /// What is there after a failure. Octets that were added are taken away again, unless somebody else has added some, too, and
    /// so is a file that was made for none: whoever is told that nothing was written sends them once more.
    fn settle(&self, place: &Place, durability: Durability) -> Left {
        let taken = self.taken();
        if self.origin == Origin::Made && self.remove(place, taken) {
            return Left::Nothing;
        }
        let is_added = self.opening != Opening::Truncate && self.from >= self.before;
        let is_ours = taken > 0 && is_added && self.size().is_ok_and(|size| size == self.before + taken);
        if is_ours && self.file.set_len(self.before).is_ok() {
            // After a crash, too, as far as this disk still does anything.
            let _failed = make_durable(&self.file, durability);
            return Left::Nothing;
        }
        self.left()
    }

    /// Removes a file that was made for this upload and has none but its octets; whether it did.
    fn remove(&self, place: &Place, taken: u64) -> bool {
        let name = OsStr::from_bytes(&place.name);
        let there = rustix::fs::statat(&place.dir, name, AtFlags::SYMLINK_NOFOLLOW);
        let is_ours = there.is_ok_and(|there| {
            rustix::fs::fstat(&self.file).is_ok_and(|ours| {
                (ours.st_dev, ours.st_ino) == (there.st_dev, there.st_ino)
                    && u64::try_from(ours.st_size) == Ok(taken)
            })
        });
        is_ours && rustix::fs::unlinkat(&place.dir, name, AtFlags::empty()).is_ok()
    }

    /// What is there, all of it.
    fn left(&self) -> Left {
        let end = self.from + self.taken();
        match (self.taken(), self.size().unwrap_or(end.max(self.before))) {
            (0, _) => Left::Nothing,
            (_, size) if self.opening == Opening::Keep && size > end => Left::Overwritten { size, end },
            (_, size) => Left::Extended(size),
        }
    }
}

impl InPlace {
    pub(super) fn new(place: Place, offset: u64, opening: Opening, terms: Terms) -> Self {
        Self {
            place: Arc::new(place),
            target: None,
            opening,
            offset,
            terms,
            health: Health::Good,
            most: u64::MAX,
        }
    }

    /// The target, which is opened by the first who needs it, where that may wait.
    async fn target(&mut self) -> Result<Arc<Target>, StorageError> {
        if let Some(target) = &self.target {
            return Ok(Arc::clone(target));
        }
        let (place, opening, from) = (Arc::clone(&self.place), self.opening, self.offset);
        let target = blocking(move || Target::open(&place, opening, from).map(Arc::new)).await?;
        self.target = Some(Arc::clone(&target));
        Ok(target)
    }

    /// Ends it with all that came taken back, as far as that is possible.
    async fn take_back(self) -> Left {
        let Some(target) = self.target else { return Left::Nothing };
        let (place, durability) = (self.place, self.terms.durability);
        let settling = Arc::clone(&target);
        let settled = blocking(move || Ok(settling.settle(&place, durability))).await;
        settled.unwrap_or_else(|_| target.left())
    }
}

#[async_trait]
impl Sink for InPlace {
    async fn write(&mut self, mut data: Vec<u8>) -> Result<Vec<u8>, StorageError> {
        let target = self.target().await?;
        self.health = Health::Failed;
        let most = self.most;
        let data = blocking(move || {
            target.put(&data, most)?;
            data.clear();
            Ok(data)
        })
        .await?;
        self.health = Health::Good;
        Ok(data)
    }

    fn limit(&mut self, octets: u64) {
        self.most = octets;
    }

    async fn commit(mut self: Box<Self>, last: Vec<u8>) -> Result<Stored, NotStored> {
        let target = self.target().await?;
        let committing = move || {
            let done = target.put(&last, self.most);
            let done = done.and_then(|()| target.end().map_err(|error| io_refusal(&error)));
            let done = done.and_then(|size| make_durable(&target.file, self.terms.durability).map(|()| size));
            let done = done.and_then(|size| match self.opening {
                Opening::Truncate => {
                    Names::of(&self.place.dir, self.terms.durability)?.sync(Some(&target.file)).map(|()| size)
                }
                Opening::Keep | Opening::Append => Ok(size),
            });
            let old = (self.opening != Opening::Truncate).then_some(target.before);
            Ok(match done {
                Ok(size) => Ok(Stored::new(size).in_place_of(old)),
                Err(why) => Err(NotStored { why, left: target.settle(&self.place, self.terms.durability) }),
            })
        };
        blocking(committing).await?
    }

    async fn abandon(self: Box<Self>) -> Left {
        // Where partials are seen, any file may be one, and its end is what a client goes on from; and whoever looks on while
        // one grows has seen it.
        let is_seen = self.terms.partial == Partial::Visible || self.opening == Opening::Truncate;
        let Some(target) = self.target.clone().filter(|_| is_seen && self.health == Health::Good) else {
            return self.take_back().await;
        };
        let left = target.left();
        let durability = self.terms.durability;
        // What is there is there, though a crash may take it.
        let _failed = blocking(move || make_durable(&target.file, durability)).await;
        left
    }

    async fn discard(self: Box<Self>) -> Left {
        self.take_back().await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use std::path::Path;

    fn place(folder: &Path) -> Place {
        let flags = OFlags::PATH | OFlags::DIRECTORY;
        let dir = rustix::fs::open(folder, flags, Mode::empty()).unwrap();
        Place { dir, name: b"log".to_vec(), medium: crate::page_cache::Medium::Other }
    }

    fn target(folder: &Path, opening: Opening, from: u64) -> Target {
        Target::open(&place(folder), opening, from).unwrap()
    }

    fn settle(target: &Target, folder: &Path) -> Left {
        target.settle(&place(folder), Durability::Full)
    }

    /// A client that is told "nothing was written" sends it all again, so there must be nothing.
    #[test]
    fn what_a_failing_disk_took_of_an_append_goes_again_unless_others_appended_too() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        let path = folder.join("log");
        std::fs::write(&path, "old").unwrap();
        for opening in [Opening::Append, Opening::Keep] {
            let alone = target(folder, opening, 3);
            alone.write(b" and new").unwrap();
            assert_eq!(settle(&alone, folder), Left::Nothing);
            assert_eq!(std::fs::read(&path).unwrap(), b"old");
        }
        let shared = target(folder, Opening::Append, 3);
        shared.write(b" and new").unwrap();
        File::options().append(true).open(&path).unwrap().write_all(b" of another").unwrap();
        assert_eq!(settle(&shared, folder), Left::Extended(22));
        assert_eq!(std::fs::read(&path).unwrap(), b"old and new of another");

        let over = target(folder, Opening::Keep, 0);
        assert_eq!(settle(&over, folder), Left::Nothing, "nothing was taken");
        over.write(b"new").unwrap();
        let overwritten = Left::Overwritten { size: 22, end: 3 };
        assert_eq!(settle(&over, folder), overwritten, "what is gone cannot be put back");
    }

    #[test]
    fn many_who_append_at_once_stay_within_the_limit() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        std::fs::write(folder.join("log"), "old").unwrap();
        let targets: Vec<_> = (0..10).map(|_| target(folder, Opening::Append, 3)).collect();
        let done: Vec<_> = std::thread::scope(|scope| {
            let writers: Vec<_> =
                targets.iter().map(|target| scope.spawn(|| target.put(&[7; 900], 1000))).collect();
            writers.into_iter().map(|writer| writer.join().unwrap()).collect()
        });
        assert_eq!(done.iter().filter(|done| done.is_ok()).count(), 1);
        assert!(done.contains(&Err(StorageError::OverQuota)));
        assert_eq!(std::fs::metadata(folder.join("log")).unwrap().len(), 903);
    }

    #[test]
    fn an_old_version_goes_with_the_first_octet_that_the_disk_takes() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        let path = folder.join("log");
        std::fs::write(&path, "the old version").unwrap();
        let anew = target(folder, Opening::Truncate, 0);
        assert_eq!(settle(&anew, folder), Left::Nothing);
        assert_eq!(std::fs::read(&path).unwrap(), b"the old version");
        anew.write(b"new").unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"new");
        assert_eq!(settle(&anew, folder), Left::Extended(3));
        assert_eq!(target(folder, Opening::Truncate, 0).end().unwrap(), 0, "an empty one is a version too");
    }

    #[test]
    fn a_file_that_was_made_for_nothing_goes() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        for data in [&b""[..], b"new"] {
            for opening in [Opening::Truncate, Opening::Append] {
                let made = target(folder, opening, 0);
                made.write(data).unwrap();
                assert_eq!(settle(&made, folder), Left::Nothing);
                assert_eq!(std::fs::read_dir(folder).unwrap().count(), 0);
            }
        }
        let made = target(folder, Opening::Append, 0);
        made.write(b"mine").unwrap();
        std::fs::write(folder.join("log"), "mine, and of another").unwrap();
        assert_eq!(settle(&made, folder), Left::Extended(20));
    }
}
