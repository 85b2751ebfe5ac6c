//! `ftp-server check`.

use std::process::ExitCode;

use ftp_server::config::{Toggle, read_certificate};
use ftp_server::proto::session::Plain as PlainLogins;
use ftp_server::server::ServeError;
use ftp_server::storage::{Durability, Partial};

use crate::cli::CheckArgs;
use crate::log::{complain, say};
use crate::serve::hint;
use crate::settings::read_settings;

/// `ftp-server check`: 0 if the configuration can be served, 1 if not.
pub(crate) fn check(args: &CheckArgs) -> Result<ExitCode, String> {
    let settings = read_settings(Some(&args.config))?;
    let config = &settings.config;
    let mut wrong = Vec::new();
    match (&config.tls.cert, &config.tls.key) {
        (Some(cert), Some(key)) => wrong.extend(read_certificate(cert.get_ref(), key.get_ref()).err()),
        (None, None) => {}
        _ => wrong.push("[tls] needs both cert and key".to_owned()),
    }
    if config.listen.explicit.is_empty() && config.listen.implicit.is_empty() {
        wrong.push(hint(&ServeError::NoListener));
    }
    if let Err(problems) = config.users(&settings.text) {
        wrong.extend(problems.iter().map(ToString::to_string));
    }
    wrong.extend(config.missing_folders(&settings.text).iter().map(ToString::to_string));
    if let Err(problems) = config.host_identities(&settings.text) {
        wrong.extend(problems.iter().map(ToString::to_string));
    }
    let plain = config.policy.plain.0 == PlainLogins::Allow;
    let word = |yes: bool, no: &'static str, otherwise: &'static str| if yes { otherwise } else { no };
    for address in &config.listen.explicit {
        say!("listens at {address} for {}", word(plain, "explicit FTPS", "plain FTP and explicit FTPS"));
    }
    config.listen.implicit.iter().for_each(|address| say!("listens at {address} for implicit FTPS"));
    say!("logins in clear are {}", word(plain, "refused", "allowed"));
    say!(
        "data in clear within TLS sessions are {}",
        word(config.tls.clear_data == Toggle::On, "refused", "allowed")
    );
    say!("passive ports {} have to be open", config.passive.ports.get_ref());
    say!("PASV announces {}", settings.announced());
    say!(
        "what counts as stored: {}",
        match config.storage.durability.0 {
            Durability::None => "what the kernel has; a power cut may take it",
            Durability::Data => "octets on the disk; a power cut may take their names",
            Durability::Full => "octets and names on the disk",
        }
    );
    say!(
        "what came of a broken upload: {}",
        match config.storage.partial.0 {
            Partial::Hidden => "is kept for its user for a day, where nobody sees it",
            Partial::Visible => "stays under its name, if that was free",
            Partial::Never => "goes",
        }
    );
    config.host.iter().for_each(|host| say!("host {}", host.get_ref().name.get_ref()));
    for user in &config.user {
        let user = user.get_ref();
        let rights = user.rights.as_ref().map_or("elradfmwMT", |rights| rights.get_ref().as_str());
        say!("user {} in {} may {rights}", user.name.get_ref(), user.home.get_ref().display());
    }
    config.warnings(&settings.text).iter().for_each(|warning| say!("warning: {warning}"));
    let given = (config.tls.cert.as_ref(), config.tls.key.as_ref());
    let files = given.0.zip(given.1).map(|(cert, key)| (cert.get_ref().clone(), key.get_ref().clone()));
    let open = settings.open_to_others(&files.unwrap_or_default());
    open.iter().for_each(|warning| say!("warning: {warning}"));
    wrong.iter().for_each(|problem| complain!("{}: {problem}", settings.name()));
    Ok(if wrong.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
