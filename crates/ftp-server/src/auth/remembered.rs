//! Passwords that were found right a short while ago.
//!
//! Kept is only a BLAKE2b of hash and password under a key that lives as long as the process: whoever reads this memory
//! later has nothing to try passwords against. Users whose password is changed have another hash, and so another mark.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use blake2::Blake2bMac;
use blake2::digest::consts::U32;
use blake2::digest::{FixedOutput, KeyInit, Update};

/// How long a password is remembered, counted from when it was verified.
const LIFE: Duration = Duration::from_secs(300);
/// The most that are remembered; with more the oldest are verified again.
const MARKS_MAX: usize = 10_000;

/// What stands for a hash and a password.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Mark([u8; 32]);

/// The marks of passwords that were right.
#[derive(Debug)]
pub(super) struct Remembered {
    key: [u8; 64],
    marks: Mutex<HashMap<Mark, Instant>>,
}

impl Remembered {
    pub(super) fn new() -> Self {
        Self { key: rand::random(), marks: Mutex::default() }
    }

    /// The mark of a password for an account with this hash.
    pub(super) fn mark(&self, hash: &[u8], password: &[u8]) -> Mark {
        let mut mac = Blake2bMac::<U32>::new(&self.key.into());
        mac.update(&(hash.len() as u64).to_be_bytes());
        mac.update(hash);
        mac.update(password);
        Mark(mac.finalize_fixed().into())
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Mark, Instant>> {
        // Putting in and taking out cannot panic half way.
        self.marks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether it was right a short while ago.
    pub(super) fn knows(&self, mark: &Mark, now: Instant) -> bool {
        self.lock().get(mark).is_some_and(|verified| now.saturating_duration_since(*verified) < LIFE)
    }

    /// Remembers one that was just verified.
    pub(super) fn keep(&self, mark: Mark, now: Instant) {
        let mut marks = self.lock();
        if marks.len() >= MARKS_MAX {
            marks.retain(|_, verified| now.saturating_duration_since(*verified) < LIFE);
        }
        if marks.len() >= MARKS_MAX
            && let Some(oldest) =
                marks.iter().min_by_key(|(_, verified)| **verified).map(|(mark, _)| mark.clone())
        {
            marks.remove(&oldest);
        }
        marks.insert(mark, now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_is_of_this_hash_and_password_and_has_an_end() {
        let (here, there, now) = (Remembered::new(), Remembered::new(), Instant::now());
        let mark = here.mark(b"hash", b"word");
        assert!(!here.knows(&mark, now));
        here.keep(mark.clone(), now);
        assert!(here.knows(&here.mark(b"hash", b"word"), now));
        for (hash, password) in [(&b"hash"[..], &b"wor"[..]), (b"hashw", b"ord"), (b"other", b"word")] {
            assert!(!here.knows(&here.mark(hash, password), now), "{hash:?}");
        }
        assert_ne!(there.mark(b"hash", b"word"), mark, "another process has another key");
        assert!(here.knows(&mark, now + LIFE - Duration::from_secs(1)));
        assert!(!here.knows(&mark, now + LIFE));
    }

    #[test]
    fn the_oldest_makes_room() {
        let (known, begun) = (Remembered::new(), Instant::now());
        let mark = |number: usize| known.mark(b"hash", &number.to_be_bytes());
        let at = |number: usize| begun + Duration::from_micros(number as u64);
        (0..=MARKS_MAX).for_each(|number| known.keep(mark(number), at(number)));
        assert_eq!(known.lock().len(), MARKS_MAX);
        assert!(!known.knows(&mark(0), begun) && known.knows(&mark(MARKS_MAX), begun));
    }
}
