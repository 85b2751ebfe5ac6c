//! `cargo xtask scoreboard`: the suite against this server and its peers, beside each other in one table.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use serde::Deserialize;

use crate::peers;
use crate::run::{command, root, run};

/// Who is judged, in the order of columns.
const SERVERS: [&str; 5] = ["builtin", "vsftpd", "proftpd", "pure-ftpd", "pyftpdlib"];
/// Where the table goes.
const FILE: &str = "crates/ftp-conformance/SCOREBOARD.md";

/// What is run.
#[derive(Debug, Default, clap::Args)]
pub(crate) struct Args {
    /// Only these servers; the table is printed and not written
    #[arg(long, value_delimiter = ',', value_parser = SERVERS)]
    server: Vec<String>,
    /// Beginnings of ids; the table is printed and not written
    prefixes: Vec<String>,
}

#[derive(Deserialize)]
struct Report {
    cells: Vec<Row>,
    tallies: Vec<Tally>,
}

#[derive(Deserialize)]
struct Row {
    id: String,
    level: String,
    clause: String,
    statement: String,
    verdict: String,
    stands: Option<String>,
}

#[derive(Deserialize)]
struct Tally {
    document: String,
    level: String,
    passed: usize,
    run: usize,
}

/// How bad a verdict is: the worst of a case's cells is what the table shows.
fn weight(verdict: &str) -> usize {
    let order = ["skipped", "unsupported", "pass", "known", "deviates", "fail", "broken"];
    order.iter().position(|word| *word == verdict).unwrap_or(0)
}

fn judge(server: &str, args: &Args, folder: &Path) -> Result<Report, String> {
    let file = folder.join(format!("{server}.json"));
    let target = if server == "builtin" { server.to_owned() } else { format!("process:{server}") };
    let begun = Instant::now();
    let mut run = peers::with_peers(Command::new(root().join("target/release/ftp-conformance")));
    run.args(["run", "--target", &target, "--timeout", "10", "--jobs", "16", "--report"]);
    run.arg(format!("json={}", file.display())).args(&args.prefixes).current_dir(root());
    let status = run.status().map_err(|error| format!("ftp-conformance: {error}"))?;
    // 1 is a verdict, and what a scoreboard is for.
    if !matches!(status.code(), Some(0 | 1)) {
        return Err(format!("{server} could not be judged: {status}"));
    }
    println!("{server:<10} {:>6.1} s", begun.elapsed().as_secs_f64());
    let text = std::fs::read_to_string(&file).map_err(|error| error.to_string())?;
    serde_json::from_str(&text).map_err(|error| format!("{}: {error}", file.display()))
}

pub(crate) fn version(server: &str) -> String {
    let first = |mut command: Command| {
        let output = command.output().ok()?;
        let text = [output.stdout, output.stderr].concat();
        String::from_utf8_lossy(&text).lines().next().map(str::to_owned)
    };
    let ask = |program: &str, args: &[&str]| {
        let mut command = peers::with_peers(Command::new("env"));
        command.arg(program).args(args);
        first(command).unwrap_or_default()
    };
    match server {
        "builtin" => first(command("git", &["describe", "--always"])).unwrap_or_default(),
        // It writes to its standard input.
        "vsftpd" => ask("sh", &["-c", "vsftpd -v 0>&1"]),
        "proftpd" => ask("proftpd", &["-v"]),
        "pure-ftpd" => ask("pure-ftpd", &["--help"]),
        "unftp" => ask("unftp", &["--version"]),
        _ => ask("python3", &["-c", "import pyftpdlib; print('pyftpdlib', pyftpdlib.__ver__)"]),
    }
}

/// Passed of run, by document and level.
fn totals(reports: &[(&str, Report)]) -> String {
    let mut rows: BTreeMap<(&str, &str), Vec<String>> = BTreeMap::new();
    let keys: BTreeSet<(&str, &str)> = reports
        .iter()
        .flat_map(|(_, report)| &report.tallies)
        .map(|tally| (tally.document.as_str(), tally.level.as_str()))
        .collect();
    for key in keys {
        let cell = |report: &Report| {
            let found =
                report.tallies.iter().find(|tally| (tally.document.as_str(), tally.level.as_str()) == key);
            found.map_or_else(|| "–".to_owned(), |tally| format!("{}/{}", tally.passed, tally.run))
        };
        rows.insert(key, reports.iter().map(|(_, report)| cell(report)).collect());
    }
    let mut out = String::new();
    for ((document, level), cells) in rows {
        let _infallible = writeln!(out, "| {document} | {level} | {} |", cells.join(" | "));
    }
    out
}

/// Every case that does not hold somewhere.
fn differences(reports: &[(&str, Report)]) -> (String, Vec<String>) {
    let mut worst: BTreeMap<&str, (&Row, Vec<&str>)> = BTreeMap::new();
    for (index, (_, report)) in reports.iter().enumerate() {
        for row in &report.cells {
            let (_, cells) = worst.entry(&row.id).or_insert((row, vec!["skipped"; reports.len()]));
            if let Some(cell) = cells.get_mut(index).filter(|cell| weight(&row.verdict) > weight(cell)) {
                *cell = &row.verdict;
            }
        }
    }
    let (mut out, mut everywhere) = (String::new(), Vec::new());
    let is_bad = |cell: &&&str| weight(cell) > weight("known");
    for (id, (row, cells)) in &worst {
        let bad = cells.iter().filter(is_bad).count();
        if bad == 0 {
            continue;
        }
        let shown: Vec<&str> = cells.iter().map(|cell| if *cell == "skipped" { "–" } else { cell }).collect();
        let statement = row.statement.replace('|', "\\|");
        let _infallible =
            writeln!(out, "| {id} | {} | {} | {} | {statement} |", row.level, row.clause, shown.join(" | "));
        // The first column is this server.
        let peers = cells.iter().skip(1);
        if reports.len() > 2
            && peers.clone().all(|cell| weight(cell) != weight("pass"))
            && peers.clone().any(|cell| is_bad(&cell))
        {
            everywhere.push(format!("- {id}: {}", row.stands.as_deref().unwrap_or("not examined yet")));
        }
    }
    (out, everywhere)
}

fn table(reports: &[(&str, Report)]) -> String {
    let names: Vec<&str> = reports.iter().map(|(name, _)| *name).collect();
    let dashes = vec!["---"; names.len()].join("|");
    let (rows, everywhere) = differences(reports);
    let date = Command::new("date").arg("+%Y-%m-%d").output();
    let date =
        date.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned()).unwrap_or_default();
    let versions: Vec<String> = names.iter().map(|name| format!("- {name}: {}", version(name))).collect();
    format!(
        "# Scoreboard\n\nThe suite against this server and its peers, each with a configuration written for it, on \
         {date}. Written by `cargo xtask scoreboard`.\n\n{}\n\nA case that needs what a peer cannot be set up for is \
         left out there (–). Failing here means: not what the clause says in at least one cell; `unsupported` is an \
         optional command refused as it should be.\n\n## Requirements that hold, of those asked\n\n\
         | document | level | {} |\n|---|---|{dashes}|\n{}\n## What does not hold everywhere\n\n\
         | case | level | clause | {} | statement |\n|---|---|---|{dashes}|---|\n{rows}\n\
         ## What holds on none of the peers\n\nEach of these was examined, and its clause read again; it stands, because:\n\n{}\n",
        versions.join("\n"),
        names.join(" | "),
        totals(reports),
        names.join(" | "),
        everywhere.join("\n"),
    )
}

/// Judges every server and writes the table.
pub(crate) fn scoreboard(args: &Args) -> Result<(), String> {
    let chosen: Vec<&str> = SERVERS
        .into_iter()
        .filter(|server| args.server.is_empty() || args.server.iter().any(|own| own == server))
        .collect();
    if chosen.iter().any(|server| *server != "builtin") {
        peers::fetch()?;
    }
    run(&mut command("cargo", &["build", "--release", "--quiet", "-p", "ftp-conformance"]))?;
    let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
    let mut reports = Vec::new();
    for server in chosen {
        reports.push((server, judge(server, args, folder.path())?));
    }
    let table = table(&reports);
    if !args.server.is_empty() || !args.prefixes.is_empty() {
        println!("{table}");
        return Ok(());
    }
    std::fs::write(root().join(FILE), table).map_err(|error| format!("{FILE}: {error}"))?;
    println!("{FILE} is written");
    Ok(())
}
