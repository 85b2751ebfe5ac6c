//! What files lie on, and what the page cache has of a file: whether reading it would wait for a disk, and reading it in
//! where that may wait.

use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use rustix::fs::Advice;
use rustix::io::{Errno, ReadWriteFlags};

/// Octets of a page.
const PAGE: u64 = 4096;
/// The step in which a cold window is read in: one page of each is asked for.
const STEP: u64 = 64 << 10;

/// What files lie on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Medium {
    /// Memory: nothing ever waits.
    Memory,
    /// A file system of this machine: what its caches know is known at once.
    Local,
    /// A network, or something unknown: any call may wait.
    Other,
}

/// Magic numbers of local file systems (statfs(2)): ext, XFS, Btrfs, F2FS, ZFS.
const LOCAL: [u64; 5] = [0xef53, 0x5846_5342, 0x9123_683e, 0xf2f5_2010, 0x2fc1_2fc1];
/// That of tmpfs.
const MEMORY: u64 = 0x0102_1994;

impl Medium {
    /// That of an open file or directory.
    pub(crate) fn of(fd: impl AsFd) -> Result<Self, Errno> {
        Ok(match rustix::fs::fstatfs(fd)?.f_type.cast_unsigned() {
            MEMORY => Self::Memory,
            kind if LOCAL.contains(&kind) => Self::Local,
            _ => Self::Other,
        })
    }
}

/// Whether the ends of a window are in the page cache. A file system that cannot say so counts as cold.
pub(crate) fn is_warm(file: &File, offset: u64, window: u64) -> bool {
    let has = |at: u64| {
        let mut octet = [0; 1];
        let mut slices = [io::IoSliceMut::new(&mut octet)];
        match rustix::io::preadv2(file, &mut slices, at, ReadWriteFlags::NOWAIT) {
            Ok(_) => true,
            Err(Errno::AGAIN) => false,
            Err(Errno::OPNOTSUPP) => Medium::of(file) == Ok(Medium::Memory),
            // The kernel is asked for the same in earnest next, and says what is wrong.
            Err(_) => true,
        }
    };
    has(offset) && (window <= PAGE || has(offset + window - 1))
}

/// Waits until a part of a file is in the page cache.
pub(crate) async fn read_in(file: Arc<File>, offset: u64, octets: u64) {
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
