//! Reads the imports of a crate's files from the source, and finds import cycles.

use std::collections::{BTreeMap, BTreeSet};

/// The path of a module from the crate's root.
type Module = Vec<String>;

/// The files of a crate by module, with their code.
pub(super) struct Crate(BTreeMap<Module, File>);

struct File {
    name: String,
    code: String,
}

impl Crate {
    /// Makes a crate from the names of its files below `src`, such as `http/mod.rs`, and their code.
    pub(super) fn new(files: impl IntoIterator<Item = (String, String)>) -> Self {
        let files = files.into_iter().map(|(name, code)| (module_of(&name), File { name, code }));
        Self(files.collect())
    }

    /// Returns each group of files that import each other, directly or through others, with the imports between them.
    pub(super) fn cycles(&self) -> Vec<String> {
        let imports: BTreeMap<_, _> =
            self.0.iter().map(|(module, file)| (module, self.imports(module, file))).collect();
        let reached: BTreeMap<_, _> = imports.keys().map(|from| (*from, reachable(from, &imports))).collect();
        let mut found = BTreeSet::new();
        for (module, beyond) in &reached {
            let group: BTreeSet<_> =
                beyond.iter().copied().filter(|other| reached[other].contains(module)).collect();
            if !group.is_empty() {
                found.insert(group);
            }
        }
        let described = found.into_iter().map(|group| {
            let edges = group.iter().flat_map(|from| {
                let inside = imports[from].iter().filter(|to| group.contains(*to));
                inside.map(|to| format!("{} -> {}", self.0[*from].name, self.0[*to].name))
            });
            edges.collect::<Vec<_>>().join(", ")
        });
        described.collect()
    }

    /// Returns the files that each file imports, by their names.
    pub(super) fn imports_by_file(&self) -> BTreeMap<String, BTreeSet<String>> {
        let imported = |module, file| {
            let modules = self.imports(module, file).into_iter();
            modules.map(|module| self.0[module].name.clone()).collect()
        };
        self.0.iter().map(|(module, file)| (file.name.clone(), imported(module, file))).collect()
    }

    /// Returns the modules of other files that a file names, in `use` or in a path.
    fn imports(&self, module: &Module, file: &File) -> BTreeSet<&Module> {
        let named = paths(&file.code).into_iter().filter_map(|path| self.absolute(module, &path));
        named.map(|path| self.file_of(&path)).filter(|target| *target != module).collect()
    }

    /// Returns a path from the crate's root, or `None` if it leads to another crate.
    fn absolute(&self, module: &Module, path: &[String]) -> Option<Module> {
        let (first, rest) = path.split_first()?;
        let mut base = match first.as_str() {
            "crate" => Module::new(),
            "self" => module.clone(),
            "super" => module[..module.len().checked_sub(1)?].to_vec(),
            name => {
                let child = [module.as_slice(), &[name.to_owned()]].concat();
                return self.0.contains_key(&child).then(|| [child.as_slice(), rest].concat());
            }
        };
        let mut rest = rest;
        while let [first, others @ ..] = rest
            && first == "super"
        {
            base.pop()?;
            rest = others;
        }
        base.extend(rest.iter().cloned());
        Some(base)
    }

    /// Returns the module of the file in which a path ends: the rest is an item there, which may be a re-export.
    fn file_of(&self, path: &[String]) -> &Module {
        let mut ends = (0..=path.len()).rev();
        ends.find_map(|end| self.0.get_key_value(&path[..end])).expect("a crate has a root").0
    }
}

fn module_of(name: &str) -> Module {
    let stem = name.strip_suffix(".rs").expect("a file of Rust code");
    let stem = stem.strip_suffix("/mod").unwrap_or(stem);
    match stem {
        "lib" | "main" => Module::new(),
        stem => stem.split('/').map(str::to_owned).collect(),
    }
}

fn reachable<'a>(
    from: &Module,
    imports: &BTreeMap<&'a Module, BTreeSet<&'a Module>>,
) -> BTreeSet<&'a Module> {
    let mut reached = BTreeSet::new();
    let mut next: Vec<&Module> = imports[from].iter().copied().collect();
    while let Some(module) = next.pop() {
        if reached.insert(module) {
            next.extend(&imports[module]);
        }
    }
    reached
}

/// Returns every path with more than one segment, with groups in braces expanded.
fn paths(code: &str) -> Vec<Vec<String>> {
    let mut found = Vec::new();
    let code = code.replace("pub(in crate::", "pub("); // a visibility imports nothing
    let mut tokens = Tokens { rest: &code, after_colons: false };
    while let Some(token) = tokens.next() {
        if is_name(token) && !tokens.after_colons && tokens.peek() == Some("::") {
            tree(token, &mut tokens, &mut Vec::new(), &mut found);
        }
    }
    found
}

/// Reads a path, or a tree of a `use`, starting with its first name.
fn tree(first: &str, tokens: &mut Tokens<'_>, prefix: &mut Vec<String>, found: &mut Vec<Vec<String>>) {
    let depth = prefix.len();
    prefix.push(first.to_owned());
    while tokens.peek() == Some("::") {
        tokens.next();
        match tokens.peek() {
            Some("{") => {
                tokens.next();
                while let Some(token) = tokens.next() {
                    match token {
                        "}" => break,
                        "self" => found.push(prefix.clone()),
                        name if is_name(name) && name != "as" => tree(name, tokens, prefix, found),
                        _ => {}
                    }
                }
                prefix.truncate(depth);
                return;
            }
            Some(name) if is_name(name) => {
                prefix.push(name.to_owned());
                tokens.next();
            }
            _ => break, // `::*`, or the types of a function
        }
    }
    found.push(prefix.clone());
    prefix.truncate(depth);
}

fn is_name(token: &str) -> bool {
    token.starts_with(|first: char| first.is_alphabetic() || first == '_')
}

/// The tokens of code that paths need: names, `::`, and single characters.
struct Tokens<'a> {
    rest: &'a str,
    /// The token before the last one was `::`, so that the next name continues an earlier path.
    after_colons: bool,
}

impl<'a> Tokens<'a> {
    fn peek(&self) -> Option<&'a str> {
        let rest = self.rest.trim_start();
        let first = rest.chars().next()?;
        let is_part = |c: char| c.is_alphanumeric() || c == '_';
        let length = if is_part(first) {
            rest.find(|c: char| !is_part(c)).unwrap_or(rest.len())
        } else if rest.starts_with("::") {
            2
        } else {
            first.len_utf8()
        };
        Some(&rest[..length])
    }

    fn next(&mut self) -> Option<&'a str> {
        let token = self.peek()?;
        let rest = self.rest.trim_start();
        let before = &self.rest[..self.rest.len() - rest.len()];
        self.after_colons = before.is_empty() && self.after_colons;
        let continues = self.after_colons;
        self.rest = &rest[token.len()..];
        if token == "::" {
            self.after_colons = true;
        } else if !continues || !is_name(token) {
            self.after_colons = false;
        }
        Some(token)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cycles(files: &[(&str, &str)]) -> Vec<String> {
        Crate::new(files.iter().map(|(name, code)| ((*name).to_owned(), (*code).to_owned()))).cycles()
    }

    #[test]
    fn files_that_import_each_other_are_found_in_every_notation() {
        for (one, other) in [
            ("use crate::b::Two;", "use crate::a::One;"),
            ("use super::b;", "use super::{a::{self, One}, c};"),
            ("fn f() { crate::b::two() }", "use crate::{c::Three, a::One as First};"),
            ("use crate::c::Three;", "use crate::a::*;"),
        ] {
            let c = ("c.rs", "use crate::b::Two;");
            assert_eq!(cycles(&[("lib.rs", "mod a;"), ("a.rs", one), ("b.rs", other), c]).len(), 1, "{one}");
        }
    }

    #[test]
    fn a_re_exported_item_counts_as_imported_from_the_file_of_the_re_export() {
        let root = ("lib.rs", "mod a; pub use a::One;");
        assert_eq!(cycles(&[root, ("a.rs", "use crate::One;")]), ["lib.rs -> a.rs, a.rs -> lib.rs"]);
        let folder = ("a/mod.rs", "mod b; mod c; pub use self::{b::Two, c::Three};");
        let cycle = [("lib.rs", ""), folder, ("a/b.rs", "use super::Three;"), ("a/c.rs", "")];
        assert_eq!(cycles(&cycle), ["a/mod.rs -> a/b.rs, a/b.rs -> a/mod.rs"]);
        let direct = [("lib.rs", ""), folder, ("a/b.rs", "use super::c::Three;"), ("a/c.rs", "")];
        assert!(cycles(&direct).is_empty());
    }

    #[test]
    fn declaring_a_module_and_naming_another_crate_is_no_import() {
        let main = ("main.rs", "mod a; use std::a::Path; fn main() { other::a::run() }");
        assert!(cycles(&[main, ("a.rs", "use super::b; use ::a::c;"), ("b.rs", "")]).is_empty());
        assert_eq!(
            cycles(&[("main.rs", "mod a; fn main() { a::run() }"), ("a.rs", "use crate::x;")]).len(),
            1
        );
    }
}
