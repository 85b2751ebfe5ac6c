//! `ftp-conformance client`.

use std::net::SocketAddr;
use std::process::ExitCode;

use ftp_conformance::grade::{Trial, grade};
use tokio::net::TcpListener;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Where the client is to connect, in clear, with any user and password
    #[arg(long, value_name = "ADDR:PORT", default_value = "127.0.0.1:2121")]
    listen: SocketAddr,
    /// Connections to wait for; each is one trial
    #[arg(long, value_name = "N", default_value_t = Trial::ALL.len())]
    rounds: usize,
}

/// Runs the command: 0 if the client coped with every trial, 1 if not.
pub(crate) fn run(args: &Args) -> Result<ExitCode, String> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| error.to_string())?;
    let mut failed = 0;
    runtime.block_on(async {
        let listener =
            TcpListener::bind(args.listen).await.map_err(|error| format!("{}: {error}", args.listen))?;
        let address = listener.local_addr().map_err(|error| error.to_string())?;
        eprintln!("let the client transfer something {} times, from ftp://{address}/", args.rounds);
        let told = |grade: &ftp_conformance::grade::Grade| {
            let (coped, verdict) = grade.verdict();
            failed += usize::from(!coped);
            println!("{} {:<52} {verdict}", if coped { "ok  " } else { "FAIL" }, grade.trial.as_str());
            if !coped {
                println!("       it said: {}", grade.said.join(", "));
            }
        };
        grade(listener, args.rounds, told).await.map_err(|error| error.to_string())
    })?;
    Ok(if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
