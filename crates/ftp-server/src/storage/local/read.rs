//! Files and directories of the host, open for reading.

use std::collections::VecDeque;
use std::fs::File;
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use ftp_proto::value::facts::Entry;
use ftp_proto::value::path::VPath;
use rustix::buffer::spare_capacity;
use rustix::fs::{Dir, DirEntry, OFlags};
use tokio::task::JoinHandle;

use crate::page_cache::is_warm;
use crate::storage::local::folder::Folder;
use crate::storage::local::host::{blocking, io_refusal, refusal};
use crate::storage::{Entries, Native, Source, Span, StorageError};

/// Entries in one page of a listing.
const PAGE: usize = 1024;
/// Pages that are read at once, each by a thread: most of a page is one question to the kernel a name.
const AHEAD: usize = 2;

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
        if wanted == 0 {
            return Ok(buffer);
        }
        let (file, offset) = (Arc::clone(&self.file), self.offset);
        let reading = move || {
            rustix::io::pread(&*file, spare_capacity(&mut buffer), offset).map_err(refusal)?;
            buffer.truncate(usize::try_from(wanted).unwrap_or(usize::MAX));
            Ok(buffer)
        };
        let buffer = if is_warm(&self.file, offset, wanted) { reading()? } else { blocking(reading).await? };
        if buffer.is_empty() {
            return Err(StorageError::Io("the file became shorter while it was sent".into()));
        }
        self.offset += buffer.len() as u64;
        self.left -= buffer.len() as u64;
        Ok(buffer)
    }

    fn native(&self) -> Option<Native> {
        Some(Native { file: Arc::clone(&self.file), offset: self.offset })
    }
}

impl Folder {
    /// Opens a file for a download; `fd` is what was opened.
    pub(super) fn source(fd: OwnedFd, part: Span) -> Result<LocalSource, StorageError> {
        let file = Self::readable(fd)?;
        let size = file.metadata().map_err(|error| io_refusal(&error))?.len();
        let left = size.checked_sub(part.first).ok_or(StorageError::BeyondEnd)?;
        Ok(LocalSource::new(file, part.first, part.len().unwrap_or(u64::MAX).min(left)))
    }

    /// A file that may be read; `fd` is what was opened.
    pub(super) fn readable(fd: OwnedFd) -> Result<File, StorageError> {
        let file = File::from(fd);
        let metadata = file.metadata().map_err(|error| io_refusal(&error))?;
        if metadata.is_dir() {
            return Err(StorageError::IsADirectory);
        }
        if !metadata.is_file() {
            return Err(StorageError::NotAFile);
        }
        // A file that nobody may read is not read, even where this process could.
        if metadata.mode() & 0o444 == 0 {
            return Err(StorageError::Denied);
        }
        Ok(file)
    }

    /// Opens a directory for a listing.
    pub(super) fn list(self: &Arc<Self>, path: &VPath) -> Result<LocalEntries, StorageError> {
        let dir = self.root.open(path, OFlags::RDONLY | OFlags::DIRECTORY)?;
        let reader = Dir::read_from(&dir).map_err(refusal)?;
        Ok(LocalEntries::new(Arc::clone(self), dir, reader))
    }
}

/// A directory that is being read.
struct Open {
    folder: Arc<Folder>,
    dir: OwnedFd,
    /// Names come one thread at a time; what is known of them is asked for by several.
    reader: Mutex<Dir>,
}

/// Whether a directory may have more names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum More {
    Perhaps,
    No,
}

/// Entries that are to be shown, and whether there are more.
type Page = Result<(Vec<Entry>, More), StorageError>;

impl Open {
    /// The next names.
    fn names(&self) -> Result<Vec<DirEntry>, StorageError> {
        // A reader whose thread panicked still knows where it was.
        let mut reader = self.reader.lock().unwrap_or_else(PoisonError::into_inner);
        reader.by_ref().take(PAGE).collect::<Result<_, _>>().map_err(refusal)
    }

    fn page(&self) -> Page {
        let names = self.names()?;
        let more = if names.len() == PAGE { More::Perhaps } else { More::No };
        let entries = names.iter().filter_map(|name| self.folder.entry(&self.dir, name).transpose());
        Ok((entries.collect::<Result<_, _>>()?, more))
    }
}

/// The entries of an open directory. While a page is sent, the next ones are read.
pub(super) struct LocalEntries {
    open: Arc<Open>,
    ahead: VecDeque<JoinHandle<Page>>,
}

impl LocalEntries {
    pub(super) fn new(folder: Arc<Folder>, dir: OwnedFd, reader: Dir) -> Self {
        let open = Arc::new(Open { folder, dir, reader: Mutex::new(reader) });
        let mut entries = Self { open, ahead: VecDeque::new() };
        entries.begin();
        entries
    }

    fn begin(&mut self) {
        let open = Arc::clone(&self.open);
        let reading = async move { Arc::clone(&open.folder.gate).run(move || open.page()).await };
        self.ahead.push_back(tokio::spawn(reading));
    }
}

#[async_trait]
impl Entries for LocalEntries {
    async fn next_page(&mut self) -> Result<Option<Vec<Entry>>, StorageError> {
        if let Some(reading) = self.ahead.front_mut() {
            let read = reading.await.map_err(|error| StorageError::Io(error.to_string().into()));
            self.ahead.pop_front();
            let (page, more) = read??;
            while more == More::Perhaps && self.ahead.len() < AHEAD {
                self.begin();
            }
            return Ok(Some(page));
        }
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use crate::storage::{LocalOptions, LocalStorage, Storage};
    use ftp_proto::value::path::VPath;

    #[tokio::test]
    async fn every_entry_of_a_large_directory_comes_once_and_hidden_ones_do_not_end_it() {
        let folder = tempfile::tempdir().unwrap();
        let shown = |index: &usize| index.is_multiple_of(3000);
        for index in 0..6001_usize {
            let name = if shown(&index) { format!("f{index}") } else { format!(".ftp-upload-{index}") };
            std::fs::File::create(folder.path().join(name)).unwrap();
        }
        let storage = LocalStorage::new(folder.path(), LocalOptions::default()).unwrap();
        let mut entries = storage.list(&VPath::root()).await.unwrap();
        let mut names = Vec::new();
        while let Some(page) = entries.next_page().await.unwrap() {
            names.extend(page.into_iter().map(|entry| String::from_utf8(entry.name).unwrap()));
        }
        names.sort();
        assert_eq!(names, ["f0", "f3000", "f6000"]);
    }
}
