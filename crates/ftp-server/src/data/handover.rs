//! Long transfers leave the thread of their session.
//!
//! A thread that moves octets all the time takes turns with every other program, some milliseconds each, and a command that
//! comes meanwhile waits for the next turn; one that sleeps between commands is let in at once. So a transfer begins where its
//! session lives, which is best for small files, and goes on on a thread for transfers once it has moved [`LONG`] octets.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;
use std::time::Duration;

use ftp_proto::session::Count;
use socket2::SockRef;
use tokio::net::TcpStream;
use tokio::runtime::Handle;
use tokio::task::JoinSet;
use tokio_rustls::server::TlsStream;

use crate::threads::Workers;

/// Octets after which a transfer is long.
const LONG: u64 = 1 << 20;

/// How a transfer goes on in time and among others.
#[derive(Debug, Clone)]
pub(crate) struct Pace {
    /// How long no octet may move.
    pub(crate) stall: Duration,
    /// Set when the transfer wants to leave; absent if it has, or has nowhere to go.
    leave: Option<Arc<AtomicBool>>,
    /// Where its session lives, once it has left.
    home: Option<Handle>,
}

/// Octets that a transfer has cost: those of the wire, or of the file where that has more (MODE Z).
pub(crate) fn moved(count: &Count) -> u64 {
    count.wire.max(count.file)
}

/// The TCP connection under a data connection.
pub(crate) trait OverTcp {
    fn tcp(&mut self) -> &mut TcpStream;

    /// The same, if what it carries is what the transfer carries.
    fn clear(&mut self) -> Option<&mut TcpStream> {
        None
    }
}

impl OverTcp for TcpStream {
    fn tcp(&mut self) -> &mut TcpStream {
        self
    }

    fn clear(&mut self) -> Option<&mut TcpStream> {
        Some(self)
    }
}

impl OverTcp for TlsStream<TcpStream> {
    fn tcp(&mut self) -> &mut TcpStream {
        self.get_mut().0
    }
}

impl Pace {
    pub(crate) fn new(stall: Duration, workers: &Workers) -> Self {
        let leave = (!workers.is_empty()).then(|| Arc::new(AtomicBool::new(false)));
        Self { stall, leave, home: None }
    }

    /// Between two pieces: a client that is as fast as the server must not keep the other sessions of this thread waiting.
    /// After `moved` octets the transfer may leave it; nothing may be held across this, but `stream`, that another runtime
    /// cannot wait for.
    pub(crate) async fn pause(&mut self, stream: &mut impl OverTcp, moved: u64) {
        let leave = if moved < LONG { None } else { self.leave.take() };
        if let Some(leave) = &leave {
            leave.store(true, Ordering::Relaxed);
            self.home = Some(Handle::current());
        }
        tokio::task::yield_now().await;
        if leave.is_some() {
            adopt(stream.tcp());
        }
    }

    /// Lets the session hear from its control connection what has come by now, and stop this transfer.
    pub(crate) async fn let_session_look(&self) {
        match &self.home {
            None => two_turns().await,
            // The runtime has gone if this fails, and the session with it.
            Some(home) => drop(home.spawn(two_turns()).await),
        }
    }
}

/// Two turns of a runtime. In the first it hears what has come and polls the session, this transfer first; in the second the
/// transfer, which waits again, lets the session look at its control connection.
async fn two_turns() {
    tokio::task::yield_now().await;
    tokio::task::yield_now().await;
}

/// Lets the runtime that runs this wait for the connection. If it cannot, the one that did goes on doing so.
fn adopt(stream: &mut TcpStream) {
    let twin = SockRef::from(&*stream).try_clone();
    if let Ok(twin) = twin.and_then(|twin| TcpStream::from_std(twin.into())) {
        *stream = twin;
    }
}

/// Runs a transfer here until it wants to leave, then on the thread of `workers` that has the least to do. It ends with this
/// future, wherever it is.
pub(crate) async fn hand_over<T: Send + 'static>(
    mut transfer: Pin<Box<dyn Future<Output = T> + Send>>,
    pace: Pace,
    workers: Workers,
) -> T {
    let here = poll_fn(|cx| match transfer.as_mut().poll(cx) {
        Poll::Ready(done) => Poll::Ready(Some(done)),
        Poll::Pending if pace.leave.as_ref().is_some_and(|leave| leave.load(Ordering::Relaxed)) => {
            Poll::Ready(None)
        }
        Poll::Pending => Poll::Pending,
    });
    if let Some(done) = here.await {
        return done;
    }
    let Some(worker) = workers.idlest() else { return transfer.await };
    let mut there = JoinSet::new();
    there.spawn_on(
        async move {
            let _token = worker.token;
            transfer.await
        },
        &worker.handle,
    );
    match there.join_next().await {
        Some(Ok(done)) => done,
        Some(Err(error)) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
        // The server ends, and this session with it.
        Some(Err(_)) | None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::threads::{Duty, Threads};
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    fn thread() -> String {
        std::thread::current().name().unwrap_or_default().to_owned()
    }

    async fn pair() -> (TcpStream, TcpStream) {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let near = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        (near, listener.accept().await.unwrap().0)
    }

    #[tokio::test]
    async fn a_transfer_that_has_left_lets_its_session_hear_what_has_come() {
        let threads = Threads::start(Duty::Transfers, 1).unwrap();
        for _ in 0..20 {
            let ((mut data, _client), (control, mut session)) = (pair().await, pair().await);
            let heard = Arc::new(AtomicBool::new(false));
            let told = Arc::clone(&heard);
            tokio::spawn(async move {
                let _end = session.read_u8().await;
                told.store(true, Ordering::Relaxed);
            });
            let pace = Pace::new(Duration::from_secs(5), &threads.workers());
            let mut own = pace.clone();
            let transfer = async move {
                own.pause(&mut data, LONG).await;
                drop(control.into_std());
                own.let_session_look().await;
                heard.load(Ordering::Relaxed)
            };
            assert!(
                hand_over(Box::pin(transfer), pace, threads.workers()).await,
                "the session has heard of the end"
            );
        }
    }

    #[tokio::test]
    async fn a_long_transfer_goes_on_elsewhere_and_ends_with_its_session() {
        let threads = Threads::start(Duty::Transfers, 1).unwrap();
        let workers = threads.workers();
        let (mut reader, mut stream) = pair().await;
        let pace = Pace::new(Duration::from_secs(5), &workers);
        let mut own = pace.clone();
        let transfer = async move {
            let mut names = Vec::new();
            for moved in [0, LONG - 1, LONG, LONG + 1] {
                own.pause(&mut stream, moved).await;
                names.push(thread());
                stream.write_all(b"octets").await.unwrap();
            }
            (stream, names)
        };
        let (stream, names) = hand_over(Box::pin(transfer), pace, workers.clone()).await;
        let here = thread();
        assert_eq!(names, [here.as_str(), &here, "transfers-0", "transfers-0"]);
        drop(stream);
        let mut got = String::new();
        reader.read_to_string(&mut got).await.unwrap();
        assert_eq!(got, "octets".repeat(4));

        let idle = Arc::strong_count(&workers.idlest().unwrap().token);
        let pace = Pace::new(Duration::from_secs(5), &workers);
        let mut own = pace.clone();
        let endless = async move {
            own.pause(&mut reader, LONG).await;
            std::future::pending::<()>().await;
        };
        let mut away = Box::pin(hand_over(Box::pin(endless), pace, workers.clone()));
        assert!(tokio::time::timeout(Duration::from_millis(20), &mut away).await.is_err());
        assert_eq!(Arc::strong_count(&workers.idlest().unwrap().token), idle + 1, "it runs there");
        drop(away);
        let ended = async {
            while Arc::strong_count(&workers.idlest().unwrap().token) > idle {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(5), ended).await.expect("it ends with its session");
    }
}
