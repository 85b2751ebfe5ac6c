//! Dialogues without sockets, one a file in `tests/session`.
//!
//! `C` is a line of the client, `S` the start of a reply, `>` the start of an action (as `Debug` prints it), `<` an
//! event, `#` a remark. Notices need not be written. Whatever the session does has to stand in the trace, in order.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a failure is the test's failure"
)]

use std::sync::Arc;
use std::time::{Duration, Instant};

use ftp_proto::grammar::{Argument, Encode};
use ftp_proto::session::*;
use ftp_proto::value::facts::{Entry, FactChange, Facts, Kind};
use ftp_proto::value::path::VPath;
use ftp_proto::value::text::Text;
use ftp_proto::value::time::TimeVal;

/// A session, its clock and what it has done and the trace has not named yet.
struct Play {
    session: Session,
    now: Instant,
    place: String,
}

fn words(line: &str) -> (&str, &str) {
    line.split_once(' ').unwrap_or((line, ""))
}

fn number(text: &str) -> u64 {
    text.parse().unwrap_or_else(|_| panic!("{text:?} is no number"))
}

fn refusal(name: &str) -> Refusal {
    match name {
        "NotFound" => Refusal::NotFound,
        "IsADirectory" => Refusal::IsADirectory,
        "NotADirectory" => Refusal::NotADirectory,
        "Denied" => Refusal::Denied,
        "BeyondEnd" => Refusal::BeyondEnd,
        "BeyondKept" => Refusal::BeyondKept(14),
        "KeptBeside" => Refusal::KeptBeside(14),
        "OverQuota" => Refusal::OverQuota,
        other => panic!("{other}: unknown refusal"),
    }
}

fn change(name: &str, rest: &str) -> FactChange {
    match name {
        "time" => FactChange::Modify(TimeVal::parse(rest.as_bytes()).unwrap()),
        _ => FactChange::UnixMode(u16::from_str_radix(rest, 8).unwrap()),
    }
}

fn failure(rest: &str) -> Failure {
    let (fault, left) = words(rest);
    let (left, octets) = words(left);
    let octets = if octets.is_empty() { 0 } else { number(octets) };
    let fault = match fault {
        "aborted" => Fault::Aborted,
        "reset" => Fault::Broken(Text::from("connection reset by peer")),
        "handshake" => Fault::Handshake(Text::from("no cipher suite in common")),
        "truncated" => Fault::Truncated,
        "stalled" => Fault::Stalled(Duration::from_secs(60)),
        "quota" => Fault::Storage(Refusal::OverQuota),
        other => panic!("{other}: unknown fault"),
    };
    let left = match left {
        "nothing" => Left::Nothing,
        "partial" => Left::Partial(octets),
        other => panic!("{other}: unknown remainder"),
    };
    Failure::new(fault, left, Count { file: octets, wire: octets })
}

impl Play {
    fn new(options: &str) -> Self {
        let has = |option: &str| options.split(' ').any(|word| word == option);
        let mut policy = Policy::default().greeting("Ready.");
        if has("plain") {
            policy = policy.plain(Plain::Allow);
        }
        if has("optional") {
            policy = policy.data_protection(DataProtection::Optional);
        }
        if has("ccc") {
            policy = policy.clear_control(Switch::On);
        }
        if has("hosts") {
            policy = policy.hosts(["a.example".to_owned(), "b.example".to_owned()]);
        }
        let v6 = has("ipv6");
        let ends = Endpoints {
            local: if has("zone") {
                "[fe80::1%3]:21"
            } else if v6 {
                "[2001:db8::1]:21"
            } else {
                "192.0.2.1:21"
            }
            .parse()
            .unwrap(),
            peer: if has("zone") {
                "[fe80::7%3]:4000"
            } else if v6 {
                "[2001:db8::7]:4000"
            } else {
                "192.0.2.7:4000"
            }
            .parse()
            .unwrap(),
            entrance: if has("implicit") { Entrance::Implicit } else { Entrance::Explicit },
        };
        let now = Instant::now();
        Self { session: Session::new(Arc::new(policy), ends, now), now, place: String::new() }
    }

    fn event(&mut self, text: &str) {
        let (name, rest) = words(text);
        let event = match name {
            "secured" => Event::Secured(
                TlsFacts::new("TLSv1.3", "").server_name((!rest.is_empty()).then(|| rest.to_owned())),
            ),
            "unsecured" => Event::Unsecured,
            "login" | "limited" => {
                let (letters, home) = words(rest);
                let (rights, home) = (Rights::parse(letters).unwrap(), VPath::new(home).unwrap());
                let file_max = (name == "limited").then_some(1000);
                Event::Authenticated(Ok(Login::new(rights, home, Abilities::ALL).file_max(file_max)))
            }
            "denied" => Event::Authenticated(Err(Denied::Credentials)),
            "done" => Event::Stored(Ok(Answer::Done)),
            "opened" => Event::Stored(Ok(Answer::Opened(number(rest)))),
            "writable" => Event::Stored(Ok(Answer::Writable(VPath::new(rest).unwrap()))),
            "file" => Event::Stored(Ok(Answer::Facts(Facts::new(Kind::File, number(rest))))),
            "dir" => Event::Stored(Ok(Answer::Facts(Facts::new(Kind::Dir, 4096)))),
            "time" | "mode" => Event::Stored(Ok(Answer::Set(change(name, rest)))),
            "digest" => Event::Stored(Ok(Answer::Digest(rest.to_owned(), (0, 9)))),
            "free" => Event::Stored(Ok(Answer::Free(number(rest)))),
            "entry" => {
                let entry = Entry { name: rest.as_bytes().to_vec(), facts: Facts::new(Kind::File, 1) };
                let path = VPath::new(rest).unwrap();
                // 2012-01-01: old enough for the year.
                let now = TimeVal::from_unix(1_325_376_000);
                Event::Stored(Ok(Answer::Shown(Shown::new(path, Kind::File, vec![entry], now))))
            }
            "listed" => Event::Stored(Ok(Answer::Listed(VPath::new(rest).unwrap()))),
            "entries" => {
                let shown =
                    Shown::new(VPath::new(rest).unwrap(), Kind::Dir, Vec::new(), TimeVal::from_unix(0));
                Event::Stored(Ok(Answer::Shown(shown)))
            }
            "refused" => Event::Stored(Err(refusal(rest))),
            "listening" => Event::Listening(rest.parse().unwrap()),
            "no-port" => Event::NoPort,
            "no-socket" => Event::NoSocket(Text::from("Too many open files")),
            "up" => Event::DataUp,
            "nobody" => Event::DataFailed(
                DataFault::NobodyCame {
                    port: u16::try_from(number(rest)).unwrap(),
                    waited: Duration::from_secs(20),
                    stranger: None,
                },
                Suspect::Unknown,
            ),
            "contested" => Event::Contested(rest.parse().unwrap()),
            "ended" => Event::Ended(Ok(Count { file: number(rest), wire: number(rest) })),
            "failed" => Event::Ended(Err(failure(rest))),
            "after" => {
                self.now += Duration::from_secs(number(rest));
                Event::Deadline
            }
            "overlong" => Event::Overlong,
            "drain" => Event::Drain,
            "gone" => Event::Gone,
            other => panic!("{}: {other}: unknown event", self.place),
        };
        self.quiet();
        self.session.handle(self.now, event);
    }

    /// The next action that is no notice; lines that waited run when nothing else is left to do.
    fn next(&mut self) -> Option<String> {
        loop {
            let Some(action) = self.session.poll_action() else {
                match self.session.resume(self.now) {
                    Resumed::Ran => continue,
                    Resumed::Nothing => return None,
                }
            };
            match &action {
                Action::Notice(_) => {}
                Action::Reply(reply) => {
                    return Some(format!("S {}", String::from_utf8_lossy(&reply.to_bytes())));
                }
                other => return Some(format!("> {other:?}")),
            }
        }
    }

    /// Everything that was done has been named.
    fn quiet(&mut self) {
        if let Some(action) = self.next() {
            panic!("{}: the trace does not name {action}", self.place);
        }
    }

    fn line(&mut self, line: &str) {
        match line.split_at(line.len().min(2)) {
            ("C ", text) => {
                self.quiet();
                assert!(self.session.wants_command(), "{}: the session takes no line now", self.place);
                self.session.handle(self.now, Event::Line(text.as_bytes()));
            }
            ("< ", text) => self.event(text),
            ("S " | "> ", _) => {
                let action = self.next().unwrap_or_else(|| panic!("{}: nothing was done", self.place));
                let lines: Vec<&str> = action.trim_end().split("\r\n").collect();
                let shown = if line.starts_with("S ") { lines.join(" / ") } else { action.clone() };
                assert!(shown.starts_with(line), "{}: {shown}", self.place);
            }
            _ => panic!("{}: not a line of a trace", self.place),
        }
    }
}

/// A time that the clock cannot tell is never over, and stops nobody.
#[test]
fn times_without_end() {
    let ends = Endpoints {
        local: "192.0.2.1:21".parse().unwrap(),
        peer: "192.0.2.7:4000".parse().unwrap(),
        entrance: Entrance::Explicit,
    };
    let (now, for_ever) = (Instant::now(), Duration::MAX);
    for (idle, login, due) in [
        (for_ever, for_ever, None),
        (for_ever, Duration::from_secs(7), Some(7)),
        (Duration::from_secs(9), for_ever, Some(9)),
    ] {
        let policy = Policy::default().plain(Plain::Allow).idle(idle).login_time(login);
        let mut session = Session::new(Arc::new(policy), ends, now);
        assert_eq!(session.deadline(), due.map(|due| now + Duration::from_secs(due)));
        session.handle(now, Event::Line(b"USER me"));
        session.handle(now, Event::Line(b"PASS x"));
        session.handle(now, Event::Authenticated(Ok(Login::new(Rights::ALL, VPath::root(), Abilities::ALL))));
        let idles = (idle != for_ever).then(|| now + idle);
        assert_eq!(session.deadline(), idles);
    }
}

#[test]
fn traces() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/session");
    let mut count = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let mut play = None;
        for (number, line) in std::fs::read_to_string(&path).unwrap().lines().enumerate() {
            if let Some(options) = line.strip_prefix("== ") {
                if let Some(mut play) = play.replace(Play::new(options)) {
                    play.quiet();
                }
            } else if !line.is_empty() && !line.starts_with('#') {
                let play = play.get_or_insert_with(|| Play::new(""));
                play.place =
                    format!("{}:{}: {line}", path.file_name().unwrap().to_string_lossy(), number + 1);
                play.line(line);
                count += 1;
            }
        }
        play.unwrap().quiet();
    }
    assert!(count > 200, "only {count} lines of trace");
}
