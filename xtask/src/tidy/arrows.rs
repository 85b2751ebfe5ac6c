//! The arrows between the files of a crate: which file names what another one defines.
//!
//! A re-export is followed to the file that defines the item, and is no arrow where a module offers what lies below
//! it. Code under `cfg(test)` does not count. Left out, because only the compiler knows: methods, and what macros
//! make of their tokens. A name that a module is asked for and does not show is taken to come from a macro there.
//! What is imported inside a function counts for its whole module, which can only add an arrow that is there anyway.

use std::collections::{BTreeMap, BTreeSet};

use proc_macro2::{TokenStream, TokenTree};
use syn::punctuated::Punctuated;
use syn::visit::{self, Visit};
use syn::{Attribute, Item, Meta, Token, UseTree, Visibility};

/// Imports that are followed from one name: ends `use rand::rand;`, which seems to name itself.
const IMPORTS_MAX: usize = 16;

/// The files below one crate root and the arrows between them.
pub(super) struct Graph {
    /// Where the crate root is.
    pub(super) folder: String,
    /// The files, named from there.
    pub(super) files: Vec<String>,
    /// For each file those it leans on, with the first thing that it names of each.
    pub(super) arrows: Vec<BTreeMap<usize, String>>,
}

/// A path of words, of a module or in code.
type Words = Vec<String>;

/// Whether code needs a name itself or offers it to others.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Purpose {
    Need,
    Offer,
}

/// What stands in one module.
#[derive(Default)]
struct Scope {
    file: usize,
    items: BTreeSet<String>,
    imports: BTreeMap<String, Words>,
    globs: Vec<Words>,
    mentions: Vec<(Words, Purpose)>,
}

/// All modules of a crate.
#[derive(Default)]
struct Scopes {
    by_module: BTreeMap<Words, Scope>,
    /// Modules in files of their own that only tests have.
    tests: Vec<Words>,
}

/// What a path leads to.
enum Found {
    Item { module: Words, name: String },
    Module(Words),
}

/// Reads the files of one or more crates, given as path and text.
pub(super) fn graphs(sources: &[(&str, &str)]) -> Result<Vec<Graph>, String> {
    let split =
        |path: &'_ str| path.rsplit_once('/').map(|(folder, file)| (folder.to_owned(), file.to_owned()));
    let roots: BTreeSet<String> = sources
        .iter()
        .filter_map(|(path, _)| split(path).filter(|(_, file)| file == "lib.rs" || file == "main.rs"))
        .map(|(folder, _)| folder)
        .collect();
    // The longest root is the nearest: a program in src/bin lies below the root of the library too.
    let nearest = |path: &str| {
        roots.iter().filter(|root| path.starts_with(&format!("{root}/"))).max_by_key(|root| root.len())
    };
    let graph_of = |root: &String| {
        let own = sources.iter().filter(|(path, _)| nearest(path) == Some(root));
        let own: Vec<(&str, &str)> = own.map(|(path, text)| (&path[root.len() + 1..], *text)).collect();
        graph(root, &own)
    };
    roots.iter().map(graph_of).collect()
}

fn graph(folder: &str, sources: &[(&str, &str)]) -> Result<Graph, String> {
    let mut scopes = Scopes::default();
    for (file, (path, text)) in sources.iter().enumerate() {
        let parsed = syn::parse_file(text).map_err(|error| format!("{folder}/{path}: {error}"))?;
        let module = module_of(path);
        scopes.by_module.insert(module.clone(), Scope { file, ..Scope::default() });
        Reader { scopes: &mut scopes, module, file }.visit_file(&parsed);
    }
    scopes.leave_out_tests();
    let files = sources.iter().map(|(path, _)| (*path).to_owned()).collect();
    Ok(Graph { folder: folder.to_owned(), files, arrows: scopes.arrows(sources.len()) })
}

/// The module that a file is, by where it lies below the crate root.
fn module_of(path: &str) -> Words {
    let mut module: Words = path.trim_end_matches(".rs").split('/').map(str::to_owned).collect();
    let is_folder = module.last().is_some_and(|last| last == "mod");
    if is_folder || path == "lib.rs" || path == "main.rs" {
        module.pop();
    }
    module
}

impl Scopes {
    fn leave_out_tests(&mut self) {
        let tests = &self.tests;
        self.by_module.retain(|module, _| !tests.iter().any(|test| module.starts_with(test)));
    }

    fn arrows(&self, files: usize) -> Vec<BTreeMap<usize, String>> {
        let mut arrows = vec![BTreeMap::new(); files];
        for (from, scope) in &self.by_module {
            for (path, purpose) in &scope.mentions {
                let Some((module, name)) = self.defined(from, path) else { continue };
                let Some(other) = self.by_module.get(&module) else { continue };
                let is_below = module.starts_with(from);
                if other.file == scope.file || (*purpose == Purpose::Offer && is_below) {
                    continue;
                }
                let nearest = module.last().map_or("crate", String::as_str);
                arrows[scope.file].entry(other.file).or_insert_with(|| format!("{nearest}::{name}"));
            }
        }
        arrows
    }

    /// The module that defines what a path in `from` names, and its name there.
    fn defined(&self, from: &[String], path: &[String]) -> Option<(Words, String)> {
        let is_glob = path.last().is_some_and(|last| last == "*");
        let path = if is_glob { &path[..path.len() - 1] } else { path };
        match self.find(from, path, IMPORTS_MAX)? {
            Found::Item { module, name } => Some((module, name)),
            Found::Module(module) => {
                let has_items = self.by_module.get(&module).is_some_and(|scope| !scope.items.is_empty());
                (is_glob && has_items).then(|| (module, "*".to_owned()))
            }
        }
    }

    fn find(&self, from: &[String], path: &[String], imports: usize) -> Option<Found> {
        let mut module = from.to_vec();
        let mut rest = path;
        while let Some((first, deeper)) = rest.split_first() {
            match first.as_str() {
                "crate" => module.clear(),
                "super" => drop(module.pop()),
                "self" => {}
                _ => break,
            }
            rest = deeper;
        }
        // A bare name that the module does not have is of another crate, of the prelude, or a variable.
        let is_bare = rest.len() == path.len();
        let known =
            |name: &String| self.offers(&module, name) || self.globbed(&module, name, imports).is_some();
        if is_bare && !rest.first().is_some_and(known) {
            return None;
        }
        self.walk(&module, rest, imports)
    }

    fn walk(&self, module: &[String], path: &[String], imports: usize) -> Option<Found> {
        let Some((name, deeper)) = path.split_first() else { return Some(Found::Module(module.to_vec())) };
        let scope = self.by_module.get(module)?;
        let child = [module, std::slice::from_ref(name)].concat();
        let has_child = self.by_module.contains_key(&child);
        let item = || Some(Found::Item { module: module.to_vec(), name: name.clone() });
        // A module and a function may share a name; only a module has something inside.
        if has_child && !deeper.is_empty() {
            self.walk(&child, deeper, imports)
        } else if scope.items.contains(name) {
            item()
        } else if let Some(import) = scope.imports.get(name) {
            self.find(module, &[import, deeper].concat(), imports.checked_sub(1)?)
        } else if has_child {
            Some(Found::Module(child))
        } else if let Some(other) = self.globbed(module, name, imports) {
            self.walk(&other, path, imports)
        } else {
            item()
        }
    }

    /// Whether a module has an item, an import or a module of this name.
    fn offers(&self, module: &[String], name: &String) -> bool {
        let has = |scope: &Scope| scope.items.contains(name) || scope.imports.contains_key(name);
        self.by_module.get(module).is_some_and(has)
            || self.by_module.contains_key(&[module, std::slice::from_ref(name)].concat())
    }

    /// The module from which a glob import brings a name.
    fn globbed(&self, module: &[String], name: &String, imports: usize) -> Option<Words> {
        let imports = imports.checked_sub(1)?;
        self.by_module.get(module)?.globs.iter().find_map(|glob| match self.find(module, glob, imports)? {
            Found::Module(other) => self.offers(&other, name).then_some(other),
            Found::Item { .. } => None,
        })
    }
}

/// Reads one file into the scopes of its modules.
struct Reader<'a> {
    scopes: &'a mut Scopes,
    module: Words,
    file: usize,
}

impl Reader<'_> {
    fn scope(&mut self) -> &mut Scope {
        let fresh = Scope { file: self.file, ..Scope::default() };
        self.scopes.by_module.entry(self.module.clone()).or_insert(fresh)
    }

    fn need(&mut self, path: Words) {
        self.scope().mentions.push((path, Purpose::Need));
    }

    fn import(&mut self, path: Words, name: Option<String>, purpose: Purpose) {
        let scope = self.scope();
        scope.mentions.push((path.clone(), purpose));
        match name {
            Some(name) => drop(scope.imports.insert(name, path)),
            None if path.last().is_some_and(|last| last == "*") => {
                scope.globs.push(path[..path.len() - 1].to_vec());
            }
            None => {}
        }
    }

    fn tree(&mut self, before: &[String], tree: &UseTree, purpose: Purpose) {
        let with = |word: String| [before, &[word]].concat();
        match tree {
            UseTree::Path(path) => self.tree(&with(path.ident.to_string()), &path.tree, purpose),
            UseTree::Name(name) if name.ident == "self" => {
                self.import(before.to_vec(), before.last().cloned(), purpose);
            }
            UseTree::Name(name) => {
                self.import(with(name.ident.to_string()), Some(name.ident.to_string()), purpose);
            }
            UseTree::Rename(rename) => {
                let path =
                    if rename.ident == "self" { before.to_vec() } else { with(rename.ident.to_string()) };
                let name = Some(rename.rename.to_string()).filter(|name| name != "_");
                self.import(path, name, purpose);
            }
            UseTree::Glob(_) => self.import(with("*".to_owned()), None, purpose),
            UseTree::Group(group) => {
                group.items.iter().for_each(|tree| self.tree(before, tree, purpose));
            }
        }
    }

    /// The paths among the tokens of a macro, as far as they can be told.
    fn tokens(&mut self, tokens: TokenStream) {
        let mut path = Words::new();
        let mut between = String::new();
        for token in tokens {
            match token {
                TokenTree::Ident(word) if between == "::" && !path.is_empty() => path.push(word.to_string()),
                TokenTree::Ident(word) => {
                    self.need(std::mem::take(&mut path));
                    // After a dot stands a field or a method.
                    if !between.ends_with('.') {
                        path.push(word.to_string());
                    }
                }
                TokenTree::Punct(sign) => {
                    between.push(sign.as_char());
                    continue;
                }
                TokenTree::Group(group) => {
                    self.need(std::mem::take(&mut path));
                    self.tokens(group.stream());
                }
                TokenTree::Literal(_) => self.need(std::mem::take(&mut path)),
            }
            between.clear();
        }
        self.need(path);
    }
}

impl<'ast> Visit<'ast> for Reader<'_> {
    fn visit_item(&mut self, item: &'ast Item) {
        let (attributes, name) = parts(item);
        if !is_for_tests(attributes) {
            self.scope().items.extend(name.map(ToString::to_string));
            visit::visit_item(self, item);
        } else if let Item::Mod(module) = item
            && module.content.is_none()
        {
            self.scopes.tests.push([&self.module[..], &[module.ident.to_string()]].concat());
        }
    }

    fn visit_impl_item_fn(&mut self, function: &'ast syn::ImplItemFn) {
        if !is_for_tests(&function.attrs) {
            visit::visit_impl_item_fn(self, function);
        }
    }

    fn visit_item_mod(&mut self, module: &'ast syn::ItemMod) {
        if module.content.is_some() {
            self.module.push(module.ident.to_string());
            self.scope();
            visit::visit_item_mod(self, module);
            self.module.pop();
        }
    }

    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        let is_private = matches!(item.vis, Visibility::Inherited);
        // With colons in front the name is of another crate.
        if item.leading_colon.is_none() {
            self.tree(&[], &item.tree, if is_private { Purpose::Need } else { Purpose::Offer });
        }
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        if path.leading_colon.is_none() {
            self.need(path.segments.iter().map(|segment| segment.ident.to_string()).collect());
        }
        visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, invocation: &'ast syn::Macro) {
        self.visit_path(&invocation.path);
        self.tokens(invocation.tokens.clone());
    }

    fn visit_attribute(&mut self, _: &'ast Attribute) {}

    fn visit_visibility(&mut self, _: &'ast Visibility) {}
}

/// The attributes of an item, and the name that it defines.
fn parts(item: &Item) -> (&[Attribute], Option<&syn::Ident>) {
    match item {
        Item::Const(item) => (&item.attrs, Some(&item.ident)),
        Item::Enum(item) => (&item.attrs, Some(&item.ident)),
        Item::Fn(item) => (&item.attrs, Some(&item.sig.ident)),
        Item::Static(item) => (&item.attrs, Some(&item.ident)),
        Item::Struct(item) => (&item.attrs, Some(&item.ident)),
        Item::Trait(item) => (&item.attrs, Some(&item.ident)),
        Item::Type(item) => (&item.attrs, Some(&item.ident)),
        Item::Union(item) => (&item.attrs, Some(&item.ident)),
        Item::Macro(item) => (&item.attrs, item.ident.as_ref()),
        Item::Impl(item) => (&item.attrs, None),
        Item::Mod(item) => (&item.attrs, None),
        Item::Use(item) => (&item.attrs, None),
        _ => (&[], None),
    }
}

fn is_for_tests(attributes: &[Attribute]) -> bool {
    let condition = |attribute: &Attribute| attribute.parse_args::<Meta>().ok();
    attributes
        .iter()
        .filter(|attribute| attribute.path().is_ident("cfg"))
        .filter_map(condition)
        .any(|meta| needs_test(&meta))
}

fn needs_test(condition: &Meta) -> bool {
    match condition {
        Meta::Path(path) => path.is_ident("test"),
        Meta::List(list) if list.path.is_ident("all") => list
            .parse_args_with(Punctuated::<Meta, Token![,]>::parse_terminated)
            .is_ok_and(|all| all.iter().any(needs_test)),
        Meta::List(_) | Meta::NameValue(_) => false,
    }
}
