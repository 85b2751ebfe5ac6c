//! MODE C: runs of equal octets compressed (RFC 959 §3.4.3).
//!
//! ```abnf
//! compressed = *(string / run / filler / escape)
//! string     = %x01-7F 1*127octet       ; that many octets follow
//! run        = %x80-BF octet            ; the low six bits count the copies
//! filler     = %xC0-FF                  ; the low six bits count SP in TYPE A, NUL in TYPE I
//! escape     = %x00 descriptor          ; the descriptor of MODE B
//! ```

use crate::data::block::{END_OF_FILE, END_OF_RECORD, RESTART_MARKER};
use crate::data::coding::{Piece, Representation};

const STRING_MAX: usize = 127;
const RUN_MAX: usize = 63;

/// The filler octet of a representation.
fn filler(representation: Representation) -> u8 {
    match representation {
        Representation::Ascii => b' ',
        Representation::Image => 0,
    }
}

#[derive(Debug)]
pub(super) struct Encoder {
    filler: u8,
}

impl Encoder {
    pub(super) fn new(representation: Representation) -> Self {
        Self { filler: filler(representation) }
    }

    pub(super) fn data(&mut self, data: &[u8], out: &mut Vec<u8>) {
        let mut plain = 0;
        let mut place = 0;
        while let Some(octet) = data.get(place) {
            let run = data.iter().skip(place).take(RUN_MAX).take_while(|next| *next == octet).count();
            let worth = if *octet == self.filler { 2 } else { 3 };
            if run < worth {
                place += run;
                continue;
            }
            put_strings(data.get(plain..place).unwrap_or_default(), out);
            let count = u8::try_from(run).unwrap_or(0);
            if *octet == self.filler {
                out.push(0xC0 | count);
            } else {
                out.extend_from_slice(&[0x80 | count, *octet]);
            }
            place += run;
            plain = place;
        }
        put_strings(data.get(plain..).unwrap_or_default(), out);
    }

    pub(super) fn mark(&mut self, flag: u8, out: &mut Vec<u8>) {
        out.extend_from_slice(&[0, flag]);
    }
}

fn put_strings(data: &[u8], out: &mut Vec<u8>) {
    for string in data.chunks(STRING_MAX) {
        out.push(u8::try_from(string.len()).unwrap_or(0));
        out.extend_from_slice(string);
    }
}

/// Where the decoder stands.
///
/// `Head` reads a control octet and leads to one of the others, which lead back to `Head`; the string behind a
/// restart marker is passed over.
#[derive(Debug, Clone, Copy)]
enum State {
    Head,
    String(usize),
    Run(usize),
    Escape,
    /// The end of the record was given out, that of the file follows.
    End,
}

#[derive(Debug)]
pub(super) struct Decoder {
    state: State,
    filler: u8,
    marker: Marker,
}

/// Whether the next string is a restart marker and no data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Marker {
    No,
    Next,
}

impl Decoder {
    pub(super) fn new(representation: Representation) -> Self {
        Self { state: State::Head, filler: filler(representation), marker: Marker::No }
    }

    /// Whether something is to be given out that needs no more input.
    pub(super) fn is_ready(&self) -> bool {
        matches!(self.state, State::End)
    }

    pub(super) fn piece<'a>(&mut self, input: &'a [u8]) -> (Piece<'a>, usize) {
        if self.is_ready() {
            self.state = State::Head;
            return (Piece::EndOfFile, 0);
        }
        let Some(first) = input.first().copied() else { return (Piece::Nothing, 0) };
        match self.state {
            State::Head => {
                let count = usize::from(first & 0x3F);
                match first {
                    0 => self.state = State::Escape,
                    1..=0x7F => self.state = State::String(usize::from(first)),
                    0x80..=0xBF => self.state = State::Run(count),
                    0xC0..=0xFF => return (Piece::Run(self.filler, count), 1),
                }
                (Piece::Nothing, 1)
            }
            State::String(left) => {
                let string = input.get(..left).unwrap_or(input);
                if string.len() < left {
                    self.state = State::String(left - string.len());
                } else {
                    self.state = State::Head;
                }
                let data = if self.marker == Marker::No { Piece::Data(string) } else { Piece::Nothing };
                if matches!(self.state, State::Head) {
                    self.marker = Marker::No;
                }
                (data, string.len())
            }
            State::Run(count) => {
                self.state = State::Head;
                (Piece::Run(first, count), 1)
            }
            State::Escape | State::End => {
                self.state = State::Head;
                if first & RESTART_MARKER != 0 {
                    self.marker = Marker::Next;
                }
                match first & (END_OF_RECORD | END_OF_FILE) {
                    0 => (Piece::Nothing, 1),
                    END_OF_RECORD => (Piece::EndOfRecord, 1),
                    END_OF_FILE => (Piece::EndOfFile, 1),
                    _ => {
                        self.state = State::End;
                        (Piece::EndOfRecord, 1)
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::data::tests::{decode, encode};
    use crate::data::{Coding, Representation};
    use crate::value::transfer::{Mode, Structure};

    const RUNS: Coding = Coding {
        representation: Representation::Image,
        structure: Structure::File,
        mode: Mode::Compressed,
        level: 6,
    };

    #[test]
    fn strings_runs_and_fillers() {
        let text = Coding { representation: Representation::Ascii, ..RUNS };
        let wire = b"\x03abc\x85x\xc4\0\x40";
        for size in 1..12 {
            assert_eq!(decode(text, wire, size), Ok(b"abcxxxxx    ".to_vec()));
            assert_eq!(decode(RUNS, wire, size), Ok(b"abcxxxxx\0\0\0\0".to_vec()));
        }
        assert_eq!(encode(text, b"abcxxxxx    ", 100), wire);
    }

    #[test]
    fn restart_markers_are_no_data() {
        assert_eq!(decode(RUNS, b"\x01a\0\x10\x02mm\x01b\0\x40", 1), Ok(b"ab".to_vec()));
    }

    #[test]
    fn random_data_grow_by_less_than_one_percent() {
        let data: Vec<u8> =
            (0..10_000u32).map(|index| (index.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
        assert!(encode(RUNS, &data, 10_000).len() < 10_100);
    }
}
