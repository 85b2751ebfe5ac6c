//! The host below a folder: where calls that may wait are made, and what its errors are called.
//!
//! Not here: which call is made.

use ftp_proto::value::path::PathError;
use rustix::io::Errno;

use crate::storage::StorageError;

/// Runs `work` where it may wait.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, StorageError> + Send + 'static,
) -> Result<T, StorageError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) => Err(StorageError::Io(error.to_string().into())),
    }
}

/// An error of the kernel in the words of a storage.
pub(super) fn refusal(errno: Errno) -> StorageError {
    match errno {
        Errno::NOENT => StorageError::NotFound,
        Errno::NOTDIR => StorageError::NotADirectory,
        Errno::ISDIR => StorageError::IsADirectory,
        Errno::EXIST => StorageError::Exists,
        Errno::NOTEMPTY => StorageError::NotEmpty,
        Errno::ACCESS | Errno::PERM => StorageError::Denied,
        Errno::ROFS => StorageError::ReadOnly,
        Errno::XDEV => StorageError::Outside,
        // A circle of links leads nowhere.
        Errno::LOOP => StorageError::NotFound,
        Errno::NOSPC => StorageError::NoSpace,
        Errno::DQUOT | Errno::FBIG => StorageError::OverQuota,
        Errno::BUSY | Errno::TXTBSY | Errno::AGAIN | Errno::INTR => StorageError::Busy,
        Errno::MFILE | Errno::NFILE | Errno::NOMEM => StorageError::TooMany,
        // Of file systems on a network, and of FUSE whose program has died.
        Errno::STALE
        | Errno::NOTCONN
        | Errno::TIMEDOUT
        | Errno::HOSTDOWN
        | Errno::HOSTUNREACH
        | Errno::NETUNREACH
        | Errno::CONNREFUSED
        | Errno::CONNABORTED
        | Errno::CONNRESET => StorageError::Unavailable,
        // A socket, or a device that nothing stands behind.
        Errno::NXIO | Errno::NODEV => StorageError::NotAFile,
        Errno::ILSEQ => StorageError::Unstorable,
        Errno::NAMETOOLONG => StorageError::Name(PathError::NameTooLong),
        Errno::INVAL | Errno::OPNOTSUPP | Errno::NOSYS => StorageError::Unsupported,
        other => StorageError::Io(other.to_string().into()),
    }
}

/// The same where a name is given or taken away, and where the kernel says by some errors what is the matter with the name.
pub(super) fn name_refusal(errno: Errno) -> StorageError {
    match errno {
        Errno::INVAL => StorageError::Unstorable,
        Errno::BUSY => StorageError::MountPoint,
        Errno::XDEV => StorageError::OtherFileSystem,
        errno => refusal(errno),
    }
}

/// The same for errors of the standard library.
pub(super) fn io_refusal(error: &std::io::Error) -> StorageError {
    match Errno::from_io_error(error) {
        Some(errno) => refusal(errno),
        None => StorageError::Io(error.to_string().into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 450 and 451 make clients repeat, 550 and 553 do not.
    #[test]
    fn what_time_does_not_heal_is_not_called_busy_and_what_it_heals_is_not_called_denied() {
        for (errno, wanted) in [
            (Errno::ROFS, StorageError::ReadOnly),
            (Errno::ILSEQ, StorageError::Unstorable),
            (Errno::NXIO, StorageError::NotAFile),
            (Errno::NOSYS, StorageError::Unsupported),
            (Errno::MFILE, StorageError::TooMany),
            (Errno::NOMEM, StorageError::TooMany),
            (Errno::STALE, StorageError::Unavailable),
            (Errno::NOTCONN, StorageError::Unavailable),
            (Errno::XDEV, StorageError::Outside),
        ] {
            assert_eq!(refusal(errno), wanted, "{errno:?}");
        }
        for (errno, wanted) in [
            (Errno::XDEV, StorageError::OtherFileSystem),
            (Errno::INVAL, StorageError::Unstorable),
            (Errno::BUSY, StorageError::MountPoint),
            (Errno::NOENT, StorageError::NotFound),
        ] {
            assert_eq!(name_refusal(errno), wanted, "{errno:?}");
        }
    }
}
