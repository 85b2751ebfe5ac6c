//! `ftp-conformance list | explain | run`: the command line.
#![allow(clippy::print_stdout, reason = "a command line talks to a person")]

use std::io::IsTerminal;
use std::net::{SocketAddr, ToSocketAddrs};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};
use ftp_conformance::axes::{Data, Security, Version};
use ftp_conformance::case::Need;
use ftp_conformance::clause::{catalogue, requirement};
use ftp_conformance::plan::Selection;
use ftp_conformance::report::{self, Strictness};
use ftp_conformance::runner::{Options, Record};
use ftp_conformance::target::Target;
use ftp_conformance::{registry, runner};

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
    /// One requirement: clause, statement, check
    Explain {
        /// The id
        id: String,
    },
    /// Judge a server
    Run(RunArgs),
}

#[derive(Debug, Args)]
struct RunArgs {
    /// Beginnings of ids; all cases without one
    prefixes: Vec<String>,
    /// `builtin`, or ftp://HOST:PORT
    #[arg(long, default_value = "builtin")]
    target: String,
    /// The user, for a target that is not builtin
    #[arg(long, value_name = "U")]
    user: Option<String>,
    /// The environment variable that holds the password
    #[arg(long, value_name = "VAR")]
    password_env: Option<String>,
    /// The port of implicit FTPS, for a target that is not builtin
    #[arg(long, value_name = "N")]
    implicit_port: Option<u16>,
    /// Profiles
    #[arg(long, value_delimiter = ',', default_value = "plain,explicit,implicit")]
    security: Vec<Security>,
    /// Ways of making data connections
    #[arg(long, value_delimiter = ',', default_value = "pasv,epsv,port,eprt")]
    data: Vec<Data>,
    /// Versions of TLS
    #[arg(long, value_delimiter = ',', default_value = "1.2,1.3")]
    tls: Vec<Version>,
    /// Cases at once
    #[arg(long, value_name = "N", default_value_t = 8)]
    jobs: usize,
    /// Seconds that a reply may take
    #[arg(long, value_name = "S", default_value_t = 30)]
    timeout: u64,
    /// A SHOULD that does not hold fails the run
    #[arg(long)]
    strict: bool,
    /// Say what would run, and run nothing
    #[arg(long)]
    dry_run: bool,
    /// terminal, json=FILE, junit=FILE, html=FILE, markdown=FILE; repeatable
    #[arg(long, value_name = "KIND[=FILE]")]
    report: Vec<ReportKind>,
}

/// A report and where it goes.
#[derive(Debug, Clone)]
enum ReportKind {
    Terminal,
    Json(PathBuf),
    Junit(PathBuf),
    Html(PathBuf),
    Markdown(PathBuf),
}

impl std::str::FromStr for ReportKind {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once('=') {
            None if text == "terminal" => Ok(Self::Terminal),
            Some(("json", file)) => Ok(Self::Json(file.into())),
            Some(("junit", file)) => Ok(Self::Junit(file.into())),
            Some(("html", file)) => Ok(Self::Html(file.into())),
            Some(("markdown", file)) => Ok(Self::Markdown(file.into())),
            _ => {
                Err(format!("{text:?}: expected terminal, json=FILE, junit=FILE, html=FILE or markdown=FILE"))
            }
        }
    }
}

fn main() -> ExitCode {
    let done = match Cli::parse().command {
        Command::List { prefixes } => {
            list(&prefixes);
            Ok(ExitCode::SUCCESS)
        }
        Command::Explain { id } => explain(&id),
        Command::Run(args) => run(&args),
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
    println!("{} of {} requirements have a case", registry::decided().len(), catalogue().len());
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
    match registry::reason(known) {
        Some(reason) => println!("\nNo case: {}.", reason.as_str()),
        None => println!("\nA case decides it: ftp-conformance run {id}"),
    }
    Ok(ExitCode::SUCCESS)
}

/// The address in ftp://HOST:PORT.
fn address(target: &str) -> Result<SocketAddr, String> {
    let wrong = || format!("{target:?} is no target: expected builtin or ftp://HOST:PORT");
    let host = target.strip_prefix("ftp://").map(|rest| rest.trim_end_matches('/')).ok_or_else(wrong)?;
    let host = if host.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok()) {
        host.to_owned()
    } else {
        format!("{host}:21")
    };
    host.to_socket_addrs().map_err(|error| format!("{host}: {error}"))?.next().ok_or_else(wrong)
}

async fn target(args: &RunArgs) -> Result<Arc<Target>, String> {
    if args.target == "builtin" {
        return Target::builtin().await;
    }
    let explicit = address(&args.target)?;
    let user = args.user.clone().ok_or("a target that is not builtin needs --user")?;
    let variable = args.password_env.as_ref().ok_or("a target that is not builtin needs --password-env")?;
    let password =
        std::env::var(variable).map_err(|_| format!("the environment variable {variable} is not set"))?;
    let implicit = args.implicit_port.map(|port| SocketAddr::new(explicit.ip(), port));
    Ok(Arc::new(Target::remote(explicit, implicit, user, password)))
}

fn selection(args: &RunArgs) -> Selection {
    let mut security = args.security.clone();
    if args.target != "builtin" && args.implicit_port.is_none() {
        security.retain(|security| *security != Security::Implicit);
    }
    Selection {
        prefixes: args.prefixes.clone(),
        security,
        data: args.data.clone(),
        versions: args.tls.clone(),
        needs: vec![Need::Write, Need::Lockout, Need::Slow],
    }
}

fn run(args: &RunArgs) -> Result<ExitCode, String> {
    let tasks = selection(args).tasks();
    if tasks.is_empty() {
        return Err("nothing to run: no case begins with that id; `list` shows them".to_owned());
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| error.to_string())?;
    let records = if args.dry_run { Vec::new() } else { runtime.block_on(judge(args, &tasks))? };
    if args.dry_run {
        println!("{} cells of {} cases would run", tasks.len(), registry::cases().count());
        println!("{} of {} requirements have a case", registry::decided().len(), catalogue().len());
    }
    write_reports(args, &records)?;
    let strictness = if args.strict { Strictness::Strict } else { Strictness::Lenient };
    Ok(if report::holds(&records, strictness) { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn judge(args: &RunArgs, tasks: &[ftp_conformance::plan::Task]) -> Result<Vec<Record>, String> {
    let target = target(args).await?;
    let options = Options { jobs: args.jobs, timeout: Duration::from_secs(args.timeout), fault: None };
    let bar = if std::io::stderr().is_terminal() {
        indicatif::ProgressBar::new(tasks.len() as u64)
    } else {
        indicatif::ProgressBar::hidden()
    };
    let records = runner::run(&target, tasks, options, |_| bar.inc(1)).await;
    bar.finish_and_clear();
    Ok(records)
}

fn write_reports(args: &RunArgs, records: &[Record]) -> Result<(), String> {
    let write = |file: &PathBuf, text: String| {
        std::fs::write(file, text).map_err(|error| format!("{}: {error}", file.display()))
    };
    let wants_terminal =
        args.report.is_empty() || args.report.iter().any(|kind| matches!(kind, ReportKind::Terminal));
    if wants_terminal && !args.dry_run {
        print!("{}", report::terminal::report(records));
        println!(
            "{} of {} requirements have a case; `list` shows the others",
            registry::decided().len(),
            catalogue().len()
        );
    }
    for kind in &args.report {
        match kind {
            ReportKind::Terminal => {}
            ReportKind::Json(file) => {
                write(file, report::json::report(&args.target, records).map_err(|error| error.to_string())?)?
            }
            ReportKind::Junit(file) => write(file, report::junit::report(&args.target, records)?)?,
            ReportKind::Html(file) => write(file, report::html::report(&args.target, records))?,
            ReportKind::Markdown(file) => write(file, report::markdown::report(&args.target, records))?,
        }
    }
    Ok(())
}
