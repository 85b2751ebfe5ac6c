//! Whether an upload that has come to its end gets its name.
//!
//! ```text
//! Whole ──proved, or QUIT was said──────────────────────────> named
//!   ├── the control connection stands ──on the disk, a look more──> named
//!   ├── it has ended, what came before is still unread ──────> Whole
//!   └── it is gone ──bare_close────────────────────────────> named, or broken
//! ```
//!
//! Over TLS, close_notify proves that the client was done. In clear the end of a client that died looks like the end of a file:
//! the kernel closes its data connection, and the control connection microseconds later or earlier. So that one is looked at
//! directly before the name is given, when the octets are on the disk, which takes longer than that mostly; where an old version
//! would go, it is given time to be heard of. Not here: what storages do with either (`storage.rs`).

use std::time::Duration;

use ftp_proto::session::{Count, Failure, Fault};

use crate::auth::BareClose;
use crate::data::receive::{Received, give_up};
use crate::data::{Farewell, Stop, two_turns};
use crate::storage::NotStored;

/// How long the end of a control connection may come behind that of the data connection, when one client has died, where an old
/// version is at stake.
const CLOSELY: Duration = Duration::from_millis(10);
/// The same for a new name. Bringing it to the disk takes longer, where there is one.
const BRIEFLY: Duration = Duration::from_millis(1);

/// How a client stands behind what it sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Behind {
    /// Its control connection stands.
    Here,
    /// It has ended, and lines that came before are still to be read.
    Leaving,
    /// It has said QUIT, and may have closed since (RFC 959 §4.1.1).
    Quit,
    /// It is gone without a word.
    Gone,
}

/// What is done about an upload.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Name,
    /// Nothing, until more is known.
    Wait,
    /// It is brought to the disk, and judged again.
    LookAgain,
    Break(Fault),
}

/// An upload that has come to its end.
pub(super) struct Whole {
    pub(super) received: Received,
    pub(super) count: Count,
    pub(super) stop: Stop,
    pub(super) bare_close: BareClose,
    /// Whether the client was given time to be heard of.
    pub(super) looked: Looked,
}

/// How often the client was looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Looked {
    NotYet,
    Closely,
}

impl Whole {
    pub(super) fn verdict(&self, behind: Behind) -> Verdict {
        let replaces = || self.received.sink.replaces();
        match (self.received.farewell, behind) {
            _ if self.stop.is_set() => Verdict::Break(Fault::Aborted),
            (Farewell::CloseNotify, _) | (Farewell::Bare, Behind::Quit) => Verdict::Name,
            (Farewell::Bare, Behind::Leaving) => Verdict::Wait,
            (Farewell::Bare, Behind::Here) if self.looked == Looked::NotYet => Verdict::LookAgain,
            (Farewell::Bare, Behind::Here) => Verdict::Name,
            (Farewell::Bare, Behind::Gone) => match self.bare_close {
                BareClose::Always => Verdict::Name,
                BareClose::New if !replaces() => Verdict::Name,
                BareClose::New | BareClose::Broken => Verdict::Break(Fault::ClientGone),
            },
        }
    }

    /// Gives it its name.
    pub(super) async fn name(self) -> Result<Count, Failure> {
        let Received { sink, last, .. } = self.received;
        match sink.commit(last).await {
            Ok(_stored) => Ok(self.count),
            Err(NotStored { why, left }) => Err(Failure::new(Fault::Storage(why), left, self.count)),
        }
    }

    /// Brings it to the disk, which takes time anyway, while the session listens to its client.
    pub(super) async fn settle(mut self) -> Result<Self, Failure> {
        let last = std::mem::take(&mut self.received.last);
        let time = if self.received.sink.replaces() { CLOSELY } else { BRIEFLY };
        let (settled, ()) = tokio::join!(self.received.sink.settle(last), tokio::time::sleep(time));
        two_turns().await;
        self.looked = Looked::Closely;
        match settled {
            Ok(()) => Ok(self),
            Err(why) => Err(self.give_up(Fault::Storage(why)).await),
        }
    }

    /// It gets none. All that came may be kept.
    pub(super) async fn give_up(mut self, fault: Fault) -> Failure {
        let last = std::mem::take(&mut self.received.last);
        if !last.is_empty() {
            // If they cannot be written, the sink knows what is there.
            let _refused = self.received.sink.write(last).await;
        }
        let left = give_up(self.received.sink, &fault).await;
        Failure::new(fault, left, self.count)
    }
}
