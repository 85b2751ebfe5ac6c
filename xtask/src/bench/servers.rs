//! The servers that are measured, each with a folder of its own in memory.

use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use super::rows::LISTED;
use crate::peers;
use crate::run::{comes_up, free_address, root};

/// One of them; it goes with the value.
pub(crate) struct Running {
    pub(crate) name: String,
    pub(crate) address: SocketAddr,
    pub(crate) child: Child,
    pub(crate) folder: tempfile::TempDir,
}

impl Drop for Running {
    fn drop(&mut self) {
        // What runs in namespaces of its own ends with this.
        let _killed = self.child.kill();
        let _reaped = self.child.wait();
    }
}

impl Running {
    pub(crate) fn is_peer(&self) -> bool {
        !matches!(self.name.as_str(), "limit" | "ours")
    }

    /// What the account sees.
    fn root(&self) -> PathBuf {
        self.folder.path().join("tester")
    }

    /// Makes the directory that is listed have so many entries.
    pub(crate) fn fill(&self, entries: usize) -> Result<(), String> {
        let listed = self.root().join(LISTED);
        std::fs::create_dir_all(&listed).map_err(|error| error.to_string())?;
        let there = std::fs::read_dir(&listed).map_err(|error| error.to_string())?.count();
        for index in there..entries {
            std::fs::File::create(listed.join(format!("a-file-{index:08}.dat")))
                .map_err(|error| error.to_string())?;
        }
        Ok(())
    }
}

/// Files lie in memory where the system has such a place: disks are not what is measured.
fn folder() -> Result<tempfile::TempDir, String> {
    let memory = Path::new("/dev/shm");
    let place = if memory.is_dir() { memory.to_owned() } else { std::env::temp_dir() };
    let folder = tempfile::tempdir_in(place).map_err(|error| error.to_string())?;
    std::fs::set_permissions(folder.path(), PermissionsExt::from_mode(0o755))
        .map_err(|error| error.to_string())?;
    Ok(folder)
}

/// Our own server, as `serve` runs it, with room for thousands of sessions and the peers' durability.
fn ours(folder: &Path, address: SocketAddr) -> Result<Command, String> {
    let config = "[storage]\ndurability = \"none\"\n[limits]\nsessions = 20000\nper_address = 20000\n[tls]\nclear_data = true\n";
    let file = folder.join("ftp.toml");
    std::fs::write(&file, config).map_err(|error| error.to_string())?;
    let mut command = Command::new(root().join("target/release/ftp-server"));
    command.arg("serve").arg(folder.join("tester")).arg("--config").arg(file);
    command.args(["--user", "tester:conformance", "--plain", "allow", "--explicit", &address.to_string()]);
    command.arg("--doctor").arg(folder.join("doctor.sock"));
    command.env("XDG_STATE_HOME", folder.join("state")).env("RUST_LOG", "warn");
    Ok(command)
}

/// Starts one; it is ready when this returns.
pub(crate) fn start(name: &str) -> Result<Running, String> {
    let (folder, address) = (folder()?, free_address()?);
    std::fs::create_dir_all(folder.path().join("tester")).map_err(|error| error.to_string())?;
    let suite = || Command::new(root().join("target/release/ftp-conformance"));
    let mut command = match name {
        "ours" => ours(folder.path(), address)?,
        "limit" => {
            let mut command = suite();
            command.args(["bench-limit", "--explicit", &address.to_string(), "--folder"]);
            command.arg(folder.path().join("tester"));
            command
        }
        peer => {
            // Peers fork: a process namespace ends them all with the one that is killed.
            let mut command = peers::with_peers(Command::new("unshare"));
            command.args(["--pid", "--fork", "--kill-child"]).arg(suite().get_program());
            command.args(["peer", peer, "--explicit", &address.to_string()]);
            command.args(["--implicit", &free_address()?.to_string(), "--folder"]).arg(folder.path());
            command
        }
    };
    let log = std::fs::File::create(folder.path().join("log")).map_err(|error| error.to_string())?;
    let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).spawn();
    let child = child.map_err(|error| format!("{name}: {error}"))?;
    let running = Running { name: name.to_owned(), address, child, folder };
    if comes_up(address) {
        return Ok(running);
    }
    let said = std::fs::read_to_string(running.folder.path().join("log")).unwrap_or_default();
    Err(format!("{name} does not come up: {said}"))
}
