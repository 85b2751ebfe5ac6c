//! Files and directories of the host, open for reading.

use std::fs::File;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use async_trait::async_trait;
use ftp_proto::value::facts::Entry;
use ftp_proto::value::path::VPath;
use rustix::buffer::spare_capacity;
use rustix::fs::Dir;

use crate::storage::cache::is_warm;
use crate::storage::confine::refusal;
use crate::storage::local::{Shared, blocking};
use crate::storage::{Entries, Source, StorageError};

/// Entries in one page of a listing.
const PAGE: usize = 256;

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

/// The entries of an open directory.
pub(super) struct LocalEntries {
    shared: Arc<Shared>,
    path: VPath,
    /// `None` at the end.
    open: Option<(OwnedFd, Dir)>,
}

impl LocalEntries {
    pub(super) fn new(shared: Arc<Shared>, path: VPath, dir: OwnedFd, reader: Dir) -> Self {
        Self { shared, path, open: Some((dir, reader)) }
    }
}

#[async_trait]
impl Entries for LocalEntries {
    async fn next_page(&mut self) -> Result<Vec<Entry>, StorageError> {
        let Some((dir, mut reader)) = self.open.take() else { return Ok(Vec::new()) };
        let (shared, path) = (Arc::clone(&self.shared), self.path.clone());
        let (page, open) = blocking(move || {
            let mut page = Vec::with_capacity(PAGE);
            while page.len() < PAGE {
                let Some(entry) = reader.read() else { return Ok((page, None)) };
                let entry = entry.map_err(refusal)?;
                let name = entry.file_name().to_bytes();
                if !matches!(name, b"." | b"..") {
                    page.extend(shared.entry(&dir, &path, name));
                }
            }
            Ok((page, Some((dir, reader))))
        })
        .await?;
        self.open = open;
        Ok(page)
    }
}
