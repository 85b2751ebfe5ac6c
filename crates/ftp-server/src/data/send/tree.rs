//! `LIST -R`: a listing as without it, and then the directories below, each under its name, as `ls -lR` shows them. Links are shown
//! and not followed.
//!
//! Not here: the lines of entries (`listing.rs`).

use std::sync::Arc;

use ftp_proto::value::facts::{Entry, Kind};
use ftp_proto::value::path::VPath;

use crate::storage::{Entries, Storage, StorageError};

/// Entries that one listing may have: what is below has to be remembered until it is its turn.
const ENTRIES_MAX: usize = 100_000;

/// A directory, and how it is shown.
struct Below {
    path: VPath,
    shown: Vec<u8>,
}

/// The directories that are still to be listed, and the one that is.
pub(crate) struct Tree {
    storage: Arc<dyn Storage>,
    now: Below,
    /// Found in the one that is listed.
    found: Vec<Below>,
    /// The next one is the last.
    waiting: Vec<Below>,
    entries: usize,
}

impl Tree {
    /// What is below `path`, which is shown as `shown`.
    pub(crate) fn new(storage: Arc<dyn Storage>, path: VPath, shown: Vec<u8>) -> Self {
        let shown = if shown.is_empty() { b".".to_vec() } else { shown };
        let now = Below { path, shown };
        Self { storage, now, found: Vec::new(), waiting: Vec::new(), entries: 0 }
    }

    /// The line above the entries of a directory.
    pub(super) fn heading(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.now.shown);
        out.extend_from_slice(b":\r\n");
    }

    /// Remembers a directory that was listed.
    ///
    /// Fails where there are too many entries: a listing that ends without a word would be taken for the whole.
    pub(super) fn note(&mut self, entry: &Entry) -> Result<(), StorageError> {
        self.entries += 1;
        if self.entries > ENTRIES_MAX {
            let why = format!("LIST -R ends after {ENTRIES_MAX} entries; list each directory by itself");
            return Err(StorageError::Io(why.into()));
        }
        if entry.facts.kind == Kind::Dir {
            let path = self.now.path.child(&entry.name).map_err(StorageError::Name)?;
            let slash: &[u8] = if self.now.shown.ends_with(b"/") { b"" } else { b"/" };
            self.found.push(Below { path, shown: [&self.now.shown, slash, &entry.name].concat() });
        }
        Ok(())
    }

    /// Goes on to the next directory, if there is one; what has gone since it was listed is passed over.
    pub(super) async fn next(&mut self) -> Result<Option<Box<dyn Entries>>, StorageError> {
        self.waiting.extend(self.found.drain(..).rev());
        while let Some(next) = self.waiting.pop() {
            match self.storage.list(&next.path).await {
                Ok(entries) => {
                    self.now = next;
                    return Ok(Some(entries));
                }
                Err(StorageError::NotFound | StorageError::NotADirectory) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::{Facts, MemoryStorage};

    /// Whoever takes a part for the whole removes the rest.
    #[test]
    fn a_listing_of_too_many_entries_fails_and_is_not_cut() {
        let mut tree = Tree::new(Arc::new(MemoryStorage::new()), VPath::root(), Vec::new());
        let entry = Entry { name: b"f".to_vec(), facts: Facts::new(Kind::File, 1) };
        assert!((0..ENTRIES_MAX).all(|_| tree.note(&entry) == Ok(())));
        assert!(matches!(tree.note(&entry), Err(StorageError::Io(_))));
    }
}
