//! Replies: built and encoded on the server's side, read back on the client's.
//!
//! ```abnf
//! reply      = one-line / many-lines                              ; RFC 959 §4.2
//! one-line   = code SP text CRLF
//! many-lines = code "-" text CRLF *(SP text CRLF) code SP text CRLF
//! code       = %x31-35 2DIGIT
//! ```
//!
//! Inner lines begin with a space, so none can be taken for the last one. Not here: which reply a command gets.

use std::borrow::Cow;

use crate::grammar::{Encode, put_number};
use crate::value::text::{Text, put_telnet};

mod code;
pub mod payload;
pub mod reader;

pub use code::{Class, Code};

/// One reply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    code: Code,
    text: Cow<'static, [u8]>,
    /// The inner lines and the text of the last one; `None` for a reply of one line.
    more: Option<(Vec<Text>, Text)>,
}

impl Reply {
    /// A reply of one line with a fixed text.
    ///
    /// A text that is no line (it holds CR, LF or NUL) is cleaned, as by [`Text::clean`].
    #[must_use]
    pub fn new(code: Code, text: &'static str) -> Self {
        if memchr::memchr3(b'\r', b'\n', 0, text.as_bytes()).is_some() {
            return Self::line(code, Text::clean(text));
        }
        Self { code, text: Cow::Borrowed(text.as_bytes()), more: None }
    }

    /// A reply of one line.
    #[must_use]
    pub fn line(code: Code, text: impl Into<Text>) -> Self {
        Self { code, text: Cow::Owned(text.into().as_bytes().to_vec()), more: None }
    }

    /// A reply of many lines: the first, those in the middle, the last.
    #[must_use]
    pub fn lines(code: Code, first: impl Into<Text>, inner: Vec<Text>, last: impl Into<Text>) -> Self {
        Self { more: Some((inner, last.into())), ..Self::line(code, first) }
    }

    /// The code.
    #[must_use]
    pub fn code(&self) -> Code {
        self.code
    }

    /// The text of the first line.
    #[must_use]
    pub fn text(&self) -> &[u8] {
        &self.text
    }

    /// The inner lines of a reply of many lines.
    #[must_use]
    pub fn inner(&self) -> &[Text] {
        self.more.as_ref().map_or(&[], |(inner, _)| inner)
    }

    /// The text of the last line of a reply of many lines.
    #[must_use]
    pub fn last(&self) -> Option<&Text> {
        self.more.as_ref().map(|(_, last)| last)
    }
}

fn put_line(code: Code, separator: u8, text: &[u8], out: &mut Vec<u8>) {
    put_number(u64::from(code.number()), out);
    out.push(separator);
    put_telnet(text, out);
    out.extend_from_slice(b"\r\n");
}

impl Encode for Reply {
    fn encode(&self, out: &mut Vec<u8>) {
        let Some((inner, last)) = &self.more else {
            return put_line(self.code, b' ', &self.text, out);
        };
        put_line(self.code, b'-', &self.text, out);
        for line in inner {
            out.push(b' ');
            line.encode(out);
            out.extend_from_slice(b"\r\n");
        }
        put_line(self.code, b' ', last.as_bytes(), out);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_and_many() {
        assert_eq!(Reply::new(Code::OK, "Done.").to_bytes(), b"200 Done.\r\n");
        let many = Reply::lines(
            Code::SYSTEM_STATUS,
            "Features:",
            vec![Text::from("MDTM"), Text::from("211 x")],
            "End",
        );
        assert_eq!(many.to_bytes(), b"211-Features:\r\n MDTM\r\n 211 x\r\n211 End\r\n");
    }

    #[test]
    fn user_input_cannot_end_a_line() {
        let reply = Reply::line(Code::FILE_UNAVAILABLE, "a\r\n226 gotcha\x1b[2J");
        assert_eq!(reply.to_bytes(), b"550 a??226 gotcha?[2J\r\n");
        assert_eq!(Reply::new(Code::OK, "a\nb").to_bytes(), b"200 a?b\r\n");
    }
}
