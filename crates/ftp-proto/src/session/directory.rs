//! Directories, names and what belongs to them: CWD CDUP PWD MKD RMD DELE RNFR RNTO MFMT MFF SITE
//! (RFC 959 §4.1, draft-somers-ftp-mfxx).

use crate::command::extension::{FactChange, FactChanges, TimedPath};
use crate::command::service::SiteCommand;
use crate::grammar::Encode;
use crate::reply::{Code, payload};
use crate::session::Core;
use crate::session::action::{Action, Request};
use crate::session::inspect::{Ask, Setting};
use crate::session::login::LoggedIn;
use crate::session::policy::Rights;
use crate::session::refusal::{self, Refusal};
use crate::session::transfer::Work;
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

    /// Whether the user has `right`; else the refusal is said.
    pub(super) fn may(&mut self, core: &mut Core, verb: Verb, path: &VPath, right: Rights) -> bool {
        let has = self.rights.has(right);
        if !has {
            core.push(Action::Reply(Refusal::Denied.reply(verb, path)));
        }
        has
    }

    /// Asks the storage; `ask` says what its answer is for.
    pub(super) fn ask(&mut self, core: &mut Core, request: Request, ask: Ask) {
        core.push(Action::Store(request));
        self.work = Work::Asking(ask);
    }

    /// `CWD`
    pub(super) fn cwd(&mut self, core: &mut Core, argument: &PathArg) {
        if let Some(path) = self.resolve(core, Verb::Cwd, argument, Rights::ENTER) {
            self.ask(core, Request::Enter(path.clone()), Ask::Enter(path));
        }
    }

    /// `CDUP`: stays at the root.
    pub(super) fn cdup(&mut self, core: &mut Core) {
        let path = self.cwd.parent();
        if self.may(core, Verb::Cdup, &path, Rights::ENTER) {
            self.ask(core, Request::Enter(path.clone()), Ask::Enter(path));
        }
    }

    /// `PWD`
    pub(super) fn pwd(&self, core: &mut Core) {
        core.push(Action::Reply(payload::pathname(&self.cwd, "is the working directory.")));
    }

    /// `MKD`
    pub(super) fn mkd(&mut self, core: &mut Core, argument: &PathArg) {
        if let Some(path) = self.resolve(core, Verb::Mkd, argument, Rights::MAKE_DIR) {
            self.ask(core, Request::MakeDir(path.clone()), Ask::Made(path));
        }
    }

    /// `RMD`
    pub(super) fn rmd(&mut self, core: &mut Core, argument: &PathArg) {
        if let Some(path) = self.resolve(core, Verb::Rmd, argument, Rights::DELETE) {
            self.ask(core, Request::RemoveDir(path.clone()), Ask::Change(Verb::Rmd, path, None));
        }
    }

    /// `DELE`
    pub(super) fn dele(&mut self, core: &mut Core, argument: &PathArg) {
        if let Some(path) = self.resolve(core, Verb::Dele, argument, Rights::DELETE) {
            self.ask(core, Request::RemoveFile(path.clone()), Ask::Change(Verb::Dele, path, None));
        }
    }

    /// `RNFR`
    pub(super) fn rnfr(&mut self, core: &mut Core, argument: &PathArg) {
        if let Some(path) = self.resolve(core, Verb::Rnfr, argument, Rights::RENAME) {
            self.ask(core, Request::Facts(path.clone()), Ask::RenameFrom(path));
        }
    }

    /// `RNTO`: directly after RNFR only.
    pub(super) fn rnto(&mut self, core: &mut Core, argument: &PathArg, from: Option<VPath>) {
        let Some(from) = from else { return core.reply(Code::BAD_SEQUENCE, "Send RNFR first.") };
        if let Some(to) = self.resolve(core, Verb::Rnto, argument, Rights::RENAME) {
            self.ask(
                core,
                Request::Rename(from.clone(), to.clone()),
                Ask::Change(Verb::Rnto, from, Some(to)),
            );
        }
    }

    /// `MFMT`
    pub(super) fn mfmt(&mut self, core: &mut Core, argument: TimedPath) {
        let TimedPath { time, path } = argument;
        self.change_facts(core, Verb::Mfmt, FactChanges { changes: vec![FactChange::Modify(time)], path });
    }

    /// `MFF`, and what the other commands that set facts become.
    pub(super) fn change_facts(&mut self, core: &mut Core, verb: Verb, argument: FactChanges) {
        let right = argument.changes.iter().fold(Rights::NONE, |rights, change| match change {
            FactChange::Modify(_) => rights.and(Rights::TIMES),
            FactChange::UnixMode(_) => rights.and(Rights::MODES),
        });
        if argument.changes.iter().any(|change| matches!(change, FactChange::UnixMode(mode) if *mode > 0o777))
        {
            return core.reply(Code::BAD_PARAMETER, "Permission bits go up to 777 here.");
        }
        let Some(path) = self.resolve(core, verb, &argument.path, right) else { return };
        let mut echo = Vec::new();
        argument.changes.iter().for_each(|change| change.encode(&mut echo));
        echo.push(b' ');
        echo.extend_from_slice(argument.path.as_bytes());
        let mut changes = argument.changes;
        changes.reverse();
        if let Some(first) = changes.pop() {
            let setting = Setting { verb, path: path.clone(), left: changes, echo };
            self.ask(core, Request::Change(path, first), Ask::Facts(setting));
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
