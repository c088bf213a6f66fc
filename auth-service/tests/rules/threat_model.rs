//! Checks `docs/threat-model.md`: it has a row for every requirement and every attack, no row is empty, and each test that a
//! row names exists.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Number of requirements in each section of the project's list; `B.8` uses the numbers of ASVS.
const SECTIONS: [(&str, usize); 10] = [
    ("B.1", 13),
    ("B.2", 12),
    ("B.3", 5),
    ("B.4", 7),
    ("B.5", 8),
    ("B.6", 5),
    ("B.7", 5),
    ("B.9", 7),
    ("B.10", 5),
    ("B.11", 10),
];
/// The requirements of OWASP ASVS 5.0 that are on the list; `x` means all with this prefix.
const ASVS: &str = "\
    3.3.x 3.4.1 3.4.2 3.4.4 3.5.1 3.5.2 4.1.1 4.1.3 4.2.1 6.1.1 6.2.1 6.2.2 6.2.3 6.2.4 6.2.5 6.2.8 6.2.9 6.2.10 6.2.11 \
    6.2.12 6.3.1 6.3.2 6.3.5 6.3.7 6.3.8 6.4.1 6.4.6 7.2.3 7.2.4 7.3.1 7.3.2 7.4.1 7.4.2 7.4.3 7.4.5 7.5.2 8.2.1 8.2.2 \
    8.3.2 9.1.1 9.1.2 9.1.3 9.2.1 9.2.2 9.2.3 9.2.4 10.3.1 10.3.2 10.3.3 10.4.5 10.4.8 10.4.9 10.4.10 11.2.3 11.4.2 12.x \
    13.3.x 16.2.5 16.3.1 16.4.1 16.5.1 16.5.2 16.5.3";
/// Number of attacks and faults.
const ATTACKS: usize = 74;
/// Shortest accepted explanation of why there is no test.
const MIN_SENTENCE_CHARS: usize = 40;

fn top() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn page() -> String {
    fs::read_to_string(top().join("docs/threat-model.md")).unwrap()
}

/// Returns the numbers that must have a row.
fn numbers() -> BTreeSet<String> {
    let sections =
        SECTIONS.iter().flat_map(|(name, count)| (1..=*count).map(move |at| format!("{name}.{at}")));
    let asvs = ASVS.split_whitespace().map(|number| format!("ASVS {number}"));
    sections.chain(asvs).chain((1..=ATTACKS).map(|number| number.to_string())).collect()
}

/// Returns the rows of the tables of requirements and attacks: number, requirement, and the tests that check it.
fn rows(page: &str) -> Vec<[String; 3]> {
    let (_, requirements) = page.split_once("\n## Requirements\n").unwrap();
    let lines = requirements.lines().filter(|line| line.starts_with('|') && !line.starts_with("| ---"));
    let cells = lines.map(|line| {
        let cells: Vec<_> = line.trim_matches('|').split(" | ").map(|cell| cell.trim().to_owned()).collect();
        cells.try_into().unwrap_or_else(|cells| panic!("a row has three cells: {cells:?}"))
    });
    cells.filter(|[number, ..]: &[String; 3]| !number.is_empty()).collect()
}

/// Returns the tests that a text names, each with its file and its function.
fn tests(text: &str) -> Vec<(&str, &str)> {
    text.split('`')
        .skip(1)
        .step_by(2)
        .filter_map(|code| code.split_once(".rs::").map(|_| code))
        .map(split)
        .collect()
}

fn split(code: &str) -> (&str, &str) {
    code.split_once("::").unwrap()
}

/// Returns whether the source has a test of this name: a function below an attribute that makes it a test.
fn has_test(source: &str, name: &str) -> bool {
    let lines: Vec<&str> = source.lines().map(str::trim).collect();
    let is_it = |line: &str| line.contains(&format!("fn {name}("));
    let is_attribute =
        |line: &&str| line.starts_with("#[") || line.starts_with("//") || line.starts_with(")]");
    lines.iter().enumerate().filter(|(_, line)| is_it(line)).any(|(at, _)| {
        let above = lines[..at].iter().rev().take_while(|line| is_attribute(line));
        above.into_iter().any(|line| line.ends_with("test]"))
    })
}

#[test]
fn every_requirement_and_every_attack_has_one_row() {
    let page = page();
    let mut seen = BTreeMap::<String, usize>::new();
    for [number, ..] in rows(&page) {
        *seen.entry(number).or_default() += 1;
    }
    let twice: Vec<_> = seen.iter().filter(|(_, count)| **count > 1).collect();
    assert!(twice.is_empty(), "{twice:?}");
    let (seen, required): (BTreeSet<_>, _) = (seen.into_keys().collect(), numbers());
    assert!(required.len() == 77 + 63 + 74, "{}", required.len());
    let missing: Vec<_> = required.difference(&seen).collect();
    let unknown: Vec<_> = seen.difference(&required).collect();
    assert!(missing.is_empty() && unknown.is_empty(), "missing: {missing:?}, unknown: {unknown:?}");
}

#[test]
fn every_row_names_a_test_or_says_why_there_is_none() {
    for [number, what, checked_by] in rows(&page()) {
        assert!(!what.is_empty(), "{number} requires nothing");
        let sentence = checked_by.ends_with('.') && checked_by.chars().count() >= MIN_SENTENCE_CHARS;
        let held = !tests(&checked_by).is_empty() || sentence;
        assert!(held, "{number} has neither a test nor an explanation: {checked_by:?}");
    }
}

#[test]
fn every_test_that_a_row_names_exists() {
    let page = page();
    let mut missing = Vec::new();
    let named: BTreeSet<_> = tests(&page).into_iter().collect();
    assert!(named.len() > 200, "only {} tests were found on the page", named.len());
    for (file, name) in named {
        let found = fs::read_to_string(top().join(file)).is_ok_and(|source| has_test(&source, name));
        if !found {
            missing.push(format!("{file}::{name}"));
        }
    }
    assert!(missing.is_empty(), "\n{}", missing.join("\n"));
}

#[test]
fn a_name_without_a_test_is_detected() {
    let source =
        "#[test]\nfn a_test() {}\n\nfn no_test() {}\n\n#[tokio::test]\n// why\nasync fn another() {}\n";
    let found = ["a_test", "no_test", "another", "a_tes", "test"].map(|name| has_test(source, name));
    assert_eq!(found, [true, false, true, false, false]);
    assert_eq!(tests("`a/b.rs::c` and `d`, `e.rs`, `f/g.rs::h`"), [("a/b.rs", "c"), ("f/g.rs", "h")]);
}
