//! Every verb this crate knows, and the one table that says everything about each.
//!
//! The table answers four questions before any handler runs: is the verb known, does it take an argument, may it
//! be used before login, and what happens to it while a transfer runs. `HELP`, the static part of `FEAT` and the
//! table in the README come from it as well. To add a verb, add a row here and a handler in `session`.
//!
//! Not here: verbs that belong to `SITE` ([`crate::command::service::SiteCommand`]).

/// Whether a verb takes an argument.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arity {
    /// It takes none; one that is there is a 501.
    None,
    /// It may take one.
    Optional,
    /// It needs one; its absence is a 501.
    Required,
}

/// When a verb may be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// At any time.
    Any,
    /// After login only; 530 before.
    LoggedIn,
}

/// What happens to a verb that arrives while a transfer runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum During {
    /// It acts at once.
    Now,
    /// It waits for the end of the transfer, in order (RFC 959 §4.2).
    Wait,
}

/// One row of the verb table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct VerbSpec {
    /// The verb.
    pub verb: Verb,
    /// Its word on the wire, in upper case.
    pub word: &'static str,
    /// Whether it takes an argument.
    pub arity: Arity,
    /// When it may be used.
    pub phase: Phase,
    /// What happens to it during a transfer.
    pub during: During,
    /// Its line in the `FEAT` reply, where that line never changes.
    pub feature: Option<&'static str>,
    /// The clause that defines it.
    pub clause: &'static str,
    /// How to use it, for `HELP`.
    pub help: &'static str,
}

/// Calls `$callback!` with one row a verb:
/// `Variant "WORD" arity(Argument type) Phase During feature "clause" "help";`
/// A row `Variant "WORD" = Other ...` is another word for the verb `Other`.
macro_rules! with_verbs {
    ($callback:ident) => {
        $callback! {
            User "USER" required(Username) Any Wait None "RFC 959 §4.1.1" "USER name: begin a login";
            Pass "PASS" required(Password) Any Wait None "RFC 959 §4.1.1" "PASS password: complete a login";
            Acct "ACCT" required(Password) Any Wait None "RFC 959 §4.1.1" "ACCT account: not needed here";
            Cwd "CWD" required(PathArg) LoggedIn Wait None "RFC 959 §4.1.1" "CWD directory: change the working directory";
            Cdup "CDUP" none() LoggedIn Wait None "RFC 959 §4.1.1" "CDUP: change to the parent directory";
            Smnt "SMNT" required(PathArg) LoggedIn Wait None "RFC 959 §4.1.1" "SMNT directory: not offered";
            Rein "REIN" none() Any Wait None "RFC 959 §4.1.1" "REIN: log out and start again";
            Quit "QUIT" none() Any Wait None "RFC 959 §4.1.1" "QUIT: end the session";
            Port "PORT" required(HostPort) LoggedIn Wait None "RFC 959 §4.1.2" "PORT h1,h2,h3,h4,p1,p2: active mode over IPv4";
            Pasv "PASV" none() LoggedIn Wait None "RFC 959 §4.1.2" "PASV: passive mode over IPv4";
            Type "TYPE" required(TypeCode) LoggedIn Wait None "RFC 959 §4.1.2" "TYPE A, TYPE I or TYPE L 8: representation type";
            Stru "STRU" required(Structure) LoggedIn Wait None "RFC 959 §4.1.2" "STRU F or STRU R: file structure";
            Mode "MODE" required(Mode) LoggedIn Wait None "RFC 959 §4.1.2" "MODE S, B, C or Z: transmission mode";
            Retr "RETR" required(PathArg) LoggedIn Wait None "RFC 959 §4.1.3" "RETR file: download";
            Stor "STOR" required(PathArg) LoggedIn Wait None "RFC 959 §4.1.3" "STOR file: upload";
            Stou "STOU" optional(PathArg) LoggedIn Wait None "RFC 959 §4.1.3" "STOU: upload under a new name";
            Appe "APPE" required(PathArg) LoggedIn Wait None "RFC 959 §4.1.3" "APPE file: add to the end of a file";
            Allo "ALLO" required(Allocation) LoggedIn Wait None "RFC 959 §4.1.3" "ALLO octets: ask whether there is room for the next upload";
            Rest "REST" required(Marker) LoggedIn Wait None "RFC 3659 §5" "REST offset: start the next transfer there";
            Rnfr "RNFR" required(PathArg) LoggedIn Wait None "RFC 959 §4.1.3" "RNFR name: rename from; RNTO follows";
            Rnto "RNTO" required(PathArg) LoggedIn Wait None "RFC 959 §4.1.3" "RNTO name: rename to";
            Abor "ABOR" none() Any Now None "RFC 959 §4.1.3" "ABOR: abort the transfer";
            Dele "DELE" required(PathArg) LoggedIn Wait None "RFC 959 §4.1.3" "DELE file: delete a file";
            Rmd "RMD" required(PathArg) LoggedIn Wait None "RFC 959 §4.1.3" "RMD directory: remove an empty directory";
            Mkd "MKD" required(PathArg) LoggedIn Wait None "RFC 959 §4.1.3" "MKD directory: make a directory";
            Pwd "PWD" none() LoggedIn Wait None "RFC 959 §4.1.3" "PWD: print the working directory";
            List "LIST" optional(ListArg) LoggedIn Wait None "RFC 959 §4.1.3" "LIST [path or pattern]: list as ls -l does";
            Nlst "NLST" optional(ListArg) LoggedIn Wait None "RFC 959 §4.1.3" "NLST [path or pattern]: list names";
            Site "SITE" required(SiteCommand) LoggedIn Wait None "RFC 959 §4.1.3" "SITE CHMOD mode path, SITE UTIME time path, SITE HELP";
            Syst "SYST" none() Any Wait None "RFC 959 §4.1.3" "SYST: system type";
            Stat "STAT" optional(ListArg) Any Now None "RFC 959 §4.1.3" "STAT [path or pattern]: state of the session, or a listing";
            Help "HELP" optional(Word) Any Wait None "RFC 959 §4.1.3" "HELP [verb]: this text";
            Noop "NOOP" none() Any Wait None "RFC 959 §4.1.3" "NOOP: do nothing";
            Xcwd "XCWD" = Cwd "RFC 1123 §4.1.3.1";
            Xcup "XCUP" = Cdup "RFC 1123 §4.1.3.1";
            Xmkd "XMKD" = Mkd "RFC 1123 §4.1.3.1";
            Xrmd "XRMD" = Rmd "RFC 1123 §4.1.3.1";
            Xpwd "XPWD" = Pwd "RFC 1123 §4.1.3.1";
            Auth "AUTH" required(Mechanism) Any Wait None "RFC 4217 §4" "AUTH TLS: protect the control connection";
            Adat "ADAT" required(Base64) Any Wait None "RFC 2228 §3" "ADAT data: not offered";
            Pbsz "PBSZ" required(BufferSize) Any Wait Some("PBSZ") "RFC 4217 §8" "PBSZ 0: needed before PROT";
            Prot "PROT" required(ProtLevel) Any Wait Some("PROT") "RFC 4217 §9" "PROT P: protect data connections; PROT C: do not";
            Ccc "CCC" none() Any Wait None "RFC 4217 §5" "CCC: clear the control connection";
            Mic "MIC" required(Base64) Any Wait None "RFC 2228 §3" "MIC data: not offered";
            Conf "CONF" required(Base64) Any Wait None "RFC 2228 §3" "CONF data: not offered";
            Enc "ENC" required(Base64) Any Wait None "RFC 2228 §3" "ENC data: not offered";
            Feat "FEAT" none() Any Wait None "RFC 2389 §3" "FEAT: list the extensions";
            Opts "OPTS" required(Opts) Any Wait None "RFC 2389 §4" "OPTS MLST, UTF8, HASH or MODE Z: set an option";
            Eprt "EPRT" required(ExtendedAddress) LoggedIn Wait Some("EPRT") "RFC 2428 §2" "EPRT |family|address|port|: active mode";
            Epsv "EPSV" optional(EpsvArg) LoggedIn Wait Some("EPSV") "RFC 2428 §3" "EPSV: passive mode, works everywhere";
            Lang "LANG" optional(Word) Any Wait None "RFC 2640 §4" "LANG [tag]: language of replies";
            Mdtm "MDTM" required(PathArg) LoggedIn Wait Some("MDTM") "RFC 3659 §3" "MDTM file: modification time in UTC";
            Size "SIZE" required(PathArg) LoggedIn Wait Some("SIZE") "RFC 3659 §4" "SIZE file: octets that RETR would send";
            Mlst "MLST" optional(PathArg) LoggedIn Wait None "RFC 3659 §7" "MLST [path]: facts of one entry";
            Mlsd "MLSD" optional(PathArg) LoggedIn Wait None "RFC 3659 §7" "MLSD [directory]: list with facts";
            Host "HOST" required(Word) Any Wait None "RFC 7151 §3" "HOST name: choose a virtual host before login";
            Hash "HASH" required(PathArg) LoggedIn Wait None "draft-bryan-ftpext-hash §3" "HASH file: digest of a file";
            Mfmt "MFMT" required(TimedPath) LoggedIn Wait Some("MFMT") "draft-somers-ftp-mfxx §3" "MFMT time file: set the modification time";
            Mfct "MFCT" required(TimedPath) LoggedIn Wait None "draft-somers-ftp-mfxx §4" "MFCT time file: not offered";
            Mff "MFF" required(FactChanges) LoggedIn Wait None "draft-somers-ftp-mfxx §5" "MFF fact=value; file: set facts";
            Rang "RANG" required(ByteRange) LoggedIn Wait Some("RANG STREAM") "draft-bryan-ftp-range §3" "RANG first last: transfer only these octets";
            Avbl "AVBL" optional(PathArg) LoggedIn Wait Some("AVBL") "draft-peterson-streamlined-ftp-command-extensions §4" "AVBL [directory]: free octets";
            Clnt "CLNT" required(Text) Any Wait Some("CLNT") "practice" "CLNT name: name the client";
            Csid "CSID" required(Text) Any Wait Some("CSID") "draft-peterson-streamlined-ftp-command-extensions §7" "CSID Name=value;: exchange names";
            Xcrc "XCRC" required(QuotablePath) LoggedIn Wait Some("XCRC") "practice" "XCRC file: CRC-32";
            Xmd5 "XMD5" required(QuotablePath) LoggedIn Wait Some("XMD5") "practice" "XMD5 file: MD5";
            Xsha "XSHA" required(QuotablePath) LoggedIn Wait Some("XSHA") "practice" "XSHA file: SHA-1";
            Xsha1 "XSHA1" required(QuotablePath) LoggedIn Wait Some("XSHA1") "practice" "XSHA1 file: SHA-1";
            Xsha256 "XSHA256" required(QuotablePath) LoggedIn Wait Some("XSHA256") "practice" "XSHA256 file: SHA-256";
            Xsha512 "XSHA512" required(QuotablePath) LoggedIn Wait Some("XSHA512") "practice" "XSHA512 file: SHA-512";
        }
    };
}
pub(crate) use with_verbs;

/// Sorts the rows into those that define a verb and those that are another word for one.
macro_rules! define_verbs {
    (@rows [$($full:tt)*] [$($alias:tt)*]) => { define_verbs!(@emit [$($full)*] [$($alias)*]); };
    (@rows [$($full:tt)*] [$($alias:tt)*] $variant:ident $word:literal = $target:ident $clause:literal; $($rest:tt)*) => {
        define_verbs!(@rows [$($full)*] [$($alias)* ($variant $word $target $clause)] $($rest)*);
    };
    (@rows [$($full:tt)*] [$($alias:tt)*] $variant:ident $word:literal $arity:ident($($argument:ty)?) $phase:ident $during:ident
        None $clause:literal $help:literal; $($rest:tt)*) => {
        define_verbs!(@rows [$($full)* ($variant $word $arity $phase $during (None) $clause $help)] [$($alias)*] $($rest)*);
    };
    (@rows [$($full:tt)*] [$($alias:tt)*] $variant:ident $word:literal $arity:ident($($argument:ty)?) $phase:ident $during:ident
        Some($feature:literal) $clause:literal $help:literal; $($rest:tt)*) => {
        define_verbs!(@rows [$($full)* ($variant $word $arity $phase $during (Some($feature)) $clause $help)] [$($alias)*] $($rest)*);
    };
    (@arity none) => { Arity::None };
    (@arity optional) => { Arity::Optional };
    (@arity required) => { Arity::Required };
    (@emit [$(($variant:ident $word:literal $arity:ident $phase:ident $during:ident ($($feature:tt)*) $clause:literal $help:literal))*]
        [$(($alias:ident $alias_word:literal $target:ident $alias_clause:literal))*]) => {
        /// A verb, by its word on the wire.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        pub enum Verb {
            $(#[doc = concat!("`", $word, "` (", $clause, ")")] $variant,)*
        }

        impl Verb {
            /// Every verb with its row, in the order of the documents that define them.
            pub const TABLE: &'static [VerbSpec] = &[$(VerbSpec {
                verb: Verb::$variant,
                word: $word,
                arity: define_verbs!(@arity $arity),
                phase: Phase::$phase,
                during: During::$during,
                feature: $($feature)*,
                clause: $clause,
                help: $help,
            },)*];

            /// Other words for verbs of the table: the word, the verb and the clause.
            pub const ALIASES: &'static [(&'static str, Verb, &'static str)] =
                &[$(($alias_word, Verb::$target, $alias_clause),)*];
        }
    };
    ($($rows:tt)*) => { define_verbs!(@rows [] [] $($rows)*); };
}

with_verbs!(define_verbs);

/// The number of words: verbs and aliases.
const WORDS: usize = Verb::TABLE.len() + Verb::ALIASES.len();

/// A word of up to eight letters as a number that compares fast, without regard to case.
const fn pack(word: &[u8]) -> u64 {
    let mut packed = 0;
    let mut rest = word;
    while let [first, tail @ ..] = rest {
        packed = packed << 8 | first.to_ascii_uppercase() as u64;
        rest = tail;
    }
    packed
}

/// Packed words and their verbs in ascending order.
static INDEX: [(u64, Verb); WORDS] = index();

#[allow(
    clippy::indexing_slicing,
    reason = "runs at compile time, where an index out of range is a build error"
)]
const fn index() -> [(u64, Verb); WORDS] {
    let mut index = [(0, Verb::User); WORDS];
    let mut filled = 0;
    while filled < WORDS {
        let row = if filled < Verb::TABLE.len() {
            (pack(Verb::TABLE[filled].word.as_bytes()), Verb::TABLE[filled].verb)
        } else {
            let (word, verb, _) = Verb::ALIASES[filled - Verb::TABLE.len()];
            (pack(word.as_bytes()), verb)
        };
        let mut place = filled;
        while place > 0 && index[place - 1].0 > row.0 {
            index[place] = index[place - 1];
            place -= 1;
        }
        index[place] = row;
        filled += 1;
    }
    index
}

impl Verb {
    /// The verb of that word, in any letter case (RFC 959 §5.3).
    #[must_use]
    pub fn parse(word: &[u8]) -> Option<Self> {
        if word.is_empty() || word.len() > 8 {
            return None;
        }
        let packed = pack(word);
        let place = INDEX.binary_search_by_key(&packed, |(known, _)| *known).ok()?;
        INDEX.get(place).map(|(_, verb)| *verb)
    }

    /// The row of this verb.
    #[must_use]
    #[allow(clippy::indexing_slicing, reason = "the table has one row a variant, in their order")]
    pub fn spec(self) -> &'static VerbSpec {
        &Self::TABLE[self as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_finds_its_verb_in_any_case() {
        for spec in Verb::TABLE {
            assert_eq!(Verb::parse(spec.word.as_bytes()), Some(spec.verb));
            assert_eq!(Verb::parse(spec.word.to_ascii_lowercase().as_bytes()), Some(spec.verb));
            assert_eq!(spec.verb.spec(), spec, "the table is in the order of the variants");
        }
        for (word, verb, _) in Verb::ALIASES {
            assert_eq!(Verb::parse(word.as_bytes()), Some(*verb));
        }
    }

    #[test]
    fn near_misses_are_unknown() {
        for word in ["", "USE", "USERS", "XYZZY", "US\0R", "ABCDEFGHI", "\u{e4}"] {
            assert_eq!(Verb::parse(word.as_bytes()), None, "{word:?}");
        }
    }
}
