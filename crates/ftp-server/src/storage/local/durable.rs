//! When octets and names are on the disk.
//!
//! A name is on the disk when its directory was synced behind the change. Changes of one directory that come together share
//! one flush: who comes while a flush runs waits for the next one, which serves all who came before it began. Not here: the
//! order, which is that octets are on the disk before they get their name (`publish.rs`).

use std::collections::BTreeMap;
use std::fs::File;
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;

use crate::storage::StorageError;
use crate::storage::local::host::{io_refusal, refusal};
use crate::storage::local::options::Durability;

/// Waits until the octets of a file are on the disk, as far as that is asked for.
pub(super) fn make_durable(file: &File, durability: Durability) -> Result<(), StorageError> {
    match durability {
        Durability::None => Ok(()),
        Durability::Data => file.sync_data().map_err(|error| io_refusal(&error)),
        Durability::Full => file.sync_all().map_err(|error| io_refusal(&error)),
    }
}

/// The names of a directory, and how they get to the disk.
#[derive(Debug)]
pub(super) enum Names {
    /// When the kernel likes.
    Later,
    /// By syncing the directory.
    ByDirectory(OwnedFd),
    /// By syncing a file that has got its name there: nobody may read the directory, and so it cannot be opened.
    ByFile,
}

impl Names {
    /// Those of `dir`, which is open for its path only. Asked for before a change, so that a directory that cannot be synced
    /// is found out before anything is visible.
    pub(super) fn of(dir: &OwnedFd, durability: Durability) -> Result<Self, StorageError> {
        if durability != Durability::Full {
            return Ok(Self::Later);
        }
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        match rustix::fs::openat(dir, c".", flags, Mode::empty()) {
            Ok(dir) => Ok(Self::ByDirectory(dir)),
            Err(Errno::ACCESS) => Ok(Self::ByFile),
            Err(errno) => Err(refusal(errno)),
        }
    }

    /// Waits until a change of them is on the disk; `file` is what got its name by it, where it is open.
    pub(super) fn sync(&self, file: Option<&File>) -> Result<(), StorageError> {
        match (self, file) {
            (Self::ByDirectory(dir), _) => flush(dir).map_err(refusal),
            // Journals keep a file and its name together.
            (Self::ByFile, Some(file)) => file.sync_all().map_err(|error| io_refusal(&error)),
            (Self::Later | Self::ByFile, _) => Ok(()),
        }
    }

    /// The same for a change that is nothing but names, and that nothing takes back.
    pub(super) fn confirm(&self) -> Result<(), StorageError> {
        let unsure = |why| StorageError::Io(format!("it is done, but a crash may undo it ({why})").into());
        self.sync(None).map_err(unsure)
    }
}

/// Directories that are being flushed, of all storages of this process: users may share one.
static QUEUES: Mutex<BTreeMap<Inode, Arc<Queue>>> = Mutex::new(BTreeMap::new());

/// What a directory is to the kernel: its device and its number there.
type Inode = (u64, u64);

fn queues() -> MutexGuard<'static, BTreeMap<Inode, Arc<Queue>>> {
    QUEUES.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Waits until what was changed in a directory is on the disk.
fn flush(dir: &OwnedFd) -> Result<(), Errno> {
    let stat = rustix::fs::fstat(dir)?;
    let inode = (stat.st_dev, stat.st_ino);
    let queue = Arc::clone(queues().entry(inode).or_default());
    let done = queue.flush(|| {
        #[cfg(test)]
        tests::count(inode);
        sync(dir)
    });
    let mut queues = queues();
    // One is the map's, one is this: nobody waits in it.
    if Arc::strong_count(&queue) == 2 {
        queues.remove(&inode);
    }
    done
}

fn sync(dir: &OwnedFd) -> Result<(), Errno> {
    match rustix::fs::fsync(dir) {
        // There is nothing to sync in directories of this file system.
        Err(Errno::INVAL | Errno::OPNOTSUPP | Errno::NOSYS) => Ok(()),
        done => done,
    }
}

/// Those who wait for one directory.
#[derive(Debug, Default)]
struct Queue {
    /// Who has come; each has a number, from 1.
    come: AtomicU64,
    served: Mutex<Served>,
}

/// How far flushes have served those who came.
#[derive(Debug, Default)]
struct Served {
    /// The last one who came before the last flush began.
    last: u64,
    /// The same of the last flush that failed, and why.
    failed: Option<(u64, Errno)>,
}

impl Queue {
    /// Waits for a flush that begins from now on; runs it, if nobody else does.
    fn flush(&self, sync: impl FnOnce() -> Result<(), Errno>) -> Result<(), Errno> {
        let mine = self.come.fetch_add(1, Ordering::AcqRel) + 1;
        // Whoever has the lock flushes; the others wait here for their turn, and mostly find it done.
        let mut served = self.served.lock().unwrap_or_else(PoisonError::into_inner);
        if served.last < mine {
            let last = self.come.load(Ordering::Acquire);
            let done = sync();
            served.last = last;
            if let Err(errno) = done {
                served.failed = Some((last, errno));
            }
        }
        match served.failed {
            Some((last, errno)) if mine <= last => Err(errno),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{MetadataExt, symlink};
    use std::path::Path;
    use std::sync::Barrier;

    use super::*;
    use crate::storage::{Create, LocalOptions, LocalStorage, Storage, VPath};

    static FLUSHES: Mutex<BTreeMap<Inode, u32>> = Mutex::new(BTreeMap::new());

    pub(super) fn count(inode: Inode) {
        *FLUSHES.lock().unwrap().entry(inode).or_default() += 1;
    }

    /// Flushes of a directory since this was asked last.
    fn flushes(dir: &Path) -> u32 {
        let metadata = dir.metadata().unwrap();
        FLUSHES.lock().unwrap().remove(&(metadata.dev(), metadata.ino())).unwrap_or(0)
    }

    /// Forgets flushes of directories that other tests had, and that are gone: the numbers of these may be theirs.
    fn forget<const N: usize>(dirs: [&Path; N]) {
        for dir in dirs {
            flushes(dir);
        }
    }

    fn path(path: &str) -> VPath {
        VPath::new(path).unwrap()
    }

    #[test]
    fn who_comes_while_a_flush_runs_shares_the_next_one() {
        let (queue, flushes) = (Queue::default(), AtomicU64::new(0));
        let (begun, end) = (Barrier::new(2), Barrier::new(2));
        let later = || {
            queue.flush(|| {
                flushes.fetch_add(1, Ordering::Relaxed);
                Ok(())
            })
        };
        std::thread::scope(|scope| {
            let first = scope.spawn(|| {
                queue.flush(|| {
                    flushes.fetch_add(1, Ordering::Relaxed);
                    begun.wait();
                    end.wait();
                    Err(Errno::IO)
                })
            });
            begun.wait();
            let others: Vec<_> = (0..8).map(|_| scope.spawn(later)).collect();
            while queue.come.load(Ordering::Relaxed) < 9 {
                std::thread::yield_now();
            }
            end.wait();
            assert_eq!(first.join().unwrap(), Err(Errno::IO), "only whom it served hears of it");
            assert!(others.into_iter().all(|other| other.join().unwrap() == Ok(())));
        });
        assert_eq!(flushes.load(Ordering::Relaxed), 2);
    }

    #[tokio::test]
    async fn every_change_of_a_name_is_on_the_disk_before_it_is_confirmed() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        std::fs::create_dir(root.join("d")).unwrap();
        std::fs::create_dir(root.join("live")).unwrap();
        let options = LocalOptions::default().live(vec![path("/live")]);
        let storage = LocalStorage::new(root, options).unwrap();
        forget([root, &root.join("d"), &root.join("live")]);
        let put = async |name: &str, how| {
            let writing = storage.write(&path(name), how).await.unwrap();
            writing.sink.commit(b"octets".to_vec()).await.unwrap();
        };
        for how in [Create::Replace, Create::Replace, Create::Unique] {
            let to = if how == Create::Unique { "/d" } else { "/d/f" };
            put(to, how).await;
            assert_eq!(flushes(&root.join("d")), 1, "{how:?}");
        }
        put("/d/appended", Create::Append).await;
        assert_eq!(flushes(&root.join("d")), 1);
        put("/live/f", Create::Replace).await;
        assert_eq!(flushes(&root.join("live")), 1);
        storage.copy(&path("/d/f"), &path("/copy")).await.unwrap();
        assert_eq!(flushes(root), 1);
        storage.rename(&path("/d/f"), &path("/g")).await.unwrap();
        assert_eq!((flushes(root), flushes(&root.join("d"))), (1, 1));
        storage.rename(&path("/g"), &path("/h")).await.unwrap();
        assert_eq!(flushes(root), 1);
        storage.make_dir(&path("/new")).await.unwrap();
        assert_eq!(flushes(root), 1);
        storage.remove_dir(&path("/new")).await.unwrap();
        assert_eq!(flushes(root), 1);
        storage.remove_file(&path("/h")).await.unwrap();
        assert_eq!(flushes(root), 1);
        assert!(queues().keys().all(|(_, inode)| *inode != root.metadata().unwrap().ino()));
    }

    #[tokio::test]
    async fn nothing_is_synced_that_is_not_asked_for_and_links_of_the_path_are_followed() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        std::fs::create_dir(root.join("d")).unwrap();
        symlink("d", root.join("link")).unwrap();
        forget([root, &root.join("d")]);
        for durability in [Durability::None, Durability::Data, Durability::Full] {
            let storage = LocalStorage::new(root, LocalOptions::default().durability(durability)).unwrap();
            storage.make_dir(&path("/link/new")).await.unwrap();
            storage.remove_dir(&path("/link/new")).await.unwrap();
            let wanted = if durability == Durability::Full { 2 } else { 0 };
            assert_eq!((flushes(root), flushes(&root.join("d"))), (0, wanted));
        }
    }
}
