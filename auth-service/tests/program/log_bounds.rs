//! What requests write into the log: with any length and any content, a request writes only a few short lines.

use std::process::Command;

use reqwest::{Client, Method, RequestBuilder, header};
use serde_json::{Value, json};

use crate::process::{PASSWORD, Running, program};

const FORM: &str = "application/x-www-form-urlencoded";
/// Most bytes that a request may write at the default level, in all its lines together.
const MOST: usize = 512;

/// Members whose length and content a client chooses: every member that some route reads.
const FIELDS: [&str; 16] = [
    "username",
    "email",
    "password",
    "current_password",
    "new_password",
    "resource",
    "refresh_token",
    "grant_type",
    "scope",
    "client_id",
    "client_secret",
    "token",
    "token_type_hint",
    "cookies",
    "password_hash",
    "an unknown member",
];

const HEADERS: [header::HeaderName; 12] = [
    header::AUTHORIZATION,
    header::COOKIE,
    header::USER_AGENT,
    header::ORIGIN,
    header::REFERER,
    header::CONTENT_TYPE,
    header::CONTENT_ENCODING,
    header::ACCEPT,
    header::IF_NONE_MATCH,
    header::FORWARDED,
    header::HeaderName::from_static("x-forwarded-for"),
    header::HeaderName::from_static("x-request-id"),
];

/// Returns 16 kB that begin with `start` and try to forge a line.
fn long(start: &str) -> String {
    format!("{start}\r\n2026-11-29T00:00:00.000Z ERROR FORGED {}", "x".repeat(16_000))
}

/// Returns the same without characters that a header cannot have.
fn visible(start: &str) -> String {
    long(start).replace(['\r', '\n'], " ")
}

/// Returns the routes of the table, with a long text in every parameter of a path.
fn routes() -> Vec<(Method, String)> {
    let source = include_str!("../../src/http/routes.rs");
    let lines = source.lines().filter_map(|line| line.trim().strip_prefix(".service(path(\""));
    let mut routes = vec![(Method::GET, format!("/{}", "x".repeat(16_000)))];
    for line in lines {
        let (path, methods) = line.split_once('"').unwrap();
        let path = path.replace("{id}", &"x".repeat(16_000)).replace("{list}", &"9".repeat(16_000));
        for method in [Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE] {
            if methods.contains(&format!(".{}(", method.as_str().to_lowercase())) {
                routes.push((method, path.clone()));
            }
        }
    }
    routes
}

/// Returns requests to one route with a long text in every part that a client controls.
fn hostile(client: &Client, address: &str, method: &Method, path: &str) -> Vec<RequestBuilder> {
    let to = |path: &str| client.request(method.clone(), format!("{address}{path}"));
    let mut requests = vec![
        to(&format!("{path}?{}={}", "q".repeat(8_000), "x".repeat(8_000))),
        to(path).header("content-type", "application/json").body(long("{")),
        to(path).header("content-type", "application/x-ndjson").body(long("{")),
        to(path).basic_auth(visible("client:"), Some(visible("cs_"))),
        to(path).basic_auth("client:billing", Some("cs_guessed")),
        to(path).bearer_auth(visible("eyJ")),
        client.request(Method::from_bytes(&[b'M'; 1000]).unwrap(), format!("{address}{path}")),
    ];
    requests.extend(HEADERS.iter().map(|name| to(path).header(name, visible("x"))));
    for field in FIELDS {
        let mut members = json!({
            "username": "alice", "password": "a wrong password", "client_id": "client:billing", "client_secret": "cs_x",
        });
        for grant in ["refresh_token", "client_credentials", "password"] {
            members["grant_type"] = json!(grant);
            members[field] = json!(long("client:"));
            requests.push(to(path).json(&members));
            requests.push(to(path).header("content-type", FORM).body(form(&members)));
            if field == "grant_type" || path != "/token" {
                break;
            }
        }
    }
    requests
}

fn form(members: &Value) -> String {
    let pairs = members.as_object().unwrap().iter().map(|(name, value)| (name, value.as_str().unwrap()));
    url::form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish()
}

/// Sets limits under which every request reaches the handlers, and no limit on the number of lines, which could hide long ones.
fn wide(command: &mut Command) -> &mut Command {
    command.envs([
        ("AUTH__HTTP__MAX_TARGET_BYTES", "40000"),
        ("AUTH__HTTP__MAX_HEADER_BYTES", "60000"),
        ("AUTH__HTTP__MAX_BODY_BYTES", "65536"),
        ("AUTH__HTTP__TRUSTED_PROXIES", "127.0.0.1/32"),
        ("AUTH__LIMITS__ENABLED", "false"),
        ("AUTH__LOG__BURST", "1000000"),
        ("AUTH__STATUS_LISTS__MAX_LISTENERS_PER_ADDRESS", "1000"),
    ])
}

#[actix_web::test]
async fn no_request_writes_more_than_a_few_short_lines_into_the_log() {
    let data = tempfile::tempdir().unwrap();
    let service = Running::start(wide(&mut program(data.path())));
    let create = ["client", "create", "--name", "billing"];
    assert!(program(data.path()).args(create).output().unwrap().status.success());
    assert_eq!(service.register("alice").await, Some(201));
    let client = Client::new();
    let mut sent = 0;
    for (method, path) in routes() {
        for request in hostile(&client, &service.address, &method, &path) {
            // A request that is refused with its connection has no answer.
            let answer = request.send().await;
            assert!(answer.is_ok_and(|answer| !answer.status().is_server_error()), "{method} {path:.40}");
            sent += 1;
        }
    }
    assert!(sent > 900, "{sent}");
    service.signal("-TERM");
    let (code, log) = service.end();
    assert_eq!(code, Some(0), "{log}");
    let longest = log.lines().map(str::len).max().unwrap();
    assert!(longest <= MOST, "{}", log.lines().find(|line| line.len() == longest).unwrap());
    assert!(log.len() <= sent * MOST / 2, "{} bytes for {sent} requests", log.len());
    assert!(log.contains("no proof to be the client client:billing: wrong_secret"), "{log}");
    assert!(log.contains("no proof to be the client (unknown): unknown_client"), "{log}");
    for line in log.lines() {
        assert!(!line.contains("FORGED") && !line.contains("xxxx"), "{line}");
    }
}

#[actix_web::test]
async fn lines_that_come_too_often_are_omitted_and_counted_in_one_line() {
    let data = tempfile::tempdir().unwrap();
    let few = [("AUTH__LOG__BURST", "5"), ("AUTH__LOG__PER_MINUTE", "1"), ("AUTH__LOG__REPORT_EVERY", "1s")];
    let service = Running::start(program(data.path()).envs(few));
    let guess = json!({ "grant_type": "client_credentials", "client_id": "unknown", "client_secret": "x" });
    for _ in 0..50 {
        assert_eq!(service.post("/token", &guess).await.0, 401);
    }
    let mut log = service.until_it_says("log lines were left out: ");
    assert_eq!(service.register("alice").await, Some(201));
    service.signal("-TERM");
    let (code, rest) = service.end();
    assert_eq!(code, Some(0));
    log += &rest;
    let written = log.matches("no proof to be the client").count();
    let counts = log
        .lines()
        .filter_map(|line| line.split_once("left out: ")?.1.split_once(" of auth_service::domain::clients:"));
    let counted: usize = counts.map(|(count, _)| count.parse::<usize>().unwrap()).sum();
    assert_eq!(written + counted, 50, "{log}");
    assert!((5..20).contains(&written), "{log}");
    assert!(log.contains("registered alice"), "lines of another kind are not omitted: {log}");
}

#[actix_web::test]
async fn a_session_that_an_attacker_drives_writes_short_lines_too() {
    let data = tempfile::tempdir().unwrap();
    let service = Running::start(program(data.path()).env("AUTH__TOKENS__REFRESH_GRACE", "0s"));
    assert_eq!(service.register("alice").await, Some(201));
    let login = json!({ "username": "alice", "password": PASSWORD });
    let request = Client::new().post(format!("{}/login", service.address)).json(&login);
    let answer = request.header("user-agent", "x".repeat(12_000)).send().await.unwrap();
    let tokens: Value = answer.json().await.unwrap();
    let token = tokens["refresh_token"].as_str().unwrap();
    assert_eq!(service.refresh(token).await.unwrap().0, 200);
    assert_eq!(service.refresh(token).await.unwrap().0, 400);
    service.signal("-TERM");
    let (_, log) = service.end();
    assert!(log.contains("refresh token reuse"), "{log}");
    assert!(log.lines().all(|line| line.len() <= MOST), "{log}");
}

/// Returns the log lines that name an origin which is not allowed.
fn refused_pages(log: &str) -> Vec<&str> {
    log.lines().filter(|line| line.contains("its origin is not in cors.allowed_origins")).collect()
}

#[actix_web::test]
async fn an_unlisted_origin_is_named_once_and_only_so_many_are_named() {
    let data = tempfile::tempdir().unwrap();
    let listed = ("AUTH__CORS__ALLOWED_ORIGINS", "https://app.example.com");
    let service = Running::start(program(data.path()).envs([listed]));
    let client = Client::new();
    let preflight = async |path: &str, origin: &str| {
        let request = client.request(Method::OPTIONS, format!("{}{path}", service.address));
        let request = request.header("origin", origin).header("access-control-request-method", "POST");
        request.send().await.unwrap().status().as_u16()
    };
    for _ in 0..3 {
        assert_eq!(preflight("/login", "http://localhost:5173").await, 204);
        assert_eq!(preflight("/login", "https://app.example.com").await, 204);
        assert_eq!(preflight("/.well-known/jwks.json", "https://reader.example").await, 204);
        assert_eq!(preflight("/nowhere", "https://nowhere.example").await, 404);
    }
    for number in 0..200 {
        let origin = format!("https://{number}.{}", "x".repeat(5_000));
        assert_eq!(preflight("/me", &origin).await, 204);
    }
    service.signal("-TERM");
    let (_, log) = service.end();
    let named = refused_pages(&log);
    assert_eq!(named.len(), 64, "{log}");
    let first = "a page of \"http://localhost:5173\" may not use this service: its origin is not in cors.allowed_origins";
    assert!(named[0].ends_with(first), "{}", named[0]);
    assert!(named.iter().all(|line| line.len() <= MOST), "{log}");
    assert!(
        log.contains("64 origins that are not in cors.allowed_origins were logged; further ones will not be"),
        "{log}"
    );
    assert!(!log.contains("reader.example") && !log.contains("nowhere.example"), "{log}");
}

#[actix_web::test]
async fn origins_whose_pages_get_no_cookies_are_warned_of_at_start() {
    let data = tempfile::tempdir().unwrap();
    let warned = |issuer: &str, origin: &str| {
        let settings = [("AUTH__ISSUER", issuer), ("AUTH__CORS__ALLOWED_ORIGINS", origin)];
        let service = Running::start(program(data.path()).envs(settings));
        service.signal("-TERM");
        let said = service.said().to_owned();
        said + &service.end().1
    };
    let log = warned("http://127.0.0.1:8080", "http://localhost:5173");
    let line = "cors.allowed_origins: http://localhost:5173 and http://127.0.0.1:8080 are different sites to a browser";
    assert!(log.contains(line), "{log}");
    let log = warned("http://localhost:8080", "http://localhost:5173");
    assert!(!log.contains("different sites"), "{log}");
}
