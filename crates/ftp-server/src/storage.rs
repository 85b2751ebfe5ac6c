//! Where files live: the trait a server reaches them through, and two implementations.
//!
//! A storage is reached only through the [`Account`](crate::auth::Account) that a login yields, so no method takes
//! a user. Errors are [`StorageError`]: they say what is wrong and know no reply codes. The trait asks for nothing
//! that an object store could not do: listings come in pages, reads have a start and an end, writes are staged and then
//! committed or dropped; changing a file in place is an ability that a storage may lack ([`Storage::can`]). What a broken
//! upload leaves is a matter of the storage: one that keeps octets for their owner is made with a key of that owner, and
//! says what it has by [`Storage::kept`].
//!
//! [`LocalStorage`] serves a folder, confined beneath its root. [`MemoryStorage`] is for tests and embedding. For storages of
//! your own: everything that one needs is exported here; adapters turn a list, a body, a whole upload or its parts into what
//! the trait asks for ([`listing`], [`content`], [`whole`], [`parts`]); and `contract::check`, of the feature `contract`,
//! tells whether it keeps its word.

use std::fs::File;
use std::io::PipeReader;
use std::sync::Arc;

pub use async_trait::async_trait;
pub use ftp_proto::command::extension::FactChange;
pub use ftp_proto::session::{Abilities, Algorithm, Create, Left, Refusal as StorageError, Span};
pub use ftp_proto::value::facts::{Entry, Facts, Kind, Perm};
pub use ftp_proto::value::path::VPath;
pub use ftp_proto::value::time::TimeVal;

mod adapters;
#[cfg(any(test, feature = "contract"))]
pub mod contract;
pub(crate) mod digest;
mod local;
mod memory;

pub use adapters::{PutParts, PutWhole, content, listing, parts, whole};
pub use local::{Durability, KeptUpload, LocalOptions, LocalStorage, Partial};
pub use memory::MemoryStorage;

/// A tree of files and directories.
///
/// Three methods make one that can be read; those that change it refuse unless they are written.
#[async_trait]
pub trait Storage: Send + Sync {
    /// What serves one session, from its login on, if that is not this storage itself: something that is opened for a session
    /// and closed with it.
    ///
    /// # Errors
    /// What the log says; the client hears that its folder cannot be opened, and is not logged in.
    async fn session(&self) -> std::io::Result<Option<Arc<dyn Storage>>> {
        Ok(None)
    }

    /// What is known of an entry. Links are followed.
    async fn facts(&self, path: &VPath) -> Result<Facts, StorageError>;

    /// What is known of an entry itself: of a link, not of what it leads to. For storages that have links.
    async fn own_facts(&self, path: &VPath) -> Result<Facts, StorageError> {
        self.facts(path).await
    }

    /// The entries of a directory, in pages. Links are shown as what they are: a client that takes one for a directory
    /// removes what it leads to.
    async fn list(&self, dir: &VPath) -> Result<Box<dyn Entries>, StorageError>;

    /// Opens a part of a file for reading; the part ends with the file, if that is shorter.
    ///
    /// # Errors
    /// [`StorageError::BeyondEnd`] if the file ends before the part begins, and the usual ones.
    async fn read(&self, file: &VPath, part: Span) -> Result<Box<dyn Source>, StorageError>;

    /// Begins a write, or refuses it. It is asked before a data connection stands, and there may never be one: nothing
    /// changes before the first octet (in place) or before [`Sink::commit`] (replace).
    ///
    /// Where this owner's octets of a broken upload are kept under that name, [`Create::At`] goes on with them, what stands
    /// behind is sent again, and the whole is published, also in place of an old version; so does [`Create::Append`] where
    /// there is none.
    ///
    /// # Errors
    /// [`StorageError::BeyondKept`] for [`Create::At`] beyond what is kept, [`StorageError::BeyondEnd`] beyond what is there,
    /// [`StorageError::Busy`] if another session goes on with the same octets, [`StorageError::KeptBeside`] for
    /// [`Create::Append`] where there are both an old version and octets of a new one, and the usual ones.
    async fn write(&self, _file: &VPath, _how: Create) -> Result<Writing, StorageError> {
        Err(StorageError::Denied)
    }

    /// The digest of a part of a file, if the storage knows it or can make it where the file is; `None` if the server has to
    /// read the file for it.
    async fn digest(
        &self,
        _file: &VPath,
        _by: Algorithm,
        _part: Span,
    ) -> Result<Option<Digest>, StorageError> {
        Ok(None)
    }

    /// Octets of a broken upload to `file` that are kept for this owner, from which a write may go on.
    async fn kept(&self, _file: &VPath) -> Result<Option<u64>, StorageError> {
        Ok(None)
    }

    /// Copies a file in one step; one that is in the way is replaced, a directory is not.
    async fn copy(&self, _from: &VPath, _to: &VPath) -> Result<Stored, NotStored> {
        Err(StorageError::Unsupported.into())
    }

    /// Makes a directory.
    async fn make_dir(&self, _dir: &VPath) -> Result<(), StorageError> {
        Err(StorageError::Denied)
    }

    /// Removes an empty directory, or a link.
    async fn remove_dir(&self, _dir: &VPath) -> Result<(), StorageError> {
        Err(StorageError::Denied)
    }

    /// Removes a file, or a link.
    async fn remove_file(&self, _file: &VPath) -> Result<(), StorageError> {
        Err(StorageError::Denied)
    }

    /// Renames; a file in the way is replaced, a directory is not.
    async fn rename(&self, _from: &VPath, _to: &VPath) -> Result<(), StorageError> {
        Err(StorageError::Denied)
    }

    /// Renames to a name that nothing has, for users who may neither write nor delete. A storage that can do it in one step
    /// should; this looks first.
    ///
    /// # Errors
    /// [`StorageError::Exists`] if something else has it.
    async fn rename_to_free(&self, from: &VPath, to: &VPath) -> Result<(), StorageError> {
        match self.own_facts(to).await {
            Err(StorageError::NotFound) => self.rename(from, to).await,
            Ok(_) if from != to => Err(StorageError::Exists),
            Ok(_) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Sets a fact, as exactly as the storage can; what it is then shows in [`Storage::facts`].
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

/// A name for STOU: in `near`, if that is a directory, or beside it and made from it, `list-0123456789abcdef.txt` from `list.txt`.
async fn unique(storage: &dyn Storage, near: &VPath) -> Result<VPath, StorageError> {
    let number = format!("-{:016x}", rand::random::<u64>());
    let (dir, name) = match storage.facts(near).await {
        Ok(facts) if facts.is_dir() => (near.clone(), [b"upload", number.as_bytes()].concat()),
        Ok(_) | Err(StorageError::NotFound) => {
            let name = near.name();
            // A name that begins with a dot has no ending by that.
            let dot = name.iter().rposition(|octet| *octet == b'.').filter(|dot| *dot > 0);
            let (stem, ending) = name.split_at(dot.unwrap_or(name.len()));
            (near.parent(), [stem, number.as_bytes(), ending].concat())
        }
        Err(refusal) => return Err(refusal),
    };
    dir.child(&name).map_err(StorageError::Name)
}

/// A write that has begun.
#[non_exhaustive]
pub struct Writing {
    /// The file: another one than was asked for with [`Create::Unique`], where that was the directory, or a name to be like.
    pub path: VPath,
    /// What takes its octets.
    pub sink: Box<dyn Sink>,
}

impl Writing {
    /// A write to `path` by `sink`.
    #[must_use]
    pub fn new(path: VPath, sink: Box<dyn Sink>) -> Self {
        Self { path, sink }
    }
}

impl std::fmt::Debug for Writing {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Writing").field("path", &self.path).finish_non_exhaustive()
    }
}

/// A file that was stored.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Stored {
    /// Its octets, all of them.
    pub size: u64,
    /// Octets of the version that had the name before, if there was one.
    pub replaced: Option<u64>,
    /// What the storage calls this version, where it has a name for it (ETag).
    pub tag: Option<String>,
}

impl Stored {
    /// A new file of `size` octets.
    #[must_use]
    pub fn new(size: u64) -> Self {
        Self { size, replaced: None, tag: None }
    }

    /// In place of one of so many octets, if there was one.
    #[must_use]
    pub fn in_place_of(mut self, old: Option<u64>) -> Self {
        self.replaced = old;
        self
    }

    /// Under that name of this version.
    #[must_use]
    pub fn tagged(mut self, tag: impl Into<String>) -> Self {
        self.tag = Some(tag.into());
        self
    }
}

/// A file that was not stored, or not for certain, and what is there now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotStored {
    /// Why.
    pub why: StorageError,
    /// What there is.
    pub left: Left,
}

impl From<StorageError> for NotStored {
    /// Everything is as it was.
    fn from(why: StorageError) -> Self {
        Self { why, left: Left::Nothing }
    }
}

/// A digest of a part of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Digest {
    /// In lower-case hexadecimal.
    pub hex: String,
    /// The octets that it covers, first and last; 0 and 0 for an empty file.
    pub range: (u64, u64),
}

/// The entries of a directory.
#[async_trait]
pub trait Entries: Send {
    /// The next entries, in no order; `None` is the end. A page may be empty, where all of its names are hidden.
    async fn next_page(&mut self) -> Result<Option<Vec<Entry>>, StorageError>;
}

/// A part of a file that is open for reading.
#[async_trait]
pub trait Source: Send {
    /// Octets of the part.
    fn len(&self) -> u64;

    /// Whether there are none.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Fills `buffer`, up to its capacity, with the next octets; an empty buffer is the end.
    ///
    /// The buffer goes in and out by value so that another thread can fill it without a copy.
    async fn read(&mut self, buffer: Vec<u8>) -> Result<Vec<u8>, StorageError>;

    /// What this system's kernel may send by itself. For storages of this crate.
    #[doc(hidden)]
    fn native(&self) -> Option<Native> {
        None
    }
}

/// A file of the host, and where in it the next octet of a [`Source`] stands.
#[doc(hidden)]
#[derive(Debug, Clone)]
pub struct Native {
    pub(crate) file: Arc<File>,
    pub(crate) offset: u64,
}

/// Something that takes octets from a pipe, which spares a copy on their way into a file. For storages of this crate.
#[doc(hidden)]
#[async_trait]
pub trait Splice: Send + sealed::Sealed {
    /// Takes exactly `octets`, all of which are in `pipe` already, before it yields; reading more would wait for ever.
    async fn take(&mut self, pipe: Arc<PipeReader>, octets: usize) -> Result<(), StorageError>;
}

pub(crate) mod sealed {
    //! Keeps traits whose promises only this crate can make.

    #[allow(unnameable_types, reason = "that is what keeps others from it")]
    pub trait Sealed {}
}

/// A write under way. Dropping it is a broken upload: nothing of it stays visible.
#[async_trait]
pub trait Sink: Send {
    /// Takes the next octets; gives the buffer back, empty, for reuse.
    async fn write(&mut self, data: Vec<u8>) -> Result<Vec<u8>, StorageError>;

    /// How many octets it likes to get at once, as a store does that has parts of a certain size; `None` if that is all the
    /// same. It may get fewer and, at most 16 MiB, more.
    fn piece(&self) -> Option<usize> {
        None
    }

    /// The file may have at most so many octets in the end. The server counts what it sends; a sink that adds to a file to which
    /// others add at the same time refuses what goes beyond with [`StorageError::OverQuota`].
    fn limit(&mut self, _octets: u64) {}

    /// What came so far, before it has its name, for whoever decides whether it gets it; `None` if it cannot be looked at.
    async fn staged(&mut self) -> Result<Option<Box<dyn Source>>, StorageError> {
        Ok(None)
    }

    /// Whether an older version goes when it gets its name, as far as is known. Where that is so, and it cannot be told
    /// whether the client was done or died, it is given some time to be heard of.
    fn replaces(&self) -> bool {
        true
    }

    /// Takes octets, which may be none, and brings all that came to the disk, so that not much more than its name is left
    /// for [`Sink::commit`].
    async fn settle(&mut self, data: Vec<u8>) -> Result<(), StorageError> {
        self.write(data).await.map(drop)
    }

    /// Takes the last octets, which may be none, and makes everything durable and visible under its name.
    ///
    /// # Errors
    /// [`NotStored`]: why not, and what is there instead.
    async fn commit(self: Box<Self>, last: Vec<u8>) -> Result<Stored, NotStored>;

    /// Ends a broken upload: keeps what may be kept, removes the rest, and says which.
    async fn abandon(self: Box<Self>) -> Left;

    /// Ends an upload that is too large: nothing is kept of it, nor of one that it went on with. Says what is left.
    async fn discard(self: Box<Self>) -> Left {
        self.abandon().await
    }

    /// What octets can be put into without a copy. For storages of this crate.
    #[doc(hidden)]
    fn native(&mut self) -> Option<&mut dyn Splice> {
        None
    }
}
