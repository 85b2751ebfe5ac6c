//! Storages that misbehave: one that fails half way, for cases that want it, and planted faults.

use std::sync::Arc;

use async_trait::async_trait;
use ftp_server::storage::{
    Abilities, Create, Entries, FactChange, Facts, Left, NotStored, Sink, Source, Span, Storage,
    StorageError, Stored, VPath, Writing, content,
};

use crate::peer::fault::Fault;

/// After so many octets a failing storage fails.
pub(super) const GOOD_OCTETS: u64 = 1 << 20;

/// What a storage does wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wrong {
    /// Reads and writes fail after [`GOOD_OCTETS`].
    Fails,
    /// The target is emptied before any data can arrive, as widely used servers do.
    EmptiesFirst,
    /// A broken upload takes the name of the old version.
    PublishesBroken,
    /// Whatever the user may not read is read.
    ReadsAnything,
}

impl Wrong {
    /// The storage fault that a planted fault stands for.
    pub(super) fn of(fault: Fault) -> Option<Self> {
        match fault {
            Fault::EmptiesFirst => Some(Self::EmptiesFirst),
            Fault::PublishesBroken => Some(Self::PublishesBroken),
            Fault::ReadsAnything => Some(Self::ReadsAnything),
            _ => None,
        }
    }
}

/// A storage over a good one.
pub(super) struct Spoilt {
    pub(super) good: Arc<dyn Storage>,
    pub(super) wrong: Wrong,
}

fn broken() -> StorageError {
    StorageError::Io("the disk is broken (as this case needs it)".into())
}

#[async_trait]
impl Storage for Spoilt {
    async fn facts(&self, path: &VPath) -> Result<Facts, StorageError> {
        self.good.facts(path).await
    }

    async fn own_facts(&self, path: &VPath) -> Result<Facts, StorageError> {
        self.good.own_facts(path).await
    }

    async fn list(&self, dir: &VPath) -> Result<Box<dyn Entries>, StorageError> {
        self.good.list(dir).await
    }

    async fn read(&self, file: &VPath, part: Span) -> Result<Box<dyn Source>, StorageError> {
        match (self.good.read(file, part).await, self.wrong) {
            (Err(StorageError::Denied | StorageError::Outside), Wrong::ReadsAnything) => {
                content(b"what nobody should see".to_vec(), Span::default())
            }
            (Ok(source), Wrong::Fails) => Ok(Box::new(Failing { source, good: GOOD_OCTETS })),
            (source, _) => source,
        }
    }

    async fn write(&self, file: &VPath, how: Create) -> Result<Writing, StorageError> {
        if self.wrong == Wrong::EmptiesFirst && how == Create::Replace {
            let emptied = self.good.write(file, how).await?.sink.commit(Vec::new()).await;
            emptied.map_err(|failed| failed.why)?;
        }
        let writing = self.good.write(file, how).await?;
        let sink = SpoiltSink { sink: writing.sink, good: GOOD_OCTETS, wrong: self.wrong };
        Ok(Writing::new(writing.path, Box::new(sink)))
    }

    async fn kept(&self, file: &VPath) -> Result<Option<u64>, StorageError> {
        self.good.kept(file).await
    }

    async fn make_dir(&self, dir: &VPath) -> Result<(), StorageError> {
        self.good.make_dir(dir).await
    }

    async fn remove_dir(&self, dir: &VPath) -> Result<(), StorageError> {
        self.good.remove_dir(dir).await
    }

    async fn remove_file(&self, file: &VPath) -> Result<(), StorageError> {
        self.good.remove_file(file).await
    }

    async fn rename(&self, from: &VPath, to: &VPath) -> Result<(), StorageError> {
        self.good.rename(from, to).await
    }

    async fn change(&self, path: &VPath, change: &FactChange) -> Result<(), StorageError> {
        self.good.change(path, change).await
    }

    async fn free(&self, dir: &VPath) -> Result<u64, StorageError> {
        self.good.free(dir).await
    }

    fn can(&self) -> Abilities {
        self.good.can()
    }
}

/// A file that cannot be read to its end.
struct Failing {
    source: Box<dyn Source>,
    good: u64,
}

#[async_trait]
impl Source for Failing {
    fn len(&self) -> u64 {
        self.source.len()
    }

    async fn read(&mut self, buffer: Vec<u8>) -> Result<Vec<u8>, StorageError> {
        let data = self.source.read(buffer).await?;
        self.good = self.good.checked_sub(data.len() as u64).ok_or_else(broken)?;
        Ok(data)
    }
}

struct SpoiltSink {
    sink: Box<dyn Sink>,
    good: u64,
    wrong: Wrong,
}

impl SpoiltSink {
    fn take(&mut self, data: &[u8]) -> Result<(), StorageError> {
        if self.wrong == Wrong::Fails {
            self.good = self.good.checked_sub(data.len() as u64).ok_or_else(broken)?;
        }
        Ok(())
    }
}

#[async_trait]
impl Sink for SpoiltSink {
    async fn write(&mut self, data: Vec<u8>) -> Result<Vec<u8>, StorageError> {
        self.take(&data)?;
        self.sink.write(data).await
    }

    fn limit(&mut self, octets: u64) {
        self.sink.limit(octets);
    }

    fn replaces(&self) -> bool {
        self.sink.replaces()
    }

    async fn commit(mut self: Box<Self>, last: Vec<u8>) -> Result<Stored, NotStored> {
        self.take(&last)?;
        self.sink.commit(last).await
    }

    async fn abandon(self: Box<Self>) -> Left {
        match self.wrong {
            Wrong::PublishesBroken => {
                // Whether that works or not, the reply says nothing of it: it is what the fault is about.
                let _published = self.sink.commit(Vec::new()).await;
                Left::Nothing
            }
            _ => self.sink.abandon().await,
        }
    }
}
