//! Downloads by buffers: whatever has to be encoded or protected, or comes from a storage without files.
//!
//! Not here: downloads that the kernel does by itself (`send/file.rs`).

use ftp_proto::data::{Coding, Encoder};
use ftp_proto::session::{Count, Fault};
use tokio::io::{AsyncWrite, AsyncWriteExt};

use crate::data::handover::Step;
use crate::data::pace::Pace;
use crate::data::send::origin::Origin;
use crate::data::{broken, moved, within};

/// The octets of a download that are still to be sent.
pub(super) struct Pieces {
    origin: Origin,
    encoder: Option<Encoder>,
    /// What is sent next: nothing yet before the first, nothing in it after the last.
    piece: Option<Vec<u8>>,
    /// What the piece after it is read into.
    spare: Vec<u8>,
    /// A piece as it is on the wire, where that is not the same.
    wire: Vec<u8>,
}

impl Pieces {
    pub(super) fn new(origin: Origin, coding: Coding) -> Self {
        let encoder = (!coding.is_identity()).then(|| Encoder::new(coding));
        let spare = origin.buffer();
        Self { origin, encoder, piece: None, spare, wire: Vec::new() }
    }

    /// Sends pieces, and the end behind the last one; counts as it goes. The next piece is read while one is sent.
    pub(super) async fn send<S: AsyncWrite + Unpin>(
        &mut self,
        stream: &mut S,
        pace: &mut Pace,
        most: u64,
        count: &mut Count,
    ) -> Result<Step, Fault> {
        let mut piece = match self.piece.take() {
            Some(piece) => piece,
            None => self.origin.next(self.origin.buffer()).await.map_err(Fault::Storage)?,
        };
        while !piece.is_empty() {
            let octets = match &mut self.encoder {
                None => piece.as_slice(),
                Some(encoder) => {
                    self.wire.clear();
                    encoder.encode(&piece, &mut self.wire);
                    self.wire.as_slice()
                }
            };
            let next = self.origin.next(std::mem::take(&mut self.spare));
            let next = async { next.await.map_err(Fault::Storage) };
            // A client that has gone is heard of at once, however long the storage takes.
            let ((), next) = tokio::try_join!(write(stream, octets, pace), next)?;
            count.file += piece.len() as u64;
            count.wire += octets.len() as u64;
            piece.clear();
            self.spare = std::mem::replace(&mut piece, next);
            if !piece.is_empty() {
                if moved(count) >= most {
                    self.piece = Some(piece);
                    return Ok(Step::Long);
                }
                // A client that is as fast as the server must not keep the other sessions of this thread waiting.
                tokio::task::yield_now().await;
            }
        }
        self.end(stream, pace, count).await.map(|()| Step::End)
    }

    /// What the encoder still has, close_notify under TLS, then FIN.
    async fn end<S: AsyncWrite + Unpin>(
        &mut self,
        stream: &mut S,
        pace: &mut Pace,
        count: &mut Count,
    ) -> Result<(), Fault> {
        if let Some(encoder) = &mut self.encoder {
            self.wire.clear();
            encoder.finish(&mut self.wire);
            write(stream, &self.wire, pace).await?;
            count.wire += self.wire.len() as u64;
        }
        within(pace.stall, stream.shutdown()).await?.map_err(|error| broken(&error))
    }
}

/// Writes all of `octets`, as fast as they have to move.
async fn write<S: AsyncWrite + Unpin>(
    stream: &mut S,
    mut octets: &[u8],
    pace: &mut Pace,
) -> Result<(), Fault> {
    while !octets.is_empty() {
        let written = within(pace.stall, stream.write(octets)).await?.map_err(|error| broken(&error))?;
        if written == 0 {
            return Err(broken(&std::io::ErrorKind::WriteZero.into()));
        }
        pace.moved(written as u64)?;
        octets = octets.get(written..).unwrap_or_default();
    }
    within(pace.stall, stream.flush()).await?.map_err(|error| broken(&error))
}
