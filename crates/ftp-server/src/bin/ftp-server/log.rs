//! The log, and what else is said to those who watch: lines of it are lost before anybody's session is.
//!
//! Whoever reads standard error may be gone (EPIPE, EIO), its disk may be full, or it may just not read. So lines go by a
//! queue to a thread of their own, which writes what can be written and counts the rest. Not here: what is logged
//! (`ftp_server::observe`).

use std::fmt;
use std::io::{self, IsTerminal, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::cli::LogFormat;

/// Octets that wait to be written at most; lines beyond them are lost.
const WAITING_MAX: usize = 1 << 20;
/// How long the end of the server waits for its last lines to be written.
const LAST_LINES: Duration = Duration::from_secs(1);
/// After so long a reader that has no room now (EAGAIN) is tried again.
const NO_ROOM: Duration = Duration::from_millis(20);

/// Says a line on standard output. If nobody can hear it, it is lost.
macro_rules! say {
    ($($words:tt)*) => { $crate::log::tell(&mut std::io::stdout(), format_args!($($words)*)) };
}

/// The same on standard error.
macro_rules! complain {
    ($($words:tt)*) => { $crate::log::tell(&mut std::io::stderr(), format_args!($($words)*)) };
}

pub(crate) use {complain, say};

pub(crate) fn tell(to: &mut impl Write, line: fmt::Arguments<'_>) {
    let _nobody_hears = writeln!(to, "{line}");
}

/// Lines that wait to be written.
#[derive(Debug, Default)]
struct Waiting {
    octets: Vec<u8>,
    writing: bool,
}

/// The way of lines to standard error.
#[derive(Debug, Default)]
pub(crate) struct Lines {
    waiting: Mutex<Waiting>,
    /// Something waits, or nothing does any more.
    changed: Condvar,
    lost: AtomicU64,
}

impl Lines {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        // Octets are added whole, or not at all.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many lines were lost.
    pub(crate) fn lost(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }

    /// Waits until everything is written, for no longer than is good for the end of a server.
    pub(crate) fn flush(&self) {
        let began = Instant::now();
        let mut waiting = self.lock();
        while waiting.writing || !waiting.octets.is_empty() {
            let Some(left) = LAST_LINES.checked_sub(began.elapsed()) else { return };
            let woken = self.changed.wait_timeout(waiting, left);
            waiting = woken.map_or_else(|poisoned| poisoned.into_inner().0, |(waiting, _)| waiting);
        }
    }

    /// What waits, once something does.
    fn next(&self) -> Vec<u8> {
        let mut waiting = self.lock();
        waiting.writing = false;
        self.changed.notify_all();
        while waiting.octets.is_empty() {
            waiting = self.changed.wait(waiting).unwrap_or_else(PoisonError::into_inner);
        }
        waiting.writing = true;
        std::mem::take(&mut waiting.octets)
    }

    /// Writes whatever comes to `out`, for ever.
    fn carry(&self, mut out: impl Write) {
        let (mut line, mut told) = (Line::Whole, 0);
        loop {
            let octets = self.next();
            let written = write(&mut out, line, &octets);
            let rest = octets.get(written.count..).unwrap_or_default();
            line = written.line;
            if !rest.is_empty() {
                let count = rest.iter().filter(|octet| **octet == b'\n').count();
                self.lost.fetch_add(count as u64, Ordering::Relaxed);
                continue;
            }
            let lost = self.lost();
            if lost > told {
                told = lost;
                tracing::warn!(lost, "lines of the log were lost: nobody read them, or their disk was full");
            }
        }
    }
}

impl Write for &Lines {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let mut waiting = self.lock();
        if waiting.octets.len() + line.len() > WAITING_MAX {
            self.lost.fetch_add(1, Ordering::Relaxed);
        } else {
            waiting.octets.extend_from_slice(line);
            self.changed.notify_all();
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Where the last write has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Line {
    /// At the end of a line.
    Whole,
    /// Within one, whose rest is lost.
    Cut,
}

/// What came of writing lines.
struct Written {
    count: usize,
    line: Line,
}

/// Writes lines as far as it is possible, below what was cut off before.
fn write(out: &mut impl Write, before: Line, octets: &[u8]) -> Written {
    if before == Line::Cut && out.write_all(b"\n").is_err() {
        return Written { count: 0, line: before };
    }
    let mut count = 0;
    while let Some(rest) = octets.get(count..).filter(|rest| !rest.is_empty()) {
        match out.write(rest) {
            Ok(0) => break,
            Ok(more) => count += more,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => std::thread::sleep(NO_ROOM),
            Err(_) => break,
        }
    }
    let last = count.checked_sub(1).and_then(|last| octets.get(last));
    Written { count, line: if matches!(last, None | Some(b'\n')) { Line::Whole } else { Line::Cut } }
}

/// Starts the log on standard error; `RUST_LOG` says how much of it there is.
pub(crate) fn start(format: LogFormat) -> Result<Arc<Lines>, String> {
    let lines = Arc::new(Lines::default());
    let carrier = Arc::clone(&lines);
    std::thread::Builder::new()
        .name("log".to_owned())
        .spawn(move || carrier.carry(io::stderr()))
        .map_err(|error| format!("no thread for the log can be started: {error}"))?;
    let filter = tracing_subscriber::EnvFilter::try_from_default_env()
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("info"));
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_target(false)
        .with_ansi(io::stderr().is_terminal())
        .log_internal_errors(false)
        .with_writer(Arc::clone(&lines));
    match format {
        LogFormat::Text => log.init(),
        LogFormat::Json => log.json().init(),
    }
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(tracing::field::display);
        let trace = std::backtrace::Backtrace::capture();
        let why = panic.payload_as_str();
        tracing::error!(place, why, "a fault of the server, please report it (RUST_BACKTRACE=1 tells more)");
        if trace.status() == std::backtrace::BacktraceStatus::Captured {
            tracing::error!("{trace}");
        }
    }));
    Ok(lines)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Takes `room` octets and then nothing.
    struct Disk {
        taken: Vec<u8>,
        room: usize,
    }

    impl Write for Disk {
        fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
            let some = octets.len().min(self.room);
            self.room -= some;
            self.taken.extend_from_slice(&octets[..some]);
            if some == 0 { Err(io::ErrorKind::StorageFull.into()) } else { Ok(some) }
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_line_that_a_full_disk_has_cut_is_not_joined_with_the_next() {
        let mut disk = Disk { taken: Vec::new(), room: 6 };
        let written = write(&mut disk, Line::Whole, b"one\ntwo\n");
        assert_eq!((written.count, written.line), (6, Line::Cut));
        assert_eq!(write(&mut disk, Line::Cut, b"three\n").count, 0);
        disk.room = 100;
        let written = write(&mut disk, Line::Cut, b"four\n");
        assert_eq!((written.count, written.line), (5, Line::Whole));
        assert_eq!(disk.taken, b"one\ntw\nfour\n");
    }

    #[test]
    fn who_logs_waits_for_nobody() {
        let lines = Lines::default();
        let line = [b'x'; 1000];
        for _ in 0..2000 {
            (&lines).write_all(&line).unwrap();
        }
        assert_eq!(lines.lost(), 2000 - (WAITING_MAX / line.len()) as u64);
    }
}
