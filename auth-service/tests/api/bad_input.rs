//! Malformed and invalid bodies, in one table.

use reqwest::{Method, RequestBuilder};
use serde_json::json;

use crate::api::support::{PASSWORD, Service, send};

const JSON: &str = "application/json";

fn post(service: &Service, path: &str, media_type: &str, body: impl Into<Vec<u8>>) -> RequestBuilder {
    service.request(Method::POST, path).header("content-type", media_type).body(body.into())
}

#[actix_web::test]
async fn a_malformed_or_invalid_body_is_a_client_error() {
    let service = Service::start().await;
    let good = json!({ "username": "alice", "password": PASSWORD }).to_string();
    let deep = "[".repeat(10_000);
    let large = format!(r#"{{"username": "{}"}}"#, "a".repeat(20_000));
    let utf16: Vec<u8> = good.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let rows: Vec<(&str, &str, Vec<u8>, u16, &str)> = vec![
        ("empty", JSON, vec![], 400, "malformed_body"),
        ("not JSON", JSON, b"username=alice".to_vec(), 400, "malformed_body"),
        ("cut off", JSON, good.as_bytes()[..good.len() - 1].to_vec(), 400, "malformed_body"),
        ("text after the object", JSON, format!("{good}x").into(), 400, "malformed_body"),
        ("a trailing comma", JSON, br#"{"username":"alice",}"#.to_vec(), 400, "malformed_body"),
        ("a list", JSON, b"[]".to_vec(), 400, "malformed_body"),
        ("null", JSON, b"null".to_vec(), 400, "malformed_body"),
        ("a name twice", JSON, br#"{"username":"a","username":"b"}"#.to_vec(), 400, "malformed_body"),
        (
            "a name twice, spelled differently",
            JSON,
            br#"{"username":"a","user\u006eame":"b"}"#.to_vec(),
            400,
            "malformed_body",
        ),
        ("deep", JSON, deep.into(), 400, "malformed_body"),
        ("bad UTF-8", JSON, b"{\"username\":\"\xff\"}".to_vec(), 400, "malformed_body"),
        ("half a surrogate pair", JSON, br#"{"username":"\ud800"}"#.to_vec(), 400, "malformed_body"),
        ("UTF-16", JSON, utf16, 400, "malformed_body"),
        ("a byte order mark", JSON, format!("\u{feff}{good}").into(), 400, "malformed_body"),
        ("large", JSON, large.into(), 413, "body_too_large"),
        ("a form", "application/x-www-form-urlencoded", good.clone().into(), 415, "unsupported_media_type"),
        ("text", "text/plain", good.clone().into(), 415, "unsupported_media_type"),
        (
            "another charset",
            "application/json; charset=utf-16",
            good.clone().into(),
            415,
            "unsupported_media_type",
        ),
        ("no fields", JSON, b"{}".to_vec(), 422, "invalid_fields"),
        ("numbers", JSON, br#"{"username":1,"password":2}"#.to_vec(), 422, "invalid_fields"),
        (
            "an object",
            JSON,
            br#"{"username":{"$ne":1},"password":{"$ne":1}}"#.to_vec(),
            422,
            "invalid_fields",
        ),
        (
            "a list instead of a string",
            JSON,
            br#"{"username":["alice"],"password":["x"]}"#.to_vec(),
            422,
            "invalid_fields",
        ),
        (
            "null instead of a string",
            JSON,
            br#"{"username":null,"password":null}"#.to_vec(),
            422,
            "invalid_fields",
        ),
    ];
    for path in ["/register", "/login"] {
        for (name, media_type, body, status, code) in &rows {
            let answer = send(post(&service, path, media_type, body.clone())).await;
            println!("{path}: {name}");
            answer.assert_problem(*status, code);
        }
    }
    assert_eq!(send(post(&service, "/register", "application/json; charset=UTF-8", good)).await.status, 201);
}

#[actix_web::test]
async fn a_compressed_body_is_not_decompressed() {
    let service = Service::start().await;
    let request = post(&service, "/login", JSON, vec![0x1f, 0x8b]).header("content-encoding", "gzip");
    send(request).await.assert_problem(415, "unsupported_media_type");
}

#[actix_web::test]
async fn a_registration_cannot_set_rights() {
    let service = Service::start().await;
    for field in
        ["role", "roles", "scope", "scopes", "id", "is_admin", "disabled", "email_verified", "auth_version"]
    {
        let mut body = json!({ "username": "mallory", "password": PASSWORD });
        body[field] = json!(["admin"]);
        let answer = service.post("/register", &body).await;
        answer.assert_problem(422, "invalid_fields");
        assert_eq!(answer.json()["errors"][0]["field"], field);
        assert_eq!(answer.json()["errors"][0]["code"], "unknown_field");
    }
    service.try_login("mallory", PASSWORD).await.assert_problem(401, "invalid_credentials");
}

#[actix_web::test]
async fn the_token_endpoint_answers_bad_bodies_with_oauth_errors() {
    let service = Service::start().await;
    let rows: Vec<(&str, Vec<u8>, u16)> = vec![
        (JSON, b"{".to_vec(), 400),
        (JSON, br#"{"grant_type":"a","grant_type":"b"}"#.to_vec(), 400),
        (JSON, "[".repeat(10_000).into(), 400),
        (JSON, vec![b'x'; 20_000], 413),
        ("text/plain", b"grant_type=refresh_token".to_vec(), 415),
        ("application/x-www-form-urlencoded", b"grant_type=%ff%zz".to_vec(), 400),
    ];
    for (media_type, body, status) in rows {
        let answer = send(post(&service, "/token", media_type, body)).await;
        let error = if answer.text.contains("unsupported_grant_type") {
            "unsupported_grant_type"
        } else {
            "invalid_request"
        };
        answer.assert_oauth_error(status, error);
    }
}

#[actix_web::test]
async fn unknown_paths_are_404_and_wrong_methods_are_405() {
    let service = Service::start().await;
    for (path, allow) in [
        ("/register", "POST"),
        ("/login", "POST"),
        ("/token", "POST"),
        ("/logout", "POST"),
        ("/revoke", "POST"),
        ("/introspect", "POST"),
        ("/me", "GET, HEAD, PATCH, DELETE"),
        ("/me/password", "PUT"),
        ("/me/sessions", "GET, HEAD, DELETE"),
        ("/me/sessions/1", "DELETE"),
        ("/status-lists", "GET, HEAD"),
        ("/status-lists/0", "GET, HEAD"),
        ("/status-lists/events", "GET, HEAD"),
    ] {
        let taken = |method: &Method| allow.split(", ").any(|allowed| allowed == method.as_str());
        let unknown = Method::from_bytes(b"BREW").unwrap();
        let methods = [Method::GET, Method::DELETE, Method::PUT, Method::PATCH, Method::TRACE, unknown];
        for method in methods.into_iter().filter(|method| !taken(method)) {
            let answer = send(service.request(method, path)).await;
            answer.assert_problem(405, "method_not_allowed");
            assert_eq!(answer.header("allow"), allow, "{path}");
        }
    }
    for path in ["/users", "//login", "/login/", "/LOGIN", "/login;x", "/%6cogin%00", "/../etc/passwd"] {
        let answer = service.get(path).await;
        assert!(answer.status == 404 || answer.status == 405, "{path}: {}", answer.status);
        answer.assert_envelope();
    }
}
