//! Threads of the server's own, each with a runtime: a session lives on one of them from its first octet to its last.
//!
//! A session, its data connections and its timers are then woken by one thread only. On a runtime whose threads share
//! their work, every command of an otherwise quiet server wakes a second thread to see whether there is something to steal.
//! Only long transfers go elsewhere (`data/handover.rs`), to threads for transfers.

use std::io;
use std::sync::Arc;
use std::thread::JoinHandle;

use tokio::runtime::Handle;
use tokio::sync::oneshot;

/// Threads of a runtime that may wait for disks, at most: more than one file system that hangs may hold
/// (`storage/local/gate.rs`). They begin when they are needed and end when they are not.
const BLOCKING_MAX: usize = 512;

/// What threads are for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Duty {
    /// Commands, and transfers as long as they are short.
    Sessions,
    /// The rest of long transfers.
    Transfers,
}

/// A thread that work can be given to.
#[derive(Debug, Clone)]
pub(crate) struct Worker {
    pub(crate) handle: Handle,
    /// Whatever runs there holds a clone.
    pub(crate) token: Arc<()>,
}

/// Threads that work can be given to; none means that it stays where it is.
#[derive(Debug, Clone, Default)]
pub(crate) struct Workers(Arc<[Worker]>);

impl Workers {
    /// The thread with the least to do.
    pub(crate) fn idlest(&self) -> Option<Worker> {
        self.0.iter().min_by_key(|worker| Arc::strong_count(&worker.token)).cloned()
    }
}

/// One thread.
#[derive(Debug)]
struct Thread {
    worker: Worker,
    /// The runtime ends when this goes.
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// The threads of a server for one duty. They end when this goes.
#[derive(Debug)]
pub(crate) struct Threads(Vec<Thread>);

impl Threads {
    /// Starts `count` threads.
    pub(crate) fn start(duty: Duty, count: usize) -> io::Result<Self> {
        (0..count).map(|number| Thread::start(duty, number)).collect::<io::Result<_>>().map(Self)
    }

    pub(crate) fn workers(&self) -> Workers {
        Workers(self.0.iter().map(|thread| thread.worker.clone()).collect())
    }
}

impl Thread {
    fn start(duty: Duty, number: usize) -> io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .max_blocking_threads(BLOCKING_MAX)
            .build()?;
        let worker = Worker { handle: runtime.handle().clone(), token: Arc::new(()) };
        let (stop, stopped) = oneshot::channel::<()>();
        let name = match duty {
            Duty::Sessions => format!("sessions-{number}"),
            Duty::Transfers => format!("transfers-{number}"),
        };
        let thread = std::thread::Builder::new().name(name).spawn(move || {
            // Its sender is dropped when it is time to go.
            let _gone = runtime.block_on(stopped);
            // A blocking call that hangs on a disk must not hold up the end.
            runtime.shutdown_background();
        })?;
        Ok(Self { worker, stop: Some(stop), thread: Some(thread) })
    }
}

impl Drop for Thread {
    fn drop(&mut self) {
        self.stop = None;
        if let Some(thread) = self.thread.take() {
            // It has panicked if this fails, and is gone all the same.
            let _panicked = thread.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sessions_are_spread_and_counted_until_they_end() {
        let threads = Threads::start(Duty::Sessions, 2).unwrap();
        let workers = threads.workers();
        assert!(Workers::default().idlest().is_none());
        let idle = Arc::strong_count(&workers.idlest().unwrap().token) - 1;
        let taken: Vec<Worker> = (0..4).map(|_| workers.idlest().unwrap()).collect();
        let counts =
            || workers.0.iter().map(|worker| Arc::strong_count(&worker.token) - idle).collect::<Vec<_>>();
        assert_eq!(counts(), [2, 2]);
        drop(taken);
        assert_eq!(counts(), [0, 0]);
        let name = workers
            .idlest()
            .unwrap()
            .handle
            .spawn(async { std::thread::current().name().map(str::to_owned) });
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        assert_eq!(runtime.block_on(name).unwrap().as_deref(), Some("sessions-0"));
    }
}
