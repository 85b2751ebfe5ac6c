//! What every upload keeps to, by whatever way its octets come: how many there may be, and how long few of them wait.
//!
//! Not here: the ways (`receive.rs` by buffers, `receive/pipe.rs` by the kernel).

use std::time::Duration;

use ftp_proto::session::{Count, Fault, Inbound};

use crate::storage::StorageError;

/// What an upload has to keep to.
#[derive(Clone, Copy)]
pub(super) struct Terms<'a> {
    pub(super) plan: &'a Inbound,
    /// Octets that the file may still take.
    pub(super) room: u64,
}

/// Octets of the first buffer of an upload: most files are small.
pub(super) const FIRST: usize = 16 << 10;

/// How long a few octets wait for more before they are written.
pub(super) const GATHER: Duration = Duration::from_millis(5);

/// How the connection stands behind the octets that were read.
pub(super) enum Then {
    More,
    End,
    Fault(Fault),
}

/// Counts octets of the file before they are written, and stops at the limit that RANG gave, and at the user's.
pub(super) fn grow(count: &mut Count, octets: usize, terms: Terms<'_>) -> Result<(), Fault> {
    let grown = count.file + octets as u64;
    if terms.plan.limit.is_some_and(|limit| grown > limit) {
        return Err(Fault::BeyondRange);
    }
    if grown > terms.room {
        return Err(Fault::Storage(StorageError::OverQuota));
    }
    count.file = grown;
    Ok(())
}
