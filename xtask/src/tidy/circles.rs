//! Files of a crate lean on each other in one direction: no circles, and in ftp-proto down from floor to floor.
//!
//! Who wants to understand a file begins with what it leans on; in a circle there is nowhere to begin. `arrows` says
//! what an arrow is; here is what may not be made of them.

use std::collections::{BTreeMap, VecDeque};

use crate::tidy::arrows::{Graph, graphs};

/// The crates whose files are checked. ftp-conformance is not there yet: `case`, `context` and `peer` still lean on
/// each other, and so do `bench` and `lab` with the files below them.
const CRATES: &[&str] = &["ftp-proto", "ftp-server"];
/// The modules of ftp-proto, the lowest floor first: each may use those below it. Circles alone do not forbid that
/// a value takes something from a command which takes no value.
const FLOORS: &[&[&str]] = &[
    &["grammar"],
    &["value"],
    &["frame", "verb", "listing", "data"],
    &["command"],
    &["reply"],
    &["session"],
];
/// Where these floors are.
const FLOORS_OF: &str = "crates/ftp-proto/src";

/// What is wrong with the arrows of one crate.
pub(super) struct Findings {
    /// The crate.
    pub(super) name: &'static str,
    /// One complaint for each set of files that lean on each other.
    pub(super) circles: Vec<String>,
    /// One complaint for each arrow that leads to no lower floor.
    pub(super) upward: Vec<String>,
}

/// Looks at every crate, of sources given as path and text.
pub(super) fn findings(sources: &[(&str, &str)]) -> Result<Vec<Findings>, String> {
    let of_crate = |name: &&'static str| {
        let folder = format!("crates/{name}/src/");
        let own = sources.iter().filter(|(path, _)| path.starts_with(&folder));
        let graphs = graphs(&own.copied().collect::<Vec<_>>())?;
        let circles = graphs.iter().flat_map(circles).collect();
        Ok(Findings { name, circles, upward: graphs.iter().flat_map(upward).collect() })
    };
    CRATES.iter().map(of_crate).collect()
}

/// One complaint for each set of files that lean on each other.
fn circles(graph: &Graph) -> Vec<String> {
    let mut sets = Search::over(graph);
    sets.retain(|set| set.len() > 1);
    sets.sort();
    sets.iter().map(|set| complaint(graph, set)).collect()
}

fn complaint(graph: &Graph, set: &[usize]) -> String {
    let Graph { folder, files, arrows } = graph;
    let circle = shortest(graph, set);
    let mut text = format!("{folder}: circle of files: ");
    for (at, file) in circle.iter().enumerate() {
        let next = circle[(at + 1) % circle.len()];
        let item = arrows[*file].get(&next).map_or("", String::as_str);
        text += &format!("{} (uses {item}) -> ", files[*file]);
    }
    let who = if circle.len() == 2 { "both" } else { "all" };
    text += &format!("{}; move what {who} need below them", files[circle[0]]);
    let others: Vec<&str> =
        set.iter().filter(|file| !circle.contains(file)).map(|file| files[*file].as_str()).collect();
    if !others.is_empty() {
        text += &format!(" (in circles with them: {})", others.join(", "));
    }
    text
}

/// The shortest circle within a set of files that lean on each other.
fn shortest(graph: &Graph, set: &[usize]) -> Vec<usize> {
    set.iter().map(|start| way_back(graph, *start)).min_by_key(Vec::len).unwrap_or_default()
}

/// The shortest way from a file back to itself. No way back leaves the set, or the set would be larger.
fn way_back(graph: &Graph, start: usize) -> Vec<usize> {
    let mut came_from = BTreeMap::new();
    let mut waiting = VecDeque::from([start]);
    while let Some(file) = waiting.pop_front() {
        for next in graph.arrows[file].keys() {
            if !came_from.contains_key(next) {
                came_from.insert(*next, file);
                waiting.push_back(*next);
            }
        }
    }
    let mut way = vec![start];
    let mut at = start;
    while let Some(file) = came_from.get(&at).filter(|file| **file != start) {
        way.push(*file);
        at = *file;
    }
    way[1..].reverse();
    way
}

/// Tarjan's search for the sets of files that all lean on each other.
struct Search<'a> {
    graph: &'a Graph,
    /// When each file was first seen.
    seen: BTreeMap<usize, usize>,
    /// Files seen whose set is not known yet.
    open: Vec<usize>,
    sets: Vec<Vec<usize>>,
}

impl<'a> Search<'a> {
    fn over(graph: &'a Graph) -> Vec<Vec<usize>> {
        let mut search = Self { graph, seen: BTreeMap::new(), open: Vec::new(), sets: Vec::new() };
        for file in 0..graph.files.len() {
            if !search.seen.contains_key(&file) {
                search.visit(file);
            }
        }
        search.sets
    }

    /// Returns when the earliest open file that is reached from this one was seen.
    fn visit(&mut self, file: usize) -> usize {
        let index = self.seen.len();
        let mut earliest = index;
        self.seen.insert(file, index);
        self.open.push(file);
        for next in self.graph.arrows[file].keys() {
            match self.seen.get(next) {
                None => earliest = earliest.min(self.visit(*next)),
                Some(first) if self.open.contains(next) => earliest = earliest.min(*first),
                Some(_) => {}
            }
        }
        if earliest == index {
            let start = self.open.iter().position(|open| *open == file).unwrap_or_default();
            let mut set = self.open.split_off(start);
            set.sort_unstable();
            self.sets.push(set);
        }
        earliest
    }
}

/// One complaint for each arrow from a module to another that is on no lower floor.
fn upward(graph: &Graph) -> Vec<String> {
    let Graph { folder, files, arrows } = graph;
    if folder != FLOORS_OF {
        return Vec::new();
    }
    let module = |file: &usize| files[*file].split(['/', '.']).next().unwrap_or_default();
    let floor = |file: &usize| FLOORS.iter().position(|floor| floor.contains(&module(file)));
    let is_wrong = |from: &usize, to: &usize| {
        module(from) != module(to) && floor(from).zip(floor(to)).is_some_and(|(from, to)| from <= to)
    };
    let text = |from: usize, to: &usize, item: &String| {
        let (name, here, there) = (&files[from], module(&from), module(to));
        format!("{folder}/{name}: uses {item}, but {there} is not below {here}; move the item or its user")
    };
    let all =
        arrows.iter().enumerate().flat_map(|(from, to)| to.iter().map(move |(to, item)| (from, to, item)));
    all.filter(|(from, to, _)| is_wrong(from, to)).map(|(from, to, item)| text(from, to, item)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The complaints about files of a crate root `src`.
    fn complaints(sources: &[(&str, &str)]) -> Vec<String> {
        let named: Vec<(String, &str)> =
            sources.iter().map(|(path, text)| (format!("src/{path}"), *text)).collect();
        let named: Vec<(&str, &str)> = named.iter().map(|(path, text)| (path.as_str(), *text)).collect();
        graphs(&named).unwrap().iter().flat_map(circles).collect()
    }

    const NONE: &[String] = &[];

    #[test]
    fn two_files_that_need_each_other_are_a_circle() {
        let found = complaints(&[
            ("lib.rs", "mod session;"),
            ("session.rs", "mod login; mod transfer;"),
            ("session/login.rs", "use crate::session::transfer::Work; pub struct LoggedIn(Work);"),
            ("session/transfer.rs", "use super::login::LoggedIn; pub enum Work { Of(LoggedIn) }"),
        ]);
        let wanted = "src: circle of files: session/login.rs (uses transfer::Work) -> \
            session/transfer.rs (uses login::LoggedIn) -> session/login.rs; move what both need below them";
        assert_eq!(found, [wanted]);
    }

    #[test]
    fn three_files_make_a_circle_and_a_bystander_is_not_named() {
        let found = complaints(&[
            ("lib.rs", "mod a; mod b; mod c; mod d;"),
            ("a.rs", "use crate::b::B; pub struct A(B);"),
            ("b.rs", "use crate::c::C; pub struct B(C);"),
            ("c.rs", "use crate::{a::A, d}; pub struct C(A, d::D);"),
            ("d.rs", "pub struct D;"),
        ]);
        let wanted = "src: circle of files: a.rs (uses b::B) -> b.rs (uses c::C) -> c.rs (uses a::A) -> a.rs; \
            move what all need below them";
        assert_eq!(found, [wanted]);
    }

    #[test]
    fn the_shortest_circle_of_a_set_is_shown_and_the_rest_is_named() {
        let found = complaints(&[
            ("lib.rs", "mod a; mod b; mod c;"),
            ("a.rs", "use crate::b::B; pub struct A(B);"),
            ("b.rs", "use crate::c::C; pub struct B(C);"),
            ("c.rs", "use crate::{a::A, b::B}; pub struct C(A, B);"),
        ]);
        let wanted = "src: circle of files: b.rs (uses c::C) -> c.rs (uses b::B) -> b.rs; \
            move what both need below them (in circles with them: a.rs)";
        assert_eq!(found, [wanted]);
    }

    #[test]
    fn a_reexport_is_followed_to_the_file_that_defines_the_item() {
        // By way of the parent, and by a name that it imports for itself.
        let through = |item: &str| {
            complaints(&[
                ("lib.rs", "mod session;"),
                (
                    "session.rs",
                    "mod action; mod login; pub use action::Action as Act; use action::Stage; fn f(_: Stage) {}",
                ),
                (
                    "session/action.rs",
                    "use super::login::Login; pub enum Action { A(Login) } pub enum Stage {}",
                ),
                ("session/login.rs", &format!("use crate::session::{item}; pub struct Login({item});")),
            ])
        };
        for (item, defined) in [("Act", "Action"), ("Stage", "Stage")] {
            let wanted = format!(
                "src: circle of files: session/action.rs (uses login::Login) -> \
                session/login.rs (uses action::{defined}) -> session/action.rs; move what both need below them"
            );
            assert_eq!(through(item), [wanted]);
        }
    }

    #[test]
    fn a_parent_that_only_declares_and_offers_is_in_no_circle() {
        let child = "use super::Core; pub struct Work(Core);";
        let parent = "mod work; pub use work::Work; pub(crate) use self::work::*; pub struct Core;";
        assert_eq!(complaints(&[("lib.rs", parent), ("work.rs", child)]), NONE);
    }

    #[test]
    fn a_parent_that_needs_what_its_child_defines_is_in_a_circle() {
        let child = "use super::Core; pub struct Work(Core);";
        for needs in [
            "use work::Work; fn f(_: Work) {}",
            "pub use work::Work; fn f(_: Work) {}",
            "fn f(_: work::Work) {}",
            "fn f() { assert!(matches!(1, self::work::Work)) }",
            "use work::*; fn f(_: Work) {}",
        ] {
            let parent = format!("mod work; {needs} pub struct Core;");
            let found = complaints(&[("lib.rs", &parent), ("work.rs", child)]);
            let arrow = "work.rs (uses crate::Core) -> lib.rs";
            assert!(found.len() == 1 && found[0].contains(arrow), "{needs}: {found:?}");
        }
    }

    #[test]
    fn a_path_in_full_counts_wherever_it_stands() {
        for code in [
            "fn f() -> crate::b::B { loop {} }",
            "fn f() { let _ = super::b::B::new(); }",
            "fn f(x: u8) { match x { crate::b::LIMIT => {} _ => {} } }",
            "fn f() { println!(\"{}\", crate::b::LIMIT) }",
            "use crate::b; fn f() { b::new() }",
            "impl crate::b::Trait for A {}",
        ] {
            let one = format!("pub struct A; {code}");
            let other = "pub struct B(crate::a::A);";
            let found = complaints(&[("lib.rs", "mod a; mod b;"), ("a.rs", &one), ("b.rs", other)]);
            assert_eq!(found.len(), 1, "{code}");
        }
    }

    #[test]
    fn what_only_looks_like_an_arrow_is_none() {
        for code in [
            "#[cfg(test)] mod tests { use crate::b::B; fn f(_: B) {} }",
            "#[cfg(all(test, unix))] use crate::b::B;",
            "impl A { #[cfg(test)] fn f(_: crate::b::B) {} }",
            "use b::B; fn f(_: B) {}",
            "use ::b::B; fn f(_: B) {}",
            "use crate::b;",
            "fn f(a: A) { println!(\"{}\", a.b.B) }",
            "/// As [`crate::b::B`].\nfn f() {}",
        ] {
            let one = format!("pub struct A; {code}");
            let other = "pub struct B(crate::a::A);";
            assert_eq!(
                complaints(&[("lib.rs", "mod a; mod b;"), ("a.rs", &one), ("b.rs", other)]),
                NONE,
                "{code}"
            );
        }
    }

    #[test]
    fn a_file_that_only_tests_have_does_not_count() {
        let found = complaints(&[
            ("lib.rs", "mod a;"),
            ("a.rs", "#[cfg(test)] mod trial; pub struct A; fn f(_: trial::T) {}"),
            ("a/trial.rs", "use super::A; pub struct T(A);"),
        ]);
        assert_eq!(found, NONE);
    }

    #[test]
    fn what_a_macro_makes_belongs_to_the_file_that_is_asked_for_it() {
        let found = complaints(&[
            ("lib.rs", "mod verb; mod command;"),
            ("verb.rs", "define_verbs! { crate::command::Command }"),
            ("command.rs", "use crate::verb::Verb; pub struct Command(Verb);"),
        ]);
        assert!(found[0].contains("command.rs (uses verb::Verb) -> verb.rs"), "{found:?}");
    }

    #[test]
    fn a_program_is_a_crate_of_its_own() {
        // The files of the library bear the same names, and are in no circle.
        let found = complaints(&[
            ("lib.rs", "mod cli; mod serve;"),
            ("cli.rs", "use crate::serve::Serve; pub struct Cli(Serve);"),
            ("serve.rs", "pub struct Serve;"),
            ("bin/ftp/main.rs", "mod cli; mod serve;"),
            ("bin/ftp/cli.rs", "use crate::serve::Serve; pub struct Cli(Serve);"),
            ("bin/ftp/serve.rs", "use crate::cli::Cli; pub struct Serve(Cli);"),
        ]);
        assert_eq!(found.len(), 1);
        assert!(found[0].starts_with("src/bin/ftp: circle of files: cli.rs "), "{found:?}");
    }

    #[test]
    fn a_name_that_seems_to_import_itself_ends_somewhere() {
        assert_eq!(
            complaints(&[("lib.rs", "use rand::rand; use a::b; use b::a; fn f() { rand(); a() }")]),
            NONE
        );
    }

    #[test]
    fn arrows_lead_to_lower_floors_only() {
        let found = findings(&[
            ("crates/ftp-proto/src/lib.rs", "mod value; mod reply; mod listing; mod data; mod session;"),
            ("crates/ftp-proto/src/value.rs", "use crate::reply::Code; pub struct Text(Code);"),
            ("crates/ftp-proto/src/reply.rs", "mod code; pub use code::Code;"),
            ("crates/ftp-proto/src/reply/code.rs", "pub struct Code;"),
            ("crates/ftp-proto/src/listing.rs", "pub struct Line(crate::data::Piece);"),
            ("crates/ftp-proto/src/data.rs", "pub struct Piece;"),
            ("crates/ftp-proto/src/session.rs", "use crate::value::Text; pub struct Session(Text);"),
        ]);
        let found = found.unwrap();
        let wanted = [
            "crates/ftp-proto/src/value.rs: uses code::Code, but reply is not below value; move the item or its user",
            "crates/ftp-proto/src/listing.rs: uses data::Piece, but data is not below listing; \
            move the item or its user",
        ];
        assert_eq!(
            (found[0].circles.as_slice(), &found[0].upward[..]),
            (NONE, &wanted.map(str::to_owned)[..])
        );
    }
}
