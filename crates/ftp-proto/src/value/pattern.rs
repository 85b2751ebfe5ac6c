//! Patterns of names, which clients write in place of the last name of a path, as in `NLST *.txt`.
//!
//! ```abnf
//! pattern = *("*" / "?" / set / char)                    ; RFC 959 §4.1.3 has a "file group"; its form is practice
//! set     = "[" ["!" / "^"] item *item "]"               ; "]" as the first item stands for itself
//! item    = char ["-" char]
//! ```
//!
//! A `*` is any number of characters, a `?` is one, a set is one of its items, or none of them. A character is one of UTF-8,
//! or an octet that belongs to none. As in a shell (glob(7)) a name that begins with a dot is matched by a pattern that
//! does only, and a `[` without its `]` stands for itself. Not here: directories; a pattern is compared with one name.

use std::ops::RangeInclusive;

use crate::value::path::NAME_MAX;

/// Octets that are no UTF-8 have numbers from here on, behind all characters.
const NO_CHARACTER: u32 = 0x11_0000;

/// A pattern of names.
///
/// ```
/// use ftp_proto::value::pattern::Pattern;
///
/// let pattern = Pattern::new(b"report-[0-9]*.tx?").unwrap();
/// assert!(pattern.matches(b"report-7b.txt") && !pattern.matches(b"report-b.txt"));
/// assert!(Pattern::new(b"report.txt").is_none());
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern {
    elements: Vec<Element>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Element {
    /// `*`
    Run,
    /// `?`
    One,
    /// A character that stands for itself.
    Itself(u32),
    /// `[…]`: one of these.
    Of(Vec<RangeInclusive<u32>>),
    /// `[!…]`: any but these.
    NotOf(Vec<RangeInclusive<u32>>),
}

impl Element {
    fn takes(&self, character: u32) -> bool {
        let is_in = |items: &[RangeInclusive<u32>]| items.iter().any(|item| item.contains(&character));
        match self {
            Self::Run => false,
            Self::One => true,
            Self::Itself(own) => *own == character,
            Self::Of(items) => is_in(items),
            Self::NotOf(items) => !is_in(items),
        }
    }
}

impl Pattern {
    /// The pattern, if `name` has a `*`, a `?` or a `[`, and is no longer than a name may be.
    #[must_use]
    pub fn new(name: &[u8]) -> Option<Self> {
        memchr::memchr3(b'*', b'?', b'[', name).filter(|_| name.len() <= NAME_MAX)?;
        let mut elements = Vec::new();
        let mut left = name;
        while let Some((character, tail)) = first(left) {
            let (element, tail) = match character.try_into() {
                Ok(b'*') => (Element::Run, tail),
                Ok(b'?') => (Element::One, tail),
                Ok(b'[') => set(tail).unwrap_or((Element::Itself(character), tail)),
                _ => (Element::Itself(character), tail),
            };
            elements.push(element);
            left = tail;
        }
        Some(Self { elements })
    }

    /// Whether it matches the whole of `name`. The time is at most the product of both lengths, whatever the pattern: what
    /// a `*` has taken is given up only to the next one.
    #[must_use]
    pub fn matches(&self, name: &[u8]) -> bool {
        if name.starts_with(b".") && self.elements.first() != Some(&Element::Itself(u32::from(b'.'))) {
            return false;
        }
        let (mut elements, mut left) = (self.elements.as_slice(), name);
        // What stands behind the last `*`, and what that has not taken.
        let mut retry = None;
        loop {
            match (elements.split_first(), first(left)) {
                (Some((Element::Run, behind)), _) => {
                    retry = Some((behind, left));
                    elements = behind;
                }
                (Some((element, behind)), Some((character, tail))) if element.takes(character) => {
                    (elements, left) = (behind, tail);
                }
                (None, None) => return true,
                _ => {
                    let Some((behind, untaken)) = retry else { return false };
                    let Some((_, tail)) = first(untaken) else { return false };
                    retry = Some((behind, tail));
                    (elements, left) = (behind, tail);
                }
            }
        }
    }
}

/// The first character as a number, and what follows it.
fn first(octets: &[u8]) -> Option<(u32, &[u8])> {
    let (octet, tail) = octets.split_first()?;
    if octet.is_ascii() {
        return Some((u32::from(*octet), tail));
    }
    let character = |length: usize| {
        let text = std::str::from_utf8(octets.get(..length)?).ok()?;
        Some((u32::from(text.chars().next()?), octets.get(length..)?))
    };
    (2..=4).find_map(character).or(Some((NO_CHARACTER + u32::from(*octet), tail)))
}

/// What follows a `[`, and what follows its `]`; `None` if there is none.
fn set(octets: &[u8]) -> Option<(Element, &[u8])> {
    let negated = octets.strip_prefix(b"!").or_else(|| octets.strip_prefix(b"^"));
    let mut left = negated.unwrap_or(octets);
    let mut items = Vec::new();
    loop {
        let (from, tail) = first(left)?;
        if from == u32::from(b']') && !items.is_empty() {
            let element = if negated.is_some() { Element::NotOf(items) } else { Element::Of(items) };
            return Some((element, tail));
        }
        let last = tail.strip_prefix(b"-").and_then(first).filter(|(to, _)| *to != u32::from(b']'));
        let (to, tail) = last.unwrap_or((from, tail));
        items.push(from..=to);
        left = tail;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_match_and_names_that_do_not() {
        for (pattern, yes, no) in [
            ("*.txt", &["a.txt", "b.c.txt", "-.txt"][..], &["a.txt2", "a.TXT", ".txt", ".a.txt"][..]),
            ("*", &["a", "a b", "*"], &[".a", ".."]),
            (".*", &[".a", ".."], &["a"]),
            ("a?c", &["abc", "a?c", "a\u{e4}c"], &["ac", "abbc"]),
            ("*a*b*", &["ab", "xaxbx", "aab"], &["ba", "a", "b"]),
            ("[abc]", &["a", "c"], &["d", "ab", "[abc]"]),
            ("[!abc]x", &["dx", "\u{20ac}x"], &["ax", "x"]),
            ("[^a-c]", &["d"], &["b"]),
            ("f[0-9][0-9]", &["f01"], &["f1", "fa1"]),
            ("[]x]", &["]", "x"], &["a"]),
            ("[a-]", &["a", "-"], &["b"]),
            ("[\u{e0}-\u{ef}]*", &["\u{e4}b"], &["eb"]),
            ("a[b", &["a[b"], &["ab", "a"]),
            ("a[*", &["a[", "a[b"], &["ab"]),
            ("**?", &["a", "ab"], &[""]),
        ] {
            let compiled = Pattern::new(pattern.as_bytes()).unwrap();
            for name in yes {
                assert!(compiled.matches(name.as_bytes()), "{pattern} and {name}");
            }
            for name in no {
                assert!(!compiled.matches(name.as_bytes()), "{pattern} and {name}");
            }
        }
        for name in ["a", "a]", "{a,b}", ""] {
            assert_eq!(Pattern::new(name.as_bytes()), None, "{name} is no pattern");
        }
        assert!(Pattern::new(b"a?b").unwrap().matches(b"a\xffb"), "an octet outside of UTF-8 counts as one");
    }

    #[test]
    fn no_pattern_takes_long() {
        let name = [b'a'; NAME_MAX];
        for pattern in
            ["a*".repeat(127) + "b", "*".repeat(254) + "b", "*".to_owned() + &"a".repeat(120) + "b"]
        {
            let pattern = Pattern::new(pattern.as_bytes()).unwrap();
            let began = std::time::Instant::now();
            for _ in 0..100 {
                assert!(!pattern.matches(&name));
            }
            assert!(began.elapsed().as_secs() < 5, "{:?}", began.elapsed());
        }
        assert_eq!(Pattern::new(&[b'*'; NAME_MAX + 1]), None);
    }
}
