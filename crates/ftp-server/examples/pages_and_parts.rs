//! A store in the manner of an object store: listings come in pages, uploads go in parts, and nothing is changed in place.
//!
//! `cargo run --example pages_and_parts -- 127.0.0.1:3021` serves it, in clear, to a user `me` with the password `secret`.
//! Without an address it uploads a file, lists and reads it, and says what it found.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use ftp_server::auth::{Account, Rights, Users};
use ftp_server::proto::session::{Plain, Policy};
use ftp_server::storage::{
    Abilities, Create, Entries, Entry, Facts, Kind, NotStored, PutParts, Source, Span, Storage, StorageError,
    Stored, VPath, Writing, async_trait, content, parts,
};
use ftp_server::{Options, Server};

/// Octets of a part. A real store wants some millions.
const PART: usize = 5;
/// Keys of a page.
const PAGE: usize = 2;

/// Objects by key; there are no directories but the root.
#[derive(Clone, Default)]
struct Bucket(Arc<Mutex<BTreeMap<Vec<u8>, Vec<u8>>>>);

impl Bucket {
    fn with<T>(&self, look: impl FnOnce(&mut BTreeMap<Vec<u8>, Vec<u8>>) -> T) -> T {
        look(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn object(&self, file: &VPath) -> Result<Vec<u8>, StorageError> {
        self.with(|objects| objects.get(file.name()).cloned()).ok_or(StorageError::NotFound)
    }
}

#[async_trait]
impl Storage for Bucket {
    async fn facts(&self, path: &VPath) -> Result<Facts, StorageError> {
        match path.is_root() {
            true => Ok(Facts::new(Kind::Dir, 0)),
            false => Ok(Facts::new(Kind::File, self.object(path)?.len() as u64)),
        }
    }

    async fn list(&self, dir: &VPath) -> Result<Box<dyn Entries>, StorageError> {
        if !dir.is_root() {
            return Err(StorageError::NotADirectory);
        }
        Ok(Box::new(Pages { bucket: self.clone(), behind: Vec::new() }))
    }

    async fn read(&self, file: &VPath, part: Span) -> Result<Box<dyn Source>, StorageError> {
        content(self.object(file)?, part)
    }

    async fn write(&self, file: &VPath, how: Create) -> Result<Writing, StorageError> {
        if how != Create::Replace || !file.parent().is_root() {
            return Err(StorageError::Unsupported);
        }
        let upload = Upload { bucket: self.clone(), key: file.name().to_vec(), parts: Vec::new() };
        Ok(Writing::new(file.clone(), parts(PART, upload)))
    }

    async fn remove_file(&self, file: &VPath) -> Result<(), StorageError> {
        self.with(|objects| objects.remove(file.name())).map(drop).ok_or(StorageError::NotFound)
    }

    fn can(&self) -> Abilities {
        Abilities::RESTART_READ
    }
}

/// A listing that goes on behind the last key that was seen; keys that begin with a dot are not shown.
struct Pages {
    bucket: Bucket,
    behind: Vec<u8>,
}

#[async_trait]
impl Entries for Pages {
    async fn next_page(&mut self) -> Result<Option<Vec<Entry>>, StorageError> {
        let page: Vec<Entry> = self.bucket.with(|objects| {
            let behind = objects.range(self.behind.clone()..).filter(|(key, _)| **key > self.behind);
            let entry = |(key, data): (&Vec<u8>, &Vec<u8>)| Entry {
                name: key.clone(),
                facts: Facts::new(Kind::File, data.len() as u64),
            };
            behind.take(PAGE).map(entry).collect()
        });
        let Some(last) = page.last() else { return Ok(None) };
        self.behind.clone_from(&last.name);
        Ok(Some(page.into_iter().filter(|entry| !entry.name.starts_with(b".")).collect()))
    }
}

/// A multipart upload.
struct Upload {
    bucket: Bucket,
    key: Vec<u8>,
    parts: Vec<Vec<u8>>,
}

#[async_trait]
impl PutParts for Upload {
    async fn part(&mut self, body: Vec<u8>) -> Result<(), StorageError> {
        self.parts.push(body);
        Ok(())
    }

    async fn complete(&mut self, last: Vec<u8>) -> Result<Stored, NotStored> {
        self.parts.push(last);
        let data = self.parts.concat();
        let (size, tag) = (data.len() as u64, format!("{}-parts", self.parts.len()));
        let old = self.bucket.with(|objects| objects.insert(self.key.clone(), data));
        Ok(Stored::new(size).in_place_of(old.map(|old| old.len() as u64)).tagged(tag))
    }

    async fn abort(&mut self) {
        self.parts.clear();
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let bucket = Bucket::default();
    if let Some(address) = std::env::args().nth(1) {
        let users = Users::new()?.with("me", "secret", Account::new(Rights::all(), Arc::new(bucket)))?;
        let policy = Policy::default().plain(Plain::Allow);
        let server = Server::builder(users).policy(policy).options(Options::default());
        server.explicit(address.parse()?).bind().await?.run(std::future::pending()).await;
        return Ok(());
    }
    for name in ["/.one", "/.two", "/hello.txt"] {
        let mut writing = bucket.write(&VPath::new(name)?, Create::Replace).await?;
        writing.sink.write(b"Hello, parts".to_vec()).await?;
        let stored = writing.sink.commit(b"!\n".to_vec()).await.map_err(|failed| failed.why)?;
        println!("{name}: {} octets, {}", stored.size, stored.tag.unwrap_or_default());
    }
    let mut pages = bucket.list(&VPath::root()).await?;
    while let Some(page) = pages.next_page().await? {
        println!("a page of {}", page.len());
    }
    let mut source = bucket.read(&VPath::new("/hello.txt")?, Span { first: 7, last: Some(11) }).await?;
    println!("{}", String::from_utf8(source.read(Vec::with_capacity(100)).await?)?);
    Ok(())
}
