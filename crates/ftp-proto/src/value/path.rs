//! Pathnames: as a client writes them, and as a server resolves them.

use std::fmt;

use thiserror::Error;

use crate::grammar::{Argument, Encode, Expected};
use crate::value::text::{Text, put_telnet};

/// The longest name of one file or directory, in octets.
pub const NAME_MAX: usize = 255;
/// The longest resolved path, in octets.
pub const PATH_MAX: usize = 4096;

/// A pathname as it stands in a command: any octets but NUL, CR and LF, blanks in front and behind included.
///
/// ```abnf
/// pathname = 1*(%x01-09 / %x0B-0C / %x0E-FF)   ; RFC 3659 §2.2: only the first SP separates, IAC is doubled
/// ```
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PathArg(Vec<u8>);

impl PathArg {
    /// The pathname, unless it is empty or holds NUL, CR or LF.
    pub fn new(path: impl Into<Vec<u8>>) -> Option<Self> {
        let path = path.into();
        (!path.is_empty() && memchr::memchr3(0, b'\r', b'\n', &path).is_none()).then_some(Self(path))
    }

    /// The octets of the pathname.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for PathArg {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&String::from_utf8_lossy(&self.0), formatter)
    }
}

impl Encode for PathArg {
    fn encode(&self, out: &mut Vec<u8>) {
        put_telnet(&self.0, out);
    }
}

impl Argument for PathArg {
    fn parse(argument: &[u8]) -> Result<Self, Expected> {
        Self::new(argument).ok_or(Expected::Syntax("a pathname without NUL, CR or LF"))
    }
}

/// Why a pathname cannot name anything on this server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum PathError {
    /// A control character (%x01-1F, %x7F): listings could not show it on one line.
    #[error("control characters are not accepted in names")]
    Control,
    /// A name longer than [`NAME_MAX`] octets.
    #[error("a name may have at most 255 octets")]
    NameTooLong,
    /// A path longer than [`PATH_MAX`] octets.
    #[error("a path may have at most 4096 octets")]
    PathTooLong,
}

/// An absolute path in the virtual tree of a session: `/`, or names joined by `/`; no `.`, `..`, empty name,
/// control character or name over [`NAME_MAX`] octets.
///
/// It says nothing about the file system of the host: the storage resolves it beneath its own root.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct VPath(Vec<u8>);

impl VPath {
    /// The root, `/`.
    #[must_use]
    pub fn root() -> Self {
        Self(vec![b'/'])
    }

    /// Resolves `argument` from this directory. `..` at the root stays at the root (RFC 959 CDUP, TVFS of
    /// RFC 3659 §6).
    ///
    /// # Errors
    /// [`PathError`] if a name in it is one that this server does not accept.
    pub fn resolve(&self, argument: &PathArg) -> Result<Self, PathError> {
        self.resolve_bytes(argument.as_bytes())
    }

    /// An absolute path from octets, for configuration and tests.
    ///
    /// # Errors
    /// As for [`VPath::resolve`].
    pub fn new(path: impl AsRef<[u8]>) -> Result<Self, PathError> {
        Self::root().resolve_bytes(path.as_ref())
    }

    fn resolve_bytes(&self, path: &[u8]) -> Result<Self, PathError> {
        if path.iter().any(u8::is_ascii_control) || path.contains(&0) {
            return Err(PathError::Control);
        }
        let mut resolved = if path.starts_with(b"/") { Self::root() } else { self.clone() };
        for name in path.split(|octet| *octet == b'/') {
            match name {
                b"" | b"." => {}
                b".." => resolved.pop(),
                name => resolved.push(name)?,
            }
        }
        Ok(resolved)
    }

    fn push(&mut self, name: &[u8]) -> Result<(), PathError> {
        if name.len() > NAME_MAX {
            return Err(PathError::NameTooLong);
        }
        if self.0.len() + name.len() >= PATH_MAX {
            return Err(PathError::PathTooLong);
        }
        if !self.is_root() {
            self.0.push(b'/');
        }
        self.0.extend_from_slice(name);
        Ok(())
    }

    fn pop(&mut self) {
        let slash = memchr::memrchr(b'/', &self.0).unwrap_or(0);
        self.0.truncate(slash.max(1));
    }

    /// Whether this is `/`.
    #[must_use]
    pub fn is_root(&self) -> bool {
        self.0.len() == 1
    }

    /// The directory that holds this entry; the root for the root.
    #[must_use]
    pub fn parent(&self) -> Self {
        let mut parent = self.clone();
        parent.pop();
        parent
    }

    /// The last name; empty for the root.
    #[must_use]
    pub fn name(&self) -> &[u8] {
        self.0.rsplit(|octet| *octet == b'/').next().unwrap_or_default()
    }

    /// The names from the root down.
    pub fn names(&self) -> impl Iterator<Item = &[u8]> {
        self.0.split(|octet| *octet == b'/').filter(|name| !name.is_empty())
    }

    /// This path without the slash in front: `.` for the root. What `openat` wants.
    #[must_use]
    pub fn relative(&self) -> &[u8] {
        match self.0.get(1..) {
            Some([]) | None => b".",
            Some(rest) => rest,
        }
    }

    /// Whether this is `dir` or lies beneath it.
    #[must_use]
    pub fn is_beneath(&self, dir: &VPath) -> bool {
        dir.is_root()
            || self
                .0
                .strip_prefix(dir.0.as_slice())
                .is_some_and(|rest| rest.is_empty() || rest.starts_with(b"/"))
    }

    /// The entry `name` of this directory.
    ///
    /// # Errors
    /// [`PathError`] as for [`VPath::resolve`].
    pub fn child(&self, name: &[u8]) -> Result<Self, PathError> {
        let mut child = self.clone();
        child.push(name)?;
        Ok(child)
    }

    /// The octets of the path.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for VPath {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&String::from_utf8_lossy(&self.0), formatter)
    }
}

impl fmt::Display for VPath {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&String::from_utf8_lossy(&self.0))
    }
}

impl From<&VPath> for Text {
    fn from(path: &VPath) -> Self {
        Text::clean(&path.0)
    }
}

/// Appends `path` between double quotes, quotes inside doubled (RFC 959 appendix II).
pub(crate) fn put_quoted(path: &[u8], out: &mut Vec<u8>) {
    out.push(b'"');
    for octet in path {
        out.push(*octet);
        if *octet == b'"' {
            out.push(b'"');
        }
    }
    out.push(b'"');
}

/// What stands between double quotes, with doubled quotes made single.
pub(crate) fn unquote(quoted: &[u8]) -> Option<Vec<u8>> {
    let inner = quoted.strip_prefix(b"\"")?.strip_suffix(b"\"")?;
    let mut plain = Vec::with_capacity(inner.len());
    let mut octets = inner.iter();
    while let Some(octet) = octets.next() {
        if *octet == b'"' && octets.next() != Some(&b'"') {
            return None;
        }
        plain.push(*octet);
    }
    Some(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolve(from: &str, argument: &str) -> String {
        let from = VPath::new(from).unwrap();
        from.resolve(&PathArg::new(argument).unwrap()).unwrap().to_string()
    }

    #[test]
    fn paths_resolve_inside_the_root() {
        for (from, argument, resolved) in [
            ("/", "a", "/a"),
            ("/a", "b/c", "/a/b/c"),
            ("/a", "/b", "/b"),
            ("/a", "..", "/"),
            ("/", "..", "/"),
            ("/", "../../etc/passwd", "/etc/passwd"),
            ("/a", "./b//c/.", "/a/b/c"),
            ("/a", " b ", "/a/ b "),
            ("/", "....//", "/...."),
            ("/", "..\\x", "/..\\x"),
            ("/a/b", "../../..", "/"),
        ] {
            assert_eq!(resolve(from, argument), resolved, "{argument} from {from}");
        }
    }

    #[test]
    fn names_that_listings_could_not_show_are_refused() {
        let root = VPath::root();
        assert_eq!(root.resolve(&PathArg::new(*b"a\x1bb").unwrap()), Err(PathError::Control));
        assert_eq!(root.resolve(&PathArg::new("x".repeat(256)).unwrap()), Err(PathError::NameTooLong));
        assert!(root.resolve(&PathArg::new("x".repeat(255)).unwrap()).is_ok());
        assert_eq!(root.resolve(&PathArg::new("x/".repeat(4000)).unwrap()), Err(PathError::PathTooLong));
        assert_eq!(PathArg::new("a\0b"), None);
    }

    #[test]
    fn the_parts_of_a_path() {
        let path = VPath::new("/a/b").unwrap();
        assert_eq!(
            (path.name(), path.parent().as_bytes(), path.relative()),
            (&b"b"[..], &b"/a"[..], &b"a/b"[..])
        );
        assert_eq!((VPath::root().name(), VPath::root().relative()), (&b""[..], &b"."[..]));
        assert!(path.is_beneath(&VPath::new("/a").unwrap()));
        assert!(!VPath::new("/ab").unwrap().is_beneath(&VPath::new("/a").unwrap()));
        assert!(path.is_beneath(&VPath::root()));
    }
}
