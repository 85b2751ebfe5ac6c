//! Every case can fail: for each there is a planted fault that it catches. A case that no fault makes fail would
//! decide nothing. Which fault it is stands in `registry.toml`.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a failure is the test's failure")]

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use ftp_conformance::peer::fault::{self, Fault};
use ftp_conformance::plan::{Selection, Task};
use ftp_conformance::registry;
use ftp_conformance::runner::{Options, run, run_one};
use ftp_conformance::target::Target;
use ftp_conformance::verdict::Verdict;

/// Cells of every case: none is left out for being slow.
fn tasks() -> Vec<Task> {
    Selection { without: Vec::new(), ..Selection::default() }.tasks()
}

/// A target whose storage has the fault, if it is one of a storage; else one whose client sees it.
struct Spoilt {
    good: Target,
    storages: HashMap<&'static str, Target>,
}

impl Spoilt {
    fn new() -> Self {
        let storages = [Fault::EmptiesFirst, Fault::PublishesBroken, Fault::ReadsAnything];
        let storages = storages.map(|fault| (fault.as_str(), Target::spoilt(fault)));
        Self { good: Target::builtin(), storages: HashMap::from(storages) }
    }

    async fn fails(&self, task: Task, fault: Fault) -> bool {
        let options = Options { jobs: 1, timeout: Duration::from_secs(4), fault: Some(fault) };
        let target = self.storages.get(fault.as_str()).unwrap_or(&self.good);
        run_one(target, task, options).await.verdict.evidence().is_some()
    }
}

/// One cell a case, in which it holds without a fault.
async fn holding_cells() -> BTreeMap<&'static str, Task> {
    let mut firsts: Vec<Task> = Vec::new();
    for task in Selection::default().tasks() {
        // Two cells a case: in the first some cases have nothing to do.
        let so_far = firsts.iter().rev().take_while(|last| std::ptr::eq(last.case, task.case)).count();
        let is_fit = task.cell.way.is_none_or(|way| way == ftp_conformance::axes::Way::Up);
        if is_fit && (so_far < 2 || so_far < 12 && task.cell.data == ftp_conformance::axes::Data::Port) {
            firsts.push(task);
        }
    }
    let records = run(Arc::new(Target::builtin()), &firsts, Options::default(), |_| {}).await;
    let holding = records.iter().filter(|record| record.verdict == Verdict::Pass);
    let mut cells = BTreeMap::new();
    for record in holding {
        cells.entry(record.task.case.id()).or_insert(record.task);
    }
    cells
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_case_fails_under_its_fault() {
    let (spoilt, cells) = (Arc::new(Spoilt::new()), holding_cells().await);
    let mut running = tokio::task::JoinSet::new();
    let mut wrong = Vec::new();
    let seats = Arc::new(tokio::sync::Semaphore::new(8));
    for (_, case) in registry::cases() {
        let Some(fault) = registry::fault(case) else {
            wrong.push(format!("{} has no fault in registry.toml", case.id()));
            continue;
        };
        let is_slow = case.needs.contains(&ftp_conformance::case::Need::Slow);
        match cells.get(case.id()) {
            None if is_slow => {}
            None => wrong.push(format!("{} holds in no cell", case.id())),
            Some(task) => {
                let (spoilt, seats, task) = (Arc::clone(&spoilt), Arc::clone(&seats), *task);
                running.spawn(async move {
                    let _seat = seats.acquire_owned().await;
                    (task.case.id(), fault, spoilt.fails(task, fault).await)
                });
            }
        }
    }
    let mut caught = 0;
    while let Some(done) = running.join_next().await {
        let (id, fault, fails) = done.unwrap();
        if fails {
            caught += 1;
        } else {
            wrong.push(format!("{id} does not fail when {}", fault.as_str()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(caught > 400, "{caught} cases were seen to fail");
}

/// Prints the table of faults for `registry.toml`: for each case the most particular fault that it catches.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a tool: cargo test -p ftp-conformance --test planted -- --ignored --nocapture"]
async fn print_the_table_of_faults() {
    let (spoilt, mut cells) = (Arc::new(Spoilt::new()), holding_cells().await);
    for task in tasks() {
        cells.entry(task.case.id()).or_insert(task);
    }
    let seats = Arc::new(tokio::sync::Semaphore::new(8));
    let mut running = tokio::task::JoinSet::new();
    for (id, task) in cells {
        let (spoilt, seats) = (Arc::clone(&spoilt), Arc::clone(&seats));
        running.spawn(async move {
            let _seat = seats.acquire_owned().await;
            for fault in fault::ALL {
                if spoilt.fails(task, *fault).await {
                    return (id, Some(*fault));
                }
            }
            (id, None)
        });
    }
    let mut table = BTreeMap::new();
    while let Some(done) = running.join_next().await {
        let (id, fault) = done.unwrap();
        table.insert(id, fault);
    }
    for (id, fault) in table {
        println!("FAULT \"{id}\" = \"{fault:?}\"");
    }
}
