//! Downloads: a file or a listing to the data connection.
//!
//! A download is a value that goes on piece by piece, so that a long one can leave the thread of its session (`handover.rs`).
//! Not here: the pieces (`send/pieces.rs` by buffers, `send/file.rs` by the kernel), and where they come
//! from (`send/origin.rs`, `send/listing.rs`).

use std::net::Shutdown;
use std::pin::pin;
use std::task::Poll;
use std::time::{Duration, Instant};

use ftp_proto::data::Coding;
use ftp_proto::session::{Count, Fault};
use socket2::SockRef;
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;

use crate::data::handover::{Moving, Progress, Step};
use crate::data::linger::Lingering;
use crate::data::pace::Pace;
use crate::data::{DataStream, Stop, at_once, end_in_order, stopped};
use crate::observe::ClientEnd;
use crate::ports::reset;

mod file;
mod listing;
mod origin;
mod pieces;
mod tree;

pub(crate) use listing::{Listing, now};
pub(crate) use origin::Origin;
pub(crate) use tree::Tree;

use file::Part;
use pieces::Pieces;

/// How long behind the 150 the 226 may wait for the client to close its side. Clients that read both at once take the second for
/// lost (aria2), and before the client has closed, nobody knows that it has the octets.
const PROMPTLY: Duration = Duration::from_millis(25);

/// A segment that the client does not acknowledge for so long ends a download that is not short.
const UNACKNOWLEDGED: Duration = Duration::from_secs(60);

/// A download under way.
pub(crate) struct Download {
    way: Way,
    stop: Stop,
    pace: Pace,
    count: Count,
}

/// How its octets reach the client.
enum Way {
    /// By the kernel.
    Kernel(TcpStream, Part),
    Clear(TcpStream, Pieces),
    Tls(Box<TlsStream<TcpStream>>, Pieces),
}

impl Download {
    /// Everything that `origin` has, then the end of the connection.
    pub(crate) fn new(stream: DataStream, origin: Origin, coding: Coding, stop: Stop) -> Self {
        // Without either option the connection works all the same, only less well.
        let socket = SockRef::from(stream.tcp());
        let _refused = match origin.is_short() {
            // Octets, close_notify and FIN are one segment, where they would be three.
            true => socket.set_tcp_cork(true),
            false => socket.set_tcp_user_timeout(Some(UNACKNOWLEDGED)),
        };
        let way = match (stream, origin.part(coding)) {
            (DataStream::Clear(stream), Some(part)) => Way::Kernel(stream, part),
            (DataStream::Clear(stream), None) => Way::Clear(stream, Pieces::new(origin, coding)),
            (DataStream::Tls(stream), _) => Way::Tls(stream, Pieces::new(origin, coding)),
        };
        let pace = stop.pace.clone();
        Self { way, stop, pace, count: Count::default() }
    }

    /// Sends until all is sent, or `most` octets have moved; counts as it goes.
    async fn pump(&mut self, most: u64) -> Result<Step, Fault> {
        let Self { way, stop, pace, count } = self;
        let pump = async {
            match way {
                Way::Kernel(stream, part) => part.send(stream, pace, most, count).await,
                Way::Clear(stream, pieces) => pieces.send(stream, pace, most, count).await,
                Way::Tls(stream, pieces) => pieces.send(&mut **stream, pace, most, count).await,
            }
        };
        tokio::select! {
            biased;
            () = stopped(stop) => Err(Fault::Aborted),
            done = pump => done,
        }
    }
}

impl Moving for Download {
    type End = (Count, Result<ClientEnd, Fault>);

    async fn go_on(mut self, most: u64) -> Progress<Self> {
        let until = self.stop.begun + PROMPTLY;
        let ended = match self.pump(most).await {
            Ok(Step::Long) => return Progress::Long(self),
            Ok(Step::End) => Ok(self.way.close(until, &self.stop.lingering).await),
            Err(fault) => {
                // In MODE S an ordinary close would look like the end of the file.
                reset(self.tcp());
                Err(fault)
            }
        };
        Progress::Ended((self.count, ended))
    }

    fn tcp(&mut self) -> &mut TcpStream {
        match &mut self.way {
            Way::Kernel(stream, _) | Way::Clear(stream, _) => stream,
            Way::Tls(stream, _) => stream.get_mut().0,
        }
    }
}

impl Way {
    /// Ends the connection behind all that was sent. The client is waited for, but not beyond a moment.
    async fn close(self, until: Instant, lingering: &Lingering) -> ClientEnd {
        match self {
            Self::Kernel(mut stream, _) | Self::Clear(mut stream, _) => {
                end_in_order(&stream);
                // Whether the end of it can be told shows in what comes back.
                let _refused = SockRef::from(&stream).shutdown(Shutdown::Write);
                let (end, said) = await_end(&mut stream, until).await;
                // An ordinary close would answer a client that says something by a RST that takes what is on its way along.
                if said == Said::Something && end == ClientEnd::Open {
                    lingering.close(stream);
                }
                end
            }
            Self::Tls(stream, _) => {
                let mut stream = stream.into_inner().0;
                end_in_order(&stream);
                let (end, _) = await_end(&mut stream, until).await;
                // Its close_notify is still to come.
                if end == ClientEnd::Open {
                    lingering.close(stream);
                }
                end
            }
        }
    }
}

/// Whether a client has said something where it has nothing to say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Said {
    Nothing,
    Something,
}

/// Waits for the client to close its side.
async fn await_end(stream: &mut TcpStream, until: Instant) -> (ClientEnd, Said) {
    let mut void = [0; 512];
    let mut said = Said::Nothing;
    loop {
        let mut reading = pin!(stream.read(&mut void));
        let read = match at_once(&mut reading).await {
            Poll::Ready(read) => Some(read),
            Poll::Pending => tokio::time::timeout_at(until.into(), reading).await.ok(),
        };
        match read {
            Some(Ok(0)) => return (ClientEnd::Closed, said),
            Some(Ok(_)) if Instant::now() < until => said = Said::Something,
            Some(Err(_)) => return (ClientEnd::Reset, said),
            Some(Ok(_)) => return (ClientEnd::Open, Said::Something),
            None => return (ClientEnd::Open, said),
        }
    }
}
