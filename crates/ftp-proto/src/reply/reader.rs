//! An incremental reader of replies, for clients and tests.
//!
//! It takes what servers in the field send: inner lines with or without a space in front, and the code again on
//! each line. It does not take a first line that is no reply. Memory is bounded. Not here: strictness; a
//! conformance suite needs a reader of its own.

use thiserror::Error;

use crate::frame::{Frame, Framer, LINE_MAX};
use crate::grammar::{Parsed, whole};
use crate::reply::{Code, Reply};
use crate::value::text::Text;

use nom::Parser;
use nom::bytes::complete::take;
use nom::combinator::{map_opt, rest};

/// The most octets that the lines of one reply may have together.
const REPLY_MAX: usize = 1 << 20;

/// Why the octets are no reply. The connection is of no use afterwards.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ReplyError {
    /// A reply does not begin with three digits and a space or hyphen.
    #[error("a reply begins with three digits and a space or a hyphen")]
    Syntax,
    /// A line is longer than 8192 octets.
    #[error("a reply line is longer than 8192 octets")]
    LineTooLong,
    /// A reply is longer than 1 MiB.
    #[error("a reply is longer than 1 MiB")]
    ReplyTooLong,
}

/// `code (SP / "-") text`; a code alone counts as one with an empty text.
fn head(input: &[u8]) -> Parsed<'_, (Code, u8, &[u8])> {
    let code = map_opt(take(3usize), |digits: &[u8]| {
        let number = whole(crate::grammar::number, digits)?;
        Code::new(u16::try_from(number).ok()?)
    });
    map_opt((code, rest), |(code, rest): (Code, &[u8])| match rest {
        [] => Some((code, b' ', rest)),
        [separator @ (b' ' | b'-'), text @ ..] => Some((code, *separator, text)),
        _ => None,
    })
    .parse(input)
}

/// A reply whose last line has not come yet.
#[derive(Debug)]
struct Open {
    code: Code,
    first: Text,
    inner: Vec<Text>,
    size: usize,
}

/// Makes replies of octets.
///
/// ```
/// use ftp_proto::reply::{Code, reader::ReplyReader};
///
/// let mut reader = ReplyReader::new();
/// reader.push(b"211-Features:\r\n MDTM\r\n211 E");
/// assert!(reader.next_reply().unwrap().is_none());
/// reader.push(b"nd\r\n");
/// let reply = reader.next_reply().unwrap().unwrap();
/// assert_eq!((reply.code(), reply.inner()[0].as_bytes()), (Code::SYSTEM_STATUS, &b"MDTM"[..]));
/// ```
#[derive(Debug)]
pub struct ReplyReader {
    framer: Framer,
    open: Option<Open>,
}

impl Default for ReplyReader {
    fn default() -> Self {
        Self::new()
    }
}

impl ReplyReader {
    /// A reader at the start of a control connection.
    #[must_use]
    pub fn new() -> Self {
        Self { framer: Framer::new(LINE_MAX), open: None }
    }

    /// Adds octets as they came from the connection.
    pub fn push(&mut self, octets: &[u8]) {
        self.framer.push(octets);
    }

    /// The next reply, if all of it is here.
    ///
    /// # Errors
    /// [`ReplyError`]: the peer does not speak FTP, or sends without end.
    pub fn next_reply(&mut self) -> Result<Option<Reply>, ReplyError> {
        loop {
            let line = match self.framer.next_frame() {
                None => return Ok(None),
                Some(Frame::Overlong) => return Err(ReplyError::LineTooLong),
                Some(Frame::Refuse(_)) => continue,
                Some(Frame::Line(line)) => line,
            };
            if let Some(reply) = take_line(&mut self.open, line)? {
                return Ok(Some(reply));
            }
        }
    }
}

/// Adds one line; yields the reply that it ends.
fn take_line(open: &mut Option<Open>, line: &[u8]) -> Result<Option<Reply>, ReplyError> {
    let parsed = whole(head, line);
    let Some(reply) = open else {
        let (code, separator, text) = parsed.ok_or(ReplyError::Syntax)?;
        if separator == b' ' {
            return Ok(Some(Reply::line(code, Text::clean(text))));
        }
        *open = Some(Open { code, first: Text::clean(text), inner: Vec::new(), size: text.len() });
        return Ok(None);
    };
    match parsed {
        Some((code, b' ', text)) if code == reply.code => {
            let last = Text::clean(text);
            let whole = Reply::lines(code, reply.first.clone(), std::mem::take(&mut reply.inner), last);
            *open = None;
            Ok(Some(whole))
        }
        _ => {
            reply.size += line.len();
            if reply.size > REPLY_MAX {
                return Err(ReplyError::ReplyTooLong);
            }
            let text = match parsed {
                Some((code, b'-', text)) if code == reply.code => text,
                _ => line.strip_prefix(b" ").unwrap_or(line),
            };
            reply.inner.push(Text::clean(text));
            Ok(None)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::grammar::Encode;

    fn read(octets: &[u8]) -> Result<Option<Reply>, ReplyError> {
        let mut reader = ReplyReader::new();
        reader.push(octets);
        reader.next_reply()
    }

    #[test]
    fn what_is_encoded_reads_back() {
        for reply in [
            Reply::new(Code::OK, "Done."),
            Reply::lines(
                Code::HELP,
                "a",
                vec![Text::from("214 b"), Text::from("214-c"), Text::from("")],
                "d",
            ),
        ] {
            assert_eq!(read(&reply.to_bytes()), Ok(Some(reply)));
        }
    }

    #[test]
    fn forms_of_the_field() {
        let codes_on_each_line = read(b"230-a\r\n230-b\r\n230 c\r\n").unwrap().unwrap();
        assert_eq!(codes_on_each_line.inner(), [Text::from("b")]);
        assert_eq!(read(b"200\r\n").unwrap().unwrap().text(), b"");
        assert_eq!(read(b"HTTP/1.1 400\r\n"), Err(ReplyError::Syntax));
        assert_eq!(read(b"20\r\n"), Err(ReplyError::Syntax));
        assert_eq!(read(b"230-a\r\n 230 b\r\n"), Ok(None));
    }
}
