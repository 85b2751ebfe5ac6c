//! The folder of one try on the server's disk: what is in it before, and what is wrong with it afterwards.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::lab::{Settings, Wish};

/// What is in a file before.
const OLD: &[u8] = b"the old version, which must not be lost\n";
/// Octets of a new file: several segments.
const NEW: usize = 40_000;

/// The folder of one try, and what is in it.
pub(super) struct Place {
    folder: PathBuf,
    pub(super) name: String,
    pub(super) wish: Wish,
}

impl Place {
    /// Octets of an old version, behind which REST goes on.
    pub(super) const OLD_LENGTH: usize = OLD.len();

    /// Made on the disk: an upload would be what is to be tried.
    pub(super) fn prepare(settings: &Settings, wish: Wish, number: usize) -> std::io::Result<Self> {
        let name = format!("lab-{number}");
        let folder = settings.root.join(&name);
        std::fs::create_dir_all(&folder)?;
        let open = std::os::unix::fs::PermissionsExt::from_mode(0o777);
        std::fs::set_permissions(&folder, open)?;
        if !matches!(wish, Wish::StorNew) {
            let file = folder.join("f");
            let content = if wish == Wish::Retr { new() } else { OLD.to_vec() };
            std::fs::write(&file, content)?;
            std::fs::set_permissions(&file, std::os::unix::fs::PermissionsExt::from_mode(0o666))?;
        }
        Ok(Self { folder, name, wish })
    }

    /// Whether a name is hidden and has what came of an upload: a server may keep that for its client to go on with.
    fn is_kept(&self, name: &str) -> bool {
        let content = read(&self.folder.join(name)).unwrap_or_default();
        let is_part = !content.is_empty() && new().starts_with(&content);
        name.starts_with('.') && is_part && matches!(self.wish, Wish::StorNew | Wish::StorOver)
    }

    /// What is wrong on the disk after a failure: an empty file, a lost old version, anything that was not there.
    pub(super) fn damage(&self) -> Option<String> {
        let entries: BTreeSet<String> = std::fs::read_dir(&self.folder)
            .map(|entries| {
                entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
            })
            .unwrap_or_default();
        if let Some(other) = entries.iter().find(|name| *name != "f" && !self.is_kept(name)) {
            return Some(format!("{other} was left behind"));
        }
        let content = read(&self.folder.join("f"));
        match (self.wish, content) {
            (Wish::StorNew, None) => None,
            (Wish::StorNew, Some(content)) if content.is_empty() => Some("an empty file was left".to_owned()),
            // A new file may keep the octets that came.
            (Wish::StorNew, Some(content)) => {
                (!new().starts_with(&content)).then(|| "a file of other octets was left".to_owned())
            }
            (_, None) => Some("the old version is gone".to_owned()),
            (Wish::StorOver | Wish::List, Some(content)) => {
                (content != OLD).then(|| format!("the old version is changed: {} octets", content.len()))
            }
            (Wish::Retr, Some(content)) => (content != new()).then(|| "the file is changed".to_owned()),
            // What came is behind the old version.
            (Wish::Appe | Wish::Rest, Some(content)) => {
                let kept = content.strip_prefix(OLD).is_some_and(|more| new().starts_with(more));
                (!kept).then(|| format!("the old version is lost: {} octets", content.len()))
            }
        }
    }

    /// Whether an upload that was called done is there.
    pub(super) fn is_right(&self) -> bool {
        let content = read(&self.folder.join("f")).unwrap_or_default();
        match self.wish {
            Wish::List | Wish::Retr => true,
            Wish::StorNew | Wish::StorOver => content == new(),
            Wish::Appe | Wish::Rest => content == [OLD, &new()].concat(),
        }
    }
}

fn read(file: &Path) -> Option<Vec<u8>> {
    std::fs::read(file).ok()
}

/// A new version.
pub(super) fn new() -> Vec<u8> {
    (0..NEW).map(|index| u8::try_from(index % 251).unwrap_or(0)).collect()
}
