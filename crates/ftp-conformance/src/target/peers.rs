//! Other servers, started with a configuration written for the suite: vsftpd, ProFTPD, Pure-FTPd, pyftpdlib, unFTP.
//!
//! Their programs are looked for in PATH. The C servers want to be root, because they give the files of each account to
//! a user of the system; as root, all but unFTP serve files as `nobody`. They run in a process namespace of their own that
//! ends with the value, so that no session outlives it.

use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::case::Need;
use crate::target::{Account, Doors, Missing, Server, fixtures, text};

mod config;

/// A peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Product {
    /// vsftpd, a process a session.
    Vsftpd,
    /// ProFTPD, a process a session.
    Proftpd,
    /// Pure-FTPd, a process a session.
    PureFtpd,
    /// pyftpdlib, an event loop in Python.
    Pyftpdlib,
    /// unFTP, on tokio.
    Unftp,
}

impl Product {
    /// Every peer.
    pub const ALL: [Product; 5] = [Self::Vsftpd, Self::Proftpd, Self::PureFtpd, Self::Pyftpdlib, Self::Unftp];

    /// Its name on the command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Vsftpd => "vsftpd",
            Self::Proftpd => "proftpd",
            Self::PureFtpd => "pure-ftpd",
            Self::Pyftpdlib => "pyftpdlib",
            Self::Unftp => "unftp",
        }
    }
}

impl std::fmt::Display for Product {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.pad(self.name())
    }
}

impl std::str::FromStr for Product {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|product| product.name() == text);
        found.ok_or_else(|| {
            format!("{text:?} is no peer: expected vsftpd, proftpd, pure-ftpd, pyftpdlib or unftp")
        })
    }
}

/// Whether a listener speaks TLS from the first octet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Start {
    Clear,
    Tls,
}

/// One listener of a peer.
#[derive(Debug, Clone, Copy)]
struct Listener {
    address: SocketAddr,
    start: Start,
}

/// What every configuration is written from.
struct Site<'a> {
    folder: &'a Path,
    accounts: &'a [Account],
    /// `strict`: no logins in clear.
    setup: Option<Need>,
    /// What PASV announces.
    announced: Option<Ipv4Addr>,
    patience: Patience,
}

/// How long a peer waits for data connections and for data on them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Patience {
    /// As it comes.
    Own,
    /// A few seconds, where that can be configured: a lab in which data connections fail has to end.
    Short,
}

impl Site<'_> {
    fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    fn shown(&self, name: &str) -> String {
        self.path(name).display().to_string()
    }

    fn write(&self, name: &str, text: &str) -> Result<(), String> {
        fs::write(self.path(name), text).map_err(|error| format!("{}: {error}", self.shown(name)))
    }

    fn is_strict(&self) -> bool {
        self.setup == Some(Need::Strict)
    }
}

/// The user and group that files of accounts belong to: `nobody`, if this process may become it.
const NOBODY: u32 = 65_534;

fn is_root() -> bool {
    fs::metadata("/proc/self").is_ok_and(|own| std::os::unix::fs::MetadataExt::uid(&own) == 0)
}

/// Where a program is in PATH.
fn find(program: &str) -> Result<PathBuf, String> {
    let paths = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&paths).map(|folder| folder.join(program)).find(|path| path.is_file());
    found.ok_or_else(|| format!("{program} is not in PATH; `cargo xtask scoreboard` fetches the peers"))
}

/// The processes of a peer; they go with the value.
struct Processes {
    children: Vec<Child>,
    _folder: TempDir,
}

impl Drop for Processes {
    fn drop(&mut self) {
        for child in &mut self.children {
            // It may be gone already; the kernel ends what runs in its namespace.
            let _killed = child.kill();
            let _reaped = child.wait();
        }
    }
}

fn free_port(home: IpAddr) -> Result<u16, String> {
    let listener = TcpListener::bind((home, 0)).map_err(text)?;
    listener.local_addr().map(|address| address.port()).map_err(text)
}

/// A command in namespaces of its own, if this process may make them: what it forks ends with it.
fn enclosed(script: &str) -> Command {
    if is_root() {
        let mut command = Command::new("unshare");
        command.args(["--mount", "--pid", "--fork", "--kill-child", "sh", "-c"]);
        // The shell stays as the first process: some servers cannot be that, because orphans come to it.
        command.arg(format!("{script}; true"));
        return command;
    }
    let mut command = Command::new("sh");
    command.args(["-c", &format!("exec {script}")]);
    command
}

fn spawn(site: &Site<'_>, index: usize, script: &str) -> Result<Child, String> {
    let log = fs::File::create(site.path(&format!("log-{index}"))).map_err(text)?;
    let also = log.try_clone().map_err(text)?;
    let mut command = enclosed(script);
    command.stdin(Stdio::null()).stdout(also).stderr(log).current_dir(site.folder).spawn().map_err(text)
}

fn await_listener(site: &Site<'_>, address: SocketAddr, child: &mut Child) -> Result<(), String> {
    let begun = Instant::now();
    while TcpStream::connect(address).is_err() {
        let gone = child.try_wait().ok().flatten().is_some();
        if gone || begun.elapsed() > Duration::from_secs(20) {
            let said: Vec<String> = (0..4)
                .filter_map(|index| fs::read_to_string(site.path(&format!("log-{index}"))).ok())
                .filter(|said| !said.is_empty())
                .collect();
            return Err(format!("nothing listens at {address}; it said: {}", said.join(" / ")));
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    Ok(())
}

/// The roots of the accounts, the certificate.
fn furnish(site: &Site<'_>) -> Result<(), String> {
    for account in site.accounts {
        let root = site.path(&account.user);
        fs::create_dir_all(&root).map_err(text)?;
        fixtures::prepare(&root).map_err(text)?;
        if is_root() {
            std::os::unix::fs::chown(&root, Some(NOBODY), Some(NOBODY)).map_err(text)?;
        }
    }
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).map_err(text)?;
    site.write("tls.pem", &format!("{}{}", made.signing_key.serialize_pem(), made.cert.pem()))?;
    // Whoever serves as `nobody` has to get to the roots.
    let open = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    fs::set_permissions(site.folder, open).map_err(text)
}

/// Where a product listens: each that can do implicit TLS has a second port in each version of IP.
fn listeners(product: Product) -> Result<Vec<Listener>, String> {
    let homes = [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)];
    let starts: &[Start] =
        if can_begin_in_tls(product) { &[Start::Clear, Start::Tls] } else { &[Start::Clear] };
    let mut listeners = Vec::new();
    for home in homes {
        for start in starts {
            listeners.push(Listener { address: SocketAddr::new(home, free_port(home)?), start: *start });
        }
    }
    Ok(listeners)
}

/// Starts a peer; it is ready when this returns.
///
/// # Errors
/// [`Missing::Setup`] if there is no configuration for that set-up.
pub(super) async fn start(product: Product, setup: Option<Need>) -> Result<Server, Missing> {
    if let Some(other) = setup.filter(|setup| *setup != Need::Strict) {
        return Err(Missing::Setup(other));
    }
    let started = tokio::task::spawn_blocking(move || start_blocking(product, setup));
    started.await.map_err(|error| Missing::Broken(error.to_string()))?.map_err(Missing::Broken)
}

/// Where a peer is to listen that serves until it is killed.
#[derive(Debug, Clone)]
pub struct Stand {
    /// Plain FTP and explicit FTPS.
    pub explicit: SocketAddr,
    /// Implicit FTPS, for those that can.
    pub implicit: SocketAddr,
    /// What PASV announces.
    pub announced: Option<Ipv4Addr>,
    /// The folder of its files; the account `tester` has the folder of that name in it.
    pub folder: PathBuf,
}

/// Starts a peer and waits until it ends.
///
/// # Errors
/// If it does not start.
pub fn serve(product: Product, stand: &Stand) -> Result<(), String> {
    let accounts = [Account::new("tester", "conformance"), Account::new("second", "other-word")];
    let site = Site {
        folder: &stand.folder,
        accounts: &accounts,
        setup: None,
        announced: stand.announced,
        patience: Patience::Short,
    };
    furnish(&site)?;
    let mut listeners = vec![Listener { address: stand.explicit, start: Start::Clear }];
    if can_begin_in_tls(product) {
        listeners.push(Listener { address: stand.implicit, start: Start::Tls });
    }
    let scripts = config::scripts(product, &site, &listeners)?;
    let children: Result<Vec<Child>, String> =
        scripts.iter().enumerate().map(|(index, script)| spawn(&site, index, script)).collect();
    for mut child in children? {
        let status = child.wait().map_err(text)?;
        if !status.success() {
            return Err(format!("{product} has ended: {status}"));
        }
    }
    Ok(())
}

fn can_begin_in_tls(product: Product) -> bool {
    matches!(product, Product::Vsftpd | Product::Proftpd)
}

fn start_blocking(product: Product, setup: Option<Need>) -> Result<Server, String> {
    let folder = tempfile::tempdir().map_err(text)?;
    let accounts = [Account::new("tester", "conformance"), Account::new("second", "other-word")];
    let site =
        Site { folder: folder.path(), accounts: &accounts, setup, announced: None, patience: Patience::Own };
    furnish(&site)?;
    let listeners = listeners(product)?;
    let scripts = config::scripts(product, &site, &listeners)?;
    let mut children = Vec::new();
    for (index, script) in scripts.iter().enumerate() {
        children.push(spawn(&site, index, script)?);
    }
    for (index, listener) in listeners.iter().enumerate() {
        let child = if children.len() == 1 { 0 } else { index };
        if let Some(child) = children.get_mut(child) {
            await_listener(&site, listener.address, child)?;
        }
    }
    let doors = |family: fn(&IpAddr) -> bool| {
        let own = |start: Start| {
            let found =
                listeners.iter().find(|listener| listener.start == start && family(&listener.address.ip()));
            found.map(|listener| listener.address)
        };
        own(Start::Clear).map(|explicit| Doors { explicit, implicit: own(Start::Tls) })
    };
    let [account, second] = accounts;
    Ok(Server {
        host: "localhost".to_owned(),
        v4: doors(IpAddr::is_ipv4),
        v6: doors(IpAddr::is_ipv6),
        alternative: None,
        account,
        second: Some(second),
        _alive: Some(Box::new(Processes { children, _folder: folder })),
    })
}
