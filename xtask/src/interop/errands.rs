//! What other clients do in daily life, each an errand that some server has failed (`xtask/interop/errands.py`).
//!
//! A program that is not installed and cannot be is named, and fails the task in CI. Not here: the matrix of data connections.

use std::path::Path;

use crate::interop::Daemon;
use crate::run::{command, need_programs};

/// Programs and the packages of Debian that have them.
const PROGRAMS: [(&str, &str); 9] = [
    ("tnftp", "tnftp"),
    ("inetutils-ftp", "inetutils-ftp"),
    ("ncftpget", "ncftp"),
    ("busybox", "busybox"),
    ("perl", "perl"),
    ("ruby", "ruby"),
    ("php", "php-cli"),
    ("aria2c", "aria2"),
    ("rclone", "rclone"),
];

/// Runs all errands and prints them; what went wrong.
pub(super) fn errands(daemon: &Daemon, folder: &Path) -> Result<Vec<String>, String> {
    if let Err(why) = need_programs(&PROGRAMS) {
        println!("not all clients can be installed: {why}");
    }
    let ports = [daemon.explicit.to_string(), daemon.implicit.to_string()];
    let output = command("python3", &["xtask/interop/errands.py", &ports[0], &ports[1]])
        .arg(folder)
        .output()
        .map_err(|error| format!("python3: {error}"))?;
    if !output.status.success() {
        return Err(format!("errands.py: {}", String::from_utf8_lossy(&output.stderr)));
    }
    let in_ci = std::env::var("CI").is_ok_and(|value| value == "true");
    let mut bad = Vec::new();
    println!();
    for line in String::from_utf8_lossy(&output.stdout).lines() {
        let mut fields = line.splitn(3, '\t');
        let (what, how) = (fields.next().unwrap_or_default(), fields.next().unwrap_or_default());
        let why = fields.next().unwrap_or_default();
        println!("{how:<8} {what} {why}");
        if how != "good" && (how != "missing" || in_ci) {
            bad.push(format!("{what}: {why}"));
        }
    }
    Ok(bad)
}
