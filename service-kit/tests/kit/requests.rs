//! The answers of the route table, request ids, and the headers of every answer.

use std::collections::HashSet;
use std::net::SocketAddr;

use actix_web::web::{Path, ServiceConfig, to};
use actix_web::{HttpRequest, HttpResponse, ResponseError as _, rt};
use service_kit::routes::{nowhere, path};
use service_kit::{
    App, Capacity, Descriptors, Endpoint, HttpSettings, Peer, Problem, REQUEST_ID, SocketSettings,
};

use crate::client::{Answer, Service};
use crate::server::bounds;

/// Returns the id of the request.
async fn id() -> String {
    REQUEST_ID.with(ToString::to_string)
}

async fn peer(req: HttpRequest) -> String {
    Peer::of(&req).map_or_else(String::new, |peer| peer.address().to_string())
}

async fn fails() -> Result<HttpResponse, Problem> {
    Err(Problem::unavailable("store_unavailable", "The database is away.", 1))
}

fn routes(config: &mut ServiceConfig) {
    config
        .service(path("/all").get(id).post(id).put(id).patch(id).delete(id))
        .service(path("/id").get(id))
        .service(path("/peer").get(peer))
        .service(path("/notes/{note}").get(async |note: Path<String>| note.into_inner()).delete(async || ""))
        .service(path("/fails").get(fails))
        .default_service(to(nowhere));
}

#[actix_web::test]
async fn each_method_of_a_path_reaches_its_handler() {
    let service = Service::start(routes);
    for method in ["GET", "POST", "PUT", "PATCH", "DELETE"] {
        let answer = service.ask(&format!("{method} /all"), &[]).await;
        assert_eq!((answer.status, answer.body.len()), (200, 36), "{method}");
    }
    assert_eq!(service.get("/notes/a%20b").await.body, "a b");
}

#[actix_web::test]
async fn head_is_answered_like_get_without_a_body() {
    let service = Service::start(routes);
    let (get, head) = (service.get("/notes/abc").await, service.ask("HEAD /notes/abc", &[]).await);
    assert_eq!((head.status, head.body.as_str()), (200, ""));
    for name in ["content-length", "content-type"] {
        assert_eq!(head.header(name), get.header(name), "{name}");
    }
}

#[actix_web::test]
async fn another_method_is_a_405_that_names_those_that_there_are() {
    let service = Service::start(routes);
    for (first_line, allow) in [
        ("POST /id", "GET, HEAD"),
        ("PUT /notes/1", "GET, HEAD, DELETE"),
        ("OPTIONS /all", "GET, HEAD, POST, PUT, PATCH, DELETE"),
        ("BREW /id", "GET, HEAD"),
    ] {
        let answer = service.ask(first_line, &[]).await;
        let problem = answer.problem(405, "method_not_allowed");
        assert_eq!(answer.header("allow"), Some(allow), "{first_line}");
        assert_eq!(problem["detail"], format!("This path takes {allow}."));
    }
}

#[actix_web::test]
async fn a_path_that_does_not_exist_is_a_404_for_every_method() {
    let service = Service::start(routes);
    for first_line in ["GET /nowhere", "POST /", "DELETE /id/more", "GET /notes/", "GET //id"] {
        service.ask(first_line, &[]).await.problem(404, "not_found");
    }
}

#[actix_web::test]
async fn every_answer_has_an_id_of_its_own_which_the_handler_knows() {
    let service = Service::start(routes);
    let mut ids = HashSet::new();
    for first_line in ["GET /id", "GET /id", "GET /nowhere", "POST /id", "GET /fails", "GET /id?a&a"] {
        let answer = service.ask(first_line, &[]).await;
        let id = answer.header("x-request-id").unwrap().to_owned();
        assert!(id.len() == 36 && id.as_bytes()[14] == b'7', "{id} is a UUID of version 7");
        assert!(answer.status != 200 || answer.body == id, "{answer:?}");
        assert!(ids.insert(id), "{ids:?}");
    }
}

const SENT: &str = "X-Request-Id: from-a.proxy:1_2";

/// Starts a service that trusts the proxies of this network.
fn trusting(network: &str) -> Service {
    let http = HttpSettings { trusted_proxies: vec![network.parse().unwrap()], ..bounds() };
    Service::with(&http, routes)
}

#[actix_web::test]
async fn the_id_that_a_trusted_proxy_sends_is_kept_and_that_of_another_client_is_not() {
    let kept = trusting("127.0.0.0/8").ask("GET /id", &[SENT]).await;
    assert_eq!(
        (kept.header("x-request-id"), kept.body.as_str()),
        (Some("from-a.proxy:1_2"), "from-a.proxy:1_2")
    );
    let other = trusting("192.0.2.0/24").ask("GET /id", &[SENT]).await;
    assert_ne!(other.header("x-request-id"), Some("from-a.proxy:1_2"));
    let forwarded = [SENT, "X-Forwarded-For: 192.0.2.1"];
    let other = trusting("192.0.2.0/24").ask("GET /id", &forwarded).await;
    assert_ne!(other.body, "from-a.proxy:1_2", "a header makes no proxy of a client");
}

#[actix_web::test]
async fn an_id_that_does_not_fit_into_a_log_line_is_replaced() {
    let service = trusting("127.0.0.0/8");
    let longest = "x".repeat(128);
    let answer = service.ask("GET /id", &[&format!("X-Request-Id: {longest}")]).await;
    assert_eq!(answer.body, longest);
    for id in ["", "a b", "a\u{e9}", "a\"b", "<a>", &"x".repeat(129)] {
        let answer = service.ask("GET /id", &[&format!("X-Request-Id: {id}")]).await;
        assert!(answer.body.len() == 36 && answer.body != id, "{id:?}: {answer:?}");
    }
}

#[actix_web::test]
async fn the_other_end_of_a_connection_is_known_to_a_handler() {
    assert_eq!(Service::start(routes).get("/peer").await.body, "127.0.0.1");
}

#[test]
fn a_peer_is_a_proxy_by_its_address_and_on_a_unix_socket_by_what_it_sends() {
    use actix_web::http::header::{FORWARDED, HeaderMap, HeaderValue, X_FORWARDED_FOR};
    let proxies = ["10.0.0.0/8".parse().unwrap()];
    let peer = |address: &str| Peer::from(SocketAddr::new(address.parse().unwrap(), 1));
    let none = HeaderMap::new();
    for (address, trusted) in
        [("10.1.2.3", true), ("::ffff:10.1.2.3", true), ("192.0.2.1", false), ("::1", false)]
    {
        assert_eq!(peer(address).is_trusted(&proxies, &none), trusted, "{address}");
    }
    for name in [X_FORWARDED_FOR, FORWARDED] {
        let mut headers = HeaderMap::new();
        headers.insert(name, HeaderValue::from_static("192.0.2.1"));
        assert!(Peer::UnixSocket.is_trusted(&[], &headers));
        assert!(!peer("192.0.2.1").is_trusted(&proxies, &headers), "a header makes no proxy of an address");
    }
    assert!(!Peer::UnixSocket.is_trusted(&proxies, &none));
    assert_eq!(Peer::UnixSocket.address().to_string(), "127.0.0.1");
    assert_eq!(peer("::ffff:192.0.2.1").address().to_string(), "192.0.2.1", "in its canonical form");
}

/// Sends a request to a service that is reached by HTTPS, and has its own form of refusals.
async fn behind_https(first_line: &str, fields: &[&str]) -> Answer {
    let http = bounds();
    let app = App::listen(
        Endpoint {
            name: "test",
            address: SocketAddr::from(([127, 0, 0, 1], 0)).into(),
            socket: SocketSettings::default(),
            http: &http,
            capacity: Capacity::claim(&http, Descriptors { reserve: 0, per_connection: 1 }).unwrap(),
            tls: None,
            hsts: Some("max-age=60".parse().unwrap()),
            refusal: |path, problem| match path {
                "/id" => HttpResponse::build(problem.status).body(format!("refused: {}", problem.code)),
                _ => problem.error_response(),
            },
        },
        routes,
    )
    .unwrap();
    let service = Service { address: app.address };
    rt::spawn(app.run);
    service.ask(first_line, fields).await
}

#[actix_web::test]
async fn clients_of_https_get_hsts_with_every_answer() {
    for first_line in ["GET /id", "GET /nowhere", "GET /fails", "GET /id?a&a"] {
        let answer = behind_https(first_line, &[]).await;
        assert_eq!(answer.header("strict-transport-security"), Some("max-age=60"), "{first_line}");
    }
    assert_eq!(Service::start(routes).get("/id").await.header("strict-transport-security"), None);
}

#[actix_web::test]
async fn a_service_has_its_own_form_for_requests_that_are_refused_before_a_handler() {
    let answer = behind_https("GET /id?a&a", &[]).await;
    assert_eq!((answer.status, answer.body.as_str()), (400, "refused: malformed_query"));
    let other = behind_https("GET /nowhere?a&a", &[]).await;
    other.problem(400, "malformed_query");
    let twice = behind_https("GET /id", &["Authorization: Bearer a", "Authorization: Bearer b"]).await;
    assert_eq!(twice.body, "refused: invalid_request");
}
