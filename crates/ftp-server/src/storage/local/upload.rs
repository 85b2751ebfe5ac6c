//! Uploads that are staged, as the sinks of a storage: where their work is done.
//!
//! Not here: the work itself (`publish.rs`).

use std::io::PipeReader;
use std::sync::Arc;

use async_trait::async_trait;

use crate::page_cache::Medium;
use crate::storage::local::host::blocking;
use crate::storage::local::plan::{Plan, Start};
use crate::storage::local::publish::Staged;
use crate::storage::sealed::Sealed;
use crate::storage::{Left, NotStored, Sink, Source, Splice, StorageError, Stored};

/// An upload that is staged from its first octets on, so that a small one is opened, written and published by one visit to
/// a thread that may wait.
#[derive(Debug)]
pub(super) enum Upload {
    Planned(Plan),
    Staged(Staged),
    /// A thread has it, or had it when it failed.
    Away,
}

/// Does at once what touches memory only; a thread that may wait does the rest.
async fn where_it_may_wait<T: Send + 'static>(
    medium: Medium,
    work: impl FnOnce() -> Result<T, StorageError> + Send + 'static,
) -> Result<T, StorageError> {
    if medium == Medium::Memory { work() } else { blocking(work).await }
}

impl Upload {
    fn medium(&self) -> Medium {
        match self {
            // A copy takes its time in memory too.
            Self::Planned(Plan { start: Start::Change(_), .. }) => Medium::Other,
            Self::Planned(plan) => plan.place.medium,
            Self::Staged(staged) => staged.place.medium,
            Self::Away => Medium::Other,
        }
    }

    /// Works on the staged file where that may take its time. Work that fails leaves what was there before.
    async fn work<T: Send + 'static>(
        &mut self,
        work: impl FnOnce(&mut Staged) -> Result<T, StorageError> + Send + 'static,
    ) -> Result<T, StorageError> {
        let medium = self.medium();
        let upload = std::mem::replace(self, Self::Away);
        let working = move || {
            let mut staged = upload.staged()?;
            let done = work(&mut staged);
            Ok((staged, done))
        };
        let (staged, done) = where_it_may_wait(medium, working).await?;
        *self = Self::Staged(staged);
        done
    }

    async fn end(self, how: impl FnOnce(Staged) -> Left + Send + 'static) -> Left {
        match self {
            Self::Staged(staged) => blocking(move || Ok(how(staged))).await.unwrap_or(Left::Nothing),
            Self::Planned(_) | Self::Away => Left::Nothing,
        }
    }

    fn staged(self) -> Result<Staged, StorageError> {
        match self {
            Self::Planned(plan) => Staged::open(plan),
            Self::Staged(staged) => Ok(staged),
            Self::Away => Err(StorageError::Io("an earlier write has failed".into())),
        }
    }
}

#[async_trait]
impl Sink for Upload {
    async fn write(&mut self, mut data: Vec<u8>) -> Result<Vec<u8>, StorageError> {
        let writing = move |staged: &mut Staged| {
            staged.write(&data)?;
            data.clear();
            Ok(data)
        };
        self.work(writing).await
    }

    async fn staged(&mut self) -> Result<Option<Box<dyn Source>>, StorageError> {
        let source = self.work(|staged| staged.source()).await?;
        Ok(Some(Box::new(source)))
    }

    fn replaces(&self) -> bool {
        match self {
            Self::Planned(plan) => plan.old.is_some(),
            Self::Staged(staged) => staged.replaces(),
            Self::Away => false,
        }
    }

    async fn settle(&mut self, data: Vec<u8>) -> Result<(), StorageError> {
        self.work(move |staged| {
            staged.write(&data)?;
            staged.sync()
        })
        .await
    }

    async fn commit(self: Box<Self>, last: Vec<u8>) -> Result<Stored, NotStored> {
        let medium = self.medium();
        let finishing = move || {
            let mut staged = self.staged()?;
            Ok(match staged.write(&last) {
                Ok(()) => staged.finish(),
                Err(why) => Err(NotStored { why, left: staged.give_up() }),
            })
        };
        where_it_may_wait(medium, finishing).await?
    }

    fn native(&mut self) -> Option<&mut dyn Splice> {
        Some(self)
    }

    async fn abandon(self: Box<Self>) -> Left {
        self.end(Staged::give_up).await
    }

    async fn discard(self: Box<Self>) -> Left {
        let going_on = match *self {
            // It has begun with what is kept, though nothing came behind that.
            Self::Planned(plan @ Plan { start: Start::GoOn(..), .. }) => {
                blocking(move || Staged::open(plan)).await.map_or(Self::Away, Self::Staged)
            }
            upload => upload,
        };
        going_on.end(Staged::discard).await
    }
}

impl Sealed for Upload {}

#[async_trait]
impl Splice for Upload {
    async fn take(&mut self, pipe: Arc<PipeReader>, octets: usize) -> Result<(), StorageError> {
        self.work(move |staged| staged.take(&pipe, octets)).await
    }
}
