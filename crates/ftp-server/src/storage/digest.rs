//! Digests of files: HASH, XCRC, XMD5 and so on. Not here: which of them a command asks for.

use ftp_proto::session::Algorithm;
use md5::Md5;
use sha1::Sha1;
use sha2::{Digest as _, Sha256, Sha512};

use crate::storage::{Digest, Source, StorageError};

/// Octets that are read and digested at once.
const PIECE: usize = 1 << 20;

/// A digest under way.
enum State {
    Crc32(crc32fast::Hasher),
    Md5(Md5),
    Sha1(Sha1),
    Sha256(Box<Sha256>),
    Sha512(Box<Sha512>),
}

impl State {
    fn new(algorithm: Algorithm) -> Self {
        match algorithm {
            Algorithm::Crc32 => Self::Crc32(crc32fast::Hasher::new()),
            Algorithm::Md5 => Self::Md5(Md5::new()),
            Algorithm::Sha1 => Self::Sha1(Sha1::new()),
            Algorithm::Sha256 => Self::Sha256(Box::default()),
            Algorithm::Sha512 => Self::Sha512(Box::default()),
        }
    }

    fn update(&mut self, data: &[u8]) {
        match self {
            Self::Crc32(state) => state.update(data),
            Self::Md5(state) => state.update(data),
            Self::Sha1(state) => state.update(data),
            Self::Sha256(state) => state.update(data),
            Self::Sha512(state) => state.update(data),
        }
    }

    fn hex(self) -> String {
        let octets = match self {
            Self::Crc32(state) => state.finalize().to_be_bytes().to_vec(),
            Self::Md5(state) => state.finalize().to_vec(),
            Self::Sha1(state) => state.finalize().to_vec(),
            Self::Sha256(state) => state.finalize().to_vec(),
            Self::Sha512(state) => state.finalize().to_vec(),
        };
        octets.iter().map(|octet| format!("{octet:02x}")).collect()
    }
}

/// The digest of what `source` holds, which begins at octet `first` of its file. The work runs on a blocking thread, piece by piece.
pub(crate) async fn digest(
    mut source: Box<dyn Source>,
    algorithm: Algorithm,
    first: u64,
) -> Result<Digest, StorageError> {
    let mut left = source.len();
    let last = first + left.saturating_sub(1);
    let mut state = State::new(algorithm);
    let mut buffer = Vec::with_capacity(PIECE);
    while left > 0 {
        buffer = source.read(buffer).await?;
        buffer.truncate(usize::try_from(left).unwrap_or(usize::MAX));
        if buffer.is_empty() {
            break;
        }
        left -= buffer.len() as u64;
        let piece = std::mem::take(&mut buffer);
        let work = tokio::task::spawn_blocking(move || {
            state.update(&piece);
            (state, piece)
        });
        let (updated, piece) = work.await.map_err(|error| StorageError::Io(error.to_string().into()))?;
        state = updated;
        buffer = piece;
        buffer.clear();
    }
    Ok(Digest { hex: state.hex(), range: (first, last) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::{MemoryStorage, Span, Storage};
    use ftp_proto::value::path::VPath;

    #[tokio::test]
    async fn known_digests() {
        let path = VPath::new("/f").unwrap();
        let storage = MemoryStorage::new().with_file(&path, "123456789");
        for (algorithm, hex) in [
            (Algorithm::Crc32, "cbf43926"),
            (Algorithm::Md5, "25f9e794323b453885f5181f1b624d0b"),
            (Algorithm::Sha1, "f7c3bc1d808e04732adf679965ccc34ca7ae3441"),
            (Algorithm::Sha256, "15e2b0d3c33891ebb0f1ef609ec419420c20e320ce94c65fbc8c3312448eb225"),
        ] {
            let source = storage.read(&path, Span::default()).await.unwrap();
            assert_eq!(digest(source, algorithm, 0).await, Ok(Digest { hex: hex.to_owned(), range: (0, 8) }));
        }
        let source = storage.read(&path, Span { first: 2, last: Some(3) }).await.unwrap();
        let part = digest(source, Algorithm::Crc32, 2).await.unwrap();
        assert_eq!(part, Digest { hex: format!("{:08x}", crc32fast::hash(b"34")), range: (2, 3) });
    }
}
