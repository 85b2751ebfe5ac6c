//! Uploads: the data connection to a file. The target is touched last.
//!
//! An upload is a value that goes on piece by piece, so that a long one can leave the thread of its session (`handover.rs`).
//! It ends in what was received, which has no name yet: whether it gets one is decided where its session lives
//! (`driver/transfer.rs`). Not here: the ways of its octets (`receive/buffers.rs`, `receive/pipe.rs` by the kernel,
//! `receive/coded.rs`).

use ftp_proto::session::{Count, Fault, Inbound, Left};
use tokio::io::{AsyncRead, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;

use crate::data::handover::{Moving, Progress};
use crate::data::{DataStream, Farewell, Stop, within};
use crate::storage::{Sink, StorageError};
use crate::tls::CloseNotify;

mod buffers;
mod coded;
mod ending;
mod fill;
mod intake;
mod pipe;

use buffers::{Buffers, Piping};
use coded::Coded;
pub(crate) use ending::Ending;
use ending::Read;
use intake::{Intake, Step, Terms};
use pipe::Pipe;

/// An upload under way.
pub(crate) struct Upload {
    way: Way,
    close_notify: CloseNotify,
    ending: Ending,
    intake: Intake,
}

/// How its octets come.
enum Way {
    /// By the kernel.
    Kernel(TcpStream, Pipe),
    Clear(TcpStream, Octets),
    Tls(Box<TlsStream<TcpStream>>, Octets),
}

/// What they are.
enum Octets {
    Plain(Buffers),
    /// Not those of the file.
    Coded(Coded),
}

/// A whole upload, which has no name yet.
pub(crate) struct Received {
    pub(crate) sink: Box<dyn Sink>,
    /// The last octets, which are not written yet.
    pub(crate) last: Vec<u8>,
    pub(crate) farewell: Farewell,
    /// How that looks under TLS.
    pub(crate) ending: Ending,
}

impl Upload {
    /// Everything that comes, at most `room` octets, into `sink`.
    pub(crate) fn new(
        stream: DataStream,
        mut sink: Box<dyn Sink>,
        plan: &Inbound,
        room: u64,
        stop: Stop,
    ) -> Self {
        let piping = match (&stream, sink.native()) {
            (DataStream::Clear(_), Some(_)) => Piping::Worthwhile,
            (DataStream::Clear(_) | DataStream::Tls(_), _) => Piping::Impossible,
        };
        let octets = match plan.coding.is_identity() {
            true => Octets::Plain(Buffers::new(&*sink, piping)),
            false => Octets::Coded(Coded::new(&*sink, plan.coding)),
        };
        let way = match stream {
            DataStream::Clear(stream) => Way::Clear(stream, octets),
            DataStream::Tls(stream) => Way::Tls(stream, octets),
        };
        let intake = Intake { sink, terms: Terms::new(plan, room), stop, count: Count::default() };
        Self { way, close_notify: CloseNotify::default(), ending: Ending::Regular, intake }
    }

    /// The same where the data may end in this way.
    pub(crate) fn close_notify(mut self, demanded: CloseNotify) -> Self {
        self.close_notify = demanded;
        self
    }

    async fn pump(&mut self, most: u64) -> Result<Step, Fault> {
        match &mut self.way {
            Way::Kernel(stream, pipe) => self.intake.receive(stream, pipe, most).await,
            Way::Clear(stream, octets) => octets.receive(stream, &mut self.intake, most).await,
            Way::Tls(stream, octets) => {
                let mut stream = Read { stream, close_notify: self.close_notify, ending: &mut self.ending };
                octets.receive(&mut stream, &mut self.intake, most).await
            }
        }
    }

    /// Answers the end in its own way: some clients wait for our close_notify, others have closed already.
    async fn close(&mut self) {
        if let Way::Tls(stream, _) = &mut self.way {
            let _gone = within(self.intake.stop.pace.stall, stream.shutdown()).await;
        }
    }
}

/// Ends a broken upload; what is left of it.
pub(crate) async fn give_up(sink: Box<dyn Sink>, fault: &Fault) -> Left {
    match fault {
        // Kept, it would be too large again.
        Fault::Storage(StorageError::OverQuota) => sink.discard().await,
        _ => sink.abandon().await,
    }
}

impl Moving for Upload {
    type End = (Count, Result<Received, (Fault, Left)>);

    async fn go_on(mut self, most: u64) -> Progress<Self> {
        let whole = loop {
            match self.pump(most).await {
                Ok(Step::Long) => return Progress::Long(self),
                Ok(Step::Pipe(pipe)) => self.way = self.way.by(pipe),
                Ok(Step::End(last)) => break Ok(last),
                Err(fault) => break Err(fault),
            }
        };
        if whole.is_ok() {
            self.close().await;
        }
        let Self { way, ending, intake: Intake { sink, count, .. }, .. } = self;
        let farewell = way.farewell(ending);
        drop(way);
        Progress::Ended(match whole {
            Ok(last) => (count, Ok(Received { sink, last, farewell, ending })),
            Err(fault) => {
                let left = give_up(sink, &fault).await;
                (count, Err((fault, left)))
            }
        })
    }

    fn tcp(&mut self) -> &mut TcpStream {
        match &mut self.way {
            Way::Kernel(stream, _) | Way::Clear(stream, _) => stream,
            Way::Tls(stream, _) => stream.get_mut().0,
        }
    }
}

impl Way {
    fn farewell(&self, ending: Ending) -> Farewell {
        match (self, ending) {
            (Self::Tls(..), Ending::Regular) => Farewell::CloseNotify,
            (Self::Kernel(..) | Self::Clear(..) | Self::Tls(..), _) => Farewell::Bare,
        }
    }

    /// The same connection, through a pipe from here on.
    fn by(self, pipe: Pipe) -> Self {
        match self {
            Self::Clear(stream, _) | Self::Kernel(stream, _) => Self::Kernel(stream, pipe),
            Self::Tls(..) => self,
        }
    }
}

impl Octets {
    async fn receive<S: AsyncRead + Unpin>(
        &mut self,
        stream: &mut S,
        intake: &mut Intake,
        most: u64,
    ) -> Result<Step, Fault> {
        match self {
            Self::Plain(buffers) => buffers.receive(stream, intake, most).await,
            Self::Coded(coded) => coded.receive(stream, intake, most).await,
        }
    }
}
