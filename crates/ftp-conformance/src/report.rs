//! What is told of a run: to a person at a terminal, to machines, to a vendor.

use std::collections::BTreeMap;

use crate::axes::{Cell, Data, End, Family, Security, Ticket, Version, Way};
use crate::clause::{Level, requirement};
use crate::runner::Record;
use crate::verdict::Verdict;

pub mod html;
pub mod json;
pub mod junit;
pub mod markdown;
pub mod terminal;

/// Every verdict by its word, the good ones first.
pub const WORDS: [&str; 7] = ["pass", "fail", "deviates", "known", "unsupported", "skipped", "broken"];

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
    /// The cell that the verdict on the whole comes from.
    #[must_use]
    pub fn worst_record(&self) -> Option<&Record> {
        let worst = self.worst().word();
        self.records.iter().copied().find(|record| record.verdict.word() == worst)
    }

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

/// The cells that no case was run in, by what makes them: a profile with a way of making data connections, and every
/// value of the other axes.
#[must_use]
pub fn holes(records: &[Record]) -> Vec<String> {
    let ran: Vec<Cell> = records
        .iter()
        .filter(|record| !matches!(record.verdict, Verdict::Skipped(_) | Verdict::Broken(_)))
        .map(|record| record.task.cell)
        .collect();
    let mut holes = Vec::new();
    for security in Security::ALL {
        for (family, data) in
            Family::ALL.iter().flat_map(|family| Data::ALL.iter().map(move |data| (*family, *data)))
        {
            // PORT and PASV carry IPv4 addresses only.
            let possible = family == Family::V4 || matches!(data, Data::Epsv | Data::Eprt);
            let is_run =
                ran.iter().any(|cell| (cell.security, cell.family, cell.data) == (*security, family, data));
            if possible && !is_run {
                holes.push(format!("{security} {data} {family}"));
            }
        }
    }
    let mut miss = |is_run: bool, name: String| {
        if !is_run {
            holes.push(name);
        }
    };
    for version in Version::ALL {
        let tls = |cell: &&Cell| cell.security != Security::Plain && cell.version == *version;
        miss(ran.iter().any(|cell| tls(&cell)), version.to_string());
        for ticket in Ticket::ALL {
            let is_run = ran.iter().any(|cell| tls(&cell) && cell.ticket == Some(*ticket));
            miss(is_run, format!("{ticket} in {version}"));
        }
    }
    End::ALL.iter().for_each(|end| miss(ran.iter().any(|cell| cell.end == Some(*end)), end.to_string()));
    Way::ALL.iter().for_each(|way| miss(ran.iter().any(|cell| cell.way == Some(*way)), way.to_string()));
    holes
}
