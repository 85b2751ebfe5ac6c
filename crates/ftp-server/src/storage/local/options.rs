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

/// How a [`LocalStorage`] stores.
#[derive(Debug, Clone, Default)]
pub struct LocalOptions {
    /// When an upload counts as stored.
    pub durability: Durability,
    /// What becomes of a broken upload.
    pub keep_partial: KeepPartial,
    /// Directories in which uploads are seen as they grow, for programs that poll: no staging, no atomic rename.
    pub live: Vec<VPath>,
}
