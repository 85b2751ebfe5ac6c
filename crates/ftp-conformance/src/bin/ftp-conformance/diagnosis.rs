//! `ftp-conformance diagnose`.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use ftp_conformance::axes::{Family, Security};
use ftp_conformance::diagnose::{Cause, Control, Finding, Seen, Settings, probe, remedy, verdict};
use ftp_conformance::target::{Account, Remote, Server, Target};
use serde::Serialize;

use crate::judge::{address, password};

/// The port of implicit FTPS that goes with a port of explicit FTPS.
const IMPLICIT: [(u16, u16); 2] = [(21, 990), (3021, 3990)];

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// ftp://[USER@]HOST[:PORT]
    target: String,
    /// The environment variable that holds the password; without a user the login is anonymous
    #[arg(long, value_name = "VAR")]
    password_env: Option<String>,
    /// Profiles to examine; each is compared with the others
    #[arg(long, value_delimiter = ',', default_value = "plain,explicit")]
    security: Vec<Security>,
    /// The port of implicit FTPS [default: 990 beside 21, 3990 beside 3021]
    #[arg(long, value_name = "N")]
    implicit_port: Option<u16>,
    /// Also leave the control connection quiet for so many seconds, and see if it survives
    #[arg(long, value_name = "S")]
    quiet_for: Option<u64>,
    /// Print everything that was seen as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Report<'a> {
    target: &'a str,
    verdict: Option<Cause>,
    findings: &'a [Finding],
    seen: &'a [Seen],
}

/// Runs the command: 0 if passive mode works, 1 if something is in the way, 2 if nothing could be found out.
pub(crate) fn run(args: &Args) -> Result<ExitCode, String> {
    let server = server(args)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| error.to_string())?;
    let (seen, found) = runtime.block_on(examine(args, server))?;
    if args.json {
        let report = Report {
            target: &args.target,
            verdict: found.first().map(|finding| finding.cause),
            findings: &found,
            seen: &seen,
        };
        println!("{}", serde_json::to_string_pretty(&report).map_err(|error| error.to_string())?);
    } else {
        tell(&seen, &found);
    }
    Ok(match found.first().map(|finding| finding.cause) {
        Some(Cause::Works) => ExitCode::SUCCESS,
        Some(_) => ExitCode::FAILURE,
        None => ExitCode::from(2),
    })
}

fn server(args: &Args) -> Result<Remote, String> {
    let rest = args.target.strip_prefix("ftp://").unwrap_or(&args.target);
    let (user, place) = match rest.rsplit_once('@') {
        Some((user, place)) => (user.to_owned(), place),
        None => ("anonymous".to_owned(), rest),
    };
    let (host, explicit) = address(&format!("ftp://{place}"))?;
    let password = match &args.password_env {
        Some(variable) => password(variable)?,
        None if user == "anonymous" => "diagnose@".to_owned(),
        None => return Err(format!("the password of {user} is needed: --password-env VAR")),
    };
    let beside = IMPLICIT.iter().find(|(port, _)| *port == explicit.port()).map(|(_, implicit)| *implicit);
    Ok(Remote {
        host,
        explicit,
        implicit_port: args.implicit_port.or(beside),
        account: Account { user, password },
        second: None,
        setups: Vec::new(),
    })
}

async fn examine(args: &Args, remote: Remote) -> Result<(Vec<Seen>, Vec<Finding>), String> {
    let family = if remote.explicit.is_ipv4() { Family::V4 } else { Family::V6 };
    let target = Target::remote(remote);
    let server: Arc<Server> = target.server(None).await.map_err(|missing| missing.to_string())?;
    let mut seen = Vec::new();
    for security in &args.security {
        let mut tell = |step: &str| {
            if !args.json {
                eprintln!("{security}: {step}");
            }
        };
        seen.push(probe(&server, *security, family, Settings::default(), &mut tell).await);
    }
    let mut found = verdict(&seen);
    if let Some(seconds) = args.quiet_for
        && let Some(security) =
            seen.iter().find(|seen| seen.control == Control::Good).map(|seen| seen.security)
    {
        if !args.json {
            eprintln!("{security}: control connection, quiet for {seconds} s");
        }
        let quiet = Duration::from_secs(seconds);
        if let Some(finding) = ftp_conformance::diagnose::stay_quiet(&server, security, family, quiet).await {
            found.insert(0, finding);
        }
    }
    Ok((seen, found))
}

fn tell(seen: &[Seen], found: &[Finding]) {
    for seen in seen {
        let state = match &seen.control {
            Control::Good => "examined".to_owned(),
            Control::NotOffered(why) => format!("not offered ({why})"),
            other => format!("{other:?}"),
        };
        println!("{:<9} {state}", seen.security.to_string());
    }
    for (index, finding) in found.iter().enumerate() {
        let (what, who, lines) = remedy(finding.cause);
        println!("\n{}{what}", if index == 0 { "verdict: " } else { "also:    " });
        println!("  seen:  {}", finding.because);
        println!("  to do: {who}");
        lines.iter().for_each(|line| println!("         {line}"));
    }
    if found.is_empty() {
        println!("\nnothing could be found out");
    }
}
