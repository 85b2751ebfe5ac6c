//! Who may log in, and what a login yields.
//!
//! An [`Authenticator`] turns credentials into an [`Account`]: rights and a file system. [`Users`] keeps accounts
//! with argon2id hashes. Failed logins are slowed down for everyone ([`throttle`]). Not here: which command may be
//! used before login, which is the session's business.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use async_trait::async_trait;
use ftp_proto::value::text::Text;
use thiserror::Error;

use crate::storage::Storage;
use crate::tls::CloseNotify;

mod hash;
mod remembered;
pub mod throttle;
mod users;
mod verifications;

pub use ftp_proto::session::{Credentials, Denied, Rights};
pub use hash::hash_password;
pub use users::{Transport, User, Users};

/// A login that is to be checked.
#[derive(Debug)]
#[non_exhaustive]
pub struct Attempt<'a> {
    /// What the client gave.
    pub credentials: &'a Credentials,
    /// Where it comes from.
    pub peer: IpAddr,
    /// When it may be looked at, if others of the same name have failed there: [`Attempt::turn`].
    pub not_before: Option<Instant>,
}

impl Attempt<'_> {
    /// Waits until the failures before this one have had their time. An authenticator for which a login is expensive, or
    /// which leaves guessing to somebody else, waits for this first.
    pub async fn turn(&self) {
        if let Some(moment) = self.not_before {
            tokio::time::sleep_until(moment.into()).await;
        }
    }
}

/// What an upload in clear is taken for that ended in order, while its control connection closed without QUIT. It cannot be told
/// from that of a client that died (RFC 959 §4.1.1 calls the latter an abort); ffmpeg and some cameras send all of theirs so.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum BareClose {
    /// It is broken: the old version stays, and what came is kept as that of other broken uploads.
    #[default]
    Broken,
    /// It is whole, if its name is new; an old version stays.
    New,
    /// It is whole.
    Always,
}

/// What a login yields.
#[derive(Clone)]
#[non_exhaustive]
pub struct Account {
    /// What the user may do.
    pub rights: Rights,
    /// The file system of this user.
    pub storage: Arc<dyn Storage>,
    /// Text of the 230 reply.
    pub welcome: Option<Text>,
    /// The most sessions this user may have at once.
    pub sessions: Option<usize>,
    /// Under what name these are counted, where the name that was given is not enough: it may stand for someone else on another
    /// host, be written in another way, or be one of several that lead to one account.
    pub counted_as: Option<Vec<u8>>,
    /// Octets that one file of this user may have; an upload beyond it ends with 552.
    pub file_max: Option<u64>,
    /// What an upload in clear is taken for whose client closed without QUIT.
    pub bare_close: BareClose,
    /// Whether uploads of this user over TLS may end without close_notify; what the server's [`Tls`](crate::tls::Tls)
    /// says if absent.
    pub close_notify: Option<CloseNotify>,
}

impl Account {
    /// An account with those rights on that file system.
    #[must_use]
    pub fn new(rights: Rights, storage: Arc<dyn Storage>) -> Self {
        Self {
            rights,
            storage,
            welcome: None,
            sessions: None,
            counted_as: None,
            file_max: None,
            bare_close: BareClose::Broken,
            close_notify: None,
        }
    }
}

impl std::fmt::Debug for Account {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Account").field("rights", &self.rights.letters()).finish_non_exhaustive()
    }
}

/// Why a user cannot be added.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum UserError {
    /// The hash is no PHC string of argon2id.
    #[error("the password hash is not an argon2id string; `ftp-server hash-password` makes one")]
    Hash,
    /// The hash wants more than this server gives for one login.
    #[error("the password hash costs too much: it may take 1 GiB, and go through 4 GiB in all its passes")]
    Cost,
    /// Hashing failed.
    #[error("the password cannot be hashed: {0}")]
    Hashing(String),
}

/// Checks logins.
#[async_trait]
pub trait Authenticator: Send + Sync {
    /// The account, or why there is none. It should take as long for an unknown user as for a wrong password.
    async fn authenticate(&self, attempt: &Attempt<'_>) -> Result<Account, Denied>;
}
