//! What happens, for logs and metrics. Protocol handlers never log: they emit notices, an observer takes them.

use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use ftp_proto::reply::Class;
use ftp_proto::session::{Ending, Entrance, Suspect};

pub use ftp_proto::session::{Notice, Transferred};

/// The number of a session, for logs: unique in one run of the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SessionId(u64);

impl SessionId {
    /// The next number.
    pub(crate) fn next() -> Self {
        static LAST: AtomicU64 = AtomicU64::new(0);
        Self(LAST.fetch_add(1, Ordering::Relaxed) + 1)
    }
}

impl std::fmt::Display for SessionId {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{}", self.0)
    }
}

/// Who a notice is about.
#[derive(Debug, Clone, Copy)]
pub struct Who {
    /// The session.
    pub id: SessionId,
    /// The client.
    pub peer: SocketAddr,
    /// How it came in.
    pub entrance: Entrance,
}

/// Something that concerns a connection and not the protocol.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Incident {
    /// A control connection was accepted. [`Incident::Closed`] follows, whatever becomes of it.
    Opened,
    /// It is gone, and the session with it.
    Closed,
    /// A control connection was turned away: too many.
    TurnedAway,
    /// A load balancer did not say who the client is.
    NoIntroduction(String),
    /// PASV announces an address of a private network to a client outside: told once.
    PrivateAnnouncement(IpAddr),
    /// A data connection has come to its end.
    Data(Record),
    /// The data of an upload ended without TLS close_notify, which is permitted: it is stored.
    Unclosed,
    /// The TLS handshake on the control connection failed.
    HandshakeFailed(String),
    /// Octets in clear stood behind AUTH TLS: someone injected commands, or the client is broken.
    Injected,
}

/// One data connection, from the command that asked for it to its end.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Record {
    /// Both ends as they were announced: the server's port, or the client's.
    pub endpoint: SocketAddr,
    /// Who connects.
    pub initiator: Initiator,
    /// From the announcement to the connection; `None` if there was none.
    pub connected: Option<Duration>,
    /// From the announcement to the end.
    pub ended: Duration,
    /// Who else tried to connect.
    pub stranger: Option<IpAddr>,
    /// From where a second connection came to the port, from an address from which one was expected: somebody else may
    /// have been faster than the client.
    pub second: Option<IpAddr>,
    /// Who seems to be in the way, if it did not come about.
    pub suspect: Option<Suspect>,
    /// How the client's side had ended when a download was complete, 25 ms behind its 150 or later; `None` of anything else.
    pub client_end: Option<ClientEnd>,
}

/// How the client's side of a data connection ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ClientEnd {
    /// In order: it has read the end.
    Closed,
    /// By RST: it had not read everything, or does not care (TLS clients that read no close_notify).
    Reset,
    /// It was still open.
    Open,
}

/// Who opens a data connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Initiator {
    /// The client, to the server: passive mode.
    Client,
    /// The server, to the client: active mode.
    Server,
}

/// Takes notices. It is called on the session's task and must not block.
pub trait Observer: Send + Sync {
    /// Something the protocol did.
    fn notice(&self, who: Who, notice: &Notice);

    /// Something that happened to a connection.
    fn incident(&self, who: Who, incident: &Incident);
}

/// Writes notices to `tracing`: one line a login, a transfer, a change, an end. What clients and files are called is a string
/// there, which a subscriber that writes lines has to quote, as those of `tracing_subscriber` do: no name looks like a field.
#[derive(Debug, Clone, Copy, Default)]
pub struct Log;

impl Observer for Log {
    fn notice(&self, who: Who, notice: &Notice) {
        let (session, peer) = (who.id, who.peer);
        match notice {
            Notice::Secured(tls) => {
                tracing::debug!(%session, %peer, version = tls.version, cipher = tls.cipher, "tls")
            }
            Notice::LoggedIn(user) => tracing::info!(%session, %peer, user = &*user.to_string(), "login"),
            Notice::LoginFailed(user, denied) => {
                let user = first_word(&user.to_string());
                tracing::warn!(%session, %peer, user = &*user, why = ?denied, "login refused")
            }
            Notice::Transfer(transfer) => log_transfer(who, transfer),
            Notice::Changed { verb, path, to } => {
                let verb = verb.spec().word;
                let (path, to) = (path.to_string(), to.as_ref().map(ToString::to_string));
                tracing::info!(%session, %peer, verb, path = &*path, to = to.as_deref(), "change");
            }
            Notice::Ending(Ending::Quit | Ending::Gone) => tracing::info!(%session, %peer, "end"),
            Notice::Ending(why) => tracing::info!(%session, %peer, ?why, "end"),
            other => tracing::debug!(%session, %peer, ?other, "notice"),
        }
    }

    fn incident(&self, who: Who, incident: &Incident) {
        let (session, peer) = (who.id, who.peer);
        match incident {
            Incident::Opened => tracing::info!(%session, %peer, entrance = ?who.entrance, "connection"),
            Incident::Closed => tracing::debug!(%session, %peer, "closed"),
            Incident::TurnedAway => tracing::warn!(%peer, "turned away: too many connections"),
            Incident::NoIntroduction(why) => {
                tracing::warn!(%peer, why, "connection of a trusted source refused")
            }
            Incident::PrivateAnnouncement(address) => tracing::warn!(
                %session, %peer, %address,
                "PASV announces a private address to a client outside: set [passive] address, or clients that use PASV cannot transfer"
            ),
            Incident::Data(record) => log_data(who, record),
            Incident::Unclosed => tracing::info!(
                %session, %peer,
                "the upload ended without TLS close_notify; close_notify = \"optional\" takes it"
            ),
            Incident::HandshakeFailed(why) => tracing::warn!(%session, %peer, why, "tls handshake failed"),
            Incident::Injected => {
                tracing::warn!(%session, %peer, "octets in clear behind AUTH TLS: session ended")
            }
        }
    }
}

/// A user name up to its first blank: people type their password behind it, and that is nobody else's business.
fn first_word(user: &str) -> String {
    match user.split_once(' ') {
        Some((name, _)) => format!("{name} …"),
        None => user.to_owned(),
    }
}

/// One line a data connection: at debug where it came about, as a warning with who is in the way where not.
fn log_data(who: Who, record: &Record) {
    let (session, peer) = (who.id, who.peer);
    let Record { endpoint, initiator, connected, ended, stranger, second, suspect, client_end } = record;
    let (connected, ended) = (connected.map(|time| time.as_secs_f64()), ended.as_secs_f64());
    let stranger = stranger.map(tracing::field::display);
    let mode = match initiator {
        Initiator::Client => "passive",
        Initiator::Server => "active",
    };
    match (suspect, second) {
        (None, Some(second)) => tracing::warn!(
            %session, %peer, %endpoint, %second,
            "two connections came to one passive port: another program there may take the data of this client"
        ),
        (None, None) => {
            let client_end = client_end.map(tracing::field::debug);
            tracing::debug!(%session, %peer, %endpoint, mode, connected, ended, stranger, client_end, "data connection")
        }
        (Some(suspect), _) => {
            tracing::warn!(%session, %peer, %endpoint, mode, ended, stranger, ?suspect, "no data connection")
        }
    }
}

/// One line a transfer.
fn log_transfer(who: Who, transfer: &Transferred) {
    let (session, peer) = (who.id, who.peer);
    let Transferred { path, octets, elapsed, reply, protection, .. } = transfer;
    let (verb, path) = (transfer.verb.spec().word, path.to_string());
    let path = path.as_str();
    let mode = if transfer.active.is_some() { "active" } else { "passive" };
    let (code, text) = (reply.code().number(), String::from_utf8_lossy(reply.text()));
    let seconds = elapsed.as_secs_f64();
    if reply.code().class() == Class::Completion {
        tracing::info!(%session, %peer, verb, path, octets, seconds, mode, ?protection, code, "transfer");
    } else {
        tracing::warn!(%session, %peer, verb, path, octets, seconds, mode, ?protection, code, why = &*text, "transfer failed");
    }
}

#[cfg(test)]
#[cfg(feature = "daemon")]
mod tests {
    use super::*;
    use ftp_proto::session::{Denied, Entrance};
    use ftp_proto::value::path::VPath;
    use ftp_proto::value::text::Username;
    use ftp_proto::verb::Verb;
    use std::io::Write;
    use std::sync::{Arc, Mutex};

    #[derive(Clone, Default)]
    struct Page(Arc<Mutex<Vec<u8>>>);

    impl Write for Page {
        fn write(&mut self, octets: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(octets);
            Ok(octets.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    /// What a notice leaves in a log of lines.
    fn logged(notice: &Notice) -> String {
        let page = Page::default();
        let writer = page.clone();
        let subscriber =
            tracing_subscriber::fmt().with_ansi(false).with_writer(move || writer.clone()).finish();
        let peer = "192.0.2.1:5".parse().unwrap();
        let who = Who { id: SessionId(7), peer, entrance: Entrance::Explicit };
        tracing::subscriber::with_default(subscriber, || Log.notice(who, notice));
        String::from_utf8(page.0.lock().unwrap().clone()).unwrap()
    }

    #[test]
    fn no_name_looks_like_a_field_or_breaks_a_line() {
        let user = Username::new("x peer=1.2.3.4:5 user=alice\u{2028}\u{202e}\u{9b}").unwrap();
        let line = logged(&Notice::LoggedIn(user));
        assert!(
            line.contains(r#" user="x peer=1.2.3.4:5 user=alice???""#) && line.lines().count() == 1,
            "{line}"
        );
        let path = VPath::new("/a\" verb=\"DELE").unwrap();
        let line = logged(&Notice::Changed { verb: Verb::Mkd, path, to: None });
        assert!(line.contains(r#" path="/a\" verb=\"DELE""#), "{line}");
    }

    #[test]
    fn a_password_behind_a_name_is_not_logged() {
        let user = Username::new("alice TOPSECRET3").unwrap();
        let line = logged(&Notice::LoginFailed(user, Denied::Credentials));
        assert!(line.contains("alice …") && !line.contains("TOPSECRET3"), "{line}");
    }
}
