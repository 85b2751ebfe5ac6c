//! What is wrong with a configuration, or will surprise, and in which line.

use crate::config::line_of;

/// Something in a configuration that cannot work, or will surprise.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The line of the file, from 1; 0 for the file as a whole.
    pub line: usize,
    /// What is wrong, and what would be right.
    pub text: String,
}

impl std::fmt::Display for Problem {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.line {
            0 => formatter.write_str(&self.text),
            line => write!(formatter, "line {line}: {}", self.text),
        }
    }
}

/// What is wrong at an offset of the text that was parsed.
pub(super) fn problem(text: &str, offset: usize, why: String) -> Problem {
    Problem { line: line_of(text, offset), text: why }
}
