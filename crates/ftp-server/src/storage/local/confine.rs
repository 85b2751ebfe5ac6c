//! Paths beneath a root, whatever links are in the way.
//!
//! The kernel does it where it can: `openat2` with `RESOLVE_BENEATH`. Where it cannot (an old kernel, a link with
//! an absolute target that lies inside the root, a link that is the last name) a walk resolves one name at a
//! time with `O_NOFOLLOW`, so that no link is followed that this module has not read itself. Links that lead
//! outside are refused. Not here: rights.

use std::collections::VecDeque;
use std::ffi::OsStr;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use ftp_proto::value::path::VPath;
use rustix::fs::{AtFlags, FileType, Mode, OFlags, ResolveFlags, Stat};
use rustix::io::Errno;

use crate::page_cache::Medium;
use crate::storage::StorageError;
use crate::storage::local::host::{io_refusal, refusal};
use crate::storage::local::staging::is_staging;

/// Links that may be in one path, as in the kernel.
const LINKS_MAX: u32 = 40;

/// An open directory beneath which every path stays.
#[derive(Debug)]
pub(super) struct Root {
    dir: OwnedFd,
    path: PathBuf,
    medium: Medium,
    device: u64,
}

/// What to do with a link that is the last name of a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Last {
    /// Follow it.
    Follow,
    /// It is the thing itself.
    Keep,
}

/// A name in an open directory.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) dir: OwnedFd,
    pub(super) name: Vec<u8>,
    /// What it lies on, if that is known for sure.
    pub(super) medium: Medium,
}

impl Root {
    pub(super) fn open_root(path: &Path) -> std::io::Result<Self> {
        let path = path.canonicalize()?;
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let dir = rustix::fs::open(&path, flags, Mode::empty())?;
        let medium = Medium::of(&dir)?;
        let device = rustix::fs::fstat(&dir)?.st_dev;
        Ok(Self { dir, path, medium, device })
    }

    /// The device on which it lies.
    pub(super) fn device(&self) -> u64 {
        self.device
    }

    /// Whether it was removed.
    pub(super) fn is_gone(&self) -> bool {
        rustix::fs::fstat(&self.dir).is_ok_and(|stat| stat.st_nlink == 0)
    }

    /// Whether that is known at once.
    pub(super) fn is_local(&self) -> bool {
        self.medium != Medium::Other
    }

    /// Whether it is what stands at `path` now.
    pub(super) fn is_at(&self, path: &Path) -> bool {
        let inode = |stat: Stat| (stat.st_dev, stat.st_ino);
        let (own, there) = (rustix::fs::fstat(&self.dir), rustix::fs::stat(path));
        matches!((own, there), (Ok(own), Ok(there)) if inode(own) == inode(there))
    }

    /// Opens `path`, links followed as long as they stay inside; the last one is opened itself with `O_NOFOLLOW`.
    pub(super) fn open(&self, path: &VPath, flags: OFlags) -> Result<OwnedFd, StorageError> {
        not_staging(path)?;
        let flags = flags | OFlags::CLOEXEC;
        let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS;
        let name = OsStr::from_bytes(path.relative());
        match rustix::fs::openat2(&self.dir, name, flags, Mode::empty(), resolve) {
            Ok(fd) => Ok(fd),
            // An absolute link, a race with a rename, an old kernel, a seccomp filter: look closer.
            Err(Errno::XDEV | Errno::AGAIN | Errno::NOSYS | Errno::PERM) => {
                let last = if flags.contains(OFlags::NOFOLLOW) { Last::Keep } else { Last::Follow };
                let place = self.place(path, last)?;
                let name = OsStr::from_bytes(&place.name);
                rustix::fs::openat(&place.dir, name, flags | OFlags::NOFOLLOW, Mode::empty()).map_err(refusal)
            }
            Err(errno) => Err(refusal(errno)),
        }
    }

    /// Opens `path` if that needs no disk: every name of it is in the kernel's caches, and the file system is a local one.
    /// `None` if it may take a while, or has to be looked at closer.
    pub(super) fn open_at_hand(&self, path: &VPath, flags: OFlags) -> Option<Result<OwnedFd, StorageError>> {
        if self.medium == Medium::Other || not_staging(path).is_err() {
            return None;
        }
        let resolve = ResolveFlags::BENEATH
            | ResolveFlags::NO_MAGICLINKS
            | ResolveFlags::NO_XDEV
            | ResolveFlags::CACHED;
        let name = OsStr::from_bytes(path.relative());
        match rustix::fs::openat2(&self.dir, name, flags | OFlags::CLOEXEC, Mode::empty(), resolve) {
            Ok(fd) => Some(Ok(fd)),
            Err(errno @ (Errno::NOENT | Errno::NOTDIR | Errno::ACCESS)) => Some(Err(refusal(errno))),
            Err(_) => None,
        }
    }

    /// The same for the directory that holds the last name of `path`; `None` also if that name is a link.
    pub(super) fn place_at_hand(&self, path: &VPath) -> Option<(Place, Option<Stat>)> {
        if path.is_root() {
            return None;
        }
        let dir = self.open_at_hand(&path.parent(), OFlags::PATH | OFlags::DIRECTORY)?.ok()?;
        let old = match self.open_at_hand(path, OFlags::PATH | OFlags::NOFOLLOW)? {
            Ok(fd) => Some(rustix::fs::fstat(fd).ok()?),
            Err(StorageError::NotFound) => None,
            Err(_) => return None,
        };
        let is_link = |stat: &Stat| FileType::from_raw_mode(stat.st_mode) == FileType::Symlink;
        if old.as_ref().is_some_and(is_link) {
            return None;
        }
        Some((Place { dir, name: path.name().to_vec(), medium: self.medium }, old))
    }

    /// The directory that really holds the last name of `path`, held open, and that name.
    pub(super) fn place(&self, path: &VPath, last: Last) -> Result<Place, StorageError> {
        not_staging(path)?;
        if path.is_root() {
            return self.walk(path, last);
        }
        let (parent, name) = (path.parent(), OsStr::from_bytes(path.name()));
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS;
        let opened = rustix::fs::openat2(
            &self.dir,
            OsStr::from_bytes(parent.relative()),
            flags,
            Mode::empty(),
            resolve,
        );
        match opened {
            Ok(dir) if last == Last::Keep || !is_link(&dir, name)? => {
                Ok(Place { dir, name: path.name().to_vec(), medium: Medium::Other })
            }
            // A link has to be read; the others are those of `open`.
            Ok(_) | Err(Errno::XDEV | Errno::AGAIN | Errno::NOSYS | Errno::PERM) => self.walk(path, last),
            Err(errno) => Err(refusal(errno)),
        }
    }

    /// The same, one name at a time.
    fn walk(&self, path: &VPath, last: Last) -> Result<Place, StorageError> {
        let mut way = Way { root: &self.dir, names: Vec::new(), dir: None };
        let mut names: VecDeque<Vec<u8>> = path.names().map(<[u8]>::to_vec).collect();
        let mut links = 0;
        while let Some(name) = names.pop_front() {
            match name.as_slice() {
                b"" | b"." => continue,
                b".." => {
                    way.up()?;
                    continue;
                }
                _ => {}
            }
            let is_last = names.is_empty();
            if !(is_last && last == Last::Keep) {
                match rustix::fs::readlinkat(way.open()?, OsStr::from_bytes(&name), Vec::new()) {
                    Ok(target) => {
                        links += 1;
                        if links > LINKS_MAX {
                            return Err(refusal(Errno::LOOP));
                        }
                        self.follow(target.as_bytes(), &mut way, &mut names)?;
                        continue;
                    }
                    Err(Errno::INVAL | Errno::NOENT) => {}
                    Err(errno) => return Err(refusal(errno)),
                }
            }
            if is_last {
                return way.place(name);
            }
            way.down(name)?;
        }
        way.place(b".".to_vec())
    }

    /// Puts the names of a link's target in front of those that are left.
    fn follow(
        &self,
        target: &[u8],
        way: &mut Way<'_>,
        names: &mut VecDeque<Vec<u8>>,
    ) -> Result<(), StorageError> {
        let target = Path::new(OsStr::from_bytes(target));
        let inside = if target.is_absolute() {
            way.back_to_root();
            target.strip_prefix(&self.path).map_err(|_| StorageError::Outside)?
        } else {
            target
        };
        for name in inside.as_os_str().as_bytes().split(|octet| *octet == b'/').rev() {
            names.push_front(name.to_vec());
        }
        Ok(())
    }
}

/// The way that a walk has gone down from the root: names of directories, none of them a link. One descriptor is enough for
/// any depth, since the way up is gone by going down again.
struct Way<'a> {
    root: &'a OwnedFd,
    names: Vec<Vec<u8>>,
    /// The directory it has reached, unless that has to be opened again.
    dir: Option<OwnedFd>,
}

impl Way<'_> {
    /// The directory it has reached.
    fn open(&mut self) -> Result<&OwnedFd, StorageError> {
        if self.dir.is_none() {
            let mut dir = self.root.try_clone().map_err(|error| io_refusal(&error))?;
            for name in &self.names {
                dir = directory(&dir, name)?;
            }
            self.dir = Some(dir);
        }
        self.dir.as_ref().ok_or(StorageError::Outside)
    }

    fn down(&mut self, name: Vec<u8>) -> Result<(), StorageError> {
        let dir = directory(self.open()?, &name)?;
        self.dir = Some(dir);
        self.names.push(name);
        Ok(())
    }

    fn up(&mut self) -> Result<(), StorageError> {
        // Above the root there is nothing to go up to: the link leads outside.
        self.names.pop().ok_or(StorageError::Outside)?;
        self.dir = None;
        Ok(())
    }

    fn back_to_root(&mut self) {
        self.names.clear();
        self.dir = None;
    }

    fn place(mut self, name: Vec<u8>) -> Result<Place, StorageError> {
        self.open()?;
        let dir = self.dir.ok_or(StorageError::Outside)?;
        Ok(Place { dir, name, medium: Medium::Other })
    }
}

/// Opens a directory in another, and no link.
fn directory(dir: &OwnedFd, name: &[u8]) -> Result<OwnedFd, StorageError> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    rustix::fs::openat(dir, OsStr::from_bytes(name), flags, Mode::empty()).map_err(refusal)
}

/// Whether a name is that of a link; one that is nothing is none.
pub(super) fn is_link(dir: &OwnedFd, name: &OsStr) -> Result<bool, StorageError> {
    match rustix::fs::statat(dir, name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(stat) => Ok(FileType::from_raw_mode(stat.st_mode) == FileType::Symlink),
        Err(Errno::NOENT) => Ok(false),
        Err(errno) => Err(refusal(errno)),
    }
}

/// Names of uploads under way exist for nobody.
fn not_staging(path: &VPath) -> Result<(), StorageError> {
    if path.names().any(is_staging) { Err(StorageError::NotFound) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    fn tree() -> (tempfile::TempDir, Root) {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("root");
        std::fs::create_dir_all(root.join("a/b")).unwrap();
        std::fs::write(root.join("a/b/file"), "in").unwrap();
        std::fs::write(folder.path().join("secret"), "out").unwrap();
        for (target, link) in [
            ("a/b", "relative"),
            ("../secret", "above"),
            ("/etc/passwd", "etc"),
            ("../root/a/b/file", "round"),
            ("loop", "loop"),
            ("nowhere", "dangling"),
            ("..", "a/up"),
        ] {
            symlink(target, root.join(link)).unwrap();
        }
        symlink(root.join("a/b/file"), root.join("absolute")).unwrap();
        let root = Root::open_root(&root).unwrap();
        (folder, root)
    }

    /// What both ways of opening say.
    fn open(root: &Root, path: &str) -> Result<(), StorageError> {
        let path = VPath::new(path).unwrap();
        let kernel = root.open(&path, OFlags::PATH).map(drop);
        for place in [root.place(&path, Last::Follow), root.walk(&path, Last::Follow)] {
            let walk = place.and_then(|place| {
                let flags = OFlags::PATH | OFlags::NOFOLLOW;
                rustix::fs::openat(&place.dir, OsStr::from_bytes(&place.name), flags, Mode::empty())
                    .map_err(refusal)
            });
            assert_eq!(kernel, walk.map(drop), "{path}");
        }
        kernel
    }

    #[test]
    fn links_inside_work_and_links_outside_are_refused() {
        let (_folder, root) = tree();
        for inside in ["/", "/a/b/file", "/relative/file", "/absolute", "/a/up/relative/file"] {
            assert_eq!(open(&root, inside), Ok(()), "{inside}");
        }
        for outside in ["/above", "/etc", "/round", "/a/up/above"] {
            assert_eq!(open(&root, outside), Err(StorageError::Outside), "{outside}");
        }
        for nothing in ["/loop", "/dangling", "/missing", "/a/missing/file"] {
            assert_eq!(open(&root, nothing), Err(StorageError::NotFound), "{nothing}");
        }
        assert_eq!(open(&root, "/a/b/file/x"), Err(StorageError::NotADirectory));
    }

    /// Each directory that a walk holds open is a descriptor: at 129 of them it said that the path is too long.
    #[test]
    fn any_depth_can_be_reached_that_a_path_can_name() {
        let (_folder, root) = tree();
        let (mut dirs, mut deep) = (Vec::new(), VPath::new("/a").unwrap());
        for depth in 0..500 {
            deep = deep.child(b"d").unwrap();
            let place =
                if depth % 2 == 0 { root.place(&deep, Last::Keep) } else { root.walk(&deep, Last::Keep) };
            let place = place.unwrap();
            rustix::fs::mkdirat(&place.dir, "d", Mode::from_raw_mode(0o755)).unwrap();
            dirs.push(deep.clone());
        }
        // Up by a link, and down again.
        let up = [b"../".repeat(501).as_slice(), b"relative/file"].concat();
        rustix::fs::symlinkat(OsStr::from_bytes(&up), root.open(&deep, OFlags::PATH).unwrap(), "up").unwrap();
        assert_eq!(open(&root, "/relative/file"), Ok(()));
        let up = deep.child(b"up").unwrap();
        assert!(root.place(&up, Last::Follow).is_ok_and(|place| place.name == b"file"));
        // Deepest first, as a client does it.
        let remove = |path: &VPath, flags| {
            let place = root.place(path, Last::Keep).unwrap();
            rustix::fs::unlinkat(&place.dir, OsStr::from_bytes(&place.name), flags).unwrap();
        };
        remove(&up, AtFlags::empty());
        dirs.iter().rev().for_each(|dir| remove(dir, AtFlags::REMOVEDIR));
    }

    #[test]
    fn a_final_link_can_be_kept() {
        let (_folder, root) = tree();
        let link = VPath::new("/absolute").unwrap();
        assert_eq!(root.place(&link, Last::Keep).unwrap().name, b"absolute");
        assert_eq!(root.place(&link, Last::Follow).unwrap().name, b"file");
    }
}
