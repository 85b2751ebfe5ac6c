//! STRU R in MODE S: ends of records and of the file as escapes (RFC 959 §3.4.1).
//!
//! ```abnf
//! record-stream = *(octet / %xFF %xFF / %xFF %x01) (%xFF %x02 / %xFF %x03)
//! ```
//!
//! FF 01 ends a record, FF 02 the file, FF 03 both.

use crate::data::coding::{DataError, Piece};

const ESCAPE: u8 = 0xFF;
const EOR: u8 = 1;
const EOF: u8 = 2;

pub(super) fn put_data(data: &[u8], out: &mut Vec<u8>) {
    let mut start = 0;
    for escape in memchr::memchr_iter(ESCAPE, data) {
        out.extend_from_slice(data.get(start..=escape).unwrap_or_default());
        out.push(ESCAPE);
        start = escape + 1;
    }
    out.extend_from_slice(data.get(start..).unwrap_or_default());
}

pub(super) fn put_end_of_record(out: &mut Vec<u8>) {
    out.extend_from_slice(&[ESCAPE, EOR]);
}

pub(super) fn put_end_of_file(out: &mut Vec<u8>) {
    out.extend_from_slice(&[ESCAPE, EOF]);
}

/// Where the decoder stands.
///
/// `Data -> Escaped` at FF; `Escaped -> Data` at the octet behind it, or `-> End` for FF 03, whose end of file
/// follows its end of record.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) enum Decoder {
    #[default]
    Data,
    Escaped,
    End,
}

impl Decoder {
    pub(super) fn piece<'a>(&mut self, input: &'a [u8]) -> Result<(Piece<'a>, usize), DataError> {
        if *self == Self::End {
            *self = Self::Data;
            return Ok((Piece::EndOfFile, 0));
        }
        let Some(first) = input.first() else { return Ok((Piece::Nothing, 0)) };
        match self {
            Self::Data => match memchr::memchr(ESCAPE, input) {
                Some(0) => {
                    *self = Self::Escaped;
                    Ok((Piece::Nothing, 1))
                }
                Some(end) => Ok((Piece::Data(input.get(..end).unwrap_or_default()), end)),
                None => Ok((Piece::Data(input), input.len())),
            },
            Self::Escaped | Self::End => {
                *self = Self::Data;
                match *first {
                    ESCAPE => Ok((Piece::Data(&[ESCAPE]), 1)),
                    EOR => Ok((Piece::EndOfRecord, 1)),
                    EOF => Ok((Piece::EndOfFile, 1)),
                    3 => {
                        *self = Self::End;
                        Ok((Piece::EndOfRecord, 1))
                    }
                    _ => Err(DataError::Escape),
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::data::tests::{decode, encode};
    use crate::data::{Coding, DataError};
    use crate::value::transfer::Structure;

    const RECORDS: Coding = Coding {
        representation: crate::data::Representation::Ascii,
        structure: Structure::Record,
        mode: crate::value::transfer::Mode::Stream,
        level: 6,
    };

    #[test]
    fn the_examples_of_the_clause() {
        assert_eq!(encode(RECORDS, b"a\nb\xff\n", 100), b"a\xff\x01b\xff\xff\xff\x01\xff\x02");
        assert_eq!(decode(RECORDS, b"a\xff\x01b\xff\xffc\xff\x03", 1), Ok(b"a\nb\xffc\n".to_vec()));
    }

    #[test]
    fn broken_streams() {
        assert_eq!(decode(RECORDS, b"a\xff\x09", 1), Err(DataError::Escape));
        assert_eq!(decode(RECORDS, b"a\xff\x02b", 1), Err(DataError::BehindEnd));
        assert_eq!(decode(RECORDS, b"a\xff", 1), Err(DataError::NoEnd));
    }
}
