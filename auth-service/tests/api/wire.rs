//! The level below requests: heads that repeat a header or are too large, slow connections, and the headers that every answer
//! has.

use std::time::Duration;

use futures_util::future::join_all;
use reqwest::{Method, RequestBuilder};
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::{interval, timeout};

use crate::api::support::{Answer, FORM, PASSWORD, Service, send};

/// How long a test waits for an expected event.
const PATIENCE: Duration = Duration::from_secs(30);

/// Sends these bytes; returns everything until the connection is closed.
async fn answer_to(service: &Service, bytes: &str) -> String {
    let mut connection = TcpStream::connect(service.address).await.unwrap();
    let _ = connection.write_all(bytes.as_bytes()).await; // the service may close it before everything is sent
    let mut said = Vec::new();
    let _ = timeout(PATIENCE, connection.read_to_end(&mut said))
        .await
        .expect("the service closes the connection");
    String::from_utf8_lossy(&said).into_owned()
}

/// Adds a header twice, with these values.
fn twice(request: RequestBuilder, name: &str, values: [&str; 2]) -> RequestBuilder {
    request.header(name, values[0]).header(name, values[1])
}

#[actix_web::test]
async fn a_head_that_repeats_a_header_is_refused_on_every_route() {
    let service = Service::start().await;
    let routes = [
        (Method::GET, "/livez"),
        (Method::GET, "/me"),
        (Method::GET, "/.well-known/jwks.json"),
        (Method::GET, "/status-lists/0"),
        (Method::POST, "/login"),
        (Method::POST, "/register"),
        (Method::GET, "/nowhere"),
    ];
    for (method, path) in routes {
        let request = || service.request(method.clone(), path);
        for (name, values) in [
            ("content-type", ["application/json", "text/plain"]),
            ("cookie", ["a=b", "a=c"]),
            ("origin", ["https://a.example", "https://b.example"]),
            ("x-csrf-token", ["a", "b"]),
        ] {
            send(twice(request(), name, values)).await.assert_problem(400, "repeated_header");
        }
        let answer = send(twice(request(), "authorization", ["Bearer a", "Bearer b"])).await;
        answer.assert_problem(400, "invalid_request");
        assert!(
            answer
                .header("www-authenticate")
                .starts_with(r#"Bearer realm="auth-service", error="invalid_request""#)
        );
        send(service.request(method.clone(), &format!("{path}?a=1&a=2")))
            .await
            .assert_problem(400, "malformed_query");
        let long = format!("{path}?{}", "a".repeat(9000));
        send(service.request(method.clone(), &long)).await.assert_problem(414, "target_too_long");
        let large = request().header("x-large", "a".repeat(17_000));
        send(large).await.assert_problem(431, "headers_too_large");
    }
}

#[actix_web::test]
async fn the_oauth_endpoints_refuse_repeated_headers_with_oauth_errors() {
    let service = Service::start().await;
    for path in ["/token", "/revoke", "/introspect"] {
        let form = |path: &str| {
            let request = service.request(Method::POST, path);
            request.header("content-type", FORM).body("grant_type=refresh_token")
        };
        let refused = |answer: Answer, status: u16| {
            answer.assert_oauth_error(status, "invalid_request");
            assert_eq!(answer.header("www-authenticate"), "", "this is no challenge for a bearer token");
        };
        refused(send(twice(form(path), "authorization", ["Basic YTpi", "Basic YTpi"])).await, 400);
        refused(send(form(path).header("content-type", FORM)).await, 400);
        refused(send(form(&format!("{path}?a=1&a=2"))).await, 400);
        refused(send(form(path).header("x-large", "a".repeat(17_000))).await, 431);
    }
}

#[actix_web::test]
async fn forwarding_headers_may_come_in_several_lines() {
    let service = Service::start().await;
    let request = service.request(Method::GET, "/livez");
    assert_eq!(send(twice(request, "x-forwarded-for", ["192.0.2.1", "192.0.2.2"])).await.status, 200);
}

#[actix_web::test]
async fn a_login_that_is_smuggled_behind_another_request_is_never_served() {
    let service = Service::start().await;
    service.register("alice").await;
    let before = service.count("sessions");
    let body = json!({ "username": "alice", "password": PASSWORD }).to_string();
    let json = "Host: a\r\nContent-Type: application/json";
    let login = format!("POST /login HTTP/1.1\r\n{json}\r\nContent-Length: {}\r\n\r\n{body}", body.len());
    for framing in [
        "Content-Length: 5\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: cow",
        "Transfer-Encoding : chunked",
        "Content-Length: 0\r\nContent-Length: 5",
        "Content-Length: +5",
        "Content-Length: -5",
        "X: a\rTransfer-Encoding: chunked",
        "X: \0",
    ] {
        let said = answer_to(
            &service,
            &format!("POST /login HTTP/1.1\r\n{json}\r\n{framing}\r\n\r\n0\r\n\r\n{login}"),
        )
        .await;
        assert!(
            said.starts_with("HTTP/1.1 400 ") && said.matches("HTTP/1.1").count() == 1,
            "{framing}: {said}"
        );
    }
    assert_eq!(service.count("sessions"), before);
}

#[actix_web::test]
async fn unusual_paths_methods_and_headers_open_nothing_that_the_usual_ones_do_not() {
    let service = Service::start().await;
    for target in [
        "/%6de",
        "/me/",
        "//me",
        "/me;a=b",
        "/me%00",
        "/ME",
        "/./me",
        "/x/../me",
        "/me%2f",
        "/me/sessions/",
        "/me?x=/livez",
    ] {
        let said =
            answer_to(&service, &format!("GET {target} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"))
                .await;
        assert!(["401", "404", "400"].contains(&&said[9..12]), "{target}: {said}");
    }
    for method in ["TRACE", "CONNECT", "PUT", "POST", "BREW", "get", "PROPFIND", "QUERY"] {
        let said = answer_to(
            &service,
            &format!("{method} /me HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"),
        )
        .await;
        assert!(said.starts_with("HTTP/1.1 405 ") && !said.contains("TRACE /me"), "{method}: {said}");
    }
    for header in [
        "X-HTTP-Method-Override: GET",
        "X-Original-URL: /livez",
        "X-Rewrite-URL: /livez",
        "X-Forwarded-User: alice",
        "X-Forwarded-Host: evil.example",
    ] {
        let said = answer_to(
            &service,
            &format!("GET /me HTTP/1.1\r\nHost: a\r\nConnection: close\r\n{header}\r\n\r\n"),
        )
        .await;
        assert!(said.starts_with("HTTP/1.1 401 "), "{header}: {said}");
    }
    let forged = service.request(Method::GET, "/.well-known/openid-configuration");
    let forged = forged.header("host", "evil.example").header("x-forwarded-host", "evil.example");
    assert!(!send(forged).await.text.contains("evil"));
}

/// Sends a byte at intervals until the service closes the connection; returns the answer.
async fn drip(service: &Service) -> String {
    let mut connection = TcpStream::connect(service.address).await.unwrap();
    let (mut said, mut ticks) = (Vec::new(), interval(Duration::from_millis(50)));
    let dripping = async {
        loop {
            tokio::select! {
                read = connection.read_buf(&mut said) => if matches!(read, Ok(0) | Err(_)) { return },
                _ = ticks.tick() => if connection.write_all(b"A").await.is_err() {
                    let _ = connection.read_to_end(&mut said).await; // the answer came before the end
                    return;
                },
            }
        }
    };
    timeout(PATIENCE, dripping).await.expect("the service closes the connection");
    String::from_utf8_lossy(&said).into_owned()
}

#[actix_web::test]
async fn two_hundred_slow_clients_keep_no_user_from_logging_in() {
    let service = Service::with(&[("AUTH__HTTP__HEAD_TIMEOUT", "2s")]).await;
    service.register("alice").await;
    let crawling = join_all((0..200).map(|_| drip(&service)));
    let (said, _) = futures_util::future::join(crawling, service.login("alice")).await;
    assert!(said.iter().all(|said| said.starts_with("HTTP/1.1 408 ")), "{:?}", said[0]);
}

#[actix_web::test]
async fn streams_of_events_have_their_own_limit() {
    let service = Service::with(&[("AUTH__STATUS_LISTS__MAX_LISTENERS", "4")]).await;
    let listen = async || service.request(Method::GET, "/status-lists/events").send().await.unwrap();
    let (mut first, second) = (listen().await, listen().await);
    assert_eq!((first.status().as_u16(), second.status().as_u16()), (200, 200));
    send(service.request(Method::GET, "/status-lists/events"))
        .await
        .assert_problem(503, "too_many_listeners");
    assert_eq!(service.register_and_login("alice").await.scope, "");
    assert!(first.chunk().await.unwrap().is_some());
    drop(second);
    service.wait_until("a stream is free again", async || listen().await.status() == 200).await;
}

#[actix_web::test]
async fn a_head_request_for_the_stream_counts_as_no_listener() {
    let service = Service::with(&[("AUTH__STATUS_LISTS__MAX_LISTENERS", "2")]).await;
    for _ in 0..3 {
        let answer = send(service.request(Method::HEAD, "/status-lists/events")).await;
        assert_eq!((answer.status.as_u16(), answer.header("content-type")), (200, "text/event-stream"));
    }
    let mut stream = service.request(Method::GET, "/status-lists/events").send().await.unwrap();
    assert_eq!(stream.status(), 200);
    assert!(stream.chunk().await.unwrap().is_some());
}

#[actix_web::test]
async fn a_stream_of_events_outlives_every_idle_timeout() {
    let bounds = [
        ("AUTH__HTTP__HEAD_TIMEOUT", "1s"),
        ("AUTH__HTTP__KEEP_ALIVE", "1s"),
        ("AUTH__HTTP__WRITE_TIMEOUT", "1s"),
        ("AUTH__STATUS_LISTS__HEARTBEAT", "4s"),
    ];
    let service = Service::with(&bounds).await;
    let mut stream = service.request(Method::GET, "/status-lists/events").send().await.unwrap();
    let mut text = String::new();
    while !text.contains(": alive") {
        let chunk = stream.chunk().await.unwrap().expect("the stream is open");
        text.push_str(&String::from_utf8_lossy(&chunk));
    }
}

#[actix_web::test]
async fn browsers_get_strict_transport_security_where_clients_use_https() {
    let hsts = async |variables: &[(&str, &str)]| {
        let service = Service::with(variables).await;
        service.get("/livez").await.header("strict-transport-security").to_owned()
    };
    let issuer = ("AUTH__ISSUER", "https://auth.example");
    assert_eq!(hsts(&[]).await, "");
    assert_eq!(hsts(&[issuer]).await, "max-age=31536000");
    let subdomains = ("AUTH__TLS__HSTS_INCLUDE_SUBDOMAINS", "true");
    assert_eq!(hsts(&[issuer, subdomains]).await, "max-age=31536000; includeSubDomains");
    assert_eq!(hsts(&[issuer, ("AUTH__TLS__HSTS_MAX_AGE", "0s")]).await, "");
}
