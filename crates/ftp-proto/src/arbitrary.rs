//! `arbitrary::Arbitrary` for commands, replies and values, so that tests and fuzzers make only legal ones.

use std::net::{IpAddr, SocketAddr, SocketAddrV4};

use arbitrary::{Arbitrary, Result, Unstructured};

use crate::command::Command;
use crate::command::extension::{FactChange, FactChanges, Opts, QuotablePath, TimedPath, Utf8};
use crate::command::service::{ListArg, SiteCommand};
use crate::grammar::Argument;
use crate::reply::{Code, Reply};
use crate::value::address::{EpsvArg, ExtendedAddress, HostPort};
use crate::value::facts::{FactName, FactSet};
use crate::value::path::{PathArg, VPath};
use crate::value::security::{Base64, BufferSize, Mechanism, ProtLevel};
use crate::value::text::{Password, Text, Username, Word};
use crate::value::time::TimeVal;
use crate::value::transfer::{Allocation, ByteRange, Marker, Mode, Structure, TypeCode};
use crate::verb::{Arity, Verb};

/// Octets without NUL, CR and LF.
fn line(u: &mut Unstructured<'_>) -> Result<Vec<u8>> {
    let octets: Vec<u8> = u.arbitrary()?;
    Ok(octets.into_iter().filter(|octet| !matches!(octet, 0 | b'\r' | b'\n')).collect())
}

/// The same, never empty.
fn some_line(u: &mut Unstructured<'_>) -> Result<Vec<u8>> {
    let mut octets = line(u)?;
    if octets.is_empty() {
        octets.push(b'x');
    }
    Ok(octets)
}

/// An implementation from an expression over `u`.
macro_rules! arbitrary {
    ($($type:ty: $u:ident => $make:expr;)*) => {
        $(impl<'a> Arbitrary<'a> for $type {
            fn arbitrary($u: &mut Unstructured<'a>) -> Result<Self> {
                $make
            }
        })*
    };
}

/// The value, which the maker has made legal.
fn legal<T>(value: Option<T>) -> Result<T> {
    value.ok_or(arbitrary::Error::IncorrectFormat)
}

arbitrary! {
    Text: u => legal(Text::new(line(u)?));
    Username: u => legal(Username::new(some_line(u)?));
    Password: u => legal(Password::new(line(u)?));
    PathArg: u => legal(PathArg::new(some_line(u)?));
    QuotablePath: u => Ok(QuotablePath(u.arbitrary()?));
    Word: u => {
        let octets: Vec<u8> = u.arbitrary()?;
        let word: Vec<u8> = octets.into_iter().map(|octet| b'!' + octet % 94).take(20).collect();
        legal(Self::new(word).or_else(|| Self::new("w")))
    };
    VPath: u => {
        let path: PathArg = u.arbitrary()?;
        Ok(VPath::root().resolve(&path).unwrap_or_else(|_| VPath::root()))
    };
    HostPort: u => Ok(HostPort(SocketAddrV4::new(u.arbitrary::<[u8; 4]>()?.into(), u.arbitrary()?)));
    ExtendedAddress: u => Ok(match u.int_in_range(0..=2u8)? {
        0 => Self::Known(SocketAddr::new(IpAddr::from(u.arbitrary::<[u8; 4]>()?), u.arbitrary()?)),
        1 => Self::Known(SocketAddr::new(IpAddr::from(u.arbitrary::<[u8; 16]>()?), u.arbitrary()?)),
        _ => Self::OtherFamily(u.int_in_range(3..=u16::MAX)?),
    });
    EpsvArg: u => Ok(if u.arbitrary()? { Self::All } else { Self::Family(u.arbitrary()?) });
    BufferSize: u => Ok(Self(u.arbitrary()?));
    ProtLevel: u => Ok(*u.choose(&[Self::Clear, Self::Safe, Self::Confidential, Self::Private])?);
    Structure: u => Ok(*u.choose(&[Self::File, Self::Record, Self::Page])?);
    Mode: u => Ok(*u.choose(&[Self::Stream, Self::Block, Self::Compressed, Self::Deflate])?);
    Mechanism: u => {
        let word: Word = u.arbitrary()?;
        Self::parse(word.as_str().as_bytes()).map_err(|_| arbitrary::Error::IncorrectFormat)
    };
    Base64: u => {
        let octets: Vec<u8> = u.arbitrary()?;
        let letters: Vec<u8> = std::iter::once(b'A').chain(octets.into_iter().map(|octet| b'A' + octet % 26)).collect();
        Self::parse(&letters).map_err(|_| arbitrary::Error::IncorrectFormat)
    };
    TypeCode: u => {
        let text = *u.choose(&["A", "A T", "A C", "E", "E T", "I", "L 8", "L 36"])?;
        Self::parse(text.as_bytes()).map_err(|_| arbitrary::Error::IncorrectFormat)
    };
    Allocation: u => Ok(Self { size: u.arbitrary()?, record: u.arbitrary()? });
    Marker: u => Ok(if u.arbitrary()? {
        Self::Offset(u.int_in_range(0..=i64::MAX as u64)?)
    } else {
        Self::Printed(format!("m{}", u.arbitrary::<Word>()?).into_bytes())
    });
    ByteRange: u => Ok(Self { first: u.int_in_range(0..=i64::MAX as u64)?, last: u.int_in_range(0..=i64::MAX as u64)? });
    TimeVal: u => Ok(TimeVal::from_unix(u.arbitrary()?).with_nanos(u.arbitrary()?));
    FactSet: u => {
        let bits: u16 = u.arbitrary()?;
        let chosen = FactName::ALL.into_iter().enumerate().filter(|(index, _)| bits >> index & 1 == 1);
        Ok(chosen.map(|(_, fact)| FactSet::from(fact)).collect())
    };
    FactChange: u => Ok(if u.arbitrary()? { Self::Modify(u.arbitrary()?) } else { Self::UnixMode(u.int_in_range(0..=0o7777)?) });
    FactChanges: u => {
        let mut changes: Vec<FactChange> = u.arbitrary()?;
        if changes.is_empty() {
            changes.push(u.arbitrary()?);
        }
        Ok(Self { changes, path: u.arbitrary()? })
    };
    TimedPath: u => Ok(Self { time: u.arbitrary()?, path: u.arbitrary()? });
    ListArg: u => {
        let path: Option<PathArg> = u.arbitrary()?;
        let letters = *u.choose(if path.is_some() { &["", "a", "la", "lR"] } else { &["a", "l", "la", "lR"] })?;
        legal(Self::new(letters.as_bytes(), path.as_ref()))
    };
    SiteCommand: u => Ok(match u.int_in_range(0..=3u8)? {
        0 => Self::Chmod(u.int_in_range(0..=0o7777)?, u.arbitrary()?),
        1 => Self::Utime(TimeVal::from_unix(u.arbitrary()?), u.arbitrary()?),
        2 => Self::Help,
        _ => Self::Other(legal(Word::new(format!("X{}", u.arbitrary::<Word>()?)))?, u.arbitrary()?),
    });
    Opts: u => Ok(match u.int_in_range(0..=4u8)? {
        0 => Self::Mlst(u.arbitrary()?),
        1 => Self::Utf8(*u.choose(&[Utf8::On, Utf8::Off, Utf8::Nlst])?),
        2 => Self::Hash(u.arbitrary()?),
        3 => Self::ModeZ(*u.choose(&[None, Some(0), Some(9)])?),
        _ => Self::Other(legal(Word::new(format!("X{}", u.arbitrary::<Word>()?)))?),
    });
    Code: u => legal(Code::new(u.int_in_range(100..=599)?));
    Reply: u => {
        let (code, first): (Code, Text) = (u.arbitrary()?, u.arbitrary()?);
        let first = Text::clean(first.as_bytes());
        if u.arbitrary()? {
            return Ok(Reply::line(code, first));
        }
        let inner: Vec<Text> = u.arbitrary()?;
        let inner = inner.into_iter().map(|text| Text::clean(text.as_bytes())).collect();
        Ok(Reply::lines(code, first, inner, Text::clean(u.arbitrary::<Text>()?.as_bytes())))
    };
    Command: u => {
        let spec = u.choose(Verb::TABLE)?;
        if spec.arity == Arity::None {
            return Command::parse(spec.word.as_bytes()).map_err(|_| arbitrary::Error::IncorrectFormat);
        }
        Command::arbitrary_argument(spec.verb, u)
    };
}
