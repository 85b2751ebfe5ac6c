//! The report for a repository or a ticket.

use std::fmt::Write;

use crate::clause::requirement;
use crate::report::summaries;
use crate::runner::Record;
use crate::verdict::Verdict;

/// The whole report: what does not hold with its evidence, then every case.
#[must_use]
pub fn report(target: &str, records: &[Record]) -> String {
    let mut out = format!("# Conformance of {target}\n");
    let summaries = summaries(records);
    for summary in summaries.iter().filter(|summary| summary.worst().evidence().is_some()) {
        let Some(evidence) = summary.worst().evidence() else { continue };
        let clause = requirement(summary.id).map(crate::clause::Requirement::clause).unwrap_or_default();
        let statement =
            requirement(summary.id).map(|requirement| requirement.statement.as_str()).unwrap_or_default();
        let _infallible = writeln!(
            out,
            "\n## {} ({clause}, {})\n\n{statement}\n\n- expected: {}\n- actual: {}\n\n```text\n{}\n```",
            summary.id,
            summary.level,
            evidence.expected,
            evidence.actual,
            summary.worst_record().map(|record| record.transcript.join("\n")).unwrap_or_default()
        );
    }
    let _infallible =
        writeln!(out, "\n## All cases\n\n| case | level | verdict | cells |\n|---|---|---|---|");
    for summary in &summaries {
        let good = summary.records.iter().filter(|record| record.verdict == Verdict::Pass).count();
        let _infallible = writeln!(
            out,
            "| {} | {} | {} | {good}/{} |",
            summary.id,
            summary.level,
            summary.worst().word(),
            summary.records.len()
        );
    }
    out
}
