//! What is done with each answer of the storage: the reply, the notice, the next question.
//!
//! Not here: what is asked, which stands with the commands; what a refusal says (`refusal.rs`); what a transfer makes of
//! its answer (`transfer.rs`).

use crate::grammar::Encode;
use crate::listing::{mlsx, unix};
use crate::reply::payload::HashReply;
use crate::reply::{Code, Reply, payload};
use crate::session::action::{Action, Notice, Request};
use crate::session::event::{Answer, Refusal, Shown};
use crate::session::settings;
use crate::session::state::work::{Ask, Then, Work};
use crate::session::state::{Core, LoggedIn};
use crate::value::facts::{Entry, FactChange, Facts, Kind};
use crate::value::path::VPath;
use crate::value::text::Text;
use crate::value::time::TimeVal;
use crate::verb::Verb;

impl LoggedIn {
    /// The storage has answered.
    pub(super) fn stored(&mut self, core: &mut Core, answer: Result<Answer, Refusal>) {
        core.since = core.now;
        match std::mem::replace(&mut self.work, Work::Idle) {
            Work::Asking(ask) => match answer {
                Ok(answer) => self.answered(core, ask, answer),
                // What nobody knows is in nobody's way.
                Err(_) if matches!(ask.then, Then::Fits(_)) => core.push(Action::Reply(settings::fits())),
                Err(refusal) => core.push(Action::Reply(refusal.reply(ask.verb, &ask.path))),
            },
            Work::Transfer(transfer) if transfer.is_checking() => self.checked(core, transfer, answer),
            other => self.work = other,
        }
    }

    fn answered(&mut self, core: &mut Core, Ask { verb, path, then }: Ask, answer: Answer) {
        let reply = match (then, answer) {
            (Then::Reply, answer) => self.plainly_answered(core, verb, path, answer),
            (Then::Renamed(from), _) => {
                core.notice(Notice::Changed { verb, path: from, to: Some(path) });
                Reply::new(Code::ACTION_DONE, "Renamed.")
            }
            (Then::Hash(algorithm, name), Answer::Digest(digest, range)) => {
                HashReply { algorithm: algorithm.as_str().to_owned(), range, digest, name }.reply()
            }
            (Then::Digest, Answer::Digest(digest, _)) => Reply::line(Code::ACTION_DONE, digest),
            (Then::Set { left, mut echo, name }, Answer::Set(change)) => {
                change.encode(&mut echo);
                return self.fact_set(core, (verb, path), left, (echo, name));
            }
            (Then::Fits(size), Answer::Free(free)) if free < size => Reply::line(
                Code::NO_SPACE,
                format!("{free} octets are free in {path}, and {size} are announced."),
            ),
            (Then::Fits(_), _) => settings::fits(),
            (Then::Hash(..) | Then::Digest | Then::Set { .. }, _) => Refusal::Unsupported.reply(verb, &path),
        };
        core.push(Action::Reply(reply));
    }

    /// The reply to a command that carried nothing more than its path.
    fn plainly_answered(&mut self, core: &mut Core, verb: Verb, path: VPath, answer: Answer) -> Reply {
        match (verb, answer) {
            (Verb::Cwd | Verb::Cdup, _) => {
                let text = format!("{path} is the working directory.");
                self.cwd = path;
                Reply::line(Code::ACTION_DONE, text)
            }
            (Verb::Mkd, _) => {
                let reply = payload::pathname(&path, "was made.");
                core.notice(Notice::Changed { verb, path, to: None });
                reply
            }
            (Verb::Rmd | Verb::Dele, _) => {
                core.notice(Notice::Changed { verb, path, to: None });
                Reply::new(Code::ACTION_DONE, "Removed.")
            }
            (Verb::Rnfr, _) => {
                self.rename_from = Some(path);
                Reply::new(Code::PENDING, "Send RNTO with the new name.")
            }
            (Verb::Size, Answer::Facts(facts)) if facts.is_dir() => Refusal::IsADirectory.reply(verb, &path),
            (Verb::Size, Answer::Facts(facts)) if facts.kind != Kind::File => {
                Refusal::NotAFile.reply(verb, &path)
            }
            (Verb::Size, Answer::Facts(facts)) => payload::size(facts.size),
            (Verb::Mdtm, Answer::Facts(facts)) => {
                payload::time(facts.modify.unwrap_or(TimeVal::from_unix(0)))
            }
            (Verb::Mlst, Answer::Facts(facts)) => self.mlst_reply(&path, facts),
            (Verb::Stat, Answer::Shown(shown)) => stat_reply(&shown),
            (Verb::Avbl, Answer::Free(octets)) => payload::size(octets),
            (verb, _) => Refusal::Unsupported.reply(verb, &path),
        }
    }

    /// One fact is set; the next one, or the reply, which tells what is set (draft-somers-ftp-mfxx §3).
    fn fact_set(
        &mut self,
        core: &mut Core,
        (verb, path): (Verb, VPath),
        mut left: Vec<FactChange>,
        (mut echo, name): (Vec<u8>, Vec<u8>),
    ) {
        if let Some(next) = left.pop() {
            let ask = Ask { verb, path, then: Then::Set { left, echo, name } };
            return self.ask(core, ask, |path| Request::Change(path, next));
        }
        core.notice(Notice::Changed { verb, path, to: None });
        echo.push(b' ');
        echo.extend_from_slice(&name);
        let code = if verb == Verb::Site { Code::OK } else { Code::FILE_STATUS };
        core.push(Action::Reply(Reply::line(code, Text::clean(echo))));
    }

    /// 250 with the facts in front of the full path.
    fn mlst_reply(&self, path: &VPath, facts: Facts) -> Reply {
        let mut line = Vec::new();
        let entry = Entry { name: path.as_bytes().to_vec(), facts };
        mlsx::write_entry(&entry, self.settings.facts, &mut line);
        Reply::lines(Code::ACTION_DONE, "Facts:", vec![Text::clean(line)], "End")
    }
}

/// 212 or 213 with the entries in the form of LIST (RFC 959 §4.1.3).
fn stat_reply(Shown { path, kind, entries, now }: &Shown) -> Reply {
    let line = |entry: &Entry| {
        let mut line = Vec::new();
        unix::write(entry, *now, &mut line);
        Text::clean(line.strip_suffix(b"\r\n").unwrap_or(&line))
    };
    let code = if *kind == Kind::Dir { Code::DIRECTORY_STATUS } else { Code::FILE_STATUS };
    Reply::lines(code, format!("Status of {path}:"), entries.iter().map(line).collect(), "End of status.")
}
