//! What each `data_session` does with clients that resume the TLS session of the control connection on data
//! connections (curl, lftp) and with one that does not (ftplib), in TLS 1.2 and 1.3.

use std::fs;

use super::{Cell, cells, start};

/// A client, and whether its data connections resume the session of its control connection.
const CLIENTS: [(&str, Resumes); 3] =
    [("curl", Resumes::Yes), ("lftp", Resumes::Yes), ("ftplib", Resumes::No)];
const MODES: [&str; 4] = ["off", "observe", "prefer", "require"];
const VERSIONS: [&str; 2] = ["1.2", "1.3"];
/// What the server says of a data connection that `require` would refuse.
const OBSERVED: &str = "resumes no session of its login; observed only";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Resumes {
    Yes,
    No,
}

/// Runs the matrix and prints it; the cells that are not as promised.
pub(super) fn reuse(clients: &[&str]) -> Result<Vec<String>, String> {
    let mut bad = Vec::new();
    println!(
        "\n{:<8} {:<4} {:<8} an upload over TLS, and what the server observes",
        "client", "TLS", "session"
    );
    for mode in MODES {
        for (client, resumes) in CLIENTS.into_iter().filter(|(client, _)| clients.contains(client)) {
            for version in VERSIONS {
                let (cell, is_observed) = upload(mode, client, version)?;
                let refused = matches!(&cell, Cell::Bad(why) if why.contains("522"));
                let as_promised = match (mode, resumes) {
                    ("require", Resumes::No) => refused,
                    _ => cell == Cell::Good,
                } && is_observed == (mode == "observe" && resumes == Resumes::No);
                let what = match &cell {
                    Cell::Good => "stored",
                    _ if refused => "refused with 522",
                    Cell::Cannot(why) | Cell::Bad(why) => why,
                };
                let observed = if is_observed { ", observed" } else { "" };
                let mark = if as_promised { "" } else { "  FAIL" };
                println!("{client:<8} {version:<4} {mode:<8} {what}{observed}{mark}");
                if !as_promised {
                    bad.push(format!("{client} TLS {version} data_session {mode}: {what}{observed}"));
                }
            }
        }
    }
    Ok(bad)
}

/// One upload to a server of its own, and whether its log has the remark.
fn upload(mode: &str, client: &str, version: &str) -> Result<(Cell, bool), String> {
    let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
    let config = folder.path().join("ftp.toml");
    fs::write(&config, format!("[tls]\ndata_session = \"{mode}\"\n")).map_err(|error| error.to_string())?;
    let daemon = start(folder.path(), &["--config", &config.to_string_lossy()])?;
    let cells = cells(&daemon, folder.path(), [client, "epsv", "explicit"], &[version, "upload"])?;
    let log = fs::read_to_string(folder.path().join("server.log")).map_err(|error| error.to_string())?;
    let cell = cells.into_iter().next().map(|(_, cell)| cell);
    Ok((cell.ok_or("the client did nothing")?, log.contains(OBSERVED)))
}
