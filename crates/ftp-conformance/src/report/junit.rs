//! The report for continuous integration: JUnit XML, a test case a cell.

use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};

use crate::report::summaries;
use crate::runner::Record;
use crate::verdict::Verdict;

/// The whole report.
///
/// # Errors
/// If it cannot be written as XML.
pub fn report(target: &str, records: &[Record]) -> Result<String, String> {
    let mut report = Report::new(format!("ftp-conformance {target}"));
    let mut suites: Vec<TestSuite> = Vec::new();
    for summary in summaries(records) {
        if suites.last().is_none_or(|suite| suite.name.as_str() != summary.group) {
            suites.push(TestSuite::new(summary.group));
        }
        let Some(suite) = suites.last_mut() else { continue };
        for record in &summary.records {
            let status = match &record.verdict {
                Verdict::Pass => TestCaseStatus::success(),
                Verdict::Fail(evidence) | Verdict::Deviates(evidence) => {
                    let mut status = TestCaseStatus::non_success(NonSuccessKind::Failure);
                    status.set_message(format!("expected {}, actual {}", evidence.expected, evidence.actual));
                    status.set_description(record.transcript.join("\n"));
                    status
                }
                Verdict::Broken(why) => {
                    let mut status = TestCaseStatus::non_success(NonSuccessKind::Error);
                    status.set_message(why.clone());
                    status
                }
                Verdict::Known(_, why) | Verdict::Unsupported(why) | Verdict::Skipped(why) => {
                    let mut status = TestCaseStatus::skipped();
                    status.set_message(why.clone());
                    status
                }
            };
            let mut case = TestCase::new(format!("{} {}", summary.id, record.task.cell), status);
            case.set_time(record.elapsed);
            suite.add_test_case(case);
        }
    }
    report.add_test_suites(suites);
    report.to_string().map_err(|error| error.to_string())
}
