//! BENCHMARKS.md: what was measured, on what, and what it is held against.

use std::fmt::Write;
use std::process::Command;

use super::rows::{Row, Than};
use super::{Args, Figure, Measured};
use crate::scoreboard;

impl Figure {
    fn unit(self) -> &'static str {
        match self {
            Self::Throughput => "MB/s",
            Self::Rate => "a second",
            Self::CpuPerGib => "CPU s/GiB",
            Self::CpuPerUnit => "CPU ms each",
            Self::Median => "ms at p50",
            Self::P99 => "ms at p99",
            Self::Memory => "KiB",
        }
    }

    fn more_is_better(self) -> bool {
        matches!(self, Self::Throughput | Self::Rate)
    }
}

/// A number with three digits that count.
pub(super) fn short(value: f64) -> String {
    match value {
        value if value >= 100.0 => format!("{value:.0}"),
        value if value >= 10.0 => format!("{value:.1}"),
        value if value >= 1.0 => format!("{value:.2}"),
        value => format!("{value:.3}"),
    }
}

/// The best value of the peers.
fn best_peer(row: usize, figure: Figure, measured: &Measured) -> Option<f64> {
    let peers = measured.servers.iter().filter(|server| !matches!(server.as_str(), "ours" | "limit"));
    let values = peers.filter_map(|server| measured.value(row, server, figure));
    if figure.more_is_better() { values.reduce(f64::max) } else { values.reduce(f64::min) }
}

/// What was to be reached, and what was: in words.
fn verdict(row: usize, goal: (Figure, Than), measured: &Measured) -> Option<String> {
    let (figure, than) = goal;
    let ours = measured.value(row, "ours", figure)?;
    let sign = if figure.more_is_better() { "≥" } else { "≤" };
    let (ratio, wanted, whom) = match than {
        Than::Limit(factor) => (ours / measured.value(row, "limit", figure)?, factor, " × limit"),
        Than::Peer(factor) => (ours / best_peer(row, figure, measured)?, factor, " × best peer"),
        Than::Is(number) => (ours, number, ""),
    };
    let reached = if figure.more_is_better() { ratio >= wanted } else { ratio <= wanted };
    let mark = if reached { "yes" } else { "**no**" };
    Some(format!("{mark}: {} {sign} {}{whom}", short(ratio), short(wanted)))
}

/// One line for each row and figure.
pub(super) fn table(rows: &[(usize, &Row)], measured: &Measured) -> String {
    let mut out = format!("| | figure | {} | reached |\n", measured.servers.join(" | "));
    out += &format!("|---|---|{}---|\n", "---|".repeat(measured.servers.len()));
    for (index, row) in rows {
        for (number, figure) in row.figures().into_iter().enumerate() {
            let values: Vec<String> = measured
                .servers
                .iter()
                .map(|server| measured.value(*index, server, figure).map_or_else(|| "–".to_owned(), short))
                .collect();
            let goals = row.goals.iter().filter(|(other, _)| *other == figure);
            let verdicts: Vec<String> = goals.filter_map(|goal| verdict(*index, *goal, measured)).collect();
            let name = if number == 0 { row.name() } else { String::new() };
            let _infallible = writeln!(
                out,
                "| {name} | {} | {} | {} |",
                figure.unit(),
                values.join(" | "),
                verdicts.join("; ")
            );
        }
    }
    if !measured.missing.is_empty() {
        out += "\nNot measured:\n\n";
        for (what, why) in &measured.missing {
            let _infallible = writeln!(out, "- {what}: {why}");
        }
    }
    out
}

fn told(program: &str, args: &[&str]) -> String {
    let output = Command::new(program).args(args).output();
    output.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned()).unwrap_or_default()
}

fn processor() -> String {
    let text = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or_default();
    line.trim_start_matches([' ', '\t', ':']).to_owned()
}

/// The whole document.
pub(super) fn document(table: &str, growth: &str, args: &Args) -> Result<String, String> {
    let count = std::thread::available_parallelism().map_err(|error| error.to_string())?;
    let mut out = format!(
        "# Benchmarks\n\nWritten by `cargo xtask bench`. {}, {count} × {}, Linux {}, {}. Files in memory, loopback, \
         `durability = \"none\"`, TLS 1.3 by AUTH TLS, ECDSA P-256.\n\n\
         `limit` is no server but a bound: a thread a session, blocking calls, `sendfile`, rustls; it answers the same \
         dialogue and checks nothing. All are measured one after the other in each round; shown is the median of {} \
         ({} s each). On a machine that is shared trust processor time and ratios. Large files have 128 MiB, small ones 4 KiB. The generator shows a TLS ticket once \
         (RFC 8446 §C.4): where uploads bring no new one it soon shakes hands in full. Idle sessions are counted once; \
         while NOOP is timed, the downloads beside it have the lowest priority of the system.\n\n",
        told("date", &["+%Y-%m-%d"]),
        processor(),
        told("uname", &["-r"]),
        told("rustc", &["--version"]),
        args.rounds,
        args.duration,
    );
    for name in &args.peers {
        let _infallible = writeln!(out, "- {name}: {}", scoreboard::version(name));
    }
    out += "\n## Beside the others\n\n";
    out += table;
    out += "\n## Growth\n\n";
    out += growth;
    // What was found out by profiles, by hand: it is true until the figures say otherwise.
    out += include_str!("bounds.md");
    Ok(out)
}
