//! When octets and names are on the disk.

use std::fs::File;
use std::os::fd::OwnedFd;

use rustix::fs::{Mode, OFlags};

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

/// The directory, which is open for its path only, open for syncing if names are to be durable.
pub(super) fn syncable(dir: &OwnedFd, durability: Durability) -> Result<Option<OwnedFd>, StorageError> {
    if durability != Durability::Full {
        return Ok(None);
    }
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    rustix::fs::openat(dir, c".", flags, Mode::empty()).map(Some).map_err(refusal)
}
