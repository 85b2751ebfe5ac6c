//! The rows of the table, and what each has to reach.

use super::Figure;
use super::Figure::{CpuPerGib, CpuPerUnit, Median, Memory, P99, Rate, Throughput};

/// What a figure is held against.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Than {
    /// The bound.
    Limit(f64),
    /// The best of the peers.
    Peer(f64),
    /// A number.
    Is(f64),
}

/// One row.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) case: &'static str,
    pub(crate) security: &'static str,
    pub(crate) streams: usize,
    pub(crate) count: usize,
    /// A directory that is there.
    pub(crate) path: Option<&'static str>,
    /// What has to be reached. More is better in `Throughput` and `Rate`, less in all others.
    pub(crate) goals: &'static [(Figure, Than)],
}

impl Row {
    pub(crate) fn name(&self) -> String {
        let Self { case, security, streams, count, .. } = self;
        match *case {
            "list" | "mlsd" => format!("{case}, {count} entries, {security}"),
            "idle" => format!("{count} idle sessions, {security}"),
            "mixed" => format!("NOOP while {streams} downloads run, {security}"),
            _ => format!("{case}, {security}, {streams} at once"),
        }
    }

    /// The figures that are shown, each once.
    pub(crate) fn figures(&self) -> Vec<Figure> {
        let mut figures: Vec<Figure> = self.goals.iter().map(|(figure, _)| *figure).collect();
        figures.dedup();
        figures
    }
}

const fn row(
    case: &'static str,
    security: &'static str,
    streams: usize,
    goals: &'static [(Figure, Than)],
) -> Row {
    Row { case, security, streams, count: 1000, path: None, goals }
}

const fn counted(
    case: &'static str,
    security: &'static str,
    count: usize,
    path: Option<&'static str>,
    goals: &'static [(Figure, Than)],
) -> Row {
    Row { case, security, streams: 1, count, path, goals }
}

const GET: &[(Figure, Than)] = &[(Throughput, Than::Peer(1.0)), (CpuPerGib, Than::Limit(1.05))];
const PUT: &[(Figure, Than)] =
    &[(Throughput, Than::Peer(1.0)), (CpuPerGib, Than::Limit(1.05)), (CpuPerGib, Than::Peer(1.0))];
const GET_TLS: &[(Figure, Than)] =
    &[(Throughput, Than::Peer(1.3)), (CpuPerGib, Than::Limit(1.15)), (CpuPerGib, Than::Peer(0.7))];
const PUT_TLS: &[(Figure, Than)] =
    &[(Throughput, Than::Peer(1.2)), (CpuPerGib, Than::Limit(1.15)), (CpuPerGib, Than::Peer(0.85))];
const SMALL_GET: &[(Figure, Than)] = &[(Rate, Than::Peer(1.1)), (CpuPerUnit, Than::Peer(0.9))];
const SMALL_PUT: &[(Figure, Than)] = &[(Rate, Than::Peer(1.0)), (CpuPerUnit, Than::Peer(1.1))];
const SMALL_TLS: &[(Figure, Than)] = &[(Rate, Than::Peer(1.4)), (CpuPerUnit, Than::Limit(1.25))];
const LOGIN: &[(Figure, Than)] =
    &[(Rate, Than::Peer(1.0)), (CpuPerUnit, Than::Peer(1.0)), (CpuPerUnit, Than::Limit(1.2))];
const LIST: &[(Figure, Than)] = &[(Median, Than::Peer(0.9)), (Memory, Than::Is(4096.0))];
const IDLE: &[(Figure, Than)] = &[(Memory, Than::Is(6.0)), (Median, Than::Is(1.0))];
const IDLE_TLS: &[(Figure, Than)] = &[(Memory, Than::Is(24.0)), (Median, Than::Is(1.0))];
const MIXED: &[(Figure, Than)] = &[(P99, Than::Peer(0.5))];

/// The directory that is listed.
pub(crate) const LISTED: &str = "listed";

/// Every row.
pub(crate) const ROWS: &[Row] = &[
    row("get", "plain", 1, GET),
    row("get", "plain", 8, GET),
    row("put", "plain", 1, PUT),
    row("put", "plain", 8, PUT),
    row("get", "explicit", 1, GET_TLS),
    row("get", "explicit", 8, GET_TLS),
    row("put", "explicit", 1, PUT_TLS),
    row("put", "explicit", 8, PUT_TLS),
    row("small-get", "plain", 1, SMALL_GET),
    row("small-get", "plain", 8, SMALL_GET),
    row("small-put", "plain", 1, SMALL_PUT),
    row("small-put", "plain", 8, SMALL_PUT),
    row("small-get", "explicit", 1, SMALL_TLS),
    row("small-get", "explicit", 8, SMALL_TLS),
    row("small-put", "explicit", 1, SMALL_TLS),
    row("small-put", "explicit", 8, SMALL_TLS),
    row("login", "plain", 8, LOGIN),
    row("login", "explicit", 8, LOGIN),
    row("login-resumed", "explicit", 8, LOGIN),
    counted("list", "plain", 100_000, Some(LISTED), LIST),
    counted("mlsd", "plain", 100_000, Some(LISTED), LIST),
    counted("list", "explicit", 100_000, Some(LISTED), LIST),
    counted("idle", "plain", 2000, None, IDLE),
    counted("idle", "explicit", 2000, None, IDLE_TLS),
    counted("idle", "plain", 10_000, None, IDLE),
    counted("idle", "explicit", 10_000, None, IDLE_TLS),
    row("mixed", "explicit", 8, MIXED),
];
