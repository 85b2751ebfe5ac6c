//! Uploads by buffers whose octets are those of the file. The next piece is read while one is written, if that takes a while.
//!
//! Not here: when octets are waited for (`fill.rs`), and those that the kernel moves by itself (`pipe.rs`).

use std::task::Poll;

use ftp_proto::session::Fault;
use tokio::io::AsyncRead;

use crate::data::receive::fill::{FIRST, Then, fill, largest, room_after, roomy};
use crate::data::receive::intake::{Intake, Step};
use crate::data::receive::pipe::Pipe;
use crate::data::{at_once, moved};
use crate::storage::Sink;

/// Whether the kernel could move the octets by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Piping {
    /// Once they come fast.
    Worthwhile,
    Impossible,
}

/// Buffers of an upload between two pieces.
pub(super) struct Buffers {
    /// What came last, counted and not yet written.
    piece: Vec<u8>,
    /// Takes the next one, where the last one is still being written.
    spare: Vec<u8>,
    /// Octets of the largest.
    largest: usize,
    piping: Piping,
}

impl Buffers {
    pub(super) fn new(sink: &dyn Sink, piping: Piping) -> Self {
        let piece = Vec::with_capacity(FIRST);
        Self { piece, spare: Vec::new(), largest: largest(sink), piping }
    }

    /// Only reading is broken off: a write that has begun ends, so that what is on the disk is known.
    pub(super) async fn receive<S: AsyncRead + Unpin>(
        &mut self,
        stream: &mut S,
        intake: &mut Intake,
        most: u64,
    ) -> Result<Step, Fault> {
        loop {
            let then = match self.piece.is_empty() {
                true => self.refill(stream, intake).await,
                false => {
                    if let Some(pipe) = self.pipe() {
                        intake.sink.write(std::mem::take(&mut self.piece)).await.map_err(Fault::Storage)?;
                        return Ok(Step::Pipe(pipe));
                    }
                    self.write_and_refill(stream, intake).await?
                }
            };
            intake.count.wire += self.piece.len() as u64;
            intake.grow(self.piece.len())?;
            match then {
                Then::End => return Ok(Step::End(std::mem::take(&mut self.piece))),
                Then::Fault(fault) => {
                    // What came before counts, if it is to be kept.
                    if !self.piece.is_empty() {
                        let last = std::mem::take(&mut self.piece);
                        intake.sink.write(last).await.map_err(Fault::Storage)?;
                    }
                    return Err(fault);
                }
                Then::More => {
                    intake.stop.pace.moved(self.piece.len() as u64)?;
                    if moved(&intake.count) >= most {
                        return Ok(Step::Long);
                    }
                    // A client that is as fast as the server must not keep the other sessions of this thread waiting.
                    tokio::task::yield_now().await;
                }
            }
        }
    }

    /// A pipe, if it is worth its price: octets have filled a second buffer.
    fn pipe(&mut self) -> Option<Pipe> {
        if self.piping == Piping::Impossible || room_after(&self.piece, self.largest) <= 4 * FIRST {
            return None;
        }
        let pipe = Pipe::open();
        if pipe.is_none() {
            self.piping = Piping::Impossible;
        }
        pipe
    }

    async fn refill<S: AsyncRead + Unpin>(&mut self, stream: &mut S, intake: &mut Intake) -> Then {
        let then;
        (self.piece, then) = fill(stream, std::mem::take(&mut self.piece), &mut intake.stop).await;
        then
    }

    async fn write_and_refill<S: AsyncRead + Unpin>(
        &mut self,
        stream: &mut S,
        intake: &mut Intake,
    ) -> Result<Then, Fault> {
        let room = room_after(&self.piece, self.largest);
        let mut writing = intake.sink.write(std::mem::take(&mut self.piece));
        let then;
        match at_once(&mut writing).await {
            // One buffer, which is still in the processor's cache, will do.
            Poll::Ready(written) => {
                let piece = roomy(written.map_err(Fault::Storage)?, room);
                (self.piece, then) = fill(stream, piece, &mut intake.stop).await;
            }
            Poll::Pending => {
                let piece = roomy(std::mem::take(&mut self.spare), room);
                let written;
                (written, (self.piece, then)) = tokio::join!(writing, fill(stream, piece, &mut intake.stop));
                self.spare = written.map_err(Fault::Storage)?;
            }
        }
        Ok(then)
    }
}
