//! The report for a person: a line a case, failures again at the end, a table a document.

use std::fmt::Write;

use crate::clause::{Level, requirement};
use crate::report::{Summary, WORDS, holes, summaries, tallies};
use crate::runner::Record;
use crate::verdict::Verdict;

fn mark(verdict: &Verdict) -> &'static str {
    match verdict {
        Verdict::Pass => "ok  ",
        Verdict::Fail(_) => "FAIL",
        Verdict::Deviates(_) => "dev ",
        Verdict::Known(..) => "knwn",
        Verdict::Unsupported(_) => "n/a ",
        Verdict::Skipped(_) => "skip",
        Verdict::Broken(_) => "BROKEN",
    }
}

/// The whole report. Writing to a `String` cannot fail, so its results are passed over.
#[must_use]
pub fn report(records: &[Record]) -> String {
    let mut out = String::new();
    let summaries = summaries(records);
    let mut group = "";
    for summary in &summaries {
        if summary.group != group {
            group = summary.group;
            let _infallible = writeln!(out, "\n{group}");
        }
        let statement =
            requirement(summary.id).map(|requirement| requirement.statement.as_str()).unwrap_or_default();
        let good = summary.records.iter().filter(|record| record.verdict == Verdict::Pass).count();
        let cells = summary.records.len();
        let _infallible = writeln!(
            out,
            "  {} {:<28} {:<8} {good:>2}/{cells:<2} {statement}",
            mark(summary.worst()),
            summary.id,
            summary.level
        );
    }
    let wrong: Vec<&Summary<'_>> = summaries
        .iter()
        .filter(|summary| {
            summary.worst().evidence().is_some() || matches!(summary.worst(), Verdict::Broken(_))
        })
        .collect();
    if !wrong.is_empty() {
        let _infallible = writeln!(out, "\nWhat does not hold:");
        wrong.iter().for_each(|summary| explain(summary, &mut out));
    }
    table(records, &mut out);
    out
}

/// One case that does not hold, with its first bad cell.
fn explain(summary: &Summary<'_>, out: &mut String) {
    let bad = |record: &&&Record| {
        !matches!(record.verdict, Verdict::Pass | Verdict::Unsupported(_) | Verdict::Skipped(_))
    };
    let cells: Vec<String> =
        summary.records.iter().filter(bad).map(|record| record.task.cell.to_string()).collect();
    let clause =
        requirement(summary.id).map(|requirement| (requirement.clause(), requirement.statement.as_str()));
    let (clause, statement) = clause.unwrap_or_default();
    let _infallible = writeln!(
        out,
        "\n  {} {} ({clause}, {})\n    {statement}",
        mark(summary.worst()),
        summary.id,
        summary.level
    );
    let _infallible =
        writeln!(out, "    in {} of {} cells: {}", cells.len(), summary.records.len(), cells.join(", "));
    match summary.worst() {
        Verdict::Fail(evidence) | Verdict::Deviates(evidence) | Verdict::Known(evidence, _) => {
            let _infallible =
                writeln!(out, "    expected  {}\n    actual    {}", evidence.expected, evidence.actual);
            for line in summary.worst_record().iter().flat_map(|record| &record.transcript) {
                let _infallible = writeln!(out, "      {line}");
            }
        }
        other => {
            let _infallible = writeln!(out, "    {}", other.remark().unwrap_or_default());
        }
    }
}

fn table(records: &[Record], out: &mut String) {
    let tallies = tallies(records);
    let mut documents: Vec<&String> = tallies.keys().map(|(rfc, _)| rfc).collect();
    documents.dedup();
    let levels = [Level::Must, Level::Should, Level::May, Level::Practice];
    let _infallible = writeln!(
        out,
        "\n{:<54} {:>9} {:>9} {:>9} {:>9}",
        "passed / run", "MUST", "SHOULD", "MAY", "PRACTICE"
    );
    for rfc in documents {
        let cell = |level: &Level| match tallies.get(&(rfc.clone(), *level)) {
            Some(tally) if tally.run > 0 => format!("{:>4}/{:<4}", tally.passed, tally.run),
            _ => format!("{:>9}", "-"),
        };
        let row: Vec<String> = levels.iter().map(cell).collect();
        let _infallible = writeln!(out, "{rfc:<54} {}", row.join(" "));
    }
    let count = |word: &str| records.iter().filter(|record| record.verdict.word() == word).count();
    let counts: Vec<String> = WORDS.iter().map(|word| format!("{} {word}", count(word))).collect();
    let _infallible = writeln!(out, "\n{} cells: {}", records.len(), counts.join(", "));
    let holes = holes(records);
    if !holes.is_empty() {
        let _infallible = writeln!(out, "cells that no case was run in: {}", holes.join(", "));
    }
}
