//! The part of Telnet (RFC 854) that FTP needs (RFC 959 §4.1.3, RFC 1123 §4.1.2.12).
//!
//! Options are refused and never offered. Not here: urgent data; a server reads it in line (SO_OOBINLINE).

use std::collections::VecDeque;

/// Interpret as command.
pub(super) const IAC: u8 = 255;
const DONT: u8 = 254;
const DO: u8 = 253;
const WONT: u8 = 252;
const WILL: u8 = 251;
const SB: u8 = 250;
const SE: u8 = 240;

/// A refusal of a Telnet option.
///
/// ```abnf
/// refusal = IAC (DONT / WONT) option
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OptionRefusal([u8; 3]);

impl OptionRefusal {
    /// The octets to send on the control connection.
    #[must_use]
    pub fn octets(self) -> [u8; 3] {
        self.0
    }
}

/// Copies `line` to `out` without Telnet commands; refusals of options go to `refusals`.
///
/// An IAC in front of an octet that is no Telnet command stands for itself: some clients forget to double it.
pub(super) fn strip(line: &[u8], out: &mut Vec<u8>, refusals: &mut VecDeque<OptionRefusal>) {
    let mut octets = line.iter().copied().peekable();
    while let Some(octet) = octets.next() {
        match (octet, octets.peek().copied()) {
            (b'\r', Some(0)) => {
                octets.next();
                out.push(b'\r');
            }
            (IAC, Some(IAC)) => {
                octets.next();
                out.push(IAC);
            }
            (IAC, Some(command @ (WILL | WONT | DO | DONT))) => {
                octets.next();
                let option = octets.next();
                let answer = match command {
                    WILL => DONT,
                    DO => WONT,
                    _ => continue,
                };
                refusals.extend(option.map(|option| OptionRefusal([IAC, answer, option])));
            }
            (IAC, Some(SB)) => {
                // A subnegotiation ends with SE; nothing in it is for us.
                octets.by_ref().find(|octet| *octet == SE);
            }
            (IAC, Some(SE..=DONT)) => {
                octets.next();
            }
            _ => out.push(octet),
        }
    }
}

/// `line` without the Telnet commands in front of it that came without IAC, as some clients send them before ABOR. No verb
/// begins with such an octet.
pub(super) fn without_bare_commands(line: &[u8]) -> &[u8] {
    let verb = line.iter().position(|octet| *octet < SE).unwrap_or(line.len());
    line.get(verb..).unwrap_or_default()
}
