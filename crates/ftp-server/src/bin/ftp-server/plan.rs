//! What `serve` is to serve: settings, the users of the command line, the files of the certificate.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use ftp_server::storage::{LocalOptions, LocalStorage};
use rand::distr::{Alphanumeric, SampleString};

use crate::cli::ServeArgs;
use crate::identity;
use crate::named::{NamedPassword, named};
use crate::settings::{Settings, read_settings};

/// What is served, and what has to be printed about it.
pub(crate) struct Plan {
    pub(crate) settings: Settings,
    pub(crate) named: Vec<NamedPassword>,
    /// The password that was made up, to be shown once.
    pub(crate) made_up: Option<NamedPassword>,
    pub(crate) files: (PathBuf, PathBuf),
}

/// What the command line and the file say together.
pub(crate) fn plan(args: &ServeArgs) -> Result<Plan, String> {
    if args.root.is_none() && args.config.is_none() {
        return Err("what is to be served? Give a folder, or --config FILE".to_owned());
    }
    if args.root.is_none() && !args.user.is_empty() {
        return Err("--user names a user of ROOT, and there is no ROOT: give a folder".to_owned());
    }
    if let Some(root) = &args.root {
        LocalStorage::new(root, LocalOptions::default())
            .map_err(|error| format!("the folder {} cannot be served: {error}", root.display()))?;
    }
    let mut settings = read_settings(args.config.as_deref())?;
    settings.overlay(args);
    let mut named = named(args)?;
    let made_up = (args.root.is_some() && named.is_empty()).then(|| {
        let password = Alphanumeric.sample_string(&mut rand::rng(), 16);
        NamedPassword { name: "ftp".to_owned(), password }
    });
    named.extend(made_up.clone());
    let files = certificate_files(&settings, args)?;
    Ok(Plan { settings, named, made_up, files })
}

/// Where the certificate and its key are.
fn certificate_files(settings: &Settings, args: &ServeArgs) -> Result<(PathBuf, PathBuf), String> {
    let tls = &settings.config.tls;
    match (&args.cert, &args.key, &tls.cert, &tls.key) {
        (Some(cert), Some(key), ..) => Ok((cert.clone(), key.clone())),
        (_, _, Some(cert), Some(key)) => Ok((cert.get_ref().clone(), key.get_ref().clone())),
        (_, _, None, None) => {
            let listen = &settings.config.listen;
            let listened: Vec<IpAddr> =
                listen.explicit.iter().chain(&listen.implicit).map(SocketAddr::ip).collect();
            identity::self_signed(&identity::state_folder()?, &identity::addresses(&listened))
        }
        _ => Err(format!("{}: [tls] needs both cert and key", settings.name())),
    }
}
