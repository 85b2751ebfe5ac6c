//! How an upload waits for octets, and in what buffers they are gathered before they are written.
//!
//! Not here: what is done with them (`buffers.rs`, `coded.rs`).

use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use ftp_proto::session::Fault;
use tokio::io::{AsyncRead, AsyncReadExt};

use crate::data::{BUFFER, Stop, at_once, broken, stopped, within};
use crate::storage::Sink;

/// Octets of the first buffer of an upload: most files are small.
pub(super) const FIRST: usize = 16 << 10;

/// How long a few octets wait for more before they are written.
pub(super) const GATHER: Duration = Duration::from_millis(5);

/// Octets that a storage gets at once at most, however many it likes.
const PIECE_MAX: usize = 16 << 20;

/// How the connection stands behind the octets that were read.
pub(super) enum Then {
    More,
    End,
    Fault(Fault),
}

/// Octets that the next buffer has room for: four times as many if this one was filled. An upload that comes slowly holds
/// little; for one that fills every buffer, the largest cost a fifth less processor time than a quarter of them.
pub(super) fn room_after(piece: &Vec<u8>, largest: usize) -> usize {
    if piece.len() < piece.capacity() { piece.capacity() } else { (4 * piece.capacity()).min(largest) }
}

/// Octets of the largest buffer: what the storage likes to get at once, within bounds.
pub(super) fn largest(sink: &dyn Sink) -> usize {
    sink.piece().map_or(BUFFER, |piece| piece.clamp(FIRST, PIECE_MAX))
}

/// An empty buffer with so much room.
pub(super) fn roomy(mut buffer: Vec<u8>, room: usize) -> Vec<u8> {
    buffer.reserve_exact(room);
    buffer
}

/// Waits for octets, then takes all that are there, up to the capacity of `buffer`, which comes in empty.
pub(super) async fn fill<S: AsyncRead + Unpin>(
    stream: &mut S,
    mut buffer: Vec<u8>,
    stop: &mut Stop,
) -> (Vec<u8>, Then) {
    let stall = stop.pace.stall;
    let first = tokio::select! {
        biased;
        () = stopped(stop) => Err(Fault::Aborted),
        read = within(stall, stream.read_buf(&mut buffer)) => read,
    };
    let mut read = match first {
        Ok(read) => read,
        Err(fault) => return (buffer, Then::Fault(fault)),
    };
    loop {
        match read {
            Ok(0) => return (buffer, Then::End),
            Ok(_) if buffer.len() == buffer.capacity() => return (buffer, Then::More),
            Ok(_) => {}
            Err(error) => return (buffer, Then::Fault(broken(&error))),
        }
        // A file is often sent, and ended, in two steps: writing what is here would be a visit to the disk more.
        let patience = if buffer.len() < FIRST { GATHER } else { Duration::ZERO };
        let mut reading = pin!(stream.read_buf(&mut buffer));
        let next = match at_once(&mut reading).await {
            Poll::Ready(next) => Some(next),
            Poll::Pending if patience.is_zero() => None,
            Poll::Pending => {
                // The end is mostly here already; a timer set for nothing would wake this thread once more.
                tokio::task::yield_now().await;
                tokio::time::timeout(patience, reading).await.ok()
            }
        };
        match next {
            Some(next) => read = next,
            None => return (buffer, Then::More),
        }
    }
}
