//! MODE B: blocks with a header (RFC 959 §3.4.2).
//!
//! ```abnf
//! block = descriptor count *octet       ; descriptor: one octet of flags, count: 16 bits, big endian
//! ```

use crate::data::coding::Piece;

/// Descriptor flag: the block ends a record.
pub(super) const END_OF_RECORD: u8 = 128;
/// Descriptor flag: the block ends the file.
pub(super) const END_OF_FILE: u8 = 64;
/// Descriptor flag: the block is a restart marker and no data.
pub(super) const RESTART_MARKER: u8 = 16;

/// The most octets a block can hold.
const BLOCK_MAX: usize = 65_535;

pub(super) fn put_data(data: &[u8], out: &mut Vec<u8>) {
    for block in data.chunks(BLOCK_MAX) {
        let count = u16::try_from(block.len()).unwrap_or(u16::MAX);
        out.push(0);
        out.extend_from_slice(&count.to_be_bytes());
        out.extend_from_slice(block);
    }
}

/// An empty block that carries a flag.
pub(super) fn put_mark(flag: u8, out: &mut Vec<u8>) {
    out.extend_from_slice(&[flag, 0, 0]);
}

/// Where the decoder stands.
///
/// `Header -> Body` when its three octets are there; `Body -> Ends` when `left` is 0; `Ends -> Header` when the
/// flags are given out, the end of the record before that of the file.
#[derive(Debug, Clone, Copy)]
pub(super) enum Decoder {
    Header { octets: [u8; 3], filled: usize },
    Body { flags: u8, left: usize },
    Ends { flags: u8 },
}

impl Default for Decoder {
    fn default() -> Self {
        Self::Header { octets: [0; 3], filled: 0 }
    }
}

impl Decoder {
    pub(super) fn piece<'a>(&mut self, input: &'a [u8]) -> (Piece<'a>, usize) {
        match self {
            Self::Header { octets, filled } => {
                let missing = octets.iter_mut().skip(*filled);
                let used = missing.zip(input).map(|(slot, octet)| *slot = *octet).count();
                *filled += used;
                let [flags, high, low] = *octets;
                if *filled == 3 {
                    *self = Self::Body { flags, left: usize::from(u16::from_be_bytes([high, low])) };
                }
                (Piece::Nothing, used)
            }
            Self::Body { flags, left } => {
                let flags = *flags;
                let body = input.get(..*left).unwrap_or(input);
                *left -= body.len();
                if *left == 0 {
                    *self = Self::Ends { flags };
                }
                let marker = flags & RESTART_MARKER != 0;
                (if marker || body.is_empty() { Piece::Nothing } else { Piece::Data(body) }, body.len())
            }
            Self::Ends { flags } if *flags & END_OF_RECORD != 0 => {
                *flags &= !END_OF_RECORD;
                (Piece::EndOfRecord, 0)
            }
            Self::Ends { flags } => {
                let last = *flags & END_OF_FILE != 0;
                *self = Self::default();
                (if last { Piece::EndOfFile } else { Piece::Nothing }, 0)
            }
        }
    }

    /// Whether something is to be given out that needs no more input.
    pub(super) fn is_ready(&self) -> bool {
        matches!(self, Self::Body { left: 0, .. } | Self::Ends { .. })
    }
}

#[cfg(test)]
mod tests {
    use crate::data::tests::{decode, encode};
    use crate::data::{Coding, DataError, Representation};
    use crate::value::transfer::{Mode, Structure};

    const BLOCKS: Coding = Coding {
        representation: Representation::Image,
        structure: Structure::File,
        mode: Mode::Block,
        level: 6,
    };

    #[test]
    fn blocks_of_every_size() {
        assert_eq!(encode(BLOCKS, b"abc", 2), b"\0\0\x02ab\0\0\x01c\x40\0\0");
        let long = vec![7; 65_536];
        let wire = encode(BLOCKS, &long, 65_536);
        assert_eq!((&wire[..3], &wire[65_538..]), (&b"\0\xff\xff"[..], &b"\0\0\x01\x07\x40\0\0"[..]));
        assert_eq!(decode(BLOCKS, &wire, 1000), Ok(long));
    }

    #[test]
    fn flags_on_blocks_with_data() {
        let records =
            Coding { representation: Representation::Ascii, structure: Structure::Record, ..BLOCKS };
        for size in 1..6 {
            assert_eq!(decode(records, b"\xc0\0\x02ab", size), Ok(b"ab\n".to_vec()));
            assert_eq!(decode(BLOCKS, b"\x20\0\x01a\x10\0\x02mm\x40\0\x01b", size), Ok(b"ab".to_vec()));
        }
        assert_eq!(decode(BLOCKS, b"\0\0\x01a", 9), Err(DataError::NoEnd));
        assert_eq!(decode(BLOCKS, b"\x40\0\0x", 9), Err(DataError::BehindEnd));
    }
}
