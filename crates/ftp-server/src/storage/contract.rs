//! What every storage promises, as one suite: run it in the tests of your own.
//!
//! [`check`] makes a tree in an empty storage and looks at every promise of [`Storage`]. What a storage cannot do, by its own
//! word ([`Storage::can`]) or by [`StorageError::Unsupported`], is passed over. Not here: speed, and what happens when the
//! ground below a storage fails.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a promise that is not kept is the failure of a test"
)]

use crate::storage::{
    Abilities, Algorithm, Create, Entry, FactChange, Kind, Left, NotStored, Sink, Span, Storage,
    StorageError, Stored, TimeVal, VPath, Writing, digest,
};

/// A path that can be one.
fn at(path: &str) -> VPath {
    VPath::new(path).unwrap()
}

/// Octets that differ from place to place.
fn octets(count: usize) -> Vec<u8> {
    (0..count).map(|index| index.wrapping_mul(2_654_435_761).to_le_bytes()[2]).collect()
}

async fn read(storage: &dyn Storage, path: &str, part: Span) -> Result<Vec<u8>, StorageError> {
    let mut source = storage.read(&at(path), part).await?;
    let (len, mut all) = (source.len(), Vec::new());
    loop {
        let piece = source.read(Vec::with_capacity(1000)).await?;
        if piece.is_empty() {
            break;
        }
        all.extend(piece);
    }
    assert_eq!(len, all.len() as u64, "{path}, {part:?}: Source::len is what there is");
    Ok(all)
}

async fn begin(storage: &dyn Storage, path: &str, how: Create, data: &[u8]) -> (VPath, Box<dyn Sink>) {
    let Writing { path, mut sink } = storage.write(&at(path), how).await.expect("it may be written");
    for piece in data.chunks(700) {
        let buffer = sink.write(piece.to_vec()).await.expect("it takes octets");
        assert!(buffer.is_empty(), "the buffer comes back empty");
    }
    (path, sink)
}

async fn put(storage: &dyn Storage, path: &str, how: Create, data: &[u8]) -> Result<Stored, NotStored> {
    begin(storage, path, how, data).await.1.commit(b"!".to_vec()).await
}

async fn list(storage: &dyn Storage, path: &str) -> Result<Vec<Entry>, StorageError> {
    let mut pages = storage.list(&at(path)).await?;
    let mut entries = Vec::new();
    while let Some(page) = pages.next_page().await? {
        entries.extend(page);
    }
    entries.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(entries)
}

async fn names(storage: &dyn Storage, path: &str) -> Vec<String> {
    let entries = list(storage, path).await.expect("it can be listed");
    entries.into_iter().map(|entry| String::from_utf8(entry.name).unwrap()).collect()
}

/// Looks at every promise, in an empty storage that may be changed.
///
/// # Panics
/// If one is not kept; the message says which.
pub async fn check(storage: &dyn Storage) {
    assert_eq!(names(storage, "/").await, [""; 0], "the storage is empty at the start");
    assert!(storage.facts(&at("/")).await.expect("the root is there").is_dir());
    files(storage).await;
    broken_uploads(storage).await;
    changes_in_place(storage).await;
    directories(storage).await;
    renames(storage).await;
    copies(storage).await;
    facts(storage).await;
}

async fn files(storage: &dyn Storage) {
    let (data, whole) = (octets(5000), [octets(5000), b"!".to_vec()].concat());
    let stored = put(storage, "/file", Create::Replace, &data).await.expect("a new file is stored");
    assert_eq!((stored.size, stored.replaced), (5001, None), "Stored of a new file");
    let facts = storage.facts(&at("/file")).await.expect("it is there");
    assert_eq!((facts.kind, facts.size), (Kind::File, 5001), "facts of a file");
    let span = |first, last| Span { first, last };
    for (part, expected) in [
        (span(0, None), 0..5001),
        (span(4990, None), 4990..5001),
        (span(10, Some(19)), 10..20),
        (span(5000, Some(9000)), 5000..5001),
        (span(5001, None), 5001..5001),
    ] {
        let got = read(storage, "/file", part).await.expect("a part that is there");
        assert!(Some(got.as_slice()) == whole.get(expected), "other octets for {part:?}");
    }
    let beyond = read(storage, "/file", span(5002, None)).await;
    assert_eq!(beyond, Err(StorageError::BeyondEnd), "a part behind the end");
    for part in [Span::default(), span(7, Some(1000))] {
        let known = storage.digest(&at("/file"), Algorithm::Sha256, part).await.expect("digest");
        let source = storage.read(&at("/file"), part).await.unwrap();
        let ours = digest::digest(source, Algorithm::Sha256, part.first).await.unwrap();
        assert_eq!(known.unwrap_or(ours.clone()), ours, "the digest of {part:?}");
    }
    let stored = put(storage, "/file", Create::Replace, b"new").await.expect("it is replaced");
    assert_eq!((stored.size, stored.replaced), (4, Some(5001)), "Stored in place of an old version");
    assert_eq!(read(storage, "/file", Span::default()).await.unwrap(), b"new!");
    for path in ["/none", "/none/file"] {
        assert_eq!(read(storage, path, Span::default()).await, Err(StorageError::NotFound), "{path}");
        let facts = storage.facts(&at(path)).await.map(|facts| facts.kind);
        assert_eq!(facts, Err(StorageError::NotFound), "{path}");
    }
    assert!(
        storage.write(&at("/none/file"), Create::Replace).await.is_err(),
        "no directory is made on the way"
    );
    let mut found = Vec::new();
    for near in ["/", "/", "/file", "/file", "/new.txt"] {
        let (path, sink) = begin(storage, near, Create::Unique, b"one of its own").await;
        sink.commit(Vec::new()).await.expect("a name of its own");
        assert!(!found.contains(&path) && path != at(near), "{path}: a name for each file");
        if let Some(name) = near.strip_prefix('/').filter(|name| !name.is_empty()) {
            let stem = name.split('.').next().unwrap_or_default();
            assert!(path.name().starts_with(stem.as_bytes()), "{path} is made from {near}");
        }
        found.push(path);
    }
    for path in found {
        storage.remove_file(&path).await.expect("it can be removed");
    }
    assert_eq!(names(storage, "/").await, ["file"]);
}

async fn broken_uploads(storage: &dyn Storage) {
    for path in ["/file", "/fresh"] {
        let (_, sink) = begin(storage, path, Create::Replace, &octets(3000)).await;
        assert_eq!(names(storage, "/").await, ["file"], "nothing is seen of an upload before its end");
        let left = sink.abandon().await;
        assert_eq!(read(storage, "/file", Span::default()).await.unwrap(), b"new!", "the old version stays");
        match left {
            Left::Nothing | Left::Kept(3000) => {
                assert_eq!(names(storage, "/").await, ["file"], "and nothing else");
                discard(storage, path).await;
            }
            Left::Partial(3000) if path == "/fresh" => storage.remove_file(&at(path)).await.unwrap(),
            other => panic!("{path}: {other:?} left of a broken upload"),
        }
        let (_, sink) = begin(storage, path, Create::Replace, b"x").await;
        drop(sink);
        assert_eq!(
            read(storage, "/file", Span::default()).await.unwrap(),
            b"new!",
            "dropped: the old one stays"
        );
        let (_, mut sink) = begin(storage, path, Create::Replace, b"to be looked at").await;
        if let Some(mut source) = sink.staged().await.expect("what is staged can be asked for") {
            assert_eq!(source.read(Vec::with_capacity(100)).await.unwrap(), b"to be looked at");
        }
        drop(sink);
    }
    kept(storage).await;
    assert_eq!(names(storage, "/").await, ["file"]);
}

/// Gives up what is kept of an upload to `path`, by one of which nothing is kept.
async fn discard(storage: &dyn Storage, path: &str) {
    let Some(octets) = storage.kept(&at(path)).await.expect("it can be asked") else { return };
    let (_, sink) = begin(storage, path, Create::At(octets), b"").await;
    assert_eq!(sink.discard().await, Left::Nothing, "nothing is to be kept");
    assert_eq!(storage.kept(&at(path)).await, Ok(None), "nothing is kept");
}

/// What is kept of a broken upload is seen by nobody, and is gone on with.
async fn kept(storage: &dyn Storage) {
    let (_, sink) = begin(storage, "/kept", Create::Replace, b"the first half").await;
    match sink.abandon().await {
        Left::Kept(octets) => assert_eq!(octets, 14, "all that came is kept"),
        Left::Nothing => return assert_eq!(storage.kept(&at("/kept")).await, Ok(None)),
        _ => return storage.remove_file(&at("/kept")).await.unwrap(),
    }
    assert_eq!(storage.kept(&at("/kept")).await, Ok(Some(14)));
    assert_eq!(read(storage, "/kept", Span::default()).await, Err(StorageError::NotFound));
    assert_eq!(storage.facts(&at("/kept")).await.map(drop), Err(StorageError::NotFound));
    assert!(storage.rename(&at("/kept"), &at("/other")).await.is_err(), "there is nothing to rename");
    let beyond = storage.write(&at("/kept"), Create::At(15)).await.map(drop);
    assert_eq!(beyond, Err(StorageError::BeyondKept(14)), "beyond what is kept");
    let (_, sink) = begin(storage, "/kept", Create::Append, b" and").await;
    assert_eq!(sink.abandon().await, Left::Kept(18), "it breaks again, and more is kept");
    let stored = put(storage, "/kept", Create::Append, b" the second").await.expect("it goes on");
    assert_eq!((stored.size, stored.replaced), (30, None));
    assert_eq!(read(storage, "/kept", Span::default()).await.unwrap(), b"the first half and the second!");
    assert_eq!(storage.kept(&at("/kept")).await, Ok(None), "it is whole");
    kept_beside_an_old_version(storage).await;
    storage.remove_file(&at("/kept")).await.unwrap();
    kept_in_a_directory(storage).await;
    held(storage).await;
}

/// `/kept` is there, of 30 octets.
async fn kept_beside_an_old_version(storage: &dyn Storage) {
    let (_, sink) = begin(storage, "/kept", Create::Replace, b"a new version").await;
    assert_eq!(sink.abandon().await, Left::Kept(13));
    assert_eq!(storage.facts(&at("/kept")).await.unwrap().size, 30, "the old version is what is seen");
    let append = storage.write(&at("/kept"), Create::Append).await.map(drop);
    assert_eq!(
        append,
        Err(StorageError::KeptBeside(13)),
        "the old version and the end of a new one are no file"
    );
    let beyond = storage.write(&at("/kept"), Create::At(14)).await.map(drop);
    assert_eq!(
        beyond,
        Err(StorageError::BeyondKept(13)),
        "beyond what is kept, though not beyond the old version"
    );
    let stored = put(storage, "/kept", Create::At(5), b" one").await.expect("it goes on with the new one");
    assert_eq!((stored.size, stored.replaced), (10, Some(30)), "what stood behind was sent again");
    assert_eq!(read(storage, "/kept", Span::default()).await.unwrap(), b"a new one!");
    for data in [&b"broken"[..], b"once more, and longer", b"short"] {
        let (_, sink) = begin(storage, "/kept", Create::Replace, data).await;
        assert_eq!(sink.abandon().await, Left::Kept(data.len() as u64), "the last one is kept");
    }
    put(storage, "/kept", Create::Replace, b"whole").await.expect("anew");
    assert_eq!(storage.kept(&at("/kept")).await, Ok(None), "a whole one takes its place");
    if !storage.can().contains(Abilities::RESTART_WRITE) {
        return;
    }
    for how in [Create::Append, Create::At(6), Create::At(2)] {
        let (_, sink) = begin(storage, "/kept", how, b"?").await;
        assert_eq!(sink.abandon().await, Left::Nothing, "{how:?}: nothing is kept of a broken change");
        assert_eq!(read(storage, "/kept", Span::default()).await.unwrap(), b"whole!", "{how:?}");
    }
    assert_eq!(storage.kept(&at("/kept")).await, Ok(None));
}

async fn kept_in_a_directory(storage: &dyn Storage) {
    storage.make_dir(&at("/with")).await.unwrap();
    begin(storage, "/with/kept", Create::Replace, b"half").await.1.abandon().await;
    assert_eq!(names(storage, "/with").await, [""; 0], "it is not listed");
    storage.rename(&at("/with"), &at("/moved")).await.expect("a directory is renamed");
    assert_eq!(storage.kept(&at("/moved/kept")).await, Ok(Some(4)), "with what is kept in it");
    storage.remove_file(&at("/moved/kept")).await.expect("what is kept can be given up");
    assert_eq!(storage.kept(&at("/moved/kept")).await, Ok(None));
    assert_eq!(storage.remove_file(&at("/moved/kept")).await, Err(StorageError::NotFound));
    begin(storage, "/moved/kept", Create::Replace, b"half").await.1.abandon().await;
    storage.remove_dir(&at("/moved")).await.expect("nothing that is seen is in it");
    storage.make_dir(&at("/moved")).await.unwrap();
    assert_eq!(storage.kept(&at("/moved/kept")).await, Ok(None), "another directory of that name");
    storage.remove_dir(&at("/moved")).await.unwrap();
}

/// One upload at a time goes on with what is kept, and nobody takes it away meanwhile.
async fn held(storage: &dyn Storage) {
    storage.make_dir(&at("/held")).await.unwrap();
    begin(storage, "/held/kept", Create::Replace, b"half").await.1.abandon().await;
    let (_, first) = begin(storage, "/held/kept", Create::Append, b"").await;
    for how in [Create::Append, Create::At(2)] {
        let second = storage.write(&at("/held/kept"), how).await.map(drop);
        assert_eq!(second, Err(StorageError::Busy), "{how:?} while another goes on");
    }
    assert_eq!(storage.remove_file(&at("/held/kept")).await, Err(StorageError::Busy));
    assert_eq!(storage.remove_dir(&at("/held")).await, Err(StorageError::Busy));
    let (_, anew) = begin(storage, "/held/kept", Create::Replace, b"anew").await;
    assert_eq!(anew.abandon().await, Left::Nothing, "it takes nothing from the one that goes on");
    assert_eq!(first.commit(b"!".to_vec()).await.unwrap().size, 5);
    assert_eq!(read(storage, "/held/kept", Span::default()).await.unwrap(), b"half!");
    storage.remove_file(&at("/held/kept")).await.unwrap();
    begin(storage, "/held/kept", Create::Replace, b"half").await.1.abandon().await;
    let (_, dropped) = begin(storage, "/held/kept", Create::Append, b"").await;
    drop(dropped);
    storage.remove_file(&at("/held/kept")).await.expect("let go, it can be given up");
    begin(storage, "/held/kept", Create::Replace, b"half").await.1.abandon().await;
    put(storage, "/held/other", Create::Replace, b"whole").await.unwrap();
    storage.rename(&at("/held/other"), &at("/held/kept")).await.expect("nothing is seen in the way");
    assert_eq!(storage.kept(&at("/held/kept")).await, Ok(None), "a whole file has the name");
    storage.remove_file(&at("/held/kept")).await.unwrap();
    storage.remove_dir(&at("/held")).await.unwrap();
}

async fn changes_in_place(storage: &dyn Storage) {
    if !storage.can().contains(Abilities::RESTART_WRITE) {
        return;
    }
    let stored = put(storage, "/file", Create::Append, b"er").await.expect("it is added to");
    assert_eq!(stored.size, 7, "Stored of what is there then");
    assert_eq!(read(storage, "/file", Span::default()).await.unwrap(), b"new!er!");
    put(storage, "/file", Create::At(3), b" p").await.expect("it is changed from there on");
    assert_eq!(
        read(storage, "/file", Span::default()).await.unwrap(),
        b"new p!!",
        "what stands behind stays"
    );
    let beyond = storage.write(&at("/file"), Create::At(8)).await.map(drop);
    assert_eq!(beyond, Err(StorageError::BeyondEnd), "there must be no hole");
}

async fn directories(storage: &dyn Storage) {
    storage.make_dir(&at("/dir")).await.expect("a directory is made");
    assert_eq!(storage.make_dir(&at("/dir")).await, Err(StorageError::Exists));
    put(storage, "/dir/inner", Create::Replace, b"x").await.expect("a file in it");
    assert_eq!(names(storage, "/").await, ["dir", "file"], "only what is in it itself");
    assert_eq!(names(storage, "/dir").await, ["inner"]);
    assert!(list(storage, "/").await.unwrap().iter().any(|entry| entry.facts.is_dir()));
    assert_eq!(list(storage, "/file").await.map(drop), Err(StorageError::NotADirectory));
    assert_eq!(list(storage, "/none").await.map(drop), Err(StorageError::NotFound));
    assert_eq!(read(storage, "/dir", Span::default()).await, Err(StorageError::IsADirectory));
    let over = storage.write(&at("/dir"), Create::Replace).await.map(drop);
    assert_eq!(over, Err(StorageError::IsADirectory), "a directory is not written over");
    assert_eq!(storage.remove_dir(&at("/dir")).await, Err(StorageError::NotEmpty));
    assert!(storage.remove_file(&at("/dir")).await.is_err(), "a directory is no file");
    assert!(storage.remove_dir(&at("/file")).await.is_err(), "a file is no directory");
    assert!(storage.remove_dir(&at("/")).await.is_err(), "the root stays");
    assert_eq!(storage.remove_file(&at("/none")).await, Err(StorageError::NotFound));
}

async fn renames(storage: &dyn Storage) {
    storage.rename(&at("/dir"), &at("/moved")).await.expect("a directory is renamed");
    assert_eq!(read(storage, "/moved/inner", Span::default()).await.unwrap(), b"x!", "with what is in it");
    storage.rename(&at("/moved/inner"), &at("/file")).await.expect("a file in the way is replaced");
    assert_eq!(read(storage, "/file", Span::default()).await.unwrap(), b"x!");
    assert!(storage.rename(&at("/file"), &at("/moved")).await.is_err(), "a directory in the way is not");
    assert!(storage.rename(&at("/moved"), &at("/moved/in")).await.is_err(), "nor one into itself");
    storage.make_dir(&at("/empty")).await.unwrap();
    assert!(storage.rename(&at("/moved"), &at("/empty")).await.is_err(), "not even an empty one");
    storage.rename(&at("/empty"), &at("/empty")).await.expect("a name is its own");
    storage.remove_dir(&at("/empty")).await.expect("it is there");
    assert_eq!(storage.rename(&at("/none"), &at("/x")).await, Err(StorageError::NotFound));
    let taken = storage.rename_to_free(&at("/file"), &at("/moved")).await;
    assert_eq!(taken, Err(StorageError::Exists), "a name that is taken is not free");
    storage.rename_to_free(&at("/file"), &at("/file")).await.expect("a name is its own");
    storage.rename_to_free(&at("/file"), &at("/moved/f")).await.expect("a free name is given");
    let taken = storage.rename_to_free(&at("/moved"), &at("/moved/f")).await;
    assert!(taken.is_err(), "no directory goes into itself");
    storage.rename_to_free(&at("/moved/f"), &at("/file")).await.expect("and back");
    storage.remove_dir(&at("/moved")).await.expect("it is empty");
    assert_eq!(names(storage, "/").await, ["file"]);
}

async fn copies(storage: &dyn Storage) {
    let first = storage.copy(&at("/file"), &at("/copy")).await;
    if first == Err(StorageError::Unsupported.into()) {
        return;
    }
    assert_eq!(first.map(|stored| (stored.size, stored.replaced)), Ok((2, None)));
    let again = storage.copy(&at("/file"), &at("/copy")).await;
    assert_eq!(again.map(|stored| (stored.size, stored.replaced)), Ok((2, Some(2))), "one in the way");
    assert_eq!(read(storage, "/copy", Span::default()).await.unwrap(), b"x!");
    let none = storage.copy(&at("/none"), &at("/copy")).await;
    assert_eq!(none, Err(NotStored { why: StorageError::NotFound, left: Left::Nothing }));
    assert_eq!(read(storage, "/copy", Span::default()).await.unwrap(), b"x!", "it stays");
    storage.remove_file(&at("/copy")).await.unwrap();
}

async fn facts(storage: &dyn Storage) {
    if storage.can().contains(Abilities::TIMES) {
        let time = TimeVal::from_unix(1_000_000_000);
        storage.change(&at("/file"), &FactChange::Modify(time)).await.expect("a time is set");
        assert_eq!(storage.facts(&at("/file")).await.unwrap().modify, Some(time), "and told");
    }
    if storage.can().contains(Abilities::MODES) {
        storage.change(&at("/file"), &FactChange::UnixMode(0o640)).await.expect("bits are set");
        assert_eq!(storage.facts(&at("/file")).await.unwrap().mode & 0o777, 0o640, "and told");
    }
    if storage.can().contains(Abilities::SPACE) {
        assert!(storage.free(&at("/")).await.is_ok(), "a store that knows its space tells it");
    }
    storage.remove_file(&at("/file")).await.expect("the last one is removed");
    assert_eq!(names(storage, "/").await, [""; 0]);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::{Durability, LocalOptions, LocalStorage, MemoryStorage, Partial};

    #[tokio::test]
    async fn memory_keeps_its_word_for_nobody_and_for_an_owner() {
        check(&MemoryStorage::new()).await;
        check(&MemoryStorage::new().for_owner("me")).await;
        let (mine, other) = (MemoryStorage::new().for_owner("me"), "other");
        let (_, sink) = begin(&mine, "/kept", Create::Replace, b"mine").await;
        sink.abandon().await;
        assert_eq!(mine.kept(&at("/kept")).await, Ok(Some(4)));
        assert_eq!(mine.for_owner(other).kept(&at("/kept")).await, Ok(None), "what is kept is its owner's");
    }

    #[tokio::test]
    async fn folders_keep_their_word_however_they_store() {
        for durability in [Durability::None, Durability::Data, Durability::Full] {
            for partial in [Partial::Hidden, Partial::Visible, Partial::Never] {
                let folder = tempfile::tempdir().unwrap();
                let options = LocalOptions::default().durability(durability).partial(partial);
                check(&LocalStorage::new(folder.path(), options.clone()).unwrap()).await;
                let options = options.owner("me");
                check(&LocalStorage::new(folder.path(), options).unwrap()).await;
            }
        }
    }
}
