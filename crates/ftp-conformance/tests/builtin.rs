//! The server of this repository holds in every case and cell, and every report tells of it.
#![allow(clippy::unwrap_used, reason = "a failure is the test's failure")]

use std::sync::Arc;

use ftp_conformance::plan::Selection;
use ftp_conformance::report::{Strictness, holds, html, json, junit, markdown, terminal};
use ftp_conformance::runner::{Options, run};
use ftp_conformance::target::Target;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn builtin_holds_in_every_cell() {
    let tasks = Selection::default().tasks();
    let mut ended = 0;
    let records = run(Arc::new(Target::builtin()), &tasks, Options::default(), |_| ended += 1).await;
    assert_eq!((records.len(), ended), (tasks.len(), tasks.len()));
    assert!(holds(&records, Strictness::Strict), "{}", terminal::report(&records));
    // Every report names what was run.
    let id = tasks.first().unwrap().case.id();
    let reports = [
        terminal::report(&records),
        json::report("builtin", &records).unwrap(),
        junit::report("builtin", &records).unwrap(),
        markdown::report("builtin", &records),
        html::report("builtin", &records),
    ];
    assert!(reports.iter().all(|report| report.contains(id)));
}
