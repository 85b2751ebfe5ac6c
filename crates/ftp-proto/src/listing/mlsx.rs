//! The listings of `MLSD` and `MLST` (RFC 3659 §7), written and read.
//!
//! ```abnf
//! entry     = [facts] SP pathname                   ; RFC 3659 §7.2
//! facts     = 1*(fact ";")
//! fact      = factname "=" value
//! ```

use crate::grammar::{Argument, Encode, put_number, put_padded, whole};
use crate::value::facts::{Entry, FactName, FactSet, Facts, Kind, Perm};
use crate::value::time::TimeVal;

/// Appends `entry` with the facts of `set`, without a line end: MLST puts it inside a reply.
pub fn write_entry(entry: &Entry, set: FactSet, out: &mut Vec<u8>) {
    for fact in FactName::ALL {
        if set.contains(fact.into()) {
            write_fact(&entry.facts, fact, out);
        }
    }
    out.push(b' ');
    out.extend_from_slice(&entry.name);
}

/// Appends `entry` as a line of MLSD.
pub fn write_line(entry: &Entry, set: FactSet, out: &mut Vec<u8>) {
    write_entry(entry, set, out);
    out.extend_from_slice(b"\r\n");
}

/// Appends one fact with its semicolon, if it is known.
fn write_fact(facts: &Facts, fact: FactName, out: &mut Vec<u8>) {
    let name = fact.as_str().as_bytes();
    let mut put = |write: &dyn Fn(&mut Vec<u8>)| {
        out.extend_from_slice(name);
        out.push(b'=');
        write(out);
        out.push(b';');
    };
    match fact {
        FactName::Type => put(&|out| out.extend_from_slice(type_value(facts.kind))),
        FactName::Size if facts.kind != Kind::File => {}
        FactName::Size => put(&|out| put_number(facts.size, out)),
        FactName::Modify => {
            if let Some(time) = facts.modify {
                put(&|out| time.encode(out));
            }
        }
        FactName::Create => {
            if let Some(time) = facts.create {
                put(&|out| time.encode(out));
            }
        }
        FactName::Perm => {
            let fitting = Perm::of(if facts.is_dir() { b"cdeflmp" } else { b"adfrw" });
            put(&|out| out.extend(facts.perm.intersection(fitting).letters()));
        }
        FactName::Unique => {
            if let Some(unique) = facts.unique {
                put(&|out| put_hex(unique, out));
            }
        }
        FactName::UnixMode => put(&|out| put_octal(facts.mode, out)),
        FactName::UnixOwner => {
            if let Some((user, _)) = facts.owner {
                put(&|out| put_number(u64::from(user), out));
            }
        }
        FactName::UnixGroup => {
            if let Some((_, group)) = facts.owner {
                put(&|out| put_number(u64::from(group), out));
            }
        }
    }
}

fn type_value(kind: Kind) -> &'static [u8] {
    match kind {
        Kind::File => b"file",
        Kind::Dir => b"dir",
        Kind::CurrentDir => b"cdir",
        Kind::ParentDir => b"pdir",
        Kind::Link => b"OS.unix=slink",
        Kind::Fifo => b"OS.unix=fifo",
        Kind::Socket => b"OS.unix=sock",
        Kind::CharDevice => b"OS.unix=chr",
        Kind::BlockDevice => b"OS.unix=blk",
        Kind::Other => b"OS.unix=other",
    }
}

fn put_hex(value: u64, out: &mut Vec<u8>) {
    for shift in (0..16).rev() {
        let nibble = u8::try_from(value >> (4 * shift) & 15).unwrap_or(0);
        out.push(if nibble < 10 { b'0' + nibble } else { b'a' + nibble - 10 });
    }
}

fn put_octal(mode: u32, out: &mut Vec<u8>) {
    let digit = |shift: u32| u64::from(mode >> shift & 7);
    put_padded(digit(9) * 1000 + digit(6) * 100 + digit(3) * 10 + digit(0), 4, out);
}

/// Reads one line without its end. Facts that are unknown or malformed are passed over, as RFC 3659 §7.3 asks of
/// clients.
///
/// # Errors
/// `None` if there is no space between facts and name, or no name.
#[must_use]
pub fn read_entry(line: &[u8]) -> Option<Entry> {
    let space = memchr::memchr(b' ', line)?;
    let name = line.get(space + 1..).filter(|name| !name.is_empty())?.to_vec();
    let mut facts = Facts::new(Kind::Other, 0);
    for fact in line.get(..space)?.split(|octet| *octet == b';') {
        let Some(equals) = memchr::memchr(b'=', fact) else { continue };
        if let (Some(name), Some(value)) = (FactName::parse(fact.get(..equals)?), fact.get(equals + 1..)) {
            read_fact(&mut facts, name, value);
        }
    }
    Some(Entry { name, facts })
}

/// What is neither file nor directory. Others say where a link leads (`OS.unix=slink:/there`), and which device it is
/// (`OS.unix=chr-13/29`).
fn special(value: &[u8]) -> Kind {
    const KINDS: [Kind; 5] = [Kind::Link, Kind::Fifo, Kind::Socket, Kind::CharDevice, Kind::BlockDevice];
    let known = |kind: &Kind| {
        let own = type_value(*kind);
        value.get(..own.len()).is_some_and(|start| start.eq_ignore_ascii_case(own))
    };
    KINDS.into_iter().find(known).unwrap_or(Kind::Other)
}

fn read_fact(facts: &mut Facts, name: FactName, value: &[u8]) {
    let is = |known: &[u8]| value.eq_ignore_ascii_case(known);
    let number = || whole(crate::grammar::number, value);
    let small = || number().and_then(|number| u32::try_from(number).ok());
    let radix =
        |radix| std::str::from_utf8(value).ok().and_then(|text| u64::from_str_radix(text, radix).ok());
    match name {
        FactName::Type if is(b"file") => facts.kind = Kind::File,
        FactName::Type if is(b"dir") => facts.kind = Kind::Dir,
        FactName::Type if is(b"cdir") => facts.kind = Kind::CurrentDir,
        FactName::Type if is(b"pdir") => facts.kind = Kind::ParentDir,
        FactName::Type => facts.kind = special(value),
        FactName::Size => facts.size = number().unwrap_or(facts.size),
        FactName::Modify => facts.modify = TimeVal::parse(value).ok(),
        FactName::Create => facts.create = TimeVal::parse(value).ok(),
        FactName::Perm => facts.perm = Perm::of(&value.to_ascii_lowercase()),
        FactName::Unique => facts.unique = radix(16),
        FactName::UnixMode => {
            facts.mode = radix(8).and_then(|mode| u32::try_from(mode).ok()).unwrap_or(facts.mode);
        }
        FactName::UnixOwner => {
            facts.owner = small().map(|user| (user, facts.owner.map_or(0, |(_, group)| group)))
        }
        FactName::UnixGroup => {
            facts.owner = small().map(|group| (facts.owner.map_or(0, |(user, _)| user), group))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all() -> FactSet {
        FactSet::all()
    }

    fn entry(kind: Kind) -> Entry {
        let facts = Facts {
            modify: Some(TimeVal::from_unix(1_026_940_035)),
            create: Some(TimeVal::from_unix(1_026_940_000)),
            perm: Perm::of(b"rwel"),
            unique: Some(0xAB),
            owner: Some((10, 20)),
            ..Facts::new(kind, 42)
        };
        Entry { name: b" a;b=c ".to_vec(), facts }
    }

    #[test]
    fn a_file_and_a_directory_in_full() {
        let mut out = Vec::new();
        write_line(&entry(Kind::File), all(), &mut out);
        assert_eq!(
            String::from_utf8_lossy(&out),
            "type=file;size=42;modify=20020717210715;create=20020717210640;perm=rw;unique=00000000000000ab;\
             unix.mode=0644;unix.owner=10;unix.group=20;  a;b=c \r\n"
        );
        out.clear();
        write_entry(&entry(Kind::Dir), FactSet::DEFAULT, &mut out);
        assert_eq!(
            String::from_utf8_lossy(&out),
            "type=dir;modify=20020717210715;perm=el;unique=00000000000000ab;  a;b=c "
        );
    }

    #[test]
    fn what_is_written_reads_back() {
        let mut out = Vec::new();
        write_entry(&entry(Kind::File), all(), &mut out);
        let read = read_entry(&out).unwrap();
        assert_eq!((read.name, read.facts.perm), (entry(Kind::File).name, Perm::of(b"rw")));
        assert_eq!(read.facts.modify, entry(Kind::File).facts.modify);
    }

    #[test]
    fn a_link_is_no_directory_and_reads_back_from_other_servers_too() {
        let mut out = Vec::new();
        write_entry(&entry(Kind::Link), FactSet::DEFAULT, &mut out);
        assert!(out.starts_with(b"type=OS.unix=slink;modify="), "{}", String::from_utf8_lossy(&out));
        for (line, kind) in [
            (out.as_slice(), Kind::Link),
            (b"type=OS.unix=slink:/there; n", Kind::Link),
            (b"type=OS.UNIX=chr-13/29; n", Kind::CharDevice),
            (b"type=OS.unix=fifo; n", Kind::Fifo),
            (b"type=OS.unix; n", Kind::Other),
        ] {
            assert_eq!(read_entry(line).unwrap().facts.kind, kind);
        }
    }

    #[test]
    fn facts_can_be_switched_off_and_unknown_ones_are_passed_over() {
        let mut out = Vec::new();
        write_entry(&entry(Kind::File), FactSet::empty(), &mut out);
        assert_eq!(out, b"  a;b=c ");
        let read = read_entry(b"type=file;frogs=2;size=x; n").unwrap();
        assert_eq!((read.facts.kind, read.facts.size), (Kind::File, 0));
        assert_eq!(read_entry(b"type=file;"), None);
    }
}
