//! Uploads: the data connection to a file. The target is touched last.

use ftp_proto::data::Decoder;
use ftp_proto::session::{Count, Create, Fault, Inbound, Left};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};

use crate::data::{BUFFER, DataStream, Stop, broken, stopped};
use crate::storage::Sink;

/// Receives everything into `sink` and commits it; on any fault abandons it and says what is left.
pub(crate) async fn receive(
    stream: DataStream,
    mut sink: Box<dyn Sink>,
    plan: &Inbound,
    mut stop: Stop,
) -> (Count, Result<(), (Fault, Left)>) {
    let mut count = Count::default();
    let pumped = match stream {
        DataStream::Clear(mut stream) => pump(&mut stream, &mut sink, plan, &mut stop, &mut count).await,
        DataStream::Tls(mut stream) => {
            let pumped = pump(&mut *stream, &mut sink, plan, &mut stop, &mut count).await;
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

/// The next piece is read while this one is written. Only reading is broken off: a write that has begun ends, so
/// that what is on the disk is known.
async fn pump<S: AsyncRead + Unpin>(
    stream: &mut S,
    sink: &mut Box<dyn Sink>,
    plan: &Inbound,
    stop: &mut Stop,
    count: &mut Count,
) -> Result<(), Fault> {
    let mut decoder = (!plan.coding.is_identity()).then(|| Decoder::new(plan.coding));
    let mut spare = Vec::with_capacity(BUFFER);
    let mut piece = read(stream, Vec::with_capacity(BUFFER), stop).await?;
    while !piece.is_empty() {
        count.wire += piece.len() as u64;
        if let Some(decoder) = &mut decoder {
            decode(decoder, &piece, sink, plan, count).await?;
            piece.clear();
            if decoder.is_ended() {
                break;
            }
            piece = read(stream, piece, stop).await?;
        } else {
            grow(count, piece.len(), plan)?;
            let (written, next) =
                tokio::join!(sink.write(piece), read(stream, std::mem::take(&mut spare), stop));
            spare = written.map_err(Fault::Storage)?;
            piece = next?;
        }
    }
    if let Some(decoder) = &mut decoder {
        let mut last = Vec::new();
        decoder.finish(&mut last).map_err(Fault::Undecodable)?;
        put(last, sink, plan, count).await?;
    }
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

/// Counts octets of the file before they are written, and stops at the limit that RANG gave.
fn grow(count: &mut Count, octets: usize, plan: &Inbound) -> Result<(), Fault> {
    let grown = count.file + octets as u64;
    if plan.limit.is_some_and(|limit| grown > limit) {
        return Err(Fault::BeyondRange);
    }
    count.file = grown;
    Ok(())
}

async fn put(
    data: Vec<u8>,
    sink: &mut Box<dyn Sink>,
    plan: &Inbound,
    count: &mut Count,
) -> Result<(), Fault> {
    if data.is_empty() {
        return Ok(());
    }
    grow(count, data.len(), plan)?;
    sink.write(data).await.map(drop).map_err(Fault::Storage)
}

async fn decode(
    decoder: &mut Decoder,
    wire: &[u8],
    sink: &mut Box<dyn Sink>,
    plan: &Inbound,
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
        put(data, sink, plan, count).await?;
    }
}
