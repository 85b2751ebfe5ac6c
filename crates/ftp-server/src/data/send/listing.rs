//! Listings, written page by page. Not here: the formats of their lines (ftp-proto).

use std::time::{SystemTime, UNIX_EPOCH};

use ftp_proto::listing::{mlsx, names, unix};
use ftp_proto::session::Format;
use ftp_proto::value::facts::{Entry, Perm};
use ftp_proto::value::time::TimeVal;

use crate::data::send::tree::Tree;
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
    /// What is below, if that is to be listed, too.
    tree: Option<Box<Tree>>,
}

impl Listing {
    pub(crate) fn new(entries: Box<dyn Entries>, format: Format, perm: Perm) -> Self {
        Self { entries, format, prefix: Vec::new(), perm, now: now(), tree: None }
    }

    /// The same with what NLST puts in front of each name.
    pub(crate) fn behind(mut self, prefix: Vec<u8>) -> Self {
        self.prefix = prefix;
        self
    }

    /// The same with what is below, each directory under its name.
    pub(crate) fn with(mut self, tree: Tree) -> Self {
        self.tree = Some(Box::new(tree));
        self
    }

    /// The lines of the next page that has any; none at the end.
    pub(super) async fn next_lines(&mut self, mut out: Vec<u8>) -> Result<Vec<u8>, StorageError> {
        while out.is_empty() {
            if let Some(page) = self.entries.next_page().await? {
                if let Some(tree) = &mut self.tree {
                    page.iter().try_for_each(|entry| tree.note(entry))?;
                }
                page.into_iter().for_each(|entry| self.write(entry, &mut out));
                continue;
            }
            let Some(tree) = &mut self.tree else { break };
            let Some(next) = tree.next().await? else { break };
            self.entries = next;
            out.extend_from_slice(b"\r\n");
            tree.heading(&mut out);
        }
        Ok(out)
    }

    fn write(&self, mut entry: Entry, out: &mut Vec<u8>) {
        entry.facts.perm = entry.facts.perm.intersection(self.perm);
        match &self.format {
            Format::Names => names::write(&self.prefix, &entry.name, out),
            Format::Unix(_) => unix::write(&entry, self.now, out),
            Format::Facts(set) => mlsx::write_line(&entry, *set, out),
        }
    }
}

/// The present time, as listings show it.
pub(crate) fn now() -> TimeVal {
    let seconds = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |elapsed| elapsed.as_secs());
    TimeVal::from_unix(i64::try_from(seconds).unwrap_or(0))
}
