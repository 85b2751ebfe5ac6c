//! Protection: AUTH, ADAT, PBSZ, PROT, CCC (RFC 2228, RFC 4217).

use crate::reply::Code;
use crate::session::action::{Action, Ending, Notice, Protection};
use crate::session::event::TlsFacts;
use crate::session::policy::{DataProtection, Plain, Switch};
use crate::session::state::work::Work;
use crate::session::state::{Control, Core, Entrance, Secure, Session, Stage, Visitor};
use crate::value::security::{BufferSize, Mechanism, ProtLevel};
use crate::value::text::Text;

impl Secure {
    pub(super) fn new(entrance: Entrance) -> Self {
        let mut secure = Self { control: Control::Clear, pbsz: Switch::Off, data: Protection::Clear };
        if entrance == Entrance::Implicit {
            secure.protect_data();
        }
        secure
    }

    /// As if PBSZ 0 and PROT P had been sent: the implicit entrance, `AUTH SSL` and `AUTH TLS-P` stand for it.
    fn protect_data(&mut self) {
        (self.pbsz, self.data) = (Switch::On, Protection::Private);
    }

    /// What TLS agreed on, also behind CCC; `None` if the control connection was not protected.
    pub(super) fn facts(&self) -> Option<&TlsFacts> {
        match &self.control {
            Control::Clear => None,
            Control::Tls(facts) | Control::Cleared(facts) => Some(facts),
        }
    }

    /// The same while the control connection is protected.
    pub(super) fn facts_now(&self) -> Option<&TlsFacts> {
        self.facts().filter(|_| self.is_protected())
    }

    /// Whether the control connection is protected now.
    pub(super) fn is_protected(&self) -> bool {
        matches!(self.control, Control::Tls(_))
    }

    /// The level of data connections.
    pub(super) fn data(&self) -> Protection {
        self.data
    }

    /// Whether policy forbids a data connection at the present level.
    pub(super) fn forbids_data(&self, policy: DataProtection) -> bool {
        self.data == Protection::Clear && policy == DataProtection::Required && self.facts().is_some()
    }

    pub(super) fn ends_with_rein(&self, entrance: Entrance) -> bool {
        self.is_protected() && entrance == Entrance::Explicit
    }

    /// After REIN: as at the start of an explicit session.
    pub(super) fn clear(&mut self) {
        *self = Self { control: Control::Clear, pbsz: Switch::Off, data: Protection::Clear };
    }
}

impl Session {
    /// `AUTH`: 234, and the TLS handshake follows. Everything from before is forgotten.
    pub(super) fn auth(&mut self, mechanism: &Mechanism) {
        if self.core.policy.tls == Switch::Off {
            return self.core.reply(Code::NOT_IMPLEMENTED, "TLS is not set up on this server.");
        }
        match self.core.secure.control {
            Control::Clear => {}
            Control::Tls(_) => return self.core.reply(Code::POLICY, "TLS is in use already."),
            Control::Cleared(_) => {
                return self.core.reply(Code::POLICY, "CCC has ended TLS; send REIN to begin anew.");
            }
        }
        if let Mechanism::Other(_) = mechanism {
            return self.core.reply(Code::BAD_PARAMETER, "The mechanism offered is TLS.");
        }
        if !self.waiting.is_empty() {
            // Lines in clear stand behind AUTH: they must not run inside TLS, whoever sent them.
            self.core.reply(Code::UNAVAILABLE, "Commands behind AUTH; closing.");
            return self.end(Ending::Nonsense(Text::from("commands in clear behind AUTH")));
        }
        self.core.reply(Code::SECURITY_ACCEPTED, "TLS handshake, please.");
        self.start_anew();
        match mechanism {
            Mechanism::Ssl | Mechanism::TlsP => self.core.secure.protect_data(),
            Mechanism::Tls | Mechanism::Other(_) => {}
        }
        self.core.push(Action::Secure);
        self.stage = Stage::Securing;
    }

    pub(super) fn secured(&mut self, facts: TlsFacts) {
        if !matches!(self.stage, Stage::Securing) {
            return;
        }
        let entrance = self.core.ends.entrance;
        self.core.notice(Notice::Secured(facts.clone()));
        self.core.secure.control = Control::Tls(facts);
        self.core.since = self.core.now;
        self.stage = Stage::Visitor(Visitor::default());
        if entrance == Entrance::Implicit {
            self.greet();
        }
    }

    /// `CCC`: TLS on the control connection ends, data connections keep their level (RFC 4217 §5).
    pub(super) fn ccc(&mut self) {
        if !self.core.secure.is_protected() {
            return self.core.reply(Code::PROTECTION_DENIED, "The control connection is not protected.");
        }
        if self.core.policy.clear_control == Switch::Off {
            return self.core.reply(Code::POLICY, "The control connection stays protected here.");
        }
        let Stage::LoggedIn(me) = &mut self.stage else {
            return self.core.reply(Code::NOT_LOGGED_IN, "CCC goes after the login.");
        };
        me.work = Work::Clearing;
        self.core.reply(Code::OK, "The control connection goes on in clear.");
        if let Control::Tls(facts) = &self.core.secure.control {
            self.core.secure.control = Control::Cleared(facts.clone());
        }
        self.core.push(Action::Unsecure);
    }
}

impl Core {
    /// `ADAT`, `MIC`, `CONF`, `ENC`: TLS needs none of them.
    pub(super) fn no_security_data(&mut self) {
        self.reply(Code::NOT_IMPLEMENTED, "TLS protects this connection; there is no need for that command.");
    }

    /// `PBSZ`: 0 is the only size that makes sense with TLS (RFC 4217 §8).
    pub(super) fn pbsz(&mut self, size: BufferSize) {
        if !self.secure.is_protected() {
            return self.reply(Code::BAD_SEQUENCE, "PBSZ goes after AUTH TLS.");
        }
        self.secure.pbsz = Switch::On;
        if size.0 == 0 {
            self.reply(Code::OK, "PBSZ=0")
        } else {
            self.reply(Code::OK, "PBSZ=0, the size that TLS has.")
        }
    }

    /// `PROT`: the level of data connections from the next one on (RFC 4217 §9).
    pub(super) fn prot(&mut self, level: ProtLevel) {
        if !self.secure.is_protected() {
            return self.reply(Code::BAD_SEQUENCE, "PROT goes after AUTH TLS and PBSZ 0.");
        }
        if self.secure.pbsz == Switch::Off {
            return self.reply(Code::BAD_SEQUENCE, "Send PBSZ 0 first.");
        }
        match level {
            ProtLevel::Private => {
                self.secure.data = Protection::Private;
                self.reply(Code::OK, "Data connections are protected.");
            }
            ProtLevel::Clear if self.policy.data_protection == DataProtection::Required => {
                self.reply(Code::POLICY, "This server moves data over TLS only; use PROT P.");
            }
            ProtLevel::Clear => {
                self.secure.data = Protection::Clear;
                self.reply(Code::OK, "Data connections are in clear.");
            }
            ProtLevel::Safe | ProtLevel::Confidential => {
                self.reply(Code::PROT_LEVEL_UNSUPPORTED, "TLS knows PROT P and PROT C only.");
            }
        }
    }

    /// What FEAT says of AUTH.
    pub(super) fn offers_auth(&self) -> bool {
        self.policy.tls == Switch::On && self.ends.entrance == Entrance::Explicit
    }

    /// Whether logins in clear are taken, for STAT.
    pub(super) fn takes_plain(&self) -> bool {
        self.policy.plain == Plain::Allow
    }
}
