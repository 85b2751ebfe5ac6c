//! `ftp-server doctor`: asks the running server, over a socket of the file system, how its data connections do.
//!
//! The server answers each connection with one text and closes (`answering.rs`). Who may ask is who may use the socket: it is
//! closed to others, and so is its folder.

use std::fmt::Write as _;
use std::io::{Read, Write};
use std::net::IpAddr;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use ftp_server::health::{Client, Report, Tally};
use ftp_server::proto::session::Suspect;
use ftp_server::server::Doctor;

use crate::cli::DoctorArgs;
use crate::identity::state_folder;
use crate::log::Lines;

/// Clients that are listed at most.
const CLIENTS_SHOWN: usize = 20;
/// What the first line begins with where nothing is wrong.
const HEALTHY: &str = "healthy";

/// What the server knows of itself.
pub(crate) struct Known {
    pub(crate) doctor: Doctor,
    /// What PASV announces, in words.
    pub(crate) announced: String,
    pub(crate) lines: Arc<Lines>,
    /// Where it listens, in words.
    pub(crate) listens: String,
}

/// Where the socket is, if the command line does not say.
pub(crate) fn socket(given: Option<&Path>) -> Result<PathBuf, String> {
    match given {
        Some(path) => Ok(path.to_owned()),
        None => state_folder().map(|folder| folder.join("doctor.sock")),
    }
}

/// `ftp-server doctor`: 0 if nothing is wrong, 1 if something is.
pub(crate) fn doctor(args: &DoctorArgs) -> Result<ExitCode, String> {
    let path = socket(args.socket.as_deref())?;
    let mut stream = UnixStream::connect(&path).map_err(|error| {
        format!(
            "no server answers at {}: {error}. Is it running, and as this user? --socket names another",
            path.display()
        )
    })?;
    let mut text = String::new();
    stream.read_to_string(&mut text).map_err(|error| error.to_string())?;
    // The exit status tells it, too.
    let _nobody_reads = std::io::stdout().write_all(text.as_bytes());
    Ok(if text.starts_with(HEALTHY) { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// What is known, for a person; and whose knowledge that is.
pub(crate) fn tell(known: &Known) -> String {
    let text = describe(&known.doctor.report(), &known.announced, known.lines.lost());
    format!("{text}\nserver           process {}, listens at {}\n", std::process::id(), known.listens)
}

fn describe(report: &Report, announced: &str, lost: u64) -> String {
    let mut wrong = diagnosis(report);
    if lost > 0 {
        wrong.push(format!(
            "{lost} lines of the log were lost: nobody reads standard error fast enough, or its disk is full"
        ));
    }
    let mut out = match wrong.is_empty() {
        true => format!("{HEALTHY}: nothing is known to be wrong\n"),
        false => "trouble:\n".to_owned(),
    };
    for line in &wrong {
        let _infallible = writeln!(out, "  - {line}");
    }
    let (low, high) = (report.range.start(), report.range.end());
    let _infallible = writeln!(
        out,
        "\nup for            {} s\npassive ports     {low}-{high}, {}\nPASV announces    {announced}\nactive mode       {}\nno close_notify   {} uploads taken, {} refused",
        report.age.as_secs(),
        counted(report.passive),
        counted(report.active),
        report.unclosed.good,
        report.unclosed.bad
    );
    if !report.clients.is_empty() {
        out.push_str("\nclients with trouble, the latest first:\n");
    }
    for (address, client, suspect) in report.clients.iter().take(CLIENTS_SHOWN) {
        let _infallible = writeln!(
            out,
            "  {address}: passive {}, active {}; {}\n    {}",
            counted(client.passive),
            counted(client.active),
            blame(client, *suspect),
            client.trouble.as_deref().unwrap_or_default()
        );
    }
    out
}

fn counted(tally: Tally) -> String {
    format!("{} came about, {} did not", tally.good, tally.bad)
}

/// What is wrong with the server's own side.
fn diagnosis(report: &Report) -> Vec<String> {
    let mut wrong = Vec::new();
    if report.panicked > 0 {
        wrong.push(format!(
            "{} sessions ended by a fault of the server (panic): the log has the place; please report it",
            report.panicked
        ));
    }
    if let Some(refused) = &report.refused {
        wrong.push(format!(
            "the system refused something to this server, {} times; the last was {}. Against too many open \
             files: raise LimitNOFILE= or ulimit -n, or lower [limits] sessions",
            refused.count, refused.last
        ));
    }
    let missed: Vec<&(IpAddr, Client, Suspect)> =
        report.clients.iter().filter(|(_, client, _)| client.passive.bad > 0).collect();
    let (low, high) = (report.range.start(), report.range.end());
    if report.passive.good == 0 && missed.len() > 1 {
        wrong.push(format!(
            "no client ever reached a passive port: open TCP {low}-{high} inbound in this server's firewall, and forward \
             exactly these ports where there is NAT"
        ));
    }
    for (from, to) in &report.holes {
        wrong.push(format!(
            "ports {from}-{to} never work and others do: they are missing in a firewall rule or port forward"
        ));
    }
    if report.active.good == 0
        && report.clients.iter().filter(|(_, client, _)| client.active.bad > 0).count() > 1
    {
        wrong.push(
            "no client was ever reached in active mode: this server may not be allowed to connect out"
                .to_owned(),
        );
    }
    for (address, client, suspect) in &report.clients {
        if *suspect == Suspect::Client
            || client.stranger.is_some()
            || client.silent > 1
            || client.unclosed.bad > 0
            || client.hung_up > 1
        {
            wrong.push(format!("{address}: {}", blame(client, *suspect)));
        }
    }
    wrong
}

/// Who has to do something for a client.
fn blame(client: &Client, suspect: Suspect) -> String {
    match (client.stranger, suspect) {
        (Some(stranger), _) => format!(
            "its data connections come from {stranger}: a pool of NAT addresses; data_peer = \"prefix\" or \"resumed\" takes them"
        ),
        (None, Suspect::Client) if client.passive.bad > 0 => "a firewall on its side blocks the passive ports".to_owned(),
        (None, Suspect::Client) => "it cannot be reached in active mode: it should use passive mode".to_owned(),
        (None, Suspect::Server) => "as every client: look at this server's firewall".to_owned(),
        (None, Suspect::Ports(low, high)) => format!("ports {low}-{high} are not open"),
        (None, Suspect::Unknown) if client.unclosed.bad > 0 => format!(
            "its program ends uploads over TLS without close_notify ({} refused): update it, or set close_notify = \"optional\" for its account",
            client.unclosed.bad
        ),
        (None, Suspect::Unknown) if client.hung_up > 1 => format!(
            "it closes everything right behind its uploads in clear, without QUIT, as a client that dies ({} kept back): if its \
             program does so (ffmpeg, some cameras), set bare_close = \"new\" or \"always\" for its account",
            client.hung_up
        ),
        (None, Suspect::Unknown) if client.silent > 1 => {
            "connected and nothing moves: a content filter, or packets too big for the path (try data_mss = 1200)".to_owned()
        }
        (None, _) => "too little is known".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_without_trouble_says_so() {
        let report = Report {
            range: 40_000..=50_000,
            passive: Tally { good: 3, bad: 0 },
            active: Tally::default(),
            unclosed: Tally::default(),
            holes: Vec::new(),
            clients: Vec::new(),
            panicked: 0,
            refused: None,
            age: std::time::Duration::from_secs(9),
        };
        let text = describe(&report, "203.0.113.5", 0);
        assert!(text.starts_with(HEALTHY) && text.contains("40000-50000, 3 came about"), "{text}");
        let text = describe(&Report { holes: vec![(45_000, 50_000)], ..report.clone() }, "203.0.113.5", 0);
        assert!(text.starts_with("trouble:\n  - ports 45000-50000 never work"), "{text}");
        let text = describe(&Report { panicked: 2, ..report }, "203.0.113.5", 7);
        assert!(
            text.contains("- 2 sessions ended by a fault") && text.contains("- 7 lines of the log"),
            "{text}"
        );
    }
}
