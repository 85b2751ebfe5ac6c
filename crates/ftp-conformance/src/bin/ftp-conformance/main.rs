//! The command line of the suite.
#![allow(clippy::print_stdout, reason = "a command line talks to a person")]

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use ftp_conformance::clause::{catalogue, requirement};
use ftp_conformance::registry;
use ftp_conformance::target::fixtures;

mod bench;
mod client;
mod diagnosis;
mod judge;
mod lab;

/// The h2spec of FTP: judges any FTP or FTPS server clause by clause.
#[derive(Debug, Parser)]
#[command(version, about)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// The requirements, and whether a case decides them
    List {
        /// Beginnings of ids
        prefixes: Vec<String>,
    },
    /// One requirement: clause, statement, check, the case and the planted fault that it catches
    Explain {
        /// The id
        id: String,
    },
    /// Judge a server
    Run(Box<judge::Args>),
    /// Find out why transfers fail, from this host: what is in the way, and who has to change what
    Diagnose(diagnosis::Args),
    /// What `cargo xtask lab` runs in each of its networks
    #[command(hide = true)]
    LabClient(lab::Args),
    /// A peer with the suite's configuration, until it is killed
    #[command(hide = true)]
    Peer(lab::PeerArgs),
    /// Measure a server: throughput, latency, processor time and memory
    Bench(bench::Args),
    /// The bound that servers are compared with: a server that checks nothing, until it is killed
    #[command(hide = true)]
    BenchLimit(bench::LimitArgs),
    /// Grade a client: a scripted server with the oddities of the field
    Client(client::Args),
    /// Make the files that some cases look at: without rights, huge, links
    Fixtures {
        /// The root of the account on the server that is to be judged
        folder: PathBuf,
    },
}

fn main() -> ExitCode {
    let done = match Cli::parse().command {
        Command::List { prefixes } => {
            list(&prefixes);
            Ok(ExitCode::SUCCESS)
        }
        Command::Explain { id } => explain(&id),
        Command::Run(args) => judge::run(&args),
        Command::Diagnose(args) => diagnosis::run(&args),
        Command::LabClient(args) => lab::run(&args),
        Command::Peer(args) => lab::peer(&args),
        Command::Bench(args) => bench::run(&args),
        Command::BenchLimit(args) => bench::limit(&args),
        Command::Client(args) => client::run(&args),
        Command::Fixtures { folder } => make_fixtures(&folder),
    };
    done.unwrap_or_else(|error| {
        eprintln!("ftp-conformance: {error}");
        ExitCode::from(2)
    })
}

fn list(prefixes: &[String]) {
    for requirement in catalogue() {
        if prefixes.is_empty() || prefixes.iter().any(|prefix| requirement.id.starts_with(prefix.as_str())) {
            let state = registry::reason(requirement).map_or("case", |_| "none");
            println!("{state:<5} {:<28} {:<8} {}", requirement.id, requirement.level, requirement.statement);
        }
    }
    println!("{}", registry::account());
}

fn explain(id: &str) -> Result<ExitCode, String> {
    let known =
        requirement(id).ok_or_else(|| format!("{id} is no id of a requirement; `list` shows them"))?;
    println!(
        "{} ({}, {})\n\n{}\n\nCheck: {}",
        known.id,
        known.clause(),
        known.level,
        known.statement,
        known.check
    );
    match (registry::reason(known), registry::case(id)) {
        (None, Some(case)) => {
            println!("\nA case decides it: ftp-conformance run {id}");
            for need in case.needs {
                println!("It needs {}.", need.as_str());
            }
            if let Some(fault) = registry::fault(case) {
                println!("It was seen to fail when {}.", fault.as_str());
            }
            if let Some(why) = registry::stands(case) {
                println!("It holds on none of the peers of the scoreboard, and stands: {why}.");
            }
        }
        (reason, _) => println!("\nNo case: {}.", reason.unwrap_or_default()),
    }
    Ok(ExitCode::SUCCESS)
}

fn make_fixtures(folder: &std::path::Path) -> Result<ExitCode, String> {
    fixtures::prepare(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    println!("{} is ready: run with --setup fixtures", folder.join(fixtures::FOLDER).display());
    Ok(ExitCode::SUCCESS)
}
