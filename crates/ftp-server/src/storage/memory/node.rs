//! Files and directories of a tree in memory. Not here: how they change (`memory.rs`).

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::storage::memory::kept::beneath;
use crate::storage::{Facts, Kind, Perm, TimeVal, VPath};

/// A file or directory.
#[derive(Debug, Clone)]
pub(super) struct Node {
    /// `None` for a directory.
    pub(super) data: Option<Arc<Vec<u8>>>,
    pub(super) modify: TimeVal,
    pub(super) mode: u32,
    pub(super) unique: u64,
}

/// Nodes by path.
pub(super) type Tree = BTreeMap<Vec<u8>, Node>;

pub(super) fn now() -> TimeVal {
    let seconds = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |elapsed| elapsed.as_secs());
    TimeVal::from_unix(i64::try_from(seconds).unwrap_or(0))
}

impl Node {
    pub(super) fn new(data: Option<Vec<u8>>) -> Self {
        let mode = if data.is_some() { 0o644 } else { 0o755 };
        Self { data: data.map(Arc::new), modify: now(), mode, unique: rand::random() }
    }

    pub(super) fn facts(&self) -> Facts {
        let (kind, size, perm) = match &self.data {
            Some(data) => (Kind::File, data.len() as u64, &b"adfrw"[..]),
            None => (Kind::Dir, 0, &b"cdeflmp"[..]),
        };
        let mut facts = Facts::new(kind, size);
        facts.modify = Some(self.modify);
        facts.perm = Perm::of(perm);
        facts.unique = Some(self.unique);
        facts.mode = self.mode;
        facts
    }
}

/// Paths begin with a slash; the entries of a directory have one name more than it.
pub(super) fn name_in<'a>(path: &'a [u8], dir: &VPath) -> Option<&'a [u8]> {
    let rest = if dir.is_root() { path.get(1..)? } else { path.strip_prefix(dir.as_bytes())?.get(1..)? };
    (beneath(path, dir) && !rest.is_empty() && !rest.contains(&b'/')).then_some(rest)
}
