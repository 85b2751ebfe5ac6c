//! The tokens that several productions share, and the two traits every value on the wire implements.
//!
//! Productions are written in the ABNF of RFC 5234. `SP`, `DIGIT` and `ALPHA` are its core rules.
//! Not here: line ends and Telnet, which [`crate::frame`] removes before any of this runs.

use nom::bytes::complete::take_while1;
use nom::combinator::{all_consuming, map_opt};
use nom::{IResult, Parser};

/// What every nom parser of this crate returns.
pub(crate) type Parsed<'a, T> = IResult<&'a [u8], T>;

/// A value with one wire form.
///
/// Encoding cannot fail: a value that has no wire form cannot be built.
pub trait Encode {
    /// Appends the wire form to `out`.
    fn encode(&self, out: &mut Vec<u8>);

    /// The wire form in a buffer of its own.
    fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::new();
        self.encode(&mut out);
        out
    }
}

/// A value that stands as the argument of a command.
pub trait Argument: Encode + Sized {
    /// Reads the octets behind the one space that follows the verb.
    ///
    /// # Errors
    /// [`Expected`] says what would have been right.
    fn parse(argument: &[u8]) -> Result<Self, Expected>;
}

/// What a parser wanted in place of what it was given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Expected {
    /// The octets do not follow the grammar (reply 501).
    Syntax(&'static str),
    /// The octets are well formed and name something that is not offered (reply 504).
    Unsupported(&'static str),
}

/// `number = 1*DIGIT`, at most 2^64 - 1.
pub(crate) fn number(input: &[u8]) -> Parsed<'_, u64> {
    map_opt(take_while1(|octet: u8| octet.is_ascii_digit()), |digits: &[u8]| {
        digits.iter().try_fold(0u64, |sum, digit| sum.checked_mul(10)?.checked_add(u64::from(digit - b'0')))
    })
    .parse(input)
}

/// `octet = 1*3DIGIT`, at most 255.
pub(crate) fn octet(input: &[u8]) -> Parsed<'_, u8> {
    map_opt(number, |value| u8::try_from(value).ok()).parse(input)
}

/// `port = 1*5DIGIT`, at most 65535.
pub(crate) fn port(input: &[u8]) -> Parsed<'_, u16> {
    map_opt(number, |value| u16::try_from(value).ok()).parse(input)
}

/// The value if `parser` takes all of `input`.
pub(crate) fn whole<'a, T>(
    parser: impl Parser<&'a [u8], Output = T, Error = nom::error::Error<&'a [u8]>>,
    input: &'a [u8],
) -> Option<T> {
    all_consuming(parser).parse(input).ok().map(|(_, value)| value)
}

/// `input` without the spaces in front and behind: arguments that are no pathnames may have more than one
/// (RFC 959 §5.3).
pub(crate) fn trimmed(input: &[u8]) -> &[u8] {
    input.trim_ascii()
}

/// Appends `value` in decimal.
pub(crate) fn put_number(value: u64, out: &mut Vec<u8>) {
    let mut digits = [0u8; 20];
    let mut rest = value;
    let mut used = 0;
    for slot in digits.iter_mut().rev() {
        *slot = b'0' + u8::try_from(rest % 10).unwrap_or(0);
        rest /= 10;
        used += 1;
        if rest == 0 {
            break;
        }
    }
    out.extend_from_slice(digits.get(digits.len() - used..).unwrap_or_default());
}

/// Appends `value` in decimal with zeros in front, `width` digits at least.
pub(crate) fn put_padded(value: u64, width: usize, out: &mut Vec<u8>) {
    let mut digits = Vec::with_capacity(20);
    put_number(value, &mut digits);
    out.extend(std::iter::repeat_n(b'0', width.saturating_sub(digits.len())));
    out.extend_from_slice(&digits);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_stop_at_their_limits() {
        assert_eq!(whole(number, b"18446744073709551615"), Some(u64::MAX));
        assert_eq!(whole(number, b"18446744073709551616"), None);
        assert_eq!(whole(number, b""), None);
        assert_eq!(whole(number, b"-1"), None);
        assert_eq!(whole(octet, b"255"), Some(255));
        assert_eq!(whole(octet, b"256"), None);
        assert_eq!(whole(port, b"65536"), None);
    }

    #[test]
    fn decimal_output_has_no_sign_and_no_gap() {
        for value in [0, 9, 10, 1234, u64::MAX] {
            let mut out = Vec::new();
            put_number(value, &mut out);
            assert_eq!(out, value.to_string().into_bytes());
        }
        let mut out = Vec::new();
        put_padded(7, 2, &mut out);
        assert_eq!(out, b"07");
    }
}
