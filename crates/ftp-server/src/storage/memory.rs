//! Files in memory, for tests and embedding. It stages uploads as the others do: a file appears when it is whole.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use async_trait::async_trait;

use crate::storage::{
    Abilities, Create, Entries, Entry, FactChange, Facts, Kind, Left, NotStored, Perm, Sink, Source, Span,
    Storage, StorageError, Stored, TimeVal, VPath, Writing, content, listing, unique,
};

/// A file or directory.
#[derive(Debug, Clone)]
struct Node {
    /// `None` for a directory.
    data: Option<Arc<Vec<u8>>>,
    modify: TimeVal,
    mode: u32,
    unique: u64,
}

type Tree = BTreeMap<Vec<u8>, Node>;

/// A tree of files in memory; clones share it.
#[derive(Debug, Clone, Default)]
pub struct MemoryStorage {
    tree: Arc<Mutex<Tree>>,
    /// What came of broken uploads, by owner and path.
    partials: Arc<Mutex<Partials>>,
    /// Whose partials this one keeps; none are kept for nobody.
    owner: Option<String>,
}

type Partials = HashMap<(String, Vec<u8>), Arc<Vec<u8>>>;

fn now() -> TimeVal {
    let seconds = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |elapsed| elapsed.as_secs());
    TimeVal::from_unix(i64::try_from(seconds).unwrap_or(0))
}

impl Node {
    fn new(data: Option<Vec<u8>>) -> Self {
        let mode = if data.is_some() { 0o644 } else { 0o755 };
        Self { data: data.map(Arc::new), modify: now(), mode, unique: rand::random() }
    }

    fn facts(&self) -> Facts {
        let (kind, size, perm) = match &self.data {
            Some(data) => (Kind::File, data.len() as u64, &b"adfrw"[..]),
            None => (Kind::Dir, 0, &b"cdeflmp"[..]),
        };
        let mut facts = Facts::new(kind, size);
        facts.modify = Some(self.modify);
        facts.perm = Perm::of(perm);
        facts.unique = Some(self.unique);
        facts.mode = self.mode;
        facts
    }
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

    fn partials(&self) -> MutexGuard<'_, Partials> {
        self.partials.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn key(&self, path: &VPath) -> Option<(String, Vec<u8>)> {
        self.owner.clone().map(|owner| (owner, path.as_bytes().to_vec()))
    }

    /// What is kept of a broken upload to `path`.
    fn partial(&self, path: &VPath) -> Option<Arc<Vec<u8>>> {
        self.partials().get(&self.key(path)?).cloned()
    }

    fn drop_partial(&self, path: &VPath) -> bool {
        self.key(path).is_some_and(|key| self.partials().remove(&key).is_some())
    }

    /// What a write begins with: what is there, and where in it the first octets go.
    fn begin(&self, path: &VPath, how: Create) -> Result<(Vec<u8>, usize), StorageError> {
        let old = self.writable(path)?;
        let kept = self.partial(path).filter(|_| matches!(how, Create::Append | Create::At(_)));
        if how == Create::Append && old.is_some() && kept.is_some() {
            // The old version and the end of a new one are no file.
            return Err(StorageError::Exists);
        }
        let goes_on = kept.is_some();
        let mut data = kept.or(old).map_or_else(Vec::new, |data| data.to_vec());
        let at = start(how, data.len())?;
        if goes_on || matches!(how, Create::Replace | Create::Unique) {
            // What stands behind is sent again.
            data.truncate(at);
        }
        Ok((data, at))
    }

    /// Whether an upload to `path` is one of a new version, in place of which there may be an old one.
    fn is_new(&self, path: &VPath, how: Create) -> bool {
        match how {
            Create::Replace => true,
            Create::Append | Create::At(_) => self.partial(path).is_some() || self.file(path).is_none(),
            _ => false,
        }
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

/// Where the octets of a write go in a file of `size` octets.
fn start(how: Create, size: usize) -> Result<usize, StorageError> {
    match how {
        Create::Replace | Create::Unique => Ok(0),
        Create::Append => Ok(size),
        Create::At(offset) => {
            let at = usize::try_from(offset).ok().filter(|at| *at <= size);
            at.ok_or(StorageError::BeyondEnd)
        }
        _ => Err(StorageError::Unsupported),
    }
}

/// Whether `path` lies beneath the directory `dir`.
fn beneath(path: &[u8], dir: &VPath) -> bool {
    dir.is_root() || path.strip_prefix(dir.as_bytes()).is_some_and(|rest| rest.starts_with(b"/"))
}

/// Paths begin with a slash; the entries of a directory have one name more than it.
fn name_in<'a>(path: &'a [u8], dir: &VPath) -> Option<&'a [u8]> {
    let rest = if dir.is_root() { path.get(1..)? } else { path.strip_prefix(dir.as_bytes())?.get(1..)? };
    (beneath(path, dir) && !rest.is_empty() && !rest.contains(&b'/')).then_some(rest)
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
        let path = if how == Create::Unique { unique(file)? } else { file.clone() };
        self.begin(&path, how)?;
        let is_new = self.is_new(&path, how);
        let sink = MemorySink { storage: self.clone(), path: path.clone(), how, begun: None, is_new };
        Ok(Writing::new(path, Box::new(sink)))
    }

    async fn kept(&self, file: &VPath) -> Result<Option<u64>, StorageError> {
        Ok(self.partial(file).map(|data| data.len() as u64))
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
        tree.remove(dir.as_bytes());
        // What is kept in it is seen by nobody.
        self.partials().retain(|(_, path), _| !beneath(path, dir));
        Ok(())
    }

    async fn remove_file(&self, file: &VPath) -> Result<(), StorageError> {
        if self.drop_partial(file) && self.node(file).is_err() {
            return Ok(());
        }
        self.node(file)?.data.ok_or(StorageError::IsADirectory)?;
        self.lock().remove(file.as_bytes());
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
        let mut partials = self.partials();
        let moved: Vec<_> = partials.extract_if(|(_, path), _| beneath(path, from)).collect();
        partials.extend(moved.into_iter().map(|((owner, path), data)| {
            let rest = path.get(from.as_bytes().len()..).unwrap_or_default();
            ((owner, [to.as_bytes(), rest].concat()), data)
        }));
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
    /// From the first octets on.
    begun: Option<(Vec<u8>, usize)>,
    /// Whether what comes is kept for its owner if it breaks.
    is_new: bool,
}

impl MemorySink {
    /// Takes octets; everything that there is then.
    fn take(&mut self, data: &[u8]) -> Result<&mut Vec<u8>, StorageError> {
        let begun = match self.begun.take() {
            Some(begun) => begun,
            None => self.storage.begin(&self.path, self.how)?,
        };
        let (all, at) = self.begun.insert(begun);
        let end = *at + data.len();
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

    async fn staged(&mut self) -> Result<Option<Box<dyn Source>>, StorageError> {
        let data = self.take(&[])?.clone();
        content(data, Span::default()).map(Some)
    }

    async fn commit(mut self: Box<Self>, last: Vec<u8>) -> Result<Stored, NotStored> {
        let data = std::mem::take(self.take(&last)?);
        let old = self.storage.writable(&self.path)?.map(|old| old.len() as u64);
        let size = data.len() as u64;
        self.storage.lock().insert(self.path.as_bytes().to_vec(), Node::new(Some(data)));
        self.storage.drop_partial(&self.path);
        Ok(Stored::new(size).in_place_of(old))
    }

    async fn abandon(self: Box<Self>) -> Left {
        let (Some(key), Some((data, _)), true) = (self.storage.key(&self.path), self.begun, self.is_new)
        else {
            return Left::Nothing;
        };
        if data.is_empty() {
            return Left::Nothing;
        }
        let octets = data.len() as u64;
        self.storage.partials().insert(key, Arc::new(data));
        Left::Kept(octets)
    }

    async fn discard(self: Box<Self>) -> Left {
        if self.is_new && self.how != Create::Replace {
            self.storage.drop_partial(&self.path);
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
