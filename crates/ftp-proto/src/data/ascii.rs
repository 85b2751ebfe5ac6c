//! TYPE A: lines end in CR LF on the wire and in LF in the file (RFC 959 §3.1.1.1).
//!
//! Out: LF becomes CR LF; a CR LF that is in the file already stays as it is. In: CR LF becomes LF. A lone CR, a
//! lone LF and every other octet pass unchanged, a CR that is the very last octet included.

/// File lines to wire lines.
#[derive(Debug, Default)]
pub struct Encoder {
    /// The last octet of the piece before.
    last: u8,
}

impl Encoder {
    /// Appends the wire form of `input`.
    pub fn encode(&mut self, input: &[u8], out: &mut Vec<u8>) {
        out.reserve(input.len() + input.len() / 32 + 1);
        let mut start = 0;
        for lf in memchr::memchr_iter(b'\n', input) {
            let line = input.get(start..lf).unwrap_or_default();
            out.extend_from_slice(line);
            if line.last().copied().unwrap_or(if start == 0 { self.last } else { b'\n' }) == b'\r' {
                out.push(b'\n');
            } else {
                out.extend_from_slice(b"\r\n");
            }
            start = lf + 1;
        }
        out.extend_from_slice(input.get(start..).unwrap_or_default());
        self.last = input.last().copied().unwrap_or(self.last);
    }
}

/// Wire lines to file lines.
#[derive(Debug, Default)]
pub struct Decoder {
    held: Held,
}

/// Whether the piece before ended in a CR that was held back.
#[derive(Debug, Default, PartialEq, Eq)]
enum Held {
    #[default]
    Nothing,
    Cr,
}

impl Decoder {
    /// Appends the file form of `input`.
    pub fn decode(&mut self, input: &[u8], out: &mut Vec<u8>) {
        let Some(first) = input.first() else { return };
        out.reserve(input.len() + 1);
        if std::mem::take(&mut self.held) == Held::Cr && *first != b'\n' {
            out.push(b'\r');
        }
        let mut start = 0;
        for cr in memchr::memchr_iter(b'\r', input) {
            match input.get(cr + 1) {
                Some(b'\n') => {}
                Some(_) => continue,
                None => self.held = Held::Cr,
            }
            out.extend_from_slice(input.get(start..cr).unwrap_or_default());
            start = cr + 1;
        }
        out.extend_from_slice(input.get(start..).unwrap_or_default());
    }

    /// Appends a CR that was the last octet of all.
    pub fn finish(&mut self, out: &mut Vec<u8>) {
        if std::mem::take(&mut self.held) == Held::Cr {
            out.push(b'\r');
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encode(input: &[u8], size: usize) -> Vec<u8> {
        let (mut encoder, mut out) = (Encoder::default(), Vec::new());
        input.chunks(size).for_each(|piece| encoder.encode(piece, &mut out));
        out
    }

    fn decode(input: &[u8], size: usize) -> Vec<u8> {
        let (mut decoder, mut out) = (Decoder::default(), Vec::new());
        input.chunks(size).for_each(|piece| decoder.decode(piece, &mut out));
        decoder.finish(&mut out);
        out
    }

    #[test]
    fn line_ends_at_every_border() {
        for size in 1..10 {
            assert_eq!(encode(b"a\nb\r\nc\n\n\rd\r", size), b"a\r\nb\r\nc\r\n\r\n\rd\r", "pieces of {size}");
            assert_eq!(decode(b"a\r\nb\nc\r\r\nd\re\r", size), b"a\nb\nc\r\nd\re\r", "pieces of {size}");
        }
    }

    #[test]
    fn nothing_is_added_to_a_last_line() {
        assert_eq!(encode(b"abc", 1), b"abc");
        assert_eq!(decode(b"abc\r", 4), b"abc\r");
        assert_eq!(decode(b"", 1), b"");
    }
}
