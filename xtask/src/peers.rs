//! The peers: fetched from Debian, PyPI and the Rust registry, unpacked below `target`, so that nothing of this machine changes.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use crate::run::{command, root, run};

/// The C servers and those of their libraries that a machine may lack. As packages the servers conflict with each
/// other; unpacked they do not.
const PACKAGES: [&str; 12] = [
    "vsftpd",
    "proftpd-core",
    "proftpd-mod-crypto",
    "pure-ftpd",
    "pure-ftpd-common",
    "libwrap0",
    "libhiredis0.14",
    "libmemcached11",
    "libmemcachedutil2",
    "libhashkit2",
    "libpcre2-posix3",
    "libsodium23",
];
/// The Python server, and what it needs for TLS.
const MODULES: [&str; 2] = ["pyftpdlib==2.2.0", "pyopenssl"];

/// The Rust server; its features for clouds would take minutes more.
const UNFTP: [&str; 6] =
    ["unftp", "--version=0.16.0", "--locked", "--no-default-features", "--features=auth_jsonfile", "--quiet"];

/// Where the peers are.
fn folder() -> PathBuf {
    root().join("target/peers")
}

/// Fetches what is not there yet.
pub(crate) fn fetch() -> Result<(), String> {
    let folder = folder();
    let (packages, python) = (folder.join("packages"), folder.join("python"));
    if !folder.join("root/usr/sbin/pure-ftpd").is_file() {
        println!("fetching {}", PACKAGES.join(" "));
        std::fs::create_dir_all(&packages).map_err(|error| error.to_string())?;
        run(command("apt-get", &["update", "-qq"]).stdout(Stdio::null()))?;
        run(command("apt-get", &["download", "-qq"])
            .args(PACKAGES)
            .current_dir(&packages)
            .stderr(Stdio::null()))?;
        for file in std::fs::read_dir(&packages).map_err(|error| error.to_string())?.flatten() {
            run(command("dpkg-deb", &["-x"]).arg(file.path()).arg(folder.join("root")))?;
        }
    }
    if !python.join("pyftpdlib").is_dir() {
        println!("fetching {}", MODULES.join(" "));
        run(command("python3", &["-m", "pip", "install", "-q", "--target"]).arg(&python).args(MODULES))?;
    }
    Ok(())
}

/// Builds the Rust peer, which takes a few minutes, if it is not there yet.
pub(crate) fn build_unftp() -> Result<(), String> {
    let folder = folder().join("rust");
    if folder.join("bin/unftp").is_file() {
        return Ok(());
    }
    println!("building unftp");
    let mut install = command("cargo", &["install"]);
    run(install.args(UNFTP).arg("--root").arg(&folder).arg("--target-dir").arg(folder.join("build")))
}

/// A command that finds the peers.
pub(crate) fn with_peers(mut command: Command) -> Command {
    let folder = folder();
    let system = folder.join("root/usr");
    let mut paths = vec![system.join("sbin"), system.join("bin"), folder.join("rust/bin")];
    paths.extend(std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default()));
    let libraries = [system.join("lib/x86_64-linux-gnu"), folder.join("root/lib/x86_64-linux-gnu")];
    // Neither can fail: no path here holds a colon.
    if let Ok(paths) = std::env::join_paths(paths) {
        command.env("PATH", paths);
    }
    if let Ok(libraries) = std::env::join_paths(libraries) {
        command.env("LD_LIBRARY_PATH", libraries);
    }
    command.env("PYTHONPATH", folder.join("python"));
    command
}
