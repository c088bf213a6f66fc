//! Checks `docs/api.md` against the source: it has each route of both route tables and no other, and each error code.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

fn top() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn read(path: &str) -> String {
    fs::read_to_string(top().join(path)).unwrap()
}

/// Returns the routes of a route table, as the page names them.
fn routes(table: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for service in table.split(".service(path(").skip(1) {
        let line = service.split(".service(").next().unwrap();
        let path = match service.strip_prefix('"') {
            Some(rest) => rest.split('"').next().unwrap(),
            None => "/.well-known/oauth-authorization-server",
        };
        for method in ["get", "post", "put", "patch", "delete"] {
            if line.contains(&format!(".{method}(")) {
                found.insert(format!("{} {path}", method.to_uppercase()));
            }
        }
    }
    found
}

/// Returns the routes in a chapter of the page.
fn described(page: &str, chapter: &str) -> BTreeSet<String> {
    let (_, rest) = page.split_once(&format!("\n## {chapter}\n")).unwrap();
    let chapter = rest.split("\n## ").next().unwrap();
    let headings = chapter.lines().filter_map(|line| line.strip_prefix("#### `")?.strip_suffix('`'));
    headings.map(str::to_owned).collect()
}

#[test]
fn the_page_has_every_route_of_both_services_and_no_other() {
    let page = read("docs/api.md");
    for (service, table) in [("auth-service", "routes.rs"), ("resource-service", "routes.rs")] {
        let table = routes(&read(&format!("{service}/src/http/{table}")));
        assert!(table.len() > 10, "{table:?}");
        assert_eq!(table, described(&page, service), "{service}");
    }
}

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|end| end == "rs") {
            found.push(path);
        }
    }
}

/// Returns the error codes in the source: the text after a status, or in a call that makes an error from a code.
fn codes() -> BTreeSet<String> {
    const BEFORE: [&str; 4] = ["unavailable( ", "unavailable(", "bad_request( ", "bad_request("];
    let mut files = Vec::new();
    for folder in ["auth-service/src/http", "service-kit/src", "resource-service/src/http"] {
        sources(&top().join(folder), &mut files);
    }
    let mut found = BTreeSet::new();
    for file in files {
        let source = fs::read_to_string(&file).unwrap();
        let source = source.split("#[cfg(test)]").next().unwrap();
        let source = source.split_whitespace().collect::<Vec<_>>().join(" ");
        for (at, _) in source.match_indices('"') {
            let before = source[..at].trim_end();
            let behind_a_status = before
                .strip_suffix(',')
                .and_then(|before| before.rsplit("StatusCode::").next())
                .is_some_and(|name| name.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'_'));
            if behind_a_status || BEFORE.iter().any(|call| before.ends_with(call.trim_end())) {
                found.insert(source[at + 1..].split('"').next().unwrap().to_owned());
            }
        }
    }
    found
}

/// Returns the string literals of a piece of source that can be codes.
fn names(source: &str) -> BTreeSet<String> {
    let texts = source.split('"').skip(1).step_by(2);
    let is_name = |text: &&str| {
        text.contains('_') && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_')
    };
    texts.filter(is_name).map(str::to_owned).collect()
}

#[test]
fn the_page_names_every_code_of_readyz_of_a_refusal_and_of_a_field() {
    let page = read("docs/api.md");
    let bearer = read("shared-claims/src/http/bearer.rs");
    let (_, table) = bearer.split_once("THE TABLE").unwrap();
    let mut found = names(table.split("let problem").next().unwrap());
    found.extend(names(read("auth-service/src/domain/readiness.rs").split_once("\nconst ").unwrap().1));
    found.extend(names(&read("resource-service/src/http/health.rs")));
    let mut files = Vec::new();
    for folder in ["auth-service/src", "service-kit/src", "resource-service/src"] {
        sources(&top().join(folder), &mut files);
    }
    for file in files {
        let source = fs::read_to_string(&file).unwrap();
        let source = source.split("#[cfg(test)]").next().unwrap();
        let fields = source.split("FieldError::new(").skip(1).filter_map(|call| call.split(',').nth(1));
        let members = source.split("code: \"").skip(1).filter_map(|rest| rest.split('"').next());
        found.extend(
            fields.filter_map(|field| field.trim().strip_prefix('"')?.strip_suffix('"')).map(str::to_owned),
        );
        found.extend(members.map(str::to_owned));
    }
    for expected in ["token_revoked", "tables_missing", "disk_full", "out_of_range", "reserved"] {
        assert!(found.contains(expected), "{expected}: {found:?}");
    }
    let missing: Vec<_> = found.iter().filter(|name| !page.contains(&format!("`{name}`"))).collect();
    assert!(missing.is_empty(), "docs/api.md does not name {missing:?}");
}

#[test]
fn the_page_has_a_row_for_every_error_code_of_the_source() {
    let page = read("docs/api.md");
    let codes = codes();
    assert!(codes.contains("username_taken") && codes.contains("store_unavailable"), "{codes:?}");
    let missing: Vec<_> = codes.iter().filter(|code| !page.contains(&format!("| `{code}` |"))).collect();
    assert!(missing.is_empty(), "docs/api.md has no row for {missing:?}");
}
