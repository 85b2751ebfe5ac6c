//! What stands inside the text of certain replies: 211 FEAT, 213, 227, 229, 257, HASH.
//!
//! Writers follow the clause to the letter; readers take what servers in the field send. Not here: the facts of
//! MLST, which are a listing line ([`crate::listing::mlsx`]).

use std::net::SocketAddrV4;

use crate::grammar::{Argument, Encode, number, port, put_number, trimmed, whole};
use crate::reply::{Code, Reply};
use crate::value::address::{HostPort, host_port};
use crate::value::path::{VPath, put_quoted, unquote};
use crate::value::text::Text;
use crate::value::time::TimeVal;

/// The 227 reply to `PASV`.
///
/// ```abnf
/// text = "Entering Passive Mode (" host-port ")."       ; RFC 959 §5.4, RFC 1123 §4.1.2.6
/// ```
#[must_use]
pub fn passive(address: SocketAddrV4) -> Reply {
    let mut text = b"Entering Passive Mode (".to_vec();
    HostPort(address).encode(&mut text);
    text.extend_from_slice(b").");
    Reply::line(Code::PASSIVE, Text::clean(text))
}

/// The address in a 227 reply: the first six numbers, wherever they stand (RFC 1123 §4.1.2.6).
#[must_use]
pub fn read_passive(text: &[u8]) -> Option<SocketAddrV4> {
    let mut left = text;
    while let Some(start) = left.iter().position(u8::is_ascii_digit) {
        let here = left.get(start..)?;
        if let Ok((_, HostPort(address))) = host_port(here) {
            return Some(address);
        }
        let digits = here.iter().take_while(|octet| octet.is_ascii_digit()).count();
        left = here.get(digits..)?;
    }
    None
}

/// The 229 reply to `EPSV`.
///
/// ```abnf
/// text = "Entering Extended Passive Mode (|||" tcp-port "|)"    ; RFC 2428 §3
/// ```
#[must_use]
pub fn extended_passive(tcp_port: u16) -> Reply {
    Reply::line(Code::EXTENDED_PASSIVE, format!("Entering Extended Passive Mode (|||{tcp_port}|)"))
}

/// The port in a 229 reply, whatever its delimiter.
#[must_use]
pub fn read_extended_passive(text: &[u8]) -> Option<u16> {
    let open = memchr::memchr(b'(', text)?;
    let delimiter = *text.get(open + 1)?;
    let inner = text.get(open + 1..)?.strip_prefix(&[delimiter; 3])?;
    let end = memchr::memchr(delimiter, inner)?;
    whole(port, inner.get(..end)?)
}

/// A 257 reply: the path between double quotes, quotes inside doubled (RFC 959 appendix II), and a remark.
#[must_use]
pub fn pathname(path: &VPath, remark: &str) -> Reply {
    let mut text = Vec::with_capacity(path.as_bytes().len() + remark.len() + 3);
    put_quoted(path.as_bytes(), &mut text);
    text.push(b' ');
    text.extend_from_slice(remark.as_bytes());
    Reply::line(Code::PATHNAME, Text::clean(text))
}

/// The path in a 257 reply.
#[must_use]
pub fn read_pathname(text: &[u8]) -> Option<Vec<u8>> {
    // The closing quote is the first that is not doubled.
    let mut end = 1;
    while let Some(offset) = memchr::memchr(b'"', text.get(end..)?) {
        let quote = end + offset;
        if text.get(quote + 1) != Some(&b'"') {
            return unquote(text.get(..=quote)?);
        }
        end = quote + 2;
    }
    None
}

/// The 213 reply to `SIZE` (RFC 3659 §4.1).
#[must_use]
pub fn size(octets: u64) -> Reply {
    let mut text = Vec::new();
    put_number(octets, &mut text);
    Reply::line(Code::FILE_STATUS, Text::clean(text))
}

/// The number in a 213 reply to `SIZE`.
#[must_use]
pub fn read_size(text: &[u8]) -> Option<u64> {
    whole(number, trimmed(text))
}

/// The 213 reply to `MDTM` (RFC 3659 §3.1).
#[must_use]
pub fn time(time: TimeVal) -> Reply {
    Reply::line(Code::FILE_STATUS, Text::clean(time.to_bytes()))
}

/// The time in a 213 reply to `MDTM`.
#[must_use]
pub fn read_time(text: &[u8]) -> Option<TimeVal> {
    TimeVal::parse(text).ok()
}

/// The 211 reply to `FEAT` (RFC 2389 §3.2): one feature a line, the last line exactly `211 End`.
#[must_use]
pub fn features(lines: Vec<Text>) -> Reply {
    Reply::lines(Code::SYSTEM_STATUS, "Extensions supported:", lines, "End")
}

/// The features of a 211 reply: upper-case labels and their parameters.
#[must_use]
pub fn read_features(reply: &Reply) -> Vec<(String, String)> {
    let split = |line: &Text| {
        let line = line.to_string_lossy().trim().to_owned();
        let (label, parameters) = line.split_once(' ').unwrap_or((&line, ""));
        (label.to_ascii_uppercase(), parameters.to_owned())
    };
    reply.inner().iter().map(split).filter(|(label, _)| !label.is_empty()).collect()
}

/// What a 213 reply to `HASH` says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HashReply {
    /// The textual name of the algorithm, such as `SHA-256`.
    pub algorithm: String,
    /// First and last octet hashed.
    pub range: (u64, u64),
    /// The digest in lower-case hexadecimal.
    pub digest: String,
    /// The name as the client gave it.
    pub name: Vec<u8>,
}

impl HashReply {
    /// The reply.
    ///
    /// ```abnf
    /// text = algorithm SP first "-" last SP 1*HEXDIG SP pathname     ; draft-bryan-ftpext-hash §3
    /// ```
    #[must_use]
    pub fn reply(&self) -> Reply {
        let Self { algorithm, range: (start, end), digest, name } = self;
        let mut text = format!("{algorithm} {start}-{end} {digest} ").into_bytes();
        text.extend_from_slice(name);
        Reply::line(Code::FILE_STATUS, Text::clean(text))
    }

    /// Reads the text of a reply.
    #[must_use]
    pub fn read(text: &[u8]) -> Option<Self> {
        let mut fields = text.splitn(4, |octet| *octet == b' ');
        let string = |field: &[u8]| String::from_utf8(field.to_vec()).ok();
        let algorithm = string(fields.next()?)?;
        let range = fields.next()?;
        let hyphen = memchr::memchr(b'-', range)?;
        let range = (whole(number, range.get(..hyphen)?)?, whole(number, range.get(hyphen + 1..)?)?);
        let digest =
            string(fields.next()?).filter(|hex| hex.bytes().all(|digit| digit.is_ascii_hexdigit()))?;
        Some(Self { algorithm, range, digest, name: fields.next()?.to_vec() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passive_replies_of_the_field() {
        let address = "10.1.2.3:40001".parse().unwrap();
        assert_eq!(read_passive(passive(address).text()), Some(address));
        for text in ["Entering Passive Mode 10,1,2,3,156,65", "=10,1,2,3,156,65", "Mode 1 (10,1,2,3,156,65)."]
        {
            assert_eq!(read_passive(text.as_bytes()), Some(address), "{text}");
        }
        assert_eq!(read_passive(b"(10,1,2,3,256,65)"), None);
        assert_eq!(read_passive(b"none"), None);
    }

    #[test]
    fn extended_passive_replies() {
        assert_eq!(read_extended_passive(extended_passive(40_123).text()), Some(40_123));
        assert_eq!(read_extended_passive(b"x (!!!6446!)"), Some(6446));
        assert_eq!(read_extended_passive(b"x (|1||6446|)"), None);
        assert_eq!(read_extended_passive(b"x ("), None);
    }

    #[test]
    fn pathnames_with_quotes() {
        let path = VPath::new("/a\"b c").unwrap();
        let reply = pathname(&path, "is the working directory.");
        assert_eq!(reply.text(), b"\"/a\"\"b c\" is the working directory.");
        assert_eq!(read_pathname(reply.text()), Some(path.as_bytes().to_vec()));
        assert_eq!(read_pathname(b"\"/\""), Some(b"/".to_vec()));
        assert_eq!(read_pathname(b"\"/"), None);
    }

    #[test]
    fn sizes_times_features_and_digests() {
        assert_eq!(read_size(size(42).text()), Some(42));
        let moment = TimeVal::from_unix(1_026_940_035);
        assert_eq!(read_time(time(moment).text()), Some(moment));
        let reply = features(vec![Text::from("MDTM"), Text::from("REST STREAM")]);
        assert_eq!(read_features(&reply), [("MDTM".into(), String::new()), ("REST".into(), "STREAM".into())]);
        let hash = HashReply {
            algorithm: "SHA-1".into(),
            range: (0, 9),
            digest: "00ff".into(),
            name: b"a b".to_vec(),
        };
        assert_eq!(HashReply::read(hash.reply().text()), Some(hash));
    }
}
