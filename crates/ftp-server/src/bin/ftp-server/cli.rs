//! The command line. Its words are scripted by others: they stay.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use ftp_server::announce::Announced;
use ftp_server::config::PortRange;

/// FTP, explicit and implicit FTPS server that never leaves a broken file behind.
#[derive(Debug, Parser)]
#[command(version, about)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Serve a folder, or what a configuration says
    Serve(Box<ServeArgs>),
    /// Say what a configuration means and what is wrong with it
    Check(CheckArgs),
    /// Ask the running server which data connections fail, for whom, and what to do
    Doctor(DoctorArgs),
    /// Show what is kept of broken uploads, and give it its name, or remove it
    #[command(subcommand)]
    Partial(Partial),
    /// Read a password and print the argon2id string for the configuration
    HashPassword,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Partial {
    /// Show all that is kept below a folder, the oldest first
    List {
        /// The folder that is served
        folder: PathBuf,
    },
    /// Give what is kept the name that it was meant for, as if its upload had ended; a file that has the name stays
    Publish(PartialArgs),
    /// Remove what is kept
    Drop(PartialArgs),
}

#[derive(Debug, Args)]
pub(crate) struct PartialArgs {
    /// The home of the user whose upload broke
    pub(crate) folder: PathBuf,
    /// The file, as that user calls it
    pub(crate) file: String,
    /// The user
    #[arg(long, value_name = "NAME")]
    pub(crate) user: String,
    /// The virtual host of the user, if it is one of a certain host
    #[arg(long, value_name = "NAME", default_value = "", hide_default_value = true)]
    pub(crate) host: String,
}

#[derive(Debug, Args)]
pub(crate) struct CheckArgs {
    /// The configuration file
    #[arg(long, value_name = "FILE")]
    pub(crate) config: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct DoctorArgs {
    /// The socket that the server was given by --doctor [default: doctor.sock in its state folder]
    #[arg(long, value_name = "PATH")]
    pub(crate) socket: Option<PathBuf>,
}

/// `refuse` or `allow`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Plain {
    /// Logins need TLS
    Refuse,
    /// Logins and data in clear are permitted beside TLS
    Allow,
}

/// `on` or `off`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Active {
    /// PORT and EPRT are taken
    On,
    /// Passive mode only
    Off,
}

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormat {
    /// For people
    Text,
    /// One JSON object a line
    Json,
}

/// A user of the command line, as it was given.
#[derive(Debug, Clone)]
pub(crate) struct Named {
    pub(crate) name: String,
    /// Absent if it is to be asked for.
    pub(crate) password: Option<String>,
}

fn named(text: &str) -> Result<Named, String> {
    let (name, password) = match text.split_once(':') {
        Some((name, password)) => (name, Some(password.to_owned())),
        None => (text, None),
    };
    match name.is_empty() || password.as_ref().is_some_and(String::is_empty) {
        true => {
            Err("expected NAME, whose password is asked for, or NAME:PASSWORD, both not empty".to_owned())
        }
        false => Ok(Named { name: name.to_owned(), password }),
    }
}

fn address(text: &str) -> Result<SocketAddr, String> {
    text.parse()
        .map_err(|_| "expected ADDR:PORT with an IP address, as in 0.0.0.0:21 or [::]:3021".to_owned())
}

#[derive(Debug, Args)]
pub(crate) struct ServeArgs {
    /// The folder to serve; not needed with --config
    pub(crate) root: Option<PathBuf>,
    /// Configuration file; what stands on the command line comes on top
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// A user of ROOT with all rights; repeatable. Its password is asked for, or taken from --password-env: one that stands here,
    /// behind a colon, is seen by everybody who may list processes. Without a user, `ftp` gets a random password
    #[arg(long, value_name = "NAME[:PASSWORD]", value_parser = named)]
    pub(crate) user: Vec<Named>,
    /// The environment variable that holds the password of each --user NAME without one
    #[arg(long, value_name = "VAR", requires = "user")]
    pub(crate) password_env: Option<String>,
    /// Listen for explicit FTPS (and plain FTP where allowed); repeatable
    #[arg(long, value_name = "ADDR:PORT", value_parser = address)]
    pub(crate) explicit: Vec<SocketAddr>,
    /// Listen for implicit FTPS; repeatable
    #[arg(long, value_name = "ADDR:PORT", value_parser = address)]
    pub(crate) implicit: Vec<SocketAddr>,
    /// Whether logins and data in clear are permitted [default: refuse]
    #[arg(long, value_enum)]
    pub(crate) plain: Option<Plain>,
    /// Ports of passive mode [default: 40000-50000]
    #[arg(long, value_name = "LOW-HIGH")]
    pub(crate) passive_ports: Option<PortRange>,
    /// What PASV announces behind NAT: the public IPv4 address, or a name that is looked up
    #[arg(long, value_name = "IP|NAME")]
    pub(crate) passive_address: Option<Announced>,
    /// Whether active mode is taken [default: on]
    #[arg(long, value_enum)]
    pub(crate) active: Option<Active>,
    /// Certificate chain
    #[arg(long, value_name = "PEM", requires = "key")]
    pub(crate) cert: Option<PathBuf>,
    /// Key of the certificate
    #[arg(long, value_name = "PEM", requires = "cert")]
    pub(crate) key: Option<PathBuf>,
    /// Socket for `ftp-server doctor` [default: doctor.sock in the state folder]
    #[arg(long, value_name = "PATH")]
    pub(crate) doctor: Option<PathBuf>,
    /// Form of the log, which goes to standard error; RUST_LOG sets its level
    #[arg(long, value_enum, default_value = "text")]
    pub(crate) log: LogFormat,
}
