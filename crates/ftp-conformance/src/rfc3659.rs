//! Sizes, times, restart, MLST and MLSD (RFC 3659).

use crate::case::{Outcome, Stop, must};
use crate::context::Context;
use crate::peer::Peer;
use crate::rfc2389::feature;

pub(crate) mod facts;
pub(crate) mod mlsx;
pub(crate) mod restart;
pub(crate) mod values;

/// One line of MLSx: its facts and its name.
pub(super) struct Entry {
    pub(super) facts: Vec<(String, String)>,
    pub(super) name: String,
}

impl Entry {
    /// Reads `*(name=value;) SP name` strictly (RFC 3659 §7.2).
    pub(super) fn read(line: &str) -> Result<Self, Stop> {
        let wrong = || Stop::fails("*(fact=value;) SP name", format!("{line:?}"));
        let (facts, name) = line.split_once(' ').ok_or_else(wrong)?;
        let mut read = Vec::new();
        for fact in facts.split_inclusive(';') {
            let (key, value) =
                fact.strip_suffix(';').and_then(|fact| fact.split_once('=')).ok_or_else(wrong)?;
            read.push((key.to_ascii_lowercase(), value.to_owned()));
        }
        Ok(Self { facts: read, name: name.to_owned() })
    }

    pub(super) fn fact(&self, name: &str) -> Option<&str> {
        self.facts.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    pub(super) fn is_listed_dir(&self) -> bool {
        matches!(self.fact("type").map(str::to_ascii_lowercase).as_deref(), Some("cdir" | "pdir"))
    }
}

pub(super) async fn mlsd(peer: &mut Peer, line: &str) -> Result<Vec<Entry>, Stop> {
    let lines = peer.listing(line).await?;
    let entries = lines.iter().map(|line| Entry::read(line)).collect::<Result<Vec<_>, _>>()?;
    Ok(entries.into_iter().filter(|entry| !entry.is_listed_dir()).collect())
}

/// The entry in a 250 reply to MLST: after exactly one blank.
pub(super) async fn mlst(peer: &mut Peer, line: &str) -> Result<Entry, Stop> {
    let reply = peer.expect(line, &[250]).await?;
    match reply.inner() {
        [inner] => {
            let text = String::from_utf8_lossy(inner).into_owned();
            let entry = text
                .strip_prefix(' ')
                .ok_or_else(|| Stop::fails("one blank in front of the entry", text.clone()))?;
            Entry::read(entry)
        }
        _ => Err(Stop::fails("one entry between two 250 lines", reply.show())),
    }
}

/// A scratch directory with a file of 1234 octets, an empty one and a directory.
pub(super) async fn furnished(context: &Context) -> Result<Peer, Stop> {
    let mut peer = context.scratch().await?;
    feature(&mut peer, "MLST").await?;
    peer.put("file", &[b'x'; 1234]).await?;
    peer.put("empty", b"").await?;
    peer.expect("MKD sub", &[257]).await?;
    Ok(peer)
}

/// Whether a time value is a possible date (RFC 3659 §2.3).
pub(super) fn is_date(text: &str) -> bool {
    let (date, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let number = |range: std::ops::Range<usize>| date.get(range).and_then(|part| part.parse::<u32>().ok());
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|octet| octet.is_ascii_digit());
    let parts = (number(4..6), number(6..8), number(8..10), number(10..12), number(12..14));
    date.len() == 14
        && digits(date)
        && digits(fraction)
        && matches!(parts, (Some(1..=12), Some(1..=31), Some(0..=23), Some(0..=59), Some(0..=60)))
}

/// Minutes since the start of the month, near enough to tell UTC from another zone.
pub(super) fn minutes(text: &str) -> Option<i64> {
    let number = |range: std::ops::Range<usize>| text.get(range).and_then(|part| part.parse::<i64>().ok());
    Some((number(6..8)? * 24 + number(8..10)?) * 60 + number(10..12)?)
}

pub(super) async fn tail(peer: &mut Peer, offset: usize, wanted: &[u8]) -> Outcome {
    peer.expect(&format!("REST {offset}"), &[350]).await?;
    let data = peer.get("f").await?;
    must!(data == wanted, String::from_utf8_lossy(wanted), String::from_utf8_lossy(&data))
}

/// The facts that FEAT stars, in lower case.
pub(super) async fn starred(peer: &mut Peer) -> Result<Vec<String>, Stop> {
    let facts = feature(peer, "MLST").await?.to_ascii_lowercase();
    Ok(facts.split(';').filter_map(|fact| fact.strip_suffix('*')).map(str::to_owned).collect())
}
