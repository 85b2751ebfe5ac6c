//! Transfer parameters and options: TYPE, STRU, MODE, OPTS, LANG, REST, RANG, ALLO. Plain data.

use crate::command::extension::{Opts, Utf8};
use crate::data::Representation;
use crate::reply::{Code, Reply};
use crate::session::action::{Action, Algorithm, Request};
use crate::session::policy::{Abilities, Rights};
use crate::session::state::work::{Ask, Then};
use crate::session::state::{Core, LoggedIn, Restart, Session, Settings, Stage};
use crate::value::facts::FactSet;
use crate::value::text::Word;
use crate::value::transfer::{Allocation, ByteRange, Form, Marker, Mode, Structure, TypeCode};
use crate::verb::Verb;

impl Settings {
    /// What outlives a new USER: all but what was said for the next transfer only.
    pub(super) fn without_restart(self) -> Self {
        Self { restart: Restart::No, ..self }
    }
}

impl LoggedIn {
    /// `TYPE` (RFC 959 §3.1.1)
    pub(super) fn set_type(&mut self, core: &mut Core, code: TypeCode) {
        self.settings.coding.representation = match code {
            TypeCode::Ascii(Form::NonPrint | Form::Telnet) => Representation::Ascii,
            TypeCode::Image | TypeCode::Local(8) => Representation::Image,
            TypeCode::Ascii(Form::Carriage) | TypeCode::Ebcdic(_) | TypeCode::Local(_) => {
                return core.reply(Code::BAD_PARAMETER, "TYPE supports A, A N, A T, I and L 8.");
            }
        };
        match self.settings.coding.representation {
            Representation::Ascii => core.reply(Code::OK, "Type is ASCII."),
            Representation::Image => core.reply(Code::OK, "Type is image (binary)."),
        }
    }

    /// `STRU` (RFC 959 §3.1.2)
    pub(super) fn stru(&mut self, core: &mut Core, structure: Structure) {
        match structure {
            Structure::Page => return core.reply(Code::BAD_PARAMETER, "STRU supports F and R."),
            Structure::File => core.reply(Code::OK, "Structure is file."),
            Structure::Record => core.reply(Code::OK, "Structure is record."),
        }
        self.settings.coding.structure = structure;
    }

    /// `MODE` (RFC 959 §3.4)
    pub(super) fn mode(&mut self, core: &mut Core, mode: Mode) {
        self.settings.coding.mode = mode;
        match mode {
            Mode::Stream => core.reply(Code::OK, "Mode is stream."),
            Mode::Block => core.reply(Code::OK, "Mode is block."),
            Mode::Compressed => core.reply(Code::OK, "Mode is compressed."),
            Mode::Deflate => core.reply(Code::OK, "Mode is deflate."),
        }
    }

    /// `REST` (RFC 3659 §5): any offset is taken; the transfer command refuses one that does not fit.
    pub(super) fn rest(&mut self, core: &mut Core, marker: &Marker) {
        let offset = match marker {
            Marker::Offset(offset) => *offset,
            Marker::Printed(_) => {
                return core.reply(
                    Code::BAD_ARGUMENT,
                    "REST expects an offset in octets; no markers are given out here.",
                );
            }
        };
        if !self.abilities.contains(Abilities::RESTART_READ) {
            return core.reply(Code::NOT_IMPLEMENTED, "This store cannot restart transfers.");
        }
        self.settings.restart = if offset == 0 { Restart::No } else { Restart::From(offset) };
        core.say(Code::PENDING, format!("Restarting at {offset}; send RETR, STOR or APPE."));
    }

    /// `RANG` (draft-bryan-ftp-range §3): `1 0` resets.
    pub(super) fn rang(&mut self, core: &mut Core, ByteRange { first, last }: ByteRange) {
        self.settings.restart = Restart::No;
        if !self.abilities.contains(Abilities::RESTART_READ) {
            return core.reply(Code::NOT_IMPLEMENTED, "This store cannot transfer ranges.");
        }
        if self.settings.coding.representation == Representation::Ascii
            || self.settings.coding.mode != Mode::Stream
        {
            return core.reply(Code::PAGE_TYPE_UNKNOWN, "RANG works in TYPE I and MODE S only.");
        }
        match (first, last) {
            (1, 0) => core.reply(Code::PENDING, "The whole file again."),
            (first, last) if first > last => {
                core.reply(Code::BAD_ARGUMENT, "The first octet is behind the last; the whole file again.");
            }
            (first, last) => {
                self.settings.restart = Restart::Range(first, last);
                core.say(Code::PENDING, format!("Octets {first} to {last}; send RETR or STOR."));
            }
        }
    }

    /// `ALLO`: reserves nothing, but more than there is room for is refused at once. It is no promise: clients count octets
    /// of the wire, of a file that still grows, or none, so that an upload may be longer or shorter.
    pub(super) fn allo(&mut self, core: &mut Core, Allocation { size, .. }: Allocation) {
        if let Some(most) = self.file_max.filter(|most| size > *most) {
            return core.say(Code::OVER_QUOTA, format!("Your files may have {most} octets at most."));
        }
        if size > 0
            && self.abilities.contains(Abilities::SPACE)
            && self.rights.intersects(Rights::WRITE | Rights::APPEND)
        {
            let ask = Ask { verb: Verb::Allo, path: self.cwd.clone(), then: Then::Fits(size) };
            return self.ask(core, ask, Request::Free);
        }
        core.push(Action::Reply(fits()));
    }

    fn set_facts(&mut self, core: &mut Core, set: FactSet) {
        self.settings.facts = set;
        let list: String = set.facts().map(|fact| format!("{};", fact.as_str())).collect();
        let text = if list.is_empty() { "MLST OPTS".to_owned() } else { format!("MLST OPTS {list}") };
        core.say(Code::OK, text);
    }

    fn set_digest(&mut self, core: &mut Core, name: Option<&Word>) {
        match name.map(|name| Algorithm::parse(name.as_str())) {
            Some(None) => {
                return core
                    .reply(Code::BAD_ARGUMENT, "HASH supports SHA-256, SHA-512, SHA-1, MD5 and CRC32.");
            }
            Some(Some(algorithm)) => self.settings.digest = algorithm,
            None => {}
        }
        core.reply(Code::OK, self.settings.digest.as_str());
    }
}

/// The reply to ALLO of what there is room for, as far as anybody knows.
pub(super) fn fits() -> Reply {
    Reply::new(Code::OK, "Noted; an upload may also be longer or shorter.")
}

impl Session {
    /// `OPTS` (RFC 2389 §4)
    pub(super) fn opts(&mut self, opts: &Opts) {
        let core = &mut self.core;
        match (opts, &mut self.stage) {
            (Opts::Utf8(Utf8::On), _) => core.reply(Code::OK, "Names are UTF-8."),
            (Opts::Utf8(Utf8::Off | Utf8::Nlst), _) => {
                core.reply(Code::BAD_ARGUMENT, "Names are always UTF-8 here.")
            }
            (Opts::Other(_), _) => {
                core.reply(Code::BAD_ARGUMENT, "OPTS supports MLST, UTF8, HASH and MODE Z.")
            }
            (Opts::Mlst(set), Stage::LoggedIn(me)) => me.set_facts(core, *set),
            (Opts::Hash(name), Stage::LoggedIn(me)) => me.set_digest(core, name.as_ref()),
            (Opts::ModeZ(level), Stage::LoggedIn(me)) => {
                me.settings.coding.level = level.unwrap_or(me.settings.coding.level);
                core.say(Code::OK, format!("MODE Z LEVEL {}", me.settings.coding.level));
            }
            (Opts::Mlst(_) | Opts::Hash(_) | Opts::ModeZ(_), _) => {
                core.log_in_first(Code::NOT_LOGGED_IN);
            }
        }
    }
}

impl Core {
    /// `LANG` (RFC 2640 §4): replies are in English.
    pub(super) fn lang(&mut self, tag: Option<&Word>) {
        let Some(tag) = tag else {
            return self.reply(Code::OK, "Replies are in English.");
        };
        let mut subtags = tag.as_str().split('-');
        let primary = subtags.next().unwrap_or_default();
        let legal = (1..=8).contains(&primary.len())
            && primary.bytes().all(|octet| octet.is_ascii_alphabetic())
            && subtags.all(|sub| {
                (1..=8).contains(&sub.len()) && sub.bytes().all(|octet| octet.is_ascii_alphanumeric())
            });
        if !legal {
            self.reply(Code::BAD_ARGUMENT, "LANG expects a language tag, as in LANG en.");
        } else if tag.as_str().eq_ignore_ascii_case("en") {
            self.reply(Code::OK, "Replies are in English.");
        } else {
            self.reply(Code::BAD_PARAMETER, "Replies are in English only.");
        }
    }
}
