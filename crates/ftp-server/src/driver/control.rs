//! The control connection: octets in, octets out, TLS on and off.

use std::future::poll_fn;
use std::io;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use ftp_proto::frame::Framer;
use ftp_proto::grammar::Encode;
use ftp_proto::reply::Reply;
use ftp_proto::session::TlsFacts;
use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::net::RecvFlags;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;

use crate::observe::Incident;
use crate::tls::stream::Prefixed;
use crate::tls::{self, Kin, Tls};

/// The longest that the client may leave a reply unread.
const WRITE_TIME: Duration = Duration::from_secs(60);
/// Octets of replies that may wait before commands have to.
const BACKLOG_MAX: usize = 64 << 10;
/// How long the client may take to end TLS after CCC and REIN.
const CLOSE_TIME: Duration = Duration::from_secs(5);
/// A TLS record of a handshake begins with these octets (RFC 8446 §5.1).
const HANDSHAKE_RECORD: [u8; 2] = [22, 3];

/// `Clear -> Tls` by AUTH, `Tls -> Clear` by CCC and REIN; `Away` between, `Lost` when the connection is gone.
#[derive(Debug)]
enum Wire {
    Clear(TcpStream),
    Tls(Box<TlsStream<Prefixed>>),
    /// A job has it, which starts or ends TLS.
    Away,
    Lost,
}

/// What may lie in the socket of a connection in clear without the runtime's knowledge.
///
/// A read ends in front of TCP's urgent mark (RFC 1123 §4.1.2.10), which the runtime takes for the end of what there is.
/// `Nothing -> Octets` by a read that may have ended there; `Octets -> Nothing` when the socket itself says that it is empty.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Behind {
    Nothing,
    Octets,
}

impl Behind {
    /// One whole line is what comes from a client that waits for its reply, and nothing stands behind it. Anything else may
    /// have been cut at the mark.
    fn of(octets: &[u8]) -> Self {
        let is_one_line =
            octets.iter().position(|octet| *octet == b'\n').is_some_and(|end| end + 1 == octets.len());
        if is_one_line { Self::Nothing } else { Self::Octets }
    }
}

/// What a turn of the control connection brought.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Turn {
    /// Octets are in the framer.
    Read,
    /// Enough was sent to run commands again.
    Relieved,
    /// The client has sent its last octet.
    End,
    /// The connection is broken.
    Lost,
}

/// Whether the client may still send something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Incoming {
    Open,
    /// It has closed its side, and may still read.
    Ended,
    /// The connection is broken.
    Lost,
}

/// Why TLS did not start.
#[derive(Debug)]
pub(super) enum Unsecured {
    /// Commands in clear stood behind AUTH TLS.
    Injected,
    /// The handshake failed.
    Failed(io::Error),
}

impl From<Unsecured> for Incident {
    fn from(why: Unsecured) -> Self {
        match why {
            Unsecured::Injected => Self::Injected,
            Unsecured::Failed(error) => Self::HandshakeFailed(error.to_string()),
        }
    }
}

/// The control connection and what is on its way in and out.
#[derive(Debug)]
pub(super) struct Control {
    wire: Wire,
    behind: Behind,
    pub(super) framer: Framer,
    out: Vec<u8>,
    sent: usize,
    /// When an octet was last sent.
    moved: Instant,
}

impl Control {
    pub(super) fn new(stream: TcpStream, line_max: usize) -> Self {
        Self { wire: Wire::Clear(stream), ..Self::empty(line_max) }
    }

    fn empty(line_max: usize) -> Self {
        let framer = Framer::new(line_max);
        let behind = Behind::Nothing;
        Self { wire: Wire::Lost, behind, framer, out: Vec::new(), sent: 0, moved: Instant::now() }
    }

    /// Hands the connection to a job, which gives it back. Meanwhile nothing comes and nothing goes.
    pub(super) fn lend(&mut self) -> Self {
        let away = Self { wire: Wire::Away, ..Self::empty(self.framer.limit()) };
        std::mem::replace(self, away)
    }

    /// The connection is broken: nothing comes any more, and nothing can be said.
    pub(super) fn give_up(&mut self) {
        *self = Self::empty(self.framer.limit());
    }

    /// Whether the client has closed its side or the connection is broken, whatever is still unread. The kernel is asked, and
    /// not the runtime, which hears of it later.
    pub(super) fn has_ended(&self) -> bool {
        let stream = match &self.wire {
            Wire::Clear(stream) => stream,
            Wire::Tls(stream) => stream.get_ref().0.tcp(),
            Wire::Away => return false,
            Wire::Lost => return true,
        };
        let over = PollFlags::RDHUP | PollFlags::HUP | PollFlags::ERR;
        let mut asked = [PollFd::new(stream, PollFlags::RDHUP)];
        // If it cannot be asked, it is heard of in time.
        rustix::event::poll(&mut asked, Some(&Timespec::default())).is_ok()
            && asked.iter().any(|asked| asked.revents().intersects(over))
    }

    /// Puts a reply behind those that wait to be sent.
    pub(super) fn reply(&mut self, reply: &Reply) {
        if matches!(self.wire, Wire::Lost) {
            return;
        }
        self.begin_output();
        reply.encode(&mut self.out);
    }

    /// The time for sending counts from the first octet that waits.
    fn begin_output(&mut self) {
        if self.out.is_empty() {
            self.moved = Instant::now();
        }
    }

    /// Puts raw octets behind them: refusals of Telnet options.
    pub(super) fn raw(&mut self, octets: &[u8]) {
        self.begin_output();
        self.out.extend_from_slice(octets);
    }

    /// Whether something waits to be sent, be it in a buffer of TLS: `out` is emptied by a completed flush only.
    fn has_output(&self) -> bool {
        !self.out.is_empty()
    }

    /// Whether octets that come are taken: not behind more than a line that waits.
    pub(super) fn has_room(&self) -> bool {
        self.framer.buffered() <= self.framer.limit()
    }

    /// Whether so much waits to be sent that no more commands should be run.
    pub(super) fn is_congested(&self) -> bool {
        self.out.len() - self.sent > BACKLOG_MAX
    }

    /// When a client that reads nothing is given up.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.has_output().then(|| self.moved + WRITE_TIME)
    }

    /// Sends what waits, and reads as long as something may come and there is room. Pending for ever if there is neither. Octets are
    /// read while lines have to wait, too: the end of the connection stands behind them. Cancel safe.
    pub(super) async fn turn(&mut self, incoming: Incoming) -> Turn {
        poll_fn(|cx| self.poll_turn(cx, incoming)).await
    }

    fn poll_turn(&mut self, cx: &mut Context<'_>, incoming: Incoming) -> Poll<Turn> {
        let congested = self.is_congested();
        match self.poll_send(cx) {
            Poll::Ready(Err(_)) => return Poll::Ready(Turn::Lost),
            Poll::Ready(Ok(())) | Poll::Pending if congested && !self.is_congested() => {
                return Poll::Ready(Turn::Relieved);
            }
            Poll::Ready(Ok(())) | Poll::Pending => {}
        }
        if self.is_congested() {
            return Poll::Pending;
        }
        if incoming != Incoming::Open || !self.has_room() {
            return Poll::Pending;
        }
        let mut octets = [MaybeUninit::uninit(); 4096];
        let mut buffer = ReadBuf::uninit(&mut octets);
        let read = match &mut self.wire {
            Wire::Clear(stream) => poll_read_clear(stream, cx, &mut buffer, &mut self.behind),
            Wire::Tls(stream) => poll_read_tls(stream, cx, &mut buffer),
            Wire::Away => return Poll::Pending,
            Wire::Lost => return Poll::Ready(Turn::Lost),
        };
        Poll::Ready(match ready!(read) {
            Ok(()) if buffer.filled().is_empty() => Turn::End,
            Ok(()) => {
                self.framer.push(buffer.filled());
                Turn::Read
            }
            // A client that drops TLS without close_notify has gone all the same.
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Turn::End,
            Err(_) => Turn::Lost,
        })
    }

    fn poll_send(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !self.has_output() {
            return Poll::Ready(Ok(()));
        }
        while let Some(rest) = self.out.get(self.sent..).filter(|rest| !rest.is_empty()) {
            let count = ready!(match &mut self.wire {
                Wire::Clear(stream) => Pin::new(stream).poll_write(cx, rest),
                Wire::Tls(stream) => Pin::new(stream).poll_write(cx, rest),
                Wire::Away => return Poll::Pending,
                Wire::Lost => Poll::Ready(Err(io::ErrorKind::NotConnected.into())),
            })?;
            self.sent += count;
            self.moved = Instant::now();
        }
        if let Wire::Tls(stream) = &mut self.wire {
            ready!(Pin::new(stream).poll_flush(cx))?;
        }
        self.out = Vec::new();
        self.sent = 0;
        Poll::Ready(Ok(()))
    }

    /// Sends everything that waits.
    async fn flush(&mut self) -> io::Result<()> {
        let late = |_| io::Error::from(io::ErrorKind::TimedOut);
        tokio::time::timeout(WRITE_TIME, poll_fn(|cx| self.poll_send(cx))).await.map_err(late)?
    }

    /// Starts TLS. Octets behind the last line belong to the handshake, or to someone who injects commands.
    pub(super) async fn secure(
        mut self,
        tls: &Tls,
        within: Duration,
    ) -> (Self, Result<(TlsFacts, Kin), Unsecured>) {
        let result = self.shake_hands(tls, within).await;
        (self, result)
    }

    async fn shake_hands(&mut self, tls: &Tls, within: Duration) -> Result<(TlsFacts, Kin), Unsecured> {
        self.flush().await.map_err(Unsecured::Failed)?;
        let prefix = self.framer.take_rest();
        let opening = HANDSHAKE_RECORD.get(..prefix.len().min(HANDSHAKE_RECORD.len())).unwrap_or_default();
        if !prefix.starts_with(opening) {
            return Err(Unsecured::Injected);
        }
        let Wire::Clear(stream) = std::mem::replace(&mut self.wire, Wire::Lost) else {
            return Err(Unsecured::Failed(io::ErrorKind::NotConnected.into()));
        };
        let stream = Prefixed::new(prefix, stream);
        let (stream, kin) = tls.control(stream, within).await.map_err(Unsecured::Failed)?;
        let facts = tls::facts(stream.get_ref().1);
        self.wire = Wire::Tls(Box::new(stream));
        Ok((facts, kin))
    }

    /// Ends TLS with close_notify in both directions and goes on in clear.
    pub(super) async fn unsecure(mut self) -> (Self, io::Result<()>) {
        let result = self.take_leave().await;
        (self, result)
    }

    async fn take_leave(&mut self) -> io::Result<()> {
        self.flush().await?;
        let Wire::Tls(mut stream) = std::mem::replace(&mut self.wire, Wire::Lost) else {
            return Err(io::ErrorKind::NotConnected.into());
        };
        // What the client sends in clear behind its close_notify must stay in the socket: record by record.
        stream.get_mut().0.read_by_records();
        let closing = async {
            stream.get_mut().1.send_close_notify();
            stream.flush().await?;
            // What the client still sends in TLS was sent before it read the reply, and is void.
            let mut void = [0; 1024];
            while stream.read(&mut void).await? > 0 {}
            Ok::<_, io::Error>(())
        };
        let late = |_| io::Error::from(io::ErrorKind::TimedOut);
        tokio::time::timeout(CLOSE_TIME, closing).await.map_err(late)??;
        self.wire = Wire::Clear(stream.into_inner().0.into_tcp());
        Ok(())
    }

    /// Sends what waits and closes.
    pub(super) async fn close(&mut self) {
        // The client may be gone, or not read; there is nobody to tell.
        let _gone = self.flush().await;
        let _closed = match &mut self.wire {
            Wire::Clear(stream) => tokio::time::timeout(CLOSE_TIME, stream.shutdown()).await,
            Wire::Tls(stream) => tokio::time::timeout(CLOSE_TIME, stream.shutdown()).await,
            Wire::Away | Wire::Lost => return,
        };
        self.linger().await;
    }

    /// Reads until the client closes: a close with octets unread would be a RST that takes the last reply with it.
    async fn linger(&mut self) {
        let stream = match &mut self.wire {
            Wire::Clear(stream) => stream,
            Wire::Tls(stream) => stream.get_mut().0.tcp_mut(),
            Wire::Away | Wire::Lost => return,
        };
        let mut void = [0; 1024];
        let drain = async { while stream.read(&mut void).await.is_ok_and(|count| count > 0) {} };
        let _late = tokio::time::timeout(CLOSE_TIME, drain).await;
    }
}

/// Reads from a connection in clear, on from TCP's urgent mark if a read ended there.
fn poll_read_clear(
    stream: &mut TcpStream,
    cx: &mut Context<'_>,
    buffer: &mut ReadBuf<'_>,
    behind: &mut Behind,
) -> Poll<io::Result<()>> {
    if *behind == Behind::Octets {
        // The end and errors are left to the regular read, which comes upon them too.
        match rustix::net::recv(&*stream, buffer.initialize_unfilled(), RecvFlags::DONTWAIT) {
            Ok((_, count)) if count > 0 => {
                buffer.advance(count);
                return Poll::Ready(Ok(()));
            }
            Ok(_) | Err(_) => *behind = Behind::Nothing,
        }
    }
    ready!(Pin::new(stream).poll_read(cx, buffer))?;
    *behind = Behind::of(buffer.filled());
    Poll::Ready(Ok(()))
}

/// A read that also sends what it made TLS say, such as the alert that refuses to renegotiate (RFC 5246 §7.2.2): the client may
/// wait for it before it sends anything else.
fn poll_read_tls(
    stream: &mut TlsStream<Prefixed>,
    cx: &mut Context<'_>,
    buffer: &mut ReadBuf<'_>,
) -> Poll<io::Result<()>> {
    let read = Pin::new(&mut *stream).poll_read(cx, buffer);
    if stream.get_ref().1.wants_write() {
        // What cannot be sent now is with the next turn; an error shows there, too.
        let _later = Pin::new(stream).poll_flush(cx);
    }
    read
}
