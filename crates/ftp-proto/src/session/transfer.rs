//! Transfers: RETR STOR STOU APPE LIST NLST MLSD and ABOR (RFC 959 §4.1.3, RFC 3659 §7). Their states are in
//! [`work`](super::state::work).
//!
//! The target of an upload is touched last: it is checked before the data connection stands, and nothing is created or
//! changed before octets come. Exactly one final reply ends each command.

use std::net::IpAddr;
use std::time::Instant;

use crate::command::service::ListArg;
use crate::data::Representation;
use crate::reply::{Code, Reply};
use crate::session::action::{
    Action, Create, Format, Inbound, Notice, Outbound, Outgoing, Reading, Request, Transferred,
};
use crate::session::event::{Answer, Count, DataFault, Failure, Refusal, Suspect};
use crate::session::policy::{Abilities, Rights};
use crate::session::refusal;
use crate::session::state::work::{Endpoint, Length, Plan, Progress, Transfer, Work};
use crate::session::state::{Core, LoggedIn, Restart};
use crate::value::path::PathArg;
use crate::value::text::Text;
use crate::value::transfer::{Mode, Structure};
use crate::verb::Verb;

impl LoggedIn {
    /// `RETR`
    pub(super) fn retr(&mut self, core: &mut Core, path: &PathArg) {
        let restart = std::mem::take(&mut self.settings.restart);
        let Some(path) = self.resolve(core, Verb::Retr, path, Rights::READ) else {
            return self.retire_endpoint(core);
        };
        if restart != Restart::No && self.settings.coding.representation == Representation::Ascii {
            return self.refuse_transfer(
                core,
                Reply::new(Code::BAD_RESTART, "REST counts octets: send TYPE I first."),
            );
        }
        let request = Request::OpenFile(path.clone(), restart.span());
        let mut transfer = Transfer::new(Verb::Retr, path, Plan::Send(Outgoing::File), core.now);
        let coding = self.settings.coding;
        if coding.representation == Representation::Image && coding.structure == Structure::File {
            transfer.length = match restart {
                Restart::From(first) => Length::Behind(first),
                Restart::No | Restart::Range(..) => Length::Behind(0),
            };
        }
        self.begin(core, transfer, request);
    }

    /// `LIST` and `NLST`. Of the switches of `ls` that clients send, `-a` and `-R` change LIST, and the others nothing.
    pub(super) fn list(&mut self, core: &mut Core, verb: Verb, argument: Option<&ListArg>) {
        self.settings.restart = Restart::No;
        let Some((path, readings)) = self.readings(core, verb, argument) else {
            return self.retire_endpoint(core);
        };
        let format = match verb {
            Verb::Nlst => Format::Names,
            _ => Format::Unix(argument.map(ListArg::switches).unwrap_or_default()),
        };
        let request = Request::OpenList(readings, format);
        self.begin(core, Transfer::new(verb, path, Plan::Send(Outgoing::Listing), core.now), request);
    }

    /// `MLSD`: a directory, without switches and patterns (RFC 3659 §7).
    pub(super) fn mlsd(&mut self, core: &mut Core, argument: Option<&PathArg>) {
        self.settings.restart = Restart::No;
        let Some(path) = self.resolve_or_here(core, Verb::Mlsd, argument, Rights::LIST) else {
            return self.retire_endpoint(core);
        };
        let reading = Reading { path: path.clone(), given: argument.cloned() };
        let request = Request::OpenList(vec![reading], Format::Facts(self.settings.facts));
        self.begin(core, Transfer::new(Verb::Mlsd, path, Plan::Send(Outgoing::Listing), core.now), request);
    }

    /// `STOR`, `APPE` and `STOU`
    pub(super) fn store(&mut self, core: &mut Core, verb: Verb, argument: Option<&PathArg>) {
        let restart = std::mem::take(&mut self.settings.restart);
        let right = match (verb, restart) {
            (Verb::Appe, Restart::No) => Rights::APPEND,
            // Behind REST or RANG it changes octets that are there.
            (Verb::Appe, _) => Rights::APPEND | Rights::WRITE,
            _ => Rights::WRITE,
        };
        let Some(path) = self.resolve_or_here(core, verb, argument, right) else {
            return self.retire_endpoint(core);
        };
        let (how, limit) = match (verb, restart) {
            (Verb::Stou, _) => (Create::Unique, None),
            (_, Restart::From(first) | Restart::Range(first, _)) => (Create::At(first), restart.span().len()),
            (Verb::Appe, Restart::No) => (Create::Append, None),
            (_, Restart::No) => (Create::Replace, None),
        };
        if how != Create::Replace && how != Create::Unique {
            if !self.abilities.contains(Abilities::RESTART_WRITE) {
                let text = "This store cannot change a file in place; send STOR without REST.";
                return self.refuse_transfer(core, Reply::new(Code::NOT_IMPLEMENTED, text));
            }
            if matches!(how, Create::At(_)) && self.settings.coding.representation == Representation::Ascii {
                let text = "REST counts octets: send TYPE I first.";
                return self.refuse_transfer(core, Reply::new(Code::BAD_RESTART, text));
            }
        }
        let request = Request::MayWrite(path.clone(), how);
        self.begin(core, Transfer::new(verb, path, Plan::Receive(how, limit), core.now), request);
    }

    /// Checks that a data connection can be made at all, then asks the storage.
    fn begin(&mut self, core: &mut Core, mut transfer: Transfer, request: Request) {
        if core.secure.forbids_data(core.policy.data_protection) {
            let text = "Data connections must be protected here: send PBSZ 0 and PROT P first.";
            return self.refuse_transfer(core, Reply::new(Code::PROT_LEVEL_REFUSED, text));
        }
        transfer.active = match self.endpoint {
            Endpoint::None => {
                return core.reply(Code::NO_DATA_CONNECTION, "Use EPSV, PASV or PORT first.");
            }
            Endpoint::Passive => None,
            Endpoint::Active(address) => Some(address),
        };
        core.push(Action::Store(request));
        self.work = Work::Transfer(Box::new(transfer));
    }

    /// Refuses a transfer, whose data connection is closed in order, whether it stands or is still to come (RFC 959 §5.4: no 150
    /// before).
    fn refuse_transfer(&mut self, core: &mut Core, reply: Reply) {
        self.retire_endpoint(core);
        core.push(Action::Reply(reply));
    }

    /// The storage has answered: nothing to say but a refusal, or the data connection is next.
    pub(super) fn checked(
        &mut self,
        core: &mut Core,
        mut transfer: Box<Transfer>,
        answer: Result<Answer, Refusal>,
    ) {
        match answer {
            Err(refusal) => {
                self.retire_endpoint(core);
                core.push(Action::Reply(refusal.reply(transfer.verb, &transfer.path)));
                return;
            }
            Ok(Answer::Writable(path) | Answer::Listed(path)) => transfer.path = path,
            Ok(Answer::Opened(octets)) => transfer.opened(octets),
            Ok(_) => {}
        }
        core.push(match transfer.active {
            None => Action::Accept(core.policy.accept),
            Some(address) => Action::Dial(address, core.policy.connect),
        });
        transfer.stage = Progress::Connecting;
        self.work = Work::Transfer(transfer);
    }

    pub(super) fn data_up(&mut self, core: &mut Core) {
        let coding = self.settings.coding;
        let protection = core.secure.data();
        let Work::Transfer(transfer) = &mut self.work else { return };
        if transfer.stage != Progress::Connecting {
            return;
        }
        transfer.stage = Progress::Moving;
        transfer.started = core.now;
        core.push(Action::Reply(transfer.opening()));
        let path = transfer.path.clone();
        core.push(match transfer.plan.clone() {
            Plan::Send(what) => {
                // Listings are text lines in whatever TYPE is set (RFC 1123 §4.1.2.7).
                let representation =
                    if what == Outgoing::Listing { Representation::Image } else { coding.representation };
                Action::Send(Outbound {
                    what,
                    coding: crate::data::Coding { representation, ..coding },
                    protection,
                })
            }
            Plan::Receive(how, limit) => Action::Receive(Inbound { path, how, coding, protection, limit }),
        });
    }

    pub(super) fn data_failed(&mut self, core: &mut Core, fault: &DataFault, suspect: Suspect) {
        let Work::Transfer(transfer) = &self.work else { return };
        if transfer.stage == Progress::Connecting {
            let reply = refusal::no_data_connection(
                (fault, suspect),
                transfer.verb,
                core.ends.peer.ip(),
                &core.policy.passive_ports,
            );
            self.finish(core, Count::default(), reply);
        }
    }

    pub(super) fn contested(&mut self, from: IpAddr) {
        if let Work::Transfer(transfer) = &mut self.work {
            transfer.contested = Some(from);
        }
    }

    pub(super) fn ended(&mut self, core: &mut Core, result: &Result<Count, Failure>) {
        let Work::Transfer(transfer) = &self.work else { return };
        let aborted = match transfer.stage {
            Progress::Moving => false,
            Progress::Aborting => true,
            Progress::GivenUp => false,
            Progress::Checking | Progress::Connecting => return,
        };
        let (count, reply) = match result {
            Ok(count) => (*count, transfer.complete(core.now, *count, self.settings.coding.mode)),
            Err(failure) => (failure.count, refusal::failed(failure, transfer.verb)),
        };
        self.finish(core, count, reply);
        if aborted {
            core.reply(Code::TRANSFER_COMPLETE, "ABOR done.");
        }
    }

    /// The final reply, the notice, and back to `Idle`.
    fn finish(&mut self, core: &mut Core, count: Count, reply: Reply) {
        let Work::Transfer(transfer) = std::mem::replace(&mut self.work, Work::Idle) else { return };
        let reply = refusal::with_rival(reply, transfer.contested);
        self.endpoint = Endpoint::None;
        core.since = core.now;
        let (word, code) = (transfer.verb.spec().word, reply.code().number());
        let said =
            [format!("Last transfer: {word} {}: {code} ", transfer.path).as_bytes(), reply.text()].concat();
        self.last = Some(Text::clean(said));
        core.notice(Notice::Transfer(Transferred {
            verb: transfer.verb,
            path: transfer.path,
            octets: count.file,
            elapsed: core.now.saturating_duration_since(transfer.started),
            active: transfer.active,
            protection: core.secure.data(),
            reply: reply.clone(),
        }));
        core.push(Action::DropData);
        core.push(Action::Reply(reply));
    }

    /// `ABOR`: 426 for the transfer (425 before its 150), then 226; 226 alone if there is none, and a passive port is closed
    /// (RFC 959 §4.1.3, RFC 2428 §3).
    pub(super) fn abor(&mut self, core: &mut Core) {
        let stage = match &self.work {
            Work::Transfer(transfer) => Some(transfer.stage),
            Work::Asking(ask) if ask.is_digest() => return self.stop_digest(core),
            Work::Idle | Work::Asking(_) | Work::Opening(_) | Work::Clearing => None,
        };
        match stage {
            Some(Progress::Moving) => self.stop_moving(core, Progress::Aborting),
            Some(Progress::Connecting) => {
                let text = "Transfer aborted before a data connection was made. Nothing was written.";
                self.finish(core, Count::default(), Reply::new(Code::NO_DATA_CONNECTION, text));
                core.reply(Code::TRANSFER_COMPLETE, "ABOR done.");
            }
            // A second ABOR while the first is at work.
            Some(Progress::Aborting | Progress::GivenUp | Progress::Checking) => {
                core.reply(Code::NO_TRANSFER, "ABOR is under way.")
            }
            None => {
                self.drop_endpoint(core);
                core.reply(Code::TRANSFER_COMPLETE, "ABOR done; no transfer was in progress.");
            }
        }
    }

    fn stop_digest(&mut self, core: &mut Core) {
        self.work = Work::Idle;
        core.push(Action::Abort);
        core.reply(Code::TRANSFER_ABORTED, "Digest aborted.");
        core.reply(Code::TRANSFER_COMPLETE, "ABOR done.");
    }

    fn stop_moving(&mut self, core: &mut Core, stage: Progress) {
        if let Work::Transfer(transfer) = &mut self.work {
            transfer.stage = stage;
            core.push(Action::Abort);
        }
    }

    /// The session ends: a transfer that moves data is stopped and its end awaited, any other is dropped.
    pub(super) fn give_up(&mut self, core: &mut Core) {
        match &mut self.work {
            Work::Transfer(transfer) if transfer.stage == Progress::Moving => {
                self.stop_moving(core, Progress::GivenUp)
            }
            Work::Transfer(transfer) if transfer.stage == Progress::Aborting => {
                transfer.stage = Progress::GivenUp
            }
            Work::Transfer(_) | Work::Idle | Work::Asking(_) | Work::Opening(_) | Work::Clearing => {
                self.work = Work::Idle
            }
        }
    }

    /// What STAT says of a transfer.
    pub(super) fn transfer_status(&self, now: Instant) -> Option<String> {
        let Work::Transfer(transfer) = &self.work else { return None };
        let state = match transfer.stage {
            Progress::Checking | Progress::Connecting => "waiting for the data connection".to_owned(),
            Progress::Moving => {
                format!("in transfer for {} s", now.saturating_duration_since(transfer.started).as_secs())
            }
            Progress::Aborting | Progress::GivenUp => "being aborted".to_owned(),
        };
        Some(format!("{} {}: {state}.", transfer.verb.spec().word, transfer.path))
    }
}

impl Transfer {
    /// The 150. That of STOU names the file (RFC 1123 §4.1.2.9).
    fn opening(&self) -> Reply {
        if self.verb == Verb::Stou {
            return Reply::line(Code::OPENING_DATA, format!("FILE: {}", self.path));
        }
        match self.length {
            // Java, Python and browsers know the length by this form, which is vsftpd's.
            Length::Octets(octets) => Reply::line(
                Code::OPENING_DATA,
                format!("Data connection is open; starting the transfer ({octets} bytes)."),
            ),
            Length::Untold | Length::Behind(_) => {
                Reply::new(Code::OPENING_DATA, "Data connection is open; starting the transfer.")
            }
        }
    }

    /// The file is open, and so many octets of it will be sent.
    fn opened(&mut self, octets: u64) {
        if let Length::Behind(skipped) = self.length {
            self.length = Length::Octets(skipped.saturating_add(octets));
        }
    }

    /// The 226.
    fn complete(&self, now: Instant, count: Count, mode: Mode) -> Reply {
        let seconds = now.saturating_duration_since(self.started).as_secs_f64();
        let wire =
            if mode == Mode::Stream { String::new() } else { format!(" ({} on the wire)", count.wire) };
        Reply::line(
            Code::TRANSFER_COMPLETE,
            format!("Transfer complete: {} octets{wire} in {seconds:.3} s.", count.file),
        )
    }
}
