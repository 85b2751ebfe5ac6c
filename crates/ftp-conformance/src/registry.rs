//! Every case, and the account of every requirement: it has a case, or a reason why not.

use crate::case::Case;
use std::collections::BTreeMap;
use std::sync::OnceLock;

use serde::Deserialize;

use crate::clause::{Requirement, catalogue};
use crate::peer::fault::Fault;

/// The groups of cases, one a document, in the order of reports.
pub const GROUPS: &[(&str, &[Case])] = &[
    ("RFC 959 §4.1.1, §5.4 login and session", crate::rfc959::access::CASES),
    ("RFC 959 §4.1.1, RFC 2577 §5, §7 accounts and passwords", crate::rfc959::accounts::CASES),
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
    ("RFC 2577 §4, RFC 2428 strangers and addresses", crate::rfc959::strangers::CASES),
    ("RFC 959 §5.4 rights and links", crate::rfc959::permissions::CASES),
    ("RFC 959 §5.4, RFC 1123 §4.1.3.2 limits", crate::rfc959::limits::CASES),
    ("RFC 2389 features and options", crate::rfc2389::CASES),
    ("RFC 3659 §3, §4 MDTM and SIZE", crate::rfc3659::values::CASES),
    ("RFC 3659 §5, §6 REST and TVFS", crate::rfc3659::restart::CASES),
    ("RFC 3659 §7 MLST and MLSD", crate::rfc3659::mlsx::CASES),
    ("RFC 3659 §7.5, §7.9 facts", crate::rfc3659::facts::CASES),
    ("RFC 4217 AUTH, PBSZ, PROT", crate::rfc4217::auth::CASES),
    ("RFC 4217 §10, §12 TLS on data connections", crate::rfc4217::data::CASES),
    ("RFC 4217 §5, §10.2, §13 sessions, REIN, CCC", crate::rfc4217::session::CASES),
    ("RFC 4217 §10, RFC 2228 §3 policy", crate::rfc4217::policy::CASES),
    ("implicit TLS, versions, ALPN", crate::rfc4217::implicit::CASES),
    ("RFC 8996, RFC 9325 what TLS must not agree to", crate::rfc4217::versions::CASES),
    ("RFC 7151 virtual hosts", crate::rfc7151::CASES),
    ("drafts: HASH, RANG, MFMT, MFF, AVBL, CSID, MODE Z", crate::drafts::CASES),
    ("mission: ports, plain FTP, failed uploads", crate::mission::CASES),
];

/// Every case with its group.
pub fn cases() -> impl Iterator<Item = (&'static str, &'static Case)> {
    GROUPS.iter().flat_map(|(group, cases)| cases.iter().map(move |case| (*group, case)))
}

/// The case that decides a requirement.
#[must_use]
pub fn case(id: &str) -> Option<&'static Case> {
    cases().map(|(_, case)| case).find(|case| case.decides.contains(&id))
}

#[derive(Default, Deserialize)]
struct Notes {
    /// The planted fault that was seen to make a case fail, by the id of the case.
    fault: BTreeMap<String, Fault>,
    /// Why a requirement has no case.
    without: BTreeMap<String, String>,
    /// Why a case stands that holds on none of the peers.
    stands: BTreeMap<String, String>,
}

/// What is known beside the cases themselves.
fn notes() -> &'static Notes {
    static READ: OnceLock<Notes> = OnceLock::new();
    // The text is part of the program, and a test reads it: it cannot be malformed.
    READ.get_or_init(|| toml::from_str(include_str!("registry.toml")).unwrap_or_default())
}

/// The planted fault that a case catches.
#[must_use]
pub fn fault(case: &Case) -> Option<Fault> {
    notes().fault.get(case.id()).copied()
}

/// Why a case stands although it holds on none of the peers of the scoreboard.
#[must_use]
pub fn stands(case: &Case) -> Option<&'static str> {
    notes().stands.get(case.id()).map(String::as_str)
}

/// The requirements that a case decides: one that no planted fault makes fail decides nothing.
#[must_use]
pub fn decided() -> Vec<&'static str> {
    let counted = cases().filter(|(_, case)| fault(case).is_some());
    let mut ids: Vec<&str> = counted.flat_map(|(_, case)| case.decides.iter().copied()).collect();
    ids.sort_unstable();
    ids
}

/// Why a requirement has no case; `None` if it has one.
#[must_use]
pub fn reason(requirement: &Requirement) -> Option<&'static str> {
    if case(&requirement.id).is_some_and(|case| fault(case).is_some()) {
        return None;
    }
    Some(notes().without.get(&requirement.id).map_or("no reason is given", String::as_str))
}

/// Requirements without a case, with their reasons.
pub fn undecided() -> impl Iterator<Item = (&'static Requirement, &'static str)> {
    catalogue().iter().filter_map(|requirement| reason(requirement).map(|reason| (requirement, reason)))
}

/// The account in one line.
#[must_use]
pub fn account() -> String {
    let (decided, all) = (decided().len(), catalogue().len());
    format!("{decided} of {all} requirements have a case, {} a reason why not", undecided().count())
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
    fn every_requirement_has_a_case_or_a_reason() {
        let notes = toml::from_str::<Notes>(include_str!("registry.toml")).unwrap();
        for (requirement, reason) in undecided() {
            assert!(notes.without.contains_key(&requirement.id), "{}: {reason}", requirement.id);
        }
        for id in notes.without.keys() {
            assert!(
                requirement(id).is_some() && case(id).is_none(),
                "{id} has a case, and a reason for none"
            );
        }
        for id in notes.fault.keys().chain(notes.stands.keys()) {
            assert!(case(id).is_some_and(|case| case.id() == id), "{id} names no case");
        }
        assert_eq!(decided().len() + undecided().count(), catalogue().len());
    }
}
