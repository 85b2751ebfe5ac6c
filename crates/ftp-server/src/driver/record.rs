//! Each data connection is one record: how it was announced, when it came, how it ended. It feeds the log, the health of
//! the server, and what the reply says of the cause.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use ftp_proto::reply::Class;
use ftp_proto::session::{DataFault, Suspect, Transferred, is_out_of_reach};

use crate::data::Channel;
use crate::driver::{Driver, Ready};
use crate::health::{Moved, Outcome};
use crate::observe::{Incident, Mode, Record};

/// A client that asks for a port and lets it go within this time has changed its mind.
const GIVEN_UP: Duration = Duration::from_secs(2);

/// A record under way.
#[derive(Debug)]
pub(super) struct Trace {
    begun: Instant,
    record: Record,
}

impl Driver {
    /// A port was announced, by the server or by the client.
    pub(super) fn begin_record(&mut self, endpoint: SocketAddr, mode: Mode) {
        let record =
            Record { endpoint, mode, connected: None, ended: Duration::ZERO, stranger: None, suspect: None };
        self.note_unused();
        self.trace = Some(Trace { begun: Instant::now(), record });
        if mode == Mode::Passive {
            self.warn_of_private(endpoint);
        }
    }

    /// Says once in a server's life that clients outside are told an address that they cannot reach.
    fn warn_of_private(&self, announced: SocketAddr) {
        static TOLD: AtomicBool = AtomicBool::new(false);
        if is_out_of_reach(announced, self.peer()) && !TOLD.swap(true, Ordering::Relaxed) {
            self.shared.observer.incident(self.who, &Incident::PrivateAnnouncement(announced.ip()));
        }
    }

    /// The data connection stands.
    pub(super) fn note_connected(&mut self) {
        let stranger = self.channel.stranger();
        let Some(trace) = &mut self.trace else { return };
        trace.record.connected = Some(trace.begun.elapsed());
        trace.record.stranger = stranger;
        let (port, mode) = (trace.record.endpoint.port(), trace.record.mode);
        match mode {
            Mode::Passive => self.shared.health.passive(self.peer(), port, Outcome::Good, stranger),
            Mode::Active => self.shared.health.active(self.peer(), Outcome::Good),
        };
    }

    /// It did not come about; who seems to be in the way.
    pub(super) fn note_missed(&mut self, fault: &DataFault) -> Suspect {
        let client = self.peer();
        let suspect = match fault {
            DataFault::NobodyCame { port, stranger, .. } => {
                self.shared.health.passive(client, *port, Outcome::Bad, *stranger)
            }
            DataFault::Refused(_) | DataFault::TimedOut(..) | DataFault::Unreachable(..) => {
                self.shared.health.active(client, Outcome::Bad)
            }
            DataFault::Lost => Suspect::Unknown,
        };
        let stranger = match fault {
            DataFault::NobodyCame { stranger, .. } => *stranger,
            _ => None,
        };
        if let Some(trace) = &mut self.trace {
            trace.record.stranger = stranger;
            trace.record.suspect = Some(suspect);
        }
        suspect
    }

    /// The transfer is over, one way or the other.
    pub(super) fn end_record(&mut self, transfer: &Transferred) {
        let stood = self.trace.take().and_then(|Trace { begun, mut record }| {
            record.ended = begun.elapsed();
            let stood = record.connected.map(|connected| record.ended.saturating_sub(connected));
            self.shared.observer.incident(self.who, &Incident::Data(record));
            stood
        });
        if transfer.reply.code().class() != Class::Completion {
            // A client that breaks off by itself does not wait for so long.
            let patience = self.shared.options.stall.min(self.shared.options.handshake);
            let silent = transfer.octets == 0 && stood.is_some_and(|stood| stood >= patience);
            let moved = if silent { Moved::Nothing } else { Moved::Otherwise };
            let said = String::from_utf8_lossy(transfer.reply.text()).into_owned();
            let said = format!("{} {said}", transfer.reply.code().number());
            self.shared.health.trouble(self.peer(), said, moved);
        }
    }

    /// A port that was let go, or left behind, without a connection and without a transfer: the client could not come to
    /// it, and has given up by itself.
    fn note_unused(&mut self) {
        let is_unused = |trace: &mut Trace| {
            let record = &trace.record;
            record.mode == Mode::Passive && record.connected.is_none() && record.suspect.is_none()
        };
        let Some(Trace { begun, record }) = self.trace.take_if(is_unused) else { return };
        if begun.elapsed() > GIVEN_UP || self.session.is_over() {
            let (client, port) = (self.peer(), record.endpoint.port());
            self.shared.health.passive(client, port, Outcome::Bad, self.channel.stranger());
            let said = format!("it asked for passive port {port} and did not come to it");
            self.shared.health.trouble(client, said, Moved::Otherwise);
        }
    }

    /// Gives up what was set up for a transfer.
    pub(super) fn drop_data(&mut self) {
        self.note_unused();
        self.channel = Channel::None;
        self.awaiting = None;
        self.ready = Ready::Nothing;
    }
}
