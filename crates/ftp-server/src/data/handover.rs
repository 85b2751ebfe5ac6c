//! Long transfers leave the thread of their session.
//!
//! A thread that moves octets all the time takes turns with every other program, some milliseconds each, and a command that
//! comes meanwhile waits for the next turn; one that sleeps between commands is let in at once. So a transfer begins where its
//! session lives, which is best for small files, and goes on on a thread for transfers once it has moved [`LONG`] octets. It
//! goes there as a value, between two pieces: its fields are all that crosses. Not here: what transfers do (`send.rs`,
//! `receive.rs`), and what becomes of what they yield, which is done where their session lives.

use socket2::SockRef;
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::threads::Workers;

/// Octets after which a transfer is long.
const LONG: u64 = 1 << 20;

/// A transfer under way: what it holds between two pieces.
pub(crate) trait Moving: Send + Sized + 'static {
    /// What it comes to.
    type End: Send + 'static;

    /// Goes on to its end, or until `most` octets have moved and more are to come.
    fn go_on(self, most: u64) -> impl Future<Output = Progress<Self>> + Send;

    /// The connection that a runtime waits for.
    fn tcp(&mut self) -> &mut TcpStream;
}

/// How far a transfer has come.
pub(crate) enum Progress<T: Moving> {
    Ended(T::End),
    /// It has moved as much as it was to, and goes on.
    Long(T),
}

/// How far its octets have come.
pub(crate) enum Step {
    /// All are sent.
    End,
    /// As many as were to move now; more are to come.
    Long,
}

/// Runs a transfer here until it is long, then on the thread of `workers` that has the least to do. It ends with this future,
/// wherever it is.
pub(crate) async fn run<T: Moving>(transfer: T, workers: &Workers) -> T::End {
    let mut transfer = match transfer.go_on(LONG).await {
        Progress::Ended(end) => return end,
        Progress::Long(transfer) => transfer,
    };
    let Some(worker) = workers.idlest() else { return to_its_end(transfer).await };
    let mut there = JoinSet::new();
    there.spawn_on(
        async move {
            let _token = worker.token;
            adopt(transfer.tcp());
            to_its_end(transfer).await
        },
        &worker.handle,
    );
    match there.join_next().await {
        Some(Ok(end)) => end,
        Some(Err(error)) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
        // The server ends, and this session with it.
        Some(Err(_)) | None => std::future::pending().await,
    }
}

async fn to_its_end<T: Moving>(mut transfer: T) -> T::End {
    loop {
        match transfer.go_on(u64::MAX).await {
            Progress::Ended(end) => return end,
            Progress::Long(more) => transfer = more,
        }
    }
}

/// Lets the runtime that runs this wait for the connection. If it cannot, the one that did goes on doing so.
fn adopt(stream: &mut TcpStream) {
    let twin = SockRef::from(&*stream).try_clone();
    if let Ok(twin) = twin.and_then(|twin| TcpStream::from_std(twin.into())) {
        *stream = twin;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::threads::{Duty, Threads};
    use std::sync::Arc;
    use std::time::Duration;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    /// Writes pieces of half of what makes a transfer long, and notes where; perhaps it stays for ever after the last.
    struct Pieces {
        stream: TcpStream,
        left: usize,
        moved: u64,
        names: Vec<String>,
        stays: Option<()>,
    }

    impl Moving for Pieces {
        type End = (TcpStream, Vec<String>);

        async fn go_on(mut self, most: u64) -> Progress<Self> {
            while self.left > 0 {
                if self.moved >= most {
                    return Progress::Long(self);
                }
                self.names.push(std::thread::current().name().unwrap_or_default().to_owned());
                self.stream.write_all(b"octets").await.unwrap();
                self.moved += LONG / 2;
                self.left -= 1;
            }
            if self.stays.is_some() {
                std::future::pending::<()>().await;
            }
            Progress::Ended((self.stream, self.names))
        }

        fn tcp(&mut self) -> &mut TcpStream {
            &mut self.stream
        }
    }

    async fn pieces(left: usize, stays: Option<()>) -> (TcpStream, Pieces) {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let reader = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let stream = listener.accept().await.unwrap().0;
        (reader, Pieces { stream, left, moved: 0, names: Vec::new(), stays })
    }

    #[tokio::test]
    async fn a_long_transfer_goes_on_elsewhere_and_ends_with_its_session() {
        let threads = Threads::start(Duty::Transfers, 1).unwrap();
        let workers = threads.workers();
        let here = std::thread::current().name().unwrap_or_default().to_owned();
        for (left, names) in
            [(2, vec![here.as_str(); 2]), (4, vec![&here, &here, "transfers-0", "transfers-0"])]
        {
            let (mut reader, pieces) = pieces(left, None).await;
            let (stream, ran) = run(pieces, &workers).await;
            assert_eq!(ran, names);
            drop(stream);
            let mut got = String::new();
            reader.read_to_string(&mut got).await.unwrap();
            assert_eq!(got, "octets".repeat(left));
        }

        let idle = Arc::strong_count(&workers.idlest().unwrap().token);
        let (_reader, endless) = pieces(3, Some(())).await;
        let mut away = Box::pin(run(endless, &workers));
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

    #[tokio::test]
    async fn without_other_threads_it_goes_on_here() {
        let (_reader, pieces) = pieces(4, None).await;
        assert_eq!(run(pieces, &Workers::default()).await.1.len(), 4);
    }
}
