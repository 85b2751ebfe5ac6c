//! A folder of the host.
//!
//! Every call that may wait for a disk runs on tokio's blocking threads; what the kernel's caches know is asked for at
//! once, because going to a thread and back costs more than the answer. Links inside the folder work, links that
//! lead outside are refused; listings show both as links. Entries whose names hold control characters are not listed, because no listing can
//! show them on one line. Not here: what a user may do, beyond what the host's permissions say.

use std::fmt::Display;
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
mod gate;
mod ground;
mod home;
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
use home::{Home, gone};
use host::blocking;
use kept::LIFETIME;
use staging::{Device, kept_below, sweep};

/// A folder of the host as a tree of files.
#[derive(Debug, Clone)]
pub struct LocalStorage {
    home: Arc<Home>,
    options: LocalOptions,
    /// What a session, or the program, holds open.
    held: Option<Arc<Folder>>,
}

impl LocalStorage {
    /// The folder at `path`.
    ///
    /// # Errors
    /// If there is no such folder, or it cannot be opened.
    pub fn new(path: impl AsRef<Path>, options: LocalOptions) -> std::io::Result<Self> {
        let mut storage = Self::opened_at_login(path, options);
        storage.held = Some(Arc::new(Folder::open(&storage.home, &storage.options)?));
        Ok(storage)
    }

    /// The folder that is at `path` whenever somebody logs in; nothing is open for users who are not there. Where it is not
    /// there, the login is refused ([`Storage::session`]), and what is asked for without one is too.
    #[must_use]
    pub fn opened_at_login(path: impl AsRef<Path>, options: LocalOptions) -> Self {
        Self { home: Arc::new(Home::at(path.as_ref())), options, held: None }
    }

    /// The same folder, for an owner: what is kept of broken uploads is found again by whoever has the same key.
    #[must_use]
    pub fn for_owner(&self, key: impl Into<String>) -> Self {
        let mut storage = self.clone();
        storage.options.owner = Some(key.into());
        storage.held = self.held.as_ref().map(|held| {
            let options = storage.options.clone();
            Arc::new(Folder { options, ..Folder::clone(held) })
        });
        storage
    }

    /// Where it is on the host.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.home.path()
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
        let folder = self.folder().await?;
        self.home.gate.run(move || work(&folder)).await
    }

    async fn facts_by(&self, path: &VPath, flags: OFlags) -> Result<Facts, StorageError> {
        let folder = self.folder().await?;
        if let Some(opened) = folder.root.open_at_hand(path, flags) {
            return folder.facts(&opened?);
        }
        let path = path.clone();
        self.home.gate.run(move || folder.facts(&folder.root.open(&path, flags)?)).await
    }

    /// The folder: what is held, unless it has gone; then what is there now.
    async fn folder(&self) -> Result<Arc<Folder>, StorageError> {
        if let Some(held) = &self.held {
            let root = Arc::clone(&held.root);
            let gone = match root.is_local() {
                true => root.is_gone(),
                false => self.home.gate.run(move || Ok(root.is_gone())).await?,
            };
            if !gone {
                return Ok(Arc::clone(held));
            }
        }
        let (home, options) = (Arc::clone(&self.home), self.options.clone());
        let opening = move || Folder::open(&home, &options).map_err(|error| gone(&error));
        self.home.gate.run(opening).await.map(Arc::new)
    }
}

#[async_trait]
impl Storage for LocalStorage {
    async fn session(&self) -> std::io::Result<Option<Arc<dyn Storage>>> {
        let (home, options) = (Arc::clone(&self.home), self.options.clone());
        let why = |error: &dyn Display| std::io::Error::other(format!("{}: {error}", self.path().display()));
        let opened = self.home.gate.run(move || Ok(Folder::open(&home, &options))).await;
        let folder = opened.map_err(|error| why(&error))?.map_err(|error| why(&error))?;
        Ok(Some(Arc::new(Self { held: Some(Arc::new(folder)), ..self.clone() })))
    }

    async fn facts(&self, path: &VPath) -> Result<Facts, StorageError> {
        self.facts_by(path, OFlags::PATH).await
    }

    async fn own_facts(&self, path: &VPath) -> Result<Facts, StorageError> {
        self.facts_by(path, OFlags::PATH | OFlags::NOFOLLOW).await
    }

    async fn list(&self, dir: &VPath) -> Result<Box<dyn Entries>, StorageError> {
        let (folder, dir) = (self.folder().await?, dir.clone());
        let entries = self.home.gate.run(move || folder.list(&dir)).await?;
        Ok(Box::new(entries))
    }

    async fn read(&self, file: &VPath, part: Span) -> Result<Box<dyn Source>, StorageError> {
        let flags = OFlags::RDONLY | OFlags::NONBLOCK;
        let folder = self.folder().await?;
        let source = match folder.root.open_at_hand(file, flags) {
            Some(opened) => Folder::source(opened?, part)?,
            None => {
                let file = file.clone();
                self.home.gate.run(move || Folder::source(folder.root.open(&file, flags)?, part)).await?
            }
        };
        Ok(Box::new(source))
    }

    async fn write(&self, file: &VPath, how: Create) -> Result<Writing, StorageError> {
        let path = if how == Create::Unique { unique(self, file).await? } else { file.clone() };
        let folder = self.folder().await?;
        let at_hand = if folder.may_go_on(how) { None } else { folder.root.place_at_hand(&path) };
        let sink = match at_hand {
            Some(target) => folder.write(&path, how, target)?,
            None => {
                let path = path.clone();
                self.home.gate.run(move || folder.write(&path, how, folder.target(&path)?)).await?
            }
        };
        Ok(Writing { path, sink })
    }

    async fn kept(&self, file: &VPath) -> Result<Option<u64>, StorageError> {
        let file = file.clone();
        self.run(move |folder| folder.kept(&file)).await
    }

    async fn copy(&self, from: &VPath, to: &VPath) -> Result<Stored, NotStored> {
        let (folder, from, to) = (self.folder().await?, from.clone(), to.clone());
        let copying = self.home.gate.run(move || Ok(folder.copy(&from, &to)));
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
