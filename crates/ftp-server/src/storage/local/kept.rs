//! What is kept of a broken upload for its owner: a hidden file beside the name that it was meant for.
//!
//! ```text
//! broken upload ──keep──> kept ──take──> held ──commit──> it has its name
//!                          ^               │
//!                          └──── breaks ───┘        a day later, or by DELE, RMD, or a whole upload: gone
//! ```
//!
//! Whoever goes on with it holds a lock (flock(2)), so that no other session, of this process or another, goes on with it or
//! removes it meanwhile. Not here: what is kept, and when (`publish.rs`), and the hidden names (`staging.rs`).

use std::ffi::OsStr;
use std::fs::File;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, Stat};
use rustix::io::Errno;

use crate::storage::StorageError;
use crate::storage::local::host::refusal;
use crate::storage::local::staging::{hold, is_staging};

/// How long octets are kept.
pub(super) const LIFETIME: Duration = Duration::from_hours(24);

/// A partial that is held: until it is let go, it is nobody else's.
#[derive(Debug)]
pub(super) struct Kept {
    pub(super) file: File,
    /// Its octets.
    pub(super) size: u64,
    /// Its hidden name.
    pub(super) name: Vec<u8>,
}

/// Octets of a partial that may be gone on with; `None` if it is too old, or none at all.
fn usable(stat: &Stat) -> Option<u64> {
    let modified = UNIX_EPOCH + Duration::from_secs(u64::try_from(stat.st_mtime).unwrap_or(0));
    // One from the future is not old: the clock was set back.
    let old = SystemTime::now().duration_since(modified).is_ok_and(|age| age >= LIFETIME);
    let is_file = FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile;
    (is_file && !old).then(|| u64::try_from(stat.st_size).unwrap_or(0))
}

fn stat_of(dir: &OwnedFd, name: &[u8]) -> Result<Option<Stat>, StorageError> {
    match rustix::fs::statat(dir, OsStr::from_bytes(name), AtFlags::SYMLINK_NOFOLLOW) {
        Ok(stat) => Ok(Some(stat)),
        Err(Errno::NOENT) => Ok(None),
        Err(errno) => Err(refusal(errno)),
    }
}

/// Octets that are kept under a hidden name.
pub(super) fn size(dir: &OwnedFd, name: &[u8]) -> Result<Option<u64>, StorageError> {
    Ok(stat_of(dir, name)?.as_ref().and_then(usable))
}

impl Kept {
    /// Takes what is kept under a hidden name, if there is anything.
    ///
    /// Fails with `Busy` if somebody has it.
    pub(super) fn take(dir: &OwnedFd, name: &[u8]) -> Result<Option<Self>, StorageError> {
        let flags = OFlags::RDWR | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
        let fd = match rustix::fs::openat(dir, OsStr::from_bytes(name), flags, Mode::empty()) {
            Ok(fd) => fd,
            Err(Errno::NOENT) => return Ok(None),
            Err(errno) => return Err(refusal(errno)),
        };
        hold(&fd).map_err(refusal)?;
        // Whoever had the lock before may have removed it, or given it its name.
        let (held, there) = (rustix::fs::fstat(&fd).map_err(refusal)?, stat_of(dir, name)?);
        if there.is_none_or(|there| (there.st_dev, there.st_ino) != (held.st_dev, held.st_ino)) {
            return Ok(None);
        }
        Ok(usable(&held).map(|size| Self { file: File::from(fd), size, name: name.to_vec() }))
    }

    /// Removes it.
    pub(super) fn remove(self, dir: &OwnedFd) -> Result<(), StorageError> {
        rustix::fs::unlinkat(dir, OsStr::from_bytes(&self.name), AtFlags::empty()).map_err(refusal)
    }
}

/// Removes what is kept in a directory, for whomever, and what a killed process has left there, if there is nothing else in it;
/// one that is held stays, and the directory with it.
pub(super) fn clear(dir: impl AsFd) -> Result<(), StorageError> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let dir = rustix::fs::openat(dir, c".", flags, Mode::empty()).map_err(refusal)?;
    let mut hidden = Vec::new();
    for entry in Dir::read_from(&dir).map_err(refusal)? {
        let entry = entry.map_err(refusal)?;
        match entry.file_name().to_bytes() {
            b"." | b".." => {}
            name if is_staging(name) => hidden.push(name.to_vec()),
            _ => return Err(StorageError::NotEmpty),
        }
    }
    for name in hidden {
        // One that is too old to be gone on with is not in the way either.
        match Kept::take(&dir, &name)? {
            Some(kept) => kept.remove(&dir)?,
            None => match rustix::fs::unlinkat(&dir, OsStr::from_bytes(&name), AtFlags::empty()) {
                Ok(()) | Err(Errno::NOENT) => {}
                Err(errno) => return Err(refusal(errno)),
            },
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs::FileTimes;
    use std::path::Path;

    use super::*;
    use crate::storage::{Create, Left, LocalOptions, LocalStorage, Storage, VPath};

    fn path(path: &str) -> VPath {
        VPath::new(path).unwrap()
    }

    fn folder() -> (tempfile::TempDir, LocalStorage) {
        let folder = tempfile::tempdir().unwrap();
        let storage = LocalStorage::new(folder.path(), LocalOptions::default().owner("me")).unwrap();
        (folder, storage)
    }

    async fn broken(storage: &LocalStorage, file: &str, data: &[u8]) -> Left {
        let mut writing = storage.write(&path(file), Create::Replace).await.unwrap();
        writing.sink.write(data.to_vec()).await.unwrap();
        writing.sink.abandon().await
    }

    /// The only entry of a folder of the host.
    fn only(folder: &Path) -> std::path::PathBuf {
        let mut entries = std::fs::read_dir(folder).unwrap();
        let only = entries.next().unwrap().unwrap().path();
        assert!(entries.next().is_none());
        only
    }

    #[tokio::test]
    async fn what_is_kept_is_its_owners_and_can_be_named_by_nobody() {
        let (folder, mine) = folder();
        assert_eq!(broken(&mine, "/f", b"1234").await, Left::Kept(4));
        let other = mine.for_owner("other");
        assert_eq!(other.kept(&path("/f")).await, Ok(None));
        assert_eq!(other.remove_file(&path("/f")).await, Err(StorageError::NotFound));
        let hidden = only(folder.path());
        let named = path(&format!("/{}", hidden.file_name().unwrap().to_str().unwrap()));
        assert_eq!(mine.facts(&named).await.map(drop), Err(StorageError::NotFound));
        assert!(mine.write(&named, Create::Replace).await.is_err());
        assert_eq!(mine.kept(&path("/f")).await, Ok(Some(4)));
        let again = LocalStorage::new(folder.path(), LocalOptions::default().owner("me")).unwrap();
        assert_eq!(again.kept(&path("/f")).await, Ok(Some(4)), "also after a restart");
        let nobody = LocalStorage::new(folder.path(), LocalOptions::default()).unwrap();
        assert_eq!(broken(&nobody, "/f", b"1234").await, Left::Nothing);
    }

    #[tokio::test]
    async fn one_session_at_a_time_goes_on() {
        let (folder, storage) = folder();
        std::fs::create_dir(folder.path().join("d")).unwrap();
        broken(&storage, "/d/f", b"1234").await;
        let first = storage.write(&path("/d/f"), Create::Append).await.unwrap();
        for how in [Create::Append, Create::At(2)] {
            let second = storage.write(&path("/d/f"), how).await.map(drop);
            assert_eq!(second, Err(StorageError::Busy));
        }
        assert_eq!(storage.remove_file(&path("/d/f")).await, Err(StorageError::Busy));
        assert_eq!(storage.remove_dir(&path("/d")).await, Err(StorageError::Busy));
        // Whoever begins anew is not in the way, and takes nothing from the first.
        assert_eq!(broken(&storage, "/d/f", b"anew").await, Left::Nothing);
        assert_eq!(first.sink.commit(b"5".to_vec()).await.unwrap().size, 5);
        assert_eq!(std::fs::read(only(&folder.path().join("d"))).unwrap(), b"12345");
    }

    #[tokio::test]
    async fn a_day_later_it_is_gone() {
        let (folder, storage) = folder();
        broken(&storage, "/f", b"1234").await;
        assert_eq!(storage.sweep().await, 0);
        let hidden = only(folder.path());
        let yesterday = SystemTime::now() - LIFETIME;
        let file = File::options().write(true).open(&hidden).unwrap();
        file.set_times(FileTimes::new().set_modified(yesterday)).unwrap();
        assert_eq!(storage.kept(&path("/f")).await, Ok(None));
        let append = storage.write(&path("/f"), Create::Append).await.unwrap();
        assert_eq!(append.sink.commit(b"new".to_vec()).await.unwrap().size, 3);
        assert_eq!(storage.sweep().await, 1);
        assert!(only(folder.path()).ends_with("f"));
    }

    #[tokio::test]
    async fn what_a_killed_process_left_is_not_in_the_way_of_a_folder_that_looks_empty() {
        let (folder, storage) = folder();
        let left = folder.path().join("d/.ftp-upload-0123456789abcdef");
        std::fs::create_dir(folder.path().join("d")).unwrap();
        std::fs::write(&left, "half").unwrap();
        let under_way = File::open(&left).unwrap();
        hold(&under_way).unwrap();
        assert_eq!(storage.remove_dir(&path("/d")).await, Err(StorageError::Busy));
        drop(under_way);
        assert_eq!(storage.remove_dir(&path("/d")).await, Ok(()));
    }

    /// Where uploads are seen as they grow, what is not seen would be gone on with by half.
    #[tokio::test]
    async fn nothing_is_kept_in_a_live_folder() {
        let folder = tempfile::tempdir().unwrap();
        let options = LocalOptions::default().owner("me").live(vec![path("/")]);
        let storage = LocalStorage::new(folder.path(), options).unwrap();
        for how in [Create::Append, Create::At(0)] {
            let mut writing = storage.write(&path("/f"), how).await.unwrap();
            writing.sink.write(b"half".to_vec()).await.unwrap();
            assert_eq!(writing.sink.abandon().await, Left::Nothing, "{how:?}");
            assert_eq!(storage.kept(&path("/f")).await, Ok(None));
            assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
        }
    }

    /// The file was changed by another program while a client changed it.
    #[tokio::test]
    async fn a_change_of_a_file_that_changed_itself_is_refused() {
        let (folder, storage) = folder();
        let file = folder.path().join("f");
        std::fs::write(&file, "0123456789").unwrap();
        let mut writing = storage.write(&path("/f"), Create::At(3)).await.unwrap();
        writing.sink.write(b"abc".to_vec()).await.unwrap();
        assert_eq!(std::fs::read(&file).unwrap(), b"0123456789", "nothing is seen before the end");
        std::fs::write(&file, "of somebody else").unwrap();
        let not_stored = writing.sink.commit(Vec::new()).await.unwrap_err();
        assert_eq!((not_stored.why, not_stored.left), (StorageError::Busy, Left::Nothing));
        assert_eq!(std::fs::read(&file).unwrap(), b"of somebody else");
    }
}
