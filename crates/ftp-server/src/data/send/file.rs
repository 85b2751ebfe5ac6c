//! Downloads that the kernel does by itself: a file, as it is, in clear (TYPE I, MODE S).
//!
//! `sendfile` moves pages from the cache to the socket and copies nothing through this process. It would block on a page that
//! is not in the cache, so each window is asked for first (`RWF_NOWAIT`), and one that is cold is read in on a thread that may
//! wait for a disk. Not here: every other download (`send.rs`).

use std::fs::File;
use std::io;
use std::sync::Arc;

use ftp_proto::session::{Count, Fault};
use tokio::io::Interest;
use tokio::net::TcpStream;

use crate::data::broken;
use crate::data::handover::Pace;
use crate::page_cache::{is_warm, read_in};
use crate::storage::StorageError;

/// Octets that are looked at and sent at once.
const WINDOW: u64 = 1 << 20;
/// Octets that are read in when a window is cold.
const AHEAD: u64 = 4 << 20;

/// A part of a file.
#[derive(Debug)]
pub(super) struct Part {
    pub(super) file: Arc<File>,
    pub(super) offset: u64,
    pub(super) left: u64,
}

/// Sends a part of a file; counts as it goes. The connection stays open.
pub(super) async fn send(
    stream: &mut TcpStream,
    mut part: Part,
    pace: &mut Pace,
    count: &mut Count,
) -> Result<(), Fault> {
    let mut warm_until = part.offset;
    while part.left > 0 {
        let window = part.left.min(WINDOW);
        if part.offset >= warm_until {
            if !is_warm(&part.file, part.offset, window) {
                let ahead = part.left.min(AHEAD);
                read_in(Arc::clone(&part.file), part.offset, ahead).await;
                warm_until = part.offset + ahead;
            } else {
                warm_until = part.offset + window;
            }
        }
        let most = usize::try_from(window.min(warm_until - part.offset)).unwrap_or(usize::MAX);
        let mut offset = part.offset;
        let sending = stream.async_io(Interest::WRITABLE, || {
            rustix::fs::sendfile(&*stream, &*part.file, Some(&mut offset), most).map_err(io::Error::from)
        });
        let sent = tokio::time::timeout(pace.stall, sending).await.map_err(|_| Fault::Stalled(pace.stall))?;
        let sent = sent.map_err(|error| broken(&error))? as u64;
        if sent == 0 {
            return Err(Fault::Storage(StorageError::Io("the file became shorter while it was sent".into())));
        }
        part.offset += sent;
        part.left -= sent;
        count.file += sent;
        count.wire += sent;
        if part.left > 0 {
            pace.pause(stream, count.wire).await;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::threads::Workers;
    use std::io::Write;
    use std::time::Duration;
    use tokio::io::AsyncReadExt;

    #[tokio::test]
    async fn a_part_arrives_whole_and_a_file_that_shrinks_is_told() {
        let mut file = tempfile::tempfile().unwrap();
        let octets: Vec<u8> = (0..3_000_000_u32).map(|index| index.to_le_bytes()[0] ^ 0x5a).collect();
        file.write_all(&octets).unwrap();
        let file = Arc::new(file);
        let parts = [(0_usize, 3_000_000_usize, true), (1, 2_500_000, true), (2_000_000, 2_000_000, false)];
        for (offset, left, fits) in parts {
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
            let mut reader = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut pace = Pace::new(Duration::from_secs(5), &Workers::default());
            let part = Part { file: Arc::clone(&file), offset: offset as u64, left: left as u64 };
            let (mut count, mut got) = (Count::default(), Vec::new());
            let sending = async {
                let sent = send(&mut stream, part, &mut pace, &mut count).await;
                drop(stream);
                sent
            };
            let (sent, read) = tokio::join!(sending, reader.read_to_end(&mut got));
            read.unwrap();
            assert_eq!(sent.is_ok(), fits);
            let end = (offset + left).min(3_000_000);
            assert_eq!(got, octets[offset..end], "from {offset}");
            assert_eq!(count.file, got.len() as u64);
        }
    }
}
