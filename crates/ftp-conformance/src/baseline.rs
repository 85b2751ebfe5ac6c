//! What is known not to hold on a server, with the reason: a run then fails only over what is new.
//!
//! ```toml
//! "RFC959-5.4-ACT-6" = "The vendor answers 500; reported in March."
//! "RFC7151-*" = "No virtual hosts on this machine."
//! ```

use std::collections::BTreeMap;
use std::path::Path;

use wildmatch::WildMatch;

use crate::runner::Record;
use crate::verdict::Verdict;

/// Ids, or patterns of ids with `*`, and why they do not hold.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Baseline(BTreeMap<String, String>);

impl Baseline {
    /// Reads a file.
    ///
    /// # Errors
    /// If it cannot be read, or is something else.
    pub fn read(file: &Path) -> Result<Self, String> {
        let text = std::fs::read_to_string(file).map_err(|error| format!("{}: {error}", file.display()))?;
        Self::parse(&text).map_err(|error| format!("{}: {error}", file.display()))
    }

    /// Reads a text.
    ///
    /// # Errors
    /// If it is no TOML of `"ID" = "reason"`, or a reason is empty.
    pub fn parse(text: &str) -> Result<Self, String> {
        let known: BTreeMap<String, String> = toml::from_str(text)
            .map_err(|error| format!("expected lines of \"ID\" = \"reason\": {error}"))?;
        match known.iter().find(|(_, reason)| reason.trim().is_empty()) {
            Some((id, _)) => Err(format!("{id}: a reason is needed")),
            None => Ok(Self(known)),
        }
    }

    /// Marks as known what fails as expected; yields the entries, with reasons, whose cases all hold now, and those
    /// that name no case.
    pub fn apply(&self, records: &mut [Record]) -> Vec<(String, String)> {
        let mut stale = Vec::new();
        for (id, reason) in &self.0 {
            let pattern = WildMatch::new(id);
            let (mut asked, mut failed) = (0, 0);
            for record in records.iter_mut().filter(|record| pattern.matches(record.task.case.id())) {
                asked +=
                    usize::from(!matches!(record.verdict, Verdict::Unsupported(_) | Verdict::Skipped(_)));
                if let Verdict::Fail(evidence) | Verdict::Deviates(evidence) = &record.verdict {
                    record.verdict = Verdict::Known(evidence.clone(), reason.clone());
                    failed += 1;
                }
            }
            if asked > 0 && failed == 0 {
                stale.push((id.clone(), reason.clone()));
            }
        }
        stale
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::case::Stop;
    use crate::clause::Level;
    use crate::plan::Selection;

    #[test]
    fn known_failures_are_marked_and_stale_entries_told() {
        let tasks = Selection { prefixes: vec!["RFC2389".to_owned()], ..Selection::default() }.tasks();
        let failed = Err(Stop::fails("211", "500"));
        let outcomes = [failed, Ok(())];
        let mut records: Vec<Record> = tasks
            .iter()
            .take(1)
            .chain(tasks.last())
            .zip(outcomes)
            .map(|(task, outcome)| Record {
                task: *task,
                verdict: Verdict::of(outcome, Level::Must),
                transcript: Vec::new(),
                elapsed: std::time::Duration::ZERO,
            })
            .collect();
        let (first, last) = (records[0].task.case.id(), records[1].task.case.id());
        assert_ne!(first, last);
        let pattern = format!("{}*", &first[..first.len() - 1]);
        let text = format!("\"{pattern}\" = \"known\"\n\"{last}\" = \"was so\"\n\"NOT-RUN\" = \"-\"");
        let stale = Baseline::parse(&text).unwrap().apply(&mut records);
        assert!(matches!(&records[0].verdict, Verdict::Known(_, reason) if reason == "known"));
        assert_eq!(stale, [(last.to_owned(), "was so".to_owned())]);
        assert!(Baseline::parse("\"X\" = \"\"").unwrap_err().contains("a reason is needed"));
    }
}
