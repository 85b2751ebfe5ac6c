//! Replies, command lines, sequences, Telnet (RFC 959 §4.1.3, §4.2, §5.3; RFC 1123 §4.1.2).

use crate::case::{Outcome, Stop};

pub(crate) mod order;
pub(crate) mod replies;

/// None of the commands is unknown. A transfer for which nothing is set up is refused, which is an answer.
pub(super) async fn answered(peer: &mut crate::peer::Peer, lines: &[&str]) -> Outcome {
    for line in lines {
        let mut reply = peer.command(line).await?;
        if reply.code / 100 == 1 {
            reply = peer.reply().await?;
        }
        if matches!(reply.code, 500 | 502) || reply.code % 100 == 99 {
            return Err(Stop::fails(format!("{line} to be known"), reply.show()));
        }
    }
    Ok(())
}
