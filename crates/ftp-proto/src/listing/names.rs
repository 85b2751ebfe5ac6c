//! The listing of `NLST`: names that serve unchanged as arguments of RETR.

/// Appends one line.
///
/// ```abnf
/// nlst-line = pathname CRLF             ; RFC 959 §4.1.3, RFC 1123 §4.1.2.7
/// ```
///
/// `prefix` is what the client gave as directory, so that `NLST sub` yields `sub/name`.
pub fn write(prefix: &[u8], name: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(prefix);
    if !prefix.is_empty() && !prefix.ends_with(b"/") {
        out.push(b'/');
    }
    out.extend_from_slice(name);
    out.extend_from_slice(b"\r\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_carry_the_directory_that_was_asked_for() {
        for (prefix, line) in
            [("", "a b\r\n"), ("sub", "sub/a b\r\n"), ("/", "/a b\r\n"), ("x/", "x/a b\r\n")]
        {
            let mut out = Vec::new();
            write(prefix.as_bytes(), b"a b", &mut out);
            assert_eq!(out, line.as_bytes());
        }
    }
}
