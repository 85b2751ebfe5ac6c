//! Where the octets of an upload go, by whatever way they come, and what every upload keeps to: how many there may be.
//!
//! Not here: the ways (`receive.rs`).

use ftp_proto::session::{Count, Fault, Inbound};
use tokio::net::TcpStream;

use crate::data::Stop;
use crate::data::receive::fill::Then;
use crate::data::receive::pipe::Pipe;
use crate::storage::{Sink, StorageError};

/// How far they have come.
pub(super) enum Step {
    /// All are here, the last of them not yet in the sink.
    End(Vec<u8>),
    /// As many as were to move now; more are to come.
    Long,
    /// They fill one buffer after the other: a pipe is worth its price.
    Pipe(Pipe),
}

/// Where octets go, and what they keep to.
pub(super) struct Intake {
    pub(super) sink: Box<dyn Sink>,
    pub(super) terms: Terms,
    pub(super) stop: Stop,
    pub(super) count: Count,
}

impl Intake {
    /// Writes octets of the file, if there are any.
    pub(super) async fn put(&mut self, data: Vec<u8>) -> Result<(), Fault> {
        if data.is_empty() {
            return Ok(());
        }
        self.grow(data.len())?;
        self.sink.write(data).await.map(drop).map_err(Fault::Storage)
    }

    /// Counts octets of the file before they are written.
    pub(super) fn grow(&mut self, octets: usize) -> Result<(), Fault> {
        self.count.file = self.terms.grown(self.count.file, octets)?;
        Ok(())
    }

    /// Receives everything through a pipe, or until `most` octets have moved in all; counts as it goes. The pipe is empty before and behind.
    pub(super) async fn receive(
        &mut self,
        stream: &mut TcpStream,
        pipe: &mut Pipe,
        most: u64,
    ) -> Result<Step, Fault> {
        loop {
            let (octets, then) = pipe.fill(stream, &mut self.stop).await;
            self.count.wire += octets as u64;
            self.grow(octets)?;
            if octets > 0 {
                let splice = self.sink.native().ok_or(Fault::Storage(StorageError::Unsupported))?;
                splice.take(pipe.out(), octets).await.map_err(Fault::Storage)?;
            }
            match then {
                Then::End => return Ok(Step::End(Vec::new())),
                Then::Fault(fault) => return Err(fault),
                Then::More => {
                    self.stop.pace.moved(octets as u64)?;
                    if self.count.wire >= most {
                        return Ok(Step::Long);
                    }
                    // A client that is as fast as the server must not keep the other sessions of this thread waiting.
                    tokio::task::yield_now().await;
                }
            }
        }
    }
}

/// What an upload has to keep to.
#[derive(Debug, Clone, Copy)]
pub(super) struct Terms {
    /// The limit that RANG gave.
    limit: Option<u64>,
    /// Octets that the file may still take.
    room: u64,
}

impl Terms {
    pub(super) fn new(plan: &Inbound, room: u64) -> Self {
        Self { limit: plan.limit, room }
    }

    /// Octets of the file when so many are added, if there may be so many.
    pub(super) fn grown(&self, file: u64, octets: usize) -> Result<u64, Fault> {
        let grown = file + octets as u64;
        if self.limit.is_some_and(|limit| grown > limit) {
            return Err(Fault::BeyondRange);
        }
        if grown > self.room {
            return Err(Fault::Storage(StorageError::OverQuota));
        }
        Ok(grown)
    }
}
