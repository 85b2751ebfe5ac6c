//! Files, directories and their names (RFC 959 §4.1, appendix II; RFC 2640 §3; RFC 3659 §6).

use crate::case::{Outcome, Stop, must};
use crate::peer::{Peer, Reply};

pub(crate) mod directories;
pub(crate) mod listings;
pub(crate) mod names;

/// The path in a 257 reply (RFC 959 appendix II).
pub(super) fn quoted(reply: &Reply) -> Result<String, Stop> {
    let text = reply.text();
    let inner = text.strip_prefix('"').ok_or_else(|| Stop::fails("257 \"path\"", text.clone()))?;
    let mut path = String::new();
    let mut letters = inner.chars().peekable();
    while let Some(letter) = letters.next() {
        if letter == '"' && letters.next_if_eq(&'"').is_none() {
            return Ok(path);
        }
        path.push(letter);
    }
    Err(Stop::fails("257 \"path\" with a closing quote", text))
}

/// The working directory, as PWD tells it.
pub(crate) async fn place(peer: &mut Peer) -> Result<String, Stop> {
    let reply = peer.expect("PWD", &[257]).await?;
    quoted(&reply)
}

/// Every name is stored, listed and fetched with the same octets, and deleted.
pub(super) async fn survives(peer: &mut Peer, names: &[&str]) -> Outcome {
    for name in names {
        peer.put(name, name.as_bytes()).await?;
    }
    let listed = peer.listing("NLST").await?;
    for name in names {
        must!(listed.iter().any(|line| line == name), &format!("{name:?} in NLST"), format!("{listed:?}"))?;
        let data = peer.get(name).await?;
        must!(data == name.as_bytes(), *name, String::from_utf8_lossy(&data))?;
        peer.expect(&format!("RNFR {name}"), &[350]).await?;
        peer.expect(&format!("RNTO {name}"), &[250]).await?;
        peer.expect(&format!("DELE {name}"), &[250]).await?;
    }
    Ok(())
}
