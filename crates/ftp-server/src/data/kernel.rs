//! Downloads that the kernel does by itself: a file, as it is, in clear (TYPE I, MODE S).
//!
//! `sendfile` moves pages from the cache to the socket and copies nothing through this process. It would block on a page
//! that is not in the cache, so each window is asked for first (`RWF_NOWAIT`), and one that is cold is read in on a
//! thread that may wait for a disk.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::time::Duration;

use ftp_proto::session::{Count, Fault};
use rustix::fs::Advice;
use rustix::io::{Errno, ReadWriteFlags};
use tokio::io::{AsyncWriteExt, Interest};
use tokio::net::TcpStream;

use crate::data::broken;
use crate::storage::StorageError;

/// Octets that are looked at and sent at once.
const WINDOW: u64 = 1 << 20;
/// Octets that are read in when a window is cold.
const AHEAD: u64 = 4 << 20;
/// The step in which a cold window is read in: one page of each is asked for.
const STEP: u64 = 64 << 10;

/// A part of a file.
#[derive(Debug)]
pub(super) struct Part {
    pub(super) file: Arc<File>,
    pub(super) offset: u64,
    pub(super) left: u64,
}

/// Sends a part of a file, then closes the server's side; counts as it goes.
pub(super) async fn send(
    stream: &mut TcpStream,
    mut part: Part,
    stall: Duration,
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
        let sent = tokio::time::timeout(stall, sending).await.map_err(|_| Fault::Stalled(stall))?;
        let sent = sent.map_err(|error| broken(&error))? as u64;
        if sent == 0 {
            return Err(Fault::Storage(StorageError::Io("the file became shorter while it was sent".into())));
        }
        part.offset += sent;
        part.left -= sent;
        count.file += sent;
        count.wire += sent;
    }
    stream.shutdown().await.map_err(|error| broken(&error))
}

/// Whether the ends of a window are in the page cache. A file system that cannot say so counts as cold.
fn is_warm(file: &File, offset: u64, window: u64) -> bool {
    let has = |at: u64| {
        let mut octet = [0; 1];
        let mut slices = [io::IoSliceMut::new(&mut octet)];
        match rustix::io::preadv2(file, &mut slices, at, ReadWriteFlags::NOWAIT) {
            Ok(_) => true,
            Err(Errno::AGAIN) => false,
            Err(Errno::OPNOTSUPP) => is_in_memory(file),
            // The kernel is asked for the same in earnest next, and says what is wrong.
            Err(_) => true,
        }
    };
    has(offset) && (window == 1 || has(offset + window - 1))
}

/// Whether a file's octets are never on a disk.
fn is_in_memory(file: &File) -> bool {
    /// `TMPFS_MAGIC` of the kernel's `magic.h`.
    const TMPFS: u64 = 0x0102_1994;
    rustix::fs::fstatfs(file).is_ok_and(|stat| stat.f_type.cast_unsigned() == TMPFS)
}

/// Waits until a part of a file is in the page cache.
async fn read_in(file: Arc<File>, offset: u64, octets: u64) {
    let reading = move || {
        let length = std::num::NonZeroU64::new(octets);
        // Advice may be refused; the reads below do the same, one after the other.
        let _refused = rustix::fs::fadvise(&file, offset, length, Advice::WillNeed);
        let mut at = offset;
        while at < offset + octets {
            // An error shows again when the octets are sent.
            let _error = file.read_at(&mut [0; 1], at);
            at += STEP;
        }
    };
    // If the thread fails, the octets are read where they are sent.
    let _panicked = tokio::task::spawn_blocking(reading).await;
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
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
            let part = Part { file: Arc::clone(&file), offset: offset as u64, left: left as u64 };
            let (mut count, mut got) = (Count::default(), Vec::new());
            let sending = async {
                let sent = send(&mut stream, part, Duration::from_secs(5), &mut count).await;
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

    #[tokio::test]
    async fn a_cold_part_becomes_warm() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(&vec![7; 1 << 20]).unwrap();
        file.as_file().sync_all().unwrap();
        let file = Arc::new(file.reopen().unwrap());
        // Where the file system keeps its pages (tmpfs) there is nothing to see.
        rustix::fs::fadvise(&*file, 0, None, Advice::DontNeed).unwrap();
        read_in(Arc::clone(&file), 0, 1 << 20).await;
        let mut octet = [0; 1];
        let mut slices = [io::IoSliceMut::new(&mut octet)];
        let known = rustix::io::preadv2(&*file, &mut slices, 0, ReadWriteFlags::NOWAIT);
        assert!(known == Err(Errno::OPNOTSUPP) || is_warm(&file, 0, 1 << 20));
    }
}
