//! What is known of a file or directory: the facts of RFC 3659 §7.5 and of `ls -l`.

use std::fmt;

use bitflags::bitflags;

use crate::grammar::Encode;
use crate::value::time::TimeVal;

/// What an entry is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Kind {
    /// A file (`type=file`).
    File,
    /// A directory (`type=dir`).
    Dir,
    /// The directory that is listed (`type=cdir`).
    CurrentDir,
    /// Its parent (`type=pdir`).
    ParentDir,
    /// A symbolic link, wherever it leads (`type=OS.unix=slink`).
    Link,
    /// A named pipe (`type=OS.unix=fifo`).
    Fifo,
    /// A socket (`type=OS.unix=sock`).
    Socket,
    /// A character device (`type=OS.unix=chr`).
    CharDevice,
    /// A block device (`type=OS.unix=blk`).
    BlockDevice,
    /// Anything else (`type=OS.unix=other`).
    Other,
}

bitflags! {
    /// What the user who asks may do with an entry (RFC 3659 §7.5.5).
    ///
    /// A set of the letters `acdeflmprw`; only those that fit the kind of entry are sent.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
    pub struct Perm: u16 {
        /// `a`: APPE to the file.
        const APPEND = 1 << 0;
        /// `c`: make files in the directory.
        const CREATE = 1 << 1;
        /// `d`: DELE or RMD it.
        const DELETE = 1 << 2;
        /// `e`: CWD into the directory.
        const ENTER = 1 << 3;
        /// `f`: RNFR.
        const RENAME = 1 << 4;
        /// `l`: list the directory.
        const LIST = 1 << 5;
        /// `m`: MKD in the directory.
        const MAKE_DIR = 1 << 6;
        /// `p`: remove what is in the directory.
        const PURGE = 1 << 7;
        /// `r`: RETR the file.
        const READ = 1 << 8;
        /// `w`: STOR to the file.
        const WRITE = 1 << 9;
    }
}

/// The letters of [`perm`] in the order of its bits, in which they are sent.
const LETTERS: &[u8; 10] = b"acdeflmprw";

impl Perm {
    /// The set of the letters in `letters`; others are left out.
    #[must_use]
    pub fn of(letters: &[u8]) -> Self {
        let bit =
            |letter: &u8| LETTERS.iter().position(|known| known == letter).map_or(0, |index| 1 << index);
        letters.iter().map(bit).map(Self::from_bits_truncate).collect()
    }

    /// The letters, in alphabetical order.
    pub fn letters(self) -> impl Iterator<Item = u8> {
        LETTERS
            .iter()
            .enumerate()
            .filter(move |(index, _)| self.bits() >> index & 1 == 1)
            .map(|(_, letter)| *letter)
    }
}

/// The facts of one entry: [`Facts::new`], and then what else is known.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Facts {
    /// What it is.
    pub kind: Kind,
    /// Octets of a file; what the store says for anything else.
    pub size: u64,
    /// When its content last changed.
    pub modify: Option<TimeVal>,
    /// When it was made, if the store knows.
    pub create: Option<TimeVal>,
    /// What the user may do with it.
    pub perm: Perm,
    /// The same number for the same object, different for different ones, meaningless otherwise.
    pub unique: Option<u64>,
    /// Unix permission bits, as in `chmod`.
    pub mode: u32,
    /// Number of hard links.
    pub links: u64,
    /// Numeric owner and group.
    pub owner: Option<(u32, u32)>,
}

impl Facts {
    /// Facts of `kind` and `size` with everything else unknown or usual.
    #[must_use]
    pub fn new(kind: Kind, size: u64) -> Self {
        let mode = if kind == Kind::File { 0o644 } else { 0o755 };
        Self {
            kind,
            size,
            modify: None,
            create: None,
            perm: Perm::default(),
            unique: None,
            mode,
            links: 1,
            owner: None,
        }
    }

    /// Whether it can be listed and entered.
    #[must_use]
    pub fn is_dir(&self) -> bool {
        matches!(self.kind, Kind::Dir | Kind::CurrentDir | Kind::ParentDir)
    }
}

bitflags! {
    /// The facts that a client can switch on and off with `OPTS MLST` (RFC 3659 §7.9).
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
    pub struct FactSet: u16 {
        /// [`FactName::Type`]
        const TYPE = 1 << FactName::Type as u16;
        /// [`FactName::Size`]
        const SIZE = 1 << FactName::Size as u16;
        /// [`FactName::Modify`]
        const MODIFY = 1 << FactName::Modify as u16;
        /// [`FactName::Create`]
        const CREATE = 1 << FactName::Create as u16;
        /// [`FactName::Perm`]
        const PERM = 1 << FactName::Perm as u16;
        /// [`FactName::Unique`]
        const UNIQUE = 1 << FactName::Unique as u16;
        /// [`FactName::UnixMode`]
        const UNIX_MODE = 1 << FactName::UnixMode as u16;
        /// [`FactName::UnixOwner`]
        const UNIX_OWNER = 1 << FactName::UnixOwner as u16;
        /// [`FactName::UnixGroup`]
        const UNIX_GROUP = 1 << FactName::UnixGroup as u16;
    }
}

/// One fact that can be listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum FactName {
    /// `type`
    Type,
    /// `size`
    Size,
    /// `modify`
    Modify,
    /// `create`
    Create,
    /// `perm`
    Perm,
    /// `unique`
    Unique,
    /// `unix.mode`
    UnixMode,
    /// `unix.owner`
    UnixOwner,
    /// `unix.group`
    UnixGroup,
}

impl FactName {
    /// Every fact, in the order in which FEAT names and MLSx sends them.
    pub const ALL: [FactName; 9] = [
        Self::Type,
        Self::Size,
        Self::Modify,
        Self::Create,
        Self::Perm,
        Self::Unique,
        Self::UnixMode,
        Self::UnixOwner,
        Self::UnixGroup,
    ];

    /// The name as it is sent, in lower case, as clients that compare it as it stands expect; its case means nothing (RFC 3659
    /// §7.5).
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Type => "type",
            Self::Size => "size",
            Self::Modify => "modify",
            Self::Create => "create",
            Self::Perm => "perm",
            Self::Unique => "unique",
            Self::UnixMode => "unix.mode",
            Self::UnixOwner => "unix.owner",
            Self::UnixGroup => "unix.group",
        }
    }

    /// The fact of that name, in any letter case.
    #[must_use]
    pub fn parse(name: &[u8]) -> Option<Self> {
        Self::ALL.into_iter().find(|fact| fact.as_str().as_bytes().eq_ignore_ascii_case(name))
    }
}

impl From<FactName> for FactSet {
    fn from(fact: FactName) -> Self {
        Self::from_bits_truncate(1 << fact as u16)
    }
}

impl FactSet {
    /// What is sent before any `OPTS MLST`.
    pub const DEFAULT: FactSet =
        FactSet::TYPE.union(FactSet::SIZE).union(FactSet::MODIFY).union(FactSet::PERM).union(FactSet::UNIQUE);

    /// The facts of the set in order.
    pub fn facts(self) -> impl Iterator<Item = FactName> {
        FactName::ALL.into_iter().filter(move |fact| self.contains((*fact).into()))
    }
}

/// One fact that `MFF` sets.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum FactChange {
    /// `modify=time-val`
    Modify(TimeVal),
    /// `unix.mode=octal`
    UnixMode(u16),
}

impl Encode for FactChange {
    /// `factname=value;`, as in the 213 reply.
    fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Self::Modify(time) => {
                out.extend_from_slice(b"modify=");
                time.encode(out);
            }
            Self::UnixMode(mode) => out.extend_from_slice(format!("unix.mode={mode:o}").as_bytes()),
        }
        out.push(b';');
    }
}

/// A name and its facts: one line of a listing.
#[derive(Clone, PartialEq, Eq)]
pub struct Entry {
    /// The name, without any slash unless it is an answer to `MLST`.
    pub name: Vec<u8>,
    /// What is known of it.
    pub facts: Facts,
}

impl fmt::Debug for Entry {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} {:?}", String::from_utf8_lossy(&self.name), self.facts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn perm_letters_come_once_and_in_order() {
        assert_eq!(Perm::of(b"wrdz!w").letters().collect::<Vec<_>>(), b"drw");
        assert_eq!(Perm::of(b"rw").intersection(Perm::of(b"ra")), Perm::of(b"r"));
    }

    #[test]
    fn fact_names_are_case_independent() {
        for fact in FactName::ALL {
            assert_eq!(FactName::parse(fact.as_str().to_ascii_uppercase().as_bytes()), Some(fact));
        }
        assert_eq!(FactName::parse(b"frogs"), None);
        assert!(FactSet::DEFAULT.contains(FactSet::UNIQUE) && !FactSet::DEFAULT.contains(FactSet::CREATE));
        assert_eq!(FactSet::empty().facts().count(), 0);
        assert_eq!(FactName::ALL.into_iter().map(FactSet::from).collect::<FactSet>(), FactSet::all());
    }
}
