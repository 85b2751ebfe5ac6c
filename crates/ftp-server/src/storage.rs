//! Where files live: the trait a server reaches them through, and two implementations.
//!
//! A storage is reached only through the [`Account`](crate::auth::Account) that a login yields, so no method takes
//! a user. Errors are [`StorageError`]: they say what is wrong and know no reply codes. The trait asks for nothing
//! that an object store could not do: listings come in pages, reads start anywhere, writes are staged and then
//! committed or dropped; changing a file in place is an ability that a storage may lack ([`Storage::can`]).
//!
//! [`LocalStorage`] serves a folder, confined beneath its root. [`MemoryStorage`] is for tests and embedding.

use std::fs::File;
use std::io::PipeReader;
use std::sync::Arc;

use async_trait::async_trait;
use ftp_proto::command::extension::FactChange;
use ftp_proto::value::facts::{Entry, Facts};
use ftp_proto::value::path::VPath;

pub use ftp_proto::session::{Abilities, Create, Left, Refusal as StorageError};

pub(crate) mod digest;
mod local;
mod memory;

pub use local::{Durability, KeepPartial, LocalOptions, LocalStorage};
pub use memory::{MemoryStorage, content, listing};

/// A tree of files and directories.
///
/// Three methods make one that can be read; those that change it refuse unless they are written.
#[async_trait]
pub trait Storage: Send + Sync {
    /// What is known of an entry. Links are followed.
    async fn facts(&self, path: &VPath) -> Result<Facts, StorageError>;

    /// The entries of a directory, in pages.
    async fn list(&self, dir: &VPath) -> Result<Box<dyn Entries>, StorageError>;

    /// Opens a file for reading from octet `from` on.
    ///
    /// # Errors
    /// [`StorageError::BeyondEnd`] if the file is shorter than that, and the usual ones.
    async fn read(&self, file: &VPath, from: u64) -> Result<Box<dyn Source>, StorageError>;

    /// Begins a write, or refuses it. It is asked before a data connection stands, and there may never be one: nothing
    /// changes before the first octet (in place) or before [`Sink::commit`] (replace).
    ///
    /// Yields also the path that is written: another one than `file` for [`Create::Unique`], where `file` is the
    /// directory.
    async fn write(&self, _file: &VPath, _how: Create) -> Result<(VPath, Box<dyn Sink>), StorageError> {
        Err(StorageError::Denied)
    }

    /// Makes a directory.
    async fn make_dir(&self, _dir: &VPath) -> Result<(), StorageError> {
        Err(StorageError::Denied)
    }

    /// Removes an empty directory.
    async fn remove_dir(&self, _dir: &VPath) -> Result<(), StorageError> {
        Err(StorageError::Denied)
    }

    /// Removes a file.
    async fn remove_file(&self, _file: &VPath) -> Result<(), StorageError> {
        Err(StorageError::Denied)
    }

    /// Renames; a file in the way is replaced, a directory is not.
    async fn rename(&self, _from: &VPath, _to: &VPath) -> Result<(), StorageError> {
        Err(StorageError::Denied)
    }

    /// Sets a fact.
    async fn change(&self, _path: &VPath, _change: &FactChange) -> Result<(), StorageError> {
        Err(StorageError::Denied)
    }

    /// Octets that are free at a directory.
    async fn free(&self, _dir: &VPath) -> Result<u64, StorageError> {
        Err(StorageError::Unsupported)
    }

    /// What this storage can do; `FEAT` promises no more.
    fn can(&self) -> Abilities {
        Abilities::RESTART_READ
    }
}

/// A name for STOU in `dir`.
fn unique(dir: &VPath) -> Result<VPath, StorageError> {
    let name = format!("upload-{:016x}", rand::random::<u64>());
    dir.child(name.as_bytes()).map_err(StorageError::Name)
}

/// The entries of a directory.
#[async_trait]
pub trait Entries: Send {
    /// The next entries, in no order; an empty page is the end.
    async fn next_page(&mut self) -> Result<Vec<Entry>, StorageError>;
}

/// A file that is open for reading.
#[async_trait]
pub trait Source: Send {
    /// Octets from where it was opened to its end.
    fn len(&self) -> u64;

    /// Whether there are none.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Fills `buffer`, up to its capacity, with the next octets; an empty buffer is the end.
    ///
    /// The buffer goes in and out by value so that another thread can fill it without a copy.
    async fn read(&mut self, buffer: Vec<u8>) -> Result<Vec<u8>, StorageError>;

    /// The file itself and the offset of its next octet, if the kernel may send it.
    fn file(&self) -> Option<(Arc<File>, u64)> {
        None
    }
}

/// A write under way. Dropping it is a broken upload: nothing of it stays visible.
#[async_trait]
pub trait Sink: Send {
    /// Takes the next octets; gives the buffer back, empty, for reuse.
    async fn write(&mut self, data: Vec<u8>) -> Result<Vec<u8>, StorageError>;

    /// Whether octets may come through a pipe, which spares a copy on their way into a file.
    fn takes_pipes(&self) -> bool {
        false
    }

    /// Takes exactly `octets`, all of which are in `pipe` already, before it yields; reading more would wait for ever. Asked
    /// only of those that [take pipes](Sink::takes_pipes).
    async fn take(&mut self, _pipe: Arc<PipeReader>, _octets: usize) -> Result<(), StorageError> {
        Err(StorageError::Unsupported)
    }

    /// Takes the last octets, which may be none, and makes everything durable and visible under its name.
    async fn commit(self: Box<Self>, last: Vec<u8>) -> Result<(), StorageError>;

    /// Ends a broken upload: keeps what may be kept, removes the rest, and says which.
    async fn abandon(self: Box<Self>) -> Left;
}
