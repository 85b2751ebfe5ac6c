//! How a folder of the host stores: what an application chooses.
//!
//! Not here: what a choice does. That stands where it is done.

use ftp_proto::value::path::VPath;

/// When an upload counts as stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Durability {
    /// When the kernel has it: a power cut may lose it.
    None,
    /// When its octets are on the disk (`fdatasync`).
    #[default]
    Data,
    /// When its octets, facts and name are on the disk (`fsync`, also of the directory).
    Full,
}

/// What becomes of the octets of a broken upload.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum KeepPartial {
    /// They go.
    Never,
    /// They are kept under the name that was asked for if that name was free, so that the client can resume.
    #[default]
    NewOnly,
}

/// How a [`LocalStorage`](crate::storage::LocalStorage) stores: the default, and then what is to be otherwise.
#[derive(Debug, Clone, Default)]
pub struct LocalOptions {
    /// When an upload counts as stored.
    pub(super) durability: Durability,
    /// What becomes of a broken upload.
    pub(super) keep_partial: KeepPartial,
    /// Directories in which uploads are seen as they grow, for programs that poll: no staging, no atomic rename.
    pub(super) live: Vec<VPath>,
}

impl LocalOptions {
    /// When an upload counts as stored.
    #[must_use]
    pub fn durability(mut self, durability: Durability) -> Self {
        self.durability = durability;
        self
    }

    /// What becomes of a broken upload.
    #[must_use]
    pub fn keep_partial(mut self, keep_partial: KeepPartial) -> Self {
        self.keep_partial = keep_partial;
        self
    }

    /// Directories in which uploads are seen as they grow.
    #[must_use]
    pub fn live(mut self, live: Vec<VPath>) -> Self {
        self.live = live;
        self
    }
}
