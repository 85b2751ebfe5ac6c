//! Where files live: the trait a server reaches them through, and two implementations.
//!
//! A storage is reached only through the [`Account`](crate::auth::Account) that a login yields, so no method takes
//! a user. Errors are [`StorageError`]: they say what is wrong and know no reply codes. The trait asks for nothing
//! that an object store could not do: listings come in pages, reads start anywhere, writes are staged and then
//! committed or dropped; changing a file in place is an ability that a storage may lack ([`Storage::can`]).
//!
//! [`LocalStorage`] serves a folder, confined beneath its root. [`MemoryStorage`] is for tests and embedding.

use std::fs::File;
use std::sync::Arc;

use async_trait::async_trait;
use ftp_proto::command::extension::FactChange;
use ftp_proto::value::facts::{Entry, Facts};
use ftp_proto::value::path::VPath;

pub use ftp_proto::session::{Abilities, Create, Left, Refusal as StorageError};

mod confine;
mod local;
mod memory;
mod publish;

pub use local::{Durability, KeepPartial, LocalOptions, LocalStorage};
pub use memory::MemoryStorage;

/// A tree of files and directories.
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

    /// Whether `write` would be allowed, without opening or changing anything. Yields the path that will be
    /// written: another one than `file` for [`Create::Unique`], where `file` is the directory.
    async fn may_write(&self, file: &VPath, how: Create) -> Result<VPath, StorageError>;

    /// Begins a write. Nothing that was there may change before the first octet (in place) or before
    /// [`Sink::commit`] (replace).
    async fn write(&self, file: &VPath, how: Create) -> Result<Box<dyn Sink>, StorageError>;

    /// Makes a directory.
    async fn make_dir(&self, dir: &VPath) -> Result<(), StorageError>;

    /// Removes an empty directory.
    async fn remove_dir(&self, dir: &VPath) -> Result<(), StorageError>;

    /// Removes a file.
    async fn remove_file(&self, file: &VPath) -> Result<(), StorageError>;

    /// Renames; a file in the way is replaced, a directory is not.
    async fn rename(&self, from: &VPath, to: &VPath) -> Result<(), StorageError>;

    /// Sets a fact.
    async fn change(&self, path: &VPath, change: &FactChange) -> Result<(), StorageError>;

    /// Octets that are free at a directory.
    async fn free(&self, dir: &VPath) -> Result<u64, StorageError>;

    /// What this storage can do; `FEAT` promises no more.
    fn can(&self) -> Abilities;
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

    /// Makes what was written durable and visible under its name.
    async fn commit(self: Box<Self>) -> Result<(), StorageError>;

    /// Ends a broken upload: keeps what may be kept, removes the rest, and says which.
    async fn abandon(self: Box<Self>) -> Left;
}
