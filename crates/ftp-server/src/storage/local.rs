//! A folder of the host.
//!
//! Every call that may wait for a disk runs on tokio's blocking threads; what the kernel's caches know is asked for at
//! once, because going to a thread and back costs more than the answer. Links inside the folder work, links that
//! lead outside are refused. Entries whose names hold control characters are not listed, because no listing can
//! show them on one line. Not here: what a user may do, beyond what the host's permissions say.

use std::collections::hash_map::RandomState;
use std::ffi::{CStr, OsStr};
use std::fs::File;
use std::hash::BuildHasher;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use async_trait::async_trait;
use ftp_proto::command::extension::FactChange;
use ftp_proto::value::facts::{Entry, Facts, Kind};
use ftp_proto::value::path::VPath;
use ftp_proto::value::time::TimeVal;
use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, StatxFlags, Timespec, Timestamps};
use rustix::io::Errno;

use crate::storage::confine::{Last, Root, io_refusal, refusal};
use crate::storage::publish::{is_staging, sweep};
use crate::storage::{Abilities, Create, Entries, Sink, Source, Storage, StorageError, unique};

mod read;
mod rights;
mod write;

use read::{LocalEntries, LocalSource};
use rights::{may_change, perm};

/// When an upload counts as stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Durability {
    /// When the kernel has it: a power cut may lose it.
    None,
    /// When its octets are on the disk (`fdatasync`).
    #[default]
    Data,
    /// When its octets, facts and name are on the disk (`fsync`, also of the directory).
    Full,
}

/// What becomes of the octets of a broken upload.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum KeepPartial {
    /// They go.
    Never,
    /// They are kept under the name that was asked for if that name was free, so that the client can resume.
    #[default]
    NewOnly,
}

/// How a [`LocalStorage`] stores.
#[derive(Debug, Clone, Default)]
pub struct LocalOptions {
    /// When an upload counts as stored.
    pub durability: Durability,
    /// What becomes of a broken upload.
    pub keep_partial: KeepPartial,
    /// Directories in which uploads are seen as they grow, for programs that poll: no staging, no atomic rename.
    pub live: Vec<VPath>,
}

/// A folder of the host as a tree of files.
#[derive(Debug, Clone)]
pub struct LocalStorage {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    root: Root,
    options: LocalOptions,
    begun: SystemTime,
    /// Makes the unique fact say nothing about the host.
    key: RandomState,
}

/// Runs `work` where it may wait.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, StorageError> + Send + 'static,
) -> Result<T, StorageError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) => Err(StorageError::Io(error.to_string().into())),
    }
}

impl LocalStorage {
    /// The folder at `path`.
    ///
    /// # Errors
    /// If there is no such folder, or it cannot be opened.
    pub fn new(path: impl AsRef<Path>, options: LocalOptions) -> std::io::Result<Self> {
        let root = Root::open_root(path.as_ref())?;
        Ok(Self {
            shared: Arc::new(Shared { root, options, begun: SystemTime::now(), key: RandomState::new() }),
        })
    }

    /// Removes what uploads of a killed process have left. Nothing is left where the file system has `O_TMPFILE`.
    ///
    /// Returns how many files were removed. Folders that cannot be read are passed over.
    pub async fn sweep(&self) -> usize {
        let path = self.shared.root.path().to_owned();
        let before = self.shared.begun;
        blocking(move || Ok(sweep(&path, before))).await.unwrap_or(0)
    }

    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Shared) -> Result<T, StorageError> + Send + 'static,
    ) -> Result<T, StorageError> {
        let shared = Arc::clone(&self.shared);
        blocking(move || work(&shared)).await
    }
}

impl Shared {
    /// The facts of an open entry.
    fn facts(&self, fd: &OwnedFd) -> Result<Facts, StorageError> {
        let wanted = StatxFlags::BASIC_STATS | StatxFlags::BTIME;
        let stat = rustix::fs::statx(fd, c"", AtFlags::EMPTY_PATH, wanted).map_err(refusal)?;
        Ok(self.facts_of(&stat))
    }

    fn facts_of(&self, stat: &rustix::fs::Statx) -> Facts {
        let kind = match FileType::from_raw_mode(u32::from(stat.stx_mode)) {
            FileType::RegularFile => Kind::File,
            FileType::Directory => Kind::Dir,
            _ => Kind::Other,
        };
        let mode = u32::from(stat.stx_mode) & 0o7777;
        let time = |stamp: rustix::fs::StatxTimestamp| TimeVal::from_unix(stamp.tv_sec);
        let modify = time(stat.stx_mtime);
        let has_birth = stat.stx_mask & StatxFlags::BTIME.bits() != 0;
        // A time that was set back makes a file older than its birth; RFC 3659 §7.5.4 does not let create say so.
        let create = has_birth.then(|| time(stat.stx_btime)).filter(|create| *create <= modify);
        Facts {
            kind,
            size: stat.stx_size,
            modify: Some(modify),
            create,
            perm: perm(kind, mode),
            unique: Some(self.key.hash_one((stat.stx_dev_major, stat.stx_dev_minor, stat.stx_ino))),
            mode,
            links: u64::from(stat.stx_nlink),
            owner: Some((stat.stx_uid, stat.stx_gid)),
        }
    }

    /// The facts of `name` in `dir`, which is open; `None` if it is not to be shown.
    fn entry(&self, dir: &OwnedFd, path: &VPath, name: &CStr) -> Option<Entry> {
        let octets = name.to_bytes();
        if octets.iter().any(u8::is_ascii_control) || is_staging(octets) {
            return None;
        }
        let wanted = StatxFlags::BASIC_STATS | StatxFlags::BTIME;
        let flags = AtFlags::SYMLINK_NOFOLLOW;
        let stat = rustix::fs::statx(dir, name, flags, wanted).ok()?;
        let mut facts = self.facts_of(&stat);
        if FileType::from_raw_mode(u32::from(stat.stx_mode)) == FileType::Symlink {
            // The thing it points to, or an entry of its own kind if that is nothing, or outside.
            let child = path.child(octets).ok()?;
            if let Ok(target) = self.root.open(&child, OFlags::PATH).and_then(|fd| self.facts(&fd)) {
                facts = target;
            }
        }
        Some(Entry { name: octets.to_vec(), facts })
    }

    /// Opens a file for a download; `fd` is what was opened.
    fn source(fd: OwnedFd, from: u64) -> Result<LocalSource, StorageError> {
        let file = File::from(fd);
        let metadata = file.metadata().map_err(|error| io_refusal(&error))?;
        if metadata.is_dir() {
            return Err(StorageError::IsADirectory);
        }
        if !metadata.is_file() {
            return Err(StorageError::Unsupported);
        }
        // A file that nobody may read is not read, even where this process could.
        if metadata.mode() & 0o444 == 0 {
            return Err(StorageError::Denied);
        }
        let left = metadata.len().checked_sub(from).ok_or(StorageError::BeyondEnd)?;
        Ok(LocalSource::new(file, from, left))
    }

    /// Opens a directory for a listing.
    fn list(self: &Arc<Self>, path: &VPath) -> Result<LocalEntries, StorageError> {
        let dir = self.root.open(path, OFlags::RDONLY | OFlags::DIRECTORY)?;
        let reader = Dir::read_from(&dir).map_err(refusal)?;
        Ok(LocalEntries::new(Arc::clone(self), path.clone(), dir, reader))
    }

    fn rename(&self, from: &VPath, to: &VPath) -> Result<(), StorageError> {
        if from.is_root() || to.is_root() {
            return Err(StorageError::Denied);
        }
        let (from, to) = (self.root.place(from, Last::Keep)?, self.root.place(to, Last::Keep)?);
        may_change(&from.dir)?;
        may_change(&to.dir)?;
        let (old, new) = (OsStr::from_bytes(&from.name), OsStr::from_bytes(&to.name));
        rustix::fs::renameat(&from.dir, old, &to.dir, new).map_err(|errno| match errno {
            // A directory into itself.
            Errno::INVAL => StorageError::Denied,
            errno => refusal(errno),
        })
    }

    fn change(&self, path: &VPath, change: &FactChange) -> Result<(), StorageError> {
        match change {
            FactChange::Modify(time) => {
                let stamp = Timespec { tv_sec: time.unix(), tv_nsec: i64::from(time.nanos()) };
                let times = Timestamps {
                    last_access: Timespec { tv_sec: 0, tv_nsec: rustix::fs::UTIME_OMIT },
                    last_modification: stamp,
                };
                let place = self.root.place(path, Last::Follow)?;
                let name = OsStr::from_bytes(&place.name);
                rustix::fs::utimensat(&place.dir, name, &times, AtFlags::SYMLINK_NOFOLLOW).map_err(refusal)
            }
            FactChange::UnixMode(mode) => {
                let fd = self.root.open(path, OFlags::RDONLY | OFlags::NONBLOCK)?;
                // Set-user-ID and its kin are not for FTP.
                rustix::fs::fchmod(fd, Mode::from_raw_mode(u32::from(mode & 0o777))).map_err(refusal)
            }
        }
    }

    fn free(&self, path: &VPath) -> Result<u64, StorageError> {
        let fd = self.root.open(path, OFlags::PATH | OFlags::DIRECTORY)?;
        let stat = rustix::fs::fstatvfs(fd).map_err(refusal)?;
        Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
    }

    fn remove(&self, path: &VPath, flags: AtFlags) -> Result<(), StorageError> {
        if path.is_root() {
            return Err(StorageError::Denied);
        }
        let place = self.root.place(path, Last::Keep)?;
        may_change(&place.dir)?;
        rustix::fs::unlinkat(&place.dir, OsStr::from_bytes(&place.name), flags).map_err(refusal)
    }
}

#[async_trait]
impl Storage for LocalStorage {
    async fn facts(&self, path: &VPath) -> Result<Facts, StorageError> {
        if let Some(opened) = self.shared.root.open_at_hand(path, OFlags::PATH) {
            return self.shared.facts(&opened?);
        }
        let path = path.clone();
        self.run(move |shared| shared.facts(&shared.root.open(&path, OFlags::PATH)?)).await
    }

    async fn list(&self, dir: &VPath) -> Result<Box<dyn Entries>, StorageError> {
        let (shared, dir) = (Arc::clone(&self.shared), dir.clone());
        let entries = blocking(move || shared.list(&dir)).await?;
        Ok(Box::new(entries))
    }

    async fn read(&self, file: &VPath, from: u64) -> Result<Box<dyn Source>, StorageError> {
        let flags = OFlags::RDONLY | OFlags::NONBLOCK;
        let source = match self.shared.root.open_at_hand(file, flags) {
            Some(opened) => Shared::source(opened?, from)?,
            None => {
                let file = file.clone();
                self.run(move |shared| Shared::source(shared.root.open(&file, flags)?, from)).await?
            }
        };
        Ok(Box::new(source))
    }

    async fn write(&self, file: &VPath, how: Create) -> Result<(VPath, Box<dyn Sink>), StorageError> {
        let path = if how == Create::Unique { unique(file)? } else { file.clone() };
        let sink = match self.shared.root.place_at_hand(&path) {
            Some(target) => self.shared.write(&path, how, target)?,
            None => {
                let path = path.clone();
                self.run(move |shared| shared.write(&path, how, shared.target(&path)?)).await?
            }
        };
        Ok((path, sink))
    }

    async fn make_dir(&self, dir: &VPath) -> Result<(), StorageError> {
        let dir = dir.clone();
        self.run(move |shared| {
            let place = shared.root.place(&dir, Last::Keep)?;
            may_change(&place.dir)?;
            let mode = Mode::from_raw_mode(0o777);
            rustix::fs::mkdirat(&place.dir, OsStr::from_bytes(&place.name), mode).map_err(refusal)
        })
        .await
    }

    async fn remove_dir(&self, dir: &VPath) -> Result<(), StorageError> {
        let dir = dir.clone();
        self.run(move |shared| shared.remove(&dir, AtFlags::REMOVEDIR)).await
    }

    async fn remove_file(&self, file: &VPath) -> Result<(), StorageError> {
        let file = file.clone();
        self.run(move |shared| shared.remove(&file, AtFlags::empty())).await
    }

    async fn rename(&self, from: &VPath, to: &VPath) -> Result<(), StorageError> {
        let (from, to) = (from.clone(), to.clone());
        self.run(move |shared| shared.rename(&from, &to)).await
    }

    async fn change(&self, path: &VPath, change: &FactChange) -> Result<(), StorageError> {
        let (path, change) = (path.clone(), change.clone());
        self.run(move |shared| shared.change(&path, &change)).await
    }

    async fn free(&self, dir: &VPath) -> Result<u64, StorageError> {
        let dir = dir.clone();
        self.run(move |shared| shared.free(&dir)).await
    }

    fn can(&self) -> Abilities {
        Abilities::ALL
    }
}
