//! The project's language: no file uses a word or a name that `docs/glossary.md` replaces with another one.
//!
//! The glossary has two tables of what is not used. *Words* are looked up in every text file, in any letter case; `_` ends a
//! word, so names of tests and functions count. *Names* are identifiers, looked up exactly, in Rust code without its comments
//! and strings.

use std::fs;
use std::path::{Path, PathBuf};

/// Files and folders whose text has not been rewritten yet. Delete entries; do not add any. With the last one, this list and the
/// ignored test below can go.
const NOT_DONE: &[&str] =
    &["auth-service/benches", "auth-service/src", "auth-service/tests", "scripts", "shared-claims"];
/// Files that quote the words: the glossary itself, and the history, which is not rewritten.
const QUOTING: &[&str] = &["CHANGELOG.md", "docs/glossary.md"];
const GLOSSARY: &str = "docs/glossary.md";
const EXTENSIONS: &[&str] = &["rs", "md", "toml", "sh", "py", "yml", "conf", "html"];

/// A row of one of the two tables.
#[derive(Debug, PartialEq, Eq)]
struct Row {
    not_used: Vec<String>,
    instead: String,
    /// A line that contains one of these is skipped, and a file whose path begins with one.
    except: Vec<String>,
}

fn top() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The texts between backticks.
fn quoted(cell: &str) -> Vec<String> {
    cell.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

/// The rows of the table under a heading of the glossary.
fn rows(glossary: &str, heading: &str) -> Vec<Row> {
    let (_, section) = glossary.split_once(&format!("\n## {heading}\n")).expect(heading);
    let section = section.split("\n## ").next().unwrap();
    let lines = section.lines().filter(|line| line.starts_with("| `"));
    let rows = lines.map(|line| {
        let cells: Vec<_> = line.trim_matches('|').split(" | ").collect();
        let [not_used, instead, except] = cells[..] else { panic!("a row has three cells: {line}") };
        Row { not_used: quoted(not_used), instead: instead.trim().to_owned(), except: quoted(except) }
    });
    rows.collect()
}

/// Whether `text` contains `word`, not as a part of a longer one.
fn contains_word(text: &str, word: &str, is_part: fn(char) -> bool) -> bool {
    text.match_indices(word).any(|(at, _)| {
        let before = text[..at].chars().next_back();
        let after = text[at + word.len()..].chars().next();
        !before.is_some_and(is_part) && !after.is_some_and(is_part)
    })
}

/// A line as text: in lower case, without the names of tests in other files, which are looked up there.
fn as_text(line: &str) -> String {
    let parts = line.split('`').enumerate();
    let kept = parts.filter(|(at, part)| at % 2 == 0 || !part.contains(".rs::")).map(|(_, part)| part);
    kept.collect::<Vec<_>>().join("`").to_lowercase()
}

/// A line of Rust as code: without comments and the content of strings.
fn as_code(line: &str) -> String {
    let code = line.split("//").next().unwrap();
    code.split('"').step_by(2).collect::<Vec<_>>().join("\"\"")
}

/// Uses of replaced words and names in a file: where, which, and what to use instead.
fn findings(file: &str, source: &str, words: &[Row], names: &[Row]) -> Vec<String> {
    let is_rust = Path::new(file).extension().is_some_and(|end| end == "rs");
    let mut found = Vec::new();
    for (at, line) in source.lines().enumerate() {
        let (text, code) = (as_text(line), as_code(line));
        let is_word = |word: &str| contains_word(&text, word, char::is_alphanumeric);
        let is_name =
            |name: &str| is_rust && contains_word(&code, name, |part| part.is_alphanumeric() || part == '_');
        let mut look_up = |rows: &[Row], is_used: &dyn Fn(&str) -> bool| {
            let is_excepted = |except: &String| line.contains(except) || file.starts_with(except);
            for row in rows.iter().filter(|row| !row.except.iter().any(is_excepted)) {
                let used = row.not_used.iter().filter(|word| is_used(word));
                found.extend(used.map(|word| format!("{file}:{}: `{word}`: {}", at + 1, row.instead)));
            }
        };
        look_up(words, &is_word);
        look_up(names, &is_name);
    }
    found
}

/// Text files of the repository, by their paths from its top.
fn files(folder: &Path, found: &mut Vec<String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        if path.is_dir() {
            let skipped = name.starts_with('.') || ["target", "data", "secrets"].contains(&name);
            if !skipped {
                files(&path, found);
            }
        } else if path
            .extension()
            .map_or(!name.starts_with("LICENSE"), |end| EXTENSIONS.iter().any(|e| end == *e))
        {
            found.push(path.strip_prefix(top()).unwrap().to_str().unwrap().to_owned());
        }
    }
}

/// Findings of all files, with those that are not done yet or without.
fn all_findings(with_not_done: bool) -> Vec<String> {
    let glossary = fs::read_to_string(top().join(GLOSSARY)).unwrap();
    let (words, names) =
        (rows(&glossary, "Words that are not used"), rows(&glossary, "Names that are not used"));
    assert!(words.len() > 5 && names.len() > 5, "{GLOSSARY} is not read as it is written");
    let mut paths = Vec::new();
    files(&top(), &mut paths);
    paths.sort();
    assert!(paths.len() > 300, "only {} files were found", paths.len());
    let checked = paths.iter().filter(|path| {
        let not_done = NOT_DONE.iter().any(|prefix| path.starts_with(prefix));
        !QUOTING.contains(&path.as_str()) && (with_not_done || !not_done)
    });
    let texts = checked.filter_map(|path| Some((path, fs::read_to_string(top().join(path)).ok()?)));
    texts.flat_map(|(path, source)| findings(path, &source, &words, &names)).collect()
}

#[test]
fn no_file_uses_a_word_or_a_name_that_the_glossary_replaces() {
    let found = all_findings(false);
    assert!(found.is_empty(), "{GLOSSARY} says what to use instead:\n{}", found.join("\n"));
}

/// What `NOT_DONE` still hides: `cargo test --test rules wording -- --ignored`.
#[test]
#[ignore = "a list of what is left to do"]
fn no_file_that_is_not_done_yet_uses_one() {
    let found = all_findings(true);
    assert!(found.is_empty(), "{} places:\n{}", found.len(), found.join("\n"));
}

#[test]
fn words_and_names_are_found_where_they_count() {
    let row = |not_used: &str, except: &[&str]| Row {
        not_used: vec![not_used.to_owned()],
        instead: "plain words".to_owned(),
        except: except.iter().map(|&text| text.to_owned()).collect(),
    };
    let words = [row("xyzzy", &["the magic word", "cave/"]), row("long ago", &[])];
    let names = [row("Plugh", &[])];
    let lines = |file: &str, source: &str| -> Vec<usize> {
        let found = findings(file, source, &words, &names);
        found.iter().map(|finding| finding.split(':').nth(1).unwrap().parse().unwrap()).collect()
    };
    let source = "Xyzzy's\nxyzzys\nfn a_xyzzy_goes()\nxyzzy, the magic word\nnot long ago\nPlugh";
    assert_eq!(lines("a.md", source), [1, 3, 5]);
    assert_eq!(lines("cave/a.md", source), [5]);
    assert_eq!(lines("a.md", "`b/c.rs::xyzzy` and `xyzzy.rs`\n`xyzzy.rs`, `b/c.rs::xyzzy`"), [1, 2]);
    assert_eq!(
        lines("a.rs", "Plugh { \n// Plugh\n\"Plugh\" => 1, // Plugh\nPlugh2\nPLUGH\na::Plugh::b"),
        [1, 6]
    );
}

#[test]
fn every_exception_is_needed() {
    let glossary = fs::read_to_string(top().join(GLOSSARY)).unwrap();
    let mut paths = Vec::new();
    files(&top(), &mut paths);
    paths.retain(|path| !QUOTING.contains(&path.as_str()));
    let texts: Vec<_> = paths.iter().filter_map(|path| fs::read_to_string(top().join(path)).ok()).collect();
    for heading in ["Words that are not used", "Names that are not used"] {
        for except in rows(&glossary, heading).iter().flat_map(|row| &row.except) {
            let is_line = texts.iter().any(|text| text.contains(except));
            let is_path = paths.iter().any(|path| path.starts_with(except));
            assert!(is_line || is_path, "no line and no path has {except:?}: delete the exception");
        }
    }
}
