//! What is decided of an upload before its first octet: where it goes, what it begins with, and what becomes of it.
//!
//! Not here: deciding it (`write.rs`), and doing it (`publish.rs`).

use std::sync::Arc;

use rustix::fs::Stat;

use crate::storage::local::confine::Place;
use crate::storage::local::ground::Ground;
use crate::storage::local::kept::Kept;
use crate::storage::local::options::{Durability, Partial};

/// Where an upload will go.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) place: Place,
    /// What has the name now.
    pub(super) old: Option<Stat>,
    pub(super) naming: Naming,
    pub(super) start: Start,
    pub(super) terms: Terms,
}

/// What an upload begins with.
#[derive(Debug)]
pub(super) enum Start {
    /// Nothing.
    Anew,
    /// So many octets of a broken upload.
    GoOn(Kept, u64),
    /// All of the old version, of which octets from here on are replaced.
    Change(u64),
}

/// What is done with a finished upload, and with a broken one.
#[derive(Debug, Clone)]
pub(super) struct Terms {
    pub(super) durability: Durability,
    pub(super) partial: Partial,
    /// Whose it is if it breaks, and the hidden name under which it is kept then.
    pub(super) keep: Option<(String, Vec<u8>)>,
    pub(super) ground: Arc<Ground>,
}

/// What a finished upload does about its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Naming {
    /// It takes the name from whatever has it.
    Replace,
    /// It must still be free, as it was: APPE, and REST 0 and STOR, to nothing. A broken one may keep it.
    Fresh,
    /// It must be free: STOU, whose names nobody knows before the end.
    Unique,
    /// It takes the name from the version that it was made of, and from no other: REST and STOR.
    Change,
}
