//! Request bodies: their media type, their size, and JSON that is read strictly.

use actix_web::web::{Bytes, Payload, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use secrecy::ExposeSecret as _;
use serde_json::json;
use service_kit::body::{BodyLimits, read_body, require_media_type};
use service_kit::routes::path;
use service_kit::{FieldError, Fields, FromFields, Nullable, Problem, Strict};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::client::{PATIENCE, Service};

/// A body with a member of every kind.
struct Sample {
    name: String,
    note: Option<String>,
    secret: String,
    optional_secret: Option<String>,
    tags: Vec<String>,
    flag: bool,
    anything: Option<serde_json::Value>,
}

impl FromFields for Sample {
    fn from_fields(fields: &mut Fields) -> Self {
        let sample = Self {
            name: fields.string("name"),
            note: fields.optional_string("note"),
            secret: fields.secret("secret").expose_secret().to_owned(),
            optional_secret: fields.optional_secret("optional_secret").map(|s| s.expose_secret().to_owned()),
            tags: fields.strings("tags"),
            flag: fields.flag("flag"),
            anything: fields.any("anything"),
        };
        if fields.mistakes().is_empty() && sample.name == sample.secret {
            fields.refuse(FieldError::new("secret", "same_as_name", "The secret must not be the name."));
        }
        sample
    }
}

async fn echo(Strict(sample): Strict<Sample>) -> HttpResponse {
    HttpResponse::Ok().json(json!({
        "name": sample.name, "note": sample.note, "secret": sample.secret,
        "optional_secret": sample.optional_secret, "tags": sample.tags, "flag": sample.flag,
        "anything": sample.anything,
    }))
}

/// Takes lines up to 4096 bytes, more than the settings of the test service allow.
async fn upload(req: HttpRequest, payload: Payload) -> Result<String, Problem> {
    require_media_type(&req, "text/lines")?;
    let limits = BodyLimits { max_bytes: 4096, ..BodyLimits::of(&req) };
    let body = read_body(&req, &mut payload.into_inner(), limits).await?;
    Ok(body.len().to_string())
}

async fn raw(body: Bytes) -> String {
    body.len().to_string()
}

fn start() -> Service {
    Service::start(|config: &mut ServiceConfig| {
        config
            .service(path("/echo").post(echo))
            .service(path("/upload").post(upload))
            .service(path("/raw").post(raw));
    })
}

#[actix_web::test]
async fn members_of_every_kind_are_read() {
    let service = start();
    let whole = json!({
        "name": "a", "note": "b", "secret": "c", "optional_secret": "d", "tags": ["e", "f"], "flag": true,
        "anything": { "g": [1, null] },
    });
    let answer = service.post_json("/echo", &whole.to_string()).await;
    assert_eq!((answer.status, answer.json()), (200, whole));
}

#[actix_web::test]
async fn members_that_may_be_missing_may_also_be_null() {
    let service = start();
    let expected = json!({
        "name": "a", "note": null, "secret": "c", "optional_secret": null, "tags": [], "flag": false,
        "anything": null,
    });
    let missing = json!({ "name": "a", "secret": "c" });
    for sent in [&missing, &expected] {
        let mut sent = sent.clone();
        if sent.get("tags").is_some() {
            sent["tags"] = json!(null);
            sent["flag"] = json!(null);
        }
        let answer = service.post_json("/echo", &sent.to_string()).await;
        assert_eq!((answer.status, answer.json()), (200, expected.clone()), "{sent}");
    }
}

#[actix_web::test]
async fn one_string_is_a_list_of_one() {
    let answer = start().post_json("/echo", r#"{"name": "a", "secret": "c", "tags": "e"}"#).await;
    assert_eq!(answer.json()["tags"], json!(["e"]));
}

#[actix_web::test]
async fn every_mistake_is_named_with_its_field_and_its_code() {
    let service = start();
    let rows: [(&str, &[(&str, &str)]); 10] = [
        ("{}", &[("name", "required"), ("secret", "required")]),
        (r#"{"name": null, "secret": "c"}"#, &[("name", "wrong_type")]),
        (r#"{"name": 1, "secret": ["c"]}"#, &[("name", "wrong_type"), ("secret", "wrong_type")]),
        (r#"{"name": "a", "secret": "c", "note": {}}"#, &[("note", "wrong_type")]),
        (r#"{"name": "a", "secret": "c", "tags": ["e", 1]}"#, &[("tags", "wrong_type")]),
        (r#"{"name": "a", "secret": "c", "tags": 1}"#, &[("tags", "wrong_type")]),
        (r#"{"name": "a", "secret": "c", "flag": "true"}"#, &[("flag", "wrong_type")]),
        (r#"{"name": "a", "secret": "c", "flag": 1}"#, &[("flag", "wrong_type")]),
        (r#"{"name": "a", "secret": "a"}"#, &[("secret", "same_as_name")]),
        (
            r#"{"secret": "c", "nmae": "a", "Name": "a"}"#,
            &[("name", "required"), ("nmae", "unknown_field"), ("Name", "unknown_field")],
        ),
    ];
    for (body, expected) in rows {
        let mut mistakes = service.post_json("/echo", body).await.mistakes();
        let mut expected: Vec<_> =
            expected.iter().map(|(field, code)| ((*field).to_owned(), (*code).to_owned())).collect();
        mistakes.sort();
        expected.sort();
        assert_eq!(mistakes, expected, "{body}");
    }
}

#[actix_web::test]
async fn the_name_of_an_unknown_member_is_shown_cut() {
    let body = format!(r#"{{"name": "a", "secret": "c", "{}": 1}}"#, "x".repeat(500));
    let mistakes = start().post_json("/echo", &body).await.mistakes();
    assert_eq!(mistakes, [("x".repeat(64), "unknown_field".to_owned())]);
}

#[actix_web::test]
async fn a_body_that_is_no_json_object_without_repeated_names_is_malformed() {
    let service = start();
    for body in [
        "[]",
        "null",
        "\"a\"",
        "{",
        r#"{"name": "a"} {"#,
        r#"{"name": "a", "name": "b", "secret": "c"}"#,
        r#"{"name": "a", "secret": "c", "x": 1, "x": 1}"#,
        "{'name': 'a'}",
        r#"{"name": "a", "secret": "\ud800"}"#,
    ] {
        service.post_json("/echo", body).await.problem(400, "malformed_body");
    }
    let empty = service.ask("POST /echo", &["Content-Type: application/json", "Content-Length: 0"]).await;
    empty.problem(400, "malformed_body");
}

#[actix_web::test]
async fn a_body_must_be_of_the_media_type_in_utf_8_and_not_compressed() {
    let service = start();
    let body = r#"{"name": "a", "secret": "c"}"#;
    for accepted in [
        "application/json",
        "Application/JSON",
        "application/json; charset=utf-8",
        "application/json;charset=UTF-8",
    ] {
        let answer = service.send("POST /echo", &[&format!("Content-Type: {accepted}")], body).await;
        assert_eq!(answer.status, 200, "{accepted}: {answer:?}");
    }
    for refused in
        ["text/plain", "application/json; charset=latin1", "application/jsonp", "json", "text/json"]
    {
        let answer = service.send("POST /echo", &[&format!("Content-Type: {refused}")], body).await;
        let detail = answer.problem(415, "unsupported_media_type")["detail"].clone();
        assert_eq!(detail, "The body must be application/json, in UTF-8.", "{refused}");
    }
    service.send("POST /echo", &[], body).await.problem(415, "unsupported_media_type");
    for coding in ["gzip", "identity"] {
        let fields = ["Content-Type: application/json", &format!("Content-Encoding: {coding}")];
        let answer = service.send("POST /echo", &fields, body).await;
        answer.problem(415, "unsupported_media_type");
    }
}

#[actix_web::test]
async fn a_body_may_be_as_large_as_the_bound_and_no_larger_with_a_length_and_in_chunks() {
    let service = start();
    for (size, status) in [(0, 200), (1, 200), (4096, 200), (4097, 413), (100_000, 413)] {
        let body = "x".repeat(size);
        let fields = ["Content-Type: text/lines"];
        let with_length = service.send("POST /upload", &fields, &body).await;
        let chunk = if size == 0 { String::new() } else { format!("{size:x}\r\n{body}\r\n") };
        let fields = ["Content-Type: text/lines", "Transfer-Encoding: chunked"];
        let mut connection = TcpStream::connect(service.address).await.unwrap();
        let head = crate::client::request("POST /upload", &fields, "");
        // The answer may come before all of it is sent.
        let _ = connection.write_all(format!("{head}{chunk}0\r\n\r\n").as_bytes()).await;
        let mut in_chunks = vec![0; 12];
        timeout(PATIENCE, connection.read_exact(&mut in_chunks)).await.unwrap().unwrap();
        assert_eq!(String::from_utf8_lossy(&in_chunks), format!("HTTP/1.1 {status}"), "{size}");
        if status == 200 {
            assert_eq!((with_length.status, with_length.body), (200, size.to_string()));
        } else {
            with_length.problem(413, "body_too_large");
        }
    }
}

#[actix_web::test]
async fn a_length_beyond_the_bound_is_refused_before_the_body_comes() {
    let service = start();
    let fields = ["Content-Type: application/json", "Content-Length: 1025"];
    service.ask("POST /echo", &fields).await.problem(413, "body_too_large");
}

#[actix_web::test]
async fn the_bound_of_the_settings_holds_for_every_route_that_has_no_other() {
    let service = start();
    let large = format!(r#"{{"name": "{}", "secret": "c"}}"#, "x".repeat(1024));
    service.post_json("/echo", &large).await.problem(413, "body_too_large");
    assert_eq!(service.send("POST /raw", &[], &"x".repeat(1024)).await.body, "1024");
    assert_eq!(service.send("POST /raw", &[], &"x".repeat(1025)).await.status, 413, "actix's own extractor");
}

#[actix_web::test]
async fn a_body_that_breaks_off_is_no_request() {
    let service = start();
    let head =
        "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{";
    let mut connection = TcpStream::connect(service.address).await.unwrap();
    connection.write_all(head.as_bytes()).await.unwrap();
    connection.shutdown().await.unwrap();
    let mut said = String::new();
    let _ = timeout(PATIENCE, connection.read_to_string(&mut said)).await.expect("the connection ends");
    assert!(said.is_empty() || said.starts_with("HTTP/1.1 400 "), "{said}");
    assert_eq!(service.post_json("/echo", "{}").await.status, 422, "others are served");
}

#[test]
fn a_member_that_is_missing_and_one_that_is_null_are_different_for_a_change() {
    let take = |body: &str| {
        let mut fields = Fields::parse(body.as_bytes()).unwrap();
        let value = fields.nullable_string("email");
        (value, fields.finish().err().map(|problem| problem.errors[0].code))
    };
    assert_eq!(take("{}"), (Nullable::Missing, None));
    assert_eq!(take(r#"{"email": null}"#), (Nullable::Null, None));
    assert_eq!(take(r#"{"email": "a"}"#), (Nullable::Value("a".to_owned()), None));
    assert_eq!(take(r#"{"email": 1}"#), (Nullable::Missing, Some("wrong_type")));
}
