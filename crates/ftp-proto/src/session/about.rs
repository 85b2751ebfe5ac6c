//! What the server says of the session and of itself: STAT without a path, FEAT, HELP (RFC 959 §4.1.3, RFC 2389 §3).
//!
//! Not here: STAT with a path, which asks the storage (`inspect.rs`).

use crate::data::Representation;
use crate::reply::{Code, Reply, payload};
use crate::session::action::{Action, Algorithm, Protection};
use crate::session::policy::{Abilities, Switch};
use crate::session::state::{Core, LoggedIn, Session, Stage};
use crate::value::address::is_out_of_reach;
use crate::value::facts::{FactName, FactSet};
use crate::value::text::{Text, Word};
use crate::verb::{Verb, VerbSpec};

impl LoggedIn {
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

impl Session {
    /// `STAT` without argument.
    pub(super) fn stat(&mut self) {
        let core = &self.core;
        let tls = core.secure.facts_now();
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
        if abilities.contains(Abilities::RESTART_READ) {
            lines.push(Text::from("REST STREAM"));
        }
        if abilities.contains(Abilities::TIMES) {
            lines.push(Text::from(if abilities.contains(Abilities::MODES) {
                "MFF modify;unix.mode;"
            } else {
                "MFF modify;"
            }));
        }
        let star = |chosen: bool| if chosen { "*" } else { "" };
        let fact = |fact: FactName| format!("{}{};", fact.as_str(), star(facts.contains(fact.into())));
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
            Verb::Mfmt => abilities.contains(Abilities::TIMES),
            Verb::Rang => abilities.contains(Abilities::RESTART_READ),
            Verb::Avbl => abilities.contains(Abilities::SPACE),
            _ => true,
        }
    }
}

/// Verbs that are known and answered with 502 always.
fn is_refused(verb: Verb) -> bool {
    matches!(verb, Verb::Smnt | Verb::Adat | Verb::Mic | Verb::Conf | Verb::Enc | Verb::Mfct)
}
