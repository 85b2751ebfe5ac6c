//! A folder of the host.
//!
//! Every call that may wait for a disk runs on tokio's blocking threads; what the kernel's caches know is asked for at
//! once, because going to a thread and back costs more than the answer. Links inside the folder work, links that
//! lead outside are refused; listings show both as links. Entries whose names hold control characters are not listed, because no listing can
//! show them on one line. Not here: what a user may do, beyond what the host's permissions say.

use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use ftp_proto::command::extension::FactChange;
use ftp_proto::value::facts::Facts;
use ftp_proto::value::path::VPath;
use rustix::fs::OFlags;

use crate::storage::{
    Abilities, Create, Entries, NotStored, Source, Span, Storage, StorageError, Stored, Writing, unique,
};

mod confine;
mod draft;
mod durable;
mod folder;
mod ground;
mod host;
mod in_place;
mod kept;
mod label;
mod options;
mod plan;
mod publish;
mod read;
mod rights;
mod staging;
mod upload;
mod write;

pub use label::KeptUpload;
pub use options::{Durability, LocalOptions, Partial};

use folder::{Folder, Over};
use host::blocking;
use kept::LIFETIME;
use staging::{Device, kept_below, sweep};

/// A folder of the host as a tree of files.
#[derive(Debug, Clone)]
pub struct LocalStorage {
    folder: Arc<Folder>,
}

impl LocalStorage {
    /// The folder at `path`.
    ///
    /// # Errors
    /// If there is no such folder, or it cannot be opened.
    pub fn new(path: impl AsRef<Path>, options: LocalOptions) -> std::io::Result<Self> {
        Folder::open(path.as_ref(), options).map(|folder| Self { folder: Arc::new(folder) })
    }

    /// The same folder, for an owner: what is kept of broken uploads is found again by whoever has the same key.
    #[must_use]
    pub fn for_owner(&self, key: impl Into<String>) -> Self {
        let mut folder = Folder::clone(&self.folder);
        folder.options.owner = Some(key.into());
        Self { folder: Arc::new(folder) }
    }

    /// Where it is on the host.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.folder.root.path()
    }

    /// Removes what uploads of a killed process have left, and what was kept of broken ones for a day. What an upload of this
    /// process or another has is left alone.
    ///
    /// Returns how many files were removed. Folders that cannot be read are passed over.
    pub async fn sweep(&self) -> usize {
        let path = self.path().to_owned();
        blocking(move || Ok(sweep(&path, LIFETIME))).await.unwrap_or(0)
    }

    /// All that is kept of broken uploads below the folder, for whomever, the oldest first.
    pub async fn kept_uploads(&self) -> Vec<KeptUpload> {
        let path = self.path().to_owned();
        let look = move || {
            let mut all = kept_below(&path, Device::Any);
            all.sort_by_key(|kept| kept.modified);
            Ok(all.into_iter().map(label::describe).collect())
        };
        blocking(look).await.unwrap_or_default()
    }

    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Folder) -> Result<T, StorageError> + Send + 'static,
    ) -> Result<T, StorageError> {
        let folder = Arc::clone(&self.folder);
        blocking(move || work(&folder)).await
    }
}

#[async_trait]
impl Storage for LocalStorage {
    async fn facts(&self, path: &VPath) -> Result<Facts, StorageError> {
        if let Some(opened) = self.folder.root.open_at_hand(path, OFlags::PATH) {
            return self.folder.facts(&opened?);
        }
        let path = path.clone();
        self.run(move |folder| folder.facts(&folder.root.open(&path, OFlags::PATH)?)).await
    }

    async fn own_facts(&self, path: &VPath) -> Result<Facts, StorageError> {
        const ITSELF: OFlags = OFlags::PATH.union(OFlags::NOFOLLOW);
        if let Some(opened) = self.folder.root.open_at_hand(path, ITSELF) {
            return self.folder.facts(&opened?);
        }
        let path = path.clone();
        self.run(move |folder| folder.facts(&folder.root.open(&path, ITSELF)?)).await
    }

    async fn list(&self, dir: &VPath) -> Result<Box<dyn Entries>, StorageError> {
        let (folder, dir) = (Arc::clone(&self.folder), dir.clone());
        let entries = blocking(move || folder.list(&dir)).await?;
        Ok(Box::new(entries))
    }

    async fn read(&self, file: &VPath, part: Span) -> Result<Box<dyn Source>, StorageError> {
        let flags = OFlags::RDONLY | OFlags::NONBLOCK;
        let source = match self.folder.root.open_at_hand(file, flags) {
            Some(opened) => Folder::source(opened?, part)?,
            None => {
                let file = file.clone();
                self.run(move |folder| Folder::source(folder.root.open(&file, flags)?, part)).await?
            }
        };
        Ok(Box::new(source))
    }

    async fn write(&self, file: &VPath, how: Create) -> Result<Writing, StorageError> {
        let path = if how == Create::Unique { unique(file)? } else { file.clone() };
        let at_hand = if self.folder.may_go_on(how) { None } else { self.folder.root.place_at_hand(&path) };
        let sink = match at_hand {
            Some(target) => self.folder.write(&path, how, target)?,
            None => {
                let path = path.clone();
                self.run(move |folder| folder.write(&path, how, folder.target(&path)?)).await?
            }
        };
        Ok(Writing { path, sink })
    }

    async fn kept(&self, file: &VPath) -> Result<Option<u64>, StorageError> {
        let file = file.clone();
        self.run(move |folder| folder.kept(&file)).await
    }

    async fn copy(&self, from: &VPath, to: &VPath) -> Result<Stored, NotStored> {
        let (folder, from, to) = (Arc::clone(&self.folder), from.clone(), to.clone());
        let copying = blocking(move || Ok(folder.copy(&from, &to)));
        copying.await?
    }

    async fn make_dir(&self, dir: &VPath) -> Result<(), StorageError> {
        let dir = dir.clone();
        self.run(move |folder| folder.make_dir(&dir)).await
    }

    async fn remove_dir(&self, dir: &VPath) -> Result<(), StorageError> {
        let dir = dir.clone();
        self.run(move |folder| folder.remove_dir(&dir)).await
    }

    async fn remove_file(&self, file: &VPath) -> Result<(), StorageError> {
        let file = file.clone();
        self.run(move |folder| folder.remove_file(&file)).await
    }

    async fn rename(&self, from: &VPath, to: &VPath) -> Result<(), StorageError> {
        let (from, to) = (from.clone(), to.clone());
        self.run(move |folder| folder.rename(&from, &to, Over::Files)).await
    }

    async fn rename_to_free(&self, from: &VPath, to: &VPath) -> Result<(), StorageError> {
        let (from, to) = (from.clone(), to.clone());
        self.run(move |folder| folder.rename(&from, &to, Over::Nothing)).await
    }

    async fn change(&self, path: &VPath, change: &FactChange) -> Result<(), StorageError> {
        let (path, change) = (path.clone(), change.clone());
        self.run(move |folder| folder.change(&path, &change)).await
    }

    async fn free(&self, dir: &VPath) -> Result<u64, StorageError> {
        let dir = dir.clone();
        self.run(move |folder| folder.free(&dir)).await
    }

    fn can(&self) -> Abilities {
        Abilities::ALL
    }
}
