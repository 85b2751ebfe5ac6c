//! What is kept of broken uploads in memory, by owner and path.
//!
//! Whoever goes on with it holds it, so that nobody else goes on with it, removes it or puts another in its place meanwhile.
//! Not here: what is kept, and when.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use crate::storage::{StorageError, VPath};

/// Whether `path` lies beneath the directory `dir`.
pub(super) fn beneath(path: &[u8], dir: &VPath) -> bool {
    dir.is_root() || path.strip_prefix(dir.as_bytes()).is_some_and(|rest| rest.starts_with(b"/"))
}

/// Owner and path.
pub(super) type Key = (String, Vec<u8>);

#[derive(Debug)]
struct Kept {
    data: Arc<Vec<u8>>,
    /// Gone when nobody holds it.
    holder: Weak<()>,
}

impl Kept {
    fn is_held(&self) -> bool {
        self.holder.strong_count() > 0
    }
}

/// What one upload goes on with, until this is dropped.
#[derive(Debug)]
pub(super) struct Held {
    pub(super) data: Arc<Vec<u8>>,
    _holder: Arc<()>,
}

/// All that is kept; clones share it.
#[derive(Debug, Clone, Default)]
pub(super) struct Shelf(Arc<Mutex<HashMap<Key, Kept>>>);

impl Shelf {
    fn lock(&self) -> MutexGuard<'_, HashMap<Key, Kept>> {
        // Every change is one insertion or removal: a panic elsewhere leaves whole entries behind.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn octets(&self, key: &Key) -> Option<u64> {
        self.lock().get(key).map(|kept| kept.data.len() as u64)
    }

    /// Holds what is kept. Fails with `Busy` if somebody else does.
    pub(super) fn take(&self, key: &Key) -> Result<Option<Held>, StorageError> {
        let mut all = self.lock();
        let Some(kept) = all.get_mut(key) else { return Ok(None) };
        if kept.is_held() {
            return Err(StorageError::Busy);
        }
        let holder = Arc::new(());
        kept.holder = Arc::downgrade(&holder);
        Ok(Some(Held { data: Arc::clone(&kept.data), _holder: holder }))
    }

    /// Keeps `data`, in place of what was kept unless that is held.
    pub(super) fn keep(&self, key: Key, data: Vec<u8>) -> Result<(), StorageError> {
        let mut all = self.lock();
        if all.get(&key).is_some_and(Kept::is_held) {
            return Err(StorageError::Busy);
        }
        all.insert(key, Kept { data: Arc::new(data), holder: Weak::new() });
        Ok(())
    }

    /// Removes what is kept, unless it is held; whether there was anything.
    pub(super) fn remove(&self, key: &Key) -> Result<bool, StorageError> {
        let mut all = self.lock();
        if all.get(key).is_some_and(Kept::is_held) {
            return Err(StorageError::Busy);
        }
        Ok(all.remove(key).is_some())
    }

    /// Removes what is kept beneath a directory, unless some of it is held.
    pub(super) fn clear(&self, dir: &VPath) -> Result<(), StorageError> {
        let mut all = self.lock();
        if all.iter().any(|((_, path), kept)| beneath(path, dir) && kept.is_held()) {
            return Err(StorageError::Busy);
        }
        all.retain(|(_, path), _| !beneath(path, dir));
        Ok(())
    }

    /// What is kept beneath a directory goes along with it.
    pub(super) fn rename(&self, from: &VPath, to: &VPath) {
        let mut all = self.lock();
        let moved: Vec<_> = all.extract_if(|(_, path), _| beneath(path, from)).collect();
        all.extend(moved.into_iter().map(|((owner, path), kept)| {
            let rest = path.get(from.as_bytes().len()..).unwrap_or_default();
            ((owner, [to.as_bytes(), rest].concat()), kept)
        }));
    }
}
