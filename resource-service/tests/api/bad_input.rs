//! Invalid requests, by mistake or on purpose: each row has its answer, and none is a `5xx`.

use reqwest::Method;
use serde_json::json;

use crate::support::{World, send};

#[actix_web::test]
async fn every_bad_body_is_answered_as_the_contract_says() {
    let world = World::start().await;
    let alice = world.register_and_login("alice").await;
    let records = format!("/records/{}", alice.id);
    let too_long = json!({ "text": "x".repeat(2001) }).to_string();
    let oversize = json!({ "text": "x".repeat(40_000) }).to_string();
    let rows: [(&str, &str, &[u8], u16, &str); 24] = [
        ("nothing", "application/json", b"", 400, "malformed_body"),
        ("half an object", "application/json", b"{\"text\":", 400, "malformed_body"),
        ("no object", "application/json", b"[\"text\"]", 400, "malformed_body"),
        ("two objects", "application/json", b"{\"text\":\"a\"}{}", 400, "malformed_body"),
        ("a repeated name", "application/json", b"{\"text\":\"a\",\"text\":\"b\"}", 400, "malformed_body"),
        ("bad UTF-8", "application/json", b"{\"text\":\"\xff\"}", 400, "malformed_body"),
        ("half a surrogate pair", "application/json", b"{\"text\":\"\\ud800\"}", 400, "malformed_body"),
        ("a missing field", "application/json", b"{}", 422, "invalid_fields"),
        (
            "an unknown field",
            "application/json",
            b"{\"text\":\"a\",\"author\":\"bob\"}",
            422,
            "invalid_fields",
        ),
        ("null", "application/json", b"{\"text\":null}", 422, "invalid_fields"),
        ("a number", "application/json", b"{\"text\":1}", 422, "invalid_fields"),
        ("a list", "application/json", b"{\"text\":[\"a\"]}", 422, "invalid_fields"),
        ("an empty text", "application/json", b"{\"text\":\"\"}", 422, "invalid_fields"),
        ("nothing but space", "application/json", b"{\"text\":\" \\n\\t \"}", 422, "invalid_fields"),
        ("NUL", "application/json", b"{\"text\":\"a\\u0000b\"}", 422, "invalid_fields"),
        ("an escape character", "application/json", b"{\"text\":\"a\\u001b[0mb\"}", 422, "invalid_fields"),
        ("a C1 control", "application/json", b"{\"text\":\"a\\u0085b\"}", 422, "invalid_fields"),
        ("too long a text", "application/json", too_long.as_bytes(), 422, "invalid_fields"),
        ("too large a body", "application/json", oversize.as_bytes(), 413, "body_too_large"),
        ("a form", "application/x-www-form-urlencoded", b"text=a", 415, "unsupported_media_type"),
        ("plain text", "text/plain", b"{\"text\":\"a\"}", 415, "unsupported_media_type"),
        (
            "another encoding",
            "application/json; charset=latin1",
            b"{\"text\":\"a\"}",
            415,
            "unsupported_media_type",
        ),
        ("no media type", "", b"{\"text\":\"a\"}", 415, "unsupported_media_type"),
        ("a media type that is none", "json", b"{\"text\":\"a\"}", 415, "unsupported_media_type"),
    ];
    for (name, media_type, body, status, code) in rows {
        for path in ["/comments", &records] {
            let mut request = world.request(Method::POST, path, alice.token()).body(body.to_vec());
            if !media_type.is_empty() {
                request = request.header("content-type", media_type);
            }
            let answer = send(request).await;
            assert_eq!(answer.status, status, "{name}: {}", answer.text);
            answer.assert_problem(status, code);
        }
    }
    assert!(world.get("/comments", None).await.texts().is_empty());
}

#[actix_web::test]
async fn what_was_wrong_is_named_by_its_field() {
    let world = World::start().await;
    let alice = world.register_and_login("alice").await;
    let rows = [
        (json!({ "text": "" }), "text", "required"),
        (json!({ "text": 1 }), "text", "wrong_type"),
        (json!({ "text": "x".repeat(2001) }), "text", "too_long"),
        (json!({ "text": "a\u{0}b" }), "text", "control_character"),
        (json!({ "text": "a", "roles": ["admin"] }), "roles", "unknown_field"),
    ];
    for (body, field, code) in rows {
        let errors = world.post("/comments", alice.token(), &body).await.json()["errors"].clone();
        assert_eq!(errors.as_array().unwrap().len(), 1, "{errors}");
        assert_eq!((&errors[0]["field"], &errors[0]["code"]), (&json!(field), &json!(code)));
    }
}

#[actix_web::test]
async fn the_longest_text_fits_however_it_is_written() {
    let world = World::start().await;
    let alice = world.register_and_login("alice").await;
    let written = [
        format!("{{\"text\":\"{}\"}}", "😀".repeat(2000)),
        format!("{{\"text\":\"{}\"}}", "\\ud83d\\ude00".repeat(2000)),
    ];
    for body in written {
        let request = world.request(Method::POST, "/comments", alice.token());
        let answer = send(request.header("content-type", "application/json").body(body)).await;
        assert_eq!(answer.status, 201, "{}", answer.text);
        assert_eq!(answer.json()["text"].as_str().unwrap().chars().count(), 2000);
    }
}

#[actix_web::test]
async fn a_query_that_makes_no_sense_is_refused() {
    let world = World::start().await;
    let alice = world.register_and_login("alice").await;
    let rows = [
        ("limit=0", 422),
        ("limit=101", 422),
        ("limit=-1", 422),
        ("limit=", 422),
        ("limit=many", 422),
        ("limit=99999999999999999999999", 422),
        ("cursor=", 422),
        ("cursor=x", 422),
        ("cursor=%00", 422),
        ("cursor='%20OR%201=1--", 422),
        ("limit=1&limit=2", 400),
        ("limit=1", 200),
        ("limit=100", 200),
        ("cursor=00000000-0000-0000-0000-000000000000", 200),
        ("colour=blue", 200),
        ("&&&=", 200),
        ("", 200),
    ];
    let records = format!("/records/{}", alice.id);
    for (query, status) in rows {
        for path in ["/comments", &records] {
            let answer = world.get(&format!("{path}?{query}"), alice.token()).await;
            assert_eq!(answer.status, status, "{query}: {}", answer.text);
            match status {
                400 => answer.assert_problem(400, "malformed_query"),
                422 => answer.assert_problem(422, "invalid_fields"),
                _ => answer.assert_envelope(),
            }
        }
    }
}
