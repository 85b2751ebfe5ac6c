//! What changes while the server runs: certificates and users, read anew at SIGHUP.

use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};

use async_trait::async_trait;
use ftp_server::auth::{Account, Attempt, Authenticator, Denied, Users};
use ftp_server::storage::LocalStorage;
use ftp_server::tls::Tls;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use crate::plan::Plan;
use crate::settings::read_settings;

/// The users of the moment; SIGHUP puts others in their place.
pub(crate) struct CurrentUsers(pub(crate) RwLock<Arc<Users>>);

#[async_trait]
impl Authenticator for CurrentUsers {
    async fn authenticate(&self, attempt: &Attempt<'_>) -> Result<Account, Denied> {
        let users = Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner));
        users.authenticate(attempt).await
    }
}

/// At SIGHUP reads certificate and users anew; what is wrong is said, and the old ones stay.
pub(crate) async fn reload_on_hangup(
    (file, root): (Option<PathBuf>, Option<PathBuf>),
    plan: Plan,
    users: Arc<CurrentUsers>,
    tls: Arc<Tls>,
    swept: watch::Sender<Vec<LocalStorage>>,
) {
    let Ok(mut hangup) = signal(SignalKind::hangup()) else { return };
    while hangup.recv().await.is_some() {
        let settings = match read_settings(file.as_deref()) {
            Ok(settings) => settings,
            Err(error) => {
                tracing::error!("everything stays as it was: {error}");
                continue;
            }
        };
        match settings.certify(&tls, &plan.files) {
            Ok(()) => tracing::info!("certificates read anew"),
            Err(error) => tracing::error!("the old certificates stay: {error}"),
        }
        match settings.users(root.as_deref(), &plan.named) {
            Ok((fresh, folders)) => {
                *users.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(fresh);
                swept.send_replace(folders);
                tracing::info!("users read anew");
                settings.say_what_is_missing();
            }
            Err(error) => tracing::error!("the old users stay: {error}"),
        }
    }
}
