//! Inside the namespaces: a server, the clients that try everything, and what is found.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::networks::Network;
use super::topology::{addresses, build, rules};
use crate::peers;
use crate::run::root;

/// What was found out in one network about one server.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Found {
    pub(crate) network: String,
    pub(crate) server: String,
    pub(crate) tries: Vec<Try>,
    /// The causes that `diagnose` named.
    pub(crate) causes: Vec<String>,
    /// What the server's own doctor said.
    pub(crate) doctor: String,
    /// Descriptors of the server before and after.
    pub(crate) descriptors: (usize, usize),
    /// What curl and lftp came to.
    pub(crate) clients: Vec<(String, String)>,
}

/// A try of the client, as it tells it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Try {
    pub(crate) security: String,
    pub(crate) data: String,
    pub(crate) wish: String,
    pub(crate) order: String,
    pub(crate) broken: Option<(String, usize)>,
    pub(crate) outcome: serde_json::Value,
    pub(crate) reply: String,
    pub(crate) milliseconds: u64,
}

/// A program in one of the hosts.
fn at_host(host: &str, program: impl AsRef<std::ffi::OsStr>) -> Command {
    let mut command = Command::new("ip");
    command.args(["netns", "exec", host]).arg(program);
    command
}

/// The server and what it needs; it goes with the value.
struct Running {
    child: Child,
    folder: tempfile::TempDir,
    home: PathBuf,
}

impl Drop for Running {
    fn drop(&mut self) {
        // The namespace ends everything else.
        let _killed = self.child.kill();
        let _reaped = self.child.wait();
    }
}

fn binary(name: &str) -> PathBuf {
    root().join("target/release").join(name)
}

/// Our own server, with limits short enough for a lab.
fn ours(network: &Network, folder: &Path, home: &Path) -> Result<Command, String> {
    let any = if network.setup == "ipv6" { "[::]" } else { "0.0.0.0" };
    let hash = Command::new(binary("ftp-server"))
        .arg("hash-password")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn();
    let mut hash = hash.map_err(|error| error.to_string())?;
    if let Some(mut stdin) = hash.stdin.take() {
        use std::io::Write;
        stdin.write_all(b"secret\n").map_err(|error| error.to_string())?;
    }
    let hash = hash.wait_with_output().map_err(|error| error.to_string())?;
    let hash = String::from_utf8_lossy(&hash.stdout).trim().to_owned();
    let announce = if network.announced { "address = \"198.51.100.130\"\n" } else { "" };
    let text = format!(
        "[listen]\nexplicit = [\"{any}:21\"]\nimplicit = [\"{any}:990\"]\n[policy]\nplain = \"allow\"\n[tls]\nclear_data = true\n\
         [passive]\n{announce}[limits]\naccept = 3\nconnect = 3\nstall = 6\nhandshake = 6\nlogin_delay = 0.1\n[storage]\ndurability = \"none\"\n\
         [[user]]\nname = \"tester\"\npassword = \"{}\"\nhome = \"{}\"\n",
        hash.lines().last().unwrap_or_default(),
        home.display()
    );
    let file = folder.join("ftp.toml");
    fs::write(&file, text).map_err(|error| error.to_string())?;
    let mut command = at_host("s", binary("ftp-server"));
    command.args(["serve", "--config"]).arg(file).args(["--doctor"]).arg(folder.join("doctor.sock"));
    command.env("XDG_STATE_HOME", folder.join("state"));
    Ok(command)
}

/// A peer, which the suite configures and starts.
fn peer(name: &str, network: &Network, folder: &Path) -> Command {
    let any = if network.setup == "ipv6" { "[::]" } else { "0.0.0.0" };
    let mut command = peers::with_peers(at_host("s", binary("ftp-conformance")));
    command.args(["peer", name, "--folder"]).arg(folder);
    command.args(["--explicit", &format!("{any}:21"), "--implicit", &format!("{any}:990")]);
    if network.announced {
        command.args(["--announce", "198.51.100.130"]);
    }
    command
}

fn start(name: &str, network: &Network) -> Result<Running, String> {
    let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
    fs::set_permissions(folder.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755))
        .map_err(|error| error.to_string())?;
    let home = folder.path().join("tester");
    fs::create_dir_all(&home).map_err(|error| error.to_string())?;
    let mut command = if name == "ours" {
        ours(network, folder.path(), &home)?
    } else {
        peer(name, network, folder.path())
    };
    let log = fs::File::create(folder.path().join("server.log")).map_err(|error| error.to_string())?;
    let also = log.try_clone().map_err(|error| error.to_string())?;
    let child =
        command.stdin(Stdio::null()).stdout(also).stderr(log).spawn().map_err(|error| error.to_string())?;
    let running = Running { child, folder, home };
    let begun = Instant::now();
    while !at_host("s", "sh")
        .args(["-c", "ss -tln | grep -q ':21 '"])
        .status()
        .is_ok_and(|status| status.success())
    {
        if begun.elapsed() > Duration::from_secs(20) {
            let said = fs::read_to_string(running.folder.path().join("server.log")).unwrap_or_default();
            return Err(format!("{name} does not come up in {}: {said}", network.name));
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    Ok(running)
}

fn descriptors(child: &Child) -> usize {
    fs::read_dir(format!("/proc/{}/fd", child.id())).map_or(0, Iterator::count)
}

/// Descriptors of a server when it has had time to let go of what clients have left: closed connections linger for 5 s.
fn settled(child: &Child, before: usize) -> usize {
    for _ in 0..14 {
        std::thread::sleep(Duration::from_millis(500));
        if descriptors(child) <= before + 2 {
            break;
        }
    }
    descriptors(child)
}

/// The proxy that accepts and says nothing.
fn proxy() -> Result<Child, String> {
    let script = "import socket\ns=socket.create_server(('',9999),backlog=128)\nheld=[]\nwhile True: held.append(s.accept()[0])";
    at_host("cg", "python3").args(["-c", script]).spawn().map_err(|error| error.to_string())
}

/// Builds the network, runs everything in it, and prints what came of it as JSON.
pub(crate) fn inside(network: &Network, server: &str) -> Result<(), String> {
    let at = addresses(network);
    build(network, &at)?;
    rules(network, &at)?;
    let _proxy = if network.setup == "proxy" { Some(proxy()?) } else { None };
    let running = start(server, network)?;
    let target = if network.setup == "ipv6" { format!("[{}]", at.target) } else { at.target.to_owned() };
    // Another client, from another place: with it the server can tell one client's trouble from everyone's.
    for mode in ["--ftp-pasv", "--ftp-port=-"] {
        let mut other = at_host("x", "curl");
        let mode: Vec<&str> = mode.split('=').collect();
        other.args(["-sS", "--max-time", "8", "--user", &format!("tester:{}", password(server))]).args(mode);
        let _looked =
            other.arg(format!("ftp://{target}:21/")).stdout(Stdio::null()).stderr(Stdio::null()).status();
    }
    let before = descriptors(&running.child);
    let mut client = at_host("c", binary("ftp-conformance"));
    client.args(["lab-client", &format!("ftp://{target}:21"), "--user", "tester", "--password-env", "P"]);
    client.args(["--implicit-port", "990", "--root"]).arg(&running.home).env("P", password(server));
    client.args(["--deadline", "14"]);
    if !has_implicit(server) {
        client.args(["--security", "plain,explicit"]);
    }
    // Where nothing is in between, the client itself breaks transfers off.
    if network.name == "direct" {
        client.arg("--breaking");
    }
    let output = client.stderr(Stdio::inherit()).output().map_err(|error| error.to_string())?;
    let tries: Vec<Try> =
        serde_json::from_slice(&output.stdout).map_err(|error| format!("{}: {error}", network.name))?;
    let clients = real_clients(server, &target, running.folder.path());
    let causes = diagnose(network, server, &target)?;
    let after = settled(&running.child, before);
    let doctor = if server == "ours" { doctor(&running) } else { String::new() };
    let result = Found {
        network: network.name.to_owned(),
        server: server.to_owned(),
        tries,
        causes,
        doctor,
        descriptors: (before, after),
        clients,
    };
    println!("{}", serde_json::to_string(&result).map_err(|error| error.to_string())?);
    Ok(())
}

fn password(server: &str) -> &'static str {
    if server == "ours" { "secret" } else { "conformance" }
}

fn has_implicit(server: &str) -> bool {
    matches!(server, "ours" | "vsftpd" | "proftpd")
}

fn diagnose(network: &Network, server: &str, target: &str) -> Result<Vec<String>, String> {
    let mut probe = at_host("c", binary("ftp-conformance"));
    probe.args(["diagnose", &format!("ftp://tester@{target}:21"), "--password-env", "P", "--json"]);
    probe.env("P", password(server));
    if network.setup == "expiry" {
        probe.args(["--quiet-for", "7"]);
    }
    let output = probe.output().map_err(|error| error.to_string())?;
    let report: serde_json::Value = serde_json::from_slice(&output.stdout)
        .map_err(|error| format!("{}: diagnose: {error}", network.name))?;
    let findings =
        report.get("findings").and_then(|findings| findings.as_array()).cloned().unwrap_or_default();
    let cause = |finding: &serde_json::Value| finding.get("cause")?.as_str().map(str::to_owned);
    Ok(findings.iter().filter_map(cause).collect())
}

fn doctor(running: &Running) -> String {
    let output = Command::new(binary("ftp-server"))
        .args(["doctor", "--socket"])
        .arg(running.folder.path().join("doctor.sock"))
        .output();
    output
        .map_or_else(|error| error.to_string(), |output| String::from_utf8_lossy(&output.stdout).into_owned())
}

/// An upload by curl and by lftp, each in clear and in TLS: what they say, and whether a damaged file is left.
fn real_clients(server: &str, target: &str, folder: &Path) -> Vec<(String, String)> {
    let file = folder.join("upload");
    if fs::write(&file, vec![b'u'; 40_000]).is_err() {
        return Vec::new();
    }
    let (user, word) = ("tester", password(server));
    let mut clients = Vec::new();
    for tls in [false, true] {
        let profile = if tls { "explicit" } else { "plain" };
        for active in [false, true] {
            let mode = if active { "active" } else { "passive" };
            let name = format!("curl-{profile}-{mode}");
            let mut curl = at_host("c", "curl");
            curl.args(["-sS", "-k", "--max-time", "20", "--user", &format!("{user}:{word}"), "-T"])
                .arg(&file);
            if tls {
                curl.arg("--ssl-reqd");
            }
            if active {
                curl.args(["--ftp-port", "-"]);
            }
            curl.arg(format!("ftp://{target}:21/{name}"));
            clients.push((name.clone(), told(&mut curl, folder, &name)));
            let name = format!("lftp-{profile}-{mode}");
            let script = format!(
                "set net:timeout 8; set net:max-retries 1; set net:reconnect-interval-base 1; set ssl:verify-certificate no; \
                 set ftp:ssl-force {tls}; set ftp:ssl-allow {tls}; set ftp:ssl-protect-data {tls}; set ftp:passive-mode {}; \
                 open -u {user},{word} ftp://{target}:21; put {} -o {name}",
                !active,
                file.display()
            );
            clients.push((
                name.clone(),
                told(at_host("c", "timeout").args(["30", "lftp", "-c", &script]), folder, &name),
            ));
        }
    }
    clients
}

/// How a client ended, and what is on the disk.
fn told(command: &mut Command, folder: &Path, name: &str) -> String {
    let output = match command.stdin(Stdio::null()).output() {
        Ok(output) => output,
        Err(error) => return format!("could not be run: {error}"),
    };
    let said = String::from_utf8_lossy(&output.stderr).trim().replace('\n', " / ");
    let size = fs::metadata(folder.join("tester").join(name)).ok().map(|metadata| metadata.len());
    match (output.status.success(), size) {
        (true, Some(40_000)) => "good".to_owned(),
        (true, size) => format!("damaged: it reports success, and the file has {size:?} octets"),
        (false, Some(0)) => format!("damaged: an empty file is left; {said}"),
        (false, _) => format!("failed: {said}"),
    }
}
