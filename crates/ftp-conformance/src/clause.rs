//! The catalogue of requirements: one testable statement each, with its clause.
//!
//! It is data (`requirements.toml`), so that a case names an id and never repeats a text.

use std::sync::OnceLock;

use serde::Deserialize;

/// How binding a requirement is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Level {
    /// The clause demands it.
    Must,
    /// The clause recommends it.
    Should,
    /// The clause permits it; how it is done is checked where it is done.
    May,
    /// No clause: custom, interoperability, security.
    Practice,
}

impl std::fmt::Display for Level {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.pad(match self {
            Self::Must => "MUST",
            Self::Should => "SHOULD",
            Self::May => "MAY",
            Self::Practice => "PRACTICE",
        })
    }
}

/// One testable statement.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Requirement {
    /// Stable id: document, section, topic, number.
    pub id: String,
    /// The document.
    pub rfc: String,
    /// Its section; `-` for custom.
    pub section: String,
    /// How binding it is.
    pub level: Level,
    /// Only for servers with this feature (`FEAT:X`) or command (`CMD:X`).
    pub when: Option<String>,
    /// What a check needs.
    pub needs: Vec<String>,
    /// Whether a check writes, loads the server, or may lock something.
    pub destructive: bool,
    /// What has to hold.
    pub statement: String,
    /// How it is checked.
    pub check: String,
}

impl Requirement {
    /// The clause in words, such as `RFC 959 §5.4`.
    #[must_use]
    pub fn clause(&self) -> String {
        if self.section == "-" { self.rfc.clone() } else { format!("{} §{}", self.rfc, self.section) }
    }
}

#[derive(Deserialize)]
struct Catalogue {
    requirement: Vec<Requirement>,
}

/// Every requirement, in the order of the catalogue.
#[must_use]
pub fn catalogue() -> &'static [Requirement] {
    static READ: OnceLock<Vec<Requirement>> = OnceLock::new();
    // The text is part of the program, and a test reads it: it cannot be malformed.
    READ.get_or_init(|| {
        toml::from_str::<Catalogue>(include_str!("requirements.toml"))
            .map_or_else(|_| Vec::new(), |read| read.requirement)
    })
}

/// The requirement of that id.
#[must_use]
pub fn requirement(id: &str) -> Option<&'static Requirement> {
    catalogue().iter().find(|requirement| requirement.id == id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_catalogue_is_whole() {
        assert_eq!(catalogue().len(), 587);
        let mut ids: Vec<&str> = catalogue().iter().map(|requirement| requirement.id.as_str()).collect();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), 587, "ids are unique");
        assert_eq!(
            requirement("RFC959-5.4-GREET-1").map(Requirement::clause),
            Some("RFC 959 §5.4".to_owned())
        );
    }
}
