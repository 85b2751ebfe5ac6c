//! `ftp-conformance bench`: measures a server, and `bench-limit`, the bound that `cargo xtask bench` compares with.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use ftp_conformance::axes::Security;
use ftp_conformance::bench::limit::{self, Limit};
use ftp_conformance::bench::{self, Case, Figures, Settings};
use indicatif::{ProgressBar, ProgressStyle};

use crate::judge::{address, password};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// ftp://HOST:PORT
    #[arg(long)]
    target: String,
    /// The user
    #[arg(long)]
    user: String,
    /// The environment variable that holds the password
    #[arg(long, value_name = "VAR")]
    password_env: String,
    /// plain, explicit or implicit
    #[arg(long, default_value = "explicit")]
    security: Security,
    /// get put small-get small-put login login-resumed list mlsd idle churn mixed; repeatable, all without one
    #[arg(long = "case", value_name = "CASE")]
    cases: Vec<Case>,
    /// Connections at once
    #[arg(long, default_value_t = 1)]
    streams: usize,
    /// Octets of a large file
    #[arg(long, default_value_t = 64 << 20)]
    size: usize,
    /// Entries of the directory that is listed, and idle sessions
    #[arg(long, default_value_t = 1000)]
    count: usize,
    /// Seconds a case
    #[arg(long, default_value_t = 5.0)]
    duration: f64,
    /// The server's process, if it runs here: its processor time and memory are looked at, children included
    #[arg(long, value_name = "PID")]
    server_pid: Option<u32>,
    /// A file (get, mixed) or directory (list, mlsd) on the server, in place of one that is made and removed
    #[arg(long)]
    path: Option<String>,
    /// json=FILE or markdown=FILE; repeatable
    #[arg(long, value_name = "KIND=FILE")]
    report: Vec<String>,
}

#[derive(Debug, clap::Args)]
pub(crate) struct LimitArgs {
    /// Plain and explicit
    #[arg(long)]
    explicit: SocketAddr,
    /// The folder that is served
    #[arg(long)]
    folder: PathBuf,
}

/// Runs the bound until it is killed.
pub(crate) fn limit(args: &LimitArgs) -> Result<ExitCode, String> {
    raise_descriptors();
    let limit = Limit { address: args.explicit, folder: args.folder.clone() };
    limit::serve(&limit).map(|()| ExitCode::SUCCESS).map_err(|error| error.to_string())
}

/// Thousands of sessions need as many descriptors as the system gives.
fn raise_descriptors() {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    let wanted = rustix::process::Rlimit { current: limit.maximum, ..limit };
    // With fewer, a case that needs more says so.
    let _refused = setrlimit(Resource::Nofile, wanted);
}

/// Runs the cases and prints a row for each.
pub(crate) fn run(args: &Args) -> Result<ExitCode, String> {
    raise_descriptors();
    let (_, address) = address(&args.target)?;
    let settings = Settings {
        address,
        security: args.security,
        user: args.user.clone(),
        password: password(&args.password_env)?,
        streams: args.streams.max(1),
        size: args.size,
        count: args.count.max(1),
        duration: Duration::from_secs_f64(args.duration.clamp(0.0, 3600.0)),
        server: args.server_pid,
        path: args.path.clone(),
    };
    let cases = if args.cases.is_empty() { Case::ALL.to_vec() } else { args.cases.clone() };
    let (mut rows, mut missing) = (Vec::new(), Vec::new());
    for case in cases {
        let style = ProgressStyle::with_template("{prefix:>14} {spinner} {elapsed} {human_pos}");
        let bar = ProgressBar::new_spinner().with_style(style.map_err(|error| error.to_string())?);
        bar.set_prefix(case.name());
        let figures = bench::run(case, &settings, &|units| {
            bar.set_position(units);
            bar.tick();
        });
        bar.finish_and_clear();
        match figures {
            Ok(figures) => rows.push(figures),
            Err(error) => missing.push(format!("{case}: {error}")),
        }
    }
    let table = table(&rows);
    print!("{table}");
    missing.iter().for_each(|missing| println!("{missing}"));
    write_reports(&args.report, &table, &rows)?;
    let failed = !missing.is_empty() || rows.iter().any(|row| row.failed > 0);
    Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn write_reports(reports: &[String], table: &str, rows: &[Figures]) -> Result<(), String> {
    for report in reports {
        let text = match report.split_once('=') {
            Some(("markdown", file)) => (file, table.to_owned()),
            Some(("json", file)) => {
                (file, serde_json::to_string_pretty(rows).map_err(|error| error.to_string())?)
            }
            _ => return Err(format!("{report:?}: expected json=FILE or markdown=FILE")),
        };
        std::fs::write(text.0, text.1).map_err(|error| format!("{}: {error}", text.0))?;
    }
    Ok(())
}

/// A number with three digits that count.
fn short(value: f64) -> String {
    match value {
        value if value >= 100.0 => format!("{value:.0}"),
        value if value >= 10.0 => format!("{value:.1}"),
        value if value >= 1.0 => format!("{value:.2}"),
        value => format!("{value:.3}"),
    }
}

/// One row a case.
fn table(rows: &[Figures]) -> String {
    let mut out = String::from(
        "| case | security | streams | units/s | MB/s | p50 ms | p99 ms | p99.9 ms | max ms | CPU ms/unit | CPU s/GiB | memory | failed |\n\
         |---|---|---|---|---|---|---|---|---|---|---|---|---|\n",
    );
    for row in rows {
        let or_none = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), short);
        let moves = row.octets >= 1 << 20;
        let memory = match (row.case, row.memory) {
            (Case::Idle, Some(each)) => format!("{} KiB/session", short(each / 1024.0)),
            (_, Some(grown)) => format!("+{} KiB", short(grown / 1024.0)),
            (_, None) => "-".to_owned(),
        };
        let latency = row.latency;
        out += &format!(
            "| {} | {} | {} | {} | {} | {} | {} | {} | {} | {} | {} | {memory} | {} |\n",
            row.case,
            row.security,
            row.streams,
            short(row.rate()),
            or_none(moves.then(|| row.throughput())),
            short(latency.p50),
            short(latency.p99),
            short(latency.p999),
            short(latency.max),
            or_none(row.cpu_per_unit()),
            or_none(row.cpu_per_gib().filter(|_| moves)),
            row.failure.as_ref().map_or_else(|| "0".to_owned(), |why| format!("{}: {why}", row.failed)),
        );
    }
    out
}
