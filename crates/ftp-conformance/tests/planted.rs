//! Every case can fail: for each there is a planted fault that it catches. A case that no fault makes fail would
//! decide nothing.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a failure is the test's failure"
)]

use std::sync::Arc;
use std::time::Duration;

use ftp_conformance::peer::fault;
use ftp_conformance::plan::{Selection, Task};
use ftp_conformance::runner::{Options, run_one};
use ftp_conformance::target::Target;
use ftp_conformance::verdict::Verdict;

/// One cell a case: the first in which it holds.
async fn holding_cells(target: &Arc<Target>) -> Vec<Task> {
    let mut chosen: Vec<Task> = Vec::new();
    for task in Selection::default().tasks() {
        if chosen.last().is_some_and(|last| std::ptr::eq(last.case, task.case)) {
            continue;
        }
        if run_one(Arc::clone(target), task, Options::default()).await.verdict == Verdict::Pass {
            chosen.push(task);
        }
    }
    chosen
}

/// The fault that makes a case fail, if there is one.
async fn catches(target: &Arc<Target>, task: Task) -> Option<fault::Fault> {
    for fault in fault::ALL {
        let options = Options { jobs: 1, timeout: Duration::from_secs(3), fault: Some(fault) };
        let record = run_one(Arc::clone(target), task, options).await;
        if record.verdict.evidence().is_some() {
            return Some(fault);
        }
    }
    None
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_case_fails_under_some_fault() {
    let target = Target::builtin().await.unwrap();
    let tasks = holding_cells(&target).await;
    assert!(tasks.len() > 300, "only {} cases hold in some cell", tasks.len());
    let mut blind = Vec::new();
    for task in tasks {
        match catches(&target, task).await {
            Some(fault) => println!("{} is caught by {fault:?}", task.case.id()),
            None => blind.push(task.case.id()),
        }
    }
    assert!(blind.is_empty(), "no fault makes these fail: {blind:?}");
}
