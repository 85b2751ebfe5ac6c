//! Text on one line: what replies say, what users are called, what they keep secret.

use std::fmt;

use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::grammar::{Argument, Encode, Expected};

/// Whether an octet may stand in a line of text: no CR, LF or NUL (RFC 959 §5.3.2 `<char>`, RFC 2640 §3.1).
fn is_line_octet(octet: u8) -> bool {
    !matches!(octet, b'\r' | b'\n' | 0)
}

/// Control characters (C0, C1), separators of lines and paragraphs, and what directs text or is invisible in it (Unicode's Cf),
/// but for the two joiners, which are parts of names in many scripts.
fn steers(character: char) -> bool {
    character.is_control()
        || matches!(character,
            '\u{ad}' | '\u{600}'..='\u{605}' | '\u{61c}' | '\u{6dd}' | '\u{70f}' | '\u{890}'..='\u{891}' | '\u{8e2}'
            | '\u{180e}' | '\u{200b}' | '\u{200e}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
            | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0001}'..='\u{e007f}')
}

/// One line of text without CR, LF and NUL.
///
/// ```abnf
/// text = *(%x01-09 / %x0B-0C / %x0E-FF)
/// ```
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Text(Vec<u8>);

impl Text {
    /// The text, if it holds neither CR nor LF nor NUL.
    pub fn new(text: impl Into<Vec<u8>>) -> Option<Self> {
        let text = text.into();
        text.iter().copied().all(is_line_octet).then_some(Self(text))
    }

    /// The text with a `?` in place of every character that steers a terminal or breaks a line: fit for both, and for a log.
    pub fn clean(text: impl AsRef<[u8]>) -> Self {
        let mut clean = Vec::with_capacity(text.as_ref().len());
        for chunk in text.as_ref().utf8_chunks() {
            for character in chunk.valid().chars() {
                let shown = if steers(character) { '?' } else { character };
                clean.extend_from_slice(shown.encode_utf8(&mut [0; 4]).as_bytes());
            }
            clean.extend_from_slice(chunk.invalid());
        }
        Self(clean)
    }

    /// The octets of the line.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The line as a string; octets that are not UTF-8 show as U+FFFD.
    #[must_use]
    pub fn to_string_lossy(&self) -> std::borrow::Cow<'_, str> {
        String::from_utf8_lossy(&self.0)
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.to_string_lossy(), formatter)
    }
}

impl fmt::Display for Text {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.to_string_lossy())
    }
}

impl From<&str> for Text {
    /// Control characters become `?`, as in [`Text::clean`].
    fn from(text: &str) -> Self {
        Self::clean(text)
    }
}

impl From<String> for Text {
    /// Control characters become `?`, as in [`Text::clean`].
    fn from(text: String) -> Self {
        Self::clean(text)
    }
}

impl Encode for Text {
    fn encode(&self, out: &mut Vec<u8>) {
        put_telnet(&self.0, out);
    }
}

impl Argument for Text {
    fn parse(argument: &[u8]) -> Result<Self, Expected> {
        Self::new(argument).ok_or(Expected::Syntax("one line of text without CR, LF or NUL"))
    }
}

/// Appends `octets` with every IAC (octet 255) doubled, as Telnet text needs it (RFC 854, RFC 3659 §2.2), and
/// every CR followed by NUL.
pub(crate) fn put_telnet(octets: &[u8], out: &mut Vec<u8>) {
    if memchr::memchr2(0xFF, b'\r', octets).is_none() {
        out.extend_from_slice(octets);
        return;
    }
    for octet in octets {
        out.push(*octet);
        match octet {
            0xFF => out.push(0xFF),
            b'\r' => out.push(0),
            _ => {}
        }
    }
}

/// The name of an account (`USER`).
///
/// ```abnf
/// username = 1*char       ; RFC 959 §5.3.2
/// ```
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Username(Text);

impl Username {
    /// The name, unless it is empty or holds CR, LF or NUL.
    pub fn new(name: impl Into<Vec<u8>>) -> Option<Self> {
        Text::new(name).filter(|text| !text.as_bytes().is_empty()).map(Self)
    }

    /// The octets of the name.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

impl fmt::Debug for Username {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, formatter)
    }
}

impl fmt::Display for Username {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&Text::clean(self.as_bytes()), formatter)
    }
}

impl Encode for Username {
    fn encode(&self, out: &mut Vec<u8>) {
        self.0.encode(out);
    }
}

impl Argument for Username {
    fn parse(argument: &[u8]) -> Result<Self, Expected> {
        Self::new(argument).ok_or(Expected::Syntax("a user name"))
    }
}

/// A secret (`PASS`, `ACCT`). It never prints itself, and its octets are overwritten when it is dropped; every octet after
/// the one space counts.
///
/// ```abnf
/// password = *char        ; RFC 959 §5.3.2; empty is a credential to check, not a breach of syntax
/// ```
#[derive(Clone, PartialEq, Eq, Zeroize, ZeroizeOnDrop)]
pub struct Password(Vec<u8>);

impl Password {
    /// The secret, if it holds neither CR nor LF nor NUL.
    pub fn new(secret: impl Into<Vec<u8>>) -> Option<Self> {
        Text::new(secret).map(|text| Self(text.0))
    }

    /// The octets to verify. Do not log them.
    #[must_use]
    pub fn reveal(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Password(…)")
    }
}

impl Encode for Password {
    fn encode(&self, out: &mut Vec<u8>) {
        put_telnet(&self.0, out);
    }
}

impl Argument for Password {
    fn parse(argument: &[u8]) -> Result<Self, Expected> {
        Self::new(argument).ok_or(Expected::Syntax("a password without CR, LF or NUL"))
    }
}

/// A word of printable ASCII without blanks: the argument of `HELP`, `AUTH`, `LANG`, `HOST` and the like.
///
/// ```abnf
/// word = 1*%x21-7E
/// ```
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Word(String);

impl Word {
    /// The word, if it is one.
    pub fn new(word: impl AsRef<[u8]>) -> Option<Self> {
        let word = word.as_ref();
        let legal = !word.is_empty() && word.iter().all(u8::is_ascii_graphic);
        legal.then(|| Self(String::from_utf8_lossy(word).into_owned()))
    }

    /// The word as it was given.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Word {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl Encode for Word {
    fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.0.as_bytes());
    }
}

impl Argument for Word {
    fn parse(argument: &[u8]) -> Result<Self, Expected> {
        Self::new(crate::grammar::trimmed(argument)).ok_or(Expected::Syntax("one word of printable ASCII"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn line_ends_cannot_be_smuggled_in() {
        for bad in ["a\r\nb", "a\nb", "a\rb", "a\0b"] {
            assert_eq!(Text::new(bad), None, "{bad:?}");
            assert_eq!(Username::new(bad), None, "{bad:?}");
        }
        assert_eq!(Text::clean("a\r\n\x1bb").as_bytes(), b"a???b");
        for steering in [
            '\u{7f}', '\u{85}', '\u{9b}', '\u{ad}', '\u{200f}', '\u{2028}', '\u{2029}', '\u{202e}',
            '\u{2066}', '\u{feff}',
        ] {
            assert_eq!(Text::clean(format!("a{steering}b")).as_bytes(), b"a?b", "{steering:?}");
        }
        // Octets that are no UTF-8 stay, and so do names in whatever script.
        for name in ["ä".as_bytes(), "नि\u{200d}".as_bytes(), b"caf\xe9", "файл".as_bytes()] {
            assert_eq!(Text::clean(name).as_bytes(), name);
        }
    }

    #[test]
    fn a_password_prints_nothing_of_itself() {
        let password = Password::new("hunter2").unwrap();
        assert!(!format!("{password:?}").contains("hunter2"));
        assert_eq!(password.reveal(), b"hunter2");
    }

    #[test]
    fn a_password_leaves_nothing_behind() {
        let mut password = Password::new("hunter2").unwrap();
        password.zeroize();
        assert_eq!(password.reveal(), b"");
        fn overwritten<T: ZeroizeOnDrop>(_: &T) {}
        overwritten(&password);
    }

    #[test]
    fn blanks_belong_to_the_password() {
        assert_eq!(Password::parse(b" a ").unwrap().reveal(), b" a ");
        assert_eq!(Password::parse(b"").unwrap().reveal(), b"");
    }

    #[test]
    fn iac_is_doubled_on_the_wire() {
        assert_eq!(Text::new(*b"a\xFFb").unwrap().to_bytes(), b"a\xFF\xFFb");
    }
}
