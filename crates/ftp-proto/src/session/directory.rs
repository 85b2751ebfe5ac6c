//! Directories, names and what belongs to them: CWD CDUP PWD MKD RMD DELE RNFR RNTO MFMT MFF SITE
//! (RFC 959 §4.1, draft-somers-ftp-mfxx).

use crate::command::extension::{FactChanges, TimedPath};
use crate::command::service::{ListArg, SiteCommand};
use crate::reply::{Code, payload};
use crate::session::action::{Action, Reading, Request};
use crate::session::event::Refusal;
use crate::session::policy::Rights;
use crate::session::refusal;
use crate::session::state::work::{Ask, Then, Work};
use crate::session::state::{Core, LoggedIn};
use crate::value::facts::FactChange;
use crate::value::path::{PathArg, VPath};
use crate::verb::Verb;

impl LoggedIn {
    /// The path that `argument` names, if it can be one and the user has `right`; else the refusal is said.
    pub(super) fn resolve(
        &mut self,
        core: &mut Core,
        verb: Verb,
        argument: &PathArg,
        right: Rights,
    ) -> Option<VPath> {
        match self.cwd.resolve(argument) {
            Ok(path) => self.may(core, verb, &path, right).then_some(path),
            Err(error) => {
                let clean = crate::value::text::Text::clean(
                    argument.as_bytes().get(..80).unwrap_or(argument.as_bytes()),
                );
                core.say(refusal::name_code(verb), format!("{clean}: {error}."));
                None
            }
        }
    }

    /// The same, but for the working directory if there is no argument.
    pub(super) fn resolve_or_here(
        &mut self,
        core: &mut Core,
        verb: Verb,
        argument: Option<&PathArg>,
        right: Rights,
    ) -> Option<VPath> {
        match argument {
            Some(argument) => self.resolve(core, verb, argument, right),
            None => Some(self.cwd.clone()).filter(|path| self.may(core, verb, path, right)),
        }
    }

    /// What `argument` may mean to a listing, and the path of the last reading, which stands for all of them where something
    /// has to be said; else the refusal is said. A reading that cannot be a path is none, unless it is the last.
    pub(super) fn readings(
        &mut self,
        core: &mut Core,
        verb: Verb,
        argument: Option<&ListArg>,
    ) -> Option<(VPath, Vec<Reading>)> {
        let mut readings = argument.map_or_else(|| vec![None], ListArg::readings);
        let last = readings.pop()?;
        let path = self.resolve_or_here(core, verb, last.as_ref(), Rights::LIST)?;
        let resolved =
            |given: PathArg| self.cwd.resolve(&given).ok().map(|path| Reading { path, given: Some(given) });
        let mut readings: Vec<Reading> = readings.into_iter().flatten().filter_map(resolved).collect();
        readings.push(Reading { path: path.clone(), given: last });
        Some((path, readings))
    }

    /// Whether the user has `right`; else the refusal is said.
    pub(super) fn may(&mut self, core: &mut Core, verb: Verb, path: &VPath, right: Rights) -> bool {
        let has = self.rights.contains(right);
        if !has {
            core.push(Action::Reply(Refusal::Denied.reply(verb, path)));
        }
        has
    }

    /// Asks the storage about the path of `ask`.
    pub(super) fn ask(&mut self, core: &mut Core, ask: Ask, request: impl FnOnce(VPath) -> Request) {
        core.push(Action::Store(request(ask.path.clone())));
        self.work = Work::Asking(ask);
    }

    /// `CWD`
    pub(super) fn cwd(&mut self, core: &mut Core, argument: &PathArg) {
        if let Some(path) = self.resolve(core, Verb::Cwd, argument, Rights::ENTER) {
            self.ask(core, Ask::new(Verb::Cwd, path), Request::Enter);
        }
    }

    /// `CDUP`: stays at the root.
    pub(super) fn cdup(&mut self, core: &mut Core) {
        let path = self.cwd.parent();
        if self.may(core, Verb::Cdup, &path, Rights::ENTER) {
            self.ask(core, Ask::new(Verb::Cdup, path), Request::Enter);
        }
    }

    /// `PWD`
    pub(super) fn pwd(&self, core: &mut Core) {
        core.push(Action::Reply(payload::pathname(&self.cwd, "is the working directory.")));
    }

    /// `MKD`
    pub(super) fn mkd(&mut self, core: &mut Core, argument: &PathArg) {
        if let Some(path) = self.resolve(core, Verb::Mkd, argument, Rights::MAKE_DIR) {
            self.ask(core, Ask::new(Verb::Mkd, path), Request::MakeDir);
        }
    }

    /// `RMD`
    pub(super) fn rmd(&mut self, core: &mut Core, argument: &PathArg) {
        if let Some(path) = self.resolve(core, Verb::Rmd, argument, Rights::DELETE) {
            self.ask(core, Ask::new(Verb::Rmd, path), Request::RemoveDir);
        }
    }

    /// `DELE`
    pub(super) fn dele(&mut self, core: &mut Core, argument: &PathArg) {
        if let Some(path) = self.resolve(core, Verb::Dele, argument, Rights::DELETE) {
            self.ask(core, Ask::new(Verb::Dele, path), Request::RemoveFile);
        }
    }

    /// `RNFR`
    pub(super) fn rnfr(&mut self, core: &mut Core, argument: &PathArg) {
        if let Some(path) = self.resolve(core, Verb::Rnfr, argument, Rights::RENAME) {
            self.ask(core, Ask::new(Verb::Rnfr, path), Request::OwnFacts);
        }
    }

    /// `RNTO`: directly after RNFR only.
    pub(super) fn rnto(&mut self, core: &mut Core, argument: &PathArg, from: Option<VPath>) {
        let Some(from) = from else { return core.reply(Code::BAD_SEQUENCE, "Send RNFR first.") };
        if let Some(to) = self.resolve(core, Verb::Rnto, argument, Rights::RENAME) {
            self.ask(core, Ask { verb: Verb::Rnto, path: to, then: Then::Renamed(from.clone()) }, |to| {
                Request::Rename(from, to)
            });
        }
    }

    /// `MFMT`
    pub(super) fn mfmt(&mut self, core: &mut Core, argument: TimedPath) {
        let TimedPath { time, path } = argument;
        self.change_facts(core, Verb::Mfmt, FactChanges { changes: vec![FactChange::Modify(time)], path });
    }

    /// `MFF`, and what the other commands that set facts become.
    pub(super) fn change_facts(&mut self, core: &mut Core, verb: Verb, argument: FactChanges) {
        let right = argument.changes.iter().fold(Rights::empty(), |rights, change| match change {
            FactChange::Modify(_) => rights | Rights::TIMES,
            FactChange::UnixMode(_) => rights | Rights::MODES,
        });
        if argument.changes.iter().any(|change| matches!(change, FactChange::UnixMode(mode) if *mode > 0o777))
        {
            return core.reply(Code::BAD_PARAMETER, "Permission bits go up to 777 here.");
        }
        let Some(path) = self.resolve(core, verb, &argument.path, right) else { return };
        let name = argument.path.as_bytes().to_vec();
        let mut changes = argument.changes;
        changes.reverse();
        if let Some(first) = changes.pop() {
            let ask = Ask { verb, path, then: Then::Set { left: changes, echo: Vec::new(), name } };
            self.ask(core, ask, |path| Request::Change(path, first));
        }
    }

    /// `SITE`
    pub(super) fn site(&mut self, core: &mut Core, command: SiteCommand) {
        match command {
            SiteCommand::Chmod(mode, path) => {
                self.change_facts(
                    core,
                    Verb::Site,
                    FactChanges { changes: vec![FactChange::UnixMode(mode)], path },
                );
            }
            SiteCommand::Utime(time, path) => {
                self.change_facts(
                    core,
                    Verb::Site,
                    FactChanges { changes: vec![FactChange::Modify(time)], path },
                );
            }
            SiteCommand::Help => core.reply(Code::HELP, Verb::Site.spec().help),
            SiteCommand::Other(..) => core.reply(Code::BAD_ARGUMENT, "SITE knows CHMOD, UTIME and HELP."),
        }
    }
}
