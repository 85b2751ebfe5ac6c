//! Whatever a client names lies beneath the root and holds nothing that could leave it.
#![no_main]

use ftp_proto::value::path::{NAME_MAX, PATH_MAX, PathArg, VPath};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (&[u8], &[u8])| {
    let (from, to) = input;
    let Some(from) = PathArg::new(from).and_then(|from| VPath::root().resolve(&from).ok()) else { return };
    let Some(to) = PathArg::new(to) else { return };
    let Ok(path) = from.resolve(&to) else { return };
    assert!(path.as_bytes().starts_with(b"/") && path.as_bytes().len() <= PATH_MAX);
    for name in path.names() {
        assert!(!matches!(name, b"." | b"..") && name.len() <= NAME_MAX);
        assert!(!name.iter().any(|octet| octet.is_ascii_control() || *octet == b'/'));
    }
    assert!(path.is_beneath(&path.parent()));
    assert_eq!(VPath::new(path.as_bytes()).as_ref(), Ok(&path));
});
