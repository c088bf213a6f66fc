//! `auth-service import`: exports of other systems, beside a running server.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use serde_json::json;

use crate::process::{PASSWORD, Running, program};

/// bcrypt with cost 4, of an unknown password.
const HASH: &str = "$2b$04$......................JjeaCvKHrTGNPjYLZm8GhNSxHzVyJmy";

fn run(data: &Path, arguments: &[&str]) -> (Option<i32>, String, String) {
    let output = program(data).arg("import").args(arguments).env("RUST_LOG", "off").output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    let mut said = text(output.stderr);
    if output.status.code() != Some(2) {
        // The first line of each command names its database.
        let (database, rest) = said.split_once('\n').unwrap();
        assert!(database.starts_with("auth-service: works on sqlite://"), "{database}");
        said = rest.to_owned();
    }
    (output.status.code(), text(output.stdout), said)
}

fn export(name: &str) -> String {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(name).to_str().unwrap().to_owned()
}

fn file(folder: &Path, text: &str) -> String {
    let path: PathBuf = folder.join("users");
    std::fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_owned()
}

/// Returns whether a login by name or by address succeeds.
async fn logs_in(service: &Running, login: &str) -> bool {
    let field = if login.contains('@') { "email" } else { "username" };
    service.post("/login", &json!({ field: login, "password": PASSWORD })).await.0 == 200
}

#[actix_web::test]
async fn exports_of_other_systems_are_imported_and_their_users_log_in() {
    let data = tempfile::tempdir().unwrap();
    let service = Running::start(&mut program(data.path()));
    let rows = [
        (
            "keycloak",
            "keycloak.json",
            5,
            vec!["kc-sha256", "kc-sha512@example.com", "kc-sha1", "kc.mail@example.com"],
        ),
        (
            "auth0",
            "auth0.ndjson",
            6,
            vec![
                "a0-export@example.com",
                "a0-old",
                "a0-pbkdf2@example.com",
                "a0-argon2@example.com",
                "a0-scrypt@example.com",
            ],
        ),
        ("supabase", "supabase.csv", 3, vec!["sb-one@example.com", "sb-two@example.com"]),
    ];
    for (format, name, count, users) in rows {
        let arguments = ["--format", format, &export(name)];
        let (code, out, err) = run(data.path(), &arguments);
        let refused = i32::from(format == "supabase");
        assert_eq!(code, Some(refused), "{format}: {out}{err}");
        assert!(out.starts_with(&format!("{count} created, 0 already there, {refused} refused\n")), "{out}");
        for user in users {
            assert!(logs_in(&service, user).await, "{format} {user}");
            assert!(logs_in(&service, user).await, "{format} {user}, renewed");
        }
    }
    for disabled in ["kc-argon2", "a0-custom@example.com", "sb-banned@example.com", "sb-deleted@example.com"]
    {
        assert!(!logs_in(&service, disabled).await, "{disabled}");
    }
    let (_, _, err) = run(data.path(), &["--format", "supabase", &export("supabase.csv")]);
    assert!(err.contains("5: line: This account was deleted."), "{err}");
}

#[test]
fn roles_of_keycloak_are_imported_only_on_request() {
    for (with_roles, shown) in [(false, "roles: none"), (true, "roles: subscriber")] {
        let data = tempfile::tempdir().unwrap();
        let _service = Running::start(&mut program(data.path()));
        let mut text = std::fs::read_to_string(export("keycloak.json")).unwrap();
        text = text.replace("kc.mail@example.com", "kc-mail");
        let path = file(data.path(), &text);
        let mut arguments = vec!["--format", "keycloak", &path];
        arguments.extend(with_roles.then_some("--with-roles"));
        assert_eq!(run(data.path(), &arguments).0, Some(1), "its address is no longer a valid one");
        let text = text.replace("\"email\": \"kc-mail\"", "\"email\": null");
        let path = file(data.path(), &text);
        arguments[2] = &path;
        assert_eq!(run(data.path(), &arguments).0, Some(0));
        let output = program(data.path()).args(["user", "roles", "kc-mail"]).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(text.contains(shown), "{text}");
    }
}

#[test]
fn an_import_reports_what_it_did_and_continues_when_it_is_repeated() {
    let data = tempfile::tempdir().unwrap();
    let _service = Running::start(&mut program(data.path()));
    let line =
        |index: usize| format!("{}\n", json!({ "username": format!("user-{index}"), "password_hash": HASH }));
    let half: String = (0..700).map(line).collect();
    let whole: String = (0..1400).map(line).collect::<String>() + "not JSON\n" + &line(3);
    let path = file(data.path(), &whole);
    let (code, out, err) = run(data.path(), &["--dry-run", &path]);
    assert_eq!(code, Some(1), "{err}");
    assert!(out.starts_with("1400 would be created, 1 already there, 1 refused\nbcrypt: 1401\n"), "{out}");
    let (code, out, err) = run(data.path(), &[&file(data.path(), &half)]);
    assert_eq!(
        (code, out.as_str(), err.as_str()),
        (Some(0), "700 created, 0 already there, 0 refused\nbcrypt: 700\n", "")
    );
    let (code, out, err) = run(data.path(), &[&file(data.path(), &whole)]);
    assert_eq!(code, Some(1));
    assert_eq!(
        out,
        "700 created, 701 already there, 1 refused\nbcrypt: 1401\nrefused for line malformed: 1\n"
    );
    assert!(err.starts_with("1401: line: This line is not a JSON object with username"), "{err}");
    assert!(
        err.ends_with("auth-service: 1 refused; the lines above say why\n") && !err.contains(HASH),
        "{err}"
    );
}

#[test]
fn an_import_can_read_standard_input() {
    let data = tempfile::tempdir().unwrap();
    let _service = Running::start(&mut program(data.path()));
    let mut command = program(data.path());
    command.args(["import", "-"]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let line = json!({ "username": "alice", "password_hash": HASH }).to_string();
    child.stdin.take().unwrap().write_all(line.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.stdout.starts_with(b"1 created"), "{output:?}");
}

#[test]
fn a_file_that_is_no_export_is_one_error_message() {
    let data = tempfile::tempdir().unwrap();
    let _service = Running::start(&mut program(data.path()));
    let text = file(data.path(), "one,two\n1,2\n");
    let rows = [
        (vec!["/does/not/exist"], 1, "cannot open /does/not/exist"),
        (vec![data.path().to_str().unwrap()], 1, "cannot read the file"),
        (vec!["--format", "keycloak", &text], 1, "the file is not the JSON it should be"),
        (vec!["--format", "supabase", &text], 1, "the table has no column `email`"),
        (vec!["--format", "okta", &text], 2, "invalid value 'okta'"),
        (vec![], 2, "<FILE>"),
    ];
    for (arguments, expected, said) in rows {
        let (code, _, err) = run(data.path(), &arguments);
        assert_eq!(code, Some(expected), "{arguments:?}: {err}");
        assert!(err.contains(said) && !err.contains("panicked"), "{arguments:?}: {err}");
    }
}
