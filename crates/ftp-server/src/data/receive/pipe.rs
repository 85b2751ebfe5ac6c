//! Uploads that the kernel does by itself: a file, as it is, in clear (TYPE I, MODE S), from the socket to the file by a pipe
//! (`splice`), which spares a copy.
//!
//! Not here: the first octets of such an upload, and every other one (`receive.rs`).

use std::io::{self, PipeReader, PipeWriter, Write};
use std::sync::Arc;

use ftp_proto::session::Fault;
use rustix::io::Errno;
use rustix::net::RecvFlags;
use rustix::pipe::{SpliceFlags, splice};
use tokio::net::TcpStream;

use crate::data::receive::fill::{FIRST, GATHER, Then};
use crate::data::{BUFFER, Stop, broken, stopped, within};

/// A pipe for the rest of an upload that comes as fast as it is taken.
pub(super) struct Pipe {
    into: PipeWriter,
    out: Arc<PipeReader>,
}

impl Pipe {
    /// `None` if no pipe of the size of a buffer is to be had: an unprivileged user gets 64 of them from the system.
    pub(super) fn open() -> Option<Self> {
        let (out, into) = std::io::pipe().ok()?;
        rustix::pipe::fcntl_setpipe_size(&into, BUFFER).ok().filter(|size| *size >= BUFFER)?;
        Some(Self { into, out: Arc::new(out) })
    }

    /// Where the octets come out.
    pub(super) fn out(&self) -> Arc<PipeReader> {
        Arc::clone(&self.out)
    }

    /// Waits for octets, then moves all that are there into the pipe, which is empty before.
    pub(super) async fn fill(&mut self, stream: &mut TcpStream, stop: &mut Stop) -> (usize, Then) {
        let (mut held, mut waited) = (0, false);
        while held < BUFFER {
            if stop.is_set() {
                return (held, Then::Fault(Fault::Aborted));
            }
            // Not by the runtime: the kernel says of a full pipe what it says of an empty socket.
            match splice(&*stream, None, &self.into, None, BUFFER - held, SpliceFlags::NONBLOCK) {
                Ok(moved) if moved > 0 => (held, waited) = (held + moved, false),
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) if !waited && held < FIRST => {
                    let patience = if held > 0 { GATHER } else { stop.pace.stall };
                    let mut octet = [0];
                    let arrived = tokio::select! {
                        biased;
                        () = stopped(stop) => return (held, Then::Fault(Fault::Aborted)),
                        peeked = within(patience, stream.peek(&mut octet)) => peeked,
                    };
                    match arrived {
                        Ok(Ok(_)) => waited = true,
                        Ok(Err(error)) => return (held, Then::Fault(broken(&error))),
                        Err(_) if held > 0 => break,
                        Err(stalled) => return (0, Then::Fault(stalled)),
                    }
                }
                Ok(_) | Err(Errno::AGAIN) if held > 0 => break,
                // It sees nothing behind TCP's urgent mark, neither octets nor that the end is not here yet.
                Ok(_) | Err(Errno::AGAIN) => match self.read_past_mark(stream) {
                    Ok(0) => return (0, Then::End),
                    Ok(read) => held = read,
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => waited = false,
                    Err(error) => return (0, Then::Fault(broken(&error))),
                },
                Err(errno) => return (held, Then::Fault(broken(&errno.into()))),
            }
        }
        (held, Then::More)
    }

    /// Reads as others do, past an urgent mark too, into the pipe, which is empty. 0 is the end.
    fn read_past_mark(&mut self, stream: &TcpStream) -> io::Result<usize> {
        let mut octets = [0; 4096];
        let (_, count) = rustix::net::recv(stream, &mut octets, RecvFlags::DONTWAIT)?;
        self.into.write_all(octets.get(..count).unwrap_or_default())?;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::Go;
    use crate::data::pace::Pace;
    use crate::data::receive::intake::{Intake, Step, Terms};
    use crate::storage::{Create, LocalOptions, LocalStorage, Storage, Writing};
    use ftp_proto::data::Coding;
    use ftp_proto::session::{Count, Inbound, Protection};
    use ftp_proto::value::path::VPath;
    use socket2::SockRef;
    use std::time::Duration;
    use tokio::io::AsyncWriteExt;
    use tokio::sync::watch;

    /// An upload that is sent by `client`, through a pipe; what it came to, and the file as it was then published.
    async fn upload<C: Future<Output = ()>>(
        limit: Option<u64>,
        client: impl FnOnce(TcpStream) -> C,
    ) -> (Result<(), Fault>, Count, Option<Vec<u8>>) {
        let folder = tempfile::tempdir().unwrap();
        let storage = LocalStorage::new(folder.path(), LocalOptions::default()).unwrap();
        let path = VPath::new("/file").unwrap();
        let Writing { mut sink, .. } = storage.write(&path, Create::Replace).await.unwrap();
        assert!(sink.native().is_some());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let sender = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (mut stream, _) = listener.accept().await.unwrap();
        let (how, coding, protection) = (Create::Replace, Coding::default(), Protection::Clear);
        let mut plan = Inbound::new(path, how, coding, protection);
        plan.limit = limit;
        let stop = watch::Sender::new(Go::On);
        let mut intake = Intake {
            sink,
            terms: Terms::new(&plan, u64::MAX),
            stop: Stop::new(
                stop.subscribe(),
                Pace::new(Duration::from_millis(200), 0),
                crate::data::linger::Lingering::default(),
            ),
            count: Count::default(),
        };
        let receiving = async {
            let mut pipe = Pipe::open().unwrap();
            // In steps, as an upload does that goes to another thread on its way.
            let mut received = intake.receive(&mut stream, &mut pipe, 1 << 20).await;
            if let Ok(Step::Long) = received {
                received = intake.receive(&mut stream, &mut pipe, u64::MAX).await;
            }
            // A sender that is not heard out must not wait.
            drop(stream);
            received.map(|step| assert!(matches!(step, Step::End(last) if last.is_empty())))
        };
        let (received, ()) = tokio::join!(receiving, client(sender));
        let Intake { sink, count, .. } = intake;
        match &received {
            Ok(()) => drop(sink.commit(Vec::new()).await.unwrap()),
            Err(_) => drop(sink),
        }
        (received, count, std::fs::read(folder.path().join("file")).ok())
    }

    #[tokio::test]
    async fn an_upload_through_a_pipe_arrives_whole_however_it_is_cut() {
        let octets: Vec<u8> = (0..3_000_000_u32).map(|index| index.to_le_bytes()[0] ^ 0x5a).collect();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut other = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let _other_end = listener.accept().await.unwrap();
        other.set_nodelay(true).unwrap();
        // More parts than a pipe has places; then as fast as it goes; then with a break.
        let client = async |mut stream: TcpStream| {
            stream.set_nodelay(true).unwrap();
            for octet in &octets[..1000] {
                stream.write_all(&[*octet]).await.unwrap();
                // Between the two octets in memory: or the kernel would make one part of them.
                other.write_all(&[0]).await.unwrap();
            }
            stream.write_all(&octets[1000..2_900_000]).await.unwrap();
            tokio::time::sleep(4 * GATHER).await;
            stream.write_all(&octets[2_900_000..]).await.unwrap();
        };
        let (received, count, file) = upload(None, client).await;
        received.unwrap();
        assert_eq!((count.file, count.wire), (3_000_000, 3_000_000));
        assert!(file.unwrap() == octets);
    }

    /// The urgent octet itself belongs to no file (RFC 793 §3.7); what stands behind it does.
    #[tokio::test]
    async fn an_urgent_mark_in_an_upload_ends_nothing() {
        let client = async |mut stream: TcpStream| {
            stream.write_all(b"before").await.unwrap();
            SockRef::from(&stream).send_out_of_band(b"!").unwrap();
            stream.write_all(b" and behind").await.unwrap();
        };
        let (received, _, file) = upload(None, client).await;
        received.unwrap();
        assert_eq!(file.unwrap(), b"before and behind");
    }

    #[tokio::test]
    async fn an_upload_through_a_pipe_ends_at_its_limit_and_when_it_stands_still() {
        let fast = async |mut stream: TcpStream| {
            // It is cut off.
            let _cut = stream.write_all(&[7; 3_000_000]).await;
        };
        let (received, count, file) = upload(Some(2_000_000), fast).await;
        assert!(matches!(received, Err(Fault::BeyondRange)), "{received:?}");
        assert!(count.file <= 2_000_000 && file.is_none());
        let lazy = async |mut stream: TcpStream| {
            stream.write_all(&[7; 100_000]).await.unwrap();
            tokio::time::sleep(Duration::from_millis(400)).await;
        };
        let (received, count, file) = upload(None, lazy).await;
        assert!(matches!(received, Err(Fault::Stalled(_))), "{received:?}");
        assert_eq!((count.file, file), (100_000, None));
    }
}
