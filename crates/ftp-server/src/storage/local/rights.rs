//! What the host's permissions allow. Files and directories that nobody may change are left alone even where this
//! process could, as root.

use std::ffi::OsStr;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;

use ftp_proto::value::facts::{Kind, Perm};
use rustix::fs::{Access, AtFlags, StatxAttributes, StatxFlags};

use crate::page_cache::Medium;
use crate::storage::StorageError;
use crate::storage::local::confine::Place;
use crate::storage::local::host::refusal;

/// Whether names may be made and removed in a directory. One that nobody may write to is left alone even where this
/// process could.
pub(super) fn may_change(dir: &OwnedFd) -> Result<(), StorageError> {
    if rustix::fs::fstat(dir).map_err(refusal)?.st_mode & 0o222 == 0 {
        return Err(StorageError::Denied);
    }
    may(dir, OsStr::from_bytes(b"."), Access::WRITE_OK | Access::EXEC_OK)
}

/// Whether something is mounted at a place. Linux before 5.8 does not tell.
pub(super) fn is_mount_point(place: &Place) -> bool {
    // A place that was at hand was reached without crossing into another mount.
    place.medium == Medium::Other
        && rustix::fs::statx(
            &place.dir,
            OsStr::from_bytes(&place.name),
            AtFlags::SYMLINK_NOFOLLOW,
            StatxFlags::empty(),
        )
        .is_ok_and(|stat| stat.stx_attributes.contains(StatxAttributes::MOUNT_ROOT))
}

/// What this process may do with a name, by its effective user.
pub(super) fn may(dir: &OwnedFd, name: &OsStr, access: Access) -> Result<(), StorageError> {
    rustix::fs::accessat(dir, name, access, AtFlags::EACCESS).map_err(refusal)
}

/// The letters that a mode leaves to anyone; the session takes away what the user has no right to.
pub(super) fn perm(kind: Kind, mode: u32) -> Perm {
    let (readable, writable) = (mode & 0o444 != 0, mode & 0o222 != 0);
    Perm::of(match (kind, readable, writable) {
        (Kind::Dir | Kind::CurrentDir | Kind::ParentDir, _, true) => b"cdeflmp",
        (Kind::Dir | Kind::CurrentDir | Kind::ParentDir, _, false) => b"el",
        (Kind::File, true, true) => b"adfrw",
        (Kind::File, true, false) => b"dfr",
        (Kind::File, false, true) => b"adfw",
        _ => b"df",
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::fs::{Mode, OFlags};

    #[test]
    fn what_is_mounted_is_known() {
        for (name, wanted) in [("proc", true), ("etc", false), ("none", false)] {
            let dir = rustix::fs::open("/", OFlags::PATH, Mode::empty()).unwrap();
            let place = Place { dir, name: name.into(), medium: Medium::Other };
            assert_eq!(is_mount_point(&place), wanted, "{name}");
        }
    }
}
