//! A driver that answers a session as chance says, and counts: shared by the test and the fuzz target.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a failure is the test's failure"
)]
#![allow(unreachable_pub, reason = "shared by two crates")]

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arbitrary::{Arbitrary, Unstructured};
use ftp_proto::command::Command;
use ftp_proto::grammar::Encode;
use ftp_proto::reply::Class;
use ftp_proto::session::*;
use ftp_proto::value::facts::{Facts, Kind};
use ftp_proto::value::path::VPath;
use ftp_proto::value::text::{Password, Text};

const SECRET: &str = "tell-no-one";

/// Octets of replies that one event, or one line that waited, may yield.
const REPLIES_MAX: usize = 16 << 10;

/// Lines that are answered alike before and after login, and by no other line's reply.
const MARKS: [(&[u8], &str); 3] =
    [(b"NOOP", "Nothing done."), (b"SYST", "UNIX Type: L8"), (b"CLNT", "Noted.")];
/// The reply to an overlong line.
const OVERLONG: &str = "Line too long; it was not read.";

/// What the driver still owes the session.
#[derive(Debug, Default, PartialEq)]
enum Owed {
    #[default]
    Nothing,
    Secured,
    Unsecured,
    Authenticated,
    Stored,
    Listening,
    DataUp,
    Ended,
}

/// A driver that answers as `choices` say, and counts.
struct Driver {
    session: Session,
    now: Instant,
    owed: Owed,
    commands: usize,
    finals: usize,
    /// Replies that only one line can have, of the lines that were sent and not answered yet.
    marks: VecDeque<&'static str>,
    logged_in: bool,
    over: bool,
}

impl Driver {
    fn new(seed: u8) -> Self {
        let plain = if seed & 1 == 0 { Plain::Allow } else { Plain::Refuse };
        let entrance = if seed & 2 == 0 { Entrance::Explicit } else { Entrance::Implicit };
        let data_protection = if seed & 4 == 0 { DataProtection::Optional } else { DataProtection::Required };
        let clear_control = if seed & 8 == 0 { Switch::On } else { Switch::Off };
        let policy = Policy::default()
            .plain(plain)
            .data_protection(data_protection)
            .clear_control(clear_control)
            .errors(1_000_000);
        let ends = Endpoints {
            local: "192.0.2.1:21".parse().unwrap(),
            peer: "192.0.2.7:4000".parse().unwrap(),
            entrance,
        };
        let now = Instant::now();
        let session = Session::new(Arc::new(policy), ends, now);
        Self {
            session,
            now,
            owed: Owed::Nothing,
            commands: 1,
            finals: 0,
            marks: VecDeque::new(),
            logged_in: false,
            over: false,
        }
    }

    fn handle(&mut self, event: Event<'_>) {
        self.session.handle(self.now, event);
        self.settle();
    }

    /// Lets lines that waited run, as a driver does whose client reads.
    fn resume(&mut self) {
        while self.session.resume(self.now) == Resumed::Ran {
            self.settle();
        }
    }

    fn settle(&mut self) {
        let (mut actions, mut octets) = (0, 0);
        while let Some(action) = self.session.poll_action() {
            actions += 1;
            assert!(actions < 100, "one event gave {actions} actions");
            if let Action::Reply(reply) = &action {
                octets += reply.to_bytes().len();
                assert!(octets < REPLIES_MAX, "one event gave {octets} octets of replies");
            }
            self.act(action);
        }
        let printed = format!("{:?}", self.session);
        assert!(!printed.contains(SECRET), "the session prints a password");
    }

    /// Replies come in the order of their lines, and none before the transfer in front of it has ended.
    fn in_order(&mut self, reply: &ftp_proto::reply::Reply) {
        let text = reply.text();
        if text == OVERLONG.as_bytes() || MARKS.iter().any(|(_, mark)| text == mark.as_bytes()) {
            let due = self.marks.pop_front().map(str::as_bytes);
            assert_eq!(due, Some(text), "a reply before its turn");
            assert!(!self.session.needs_client(), "a reply in the midst of a transfer");
        }
    }

    fn owe(&mut self, owed: Owed) {
        assert_eq!(self.owed, Owed::Nothing, "{owed:?} is asked for while {:?} is owed", self.owed);
        self.owed = owed;
    }

    fn act(&mut self, action: Action) {
        assert!(!self.over, "{action:?} after Close");
        assert!(!format!("{action:?}").contains(SECRET), "{action:?} prints a password");
        match action {
            Action::Reply(reply) => {
                let line = reply.to_bytes();
                assert!(line.ends_with(b"\r\n"));
                self.in_order(&reply);
                if reply.code().class() != Class::Preliminary {
                    self.finals += 1;
                }
            }
            Action::Secure => self.owe(Owed::Secured),
            Action::Unsecure => self.owe(Owed::Unsecured),
            Action::Authenticate(_) => self.owe(Owed::Authenticated),
            Action::Store(_) => {
                assert!(self.logged_in, "the storage is asked before login");
                self.owe(Owed::Stored);
            }
            Action::Listen => {
                assert!(self.logged_in, "a port is opened before login");
                self.owe(Owed::Listening);
            }
            Action::Accept(_) | Action::Dial(..) => self.owe(Owed::DataUp),
            Action::Send(_) | Action::Receive(_) => self.owe(Owed::Ended),
            // A question is forgotten, a transfer still ends.
            Action::Abort if self.owed == Owed::Stored => self.owed = Owed::Nothing,
            Action::Abort => assert_eq!(self.owed, Owed::Ended),
            Action::LogOut => self.logged_in = false,
            Action::DropData | Action::RetireData => {
                assert_ne!(self.owed, Owed::Ended, "data dropped under a transfer that moves");
                if self.owed == Owed::DataUp {
                    self.owed = Owed::Nothing;
                }
            }
            Action::Notice(_) => {}
            Action::Close => {
                assert!(!self.logged_in, "an account outlives its session");
                self.over = true;
            }
        }
    }

    fn answer(&mut self, choice: u8) {
        let good = choice & 3 != 0;
        let event = match std::mem::take(&mut self.owed) {
            Owed::Nothing => return,
            Owed::Secured => Event::Secured(TlsFacts::default()),
            Owed::Unsecured => Event::Unsecured,
            Owed::Authenticated if good => {
                self.logged_in = true;
                let login = Login::new(Rights::ALL, VPath::root(), Abilities::ALL);
                Event::Authenticated(Ok(login))
            }
            Owed::Authenticated => Event::Authenticated(Err(Denied::Credentials)),
            Owed::Stored if good => Event::Stored(Ok(match choice >> 2 & 3 {
                0 => Answer::Done,
                1 => Answer::Facts(Facts::new(Kind::File, 1)),
                2 => Answer::Opened(1),
                _ => Answer::Digest("00".into(), (0, 0)),
            })),
            Owed::Stored => Event::Stored(Err(Refusal::NotFound)),
            Owed::Listening if good => Event::Listening("192.0.2.1:40000".parse().unwrap()),
            Owed::Listening => Event::NoPort,
            Owed::DataUp if good => Event::DataUp,
            Owed::DataUp => Event::DataFailed(DataFault::Lost, Suspect::Unknown),
            Owed::Ended if good => Event::Ended(Ok(Count::default())),
            Owed::Ended => {
                let fault = Fault::Broken(Text::from("reset"));
                Event::Ended(Err(Failure::new(fault, Left::Nothing, Count::default())))
            }
        };
        self.handle(event);
    }

    fn line(&mut self, command: &Command) {
        self.resume();
        if self.session.wants_command() && !self.over {
            // ABOR in a transfer has two final replies: its own and that of the transfer it ends.
            self.commands += 1;
            let line = command.to_bytes();
            let line = line.strip_suffix(b"\r\n").unwrap();
            let word = line.split(|octet| *octet == b' ').next().unwrap();
            self.marks.extend(MARKS.iter().find(|(mark, _)| *mark == word).map(|(_, reply)| *reply));
            self.handle(Event::Line(line));
        }
    }

    fn overlong(&mut self) {
        self.resume();
        if self.session.wants_command() && !self.over {
            self.commands += 1;
            self.marks.push_back(OVERLONG);
            self.handle(Event::Overlong);
        }
    }
}

/// A command, with those that lead somewhere more often than chance would have it.
fn command(u: &mut Unstructured<'_>) -> arbitrary::Result<Command> {
    let frequent: [&[u8]; 16] = [
        b"SYST",
        b"CLNT promises",
        b"STAT f",
        b"HASH f",
        b"USER u",
        b"EPSV",
        b"PASV",
        b"RETR f",
        b"STOR f",
        b"LIST",
        b"ABOR",
        b"NOOP",
        b"AUTH TLS",
        b"PBSZ 0",
        b"PROT P",
        b"PORT 192,0,2,7,200,1",
    ];
    match u.int_in_range(0..=15u8)? {
        0 | 1 => Ok(Command::Pass(Password::new(SECRET).unwrap())),
        2 => Command::arbitrary(u),
        _ => Ok(Command::parse(u.choose(&frequent)?).unwrap()),
    }
}

/// Plays a dialogue that `seed` chooses.
///
/// # Panics
/// If the session breaks a promise.
pub fn keep_promises(seed: &[u8]) {
    let mut u = Unstructured::new(seed);
    let mut driver = Driver::new(u.arbitrary().unwrap_or(0));
    driver.handle(Event::Deadline); // not due: it does nothing but drain the greeting
    while !u.is_empty() && !driver.over {
        match u.arbitrary::<u8>().unwrap_or(0) {
            0..=120 => {
                if let Ok(command) = command(&mut u) {
                    driver.line(&command);
                }
            }
            121..=240 => {
                let choice = u.arbitrary().unwrap_or(1);
                driver.answer(choice);
            }
            241..=245 => driver.resume(),
            246..=250 => driver.now += Duration::from_secs(1),
            251 => driver.overlong(),
            // Events that nothing asked for are passed over.
            252 if driver.owed != Owed::Stored => driver.handle(Event::Stored(Ok(Answer::Done))),
            253 if driver.owed != Owed::DataUp => driver.handle(Event::DataUp),
            254 if driver.owed != Owed::Ended => driver.handle(Event::Ended(Ok(Count::default()))),
            _ => {}
        }
    }
    // Everything that is owed comes in, until the session waits for commands.
    for _ in 0..200 {
        driver.answer(5);
        driver.resume();
    }
    assert!(driver.over || driver.session.wants_command(), "stuck: {:?}", driver.session);
    if !driver.over {
        assert_eq!(driver.finals, driver.commands, "final replies and commands: {:?}", driver.session);
    }
    driver.handle(Event::Gone);
    for _ in 0..5 {
        driver.answer(5);
    }
    assert!(driver.over, "a lost client leaves a session: {:?}", driver.session);
}
