//! What a session asks its storage, in the storage's words, and what is made ready for a transfer by that.
//!
//! Not here: replies. What a storage refuses goes to the session as it is.

use std::sync::Arc;

use ftp_proto::command::service::Switches;
use ftp_proto::session::{Answer, Create, Format, Reading, Refusal, Request, Rights, Shown, Span};
use ftp_proto::value::facts::{FactChange, Facts, Kind};
use ftp_proto::value::path::VPath;

use crate::data::Flow;
use crate::data::send::{Listing, Origin, Tree, now};
use crate::storage::{Digest, Sink, Storage, Writing, digest};

mod reading;

use reading::{Found, Whole, dotted, find};

/// Entries that STAT shows at most; a longer directory is for LIST.
const STAT_ENTRIES_MAX: usize = 2000;

/// What a storage has made ready for a transfer.
#[derive(Default)]
pub(super) enum Ready {
    #[default]
    Nothing,
    Download(Origin),
    Upload(Box<dyn Sink>),
}

impl Ready {
    /// Which way octets will go.
    pub(super) fn flow(&self) -> Flow {
        match self {
            Self::Download(_) => Flow::Out,
            Self::Nothing | Self::Upload(_) => Flow::In,
        }
    }
}

/// Asks a storage.
pub(super) async fn ask(
    shared: &Arc<dyn Storage>,
    rights: Rights,
    request: Request,
) -> Result<(Answer, Ready), Refusal> {
    let storage = &**shared;
    let answer = match request {
        Request::Facts(path) => permitted(storage.facts(&path).await?, rights),
        Request::OwnFacts(path) => permitted(storage.own_facts(&path).await?, rights),
        Request::Size(path) => Answer::Facts(size(storage, &path).await?),
        Request::Enter(path) => match storage.facts(&path).await?.is_dir() {
            true => Answer::Done,
            false => return Err(Refusal::NotADirectory),
        },
        Request::Entries(readings) => Answer::Shown(shown(find(storage, readings).await?).await?),
        Request::OpenFile(path, span) => return open_file(storage, &path, span).await,
        Request::OpenList(readings, format) => return open_list(shared, rights, readings, format).await,
        Request::MayWrite(path, how) => {
            if how == Create::Append && !rights.contains(Rights::WRITE) {
                needs_file(storage, &path).await?;
            }
            let Writing { path, sink } = storage.write(&path, how).await?;
            return Ok((Answer::Writable(path), Ready::Upload(sink)));
        }
        Request::Digest(path, algorithm, span) => {
            let Digest { hex, range } = match storage.digest(&path, algorithm, span).await? {
                Some(digest) => digest,
                None => digest::digest(storage.read(&path, span).await?, algorithm, span.first).await?,
            };
            Answer::Digest(hex, range)
        }
        Request::Free(path) => Answer::Free(storage.free(&path).await?),
        Request::MakeDir(path) => done(storage.make_dir(&path).await)?,
        Request::RemoveDir(path) => done(storage.remove_dir(&path).await)?,
        Request::RemoveFile(path) => done(storage.remove_file(&path).await)?,
        // What is replaced is as good as deleted.
        Request::Rename(from, to) if !rights.intersects(Rights::WRITE | Rights::DELETE) => {
            done(storage.rename_to_free(&from, &to).await)?
        }
        Request::Rename(from, to) => done(storage.rename(&from, &to).await)?,
        Request::Change(path, change) => {
            storage.change(&path, &change).await?;
            Answer::Set(set_to(change, &storage.facts(&path).await?))
        }
        // What a later ftp-proto may ask.
        _ => return Err(Refusal::Unsupported),
    };
    Ok((answer, Ready::Nothing))
}

/// What a fact is that was asked to be `wanted`: not every storage knows every time and mode.
fn set_to(wanted: FactChange, facts: &Facts) -> FactChange {
    match wanted {
        FactChange::Modify(time) => match facts.modify {
            Some(now) if now.unix() != time.unix() => FactChange::Modify(now),
            _ => wanted,
        },
        // Bits above these are refused before.
        FactChange::UnixMode(_) => FactChange::UnixMode(u16::try_from(facts.mode & 0o777).unwrap_or(0)),
        other => other,
    }
}

fn permitted(mut facts: Facts, rights: Rights) -> Answer {
    facts.perm &= rights.perm();
    Answer::Facts(facts)
}

/// APPE of a user who may add to files, and make none.
async fn needs_file(storage: &dyn Storage, path: &VPath) -> Result<(), Refusal> {
    match storage.facts(path).await {
        Err(Refusal::NotFound) => Err(Refusal::Denied),
        found => found.map(drop),
    }
}

fn done(result: Result<(), Refusal>) -> Result<Answer, Refusal> {
    result.map(|()| Answer::Done)
}

/// The facts of a file, or of what is kept of a broken upload to it: a client resumes from that (RFC 3659 §4).
pub(super) async fn size(storage: &dyn Storage, path: &VPath) -> Result<Facts, Refusal> {
    match storage.facts(path).await {
        Err(Refusal::NotFound) => {
            let kept = storage.kept(path).await?;
            kept.map(|octets| Facts::new(Kind::File, octets)).ok_or(Refusal::NotFound)
        }
        facts => facts,
    }
}

async fn open_file(storage: &dyn Storage, path: &VPath, span: Span) -> Result<(Answer, Ready), Refusal> {
    let source = storage.read(path, span).await?;
    Ok((Answer::Opened(source.len()), Ready::Download(Origin::File(source))))
}

/// Opens a listing. That of MLSD is of a directory, and nothing else is meant by its argument.
async fn open_list(
    storage: &Arc<dyn Storage>,
    rights: Rights,
    mut readings: Vec<Reading>,
    format: Format,
) -> Result<(Answer, Ready), Refusal> {
    let Found { path, entries, prefix, whole, .. } = match format {
        Format::Facts(_) => {
            let Reading { path, .. } = readings.pop().ok_or(Refusal::NotFound)?;
            let entries = storage.list(&path).await?;
            Found { path, kind: Kind::Dir, entries, prefix: Vec::new(), whole: Whole::Part }
        }
        Format::Names | Format::Unix(_) => find(&**storage, readings).await?,
    };
    let switches = match (&format, whole) {
        (Format::Unix(switches), Whole::Directory) => *switches,
        _ => Switches::empty(),
    };
    let entries = match switches.contains(Switches::ALL) {
        true => Box::new(dotted(&**storage, &path, entries).await?),
        false => entries,
    };
    let tree = switches.contains(Switches::RECURSIVE);
    let tree = tree.then(|| Tree::new(Arc::clone(storage), path.clone(), prefix.clone()));
    let listing = Listing::new(entries, format, rights.perm()).behind(prefix);
    let listing = match tree {
        Some(tree) => listing.with(tree),
        None => listing,
    };
    Ok((Answer::Listed(path), Ready::Download(Origin::Listing(listing))))
}

async fn shown(found: Found) -> Result<Shown, Refusal> {
    let Found { path, kind, entries: mut pages, .. } = found;
    let mut entries = Vec::new();
    while entries.len() < STAT_ENTRIES_MAX {
        let Some(page) = pages.next_page().await? else { break };
        entries.extend(page);
    }
    entries.truncate(STAT_ENTRIES_MAX);
    Ok(Shown::new(path, kind, entries, now()))
}
