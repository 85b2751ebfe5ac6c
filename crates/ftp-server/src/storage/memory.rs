//! Files in memory, for tests and embedding. It stages uploads as the others do: a file appears when it is whole.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;

use crate::storage::{
    Abilities, Create, Entries, Entry, FactChange, Facts, Left, NotStored, Sink, Source, Span, Storage,
    StorageError, Stored, VPath, Writing, content, listing, unique,
};

mod kept;
mod node;

use kept::{Held, Key, Shelf, beneath};
use node::{Node, Tree, name_in};

/// A tree of files in memory; clones share it.
#[derive(Debug, Clone, Default)]
pub struct MemoryStorage {
    tree: Arc<Mutex<Tree>>,
    shelf: Shelf,
    /// For whom broken uploads are kept; none are kept for nobody.
    owner: Option<String>,
}

impl MemoryStorage {
    /// An empty tree.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Puts a file in, and the directories above it.
    #[must_use]
    pub fn with_file(self, path: &VPath, data: impl Into<Vec<u8>>) -> Self {
        let mut dir = VPath::root();
        let mut tree = self.lock();
        for name in path.parent().names() {
            if let Ok(child) = dir.child(name) {
                tree.entry(child.as_bytes().to_vec()).or_insert_with(|| Node::new(None));
                dir = child;
            }
        }
        tree.insert(path.as_bytes().to_vec(), Node::new(Some(data.into())));
        drop(tree);
        self
    }

    /// The same tree for an owner: what comes of a broken STOR is kept for whoever has this key, until a whole one takes its
    /// place.
    #[must_use]
    pub fn for_owner(&self, key: impl Into<String>) -> Self {
        Self { owner: Some(key.into()), ..self.clone() }
    }

    fn key(&self, path: &VPath) -> Option<Key> {
        self.owner.clone().map(|owner| (owner, path.as_bytes().to_vec()))
    }

    /// Holds what is kept of a broken upload to `path`, for one that may go on with it.
    fn hold(&self, path: &VPath, how: Create) -> Result<Option<Held>, StorageError> {
        match self.key(path) {
            Some(key) if matches!(how, Create::Append | Create::At(_)) => self.shelf.take(&key),
            _ => Ok(None),
        }
    }

    /// Removes what is kept of a broken upload to `path`; whether there was anything.
    fn drop_kept(&self, path: &VPath) -> Result<bool, StorageError> {
        self.key(path).map_or(Ok(false), |key| self.shelf.remove(&key))
    }

    /// What a write begins with: what is there, and where in it the first octets go.
    fn begin(
        &self,
        path: &VPath,
        how: Create,
        held: Option<&Held>,
    ) -> Result<(Vec<u8>, usize), StorageError> {
        let old = self.writable(path)?;
        let Some(Held { data, .. }) = held else {
            let mut data = old.map_or_else(Vec::new, |data| data.to_vec());
            let at = start(how, data.len()).ok_or(StorageError::BeyondEnd)?;
            if matches!(how, Create::Replace | Create::Unique) {
                data.clear();
            }
            return Ok((data, at));
        };
        let octets = data.len() as u64;
        if how == Create::Append && old.is_some() {
            return Err(StorageError::KeptBeside(octets));
        }
        let at = start(how, data.len()).ok_or(StorageError::BeyondKept(octets))?;
        // What stands behind is sent again.
        Ok((data.get(..at).unwrap_or_default().to_vec(), at))
    }

    /// The octets of a file.
    #[must_use]
    pub fn file(&self, path: &VPath) -> Option<Vec<u8>> {
        self.lock().get(path.as_bytes()).and_then(|node| node.data.as_ref().map(|data| data.to_vec()))
    }

    fn lock(&self) -> MutexGuard<'_, Tree> {
        // A panic elsewhere leaves whole nodes behind: every change is one insertion or removal.
        self.tree.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn node(&self, path: &VPath) -> Result<Node, StorageError> {
        if path.is_root() {
            return Ok(Node { unique: 0, ..Node::new(None) });
        }
        self.lock().get(path.as_bytes()).cloned().ok_or(StorageError::NotFound)
    }

    /// The directory in which something is to be made.
    fn need_dir(&self, path: &VPath) -> Result<(), StorageError> {
        match self.node(path)?.data {
            Some(_) => Err(StorageError::NotADirectory),
            None => Ok(()),
        }
    }

    /// The octets of a file that may be written; none for a new one.
    fn writable(&self, path: &VPath) -> Result<Option<Arc<Vec<u8>>>, StorageError> {
        self.need_dir(&path.parent())?;
        match self.node(path) {
            Ok(Node { data: None, .. }) => Err(StorageError::IsADirectory),
            Ok(Node { data, .. }) => Ok(data),
            Err(StorageError::NotFound) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// Where the octets of a write go in a file of `size` octets; `None` if that is beyond its end.
fn start(how: Create, size: usize) -> Option<usize> {
    match how {
        Create::Append => Some(size),
        Create::At(offset) => usize::try_from(offset).ok().filter(|at| *at <= size),
        _ => Some(0),
    }
}

#[async_trait]
impl Storage for MemoryStorage {
    async fn facts(&self, path: &VPath) -> Result<Facts, StorageError> {
        self.node(path).map(|node| node.facts())
    }

    async fn list(&self, dir: &VPath) -> Result<Box<dyn Entries>, StorageError> {
        self.need_dir(dir)?;
        let tree = self.lock();
        let entries = tree.iter().filter_map(|(path, node)| {
            name_in(path, dir).map(|name| Entry { name: name.to_vec(), facts: node.facts() })
        });
        Ok(listing(entries.collect()))
    }

    async fn read(&self, file: &VPath, part: Span) -> Result<Box<dyn Source>, StorageError> {
        content(self.node(file)?.data.ok_or(StorageError::IsADirectory)?, part)
    }

    async fn write(&self, file: &VPath, how: Create) -> Result<Writing, StorageError> {
        let path = if how == Create::Unique { unique(self, file).await? } else { file.clone() };
        let held = self.hold(&path, how)?;
        self.begin(&path, how, held.as_ref())?;
        // A broken change of a whole file leaves nothing, and nobody knows the name of STOU before its end.
        let is_new = || held.is_some() || self.node(&path).is_err();
        let is_kept = how == Create::Replace || how != Create::Unique && is_new();
        let (storage, begun, most) = (self.clone(), None, u64::MAX);
        let sink = MemorySink { storage, path: path.clone(), how, held, begun, is_kept, most };
        Ok(Writing::new(path, Box::new(sink)))
    }

    async fn kept(&self, file: &VPath) -> Result<Option<u64>, StorageError> {
        Ok(self.key(file).and_then(|key| self.shelf.octets(&key)))
    }

    async fn copy(&self, from: &VPath, to: &VPath) -> Result<Stored, NotStored> {
        let data = self.node(from)?.data.ok_or(StorageError::IsADirectory)?;
        let old = self.writable(to)?.map(|old| old.len() as u64);
        let size = data.len() as u64;
        self.lock().insert(to.as_bytes().to_vec(), Node { data: Some(data), ..Node::new(Some(Vec::new())) });
        Ok(Stored::new(size).in_place_of(old))
    }

    async fn make_dir(&self, dir: &VPath) -> Result<(), StorageError> {
        self.need_dir(&dir.parent())?;
        if self.node(dir).is_ok() {
            return Err(StorageError::Exists);
        }
        self.lock().insert(dir.as_bytes().to_vec(), Node::new(None));
        Ok(())
    }

    async fn remove_dir(&self, dir: &VPath) -> Result<(), StorageError> {
        if dir.is_root() {
            return Err(StorageError::Denied);
        }
        self.need_dir(dir)?;
        let mut tree = self.lock();
        if tree.keys().any(|path| beneath(path, dir)) {
            return Err(StorageError::NotEmpty);
        }
        // What is kept in it is seen by nobody.
        self.shelf.clear(dir)?;
        tree.remove(dir.as_bytes());
        Ok(())
    }

    async fn remove_file(&self, file: &VPath) -> Result<(), StorageError> {
        if self.node(file).is_ok_and(|node| node.data.is_none()) {
            return Err(StorageError::IsADirectory);
        }
        let was_kept = self.drop_kept(file)?;
        if self.lock().remove(file.as_bytes()).is_none() && !was_kept {
            return Err(StorageError::NotFound);
        }
        Ok(())
    }

    async fn rename(&self, from: &VPath, to: &VPath) -> Result<(), StorageError> {
        let moved = self.node(from)?;
        self.need_dir(&to.parent())?;
        if from.is_root() || to.is_beneath(from) && to != from {
            return Err(StorageError::Denied);
        }
        match self.node(to) {
            Ok(_) if to == from => return Ok(()),
            Ok(Node { data: None, .. }) => return Err(StorageError::IsADirectory),
            Ok(_) if moved.data.is_none() => return Err(StorageError::Exists),
            _ => {}
        }
        let mut tree = self.lock();
        let inside: Vec<Vec<u8>> =
            tree.keys().filter(|path| *path == from.as_bytes() || beneath(path, from)).cloned().collect();
        for path in inside {
            if let Some(node) = tree.remove(&path) {
                let rest = path.get(from.as_bytes().len()..).unwrap_or_default();
                tree.insert([to.as_bytes(), rest].concat(), node);
            }
        }
        self.shelf.rename(from, to);
        // What was kept of an upload to a name is of no use behind a whole file; what is held stays.
        let _held = self.drop_kept(to);
        Ok(())
    }

    async fn change(&self, path: &VPath, change: &FactChange) -> Result<(), StorageError> {
        let mut tree = self.lock();
        let node = tree.get_mut(path.as_bytes()).ok_or(StorageError::NotFound)?;
        match change {
            FactChange::Modify(time) => node.modify = *time,
            FactChange::UnixMode(mode) => node.mode = u32::from(*mode),
            _ => return Err(StorageError::Unsupported),
        }
        Ok(())
    }

    async fn free(&self, dir: &VPath) -> Result<u64, StorageError> {
        self.need_dir(dir)?;
        Err(StorageError::Unsupported)
    }

    fn can(&self) -> Abilities {
        Abilities::ALL - Abilities::SPACE
    }
}

struct MemorySink {
    storage: MemoryStorage,
    path: VPath,
    how: Create,
    /// What it goes on with.
    held: Option<Held>,
    /// From the first octets on.
    begun: Option<(Vec<u8>, usize)>,
    /// Whether what comes is kept for its owner if it breaks.
    is_kept: bool,
    /// Octets that the file may have at most.
    most: u64,
}

impl MemorySink {
    /// Takes octets; everything that there is then.
    fn take(&mut self, data: &[u8]) -> Result<&mut Vec<u8>, StorageError> {
        let begun = match self.begun.take() {
            Some(begun) => begun,
            None => self.storage.begin(&self.path, self.how, self.held.as_ref())?,
        };
        let most = self.most;
        let (all, at) = self.begun.insert(begun);
        let end = *at + data.len();
        if end as u64 > most {
            return Err(StorageError::OverQuota);
        }
        if all.len() < end {
            all.resize(end, 0);
        }
        if let Some(place) = all.get_mut(*at..end) {
            place.copy_from_slice(data);
        }
        *at = end;
        Ok(all)
    }
}

#[async_trait]
impl Sink for MemorySink {
    async fn write(&mut self, mut data: Vec<u8>) -> Result<Vec<u8>, StorageError> {
        self.take(&data)?;
        data.clear();
        Ok(data)
    }

    fn limit(&mut self, octets: u64) {
        self.most = octets;
    }

    async fn staged(&mut self) -> Result<Option<Box<dyn Source>>, StorageError> {
        let data = self.take(&[])?.clone();
        content(data, Span::default()).map(Some)
    }

    async fn commit(mut self: Box<Self>, last: Vec<u8>) -> Result<Stored, NotStored> {
        let data = std::mem::take(self.take(&last)?);
        let old = self.storage.writable(&self.path)?.map(|old| old.len() as u64);
        let size = data.len() as u64;
        self.storage.lock().insert(self.path.as_bytes().to_vec(), Node::new(Some(data)));
        self.held = None;
        // What another session goes on with stays its own.
        let _held = self.storage.drop_kept(&self.path);
        Ok(Stored::new(size).in_place_of(old))
    }

    async fn abandon(mut self: Box<Self>) -> Left {
        let (Some(key), Some((data, _)), true) = (self.storage.key(&self.path), self.begun, self.is_kept)
        else {
            return Left::Nothing;
        };
        self.held = None;
        let octets = data.len() as u64;
        let is_kept = octets > 0 && self.storage.shelf.keep(key, data).is_ok();
        if is_kept { Left::Kept(octets) } else { Left::Nothing }
    }

    async fn discard(mut self: Box<Self>) -> Left {
        if self.held.take().is_some() {
            let _held = self.storage.drop_kept(&self.path);
        }
        Left::Nothing
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(path: &str) -> VPath {
        VPath::new(path).unwrap()
    }

    #[tokio::test]
    async fn an_upload_appears_when_it_is_whole() {
        let storage = MemoryStorage::new().with_file(&path("/a/f"), "old");
        let Writing { mut sink, .. } = storage.write(&path("/a/f"), Create::Replace).await.unwrap();
        sink.write(b"new".to_vec()).await.unwrap();
        assert_eq!(storage.file(&path("/a/f")), Some(b"old".to_vec()));
        sink.commit(Vec::new()).await.unwrap();
        assert_eq!(storage.file(&path("/a/f")), Some(b"new".to_vec()));
        let Writing { sink, .. } = storage.write(&path("/a/g"), Create::Replace).await.unwrap();
        assert_eq!(sink.abandon().await, Left::Nothing);
        assert_eq!(storage.file(&path("/a/g")), None);
    }

    #[tokio::test]
    async fn directories_move_with_what_is_in_them() {
        let storage = MemoryStorage::new().with_file(&path("/a/b/f"), "x");
        storage.rename(&path("/a"), &path("/c")).await.unwrap();
        assert_eq!(storage.file(&path("/c/b/f")), Some(b"x".to_vec()));
        assert_eq!(storage.remove_dir(&path("/c")).await, Err(StorageError::NotEmpty));
        assert_eq!(storage.rename(&path("/c"), &path("/c/d")).await, Err(StorageError::Denied));
        let page = storage.list(&VPath::root()).await.unwrap().next_page().await.unwrap().unwrap();
        assert_eq!(page.iter().map(|entry| entry.name.as_slice()).collect::<Vec<_>>(), [b"c"]);
    }
}
