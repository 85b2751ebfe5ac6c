//! `ftp-conformance lab-client`: what `cargo xtask lab` runs in each network.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use ftp_conformance::axes::{Family, Security};
use ftp_conformance::lab::{Breaking, Settings, tries};
use ftp_conformance::target::{Account, Product, Remote, Stand, Target, serve};

use crate::judge::{address, password};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// ftp://HOST:PORT
    target: String,
    /// The user
    #[arg(long)]
    user: String,
    /// The environment variable that holds the password
    #[arg(long, value_name = "VAR")]
    password_env: String,
    /// The port of implicit FTPS
    #[arg(long)]
    implicit_port: u16,
    /// The folder of that user on the server
    #[arg(long)]
    root: PathBuf,
    /// Profiles
    #[arg(long, value_delimiter = ',', default_value = "plain,explicit,implicit")]
    security: Vec<Security>,
    /// Seconds that a final reply may take
    #[arg(long, default_value_t = 12)]
    deadline: u64,
    /// Tries at once
    #[arg(long, default_value_t = 24)]
    jobs: usize,
    /// Also break transfers off
    #[arg(long)]
    breaking: bool,
}

#[derive(Debug, clap::Args)]
pub(crate) struct PeerArgs {
    /// vsftpd, proftpd, pure-ftpd, pyftpdlib or unftp
    product: Product,
    /// Plain FTP and explicit FTPS
    #[arg(long)]
    explicit: SocketAddr,
    /// Implicit FTPS, for those that can
    #[arg(long)]
    implicit: SocketAddr,
    /// What PASV announces
    #[arg(long)]
    announce: Option<Ipv4Addr>,
    /// Where its files go
    #[arg(long)]
    folder: PathBuf,
}

/// Runs a peer until it is killed.
pub(crate) fn peer(args: &PeerArgs) -> Result<ExitCode, String> {
    let stand = Stand {
        explicit: args.explicit,
        implicit: args.implicit,
        announced: args.announce,
        folder: args.folder.clone(),
    };
    serve(args.product, &stand).map(|()| ExitCode::SUCCESS)
}

/// Runs the command; prints the tries as JSON.
pub(crate) fn run(args: &Args) -> Result<ExitCode, String> {
    let (host, explicit) = address(&args.target)?;
    let remote = Remote {
        host,
        explicit,
        implicit_port: Some(args.implicit_port),
        account: Account { user: args.user.clone(), password: password(&args.password_env)? },
        second: None,
        setups: Vec::new(),
    };
    let settings = Settings {
        root: args.root.clone(),
        deadline: Duration::from_secs(args.deadline),
        security: args.security.clone(),
        jobs: args.jobs,
        breaking: if args.breaking { Breaking::Yes } else { Breaking::No },
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| error.to_string())?;
    let tries = runtime.block_on(async {
        let family = if explicit.is_ipv4() { Family::V4 } else { Family::V6 };
        let server = Target::remote(remote).server(None).await.map_err(|missing| missing.to_string())?;
        Ok::<_, String>(tries(&server, family, &settings).await)
    })?;
    println!("{}", serde_json::to_string(&tries).map_err(|error| error.to_string())?);
    Ok(ExitCode::SUCCESS)
}
