//! The listing of `LIST`, in the form of `ls -l`, which every client knows how to read.

use crate::grammar::put_number;
use crate::value::facts::{Entry, Kind};
use crate::value::time::TimeVal;

const MONTHS: [&[u8; 3]; 12] =
    [b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec"];

/// Half a year in seconds: older entries show the year in place of the time, as `ls` does.
const RECENT: i64 = 182 * 86_400;

/// Appends one line.
///
/// ```abnf
/// list-line = mode SP links SP owner SP group SP size SP month SP day SP (hour ":" minute / year) SP name CRLF
/// ```
///
/// Times are UTC; `now` decides between time and year. Of a link the name stands alone: where it leads says more about the
/// host than clients need, and some take the arrow for a part of the name.
pub fn write(entry: &Entry, now: TimeVal, out: &mut Vec<u8>) {
    let facts = &entry.facts;
    out.push(match facts.kind {
        Kind::File | Kind::Other => b'-',
        Kind::Dir | Kind::CurrentDir | Kind::ParentDir => b'd',
        Kind::Link => b'l',
        Kind::Fifo => b'p',
        Kind::Socket => b's',
        Kind::CharDevice => b'c',
        Kind::BlockDevice => b'b',
    });
    for (shift, letter) in (0..9).rev().zip(b"rwx".iter().cycle()) {
        out.push(if facts.mode >> shift & 1 == 1 { *letter } else { b'-' });
    }
    put_right(facts.links, 4, out);
    match facts.owner {
        Some((user, group)) => {
            put_right(u64::from(user), 6, out);
            put_right(u64::from(group), 6, out);
        }
        None => out.extend_from_slice(b" ftp      ftp     "),
    }
    put_right(facts.size, 12, out);
    put_date(facts.modify.unwrap_or(TimeVal::from_unix(0)), now, out);
    out.extend_from_slice(&entry.name);
    out.extend_from_slice(b"\r\n");
}

/// `" Mon dd hh:mm "` or `" Mon dd  yyyy "`.
fn put_date(time: TimeVal, now: TimeVal, out: &mut Vec<u8>) {
    let date = time.calendar();
    out.push(b' ');
    let month = MONTHS.get(usize::from(date.month).wrapping_sub(1)).copied().unwrap_or(b"Jan");
    out.extend_from_slice(month);
    out.push(b' ');
    put_two(date.day, b' ', out);
    out.push(b' ');
    let age = now.unix() - time.unix();
    if (-86_400..RECENT).contains(&age) {
        put_two(date.hour, b'0', out);
        out.push(b':');
        put_two(date.minute, b'0', out);
    } else {
        put_right(u64::try_from(date.year).unwrap_or(0), 4, out);
    }
    out.push(b' ');
}

fn put_two(value: u8, fill: u8, out: &mut Vec<u8>) {
    out.push(if value < 10 { fill } else { b'0' + value / 10 });
    out.push(b'0' + value % 10);
}

/// A space and `value`, moved to the right in `width` columns.
fn put_right(value: u64, width: usize, out: &mut Vec<u8>) {
    let start = out.len();
    put_number(value, out);
    let fill = (width + 1).saturating_sub(out.len() - start).max(1);
    out.splice(start..start, std::iter::repeat_n(b' ', fill));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::facts::Facts;

    fn line(kind: Kind, size: u64, modify: i64) -> String {
        let facts = Facts { modify: Some(TimeVal::from_unix(modify)), ..Facts::new(kind, size) };
        let mut out = Vec::new();
        write(&Entry { name: b"a  b -> c".to_vec(), facts }, TimeVal::from_unix(1_800_000_000), &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn recent_and_old_entries() {
        assert_eq!(
            line(Kind::File, 12, 1_799_990_000),
            "-rw-r--r--    1 ftp      ftp                12 Jan 15 05:13 a  b -> c\r\n"
        );
        assert_eq!(
            line(Kind::Dir, 4096, 951_782_400),
            "drwxr-xr-x    1 ftp      ftp              4096 Feb 29  2000 a  b -> c\r\n"
        );
    }

    /// A client that takes a link for a directory removes what it leads to.
    #[test]
    fn each_kind_has_the_letter_of_ls() {
        for (kind, letter) in [
            (Kind::Link, 'l'),
            (Kind::Fifo, 'p'),
            (Kind::Socket, 's'),
            (Kind::CharDevice, 'c'),
            (Kind::BlockDevice, 'b'),
            (Kind::Other, '-'),
        ] {
            let line = line(kind, 7, 0);
            assert!(line.starts_with(letter) && line.ends_with(" a  b -> c\r\n"), "{kind:?}: {line}");
        }
    }

    #[test]
    fn a_wide_number_keeps_its_separator() {
        assert!(line(Kind::File, u64::MAX, 0).contains(" 18446744073709551615 Jan  1  1970 "));
    }
}
