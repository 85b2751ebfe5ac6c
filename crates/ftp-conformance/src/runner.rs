//! Runs cases in parallel, each in isolation: a case that hangs or panics is broken, and the run goes on.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::case::{Case, Need, Outcome, Stop};
use crate::clause::{Level, requirement};
use crate::context::Context;
use crate::peer::control::DATA_WAIT;
use crate::peer::fault::Fault;
use crate::peer::transcript::Transcript;
use crate::plan::Task;
use crate::target::{Missing, Server, Target};
use crate::verdict::Verdict;

/// Lines of a transcript that go into a report.
const TAIL: usize = 12;

/// How a run is done.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// Cases at once.
    pub jobs: usize,
    /// How long a reply may take.
    pub timeout: Duration,
    /// A planted fault, in the suite's own tests.
    pub fault: Option<Fault>,
}

impl Default for Options {
    /// 8 cases at once, 10 s a reply.
    fn default() -> Self {
        Self { jobs: 8, timeout: Duration::from_secs(10), fault: None }
    }
}

/// The verdict on one case in one cell.
#[derive(Debug, Clone)]
pub struct Record {
    /// What was run.
    pub task: Task,
    /// What came of it.
    pub verdict: Verdict,
    /// The last lines of the dialogue.
    pub transcript: Vec<String>,
    /// How long it took.
    pub elapsed: Duration,
}

/// The most that a case may take, as a multiple of the time for a reply.
const CASE_FACTOR: u32 = 12;

/// The server for a case, or why there is none.
async fn server(target: &Target, case: &Case) -> Result<Arc<Server>, Stop> {
    let server = target.server_for(case).await.map_err(|missing| match missing {
        Missing::Setup(setup) => Stop::Skipped(setup.as_str().to_owned()),
        Missing::Broken(why) => Stop::Broken(format!("the server does not start: {why}")),
    })?;
    let lacks = |need: &Need| match need {
        Need::Second => server.second.is_none(),
        Need::SecondAddress => server.v4.is_none_or(|doors| doors.explicit.ip() != Ipv4Addr::LOCALHOST),
        _ => false,
    };
    match case.needs.iter().find(|need| lacks(need)) {
        Some(need) => Err(Stop::Skipped(need.as_str().to_owned())),
        None => Ok(server),
    }
}

/// Runs one case in one cell.
pub async fn run_one(target: &Target, task: Task, options: Options) -> Record {
    let begun = Instant::now();
    let transcript = Transcript::default();
    let outcome = match server(target, task.case).await {
        Ok(server) => ask(server, task, options, &transcript).await,
        Err(stop) => Err(stop),
    };
    let level = requirement(task.case.id()).map_or(Level::Must, |requirement| requirement.level);
    let verdict = Verdict::of(outcome, level);
    Record { task, verdict, transcript: transcript.tail(TAIL), elapsed: begun.elapsed() }
}

async fn ask(server: Arc<Server>, task: Task, options: Options, transcript: &Transcript) -> Outcome {
    let context = Context {
        transcript: transcript.clone(),
        fault: options.fault,
        ..Context::new(server, task.cell, options.timeout)
    };
    let running = tokio::spawn((task.case.run)(context));
    let aborter = running.abort_handle();
    match tokio::time::timeout((options.timeout * CASE_FACTOR).max(DATA_WAIT * 2), running).await {
        Ok(Ok(outcome)) => outcome,
        Ok(Err(error)) => Err(Stop::Broken(format!("the case did not end: {error}"))),
        Err(_) => {
            aborter.abort();
            Err(Stop::Broken("the case took too long".to_owned()))
        }
    }
}

/// Runs everything; records come in the order of `tasks`. `done` hears of each as it ends.
pub async fn run(
    target: Arc<Target>,
    tasks: &[Task],
    options: Options,
    mut done: impl FnMut(&Record),
) -> Vec<Record> {
    let seats = Arc::new(Semaphore::new(options.jobs.max(1)));
    let mut running = JoinSet::new();
    for (index, task) in tasks.iter().copied().enumerate() {
        let (target, seats) = (Arc::clone(&target), Arc::clone(&seats));
        running.spawn(async move {
            let _seat = seats.acquire_owned().await;
            (index, run_one(&target, task, options).await)
        });
    }
    let mut records: Vec<(usize, Record)> = Vec::with_capacity(tasks.len());
    while let Some(ended) = running.join_next().await {
        if let Ok((index, record)) = ended {
            done(&record);
            records.push((index, record));
        }
    }
    records.sort_by_key(|(index, _)| *index);
    records.into_iter().map(|(_, record)| record).collect()
}
