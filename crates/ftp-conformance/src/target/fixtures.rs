//! The files that some cases look at, and that no client could make: without rights, huge, links.
//!
//! ```text
//! fixtures/readonly        "read only", mode 0444     fixtures/unreadable      "secret", mode 0000
//! fixtures/closed/inside   in a folder of mode 0555   fixtures/huge            5 GiB, sparse, ends in "the end"
//! fixtures/target          what fixtures/link leads to
//! fixtures/dangling, loop-a, loop-b                   links to nothing, and to each other
//! fixtures/outside, outside-dir                       links that lead out of the root
//! ```

use std::fs::{self, File, Permissions};
use std::io;
use std::os::unix::fs::{FileExt, PermissionsExt, symlink};
use std::path::Path;

/// The folder below the account's root.
pub const FOLDER: &str = "fixtures";
/// Octets of the huge file.
pub const HUGE: u64 = 5 << 30;
/// Its last octets.
pub const HUGE_TAIL: &[u8] = b"the end";

/// Makes the folder `fixtures` in `root`; one that is there already is left as it is.
///
/// # Errors
/// If the files cannot be made.
pub fn prepare(root: &Path) -> io::Result<()> {
    let folder = root.join(FOLDER);
    if folder.exists() {
        return Ok(());
    }
    let outside = root.parent().unwrap_or(root);
    fs::create_dir_all(folder.join("closed"))?;
    fs::write(folder.join("target"), "reached")?;
    fs::write(folder.join("readonly"), "read only")?;
    fs::write(folder.join("unreadable"), "secret")?;
    fs::write(folder.join("closed/inside"), "inside")?;
    let huge = File::create(folder.join("huge"))?;
    huge.write_all_at(HUGE_TAIL, HUGE - HUGE_TAIL.len() as u64)?;
    for (to, from) in
        [("target", "link"), ("nothing", "dangling"), ("loop-b", "loop-a"), ("loop-a", "loop-b")]
    {
        symlink(to, folder.join(from))?;
    }
    symlink("/etc/hostname", folder.join("outside"))?;
    symlink(outside, folder.join("outside-dir"))?;
    for (name, mode) in [("readonly", 0o444), ("unreadable", 0), ("closed/inside", 0o444), ("closed", 0o555)]
    {
        fs::set_permissions(folder.join(name), Permissions::from_mode(mode))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fixtures_are_made_once() {
        let root = tempfile::tempdir().unwrap();
        prepare(root.path()).unwrap();
        prepare(root.path()).unwrap();
        let folder = root.path().join(FOLDER);
        assert_eq!(fs::metadata(folder.join("huge")).unwrap().len(), HUGE);
        assert_eq!(fs::read_to_string(folder.join("link")).unwrap(), "reached");
        assert_eq!(fs::metadata(folder.join("unreadable")).unwrap().permissions().mode() & 0o777, 0);
        assert!(fs::metadata(folder.join("loop-a")).is_err());
    }
}
