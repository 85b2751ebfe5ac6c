//! What is served: the configuration file, and the command line on top of it.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ftp_server::announce::Announced;
use ftp_server::auth::{Account, Rights, Users};
use ftp_server::config::{AddressName, Config, Problem, Toggle, read_certificate};
use ftp_server::proto::session::Plain as PlainLogins;
use ftp_server::storage::LocalStorage;
use ftp_server::tls::Tls;
use toml::Spanned;

use crate::cli::{Active, Plain, ServeArgs};
use crate::named::NamedPassword;

/// A configuration and the text it came from.
pub(crate) struct Settings {
    pub(crate) config: Config,
    pub(crate) text: String,
    pub(crate) file: Option<PathBuf>,
}

pub(crate) fn read_settings(file: Option<&Path>) -> Result<Settings, String> {
    let Some(file) = file else {
        return Ok(Settings { config: Config::default(), text: String::new(), file: None });
    };
    let text = std::fs::read_to_string(file).map_err(|error| format!("{}: {error}", file.display()))?;
    let config = Config::parse(&text).map_err(|error| format!("{}: {error}", file.display()))?;
    Ok(Settings { config, text, file: Some(file.to_owned()) })
}

impl Settings {
    /// What the command line says comes on top.
    pub(crate) fn overlay(&mut self, args: &ServeArgs) {
        let config = &mut self.config;
        if !args.explicit.is_empty() || !args.implicit.is_empty() {
            config.listen.explicit.clone_from(&args.explicit);
            config.listen.implicit.clone_from(&args.implicit);
        }
        if let Some(plain) = args.plain {
            config.policy.plain.0 =
                if plain == Plain::Allow { PlainLogins::Allow } else { PlainLogins::Refuse };
        }
        if let Some(ports) = &args.passive_ports {
            *config.passive.ports.get_mut() = ports.clone();
        }
        if let Some(address) = &args.passive_address {
            config.passive.address = Some(AddressName(address.clone()));
        }
        if let Some(active) = args.active {
            config.policy.active = Some(if active == Active::On { Toggle::On } else { Toggle::Off });
        }
    }

    /// What PASV announces, in words.
    pub(crate) fn announced(&self) -> String {
        let passive = &self.config.passive;
        let words = |address: &AddressName| match &address.0 {
            Announced::Local => "the address that the client connected to".to_owned(),
            Announced::Fixed(address) => address.to_string(),
            Announced::Name(name) => format!("the address of {name}"),
        };
        let some =
            passive.announce.iter().map(|rule| format!("{} to {}", words(&rule.address), rule.clients));
        let all = passive.address.as_ref().map_or_else(|| words(&AddressName(Announced::Local)), words);
        some.chain([all]).collect::<Vec<_>>().join(", ")
    }

    pub(crate) fn name(&self) -> String {
        self.file.as_ref().map_or_else(|| "command line".to_owned(), |file| file.display().to_string())
    }

    /// Reads the certificates of the server and of its hosts, and uses them from now on.
    pub(crate) fn certify(&self, tls: &Tls, files: &(PathBuf, PathBuf)) -> Result<(), String> {
        let hosts = self.config.host_identities(&self.text).map_err(|problems| self.all(&problems))?;
        tls.replace(read_certificate(&files.0, &files.1)?, hosts).map_err(|error| error.to_string())
    }

    /// Files with secrets that others may read, or change: the configuration, which has password hashes, and keys.
    pub(crate) fn open_to_others(&self, (_, key): &(PathBuf, PathBuf)) -> Vec<String> {
        let hosts = self.config.host.iter().filter_map(|host| host.get_ref().key.as_ref());
        let keys = hosts.map(Spanned::get_ref).chain([key]);
        let secret = self.file.iter().filter(|_| !self.config.user.is_empty()).chain(keys);
        let mode = |path: &PathBuf| Some((path.clone(), std::fs::metadata(path).ok()?.permissions().mode()));
        let open = secret.filter_map(mode).filter(|(_, mode)| mode & 0o027 != 0);
        let warning = |(path, mode): (PathBuf, u32)| {
            let (path, mode) = (path.display(), mode & 0o777);
            format!(
                "{path} holds secrets, and others may read or change it (mode {mode:03o}): chmod 640 {path}"
            )
        };
        open.map(warning).collect()
    }

    /// Whether the file has a user of that name who is no particular host's.
    fn has_user(&self, name: &str) -> bool {
        let users = self.config.user.iter().map(Spanned::get_ref).filter(|user| user.host.is_none());
        users.map(|user| user.name.get_ref().as_str()).any(|known| known == name)
            || (self.config.anonymous.is_some() && ["anonymous", "ftp"].contains(&name))
    }

    /// Every problem on a line of its own.
    fn all(&self, problems: &[Problem]) -> String {
        let lines: Vec<String> =
            problems.iter().map(|problem| format!("{}: {problem}", self.name())).collect();
        lines.join("\n")
    }

    /// Says which folders are missing, beside what the server does: one that hangs must not hold it up.
    pub(crate) fn say_what_is_missing(&self) {
        let (config, text, name) = (self.config.clone(), self.text.clone(), self.name());
        tokio::task::spawn_blocking(move || {
            for problem in config.missing_folders(&text) {
                tracing::warn!("{name}: {problem}");
            }
        });
    }

    /// The accounts of the file and of the command line, and the folders to sweep.
    pub(crate) fn users(
        &self,
        root: Option<&Path>,
        named: &[NamedPassword],
    ) -> Result<(Users, Vec<LocalStorage>), String> {
        let (mut users, mut folders) =
            self.config.users(&self.text).map_err(|problems| self.all(&problems))?;
        if let Some(root) = root {
            let folder = LocalStorage::opened_at_login(root, self.config.storage());
            for (index, user) in named.iter().enumerate() {
                if self.has_user(&user.name) || named.iter().take(index).any(|other| other.name == user.name)
                {
                    return Err(format!(
                        "the user {:?} of the command line is there already: give --user with another name",
                        user.name
                    ));
                }
                let own = folder.for_owner(format!("/{}", user.name));
                let account = Account::new(Rights::ALL, Arc::new(own));
                users = users.with(&user.name, &user.password, account).map_err(|error| error.to_string())?;
            }
            folders.push(folder);
        }
        Ok((users, folders))
    }
}
