//! Which cases run in which cells.

use crate::axes::{Cell, Data, Security, Version};
use crate::case::{Axes, Case, Need};
use crate::registry;

/// What of the suite is to run.
#[derive(Debug, Clone)]
pub struct Selection {
    /// Beginnings of ids of requirements; none is all.
    pub prefixes: Vec<String>,
    /// Profiles.
    pub security: Vec<Security>,
    /// Ways of making data connections.
    pub data: Vec<Data>,
    /// Versions of TLS.
    pub versions: Vec<Version>,
    /// Needs that are met.
    pub needs: Vec<Need>,
}

impl Default for Selection {
    /// Everything but what is slow.
    fn default() -> Self {
        Self {
            prefixes: Vec::new(),
            security: vec![Security::Plain, Security::Explicit, Security::Implicit],
            data: vec![Data::Pasv, Data::Epsv, Data::Port, Data::Eprt],
            versions: vec![Version::Tls12, Version::Tls13],
            needs: vec![Need::Write, Need::Lockout],
        }
    }
}

/// One case in one cell.
#[derive(Debug, Clone, Copy)]
pub struct Task {
    /// The title of its group.
    pub group: &'static str,
    /// The case.
    pub case: &'static Case,
    /// The cell.
    pub cell: Cell,
}

impl Selection {
    fn chooses(&self, case: &Case) -> bool {
        let named = self.prefixes.is_empty()
            || case.decides.iter().any(|id| self.prefixes.iter().any(|prefix| id.starts_with(prefix)));
        named && case.needs.iter().all(|need| self.needs.contains(need))
    }

    /// The cells of a case. Clear text has one version of TLS, which is none.
    fn cells(&self, axes: Axes) -> Vec<Cell> {
        let profiles = |wanted: &[Security]| -> Vec<(Security, Version)> {
            let chosen = self.security.iter().filter(|security| wanted.contains(security));
            let first = self.versions.first().copied().unwrap_or(Version::Tls13);
            chosen
                .flat_map(|security| {
                    let versions =
                        if *security == Security::Plain { vec![first] } else { self.versions.clone() };
                    versions.into_iter().map(move |version| (*security, version))
                })
                .collect()
        };
        let all = [Security::Plain, Security::Explicit, Security::Implicit];
        let first = self.data.first().copied().unwrap_or(Data::Epsv);
        let (profiles, data) = match axes {
            Axes::Control => (profiles(&all), vec![first]),
            Axes::Data => (profiles(&all), self.data.clone()),
            Axes::Explicit => (profiles(&[Security::Explicit]), vec![first]),
            Axes::Implicit => (profiles(&[Security::Implicit]), vec![first]),
            Axes::Clear => (profiles(&[Security::Plain]), vec![first]),
        };
        profiles
            .into_iter()
            .flat_map(|(security, version)| {
                data.iter().map(move |data| Cell { security, data: *data, version })
            })
            .collect()
    }

    /// What runs, in the order of reports.
    #[must_use]
    pub fn tasks(&self) -> Vec<Task> {
        let chosen = registry::cases().filter(|(_, case)| self.chooses(case));
        chosen
            .flat_map(|(group, case)| {
                self.cells(case.axes).into_iter().map(move |cell| Task { group, case, cell })
            })
            .collect()
    }
}
