//! Downloads: a file or a listing to the data connection.
//!
//! A download is a value that goes on piece by piece, so that a long one can leave the thread of its session (`handover.rs`).
//! Not here: the pieces (`send/pieces.rs` by buffers, `send/file.rs` by the kernel), and where they come
//! from (`send/origin.rs`, `send/listing.rs`).

use std::net::Shutdown;
use std::time::Duration;

use ftp_proto::data::Coding;
use ftp_proto::session::{Count, Fault};
use socket2::SockRef;
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;

use crate::data::handover::{Moving, Progress, Step};
use crate::data::{DataStream, Stop, close_gently, stopped};
use crate::ports::reset;

mod file;
mod listing;
mod origin;
mod pieces;

pub(crate) use listing::Listing;
pub(crate) use origin::Origin;

use file::Part;
use pieces::Pieces;

/// A segment that the client does not acknowledge for so long ends a download that is not short.
const UNACKNOWLEDGED: Duration = Duration::from_secs(60);

/// A download under way.
pub(crate) struct Download {
    way: Way,
    stop: Stop,
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
        Self { way, stop, count: Count::default() }
    }

    /// Sends until all is sent, or `most` octets have moved; counts as it goes.
    async fn pump(&mut self, most: u64) -> Result<Step, Fault> {
        let Self { way, stop, count } = self;
        let stall = stop.stall;
        let pump = async {
            match way {
                Way::Kernel(stream, part) => part.send(stream, stall, most, count).await,
                Way::Clear(stream, pieces) => pieces.send(stream, stall, most, count).await,
                Way::Tls(stream, pieces) => pieces.send(&mut **stream, stall, most, count).await,
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
    type End = (Count, Result<(), Fault>);

    async fn go_on(mut self, most: u64) -> Progress<Self> {
        match self.pump(most).await {
            Ok(Step::Long) => return Progress::Long(self),
            Ok(Step::End) => self.way.close(),
            Err(fault) => {
                // In MODE S an ordinary close would look like the end of the file.
                reset(self.tcp());
                return Progress::Ended((self.count, Err(fault)));
            }
        }
        Progress::Ended((self.count, Ok(())))
    }

    fn tcp(&mut self) -> &mut TcpStream {
        match &mut self.way {
            Way::Kernel(stream, _) | Way::Clear(stream, _) => stream,
            Way::Tls(stream, _) => stream.get_mut().0,
        }
    }
}

impl Way {
    fn close(self) {
        match self {
            Self::Kernel(stream, _) | Self::Clear(stream, _) => close_clear(stream),
            // Its close_notify is still to come.
            Self::Tls(stream, _) => close_gently(stream.into_inner().0),
        }
    }
}

/// Closes a connection in clear on which the client has nothing to say. If it has said something all the same, an ordinary
/// close would be a RST that takes what is on its way with it.
fn close_clear(stream: TcpStream) {
    if stream.try_read(&mut [0; 1]).is_ok_and(|count| count > 0) {
        // What was sent arrives; whether the end of it can be told shows there.
        let _refused = SockRef::from(&stream).shutdown(Shutdown::Write);
        close_gently(stream);
    }
}
