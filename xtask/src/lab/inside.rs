//! Inside the namespaces: hosts, gateways, rules, a server, and the client that tries everything.
//!
//! ```text
//! client ── client gateway ── wan ── server gateway ── server (and a second node)
//!                              └── stranger
//! ```
//!
//! Gateways call their inner side `lan` and their outer side `wan`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::networks::{Nat, Network};
use crate::peers;
use crate::run::{root, run};

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

/// The addresses of one network.
struct Addresses {
    client: &'static str,
    client_gateway: &'static str,
    server: &'static str,
    server_gateway: &'static str,
    /// Where the client connects to.
    target: &'static str,
}

fn addresses(network: &Network) -> Addresses {
    if network.setup == "ipv6" {
        return Addresses {
            client: "2001:db8:1::2",
            client_gateway: "2001:db8:1::1",
            server: "2001:db8:4::2",
            server_gateway: "2001:db8:4::1",
            target: "2001:db8:4::2",
        };
    }
    let (client, client_gateway) = if network.client_nat == Nat::No {
        ("198.51.100.2", "198.51.100.1")
    } else {
        ("10.1.0.2", "10.1.0.1")
    };
    let (server, server_gateway) = if network.server_nat == Nat::No {
        ("198.51.100.194", "198.51.100.193")
    } else {
        ("10.2.0.2", "10.2.0.1")
    };
    let target = if network.server_nat == Nat::No { server } else { "198.51.100.130" };
    Addresses { client, client_gateway, server, server_gateway, target }
}

fn shell(script: &str) -> Result<(), String> {
    run(Command::new("sh").args(["-euc", script]))
}

/// Hosts, links, addresses and routes.
fn build(network: &Network, at: &Addresses) -> Result<(), String> {
    let v6 = network.setup == "ipv6";
    let (wide, lan) = if v6 { ("/64", "/64") } else { ("/28", "/28") };
    let (client_wan, wan_client, server_wan, wan_server, stranger, wan_stranger) = if v6 {
        ("2001:db8:2::2", "2001:db8:2::1", "2001:db8:3::2", "2001:db8:3::1", "2001:db8:5::2", "2001:db8:5::1")
    } else {
        ("198.51.100.66", "198.51.100.65", "198.51.100.130", "198.51.100.129", "203.0.113.2", "203.0.113.1")
    };
    let mut script = String::from(
        "mount -t tmpfs none /run\nfor host in c cg w sg s n x; do ip netns add $host; ip -n $host link set lo up; done\n\
         link() { ip link add $2 netns $1 type veth peer name $4 netns $3; ip -n $1 link set $2 up; ip -n $3 link set $4 up; }\n\
         link c eth0 cg lan\nlink cg wan w client\nlink w server sg wan\nlink sg lan s eth0\nlink w stranger x eth0\nlink sg node n eth0\n\
         for host in cg w sg; do ip netns exec $host sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1; done\n",
    );
    let nodad = if v6 { " nodad" } else { "" };
    for (host, link, address, width) in [
        ("c", "eth0", at.client, lan),
        ("cg", "lan", at.client_gateway, lan),
        ("cg", "wan", client_wan, wide),
        ("w", "client", wan_client, wide),
        ("w", "server", wan_server, wide),
        ("sg", "wan", server_wan, wide),
        ("sg", "lan", at.server_gateway, lan),
        ("s", "eth0", at.server, lan),
        ("w", "stranger", wan_stranger, wide),
        ("x", "eth0", stranger, wide),
    ] {
        script += &format!("ip -n {host} addr add {address}{width} dev {link}{nodad}\n");
    }
    for (host, gateway) in [
        ("c", at.client_gateway),
        ("cg", wan_client),
        ("sg", wan_server),
        ("s", at.server_gateway),
        ("x", wan_stranger),
    ] {
        script += &format!("ip -n {host} route add default via {gateway}\n");
    }
    let net = |address: &str| {
        if v6 {
            format!("{}::/64", address.trim_end_matches("::1"))
        } else {
            format!("{}/28", network_of(address))
        }
    };
    script += &format!("ip -n w route add {} via {client_wan}\n", net(at.client_gateway));
    script += &format!("ip -n w route add {} via {server_wan}\n", net(at.server_gateway));
    script += "ip -n sg addr add 10.3.0.1/28 dev node\nip -n n addr add 10.3.0.2/28 dev eth0\nip -n n route add default via 10.3.0.1\n";
    shell(&script)
}

/// The first address of a /28.
fn network_of(address: &str) -> String {
    let (head, last) = address.rsplit_once('.').unwrap_or((address, "0"));
    let last: u8 = last.parse().unwrap_or(0);
    format!("{head}.{}", last & 0xf0)
}

/// Rules of both gateways, and what else makes this network.
fn rules(network: &Network, at: &Addresses) -> Result<(), String> {
    let chain = |rules: &str| {
        format!(
            "table inet filter {{\n  chain forward {{\n    type filter hook forward priority 0;\n    {rules}\n  }}\n}}\n"
        )
    };
    let helper = "table ip helper {\n  ct helper ftp {\n    type \"ftp\" protocol tcp;\n  }\n  chain prerouting {\n    \
                  type filter hook prerouting priority -150;\n    tcp dport 21 ct helper set \"ftp\"\n  }\n}\n";
    let (mut client, mut server) = (chain(network.client_rules), chain(network.server_rules));
    if network.client_nat != Nat::No {
        let rule = if network.setup == "pool" {
            "oifname \"wan\" tcp dport { 21, 990, 3021, 3990 } snat to 198.51.100.66\n    oifname \"wan\" snat to 198.51.100.67"
        } else {
            "oifname \"wan\" masquerade"
        };
        client += &format!(
            "table ip nat {{\n  chain postrouting {{\n    type nat hook postrouting priority 100;\n    {rule}\n  }}\n}}\n"
        );
    }
    if network.server_nat != Nat::No {
        let (home, data) = (at.server, "40000-50000");
        let forward = match network.setup {
            "control-only" => String::new(),
            "wrong-range" => format!("iifname \"wan\" tcp dport 30000-39999 dnat to {home}"),
            "balancer" => format!(
                "iifname \"wan\" tcp dport {data} dnat to numgen inc mod 2 map {{ 0 : {home}, 1 : 10.3.0.2 }}"
            ),
            _ => format!("iifname \"wan\" tcp dport {data} dnat to {home}"),
        };
        server += &format!(
            "table ip nat {{\n  chain prerouting {{\n    type nat hook prerouting priority -100;\n    \
             iifname \"wan\" tcp dport {{ 21, 990, 3021, 3990 }} dnat to {home}\n    {forward}\n  }}\n  chain postrouting {{\n    \
             type nat hook postrouting priority 100;\n    oifname \"wan\" masquerade\n  }}\n}}\n"
        );
    }
    if network.client_nat == Nat::Helper {
        client += helper;
    }
    if network.server_nat == Nat::Helper {
        server += helper;
    }
    if network.setup == "proxy" {
        client += "table ip proxy {\n  chain prerouting {\n    type nat hook prerouting priority -100;\n    \
                   iifname \"lan\" tcp dport 40000-50000 redirect to :9999\n  }\n}\n";
    }
    for (host, rules) in [("cg", &client), ("sg", &server)] {
        let file = format!("/run/{host}.nft");
        fs::write(&file, rules).map_err(|error| error.to_string())?;
        shell(&format!("ip netns exec {host} nft -f {file}"))?;
    }
    shell(match network.setup {
        "pool" => "ip -n cg addr add 198.51.100.67/28 dev wan",
        "pmtu" => {
            "ip -n w link set server mtu 1300; ip -n sg link set wan mtu 1300\n\
             for host in w sg; do printf 'table ip quiet {\\n chain output {\\n type filter hook output priority 0;\\n icmp type destination-unreachable drop\\n }\\n}\\n' | ip netns exec $host nft -f -; done"
        }
        "expiry" => {
            "ip netns exec cg sysctl -qw net.netfilter.nf_conntrack_tcp_timeout_established=4 net.netfilter.nf_conntrack_tcp_loose=0"
        }
        _ => "true",
    })
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
         [passive]\n{announce}[limits]\naccept = 3\nconnect = 3\nstall = 4\nhandshake = 4\nlogin_delay = 0.1\n[storage]\ndurability = \"none\"\n\
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

/// The proxy that accepts and says nothing.
fn proxy() -> Result<Child, String> {
    let script = "import socket\ns=socket.create_server(('',9999),backlog=128)\nheld=[]\nwhile True: held.append(s.accept()[0])";
    at_host("cg", "python3").args(["-c", script]).spawn().map_err(|error| error.to_string())
}

/// Builds the network, runs everything in it, and prints what came of it as JSON.
pub(crate) fn inside(network: &Network, server: &str, breaking: bool) -> Result<(), String> {
    let at = addresses(network);
    build(network, &at)?;
    rules(network, &at)?;
    let _proxy = if network.setup == "proxy" { Some(proxy()?) } else { None };
    let running = start(server, network)?;
    let target = if network.setup == "ipv6" { format!("[{}]", at.target) } else { at.target.to_owned() };
    let before = descriptors(&running.child);
    let mut client = at_host("c", binary("ftp-conformance"));
    client.args(["lab-client", &format!("ftp://{target}:21"), "--user", "tester", "--password-env", "P"]);
    client.args(["--implicit-port", "990", "--root"]).arg(&running.home).env("P", password(server));
    let deadline = if server == "ours" { "12" } else { "25" };
    client.args(["--deadline", deadline]);
    if !has_implicit(server) {
        client.args(["--security", "plain,explicit"]);
    }
    if breaking {
        client.arg("--breaking");
    }
    let output = client.stderr(Stdio::inherit()).output().map_err(|error| error.to_string())?;
    let tries: Vec<Try> =
        serde_json::from_slice(&output.stdout).map_err(|error| format!("{}: {error}", network.name))?;
    let clients = real_clients(server, &target, running.folder.path());
    let causes = diagnose(network, server, &target)?;
    std::thread::sleep(Duration::from_secs(1));
    let after = descriptors(&running.child);
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
