//! Each data connection is one record: how it was announced, when it came, how it ended. It feeds the log, the health of
//! the server, and what the reply says of the cause.
//!
//! Not here: when these things happen (`driver.rs`), and what many records tell together (`health.rs`).

use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use ftp_proto::reply::Class;
use ftp_proto::session::{Count, DataFault, Failure, Fault, Suspect, Transferred, is_out_of_reach};

use crate::data::HELLO;
use crate::data::receive::Ending;
use crate::health::{Moved, Outcome};
use crate::observe::{ClientEnd, Incident, Initiator, Record, Who};
use crate::shared::Shared;

/// A client that asks for a port and lets it go within this time has changed its mind.
const GIVEN_UP: Duration = Duration::from_secs(2);

/// How a port was let go that nobody came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LetGo {
    /// For something else.
    InSession,
    /// With the session.
    WithSession,
}

/// A record under way.
#[derive(Debug)]
pub(super) struct Trace {
    begun: Instant,
    record: Record,
}

impl Trace {
    /// A port was announced, by the server or by the client.
    pub(super) fn begin(shared: &Shared, who: Who, endpoint: SocketAddr, initiator: Initiator) -> Self {
        if initiator == Initiator::Client {
            warn_of_private(shared, who, endpoint);
        }
        let record = Record {
            endpoint,
            initiator,
            connected: None,
            ended: Duration::ZERO,
            stranger: None,
            second: None,
            suspect: None,
            client_end: None,
        };
        Self { begun: Instant::now(), record }
    }

    /// The data connection stands.
    pub(super) fn connected(&mut self, shared: &Shared, client: IpAddr, stranger: Option<IpAddr>) {
        self.record.connected = Some(self.begun.elapsed());
        self.record.stranger = stranger;
        let port = self.record.endpoint.port();
        match self.record.initiator {
            Initiator::Client => shared.health.passive(client, port, Outcome::Good, stranger),
            Initiator::Server => shared.health.active(client, Outcome::Good),
        };
    }

    /// It did not come about; who seems to be in the way.
    pub(super) fn missed(&mut self, shared: &Shared, client: IpAddr, fault: &DataFault) -> Suspect {
        let (suspect, stranger) = match fault {
            DataFault::NobodyCame { port, stranger, .. } => {
                (shared.health.passive(client, *port, Outcome::Bad, *stranger), *stranger)
            }
            DataFault::Refused(_) | DataFault::TimedOut(..) | DataFault::Unreachable(..) => {
                (shared.health.active(client, Outcome::Bad), None)
            }
            DataFault::NoSocket(why) => {
                shared.health.shortage.note("data connections", &why.to_string());
                (Suspect::Unknown, None)
            }
            // Lost: who is in the way would not have let it stand.
            _ => (Suspect::Unknown, None),
        };
        self.record.stranger = stranger;
        self.record.suspect = Some(suspect);
        suspect
    }

    /// How the client ended a download.
    pub(super) fn client_ended(&mut self, how: ClientEnd) {
        self.record.client_end = Some(how);
    }

    /// The transfer is over, one way or the other; for how long its connection stood, if there was one. A `second` one may
    /// have come to its port.
    pub(super) fn end(mut self, shared: &Shared, who: Who, second: Option<IpAddr>) -> Option<Duration> {
        self.record.second = second;
        self.record.ended = self.begun.elapsed();
        let stood = self.record.connected.map(|connected| self.record.ended.saturating_sub(connected));
        shared.observer.incident(who, &Incident::Data(self.record));
        stood
    }

    /// The port is let go, without a transfer. One without a connection, too, that had time for one, was one that the
    /// client could not come to: it has given up by itself.
    pub(super) fn let_go(self, shared: &Shared, client: IpAddr, stranger: Option<IpAddr>, how: LetGo) {
        let record = &self.record;
        let unused =
            record.initiator == Initiator::Client && record.connected.is_none() && record.suspect.is_none();
        if unused && (self.begun.elapsed() > GIVEN_UP || how == LetGo::WithSession) {
            let port = record.endpoint.port();
            shared.health.passive(client, port, Outcome::Bad, stranger);
            let said = format!("it asked for passive port {port} and did not come to it");
            shared.health.trouble(client, said, Moved::Otherwise);
        }
    }
}

/// What the health of the server learns from a transfer that did not end well, whose connection stood for so long.
pub(super) fn note_end(shared: &Shared, client: IpAddr, transfer: &Transferred, stood: Option<Duration>) {
    if transfer.reply.code().class() == Class::Completion {
        return;
    }
    // A client that breaks off by itself does not wait for so long.
    let patience = shared.options.stall.min(shared.options.handshake).min(HELLO);
    let silent = transfer.octets == 0 && stood.is_some_and(|stood| stood >= patience);
    let moved = if silent { Moved::Nothing } else { Moved::Otherwise };
    let said = String::from_utf8_lossy(transfer.reply.text()).into_owned();
    let said = format!("{} {said}", transfer.reply.code().number());
    shared.health.trouble(client, said, moved);
}

/// Notes an upload whose data ended without TLS close_notify, be it taken or not, or behind which everything closed.
pub(super) fn note_close(
    shared: &Shared,
    who: Who,
    result: Result<Count, Failure>,
    ending: Ending,
) -> Result<Count, Failure> {
    let client = who.peer.ip();
    match &result {
        Ok(_) if ending == Ending::Bare => {
            shared.health.unclosed(client, Outcome::Good);
            shared.observer.incident(who, &Incident::Unclosed);
        }
        Err(failure) if failure.fault == Fault::Truncated => shared.health.unclosed(client, Outcome::Bad),
        Err(failure) if failure.fault == Fault::ClientGone => shared.health.hung_up(client),
        Ok(_) | Err(_) => {}
    }
    result
}

/// Says once in a server's life that clients outside are told an address that they cannot reach.
fn warn_of_private(shared: &Shared, who: Who, announced: SocketAddr) {
    if is_out_of_reach(announced, who.peer.ip()) && !shared.told_of_private.swap(true, Ordering::Relaxed) {
        shared.observer.incident(who, &Incident::PrivateAnnouncement(announced.ip()));
    }
}
