//! Where a folder is on the host.
//!
//! It is opened at each login and whenever it has gone, so that one that was away, was made again or was mounted over serves
//! from then on. Sessions share what they have open, and with the last of them it is closed. Not here: what is done in it.

use std::collections::hash_map::RandomState;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use crate::storage::StorageError;
use crate::storage::local::confine::Root;
use crate::storage::local::gate::Gate;
use crate::storage::local::ground::Ground;
use crate::storage::local::host::io_refusal;

/// A folder of the host by its name.
#[derive(Debug)]
pub(super) struct Home {
    path: PathBuf,
    /// What was found there last, as long as somebody has it open.
    last: Mutex<Weak<Root>>,
    /// The threads that may wait for it.
    pub(super) gate: Arc<Gate>,
    pub(super) ground: Arc<Ground>,
    /// Makes the unique fact say nothing about the host.
    pub(super) key: RandomState,
}

impl Home {
    /// The folder at `path`, which need not be there yet.
    pub(super) fn at(path: &Path) -> Self {
        // Only a path of no octets has no absolute form, and nothing is there.
        let path = std::path::absolute(path).unwrap_or_default();
        let ground = Arc::new(Ground::new(path.clone()));
        Self { path, last: Mutex::default(), gate: Arc::default(), ground, key: RandomState::new() }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Opens it, or yields what others have open, if that is still what is there.
    pub(super) fn open(&self) -> io::Result<Arc<Root>> {
        let last = self.last.lock().unwrap_or_else(PoisonError::into_inner).upgrade();
        if let Some(last) = last.filter(|last| last.is_at(&self.path)) {
            return Ok(last);
        }
        let root = Arc::new(Root::open_root(&self.path)?);
        self.gate.lies_on(root.device());
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Arc::downgrade(&root);
        Ok(root)
    }
}

/// What a session says of a folder that cannot be opened.
pub(super) fn gone(error: &io::Error) -> StorageError {
    match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => StorageError::Gone,
        _ => io_refusal(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::{Create, LocalOptions, LocalStorage, Storage, VPath};

    /// Descriptors of this process for something at `path`.
    fn descriptors(path: &Path) -> usize {
        let open = std::fs::read_dir("/proc/self/fd").unwrap();
        open.filter(|fd| std::fs::read_link(fd.as_ref().unwrap().path()).is_ok_and(|at| at == path)).count()
    }

    async fn names(storage: &dyn Storage) -> Result<Vec<Vec<u8>>, StorageError> {
        let mut entries = storage.list(&VPath::root()).await?;
        let mut names = Vec::new();
        while let Some(page) = entries.next_page().await? {
            names.extend(page.into_iter().map(|entry| entry.name));
        }
        Ok(names)
    }

    #[tokio::test]
    async fn a_folder_serves_when_it_is_there_and_says_so_when_it_is_gone() {
        let folder = tempfile::tempdir().unwrap();
        let home = folder.path().canonicalize().unwrap().join("home");
        let storage = LocalStorage::opened_at_login(&home, LocalOptions::default());
        let error = storage.session().await.map(drop).unwrap_err();
        assert!(error.to_string().starts_with(&home.display().to_string()), "{error}");
        std::fs::create_dir(&home).unwrap();
        assert_eq!(descriptors(&home), 0);
        let (one, other) =
            (storage.session().await.unwrap().unwrap(), storage.session().await.unwrap().unwrap());
        assert_eq!(descriptors(&home), 1, "sessions share it");
        std::fs::remove_dir(&home).unwrap();
        assert_eq!(names(&*one).await, Err(StorageError::Gone));
        let path = VPath::new("/f").unwrap();
        assert_eq!(one.write(&path, Create::Replace).await.map(drop), Err(StorageError::Gone));
        assert_eq!(one.facts(&VPath::root()).await, Err(StorageError::Gone));
        std::fs::create_dir(&home).unwrap();
        std::fs::write(home.join("again"), "").unwrap();
        let new = storage.session().await.unwrap().unwrap();
        for session in [&one, &other, &new] {
            assert_eq!(names(&**session).await, Ok(vec![b"again".to_vec()]));
        }
        drop((one, other, new));
        assert_eq!(descriptors(&home), 0, "nothing stays open for users who are not there");
    }

    #[tokio::test]
    async fn what_has_taken_the_place_of_a_folder_is_found_at_the_next_login() {
        let folder = tempfile::tempdir().unwrap();
        let home = folder.path().join("home");
        std::fs::create_dir(&home).unwrap();
        // As a mount would.
        let storage = LocalStorage::new(&home, LocalOptions::default()).unwrap();
        std::fs::rename(&home, folder.path().join("moved")).unwrap();
        std::fs::create_dir(&home).unwrap();
        std::fs::write(home.join("new"), "").unwrap();
        let session = storage.session().await.unwrap().unwrap();
        assert_eq!(names(&*session).await, Ok(vec![b"new".to_vec()]));
    }
}
