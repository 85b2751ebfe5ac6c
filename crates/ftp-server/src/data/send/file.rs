//! Downloads that the kernel does by itself: a file, as it is, in clear (TYPE I, MODE S).
//!
//! `sendfile` moves pages from the cache to the socket and copies nothing through this process. It would block on a page that
//! is not in the cache, so each window is asked for first (`RWF_NOWAIT`), and one that is cold is read in on a thread that may
//! wait for a disk. Not here: every other download (`send.rs`).

use std::fs::File;
use std::io;
use std::sync::Arc;

use ftp_proto::session::{Count, Fault};
use rustix::io::Errno;
use tokio::io::Interest;
use tokio::net::TcpStream;

use crate::data::handover::Step;
use crate::data::pace::Pace;
use crate::data::{broken, within};
use crate::page_cache::{is_warm, read_in};
use crate::storage::StorageError;

/// Octets that are looked at and sent at once.
const WINDOW: u64 = 1 << 20;
/// Octets that are read in when a window is cold.
const AHEAD: u64 = 4 << 20;

/// A part of a file that is still to be sent.
#[derive(Debug)]
pub(super) struct Part {
    file: Arc<File>,
    offset: u64,
    left: u64,
    /// Up to here its pages were in the cache when they were looked at.
    warm_until: u64,
}

impl Part {
    pub(super) fn new(file: Arc<File>, offset: u64, left: u64) -> Self {
        Self { file, offset, left, warm_until: offset }
    }

    /// Sends it, until `most` octets have moved in all; counts as it goes. The connection stays open.
    pub(super) async fn send(
        &mut self,
        stream: &mut TcpStream,
        pace: &mut Pace,
        most: u64,
        count: &mut Count,
    ) -> Result<Step, Fault> {
        while self.left > 0 {
            let window = self.warm_window().await;
            let (file, mut offset) = (&*self.file, self.offset);
            let sending = stream.async_io(Interest::WRITABLE, || {
                rustix::fs::sendfile(&*stream, file, Some(&mut offset), window).map_err(io::Error::from)
            });
            let sent = within(pace.stall, sending).await?.map_err(|error| whose(&error))? as u64;
            if sent == 0 {
                let why = "the file became shorter while it was sent";
                return Err(Fault::Storage(StorageError::Io(why.into())));
            }
            self.offset += sent;
            self.left -= sent;
            count.file += sent;
            count.wire += sent;
            if self.left > 0 {
                pace.moved(sent)?;
                if count.wire >= most {
                    return Ok(Step::Long);
                }
                // A client that is as fast as the server must not keep the other sessions of this thread waiting.
                tokio::task::yield_now().await;
            }
        }
        Ok(Step::End)
    }

    /// Octets that can be sent next without waiting for a disk.
    async fn warm_window(&mut self) -> usize {
        let window = self.left.min(WINDOW);
        if self.offset >= self.warm_until {
            let mut warm = window;
            if !is_warm(&self.file, self.offset, window) {
                warm = self.left.min(AHEAD);
                read_in(Arc::clone(&self.file), self.offset, warm).await;
            }
            self.warm_until = self.offset + warm;
        }
        usize::try_from(window.min(self.warm_until - self.offset)).unwrap_or(usize::MAX)
    }
}

/// Whether it was the disk or the connection: one call reads and writes.
fn whose(error: &io::Error) -> Fault {
    match Errno::from_io_error(error) {
        Some(Errno::IO | Errno::STALE | Errno::UCLEAN | Errno::BADMSG | Errno::NODATA) => {
            Fault::Storage(StorageError::Io(error.to_string().into()))
        }
        _ => broken(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use tokio::io::AsyncReadExt;

    #[test]
    fn a_broken_disk_is_not_called_a_broken_connection() {
        assert!(matches!(whose(&Errno::IO.into()), Fault::Storage(StorageError::Io(_))));
        assert!(matches!(whose(&Errno::CONNRESET.into()), Fault::Broken(_)));
    }

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
            let mut part = Part::new(Arc::clone(&file), offset as u64, left as u64);
            let (mut count, mut got) = (Count::default(), Vec::new());
            let sending = async {
                let mut ended = None;
                let mut pace = Pace::new(std::time::Duration::from_secs(5), 0);
                // In steps, as a transfer does that goes to another thread on its way.
                for most in [1 << 20, u64::MAX] {
                    match part.send(&mut stream, &mut pace, most, &mut count).await {
                        Ok(Step::Long) => assert!((1 << 20..u64::MAX).contains(&count.wire)),
                        ended_so => ended = ended.or(Some(ended_so.map(drop))),
                    }
                }
                drop(stream);
                ended.unwrap()
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
