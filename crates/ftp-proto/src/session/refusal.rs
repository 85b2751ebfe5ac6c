//! The only map from what a storage refuses, and from why a transfer fails, to replies.
//!
//! Storages know no reply codes. The text names what was wrong and what would be right.

use std::net::IpAddr;
use std::time::Duration;

use crate::reply::{Code, Reply};
use crate::session::event::{DataFault, Failure, Fault, Left, Refusal, Suspect};
use crate::value::path::VPath;
use crate::value::text::Text;
use crate::verb::Verb;

impl Refusal {
    /// The code for `verb`: RFC 959 §5.4 lists 553, not 550, for the commands that make a name.
    fn code(&self, verb: Verb) -> Code {
        match self {
            Self::NotADirectory if verb == Verb::Mlsd => Code::BAD_ARGUMENT,
            Self::IsADirectory if verb == Verb::Hash => Code::NAME_NOT_ALLOWED,
            Self::NotFound
            | Self::NotADirectory
            | Self::IsADirectory
            | Self::Exists
            | Self::NotAFile
            | Self::NotEmpty
            | Self::Gone
            | Self::Unseen
            | Self::MountPoint
            | Self::OtherFileSystem
            | Self::ReadOnly
            | Self::Unstorable
            | Self::Denied
            | Self::Outside
            | Self::KeptBeside(_)
            | Self::Name(_) => name_code(verb),
            Self::Busy | Self::Unavailable | Self::TooMany => Code::FILE_BUSY,
            Self::NoSpace => Code::NO_SPACE,
            Self::OverQuota => Code::OVER_QUOTA,
            Self::BeyondEnd | Self::BeyondKept(_) => Code::BAD_RESTART,
            Self::Unsupported => Code::BAD_PARAMETER,
            Self::Io(_) => Code::LOCAL_ERROR,
        }
    }

    /// The reply to `verb` for `path`.
    pub(super) fn reply(&self, verb: Verb, path: &VPath) -> Reply {
        let text = [path.as_bytes(), format!(": {}.", self.words(verb)).as_bytes()].concat();
        Reply::line(self.code(verb), Text::clean(text))
    }

    /// Why, in the words that clients look for: FileZilla and others go on where a directory "already exists".
    fn words(&self, verb: Verb) -> String {
        match (self, verb) {
            (Self::Exists, Verb::Mkd) => "file or directory already exists".to_owned(),
            _ => self.to_string(),
        }
    }
}

/// The code for a name that cannot be: RFC 959 §5.4 lists 553 for the commands that make one, 550 for the others.
pub(super) fn name_code(verb: Verb) -> Code {
    match verb {
        Verb::Stor | Verb::Stou | Verb::Rnto => Code::NAME_NOT_ALLOWED,
        _ => Code::FILE_UNAVAILABLE,
    }
}

/// What a failed upload left behind, in words.
fn left(left: Left, verb: Verb) -> String {
    let upload = matches!(verb, Verb::Stor | Verb::Stou | Verb::Appe);
    match left {
        Left::Nothing if upload => "Nothing was written.".to_owned(),
        Left::Nothing => "Nothing was changed.".to_owned(),
        Left::Partial(octets) => {
            format!("The first {octets} octets are kept as a new file; resume with REST and STOR, or APPE.")
        }
        Left::Kept(octets) => format!(
            "The file is as it was before; the first {octets} octets are kept for you: resume with REST {octets} and STOR."
        ),
        Left::Extended(octets) => format!("The file now has {octets} octets; resume from there."),
        Left::Overwritten { size, end } => format!(
            "Octets before {end} of the file's {size} may be new, those behind are as before; resume with REST {end} and STOR."
        ),
        Left::Whole(octets) => format!(
            "All {octets} octets stand under their name, but a crash of the server may still lose them: send them again to be sure."
        ),
    }
}

/// Seconds, without a fraction where there is none.
fn seconds(duration: Duration) -> String {
    format!("{} s", duration.as_secs_f64())
}

/// The 425 for a data connection that did not come about: what, why, and who has to do something about it.
pub(super) fn no_data_connection(
    (fault, suspect): (&DataFault, Suspect),
    verb: Verb,
    client: IpAddr,
    ports: &str,
) -> Reply {
    let text = match fault {
        DataFault::NobodyCame { stranger: Some(stranger), .. } => format!(
            "Data connection came from {stranger} but the session is from {client} (NAT pool?); refused."
        ),
        DataFault::NobodyCame { port, waited, stranger: None } => format!(
            "No data connection on port {port} within {} from {client}: {}.",
            seconds(*waited),
            blocked(suspect, ports)
        ),
        DataFault::Refused(address) => format!("Cannot connect to {address}: refused. {}", inbound(suspect)),
        DataFault::TimedOut(address, waited) => {
            format!("Cannot connect to {address}: timed out after {}. {}", seconds(*waited), inbound(suspect))
        }
        DataFault::Unreachable(address, why) => {
            format!("Cannot connect to {address}: {why}. {}", inbound(suspect))
        }
        DataFault::NoSocket(why) => no_socket(why),
        DataFault::Lost => "The data connection was closed before the transfer began.".to_owned(),
    };
    Reply::line(Code::NO_DATA_CONNECTION, format!("{text} {}", left(Left::Nothing, verb)))
}

/// What the server itself lacks for a data connection.
pub(super) fn no_socket(why: &Text) -> String {
    format!("This server cannot open a data connection: {why}; tell its operator, or try again later.")
}

/// Where passive mode is blocked.
fn blocked(suspect: Suspect, ports: &str) -> String {
    match suspect {
        Suspect::Unknown => format!("a firewall probably blocks TCP {ports}"),
        Suspect::Client => format!(
            "other clients get through, so a firewall on your side probably blocks TCP {ports} outbound"
        ),
        Suspect::Server => format!(
            "no client gets through, so this server's firewall or port forward lacks TCP {ports}; tell its operator"
        ),
        Suspect::Ports(low, high) => format!(
            "ports {low}-{high} never work and others do, so a firewall or port forward leaves them out of {ports}"
        ),
    }
}

/// Where active mode is blocked.
fn inbound(suspect: Suspect) -> &'static str {
    match suspect {
        Suspect::Unknown | Suspect::Client | Suspect::Ports(..) => {
            "Active mode needs inbound access to you; use EPSV or PASV."
        }
        Suspect::Server => {
            "Active mode works with no client, so this server may not connect out; use EPSV or PASV."
        }
    }
}

/// The final reply of a transfer to whose port a second connection came: which of them was the client's is known to the
/// client alone.
pub(super) fn with_rival(reply: Reply, from: Option<IpAddr>) -> Reply {
    let Some(from) = from else { return reply };
    let told = format!(
        " A second connection came to the port of this transfer, from {from}: if you made only one, another program there tries to take your data."
    );
    Reply::line(reply.code(), Text::clean([reply.text(), told.as_bytes()].concat()))
}

/// The final reply for a transfer that failed after its 150.
pub(super) fn failed(failure: &Failure, verb: Verb) -> Reply {
    let moved = failure.count.file;
    let (code, cause) = match &failure.fault {
        Fault::Aborted => (Code::TRANSFER_ABORTED, format!("Transfer aborted after {moved} octets.")),
        Fault::Handshake(why) => {
            let text = "PROT P is in force, so data connections begin with TLS";
            (Code::NO_DATA_CONNECTION, format!("TLS handshake on the data connection failed: {why}. {text}."))
        }
        Fault::ForeignSession => (
            Code::NETWORK_PROTOCOL,
            "The TLS session of the data connection must resume that of this control connection, or of another one of the same account and address.".to_owned(),
        ),
        Fault::Broken(why) => {
            (Code::TRANSFER_ABORTED, format!("Data connection broke after {moved} octets: {why}."))
        }
        Fault::Truncated => (
            Code::TRANSFER_ABORTED,
            format!(
                "Data connection ended after {moved} octets without TLS close_notify, so the file may be cut short; the server's setting close_notify = \"optional\" would take it."
            ),
        ),
        Fault::ClientGone => (
            Code::TRANSFER_ABORTED,
            format!(
                "The control connection closed without QUIT right behind {moved} octets in clear, as it does when a client dies. If this client was done, bare_close = \"new\" or \"always\" stores its uploads."
            ),
        ),
        // Connected, and nothing gets through: what carries the handshake and drops the data.
        Fault::Stalled(time) if moved == 0 => (
            Code::TRANSFER_ABORTED,
            format!(
                "The data connection was made and no octet moved for {}: something on the way probably drops the data (content filter, or packets too big for the path).",
                seconds(*time)
            ),
        ),
        Fault::Stalled(time) => (
            Code::TRANSFER_ABORTED,
            format!("No octet moved for {} after the first {moved}.", seconds(*time)),
        ),
        Fault::TooSlow { least, over } => (
            Code::TRANSFER_ABORTED,
            format!(
                "After {moved} octets fewer than {least} a second moved for {}, which this server demands (rate).",
                seconds(*over)
            ),
        ),
        Fault::Undecodable(error) => {
            (Code::LOCAL_ERROR, format!("The data do not follow TYPE, STRU and MODE: {error}."))
        }
        Fault::BeyondRange => (Code::LOCAL_ERROR, "More octets came than RANG allows.".to_owned()),
        Fault::Storage(refusal) => (refusal.code(verb), format!("{refusal}.")),
    };
    Reply::line(code, format!("{cause} {}", left(failure.left, verb)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::event::Count;

    #[test]
    fn commands_that_make_a_name_use_553() {
        let path = VPath::new("/a").unwrap();
        assert_eq!(Refusal::NotFound.reply(Verb::Retr, &path).code(), Code::FILE_UNAVAILABLE);
        assert_eq!(Refusal::NotFound.reply(Verb::Stor, &path).code(), Code::NAME_NOT_ALLOWED);
        assert_eq!(Refusal::NotFound.reply(Verb::Retr, &path).text(), b"/a: no such file or directory.");
    }

    #[test]
    fn what_exists_already_is_told_in_the_words_that_clients_look_for() {
        let path = VPath::new("/a").unwrap();
        let text = |verb| Refusal::Exists.reply(verb, &path).text().to_vec();
        assert_eq!(text(Verb::Mkd), b"/a: file or directory already exists.");
        assert_eq!(text(Verb::Rnto), b"/a: file already exists.");
    }

    #[test]
    fn a_blocked_range_is_named_with_its_remedy() {
        let fault = DataFault::NobodyCame { port: 40_123, waited: Duration::from_secs(20), stranger: None };
        let text = |suspect| {
            let client = "198.51.100.2".parse().unwrap();
            let reply = no_data_connection((&fault, suspect), Verb::Stor, client, "40000-50000");
            String::from_utf8_lossy(reply.text()).into_owned()
        };
        assert_eq!(
            text(Suspect::Unknown),
            "No data connection on port 40123 within 20 s from 198.51.100.2: a firewall probably blocks TCP \
             40000-50000. Nothing was written."
        );
        assert!(text(Suspect::Client).contains("a firewall on your side"));
        assert!(
            text(Suspect::Server).contains("this server's firewall or port forward lacks TCP 40000-50000")
        );
        assert!(text(Suspect::Ports(45_000, 50_000)).contains("ports 45000-50000 never work and others do"));
    }

    #[test]
    fn a_partial_file_is_never_kept_in_silence() {
        for (left, told) in [
            (Left::Partial(7), "first 7 octets are kept"),
            (Left::Kept(7), "resume with REST 7 and STOR"),
            (Left::Overwritten { size: 20, end: 7 }, "resume with REST 7 and STOR"),
        ] {
            let reply = failed(
                &Failure { fault: Fault::Truncated, left, count: Count { file: 7, wire: 7 } },
                Verb::Stor,
            );
            assert_eq!(reply.code(), Code::TRANSFER_ABORTED);
            assert!(String::from_utf8_lossy(reply.text()).contains(told));
        }
    }
}
