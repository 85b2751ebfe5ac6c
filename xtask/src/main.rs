//! The tasks of this repository: `cargo xtask ci`, `tidy`, `fuzz`, `conformance`, `scoreboard`, `lab`,
//! `bench`, `interop`.
#![allow(clippy::print_stdout, reason = "tasks talk to a person")]

use std::process::ExitCode;

use clap::{Parser, Subcommand};

mod bench;
mod ci;
mod fuzz;
mod interop;
mod lab;
mod peers;
mod run;
mod scoreboard;
mod tidy;

/// The tasks of this repository.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask")]
struct Cli {
    #[command(subcommand)]
    task: Task,
}

#[derive(Debug, Subcommand)]
enum Task {
    /// Everything that has to hold: format, lints, tests, docs, tidy, smoke of fuzz, bench and lab, interop
    Ci,
    /// The rules of the house that a machine can check
    Tidy(tidy::Args),
    /// `cargo fuzz` with the toolchain it needs; `smoke` runs every target for a few seconds
    Fuzz(fuzz::Args),
    /// Build ftp-conformance and judge the builtin server: arguments as for `ftp-conformance run`
    Conformance {
        /// What `ftp-conformance run` is given
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<String>,
    },
    /// The suite against this server and its peers; writes crates/ftp-conformance/SCOREBOARD.md
    Scoreboard(scoreboard::Args),
    /// The networks in which FTP fails, built from namespaces, and what servers do in each
    Lab(lab::Args),
    /// The part of `lab` that runs inside a network
    #[command(hide = true)]
    LabInside(lab::InsideArgs),
    /// This server, its peers and the bound, measured in one run; writes crates/ftp-conformance/BENCHMARKS.md
    Bench(bench::Args),
    /// Real clients against the release binary, in every mode and profile
    Interop(interop::Args),
}

fn main() -> ExitCode {
    let done = match Cli::parse().task {
        Task::Ci => ci::ci(),
        Task::Tidy(args) => tidy::tidy(&args),
        Task::Fuzz(args) => fuzz::fuzz(&args),
        Task::Conformance { args } => conformance(&args),
        Task::Scoreboard(args) => scoreboard::scoreboard(&args),
        Task::Lab(args) => lab::lab(&args),
        Task::LabInside(args) => lab::inside(&args),
        Task::Bench(args) => bench::bench(&args),
        Task::Interop(args) => interop::interop(&args),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: {error}");
            ExitCode::FAILURE
        }
    }
}

fn conformance(args: &[String]) -> Result<(), String> {
    let build = ["run", "--release", "--quiet", "-p", "ftp-conformance", "--", "run"];
    run::run(run::command("cargo", &build).args(args))
}
