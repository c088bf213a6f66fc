//! Bytes that no well-behaved client sends: there is at most one answer, it is a `4xx`, and no request that was smuggled behind is
//! served.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use actix_web::web::{Data, ServiceConfig, block};
use actix_web::{HttpRequest, HttpResponse, rt};
use service_kit::fields::Strict;
use service_kit::routes::{nowhere, path};
use service_kit::{Fields, FromFields, HttpSettings};

use crate::server::{bounds, listen};

const PATIENCE: Duration = Duration::from_secs(30);

struct Nothing;

impl FromFields for Nothing {
    fn from_fields(_: &mut Fields) -> Self {
        Self
    }
}

/// How often the route was served that must not be reached by smuggling.
type Served = Data<AtomicUsize>;

async fn smuggled(served: Served) -> &'static str {
    served.fetch_add(1, Ordering::SeqCst);
    "smuggled"
}

async fn read(_: Strict<Nothing>) -> &'static str {
    "read"
}

async fn own_headers(_: HttpRequest) -> HttpResponse {
    HttpResponse::Ok()
        .insert_header(("cache-control", "public, max-age=60"))
        .insert_header(("content-security-policy", "default-src 'self'"))
        .insert_header(("cross-origin-resource-policy", "cross-origin"))
        .finish()
}

fn start(served: &Served) -> SocketAddr {
    let second = Duration::from_secs(1);
    let http = HttpSettings { body_timeout: second, write_timeout: second, ..bounds() };
    let served = served.clone();
    let routes = move |config: &mut ServiceConfig| {
        config
            .app_data(served.clone())
            .service(path("/read").post(read))
            .service(path("/own-headers").get(own_headers))
            .service(path("/smuggled").get(smuggled))
            .default_service(actix_web::web::to(nowhere));
    };
    let app = listen(&http, routes);
    rt::spawn(app.run);
    app.address
}

/// Sends these bytes; returns the answer until the service closes the connection.
async fn answer_to(address: SocketAddr, bytes: Vec<u8>) -> String {
    let talk = move || {
        let mut connection = TcpStream::connect(address).unwrap();
        connection.set_read_timeout(Some(PATIENCE)).unwrap();
        let _ = connection.write_all(&bytes); // it may be closed before all of it is sent
        let mut said = Vec::new();
        let end = connection.read_to_end(&mut said); // a reset is an end as well
        assert!(!end.is_err_and(|error| error.kind() == ErrorKind::WouldBlock), "the connection stays open");
        String::from_utf8_lossy(&said).into_owned()
    };
    block(talk).await.unwrap()
}

fn statuses(said: &str) -> Vec<&str> {
    said.split("HTTP/1.1 ").skip(1).map(|answer| &answer[..3]).collect()
}

const SMUGGLED: &str = "GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n";

#[actix_web::test]
async fn a_message_whose_end_is_in_doubt_ends_the_connection() {
    let served = Data::from(Arc::new(AtomicUsize::new(0)));
    let address = start(&served);
    let post = |fields: &str, body: &str| {
        format!(
            "POST /read HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n{fields}\r\n\r\n{body}{SMUGGLED}"
        )
    };
    let rows = [
        ("length and chunks", post("Content-Length: 5\r\nTransfer-Encoding: chunked", "0\r\n\r\n")),
        ("chunks and length", post("Transfer-Encoding: chunked\r\nContent-Length: 5", "0\r\n\r\n")),
        ("chunks twice", post("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked", "0\r\n\r\n")),
        (
            "chunks and identity",
            post("Transfer-Encoding: chunked\r\nTransfer-Encoding: identity", "0\r\n\r\n"),
        ),
        ("chunks in a list", post("Transfer-Encoding: chunked, identity", "0\r\n\r\n")),
        ("another coding", post("Transfer-Encoding: xchunked", "0\r\n\r\n")),
        ("a vertical tab in the coding", post("Transfer-Encoding:\x0bchunked", "0\r\n\r\n")),
        ("gzip, then chunks", post("Transfer-Encoding: gzip, chunked", "0\r\n\r\n")),
        ("length twice", post("Content-Length: 2\r\nContent-Length: 0", "{}")),
        ("length twice the same", post("Content-Length: 2\r\nContent-Length: 2", "{}")),
        ("lengths in a list", post("Content-Length: 2, 2", "{}")),
        ("a negative length", post("Content-Length: -2", "{}")),
        ("a length with a plus", post("Content-Length: +2", "{}")),
        ("a length in hexadecimal", post("Content-Length: 0x2", "{}")),
        ("a length past all bounds", post("Content-Length: 99999999999999999999", "{}")),
        ("white space before a colon", post("Content-Length : 2", "{}")),
        ("a folded line", post("X-Folded: a\r\n b", "{}")),
        ("a line without a colon", post("Content-Length 2", "{}")),
        ("no name", post(": 2", "{}")),
        ("a bare carriage return", post("X-Bare: a\rTransfer-Encoding: chunked", "{}")),
        ("a NUL", post("X-Nul: a\0b", "{}")),
        ("a chunk with a length that is none", post("Transfer-Encoding: chunked", "zz\r\n\r\n")),
        ("a chunk past all bounds", post("Transfer-Encoding: chunked", "ffffffffffffffff1\r\n\r\n")),
        ("a chunk that says less than it has", post("Transfer-Encoding: chunked", "1\r\n{}\r\n0\r\n\r\n")),
        ("no host", format!("GET /read HTTP/1.1\r\n\r\n{SMUGGLED}")),
        ("two hosts", format!("GET /read HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n{SMUGGLED}")),
        ("HTTP/0.9", format!("GET /read\r\n{SMUGGLED}")),
        ("HTTP/2 in words", format!("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n{SMUGGLED}")),
        ("another version", format!("GET /read HTTP/3.7\r\nHost: a\r\n\r\n{SMUGGLED}")),
        ("two spaces", format!("GET  /read HTTP/1.1\r\nHost: a\r\n\r\n{SMUGGLED}")),
        (
            "chunks in HTTP/1.0",
            "POST /read HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n".to_owned() + SMUGGLED,
        ),
        ("no text at all", "\u{1}\u{2}\u{3}".repeat(50) + SMUGGLED),
        ("the hello of TLS", "\u{16}\u{3}\u{1}\0\u{5}\u{1}\0\0\u{1}\u{3}".to_owned() + SMUGGLED),
        ("CONNECT", format!("CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n{SMUGGLED}")),
        (
            "an upgrade",
            format!(
                "GET /read HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n{SMUGGLED}"
            ),
        ),
        (
            "5000 headers",
            format!("GET /read HTTP/1.1\r\nHost: a\r\n{}\r\n{SMUGGLED}", "X-Many: a\r\n".repeat(5000)),
        ),
        ("a head without end", format!("GET /read HTTP/1.1\r\nHost: a\r\nX-Long: {}", "a".repeat(200_000))),
    ];
    for (name, bytes) in rows {
        let said = answer_to(address, bytes.into_bytes()).await;
        let statuses = statuses(&said);
        assert!(statuses.len() <= 1, "{name}: {said}");
        assert!(statuses.iter().all(|status| status.starts_with('4')), "{name}: {said}");
        assert_eq!(served.load(Ordering::SeqCst), 0, "{name}: {said}");
    }
    let said = answer_to(
        address,
        format!("{SMUGGLED}GET /smuggled HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").into_bytes(),
    )
    .await;
    assert_eq!(
        (statuses(&said), served.load(Ordering::SeqCst)),
        (vec!["200", "200"], 2),
        "pipelined as it may be"
    );
}

/// Sends a request that ends its connection.
async fn request(address: SocketAddr, first_line: &str, fields: &[&str]) -> String {
    let lines = [&["Host: a", "Connection: close"], fields, &["\r\n"]].concat().join("\r\n");
    let text = format!("{first_line} HTTP/1.1\r\n{lines}");
    answer_to(address, text.into_bytes()).await
}

#[actix_web::test]
async fn a_head_that_is_too_large_or_repeats_a_field_is_refused_before_any_handler() {
    let served = Data::from(Arc::new(AtomicUsize::new(0)));
    let address = start(&served);
    let long = |bytes: usize| "a".repeat(bytes);
    let (target, header) = (format!("GET /smuggled?{}", long(8200)), format!("X-Long: {}", long(16_400)));
    let huge = format!("GET /smuggled?{}", long(60_000));
    let many = vec!["X-Many: a"; 70];
    let get = "GET /smuggled";
    let rows: [(&str, &[&str], &str, &str); 20] = [
        (&target, &[], "414", "target_too_long"),
        (&huge, &[], "414", "target_too_long"),
        (get, &[&header], "431", "headers_too_large"),
        (get, &many, "431", "headers_too_large"),
        (get, &["Authorization: Bearer a", "Authorization: Bearer b"], "400", "invalid_request"),
        (get, &["Authorization: Bearer a", "authorization: Bearer a"], "400", "invalid_request"),
        (get, &["Content-Type: application/json", "Content-Type: text/plain"], "400", "repeated_header"),
        (get, &["Content-Encoding: gzip", "Content-Encoding: identity"], "400", "repeated_header"),
        (get, &["Cookie: a=b", "Cookie: c=d"], "400", "repeated_header"),
        (get, &["Origin: https://a.example", "Origin: https://b.example"], "400", "repeated_header"),
        (get, &["X-CSRF-Token: a", "X-CSRF-Token: a"], "400", "repeated_header"),
        (get, &["X-Request-Id: a", "X-Request-Id: b"], "400", "repeated_header"),
        (get, &["User-Agent: a", "User-Agent: b"], "400", "repeated_header"),
        (get, &["Range: bytes=0-1", "Range: bytes=2-3"], "400", "repeated_header"),
        ("GET /smuggled?a=1&a=2", &[], "400", "malformed_query"),
        ("GET /smuggled?a&b&a", &[], "400", "malformed_query"),
        ("GET /smuggled?a=1&%61=2", &[], "400", "malformed_query"),
        ("GET /smuggled?access_token=a&access_token=b", &[], "400", "invalid_request"),
        ("TRACE /smuggled", &["Cookie: secret=a"], "405", "method_not_allowed"),
        ("GET http://other.example/nowhere", &[], "404", "not_found"),
    ];
    for (first_line, fields, status, code) in rows {
        let said = request(address, first_line, fields).await;
        assert_eq!(statuses(&said), [status], "{first_line:.80} {fields:?}: {said}");
        assert!(said.contains(&format!("\"code\":\"{code}\"")), "{first_line:.80} {fields:?}: {said}");
        assert!(said.contains("x-request-id: ") && said.contains("nosniff"), "{said}");
        assert_eq!(
            code == "invalid_request",
            said.contains("www-authenticate: Bearer realm=\"test\""),
            "{said}"
        );
        assert_eq!(served.load(Ordering::SeqCst), 0, "{said}");
    }
    let lists = [
        "Accept: a/b",
        "Accept: c/d",
        "X-Forwarded-For: 192.0.2.1",
        "X-Forwarded-For: 192.0.2.2",
        "Via: 1.1 a",
        "Via: 1.1 b",
    ];
    assert_eq!(statuses(&request(address, "GET /smuggled?a=1&b=1&&", &lists).await), ["200"]);
}

#[actix_web::test]
async fn every_answer_has_protective_headers_unless_its_handler_sets_others() {
    let address = start(&Data::from(Arc::new(AtomicUsize::new(0))));
    let always = ["x-content-type-options: nosniff", "x-frame-options: DENY", "referrer-policy: no-referrer"];
    let policy = "content-security-policy: default-src 'none'; frame-ancestors 'none'";
    for target in ["GET /smuggled", "GET /nowhere", "DELETE /smuggled", "POST /read", "HEAD /smuggled"] {
        let said = request(address, target, &[]).await;
        let unless_set = [policy, "cache-control: no-store", "cross-origin-resource-policy: same-origin"];
        for line in always.iter().chain(&unless_set) {
            assert_eq!(said.matches(&format!("\r\n{line}\r\n")).count(), 1, "{target}: {line}: {said}");
        }
        assert!(!said.contains("\r\nserver: ") && !said.contains("strict-transport-security"), "{said}");
    }
    let own = request(address, "GET /own-headers", &[]).await;
    let set = [
        "cache-control: public, max-age=60",
        "content-security-policy: default-src 'self'",
        "cross-origin-resource-policy: cross-origin",
    ];
    for line in always.iter().chain(&set) {
        let name = line.split(':').next().unwrap();
        assert!(own.contains(&format!("\r\n{line}\r\n")), "{line}: {own}");
        assert_eq!(own.matches(&format!("\r\n{name}: ")).count(), 1, "{own}");
    }
}
