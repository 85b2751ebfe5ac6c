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
        Ok(entries) => return Ok(Found { path, kind: Kind::Dir, entries, prefix: given(reading).to_vec() }),
        Err(refusal @ (Refusal::NotADirectory | Refusal::NotFound | Refusal::Outside)) => refusal,
        Err(refusal) => return Err(refusal),
    };
    let facts = storage.own_facts(&path).await?;
    if facts.is_dir() {
        return Err(refusal);
    }
    let entry = Entry { name: path.name().to_vec(), facts };
    Ok(Found { path, kind: Kind::File, entries: listing(vec![entry]), prefix: parent(reading) })
}

/// The entries that match a pattern. That there are none is no fault: a group of files may be empty (RFC 959 §4.1.3).
async fn matching(storage: &dyn Storage, pattern: Pattern, reading: Reading) -> Result<Found, Refusal> {
    let all = storage.list(&reading.path.parent()).await?;
    let prefix = parent(&reading);
    Ok(Found { path: reading.path, kind: Kind::Dir, entries: Box::new(Matching { all, pattern }), prefix })
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
