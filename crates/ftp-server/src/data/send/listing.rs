//! Listings, written page by page. Not here: the formats of their lines (ftp-proto).

use std::time::{SystemTime, UNIX_EPOCH};

use ftp_proto::listing::{mlsx, names, unix};
use ftp_proto::session::Format;
use ftp_proto::value::facts::{Entry, Perm};
use ftp_proto::value::time::TimeVal;

use crate::storage::{Entries, StorageError};

/// A listing that is written page by page.
pub(crate) struct Listing {
    entries: Box<dyn Entries>,
    format: Format,
    /// What NLST puts in front of each name.
    prefix: Vec<u8>,
    /// What the user may do with entries at most.
    perm: Perm,
    now: TimeVal,
}

impl Listing {
    pub(crate) fn new(entries: Box<dyn Entries>, format: Format, perm: Perm) -> Self {
        Self { entries, format, prefix: Vec::new(), perm, now: now() }
    }

    /// The same with what NLST puts in front of each name.
    pub(crate) fn behind(mut self, prefix: Vec<u8>) -> Self {
        self.prefix = prefix;
        self
    }

    /// The lines of the next page that has any; none at the end.
    pub(super) async fn next_lines(&mut self, mut out: Vec<u8>) -> Result<Vec<u8>, StorageError> {
        while out.is_empty() {
            let Some(page) = self.entries.next_page().await? else { break };
            page.into_iter().for_each(|entry| self.write(entry, &mut out));
        }
        Ok(out)
    }

    fn write(&self, mut entry: Entry, out: &mut Vec<u8>) {
        entry.facts.perm = entry.facts.perm.intersection(self.perm);
        match &self.format {
            Format::Names => names::write(&self.prefix, &entry.name, out),
            Format::Unix => unix::write(&entry, self.now, out),
            Format::Facts(set) => mlsx::write_line(&entry, *set, out),
        }
    }
}

/// The present time, as listings show it.
pub(crate) fn now() -> TimeVal {
    let seconds = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |elapsed| elapsed.as_secs());
    TimeVal::from_unix(i64::try_from(seconds).unwrap_or(0))
}
