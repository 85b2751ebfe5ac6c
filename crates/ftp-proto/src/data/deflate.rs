//! MODE Z: one zlib stream (RFC 1950) a transfer (draft-preston-ftpext-deflate §3).

use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress, Status};

use crate::data::coding::{DataError, STEP};

/// Octets of room that each turn of the compressor gets.
const ROOM: usize = 32 << 10;

/// File octets to a zlib stream.
#[derive(Debug)]
pub struct Encoder(Compress);

impl Encoder {
    /// A stream at its start. `level` runs from 0 (store) to 9 (best); more counts as 9.
    #[must_use]
    pub fn new(level: u8) -> Self {
        Self(Compress::new(Compression::new(u32::from(level.min(9))), true))
    }

    /// Appends what the compressor gives out for `input`.
    pub fn encode(&mut self, input: &[u8], out: &mut Vec<u8>) {
        let mut rest = input;
        while !rest.is_empty() {
            let before = self.0.total_in();
            out.reserve(ROOM);
            // The only error of a compressor is a misuse that this loop does not commit.
            if self.0.compress_vec(rest, out, FlushCompress::None).is_err() {
                return;
            }
            let taken = usize::try_from(self.0.total_in() - before).unwrap_or(rest.len());
            rest = rest.get(taken..).unwrap_or_default();
        }
    }

    /// Appends the end of the stream.
    pub fn finish(&mut self, out: &mut Vec<u8>) {
        loop {
            out.reserve(ROOM);
            match self.0.compress_vec(&[], out, FlushCompress::Finish) {
                Ok(Status::Ok) => {}
                Ok(Status::StreamEnd | Status::BufError) | Err(_) => return,
            }
        }
    }
}

/// A zlib stream to file octets.
#[derive(Debug)]
pub struct Decoder {
    stream: Decompress,
    end: End,
}

/// Whether the stream said that it is complete.
#[derive(Debug, PartialEq, Eq)]
enum End {
    Open,
    Seen,
}

impl Default for Decoder {
    fn default() -> Self {
        Self { stream: Decompress::new(true), end: End::Open }
    }
}

impl Decoder {
    /// Appends at most [`STEP`] octets and says how many octets of `input` it took.
    ///
    /// # Errors
    /// [`DataError::Deflate`] if the stream is corrupt, [`DataError::BehindEnd`] if it goes on after its end.
    pub fn decode(&mut self, input: &[u8], out: &mut Vec<u8>) -> Result<usize, DataError> {
        let (start, mut taken) = (out.len(), 0);
        loop {
            let rest = input.get(taken..).unwrap_or_default();
            if self.end == End::Seen {
                return if rest.is_empty() { Ok(taken) } else { Err(DataError::BehindEnd) };
            }
            let room = STEP - (out.len() - start);
            if room == 0 {
                return Ok(taken);
            }
            // The vector is filled up to its capacity: never more than what is left of the step.
            let mut piece = Vec::with_capacity(room.min(ROOM));
            let before = (self.stream.total_in(), self.stream.total_out());
            let status = self.stream.decompress_vec(rest, &mut piece, FlushDecompress::None);
            let status = status.map_err(|_| DataError::Deflate)?;
            out.extend_from_slice(&piece);
            taken += usize::try_from(self.stream.total_in() - before.0).unwrap_or(rest.len());
            if status == Status::StreamEnd {
                self.end = End::Seen;
            } else if (self.stream.total_in(), self.stream.total_out()) == before {
                return Ok(taken);
            }
        }
    }

    /// Whether the stream has ended.
    #[must_use]
    pub fn is_ended(&self) -> bool {
        self.end == End::Seen
    }
}

#[cfg(test)]
mod tests {
    use crate::data::tests::{decode, encode};
    use crate::data::{Coding, DataError, Representation};
    use crate::value::transfer::{Mode, Structure};

    const ZLIB: Coding = Coding {
        representation: Representation::Image,
        structure: Structure::File,
        mode: Mode::Deflate,
        level: 6,
    };

    #[test]
    fn a_stream_has_a_zlib_header_and_an_end() {
        let wire = encode(ZLIB, &[b'a'; 10_000], 999);
        assert_eq!(wire[0] & 0x0F, 8, "RFC 1950: compression method deflate");
        assert!(wire.len() < 200);
        assert_eq!(decode(ZLIB, &wire, 1), Ok(vec![b'a'; 10_000]));
    }

    #[test]
    fn broken_streams() {
        let wire = encode(ZLIB, b"hello hello hello", 100);
        assert_eq!(decode(ZLIB, &wire[..wire.len() - 2], 100), Err(DataError::NoEnd));
        assert_eq!(decode(ZLIB, &[&wire[..], b"x"].concat(), 100), Err(DataError::BehindEnd));
        assert_eq!(decode(ZLIB, b"not zlib at all", 100), Err(DataError::Deflate));
    }
}
