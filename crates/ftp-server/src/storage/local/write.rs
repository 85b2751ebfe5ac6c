//! Where an upload goes, and whether it may.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use ftp_proto::value::path::VPath;
use rustix::fs::{Access, AtFlags, FileType, OFlags, Stat};
use rustix::io::Errno;

use crate::storage::local::confine::{Last, Place};
use crate::storage::local::folder::Folder;
use crate::storage::local::host::refusal;
use crate::storage::local::in_place::{InPlace, Opening};
use crate::storage::local::options::KeepPartial;
use crate::storage::local::publish::{Naming, Plan, Staged, Terms, Upload};
use crate::storage::local::rights::{may, may_change};
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
            Some(_) => return Err(StorageError::Unsupported),
        }
        if how == Create::Replace && !self.is_live(path) { may_change(&place.dir) } else { Ok(()) }
    }

    fn is_live(&self, path: &VPath) -> bool {
        self.options.live.iter().any(|dir| path.is_beneath(dir))
    }

    pub(super) fn write(
        &self,
        path: &VPath,
        how: Create,
        target: Target,
    ) -> Result<Box<dyn Sink>, StorageError> {
        self.writable(path, how, &target)?;
        let (place, old) = target;
        let durability = self.options.durability;
        let terms = Terms { durability, keep_partial: self.options.keep_partial };
        let size = old.as_ref().map_or(0, size_of);
        let naming = match how {
            Create::Replace => Naming::Replace,
            Create::Unique => Naming::Unique,
            _ => Naming::Fresh,
        };
        Ok(match how {
            Create::Replace if self.is_live(path) => {
                Box::new(InPlace::new(place, 0, Opening::Truncate, durability))
            }
            Create::Append if old.is_some() => {
                Box::new(InPlace::new(place, size, Opening::Append, durability))
            }
            Create::At(offset) if offset > size => return Err(StorageError::BeyondEnd),
            Create::At(offset) if old.is_some() => {
                Box::new(InPlace::new(place, offset, Opening::Keep, durability))
            }
            // What is to be added to nothing is a new file.
            Create::Replace | Create::Unique | Create::Append | Create::At(_) => {
                Box::new(Upload::Planned(Plan { place, old, naming, terms }))
            }
            _ => return Err(StorageError::Unsupported),
        })
    }

    /// Copies a file beside its target and publishes it in one step.
    pub(super) fn copy(&self, from: &VPath, to: &VPath) -> Result<Stored, NotStored> {
        let fd = self.root.open(from, OFlags::RDONLY | OFlags::NONBLOCK)?;
        let mut file = Self::readable(fd)?;
        let target = self.target(to)?;
        self.writable(to, Create::Replace, &target)?;
        let (place, old) = target;
        let terms = Terms { durability: self.options.durability, keep_partial: KeepPartial::Never };
        let mut staged = Staged::open(Plan { place, old, naming: Naming::Replace, terms })?;
        staged.copy(&mut file)?;
        staged.finish()
    }
}
