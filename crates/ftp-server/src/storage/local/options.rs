//! How a folder of the host stores: what an application chooses.
//!
//! Not here: what a choice does. That stands where it is done.

use ftp_proto::value::path::VPath;

/// When a change counts as done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Durability {
    /// When the kernel has it: a power cut may take away what came in the last half minute, and leave an empty file where an
    /// old version was.
    None,
    /// When the octets of an upload are on the disk (`fdatasync`): its name may follow half a minute later, and so may names
    /// that are made, changed and removed.
    Data,
    /// When octets, facts and names are on the disk (`fsync`, also of the directories).
    #[default]
    Full,
}

/// What becomes of the octets of a broken upload.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Partial {
    /// Those of a STOR are kept for a day where nobody sees them, for the owner to go on with; nothing is kept for a storage
    /// that [has no owner](LocalOptions::owner). A file that was to be changed is as it was.
    #[default]
    Hidden,
    /// They are kept under the name that was asked for if that name was free; a file that was changed stays as far as the
    /// octets came.
    Visible,
    /// They go, and a file that was to be changed is as it was.
    Never,
}

/// How a [`LocalStorage`](crate::storage::LocalStorage) stores: the default, and then what is to be otherwise.
#[derive(Debug, Clone, Default)]
pub struct LocalOptions {
    /// When an upload counts as stored.
    pub(super) durability: Durability,
    /// What becomes of a broken upload.
    pub(super) partial: Partial,
    /// Who finds what is kept of broken uploads.
    pub(super) owner: Option<String>,
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
    pub fn partial(mut self, partial: Partial) -> Self {
        self.partial = partial;
        self
    }

    /// Whose storage it is: what is kept of broken uploads is found again by whoever has the same key.
    #[must_use]
    pub fn owner(mut self, key: impl Into<String>) -> Self {
        self.owner = Some(key.into());
        self
    }

    /// Directories in which uploads are seen as they grow.
    #[must_use]
    pub fn live(mut self, live: Vec<VPath>) -> Self {
        self.live = live;
        self
    }
}
