//! Files that are changed where they are: APPE, REST and STOR, and directories whose uploads are seen as they grow.
//!
//! ```text
//! InPlace ──first octets──> opened ──write──> the file grows ──commit──> durable
//! ```
//!
//! Not here: uploads that are staged, which is what all others are (`publish.rs`).

use std::ffi::OsStr;
use std::fs::File;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use async_trait::async_trait;
use rustix::fs::{Mode, OFlags};

use crate::storage::local::confine::Place;
use crate::storage::local::host::{blocking, io_refusal, refusal};
use crate::storage::local::options::Durability;
use crate::storage::local::publish::make_durable;
use crate::storage::{Left, Sink, StorageError};

/// A file that is changed where it is: APPE, REST and STOR, and directories whose uploads are seen as they grow.
#[derive(Debug)]
pub(super) struct InPlace {
    place: Arc<Place>,
    /// Opened at the first octet.
    file: Option<Arc<File>>,
    opening: Opening,
    offset: u64,
    written: u64,
    durability: Durability,
}

/// What opening an in-place target does to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Opening {
    /// Its octets stay.
    Keep,
    /// They stay, and the kernel puts new ones behind them: two who append at once lose nothing.
    Append,
    /// They go, with the first octet of the new ones.
    Truncate,
}

impl InPlace {
    pub(super) fn new(place: Place, offset: u64, opening: Opening, durability: Durability) -> Self {
        Self { place: Arc::new(place), file: None, opening, offset, written: 0, durability }
    }

    /// Opens the target, from octet `from` on.
    fn open(place: &Place, opening: Opening, from: u64) -> Result<Arc<File>, StorageError> {
        let flags = OFlags::WRONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
        let flags = match opening {
            Opening::Keep => flags,
            Opening::Append => flags | OFlags::CREATE | OFlags::APPEND,
            Opening::Truncate => flags | OFlags::CREATE | OFlags::TRUNC,
        };
        let mode = Mode::from_raw_mode(0o666);
        let fd =
            rustix::fs::openat(&place.dir, OsStr::from_bytes(&place.name), flags, mode).map_err(refusal)?;
        let file = File::from(fd);
        // It may have become shorter since the command: there must be no hole.
        if opening == Opening::Keep && file.metadata().map_err(|error| io_refusal(&error))?.len() < from {
            return Err(StorageError::BeyondEnd);
        }
        Ok(Arc::new(file))
    }
}

#[async_trait]
impl Sink for InPlace {
    async fn write(&mut self, mut data: Vec<u8>) -> Result<Vec<u8>, StorageError> {
        let file = match &self.file {
            Some(file) => Arc::clone(file),
            None => {
                let (place, opening, from) = (Arc::clone(&self.place), self.opening, self.offset);
                let file = blocking(move || Self::open(&place, opening, from)).await?;
                self.file = Some(Arc::clone(&file));
                file
            }
        };
        let (count, at) = (data.len() as u64, self.offset + self.written);
        let data = blocking(move || {
            file.write_all_at(&data, at).map_err(|error| io_refusal(&error))?;
            data.clear();
            Ok(data)
        })
        .await?;
        self.written += count;
        Ok(data)
    }

    async fn commit(self: Box<Self>, last: Vec<u8>) -> Result<(), StorageError> {
        blocking(move || {
            let file = match &self.file {
                Some(file) => Arc::clone(file),
                None => Self::open(&self.place, self.opening, self.offset)?,
            };
            file.write_all_at(&last, self.offset + self.written).map_err(|error| io_refusal(&error))?;
            make_durable(&file, self.durability)
        })
        .await
    }

    async fn abandon(self: Box<Self>) -> Left {
        let Some(file) = self.file else { return Left::Nothing };
        let (durability, written) = (self.durability, self.written);
        let size = blocking(move || {
            make_durable(&file, durability)?;
            file.metadata().map(|metadata| metadata.len()).map_err(|error| io_refusal(&error))
        });
        match size.await {
            Ok(size) if written > 0 => Left::Extended(size),
            _ => Left::Nothing,
        }
    }
}
