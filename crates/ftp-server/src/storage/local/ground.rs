//! What the uploads below one folder share: what its file system has shown that it cannot do, and the room that what is kept of
//! broken uploads takes.
//!
//! When the disk, or a quota of the host, is full, that goes: the oldest first, whosoever it is and in whichever folder that this
//! process serves, unless somebody goes on with it. Not here: who finds the disk full.

use std::os::fd::AsFd;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use rustix::io::Errno;

use crate::storage::local::draft::Unlinkable;
use crate::storage::local::staging::{Device, kept_below, remove_kept};

/// Octets that are made free at once: each time every name below the folder is read.
const PORTION: u64 = 16 << 20;
/// How long nothing is looked for where nothing was found.
const PATIENCE: Duration = Duration::from_secs(10);

/// Whether there is room for more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Room {
    /// As far as is known.
    Some,
    /// The disk, or a quota of the host, is full, and nothing can go.
    None,
}

/// The folders of this process, as long as they are in use, and when nothing was found in them that could go, by device.
static SERVED: Mutex<Served> = Mutex::new(Served { folders: Vec::new(), barren: Vec::new() });

struct Served {
    folders: Vec<Weak<PathBuf>>,
    barren: Vec<(u64, Instant)>,
}

/// What uploads below a folder share.
#[derive(Debug)]
pub(super) struct Ground {
    _folder: Arc<PathBuf>,
    /// Whether nameless files get no names here.
    pub(super) unlinkable: Unlinkable,
}

/// Whether an error says that there is no room.
pub(super) fn is_full(error: &std::io::Error) -> bool {
    matches!(Errno::from_io_error(error), Some(Errno::NOSPC | Errno::DQUOT))
}

impl Served {
    /// The folders, each once: those that lie within others are found there.
    fn outermost(&mut self) -> Vec<Arc<PathBuf>> {
        self.folders.retain(|folder| folder.strong_count() > 0);
        let mut folders: Vec<_> = self.folders.iter().filter_map(Weak::upgrade).collect();
        folders.sort();
        folders.dedup_by(|inner, outer| inner.starts_with(&**outer));
        folders
    }

    /// Removes what is kept on a device, the oldest first, as far as that is needed; how many octets that were.
    fn remove_oldest(&mut self, device: u64) -> u64 {
        let mut all: Vec<_> =
            self.outermost().iter().flat_map(|folder| kept_below(folder, Device::Only(device))).collect();
        all.sort_by_key(|kept| kept.modified);
        let mut free = 0;
        for kept in all {
            if free < PORTION && remove_kept(&kept.path).is_ok() {
                free += kept.octets;
            }
        }
        free
    }
}

impl Ground {
    pub(super) fn new(path: PathBuf) -> Self {
        let folder = Arc::new(path);
        let mut served = served();
        served.folders.retain(|folder| folder.strong_count() > 0);
        served.folders.push(Arc::downgrade(&folder));
        Self { _folder: folder, unlinkable: Unlinkable::default() }
    }
}

fn served() -> MutexGuard<'static, Served> {
    // A panic elsewhere leaves lists behind that are good: each change is one addition or removal.
    SERVED.lock().unwrap_or_else(PoisonError::into_inner)
}

/// There is something that can go now.
pub(super) fn note_kept() {
    served().barren.clear();
}

/// Makes room on the file system of an open file or directory, if there is something that can go.
pub(super) fn make_room(near: impl AsFd) -> Room {
    let Ok(device) = rustix::fs::fstat(near).map(|stat| stat.st_dev) else { return Room::None };
    // One at a time: what makes room for one may do for the next.
    let mut served = served();
    served.barren.retain(|(_, since)| since.elapsed() < PATIENCE);
    if served.barren.iter().any(|(barren, _)| *barren == device) {
        return Room::None;
    }
    match served.remove_oldest(device) {
        0 => {
            served.barren.push((device, Instant::now()));
            Room::None
        }
        _ => Room::Some,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::File;
    use std::path::Path;
    use std::time::SystemTime;

    fn keep(path: &Path, octets: u64, age: u64) -> File {
        let file = File::create(path).unwrap();
        file.set_len(octets).unwrap();
        file.set_modified(SystemTime::now() - Duration::from_secs(age)).unwrap();
        file
    }

    #[test]
    fn the_oldest_go_first_and_none_that_is_held() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        std::fs::create_dir_all(at("a/deep")).unwrap();
        std::fs::create_dir(at("b")).unwrap();
        let held = keep(&at("a/.ftp-partial-held"), PORTION, 900);
        crate::storage::local::staging::hold(&held).unwrap();
        keep(&at("b/.ftp-partial-young"), 10, 1);
        keep(&at("a/deep/.ftp-partial-old"), PORTION, 800);
        keep(&at("b/.ftp-partial-middle"), PORTION, 700);
        keep(&at("a/whole"), PORTION, 1000);
        let folders = ["a", "b", "a/deep"].map(|name| Arc::new(at(name)));
        let mut served = Served { folders: folders.iter().map(Arc::downgrade).collect(), barren: Vec::new() };
        let device = rustix::fs::stat(folder.path()).unwrap().st_dev;
        for gone in ["a/deep/.ftp-partial-old", "b/.ftp-partial-middle", "b/.ftp-partial-young"] {
            assert!(at(gone).exists(), "{gone}");
            assert!(served.remove_oldest(device) > 0);
            assert!(!at(gone).exists(), "{gone}");
        }
        assert_eq!(served.remove_oldest(device), 0);
        assert!(at("a/whole").exists() && at("a/.ftp-partial-held").exists());
        drop(folders);
        assert!(served.outermost().is_empty(), "folders that are no longer served");
    }
}
