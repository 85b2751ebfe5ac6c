//! The data connection: file octets to wire octets and back, by TYPE, STRU and MODE.
//!
//! | | on the wire |
//! |---|---|
//! | TYPE I, L 8; STRU F; MODE S | the octets of the file |
//! | TYPE A | lines end in CR LF ([`ascii`]) |
//! | STRU R | lines become records ([`record`]) |
//! | MODE B | blocks with headers ([`block`]) |
//! | MODE C | runs compressed ([`compressed`]) |
//! | MODE Z | one zlib stream around the rest ([`deflate`]) |
//!
//! Both directions take input in pieces of any size and give the same output for every cut. Not here: reading,
//! writing, closing; a connection that ends in MODE S says nothing about why.

use crate::value::transfer::{Mode, Structure};

pub mod ascii;
pub mod block;
mod coding;
pub mod compressed;
pub mod deflate;
pub mod record;

pub use coding::{Coding, DataError, Representation, STEP};

use coding::Piece;

/// The layer that knows records and the end of the file, on the way out.
#[derive(Debug)]
enum Framing {
    Stream,
    Record,
    Block,
    Compressed(compressed::Encoder),
}

impl Framing {
    fn data(&mut self, data: &[u8], out: &mut Vec<u8>) {
        match self {
            Self::Stream => out.extend_from_slice(data),
            Self::Record => record::put_data(data, out),
            Self::Block => block::put_data(data, out),
            Self::Compressed(encoder) => encoder.data(data, out),
        }
    }

    fn end_of_record(&mut self, out: &mut Vec<u8>) {
        match self {
            Self::Stream => {}
            Self::Record => record::put_end_of_record(out),
            Self::Block => block::put_mark(block::END_OF_RECORD, out),
            Self::Compressed(encoder) => encoder.mark(block::END_OF_RECORD, out),
        }
    }

    fn end_of_file(&mut self, out: &mut Vec<u8>) {
        match self {
            Self::Stream => {}
            Self::Record => record::put_end_of_file(out),
            Self::Block => block::put_mark(block::END_OF_FILE, out),
            Self::Compressed(encoder) => encoder.mark(block::END_OF_FILE, out),
        }
    }
}

/// File octets to wire octets.
///
/// ```
/// use ftp_proto::data::{Coding, Encoder};
///
/// let mut encoder = Encoder::new(Coding::default());
/// let mut wire = Vec::new();
/// encoder.encode(b"a\nb", &mut wire);
/// encoder.finish(&mut wire);
/// assert_eq!(wire, b"a\r\nb");
/// ```
#[derive(Debug)]
pub struct Encoder {
    coding: Coding,
    ascii: ascii::Encoder,
    framing: Framing,
    deflate: Option<deflate::Encoder>,
    /// Converted text on its way to the framing, and framed octets on their way to deflate.
    scratch: [Vec<u8>; 2],
}

impl Encoder {
    /// An encoder at the start of a file.
    #[must_use]
    pub fn new(coding: Coding) -> Self {
        let framing = match (coding.mode, coding.structure) {
            (Mode::Block, _) => Framing::Block,
            (Mode::Compressed, _) => Framing::Compressed(compressed::Encoder::new(coding.representation)),
            (_, Structure::Record) => Framing::Record,
            _ => Framing::Stream,
        };
        let deflate = (coding.mode == Mode::Deflate).then(|| deflate::Encoder::new(coding.level));
        Self { coding, ascii: ascii::Encoder::default(), framing, deflate, scratch: Default::default() }
    }

    /// Appends the wire form of `input` to `out`.
    pub fn encode(&mut self, input: &[u8], out: &mut Vec<u8>) {
        let [text, framed] = &mut self.scratch;
        framed.clear();
        let target = if self.deflate.is_some() { &mut *framed } else { &mut *out };
        match (self.coding.representation, self.coding.structure) {
            (Representation::Ascii, Structure::Record) => {
                for piece in input.split_inclusive(|octet| *octet == b'\n') {
                    match piece.strip_suffix(b"\n") {
                        Some(line) => {
                            self.framing.data(line, target);
                            self.framing.end_of_record(target);
                        }
                        None => self.framing.data(piece, target),
                    }
                }
            }
            (Representation::Ascii, _) if matches!(self.framing, Framing::Stream) => {
                self.ascii.encode(input, target)
            }
            (Representation::Ascii, _) => {
                text.clear();
                self.ascii.encode(input, text);
                self.framing.data(text, target);
            }
            (Representation::Image, _) => self.framing.data(input, target),
        }
        if let Some(deflate) = &mut self.deflate {
            deflate.encode(framed, out);
        }
    }

    /// Appends what ends the file, if the coding marks its end.
    pub fn finish(&mut self, out: &mut Vec<u8>) {
        match &mut self.deflate {
            None => self.framing.end_of_file(out),
            Some(deflate) => {
                let [_, framed] = &mut self.scratch;
                framed.clear();
                self.framing.end_of_file(framed);
                deflate.encode(framed, out);
                deflate.finish(out);
            }
        }
    }
}

/// The layer that knows records and the end of the file, on the way in.
#[derive(Debug)]
enum Unframing {
    Stream,
    Record(record::Decoder),
    Block(block::Decoder),
    Compressed(compressed::Decoder),
}

impl Unframing {
    /// Whether the next piece needs no more input.
    fn is_ready(&self) -> bool {
        match self {
            Self::Stream => false,
            Self::Compressed(decoder) => decoder.is_ready(),
            Self::Record(decoder) => *decoder == record::Decoder::End,
            Self::Block(decoder) => decoder.is_ready(),
        }
    }

    /// The first piece of `input` and how many octets it took.
    fn piece<'a>(&mut self, input: &'a [u8]) -> Result<(Piece<'a>, usize), DataError> {
        match self {
            Self::Stream => Ok((Piece::Data(input), input.len())),
            Self::Record(decoder) => decoder.piece(input),
            Self::Block(decoder) => Ok(decoder.piece(input)),
            Self::Compressed(decoder) => Ok(decoder.piece(input)),
        }
    }
}

/// Wire octets to file octets.
#[derive(Debug)]
pub struct Decoder {
    coding: Coding,
    ascii: ascii::Decoder,
    unframing: Unframing,
    deflate: Option<deflate::Decoder>,
    inflated: Vec<u8>,
    end: End,
}

/// Whether the end-of-file mark was seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Open,
    Seen,
}

impl Decoder {
    /// A decoder at the start of a file.
    #[must_use]
    pub fn new(coding: Coding) -> Self {
        let unframing = match (coding.mode, coding.structure) {
            (Mode::Block, _) => Unframing::Block(block::Decoder::default()),
            (Mode::Compressed, _) => Unframing::Compressed(compressed::Decoder::new(coding.representation)),
            (_, Structure::Record) => Unframing::Record(record::Decoder::default()),
            _ => Unframing::Stream,
        };
        let deflate = (coding.mode == Mode::Deflate).then(deflate::Decoder::default);
        let ascii = ascii::Decoder::default();
        Self { coding, ascii, unframing, deflate, inflated: Vec::new(), end: End::Open }
    }

    /// Appends file octets to `out` and says how many octets of `input` it took.
    ///
    /// It stops early when about [`STEP`] octets were added: call again with the rest, until a call takes
    /// nothing and adds nothing.
    ///
    /// # Errors
    /// [`DataError`]: the octets do not follow the coding; what was added before is good.
    pub fn decode(&mut self, input: &[u8], out: &mut Vec<u8>) -> Result<usize, DataError> {
        let Some(deflate) = &mut self.deflate else { return self.unframe(input, out) };
        let mut inflated = std::mem::take(&mut self.inflated);
        inflated.clear();
        let taken = deflate.decode(input, &mut inflated)?;
        let mut rest = inflated.as_slice();
        while !rest.is_empty() {
            let step = self.unframe(rest, out)?;
            rest = rest.get(step..).unwrap_or_default();
        }
        self.inflated = inflated;
        Ok(taken)
    }

    fn unframe(&mut self, input: &[u8], out: &mut Vec<u8>) -> Result<usize, DataError> {
        let start = out.len();
        let mut taken = 0;
        while out.len() - start < STEP {
            let rest = input.get(taken..).unwrap_or_default();
            if rest.is_empty() && !self.unframing.is_ready() {
                break;
            }
            if self.end == End::Seen {
                return if rest.is_empty() { Ok(taken) } else { Err(DataError::BehindEnd) };
            }
            let (piece, used) = self.unframing.piece(rest)?;
            taken += used;
            let records = self.coding.structure == Structure::Record;
            match (piece, self.coding.representation) {
                (Piece::Data(data), Representation::Ascii) if !records => self.ascii.decode(data, out),
                (Piece::Data(data), _) => out.extend_from_slice(data),
                (Piece::Run(octet, count), Representation::Ascii) if !records => {
                    self.ascii.decode([octet; 64].get(..count).unwrap_or_default(), out);
                }
                (Piece::Run(octet, count), _) => out.extend(std::iter::repeat_n(octet, count)),
                (Piece::EndOfRecord, Representation::Ascii) => out.push(b'\n'),
                (Piece::EndOfFile, _) => self.end = End::Seen,
                (Piece::EndOfRecord | Piece::Nothing, _) => {}
            }
        }
        Ok(taken)
    }

    /// Whether the end-of-file mark was seen: nothing more may come.
    #[must_use]
    pub fn is_ended(&self) -> bool {
        self.end == End::Seen || self.deflate.as_ref().is_some_and(deflate::Decoder::is_ended)
    }

    /// Appends what was held back. Call it when the connection has ended.
    ///
    /// # Errors
    /// [`DataError::NoEnd`] if the coding marks the end of the file and the mark did not come.
    pub fn finish(&mut self, out: &mut Vec<u8>) -> Result<(), DataError> {
        self.ascii.finish(out);
        let framed = !matches!(self.unframing, Unframing::Stream);
        let missing = framed && self.end == End::Open
            || self.deflate.as_ref().is_some_and(|deflate| !deflate.is_ended());
        if missing { Err(DataError::NoEnd) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn codings() -> impl Iterator<Item = Coding> {
        let modes = [Mode::Stream, Mode::Block, Mode::Compressed, Mode::Deflate];
        let structures = [Structure::File, Structure::Record];
        let types = [Representation::Ascii, Representation::Image];
        modes.into_iter().flat_map(move |mode| {
            structures.into_iter().flat_map(move |structure| {
                types.into_iter().map(move |representation| Coding {
                    representation,
                    structure,
                    mode,
                    level: 6,
                })
            })
        })
    }

    pub(super) fn encode(coding: Coding, input: &[u8], size: usize) -> Vec<u8> {
        let mut encoder = Encoder::new(coding);
        let mut wire = Vec::new();
        for piece in input.chunks(size) {
            encoder.encode(piece, &mut wire);
        }
        encoder.finish(&mut wire);
        wire
    }

    pub(super) fn decode(coding: Coding, wire: &[u8], size: usize) -> Result<Vec<u8>, DataError> {
        let mut decoder = Decoder::new(coding);
        let mut file = Vec::new();
        for piece in wire.chunks(size) {
            let mut rest = piece;
            loop {
                let before = file.len();
                let taken = decoder.decode(rest, &mut file)?;
                rest = &rest[taken..];
                if taken == 0 && file.len() == before {
                    break;
                }
            }
        }
        decoder.finish(&mut file)?;
        Ok(file)
    }

    #[test]
    fn every_coding_is_reversible_for_every_cut() {
        let mut file = b"one\ntwo\n\xff\xff\x01\x00    \0\0\0\0aaaaaaaa\n\n".to_vec();
        file.extend((0..=255u8).filter(|octet| *octet != b'\r'));
        file.extend(std::iter::repeat_n(b'z', 300));
        for coding in codings() {
            for size in [1, 2, 3, 7, 64, 1000] {
                let wire = encode(coding, &file, size);
                for cut in [1, 2, 3, 5, 1000] {
                    assert_eq!(
                        decode(coding, &wire, cut),
                        Ok(file.clone()),
                        "{coding:?}, {size} out, {cut} in"
                    );
                }
            }
        }
    }

    #[test]
    fn a_missing_end_is_an_error_where_the_coding_marks_it() {
        for coding in codings() {
            let wire = encode(coding, b"some text\nand more\n", 100);
            let cut = decode(coding, &wire[..wire.len() - 1], 100);
            assert_eq!(cut.is_err(), coding.marks_end(), "{coding:?}");
        }
    }

    #[test]
    fn an_empty_file_in_every_coding() {
        for coding in codings() {
            assert_eq!(decode(coding, &encode(coding, b"", 1), 1), Ok(Vec::new()), "{coding:?}");
        }
    }

    #[test]
    fn a_bomb_comes_out_in_steps() {
        let coding =
            Coding { representation: Representation::Image, mode: Mode::Deflate, ..Coding::default() };
        let wire = encode(coding, &vec![0; 64 << 20], 1 << 20);
        let mut decoder = Decoder::new(coding);
        let (mut rest, mut total) = (wire.as_slice(), 0);
        loop {
            let mut out = Vec::new();
            let taken = decoder.decode(rest, &mut out).unwrap();
            assert!(out.len() <= STEP);
            total += out.len();
            rest = &rest[taken..];
            if taken == 0 && out.is_empty() {
                break;
            }
        }
        assert_eq!(total, 64 << 20);
    }
}
