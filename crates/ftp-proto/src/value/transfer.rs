//! Transfer parameters: representation type, structure, mode, and where in a file a transfer begins.

use nom::bytes::complete::{tag, tag_no_case};
use nom::combinator::opt;
use nom::sequence::preceded;

use crate::grammar::{Argument, Encode, Expected, number, put_number, trimmed, whole};

/// The second parameter of `TYPE A` and `TYPE E`: vertical format control.
///
/// ```abnf
/// form-code = "N" / "T" / "C"           ; RFC 959 §5.3.2
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Form {
    /// `N`: non-print, the default.
    #[default]
    NonPrint,
    /// `T`: Telnet format effectors; the same octets as `N` here (RFC 1123 §4.1.2.2).
    Telnet,
    /// `C`: carriage control (ASA).
    Carriage,
}

/// The representation type.
///
/// ```abnf
/// type-code = ("A" [SP form-code]) / ("E" [SP form-code]) / "I" / ("L" SP byte-size)   ; RFC 959 §5.3.2
/// byte-size = number                                                              ; 1 to 255
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TypeCode {
    /// `A`: text, lines end in CR LF on the wire.
    Ascii(Form),
    /// `E`: EBCDIC text.
    Ebcdic(Form),
    /// `I`: octets as they are.
    Image,
    /// `L n`: logical bytes of n bits; `L 8` is the same as `I`.
    Local(u8),
}

impl Encode for TypeCode {
    fn encode(&self, out: &mut Vec<u8>) {
        let (letter, form) = match self {
            Self::Ascii(form) => (b'A', form),
            Self::Ebcdic(form) => (b'E', form),
            Self::Image => return out.push(b'I'),
            Self::Local(bits) => {
                out.extend_from_slice(b"L ");
                return put_number(u64::from(*bits), out);
            }
        };
        out.push(letter);
        match form {
            Form::NonPrint => {}
            Form::Telnet => out.extend_from_slice(b" T"),
            Form::Carriage => out.extend_from_slice(b" C"),
        }
    }
}

impl Argument for TypeCode {
    fn parse(argument: &[u8]) -> Result<Self, Expected> {
        let mut words = argument.split(|octet| *octet == b' ').filter(|word| !word.is_empty());
        let expected = Err(Expected::Syntax("A, A N, A T, I or L 8"));
        let form = |word: Option<&[u8]>| match word {
            None | Some(b"N" | b"n") => Some(Form::NonPrint),
            Some(b"T" | b"t") => Some(Form::Telnet),
            Some(b"C" | b"c") => Some(Form::Carriage),
            Some(_) => None,
        };
        let parsed = match (words.next(), words.next(), words.next()) {
            (Some(b"A" | b"a"), word, None) => form(word).map(Self::Ascii),
            (Some(b"E" | b"e"), word, None) => form(word).map(Self::Ebcdic),
            (Some(b"I" | b"i"), None, None) => Some(Self::Image),
            (Some(b"L" | b"l"), Some(bits), None) => {
                let bits = whole(crate::grammar::octet, bits).filter(|bits| *bits > 0);
                bits.map(Self::Local)
            }
            (Some(b"L" | b"l"), None, None) => None,
            (Some([_]), None, None) => return Err(Expected::Unsupported("A, I or L 8")),
            _ => None,
        };
        parsed.map_or(expected, Ok)
    }
}

/// The file structure.
///
/// ```abnf
/// structure-code = "F" / "R" / "P"      ; RFC 959 §5.3.2
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Structure {
    /// `F`: a string of octets, the default.
    #[default]
    File,
    /// `R`: records.
    Record,
    /// `P`: pages (RFC 1123 §4.1.2.3: better left out).
    Page,
}

/// The transmission mode.
///
/// ```abnf
/// mode-code = "S" / "B" / "C" / "Z"     ; RFC 959 §5.3.2; Z: draft-preston-ftpext-deflate
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Mode {
    /// `S`: a stream, ended by closing the connection.
    #[default]
    Stream,
    /// `B`: blocks with headers.
    Block,
    /// `C`: run-length compressed.
    Compressed,
    /// `Z`: a zlib stream.
    Deflate,
}

/// One row a letter: the value, its upper-case letter, and what a wrong one should have been.
macro_rules! letters {
    ($type:ident, $expected:literal, $($variant:ident = $letter:literal),+) => {
        impl Encode for $type {
            fn encode(&self, out: &mut Vec<u8>) {
                out.push(match self { $(Self::$variant => $letter),+ });
            }
        }

        impl Argument for $type {
            fn parse(argument: &[u8]) -> Result<Self, Expected> {
                match trimmed(argument) {
                    $([letter] if letter.eq_ignore_ascii_case(&$letter) => Ok(Self::$variant),)+
                    [_] => Err(Expected::Unsupported($expected)),
                    _ => Err(Expected::Syntax($expected)),
                }
            }
        }
    };
}

letters!(Structure, "F (file) or R (record)", File = b'F', Record = b'R', Page = b'P');
letters!(
    Mode,
    "S (stream), B (block), C (compressed) or Z (deflate)",
    Stream = b'S',
    Block = b'B',
    Compressed = b'C',
    Deflate = b'Z'
);

/// The argument of `ALLO`.
///
/// ```abnf
/// allo-argument = decimal-integer [SP "R" SP decimal-integer]   ; RFC 959 §5.3.1
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Allocation {
    /// Octets the file will have.
    pub size: u64,
    /// Octets of the largest record.
    pub record: Option<u64>,
}

impl Encode for Allocation {
    fn encode(&self, out: &mut Vec<u8>) {
        put_number(self.size, out);
        if let Some(record) = self.record {
            out.extend_from_slice(b" R ");
            put_number(record, out);
        }
    }
}

impl Argument for Allocation {
    fn parse(argument: &[u8]) -> Result<Self, Expected> {
        let record = opt(preceded(tag_no_case(&b" R "[..]), number));
        let (size, record) = whole((number, record), trimmed(argument))
            .ok_or(Expected::Syntax("a number of octets, as in ALLO 1000"))?;
        Ok(Self { size, record })
    }
}

/// The argument of `REST`.
///
/// ```abnf
/// rest-argument = 1*DIGIT / 1*%x21-7E   ; RFC 3659 §5.1 in stream mode, RFC 959 §5.3.2 <marker> in the others
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Marker {
    /// Digits: an offset in octets, at most 2^63 - 1.
    Offset(u64),
    /// Printable characters: a marker the server sent in block or compressed mode.
    Printed(Vec<u8>),
}

impl Encode for Marker {
    fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Self::Offset(offset) => put_number(*offset, out),
            Self::Printed(marker) => out.extend_from_slice(marker),
        }
    }
}

impl Argument for Marker {
    fn parse(argument: &[u8]) -> Result<Self, Expected> {
        let marker = trimmed(argument);
        let expected = Expected::Syntax("an offset in octets, at most 9223372036854775807");
        if marker.is_empty() || !marker.iter().all(u8::is_ascii_graphic) {
            return Err(expected);
        }
        if !marker.iter().all(u8::is_ascii_digit) {
            return Ok(Self::Printed(marker.to_vec()));
        }
        whole(number, marker)
            .filter(|offset| i64::try_from(*offset).is_ok())
            .map(Self::Offset)
            .ok_or(expected)
    }
}

/// The argument of `RANG`: first and last octet, both included. A first above the last resets (`1 0`) or is an
/// error, which the session decides.
///
/// ```abnf
/// rang-argument = 1*DIGIT SP 1*DIGIT    ; draft-bryan-ftp-range §3
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ByteRange {
    /// The first octet, counted from 0.
    pub first: u64,
    /// The last octet, included.
    pub last: u64,
}

impl Encode for ByteRange {
    fn encode(&self, out: &mut Vec<u8>) {
        put_number(self.first, out);
        out.push(b' ');
        put_number(self.last, out);
    }
}

impl Argument for ByteRange {
    fn parse(argument: &[u8]) -> Result<Self, Expected> {
        let fits = |value: &u64| i64::try_from(*value).is_ok();
        whole((number, preceded(tag(&b" "[..]), number)), trimmed(argument))
            .filter(|(first, last)| fits(first) && fits(last))
            .map(|(first, last)| Self { first, last })
            .ok_or(Expected::Syntax("first and last octet, as in RANG 0 99"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_both_ways() {
        for (text, code) in [
            ("A", TypeCode::Ascii(Form::NonPrint)),
            ("A T", TypeCode::Ascii(Form::Telnet)),
            ("E C", TypeCode::Ebcdic(Form::Carriage)),
            ("I", TypeCode::Image),
            ("L 8", TypeCode::Local(8)),
        ] {
            assert_eq!(TypeCode::parse(text.as_bytes()), Ok(code), "{text}");
            assert_eq!(code.to_bytes(), text.as_bytes());
        }
        assert_eq!(TypeCode::parse(b" a  n "), Ok(TypeCode::Ascii(Form::NonPrint)));
        for bad in ["", "A Z", "L", "L 0", "L x", "I N", "AB"] {
            assert!(matches!(TypeCode::parse(bad.as_bytes()), Err(Expected::Syntax(_))), "{bad}");
        }
        assert!(matches!(TypeCode::parse(b"Q"), Err(Expected::Unsupported(_))));
    }

    #[test]
    fn letters_are_case_independent() {
        assert_eq!(Structure::parse(b"r"), Ok(Structure::Record));
        assert_eq!(Mode::parse(b" z"), Ok(Mode::Deflate));
        assert!(matches!(Mode::parse(b"X"), Err(Expected::Unsupported(_))));
        assert!(matches!(Mode::parse(b"SB"), Err(Expected::Syntax(_))));
    }

    #[test]
    fn allocations_markers_and_ranges() {
        assert_eq!(Allocation::parse(b"10 R 80"), Ok(Allocation { size: 10, record: Some(80) }));
        assert!(Allocation::parse(b"-1").is_err());
        assert_eq!(Marker::parse(b"9223372036854775807"), Ok(Marker::Offset(i64::MAX as u64)));
        assert!(Marker::parse(b"9223372036854775808").is_err());
        assert!(Marker::parse(b"1 2").is_err());
        assert!(matches!(Marker::parse(b"abc"), Ok(Marker::Printed(_))));
        assert_eq!(ByteRange::parse(b"1 0"), Ok(ByteRange { first: 1, last: 0 }));
        assert!(ByteRange::parse(b"1").is_err());
    }
}
