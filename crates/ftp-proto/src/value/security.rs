//! Security mechanisms and protection levels (RFC 2228, RFC 4217).

use crate::grammar::{Argument, Encode, Expected, number, put_number, trimmed, whole};
use crate::value::text::Word;

/// The argument of `AUTH`.
///
/// ```abnf
/// mechanism-name = 1*32(ALPHA / DIGIT / "-" / "_" / ...)   ; RFC 2228 §3, RFC 4217 §17, case-independent
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Mechanism {
    /// `TLS`, and its synonym `TLS-C`: data connections start in clear.
    Tls,
    /// `SSL`, the old name, which meant PROT P, too.
    Ssl,
    /// `TLS-P`, the old name that also meant PROT P.
    TlsP,
    /// Anything else.
    Other(Word),
}

impl Encode for Mechanism {
    fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Self::Tls => out.extend_from_slice(b"TLS"),
            Self::Ssl => out.extend_from_slice(b"SSL"),
            Self::TlsP => out.extend_from_slice(b"TLS-P"),
            Self::Other(word) => word.encode(out),
        }
    }
}

impl Argument for Mechanism {
    fn parse(argument: &[u8]) -> Result<Self, Expected> {
        let name = trimmed(argument);
        let is = |known: &[u8]| name.eq_ignore_ascii_case(known);
        Ok(match Word::new(name) {
            _ if is(b"TLS") || is(b"TLS-C") => Self::Tls,
            _ if is(b"SSL") => Self::Ssl,
            _ if is(b"TLS-P") => Self::TlsP,
            Some(word) => Self::Other(word),
            None => return Err(Expected::Syntax("the name of a security mechanism, such as TLS")),
        })
    }
}

/// The argument of `PROT`.
///
/// ```abnf
/// prot-code = "C" / "S" / "E" / "P"     ; RFC 2228 §4
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ProtLevel {
    /// `C`: no protection.
    Clear,
    /// `S`: integrity only. TLS does not know it (536).
    Safe,
    /// `E`: confidentiality only. TLS does not know it (536).
    Confidential,
    /// `P`: integrity and confidentiality, which is TLS.
    Private,
}

impl Encode for ProtLevel {
    fn encode(&self, out: &mut Vec<u8>) {
        out.push(match self {
            Self::Clear => b'C',
            Self::Safe => b'S',
            Self::Confidential => b'E',
            Self::Private => b'P',
        });
    }
}

impl Argument for ProtLevel {
    fn parse(argument: &[u8]) -> Result<Self, Expected> {
        match trimmed(argument) {
            [b'C' | b'c'] => Ok(Self::Clear),
            [b'S' | b's'] => Ok(Self::Safe),
            [b'E' | b'e'] => Ok(Self::Confidential),
            [b'P' | b'p'] => Ok(Self::Private),
            _ => Err(Expected::Unsupported("P (private) or C (clear)")),
        }
    }
}

/// The argument of `PBSZ`: the largest protected block, 0 for TLS.
///
/// ```abnf
/// decimal-integer = 1*DIGIT             ; RFC 2228 §4, at most 2^32 - 1
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct BufferSize(pub u32);

impl Encode for BufferSize {
    fn encode(&self, out: &mut Vec<u8>) {
        put_number(u64::from(self.0), out);
    }
}

impl Argument for BufferSize {
    fn parse(argument: &[u8]) -> Result<Self, Expected> {
        whole(number, trimmed(argument))
            .and_then(|size| u32::try_from(size).ok())
            .map(Self)
            .ok_or(Expected::Syntax("0, or a number up to 4294967295"))
    }
}

/// The argument of `ADAT`, `MIC`, `CONF` and `ENC`, still in base 64.
///
/// ```abnf
/// base64data = 1*(ALPHA / DIGIT / "+" / "/" / "=")      ; RFC 2228 §9
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Base64(Vec<u8>);

impl Base64 {
    /// The characters, still encoded.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl Encode for Base64 {
    fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.0);
    }
}

impl Argument for Base64 {
    fn parse(argument: &[u8]) -> Result<Self, Expected> {
        let legal = |octet: &u8| octet.is_ascii_alphanumeric() || matches!(octet, b'+' | b'/' | b'=');
        let argument = trimmed(argument);
        let whole = !argument.is_empty() && argument.iter().all(legal);
        whole.then(|| Self(argument.to_vec())).ok_or(Expected::Syntax("data in base 64"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mechanisms_and_their_synonyms() {
        assert_eq!(Mechanism::parse(b"tls"), Ok(Mechanism::Tls));
        assert_eq!(Mechanism::parse(b"TLS-C"), Ok(Mechanism::Tls));
        assert_eq!(Mechanism::parse(b"ssl"), Ok(Mechanism::Ssl));
        assert!(matches!(Mechanism::parse(b"GSSAPI"), Ok(Mechanism::Other(_))));
        assert!(Mechanism::parse(b"A B").is_err());
    }

    #[test]
    fn levels_and_sizes() {
        assert_eq!(ProtLevel::parse(b"p"), Ok(ProtLevel::Private));
        assert_eq!(ProtLevel::parse(b"X"), Err(Expected::Unsupported("P (private) or C (clear)")));
        assert_eq!(BufferSize::parse(b"4294967295"), Ok(BufferSize(u32::MAX)));
        assert!(BufferSize::parse(b"4294967296").is_err());
        assert!(Base64::parse(b"AAAA=").is_ok());
        assert!(Base64::parse(b"A*").is_err());
    }
}
