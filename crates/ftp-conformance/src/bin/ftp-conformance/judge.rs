//! `ftp-conformance run`.

use std::io::IsTerminal;
use std::net::{SocketAddr, ToSocketAddrs};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use ftp_conformance::axes::{Data, Family, Security, Version};
use ftp_conformance::baseline::Baseline;
use ftp_conformance::case::Need;
use ftp_conformance::plan::{Selection, Task};
use ftp_conformance::registry;
use ftp_conformance::report::{self, Strictness};
use ftp_conformance::runner::{self, Options, Record};
use ftp_conformance::target::{Account, Product, Remote, Target};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Beginnings of ids; all cases without one
    prefixes: Vec<String>,
    /// `builtin`, ftp://HOST:PORT, or process:NAME with a peer's name (vsftpd, proftpd, pure-ftpd, pyftpdlib, unftp)
    #[arg(long, default_value = "builtin")]
    target: String,
    /// The user, for a target at an address
    #[arg(long, value_name = "U")]
    user: Option<String>,
    /// The environment variable that holds the password
    #[arg(long, value_name = "VAR")]
    password_env: Option<String>,
    /// Another user, with another root, for a target at an address
    #[arg(long, value_name = "U", requires = "second_password_env")]
    second_user: Option<String>,
    /// The environment variable that holds the other user's password
    #[arg(long, value_name = "VAR")]
    second_password_env: Option<String>,
    /// The port of implicit FTPS, for a target at an address
    #[arg(long, value_name = "N")]
    implicit_port: Option<u16>,
    /// How a target at an address is set up beside the ordinary: fixtures, strict, impatient, resume, hosts, quota, ccc, …
    #[arg(long, value_delimiter = ',', value_name = "NAME")]
    setup: Vec<Need>,
    /// Profiles
    #[arg(long, value_delimiter = ',', default_value = "plain,explicit,implicit")]
    security: Vec<Security>,
    /// Ways of making data connections
    #[arg(long, value_delimiter = ',', default_value = "pasv,epsv,port,eprt")]
    data: Vec<Data>,
    /// Versions of TLS
    #[arg(long, value_delimiter = ',', default_value = "1.2,1.3")]
    tls: Vec<Version>,
    /// Versions of IP
    #[arg(long, value_delimiter = ',', default_value = "4,6")]
    ip: Vec<Family>,
    /// Also what takes minutes
    #[arg(long)]
    slow: bool,
    /// Nothing that fails logins on purpose or loads the server
    #[arg(long)]
    gentle: bool,
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
    /// TOML file of `"ID" = "reason"`, `*` in an ID for anything: what is known not to hold
    #[arg(long, value_name = "FILE")]
    baseline: Option<PathBuf>,
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

/// The host and the address in ftp://HOST:PORT.
pub(crate) fn address(target: &str) -> Result<(String, SocketAddr), String> {
    let wrong = || format!("{target:?} is no target: expected builtin, ftp://HOST:PORT or process:NAME");
    let given = target.strip_prefix("ftp://").map(|rest| rest.trim_end_matches('/')).ok_or_else(wrong)?;
    let (host, port) = match given.rsplit_once(':') {
        Some((host, port)) if !host.ends_with(':') && !port.ends_with(']') => {
            (host, port.parse::<u16>().map_err(|_| format!("{port:?} is no port: expected 1 to 65535"))?)
        }
        _ => (given, 21),
    };
    let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
    let found = (host.as_str(), port).to_socket_addrs().map_err(|error| format!("{host}: {error}"))?.next();
    found.map(|address| (host, address)).ok_or_else(wrong)
}

pub(crate) fn password(variable: &str) -> Result<String, String> {
    std::env::var(variable).map_err(|_| format!("the environment variable {variable} is not set"))
}

fn remote(args: &Args) -> Result<Remote, String> {
    let (host, explicit) = address(&args.target)?;
    let user = args.user.clone().ok_or("a target at an address needs --user")?;
    let variable = args.password_env.as_deref().ok_or("a target at an address needs --password-env")?;
    let second = match (&args.second_user, &args.second_password_env) {
        (Some(user), Some(variable)) => Some(Account { user: user.clone(), password: password(variable)? }),
        _ => None,
    };
    Ok(Remote {
        host,
        explicit,
        implicit_port: args.implicit_port,
        account: Account { user, password: password(variable)? },
        second,
        setups: args.setup.clone(),
    })
}

fn target(args: &Args) -> Result<Target, String> {
    match args.target.split_once(':') {
        None if args.target == "builtin" => Ok(Target::builtin()),
        Some(("process", name)) => Ok(Target::process(name.parse::<Product>()?)),
        _ => remote(args).map(Target::remote),
    }
}

fn selection(args: &Args) -> Selection {
    let slow = (!args.slow).then_some(Need::Slow);
    let rough = [Need::Lockout, Need::Load].into_iter().filter(|_| args.gentle);
    Selection {
        prefixes: args.prefixes.clone(),
        security: args.security.clone(),
        data: args.data.clone(),
        versions: args.tls.clone(),
        families: args.ip.clone(),
        without: slow.into_iter().chain(rough).collect(),
    }
}

/// Runs the command: 0 if all hold, 1 if something fails.
pub(crate) fn run(args: &Args) -> Result<ExitCode, String> {
    let tasks = selection(args).tasks();
    if tasks.is_empty() {
        return Err(
            "nothing to run: no case begins with that id in the chosen cells; `list` shows them".to_owned()
        );
    }
    let baseline = args.baseline.as_deref().map(Baseline::read).transpose()?.unwrap_or_default();
    let mut records = if args.dry_run { Vec::new() } else { judge(args, &tasks)? };
    let stale = if args.dry_run { Vec::new() } else { baseline.apply(&mut records) };
    if args.dry_run {
        let mut cases: Vec<&str> = tasks.iter().map(|task| task.case.id()).collect();
        cases.dedup();
        println!("{} cells of {} cases would run\n{}", tasks.len(), cases.len(), registry::account());
    }
    write_reports(args, &records)?;
    for (id, reason) in &stale {
        eprintln!("the baseline is stale: {id} holds now ({reason}); strike it out");
    }
    let strictness = if args.strict { Strictness::Strict } else { Strictness::Lenient };
    let good = stale.is_empty() && report::holds(&records, strictness);
    Ok(if good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn judge(args: &Args, tasks: &[Task]) -> Result<Vec<Record>, String> {
    let target = target(args)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| error.to_string())?;
    let options = Options { jobs: args.jobs, timeout: Duration::from_secs(args.timeout), fault: None };
    let bar = if std::io::stderr().is_terminal() {
        indicatif::ProgressBar::new(tasks.len() as u64)
    } else {
        indicatif::ProgressBar::hidden()
    };
    let records = runtime.block_on(async {
        // A server that does not start at all is the harness's failure, and said once.
        match target.server(None).await {
            Ok(_) => Ok(runner::run(target.into(), tasks, options, |_| bar.inc(1)).await),
            Err(missing) => Err(missing.to_string()),
        }
    });
    bar.finish_and_clear();
    records
}

fn write_reports(args: &Args, records: &[Record]) -> Result<(), String> {
    let write = |file: &PathBuf, text: String| {
        std::fs::write(file, text).map_err(|error| format!("{}: {error}", file.display()))
    };
    let wants_terminal =
        args.report.is_empty() || args.report.iter().any(|kind| matches!(kind, ReportKind::Terminal));
    if wants_terminal && !args.dry_run {
        print!("{}", report::terminal::report(records));
        println!("{}; `list` shows them", registry::account());
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
