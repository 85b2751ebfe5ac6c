//! `ftp-server` in this process, in whatever way a case needs it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::ops::RangeInclusive;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use argon2::password_hash::{PasswordHasher, SaltString};
use argon2::{Algorithm, Argon2, Params, Version};
use ftp_server::auth::{self, Rights, Transport, User, Users};
use ftp_server::proto::session::{DataProtection, Plain, Policy, Switch};
use ftp_server::server::PASSIVE_PORTS;
use ftp_server::storage::{Durability, LocalOptions, LocalStorage, Storage};
use ftp_server::tls::{DataSession, Identity, Tls};
use ftp_server::{Limits, Options};
use tempfile::TempDir;
use tokio::task::AbortHandle;

use crate::case::Need;
use crate::peer::fault::Fault;
use crate::target::storage::{Spoilt, Wrong};
use crate::target::{Account, Doors, Server, fixtures, text};

/// The virtual hosts of [`Need::Hosts`].
pub(crate) const HOSTS: [&str; 2] = ["a.example", "b.example"];
/// Octets that a file may have under [`Need::Quota`].
const QUOTA: u64 = 1 << 20;

/// What goes when the server does.
struct Alive {
    task: AbortHandle,
    _folder: TempDir,
}

impl Drop for Alive {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// A hash that costs little: thousands of logins are no test of argon2.
fn cheap_hash(password: &str) -> Result<String, String> {
    let params = Params::new(8, 1, 1, None).map_err(text)?;
    let salt = SaltString::from_b64("Y29uZm9ybWFuY2U").map_err(text)?;
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    argon2.hash_password(password.as_bytes(), &salt).map(|hash| hash.to_string()).map_err(text)
}

/// A certificate for `name`, signed by a fresh authority that goes with it in the chain.
fn identity(name: &str) -> Result<Identity, String> {
    let authority_key = rcgen::KeyPair::generate().map_err(text)?;
    let mut authority = rcgen::CertificateParams::new(Vec::new()).map_err(text)?;
    authority.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    authority.distinguished_name.push(rcgen::DnType::CommonName, format!("authority of {name}"));
    let authority = rcgen::CertifiedIssuer::self_signed(authority, authority_key).map_err(text)?;
    let key = rcgen::KeyPair::generate().map_err(text)?;
    let leaf = rcgen::CertificateParams::new(vec![name.to_owned()]).map_err(text)?;
    let leaf = leaf.signed_by(&key, &authority).map_err(text)?;
    let der = key.serialize_der().try_into().map_err(|error: &str| error.to_owned())?;
    Ok((vec![leaf.der().clone(), authority.der().clone()], der))
}

fn tls(setup: Option<Need>) -> Result<Option<Arc<Tls>>, String> {
    if setup == Some(Need::NoTls) {
        return Ok(None);
    }
    let session = if setup == Some(Need::Resume) { DataSession::Require } else { DataSession::default() };
    let (chain, key) = identity("localhost")?;
    let tls = Tls::with_ring(chain, key).map_err(text)?.data_session(session);
    if setup == Some(Need::Hosts) {
        let hosts = HOSTS.iter().map(|host| Ok(((*host).to_owned(), identity(host)?)));
        tls.replace(identity("localhost")?, hosts.collect::<Result<_, String>>()?).map_err(text)?;
    }
    Ok(Some(Arc::new(tls)))
}

fn policy(setup: Option<Need>) -> Policy {
    let accept = Duration::from_secs(2);
    let strict = Policy::default().accept(accept);
    let open = strict.clone().plain(Plain::Allow).data_protection(DataProtection::Optional);
    match setup {
        Some(Need::Strict) => strict,
        Some(Need::Impatient) => open.idle(Duration::from_secs(2)).login_time(Duration::from_secs(3)),
        Some(Need::Hosts) => open.hosts(HOSTS.iter().map(|host| (*host).to_owned())),
        Some(Need::Ccc) => open.clear_control(Switch::On),
        _ => open,
    }
}

fn options(setup: Option<Need>) -> Options {
    let quick = Options::default().login_delay(Duration::from_millis(50));
    match setup {
        Some(Need::Strict) => Options::default(),
        Some(Need::Impatient) => quick.stall(Duration::from_secs(2)).handshake(Duration::from_secs(2)),
        _ => quick,
    }
}

/// Two ports of their own for each server that has no more.
fn ports(setup: Option<Need>) -> RangeInclusive<u16> {
    static LAST: AtomicU16 = AtomicU16::new(0);
    if setup != Some(Need::Narrow) {
        return PASSIVE_PORTS;
    }
    let pair = LAST.fetch_add(1, Ordering::Relaxed) % 1000;
    let low = 21_000 + 2 * pair;
    low..=low + 1
}

/// Who may log in, and to which folder below `root`.
fn users(root: &Path, setup: Option<Need>, fault: Option<Fault>) -> Result<Users, String> {
    let wrong = if setup == Some(Need::Faulty) { Some(Wrong::Fails) } else { fault.and_then(Wrong::of) };
    let account = |home: &str, rights: Rights| -> Result<auth::Account, String> {
        let folder = root.join(home);
        std::fs::create_dir_all(&folder).map_err(text)?;
        fixtures::prepare(&folder).map_err(text)?;
        let options = LocalOptions::default().durability(Durability::None).owner(home);
        let good: Arc<dyn Storage> = Arc::new(LocalStorage::new(&folder, options).map_err(text)?);
        let storage = match wrong {
            Some(wrong) => Arc::new(Spoilt { good, wrong }),
            None => good,
        };
        let mut account = auth::Account::new(rights, storage);
        account.file_max = (setup == Some(Need::Quota)).then_some(QUOTA);
        Ok(account)
    };
    let mut users = Users::new().map_err(text)?;
    let mut add = |name: &str, user: User| users.add(name, user).map_err(text);
    let user = |password: &str, account: auth::Account| -> Result<User, String> {
        Ok(User::new(cheap_hash(password)?, account))
    };
    add("tester", user("conformance", account("tester", Rights::ALL)?)?)?;
    add("second", user(SECOND, account("second", Rights::ALL)?)?)?;
    let guarded = user("conformance", account("guarded", Rights::ALL)?)?;
    add("guarded", guarded.transport(Transport::TlsOnly))?;
    for name in ["anonymous", "ftp"].iter().filter(|_| setup == Some(Need::Anonymous)) {
        add(name, User::anonymous(account("public", Rights::READ_ONLY)?))?;
    }
    for host in HOSTS.iter().filter(|_| setup == Some(Need::Hosts)) {
        let only = user("conformance", account(host, Rights::ALL)?)?;
        let name = format!("only-{}", host.get(..1).unwrap_or_default());
        add(&name, only.host(*host))?;
    }
    Ok(users)
}

/// The second account's password: nothing of it may be trimmed or split.
const SECOND: &str = " a:b  ü ";

/// Starts a server; a fault spoils its storage.
pub(super) async fn start(setup: Option<Need>, fault: Option<Fault>) -> Result<Server, String> {
    let folder = tempfile::tempdir().map_err(text)?;
    let sessions = if setup == Some(Need::Few) { 3 } else { 10_000 };
    let mut builder = ftp_server::Server::builder(users(folder.path(), setup, fault)?)
        .policy(policy(setup))
        .options(options(setup))
        .passive_ports(ports(setup))
        .limits(Limits::default().sessions(10_000).per_address(sessions));
    let tls = tls(setup)?;
    let homes = [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)];
    // A machine without IPv6 has no `::1` to bind: then there are no cells over IPv6.
    let homes: Vec<IpAddr> =
        homes.into_iter().filter(|home| std::net::UdpSocket::bind((*home, 0)).is_ok()).collect();
    let addresses: Vec<SocketAddr> = homes
        .iter()
        // The alternative pair of ports has the first address again.
        .chain(homes.first())
        .map(|home| SocketAddr::new(*home, 0))
        .collect();
    for address in &addresses {
        builder = builder.explicit(*address);
        if tls.is_some() {
            builder = builder.implicit(*address);
        }
    }
    if let Some(tls) = &tls {
        builder = builder.tls(Arc::clone(tls));
    }
    let server = builder.bind().await.map_err(text)?;
    let addresses = server.addresses();
    let pair = |pair: &[SocketAddr]| Some(Doors { explicit: *pair.first()?, implicit: pair.get(1).copied() });
    let doors: Vec<Doors> = addresses.chunks(if tls.is_some() { 2 } else { 1 }).filter_map(pair).collect();
    let task = tokio::spawn(server.run(std::future::pending())).abort_handle();
    Ok(Server {
        host: "localhost".to_owned(),
        v4: doors.first().copied(),
        v6: doors.get(1).copied().filter(|doors| doors.explicit.is_ipv6()),
        alternative: doors.last().copied(),
        account: Account::new("tester", "conformance"),
        second: Some(Account::new("second", SECOND)),
        _alive: Some(Box::new(Alive { task, _folder: folder })),
    })
}
