//! Reply codes (RFC 959 §4.2.2, RFC 2228 §5, RFC 2389, RFC 2428, RFC 3659, RFC 4217, RFC 7151).

use std::fmt;

/// A reply code: three digits, the first from 1 to 6.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Code(u16);

/// One row a code: its name, number and meaning.
macro_rules! codes {
    ($($name:ident $number:literal $meaning:literal;)*) => {
        impl Code {
            $(#[doc = concat!("`", $number, "`: ", $meaning)] pub const $name: Code = Code($number);)*
        }
    };
}

codes! {
    RESTART_MARKER 110 "restart marker";
    READY_SOON 120 "service ready in a while";
    DATA_OPEN 125 "data connection already open, transfer starting";
    OPENING_DATA 150 "file status okay, about to open the data connection";
    OK 200 "command okay";
    SUPERFLUOUS 202 "command not needed at this site";
    SYSTEM_STATUS 211 "system status or feature list";
    DIRECTORY_STATUS 212 "directory status";
    FILE_STATUS 213 "file status";
    HELP 214 "help";
    SYSTEM_TYPE 215 "system type";
    READY 220 "service ready";
    CLOSING 221 "closing the control connection";
    NO_TRANSFER 225 "data connection open, no transfer in progress";
    TRANSFER_COMPLETE 226 "closing the data connection, the action was successful";
    PASSIVE 227 "entering passive mode";
    EXTENDED_PASSIVE 229 "entering extended passive mode";
    LOGGED_IN 230 "user logged in";
    SECURITY_ACCEPTED 234 "security mechanism accepted";
    ACTION_DONE 250 "requested file action completed";
    PATHNAME 257 "pathname created, or current";
    NEED_PASSWORD 331 "user name okay, need password";
    NEED_ACCOUNT 332 "need account";
    PENDING 350 "file action pending further information";
    UNAVAILABLE 421 "service not available, closing the control connection";
    NO_DATA_CONNECTION 425 "cannot open data connection";
    TRANSFER_ABORTED 426 "connection closed, transfer aborted";
    FILE_BUSY 450 "file unavailable for now";
    LOCAL_ERROR 451 "local error in processing";
    NO_SPACE 452 "insufficient storage space";
    SYNTAX_ERROR 500 "syntax error, command unrecognized";
    BAD_ARGUMENT 501 "syntax error in arguments";
    NOT_IMPLEMENTED 502 "command not implemented";
    BAD_SEQUENCE 503 "bad sequence of commands";
    BAD_PARAMETER 504 "command not implemented for that parameter";
    PROT_LEVEL_REFUSED 521 "data connection cannot be opened with this PROT setting";
    NETWORK_PROTOCOL 522 "network protocol not supported, or TLS negotiation failed on the data connection";
    NOT_LOGGED_IN 530 "not logged in";
    PROTECTION_DENIED 533 "command protection level denied for policy reasons";
    POLICY 534 "request denied for policy reasons";
    PROT_LEVEL_UNSUPPORTED 536 "PROT level not supported by the mechanism";
    FILE_UNAVAILABLE 550 "file unavailable: not found, no access";
    PAGE_TYPE_UNKNOWN 551 "action aborted, representation does not fit";
    OVER_QUOTA 552 "exceeded storage allocation";
    NAME_NOT_ALLOWED 553 "file name not allowed";
    BAD_RESTART 554 "invalid REST parameter";
}

/// What the first digit of a code says (RFC 959 §4.2.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// 1yz: another reply follows.
    Preliminary,
    /// 2yz: done.
    Completion,
    /// 3yz: another command is awaited.
    Intermediate,
    /// 4yz: failed for now.
    Transient,
    /// 5yz: failed for good.
    Permanent,
    /// 6yz: a protected reply (RFC 2228).
    Protected,
}

impl Code {
    /// The code, if it is one.
    #[must_use]
    pub fn new(number: u16) -> Option<Self> {
        (100..700).contains(&number).then_some(Self(number))
    }

    /// The three digits as a number.
    #[must_use]
    pub fn number(self) -> u16 {
        self.0
    }

    /// What the first digit says.
    #[must_use]
    pub fn class(self) -> Class {
        match self.0 / 100 {
            1 => Class::Preliminary,
            2 => Class::Completion,
            3 => Class::Intermediate,
            4 => Class::Transient,
            5 => Class::Permanent,
            _ => Class::Protected,
        }
    }
}

impl fmt::Display for Code {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_have_three_digits_and_a_class() {
        assert_eq!(Code::new(99), None);
        assert_eq!(Code::new(700), None);
        assert_eq!(Code::new(226), Some(Code::TRANSFER_COMPLETE));
        assert_eq!(Code::OPENING_DATA.class(), Class::Preliminary);
        assert_eq!(Code::LOCAL_ERROR.class(), Class::Transient);
        assert_eq!(Code::new(631).map(Code::class), Some(Class::Protected));
    }
}
