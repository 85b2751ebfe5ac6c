//! What all coders speak of: the wire form of a file, what a framing finds, and what can be wrong with it.
//!
//! Not here: any conversion. The coders stand beside this file, [`super::Encoder`] and [`super::Decoder`] above them.

use thiserror::Error;

use crate::value::transfer::{Mode, Structure};

/// The most octets that one call of [`Decoder::decode`](super::Decoder::decode) adds to its output.
pub const STEP: usize = 1 << 20;

/// How text is represented (RFC 959 §3.1.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Representation {
    /// TYPE A: lines end in CR LF on the wire and in LF in the file.
    #[default]
    Ascii,
    /// TYPE I and TYPE L 8: octets as they are.
    Image,
}

/// Everything that decides the wire form of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Coding {
    /// TYPE
    pub representation: Representation,
    /// STRU; [`Structure::Page`] is treated as [`Structure::File`].
    pub structure: Structure,
    /// MODE
    pub mode: Mode,
    /// Effort of MODE Z, 0 to 9.
    pub level: u8,
}

impl Default for Coding {
    /// The defaults of RFC 959 §5.1: ASCII, file, stream.
    fn default() -> Self {
        Self {
            representation: Representation::Ascii,
            structure: Structure::File,
            mode: Mode::Stream,
            level: 6,
        }
    }
}

impl Coding {
    /// Whether the wire carries the octets of the file unchanged, so that the kernel may move them.
    #[must_use]
    pub fn is_identity(&self) -> bool {
        self.representation == Representation::Image
            && self.structure != Structure::Record
            && self.mode == Mode::Stream
    }

    /// Whether the end of the file is marked in the data, so that a close without it is a failure.
    #[must_use]
    pub fn marks_end(&self) -> bool {
        self.structure == Structure::Record || self.mode != Mode::Stream
    }
}

/// Why received octets cannot be decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum DataError {
    /// An escape of a record stream is neither EOR, EOF nor 255 (RFC 959 §3.4.1).
    #[error("octet 255 is followed by neither 1, 2, 3 nor 255 in record structure")]
    Escape,
    /// Data go on behind the end-of-file mark.
    #[error("data behind the end-of-file mark")]
    BehindEnd,
    /// The connection ended before the end-of-file mark.
    #[error("the data ended before the end-of-file mark")]
    NoEnd,
    /// The zlib stream is broken.
    #[error("the deflate stream is corrupt")]
    Deflate,
}

/// What a framing found next on the way in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Piece<'a> {
    Data(&'a [u8]),
    /// The same octet several times.
    Run(u8, usize),
    EndOfRecord,
    EndOfFile,
    /// A marker, or nothing that concerns the file.
    Nothing,
}
