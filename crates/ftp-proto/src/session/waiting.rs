//! Lines that came during a transfer and wait for its end: input that was read early, in the order in which it came.
//!
//! They are kept as octets, so that what one client can make a session hold is bounded by octets and not by their number.
//! One of them may hold a password, so that octets are overwritten when they are taken out or forgotten.
//! Not here: which commands wait (`Session::handle`), and when they are run ([`Session::resume`](super::Session::resume)).

use std::collections::VecDeque;
use std::fmt;

use zeroize::Zeroize;

/// Octets of lines that wait at most; more stay in TCP. Room for 10,000 short commands.
const OCTETS_MAX: usize = 128 << 10;
/// Octets in front of each line: its length.
const HEADER: usize = 2;
/// The length that stands for a line whose octets are gone.
const OVERLONG: u16 = u16::MAX;

/// A line of the control connection, or the place where one was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Input<'a> {
    /// Its octets, without the end.
    Line(&'a [u8]),
    /// It was too long, and its octets are gone.
    Overlong,
}

/// Lines that wait, first in, first out.
#[derive(Default)]
pub(super) struct Waiting {
    octets: VecDeque<u8>,
    lines: usize,
    /// How many of them are QUIT.
    quits: usize,
}

impl fmt::Debug for Waiting {
    /// How many lines there are, and not what they say: one may hold a password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Waiting").field("lines", &self.lines).field("octets", &self.octets.len()).finish()
    }
}

impl Waiting {
    pub(super) fn is_empty(&self) -> bool {
        self.lines == 0
    }

    /// Whether the client has said QUIT.
    pub(super) fn has_quit(&self) -> bool {
        self.quits > 0
    }

    /// Whether another line may come.
    pub(super) fn has_room(&self) -> bool {
        self.octets.len() < OCTETS_MAX
    }

    /// Puts a line behind the others. One of 65,535 octets or more counts as overlong.
    pub(super) fn push(&mut self, input: Input<'_>) {
        let (length, octets) = match input {
            Input::Line(line) => match u16::try_from(line.len()) {
                Ok(length) if length != OVERLONG => (length, line),
                Ok(_) | Err(_) => (OVERLONG, &[][..]),
            },
            Input::Overlong => (OVERLONG, &[][..]),
        };
        self.octets.extend(length.to_be_bytes());
        self.octets.extend(octets);
        self.lines += 1;
        self.quits += usize::from(is_quit(octets));
    }

    /// Takes the first line out, into `line`; says whether it was an overlong one, `None` if nothing waits.
    pub(super) fn pop<'a>(&mut self, line: &'a mut Vec<u8>) -> Option<Input<'a>> {
        line.clear();
        self.take(HEADER, line);
        let length = u16::from_be_bytes(line.as_slice().try_into().ok()?);
        line.clear();
        self.lines -= 1;
        let input = match length {
            OVERLONG => Input::Overlong,
            length => {
                self.take(usize::from(length), line);
                self.quits -= usize::from(is_quit(line));
                Input::Line(line)
            }
        };
        if self.lines == 0 {
            // An idle session holds no buffer.
            self.octets = VecDeque::new();
        }
        Some(input)
    }

    /// Moves the first octets to the end of `out`.
    fn take(&mut self, count: usize, out: &mut Vec<u8>) {
        let count = count.min(self.octets.len());
        out.extend(self.octets.iter().take(count));
        self.octets.iter_mut().take(count).for_each(Zeroize::zeroize);
        self.octets.drain(..count);
    }

    /// Forgets all lines.
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.octets.iter_mut().for_each(Zeroize::zeroize);
    }
}

fn is_quit(line: &[u8]) -> bool {
    line.eq_ignore_ascii_case(b"QUIT")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_come_out_as_they_went_in_and_are_bounded_by_octets() {
        let mut waiting = Waiting::default();
        let long = vec![b'x'; 70_000];
        waiting.push(Input::Line(b"NOOP"));
        waiting.push(Input::Overlong);
        waiting.push(Input::Line(b""));
        waiting.push(Input::Line(&long));
        waiting.push(Input::Line(b"STAT f"));
        let mut line = Vec::new();
        for expected in
            [Input::Line(b"NOOP"), Input::Overlong, Input::Line(b""), Input::Overlong, Input::Line(b"STAT f")]
        {
            assert_eq!(waiting.pop(&mut line), Some(expected));
        }
        assert_eq!(waiting.pop(&mut line), None);
        assert_eq!(waiting.octets.capacity(), 0, "nothing is held");
        let mut lines = 0;
        while waiting.has_room() {
            waiting.push(Input::Line(b"EPSV"));
            lines += 1;
        }
        assert!((10_000..30_000).contains(&lines), "{lines}");
        waiting.push(Input::Line(b"PASS secret"));
        assert!(!format!("{waiting:?}").contains("secret"));
    }
}
