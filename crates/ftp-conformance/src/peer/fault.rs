//! Planted faults: what the server said is spoiled before it is judged, so that each case is seen to fail.
//!
//! The layer sits in the client, behind TLS, so that one fault serves every profile. It is for the suite's own
//! tests: a case that no fault makes fail decides nothing and does not count. Which fault a case catches stands in
//! `registry.toml`.

use serde::Deserialize;

/// The table of faults.
macro_rules! faults {
    ($($fault:ident = $words:literal;)+) => {
        /// One rule that a server breaks.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
        pub enum Fault {
            $(#[doc = $words] $fault,)+
        }

        /// Every fault, the most particular first.
        pub const ALL: &[Fault] = &[$(Fault::$fault),+];

        impl Fault {
            /// What is wrong then, as the end of a sentence.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$fault => $words,)+
                }
            }
        }
    };
}

faults! {
    EmptiesFirst = "the target of an upload is emptied before any data can arrive";
    PublishesBroken = "a broken upload takes the name of the file";
    ReadsAnything = "what must not be read is read";
    DataFlipped = "one octet of the data is wrong";
    DataCut = "the last octet of the data is missing";
    DataMore = "the data have an octet too many";
    WeakTls = "every TLS hello is accepted, and the weakest suite is chosen";
    NoTls = "no TLS hello is accepted";
    Stays = "the server never closes";
    Rubbish = "the text of replies is rubbish, their codes are right";
    OtherSuccess = "successes are another success, 299";
    OtherError = "errors are another error of the right class, 599";
    Twice = "each reply comes twice";
    BareLf = "replies end in a lone LF";
    AcceptAll = "every error is a success";
    RefuseAll = "every success is an error";
    Late = "every answer takes eleven seconds";
    Silent = "nothing is said after the greeting";
}

impl Fault {
    /// What the client sees in place of `octets` of the control connection, which are whole lines.
    #[must_use]
    pub fn spoil_reply(self, octets: &[u8]) -> Vec<u8> {
        let line = |line: &[u8]| -> Vec<u8> {
            let class = line
                .first()
                .copied()
                .filter(|_| line.len() > 3 && line.iter().take(3).all(u8::is_ascii_digit));
            let code = |code: &[u8]| [code, line.get(3..).unwrap_or_default()].concat();
            match (self, class) {
                (Self::RefuseAll, Some(b'2' | b'3')) => code(b"500"),
                (Self::AcceptAll, Some(b'4' | b'5')) => code(b"200"),
                (Self::OtherError, Some(b'4' | b'5')) => code(b"599"),
                (Self::OtherSuccess, Some(b'2' | b'3')) => code(b"299"),
                (Self::Rubbish, Some(_)) => [line.get(..4).unwrap_or_default(), b"zzz"].concat(),
                (Self::Rubbish, None) => b" zzz".to_vec(),
                _ => line.to_vec(),
            }
        };
        let mut out = Vec::new();
        for whole in octets.split_inclusive(|octet| *octet == b'\n') {
            let text = whole.strip_suffix(b"\r\n").unwrap_or(whole);
            out.extend(line(text));
            out.extend_from_slice(if self == Self::BareLf { b"\n" } else { b"\r\n" });
        }
        match self {
            Self::Silent => Vec::new(),
            Self::Twice => [out.as_slice(), out.as_slice()].concat(),
            _ => out,
        }
    }

    /// What the client sees in place of the data of a transfer.
    #[must_use]
    pub fn spoil_data(self, mut data: Vec<u8>) -> Vec<u8> {
        let middle = data.len() / 2;
        match self {
            Self::DataFlipped => {
                if let Some(octet) = data.get_mut(middle) {
                    *octet ^= 0x20;
                }
            }
            Self::DataCut => {
                data.pop();
            }
            Self::DataMore => data.push(b'!'),
            _ => {}
        }
        data
    }
}
