//! Downloads: a file or a listing to the data connection.

use std::net::Shutdown;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use ftp_proto::data::{Coding, Encoder};
use ftp_proto::listing::{mlsx, names, unix};
use ftp_proto::session::{Count, Fault, Format};
use ftp_proto::value::facts::{Entry, Perm};
use ftp_proto::value::time::TimeVal;
use socket2::SockRef;
use tokio::io::{AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::data::handover::{OverTcp, Pace, moved};
use crate::data::{DataStream, Stop, broken, close_gently, stopped};
use crate::ports::reset;
use crate::storage::{Entries, Native, Source, StorageError};

mod file;

use file::Part;

/// Octets of a file that are read, encoded and sent at once.
const PIECE: usize = 128 << 10;

/// A segment that the client does not acknowledge for so long ends a download that is not short.
const UNACKNOWLEDGED: Duration = Duration::from_secs(60);

/// Where the octets come from.
pub(crate) enum Origin {
    /// A file, or a part of one.
    File(Box<dyn Source>),
    /// A listing.
    Listing(Listing),
}

/// A listing that is written page by page.
pub(crate) struct Listing {
    entries: Box<dyn Entries>,
    format: Format,
    /// What the user may do with entries at most.
    perm: Perm,
    now: TimeVal,
}

impl Listing {
    pub(crate) fn new(entries: Box<dyn Entries>, format: Format, perm: Perm) -> Self {
        let seconds = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |elapsed| elapsed.as_secs());
        Self { entries, format, perm, now: TimeVal::from_unix(i64::try_from(seconds).unwrap_or(0)) }
    }

    /// The lines of the next page that has any; none at the end.
    async fn next_lines(&mut self, mut out: Vec<u8>) -> Result<Vec<u8>, StorageError> {
        while out.is_empty() {
            let Some(page) = self.entries.next_page().await? else { break };
            page.into_iter().for_each(|entry| self.write(entry, &mut out));
        }
        Ok(out)
    }

    fn write(&self, mut entry: Entry, out: &mut Vec<u8>) {
        entry.facts.perm = entry.facts.perm.intersection(self.perm);
        match &self.format {
            Format::Names(prefix) => names::write(prefix, &entry.name, out),
            Format::Unix => unix::write(&entry, self.now, out),
            Format::Facts(set) => mlsx::write_line(&entry, *set, out),
        }
    }
}

impl Origin {
    /// The next octets in `buffer`, which comes in empty; an empty one is the end.
    async fn next(&mut self, buffer: Vec<u8>) -> Result<Vec<u8>, StorageError> {
        match self {
            Self::Listing(listing) => listing.next_lines(buffer).await,
            Self::File(source) => source.read(buffer).await,
        }
    }

    /// What the kernel can send by itself, if nothing has to be done to the octets.
    fn part(&self, coding: Coding) -> Option<Part> {
        match self {
            Self::File(source) if coding.is_identity() => {
                let Native { file, offset } = source.native()?;
                Some(Part { file, offset, left: source.len() })
            }
            Self::File(..) | Self::Listing(_) => None,
        }
    }

    /// Whether it is known to be sent in one piece. TCP_CORK would cost longer ones half of their speed.
    fn is_short(&self) -> bool {
        match self {
            Self::Listing(_) => false,
            Self::File(source) => source.len() <= PIECE as u64,
        }
    }

    fn buffer(&self) -> Vec<u8> {
        match self {
            Self::Listing(_) => Vec::new(),
            Self::File(source) => {
                let wanted = source.len().min(PIECE as u64);
                Vec::with_capacity(usize::try_from(wanted).unwrap_or(PIECE).max(1))
            }
        }
    }
}

/// Sends everything, then closes; counts as it goes.
pub(crate) async fn send(
    mut stream: DataStream,
    origin: Origin,
    coding: Coding,
    mut stop: Stop,
    count: &mut Count,
) -> Result<(), Fault> {
    let mut pace = stop.pace.clone();
    // Without either option the connection works all the same, only less well.
    let socket = SockRef::from(stream.tcp());
    let _refused = match origin.is_short() {
        // Octets, close_notify and FIN are one segment, where they would be three.
        true => socket.set_tcp_cork(true),
        false => socket.set_tcp_user_timeout(Some(UNACKNOWLEDGED)),
    };
    let pumped = {
        let pump = async {
            match &mut stream {
                DataStream::Clear(stream) => match origin.part(coding) {
                    Some(part) => file::send(stream, part, &mut pace, count).await,
                    None => pump(stream, origin, coding, &mut pace, count).await,
                },
                DataStream::Tls(stream) => pump(&mut **stream, origin, coding, &mut pace, count).await,
            }
        };
        tokio::select! {
            biased;
            () = stopped(&mut stop) => Err(Fault::Aborted),
            done = pump => done,
        }
    };
    match (&pumped, stream) {
        (Ok(()), DataStream::Clear(stream)) => close_clear(stream),
        // Its close_notify is still to come.
        (Ok(()), DataStream::Tls(stream)) => close_gently(stream.into_inner().0),
        // In MODE S an ordinary close would look like the end of the file.
        (Err(_), stream) => reset(stream.tcp()),
    }
    pumped
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

/// The next piece is read while this one is sent.
async fn pump<S: AsyncWrite + OverTcp + Unpin>(
    stream: &mut S,
    mut origin: Origin,
    coding: Coding,
    pace: &mut Pace,
    count: &mut Count,
) -> Result<(), Fault> {
    let stall = pace.stall;
    let mut encoder = (!coding.is_identity()).then(|| Encoder::new(coding));
    let mut wire = Vec::new();
    let first = origin.buffer();
    let mut piece = origin.next(first).await.map_err(Fault::Storage)?;
    let mut spare = origin.buffer();
    while !piece.is_empty() {
        let octets = match &mut encoder {
            None => piece.as_slice(),
            Some(encoder) => {
                wire.clear();
                encoder.encode(&piece, &mut wire);
                wire.as_slice()
            }
        };
        let (sent, next) =
            tokio::join!(write(stream, octets, stall), origin.next(std::mem::take(&mut spare)));
        sent?;
        count.file += piece.len() as u64;
        count.wire += octets.len() as u64;
        piece.clear();
        spare = std::mem::replace(&mut piece, next.map_err(Fault::Storage)?);
        if !piece.is_empty() {
            pace.pause(stream, moved(count)).await;
        }
    }
    if let Some(encoder) = &mut encoder {
        wire.clear();
        encoder.finish(&mut wire);
        write(stream, &wire, stall).await?;
        count.wire += wire.len() as u64;
    }
    // close_notify under TLS, then FIN.
    let closed = tokio::time::timeout(stall, stream.shutdown()).await.map_err(|_| Fault::Stalled(stall))?;
    closed.map_err(|error| broken(&error))
}

/// Writes all of `octets`; fails when none moves for as long as `stall`.
async fn write<S: AsyncWrite + Unpin>(
    stream: &mut S,
    mut octets: &[u8],
    stall: Duration,
) -> Result<(), Fault> {
    while !octets.is_empty() {
        let written =
            tokio::time::timeout(stall, stream.write(octets)).await.map_err(|_| Fault::Stalled(stall))?;
        let written = written.map_err(|error| broken(&error))?;
        if written == 0 {
            return Err(broken(&std::io::ErrorKind::WriteZero.into()));
        }
        octets = octets.get(written..).unwrap_or_default();
    }
    tokio::time::timeout(stall, stream.flush())
        .await
        .map_err(|_| Fault::Stalled(stall))?
        .map_err(|error| broken(&error))
}
