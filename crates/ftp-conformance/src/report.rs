//! What is told of a run: to a person at a terminal, to machines, to a vendor.

use std::collections::BTreeMap;

use crate::clause::{Level, requirement};
use crate::runner::Record;
use crate::verdict::Verdict;

pub mod html;
pub mod json;
pub mod junit;
pub mod markdown;
pub mod terminal;

/// The figures of one document at one level.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// Cases that hold in every cell.
    pub passed: usize,
    /// Cases that were asked.
    pub run: usize,
}

/// All cells of one case.
#[derive(Debug, Clone)]
pub struct Summary<'a> {
    /// The id of the case.
    pub id: &'static str,
    /// How binding it is.
    pub level: Level,
    /// The title of its group.
    pub group: &'static str,
    /// Its cells.
    pub records: Vec<&'a Record>,
}

impl Summary<'_> {
    /// The verdict on the whole: the worst of its cells.
    #[must_use]
    pub fn worst(&self) -> &Verdict {
        let weight = |verdict: &Verdict| match verdict {
            Verdict::Broken(_) => 6,
            Verdict::Fail(_) => 5,
            Verdict::Deviates(_) => 4,
            Verdict::Known(..) => 3,
            Verdict::Pass => 2,
            Verdict::Unsupported(_) => 1,
            Verdict::Skipped(_) => 0,
        };
        let all = self.records.iter().map(|record| &record.verdict);
        all.max_by_key(|verdict| weight(verdict)).unwrap_or(&Verdict::Pass)
    }
}

/// Records by case, in the order of the run.
#[must_use]
pub fn summaries(records: &[Record]) -> Vec<Summary<'_>> {
    let mut summaries: Vec<Summary<'_>> = Vec::new();
    for record in records {
        let id = record.task.case.id();
        match summaries.last_mut().filter(|summary| summary.id == id) {
            Some(summary) => summary.records.push(record),
            None => summaries.push(Summary {
                id,
                level: requirement(id).map_or(Level::Must, |requirement| requirement.level),
                group: record.task.group,
                records: vec![record],
            }),
        }
    }
    summaries
}

/// Figures by document and level; a case counts for each requirement that it decides.
#[must_use]
pub fn tallies(records: &[Record]) -> BTreeMap<(String, Level), Tally> {
    let mut tallies: BTreeMap<(String, Level), Tally> = BTreeMap::new();
    for summary in summaries(records) {
        let Some(first) = summary.records.first() else { continue };
        for requirement in first.task.case.decides.iter().filter_map(|id| requirement(id)) {
            let tally = tallies.entry((requirement.rfc.clone(), requirement.level)).or_default();
            match summary.worst() {
                Verdict::Pass => {
                    tally.run += 1;
                    tally.passed += 1;
                }
                Verdict::Fail(_) | Verdict::Deviates(_) | Verdict::Known(..) | Verdict::Broken(_) => {
                    tally.run += 1
                }
                Verdict::Unsupported(_) | Verdict::Skipped(_) => {}
            }
        }
    }
    tallies
}

/// Whether everything holds: no case fails or is broken, and none deviates where that counts.
#[must_use]
pub fn holds(records: &[Record], strictness: Strictness) -> bool {
    records.iter().all(|record| match record.verdict {
        Verdict::Fail(_) | Verdict::Broken(_) => false,
        Verdict::Deviates(_) => strictness == Strictness::Lenient,
        Verdict::Pass | Verdict::Known(..) | Verdict::Unsupported(_) | Verdict::Skipped(_) => true,
    })
}

/// Whether what is only recommended counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Strictness {
    /// A SHOULD that does not hold is reported.
    #[default]
    Lenient,
    /// It makes the run fail.
    Strict,
}
