//! Octets from the control connection to lines: bounded, with Telnet removed.
//!
//! ```abnf
//! line = *octet [CR] LF                 ; RFC 959 §5.3.2, RFC 1123 §4.1.2.10; a lone LF ends a line too
//! ```
//!
//! [`Framer`] keeps the octets as they came until a line is asked for, so that whatever follows `AUTH TLS` can be
//! handed to the TLS handshake unchanged ([`Framer::take_rest`]). Telnet (RFC 854) is handled per line: IAC IAC is
//! an octet 255, options are refused, every other command (IP, DM, AYT, NOP, GA …) disappears, CR NUL is a CR. A line
//! begins with a letter, so that octets from 240 on in front of it are Telnet commands too, which lack their IAC.
//! Not here: what a line means.

use std::collections::VecDeque;
use std::fmt;

mod telnet;

pub use telnet::OptionRefusal;

/// The longest line that is accepted unless the application says otherwise, in octets.
pub const LINE_MAX: usize = 8192;

/// What the framer found next.
#[derive(Debug, PartialEq, Eq)]
pub enum Frame<'a> {
    /// A line without its end.
    Line(&'a [u8]),
    /// The end of a line that was too long; its octets are gone and the next line is in step.
    Overlong,
    /// The client offered or asked for a Telnet option: send this back (RFC 1123 §4.1.2.12).
    Refuse(OptionRefusal),
}

/// Where the framer stands in a line.
///
/// `Inside -> Skipping` when the line passes the limit; `Skipping -> Inside` at its LF.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Inside,
    Skipping,
}

/// Cuts a stream of octets into lines of at most `limit` octets.
///
/// ```
/// use ftp_proto::frame::{Frame, Framer};
///
/// let mut framer = Framer::new(64);
/// framer.push(b"NOOP\r\nSY");
/// assert_eq!(framer.next_frame(), Some(Frame::Line(b"NOOP")));
/// assert_eq!(framer.next_frame(), None);
/// framer.push(b"ST\r\n");
/// assert_eq!(framer.next_frame(), Some(Frame::Line(b"SYST")));
/// ```
pub struct Framer {
    pending: Vec<u8>,
    /// Octets of `pending` that were handed out already.
    start: usize,
    /// Octets of `pending` that are known to hold no LF.
    scanned: usize,
    place: Place,
    limit: usize,
    /// The line under way when it had to be rewritten.
    rewritten: Vec<u8>,
    /// Refusals go out before the line they stood in.
    refusals: VecDeque<OptionRefusal>,
    held: Held,
}

/// Whether a rewritten line waits for its refusals to go out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Held {
    Nothing,
    Line,
}

impl fmt::Debug for Framer {
    /// How much it holds, and not what: a line may hold a password.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Framer")
            .field("pending", &(self.pending.len() - self.start))
            .field("place", &self.place)
            .field("limit", &self.limit)
            .finish_non_exhaustive()
    }
}

impl Framer {
    /// A framer for lines of at most `limit` octets, line end included.
    #[must_use]
    pub fn new(limit: usize) -> Self {
        Self {
            pending: Vec::new(),
            start: 0,
            scanned: 0,
            place: Place::Inside,
            limit,
            rewritten: Vec::new(),
            refusals: VecDeque::new(),
            held: Held::Nothing,
        }
    }

    /// The longest line, line end included.
    #[must_use]
    pub fn limit(&self) -> usize {
        self.limit
    }

    /// Adds octets as they came from the connection.
    pub fn push(&mut self, octets: &[u8]) {
        if self.start == self.pending.len() {
            self.pending.clear();
            self.start = 0;
            self.scanned = 0;
        } else if self.start > self.limit {
            self.pending.drain(..self.start);
            self.scanned -= self.start;
            self.start = 0;
        }
        self.pending.extend_from_slice(octets);
    }

    /// The next line, if all of it is here.
    pub fn next_frame(&mut self) -> Option<Frame<'_>> {
        if let Some(refusal) = self.refusals.pop_front() {
            return Some(Frame::Refuse(refusal));
        }
        if std::mem::replace(&mut self.held, Held::Nothing) == Held::Line {
            return Some(Frame::Line(telnet::without_bare_commands(&self.rewritten)));
        }
        let fresh = self.pending.get(self.scanned..).unwrap_or_default();
        let Some(offset) = memchr::memchr(b'\n', fresh) else {
            self.scanned = self.pending.len();
            if self.pending.len() - self.start > self.limit {
                self.place = Place::Skipping;
            }
            if self.place == Place::Skipping {
                self.pending.clear();
                self.start = 0;
                self.scanned = 0;
            }
            return None;
        };
        let (from, end) = (self.start, self.scanned + offset);
        self.start = end + 1;
        self.scanned = end + 1;
        if self.place == Place::Skipping || end - from >= self.limit {
            self.place = Place::Inside;
            return Some(Frame::Overlong);
        }
        let line = self.pending.get(from..end).unwrap_or_default();
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if memchr::memchr2(telnet::IAC, b'\r', line).is_none() {
            return Some(Frame::Line(telnet::without_bare_commands(line)));
        }
        self.rewritten.clear();
        telnet::strip(line, &mut self.rewritten, &mut self.refusals);
        match self.refusals.pop_front() {
            Some(refusal) => {
                self.held = Held::Line;
                Some(Frame::Refuse(refusal))
            }
            None => Some(Frame::Line(telnet::without_bare_commands(&self.rewritten))),
        }
    }

    /// Takes the octets that no line was made of yet, exactly as they came.
    pub fn take_rest(&mut self) -> Vec<u8> {
        let rest = self.pending.get(self.start..).unwrap_or_default().to_vec();
        self.release();
        rest
    }

    /// Octets that wait for the rest of their line, or to be asked for.
    #[must_use]
    pub fn buffered(&self) -> usize {
        self.pending.len() - self.start
    }

    /// Whether a whole line waits to be asked for.
    #[must_use]
    pub fn has_line(&self) -> bool {
        self.held == Held::Line
            || memchr::memchr(b'\n', self.pending.get(self.start..).unwrap_or_default()).is_some()
    }

    /// Gives the memory back if nothing waits in it: an idle session holds no buffer.
    pub fn shrink(&mut self) {
        if self.buffered() == 0 && self.held == Held::Nothing {
            self.release();
        }
    }

    fn release(&mut self) {
        self.pending = Vec::new();
        self.rewritten = Vec::new();
        self.refusals = VecDeque::new();
        self.held = Held::Nothing;
        self.start = 0;
        self.scanned = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every frame of `input`, pushed in pieces of `size` octets.
    fn frames(input: &[u8], limit: usize, size: usize) -> Vec<String> {
        let mut framer = Framer::new(limit);
        let mut seen = Vec::new();
        for piece in input.chunks(size) {
            framer.push(piece);
            while let Some(frame) = framer.next_frame() {
                seen.push(match frame {
                    Frame::Line(line) => String::from_utf8_lossy(line).into_owned(),
                    Frame::Overlong => "<overlong>".into(),
                    Frame::Refuse(refusal) => format!("<{:?}>", refusal.octets()),
                });
            }
        }
        seen
    }

    #[test]
    fn lines_are_the_same_for_every_cut() {
        let input = b"NOOP\r\nUSER a\nPASS b\x00c\r\r\n\r\nCWD a\r\0b\r\nSTAT\r\n";
        let whole = frames(input, 64, input.len());
        assert_eq!(whole, ["NOOP", "USER a", "PASS b\0c\r", "", "CWD a\rb", "STAT"]);
        for size in 1..input.len() {
            assert_eq!(frames(input, 64, size), whole, "pieces of {size}");
        }
    }

    #[test]
    fn an_overlong_line_is_one_error_and_the_next_is_in_step() {
        let mut input = vec![b'A'; 65_536];
        input.extend_from_slice(b"\r\nNOOP\r\n");
        for size in [1, 7, 100, 65_537, 70_000] {
            assert_eq!(frames(&input, 128, size), ["<overlong>", "NOOP"], "pieces of {size}");
        }
        assert_eq!(frames(b"AAAAAAAAAA\r\nNOOP\r\n", 8, 100), ["<overlong>", "NOOP"]);
    }

    #[test]
    fn memory_stays_bounded_without_a_line_end() {
        let mut framer = Framer::new(100);
        for _ in 0..1000 {
            framer.push(&[b'x'; 50]);
            assert!(framer.next_frame().is_none());
            assert!(framer.buffered() <= 150);
        }
    }

    #[test]
    fn telnet_is_removed_and_options_refused() {
        assert_eq!(
            frames(b"\xff\xfb\x01\xff\xfd\x03NO\xff\xf1OP\r\n", 64, 64),
            ["<[255, 254, 1]>", "<[255, 252, 3]>", "NOOP"]
        );
        assert_eq!(frames(b"\xff\xf4\xff\xf2ABOR\r\n", 64, 1), ["ABOR"]);
    }

    #[test]
    fn telnet_commands_that_lack_their_iac_are_removed_in_front_of_a_line() {
        for synch in [
            "\u{f4}\u{f2}",
            "\u{ff}\u{f4}\u{f2}",
            "\u{f4}\u{ff}\u{f2}",
            "\u{f2}",
            "\u{ff}",
            "\u{ff}\u{ff}\u{f0}",
        ] {
            let mut line: Vec<u8> = synch.chars().map(|octet| octet as u8).collect();
            line.extend_from_slice(b"ABOR\r\nCWD \xf4\r\n");
            let mut framer = Framer::new(64);
            framer.push(&line);
            assert_eq!(framer.next_frame(), Some(Frame::Line(b"ABOR")), "{synch:?}");
            assert_eq!(framer.next_frame(), Some(Frame::Line(b"CWD \xf4")), "names keep theirs");
        }
    }

    #[test]
    fn what_follows_a_line_can_be_taken_raw() {
        let mut framer = Framer::new(64);
        framer.push(b"AUTH TLS\r\n\x16\x03\x01\xff\x00");
        assert_eq!(framer.next_frame(), Some(Frame::Line(b"AUTH TLS")));
        assert_eq!(framer.take_rest(), b"\x16\x03\x01\xff\x00");
        assert_eq!(framer.buffered(), 0);
    }
}
