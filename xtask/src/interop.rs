//! Real clients against the release binary: each client, each way of making data connections, each profile.
//!
//! Then errands of other clients (`interop/errands.rs`): patterns, switches, ALLO, abort in urgent data, many files at once. Then
//! what `data_session` promises of clients that resume TLS sessions and of one that does not (`interop/reuse.rs`).
//!
//! What a client does stands in `xtask/interop/clients.py`; here are the server and the matrix. A cell that a client
//! cannot do says so; a failing cell fails the task.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use crate::run::{comes_up, command, free_address, need_module, need_programs, root, run};

mod errands;
mod reuse;

const CLIENTS: [&str; 5] = ["curl", "lftp", "wget", "ftplib", "aioftp"];
const MODES: [&str; 4] = ["pasv", "epsv", "port", "eprt"];
const PROFILES: [&str; 3] = ["plain", "explicit", "implicit"];

/// Which cells are run.
#[derive(Debug, Default, clap::Args)]
pub(crate) struct Args {
    /// Only these clients
    #[arg(long, value_delimiter = ',', value_parser = CLIENTS)]
    client: Vec<String>,
    /// Only these modes
    #[arg(long, value_delimiter = ',', value_parser = MODES)]
    mode: Vec<String>,
    /// Only these profiles
    #[arg(long, value_delimiter = ',', value_parser = PROFILES)]
    profile: Vec<String>,
}

/// The server under test; it goes with the value.
struct Daemon {
    child: Child,
    explicit: u16,
    implicit: u16,
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // It may be gone already.
        let _killed = self.child.kill();
        let _reaped = self.child.wait();
    }
}

/// Starts the daemon on `folder/root`, with `options` besides.
fn start(folder: &Path, options: &[&str]) -> Result<Daemon, String> {
    let (explicit, implicit) = (free_address()?, free_address()?);
    std::fs::create_dir_all(folder.join("root")).map_err(|error| error.to_string())?;
    let log = std::fs::File::create(folder.join("server.log")).map_err(|error| error.to_string())?;
    let child = Command::new(root().join("target/release/ftp-server"))
        .arg("serve")
        .arg(folder.join("root"))
        .args(["--user", "me:secret", "--plain", "allow"])
        .args(["--explicit", &explicit.to_string(), "--implicit", &implicit.to_string()])
        .args(options)
        .env("XDG_STATE_HOME", folder.join("state"))
        .stdout(Stdio::null())
        .stderr(log)
        .spawn()
        .map_err(|error| format!("ftp-server: {error}"))?;
    let daemon = Daemon { child, explicit: explicit.port(), implicit: implicit.port() };
    if comes_up(implicit) { Ok(daemon) } else { Err("ftp-server does not come up".to_owned()) }
}

/// What became of one thing that a client was asked to do.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Cell {
    Good,
    Cannot(String),
    Bad(String),
}

/// Runs one client in one mode and profile; the cells by what was done.
fn cells(
    daemon: &Daemon,
    folder: &Path,
    [client, mode, profile]: [&str; 3],
    only: &[&str],
) -> Result<BTreeMap<String, Cell>, String> {
    let port = if profile == "implicit" { daemon.implicit } else { daemon.explicit };
    let output = command("python3", &["xtask/interop/clients.py", client, mode, profile, &port.to_string()])
        .arg(folder)
        .args(only)
        .output()
        .map_err(|error| format!("python3: {error}"))?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let mut cells = BTreeMap::new();
    for line in text.lines() {
        let mut fields = line.splitn(3, '\t');
        let (Some(what), Some(how), why) = (fields.next(), fields.next(), fields.next().unwrap_or_default())
        else {
            continue;
        };
        let cell = match how {
            "good" => Cell::Good,
            "cannot" => Cell::Cannot(why.to_owned()),
            _ => Cell::Bad(why.to_owned()),
        };
        cells.insert(what.to_owned(), cell);
    }
    if !output.status.success() || cells.is_empty() {
        let why = String::from_utf8_lossy(&output.stderr).lines().last().unwrap_or_default().to_owned();
        cells.insert("script".to_owned(), Cell::Bad(why));
    }
    Ok(cells)
}

fn chosen<'a>(given: &'a [String], all: &[&'a str]) -> Vec<&'a str> {
    if given.is_empty() { all.to_vec() } else { given.iter().map(String::as_str).collect() }
}

/// Runs the matrix and prints it.
pub(crate) fn interop(args: &Args) -> Result<(), String> {
    need_programs(&[("curl", "curl"), ("lftp", "lftp"), ("wget", "wget"), ("python3", "python3")])?;
    need_module("aioftp", "aioftp")?;
    run(&mut command("cargo", &["build", "--release", "--quiet", "-p", "ftp-server"]))?;
    let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
    let daemon = start(folder.path(), &[])?;
    let mut bad = Vec::new();
    let mut cannot = BTreeMap::new();
    let mut good = 0;
    println!("{:<8} {:<5} {:<9} cells", "client", "mode", "profile");
    for client in chosen(&args.client, &CLIENTS) {
        for mode in chosen(&args.mode, &MODES) {
            for profile in chosen(&args.profile, &PROFILES) {
                let begun = Instant::now();
                let cells = cells(&daemon, folder.path(), [client, mode, profile], &[])?;
                let mut row = String::new();
                for (what, cell) in &cells {
                    match cell {
                        Cell::Good => good += 1,
                        Cell::Cannot(why) => {
                            cannot.entry(format!("{client}: {why}")).or_insert(0).clone_from(&1);
                        }
                        Cell::Bad(why) => bad.push(format!("{client} {mode} {profile} {what}: {why}")),
                    }
                    let mark = match cell {
                        Cell::Good => "ok",
                        Cell::Cannot(_) => "-",
                        Cell::Bad(_) => "FAIL",
                    };
                    row += &format!("{what}:{mark} ");
                }
                println!("{client:<8} {mode:<5} {profile:<9} {row} {:.1} s", begun.elapsed().as_secs_f64());
            }
        }
    }
    println!("\n{good} cells good; - marks what a client cannot do:");
    cannot.keys().for_each(|why| println!("  {why}"));
    if args.client.is_empty() && args.mode.is_empty() && args.profile.is_empty() {
        bad.extend(errands::errands(&daemon, folder.path())?);
    }
    if args.mode.is_empty() && args.profile.is_empty() {
        bad.extend(reuse::reuse(&chosen(&args.client, &CLIENTS))?);
    }
    if bad.is_empty() {
        return Ok(());
    }
    let log = std::fs::read_to_string(folder.path().join("server.log")).unwrap_or_default();
    let tail: Vec<&str> = log.lines().rev().take(20).collect();
    Err(format!(
        "{} cells fail:\n{}\nthe server's last lines:\n{}",
        bad.len(),
        bad.join("\n"),
        tail.join("\n")
    ))
}
