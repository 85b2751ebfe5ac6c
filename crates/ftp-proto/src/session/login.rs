//! Who is at the other end: USER, PASS, ACCT, REIN, HOST, QUIT (RFC 959 §4.1.1, RFC 7151).

use std::net::IpAddr;

use crate::command::Command;
use crate::reply::Code;
use crate::session::action::{Action, Credentials, Ending, Notice};
use crate::session::event::{Denied, Login};
use crate::session::policy::{Plain, Switch};
use crate::session::state::work::Work;
use crate::session::state::{Core, Entrance, LoggedIn, Session, Settings, Stage, Visitor};
use crate::value::text::{Password, Text, Username, Word};

/// Words that open other protocols: a browser or a mail client was led here (ALPACA, cross-protocol requests).
const FOREIGN: [&[u8]; 9] =
    [b"GET", b"POST", b"PUT", b"HEAD", b"OPTIONS", b"CONNECT", b"DELETE", b"EHLO", b"HELO"];

/// Whether a line opens another protocol.
pub(super) fn is_foreign(line: &[u8]) -> bool {
    let word = line.split(|octet| *octet == b' ').next().unwrap_or_default();
    FOREIGN.iter().any(|foreign| word.eq_ignore_ascii_case(foreign))
}

impl Session {
    /// Refuses USER and PASS in clear where they are not taken.
    fn refuses_clear(&mut self) -> bool {
        let refused = !self.core.secure.is_protected() && self.core.policy.plain == Plain::Refuse;
        if refused {
            self.core.reply(
                Code::NOT_LOGGED_IN,
                "This server takes logins over TLS only: send AUTH TLS first (explicit FTPS), or use an implicit FTPS port.",
            );
        }
        refused
    }

    /// `USER`: begins a login; a login that was complete is over, but its transfer parameters stay
    /// (RFC 959 §4.1.1).
    pub(super) fn user(&mut self, user: Username) {
        if self.refuses_clear() {
            return;
        }
        if let Stage::LoggedIn(me) = &mut self.stage {
            self.core.kept = std::mem::take(&mut me.settings).without_restart();
        }
        self.log_out();
        self.core.say(Code::NEED_PASSWORD, "Password, please.");
        self.stage = Stage::Visitor(Visitor { user: Some(user) });
    }

    /// `PASS`: completes a login.
    pub(super) fn pass(&mut self, password: Password) {
        if self.refuses_clear() {
            return;
        }
        match &mut self.stage {
            Stage::Visitor(visitor) => {
                let Some(user) = visitor.user.take() else {
                    return self.core.reply(Code::BAD_SEQUENCE, "Send USER first.");
                };
                let tls = self.core.secure.facts_now().cloned();
                let host = self.core.chosen_host();
                self.core.push(Action::Authenticate(Credentials { host, user: user.clone(), password, tls }));
                self.stage = Stage::Authenticating(user);
            }
            _ => self.core.reply(Code::BAD_SEQUENCE, "You are logged in already; send USER to change."),
        }
    }

    /// `ACCT`: understood, and never needed.
    pub(super) fn acct(&mut self) {
        match &self.stage {
            Stage::LoggedIn(_) => self.core.reply(Code::SUPERFLUOUS, "No account is needed here."),
            _ => self.core.reply(Code::BAD_SEQUENCE, "Log in with USER and PASS; no account is needed."),
        }
    }

    pub(super) fn authenticated(&mut self, result: Result<Login, Denied>) {
        let Stage::Authenticating(user) = &self.stage else { return };
        let user = user.clone();
        self.core.since = self.core.now;
        match result {
            Ok(login) => {
                let welcome = login.welcome.clone().unwrap_or_else(|| Text::from("Logged in."));
                self.core.say(Code::LOGGED_IN, welcome);
                self.core.notice(Notice::LoggedIn(user.clone()));
                let settings = std::mem::take(&mut self.core.kept);
                self.stage = Stage::LoggedIn(Box::new(LoggedIn::new(user, login, settings)));
            }
            Err(denied) => {
                self.failures += 1;
                self.stage = Stage::Visitor(Visitor::default());
                self.core.notice(Notice::LoginFailed(user, denied.clone()));
                self.deny(&denied);
            }
        }
    }

    fn deny(&mut self, denied: &Denied) {
        let (code, text) = match denied {
            Denied::Credentials => (Code::NOT_LOGGED_IN, "User name or password is wrong."),
            Denied::TlsOnly => {
                (Code::NOT_LOGGED_IN, "This account takes logins over TLS only: send AUTH TLS first.")
            }
            Denied::NoFolder(_) => (
                Code::NOT_LOGGED_IN,
                "Your folder on this server is gone, or cannot be opened now; tell the operator.",
            ),
            Denied::TooMany => (Code::UNAVAILABLE, "Too many sessions; close one or try again later."),
            Denied::Unavailable => {
                (Code::UNAVAILABLE, "Accounts cannot be checked right now; try again later.")
            }
        };
        if code == Code::UNAVAILABLE {
            self.core.reply(code, text);
            self.end(Ending::Unavailable);
        } else if self.failures >= self.core.policy.attempts {
            self.core.reply(Code::UNAVAILABLE, "Too many failed logins; closing.");
            self.end(Ending::Attempts);
        } else {
            self.core.reply(code, text);
        }
    }

    /// `REIN`: everything back to the start. Explicit TLS ends with it (RFC 4217 §13); implicit TLS has no other
    /// state to go back to.
    pub(super) fn rein(&mut self) {
        self.start_anew();
        self.core.reply(Code::READY, "Logged out; ready for a new user.");
        if self.core.secure.ends_with_rein(self.core.ends.entrance) {
            self.core.push(Action::Unsecure);
            self.stage = Stage::Unsecuring;
        } else if !self.core.secure.is_protected() {
            // Behind CCC there is nothing to close any more, and the client goes on as at the explicit entrance.
            self.core.secure.clear();
            self.core.ends.entrance = Entrance::Explicit;
        }
    }

    /// REIN and AUTH: nothing of what went before counts.
    pub(super) fn start_anew(&mut self) {
        self.log_out();
        self.core.kept = Settings::default();
        self.core.host = None;
    }

    /// Forgets the login and all that belongs to it.
    pub(super) fn log_out(&mut self) {
        if matches!(self.stage, Stage::LoggedIn(_)) {
            self.core.push(Action::DropData);
            self.core.push(Action::LogOut);
            self.core.visiting = self.core.now;
        }
        self.stage = Stage::Visitor(Visitor::default());
    }

    /// `QUIT`
    pub(super) fn quit(&mut self) {
        if self.core.draining == Switch::On {
            self.core.reply(Code::UNAVAILABLE, "The server is stopping; come back later.");
            return self.end(Ending::Drain);
        }
        self.core.reply(Code::CLOSING, "Goodbye.");
        self.end(Ending::Quit);
    }

    /// `HOST`: chooses a virtual host before login (RFC 7151 §3).
    pub(super) fn host(&mut self, host: &Word) {
        if self.core.policy.hosts.is_empty() {
            return self.core.reply(Code::NOT_IMPLEMENTED, "There is one host here; HOST is not needed.");
        }
        if !matches!(self.stage, Stage::Visitor(_)) {
            return self.core.reply(Code::BAD_SEQUENCE, "HOST goes before USER.");
        }
        self.stage = Stage::Visitor(Visitor::default());
        let name = host.as_str().to_ascii_lowercase();
        let Some(named) = HostName::parse(&name) else {
            return self.core.reply(
                Code::BAD_ARGUMENT,
                "HOST expects a host name, an IPv4 address or [an IPv6 address], without port.",
            );
        };
        let indicated = self.core.secure.facts().and_then(|facts| facts.server_name.clone());
        let known = match named {
            HostName::Address(address) => address == self.core.ends.local.ip(),
            HostName::Name => self.core.policy.hosts.contains(&name),
        };
        if !known || indicated.is_some_and(|indicated| !indicated.eq_ignore_ascii_case(&name)) {
            return self.core.reply(Code::BAD_PARAMETER, "That host is not served here.");
        }
        self.core.host = Some(name);
        self.greet();
    }

    /// Ends a session that speaks another protocol.
    pub(super) fn foreign(&mut self) {
        self.core.reply(Code::UNAVAILABLE, "This is an FTP server; closing.");
        self.end(Ending::Nonsense(Text::from("another protocol")));
    }

    pub(super) fn unsecured(&mut self) {
        match &mut self.stage {
            Stage::Unsecuring => {
                self.core.secure.clear();
                self.stage = Stage::Visitor(Visitor::default());
            }
            Stage::LoggedIn(me) if matches!(me.work, Work::Clearing) => me.work = Work::Idle,
            _ => {}
        }
    }
}

impl Core {
    /// The virtual host: what HOST named, or else TLS, if it is one of this server's.
    fn chosen_host(&self) -> Option<String> {
        let indicated = || self.secure.facts()?.server_name.as_ref().map(|name| name.to_ascii_lowercase());
        self.host.clone().or_else(|| indicated().filter(|name| self.policy.hosts.contains(name)))
    }
}

/// The argument of HOST.
///
/// ```abnf
/// host = hostname / IPv4address / ("[" IPv6address "]")     ; RFC 7151 §3.1
/// ```
enum HostName {
    Name,
    Address(IpAddr),
}

impl HostName {
    fn parse(name: &str) -> Option<Self> {
        if let Some(inner) = name.strip_prefix('[') {
            let address = inner.strip_suffix(']')?.parse().ok()?;
            return Some(Self::Address(IpAddr::V6(address)));
        }
        if let Ok(address) = name.parse() {
            return Some(Self::Address(IpAddr::V4(address)));
        }
        let label = |label: &str| {
            !label.is_empty()
                && label.len() <= 63
                && !label.starts_with('-')
                && !label.ends_with('-')
                && label.bytes().all(|octet| octet.is_ascii_alphanumeric() || octet == b'-')
        };
        name.split('.').all(label).then_some(Self::Name)
    }
}

/// What a visitor may send is answered elsewhere; the rest is refused: 503 for RNTO, which RFC 959 §5.4 gives no 530.
pub(super) fn refuse_visitor(core: &mut Core, command: &Command) {
    match command {
        Command::Rnto(_) => core.log_in_first(Code::BAD_SEQUENCE),
        _ => core.log_in_first(Code::NOT_LOGGED_IN),
    }
}
