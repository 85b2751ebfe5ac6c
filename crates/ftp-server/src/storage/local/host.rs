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
        Errno::ACCESS | Errno::PERM | Errno::ROFS => StorageError::Denied,
        Errno::XDEV => StorageError::Outside,
        // A circle of links leads nowhere.
        Errno::LOOP => StorageError::NotFound,
        Errno::NOSPC => StorageError::NoSpace,
        Errno::DQUOT | Errno::FBIG => StorageError::OverQuota,
        Errno::BUSY | Errno::TXTBSY | Errno::AGAIN => StorageError::Busy,
        Errno::NAMETOOLONG => StorageError::Name(PathError::NameTooLong),
        Errno::INVAL | Errno::OPNOTSUPP => StorageError::Unsupported,
        other => StorageError::Io(other.to_string().into()),
    }
}

/// The same for errors of the standard library.
pub(super) fn io_refusal(error: &std::io::Error) -> StorageError {
    match Errno::from_io_error(error) {
        Some(errno) => refusal(errno),
        None => StorageError::Io(error.to_string().into()),
    }
}
