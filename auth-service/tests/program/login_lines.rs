//! The log lines of accepted and refused logins, as an operator and fail2ban read them.

use std::io::Write as _;
use std::net::TcpStream;

use serde_json::json;

use crate::process::{PASSWORD, Running, program};

#[actix_web::test]
async fn each_login_has_one_line_that_names_only_existing_accounts() {
    let data = tempfile::tempdir().unwrap();
    let service = Running::start(&mut program(data.path()));
    assert_eq!(service.register("alice").await, Some(201));
    let typed = "S3cret typed as a name\r\n2026-11-29T00:00:00.000Z INFO login accepted";
    let rows = [
        (json!({ "username": "ALICE", "password": PASSWORD }), 200),
        (json!({ "username": "alice", "password": "wrong password" }), 401),
        (json!({ "username": "mallory", "password": PASSWORD }), 401),
        (json!({ "username": typed, "password": PASSWORD }), 401),
        (json!({ "username": "alice", "password": "x".repeat(2000) }), 401),
        (json!({ "username": "alice", "password": PASSWORD, "resource": "nowhere" }), 422),
        (json!({ "username": "alice", "password": PASSWORD, "cookies": true }), 403),
    ];
    for (body, status) in &rows {
        assert_eq!(service.post("/login", body).await.0, *status, "{body}");
    }
    assert_eq!(service.post("/token", &rows[1].0).await.0, 400);
    service.signal("-TERM");
    let (_, log) = service.end();
    let expected = [
        "login accepted: name=alice address=127.0.0.1",
        "login refused: name=alice address=127.0.0.1 reason=wrong_password",
        "login refused: name=- address=127.0.0.1 reason=unknown_user",
        "login refused: name=- address=127.0.0.1 reason=unknown_user",
        "login refused: name=- address=127.0.0.1 reason=impossible_password",
        "login refused: name=- address=127.0.0.1 reason=invalid_target",
        "login refused: name=- address=127.0.0.1 reason=foreign_origin",
        "login refused: name=alice address=127.0.0.1 reason=wrong_password",
    ];
    let lines: Vec<&str> = log.lines().filter(|line| line.contains("login ")).collect();
    assert_eq!(lines.len(), expected.len(), "{log}");
    for (line, expected) in lines.iter().zip(expected) {
        let (head, said) = line.split_once("] ").unwrap();
        assert_eq!(said, expected);
        // The time, the level and the request id.
        assert!(head.contains(" INFO ") && head.split_once('[').unwrap().1.len() > 8, "{line}");
    }
    assert!(!log.contains("S3cret") && !log.contains("mallory"), "{log}");
}

#[actix_web::test]
async fn a_client_that_disconnects_before_the_answer_is_in_the_log_as_well() {
    let data = tempfile::tempdir().unwrap();
    let service = Running::start(program(data.path()).env("AUTH__PASSWORDS__BCRYPT_COST", "12"));
    assert_eq!(service.register("alice").await, Some(201));
    let body = json!({ "username": "alice", "password": "wrong password" }).to_string();
    let address = service.address.trim_start_matches("http://");
    let head = format!("POST /login HTTP/1.1\r\nhost: {address}\r\ncontent-type: application/json");
    let mut connection = TcpStream::connect(address).unwrap();
    write!(connection, "{head}\r\ncontent-length: {}\r\n\r\n{body}", body.len()).unwrap();
    drop(connection);
    let log = service.until_it_says("login refused: ");
    let line = log.lines().last().unwrap();
    let reasons =
        ["name=alice address=127.0.0.1 reason=wrong_password", "address=127.0.0.1 reason=abandoned"];
    assert!(reasons.iter().any(|reason| line.ends_with(reason)), "{line}");
    service.signal("-TERM");
    service.end();
}

#[actix_web::test]
async fn a_flood_of_refused_logins_is_bounded_and_hides_no_accepted_one() {
    let data = tempfile::tempdir().unwrap();
    let few = [("AUTH__LOG__BURST", "5"), ("AUTH__LOG__PER_MINUTE", "1"), ("AUTH__LIMITS__ENABLED", "false")];
    let service = Running::start(program(data.path()).envs(few));
    assert_eq!(service.register("alice").await, Some(201));
    let impossible = json!({ "username": "bob", "password": "x".repeat(2000) });
    for _ in 0..40 {
        assert_eq!(service.post("/login", &impossible).await.0, 401);
    }
    assert_eq!(service.login("alice").await.0, 200);
    service.signal("-TERM");
    let (_, log) = service.end();
    let written = log.matches("login refused").count();
    assert!((5..15).contains(&written), "{written}");
    assert!(log.contains("login accepted: name=alice"), "{log}");
    assert!(log.contains("log lines were left out"), "{log}");
}

#[actix_web::test]
async fn commands_that_add_roles_warn_when_the_account_can_no_longer_log_in() {
    let data = tempfile::tempdir().unwrap();
    let service = Running::start(&mut program(data.path()));
    assert_eq!(service.register("alice").await, Some(201));
    let give = |count: usize| {
        let roles: Vec<String> =
            (0..count).flat_map(|n| ["--add".to_owned(), format!("department-number-{n:06}")]).collect();
        let output = program(data.path()).args(["user", "roles", "alice"]).args(roles).output().unwrap();
        assert!(output.status.success());
        String::from_utf8(output.stderr).unwrap()
    };
    assert!(!give(3).contains("cannot log in"));
    assert!(give(120).contains("alice cannot log in with cookies: the access token would have"));
    assert_eq!(service.login("alice").await.0, 200);
    let said = give(300);
    assert!(
        said.contains("alice cannot log in: the access token would have") && said.contains("claim is roles")
    );
    assert_eq!(service.login("alice").await.0, 422);
    let scopes: Vec<String> =
        (0..300).flat_map(|n| ["--scope".to_owned(), format!("department-number-{n:06}")]).collect();
    let output =
        program(data.path()).args(["client", "create", "--name", "greedy"]).args(scopes).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(
        output.status.success() && said.contains("client:greedy gets no token with all its scopes"),
        "{said}"
    );
    service.signal("-TERM");
    let (_, log) = service.end();
    assert!(log.contains("login refused: name=alice address=127.0.0.1 reason=token_too_large"), "{log}");
}
