//! `cargo xtask lab`: the networks in which FTP fails, built from namespaces without root, and what a server does in each.
//!
//! Each network runs in namespaces of its own, several at once. Asserted of our own server, per try: exactly one final
//! reply within its deadline, which explains itself; nothing damaged on the disk; the session goes on; descriptors come
//! back. `diagnose` and the server's doctor have to name the cause. A peer is measured, not judged.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use crate::peers;
use crate::run::{command, need_programs, run};

mod inside;
mod networks;
mod topology;

use inside::{Found, Try};
use networks::{NETWORKS, Network};

const SERVERS: [&str; 5] = ["ours", "vsftpd", "proftpd", "pure-ftpd", "pyftpdlib"];
/// What the ordinary CI runs: one network of each kind.
const SMOKE: [&str; 5] = ["direct", "client-nat", "control-only-drop", "half-range", "nat-pool"];

/// What is run.
#[derive(Debug, Default, clap::Args)]
pub(crate) struct Args {
    /// Networks; all without one
    networks: Vec<String>,
    /// Servers beside each other
    #[arg(long, value_delimiter = ',', default_value = "ours", value_parser = SERVERS)]
    server: Vec<String>,
    /// Networks at once
    #[arg(long, default_value_t = 6)]
    jobs: usize,
    /// json=FILE or markdown=FILE; repeatable
    #[arg(long, value_name = "KIND=FILE")]
    report: Vec<String>,
}

/// What runs inside the namespaces.
#[derive(Debug, clap::Args)]
pub(crate) struct InsideArgs {
    network: String,
    server: String,
}

fn network(name: &str) -> Result<&'static Network, String> {
    NETWORKS.iter().find(|network| network.name == name).ok_or_else(|| {
        let names: Vec<&str> = NETWORKS.iter().map(|network| network.name).collect();
        format!("{name:?} is no network: expected one of {}", names.join(" "))
    })
}

/// The part that runs in the namespaces.
pub(crate) fn inside(args: &InsideArgs) -> Result<(), String> {
    inside::inside(network(&args.network)?, &args.server)
}

/// Runs this program in namespaces of its own.
fn enclosed(network: &str, server: &str) -> Result<Found, String> {
    let own = std::env::current_exe().map_err(|error| error.to_string())?;
    let mut command = Command::new("unshare");
    // A user namespace makes an ordinary user root of its own network; the peers need the users of the system.
    let user: &[&str] = if server == "ours" { &["--user", "--map-root-user"] } else { &[] };
    command.args(user).args(["--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]);
    command.arg(own).args(["lab-inside", network, server]);
    let output = command
        .stdin(Stdio::null())
        .stderr(Stdio::piped())
        .output()
        .map_err(|error| format!("unshare: {error}"))?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let last = text.lines().last().unwrap_or_default();
    serde_json::from_str(last).map_err(|error| {
        let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        format!("{network} with {server}: {error}; {said}")
    })
}

/// Runs the chosen networks.
pub(crate) fn lab(args: &Args) -> Result<(), String> {
    let chosen = if args.networks.is_empty() {
        NETWORKS.iter().collect::<Vec<_>>()
    } else {
        args.networks.iter().map(|name| network(name)).collect::<Result<Vec<_>, _>>()?
    };
    need_programs(&[
        ("ip", "iproute2"),
        ("nft", "nftables"),
        ("curl", "curl"),
        ("lftp", "lftp"),
        ("python3", "python3"),
    ])?;
    if args.server.iter().any(|server| server != "ours") {
        peers::fetch()?;
    }
    run(&mut command(
        "cargo",
        &["build", "--release", "--quiet", "-p", "ftp-server", "-p", "ftp-conformance"],
    ))?;
    let begun = Instant::now();
    let mut tasks: Vec<(&'static Network, &str)> = chosen
        .iter()
        .flat_map(|network| args.server.iter().map(move |server| (*network, server.as_str())))
        .collect();
    tasks.reverse();
    let done = run_all(tasks, args.jobs);
    let mut complaints = Vec::new();
    let mut found = Vec::new();
    for (network, server, result) in done {
        match result {
            Ok(result) => {
                if server == "ours" {
                    complaints.extend(judge(network, &result));
                }
                found.push((network, result));
            }
            Err(error) => complaints.push(error),
        }
    }
    let table = table(&found);
    println!("{table}\n{} networks in {:.0} s", chosen.len(), begun.elapsed().as_secs_f64());
    write_reports(&args.report, &table, &found)?;
    if complaints.is_empty() { Ok(()) } else { Err(complaints.join("\n")) }
}

/// One network, one server, and what came of it.
type Outcome<'a> = (&'static Network, &'a str, Result<Found, String>);

/// Runs the last task first, several at once; what came of them is in the order of the table.
fn run_all<'a>(tasks: Vec<(&'static Network, &'a str)>, jobs: usize) -> Vec<Outcome<'a>> {
    let (queue, done) = (Mutex::new(tasks), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..jobs.max(1) {
            scope.spawn(|| {
                loop {
                    let next = queue.lock().unwrap_or_else(PoisonError::into_inner).pop();
                    let Some((network, server)) = next else { return };
                    let begun = Instant::now();
                    let found = enclosed(network.name, server);
                    let how = if found.is_ok() { "done" } else { "could not be run" };
                    println!("{} {server}: {how}, {:.0} s", network.name, begun.elapsed().as_secs_f64());
                    done.lock().unwrap_or_else(PoisonError::into_inner).push((network, server, found));
                }
            });
        }
    });
    let mut done = done.into_inner().unwrap_or_else(PoisonError::into_inner);
    done.sort_by_key(|(network, server, _)| {
        (NETWORKS.iter().position(|other| other.name == network.name), server.to_owned())
    });
    done
}

/// The networks of the ordinary CI.
pub(crate) fn smoke() -> Result<(), String> {
    lab(&Args {
        networks: SMOKE.map(str::to_owned).to_vec(),
        server: vec!["ours".to_owned()],
        jobs: 5,
        report: Vec::new(),
    })
}

fn write_reports(reports: &[String], table: &str, found: &[(&Network, Found)]) -> Result<(), String> {
    for report in reports {
        let (kind, file) = report
            .split_once('=')
            .ok_or_else(|| format!("{report:?}: expected json=FILE or markdown=FILE"))?;
        let text = match kind {
            "markdown" => table.to_owned(),
            "json" => {
                let all: Vec<&Found> = found.iter().map(|(_, found)| found).collect();
                serde_json::to_string_pretty(&all).map_err(|error| error.to_string())?
            }
            _ => return Err(format!("{kind:?}: expected json or markdown")),
        };
        std::fs::write(PathBuf::from(file), text).map_err(|error| format!("{file}: {error}"))?;
    }
    Ok(())
}

/// The word for an outcome.
fn word(attempt: &Try) -> String {
    match &attempt.outcome {
        serde_json::Value::String(word) => word.clone(),
        serde_json::Value::Object(map) => map.keys().next().cloned().unwrap_or_default(),
        _ => String::new(),
    }
}

fn shown(attempt: &Try) -> String {
    let Try { security, data, wish, order, broken, outcome, reply, milliseconds } = attempt;
    let broken = broken.as_ref().map(|(how, at)| format!(", {how} at {at}")).unwrap_or_default();
    format!("{security} {data} {wish} {order}{broken}: {outcome}, {milliseconds} ms, {reply}")
}

/// Words of which a failing reply has to have one: it says what was in the way.
const REASONS: [&str; 15] = [
    "firewall",
    "NAT",
    "Active mode",
    "address",
    "drops the data",
    "aborted",
    "broke",
    "handshake",
    "moved",
    "EPSV",
    "TLS",
    "closed before",
    "ended after",
    "(the client is gone)",
    "announced",
];

/// What our own server did not do as promised.
fn judge(network: &Network, found: &Found) -> Vec<String> {
    let mut wrong = Vec::new();
    for attempt in &found.tries {
        let bad = !matches!(word(attempt).as_str(), "good" | "clean");
        let mute = word(attempt) == "clean" && !REASONS.iter().any(|reason| attempt.reply.contains(reason));
        // In this network the control connection is what dies.
        let excused = network.setup == "expiry" && word(attempt) != "damaged"
            // 226 says that the server has sent everything; that it arrives is seen by the client alone.
            || matches!(network.name, "payload-dropped" | "pmtu") && word(attempt) == "undelivered";
        if (bad || mute) && !excused {
            wrong.push(format!("{}: {}", network.name, shown(attempt)));
        }
    }
    for (client, outcome) in &found.clients {
        if outcome.starts_with("damaged") {
            wrong.push(format!("{}: {client}: {outcome}", network.name));
        }
    }
    if !is_named(network, found) {
        wrong.push(format!(
            "{}: diagnose found {:?}, expected {:?} and {:?}",
            network.name, found.causes, network.verdict, network.also
        ));
    }
    if !found.doctor.contains(network.doctor) {
        wrong.push(format!(
            "{}: the doctor does not say {:?}: {}",
            network.name, network.doctor, found.doctor
        ));
    }
    // One for the doctor's question, and what the runtime opens on demand.
    if found.descriptors.1 > found.descriptors.0 + 2 {
        wrong.push(format!("{}: descriptors {:?} before and after", network.name, found.descriptors));
    }
    wrong
}

/// Whether `diagnose` found the cause.
fn is_named(network: &Network, found: &Found) -> bool {
    let first = found.causes.first().map(String::as_str).unwrap_or_default();
    network.verdict.contains(&first)
        && network.also.iter().all(|also| found.causes.iter().any(|cause| cause == also))
}

/// One row a network and server.
fn table(found: &[(&Network, Found)]) -> String {
    let mut out = String::from(
        "| network | server | good | clean | damaged | silent | undelivered | other | slowest failure | diagnose |\n|---|---|---|---|---|---|---|---|---|---|\n",
    );
    for (network, found) in found {
        let mut counts: BTreeMap<String, usize> = BTreeMap::new();
        found.tries.iter().for_each(|attempt| *counts.entry(word(attempt)).or_default() += 1);
        let count = |word: &str| counts.get(word).copied().unwrap_or(0);
        let known = ["good", "clean", "damaged", "silent", "undelivered"];
        let other: usize =
            counts.iter().filter(|(word, _)| !known.contains(&word.as_str())).map(|(_, count)| count).sum();
        let slowest = found
            .tries
            .iter()
            .filter(|attempt| word(attempt) != "good")
            .map(|attempt| attempt.milliseconds)
            .max();
        let damaged = count("damaged")
            + found.clients.iter().filter(|(_, outcome)| outcome.starts_with("damaged")).count();
        let named = if is_named(network, found) { "ok" } else { "WRONG" };
        let _infallible = writeln!(
            out,
            "| {} | {} | {} | {} | {damaged} | {} | {} | {other} | {:.1} s | {named}: {} |",
            network.name,
            found.server,
            count("good"),
            count("clean"),
            count("silent"),
            count("undelivered"),
            slowest.unwrap_or(0) as f64 / 1000.0,
            found.causes.join(" ")
        );
    }
    out.push('\n');
    for network in NETWORKS.iter().filter(|network| found.iter().any(|(other, _)| other.name == network.name))
    {
        let _infallible = writeln!(out, "- {}: {}", network.name, network.what);
    }
    out
}
