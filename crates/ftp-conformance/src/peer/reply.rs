//! The strict reader of replies (RFC 959 §4.2, §5.3; RFC 854 for the line end).

use crate::case::Stop;

/// The longest line, as the suite's own custom has it.
const LINE_MAX: usize = 8192;

/// One reply as it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// The code.
    pub code: u16,
    /// Every line without its end, the first and the last included.
    pub lines: Vec<Vec<u8>>,
}

impl Reply {
    /// The text of the first line, behind code and separator.
    #[must_use]
    pub fn text(&self) -> String {
        let first = self.lines.first().map(Vec::as_slice).unwrap_or_default();
        String::from_utf8_lossy(first.get(4..).unwrap_or_default()).into_owned()
    }

    /// The lines between the first and the last.
    #[must_use]
    pub fn inner(&self) -> &[Vec<u8>] {
        let end = self.lines.len().saturating_sub(1);
        self.lines.get(1..end.max(1)).unwrap_or_default()
    }

    /// The whole reply for a person.
    #[must_use]
    pub fn show(&self) -> String {
        self.lines
            .iter()
            .map(|line| String::from_utf8_lossy(line).into_owned())
            .collect::<Vec<_>>()
            .join(" / ")
    }
}

/// The line at the start of `octets`, without its end, and how many octets it takes; `None` if it is not whole.
fn line(octets: &[u8]) -> Result<Option<(&[u8], usize)>, Stop> {
    let Some(end) = octets.iter().position(|octet| *octet == b'\n') else {
        if octets.len() > LINE_MAX {
            return Err(Stop::fails(
                "reply lines below 8 KiB",
                format!("{} octets without a line end", octets.len()),
            ));
        }
        return Ok(None);
    };
    let whole = octets.get(..end).unwrap_or_default();
    let Some(line) = whole.strip_suffix(b"\r") else {
        return Err(Stop::fails(
            "reply lines that end in CR LF",
            format!("a lone LF behind {:?}", String::from_utf8_lossy(whole)),
        ));
    };
    if let Some(cr) = line.iter().position(|octet| *octet == b'\r')
        && line.get(cr + 1) != Some(&0)
    {
        return Err(Stop::fails("no lone CR in a reply", format!("{:?}", String::from_utf8_lossy(line))));
    }
    Ok(Some((line, end + 1)))
}

/// Code and separator of a line that begins or ends a reply.
fn head(line: &[u8]) -> Option<(u16, u8)> {
    match line {
        [a @ b'1'..=b'5', b @ b'0'..=b'9', c @ b'0'..=b'9', separator @ (b' ' | b'-'), ..] => {
            let digit = |octet: &u8| u16::from(octet - b'0');
            Some((digit(a) * 100 + digit(b) * 10 + digit(c), *separator))
        }
        _ => None,
    }
}

/// The reply at the start of `octets` and how many octets it takes; `None` if it is not whole.
///
/// # Errors
/// [`Stop::Fails`] with what RFC 959 §4.2 wants.
pub fn read(octets: &[u8]) -> Result<Option<(Reply, usize)>, Stop> {
    let Some((first, mut taken)) = line(octets)? else { return Ok(None) };
    let Some((code, separator)) = head(first) else {
        let shown = String::from_utf8_lossy(first).into_owned();
        return Err(Stop::fails(
            "three digits, the first from 1 to 5, and a space or hyphen",
            format!("{shown:?}"),
        ));
    };
    let mut lines = vec![first.to_vec()];
    if separator == b' ' {
        return Ok(Some((Reply { code, lines }, taken)));
    }
    loop {
        let Some((next, used)) = line(octets.get(taken..).unwrap_or_default())? else { return Ok(None) };
        taken += used;
        lines.push(next.to_vec());
        match head(next) {
            Some((same, b' ')) if same == code => return Ok(Some((Reply { code, lines }, taken))),
            Some((other, b'-')) if other != code => {
                return Err(Stop::fails(
                    "no reply inside another",
                    String::from_utf8_lossy(next).into_owned(),
                ));
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn good_replies() {
        let (reply, taken) = read(b"200 ok\r\n331 x").unwrap().unwrap();
        assert_eq!((reply.code, reply.text().as_str(), taken), (200, "ok", 8));
        let (reply, _) = read(b"211-a\r\n b\r\n211 End\r\n").unwrap().unwrap();
        assert_eq!(reply.inner(), [b" b".to_vec()]);
        assert_eq!(read(b"211-a\r\n b\r\n"), Ok(None));
    }

    #[test]
    fn bad_ones_are_named() {
        for bad in [
            &b"200 ok\n"[..],
            b"20 ok\r\n",
            b"999 x\r\n",
            b"200ok\r\n",
            b"211-a\r\n226-b\r\n",
            b"200 a\rb\r\n",
        ] {
            assert!(matches!(read(bad), Err(Stop::Fails { .. })), "{:?}", String::from_utf8_lossy(bad));
        }
    }
}
