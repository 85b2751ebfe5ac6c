//! Where the octets of a download come from. Not here: how they are sent (`send.rs`).

use ftp_proto::data::Coding;

use crate::data::send::file::Part;
use crate::data::send::listing::Listing;
use crate::storage::{Native, Source, StorageError};

/// Octets of a file that are read, encoded and sent at once.
const PIECE: usize = 128 << 10;

/// Where the octets come from.
pub(crate) enum Origin {
    /// A file, or a part of one.
    File(Box<dyn Source>),
    /// A listing.
    Listing(Listing),
}

impl Origin {
    /// The next octets in `buffer`, which comes in empty; an empty one is the end.
    pub(super) async fn next(&mut self, buffer: Vec<u8>) -> Result<Vec<u8>, StorageError> {
        match self {
            Self::Listing(listing) => listing.next_lines(buffer).await,
            Self::File(source) => source.read(buffer).await,
        }
    }

    /// What the kernel can send by itself, if nothing has to be done to the octets.
    pub(super) fn part(&self, coding: Coding) -> Option<Part> {
        match self {
            Self::File(source) if coding.is_identity() => {
                let Native { file, offset } = source.native()?;
                Some(Part::new(file, offset, source.len()))
            }
            Self::File(..) | Self::Listing(_) => None,
        }
    }

    /// Whether it is known to be sent in one piece. TCP_CORK would cost longer ones half of their speed.
    pub(super) fn is_short(&self) -> bool {
        match self {
            Self::Listing(_) => false,
            Self::File(source) => source.len() <= PIECE as u64,
        }
    }

    pub(super) fn buffer(&self) -> Vec<u8> {
        match self {
            Self::Listing(_) => Vec::new(),
            Self::File(source) => {
                let wanted = source.len().min(PIECE as u64);
                Vec::with_capacity(usize::try_from(wanted).unwrap_or(PIECE).max(1))
            }
        }
    }
}
