//! Each dependency is named in the code of its crate, or in the list of those that cannot be.

use std::fs;
use std::path::Path;

use crate::architecture::{rust_files, top};

/// The names below a heading of a manifest that ends in `dependencies`.
fn dependencies(manifest: &str) -> Vec<String> {
    let mut within = false;
    let mut found = Vec::new();
    for line in manifest.lines() {
        if line.starts_with('[') {
            within = line.ends_with("dependencies]") && !line.starts_with("[workspace");
        } else if within && line.starts_with(|first: char| first.is_ascii_alphabetic()) {
            found.push(line.split(['.', ' ', '=']).next().unwrap().to_owned());
        }
    }
    found
}

/// The names in the list `ignored` of a manifest, which cargo-machete reads as well.
fn ignored(manifest: &str) -> Vec<&str> {
    let list = manifest.split_once("cargo-machete]\nignored = [").map_or("", |(_, rest)| rest);
    list.split(']').next().unwrap().split('"').skip(1).step_by(2).collect()
}

/// Whether the code has the name as a word of its own.
fn names(code: &str, dependency: &str) -> bool {
    let name = dependency.replace('-', "_");
    code.match_indices(&name).any(|(at, _)| {
        !code[..at].ends_with(is_part_of_name) && !code[at + name.len()..].starts_with(is_part_of_name)
    })
}

fn is_part_of_name(char: char) -> bool {
    char.is_alphanumeric() || char == '_'
}

#[test]
fn every_dependency_is_used() {
    let workspace = fs::read_to_string(top().join("Cargo.toml")).unwrap();
    let mut unused = Vec::new();
    for folder in ["auth-service", "resource-service", "service-kit", "shared-claims"] {
        let manifest = fs::read_to_string(top().join(folder).join("Cargo.toml")).unwrap();
        let code: String = rust_files(&top().join(folder))
            .iter()
            .filter(|file| !is_of_another_package(file))
            .map(|file| fs::read_to_string(file).unwrap())
            .collect();
        let listed = [ignored(&workspace), ignored(&manifest)].concat();
        let found = dependencies(&manifest);
        assert!(found.len() > 10, "{folder}/Cargo.toml is not read as it is written: {found:?}");
        unused.extend(found.into_iter().filter_map(|name| {
            let used = listed.contains(&name.as_str()) || names(&code, &name);
            (!used).then(|| format!("{folder} does not use {name}"))
        }));
    }
    assert!(unused.is_empty(), "\n{}", unused.join("\n"));
}

fn is_of_another_package(file: &Path) -> bool {
    ["alone", "fuzz", "neighbours"]
        .iter()
        .any(|package| file.starts_with(top().join("shared-claims").join(package)))
}

#[test]
fn a_dependency_that_is_not_used_is_noticed() {
    let manifest = "[dependencies]\na-b.workspace = true\nc = { version = \"1\" }\n\n[lints]\nd = true\n\n[dev-dependencies]\ne = \"1\"\n";
    assert_eq!(dependencies(manifest), ["a-b", "c", "e"]);
    assert_eq!(
        ["a-b", "c", "e"].map(|name| names("use a_b::f;\nxc::g(); c_d();\n#[e::test]", name)),
        [true, false, true]
    );
}
