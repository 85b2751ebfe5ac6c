//! `ftp-server serve`.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::ExitCode;
use std::sync::{Arc, RwLock};

use ftp_server::config::read_certificate;
use ftp_server::proto::session::Plain as PlainLogins;
use ftp_server::server::ServeError;
use ftp_server::tls::Tls;
use ftp_server::{Builder, Server};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use crate::answering::answer;
use crate::cli::ServeArgs;
use crate::doctor::Known;
use crate::log::{self, Lines, say};
use crate::plan::{Plan, plan};
use crate::reload::{CurrentUsers, reload_on_hangup};
use crate::settings::Settings;
use crate::signals::{Hangup, second_signal, stop_signal};
use crate::sweep::keep_sweeping;
use crate::{doctor, identity};

/// The ports of the four profiles: the standard ones need privilege, the others do not.
const EXPLICIT: [u16; 2] = [21, 3021];
const IMPLICIT: [u16; 2] = [990, 3990];

/// As many descriptors as this user may have: each session has one, each transfer a few.
fn raise_descriptor_limit() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let now = getrlimit(Resource::Nofile);
    if let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: now.maximum, maximum: now.maximum }) {
        tracing::warn!("the limit of open files stays at {:?}: {error}", now.current);
    }
}

/// Says if sessions may run out of descriptors: each takes one, its transfer a socket and a file.
fn say_if_descriptors_are_few(sessions: usize) {
    let most = rustix::process::getrlimit(rustix::process::Resource::Nofile).current.unwrap_or(u64::MAX);
    if most < (sessions as u64).saturating_mul(3).saturating_add(100) {
        tracing::warn!(
            "{most} open files are few for {sessions} sessions, which want 3 each: raise LimitNOFILE= or ulimit -n, or set \
             [limits] sessions to {}",
            most.saturating_sub(100) / 3
        );
    }
}

/// `ftp-server serve`
pub(crate) fn serve(args: &ServeArgs) -> Result<ExitCode, String> {
    let lines = log::start(args.log)?;
    raise_descriptor_limit();
    // Sessions have threads of their own; here connections are accepted.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| error.to_string())?;
    let served = runtime.block_on(run(args, &lines));
    runtime.shutdown_background();
    lines.flush();
    served.map(|()| ExitCode::SUCCESS)
}

/// A file that grows beyond what this process may write (`ulimit -f`) is an error of that write, and not the end of all
/// sessions: a signal that is caught kills nobody.
fn outlive_file_size_limit() {
    if let Err(error) = signal(SignalKind::from_raw(rustix::process::Signal::XFSZ.as_raw())) {
        tracing::warn!(%error, "SIGXFSZ cannot be caught: an upload beyond the limit of file sizes ends the server");
    }
}

async fn run(args: &ServeArgs, lines: &Arc<Lines>) -> Result<(), String> {
    outlive_file_size_limit();
    let plan = plan(args)?;
    say_if_descriptors_are_few(plan.settings.config.limits.sessions);
    let config = &plan.settings.config;
    let (chain, key) = read_certificate(&plan.files.0, &plan.files.1)?;
    let fingerprint = chain.first().map(identity::fingerprint).unwrap_or_default();
    let pin = identity::pin(&key);
    let tls = Tls::with_ring(chain, key).map_err(|error| error.to_string())?;
    let tls = tls.data_session(config.tls.data_session.0).close_notify(config.tls.close_notify.0);
    plan.settings.certify(&tls, &plan.files)?;
    let tls = Arc::new(tls);
    let (users, folders) = plan.settings.users(args.root.as_deref(), &plan.named)?;
    let users = Arc::new(CurrentUsers(RwLock::new(Arc::new(users))));
    for warning in config.warnings(&plan.settings.text) {
        match (&plan.settings.file, &args.root) {
            (Some(_), None) => tracing::warn!("{}: {warning}", plan.settings.name()),
            // The user of ROOT is in no file, and its few sessions need few ports: only what was asked for is told.
            _ if warning.line > 0 && args.passive_ports.is_some() => tracing::warn!("{}", warning.text),
            _ => {}
        }
    }
    plan.settings.open_to_others(&plan.files).iter().for_each(|warning| tracing::warn!("{warning}"));
    let server = bind(&plan.settings, &users, &tls).await?;
    announce(args, &plan, &server, (&fingerprint, pin.as_deref()));
    say_what_shares_the_range(&plan.settings.config.passive.ports.get_ref().0);
    match doctor::socket(args.doctor.as_deref()) {
        Ok(socket) => {
            let known = Known {
                doctor: server.doctor(),
                announced: plan.settings.announced(),
                lines: Arc::clone(lines),
                listens: server.addresses().iter().map(ToString::to_string).collect::<Vec<_>>().join(", "),
            };
            answer(&socket, known);
        }
        // A server that keeps no state serves all the same.
        Err(error) => tracing::warn!("`ftp-server doctor` will not find this server: {error}"),
    }
    plan.settings.say_what_is_missing();
    let (swept, folders) = watch::channel(folders);
    tokio::spawn(keep_sweeping(folders));
    let hangup = Hangup::meant_by(args);
    if hangup == Hangup::Reload {
        let from = (args.config.clone(), args.root.clone());
        tokio::spawn(reload_on_hangup(from, plan, users, tls, swept));
    }
    server.run_until(stop_signal(hangup), second_signal()).await;
    tracing::info!("stopped");
    Ok(())
}

/// The listeners: those that were asked for, or the standard ones as far as this user may bind them.
async fn bind(settings: &Settings, users: &Arc<CurrentUsers>, tls: &Arc<Tls>) -> Result<Server, String> {
    let config = &settings.config;
    let builder = || -> Builder {
        Server::builder(Arc::clone(users))
            .policy(config.policy())
            .options(config.options())
            .limits(config.limits())
            .threads(std::thread::available_parallelism().map_or(1, std::num::NonZero::get))
            .tls(Arc::clone(tls))
            .passive_ports(config.passive.ports.get_ref().0.clone())
    };
    let asked = !config.listen.explicit.is_empty() || !config.listen.implicit.is_empty();
    if asked || settings.file.is_some() {
        let with =
            config.listen.explicit.iter().fold(builder(), |builder, address| builder.explicit(*address));
        let with = config.listen.implicit.iter().fold(with, |builder, address| builder.implicit(*address));
        return with.bind().await.map_err(|error| hint(&error));
    }
    let any = |port: u16| SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), port);
    let profiles = |index: std::ops::Range<usize>| {
        let explicit = EXPLICIT.get(index.clone()).unwrap_or_default().iter();
        let with = explicit.fold(builder(), |builder, port| builder.explicit(any(*port)));
        IMPLICIT
            .get(index)
            .unwrap_or_default()
            .iter()
            .fold(with, |builder, port| builder.implicit(any(*port)))
    };
    match profiles(0..2).bind().await {
        Ok(server) => Ok(server),
        Err(ServeError::Bind(address, error))
            if EXPLICIT[0] == address.port() || IMPLICIT[0] == address.port() =>
        {
            tracing::warn!(
                "port {} cannot be used ({error}); serving 3021 and 3990. Ports 21 and 990 need root or CAP_NET_BIND_SERVICE.",
                address.port()
            );
            profiles(1..2).bind().await.map_err(|error| hint(&error))
        }
        Err(error) => Err(hint(&error)),
    }
}

/// What to do about an error of the start.
pub(crate) fn hint(error: &ServeError) -> String {
    match error {
        ServeError::Bind(address, cause) if cause.kind() == std::io::ErrorKind::AddrInUse => {
            format!("{error}. Another program has port {}: stop it, or give another address.", address.port())
        }
        ServeError::Bind(address, cause) if cause.kind() == std::io::ErrorKind::PermissionDenied => {
            format!(
                "{error}. Ports below 1024 need root or CAP_NET_BIND_SERVICE; {} works without.",
                address.port().saturating_add(3000)
            )
        }
        ServeError::NoListener => {
            format!("{error}: [listen] explicit = [\"0.0.0.0:21\"], or --explicit 0.0.0.0:3021")
        }
        other => other.to_string(),
    }
}

/// Says if the system takes ports of the range for connections of its own.
fn say_what_shares_the_range(range: &std::ops::RangeInclusive<u16>) {
    let read = |name: &str| std::fs::read_to_string(format!("/proc/sys/net/ipv4/{name}")).unwrap_or_default();
    let text = read("ip_local_port_range");
    let mut ends = text.split_whitespace().filter_map(|end| end.parse::<u16>().ok());
    let (Some(low), Some(high)) = (ends.next(), ends.next()) else { return };
    if low <= *range.end() && high >= *range.start() && read("ip_local_reserved_ports").trim().is_empty() {
        tracing::info!(
            "the system may take passive ports for connections of its own ({low}-{high}); those are passed over. \
             sysctl net.ipv4.ip_local_reserved_ports={}-{} keeps all of them free",
            range.start(),
            range.end()
        );
    }
}

/// Prints what a person needs to connect.
fn announce(args: &ServeArgs, plan: &Plan, server: &Server, (fingerprint, pin): (&str, Option<&str>)) {
    let config = &plan.settings.config;
    let explicit = config.listen.explicit.len();
    let asked = explicit + config.listen.implicit.len() > 0;
    let addresses = server.addresses();
    let split = if asked { explicit } else { addresses.len() / 2 };
    let (explicit, implicit) = addresses.split_at(split.min(addresses.len()));
    let plain = if config.policy.plain.0 == PlainLogins::Allow {
        "plain FTP and explicit FTPS"
    } else {
        "explicit FTPS"
    };
    if let Some(root) = &args.root {
        say!("Serving {}", root.display());
    }
    explicit.iter().for_each(|address| say!("  {plain:<28} {address}"));
    implicit.iter().for_each(|address| say!("  {:<28} {address}", "implicit FTPS"));
    say!("  {:<28} {}", "passive ports (open these)", config.passive.ports.get_ref());
    say!("  {:<28} {}", "certificate", plan.files.0.display());
    say!("  {:<28} {fingerprint}", "SHA-256 fingerprint");
    if let Some(user) = &plan.made_up {
        say!("  {:<28} {}", "user", user.name);
        say!("  {:<28} {}", "password (made now)", user.password);
    }
    // What somebody else made up is in no log by this.
    let login = match (&plan.made_up, plan.named.first()) {
        (Some(user), _) => format!("{}:{}", user.name, user.password),
        (None, Some(user)) => user.name.clone(),
        (None, None) => return,
    };
    propose(&login, &plan.files.0, (explicit.last(), implicit.last()), pin);
}

/// Prints lines to try, on this machine and on another one.
fn propose(
    login: &str,
    cert: &Path,
    (explicit, implicit): (Option<&SocketAddr>, Option<&SocketAddr>),
    pin: Option<&str>,
) {
    let at = |address: &SocketAddr| {
        let ip = if address.ip().is_unspecified() { IpAddr::V4(Ipv4Addr::LOCALHOST) } else { address.ip() };
        SocketAddr::new(ip, address.port())
    };
    let quoted = login.replace('\'', "'\\''");
    let trust = format!("--cacert '{}'", cert.display());
    say!("\nTry it:");
    if let Some(address) = explicit {
        say!("  curl --ssl-reqd {trust} --user '{quoted}' -T FILE ftp://{}/", at(address));
        say!("  curl --ssl-reqd {trust} --user '{quoted}' ftp://{}/", at(address));
    } else if let Some(address) = implicit {
        say!("  curl {trust} --user '{quoted}' -T FILE ftps://{}/", at(address));
    }
    // The pin is all that is compared there: names and addresses need not be in the certificate.
    let (Some(pin), Some(address)) = (pin, explicit.or(implicit)) else { return say!("") };
    let Some(ip) = identity::addresses(&[address.ip()]).first().copied() else { return say!("") };
    let (switch, scheme) = if explicit.is_some() { ("--ssl-reqd ", "ftp") } else { ("", "ftps") };
    let there = SocketAddr::new(ip, address.port());
    say!("On another machine:");
    say!("  curl {switch}--insecure --pinnedpubkey '{pin}' --user '{quoted}' -T FILE {scheme}://{there}/");
    say!("");
}
