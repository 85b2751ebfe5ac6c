//! What was said, with times, and without passwords.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

/// The dialogue of one case in one cell.
#[derive(Debug, Clone)]
pub struct Transcript {
    begun: Instant,
    lines: Arc<Mutex<Vec<String>>>,
}

impl Default for Transcript {
    fn default() -> Self {
        Self { begun: Instant::now(), lines: Arc::default() }
    }
}

impl Transcript {
    /// Notes a line of the client (`>`), the server (`<`) or of the harness (`*`).
    pub fn note(&self, who: char, what: &[u8]) {
        let text = String::from_utf8_lossy(what.trim_ascii_end()).into_owned();
        let shown = match text.split_once(' ') {
            Some((verb, _)) if who == '>' && verb.eq_ignore_ascii_case("PASS") => "PASS …".to_owned(),
            _ if text.len() > 300 => {
                format!("{}… ({} octets)", text.chars().take(200).collect::<String>(), what.len())
            }
            _ => text,
        };
        let line = format!("{:7.3} {who} {}", self.begun.elapsed().as_secs_f64(), shown.escape_debug());
        self.lines.lock().unwrap_or_else(PoisonError::into_inner).push(line);
    }

    /// The last `count` lines.
    #[must_use]
    pub fn tail(&self, count: usize) -> Vec<String> {
        let lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        lines.iter().skip(lines.len().saturating_sub(count)).cloned().collect()
    }
}
