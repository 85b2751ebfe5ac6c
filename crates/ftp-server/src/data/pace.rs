//! How a transfer has to go on in time: how long nothing may move, and how much has to move while that is not told.
//!
//! Not here: the waiting itself (`data.rs`).

use std::time::{Duration, Instant};

use ftp_proto::session::Fault;

/// What a transfer keeps to, and how it has kept to it since it was looked at last.
#[derive(Debug, Clone)]
pub(crate) struct Pace {
    /// How long no octet may move.
    pub(crate) stall: Duration,
    /// Octets a second that have to move, over each `stall`; 0 if few will do.
    least: u64,
    since: Instant,
    octets: u64,
}

impl Pace {
    pub(crate) fn new(stall: Duration, least: u64) -> Self {
        Self { stall, least, since: Instant::now(), octets: 0 }
    }

    /// So many octets more have moved.
    ///
    /// # Errors
    /// [`Fault::TooSlow`] if they are fewer than have to.
    pub(crate) fn moved(&mut self, octets: u64) -> Result<(), Fault> {
        if self.least == 0 {
            return Ok(());
        }
        self.octets += octets;
        let time = self.since.elapsed();
        if time < self.stall {
            return Ok(());
        }
        if u128::from(self.octets) * 1000 < u128::from(self.least) * time.as_millis() {
            return Err(Fault::TooSlow { least: self.least, over: self.stall });
        }
        (self.since, self.octets) = (Instant::now(), 0);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn octets_that_trickle_are_told_and_those_that_keep_up_are_not() {
        let wait = || std::thread::sleep(Duration::from_millis(25));
        let stall = Duration::from_millis(20);
        for (least, octets, fits) in [(0, 0, true), (1000, 1000, true), (1000, 3, false)] {
            let mut pace = Pace::new(stall, least);
            assert!(pace.moved(0).is_ok(), "too early to tell");
            for _ in 0..3 {
                wait();
                let told = pace.moved(octets);
                assert_eq!(told.is_ok(), fits, "{least} {octets}: {told:?}");
            }
        }
    }
}
