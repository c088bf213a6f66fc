//! Checks `ARCHITECTURE.md` and `CONTRIBUTING.md`: every path and every name of code in backticks exists, and the steps of the
//! walkthroughs are connected by imports.
//!
//! Between backticks, the first word counts:
//!
//! - `a/b`, `a.rs`, `a.md` and `a.toml` are paths from the top of the repository. A text that begins with `/` is a route.
//! - `Type::function`, `module::function` and `Enum::Variant` must be in one file with the type, or in that module.
//! - `function()` and `TypeName` must be defined somewhere.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use crate::architecture::{product_code, rust_files, top};
use crate::imports::Crate;

const PAGES: &[&str] = &["ARCHITECTURE.md", "CONTRIBUTING.md"];
const CRATES: &[&str] = &["auth-service", "resource-service", "service-kit", "shared-claims"];
const EXTENSIONS: &[&str] = &[".rs", ".md", ".toml"];

/// The code of the product, by the paths of its files from the top.
struct Sources(BTreeMap<String, String>);

/// What a text between backticks refers to.
#[derive(Debug, PartialEq, Eq)]
enum Reference<'a> {
    Path(&'a str),
    /// A type or module, and what it has.
    Member(&'a str, &'a str),
    Function(&'a str),
    Type(&'a str),
}

/// A step of a walkthrough.
struct Step {
    line: usize,
    text: String,
}

impl Sources {
    fn read() -> Self {
        let files = CRATES.iter().flat_map(|name| rust_files(&top().join(name).join("src")));
        let code = files.map(|path| {
            let name = path.strip_prefix(top()).unwrap().to_str().unwrap().to_owned();
            (name, product_code(&path))
        });
        Self(code.collect())
    }

    /// Returns whether the reference leads to something.
    fn has(&self, reference: &Reference<'_>) -> bool {
        self.has_below("", reference)
    }

    /// Returns whether the reference leads to something in a file whose path begins with `place`.
    fn has_below(&self, place: &str, reference: &Reference<'_>) -> bool {
        let mut files = self.0.iter().filter(|(path, _)| path.starts_with(place));
        match reference {
            Reference::Path(path) => top().join(path).exists(),
            Reference::Member(owner, member) if is_type(owner) => {
                files.any(|(_, code)| names_type(code, owner) && has_member(code, owner, member))
            }
            Reference::Member(module, member) => files.any(|(path, code)| {
                is_in_module(path, module) && (defines(code, member) || has_fn(code, member))
            }),
            Reference::Function(name) => files.any(|(_, code)| has_fn(code, name)),
            Reference::Type(name) => files.any(|(_, code)| defines(code, name)),
        }
    }
}

fn is_part(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

fn is_identifier(text: &str) -> bool {
    text.chars().all(is_part) && text.starts_with(|first: char| first.is_alphabetic())
}

/// Returns whether a name is written like that of a type: `Name`, but not `NAME`.
fn is_type(name: &str) -> bool {
    let is_short = name.len() == 1;
    name.starts_with(char::is_uppercase) && (is_short || name.contains(char::is_lowercase))
}

/// Returns whether the code contains `before` and then the whole name.
fn follows(code: &str, before: &str, name: &str) -> bool {
    code.match_indices(&format!("{before}{name}")).any(|(at, found)| {
        let starts = !code[..at].ends_with(is_part);
        starts && !code[at + found.len()..].starts_with(is_part)
    })
}

fn has_fn(code: &str, name: &str) -> bool {
    follows(code, "fn ", name)
}

fn defines(code: &str, name: &str) -> bool {
    ["struct ", "enum ", "trait ", "type ", "const "].iter().any(|keyword| follows(code, keyword, name))
}

/// Returns whether the file defines a type, or has an `impl` for it.
fn names_type(code: &str, name: &str) -> bool {
    let heads = code.lines().filter(|line| line.starts_with("impl"));
    defines(code, name) || heads.into_iter().any(|line| follows(line, "", name))
}

fn has_member(code: &str, owner: &str, member: &str) -> bool {
    if is_type(member) {
        follows(code, "enum ", owner) && follows(code, "", member)
    } else {
        has_fn(code, member)
    }
}

/// Returns whether a file is the module of this name, or in its folder.
fn is_in_module(path: &str, module: &str) -> bool {
    path.split('/').any(|part| part.strip_suffix(".rs").unwrap_or(part) == module)
}

/// Returns what a text between backticks refers to; `None` for anything that is no path and no name of code.
fn reference(text: &str) -> Option<Reference<'_>> {
    let word = text.split_whitespace().next()?;
    let path = word.strip_prefix("./").unwrap_or(word);
    let is_path = path.contains('/') || EXTENSIONS.iter().any(|end| path.ends_with(end));
    if is_path {
        return (!path.starts_with('/')).then_some(Reference::Path(path));
    }
    if word != text {
        return None;
    }
    let (name, is_call) = text.strip_suffix("()").map_or((text, false), |name| (name, true));
    let segments: Vec<_> = name.split("::").collect();
    match segments[..] {
        _ if !segments.iter().all(|segment| is_identifier(segment)) => None,
        [.., owner, member] => Some(Reference::Member(owner, member)),
        [name] if is_call => Some(Reference::Function(name)),
        [name] if is_type(name) => Some(Reference::Type(name)),
        _ => None,
    }
}

/// Returns the texts between backticks.
fn quoted(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

/// Returns the targets of links to files.
fn links(text: &str) -> impl Iterator<Item = &str> {
    let targets = text.split("](").skip(1).filter_map(|rest| rest.split([')', '#']).next());
    targets.filter(|target| !target.is_empty() && !target.contains(':'))
}

/// Returns the lines of a page that refer to something that does not exist.
fn dead_references(page: &str, text: &str, sources: &Sources) -> Vec<String> {
    let mut dead = Vec::new();
    for (at, line) in text.lines().enumerate() {
        let named = quoted(line).filter(|text| reference(text).is_some_and(|found| !sources.has(&found)));
        let linked = links(line).filter(|target| !top().join(target).exists());
        dead.extend(named.chain(linked).map(|text| format!("{page}:{}: `{text}`", at + 1)));
    }
    dead
}

/// Returns the steps of each numbered list of a page.
fn walkthroughs(page: &str) -> Vec<Vec<Step>> {
    let mut lists: Vec<Vec<Step>> = Vec::new();
    for (at, line) in page.lines().enumerate() {
        let number = line.split_once(". `").and_then(|(number, _)| number.parse::<usize>().ok());
        match (number, lists.last_mut().and_then(|steps| steps.last_mut())) {
            (Some(1), _) => lists.push(vec![Step { line: at + 1, text: line.to_owned() }]),
            (Some(_), _) => {
                lists
                    .last_mut()
                    .expect("a list begins with 1")
                    .push(Step { line: at + 1, text: line.to_owned() });
            }
            (None, Some(step)) if line.starts_with("   ") => step.text.push_str(line),
            (None, _) => {}
        }
    }
    lists
}

impl Step {
    /// The file or folder of the step.
    fn place(&self) -> &str {
        quoted(&self.text).next().unwrap()
    }

    fn says(&self, words: &str) -> bool {
        self.text.contains(words)
    }

    /// Returns the names of code in the step that are not in its file or folder.
    fn foreign_names<'a>(&'a self, sources: &Sources) -> Vec<&'a str> {
        let names = quoted(&self.text).filter(|text| {
            let found = reference(text).filter(|found| !matches!(found, Reference::Path(_)));
            found.is_some_and(|found| !sources.has_below(self.place(), &found))
        });
        names.collect()
    }
}

/// Imports between files, by their paths from the top.
struct Imports {
    of: BTreeMap<String, BTreeSet<String>>,
    sources: Sources,
}

impl Imports {
    fn read(sources: Sources) -> Self {
        let mut of = BTreeMap::new();
        for name in CRATES {
            let folder = format!("{name}/src/");
            let files = sources.0.iter().filter_map(|(path, code)| {
                path.strip_prefix(&folder).map(|file| (file.to_owned(), code.clone()))
            });
            for (file, imported) in Crate::new(files).imports_by_file() {
                let imported = imported.into_iter().map(|file| format!("{folder}{file}"));
                of.insert(format!("{folder}{file}"), imported.collect());
            }
        }
        Self { of, sources }
    }

    /// Returns whether one of the steps imports a file or folder of the same crate, or the last of them its crate. An import
    /// from the `mod.rs` beside a file counts as one of the file.
    fn show(&self, steps: &[Step], to: &str) -> bool {
        let Some((last, _)) = steps.split_last() else { return true };
        let (name, folder) = (to.split('/').next().unwrap(), to.rsplit_once('/').unwrap().0);
        let module = format!("{folder}/mod.rs");
        let other_crate = format!("{}::", name.replace('-', "_"));
        let is_shown = |path: &str, imported: &BTreeSet<String>| {
            imported.iter().any(|path| path.starts_with(to) || *path == module)
                || path.starts_with(last.place()) && self.sources.0[path].contains(&other_crate)
        };
        let is_step = |path: &str| steps.iter().any(|step| path.starts_with(step.place()));
        self.of.iter().any(|(path, imported)| is_step(path) && is_shown(path, imported))
    }
}

#[test]
fn every_path_and_name_on_the_pages_exists() {
    let sources = Sources::read();
    let dead: Vec<_> = PAGES
        .iter()
        .flat_map(|page| dead_references(page, &fs::read_to_string(top().join(page)).unwrap(), &sources))
        .collect();
    assert!(dead.is_empty(), "these do not exist:\n{}", dead.join("\n"));
}

#[test]
fn every_step_of_a_walkthrough_is_imported_by_an_earlier_one_and_occurs_once() {
    let page = fs::read_to_string(top().join("ARCHITECTURE.md")).unwrap();
    let imports = Imports::read(Sources::read());
    let lists = walkthroughs(&page);
    assert!(
        lists.len() == 4 && lists.iter().all(|steps| steps.len() > 9),
        "the lists are not read as written"
    );
    let mut wrong = Vec::new();
    for steps in &lists {
        for (at, step) in steps.iter().enumerate() {
            let (place, before) = (step.place(), &steps[..at]);
            let seen = before.iter().any(|earlier| earlier.place() == place);
            let shown = imports.show(before, place);
            let problem = match step.foreign_names(&imports.sources) {
                names if !names.is_empty() => format!("{names:?} are not in {place}"),
                _ if seen != step.says("again,") => format!("{place} occurs again, or does not"),
                _ if !seen && shown == step.says("no `use`") => {
                    format!("{place}: shown by an import: {shown}")
                }
                _ => continue,
            };
            wrong.push(format!("ARCHITECTURE.md:{}: {problem}", step.line));
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn texts_in_backticks_are_read_as_what_they_refer_to() {
    for (text, expected) in [
        ("scripts/test", Some(Reference::Path("scripts/test"))),
        ("./scripts/test fast", Some(Reference::Path("scripts/test"))),
        ("a.rs", Some(Reference::Path("a.rs"))),
        ("a/b.rs::c", Some(Reference::Path("a/b.rs::c"))),
        ("/login", None),
        ("GET /login", None),
        ("token: AccessToken", None),
        ("kid", None),
        ("utils", None),
        ("CLOCK_BOOTTIME", None),
        ("login()", Some(Reference::Function("login"))),
        ("Verifier", Some(Reference::Type("Verifier"))),
        ("Verifier::verify", Some(Reference::Member("Verifier", "verify"))),
        ("guard::scope()", Some(Reference::Member("guard", "scope"))),
        ("a::Verifier::verify", Some(Reference::Member("Verifier", "verify"))),
    ] {
        assert_eq!(reference(text), expected, "{text}");
    }
    let line = "[one](docs/a.md), [two](https://b.example/), [three](#c) and [four](d.md#e)";
    assert_eq!(links(line).collect::<Vec<_>>(), ["docs/a.md", "d.md"]);
}

#[test]
fn what_does_not_exist_is_found_with_its_line() {
    let files = [
        ("one/src/door.rs", "pub struct Door;\nimpl Door {\n    fn open(&self) {}\n}\nfn knock() {}"),
        ("one/src/bell.rs", "enum Sound { High }\nimpl<T> Ring for Door {\n    fn ring() {}\n}"),
    ];
    let files = files.map(|(path, code)| (path.to_owned(), code.to_owned()));
    let sources = Sources(files.into());
    let good = "`Door::open`, `door::knock`, `Door::ring`, `Sound::High`, `knock()`, `Door`, `Cargo.toml`";
    assert_eq!(dead_references("a.md", good, &sources), [""; 0]);
    let bad =
        "`Door::shut`\n`bell::knock` `Sound::Low`\n`Doo` `kno()` `Cargo.xyz/a`\n[a](no.md) `Sound::open`";
    let lines: Vec<_> = dead_references("a.md", bad, &sources);
    let lines: Vec<_> = lines.iter().map(|line| line.split(':').nth(1).unwrap()).collect();
    assert_eq!(lines, ["1", "2", "2", "3", "3", "3", "4", "4"]);
}
