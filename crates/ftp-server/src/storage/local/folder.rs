//! What is asked of, and done to, the entries of a folder of the host; each call here may wait for a disk.
//!
//! Not here: reading (`read.rs`), writing (`write.rs`), and where these calls are made (`local.rs`).

use std::collections::hash_map::RandomState;
use std::ffi::OsStr;
use std::hash::BuildHasher;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::sync::Arc;

use ftp_proto::command::extension::FactChange;
use ftp_proto::value::facts::{Entry, Facts, Kind};
use ftp_proto::value::path::VPath;
use ftp_proto::value::time::TimeVal;
use rustix::fs::{
    AtFlags, Dir, DirEntry, FileType, Mode, OFlags, RenameFlags, Stat, StatxFlags, Timespec, Timestamps,
};
use rustix::io::Errno;

use crate::storage::StorageError;
use crate::storage::local::confine::{Last, Place, Root, is_link};
use crate::storage::local::durable::Names;
use crate::storage::local::gate::Gate;
use crate::storage::local::ground::Ground;
use crate::storage::local::home::Home;
use crate::storage::local::host::{name_refusal, refusal};
use crate::storage::local::kept::{Kept, clear};
use crate::storage::local::options::{LocalOptions, Partial};
use crate::storage::local::rights::{may_change, perm};
use crate::storage::local::staging::{is_staging, kept_name};

/// Seconds by which times may differ from what was asked for where a file system has coarse ones (FAT).
const COARSE: u64 = 2;

/// An open folder of the host, and how it stores.
#[derive(Debug, Clone)]
pub(super) struct Folder {
    pub(super) root: Arc<Root>,
    pub(super) options: LocalOptions,
    /// The threads that may wait for it.
    pub(super) gate: Arc<Gate>,
    pub(super) ground: Arc<Ground>,
    /// Makes the unique fact say nothing about the host.
    pub(super) key: RandomState,
}

/// What a rename may take the name of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Over {
    /// Files, which it replaces.
    Files,
    /// Nothing.
    Nothing,
}

impl Folder {
    /// What is at `home` now.
    pub(super) fn open(home: &Home, options: &LocalOptions) -> std::io::Result<Self> {
        let (root, options, key) = (home.open()?, options.clone(), home.key.clone());
        let (gate, ground) = (Arc::clone(&home.gate), Arc::clone(&home.ground));
        Ok(Self { root, options, gate, ground, key })
    }

    /// The facts of an open entry.
    pub(super) fn facts(&self, fd: &OwnedFd) -> Result<Facts, StorageError> {
        let wanted = StatxFlags::BASIC_STATS | StatxFlags::BTIME;
        let stat = rustix::fs::statx(fd, c"", AtFlags::EMPTY_PATH, wanted).map_err(refusal)?;
        Ok(self.facts_of(&stat))
    }

    fn facts_of(&self, stat: &rustix::fs::Statx) -> Facts {
        let kind = match FileType::from_raw_mode(u32::from(stat.stx_mode)) {
            FileType::RegularFile => Kind::File,
            FileType::Directory => Kind::Dir,
            FileType::Symlink => Kind::Link,
            FileType::Fifo => Kind::Fifo,
            FileType::Socket => Kind::Socket,
            FileType::CharacterDevice => Kind::CharDevice,
            FileType::BlockDevice => Kind::BlockDevice,
            _ => Kind::Other,
        };
        let mode = u32::from(stat.stx_mode) & 0o7777;
        let time = |stamp: rustix::fs::StatxTimestamp| TimeVal::from_unix(stamp.tv_sec);
        let modify = time(stat.stx_mtime);
        let has_birth = stat.stx_mask & StatxFlags::BTIME.bits() != 0;
        // A time that was set back makes a file older than its birth; RFC 3659 §7.5.4 does not let create say so.
        let create = has_birth.then(|| time(stat.stx_btime)).filter(|create| *create <= modify);
        let mut facts = Facts::new(kind, stat.stx_size);
        facts.modify = Some(modify);
        facts.create = create;
        facts.perm = perm(kind, mode);
        facts.unique = Some(self.key.hash_one((stat.stx_dev_major, stat.stx_dev_minor, stat.stx_ino)));
        facts.mode = mode;
        facts.links = u64::from(stat.stx_nlink);
        facts.owner = Some((stat.stx_uid, stat.stx_gid));
        facts
    }

    /// What was read in `dir`, which is open, with its facts; `None` if it is not to be shown.
    pub(super) fn entry(&self, dir: &OwnedFd, read: &DirEntry) -> Result<Option<Entry>, StorageError> {
        let name = read.file_name().to_bytes();
        if !is_shown(name) {
            return Ok(None);
        }
        let wanted = StatxFlags::BASIC_STATS | StatxFlags::BTIME;
        let stat = rustix::fs::statx(dir, read.file_name(), AtFlags::SYMLINK_NOFOLLOW, wanted);
        let facts = known(stat.map(|stat| self.facts_of(&stat)), read.file_type())?;
        Ok(facts.map(|facts| Entry { name: name.to_vec(), facts }))
    }

    pub(super) fn make_dir(&self, path: &VPath) -> Result<(), StorageError> {
        let place = self.root.place(path, Last::Keep)?;
        may_change(&place.dir)?;
        let names = Names::of(&place.dir, self.options.durability)?;
        let mode = Mode::from_raw_mode(0o777);
        rustix::fs::mkdirat(&place.dir, OsStr::from_bytes(&place.name), mode).map_err(name_refusal)?;
        names.confirm()
    }

    pub(super) fn rename(&self, from: &VPath, to: &VPath, over: Over) -> Result<(), StorageError> {
        if from.is_root() || to.is_root() {
            return Err(StorageError::Denied);
        }
        let goes_into_itself = to.is_beneath(from);
        let (from, to) = (self.root.place(from, Last::Keep)?, self.root.place(to, Last::Keep)?);
        may_change(&from.dir)?;
        may_change(&to.dir)?;
        let (old, new) = (OsStr::from_bytes(&from.name), OsStr::from_bytes(&to.name));
        let inode = |dir, name| rustix::fs::statat(dir, name, AtFlags::SYMLINK_NOFOLLOW).ok();
        let (moved, there) = (inode(&from.dir, old), inode(&to.dir, new));
        // The kernel lets a directory take the place of an empty one, which nobody has asked for.
        let is_dir = |stat: &Stat| FileType::from_raw_mode(stat.st_mode) == FileType::Directory;
        if let (Some(moved), Some(there)) = (moved.filter(is_dir), there.filter(is_dir))
            && !is_one(&moved, &there)
        {
            return Err(StorageError::Exists);
        }
        let names_of = |dir| Names::of(dir, self.options.durability);
        let (taken, given) = (names_of(&from.dir)?, names_of(&to.dir)?);
        let renamed = match (over, there) {
            (Over::Files, _) => rustix::fs::renameat(&from.dir, old, &to.dir, new),
            (Over::Nothing, Some(there)) if moved.is_some_and(|moved| is_one(&moved, &there)) => {
                return Ok(());
            }
            (Over::Nothing, Some(_)) => return Err(StorageError::Exists),
            (Over::Nothing, None) => rename_to_free((&from.dir, old), (&to.dir, new)),
        };
        renamed.map_err(|errno| match errno {
            // A directory into itself.
            Errno::INVAL if goes_into_itself => StorageError::Denied,
            errno => name_refusal(errno),
        })?;
        self.drop_kept(&to);
        // The new name first: a crash between the two leaves both, and never neither.
        given.confirm()?;
        if is_same(&from.dir, &to.dir) { Ok(()) } else { taken.confirm() }
    }

    pub(super) fn change(&self, path: &VPath, change: &FactChange) -> Result<(), StorageError> {
        match change {
            FactChange::Modify(time) => set_modified(&self.root.place(path, Last::Follow)?, *time),
            FactChange::UnixMode(mode) => {
                let fd = self.root.open(path, OFlags::RDONLY | OFlags::NONBLOCK)?;
                // Set-user-ID and its kin are not for FTP.
                rustix::fs::fchmod(fd, Mode::from_raw_mode(u32::from(mode & 0o777))).map_err(refusal)
            }
            _ => Err(StorageError::Unsupported),
        }
    }

    pub(super) fn free(&self, path: &VPath) -> Result<u64, StorageError> {
        let fd = self.root.open(path, OFlags::PATH | OFlags::DIRECTORY)?;
        let stat = rustix::fs::fstatvfs(fd).map_err(refusal)?;
        Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
    }

    pub(super) fn remove_dir(&self, path: &VPath) -> Result<(), StorageError> {
        let place = self.removable(path)?;
        let name = OsStr::from_bytes(&place.name);
        let names = Names::of(&place.dir, self.options.durability)?;
        match rustix::fs::unlinkat(&place.dir, name, AtFlags::REMOVEDIR) {
            // What is kept in it is seen by nobody.
            Err(Errno::NOTEMPTY) => {
                let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
                match clear(rustix::fs::openat(&place.dir, name, flags, Mode::empty()).map_err(refusal)?) {
                    Err(StorageError::NotEmpty) if looks_empty(&place.dir, name) => {
                        return Err(StorageError::Unseen);
                    }
                    cleared => cleared?,
                }
                rustix::fs::unlinkat(&place.dir, name, AtFlags::REMOVEDIR)
            }
            // A link to a directory was perhaps entered as one, and goes as one.
            Err(Errno::NOTDIR) if is_link(&place.dir, name)? => {
                rustix::fs::unlinkat(&place.dir, name, AtFlags::empty())
            }
            done => done,
        }
        .map_err(name_refusal)?;
        names.confirm()
    }

    /// Removes a file, and what is kept of a broken upload to it.
    pub(super) fn remove_file(&self, path: &VPath) -> Result<(), StorageError> {
        let place = self.removable(path)?;
        let kept = self.take_kept(&place)?;
        let names = Names::of(&place.dir, self.options.durability)?;
        match rustix::fs::unlinkat(&place.dir, OsStr::from_bytes(&place.name), AtFlags::empty()) {
            Err(Errno::NOENT) if kept.is_some() => {}
            done => done.map_err(name_refusal)?,
        }
        kept.map_or(Ok(()), |kept| kept.remove(&place.dir))?;
        names.confirm()
    }

    fn removable(&self, path: &VPath) -> Result<Place, StorageError> {
        if path.is_root() {
            return Err(StorageError::Denied);
        }
        let place = self.root.place(path, Last::Keep)?;
        may_change(&place.dir)?;
        Ok(place)
    }

    /// The hidden name under which a broken upload to `name` is kept, if there is an owner to keep it for.
    pub(super) fn kept_name(&self, name: &[u8]) -> Option<Vec<u8>> {
        let owner = self.options.owner.as_ref().filter(|_| self.options.partial == Partial::Hidden)?;
        Some(kept_name(owner, name))
    }

    /// Removes what was kept of an upload to a place that has its file now. What another session goes on with stays its own,
    /// and what cannot be removed is too old one day.
    fn drop_kept(&self, place: &Place) {
        if let Ok(Some(kept)) = self.take_kept(place) {
            let _refused = kept.remove(&place.dir);
        }
    }

    /// What is kept of a broken upload to a place, held.
    pub(super) fn take_kept(&self, place: &Place) -> Result<Option<Kept>, StorageError> {
        self.kept_name(&place.name).map_or(Ok(None), |name| Kept::take(&place.dir, &name))
    }
}

/// Sets when an entry was last changed, as exactly as its file system can.
fn set_modified(place: &Place, time: TimeVal) -> Result<(), StorageError> {
    const NOFOLLOW: AtFlags = AtFlags::SYMLINK_NOFOLLOW;
    let (dir, name) = (&place.dir, OsStr::from_bytes(&place.name));
    let last_modification = Timespec { tv_sec: time.unix(), tv_nsec: i64::from(time.nanos()) };
    let modified = || rustix::fs::statat(dir, name, NOFOLLOW).map(|stat| stat.st_mtime).map_err(refusal);
    let set = |last_access| {
        let times = Timestamps { last_access, last_modification };
        rustix::fs::utimensat(dir, name, &times, NOFOLLOW).map_err(refusal)
    };
    let before = modified()?;
    set(Timespec { tv_sec: 0, tv_nsec: rustix::fs::UTIME_OMIT })?;
    let is_unheard = |now: i64| now == before && now.abs_diff(time.unix()) > COARSE;
    if is_unheard(modified()?) {
        // Some file systems (FUSE) listen only if both times are given.
        set(Timespec { tv_sec: 0, tv_nsec: rustix::fs::UTIME_NOW })?;
        if is_unheard(modified()?) {
            return Err(StorageError::Unsupported);
        }
    }
    Ok(())
}

/// Whether a name that was read in a directory is shown.
fn is_shown(name: &[u8]) -> bool {
    !matches!(name, b"." | b"..") && !name.iter().any(u8::is_ascii_control) && !is_staging(name)
}

/// Whether a directory that is not empty has nothing to show.
fn looks_empty(dir: &OwnedFd, name: &OsStr) -> bool {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let read = rustix::fs::openat(dir, name, flags, Mode::empty()).and_then(Dir::read_from);
    read.is_ok_and(|mut entries| {
        entries.all(|entry| entry.is_ok_and(|entry| !is_shown(entry.file_name().to_bytes())))
    })
}

/// What is shown of an entry that was read in a directory; `None` if it has gone since. A line that is left out for any other
/// reason is a file that a mirror removes.
fn known(facts: Result<Facts, Errno>, read_as: FileType) -> Result<Option<Facts>, StorageError> {
    match facts {
        Ok(facts) => Ok(Some(facts)),
        Err(Errno::NOENT) => Ok(None),
        // A mount that is dead, perhaps, which is no reason to show nothing beside it. Of a file the size would be missed.
        Err(_) if read_as == FileType::Directory => {
            let mut facts = Facts::new(Kind::Dir, 0);
            facts.mode = 0;
            Ok(Some(facts))
        }
        Err(errno) => Err(refusal(errno)),
    }
}

/// Whether both are the same entry.
fn is_one(one: &Stat, other: &Stat) -> bool {
    (one.st_dev, one.st_ino) == (other.st_dev, other.st_ino)
}

/// Renames to a name that was free; in one step where the file system knows how.
fn rename_to_free((from, old): (&OwnedFd, &OsStr), (to, new): (&OwnedFd, &OsStr)) -> Result<(), Errno> {
    match rustix::fs::renameat_with(from, old, to, new, RenameFlags::NOREPLACE) {
        Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => rustix::fs::renameat(from, old, to, new),
        done => done,
    }
}

/// Whether two open directories are one.
fn is_same(one: &OwnedFd, other: &OwnedFd) -> bool {
    let inode = |dir| rustix::fs::fstat(dir).map(|stat| (stat.st_dev, stat.st_ino));
    matches!((inode(one), inode(other)), (Ok(one), Ok(other)) if one == other)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_has_gone_is_left_out_of_a_listing() {
        let file = Facts::new(Kind::File, 7);
        assert_eq!(known(Ok(file.clone()), FileType::RegularFile), Ok(Some(file)));
        assert_eq!(known(Err(Errno::NOENT), FileType::RegularFile), Ok(None));
        for kind in [FileType::RegularFile, FileType::Symlink, FileType::Unknown] {
            assert!(matches!(known(Err(Errno::IO), kind), Err(StorageError::Io(_))), "{kind:?}");
            assert_eq!(known(Err(Errno::ACCESS), kind), Err(StorageError::Denied), "{kind:?}");
        }
        let dead = known(Err(Errno::NOTCONN), FileType::Directory).unwrap().unwrap();
        assert_eq!((dead.kind, dead.modify, dead.mode), (Kind::Dir, None, 0));
    }
}
