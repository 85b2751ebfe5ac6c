//! Uploads whose octets are not those of the file: TYPE A, STRU R, MODE B and Z. Not here: the codings (ftp-proto).

use ftp_proto::data::{Coding, Decoder};
use ftp_proto::session::Fault;
use tokio::io::AsyncRead;

use crate::data::moved;
use crate::data::receive::fill::{FIRST, Then, fill, largest, room_after, roomy};
use crate::data::receive::intake::{Intake, Step};
use crate::storage::Sink;

/// A coded upload between two pieces.
pub(super) struct Coded {
    decoder: Decoder,
    /// What came last; its octets are decoded and void.
    piece: Vec<u8>,
    /// Octets of the largest.
    largest: usize,
}

impl Coded {
    pub(super) fn new(sink: &dyn Sink, coding: Coding) -> Self {
        Self { decoder: Decoder::new(coding), piece: Vec::with_capacity(FIRST), largest: largest(sink) }
    }

    pub(super) async fn receive<S: AsyncRead + Unpin>(
        &mut self,
        stream: &mut S,
        intake: &mut Intake,
        most: u64,
    ) -> Result<Step, Fault> {
        let mut then = Then::More;
        while matches!(then, Then::More) && !self.decoder.is_ended() {
            if moved(&intake.count) >= most {
                return Ok(Step::Long);
            }
            // A client that is as fast as the server must not keep the other sessions of this thread waiting.
            tokio::task::yield_now().await;
            let room = room_after(&self.piece, self.largest);
            self.piece.clear();
            let piece = roomy(std::mem::take(&mut self.piece), room);
            (self.piece, then) = fill(stream, piece, &mut intake.stop).await;
            intake.count.wire += self.piece.len() as u64;
            self.decode(intake).await?;
            if matches!(then, Then::More) {
                intake.stop.pace.moved(self.piece.len() as u64)?;
            }
        }
        if let Then::Fault(fault) = then {
            return Err(fault);
        }
        let mut last = Vec::new();
        self.decoder.finish(&mut last).map_err(Fault::Undecodable)?;
        intake.put(last).await?;
        Ok(Step::End(Vec::new()))
    }

    async fn decode(&mut self, intake: &mut Intake) -> Result<(), Fault> {
        let mut rest = self.piece.as_slice();
        loop {
            let mut data = Vec::new();
            let taken = self.decoder.decode(rest, &mut data).map_err(Fault::Undecodable)?;
            rest = rest.get(taken..).unwrap_or_default();
            if taken == 0 && data.is_empty() {
                return Ok(());
            }
            intake.put(data).await?;
        }
    }
}
