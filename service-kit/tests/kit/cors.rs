//! Which pages of other origins may read answers, and what a preflight is answered with.

use std::time::Duration;

use actix_web::HttpResponse;
use actix_web::web::{ServiceConfig, to};
use service_kit::cors::warn_of_other_sites;
use service_kit::routes::{nowhere, path};
use service_kit::{Cors, Problem};

use crate::client::{Answer, Service};
use crate::logged;

const APP: &str = "https://app.example.com";
const OTHER: &str = "http://localhost:3000";
const PREFLIGHT: &str = "Access-Control-Request-Method: POST";

async fn fails() -> Result<HttpResponse, Problem> {
    Err(Problem::internal())
}

/// A service whose list of origins is called by a name of the test's own in the log.
fn start(setting: &'static str) -> Service {
    let origins = [APP.to_owned(), OTHER.to_owned()];
    Service::start(move |config: &mut ServiceConfig| {
        config
            .app_data(Cors::new(&origins, Duration::from_secs(600)).from_setting(setting))
            .service(path("/notes").get(async || "notes").post(async || "noted").delete(async || "gone"))
            .service(path("/public").get(async || "public").for_any_page())
            .service(path("/fails").get(fails))
            .default_service(to(nowhere));
    })
}

async fn from(service: &Service, origin: &str, first_line: &str, more: &[&str]) -> Answer {
    let origin = format!("Origin: {origin}");
    let fields: Vec<_> = [origin.as_str()].into_iter().chain(more.iter().copied()).collect();
    service.ask(first_line, &fields).await
}

/// The headers of the CORS protocol in an answer, in alphabetical order.
fn spoken(answer: &Answer) -> Vec<String> {
    let lines = answer.head.lines().map(str::to_lowercase);
    let mut spoken: Vec<_> = lines.filter(|line| line.starts_with("access-control-")).collect();
    spoken.sort();
    spoken
}

#[actix_web::test]
async fn a_listed_page_reads_every_answer_also_an_error() {
    let service = start("a");
    for origin in [APP, OTHER] {
        for (first_line, status) in [
            ("GET /notes", 200),
            ("POST /notes", 200),
            ("PUT /notes", 405),
            ("GET /nowhere", 404),
            ("GET /fails", 500),
            ("GET /notes?a=1&a=2", 400),
        ] {
            let answer = from(&service, origin, first_line, &[]).await;
            assert_eq!(answer.status, status, "{first_line}");
            let exposed =
                "ratelimit, ratelimit-policy, retry-after, www-authenticate, x-csrf-token, x-request-id";
            let expected = [
                "access-control-allow-credentials: true".to_owned(),
                format!("access-control-allow-origin: {origin}"),
                format!("access-control-expose-headers: {exposed}"),
            ];
            assert_eq!(spoken(&answer), expected, "{first_line}");
            assert_eq!(answer.header("vary"), Some("Origin"), "{first_line}");
        }
    }
}

#[actix_web::test]
async fn no_other_page_reads_anything_and_caches_know_that_the_origin_matters() {
    let service = start("b");
    for origin in [
        "https://evil.example",
        "https://app.example.com.evil.example",
        "https://APP.example.com",
        "https://app.example.com:443",
        "https://app.example.com/",
        "http://app.example.com",
        "null",
        "*",
        "",
    ] {
        for first_line in ["GET /notes", "GET /nowhere", "GET /fails"] {
            let answer = from(&service, origin, first_line, &[]).await;
            assert_eq!(spoken(&answer), [""; 0], "{origin}");
            assert_eq!(answer.header("vary"), Some("Origin"), "{origin}");
        }
    }
    let answer = service.get("/notes").await;
    assert_eq!((answer.status, spoken(&answer).len(), answer.header("vary")), (200, 0, Some("Origin")));
}

#[actix_web::test]
async fn a_request_with_two_origins_is_refused_and_read_by_neither() {
    let second = format!("Origin: {OTHER}");
    let answer = from(&start("c"), APP, "GET /notes", &[&second]).await;
    answer.problem(400, "repeated_header");
    assert_eq!(spoken(&answer), [""; 0]);
}

#[actix_web::test]
async fn a_preflight_of_a_listed_page_is_promised_what_the_route_table_has() {
    let service = start("d");
    let rows = [("/notes", "GET, HEAD, POST, DELETE"), ("/fails", "GET, HEAD")];
    for (path, methods) in rows {
        let answer = from(&service, APP, &format!("OPTIONS {path}"), &[PREFLIGHT]).await;
        assert_eq!((answer.status, answer.body.as_str()), (204, ""), "{path}");
        let expected = [
            "access-control-allow-credentials: true".to_owned(),
            "access-control-allow-headers: authorization, content-type, x-csrf-token".to_owned(),
            format!("access-control-allow-methods: {}", methods.to_lowercase()),
            format!("access-control-allow-origin: {APP}"),
            "access-control-max-age: 600".to_owned(),
        ];
        assert_eq!(spoken(&answer), expected);
        assert_eq!((answer.header("content-type"), answer.header("allow")), (None, None));
        assert!(answer.header("x-request-id").is_some());
    }
}

#[actix_web::test]
async fn a_preflight_for_a_path_that_does_not_exist_is_a_404() {
    from(&start("e"), APP, "OPTIONS /nowhere", &[PREFLIGHT]).await.problem(404, "not_found");
}

#[actix_web::test]
async fn an_options_request_that_is_no_preflight_is_answered_by_the_route_table() {
    let answer = from(&start("f"), APP, "OPTIONS /notes", &[]).await;
    answer.problem(405, "method_not_allowed");
    assert_eq!(answer.header("allow"), Some("GET, HEAD, POST, DELETE"));
}

#[actix_web::test]
async fn a_preflight_of_another_page_is_promised_nothing_and_the_log_names_its_origin_once() {
    logged::start();
    let service = start("the.list.of.refused");
    for _ in 0..3 {
        let answer = from(&service, "https://evil.example", "OPTIONS /notes", &[PREFLIGHT]).await;
        assert_eq!((answer.status, answer.body.as_str()), (204, ""));
        assert_eq!(spoken(&answer), [""; 0]);
    }
    let lines = logged::lines("the.list.of.refused");
    let [line] = &lines[..] else { panic!("{lines:?}") };
    assert!(line.starts_with("WARN ") && line.contains("\"https://evil.example\""), "{line}");
}

#[actix_web::test]
async fn the_log_names_64_refused_origins_at_the_most_and_says_so() {
    logged::start();
    let service = start("the.list.of.many");
    for number in 0..70 {
        from(&service, &format!("https://{number}.example"), "OPTIONS /notes", &[PREFLIGHT]).await;
    }
    let lines = logged::lines("the.list.of.many");
    assert_eq!(lines.len(), 65, "{lines:?}");
    assert!(lines[63].contains("https://63.example") && lines[64].contains("64 origins"), "{lines:?}");
}

#[actix_web::test]
async fn a_long_origin_is_cut_in_the_log() {
    logged::start();
    let service = start("the.list.of.long.ones");
    from(&service, &format!("https://{}", "x".repeat(5000)), "OPTIONS /notes", &[PREFLIGHT]).await;
    let lines = logged::lines("the.list.of.long.ones");
    assert!(lines.len() == 1 && lines[0].len() < 400, "{lines:?}");
}

#[actix_web::test]
async fn what_is_marked_for_any_page_is_read_by_all_without_cookies() {
    let service = start("g");
    for origin in [APP, "https://evil.example", "null"] {
        let answer = from(&service, origin, "GET /public", &[]).await;
        assert_eq!(spoken(&answer), ["access-control-allow-origin: *"], "{origin}");
        let preflight = from(&service, origin, "OPTIONS /public", &[PREFLIGHT]).await;
        assert_eq!(preflight.status, 204);
        assert_eq!(preflight.header("access-control-allow-origin"), Some("*"));
        assert_eq!(preflight.header("access-control-allow-methods"), Some("GET, HEAD"));
        assert_eq!(preflight.header("access-control-allow-credentials"), None);
    }
}

#[actix_web::test]
async fn without_a_list_no_page_of_another_origin_reads_anything() {
    let service = Service::start(|config: &mut ServiceConfig| {
        config.service(path("/").get(async || "hello"));
    });
    for origin in [APP, "null", "*"] {
        let answer = from(&service, origin, "GET /", &[]).await;
        assert_eq!((answer.status, spoken(&answer).len(), answer.header("vary")), (200, 0, Some("Origin")));
    }
}

#[test]
fn pages_on_this_machine_under_another_name_are_warned_of() {
    logged::start();
    let listed = ["http://localhost:5173", "http://127.0.0.1:5173", "https://app.example.com"];
    let listed = listed.map(str::to_owned);
    warn_of_other_sites("the.local.list", &listed, "http://127.0.0.1:8080");
    let lines = logged::lines("the.local.list");
    let [line] = &lines[..] else { panic!("{lines:?}") };
    assert!(line.contains("http://localhost:5173 and http://127.0.0.1:8080 are different sites"), "{line}");
    warn_of_other_sites("the.public.list", &listed, "https://auth.example.com");
    assert_eq!(logged::lines("the.public.list"), [""; 0], "no site of this machine is on its way there");
}
