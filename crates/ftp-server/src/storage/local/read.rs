//! Files and directories of the host, open for reading.

use std::fs::File;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use async_trait::async_trait;
use ftp_proto::value::facts::Entry;
use ftp_proto::value::path::VPath;
use rustix::buffer::spare_capacity;
use rustix::fs::Dir;
use tokio::task::JoinHandle;

use crate::storage::cache::is_warm;
use crate::storage::confine::refusal;
use crate::storage::local::{Shared, blocking};
use crate::storage::{Entries, Source, StorageError};

/// Entries in one page of a listing.
const PAGE: usize = 1024;

/// A file that is open for reading; it is never read beyond the size it had at the start.
#[derive(Debug)]
pub(super) struct LocalSource {
    file: Arc<File>,
    offset: u64,
    left: u64,
}

impl LocalSource {
    pub(super) fn new(file: File, offset: u64, left: u64) -> Self {
        Self { file: Arc::new(file), offset, left }
    }
}

#[async_trait]
impl Source for LocalSource {
    fn len(&self) -> u64 {
        self.left
    }

    async fn read(&mut self, mut buffer: Vec<u8>) -> Result<Vec<u8>, StorageError> {
        let wanted = self.left.min(buffer.capacity() as u64);
        let (file, offset) = (Arc::clone(&self.file), self.offset);
        let reading = move || {
            rustix::io::pread(&*file, spare_capacity(&mut buffer), offset).map_err(refusal)?;
            buffer.truncate(usize::try_from(wanted).unwrap_or(usize::MAX));
            Ok(buffer)
        };
        let buffer =
            if is_warm(&self.file, offset, wanted.max(1)) { reading()? } else { blocking(reading).await? };
        if buffer.is_empty() && wanted > 0 {
            return Err(StorageError::Io("the file became shorter while it was sent".into()));
        }
        self.offset += buffer.len() as u64;
        self.left -= buffer.len() as u64;
        Ok(buffer)
    }

    fn file(&self) -> Option<(Arc<File>, u64)> {
        Some((Arc::clone(&self.file), self.offset))
    }
}

/// What a page leaves: the entries, and the directory if there are more.
type Page = Result<(Vec<Entry>, Option<Open>), StorageError>;

/// A directory that is being read.
struct Open {
    dir: OwnedFd,
    reader: Dir,
}

/// The entries of an open directory. While a page is sent, the next one is read.
pub(super) struct LocalEntries {
    shared: Arc<Shared>,
    path: VPath,
    /// The next page; `None` at the end.
    next: Option<JoinHandle<Page>>,
}

impl LocalEntries {
    pub(super) fn new(shared: Arc<Shared>, path: VPath, dir: OwnedFd, reader: Dir) -> Self {
        let mut entries = Self { shared, path, next: None };
        entries.begin(Open { dir, reader });
        entries
    }

    fn begin(&mut self, open: Open) {
        let (shared, path) = (Arc::clone(&self.shared), self.path.clone());
        self.next = Some(tokio::task::spawn_blocking(move || page(&shared, &path, open)));
    }
}

fn page(shared: &Shared, path: &VPath, mut open: Open) -> Page {
    let mut page = Vec::with_capacity(PAGE);
    while page.len() < PAGE {
        let Some(entry) = open.reader.read() else { return Ok((page, None)) };
        let entry = entry.map_err(refusal)?;
        let name = entry.file_name().to_bytes();
        if !matches!(name, b"." | b"..") {
            page.extend(shared.entry(&open.dir, path, name));
        }
    }
    Ok((page, Some(open)))
}

#[async_trait]
impl Entries for LocalEntries {
    async fn next_page(&mut self) -> Result<Vec<Entry>, StorageError> {
        let Some(reading) = &mut self.next else { return Ok(Vec::new()) };
        let read = reading.await.map_err(|error| StorageError::Io(error.to_string().into()));
        self.next = None;
        let (page, open) = read??;
        if let Some(open) = open {
            self.begin(open);
        }
        Ok(page)
    }
}
