//! The server that is judged: one that this program starts, or any that is there.

use std::net::SocketAddr;
use std::sync::Arc;

use argon2::password_hash::{PasswordHasher, SaltString};
use argon2::{Algorithm, Argon2, Params, Version};
use ftp_server::auth::{Account, Rights, Transport, User, Users};
use ftp_server::proto::session::{DataProtection, Plain, Policy};
use ftp_server::storage::{Durability, LocalOptions, LocalStorage};
use ftp_server::tls::Tls;
use ftp_server::{Limits, Options, Server};
use tempfile::TempDir;
use tokio::task::AbortHandle;

/// A server and an account on it.
#[derive(Debug)]
pub struct Target {
    /// Its name in reports.
    pub name: String,
    /// Where it takes plain FTP and explicit FTPS.
    pub explicit: SocketAddr,
    /// Where it takes implicit FTPS.
    pub implicit: Option<SocketAddr>,
    /// The user.
    pub user: String,
    /// The password.
    pub password: String,
    builtin: Option<Builtin>,
}

/// What goes with a server of our own.
#[derive(Debug)]
struct Builtin {
    task: AbortHandle,
    _folder: TempDir,
}

impl Drop for Builtin {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// A hash that costs little: thousands of logins are no test of argon2.
fn cheap_hash(password: &str) -> Result<String, String> {
    let params = Params::new(8, 1, 1, None).map_err(|error| error.to_string())?;
    let salt = SaltString::from_b64("Y29uZm9ybWFuY2U").map_err(|error| error.to_string())?;
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    argon2
        .hash_password(password.as_bytes(), &salt)
        .map(|hash| hash.to_string())
        .map_err(|error| error.to_string())
}

impl Target {
    /// A server that is there.
    #[must_use]
    pub fn remote(
        explicit: SocketAddr,
        implicit: Option<SocketAddr>,
        user: String,
        password: String,
    ) -> Self {
        Self { name: explicit.to_string(), explicit, implicit, user, password, builtin: None }
    }

    /// Whether this program has started it.
    #[must_use]
    pub fn is_builtin(&self) -> bool {
        self.builtin.is_some()
    }

    /// `ftp-server` in this process, over a fresh folder, with a fresh certificate; everything it offers is on.
    ///
    /// # Errors
    /// If it cannot be started.
    pub async fn builtin() -> Result<Arc<Self>, String> {
        let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
        let options = LocalOptions { durability: Durability::None, ..LocalOptions::default() };
        let storage = LocalStorage::new(folder.path(), options).map_err(|error| error.to_string())?;
        let mut users = Users::new().map_err(|error| error.to_string())?;
        let account = Account::new(Rights::ALL, Arc::new(storage));
        let user =
            User { hash: Some(cheap_hash("conformance")?), account, transport: Transport::Any, host: None };
        users.add("tester", user).map_err(|error| error.to_string())?;
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()])
            .map_err(|error| error.to_string())?;
        let key = made.signing_key.serialize_der().try_into().map_err(|error: &str| error.to_owned())?;
        let tls = Tls::with_ring(vec![made.cert.der().clone()], key).map_err(|error| error.to_string())?;
        let policy = Policy {
            plain: Plain::Allow,
            data_protection: DataProtection::Optional,
            accept: std::time::Duration::from_secs(2),
            ..Policy::default()
        };
        let home: SocketAddr = ([127, 0, 0, 1], 0).into();
        let server = Server::builder(users)
            .policy(policy)
            .options(Options { login_delay: std::time::Duration::from_millis(50), ..Options::default() })
            .limits(Limits { sessions: 10_000, per_address: 10_000 })
            .tls(Arc::new(tls))
            .explicit(home)
            .implicit(home)
            .bind()
            .await
            .map_err(|error| error.to_string())?;
        let addresses = server.addresses();
        let (Some(explicit), implicit) = (addresses.first().copied(), addresses.get(1).copied()) else {
            return Err("the server has no address".to_owned());
        };
        let task = tokio::spawn(server.run(std::future::pending())).abort_handle();
        Ok(Arc::new(Self {
            name: "builtin".to_owned(),
            explicit,
            implicit,
            user: "tester".to_owned(),
            password: "conformance".to_owned(),
            builtin: Some(Builtin { task, _folder: folder }),
        }))
    }
}
