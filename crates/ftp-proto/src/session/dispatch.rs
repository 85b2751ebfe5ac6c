//! From a line to its handler: what is no command is refused, a command has one row a verb.

use std::net::SocketAddr;

use crate::command::{Command, CommandError};
use crate::reply::Code;
use crate::session::action::{Algorithm, Ending};
use crate::session::login::{self, refuse_visitor};
use crate::session::state::{Core, LoggedIn, Session, Stage, Verdict};
use crate::session::waiting::Input;
use crate::value::text::Text;
use crate::verb::{Phase, Verb};

impl Session {
    /// Runs a line whose turn it is.
    pub(super) fn run(&mut self, input: Input<'_>) {
        self.core.verdict = Verdict::Open;
        match input {
            Input::Line(line) if matches!(self.stage, Stage::Visitor(_)) && login::is_foreign(line) => {
                return self.foreign();
            }
            Input::Line(line) => match Command::parse(line) {
                Ok(command) => self.dispatch(command),
                Err(error) => self.misunderstood(error),
            },
            Input::Overlong => self.core.reply(Code::SYNTAX_ERROR, "Line too long; it was not read."),
        }
        match self.core.verdict {
            Verdict::Open => {}
            Verdict::Done => self.errors = 0,
            Verdict::Nonsense => self.count_error(),
        }
    }

    fn misunderstood(&mut self, error: CommandError) {
        let code = match error {
            CommandError::Empty | CommandError::Unknown => Code::SYNTAX_ERROR,
            CommandError::MissingArgument(_) | CommandError::UnexpectedArgument(_) => Code::BAD_ARGUMENT,
            CommandError::BadArgument(..) => Code::BAD_ARGUMENT,
            CommandError::Unsupported(..) => Code::BAD_PARAMETER,
        };
        match error {
            CommandError::MissingArgument(verb) | CommandError::BadArgument(verb, _)
                if self.lacks_login(verb) =>
            {
                self.core.log_in_first(Code::NOT_LOGGED_IN);
            }
            CommandError::Unknown => {
                self.core.reply(code, "Unknown command; HELP lists the known ones.");
            }
            CommandError::BadArgument(verb, _) | CommandError::Unsupported(verb, _) => {
                self.with(|me, core| me.refused_argument(core, verb));
                self.core.say(code, format!("{error}."));
            }
            CommandError::MissingArgument(verb) => {
                self.with(|me, core| me.refused_argument(core, verb));
                self.core.say(code, format!("{error}."));
            }
            CommandError::Empty | CommandError::UnexpectedArgument(_) => {
                self.core.say(code, format!("{error}."));
            }
        }
    }

    /// Ends a session that sends nothing but errors (RFC 2577 §5 in spirit).
    pub(super) fn count_error(&mut self) {
        self.errors += 1;
        if self.errors >= self.core.policy.errors {
            self.core.reply(Code::UNAVAILABLE, "Too many errors; closing.");
            self.end(Ending::Nonsense(Text::from("too many errors")));
        }
    }

    fn lacks_login(&self, verb: Verb) -> bool {
        verb.spec().phase == Phase::LoggedIn && !matches!(self.stage, Stage::LoggedIn(_))
    }

    /// Runs a command whose argument is good: refuses it before login if the table says so, else calls its handler.
    #[allow(clippy::too_many_lines, reason = "one row a verb")]
    pub(super) fn dispatch(&mut self, command: Command) {
        if command.verb().spec().phase == Phase::LoggedIn {
            match &mut self.stage {
                Stage::LoggedIn(me) => me.dispatch(&mut self.core, command),
                _ => refuse_visitor(&mut self.core, &command),
            }
            return;
        }
        let core = &mut self.core;
        if let Stage::LoggedIn(me) = &mut self.stage {
            me.rename_from = None;
        }
        match command {
            Command::User(name) => self.user(name),
            Command::Pass(password) => self.pass(password),
            Command::Acct(_) => self.acct(),
            Command::Rein => self.rein(),
            Command::Quit => self.quit(),
            Command::Abor => match &mut self.stage {
                Stage::LoggedIn(me) => me.abor(core),
                _ => core.reply(Code::TRANSFER_COMPLETE, "ABOR done; no transfer was in progress."),
            },
            Command::Stat(None) => self.stat(),
            Command::Stat(Some(argument)) => match &mut self.stage {
                Stage::LoggedIn(me) => me.stat_path(core, &argument),
                _ => core.log_in_first(Code::NOT_LOGGED_IN),
            },
            Command::Syst => core.reply(Code::SYSTEM_TYPE, "UNIX Type: L8"),
            Command::Help(topic) => self.help(topic.as_ref()),
            Command::Noop => core.reply(Code::OK, "Nothing done."),
            Command::Auth(mechanism) => self.auth(&mechanism),
            Command::Adat(_) | Command::Mic(_) | Command::Conf(_) | Command::Enc(_) => {
                core.no_security_data()
            }
            Command::Pbsz(size) => core.pbsz(size),
            Command::Prot(level) => core.prot(level),
            Command::Ccc => self.ccc(),
            Command::Feat => self.feat(),
            Command::Opts(opts) => self.opts(&opts),
            Command::Lang(tag) => core.lang(tag.as_ref()),
            Command::Host(host) => self.host(&host),
            Command::Clnt(_) => core.reply(Code::OK, "Noted."),
            Command::Csid(_) => core.reply(Code::OK, "Name=FTP server;"),
            // The table lets these through to `LoggedIn::dispatch` only.
            other => refuse_visitor(core, &other),
        }
    }
}

impl LoggedIn {
    /// Runs a command that needs a login.
    #[allow(clippy::too_many_lines, reason = "one row a verb")]
    fn dispatch(&mut self, core: &mut Core, command: Command) {
        let from = self.rename_from.take();
        match command {
            Command::Cwd(path) => self.cwd(core, &path),
            Command::Cdup => self.cdup(core),
            Command::Smnt(_) => {
                core.reply(Code::NOT_IMPLEMENTED, "There are no other file systems to mount.")
            }
            Command::Port(address) => self.port(core, SocketAddr::V4(address.0)),
            Command::Pasv => self.pasv(core),
            Command::Type(code) => self.set_type(core, code),
            Command::Stru(structure) => self.stru(core, structure),
            Command::Mode(mode) => self.mode(core, mode),
            Command::Retr(path) => self.retr(core, &path),
            Command::Stor(path) => self.store(core, Verb::Stor, Some(&path)),
            Command::Stou(near) => self.store(core, Verb::Stou, near.as_ref()),
            Command::Appe(path) => self.store(core, Verb::Appe, Some(&path)),
            Command::Allo(allocation) => self.allo(core, allocation),
            Command::Rest(marker) => self.rest(core, &marker),
            Command::Rnfr(path) => self.rnfr(core, &path),
            Command::Rnto(path) => self.rnto(core, &path, from),
            Command::Dele(path) => self.dele(core, &path),
            Command::Rmd(path) => self.rmd(core, &path),
            Command::Mkd(path) => self.mkd(core, &path),
            Command::Pwd => self.pwd(core),
            Command::List(argument) => self.list(core, Verb::List, argument.as_ref()),
            Command::Nlst(argument) => self.list(core, Verb::Nlst, argument.as_ref()),
            Command::Site(site) => self.site(core, site),
            Command::Eprt(address) => self.eprt(core, &address),
            Command::Epsv(argument) => self.epsv(core, argument),
            Command::Mdtm(path) => self.mdtm(core, &path),
            Command::Size(path) => self.size(core, &path),
            Command::Mlst(path) => self.mlst(core, path.as_ref()),
            Command::Mlsd(path) => self.mlsd(core, path.as_ref()),
            Command::Hash(path) => self.hash(core, &path),
            Command::Mfmt(argument) => self.mfmt(core, argument),
            Command::Mfct(_) => core.reply(Code::NOT_IMPLEMENTED, "Creation times cannot be set here."),
            Command::Mff(changes) => self.change_facts(core, Verb::Mff, changes),
            Command::Rang(range) => self.rang(core, range),
            Command::Avbl(path) => self.avbl(core, path.as_ref()),
            Command::Xcrc(path) => self.digest(core, Verb::Xcrc, Algorithm::Crc32, &path.0),
            Command::Xmd5(path) => self.digest(core, Verb::Xmd5, Algorithm::Md5, &path.0),
            Command::Xsha(path) => self.digest(core, Verb::Xsha, Algorithm::Sha1, &path.0),
            Command::Xsha1(path) => self.digest(core, Verb::Xsha1, Algorithm::Sha1, &path.0),
            Command::Xsha256(path) => self.digest(core, Verb::Xsha256, Algorithm::Sha256, &path.0),
            Command::Xsha512(path) => self.digest(core, Verb::Xsha512, Algorithm::Sha512, &path.0),
            // The table sends the others to `Session::dispatch`.
            other => refuse_visitor(core, &other),
        }
    }
}
