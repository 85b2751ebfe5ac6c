//! What storages of your own need not write again: entries and octets that are all there already, and uploads that a store
//! takes as a whole or in parts.
//!
//! Not here: any store.

use std::sync::Arc;

use async_trait::async_trait;

use crate::storage::{Entries, Entry, Left, NotStored, Sink, Source, Span, StorageError, Stored};

/// Entries that are all there already.
#[must_use]
pub fn listing(entries: Vec<Entry>) -> Box<dyn Entries> {
    Box::new(Page(Some(entries)))
}

struct Page(Option<Vec<Entry>>);

#[async_trait]
impl Entries for Page {
    async fn next_page(&mut self) -> Result<Option<Vec<Entry>>, StorageError> {
        Ok(self.0.take())
    }
}

/// The part of a file whose octets are all there already.
///
/// # Errors
/// [`StorageError::BeyondEnd`] if the file ends before the part begins.
pub fn content(data: impl Into<Arc<Vec<u8>>>, part: Span) -> Result<Box<dyn Source>, StorageError> {
    let data = data.into();
    let from = usize::try_from(part.first).ok().filter(|from| *from <= data.len());
    let from = from.ok_or(StorageError::BeyondEnd)?;
    let wanted = part.len().and_then(|octets| usize::try_from(octets).ok()).unwrap_or(usize::MAX);
    let end = data.len().min(from.saturating_add(wanted));
    Ok(Box::new(Content { data, from, end }))
}

struct Content {
    data: Arc<Vec<u8>>,
    from: usize,
    end: usize,
}

#[async_trait]
impl Source for Content {
    fn len(&self) -> u64 {
        (self.end - self.from) as u64
    }

    async fn read(&mut self, mut buffer: Vec<u8>) -> Result<Vec<u8>, StorageError> {
        let end = self.end.min(self.from + buffer.capacity());
        buffer.extend_from_slice(self.data.get(self.from..end).unwrap_or_default());
        self.from = end;
        Ok(buffer)
    }
}

/// A store that takes a file in one call.
#[async_trait]
pub trait PutWhole: Send {
    /// Stores the file, in place of whatever has its name.
    async fn put(&mut self, body: Vec<u8>) -> Result<Stored, NotStored>;
}

/// Collects an upload in memory and puts it when it is whole; a broken one leaves nothing.
#[must_use]
pub fn whole(store: impl PutWhole + 'static) -> Box<dyn Sink> {
    Box::new(Whole { store, body: Vec::new() })
}

struct Whole<S> {
    store: S,
    body: Vec<u8>,
}

#[async_trait]
impl<S: PutWhole> Sink for Whole<S> {
    async fn write(&mut self, mut data: Vec<u8>) -> Result<Vec<u8>, StorageError> {
        self.body.append(&mut data);
        Ok(data)
    }

    async fn staged(&mut self) -> Result<Option<Box<dyn Source>>, StorageError> {
        content(self.body.clone(), Span::default()).map(Some)
    }

    async fn commit(mut self: Box<Self>, mut last: Vec<u8>) -> Result<Stored, NotStored> {
        self.body.append(&mut last);
        let body = std::mem::take(&mut self.body);
        self.store.put(body).await
    }

    async fn abandon(self: Box<Self>) -> Left {
        Left::Nothing
    }
}

/// A store that takes a file in parts, as object stores do (multipart uploads).
#[async_trait]
pub trait PutParts: Send {
    /// Takes the next part: as large as [`parts`] was told, but for the last one.
    async fn part(&mut self, body: Vec<u8>) -> Result<(), StorageError>;

    /// Makes a file of all parts, in place of whatever has its name. `last` is what is left for a last part, perhaps nothing:
    /// a store can put a file that has no other part in one call.
    async fn complete(&mut self, last: Vec<u8>) -> Result<Stored, NotStored>;

    /// Forgets the parts.
    async fn abort(&mut self);
}

/// Cuts an upload into parts of `size` octets, at least 1. One that is dropped, and neither committed nor abandoned, leaves
/// its parts to whatever the store does about uploads that do not end.
#[must_use]
pub fn parts(size: usize, store: impl PutParts + 'static) -> Box<dyn Sink> {
    Box::new(Parts { store, size: size.max(1), rest: Vec::new() })
}

struct Parts<S> {
    store: S,
    size: usize,
    /// Less than a part.
    rest: Vec<u8>,
}

#[async_trait]
impl<S: PutParts> Sink for Parts<S> {
    async fn write(&mut self, mut data: Vec<u8>) -> Result<Vec<u8>, StorageError> {
        self.rest.append(&mut data);
        while self.rest.len() >= self.size {
            let behind = self.rest.split_off(self.size);
            self.store.part(std::mem::replace(&mut self.rest, behind)).await?;
        }
        Ok(data)
    }

    fn piece(&self) -> Option<usize> {
        Some(self.size)
    }

    async fn commit(mut self: Box<Self>, last: Vec<u8>) -> Result<Stored, NotStored> {
        if let Err(why) = self.write(last).await {
            self.store.abort().await;
            return Err(why.into());
        }
        let rest = std::mem::take(&mut self.rest);
        self.store.complete(rest).await
    }

    async fn abandon(mut self: Box<Self>) -> Left {
        self.store.abort().await;
        Left::Nothing
    }
}
