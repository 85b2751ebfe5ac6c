//! A ClientHello as no library would send it: old versions, weak suites, compression (RFC 5246 §7.4.1; SSL 3: RFC
//! 6101 §5.6.1; SSL 2: RFC 5246 §E.2).

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::case::Stop;
use crate::context::Context;
use crate::peer::fault::Fault;

/// What is offered.
#[derive(Debug, Clone, Copy)]
pub struct Hello<'a> {
    /// The version, such as 0x0303 for TLS 1.2.
    pub version: u16,
    /// Suites by their numbers, the most wanted first.
    pub suites: &'a [u16],
    /// Compression methods; 0 is none.
    pub compressions: &'a [u8],
    /// Whether the older form of SSL 2 is used.
    pub form: Form,
}

/// The form of a ClientHello.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// A record, with extensions where the version has any.
    Record,
    /// That of SSL 2.
    Ssl2,
}

/// What the server makes of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// A ServerHello.
    Accepted {
        /// The version that was chosen.
        version: u16,
        /// The suite.
        suite: u16,
        /// The compression method.
        compression: u8,
    },
    /// An alert, by its number.
    Alert(u8),
    /// The end without a word.
    Closed,
}

fn vector(out: &mut Vec<u8>, width: usize, content: &[u8]) {
    let length = (content.len() as u64).to_be_bytes();
    out.extend_from_slice(length.get(8 - width..).unwrap_or_default());
    out.extend_from_slice(content);
}

fn numbers(values: &[u16]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_be_bytes()).collect()
}

impl Hello<'_> {
    /// Groups, point formats and signature schemes that every server knows (RFC 8422 §5.1; RFC 5246 §7.4.1.4.1).
    fn extensions() -> Vec<u8> {
        let mut out = Vec::new();
        let mut extension = |number: u16, content: Vec<u8>| {
            out.extend_from_slice(&number.to_be_bytes());
            vector(&mut out, 2, &content);
        };
        let mut list = Vec::new();
        vector(&mut list, 2, &numbers(&[0x001d, 0x0017, 0x0018]));
        extension(10, list);
        extension(11, vec![1, 0]);
        let mut list = Vec::new();
        vector(&mut list, 2, &numbers(&[0x0403, 0x0804, 0x0401, 0x0503, 0x0805, 0x0501, 0x0201, 0x0203]));
        extension(13, list);
        extension(0xff01, vec![0]);
        out
    }

    /// The octets that go out.
    #[must_use]
    pub fn octets(&self) -> Vec<u8> {
        let random = [0x5a; 32];
        if self.form == Form::Ssl2 {
            let suites: Vec<u8> = self
                .suites
                .iter()
                .flat_map(|suite| [0, suite.to_be_bytes()[0], suite.to_be_bytes()[1]])
                .collect();
            let mut body = vec![1];
            body.extend_from_slice(&self.version.to_be_bytes());
            body.extend_from_slice(&u16::try_from(suites.len()).unwrap_or(0).to_be_bytes());
            body.extend_from_slice(&[0, 0, 0, 16]);
            body.extend_from_slice(&suites);
            body.extend_from_slice(&random[..16]);
            let length = u16::try_from(body.len()).unwrap_or(0) | 0x8000;
            return [&length.to_be_bytes()[..], &body].concat();
        }
        let mut body = self.version.to_be_bytes().to_vec();
        body.extend_from_slice(&random);
        vector(&mut body, 1, &[]);
        vector(&mut body, 2, &numbers(self.suites));
        vector(&mut body, 1, self.compressions);
        if self.version > 0x0300 {
            vector(&mut body, 2, &Self::extensions());
        }
        let mut message = vec![1];
        vector(&mut message, 3, &body);
        let mut record = vec![22];
        record.extend_from_slice(&self.version.min(0x0301).to_be_bytes());
        vector(&mut record, 2, &message);
        record
    }
}

/// Reads the first record of an answer.
fn read(octets: &[u8]) -> Answer {
    match octets {
        [21, _, _, _, _, _, number, ..] => Answer::Alert(*number),
        [22, _, _, _, _, 2, _, _, _, rest @ ..] => {
            let session = rest.get(34).map_or(0, |length| usize::from(*length));
            let at = |index: usize| rest.get(index).copied().unwrap_or(0);
            let pair = |index: usize| u16::from_be_bytes([at(index), at(index + 1)]);
            let suite = 35 + session;
            Answer::Accepted { version: pair(0), suite: pair(suite), compression: at(suite + 2) }
        }
        _ => Answer::Closed,
    }
}

/// Sends a hello over a fresh connection, and sees what comes.
///
/// # Errors
/// [`Stop::Broken`] if it cannot be sent.
pub async fn try_hello(context: &Context, mut stream: TcpStream, hello: Hello<'_>) -> Result<Answer, Stop> {
    stream.write_all(&hello.octets()).await.map_err(|error| Stop::Broken(error.to_string()))?;
    let mut octets = Vec::new();
    let mut piece = [0; 2048];
    // A ServerHello is short; what follows it is of no interest.
    while octets.len() < 100 {
        match tokio::time::timeout(Duration::from_secs(3), stream.read(&mut piece)).await {
            Ok(Ok(count)) if count > 0 => octets.extend_from_slice(piece.get(..count).unwrap_or_default()),
            _ => break,
        }
        if octets.first() == Some(&21) && octets.len() >= 7 {
            break;
        }
    }
    let answer = match (context.fault, read(&octets)) {
        (Some(Fault::WeakTls), _) => Answer::Accepted {
            version: hello.version,
            suite: hello.suites.last().copied().unwrap_or(0),
            compression: hello.compressions.iter().copied().max().unwrap_or(0),
        },
        (Some(Fault::NoTls), _) => Answer::Alert(40),
        (_, answer) => answer,
    };
    context.transcript.note('*', format!("hello {:#06x}: {answer:?}", hello.version).as_bytes());
    Ok(answer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_told_apart() {
        assert_eq!(read(&[21, 3, 3, 0, 2, 2, 70]), Answer::Alert(70));
        assert_eq!(read(b""), Answer::Closed);
        let mut hello = vec![22, 3, 3, 0, 42, 2, 0, 0, 38, 3, 3];
        hello.extend([0; 32]);
        hello.extend([0, 0xc0, 0x2b, 0]);
        assert_eq!(read(&hello), Answer::Accepted { version: 0x0303, suite: 0xc02b, compression: 0 });
    }
}
