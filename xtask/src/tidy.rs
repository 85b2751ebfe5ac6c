//! The rules of the house that a machine can check, and their figures.
//!
//! Files stay under 400 lines without tests, begin with a head comment and hold no notes to self; files lean on each
//! other in one direction; every verb names its clause; the generated table in the README is the one the code gives.

use std::fs;
use std::path::{Path, PathBuf};

use ftp_proto::verb::{Arity, During, Phase, Verb};
use syn::spanned::Spanned;
use syn::visit::Visit;

use crate::run::root;
use crate::tidy::circles::Findings;

mod arrows;
mod circles;

/// Lines that a file may have without its tests.
const FILE_MAX: usize = 400;
/// Lines that a function may have.
const FUNCTION_MAX: usize = 60;
/// What ftp-proto may depend on.
const PROTO_DEPENDENCIES: &[&str] =
    &["arbitrary", "bitflags", "flate2", "memchr", "nom", "thiserror", "zeroize"];
/// What the crates may not depend on: arrows between crates point one way.
const FORBIDDEN: &[(&str, &str)] =
    &[("crates/ftp-proto", "ftp-server"), ("crates/ftp-server", "ftp-conformance")];

/// How the rules are checked.
#[derive(Debug, Default, clap::Args)]
pub(crate) struct Args {
    /// Print the figures of the house against its targets
    #[arg(long)]
    stats: bool,
    /// Write the generated tables into the README
    #[arg(long)]
    write: bool,
}

/// One source file.
struct Source {
    path: PathBuf,
    text: String,
    /// Lines before the test module.
    lines: usize,
}

/// What is counted over all files.
#[derive(Default)]
struct Figures {
    functions: Vec<(usize, String)>,
    boolean_parameters: Vec<String>,
}

fn sources() -> Result<Vec<Source>, String> {
    let mut found = Vec::new();
    let mut folders = vec![root().join("crates"), root().join("xtask"), root().join("fuzz/fuzz_targets")];
    while let Some(folder) = folders.pop() {
        for entry in
            fs::read_dir(&folder).map_err(|error| format!("{}: {error}", folder.display()))?.flatten()
        {
            let path = entry.path();
            if path.is_dir() && path.file_name().is_some_and(|name| name != "target") {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text =
                    fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
                let lines = text.lines().take_while(|line| !line.starts_with("#[cfg(test)]")).count();
                let path = path.strip_prefix(root()).map_or_else(|_| path.clone(), Path::to_path_buf);
                found.push(Source { path, text, lines });
            }
        }
    }
    found.sort_by(|one, other| one.path.cmp(&other.path));
    Ok(found)
}

impl Source {
    fn is_test(&self) -> bool {
        self.path.components().any(|part| part.as_os_str() == "tests" || part.as_os_str() == "benches")
    }

    fn complaints(&self) -> Vec<String> {
        let mut complaints = Vec::new();
        let name = self.path.display();
        if !self.is_test() && self.lines > FILE_MAX {
            complaints.push(format!("{name}: {} lines without tests, at most {FILE_MAX}", self.lines));
        }
        if !self.text.starts_with("//! ") && !self.text.starts_with("#![doc = include_str!") {
            complaints.push(format!("{name}: no head comment that says what the file is"));
        }
        let notes = ["TO", "FIX", "XX"].iter().zip(["DO", "ME", "X"]).map(|(a, b)| format!("{a}{b}"));
        for note in notes {
            if self.text.contains(&note) {
                complaints.push(format!("{name}: {note}: do it, or file it elsewhere"));
            }
        }
        if self.text.contains(concat!("#![", "feature")) {
            complaints.push(format!("{name}: unstable features are not for a pinned stable toolchain"));
        }
        complaints
    }
}

fn wrong_dependencies() -> Result<Vec<String>, String> {
    let manifest = |folder: &str| {
        let path = root().join(folder).join("Cargo.toml");
        fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))
    };
    let section = |text: &str| {
        let rest = text.split("\n[dependencies]\n").nth(1).unwrap_or_default().to_owned();
        rest.split("\n[").next().unwrap_or_default().to_owned()
    };
    let names = |section: &str| -> Vec<String> {
        section
            .lines()
            .filter_map(|line| line.split(['.', ' ', '=']).next().map(str::to_owned))
            .filter(|name| !name.is_empty())
            .collect()
    };
    let mut complaints = Vec::new();
    for name in names(&section(&manifest("crates/ftp-proto")?)) {
        if !PROTO_DEPENDENCIES.contains(&name.as_str()) {
            complaints
                .push(format!("crates/ftp-proto depends on {name}: no I/O, clock or async belongs there"));
        }
    }
    for (folder, other) in FORBIDDEN {
        if root().join(folder).exists()
            && names(&section(&manifest(folder)?)).iter().any(|name| name == other)
        {
            complaints.push(format!("{folder} depends on {other}, against the arrows"));
        }
    }
    Ok(complaints)
}

/// The table of verbs for the README.
fn verb_table() -> String {
    let mut table = String::from(
        "| verb | argument | before login | in a transfer | FEAT | clause |\n|---|---|---|---|---|---|\n",
    );
    for row in Verb::TABLE {
        let aliases: Vec<&str> =
            Verb::ALIASES.iter().filter(|(_, verb, _)| *verb == row.verb).map(|(word, ..)| *word).collect();
        let word = if aliases.is_empty() {
            row.word.to_owned()
        } else {
            format!("{} ({})", row.word, aliases.join(", "))
        };
        let argument = match row.arity {
            Arity::None => "none",
            Arity::Optional => "optional",
            Arity::Required => "required",
        };
        let before = if row.phase == Phase::Any { "yes" } else { "no" };
        let during = if row.during == During::Now { "at once" } else { "waits" };
        let feature = row.feature.unwrap_or_default();
        table += &format!("| {word} | {argument} | {before} | {during} | {feature} | {} |\n", row.clause);
    }
    table
}

/// What is wrong with the arrows between files, by crate.
fn arrows_between(sources: &[Source]) -> Result<Vec<Findings>, String> {
    let named: Vec<(String, &str)> =
        sources.iter().map(|source| (source.path.display().to_string(), source.text.as_str())).collect();
    circles::findings(&named.iter().map(|(path, text)| (path.as_str(), *text)).collect::<Vec<_>>())
}

/// Compares a generated part of the README, or writes it.
fn generated(args: &Args) -> Result<Vec<String>, String> {
    let path = root().join("README.md");
    let text = fs::read_to_string(&path).map_err(|error| format!("README.md: {error}"))?;
    let (begin, end) = ("<!-- verbs: written by cargo xtask tidy --write -->\n", "<!-- /verbs -->");
    let (head, rest) = text.split_once(begin).ok_or("README.md: the mark of the verb table is missing")?;
    let (table, tail) = rest.split_once(end).ok_or("README.md: the end mark of the verb table is missing")?;
    let fresh = verb_table();
    if table == fresh {
        return Ok(Vec::new());
    }
    if args.write {
        fs::write(&path, format!("{head}{begin}{fresh}{end}{tail}"))
            .map_err(|error| format!("README.md: {error}"))?;
        return Ok(Vec::new());
    }
    Ok(vec![
        "README.md: the table of verbs is not the one the code gives: cargo xtask tidy --write".to_owned(),
    ])
}

/// Measures functions outside test modules.
struct Measure<'a> {
    figures: &'a mut Figures,
    file: String,
}

impl Measure<'_> {
    fn function(&mut self, signature: &syn::Signature, block: &syn::Block) {
        let lines = block.span().end().line - block.span().start().line + 1;
        let name = format!("{} {}", self.file, signature.ident);
        let is_bool = |argument: &syn::FnArg| match argument {
            syn::FnArg::Typed(typed) => {
                matches!(&*typed.ty, syn::Type::Path(path) if path.path.is_ident("bool"))
            }
            syn::FnArg::Receiver(_) => false,
        };
        if signature.inputs.iter().any(is_bool) {
            self.figures.boolean_parameters.push(name.clone());
        }
        self.figures.functions.push((lines, name));
    }
}

impl<'ast> Visit<'ast> for Measure<'_> {
    fn visit_item_mod(&mut self, module: &'ast syn::ItemMod) {
        if module.ident != "tests" {
            syn::visit::visit_item_mod(self, module);
        }
    }

    fn visit_item_fn(&mut self, function: &'ast syn::ItemFn) {
        self.function(&function.sig, &function.block);
        syn::visit::visit_item_fn(self, function);
    }

    fn visit_impl_item_fn(&mut self, function: &'ast syn::ImplItemFn) {
        self.function(&function.sig, &function.block);
        syn::visit::visit_impl_item_fn(self, function);
    }
}

fn figures(sources: &[Source]) -> Result<Figures, String> {
    let mut figures = Figures::default();
    for source in sources.iter().filter(|source| !source.is_test()) {
        let file =
            syn::parse_file(&source.text).map_err(|error| format!("{}: {error}", source.path.display()))?;
        Measure { figures: &mut figures, file: source.path.display().to_string() }.visit_file(&file);
    }
    figures.functions.sort();
    Ok(figures)
}

fn print_figures(sources: &[Source], figures: &Figures, findings: &[Findings]) {
    let at = |share: usize| {
        figures.functions.get(figures.functions.len() * share / 100).map_or(0, |(lines, _)| *lines)
    };
    let own: Vec<&Source> = sources.iter().filter(|source| !source.is_test()).collect();
    let count = |needle: &str| own.iter().map(|source| source.text.matches(needle).count()).sum::<usize>();
    let longest = own.iter().max_by_key(|source| source.lines);
    println!("files {}, functions {}", own.len(), figures.functions.len());
    println!("function median        {:>4} lines   target 7", at(50));
    println!("function p95           {:>4} lines   target 35", at(95));
    for (lines, name) in figures.functions.iter().rev().take(1) {
        println!("function max           {lines:>4} lines   target {FUNCTION_MAX}   {name}");
    }
    if let Some(file) = longest {
        println!(
            "file max               {:>4} lines   target {FILE_MAX}   {}",
            file.lines,
            file.path.display()
        );
    }
    println!("cfg(feature)           {:>4}         target 20", count(concat!("cfg(", "feature")));
    println!("Arc<Mutex              {:>4}         target 2", count(concat!("Arc<", "Mutex")));
    println!("boolean parameters     {:>4}         target 0", figures.boolean_parameters.len());
    for Findings { name, circles, .. } in findings {
        println!("circles, {name:<14}{:>4}         target 0", circles.len());
    }
}

/// Checks every rule; the error names each breach.
pub(crate) fn tidy(args: &Args) -> Result<(), String> {
    let sources = sources()?;
    let figures = figures(&sources)?;
    let findings = arrows_between(&sources)?;
    let mut complaints: Vec<String> = sources.iter().flat_map(Source::complaints).collect();
    complaints.extend(wrong_dependencies()?);
    complaints.extend(generated(args)?);
    complaints.extend(
        Verb::TABLE.iter().filter(|row| row.clause.is_empty()).map(|row| format!("{}: no clause", row.word)),
    );
    complaints.extend(figures.boolean_parameters.iter().map(|name| format!("{name}: a boolean parameter")));
    if args.stats {
        print_figures(&sources, &figures, &findings);
    }
    complaints.extend(findings.into_iter().flat_map(|found| [found.circles, found.upward].concat()));
    if complaints.is_empty() { Ok(()) } else { Err(complaints.join("\n")) }
}
