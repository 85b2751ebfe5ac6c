//! The cases: what one unit of each is.

use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::bench::client::{Session, Void, tls};
use crate::bench::folder::Folder;
use crate::bench::load::{Load, Tally, Unit};
use crate::bench::usage::Tree;
use crate::bench::{Case, Figures, Settings};

/// How often memory is looked at while a listing runs.
const SAMPLING: Duration = Duration::from_millis(10);

fn config() -> io::Result<std::sync::Arc<rustls::ClientConfig>> {
    tls().map_err(io::Error::other)
}

pub(super) fn run(
    case: Case,
    settings: &Settings,
    folder: &Folder,
    progress: &(dyn Fn(u64) + Sync),
) -> io::Result<Figures> {
    let load = Load {
        streams: settings.streams,
        duration: settings.duration,
        server: settings.server.map(Tree),
        progress,
    };
    let run = Run { case, settings, folder, load };
    match case {
        Case::Get | Case::SmallGet => run.download(),
        Case::Put | Case::SmallPut => run.upload(),
        Case::Login | Case::LoginResumed | Case::Churn => run.sessions(),
        Case::List => run.listing("LIST"),
        Case::Mlsd => run.listing("MLSD"),
        Case::Idle => run.idle(),
        Case::Mixed => run.mixed(),
    }
}

struct Run<'a> {
    case: Case,
    settings: &'a Settings,
    folder: &'a Folder,
    load: Load<'a>,
}

impl Run<'_> {
    fn figures(&self, tally: &Tally) -> Figures {
        Figures::new(self.case, self.settings, tally)
    }

    /// A unit that downloads; every download has to have as many octets as the first.
    fn fetching(&self, line: String, length: &'static str, known: u64) -> io::Result<Unit<'_>> {
        let mut session = Session::open(&self.settings.place(), config()?)?;
        let mut void = Void::new()?;
        Ok(Box::new(move || {
            let count = session.get(&line, &mut void)?;
            if known == count {
                return Ok(count);
            }
            Err(io::Error::other(format!("{line}: {count} octets came, {length} has {known}")))
        }))
    }

    /// How many octets a download has.
    fn measure(&self, line: &str) -> io::Result<u64> {
        Session::open(&self.settings.place(), config()?)?.get(line, &mut Void::new()?)
    }

    fn download(&self) -> io::Result<Figures> {
        let line = format!("RETR {}", self.folder.path);
        let known = self.measure(&line)?;
        let tally = self.load.run(&|| self.fetching(line.clone(), "the file", known))?;
        Ok(self.figures(&tally))
    }

    fn upload(&self) -> io::Result<Figures> {
        let next = AtomicUsize::new(0);
        let tally = self.load.run(&|| {
            let mut session = Session::open(&self.settings.place(), config()?)?;
            let line = format!("STOR {}", self.folder.target(next.fetch_add(1, Ordering::Relaxed)));
            let cargo = &self.folder.cargo;
            Ok(Box::new(move || session.put(&line, cargo).map(|()| cargo.octets.len() as u64)))
        })?;
        let mut session = Session::open(&self.settings.place(), config()?)?;
        for index in 0..self.settings.streams {
            self.folder.compare(&mut session, &self.folder.target(index))?;
        }
        Ok(self.figures(&tally))
    }

    fn sessions(&self) -> io::Result<Figures> {
        let line = format!("RETR {}", self.folder.path);
        let tally = self.load.run(&|| {
            let (place, shared) = (self.settings.place(), config()?);
            let mut void = Void::new()?;
            let (case, line) = (self.case, line.clone());
            Ok(Box::new(move || {
                let config = if case == Case::LoginResumed { shared.clone() } else { config()? };
                let mut session = Session::open(&place, config)?;
                let octets = if case == Case::Churn { session.get(&line, &mut void)? } else { 0 };
                session.command("QUIT", 2)?;
                Ok(octets)
            }))
        })?;
        Ok(self.figures(&tally))
    }

    fn listing(&self, verb: &str) -> io::Result<Figures> {
        let line = format!("{verb} {}", self.folder.path);
        let listed = Session::open(&self.settings.place(), config()?)?.fetch(&line)?;
        let lines = listed.split(|octet| *octet == b'\n').count();
        if lines < self.settings.count {
            // Some servers stop at a limit of their own.
            let count = self.settings.count;
            return Err(io::Error::other(format!("{line}: {lines} lines came for {count} entries")));
        }
        let known = listed.len() as u64;
        let (over, peak) = (AtomicBool::new(false), AtomicU64::new(0));
        let before = self.load.server.map_or(0, Tree::resident);
        let tally = std::thread::scope(|scope| {
            scope.spawn(|| {
                while let (Some(server), false) = (self.load.server, over.load(Ordering::Relaxed)) {
                    peak.fetch_max(server.resident(), Ordering::Relaxed);
                    std::thread::sleep(SAMPLING);
                }
            });
            let tally = self.load.run(&|| self.fetching(line.clone(), "the listing", known));
            over.store(true, Ordering::Relaxed);
            tally
        })?;
        let grown = peak.into_inner().saturating_sub(before) as f64;
        Ok(Figures { memory: self.load.server.map(|_| grown), ..self.figures(&tally) })
    }

    fn idle(&self) -> io::Result<Figures> {
        let before = self.load.server.map_or(0, Tree::memory);
        let mut idle = Vec::with_capacity(self.settings.count);
        for count in 0..self.settings.count {
            idle.push(Session::open(&self.settings.place(), config()?)?);
            (self.load.progress)(count as u64);
        }
        // Buffers that are no longer needed have gone by then.
        std::thread::sleep(Duration::from_secs(1));
        let grown = self.load.server.map_or(0, Tree::memory).saturating_sub(before);
        let mut tally = Tally::new()?;
        let begun = Instant::now();
        for _ in 0..100 {
            let config = config()?;
            tally.count(|| Session::open(&self.settings.place(), config)?.command("QUIT", 2).map(|_| 0))?;
        }
        tally.seconds = begun.elapsed().as_secs_f64();
        for session in &mut idle {
            session.command("NOOP", 2)?;
        }
        let each = grown as f64 / self.settings.count as f64;
        Ok(Figures { memory: self.load.server.map(|_| each), ..self.figures(&tally) })
    }

    fn mixed(&self) -> io::Result<Figures> {
        let line = format!("RETR {}", self.folder.path);
        let known = self.measure(&line)?;
        let mut tally = Tally::new()?;
        let fetching = || {
            // Or the wait for a processor that downloads of this program hold would count as the server's.
            let _refused = rustix::process::setpriority_process(None, 19);
            self.fetching(line.clone(), "the file", known)
        };
        let moved = std::thread::scope(|scope| {
            let moving = scope.spawn(|| self.load.run(&fetching));
            let mut session = Session::open(&self.settings.place(), config()?)?;
            let begun = Instant::now();
            while begun.elapsed() < self.settings.duration && !moving.is_finished() {
                tally.count(|| session.command("NOOP", 2).map(|_| 0))?;
                // Many transfers, and now and then a question.
                std::thread::sleep(Duration::from_millis(1));
            }
            tally.seconds = begun.elapsed().as_secs_f64();
            moving.join().map_err(|_| io::Error::other("a thread of the generator panicked"))?
        })?;
        tally.octets = moved.octets;
        tally.cpu = moved.cpu;
        Ok(self.figures(&tally))
    }
}
