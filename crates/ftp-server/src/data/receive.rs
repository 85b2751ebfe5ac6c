//! Uploads: the data connection to a file. The target is touched last.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

use ftp_proto::data::Decoder;
use ftp_proto::session::{Count, Create, Fault, Inbound, Left};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};

use crate::data::handover::{OverTcp, moved};
use crate::data::{BUFFER, DataStream, Stop, broken, stopped};
use crate::storage::{NotStored, Sink};

mod pipe;
mod terms;

use pipe::Piped;
use terms::{FIRST, GATHER, Terms, Then, grow};

/// Octets that a storage gets at once at most, however many it likes.
const PIECE_MAX: usize = 16 << 20;

/// Receives everything, at most `room` octets, into `sink` and commits it; on any fault abandons it and says what is
/// left.
pub(crate) async fn receive(
    stream: DataStream,
    mut sink: Box<dyn Sink>,
    plan: &Inbound,
    room: u64,
    mut stop: Stop,
) -> (Count, Result<(), (Fault, Left)>) {
    let mut count = Count::default();
    let terms = Terms { plan, room };
    let pumped = match stream {
        DataStream::Clear(mut stream) => pump(&mut stream, &mut sink, terms, &mut stop, &mut count).await,
        DataStream::Tls(mut stream) => {
            let pumped = pump(&mut *stream, &mut sink, terms, &mut stop, &mut count).await;
            if pumped.is_ok() {
                // Some clients wait for our close_notify, others have closed already.
                let _gone = tokio::time::timeout(stop.pace.stall, stream.shutdown()).await;
            }
            pumped
        }
    };
    // A client that crashed closes its control connection too.
    stop.pace.let_session_look().await;
    let fault = match pumped {
        Ok(last) if !stop.is_set() => match sink.commit(last).await {
            Ok(_stored) => return (count, Ok(())),
            Err(NotStored { why, left }) => return (count, Err((Fault::Storage(why), left))),
        },
        Ok(_) => Fault::Aborted,
        Err(fault) => fault,
    };
    let left = sink.abandon().await;
    (count, Err((fault, left)))
}

/// Yields the last octets, which are not written yet. The next piece is read while this one is written, if that takes a
/// while. Only reading is broken off: a write that has begun ends, so that what is on the disk is known.
async fn pump<S: AsyncRead + OverTcp + Unpin>(
    stream: &mut S,
    sink: &mut Box<dyn Sink>,
    terms: Terms<'_>,
    stop: &mut Stop,
    count: &mut Count,
) -> Result<Vec<u8>, Fault> {
    if !terms.plan.coding.is_identity() {
        decode_all(stream, sink, terms, stop, count).await?;
        return is_whole(terms.plan, count).map(|()| Vec::new());
    }
    let largest = largest(&**sink);
    let mut spare = Vec::new();
    let (mut piece, mut then) = fill(stream, Vec::with_capacity(FIRST), stop).await;
    loop {
        count.wire += piece.len() as u64;
        grow(count, piece.len(), terms)?;
        match then {
            Then::End => return is_whole(terms.plan, count).map(|()| piece),
            Then::Fault(fault) => {
                // What came before counts, if it is to be kept.
                if !piece.is_empty() {
                    sink.write(piece).await.map_err(Fault::Storage)?;
                }
                return Err(fault);
            }
            Then::More => {
                stop.pace.pause(stream, moved(count)).await;
                let room = room_after(&piece, largest);
                // It has filled a second buffer: a pipe is worth its price.
                if room > 4 * FIRST
                    && sink.native().is_some()
                    && let Some(piped) = stream.clear().and_then(Piped::open)
                {
                    sink.write(piece).await.map_err(Fault::Storage)?;
                    piped.receive(sink, terms, stop, count).await?;
                    return is_whole(terms.plan, count).map(|()| Vec::new());
                }
                let mut writing = sink.write(piece);
                (piece, then) = match at_once(&mut writing).await {
                    // One buffer, which is still in the processor's cache, will do.
                    Poll::Ready(written) => {
                        fill(stream, roomy(written.map_err(Fault::Storage)?, room), stop).await
                    }
                    Poll::Pending => {
                        let next = fill(stream, roomy(std::mem::take(&mut spare), room), stop);
                        let (written, next) = tokio::join!(writing, next);
                        spare = written.map_err(Fault::Storage)?;
                        next
                    }
                };
            }
        }
    }
}

/// An upload whose octets are not those of the file.
async fn decode_all<S: AsyncRead + OverTcp + Unpin>(
    stream: &mut S,
    sink: &mut Box<dyn Sink>,
    terms: Terms<'_>,
    stop: &mut Stop,
    count: &mut Count,
) -> Result<(), Fault> {
    let largest = largest(&**sink);
    let mut decoder = Decoder::new(terms.plan.coding);
    let mut piece = Vec::with_capacity(FIRST);
    let mut then = Then::More;
    while matches!(then, Then::More) && !decoder.is_ended() {
        stop.pace.pause(stream, moved(count)).await;
        let room = room_after(&piece, largest);
        piece.clear();
        (piece, then) = fill(stream, roomy(piece, room), stop).await;
        count.wire += piece.len() as u64;
        decode(&mut decoder, &piece, sink, terms, count).await?;
    }
    if let Then::Fault(fault) = then {
        return Err(fault);
    }
    let mut last = Vec::new();
    decoder.finish(&mut last).map_err(Fault::Undecodable)?;
    put(last, sink, terms, count).await
}

/// Whether everything came that ALLO announced.
fn is_whole(plan: &Inbound, count: &Count) -> Result<(), Fault> {
    match plan.declared {
        Some(declared) if !is_declared(declared, plan, count) => {
            Err(Fault::Length { declared, received: count.file })
        }
        _ => Ok(()),
    }
}

/// Whether an upload has the length that ALLO announced. Clients count octets of the file or, in TYPE A, of the
/// wire; what they announce before a resume may be the whole or the rest, which is not checked.
fn is_declared(declared: u64, plan: &Inbound, count: &Count) -> bool {
    !matches!(plan.how, Create::Replace | Create::Unique) || declared == count.file || declared == count.wire
}

/// What a future has come to without being waited for.
async fn at_once<F: Future + Unpin>(future: &mut F) -> Poll<F::Output> {
    poll_fn(|cx| Poll::Ready(Pin::new(&mut *future).poll(cx))).await
}

/// Octets that the next buffer has room for: four times as many if this one was filled. An upload that comes slowly holds
/// little; for one that fills every buffer, the largest cost a fifth less processor time than a quarter of them.
fn room_after(piece: &Vec<u8>, largest: usize) -> usize {
    if piece.len() < piece.capacity() { piece.capacity() } else { (4 * piece.capacity()).min(largest) }
}

/// Octets of the largest buffer: what the storage likes to get at once, within bounds.
fn largest(sink: &dyn Sink) -> usize {
    sink.piece().map_or(BUFFER, |piece| piece.clamp(FIRST, PIECE_MAX))
}

/// An empty buffer with so much room.
fn roomy(mut buffer: Vec<u8>, room: usize) -> Vec<u8> {
    buffer.reserve_exact(room);
    buffer
}

/// Waits for octets, then takes all that are there, up to the capacity of `buffer`, which comes in empty.
async fn fill<S: AsyncRead + Unpin>(stream: &mut S, mut buffer: Vec<u8>, stop: &mut Stop) -> (Vec<u8>, Then) {
    let stall = stop.pace.stall;
    let first = tokio::select! {
        biased;
        () = stopped(stop) => return (buffer, Then::Fault(Fault::Aborted)),
        read = tokio::time::timeout(stall, stream.read_buf(&mut buffer)) => read,
    };
    let Ok(mut read) = first else { return (buffer, Then::Fault(Fault::Stalled(stall))) };
    loop {
        match read {
            Ok(0) => return (buffer, Then::End),
            Ok(_) if buffer.len() == buffer.capacity() => return (buffer, Then::More),
            Ok(_) => {}
            Err(error) => return (buffer, Then::Fault(broken(&error))),
        }
        // A file is often sent, and ended, in two steps: writing what is here would be a visit to the disk more.
        let patience = if buffer.len() < FIRST { GATHER } else { Duration::ZERO };
        let mut reading = std::pin::pin!(stream.read_buf(&mut buffer));
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

async fn put(
    data: Vec<u8>,
    sink: &mut Box<dyn Sink>,
    terms: Terms<'_>,
    count: &mut Count,
) -> Result<(), Fault> {
    if data.is_empty() {
        return Ok(());
    }
    grow(count, data.len(), terms)?;
    sink.write(data).await.map(drop).map_err(Fault::Storage)
}

async fn decode(
    decoder: &mut Decoder,
    wire: &[u8],
    sink: &mut Box<dyn Sink>,
    terms: Terms<'_>,
    count: &mut Count,
) -> Result<(), Fault> {
    let mut rest = wire;
    loop {
        let mut data = Vec::new();
        let taken = decoder.decode(rest, &mut data).map_err(Fault::Undecodable)?;
        rest = rest.get(taken..).unwrap_or_default();
        if taken == 0 && data.is_empty() {
            return Ok(());
        }
        put(data, sink, terms, count).await?;
    }
}
