//! Every case, and the account of every requirement: it has a case, or a reason why not.

use crate::case::Case;
use crate::clause::{Requirement, catalogue};

/// The groups of cases, one a document, in the order of reports.
pub const GROUPS: &[(&str, &[Case])] = &[
    ("RFC 959 §4.1.1, §5.4 login and session", crate::rfc959::access::CASES),
    ("RFC 959 §4.2 replies, §5.3 command lines", crate::rfc959::dialogue::replies::CASES),
    ("RFC 959 §4.1.3, §5.4 Telnet, sequences, ABOR, STAT", crate::rfc959::dialogue::order::CASES),
    ("RFC 959 §4.1 directories, deletion, renaming", crate::rfc959::files::directories::CASES),
    ("RFC 2640 §3 names", crate::rfc959::files::names::CASES),
    ("RFC 959 §4.1.3 listings", crate::rfc959::files::listings::CASES),
    ("RFC 959 §3 representation, structure, mode", crate::rfc959::coding::CASES),
    ("RFC 959 §3.4.1, §5.4 ends of transfers", crate::rfc959::transfer::ends::CASES),
    ("RFC 959 §4.1.3 RETR, STOR, APPE, STOU, ALLO", crate::rfc959::transfer::commands::CASES),
    ("RFC 959 §4.1.3 commands in transfers", crate::rfc959::transfer::interrupted::CASES),
    ("RFC 2428, RFC 959 §4.1.2 data ports", crate::rfc959::ports::CASES),
    ("RFC 2389 features and options", crate::rfc2389::CASES),
    ("RFC 3659 §3, §4 MDTM and SIZE", crate::rfc3659::values::CASES),
    ("RFC 3659 §5, §6 REST and TVFS", crate::rfc3659::restart::CASES),
    ("RFC 3659 §7 MLST and MLSD", crate::rfc3659::mlsx::CASES),
    ("RFC 3659 §7.5, §7.9 facts", crate::rfc3659::facts::CASES),
    ("RFC 4217 AUTH, PBSZ, PROT", crate::rfc4217::auth::CASES),
    ("RFC 4217 §10, §12 TLS on data connections", crate::rfc4217::data::CASES),
    ("implicit TLS, versions, ALPN", crate::rfc4217::implicit::CASES),
    ("drafts: HASH, RANG, MFMT, MFF, AVBL, CSID, MODE Z", crate::drafts::CASES),
    ("mission: ports, plain FTP, failed uploads", crate::mission::CASES),
];

/// Why a requirement has no case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// The builtin server offers nothing that it applies to.
    NotOffered,
    /// It needs a set-up that this suite does not build yet.
    NeedsFixture,
    /// A case has not been written.
    NotWritten,
}

impl Reason {
    /// The reason in words.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NotOffered => "no known target offers it",
            Self::NeedsFixture => "needs a set-up that the suite does not build yet",
            Self::NotWritten => "no case has been written",
        }
    }
}

/// Every case with its group.
pub fn cases() -> impl Iterator<Item = (&'static str, &'static Case)> {
    GROUPS.iter().flat_map(|(group, cases)| cases.iter().map(move |case| (*group, case)))
}

/// The requirements that a case decides.
#[must_use]
pub fn decided() -> Vec<&'static str> {
    let mut ids: Vec<&str> = cases().flat_map(|(_, case)| case.decides.iter().copied()).collect();
    ids.sort_unstable();
    ids.dedup();
    ids
}

/// Why a requirement has no case; `None` if it has one.
#[must_use]
pub fn reason(requirement: &Requirement) -> Option<Reason> {
    if cases().any(|(_, case)| case.decides.contains(&requirement.id.as_str())) {
        return None;
    }
    let needs = |need: &str| requirement.needs.iter().any(|known| known.starts_with(need));
    let unknown = ["COMB", "DSIZ", "RMDA", "THMB"].iter().any(|word| requirement.id.contains(word));
    Some(if unknown {
        Reason::NotOffered
    } else if needs("config:")
        || needs("fixture:")
        || needs("quota")
        || needs("vhosts")
        || needs("second")
        || needs("client-cert")
    {
        Reason::NeedsFixture
    } else {
        Reason::NotWritten
    })
}

/// Requirements without a case, with their reasons.
pub fn undecided() -> impl Iterator<Item = (&'static Requirement, Reason)> {
    catalogue().iter().filter_map(|requirement| reason(requirement).map(|reason| (requirement, reason)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clause::requirement;

    #[test]
    fn cases_name_requirements_of_the_catalogue_and_no_two_the_same() {
        let mut ids = Vec::new();
        for (_, case) in cases() {
            for id in case.decides {
                assert!(requirement(id).is_some(), "{id} is in no catalogue");
                ids.push(*id);
            }
        }
        let all = ids.len();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), all, "a requirement is decided by one case");
    }

    #[test]
    fn every_requirement_is_accounted_for() {
        assert_eq!(decided().len() + undecided().count(), catalogue().len());
    }
}
