//! `cargo xtask bench`: this server, its peers and the bound, one after the other in every round of one run, so that a
//! machine that is slow for a while is slow for all; medians, as ratios to the bound and to the best peer.

use std::collections::BTreeMap;
use std::process::{Command, Stdio};
use std::time::Instant;

use serde::Deserialize;

use crate::peers;
use crate::run::{command, root, run};

mod growth;
mod report;
mod rows;
mod servers;

use rows::{ROWS, Row};
use servers::Running;

/// Who can be measured besides this server.
const PEERS: [&str; 5] = ["vsftpd", "proftpd", "pure-ftpd", "pyftpdlib", "unftp"];
/// Where the tables go.
const FILE: &str = "crates/ftp-conformance/BENCHMARKS.md";

/// What is run.
#[derive(Debug, Default, clap::Args)]
pub(crate) struct Args {
    /// A few rows for a moment, without peers; nothing is written
    #[arg(long)]
    quick: bool,
    /// Beside whom; unftp is built first, which takes a few minutes
    #[arg(long, value_delimiter = ',', value_parser = PEERS, default_value = "vsftpd,proftpd,pure-ftpd,pyftpdlib")]
    peers: Vec<String>,
    /// Only rows of these cases; the tables are printed and not written
    #[arg(long, value_name = "CASE")]
    case: Vec<String>,
    /// Rounds; the median counts
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Seconds a measurement
    #[arg(long, default_value_t = 2.0)]
    duration: f64,
}

/// What the generator found; the fields that are used here.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Figures {
    units: u64,
    octets: u64,
    seconds: f64,
    latency: Latency,
    cpu: Option<f64>,
    memory: Option<f64>,
    failed: u64,
}

#[derive(Debug, Clone, Deserialize)]
struct Latency {
    p50: f64,
    p99: f64,
}

/// A figure that rows are compared by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Figure {
    /// Millions of octets a second.
    Throughput,
    /// Units a second.
    Rate,
    /// Seconds of processor time for 2^30 octets.
    CpuPerGib,
    /// Milliseconds of processor time for a unit.
    CpuPerUnit,
    /// Milliseconds, the median.
    Median,
    /// Milliseconds, the second slowest of a hundred.
    P99,
    /// KiB of memory: a session, or by which the server grew.
    Memory,
}

impl Figure {
    fn of(self, figures: &Figures) -> Option<f64> {
        Some(match self {
            Self::Throughput => figures.octets as f64 / figures.seconds / 1e6,
            Self::Rate => figures.units as f64 / figures.seconds,
            Self::CpuPerGib => figures.cpu? / (figures.octets as f64 / f64::from(1 << 30)),
            Self::CpuPerUnit => figures.cpu? * 1000.0 / figures.units as f64,
            Self::Median => figures.latency.p50,
            Self::P99 => figures.latency.p99,
            Self::Memory => figures.memory? / 1024.0,
        })
    }
}

/// One measurement.
pub(crate) struct Shot<'a> {
    pub(crate) case: &'a str,
    pub(crate) security: &'a str,
    pub(crate) streams: usize,
    pub(crate) count: usize,
    pub(crate) duration: f64,
    pub(crate) path: Option<&'a str>,
}

/// Octets of a large file.
const LARGE: usize = 128 << 20;

/// Runs the generator against a server.
pub(crate) fn shoot(server: &Running, shot: &Shot<'_>) -> Result<Figures, String> {
    let file = server.folder.path().join("figures.json");
    let mut generator = Command::new(root().join("target/release/ftp-conformance"));
    generator.args([
        "bench",
        "--user",
        "tester",
        "--password-env",
        "FTP_BENCH_PASSWORD",
        "--case",
        shot.case,
    ]);
    generator.env("FTP_BENCH_PASSWORD", "conformance");
    generator.args(["--target", &format!("ftp://{}", server.address), "--security", shot.security]);
    generator.args(["--streams", &shot.streams.to_string(), "--size", &LARGE.to_string()]);
    generator.args(["--count", &shot.count.to_string(), "--duration", &shot.duration.to_string()]);
    generator.args(["--server-pid", &server.child.id().to_string()]);
    generator.arg("--report").arg(format!("json={}", file.display()));
    if let Some(path) = shot.path {
        generator.args(["--path", path]);
    }
    let output = generator.stderr(Stdio::null()).output().map_err(|error| error.to_string())?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let text = std::fs::read_to_string(&file).map_err(|error| error.to_string())?;
    let figures: Vec<Figures> = serde_json::from_str(&text).map_err(|error| error.to_string())?;
    let figures = figures.into_iter().next().filter(|figures| figures.failed * 20 <= figures.units);
    figures.ok_or_else(|| said.lines().last().unwrap_or("the generator said nothing").to_owned())
}

fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied()
}

/// Medians by row, server and figure; and what could not be measured.
pub(crate) struct Measured {
    pub(crate) servers: Vec<String>,
    values: BTreeMap<(usize, String, Figure), f64>,
    pub(crate) missing: BTreeMap<String, String>,
}

impl Measured {
    pub(crate) fn value(&self, row: usize, server: &str, figure: Figure) -> Option<f64> {
        self.values.get(&(row, server.to_owned(), figure)).copied()
    }
}

fn measure(args: &Args, rows: &[(usize, &Row)], running: &[Running]) -> Measured {
    let mut all: BTreeMap<(usize, String, Figure), Vec<f64>> = BTreeMap::new();
    let mut missing = BTreeMap::new();
    for round in 0..args.rounds {
        // What sessions hold hardly varies, and ten thousand of them take a while: once is enough.
        for (index, row) in rows.iter().filter(|(_, row)| round == 0 || row.case != "idle") {
            for server in running {
                // Peers that start a process for each session are not asked for thousands.
                let count =
                    if row.case == "idle" && server.is_peer() { row.count.min(150) } else { row.count };
                let shot = Shot {
                    case: row.case,
                    security: row.security,
                    streams: row.streams,
                    count,
                    duration: args.duration,
                    path: row.path,
                };
                // Memory that earlier cases have taken would hide what sessions take.
                let fresh = (row.case == "idle").then(|| servers::start(&server.name)).transpose();
                let shoot = |shot| fresh.and_then(|fresh| shoot(fresh.as_ref().unwrap_or(server), shot));
                match shoot(&shot) {
                    Ok(figures) => {
                        for figure in row.figures() {
                            if let Some(value) = figure.of(&figures) {
                                all.entry((*index, server.name.clone(), figure)).or_default().push(value);
                            }
                        }
                    }
                    Err(why) => {
                        missing.insert(format!("{} with {}", row.name(), server.name), why);
                    }
                }
            }
            println!("round {} of {}: {}", round + 1, args.rounds, row.name());
        }
    }
    let values = all.into_iter().filter_map(|(key, values)| Some((key, median(values)?))).collect();
    let servers = running.iter().map(|server| server.name.clone()).collect();
    Measured { servers, values, missing }
}

/// Runs the benchmark.
pub(crate) fn bench(args: &Args) -> Result<(), String> {
    let build = ["build", "--release", "--quiet", "-p", "ftp-server", "-p", "ftp-conformance"];
    run(&mut command("cargo", &build))?;
    let quick = Args { quick: true, rounds: 1, duration: 0.2, ..Args::default() };
    let args = if args.quick { &quick } else { args };
    if !args.peers.is_empty() {
        peers::fetch()?;
    }
    if args.peers.iter().any(|peer| peer == "unftp") {
        peers::build_unftp()?;
    }
    let wanted = |row: &Row| {
        if args.quick {
            return row.streams == 1 && row.count <= 2000;
        }
        args.case.is_empty() || args.case.iter().any(|case| case == row.case)
    };
    let rows: Vec<(usize, &Row)> = ROWS.iter().enumerate().filter(|(_, row)| wanted(row)).collect();
    if rows.is_empty() {
        return Err(format!("no row has a case of {:?}", args.case));
    }
    let begun = Instant::now();
    let names = ["limit", "ours"].into_iter().chain(args.peers.iter().map(String::as_str));
    let running = names.map(servers::start).collect::<Result<Vec<_>, _>>()?;
    let entries = rows.iter().filter_map(|(_, row)| row.path.map(|_| row.count)).max();
    for server in running.iter().filter(|_| entries.is_some()) {
        server.fill(entries.unwrap_or(0))?;
    }
    let measured = measure(args, &rows, &running);
    let table = report::table(&rows, &measured);
    println!("\n{table}\n{:.0} s", begun.elapsed().as_secs_f64());
    let own: Vec<&String> = measured.missing.keys().filter(|what| what.ends_with("ours")).collect();
    if !own.is_empty() {
        return Err(format!("could not be measured: {own:?}"));
    }
    if args.quick || !args.case.is_empty() {
        return Ok(());
    }
    let growth = growth::growth(&running, args.duration)?;
    let text = report::document(&table, &growth, args)?;
    std::fs::write(root().join(FILE), text).map_err(|error| format!("{FILE}: {error}"))?;
    println!("{FILE} is written, {:.0} s in all", begun.elapsed().as_secs_f64());
    Ok(())
}

/// The smoke variant of the ordinary CI.
pub(crate) fn smoke() -> Result<(), String> {
    bench(&Args { quick: true, ..Args::default() })
}
