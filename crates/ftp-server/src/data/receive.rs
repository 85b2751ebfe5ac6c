//! Uploads: the data connection to a file. The target is touched last.

use ftp_proto::data::Decoder;
use ftp_proto::session::{Count, Create, Fault, Inbound, Left};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};

use crate::data::{BUFFER, DataStream, Stop, broken, stopped};
use crate::storage::{Sink, StorageError};

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
                let _gone = tokio::time::timeout(stop.stall, stream.shutdown()).await;
            }
            pumped
        }
    };
    // A client that crashed closes its control connection too: let the session see that first.
    tokio::task::yield_now().await;
    let fault = match pumped {
        Ok(()) if !stop.is_set() => match sink.commit().await {
            Ok(()) => return (count, Ok(())),
            Err(error) => return (count, Err((Fault::Storage(error), Left::Nothing))),
        },
        Ok(()) => Fault::Aborted,
        Err(fault) => fault,
    };
    let left = sink.abandon().await;
    (count, Err((fault, left)))
}

/// What an upload has to keep to.
#[derive(Clone, Copy)]
struct Terms<'a> {
    plan: &'a Inbound,
    /// Octets that the file may still take.
    room: u64,
}

/// The next piece is read while this one is written. Only reading is broken off: a write that has begun ends, so
/// that what is on the disk is known.
async fn pump<S: AsyncRead + Unpin>(
    stream: &mut S,
    sink: &mut Box<dyn Sink>,
    terms: Terms<'_>,
    stop: &mut Stop,
    count: &mut Count,
) -> Result<(), Fault> {
    let mut decoder = (!terms.plan.coding.is_identity()).then(|| Decoder::new(terms.plan.coding));
    let mut spare = Vec::with_capacity(BUFFER);
    let mut piece = read(stream, Vec::with_capacity(BUFFER), stop).await?;
    while !piece.is_empty() {
        count.wire += piece.len() as u64;
        if let Some(decoder) = &mut decoder {
            decode(decoder, &piece, sink, terms, count).await?;
            piece.clear();
            if decoder.is_ended() {
                break;
            }
            piece = read(stream, piece, stop).await?;
        } else {
            grow(count, piece.len(), terms)?;
            let (written, next) =
                tokio::join!(sink.write(piece), read(stream, std::mem::take(&mut spare), stop));
            spare = written.map_err(Fault::Storage)?;
            piece = next?;
        }
    }
    if let Some(decoder) = &mut decoder {
        let mut last = Vec::new();
        decoder.finish(&mut last).map_err(Fault::Undecodable)?;
        put(last, sink, terms, count).await?;
    }
    match terms.plan.declared {
        Some(declared) if !is_declared(declared, terms.plan, count) => {
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

/// One read into the free space of `buffer`; an empty buffer is the end of the data.
async fn read<S: AsyncRead + Unpin>(
    stream: &mut S,
    mut buffer: Vec<u8>,
    stop: &mut Stop,
) -> Result<Vec<u8>, Fault> {
    if buffer.capacity() == 0 {
        buffer.reserve(BUFFER);
    }
    let stall = stop.stall;
    let read = tokio::select! {
        biased;
        () = stopped(stop) => return Err(Fault::Aborted),
        read = tokio::time::timeout(stall, stream.read_buf(&mut buffer)) => read.map_err(|_| Fault::Stalled(stall))?,
    };
    read.map_err(|error| broken(&error))?;
    Ok(buffer)
}

/// Counts octets of the file before they are written, and stops at the limit that RANG gave, and at the user's.
fn grow(count: &mut Count, octets: usize, terms: Terms<'_>) -> Result<(), Fault> {
    let grown = count.file + octets as u64;
    if terms.plan.limit.is_some_and(|limit| grown > limit) {
        return Err(Fault::BeyondRange);
    }
    if grown > terms.room {
        return Err(Fault::Storage(StorageError::OverQuota));
    }
    count.file = grown;
    Ok(())
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
