//! Arguments of the service commands (RFC 959 §4.1.3): `LIST`, `NLST`, `STAT` and `SITE`.

use bitflags::bitflags;
use nom::Parser;
use nom::bytes::complete::{tag, take_while_m_n};
use nom::combinator::{map_opt, rest};
use nom::sequence::separated_pair;

use crate::grammar::{Argument, Encode, Expected, Parsed, whole};
use crate::value::path::PathArg;
use crate::value::text::{Text, Word};
use crate::value::time::TimeVal;

bitflags! {
    /// Switches of `ls` that make a difference.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
    pub struct Switches: u8 {
        /// `-a`, `--all`: the directory itself and the one above it, too.
        const ALL = 1;
        /// `-R`, `--recursive`: what is below, too.
        const RECURSIVE = 1 << 1;
    }
}

/// The argument of `LIST` and `NLST`, and of `STAT`.
///
/// ```abnf
/// list-argument = [1*(switch 1*SP)] ["--" SP] [pathname]     ; switches are practice, not RFC 959
/// switch        = "-" 1*(ALPHA / DIGIT)
///               / "--" ALPHA *(ALPHA / DIGIT / "-") ["=" *VCHAR]
/// ```
///
/// Clients send switches of `ls`, and files may have names like that: a word that looks like a switch is one unless something
/// has that name, so that only a storage can tell. [`ListArg::readings`] says in which order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListArg(PathArg);

impl ListArg {
    /// The argument with the switches `letters` and a path, unless there is neither, or something else than letters and
    /// digits among the switches.
    #[must_use]
    pub fn new(letters: &[u8], path: Option<&PathArg>) -> Option<Self> {
        if !letters.iter().all(u8::is_ascii_alphanumeric) {
            return None;
        }
        let mut whole = Vec::new();
        if !letters.is_empty() {
            whole.push(b'-');
            whole.extend_from_slice(letters);
        }
        if let Some(path) = path {
            if !letters.is_empty() {
                whole.push(b' ');
            }
            if path.as_bytes().starts_with(b"-") {
                whole.extend_from_slice(b"-- ");
            }
            whole.extend_from_slice(path.as_bytes());
        }
        PathArg::new(whole).map(Self)
    }

    /// The switches in front.
    #[must_use]
    pub fn switches(&self) -> Switches {
        let (mut left, mut switches) = (self.0.as_bytes(), Switches::empty());
        while let Some((switch, tail)) = leading_switch(left) {
            left = tail;
            match switch {
                b"--" => break,
                b"--all" => switches |= Switches::ALL,
                b"--recursive" => switches |= Switches::RECURSIVE,
                letters if !letters.starts_with(b"--") => {
                    for (letter, switch) in [(b'a', Switches::ALL), (b'R', Switches::RECURSIVE)] {
                        if letters.contains(&letter) {
                            switches |= switch;
                        }
                    }
                }
                _ => {}
            }
        }
        switches
    }

    /// What may be meant, four things at most, in the order in which it is tried; `None` is the working directory.
    ///
    /// ```
    /// use ftp_proto::command::service::ListArg;
    /// use ftp_proto::grammar::Argument;
    /// use ftp_proto::value::path::PathArg;
    ///
    /// let argument = ListArg::parse(b"-la sub").unwrap();
    /// assert_eq!(argument.readings(), [PathArg::new("-la sub"), PathArg::new("sub")]);
    /// assert_eq!(ListArg::parse(b"-la").unwrap().readings(), [PathArg::new("-la"), None]);
    /// ```
    #[must_use]
    pub fn readings(&self) -> Vec<Option<PathArg>> {
        let whole = self.0.as_bytes();
        let (mut last, mut left) = (whole, whole);
        while let Some((switch, tail)) = leading_switch(left) {
            (last, left) = (left, tail);
            if switch == b"--" {
                break;
            }
        }
        let mut readings: Vec<Option<PathArg>> = Vec::new();
        // Of a row of switches the last one may be a name; a name may begin with blanks.
        for reading in [whole, last.trim_ascii_start(), left, left.trim_ascii_start()] {
            let path = PathArg::new(reading);
            if readings.last() != Some(&path) {
                readings.push(path);
            }
        }
        if left.len() == whole.len() {
            readings.truncate(1);
        }
        readings
    }
}

/// The switch in front and what follows its blank.
fn leading_switch(octets: &[u8]) -> Option<(&[u8], &[u8])> {
    let octets = octets.trim_ascii_start();
    let (word, tail) = match memchr::memchr(b' ', octets) {
        Some(space) => (octets.get(..space)?, octets.get(space + 1..)?),
        None => (octets, &[][..]),
    };
    let is_switch = match word.strip_prefix(b"-")?.strip_prefix(b"-") {
        Some(option) => {
            let name = option.split(|octet| *octet == b'=').next().unwrap_or_default();
            let is_legal = |octet: &u8| octet.is_ascii_alphanumeric() || *octet == b'-';
            option.is_empty()
                || name.first().is_some_and(u8::is_ascii_alphabetic) && name.iter().all(is_legal)
        }
        None => word.len() > 1 && word.iter().skip(1).all(u8::is_ascii_alphanumeric),
    };
    is_switch.then_some((word, tail))
}

impl Argument for ListArg {
    fn parse(argument: &[u8]) -> Result<Self, Expected> {
        PathArg::parse(argument).map(Self)
    }
}

impl Encode for ListArg {
    fn encode(&self, out: &mut Vec<u8>) {
        self.0.encode(out);
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

    #[test]
    fn switches_and_names_that_look_like_them() {
        let here = None;
        for (argument, readings) in [
            ("sub", &[Some("sub")][..]),
            (" a b ", &[Some(" a b ")]),
            ("-x.txt", &[Some("-x.txt")]),
            ("-", &[Some("-")]),
            ("--x.txt", &[Some("--x.txt")]),
            ("-la", &[Some("-la"), here]),
            ("-1", &[Some("-1"), here]),
            ("-alZ ", &[Some("-alZ "), here]),
            ("--", &[Some("--"), here]),
            ("--color=never", &[Some("--color=never"), here]),
            ("--time-style=+%s a", &[Some("--time-style=+%s a"), Some("a")]),
            ("-la sub", &[Some("-la sub"), Some("sub")]),
            ("-la  sub", &[Some("-la  sub"), Some(" sub"), Some("sub")]),
            ("-a -l", &[Some("-a -l"), Some("-l"), here]),
            ("-a  -l d", &[Some("-a  -l d"), Some("-l d"), Some("d")]),
            ("-- -la", &[Some("-- -la"), Some("-la")]),
            ("-l -- -la", &[Some("-l -- -la"), Some("-- -la"), Some("-la")]),
        ] {
            let parsed = ListArg::parse(argument.as_bytes()).unwrap();
            assert_eq!(parsed.to_bytes(), argument.as_bytes());
            let readings: Vec<_> = readings.iter().map(|name| name.and_then(PathArg::new)).collect();
            assert_eq!(parsed.readings(), readings, "{argument:?}");
        }
        let many = ListArg::parse("-a ".repeat(2000).as_bytes()).unwrap();
        assert!(many.readings().len() <= 4);
        let path = PathArg::new("-x").unwrap();
        for (letters, path, last) in
            [("la", None, None), ("", Some(&path), Some(&path)), ("l", Some(&path), Some(&path))]
        {
            let made = ListArg::new(letters.as_bytes(), path).unwrap();
            assert_eq!(made.readings().last().unwrap().as_ref(), last);
        }
        assert_eq!((ListArg::new(b"", None), ListArg::new(b"l a", None)), (None, None));
    }

    #[test]
    fn switches_that_make_a_difference() {
        let both = Switches::all();
        for (argument, switches) in [
            ("-la sub", Switches::ALL),
            ("-lR", Switches::RECURSIVE),
            ("-a -R d", both),
            ("--all --recursive", both),
            ("-A -- -aR", Switches::empty()),
            ("--color=aR", Switches::empty()),
            ("a -a", Switches::empty()),
        ] {
            assert_eq!(ListArg::parse(argument.as_bytes()).unwrap().switches(), switches, "{argument}");
        }
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
