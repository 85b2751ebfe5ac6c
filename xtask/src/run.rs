//! Running programs, and installing those that are not there.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// The root of the repository.
pub(crate) fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).parent().map_or_else(|| PathBuf::from("."), PathBuf::from)
}

/// A command in the root of the repository.
pub(crate) fn command(program: &str, args: &[&str]) -> Command {
    let mut command = Command::new(program);
    command.args(args).current_dir(root());
    command
}

/// Runs a command to its end; an error says which one failed.
pub(crate) fn run(command: &mut Command) -> Result<(), String> {
    let shown = format!("{command:?}").replace('"', "");
    let status = command.status().map_err(|error| format!("{shown}: {error}"))?;
    if status.success() { Ok(()) } else { Err(format!("{shown}: {status}")) }
}

/// An address of this machine that nothing listens at.
pub(crate) fn free_address() -> Result<SocketAddr, String> {
    let listener = TcpListener::bind("127.0.0.1:0").map_err(|error| error.to_string())?;
    listener.local_addr().map_err(|error| error.to_string())
}

/// Waits until something listens at `address`; whether it did in time.
pub(crate) fn comes_up(address: SocketAddr) -> bool {
    let begun = Instant::now();
    while TcpStream::connect(address).is_err() {
        if begun.elapsed() > Duration::from_secs(20) {
            return false;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    true
}

/// Whether a program can be started.
pub(crate) fn has(program: &str, args: &[&str]) -> bool {
    let status = command(program, args).stdout(Stdio::null()).stderr(Stdio::null()).status();
    status.is_ok_and(|status| status.success())
}

/// Whether a program is in PATH.
fn is_there(program: &str) -> bool {
    let paths = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&paths).any(|folder| folder.join(program).is_file())
}

/// Installs Debian packages whose programs are missing.
pub(crate) fn need_programs(programs: &[(&str, &str)]) -> Result<(), String> {
    let missing: Vec<&str> =
        programs.iter().filter(|(program, _)| !is_there(program)).map(|(_, package)| *package).collect();
    if missing.is_empty() {
        return Ok(());
    }
    println!("installing {}", missing.join(" "));
    run(command("apt-get", &["update", "-qq"]).stdout(Stdio::null()))?;
    let install = ["install", "-y", "-qq", "--no-install-recommends"];
    let mut command = command("apt-get", &[&install[..], &missing].concat());
    run(command.env("DEBIAN_FRONTEND", "noninteractive").stdout(Stdio::null()))
}

/// Installs a Python package that cannot be imported.
pub(crate) fn need_module(module: &str, package: &str) -> Result<(), String> {
    if has("python3", &["-c", &format!("import {module}")]) {
        return Ok(());
    }
    println!("installing {package}");
    run(&mut command("python3", &["-m", "pip", "install", "-q", "--break-system-packages", package]))
        .or_else(|_| run(&mut command("python3", &["-m", "pip", "install", "-q", package])))
}
