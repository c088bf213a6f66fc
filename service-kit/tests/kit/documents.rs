//! Problem documents, the document of `/readyz`, lists in pages, and errors with their causes.

use std::io;

use actix_web::ResponseError as _;
use actix_web::body::to_bytes;
use actix_web::http::StatusCode;
use actix_web::http::header::{CACHE_CONTROL, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use actix_web::{HttpResponse, web};
use serde_json::{Value, json};
use service_kit::paging::{List, PageSize, cut, rows_to_read};
use service_kit::readiness::{Reason, not_ready};
use service_kit::{FieldError, Problem, causes};

async fn document(response: HttpResponse) -> Value {
    let bytes: web::Bytes = to_bytes(response.into_body()).await.unwrap();
    serde_json::from_slice(&bytes).unwrap()
}

fn header(response: &HttpResponse, name: &str) -> Option<String> {
    response.headers().get(name).map(|value| value.to_str().unwrap().to_owned())
}

#[actix_web::test]
async fn a_problem_is_a_document_as_rfc_9457_has_it() {
    let response = Problem::new(StatusCode::CONFLICT, "taken", "The name is taken.").error_response();
    assert_eq!(response.status(), StatusCode::CONFLICT);
    assert_eq!(header(&response, "content-type").unwrap(), "application/problem+json");
    let expected = json!({
        "type": "about:blank", "title": "Conflict", "status": 409, "detail": "The name is taken.",
        "code": "taken",
    });
    assert_eq!(document(response).await, expected, "without field errors there is no member for them");
}

#[actix_web::test]
async fn each_kind_of_problem_has_its_status_and_its_code() {
    let rows = [
        (Problem::malformed("x"), 400, "malformed_body"),
        (Problem::malformed_query("x"), 400, "malformed_query"),
        (Problem::invalid(Vec::new()), 422, "invalid_fields"),
        (Problem::not_found("x"), 404, "not_found"),
        (Problem::internal(), 500, "internal_error"),
        (Problem::unavailable("store_unavailable", "x", 7), 503, "store_unavailable"),
    ];
    for (problem, status, code) in rows {
        assert_eq!((problem.status_code().as_u16(), problem.code), (status, code));
        let document = document(problem.error_response()).await;
        assert_eq!((&document["status"], &document["code"]), (&json!(status), &json!(code)));
        assert!(!document["title"].as_str().unwrap().is_empty());
    }
}

#[actix_web::test]
async fn field_errors_are_in_the_document_in_their_order() {
    let errors = vec![
        FieldError::new("name", "required", "This field is required."),
        FieldError::new("age", "wrong_type", String::from("This field must be a number.")),
    ];
    let document = document(Problem::invalid(errors).error_response()).await;
    let expected = json!([
        { "field": "name", "code": "required", "message": "This field is required." },
        { "field": "age", "code": "wrong_type", "message": "This field must be a number." },
    ]);
    assert_eq!(document["errors"], expected);
}

#[test]
fn a_problem_carries_the_headers_that_its_status_asks_for() {
    let away = Problem::unavailable("store_unavailable", "The database is away.", 7);
    let challenge = HeaderValue::from_static("Bearer");
    let response = away.with_header(WWW_AUTHENTICATE, challenge).error_response();
    assert_eq!(header(&response, RETRY_AFTER.as_str()).unwrap(), "7");
    assert_eq!(header(&response, WWW_AUTHENTICATE.as_str()).unwrap(), "Bearer");
}

#[test]
fn a_problem_in_a_log_line_names_status_code_and_detail() {
    let problem = Problem::not_found("There is no such book.");
    assert_eq!(problem.to_string(), "404 Not Found not_found: There is no such book.");
}

#[actix_web::test]
async fn a_service_that_is_not_ready_names_every_reason_and_the_first_one_is_the_code() {
    let reason = |name, detail: &str| Reason { name, detail: detail.to_owned() };
    let reasons =
        [reason("keys_unavailable", "There are no keys."), reason("disk_full", "No bytes are left.")];
    let response = not_ready(&reasons, 3);
    assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(header(&response, RETRY_AFTER.as_str()).unwrap(), "3");
    assert_eq!(header(&response, CACHE_CONTROL.as_str()).unwrap(), "no-store");
    assert_eq!(header(&response, "content-type").unwrap(), "application/problem+json");
    let expected = json!({
        "type": "about:blank", "title": "Service Unavailable", "status": 503, "detail": "There are no keys.",
        "code": "keys_unavailable",
        "reasons": [
            { "name": "keys_unavailable", "detail": "There are no keys." },
            { "name": "disk_full", "detail": "No bytes are left." },
        ],
    });
    assert_eq!(document(response).await, expected);
}

#[test]
fn a_list_has_its_items_and_the_cursor_of_the_next_page_or_null() {
    let list = |next: Option<&str>| List { items: vec![1, 2], next: next.map(str::to_owned) };
    assert_eq!(serde_json::to_value(list(Some("c"))).unwrap(), json!({ "items": [1, 2], "next": "c" }));
    assert_eq!(serde_json::to_value(list(None)).unwrap(), json!({ "items": [1, 2], "next": null }));
}

#[test]
fn a_limit_is_the_default_or_what_was_asked_for_within_its_range() {
    let size = PageSize { default: 50, max: 200 };
    for (asked, expected) in [(None, 50), (Some(1), 1), (Some(200), 200)] {
        let mut errors = Vec::new();
        assert_eq!(size.check(asked, &mut errors), expected);
        assert_eq!(errors, []);
    }
    for asked in [0, 201, u32::MAX] {
        let mut errors = vec![FieldError::new("cursor", "not_allowed", "x")];
        size.check(Some(asked), &mut errors);
        let [_, error] = &errors[..] else { panic!("{errors:?}") };
        assert_eq!((error.field.as_str(), error.code), ("limit", "out_of_range"), "{asked}");
        assert!(error.message.contains("from 1 to 200"), "{error:?}");
    }
}

#[test]
fn one_row_more_than_a_page_has_tells_that_there_is_another_page() {
    assert_eq!(rows_to_read(3), 4);
    for (found, kept, last) in [(0, 0, None), (2, 2, None), (3, 3, None), (4, 3, Some(&3)), (9, 3, Some(&3))]
    {
        let mut rows: Vec<u32> = (1..=found).collect();
        assert_eq!(cut(&mut rows, 3), last, "{found} rows");
        assert_eq!(rows.len(), kept, "{found} rows");
    }
}

#[test]
fn pages_that_are_cut_one_after_the_other_have_every_row_once() {
    let all: Vec<u32> = (1..=10).collect();
    let (mut read, mut after, limit) = (Vec::new(), 0, 3);
    loop {
        let wanted = usize::try_from(rows_to_read(limit)).unwrap();
        let mut rows: Vec<u32> = all.iter().copied().filter(|row| *row > after).take(wanted).collect();
        let next = cut(&mut rows, limit).copied();
        read.extend(rows);
        let Some(next) = next else { break };
        after = next;
    }
    assert_eq!(read, all);
}

#[derive(Debug, thiserror::Error)]
#[error("cannot open {name}")]
struct Open {
    name: &'static str,
    source: io::Error,
}

#[test]
fn an_error_is_logged_with_all_its_causes_in_one_line() {
    let error =
        Open { name: "a.db", source: io::Error::other(Open { name: "a", source: io::Error::other("no") }) };
    let line = causes(&error).to_string();
    assert!(line.starts_with("cannot open a.db: cannot open a"), "{line}");
    assert!(line.ends_with(": no"), "{line}");
    assert_eq!(causes(&io::Error::other("alone")).to_string(), "alone");
}
