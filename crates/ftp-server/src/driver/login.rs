//! Logins: who is let in, what that yields, and how long a refusal takes.
//!
//! Not here: passwords and accounts (`auth.rs`), and what the session makes of the answer.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use ftp_proto::session::{Credentials, Denied, Login};
use ftp_proto::value::path::VPath;

use crate::auth::{Account, Attempt};
use crate::limits::Seat;
use crate::shared::Shared;
use crate::tls::Holder;

/// A user who is logged in: what the login yielded, until it is over.
pub(super) struct Guest {
    pub(super) account: Account,
    /// By which the TLS sessions of this user and client are known.
    pub(super) holder: Holder,
    /// The place that the user takes, where these are counted.
    _seat: Option<Seat>,
}

impl Guest {
    /// What the session is told of it.
    pub(super) fn login(&self) -> Login {
        let Account { rights, storage, file_max, welcome, .. } = &self.account;
        Login::new(*rights, VPath::root(), storage.can()).file_max(*file_max).welcome(welcome.clone())
    }
}

/// An account's name, with its virtual host if there is one; the octet between them stands in no host name.
fn whose(credentials: &Credentials) -> Vec<u8> {
    let host = credentials.host.as_deref().unwrap_or_default();
    [host.as_bytes(), b"/", credentials.user.as_bytes()].concat()
}

/// Checks a login from `peer`. One that fails takes its time.
pub(super) async fn authenticate(
    shared: Arc<Shared>,
    peer: IpAddr,
    credentials: Credentials,
) -> Result<Guest, Denied> {
    let name = credentials.user.as_bytes();
    let not_before = shared.throttle.until(peer, name);
    let attempt = Attempt { credentials: &credentials, peer, not_before };
    match shared.authenticator.authenticate(&attempt).await {
        Ok(mut account) => {
            shared.throttle.succeeded(peer, name);
            let counted = account.counted_as.as_deref().unwrap_or(name);
            match account.sessions.map(|most| shared.limits.sit_user(counted, most)) {
                Some(None) => Err(Denied::TooMany),
                seat => {
                    let opened = account.storage.session().await;
                    if let Some(own) = opened.map_err(|error| Denied::NoFolder(error.to_string().into()))? {
                        account.storage = own;
                    }
                    let holder = Holder {
                        account: whose(&credentials).into(),
                        client: shared.options.data_peer.key(peer),
                    };
                    Ok(Guest { account, holder, _seat: seat.flatten() })
                }
            }
        }
        // Nobody has guessed.
        Err(Denied::Unavailable) => Err(Denied::Unavailable),
        Err(denied) => {
            tokio::time::sleep(shared.throttle.failed(peer, name, Instant::now())).await;
            Err(denied)
        }
    }
}
