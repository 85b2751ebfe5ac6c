//! What the argument of LIST, NLST or STAT means: the first of its readings that exists, or the entries that match the last.
//!
//! Switches and readings are the session's (`ftp_proto::command::service::ListArg`), patterns are
//! `ftp_proto::value::pattern`'s. Not here: how entries are written.

use ftp_proto::session::{Reading, Refusal};
use ftp_proto::value::facts::{Entry, Kind};
use ftp_proto::value::path::VPath;
use ftp_proto::value::pattern::Pattern;

use crate::storage::{Entries, Storage, async_trait, listing};

/// What was found.
pub(super) struct Found {
    /// Where.
    pub(super) path: VPath,
    /// `Dir` for a directory and for what matches a pattern; `File` for what is there by itself.
    pub(super) kind: Kind,
    pub(super) entries: Box<dyn Entries>,
    /// The directory of the entries as the client wrote it: `NLST sub/file` yields `sub/file`.
    pub(super) prefix: Vec<u8>,
    pub(super) whole: Whole,
}

/// What the entries are of the directory that they lie in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Whole {
    /// All of it: the directory itself is what was found.
    Directory,
    /// Those that were meant, or something by itself.
    Part,
}

/// Finds what is meant. A reading that is not there is passed over; the last one may be a pattern, and an exact name goes
/// before it.
pub(super) async fn find(storage: &dyn Storage, readings: Vec<Reading>) -> Result<Found, Refusal> {
    let mut missing = Refusal::NotFound;
    let mut last = None;
    for reading in readings {
        match look(storage, &reading).await {
            Err(why @ (Refusal::NotFound | Refusal::NotADirectory | Refusal::Name(_))) => missing = why,
            found => return found,
        }
        last = Some(reading);
    }
    match last.and_then(|reading| Some((Pattern::new(reading.path.name())?, reading))) {
        Some((pattern, reading)) => matching(storage, pattern, reading).await,
        None => Err(missing),
    }
}

/// What has the path of a reading: a directory, or a file alone, or a link, which may lead nowhere or outside.
async fn look(storage: &dyn Storage, reading: &Reading) -> Result<Found, Refusal> {
    let path = reading.path.clone();
    let refusal = match storage.list(&path).await {
        Ok(entries) => {
            let (prefix, whole) = (given(reading).to_vec(), Whole::Directory);
            return Ok(Found { path, kind: Kind::Dir, entries, prefix, whole });
        }
        Err(refusal @ (Refusal::NotADirectory | Refusal::NotFound | Refusal::Outside)) => refusal,
        Err(refusal) => return Err(refusal),
    };
    let facts = storage.own_facts(&path).await?;
    if facts.is_dir() {
        return Err(refusal);
    }
    let entry = Entry { name: path.name().to_vec(), facts };
    Ok(Found {
        path,
        kind: Kind::File,
        entries: listing(vec![entry]),
        prefix: parent(reading),
        whole: Whole::Part,
    })
}

/// The entries that match a pattern. That there are none is no fault: a group of files may be empty (RFC 959 §4.1.3).
async fn matching(storage: &dyn Storage, pattern: Pattern, reading: Reading) -> Result<Found, Refusal> {
    let all = storage.list(&reading.path.parent()).await?;
    let prefix = parent(&reading);
    Ok(Found {
        path: reading.path,
        kind: Kind::Dir,
        entries: Box::new(Matching { all, pattern }),
        prefix,
        whole: Whole::Part,
    })
}

fn given(reading: &Reading) -> &[u8] {
    reading.given.as_ref().map_or(&[], |given| given.as_bytes())
}

/// What the client wrote without its last name.
fn parent(reading: &Reading) -> Vec<u8> {
    let mut given = given(reading);
    // A pattern may stand in front of slashes, which say nothing.
    while let Some(shorter) = given.strip_suffix(b"/") {
        given = shorter;
    }
    let end = given.iter().rposition(|octet| *octet == b'/').map_or(0, |slash| slash + 1);
    given.get(..end).unwrap_or_default().to_vec()
}

/// Those entries of a directory that match a pattern.
struct Matching {
    all: Box<dyn Entries>,
    pattern: Pattern,
}

#[async_trait]
impl Entries for Matching {
    async fn next_page(&mut self) -> Result<Option<Vec<Entry>>, Refusal> {
        let mut page = self.all.next_page().await?;
        if let Some(page) = &mut page {
            page.retain(|entry| self.pattern.matches(&entry.name));
        }
        Ok(page)
    }
}

/// A directory itself and the one above it, before its entries; the root is its own.
pub(super) async fn dotted(
    storage: &dyn Storage,
    dir: &VPath,
    entries: Box<dyn Entries>,
) -> Result<Dotted, Refusal> {
    let dots =
        [(b".".to_vec(), dir.clone(), Kind::CurrentDir), (b"..".to_vec(), dir.parent(), Kind::ParentDir)];
    let mut first = Vec::new();
    for (name, path, kind) in dots {
        let mut facts = storage.facts(&path).await?;
        facts.kind = kind;
        first.push(Entry { name, facts });
    }
    Ok(Dotted { first: Some(first), entries })
}

/// Entries behind some that come first.
pub(super) struct Dotted {
    first: Option<Vec<Entry>>,
    entries: Box<dyn Entries>,
}

#[async_trait]
impl Entries for Dotted {
    async fn next_page(&mut self) -> Result<Option<Vec<Entry>>, Refusal> {
        match self.first.take() {
            Some(first) => Ok(Some(first)),
            None => self.entries.next_page().await,
        }
    }
}
