//! The report for machines.

use serde::Serialize;

use crate::clause::{Requirement, catalogue, requirement};
use crate::registry;
use crate::report::{Tally, tallies};
use crate::runner::Record;

#[derive(Serialize)]
struct Report<'a> {
    target: &'a str,
    requirements: usize,
    decided: usize,
    tallies: Vec<Figures>,
    cells: Vec<Row<'a>>,
    undecided: Vec<Undecided<'a>>,
}

#[derive(Serialize)]
struct Figures {
    document: String,
    level: String,
    passed: usize,
    run: usize,
}

#[derive(Serialize)]
struct Row<'a> {
    id: &'a str,
    level: String,
    clause: String,
    statement: &'a str,
    decides: &'a [&'a str],
    group: &'a str,
    cell: String,
    verdict: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    stands: Option<&'a str>,
    milliseconds: u128,
    #[serde(skip_serializing_if = "Option::is_none")]
    expected: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    actual: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    remark: Option<&'a str>,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    transcript: &'a [String],
}

#[derive(Serialize)]
struct Undecided<'a> {
    id: &'a str,
    reason: &'a str,
}

fn row(record: &Record) -> Row<'_> {
    let evidence = record.verdict.evidence();
    let known = requirement(record.task.case.id());
    Row {
        id: record.task.case.id(),
        level: known.map(|known| known.level.to_string()).unwrap_or_default(),
        clause: known.map(Requirement::clause).unwrap_or_default(),
        statement: known.map(|known| known.statement.as_str()).unwrap_or_default(),
        decides: record.task.case.decides,
        group: record.task.group,
        cell: record.task.cell.to_string(),
        verdict: record.verdict.word(),
        stands: registry::stands(record.task.case),
        milliseconds: record.elapsed.as_millis(),
        expected: evidence.map(|evidence| evidence.expected.as_str()),
        actual: evidence.map(|evidence| evidence.actual.as_str()),
        remark: record.verdict.remark(),
        transcript: if evidence.is_some() { &record.transcript } else { &[] },
    }
}

/// The whole report.
///
/// # Errors
/// If it cannot be written as JSON.
pub fn report(target: &str, records: &[Record]) -> Result<String, serde_json::Error> {
    let undecided =
        registry::undecided().map(|(requirement, reason)| Undecided { id: &requirement.id, reason });
    serde_json::to_string_pretty(&Report {
        target,
        requirements: catalogue().len(),
        decided: registry::decided().len(),
        tallies: tallies(records)
            .into_iter()
            .map(|((document, level), Tally { passed, run })| Figures {
                document,
                level: level.to_string(),
                passed,
                run,
            })
            .collect(),
        cells: records.iter().map(row).collect(),
        undecided: undecided.collect(),
    })
}
