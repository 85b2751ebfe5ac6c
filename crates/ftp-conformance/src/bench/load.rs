//! Threads that work for a time, and what they counted.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Barrier, Mutex, PoisonError};
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;

use crate::bench::Latency;
use crate::bench::usage::Tree;

/// Failures after which a thread gives up.
const FAILURES_MAX: u64 = 50;

/// What was counted.
pub(super) struct Tally {
    pub(super) units: u64,
    pub(super) octets: u64,
    pub(super) failed: u64,
    pub(super) failure: Option<String>,
    pub(super) seconds: f64,
    pub(super) cpu: Option<f64>,
    /// Microseconds, up to ten minutes.
    pub(super) times: Histogram<u64>,
}

impl Tally {
    pub(super) fn new() -> io::Result<Self> {
        Ok(Self {
            units: 0,
            octets: 0,
            failed: 0,
            failure: None,
            seconds: 0.0,
            cpu: None,
            times: Histogram::new_with_bounds(1, 600_000_000, 3).map_err(io::Error::other)?,
        })
    }

    /// Does one unit and counts it.
    pub(super) fn count(&mut self, unit: impl FnOnce() -> io::Result<u64>) -> io::Result<()> {
        let begun = Instant::now();
        let octets = unit()?;
        self.times.saturating_record(u64::try_from(begun.elapsed().as_micros()).unwrap_or(u64::MAX));
        self.units += 1;
        self.octets += octets;
        Ok(())
    }

    fn fail(&mut self, error: &io::Error) {
        self.failed += 1;
        self.failure.get_or_insert_with(|| error.to_string());
    }

    fn add(&mut self, other: Tally) {
        self.units += other.units;
        self.octets += other.octets;
        self.failed += other.failed;
        self.failure = self.failure.take().or(other.failure);
        // Both have three digits: it cannot fail.
        let _infallible = self.times.add(other.times);
    }

    pub(super) fn latency(&self) -> Latency {
        let at = |quantile: f64| self.times.value_at_quantile(quantile) as f64 / 1000.0;
        Latency { p50: at(0.5), p99: at(0.99), p999: at(0.999), max: at(1.0) }
    }
}

/// What one thread does again and again; the octets that it moved.
pub(super) type Unit<'a> = Box<dyn FnMut() -> io::Result<u64> + 'a>;

/// How long, how many, and whose cost.
pub(super) struct Load<'a> {
    pub(super) streams: usize,
    pub(super) duration: Duration,
    pub(super) server: Option<Tree>,
    pub(super) progress: &'a (dyn Fn(u64) + Sync),
}

impl Load<'_> {
    /// Makes a unit for each thread, lets all begin at once, and counts until the time is over.
    pub(super) fn run<'b>(&self, make: &(dyn Fn() -> io::Result<Unit<'b>> + Sync)) -> io::Result<Tally> {
        let (ready, go) = (Barrier::new(self.streams + 1), Barrier::new(self.streams + 1));
        let (done, total) = (AtomicU64::new(0), Mutex::new(Tally::new()?));
        let mut before = 0.0;
        let begun = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..self.streams)
                .map(|_| {
                    scope.spawn(|| {
                        let first = make();
                        ready.wait();
                        go.wait();
                        let tally = self.work(first, make, &done);
                        let mut total = total.lock().unwrap_or_else(PoisonError::into_inner);
                        match tally {
                            Ok(tally) => total.add(tally),
                            Err(error) => total.fail(&error),
                        }
                    })
                })
                .collect();
            ready.wait();
            before = self.server.map_or(0.0, Tree::seconds);
            let begun = Instant::now();
            go.wait();
            while threads.iter().any(|thread| !thread.is_finished()) {
                std::thread::sleep(Duration::from_millis(20));
                (self.progress)(done.load(Ordering::Relaxed));
            }
            begun
        });
        let mut total = total.into_inner().unwrap_or_else(PoisonError::into_inner);
        total.seconds = begun.elapsed().as_secs_f64();
        total.cpu = self.server.map(|server| server.seconds() - before);
        match &total.failure {
            Some(failure) if total.units == 0 => Err(io::Error::other(failure.clone())),
            _ => Ok(total),
        }
    }

    /// One thread: a unit that fails is made anew.
    fn work<'b>(
        &self,
        first: io::Result<Unit<'b>>,
        make: &(dyn Fn() -> io::Result<Unit<'b>> + Sync),
        done: &AtomicU64,
    ) -> io::Result<Tally> {
        let mut tally = Tally::new()?;
        let end = Instant::now() + self.duration;
        let mut unit = first?;
        // At least one, however long it takes.
        while tally.units + tally.failed == 0 || Instant::now() < end {
            if let Err(error) = tally.count(&mut unit) {
                tally.fail(&error);
                if tally.failed >= FAILURES_MAX {
                    return Ok(tally);
                }
                unit = make()?;
            }
            done.fetch_add(1, Ordering::Relaxed);
        }
        Ok(tally)
    }
}
