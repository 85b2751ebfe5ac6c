//! Questions about files: SIZE MDTM MLST STAT HASH X-digests AVBL (RFC 959 §4.1.3, RFC 3659, draft-bryan-ftpext-hash).
//!
//! Here they are asked; `answers.rs` says what becomes of the answer.

use crate::command::service::ListArg;
use crate::data::Representation;
use crate::reply::Code;
use crate::session::action::{Algorithm, Request, Span};
use crate::session::policy::{Abilities, Rights};
use crate::session::state::work::{Ask, Then};
use crate::session::state::{Core, LoggedIn};
use crate::value::path::PathArg;
use crate::verb::Verb;

impl LoggedIn {
    /// `SIZE` (RFC 3659 §4): of image data; the length in TYPE A would need the whole file read.
    pub(super) fn size(&mut self, core: &mut Core, argument: &PathArg) {
        let Some(path) = self.resolve(core, Verb::Size, argument, Rights::LIST) else { return };
        if self.settings.coding.representation == Representation::Ascii {
            return core.reply(Code::FILE_UNAVAILABLE, "SIZE is not known in TYPE A; send TYPE I first.");
        }
        self.ask(core, Ask::new(Verb::Size, path), Request::Size);
    }

    /// `MDTM`
    pub(super) fn mdtm(&mut self, core: &mut Core, argument: &PathArg) {
        if let Some(path) = self.resolve(core, Verb::Mdtm, argument, Rights::LIST) {
            self.ask(core, Ask::new(Verb::Mdtm, path), Request::Facts);
        }
    }

    /// `MLST`: the entry carries its full path, as TVFS allows (RFC 3659 §7.3.1). A link is shown as one, as in MLSD; the
    /// working directory is a directory, also where it was reached by a link.
    pub(super) fn mlst(&mut self, core: &mut Core, argument: Option<&PathArg>) {
        if let Some(path) = self.resolve_or_here(core, Verb::Mlst, argument, Rights::LIST) {
            let request = if argument.is_some() { Request::OwnFacts } else { Request::Facts };
            self.ask(core, Ask::new(Verb::Mlst, path), request);
        }
    }

    /// `STAT path`: a listing on the control connection.
    pub(super) fn stat_path(&mut self, core: &mut Core, argument: &ListArg) {
        if let Some((path, readings)) = self.readings(core, Verb::Stat, Some(argument)) {
            self.ask(core, Ask::new(Verb::Stat, path), |_| Request::Entries(readings));
        }
    }

    /// `HASH` (draft-bryan-ftpext-hash), over the range that RANG or REST set.
    pub(super) fn hash(&mut self, core: &mut Core, argument: &PathArg) {
        let span = std::mem::take(&mut self.settings.restart).span();
        if let Some(path) = self.resolve(core, Verb::Hash, argument, Rights::READ) {
            let algorithm = self.settings.digest;
            let then = Then::Hash(algorithm, argument.as_bytes().to_vec());
            let ask = Ask { verb: Verb::Hash, path, then };
            self.ask(core, ask, |path| Request::Digest(path, algorithm, span));
        }
    }

    /// `XCRC`, `XMD5`, `XSHA` and so on: of the whole file.
    pub(super) fn digest(&mut self, core: &mut Core, verb: Verb, algorithm: Algorithm, argument: &PathArg) {
        if let Some(path) = self.resolve(core, verb, argument, Rights::READ) {
            let ask = Ask { verb, path, then: Then::Digest };
            self.ask(core, ask, |path| Request::Digest(path, algorithm, Span::default()));
        }
    }

    /// `AVBL`
    pub(super) fn avbl(&mut self, core: &mut Core, argument: Option<&PathArg>) {
        if !self.abilities.contains(Abilities::SPACE) {
            return core.reply(Code::NOT_IMPLEMENTED, "This store does not know its free space.");
        }
        if let Some(path) = self.resolve_or_here(core, Verb::Avbl, argument, Rights::LIST) {
            self.ask(core, Ask::new(Verb::Avbl, path), Request::Free);
        }
    }
}
