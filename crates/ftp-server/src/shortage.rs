//! What the system refuses to the server itself: descriptors, memory, an address. Clients are told it as it is, and whoever
//! runs the server by the log, once a minute, and by `ftp-server doctor`.
//!
//! Not here: what clients do wrong, and who is in the way of them (`health.rs`).

use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rustix::io::Errno;

/// How often the log tells of it.
const TOLD_AFTER: Duration = Duration::from_secs(60);

/// What was refused so far.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Refused {
    /// How often.
    pub count: u64,
    /// What it was the last time, and why.
    pub last: String,
}

/// Remembers it.
#[derive(Debug, Default)]
pub(crate) struct Shortage {
    refused: Mutex<Refused>,
    told: Mutex<Option<Instant>>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // What is in there is replaced whole.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shortage {
    /// The system has refused something, in the words of the error.
    pub(crate) fn note(&self, what: &'static str, why: &str) {
        let count = {
            let mut refused = lock(&self.refused);
            refused.count += 1;
            refused.last = format!("{what}: {why}");
            refused.count
        };
        let mut told = lock(&self.told);
        if told.is_none_or(|told| told.elapsed() >= TOLD_AFTER) {
            *told = Some(Instant::now());
            tracing::warn!(why, count, "the system refuses {what}");
        }
    }

    /// What was refused since the start.
    pub(crate) fn refused(&self) -> Option<Refused> {
        let refused = lock(&self.refused).clone();
        (refused.count > 0).then_some(refused)
    }
}

/// Whether this process, or the system, has no descriptors left.
pub(crate) fn is_out_of_descriptors(error: &io::Error) -> bool {
    matches!(Errno::from_io_error(error), Some(Errno::MFILE | Errno::NFILE))
}
