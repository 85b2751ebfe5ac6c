//! From a configuration to a server: users and their folders, certificates, rules.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use ftp_proto::session::{DataProtection, Policy, Rights, Switch};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::announce::Rule;
use crate::auth::{Account, Transport, User, Users};
use crate::config::names::{ANONYMOUS, doubled};
use crate::config::problem::{Problem, problem};
use crate::config::{Config, Toggle, UserSection, seconds};
use crate::limits::Limits;
use crate::shared::Options;
use crate::storage::{LocalOptions, LocalStorage};
use crate::tls::Identity;
use toml::Spanned;

/// A certificate chain and its key out of PEM files.
///
/// # Errors
/// Which file cannot be read, or holds no certificate or key.
pub fn read_certificate(cert: &Path, key: &Path) -> Result<Identity, String> {
    let wrong = |path: &Path, error: rustls::pki_types::pem::Error| format!("{}: {error}", path.display());
    let chain: Vec<_> = CertificateDer::pem_file_iter(cert)
        .and_then(Iterator::collect)
        .map_err(|error| wrong(cert, error))?;
    if chain.is_empty() {
        return Err(format!("{}: there is no certificate in this file; it wants PEM", cert.display()));
    }
    let key = PrivateKeyDer::from_pem_file(key).map_err(|error| wrong(key, error))?;
    Ok((chain, key))
}

impl Config {
    /// The rules of the protocol.
    #[must_use]
    pub fn policy(&self) -> Policy {
        let switch = |toggle| if toggle == Toggle::On { Switch::On } else { Switch::Off };
        let data_protection = match self.tls.clear_data {
            Toggle::On => DataProtection::Optional,
            Toggle::Off => DataProtection::Required,
        };
        let policy = Policy::default()
            .plain(self.policy.plain.0)
            .data_protection(data_protection)
            .active(switch(self.policy.active.unwrap_or(Toggle::On)))
            .clear_control(switch(self.tls.clear_control))
            .hosts(self.host_names())
            .idle(Duration::from_secs(self.limits.idle))
            .login_time(Duration::from_secs(self.limits.login_time))
            .accept(Duration::from_secs(self.limits.accept))
            .connect(Duration::from_secs(self.limits.connect))
            .attempts(self.limits.attempts);
        match self.policy.greeting.as_deref() {
            Some(greeting) => policy.greeting(greeting),
            None => policy,
        }
    }

    /// The virtual hosts in lower case.
    fn host_names(&self) -> Vec<String> {
        self.host.iter().map(|host| host.get_ref().name.get_ref().to_ascii_lowercase()).collect()
    }

    /// The certificates of virtual hosts that have their own.
    ///
    /// # Errors
    /// Every host whose certificate cannot be read, with its line in `text`, which is the file that was parsed.
    pub fn host_identities(&self, text: &str) -> Result<Vec<(String, Identity)>, Vec<Problem>> {
        let (mut identities, mut problems) = (Vec::new(), Vec::new());
        for host in self.host.iter().map(Spanned::get_ref) {
            let at = host.name.span().start;
            match (&host.cert, &host.key) {
                (None, None) => {}
                (Some(cert), Some(key)) => match read_certificate(cert.get_ref(), key.get_ref()) {
                    Ok(identity) => identities.push((host.name.get_ref().clone(), identity)),
                    Err(why) => problems.push(problem(text, cert.span().start, why)),
                },
                _ => {
                    problems.push(problem(text, at, "a host needs both cert and key, or neither".to_owned()))
                }
            }
        }
        if problems.is_empty() { Ok(identities) } else { Err(problems) }
    }

    /// Times and sizes.
    #[must_use]
    pub fn options(&self) -> Options {
        Options::default()
            .line_max(self.limits.line)
            .stall(Duration::from_secs(self.limits.stall))
            .rate(self.limits.rate)
            .handshake(Duration::from_secs(self.limits.handshake))
            .drain(Duration::from_secs(self.limits.drain))
            .login_delay(seconds(self.limits.login_delay))
            .announce(self.announcements())
            .data_peer(self.passive.data_peer.0)
            .data_mss(self.passive.data_mss)
            .active_clients(self.policy.active_clients.clone())
            .proxies(self.listen.proxies.clone())
    }

    /// What PASV announces: to some networks first, then to everyone.
    fn announcements(&self) -> Vec<Rule> {
        let some = self
            .passive
            .announce
            .iter()
            .map(|section| Rule { clients: Some(section.clients), address: section.address.0.clone() });
        let all =
            self.passive.address.iter().map(|address| Rule { clients: None, address: address.0.clone() });
        some.chain(all).collect()
    }

    /// Numbers of sessions.
    #[must_use]
    pub fn limits(&self) -> Limits {
        Limits::default().sessions(self.limits.sessions).per_address(self.limits.per_address)
    }

    /// How files are stored.
    #[must_use]
    pub fn storage(&self) -> LocalOptions {
        LocalOptions::default()
            .durability(self.storage.durability.0)
            .partial(self.storage.partial.0)
            .live(self.storage.live.clone())
    }

    /// The accounts, and the folders behind them.
    ///
    /// # Errors
    /// Every user that cannot be set up, with its line in `text`, which is the file that was parsed.
    pub fn users(&self, text: &str) -> Result<(Users, Vec<LocalStorage>), Vec<Problem>> {
        let whole = |error: crate::auth::UserError| vec![Problem { line: 0, text: error.to_string() }];
        let mut users = Users::new().map_err(whole)?;
        let (mut problems, mut folders) = (doubled(self, text), Vec::new());
        for section in &self.user {
            let section = section.get_ref();
            let added = self.user(section, text).and_then(|(user, folder)| {
                folders.push(folder);
                let at = section.password.span().start;
                users
                    .add(section.name.get_ref().as_bytes(), user)
                    .map_err(|error| problem(text, at, error.to_string()))
            });
            problems.extend(added.err());
        }
        if let Some(anonymous) = &self.anonymous {
            let anonymous = anonymous.get_ref();
            let folder = self.folder(&anonymous.home);
            let mut account = Account::new(Rights::READ_ONLY, Arc::new(folder.clone()));
            account.sessions = anonymous.sessions.or(self.limits.per_user);
            account.counted_as = Some(b"anonymous".to_vec());
            account.file_max = self.limits.file_max;
            folders.push(folder);
            for name in ANONYMOUS {
                users.add(name, User::anonymous(account.clone())).map_err(whole)?;
            }
        }
        if problems.is_empty() { Ok((users, folders)) } else { Err(problems) }
    }

    fn user(&self, section: &UserSection, text: &str) -> Result<(User, LocalStorage), Problem> {
        let host = section.host.as_ref().map(|host| self.known_host(host, text)).transpose()?;
        // A name may stand for someone else on another host; no host has a slash.
        let owner = format!("{}/{}", host.as_deref().unwrap_or_default(), section.name.get_ref());
        let folder = self.folder(&section.home).for_owner(owner);
        let rights = match &section.rights {
            None => Rights::ALL,
            Some(letters) => Rights::parse(letters.get_ref()).map_err(|letter| {
                let why = format!("{letter:?} is no right: the letters are elradfmwMT");
                problem(text, letters.span().start, why)
            })?,
        };
        let mut account = Account::new(rights, Arc::new(folder.clone()));
        account.sessions = section.sessions.or(self.limits.per_user);
        account.file_max = section.file_max.or(self.limits.file_max);
        account.bare_close = section.bare_close.0;
        account.close_notify = section.close_notify.map(|named| named.0);
        let transport = if section.tls_only == Toggle::On { Transport::TlsOnly } else { Transport::Any };
        let user = User::new(section.password.get_ref().as_str(), account).transport(transport);
        let user = match host {
            Some(host) => user.host(host),
            None => user,
        };
        Ok((user, folder))
    }

    /// The host of a user, which has to be one of those that are served.
    fn known_host(&self, host: &Spanned<String>, text: &str) -> Result<String, Problem> {
        let name = host.get_ref().to_ascii_lowercase();
        match self.host_names().contains(&name) {
            true => Ok(name),
            false => {
                let why = format!("{name:?} is no host of this server: give it a [[host]] section");
                Err(problem(text, host.span().start, why))
            }
        }
    }

    /// The folder of an account, which is opened when somebody logs in.
    fn folder(&self, home: &Spanned<PathBuf>) -> LocalStorage {
        LocalStorage::opened_at_login(home.get_ref(), self.storage())
    }

    /// Every folder that cannot be opened now, with its line in `text`, which is the file that was parsed. Its users cannot log
    /// in as long; all others can. It waits for disks.
    #[must_use]
    pub fn missing_folders(&self, text: &str) -> Vec<Problem> {
        let homes = self.user.iter().map(|user| &user.get_ref().home);
        let homes = homes.chain(self.anonymous.iter().map(|anonymous| &anonymous.get_ref().home));
        homes
            .filter_map(|home| {
                let error = LocalStorage::new(home.get_ref(), self.storage()).err()?;
                let path = home.get_ref().display();
                let why = format!("the folder {path} cannot be used, and nobody logs in to it: {error}");
                Some(problem(text, home.span().start, why))
            })
            .collect()
    }

    /// What is legal and will surprise: fewer passive ports than sessions, and the like.
    #[must_use]
    pub fn warnings(&self, text: &str) -> Vec<Problem> {
        let mut warnings = Vec::new();
        let ports = self.passive.ports.get_ref().0.len();
        if ports < self.limits.per_address.min(self.limits.sessions) {
            let why = format!(
                "{ports} passive ports are fewer than the {} sessions that one address may have: some transfers will get 425",
                self.limits.per_address.min(self.limits.sessions)
            );
            warnings.push(problem(text, self.passive.ports.span().start, why));
        }
        if self.user.is_empty() && self.anonymous.is_none() {
            warnings.push(Problem { line: 0, text: "there are no users: nobody can log in".to_owned() });
        }
        warnings
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_broken_user_is_named_with_its_line() {
        let folder = tempfile::tempdir().unwrap();
        let hash = crate::auth::hash_password(b"x").unwrap();
        let home = folder.path().display();
        let text = format!(
            "[[user]]\nname = \"a\"\npassword = \"{hash}\"\nhome = \"/no/such/folder\"\n\
             [[user]]\nname = \"b\"\npassword = \"secret\"\nhome = \"{home}\"\n\
             [[user]]\nname = \"c\"\npassword = \"{hash}\"\nhome = \"{home}\"\nrights = \"elx\"\n\
             [[user]]\nname = \"d\"\npassword = \"{hash}\"\nhome = \"{home}\"\n"
        );
        let config = Config::parse(&text).unwrap();
        let problems = config.users(&text).unwrap_err();
        assert_eq!(problems.iter().map(|problem| problem.line).collect::<Vec<_>>(), [7, 13]);
        let missing = config.missing_folders(&text);
        assert_eq!(
            missing.iter().map(|problem| problem.line).collect::<Vec<_>>(),
            [4],
            "no reason to serve nobody"
        );
    }

    #[test]
    fn too_few_ports_are_a_warning() {
        let text = "[passive]\nports = \"40000-40009\"\n[anonymous]\nhome = \"/tmp\"\n";
        let warnings = Config::parse(text).unwrap().warnings(text);
        assert_eq!(warnings.len(), 1);
        assert!(warnings[0].to_string().starts_with("line 2: 10 passive ports"), "{}", warnings[0]);
    }

    #[test]
    fn hosts_have_users_and_certificates() {
        let folder = tempfile::tempdir().unwrap();
        let hash = crate::auth::hash_password(b"x").unwrap();
        let user = format!("password = \"{hash}\"\nhome = \"{}\"\n", folder.path().display());
        let text = format!(
            "[[host]]\nname = \"A.example\"\ncert = \"/no/such.pem\"\n\
             [[user]]\nname = \"a\"\nhost = \"a.example\"\n{user}\
             [[user]]\nname = \"b\"\nhost = \"b.example\"\n{user}"
        );
        let config = Config::parse(&text).unwrap();
        assert_eq!(config.policy().host_names(), ["a.example"]);
        assert_eq!(
            config.host_identities(&text).unwrap_err()[0].to_string(),
            "line 2: a host needs both cert and key, or neither"
        );
        let problems = config.users(&text).unwrap_err();
        assert_eq!(problems.iter().map(|problem| problem.line).collect::<Vec<_>>(), [11]);
    }
}
