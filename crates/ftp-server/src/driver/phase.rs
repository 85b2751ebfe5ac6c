//! Where a session stands with its client and its server, and what can happen to it next.
//!
//! Not here: what is made of it (`driver.rs`).

use std::time::Instant;

use crate::data::two_turns;
use ftp_proto::session::Event;
use tokio::sync::watch;

use crate::driver::control::Turn;
use crate::driver::job::Done;

/// How far the end of the server has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd)]
pub(crate) enum Stay {
    /// It goes on.
    Open,
    /// What runs may come to its end.
    Draining,
    /// It may not.
    Over,
}

impl Stay {
    /// What a session that knows of `known` hears: the second time it breaks off whatever runs.
    pub(super) fn told_after(self, known: Self) -> impl Iterator<Item = Event<'static>> {
        let steps = if (known, self) == (Self::Open, Self::Over) { 2 } else { 1 };
        std::iter::repeat_with(|| Event::Drain).take(steps)
    }
}

/// Why the loop ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// The session has said its last word.
    Said,
    /// There is nobody to say it to.
    Lost,
}

/// What the loop has to attend to.
pub(super) enum Happening {
    Turned(Turn),
    Done(Done),
    Advanced,
    NobodyCame,
    Deadline,
    Drain(Stay),
}

/// Waits until a moment, for ever if there is none. Cancel safe.
pub(super) async fn until(moment: Option<Instant>) {
    match moment {
        Some(moment) => {
            tokio::time::sleep_until(moment.into()).await;
            // The clock may have run ahead of a process that was stopped: what has come meanwhile is heard first.
            two_turns().await;
        }
        None => std::future::pending().await,
    }
}

/// Waits until the end of the server has come further than `known`. Cancel safe.
pub(super) async fn further(stay: &mut watch::Receiver<Stay>, known: Stay) -> Stay {
    let come = stay.wait_for(|stay| *stay > known).await.ok().map(|stay| *stay);
    match come {
        Some(stay) => stay,
        // The server has gone without a word: so does the session, with its task.
        None => std::future::pending().await,
    }
}
