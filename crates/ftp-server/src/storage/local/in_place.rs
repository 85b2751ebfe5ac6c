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
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use rustix::fs::{Mode, OFlags};

use crate::storage::local::confine::Place;
use crate::storage::local::durable::make_durable;
use crate::storage::local::host::{blocking, io_refusal, refusal};
use crate::storage::local::options::Durability;
use crate::storage::{Left, NotStored, Sink, StorageError, Stored};

/// A file that is changed where it is: APPE, REST and STOR, and directories whose uploads are seen as they grow.
#[derive(Debug)]
pub(super) struct InPlace {
    place: Arc<Place>,
    /// Opened at the first octet.
    target: Option<Arc<Target>>,
    opening: Opening,
    offset: u64,
    durability: Durability,
    broken: Broken,
    health: Health,
}

/// What becomes of the octets that a broken upload has added.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Broken {
    /// They stay: the client goes on behind them.
    Stays,
    /// They go, as far as that is possible.
    IsTakenBack,
}

/// Whether the file system has done all that was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Health {
    Good,
    Failed,
}

/// The open file.
#[derive(Debug)]
struct Target {
    file: File,
    /// Its size when it was opened.
    before: u64,
    /// Where the first octet goes.
    from: u64,
    /// Octets that the file system has taken, by its own word.
    taken: AtomicU64,
}

impl Target {
    fn taken(&self) -> u64 {
        self.taken.load(Ordering::Relaxed)
    }

    /// Writes all of `data` behind what was taken before, and counts what is taken even if not all of it is.
    fn write(&self, mut data: &[u8]) -> std::io::Result<()> {
        while !data.is_empty() {
            match self.file.write_at(data, self.from + self.taken()) {
                Ok(0) => return Err(std::io::ErrorKind::WriteZero.into()),
                Ok(count) => {
                    self.taken.fetch_add(count as u64, Ordering::Relaxed);
                    data = data.get(count..).unwrap_or_default();
                }
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn size(&self) -> std::io::Result<u64> {
        self.file.metadata().map(|metadata| metadata.len())
    }

    /// What is there after a failure. Octets that were added are taken away again, unless somebody else has added some, too:
    /// whoever is told that nothing was written sends them once more.
    fn settle(&self, opening: Opening) -> Left {
        let taken = self.taken();
        let is_added = match opening {
            Opening::Append => true,
            Opening::Keep => self.from >= self.before,
            Opening::Truncate => false,
        };
        let is_ours = is_added && self.size().is_ok_and(|size| size == self.before + taken);
        if taken == 0 && opening != Opening::Truncate || is_ours && self.file.set_len(self.before).is_ok() {
            return Left::Nothing;
        }
        self.left()
    }

    /// What is there, all of it.
    fn left(&self) -> Left {
        let at_least = self.before.max(self.from + self.taken());
        Left::Extended(self.size().unwrap_or(at_least))
    }
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

impl InPlace {
    pub(super) fn new(
        place: Place,
        offset: u64,
        opening: Opening,
        (durability, broken): (Durability, Broken),
    ) -> Self {
        Self {
            place: Arc::new(place),
            target: None,
            opening,
            offset,
            durability,
            broken,
            health: Health::Good,
        }
    }

    /// Opens the target, from octet `from` on.
    fn open(place: &Place, opening: Opening, from: u64) -> Result<Arc<Target>, StorageError> {
        let flags = OFlags::WRONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
        let flags = match opening {
            Opening::Keep => flags,
            Opening::Append => flags | OFlags::CREATE | OFlags::APPEND,
            Opening::Truncate => flags | OFlags::CREATE | OFlags::TRUNC,
        };
        let mode = Mode::from_raw_mode(0o666);
        let fd =
            rustix::fs::openat(&place.dir, OsStr::from_bytes(&place.name), flags, mode).map_err(refusal)?;
        let file = File::from(fd);
        let before = file.metadata().map_err(|error| io_refusal(&error))?.len();
        // It may have become shorter since the command: there must be no hole.
        if opening == Opening::Keep && before < from {
            return Err(StorageError::BeyondEnd);
        }
        Ok(Arc::new(Target { file, before, from, taken: AtomicU64::new(0) }))
    }
}

#[async_trait]
impl Sink for InPlace {
    async fn write(&mut self, mut data: Vec<u8>) -> Result<Vec<u8>, StorageError> {
        let target = match &self.target {
            Some(target) => Arc::clone(target),
            None => {
                let (place, opening, from) = (Arc::clone(&self.place), self.opening, self.offset);
                let target = blocking(move || Self::open(&place, opening, from)).await?;
                self.target = Some(Arc::clone(&target));
                target
            }
        };
        self.health = Health::Failed;
        let data = blocking(move || {
            target.write(&data).map_err(|error| io_refusal(&error))?;
            data.clear();
            Ok(data)
        })
        .await?;
        self.health = Health::Good;
        Ok(data)
    }

    async fn commit(self: Box<Self>, last: Vec<u8>) -> Result<Stored, NotStored> {
        let committing = move || {
            let target = match &self.target {
                Some(target) => Arc::clone(target),
                None => Self::open(&self.place, self.opening, self.offset)?,
            };
            let written = target.write(&last);
            let done = written.map_err(|error| io_refusal(&error));
            let done = done.and_then(|()| make_durable(&target.file, self.durability));
            let old = (self.opening != Opening::Truncate).then_some(target.before);
            Ok(match done.and_then(|()| target.size().map_err(|error| io_refusal(&error))) {
                Ok(size) => Ok(Stored::new(size).in_place_of(old)),
                Err(why) => Err(NotStored { why, left: target.settle(self.opening) }),
            })
        };
        blocking(committing).await?
    }

    async fn abandon(self: Box<Self>) -> Left {
        let Some(target) = self.target else { return Left::Nothing };
        let (durability, opening) = (self.durability, self.opening);
        let stays = self.broken == Broken::Stays && self.health == Health::Good;
        let settling = move || {
            if !stays {
                return Ok(target.settle(opening));
            }
            // What is there is there, though a crash may take it.
            let _failed = make_durable(&target.file, durability);
            Ok(if target.taken() > 0 { target.left() } else { Left::Nothing })
        };
        blocking(settling).await.unwrap_or(Left::Nothing)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn target(path: &std::path::Path, opening: Opening, from: u64) -> Target {
        let file = File::options().write(true).append(opening == Opening::Append).open(path).unwrap();
        let before = file.metadata().unwrap().len();
        Target { file, before, from, taken: AtomicU64::new(0) }
    }

    /// A client that is told "nothing was written" sends it all again, so there must be nothing.
    #[test]
    fn what_a_failing_disk_took_of_an_append_goes_again_unless_others_appended_too() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        std::fs::write(&path, "old").unwrap();
        let alone = target(&path, Opening::Append, 3);
        alone.write(b" and new").unwrap();
        assert_eq!(alone.settle(Opening::Append), Left::Nothing);
        assert_eq!(std::fs::read(&path).unwrap(), b"old");

        let shared = target(&path, Opening::Append, 3);
        shared.write(b" and new").unwrap();
        File::options().append(true).open(&path).unwrap().write_all(b" of another").unwrap();
        assert_eq!(shared.settle(Opening::Append), Left::Extended(22));
        assert_eq!(std::fs::read(&path).unwrap(), b"old and new of another");

        let over = target(&path, Opening::Keep, 0);
        assert_eq!(over.settle(Opening::Keep), Left::Nothing, "nothing was taken");
        over.write(b"new").unwrap();
        assert_eq!(over.settle(Opening::Keep), Left::Extended(22), "what is gone cannot be put back");
    }
}
