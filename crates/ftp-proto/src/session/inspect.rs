//! Questions: SIZE MDTM MLST STAT HASH X-digests AVBL, FEAT HELP SYST (RFC 959 §4.1.3, RFC 2389, RFC 3659), and
//! what is done with each answer of the storage.

use crate::command::extension::FactChange;
use crate::data::Representation;
use crate::listing::{mlsx, unix};
use crate::reply::payload::HashReply;
use crate::reply::{Code, Reply, payload};
use crate::session::action::{Action, Algorithm, Notice, Protection, Request, Span};
use crate::session::endpoint::is_out_of_reach;
use crate::session::event::Answer;
use crate::session::login::LoggedIn;
use crate::session::policy::{Abilities, Rights, Switch};
use crate::session::refusal::Refusal;
use crate::session::settings::Restart;
use crate::session::transfer::Work;
use crate::session::{Core, Session, Stage};
use crate::value::facts::{Entry, FactName, FactSet, Facts};
use crate::value::path::{PathArg, VPath};
use crate::value::text::{Text, Word};
use crate::value::time::TimeVal;
use crate::verb::{Verb, VerbSpec};

/// What an answer of the storage is for.
#[derive(Debug)]
pub(super) enum Ask {
    Enter(VPath),
    Made(VPath),
    /// RMD, DELE, RNTO.
    Change(Verb, VPath, Option<VPath>),
    RenameFrom(VPath),
    Size(VPath),
    Mdtm(VPath),
    /// MLST: the path, and the name as the client gave it.
    Mlst(VPath, Vec<u8>),
    Stat(VPath),
    /// HASH: the name as the client gave it.
    Hash(VPath, Algorithm, Vec<u8>),
    /// XMD5 and its relatives.
    Digest(Verb, VPath),
    Free(VPath),
    /// MFMT, MFF, SITE.
    Facts(Setting),
}

/// Facts that are being set, one request each.
#[derive(Debug)]
pub(super) struct Setting {
    pub(super) verb: Verb,
    pub(super) path: VPath,
    /// What is still to set, last first.
    pub(super) left: Vec<FactChange>,
    /// The text of the reply.
    pub(super) echo: Vec<u8>,
}

impl LoggedIn {
    /// `SIZE` (RFC 3659 §4): of image data; the length in TYPE A would need the whole file read.
    pub(super) fn size(&mut self, core: &mut Core, argument: &PathArg) {
        let Some(path) = self.resolve(core, Verb::Size, argument, Rights::LIST) else { return };
        if self.settings.coding.representation == Representation::Ascii {
            return core.reply(Code::FILE_UNAVAILABLE, "SIZE is not known in TYPE A; send TYPE I first.");
        }
        self.ask(core, Request::Facts(path.clone()), Ask::Size(path));
    }

    /// `MDTM`
    pub(super) fn mdtm(&mut self, core: &mut Core, argument: &PathArg) {
        if let Some(path) = self.resolve(core, Verb::Mdtm, argument, Rights::LIST) {
            self.ask(core, Request::Facts(path.clone()), Ask::Mdtm(path));
        }
    }

    /// `MLST`: the entry carries its full path, as TVFS allows (RFC 3659 §7.3.1).
    pub(super) fn mlst(&mut self, core: &mut Core, argument: Option<&PathArg>) {
        let path = match argument {
            None => Some(self.cwd.clone()),
            Some(argument) => self.resolve(core, Verb::Mlst, argument, Rights::LIST),
        };
        let Some(path) =
            path.filter(|path| argument.is_some() || self.may(core, Verb::Mlst, path, Rights::LIST))
        else {
            return;
        };
        let name = path.as_bytes().to_vec();
        self.ask(core, Request::Facts(path.clone()), Ask::Mlst(path, name));
    }

    /// `STAT path`: a listing on the control connection.
    pub(super) fn stat_path(&mut self, core: &mut Core, argument: &PathArg) {
        if let Some(path) = self.resolve(core, Verb::Stat, argument, Rights::LIST) {
            self.ask(core, Request::Entries(path.clone()), Ask::Stat(path));
        }
    }

    /// `HASH` (draft-bryan-ftpext-hash), over the range that RANG or REST set.
    pub(super) fn hash(&mut self, core: &mut Core, argument: &PathArg) {
        let span = match std::mem::replace(&mut self.settings.restart, Restart::No) {
            Restart::No => Span::default(),
            Restart::From(first) => Span { first, last: None },
            Restart::Range(first, last) => Span { first, last: Some(last) },
        };
        if let Some(path) = self.resolve(core, Verb::Hash, argument, Rights::READ) {
            let algorithm = self.settings.digest;
            let name = argument.as_bytes().to_vec();
            self.ask(core, Request::Digest(path.clone(), algorithm, span), Ask::Hash(path, algorithm, name));
        }
    }

    /// `XCRC`, `XMD5`, `XSHA` and so on: of the whole file.
    pub(super) fn digest(&mut self, core: &mut Core, verb: Verb, algorithm: Algorithm, argument: &PathArg) {
        if let Some(path) = self.resolve(core, verb, argument, Rights::READ) {
            self.ask(
                core,
                Request::Digest(path.clone(), algorithm, Span::default()),
                Ask::Digest(verb, path),
            );
        }
    }

    /// `AVBL`
    pub(super) fn avbl(&mut self, core: &mut Core, argument: Option<&PathArg>) {
        if !self.abilities.has(Abilities::SPACE) {
            return core.reply(Code::NOT_IMPLEMENTED, "This store does not know its free space.");
        }
        let path = match argument {
            None => Some(self.cwd.clone()),
            Some(argument) => self.resolve(core, Verb::Avbl, argument, Rights::LIST),
        };
        if let Some(path) = path {
            self.ask(core, Request::Free(path.clone()), Ask::Free(path));
        }
    }

    /// The storage has answered.
    pub(super) fn stored(&mut self, core: &mut Core, answer: Result<Answer, Refusal>) {
        core.since = core.now;
        match std::mem::replace(&mut self.work, Work::Idle) {
            Work::Asking(ask) => match answer {
                Ok(answer) => self.answered(core, ask, answer),
                Err(refusal) => core.push(Action::Reply(ask.refused(&refusal))),
            },
            Work::Transfer(transfer) if transfer.is_checking() => self.checked(core, transfer, answer),
            other => self.work = other,
        }
    }

    fn answered(&mut self, core: &mut Core, ask: Ask, answer: Answer) {
        let reply = match (ask, answer) {
            (Ask::Enter(path), _) => {
                let text = format!("{path} is the working directory.");
                self.cwd = path;
                Reply::line(Code::ACTION_DONE, text)
            }
            (Ask::Made(path), _) => {
                let reply = payload::pathname(&path, "was made.");
                core.notice(Notice::Changed { verb: Verb::Mkd, path, to: None });
                reply
            }
            (Ask::Change(verb, path, to), _) => {
                core.notice(Notice::Changed { verb, path, to });
                Reply::new(Code::ACTION_DONE, if verb == Verb::Rnto { "Renamed." } else { "Removed." })
            }
            (Ask::RenameFrom(path), _) => {
                self.rename_from = Some(path);
                Reply::new(Code::PENDING, "Send RNTO with the new name.")
            }
            (Ask::Size(path), Answer::Facts(facts)) if facts.is_dir() => {
                Refusal::IsADirectory.reply(Verb::Size, &path)
            }
            (Ask::Size(_), Answer::Facts(facts)) => payload::size(facts.size),
            (Ask::Mdtm(_), Answer::Facts(facts)) => {
                payload::time(facts.modify.unwrap_or(TimeVal::from_unix(0)))
            }
            (Ask::Mlst(_, name), Answer::Facts(facts)) => self.mlst_reply(name, facts),
            (Ask::Stat(path), Answer::Entries(entries)) => stat_reply(&path, &entries),
            (Ask::Hash(_, algorithm, name), Answer::Digest(digest, range)) => {
                HashReply { algorithm: algorithm.as_str().to_owned(), range, digest, name }.reply()
            }
            (Ask::Digest(..), Answer::Digest(digest, _)) => Reply::line(Code::ACTION_DONE, digest),
            (Ask::Free(_), Answer::Free(octets)) => payload::size(octets),
            (Ask::Facts(setting), _) => return self.facts_set(core, setting),
            (ask, _) => ask.refused(&Refusal::Unsupported),
        };
        core.push(Action::Reply(reply));
    }

    /// One fact is set; the next one, or the reply.
    fn facts_set(&mut self, core: &mut Core, mut setting: Setting) {
        if let Some(next) = setting.left.pop() {
            self.ask(core, Request::Change(setting.path.clone(), next), Ask::Facts(setting));
            return;
        }
        core.notice(Notice::Changed { verb: setting.verb, path: setting.path, to: None });
        core.push(Action::Reply(match setting.verb {
            Verb::Site => Reply::new(Code::OK, "Done."),
            _ => Reply::line(Code::FILE_STATUS, Text::clean(setting.echo)),
        }));
    }

    fn mlst_reply(&self, name: Vec<u8>, facts: Facts) -> Reply {
        let mut line = Vec::new();
        mlsx::write_entry(&Entry { name, facts }, self.settings.facts, &mut line);
        Reply::lines(Code::ACTION_DONE, "Facts:", vec![Text::clean(line)], "End")
    }

    /// What STAT says of the session, behind the lines that every session has.
    fn status(&self, core: &Core) -> Vec<Text> {
        let coding = self.settings.coding;
        let kind = match coding.representation {
            Representation::Ascii => "ASCII non-print",
            Representation::Image => "image (binary)",
        };
        let protection = match core.secure.data() {
            Protection::Clear => "in clear",
            Protection::Private => "protected by TLS",
        };
        let mut lines = vec![
            Text::from(format!("User {}, directory {}.", self.user, self.cwd)),
            Text::from(format!("TYPE {kind}, STRU {:?}, MODE {:?}.", coding.structure, coding.mode)),
            Text::from(format!(
                "Data connections are {protection}; passive ports {}.",
                core.policy.passive_ports
            )),
        ];
        let transfer =
            self.transfer_status(core.now).unwrap_or_else(|| "No transfer in progress.".to_owned());
        lines.push(Text::from(transfer));
        if let Some(announced) = self.announced {
            let beyond = if is_out_of_reach(announced, core.ends.peer.ip()) {
                ", an address that cannot be reached from yours: use EPSV, and tell the operator to set the public address"
            } else {
                ""
            };
            lines.push(Text::from(format!("Last passive port: {announced}{beyond}.")));
        }
        lines.extend(self.last.clone());
        lines
    }
}

impl Ask {
    /// The verb that asked, and about what.
    fn subject(&self) -> (Verb, &VPath) {
        match self {
            Self::Enter(path) => (Verb::Cwd, path),
            Self::Made(path) => (Verb::Mkd, path),
            Self::Change(verb, from, to) => (*verb, to.as_ref().unwrap_or(from)),
            Self::RenameFrom(path) => (Verb::Rnfr, path),
            Self::Size(path) => (Verb::Size, path),
            Self::Mdtm(path) => (Verb::Mdtm, path),
            Self::Mlst(path, _) => (Verb::Mlst, path),
            Self::Stat(path) => (Verb::Stat, path),
            Self::Hash(path, ..) => (Verb::Hash, path),
            Self::Digest(verb, path) => (*verb, path),
            Self::Facts(setting) => (setting.verb, &setting.path),
            Self::Free(path) => (Verb::Avbl, path),
        }
    }

    /// Whether the answer takes the reading of a file.
    pub(super) fn is_digest(&self) -> bool {
        matches!(self, Self::Hash(..) | Self::Digest(..))
    }

    fn refused(&self, refusal: &Refusal) -> Reply {
        let (verb, path) = self.subject();
        refusal.reply(verb, path)
    }
}

/// 212 or 213 with the entries in the form of LIST (RFC 959 §4.1.3).
fn stat_reply(path: &VPath, entries: &[Entry]) -> Reply {
    let now = entries.iter().filter_map(|entry| entry.facts.modify).max().unwrap_or(TimeVal::from_unix(0));
    let line = |entry: &Entry| {
        let mut line = Vec::new();
        unix::write(entry, now, &mut line);
        Text::clean(line.trim_ascii_end())
    };
    let one = matches!(entries, [entry] if entry.name == path.name() && !entry.facts.is_dir());
    let code = if one { Code::FILE_STATUS } else { Code::DIRECTORY_STATUS };
    Reply::lines(code, format!("Status of {path}:"), entries.iter().map(line).collect(), "End of status.")
}

impl Session {
    /// `STAT` without argument.
    pub(super) fn stat(&mut self) {
        let core = &self.core;
        let tls = core.secure.facts().filter(|_| core.secure.is_protected());
        let control = match tls {
            Some(facts) => format!(
                "Control connection from {} over {} {}.",
                core.ends.peer.ip(),
                facts.version,
                facts.cipher
            ),
            None => format!("Control connection from {} in clear.", core.ends.peer.ip()),
        };
        let mut lines = vec![Text::from(control)];
        match &self.stage {
            Stage::LoggedIn(me) => lines.extend(me.status(core)),
            _ if core.takes_plain() => lines.push(Text::from("Not logged in.")),
            _ => lines.push(Text::from("Not logged in; logins are taken over TLS only.")),
        }
        self.core.push(Action::Reply(Reply::lines(Code::SYSTEM_STATUS, "Status:", lines, "End of status.")));
    }

    /// `FEAT` (RFC 2389 §3): the table's fixed lines, and those that depend on policy, storage and choices.
    pub(super) fn feat(&mut self) {
        let (abilities, facts, digest) = match &self.stage {
            Stage::LoggedIn(me) => (me.abilities, me.settings.facts, me.settings.digest),
            _ => (self.core.policy.abilities, FactSet::DEFAULT, Algorithm::Sha256),
        };
        let core = &self.core;
        let fixed =
            Verb::TABLE.iter().filter(|row| core.offers(row, abilities)).filter_map(|row| row.feature);
        let mut lines: Vec<Text> = fixed.map(Text::from).collect();
        if core.offers_auth() {
            lines.push(Text::from("AUTH TLS;TLS-C;SSL;"));
        }
        if core.policy.clear_control == Switch::On {
            lines.push(Text::from("CCC"));
        }
        if !core.policy.hosts.is_empty() {
            lines.push(Text::from("HOST"));
        }
        if abilities.has(Abilities::RESTART_READ) {
            lines.push(Text::from("REST STREAM"));
        }
        if abilities.has(Abilities::TIMES) {
            lines.push(Text::from(if abilities.has(Abilities::MODES) {
                "MFF Modify;UNIX.mode;"
            } else {
                "MFF Modify;"
            }));
        }
        let star = |chosen: bool| if chosen { "*" } else { "" };
        let fact = |fact: FactName| format!("{}{};", fact.as_str(), star(facts.has(fact)));
        lines.push(Text::from(format!("MLST {}", FactName::ALL.map(fact).concat())));
        let name = |algorithm: Algorithm| format!("{}{};", algorithm.as_str(), star(algorithm == digest));
        lines.push(Text::from(format!("HASH {}", Algorithm::ALL.map(name).concat())));
        lines.extend(["LANG EN*", "MODE Z", "TVFS", "UTF8"].map(Text::from));
        self.core.push(Action::Reply(payload::features(lines)));
    }

    /// `HELP`
    pub(super) fn help(&mut self, topic: Option<&Word>) {
        let Some(topic) = topic else {
            let words: Vec<&str> =
                Verb::TABLE.iter().filter(|row| !is_refused(row.verb)).map(|row| row.word).collect();
            let lines = words.chunks(10).map(|chunk| Text::from(chunk.join(" "))).collect();
            return self.core.push(Action::Reply(Reply::lines(
                Code::HELP,
                "Commands:",
                lines,
                "HELP VERB says more.",
            )));
        };
        match Verb::parse(topic.as_str().as_bytes()) {
            Some(verb) => self.core.reply(Code::HELP, verb.spec().help),
            None => self.core.reply(Code::BAD_ARGUMENT, "Unknown command; HELP lists the known ones."),
        }
    }
}

impl Core {
    /// Whether a verb with a fixed FEAT line is offered.
    fn offers(&self, row: &VerbSpec, abilities: Abilities) -> bool {
        match row.verb {
            Verb::Pbsz | Verb::Prot => self.policy.tls == Switch::On,
            Verb::Eprt => self.policy.active == Switch::On,
            Verb::Mfmt => abilities.has(Abilities::TIMES),
            Verb::Rang => abilities.has(Abilities::RESTART_READ),
            Verb::Avbl => abilities.has(Abilities::SPACE),
            _ => true,
        }
    }
}

/// Verbs that are known and answered with 502 always.
fn is_refused(verb: Verb) -> bool {
    matches!(verb, Verb::Smnt | Verb::Adat | Verb::Mic | Verb::Conf | Verb::Enc | Verb::Mfct)
}
