//! Accounts with argon2id hashes.
//!
//! Verifying a password costs tens of milliseconds of a core on purpose. One that was right is remembered for a while as a
//! keyed hash (`remembered.rs`), because many clients log in for each file; a wrong one costs the full price every time.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use async_trait::async_trait;

use crate::auth::hash::{Cost, Hash, hash_password};
use crate::auth::remembered::Remembered;
use crate::auth::verifications::{Question, Verifications};
use crate::auth::{Account, Attempt, Authenticator, Credentials, Denied, UserError};

/// Whether a user may log in without TLS where the server permits it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Transport {
    /// As the server's policy says.
    #[default]
    Any,
    /// Over TLS only.
    TlsOnly,
}

/// One user.
#[derive(Debug, Clone)]
pub struct User {
    /// The argon2id hash of the password in PHC form; `None` lets any password in (anonymous).
    hash: Option<String>,
    /// What a login yields.
    account: Account,
    /// Whether TLS is needed.
    transport: Transport,
    /// The virtual host, in lower case, on which alone this account exists; everywhere if absent.
    host: Option<String>,
}

impl User {
    /// A user with the argon2id hash of the password, in PHC form.
    #[must_use]
    pub fn new(hash: impl Into<String>, account: Account) -> Self {
        Self { hash: Some(hash.into()), account, transport: Transport::Any, host: None }
    }

    /// A user whom any password lets in.
    #[must_use]
    pub fn anonymous(account: Account) -> Self {
        Self { hash: None, account, transport: Transport::Any, host: None }
    }

    /// Whether TLS is needed.
    #[must_use]
    pub fn transport(mut self, transport: Transport) -> Self {
        self.transport = transport;
        self
    }

    /// The virtual host on which alone the account exists.
    #[must_use]
    pub fn host(mut self, host: impl Into<String>) -> Self {
        self.host = Some(host.into().to_ascii_lowercase());
        self
    }
}

/// Host and name of a user.
type Key = (Option<String>, Vec<u8>);

/// A user, and the hash as it is verified.
#[derive(Debug)]
struct Known {
    user: User,
    hash: Option<Arc<Hash>>,
}

/// A fixed set of users.
#[derive(Debug)]
pub struct Users {
    /// By host and name: the same name may stand for someone else on another host.
    users: HashMap<Key, Known>,
    /// Verified in place of the hash of a user who does not exist.
    decoy: Arc<Hash>,
    /// The most that verifying a password of somebody costs; every wrong one costs as much.
    highest: Cost,
    verifications: Verifications,
    remembered: Remembered,
}

impl Users {
    /// No users.
    ///
    /// # Errors
    /// [`UserError::Hashing`] if argon2 cannot run here.
    pub fn new() -> Result<Self, UserError> {
        // Of a password that nobody knows: one that was right would be remembered, and answered faster the next time.
        let decoy = Arc::new(Hash::parse(&hash_password(&rand::random::<[u8; 32]>())?)?);
        Ok(Self {
            users: HashMap::new(),
            highest: decoy.cost().clone(),
            decoy,
            verifications: Verifications::default(),
            remembered: Remembered::new(),
        })
    }

    /// Adds a user; an earlier one of the same name on the same host is replaced.
    ///
    /// # Errors
    /// [`UserError::Hash`] if the hash cannot be read, [`UserError::Cost`] if it wants too much.
    pub fn add(&mut self, name: impl Into<Vec<u8>>, user: User) -> Result<(), UserError> {
        let hash = user.hash.as_deref().map(Hash::parse).transpose()?.map(Arc::new);
        if let Some(hash) = &hash {
            self.highest = self.highest.clone().max(hash.cost());
        }
        self.users.insert((user.host.clone(), name.into()), Known { user, hash });
        Ok(())
    }

    /// A user with a password in clear, for programs that embed a server.
    ///
    /// # Errors
    /// [`UserError::Hashing`] if the password cannot be hashed.
    pub fn with(mut self, name: &str, password: &str, account: Account) -> Result<Self, UserError> {
        let hash = Some(hash_password(password.as_bytes())?);
        self.add(name, User { hash, account, transport: Transport::Any, host: None })?;
        Ok(self)
    }

    /// The user of that name on the host that was chosen, or on every host. Letter case counts, but for anonymous users,
    /// whom browsers and people write as they like.
    fn find(&self, credentials: &Credentials) -> Option<(&Key, &Known)> {
        let at =
            |host: Option<&String>, name: &[u8]| self.users.get_key_value(&(host.cloned(), name.to_vec()));
        let named = |name: &[u8]| {
            credentials.host.as_ref().and_then(|host| at(Some(host), name)).or_else(|| at(None, name))
        };
        let name = credentials.user.as_bytes();
        named(name).or_else(|| named(&name.to_ascii_lowercase()).filter(|(_, known)| known.hash.is_none()))
    }

    /// Whether the password is that of `hash`, or `None` if that cannot be found out.
    async fn verify(&self, attempt: &Attempt<'_>, hash: &Arc<Hash>, text: &[u8]) -> Option<bool> {
        let password = &attempt.credentials.password;
        let mark = self.remembered.mark(text, password.reveal());
        if self.remembered.knows(&mark, Instant::now()) {
            return Some(true);
        }
        attempt.turn().await;
        let surcharge = hash.cost().up_to(&self.highest);
        let question = Question { hash: Arc::clone(hash), password: password.clone(), surcharge };
        let right = self.verifications.ask(attempt.peer, mark.clone(), question).await?;
        if right {
            self.remembered.keep(mark, Instant::now());
        }
        Some(right)
    }
}

/// Accounts of two hosts are two; one that is on every host is one. The octet between stands in no host name.
fn counted_as((host, name): &Key) -> Vec<u8> {
    [host.as_deref().unwrap_or_default().as_bytes(), b"/", name].concat()
}

#[async_trait]
impl Authenticator for Users {
    async fn authenticate(&self, attempt: &Attempt<'_>) -> Result<Account, Denied> {
        let Some((key, known)) = self.find(attempt.credentials) else {
            // Names count, so that two of them take as long as two that exist.
            let name = attempt.credentials.user.as_bytes();
            return match self.verify(attempt, &self.decoy, name).await {
                Some(_) => Err(Denied::Credentials),
                None => Err(Denied::Unavailable),
            };
        };
        let user = &known.user;
        if let (Some(hash), Some(text)) = (&known.hash, &user.hash) {
            match self.verify(attempt, hash, text.as_bytes()).await {
                Some(true) => {}
                Some(false) => return Err(Denied::Credentials),
                None => return Err(Denied::Unavailable),
            }
        }
        // Said only to those who know the password: it would tell others that the user exists.
        match user.transport == Transport::TlsOnly && attempt.credentials.tls.is_none() {
            true => Err(Denied::TlsOnly),
            false => {
                let mut account = user.account.clone();
                account.counted_as.get_or_insert_with(|| counted_as(key));
                Ok(account)
            }
        }
    }
}

#[async_trait]
impl<T: Authenticator + ?Sized> Authenticator for Arc<T> {
    async fn authenticate(&self, attempt: &Attempt<'_>) -> Result<Account, Denied> {
        (**self).authenticate(attempt).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::Rights;
    use crate::storage::MemoryStorage;
    use ftp_proto::value::text::{Password, Username};

    async fn try_login(users: &Users, name: &str, password: &str) -> Result<(), Denied> {
        try_login_at(users, None, name, password).await
    }

    async fn try_login_at(
        users: &Users,
        host: Option<&str>,
        name: &str,
        password: &str,
    ) -> Result<(), Denied> {
        let user = Username::new(name).unwrap();
        let mut credentials = Credentials::new(user, Password::new(password).unwrap());
        credentials.host = host.map(str::to_owned);
        let attempt =
            Attempt { credentials: &credentials, peer: "192.0.2.1".parse().unwrap(), not_before: None };
        users.authenticate(&attempt).await.map(drop)
    }

    #[tokio::test]
    async fn passwords_count_to_the_last_octet() {
        let account = || Account::new(Rights::READ_ONLY, Arc::new(MemoryStorage::new()));
        let mut users = Users::new().unwrap().with("me", " se:cret ", account()).unwrap();
        assert_eq!(try_login(&users, "me", " se:cret ").await, Ok(()));
        assert_eq!(try_login(&users, "me", "se:cret").await, Err(Denied::Credentials));
        assert_eq!(try_login(&users, "you", " se:cret ").await, Err(Denied::Credentials));
        let open = User { hash: None, account: account(), transport: Transport::TlsOnly, host: None };
        users.add("anonymous", open).unwrap();
        for name in ["anonymous", "Anonymous", "ANONYMOUS"] {
            assert_eq!(try_login(&users, name, "x").await, Err(Denied::TlsOnly), "{name}");
        }
        for (name, password) in [("FTP", "x"), ("ftp", "")] {
            users.add(name.to_ascii_lowercase(), User::anonymous(account())).unwrap();
            assert_eq!(try_login(&users, name, password).await, Ok(()));
        }
        assert_eq!(try_login(&users, "ME", " se:cret ").await, Err(Denied::Credentials));
        let broken =
            User { hash: Some("plain".into()), account: account(), transport: Transport::Any, host: None };
        assert_eq!(users.add("x", broken), Err(UserError::Hash));
    }

    #[tokio::test]
    async fn a_right_password_is_verified_once_and_a_wrong_one_always() {
        let account = || Account::new(Rights::READ_ONLY, Arc::new(MemoryStorage::new()));
        let users = Users::new().unwrap().with("me", "right", account()).unwrap();
        let users = users.with("you", "also right", account()).unwrap();
        assert_eq!(try_login(&users, "me", "right").await, Ok(()));
        for _ in 0..2 {
            assert_eq!(try_login(&users, "me", "wrong").await, Err(Denied::Credentials));
        }
        let knows = |name: &str, password: &str| {
            let user = &users.users[&(None, name.as_bytes().to_vec())].user;
            let mark = users.remembered.mark(user.hash.as_deref().unwrap().as_bytes(), password.as_bytes());
            users.remembered.knows(&mark, Instant::now())
        };
        assert!(knows("me", "right"));
        assert!(!knows("me", "wrong") && !knows("you", "also right") && !knows("you", "right"));
    }

    #[tokio::test]
    async fn accounts_of_a_host_are_seen_on_it_only() {
        let account = || Account::new(Rights::READ_ONLY, Arc::new(MemoryStorage::new()));
        let mut users = Users::new().unwrap().with("me", "everywhere", account()).unwrap();
        let hash = Some(hash_password(b"on b").unwrap());
        let host = Some("b.example".to_owned());
        users.add("me", User { hash, account: account(), transport: Transport::Any, host }).unwrap();
        for (host, password, wanted) in [
            (None, "everywhere", Ok(())),
            (None, "on b", Err(Denied::Credentials)),
            (Some("b.example"), "on b", Ok(())),
            (Some("b.example"), "everywhere", Err(Denied::Credentials)),
            (Some("a.example"), "everywhere", Ok(())),
        ] {
            assert_eq!(try_login_at(&users, host, "me", password).await, wanted, "{host:?} {password}");
        }
        let counted = |host: Option<&str>, name: &str| {
            let mut credentials = Credentials::new(Username::new(name).unwrap(), Password::new("x").unwrap());
            credentials.host = host.map(str::to_owned);
            users.find(&credentials).map(|(key, _)| String::from_utf8(counted_as(key)).unwrap())
        };
        assert_eq!(counted(Some("a.example"), "me").as_deref(), Some("/me"));
        assert_eq!(counted(Some("b.example"), "me").as_deref(), Some("b.example/me"));
    }

    /// A password that is right for the decoy is answered from memory the second time, which tells who does not exist.
    #[tokio::test]
    async fn no_password_is_right_for_users_who_do_not_exist() {
        let users = Users::new().unwrap();
        for password in ["decoy", "", "nobody"] {
            assert_eq!(try_login(&users, "nobody", password).await, Err(Denied::Credentials));
            let mark = users.remembered.mark(b"nobody", password.as_bytes());
            assert!(!users.remembered.knows(&mark, Instant::now()), "{password:?} is remembered");
        }
    }
}
