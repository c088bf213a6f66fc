//! Accounts at the command line, by name and by id: `auth-service user …`, `import`.

use std::io::Write as _;
use std::path::Path;
use std::process::Stdio;

use serde_json::{Value, json};

use crate::process::{PASSWORD, Running, program};

/// bcrypt with cost 4, of an unknown password.
const HASH: &str = "$2b$04$......................JjeaCvKHrTGNPjYLZm8GhNSxHzVyJmy";

/// Returns the exit code and all output of a command.
fn run(data: &Path, arguments: &[&str]) -> (i32, String) {
    let mut command = program(data);
    command.args(arguments).env("RUST_LOG", "off").stdin(Stdio::piped());
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let _ = child.stdin.take().unwrap().write_all(PASSWORD.as_bytes()); // not every command reads it
    let output = child.wait_with_output().unwrap();
    (output.status.code().unwrap(), String::from_utf8([output.stdout, output.stderr].concat()).unwrap())
}

fn create(data: &Path, arguments: &[&str]) -> (i32, String) {
    run(data, &[&["user", "create", "--password-stdin"], arguments].concat())
}

#[track_caller]
fn assert_said((code, text): (i32, String), expected: i32, said: &[&str]) {
    assert_eq!(code, expected, "{text}");
    assert!(said.iter().all(|said| text.contains(said)) && !text.contains("panicked"), "{said:?}: {text}");
}

/// Returns the account of a login, if it succeeds.
async fn account(service: &Running, body: &Value) -> Option<String> {
    let (status, tokens) = service.post("/login", body).await;
    let access = tokens["access_token"].as_str().filter(|_| status == 200)?.to_owned();
    let me = reqwest::Client::new().get(format!("{}/me", service.address)).bearer_auth(access).send().await;
    let me: Value = me.unwrap().json().await.unwrap();
    Some(me["id"].as_str().unwrap().to_owned())
}

async fn id_of(service: &Running, username: &str) -> String {
    account(service, &json!({ "username": username, "password": PASSWORD })).await.unwrap()
}

async fn delete(service: &Running, username: &str) {
    let (_, tokens) = service.login(username).await;
    let request = reqwest::Client::new().delete(format!("{}/me", service.address));
    let request = request.bearer_auth(tokens["access_token"].as_str().unwrap());
    let answer = request.json(&json!({ "current_password": PASSWORD })).send().await.unwrap();
    assert_eq!(answer.status(), 204);
}

#[actix_web::test]
async fn commands_say_which_account_they_changed_and_take_its_id() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path();
    let service = Running::start(&mut program(data));
    assert_said(create(data, &["--username", "Root"]), 0, &["created root ("]);
    let id = id_of(&service, "root").await;
    let introduced = format!("root is the account {id}, under this name since 20");
    for arguments in [&["root"][..], &["--id", &id], &["ROOT", "--id", &id]] {
        for (command, did) in [
            (&["user", "roles", "--add", "subscriber"][..], "root has roles: subscriber"),
            (&["user", "disable"], "root is disabled"),
            (&["user", "enable"], "root is enabled"),
        ] {
            assert_said(run(data, &[command, arguments].concat()), 0, &[&introduced, did]);
        }
    }
    for (subject, last) in [("ROOT", Some(&introduced)), (&id, None)] {
        let (code, text) = run(data, &["audit", "list", "--subject", subject]);
        assert_eq!(code, 0, "{text}");
        let others: Vec<&str> = text
            .lines()
            .filter(|line| !line.starts_with('{'))
            .filter(|line| !line.contains("works on sqlite://"))
            .collect();
        assert!(text.contains("account_created") && others.len() == usize::from(last.is_some()), "{text}");
        // Standard output, which comes first here, has only events.
        assert!(last.is_none_or(|last| text.lines().last().unwrap().starts_with(last)), "{text}");
    }
    service.register("alice").await;
    let command = ["user", "disable", "alice", "--id", &id];
    assert_said(run(data, &command), 1, &["another name", "\"root\"", &id]);
    assert_said(
        run(data, &["user", "enable", "--id", "no-id"]),
        1,
        &["there is no account with the id \"no-id\""],
    );
    for command in ["disable", "enable", "roles", "free-email"] {
        assert_said(run(data, &["user", command]), 2, &["--id"]);
    }
}

#[actix_web::test]
async fn a_name_that_changed_hands_is_not_enough_to_change_an_account() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path();
    let service = Running::start(&mut program(data));
    service.register("alice").await;
    delete(&service, "alice").await;
    assert_said(create(data, &["--username", "alice"]), 1, &["rests", "--allow-resting"]);
    let lines = data.join("users");
    std::fs::write(&lines, json!({ "username": "alice", "password_hash": HASH }).to_string()).unwrap();
    let lines = lines.to_str().unwrap();
    assert_said(run(data, &["import", lines]), 1, &["username", "rests", "--allow-resting", "1 refused"]);
    let dry = ["import", "--dry-run", "--allow-resting", lines];
    assert_said(run(data, &dry), 0, &["1 would be created"]);
    assert_said(create(data, &["--username", "alice", "--allow-resting"]), 0, &["created alice"]);
    let id = id_of(&service, "alice").await;
    for command in [&["user", "roles", "alice", "--add", "admin"][..], &["user", "disable", "alice"]] {
        assert_said(run(data, command), 1, &["was another account's", &format!("--id {id}")]);
    }
    let listed = run(data, &["audit", "list", "--subject", "Alice"]);
    assert!(!listed.1.contains("account_created"), "{listed:?}");
    assert_said(listed, 1, &["was another account's", &format!("--subject {id}")]);
    assert_said(run(data, &["audit", "list", "--subject", &id]), 0, &["account_created"]);
    assert_said(run(data, &["user", "roles", "--id", &id]), 0, &["alice has roles: none"]);
    assert_said(run(data, &["user", "roles", "alice", "--id", &id, "--add", "admin"]), 0, &["roles: admin"]);
}

#[actix_web::test]
async fn an_address_is_freed_and_given_to_its_owner() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path();
    let service = Running::start(&mut program(data));
    let by_address = |email: &str| json!({ "email": email, "password": PASSWORD });
    let register = async |username: &str, email: &str| {
        let body = json!({ "username": username, "password": PASSWORD, "email": email });
        service.post("/register", &body).await.0
    };
    assert_eq!(register("mallory", "a@bücher.example").await, 201);
    assert_eq!(register("alice", "A@xn--bcher-kva.example").await, 409);
    assert_said(run(data, &["user", "free-email", "b@example.com"]), 1, &["no account has this address"]);
    let mallory = id_of(&service, "mallory").await;
    let other = ["user", "free-email", "b@example.com", "--id", &mallory];
    assert_said(run(data, &other), 1, &["another address", &mallory]);
    let freed = run(data, &["user", "free-email", "A@BÜCHER.example"]);
    assert_said(freed, 0, &[&format!("mallory ({mallory}) has no address any more")]);
    assert_eq!(register("alice", "a@bücher.example").await, 201);
    // A verified address replaces it immediately, and cannot be replaced itself.
    let verified = ["--email", "a@BÜCHER.example", "--email-verified"];
    assert_said(create(data, &[&["--username", "true-owner"][..], &verified].concat()), 0, &["created"]);
    let holder = account(&service, &by_address("a@bücher.example")).await;
    assert_eq!(holder, Some(id_of(&service, "true-owner").await));
    assert_said(create(data, &[&["--username", "another"][..], &verified].concat()), 1, &["Email is taken"]);
    assert_said(create(data, &["--username", "another", "--email-verified"]), 2, &["--email"]);
    delete(&service, "true-owner").await;
    assert_eq!(register("bob", "a@bücher.example").await, 409, "it rests");
    assert_said(run(data, &["user", "free-email", "a@bücher.example"]), 0, &["does not rest any more"]);
    assert_eq!(register("bob", "a@bücher.example").await, 201);
    let (code, list) = run(data, &["audit", "list", "--event", "email_freed"]);
    assert_eq!(code, 0, "{list}");
    // The last one was only resting: its former owner is not known.
    assert_eq!(list.matches("\"operator:").count(), 3, "{list}");
    assert_eq!(list.matches("\"subject\":null").count(), 1, "{list}");
    assert!(list.contains("verified_elsewhere") && !list.contains("bcher"), "{list}");
}
