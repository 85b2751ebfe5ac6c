//! Threads of the server's own, each with a runtime: a session lives on one of them from its first octet to its last.
//!
//! A session, its data connections and its timers are then woken by one thread only. On a runtime whose threads share
//! their work, every command of an otherwise quiet server wakes a second thread to see whether there is something to steal.

use std::io;
use std::sync::Arc;
use std::thread::JoinHandle;

use tokio::runtime::Handle;
use tokio::sync::oneshot;

/// Threads that may wait for disks, in all.
const BLOCKING_THREADS: usize = 128;

/// One thread.
#[derive(Debug)]
struct Shard {
    handle: Handle,
    /// Each session holds a clone.
    sessions: Arc<()>,
    /// The runtime ends when this goes.
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// The threads of a server; none means that sessions run where the server does.
#[derive(Debug, Default)]
pub(crate) struct Shards(Vec<Shard>);

/// Where a session is to run. It counts as one of that thread's as long as the token lives.
pub(crate) struct Spot {
    pub(crate) handle: Handle,
    pub(crate) token: Arc<()>,
}

impl Shards {
    /// Starts `count` threads.
    pub(crate) fn start(count: usize) -> io::Result<Self> {
        (0..count)
            .map(|number| Shard::start(number, BLOCKING_THREADS / count))
            .collect::<io::Result<_>>()
            .map(Self)
    }

    /// The thread with the fewest sessions.
    pub(crate) fn spot(&self) -> Option<Spot> {
        let shard = self.0.iter().min_by_key(|shard| Arc::strong_count(&shard.sessions))?;
        Some(Spot { handle: shard.handle.clone(), token: Arc::clone(&shard.sessions) })
    }
}

impl Shard {
    fn start(number: usize, blocking: usize) -> io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .max_blocking_threads(blocking.max(4))
            .build()?;
        let handle = runtime.handle().clone();
        let (stop, stopped) = oneshot::channel::<()>();
        let thread = std::thread::Builder::new().name(format!("sessions-{number}")).spawn(move || {
            // Its sender is dropped when it is time to go.
            let _gone = runtime.block_on(stopped);
            // A blocking call that hangs on a disk must not hold up the end.
            runtime.shutdown_background();
        })?;
        Ok(Self { handle, sessions: Arc::new(()), stop: Some(stop), thread: Some(thread) })
    }
}

impl Drop for Shard {
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
        let shards = Shards::start(2).unwrap();
        assert!(Shards::default().spot().is_none());
        let spots: Vec<Spot> = (0..4).map(|_| shards.spot().unwrap()).collect();
        let counts = || shards.0.iter().map(|shard| Arc::strong_count(&shard.sessions)).collect::<Vec<_>>();
        assert_eq!(counts(), [3, 3]);
        drop(spots);
        assert_eq!(counts(), [1, 1]);
        let name =
            shards.spot().unwrap().handle.spawn(async { std::thread::current().name().map(str::to_owned) });
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        assert_eq!(runtime.block_on(name).unwrap().as_deref(), Some("sessions-0"));
    }
}
