//! Arguments of the service commands (RFC 959 §4.1.3): `LIST`, `NLST` and `SITE`.

use nom::Parser;
use nom::bytes::complete::{tag, take_while_m_n};
use nom::combinator::{map_opt, rest};
use nom::sequence::separated_pair;

use crate::grammar::{Argument, Encode, Expected, Parsed, whole};
use crate::value::path::PathArg;
use crate::value::text::{Text, Word};
use crate::value::time::TimeVal;

/// Letters that clients send as switches of `ls`; any other word that begins with `-` is a name.
const SWITCHES: &[u8] = b"1AFLRSTacdghlnrstu";

/// The argument of `LIST` and `NLST`.
///
/// ```abnf
/// list-argument = [1*("-" 1*ALPHA SP)] ["-- "] [pathname]    ; switches are practice, not RFC 959
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListArg {
    switches: Vec<u8>,
    path: Option<PathArg>,
}

impl ListArg {
    /// The argument, unless there is neither a switch nor a path, or a letter that is no switch of `ls`.
    #[must_use]
    pub fn new(switches: Vec<u8>, path: Option<PathArg>) -> Option<Self> {
        let legal = switches.iter().all(|letter| SWITCHES.contains(letter));
        (legal && (path.is_some() || !switches.is_empty())).then_some(Self { switches, path })
    }

    /// The letters of all switches, without `-`.
    #[must_use]
    pub fn switches(&self) -> &[u8] {
        &self.switches
    }

    /// What to list; the working directory if absent.
    #[must_use]
    pub fn path(&self) -> Option<&PathArg> {
        self.path.as_ref()
    }
}

/// The letters of a word such as `-la`, if it is one.
fn switch(word: &[u8]) -> Option<&[u8]> {
    let letters = word.strip_prefix(b"-")?;
    (!letters.is_empty() && letters.iter().all(|letter| SWITCHES.contains(letter))).then_some(letters)
}

impl Argument for ListArg {
    fn parse(argument: &[u8]) -> Result<Self, Expected> {
        let mut switches = Vec::new();
        let mut left = argument;
        loop {
            let (word, tail) = match memchr::memchr(b' ', left) {
                Some(space) => left.split_at(space),
                None => (left, &[][..]),
            };
            let tail = tail.strip_prefix(b" ").unwrap_or(tail);
            if word == b"--" {
                left = tail;
                break;
            }
            let Some(letters) = switch(word) else { break };
            switches.extend_from_slice(letters);
            left = tail;
        }
        let path = if left.is_empty() { None } else { Some(PathArg::parse(left)?) };
        Self::new(switches, path).ok_or(Expected::Syntax("a pathname"))
    }
}

impl Encode for ListArg {
    fn encode(&self, out: &mut Vec<u8>) {
        if !self.switches.is_empty() {
            out.push(b'-');
            out.extend_from_slice(&self.switches);
        }
        let Some(path) = &self.path else { return };
        if !self.switches.is_empty() {
            out.push(b' ');
        }
        if path.as_bytes().starts_with(b"-") {
            out.extend_from_slice(b"-- ");
        }
        path.encode(out);
    }
}

/// A command of this site (RFC 1123 §4.1.2.8).
///
/// ```abnf
/// site-argument = ("CHMOD" SP 3*4("0"-"7") SP pathname)
///               / ("UTIME" SP 12*14DIGIT SP pathname)
///               / ("UTIME" SP pathname SP time SP time SP time SP "UTC")    ; access, modification, creation
///               / ("HELP")
///               / (word [SP text])
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum SiteCommand {
    /// `SITE CHMOD mode path`: permission bits, at most 0o7777.
    Chmod(u16, PathArg),
    /// `SITE UTIME time path`: the modification time.
    Utime(TimeVal, PathArg),
    /// `SITE HELP`
    Help,
    /// Any other word, and what follows it.
    Other(Word, Option<Text>),
}

/// `3*4("0"-"7")`
fn mode(input: &[u8]) -> Parsed<'_, u16> {
    let octal = |octet: u8| (b'0'..=b'7').contains(&octet);
    let value = |digits: &[u8]| digits.iter().fold(0, |sum, digit| sum * 8 + u16::from(digit - b'0'));
    take_while_m_n(3, 4, octal).map(value).parse(input)
}

/// Everything that is left, as a pathname.
fn path(input: &[u8]) -> Parsed<'_, PathArg> {
    map_opt(rest, |octets: &[u8]| PathArg::new(octets)).parse(input)
}

/// A time of 14 digits, or of 12 without seconds.
fn utime(field: &[u8]) -> Option<TimeVal> {
    match field.len() {
        12 => TimeVal::parse(&[field, b"00"].concat()).ok(),
        14 => TimeVal::parse(field).ok(),
        _ => None,
    }
}

/// `UTIME time path` and `UTIME path atime mtime ctime UTC`.
fn parse_utime(argument: &[u8]) -> Option<SiteCommand> {
    if let Some(space) = memchr::memchr(b' ', argument)
        && let Some(time) = utime(argument.get(..space)?)
    {
        return Some(SiteCommand::Utime(time, PathArg::new(argument.get(space + 1..)?)?));
    }
    let mut words = argument.rsplitn(5, |octet| *octet == b' ');
    let (zone, _created, modified, _accessed) = (words.next()?, words.next()?, words.next()?, words.next()?);
    let path = PathArg::new(words.next()?)?;
    zone.eq_ignore_ascii_case(b"UTC").then_some(())?;
    Some(SiteCommand::Utime(utime(modified)?, path))
}

impl Argument for SiteCommand {
    fn parse(argument: &[u8]) -> Result<Self, Expected> {
        let (word, tail) = match memchr::memchr(b' ', argument) {
            Some(space) => argument.split_at(space),
            None => (argument, &[][..]),
        };
        let tail = tail.strip_prefix(b" ");
        let is = |name: &[u8]| word.eq_ignore_ascii_case(name);
        if is(b"CHMOD") {
            return tail
                .and_then(|tail| whole(separated_pair(mode, tag(&b" "[..]), path), tail))
                .map(|(mode, path)| Self::Chmod(mode, path))
                .ok_or(Expected::Syntax("CHMOD mode path, the mode in octal as in 644"));
        }
        if is(b"UTIME") {
            return tail.and_then(parse_utime).ok_or(Expected::Syntax("UTIME YYYYMMDDHHMMSS path"));
        }
        if is(b"HELP") {
            return Ok(Self::Help);
        }
        let expected = Expected::Syntax("CHMOD, UTIME or HELP");
        let text = tail.map(|tail| Text::new(tail).ok_or(expected)).transpose()?;
        Ok(Self::Other(Word::new(word).ok_or(expected)?, text))
    }
}

impl Encode for SiteCommand {
    fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Self::Chmod(mode, path) => {
                out.extend_from_slice(format!("CHMOD {mode:03o} ").as_bytes());
                path.encode(out);
            }
            Self::Utime(time, path) => {
                out.extend_from_slice(b"UTIME ");
                TimeVal::from_unix(time.unix()).encode(out);
                out.push(b' ');
                path.encode(out);
            }
            Self::Help => out.extend_from_slice(b"HELP"),
            Self::Other(word, text) => {
                word.encode(out);
                if let Some(text) = text {
                    out.push(b' ');
                    text.encode(out);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(argument: &str) -> (String, Option<String>) {
        let parsed = ListArg::parse(argument.as_bytes()).unwrap();
        assert_eq!(ListArg::parse(&parsed.to_bytes()), Ok(parsed.clone()), "{argument}");
        let text = |octets: &[u8]| String::from_utf8_lossy(octets).into_owned();
        (text(&parsed.switches), parsed.path.map(|path| text(path.as_bytes())))
    }

    #[test]
    fn switches_and_names_that_look_like_them() {
        assert_eq!(list("-la sub"), ("la".into(), Some("sub".into())));
        assert_eq!(list("-a -l"), ("al".into(), None));
        assert_eq!(list("-x.txt"), (String::new(), Some("-x.txt".into())));
        assert_eq!(list("-- -la"), (String::new(), Some("-la".into())));
        assert_eq!(list(" a b "), (String::new(), Some(" a b ".into())));
    }

    #[test]
    fn site_commands_both_ways() {
        for text in ["CHMOD 644 a b", "CHMOD 1755 x", "UTIME 20020717210715 a b", "HELP", "EXEC id", "WHO"] {
            let parsed = SiteCommand::parse(text.as_bytes()).unwrap();
            assert_eq!(parsed.to_bytes(), text.as_bytes());
        }
        let long = SiteCommand::parse(b"UTIME a b 20020717210700 20020717210715 20020717210700 UTC").unwrap();
        assert_eq!(long.to_bytes(), b"UTIME 20020717210715 a b");
        for bad in ["CHMOD 9999 f", "CHMOD 644", "UTIME x", "UTIME 2002 f"] {
            assert!(SiteCommand::parse(bad.as_bytes()).is_err(), "{bad}");
        }
    }
}
