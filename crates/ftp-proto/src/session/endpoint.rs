//! Where the next data connection is made: PORT, EPRT, PASV, EPSV (RFC 959 §4.1.2, RFC 2428, RFC 2577 §3).

use std::net::{IpAddr, SocketAddr};

use crate::reply::{Code, Reply, payload};
use crate::session::action::Action;
use crate::session::policy::Switch;
use crate::session::refusal::no_socket;
use crate::session::state::work::{Announce, Endpoint, Setup, Work};
use crate::session::state::{Core, LoggedIn, Restart};
use crate::value::address::{EpsvArg, ExtendedAddress};
use crate::value::text::Text;
use crate::verb::Verb;

/// The number of an address family in RFC 2428 §2.
fn family(ip: IpAddr) -> u16 {
    match ip {
        IpAddr::V4(_) => 1,
        IpAddr::V6(_) => 2,
    }
}

impl LoggedIn {
    /// `PORT`
    pub(super) fn port(&mut self, core: &mut Core, address: SocketAddr) {
        self.active(core, address, Verb::Port);
    }

    /// `EPRT`
    pub(super) fn eprt(&mut self, core: &mut Core, address: &ExtendedAddress) {
        match address {
            ExtendedAddress::Known(address) if family(address.ip()) == family(core.ends.peer.ip()) => {
                self.active(core, *address, Verb::Eprt);
            }
            ExtendedAddress::Known(_) | ExtendedAddress::OtherFamily(_) => {
                self.drop_endpoint(core);
                core.push(Action::Reply(family_refused(core)));
            }
        }
    }

    /// Notes where the client listens; nothing is opened before a transfer needs it.
    fn active(&mut self, core: &mut Core, address: SocketAddr, verb: Verb) {
        self.drop_endpoint(core);
        let peer = core.ends.peer.ip();
        if self.settings.setup == Setup::EpsvOnly {
            core.reply(Code::BAD_SEQUENCE, "EPSV ALL in effect.");
        } else if core.policy.active == Switch::Off {
            core.reply(Code::NOT_IMPLEMENTED, "Active mode is switched off here; use EPSV or PASV.");
        } else if address.ip() != peer {
            let text = format!(
                "{} is not your address ({peer}): you are behind NAT. Use EPSV or PASV.",
                address.ip()
            );
            core.say(Code::BAD_ARGUMENT, text);
        } else if address.port() < 1024 {
            core.reply(Code::BAD_PARAMETER, "Data connections go to ports from 1024 up only.");
        } else {
            // With the zone of the control connection, where it has one (RFC 4007 §6).
            let mut client = core.ends.peer;
            client.set_port(address.port());
            self.endpoint = Endpoint::Active(client);
            let word = verb.spec().word;
            core.say(
                Code::OK,
                format!("{word} noted; passive mode (EPSV) is the one that firewalls let through."),
            );
        }
    }

    /// `PASV`
    pub(super) fn pasv(&mut self, core: &mut Core) {
        if self.settings.setup == Setup::EpsvOnly {
            return core.reply(Code::BAD_SEQUENCE, "EPSV ALL in effect.");
        }
        if core.ends.local.is_ipv6() {
            self.drop_endpoint(core);
            return core.reply(Code::NOT_IMPLEMENTED, "PASV cannot carry an IPv6 address; use EPSV.");
        }
        self.listen(core, Announce::Pasv);
    }

    /// `EPSV`
    pub(super) fn epsv(&mut self, core: &mut Core, argument: Option<EpsvArg>) {
        match argument {
            Some(EpsvArg::All) => {
                self.settings.setup = Setup::EpsvOnly;
                core.reply(Code::OK, "EPSV only from now on.");
            }
            Some(EpsvArg::Family(wanted)) if wanted != family(core.ends.local.ip()) => {
                self.drop_endpoint(core);
                core.push(Action::Reply(family_refused(core)));
            }
            Some(EpsvArg::Family(_)) | None => self.listen(core, Announce::Epsv),
        }
    }

    fn listen(&mut self, core: &mut Core, announce: Announce) {
        self.drop_endpoint(core);
        core.push(Action::Listen);
        self.work = Work::Opening(announce);
    }

    pub(super) fn listening(&mut self, core: &mut Core, address: SocketAddr) {
        let Work::Opening(announce) = self.work else { return };
        self.work = Work::Idle;
        self.endpoint = Endpoint::Passive;
        self.announced = Some(address);
        let reply = match (announce, address) {
            (Announce::Pasv, SocketAddr::V4(address)) => payload::passive(address),
            (Announce::Epsv, address) => payload::extended_passive(address.port()),
            (Announce::Pasv, SocketAddr::V6(_)) => {
                self.drop_endpoint(core);
                Reply::new(Code::NOT_IMPLEMENTED, "PASV cannot carry an IPv6 address; use EPSV.")
            }
        };
        core.push(Action::Reply(reply));
    }

    pub(super) fn no_port(&mut self, core: &mut Core) {
        if let Work::Opening(_) = self.work {
            self.work = Work::Idle;
            let text = format!(
                "All passive ports ({}) are in use; try again in a moment.",
                core.policy.passive_ports
            );
            core.say(Code::NO_DATA_CONNECTION, text);
        }
    }

    pub(super) fn no_socket(&mut self, core: &mut Core, why: &Text) {
        if let Work::Opening(_) = self.work {
            self.work = Work::Idle;
            core.say(Code::NO_DATA_CONNECTION, no_socket(why));
        }
    }

    /// Closes what an earlier command opened: a refused PORT must not leave an old PASV behind.
    pub(super) fn drop_endpoint(&mut self, core: &mut Core) {
        if self.endpoint != Endpoint::None {
            self.endpoint = Endpoint::None;
            core.push(Action::DropData);
        }
    }

    /// Gives up what was set up for a transfer that is refused.
    pub(super) fn retire_endpoint(&mut self, core: &mut Core) {
        if self.endpoint != Endpoint::None {
            self.endpoint = Endpoint::None;
            core.push(Action::RetireData);
        }
    }

    /// A command whose argument was refused: one that sets up data connections takes back the set-up before it.
    pub(super) fn refused_argument(&mut self, core: &mut Core, verb: Verb) {
        match verb {
            Verb::Port | Verb::Eprt => self.drop_endpoint(core),
            Verb::Rang => self.settings.restart = Restart::No,
            Verb::Rnto => self.rename_from = None,
            _ => {}
        }
    }
}

/// 522 with the family that this control connection can use (RFC 2428 §2).
fn family_refused(core: &Core) -> Reply {
    Reply::line(
        Code::NETWORK_PROTOCOL,
        format!("Network protocol not supported, use ({})", family(core.ends.local.ip())),
    )
}
