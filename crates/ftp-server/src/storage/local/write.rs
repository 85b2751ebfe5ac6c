//! Where an upload goes, and whether it may.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::sync::Arc;

use ftp_proto::value::path::VPath;
use rustix::fs::{Access, AtFlags, FileType, OFlags, Stat};
use rustix::io::Errno;

use crate::storage::local::confine::{Last, Place};
use crate::storage::local::folder::Folder;
use crate::storage::local::host::refusal;
use crate::storage::local::in_place::{InPlace, Opening};
use crate::storage::local::kept::{self, Kept};
use crate::storage::local::options::Partial;
use crate::storage::local::plan::{Naming, Plan, Start, Terms};
use crate::storage::local::publish::Staged;
use crate::storage::local::rights::{is_mount_point, may, may_change};
use crate::storage::local::upload::Upload;
use crate::storage::{Create, NotStored, Sink, StorageError, Stored};

/// Where an upload goes, and what is there now.
type Target = (Place, Option<Stat>);

fn size_of(stat: &Stat) -> u64 {
    u64::try_from(stat.st_size).unwrap_or(0)
}

impl Folder {
    /// Where an upload goes and what is there now.
    pub(super) fn target(&self, path: &VPath) -> Result<Target, StorageError> {
        let place = self.root.place(path, Last::Follow)?;
        let name = OsStr::from_bytes(&place.name);
        let old = match rustix::fs::statat(&place.dir, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => Some(stat),
            Err(Errno::NOENT) => None,
            Err(errno) => return Err(refusal(errno)),
        };
        Ok((place, old))
    }

    /// Refuses what could not be published.
    fn writable(&self, path: &VPath, how: Create, (place, old): &Target) -> Result<(), StorageError> {
        let name = OsStr::from_bytes(&place.name);
        match old.as_ref().map(|stat| (FileType::from_raw_mode(stat.st_mode), stat.st_mode)) {
            None => return may_change(&place.dir),
            Some((FileType::Directory, _)) => return Err(StorageError::IsADirectory),
            // Publishing by rename would not ask the file itself.
            Some((FileType::RegularFile, mode)) if mode & 0o222 == 0 => return Err(StorageError::Denied),
            Some((FileType::RegularFile, _)) => may(&place.dir, name, Access::WRITE_OK)?,
            Some(_) => return Err(StorageError::NotAFile),
        }
        if how != Create::Replace || self.is_live(path) {
            return Ok(());
        }
        // Nothing takes the name of what is mounted: to say so behind the last octet would be late, and it never passes.
        if is_mount_point(place) { Err(StorageError::MountPoint) } else { may_change(&place.dir) }
    }

    fn is_live(&self, path: &VPath) -> bool {
        self.options.live.iter().any(|dir| path.is_beneath(dir))
    }

    /// Whether beginning a write asks the disk for what is kept.
    pub(super) fn may_go_on(&self, how: Create) -> bool {
        matches!(how, Create::Append | Create::At(_)) && self.kept_name(b"").is_some()
    }

    /// Octets that are kept of a broken upload.
    pub(super) fn kept(&self, path: &VPath) -> Result<Option<u64>, StorageError> {
        // Where uploads are seen as they grow, nobody goes on with what is not.
        if self.kept_name(b"").is_none() || self.is_live(path) {
            return Ok(None);
        }
        let (place, _) = self.target(path)?;
        self.kept_name(&place.name).map_or(Ok(None), |name| kept::size(&place.dir, &name))
    }

    pub(super) fn write(
        &self,
        path: &VPath,
        how: Create,
        target: Target,
    ) -> Result<Box<dyn Sink>, StorageError> {
        self.writable(path, how, &target)?;
        let (place, old) = target;
        if self.is_live(path) {
            return self.write_live(place, how, old.as_ref().map(size_of));
        }
        let start = match (how, old.as_ref().map(size_of)) {
            (Create::Replace | Create::Unique, _) => Start::Anew,
            (Create::Append, old) => match (self.take_kept(&place)?, old) {
                (Some(kept), None) => go_on(kept, how)?,
                // The old version and the end of a new one are no file.
                (Some(kept), Some(_)) => return Err(StorageError::KeptBeside(kept.size)),
                (None, None) => Start::Anew,
                (None, Some(size)) => return Ok(self.in_place(place, size, Opening::Append)),
            },
            (Create::At(from), old) => match (self.take_kept(&place)?, old) {
                (Some(kept), _) => go_on(kept, how)?,
                (None, old) if from > old.unwrap_or(0) => return Err(StorageError::BeyondEnd),
                (None, None) => Start::Anew,
                (None, Some(size)) if self.is_changed_in_place(&place, from, size) => {
                    return Ok(self.in_place(place, from, Opening::Keep));
                }
                (None, Some(_)) => Start::Change(from),
            },
            _ => return Err(StorageError::Unsupported),
        };
        let naming = match (how, &start, &old) {
            (_, Start::Change(_), _) => Naming::Change,
            (Create::Replace, ..) | (_, Start::GoOn(..), Some(_)) => Naming::Replace,
            (Create::Unique, ..) => Naming::Unique,
            _ => Naming::Fresh,
        };
        if old.is_some() && how != Create::Replace {
            may_change(&place.dir)?;
        }
        let terms = self.terms(&place);
        Ok(Box::new(Upload::Planned(Plan { place, old, naming, start, terms })))
    }

    /// A write that is seen while it comes.
    fn write_live(&self, place: Place, how: Create, old: Option<u64>) -> Result<Box<dyn Sink>, StorageError> {
        Ok(match (how, old) {
            (Create::Replace, _) => self.in_place(place, 0, Opening::Truncate),
            (Create::Append, Some(size)) => self.in_place(place, size, Opening::Append),
            (Create::At(from), old) if from > old.unwrap_or(0) => return Err(StorageError::BeyondEnd),
            (Create::At(from), Some(_)) => self.in_place(place, from, Opening::Keep),
            // What is to be added to nothing is a new file.
            (Create::Append | Create::At(_) | Create::Unique, _) => {
                let naming = if how == Create::Unique { Naming::Unique } else { Naming::Fresh };
                let terms = Terms { keep: None, ..self.terms(&place) };
                Box::new(Upload::Planned(Plan { place, old: None, naming, start: Start::Anew, terms }))
            }
            _ => return Err(StorageError::Unsupported),
        })
    }

    fn in_place(&self, place: Place, from: u64, opening: Opening) -> Box<dyn Sink> {
        let terms = self.terms(&place);
        Box::new(InPlace::new(place, from, opening, terms))
    }

    /// Whether octets from `from` on are written into the file itself: where they can be taken away again, where they are to
    /// stay, and where no other file can take the name.
    fn is_changed_in_place(&self, place: &Place, from: u64, size: u64) -> bool {
        from == size
            || self.options.partial == Partial::Visible
            || may_change(&place.dir).is_err()
            || is_mount_point(place)
    }

    fn terms(&self, place: &Place) -> Terms {
        let keep = self.options.owner.clone().zip(self.kept_name(&place.name));
        let ground = Arc::clone(&self.ground);
        Terms { durability: self.options.durability, partial: self.options.partial, keep, ground }
    }

    /// Copies a file beside its target and publishes it in one step.
    pub(super) fn copy(&self, from: &VPath, to: &VPath) -> Result<Stored, NotStored> {
        let fd = self.root.open(from, OFlags::RDONLY | OFlags::NONBLOCK)?;
        let mut file = Self::readable(fd)?;
        let target = self.target(to)?;
        self.writable(to, Create::Replace, &target)?;
        let (place, old) = target;
        let terms = Terms { partial: Partial::Never, keep: None, ..self.terms(&place) };
        let (naming, start) = (Naming::Replace, Start::Anew);
        let mut staged = Staged::open(Plan { place, old, naming, start, terms })?;
        staged.copy(&mut file)?;
        staged.finish()
    }
}

/// A write that goes on with what is kept.
fn go_on(kept: Kept, how: Create) -> Result<Start, StorageError> {
    let from = match how {
        Create::At(from) => from,
        _ => kept.size,
    };
    if from > kept.size { Err(StorageError::BeyondKept(kept.size)) } else { Ok(Start::GoOn(kept, from)) }
}
