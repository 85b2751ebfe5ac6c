//! Commands: one line from a client, parsed and encoded.
//!
//! ```abnf
//! command  = verb [SP argument] CRLF          ; RFC 959 §5.3
//! verb     = 3*8ALPHA                         ; any letter case
//! argument = *(%x01-09 / %x0B-0C / %x0E-FF)   ; as the verb says; a pathname keeps every blank after the first
//! ```
//!
//! [`Command::parse`] takes a line as [`crate::frame::Framer`] yields it: without its end and with Telnet removed.
//! [`Encode`] for [`Command`] writes the line with both. Arguments that only one group of commands uses stand in
//! the submodule of that group; the others in [`crate::value`]. Not here: whether a command may be used now.

use thiserror::Error;

pub mod extension;
pub mod service;

use crate::command::extension::{FactChanges, Opts, QuotablePath, TimedPath};
use crate::command::service::{ListArg, SiteCommand};
use crate::grammar::{Argument, Encode, Expected};
use crate::value::address::{EpsvArg, ExtendedAddress, HostPort};
use crate::value::path::PathArg;
use crate::value::security::{Base64, BufferSize, Mechanism, ProtLevel};
use crate::value::text::{Password, Text, Username, Word};
use crate::value::transfer::{Allocation, ByteRange, Marker, Mode, Structure, TypeCode};
use crate::verb::{Arity, Verb, with_verbs};

/// Why a line is not a command. The session answers 500, 501 or 504.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum CommandError {
    /// The line is empty.
    #[error("empty line")]
    Empty,
    /// No such verb.
    #[error("unknown command")]
    Unknown,
    /// The verb needs an argument.
    #[error("{} needs an argument", .0.spec().word)]
    MissingArgument(Verb),
    /// The verb takes no argument.
    #[error("{} takes no argument", .0.spec().word)]
    UnexpectedArgument(Verb),
    /// The argument does not follow the grammar.
    #[error("{} expects {}", .0.spec().word, .1)]
    BadArgument(Verb, &'static str),
    /// The argument is well formed, but names something that does not exist.
    #[error("{} supports {}", .0.spec().word, .1)]
    Unsupported(Verb, &'static str),
}

/// Defines [`Command`] from the verb table: a variant a verb, with the type of its argument.
macro_rules! define_commands {
    (@rows [$($row:tt)*]) => { define_commands!(@emit $($row)*); };
    (@rows [$($row:tt)*] $variant:ident $word:literal = $target:ident $clause:literal; $($rest:tt)*) => {
        define_commands!(@rows [$($row)*] $($rest)*);
    };
    (@rows [$($row:tt)*] $variant:ident $word:literal none() $phase:ident $during:ident $feature:ident $(($line:literal))?
        $clause:literal $help:literal; $($rest:tt)*) => {
        define_commands!(@rows [$($row)* ($variant $word $clause [] {|_| Ok(Command::$variant)} {Command::$variant => None} {|_| Ok(Command::$variant)})] $($rest)*);
    };
    (@rows [$($row:tt)*] $variant:ident $word:literal optional($argument:ty) $phase:ident $during:ident $feature:ident $(($line:literal))?
        $clause:literal $help:literal; $($rest:tt)*) => {
        define_commands!(@rows [$($row)* ($variant $word $clause [(Option<$argument>)]
            {|argument: &[u8]| optional::<$argument>(argument).map(Command::$variant)}
            {Command::$variant(argument) => argument.as_ref().map(|argument| argument as &dyn Encode)}
            {|u: &mut arbitrary::Unstructured<'_>| u.arbitrary().map(Command::$variant)})] $($rest)*);
    };
    (@rows [$($row:tt)*] $variant:ident $word:literal required($argument:ty) $phase:ident $during:ident $feature:ident $(($line:literal))?
        $clause:literal $help:literal; $($rest:tt)*) => {
        define_commands!(@rows [$($row)* ($variant $word $clause [($argument)]
            {|argument: &[u8]| <$argument>::parse(argument).map(Command::$variant)}
            {Command::$variant(argument) => Some(argument as &dyn Encode)}
            {|u: &mut arbitrary::Unstructured<'_>| u.arbitrary().map(Command::$variant)})] $($rest)*);
    };
    (@emit $(($variant:ident $word:literal $clause:literal [$($payload:tt)?] {$parse:expr} {$pattern:pat => $argument:expr} {$arbitrary:expr}))*) => {
        /// A command with its argument.
        #[derive(Debug, Clone, PartialEq, Eq)]
        #[non_exhaustive]
        pub enum Command {
            $(#[doc = concat!("`", $word, "` (", $clause, ")")] $variant $($payload)?,)*
        }

        impl Command {
            /// The verb of this command.
            #[must_use]
            pub fn verb(&self) -> Verb {
                match self { $(Command::$variant { .. } => Verb::$variant,)* }
            }

            fn argument(&self) -> Option<&dyn Encode> {
                match self { $($pattern => $argument,)* }
            }

            /// A command of `verb` with an arbitrary argument.
            #[cfg(feature = "arbitrary")]
            pub(crate) fn arbitrary_argument(verb: Verb, u: &mut arbitrary::Unstructured<'_>) -> arbitrary::Result<Self> {
                match verb { $(Verb::$variant => ($arbitrary)(u),)* }
            }

            fn parse_argument(verb: Verb, argument: &[u8]) -> Result<Self, Expected> {
                match verb { $(Verb::$variant => ($parse)(argument),)* }
            }
        }
    };
    ($($rows:tt)*) => { define_commands!(@rows [] $($rows)*); };
}

/// An argument that may be absent.
fn optional<T: Argument>(argument: &[u8]) -> Result<Option<T>, Expected> {
    if argument.is_empty() { Ok(None) } else { T::parse(argument).map(Some) }
}

with_verbs!(define_commands);

impl Command {
    /// Parses one line, without its line end.
    ///
    /// # Errors
    /// [`CommandError`] names what is wrong and what would be right.
    ///
    /// ```
    /// use ftp_proto::command::{Command, CommandError};
    /// use ftp_proto::verb::Verb;
    ///
    /// assert!(matches!(Command::parse(b"retr  a b "), Ok(Command::Retr(path)) if path.as_bytes() == b" a b "));
    /// assert_eq!(Command::parse(b"RETR"), Err(CommandError::MissingArgument(Verb::Retr)));
    /// assert_eq!(Command::parse(b"XYZZY"), Err(CommandError::Unknown));
    /// ```
    pub fn parse(line: &[u8]) -> Result<Self, CommandError> {
        let (word, argument) = match memchr::memchr(b' ', line) {
            Some(space) => (line.get(..space).unwrap_or_default(), line.get(space + 1..).unwrap_or_default()),
            None => (line, &[][..]),
        };
        if word.is_empty() {
            return Err(if line.trim_ascii().is_empty() {
                CommandError::Empty
            } else {
                CommandError::Unknown
            });
        }
        let verb = Verb::parse(word).ok_or(CommandError::Unknown)?;
        match verb.spec().arity {
            Arity::None if !argument.trim_ascii().is_empty() => {
                return Err(CommandError::UnexpectedArgument(verb));
            }
            // A PASS with nothing behind it is one with an empty password, as it is sent for anonymous users.
            Arity::Required if word.len() == line.len() && verb != Verb::Pass => {
                return Err(CommandError::MissingArgument(verb));
            }
            _ => {}
        }
        Self::parse_argument(verb, argument).map_err(|expected| match expected {
            Expected::Syntax(right) => CommandError::BadArgument(verb, right),
            Expected::Unsupported(right) => CommandError::Unsupported(verb, right),
        })
    }
}

impl Encode for Command {
    /// The line with Telnet escapes and CR LF.
    fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.verb().spec().word.as_bytes());
        if let Some(argument) = self.argument() {
            out.push(b' ');
            argument.encode(out);
        }
        out.extend_from_slice(b"\r\n");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The argument of an example row, by verb.
    fn example(verb: Verb) -> &'static str {
        match verb {
            Verb::Port => "10,0,0,1,200,10",
            Verb::Type => "A T",
            Verb::Stru => "R",
            Verb::Mode => "B",
            Verb::Allo => "10 R 5",
            Verb::Rest => "5",
            Verb::Site => "CHMOD 644 a b",
            Verb::Auth => "TLS",
            Verb::Adat | Verb::Mic | Verb::Conf | Verb::Enc => "AAAA",
            Verb::Pbsz => "0",
            Verb::Prot => "P",
            Verb::Opts => "MLST type;size;",
            Verb::Eprt => "|2|::1|50000|",
            Verb::Epsv => "ALL",
            Verb::Mfmt | Verb::Mfct => "20020717210715 a b",
            Verb::Mff => "modify=20020717210715; a b",
            Verb::Rang => "0 99",
            Verb::Help | Verb::Lang | Verb::Host => "word",
            _ => "some name",
        }
    }

    #[test]
    fn every_verb_parses_and_encodes_its_example() {
        for spec in Verb::TABLE {
            let line = match spec.arity {
                Arity::None => spec.word.to_owned(),
                _ => format!("{} {}", spec.word, example(spec.verb)),
            };
            let command = Command::parse(line.as_bytes()).unwrap_or_else(|error| panic!("{line}: {error}"));
            assert_eq!(command.verb(), spec.verb);
            assert_eq!(command.to_bytes(), format!("{line}\r\n").into_bytes());
        }
    }

    #[test]
    fn arity_is_checked_before_the_argument() {
        for spec in Verb::TABLE {
            let bare = Command::parse(spec.word.as_bytes());
            match spec.arity {
                Arity::Required if spec.verb == Verb::Pass => assert_eq!(bare, Command::parse(b"PASS ")),
                Arity::Required => assert_eq!(bare, Err(CommandError::MissingArgument(spec.verb))),
                Arity::Optional => assert_eq!(bare.map(|command| command.verb()), Ok(spec.verb)),
                Arity::None => {
                    let line = format!("{} x", spec.word);
                    assert_eq!(
                        Command::parse(line.as_bytes()),
                        Err(CommandError::UnexpectedArgument(spec.verb))
                    );
                }
            }
        }
    }

    #[test]
    fn lines_that_are_no_commands() {
        assert_eq!(Command::parse(b""), Err(CommandError::Empty));
        assert_eq!(Command::parse(b"  "), Err(CommandError::Empty));
        assert_eq!(Command::parse(b" NOOP"), Err(CommandError::Unknown));
        assert_eq!(Command::parse(b"\x00\xff"), Err(CommandError::Unknown));
        assert!(matches!(Command::parse(b"PORT 1,2,3"), Err(CommandError::BadArgument(Verb::Port, _))));
        assert!(matches!(Command::parse(b"STRU X"), Err(CommandError::Unsupported(Verb::Stru, _))));
        assert!(matches!(Command::parse(b"PASS "), Ok(Command::Pass(_))));
        assert!(matches!(Command::parse(b"PASS"), Ok(Command::Pass(empty)) if empty.reveal().is_empty()));
        assert_eq!(Command::parse(b"ACCT"), Err(CommandError::MissingArgument(Verb::Acct)));
    }
}
