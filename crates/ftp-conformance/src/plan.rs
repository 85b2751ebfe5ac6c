//! Which cases run in which cells.

use crate::axes::{Cell, Data, End, Family, Security, Ticket, Version, Way};
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
    /// Versions of IP.
    pub families: Vec<Family>,
    /// Needs that are not to be met, whatever the server could.
    pub without: Vec<Need>,
}

impl Default for Selection {
    /// Everything but what is slow.
    fn default() -> Self {
        Self {
            prefixes: Vec::new(),
            security: Security::ALL.to_vec(),
            data: Data::ALL.to_vec(),
            versions: Version::ALL.to_vec(),
            families: Family::ALL.to_vec(),
            without: vec![Need::Slow],
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
        named && !case.needs.iter().any(|need| self.without.contains(need))
    }

    /// The chosen ones of `wanted` profiles, each with its versions of TLS: clear text has one, which is none.
    fn profiles(&self, wanted: &[Security]) -> Vec<(Security, Version)> {
        let first = self.versions.first().copied().unwrap_or(Version::Tls13);
        let chosen = self.security.iter().filter(|security| wanted.contains(security));
        chosen
            .flat_map(|security| {
                let versions = if *security == Security::Plain { vec![first] } else { self.versions.clone() };
                versions.into_iter().map(move |version| (*security, version))
            })
            .collect()
    }

    /// The chosen ways of making data connections over `family`: PORT and PASV carry IPv4 addresses only.
    fn ways(&self, family: Family) -> Vec<Data> {
        let fits = |data: &&Data| family == Family::V4 || matches!(data, Data::Epsv | Data::Eprt);
        self.data.iter().filter(fits).copied().collect()
    }

    /// The cells of `profiles` in which data connections are made in every chosen way.
    fn data_cells(&self, profiles: &[(Security, Version)]) -> Vec<Cell> {
        let families = self
            .families
            .iter()
            .flat_map(|family| self.ways(*family).into_iter().map(move |data| (*family, data)));
        let families: Vec<(Family, Data)> = families.collect();
        let cell = |(security, version): &(Security, Version), (family, data): &(Family, Data)| Cell {
            family: *family,
            ..Cell::new(*security, *data, *version)
        };
        profiles.iter().flat_map(|profile| families.iter().map(move |family| cell(profile, family))).collect()
    }

    /// The cells of `profiles` in which one way of making data connections will do.
    fn control_cells(&self, wanted: &[Security], family: Option<Family>) -> Vec<Cell> {
        let family = family.or_else(|| self.families.first().copied()).unwrap_or(Family::V4);
        let data = self.ways(family).first().copied();
        let data = data.filter(|_| self.families.contains(&family));
        let profiles = self.profiles(wanted).into_iter();
        profiles
            .filter_map(|(security, version)| Some(Cell { family, ..Cell::new(security, data?, version) }))
            .collect()
    }

    /// Every kind of session reuse, every way the data can go.
    fn ticket_cells(&self) -> Vec<Cell> {
        let cells = self.data_cells(&self.profiles(&[Security::Explicit, Security::Implicit]));
        let ways = Way::ALL.iter().flat_map(|way| Ticket::ALL.iter().map(move |ticket| (*way, *ticket)));
        let ways: Vec<(Way, Ticket)> = ways.collect();
        let more = |cell: Cell| {
            ways.iter().map(move |(way, ticket)| Cell { way: Some(*way), ticket: Some(*ticket), ..cell })
        };
        // The TLS library gives each ticket of TLS 1.3 out once.
        let fits = |cell: &Cell| cell.version == Version::Tls12 || cell.ticket != Some(Ticket::Same);
        cells.into_iter().flat_map(more).filter(fits).collect()
    }

    /// Every way the data can go, and every end of theirs.
    fn end_cells(&self) -> Vec<Cell> {
        let cells = self.data_cells(&self.profiles(Security::ALL));
        let ends = Way::ALL.iter().flat_map(|way| End::ALL.iter().map(move |end| (*way, *end)));
        let ends: Vec<(Way, End)> = ends.collect();
        let fits = |cell: &Cell| cell.security != Security::Plain || cell.end != Some(End::CloseNotify);
        let more =
            |cell: Cell| ends.iter().map(move |(way, end)| Cell { way: Some(*way), end: Some(*end), ..cell });
        cells.into_iter().flat_map(more).filter(fits).collect()
    }

    /// The cells of a case.
    fn cells(&self, axes: Axes) -> Vec<Cell> {
        match axes {
            Axes::Control => self.control_cells(Security::ALL, None),
            Axes::Data => self.data_cells(&self.profiles(Security::ALL)),
            Axes::Tickets => self.ticket_cells(),
            Axes::Ends => self.end_cells(),
            Axes::Protected => self.control_cells(&[Security::Explicit, Security::Implicit], None),
            Axes::Explicit => self.control_cells(&[Security::Explicit], None),
            Axes::Implicit => self.control_cells(&[Security::Implicit], None),
            Axes::Clear => self.control_cells(&[Security::Plain], None),
            Axes::V6 => self.control_cells(Security::ALL, Some(Family::V6)),
        }
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
