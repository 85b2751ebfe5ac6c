//! Arguments of the extension commands: `OPTS`, `MFMT`, `MFCT`, `MFF` and the digest commands.

use nom::bytes::complete::tag;
use nom::combinator::{map_opt, rest};
use nom::sequence::separated_pair;

use crate::grammar::{Argument, Encode, Expected, trimmed, whole};
use crate::value::facts::{FactName, FactSet};
use crate::value::path::{PathArg, put_quoted, unquote};
use crate::value::text::Word;
use crate::value::time::{TimeVal, time_val};

pub use crate::value::facts::FactChange;

/// The argument of `OPTS`.
///
/// ```abnf
/// opts-argument = ("MLST" [SP *(factname ";")])             ; RFC 3659 §7.9
///               / ("UTF8" [SP ("ON" / "OFF" / "NLST")])     ; practice
///               / ("HASH" [SP algorithm])                   ; draft-bryan-ftpext-hash §3.2
///               / ("MODE" SP "Z" [SP "LEVEL" SP 1*DIGIT])   ; draft-preston-ftpext-deflate §3.4
///               / (word [SP text])
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Opts {
    /// The facts that MLSx sends from now on; unknown ones are already left out.
    Mlst(FactSet),
    /// File names are UTF-8, which they always are: `true` for `ON` and the bare form.
    Utf8(Utf8),
    /// The digest algorithm of `HASH`, or the wish to know it.
    Hash(Option<Word>),
    /// The compression level of MODE Z, 0 to 9; `None` for no change.
    ModeZ(Option<u8>),
    /// Another target.
    Other(Word),
}

/// What `OPTS UTF8` asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Utf8 {
    /// `ON`, or nothing.
    On,
    /// `OFF`
    Off,
    /// `NLST`, of an old draft.
    Nlst,
}

/// `*(factname ";")`; unknown facts are left out (RFC 3659 §7.9).
fn fact_list(list: &[u8]) -> Result<FactSet, Expected> {
    let expected = Expected::Syntax("MLST type;size;modify;, each fact with its semicolon");
    let mut set = FactSet::empty();
    let mut left = trimmed(list);
    while !left.is_empty() {
        let end = memchr::memchr(b';', left).ok_or(expected)?;
        let (name, tail) = left.split_at(end);
        if name.is_empty()
            || !name.iter().all(|octet| octet.is_ascii_alphanumeric() || b".-_".contains(octet))
        {
            return Err(expected);
        }
        if let Some(fact) = FactName::parse(name) {
            set |= fact.into();
        }
        left = tail.strip_prefix(b";").unwrap_or_default();
    }
    Ok(set)
}

fn utf8(argument: &[u8]) -> Result<Opts, Expected> {
    let is = |name: &[u8]| argument.eq_ignore_ascii_case(name);
    match argument {
        b"" => Ok(Opts::Utf8(Utf8::On)),
        _ if is(b"ON") => Ok(Opts::Utf8(Utf8::On)),
        _ if is(b"OFF") => Ok(Opts::Utf8(Utf8::Off)),
        _ if is(b"NLST") => Ok(Opts::Utf8(Utf8::Nlst)),
        _ => Err(Expected::Syntax("UTF8 ON")),
    }
}

fn mode_z(argument: &[u8]) -> Result<Opts, Expected> {
    let expected = Err(Expected::Syntax("MODE Z LEVEL 0 to 9"));
    let mut words = argument.split(|octet| *octet == b' ').filter(|word| !word.is_empty());
    match (words.next(), words.next(), words.next(), words.next()) {
        (Some(b"Z" | b"z"), None, None, None) => Ok(Opts::ModeZ(None)),
        (Some(b"Z" | b"z"), Some(key), Some([level @ b'0'..=b'9']), None)
            if key.eq_ignore_ascii_case(b"LEVEL") =>
        {
            Ok(Opts::ModeZ(Some(level - b'0')))
        }
        _ => expected,
    }
}

impl Argument for Opts {
    fn parse(argument: &[u8]) -> Result<Self, Expected> {
        let argument = trimmed(argument);
        let (word, tail) = match memchr::memchr(b' ', argument) {
            Some(space) => argument.split_at(space),
            None => (argument, &[][..]),
        };
        let tail = trimmed(tail);
        let is = |name: &[u8]| word.eq_ignore_ascii_case(name);
        match word {
            _ if is(b"MLST") => fact_list(tail).map(Self::Mlst),
            _ if is(b"UTF8") || is(b"UTF-8") => utf8(tail),
            _ if is(b"HASH") && tail.is_empty() => Ok(Self::Hash(None)),
            _ if is(b"HASH") => Word::parse(tail).map(|name| Self::Hash(Some(name))),
            _ if is(b"MODE") => mode_z(tail),
            _ => Word::new(word).map(Self::Other).ok_or(Expected::Syntax("MLST, UTF8, HASH or MODE Z")),
        }
    }
}

impl Encode for Opts {
    fn encode(&self, out: &mut Vec<u8>) {
        let text = match self {
            Self::Mlst(set) => {
                let facts: String = set.facts().map(|fact| format!("{};", fact.as_str())).collect();
                if facts.is_empty() { "MLST".to_owned() } else { format!("MLST {facts}") }
            }
            Self::Utf8(Utf8::On) => "UTF8 ON".to_owned(),
            Self::Utf8(Utf8::Off) => "UTF8 OFF".to_owned(),
            Self::Utf8(Utf8::Nlst) => "UTF8 NLST".to_owned(),
            Self::Hash(None) => "HASH".to_owned(),
            Self::Hash(Some(name)) => format!("HASH {name}"),
            Self::ModeZ(None) => "MODE Z".to_owned(),
            Self::ModeZ(Some(level)) => format!("MODE Z LEVEL {level}"),
            Self::Other(word) => word.to_string(),
        };
        out.extend_from_slice(text.as_bytes());
    }
}

/// The argument of `MFMT` and `MFCT`.
///
/// ```abnf
/// mfmt-argument = time-val SP pathname      ; draft-somers-ftp-mfxx §3.1
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TimedPath {
    /// The time to set, in UTC.
    pub time: TimeVal,
    /// The file: everything after the second blank of the line.
    pub path: PathArg,
}

impl Argument for TimedPath {
    fn parse(argument: &[u8]) -> Result<Self, Expected> {
        let path = map_opt(rest, |octets: &[u8]| PathArg::new(octets));
        whole(separated_pair(time_val, tag(&b" "[..]), path), argument)
            .map(|(time, path)| Self { time, path })
            .ok_or(Expected::Syntax("YYYYMMDDHHMMSS and a pathname"))
    }
}

impl Encode for TimedPath {
    fn encode(&self, out: &mut Vec<u8>) {
        self.time.encode(out);
        out.push(b' ');
        self.path.encode(out);
    }
}

/// The argument of `MFF`.
///
/// ```abnf
/// mff-argument = factname "=" value *(";" factname "=" value) [";"] SP pathname    ; draft-somers-ftp-mfxx §5.1
/// ```
///
/// The draft asks for the last semicolon, which ncftp leaves out. `create` may be asked for, but is not kept: no store sets it,
/// and what was not set is left out of the reply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FactChanges {
    /// What to set, in order; at least one.
    pub changes: Vec<FactChange>,
    /// The file.
    pub path: PathArg,
}

/// What to set; nothing of a fact that is only ever read.
fn change(fact: &[u8]) -> Result<Option<FactChange>, Expected> {
    let expected = Expected::Syntax("modify=YYYYMMDDHHMMSS; or unix.mode=644; before the pathname");
    let equals = memchr::memchr(b'=', fact).ok_or(expected)?;
    let (name, value) = (fact.get(..equals).unwrap_or_default(), fact.get(equals + 1..).unwrap_or_default());
    match FactName::parse(name) {
        Some(FactName::Modify) => {
            TimeVal::parse(value).map(|time| Some(FactChange::Modify(time))).map_err(|_| expected)
        }
        Some(FactName::Create) => TimeVal::parse(value).map(|_| None).map_err(|_| expected),
        Some(FactName::UnixMode) => {
            let octal = std::str::from_utf8(value).ok().and_then(|text| u16::from_str_radix(text, 8).ok());
            octal.filter(|mode| *mode <= 0o7777).map(|mode| Some(FactChange::UnixMode(mode))).ok_or(expected)
        }
        _ => Err(Expected::Unsupported("the facts modify and unix.mode")),
    }
}

impl Argument for FactChanges {
    fn parse(argument: &[u8]) -> Result<Self, Expected> {
        let expected = Expected::Syntax("modify=YYYYMMDDHHMMSS; and a pathname");
        let space = memchr::memchr(b' ', argument).ok_or(expected)?;
        let list = argument.get(..space).unwrap_or_default();
        let list = list.strip_suffix(b";").unwrap_or(list);
        let changes = list.split(|octet| *octet == b';').map(change).collect::<Result<Vec<_>, _>>()?;
        let changes: Vec<_> = changes.into_iter().flatten().collect();
        if changes.is_empty() {
            return Err(Expected::Unsupported("the facts modify and unix.mode"));
        }
        let path = PathArg::parse(argument.get(space + 1..).unwrap_or_default())?;
        Ok(Self { changes, path })
    }
}

impl Encode for FactChanges {
    fn encode(&self, out: &mut Vec<u8>) {
        for change in &self.changes {
            change.encode(out);
        }
        out.push(b' ');
        self.path.encode(out);
    }
}

/// The argument of `XMD5` and its relatives: a pathname, between double quotes if the client likes.
///
/// ```abnf
/// quotable-path = pathname / (DQUOTE *(char / 2DQUOTE) DQUOTE)    ; practice
/// ```
///
/// A range behind the quotes, which some servers take, is refused with 504.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QuotablePath(pub PathArg);

/// Whether something stands behind the closing quote of a name, as the range that some servers take.
fn is_followed(argument: &[u8]) -> bool {
    let closing = |(at, pair): (usize, &[u8])| (pair == b"\" ").then_some(at + 1);
    argument.starts_with(b"\"")
        && argument
            .windows(2)
            .enumerate()
            .skip(1)
            .filter_map(closing)
            .any(|end| argument.get(..end).and_then(unquote).is_some())
        && unquote(argument).is_none()
}

impl Argument for QuotablePath {
    fn parse(argument: &[u8]) -> Result<Self, Expected> {
        if is_followed(argument) {
            return Err(Expected::Unsupported("the whole file, or RANG and HASH for a part of it"));
        }
        let path = unquote(argument).map_or_else(|| PathArg::new(argument), PathArg::new);
        path.map(Self).ok_or(Expected::Syntax("a pathname, between double quotes if it has blanks"))
    }
}

impl Encode for QuotablePath {
    fn encode(&self, out: &mut Vec<u8>) {
        // Without quotes of its own it would be taken for one that has them.
        if self.0.as_bytes().starts_with(b"\"") {
            let mut quoted = Vec::new();
            put_quoted(self.0.as_bytes(), &mut quoted);
            crate::value::text::put_telnet(&quoted, out);
        } else {
            self.0.encode(out);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_both_ways() {
        for text in [
            "MLST",
            "MLST type;size;",
            "UTF8 ON",
            "UTF8 OFF",
            "HASH",
            "HASH SHA-256",
            "MODE Z LEVEL 6",
            "XYZZY",
        ] {
            let parsed = Opts::parse(text.as_bytes()).unwrap();
            assert_eq!(parsed.to_bytes(), text.as_bytes());
        }
        assert_eq!(Opts::parse(b"mlst Type;frogs;SIZE;"), Opts::parse(b"MLST type;size;"));
        for bad in ["MLST unique type;", "MLST a b", "MODE Z LEVEL 99", "MODE Z FOO 1", "UTF8 MAYBE", ""] {
            assert!(matches!(Opts::parse(bad.as_bytes()), Err(Expected::Syntax(_))), "{bad}");
        }
    }

    #[test]
    fn times_and_facts_with_names_that_have_blanks() {
        let parsed = TimedPath::parse(b"20020717210715 a b  c").unwrap();
        assert_eq!(parsed.path.as_bytes(), b"a b  c");
        assert!(TimedPath::parse(b"20020717210715").is_err());
        let changes = FactChanges::parse(b"Modify=20020717210715;UNIX.mode=600; f").unwrap();
        assert_eq!(changes.to_bytes(), b"modify=20020717210715;unix.mode=600; f");
        let ncftp = FactChanges::parse(b"Modify=20020717210715;Create=20020717210715 f").unwrap();
        assert_eq!(ncftp.to_bytes(), b"modify=20020717210715; f");
        for unsettable in ["Fish=1; f", "Create=20020717210715; f", "Size=1;Modify=20020717210715; f"] {
            let parsed = FactChanges::parse(unsettable.as_bytes());
            assert!(matches!(parsed, Err(Expected::Unsupported(_))), "{unsettable}");
        }
        assert!(FactChanges::parse(b"; f").is_err());
        assert!(matches!(FactChanges::parse(b"Modify=20010229000000; f"), Err(Expected::Syntax(_))));
    }

    #[test]
    fn quotes_are_optional_and_reversible() {
        for (text, path) in [("a b", "a b"), ("\"a b\"", "a b"), ("\"a\"\"b\"", "a\"b"), ("a\"b", "a\"b")] {
            let parsed = QuotablePath::parse(text.as_bytes()).unwrap();
            assert_eq!(parsed.0.as_bytes(), path.as_bytes());
            assert_eq!(QuotablePath::parse(&parsed.to_bytes()), Ok(parsed));
        }
        for range in ["\"f\" 0 3", "\"a b\" 5", "\"a\"\" b\" 0 3"] {
            assert!(
                matches!(QuotablePath::parse(range.as_bytes()), Err(Expected::Unsupported(_))),
                "{range}"
            );
        }
        assert_eq!(QuotablePath::parse(b"\"a\"\" b\"").unwrap().0.as_bytes(), b"a\" b");
    }
}
