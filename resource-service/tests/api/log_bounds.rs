//! The log lines of hostile requests: few and short, whatever a request contains.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};

use reqwest::{Client, Method, RequestBuilder, header};
use serde_json::json;

use crate::support::{User, World, encode};

/// The most bytes that the lines of a request may have together, at the default level.
const MOST: usize = 512;

const HEADERS: [header::HeaderName; 10] = [
    header::AUTHORIZATION,
    header::COOKIE,
    header::USER_AGENT,
    header::ORIGIN,
    header::REFERER,
    header::CONTENT_TYPE,
    header::ACCEPT,
    header::IF_NONE_MATCH,
    header::RANGE,
    header::HeaderName::from_static("x-request-id"),
];

/// Returns the routes of the table, with a long text for every parameter.
fn routes() -> Vec<(Method, String)> {
    let source = include_str!("../../src/http/routes.rs");
    let lines = source.lines().filter_map(|line| line.trim().strip_prefix(".service(path(\""));
    let mut routes = vec![(Method::GET, format!("/{}", "x".repeat(16_000)))];
    for line in lines {
        let (path, methods) = line.split_once('"').unwrap();
        let path = path.replace("{id}", &"x".repeat(16_000)).replace("{user_id}", &"x".repeat(16_000));
        for method in [Method::GET, Method::POST] {
            if methods.contains(&format!(".{}(", method.as_str().to_lowercase())) {
                routes.push((method, path.clone()));
            }
        }
    }
    routes
}

/// Returns 16 kB that try to start a line.
fn long() -> String {
    format!("x\r\n2026-11-29T00:00:00.000Z ERROR FORGED {}", "x".repeat(16_000))
}

/// Returns the same without characters that a header cannot contain.
fn visible() -> String {
    long().replace(['\r', '\n'], " ")
}

/// Returns tokens with long members: the key id, the algorithm, the issuer, the list.
fn tokens(user: &User) -> Vec<String> {
    let [_, claims, signature] = user.parts();
    let x = "x\r\nFORGED".to_owned() + &"x".repeat(5_000);
    let headers = [
        json!({ "typ": "at+jwt", "alg": "ES256", "kid": x }),
        json!({ "typ": "at+jwt", "alg": x, "kid": "k" }),
        json!({ "typ": x, "alg": "ES256", "kid": "k" }),
        json!({ "typ": "at+jwt", "alg": "ES256", "kid": "k", x.clone(): 1 }),
    ];
    let by_header = headers.iter().map(|header| format!("{}.{claims}.{signature}", encode(header)));
    let claims =
        json!({ "iss": x, "sub": x, "aud": [x], "status": { "status_list": { "uri": x, "idx": 1 } } });
    let [header, ..] = user.parts();
    by_header.chain([format!("{header}.{}.{signature}", encode(&claims))]).collect()
}

fn hostile(client: &Client, address: &str, method: &Method, path: &str, user: &User) -> Vec<RequestBuilder> {
    let to = |path: &str| client.request(method.clone(), format!("{address}{path}"));
    let mut requests = vec![
        to(&format!("{path}?{}={}", "q".repeat(8_000), "x".repeat(8_000))),
        to(path).header("content-type", "application/json").body(long()),
        to(path).json(&json!({ "text": long(), "isbn": long() })).bearer_auth(user.token().unwrap()),
        to(path).json(&json!({ long(): 1 })).bearer_auth(user.token().unwrap()),
        client.request(Method::from_bytes(&[b'M'; 1000]).unwrap(), format!("{address}{path}")),
    ];
    requests.extend(HEADERS.iter().map(|name| to(path).header(name, visible())));
    requests.extend(tokens(user).into_iter().map(|token| to(path).bearer_auth(token)));
    requests
}

/// Starts the program beside the issuer of a world. Its bounds let every request through to the handlers, and the number of lines
/// is not limited.
fn start(world: &World) -> Child {
    let mut command = Command::new(env!("CARGO_BIN_EXE_resource-service"));
    command.env_clear().env("RESOURCE__DATA_DIR", world.folder().join("log_bounds"));
    command.env("RESOURCE__ISSUER", world.issuer_url()).envs([
        ("RESOURCE__LISTEN", "127.0.0.1:0"),
        ("RESOURCE__HTTP__MAX_TARGET_BYTES", "40000"),
        ("RESOURCE__HTTP__MAX_HEADER_BYTES", "60000"),
        ("RESOURCE__HTTP__MAX_BODY_BYTES", "65536"),
        ("RESOURCE__HTTP__TRUSTED_PROXIES", "127.0.0.1/32"),
        ("RESOURCE__LOG__BURST", "1000000"),
    ]);
    command.stdin(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap()
}

#[actix_web::test]
async fn no_request_of_a_stranger_writes_more_than_a_few_short_lines_into_the_log() {
    let world = World::start().await;
    let user = world.register_and_login("alice").await;
    let mut child = start(&world);
    let mut log = BufReader::new(child.stderr.take().unwrap()).lines().map(Result::unwrap);
    let line = log.by_ref().find(|line| line.contains("resource-service listens on")).unwrap();
    let address = line.split("listens on ").nth(1).unwrap().trim().to_owned();
    let lines = std::thread::spawn(move || log.collect::<Vec<_>>());
    let client = Client::new();
    let mut sent = 0;
    for (method, path) in routes() {
        for request in hostile(&client, &address, &method, &path, &user) {
            assert!(request.send().await.is_ok(), "{method} {path:.40}");
            sent += 1;
        }
    }
    assert!(sent > 200, "{sent}");
    let stopped = Command::new("kill").args(["-TERM", &child.id().to_string()]).status().unwrap();
    assert!(stopped.success() && child.wait().unwrap().success());
    let log = lines.join().unwrap();
    let bytes: usize = log.iter().map(String::len).sum();
    assert!(
        log.iter().any(|line| line.contains("resource-service stops")),
        "it says something at all: {log:#?}"
    );
    assert!(log.iter().all(|line| line.len() <= MOST), "{log:#?}");
    assert!(bytes <= sent * MOST / 2, "{bytes} bytes for {sent} requests");
    assert!(!log.iter().any(|line| line.contains("FORGED") || line.contains("xxxx")), "{log:#?}");
}
