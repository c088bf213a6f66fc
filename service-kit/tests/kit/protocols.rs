//! Clients that offer a newer protocol than HTTP/1.1, or use an older one.

use std::net::SocketAddr;
use std::time::Duration;

use actix_web::web::{Bytes, ServiceConfig};
use actix_web::{HttpResponse, rt};
use futures_util::stream;
use service_kit::fields::Strict;
use service_kit::routes::{nowhere, path};
use service_kit::{Fields, FromFields};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;

use crate::logged;
use crate::server::{bounds, listen};

/// How long a test waits for an expected event.
const PATIENCE: Duration = Duration::from_secs(30);

/// What Java's `HttpClient` sends along with each request.
const OFFER: &str = "Connection: Upgrade, HTTP2-Settings\r\nHTTP2-Settings: AAEAAEAAAAIAAAAAAAMAAAAAAAQBAAAAAAUAAEAABgAGAAA\r\n\
                     Upgrade: h2c\r\n";

struct Word(String);

impl FromFields for Word {
    fn from_fields(fields: &mut Fields) -> Self {
        Self(fields.string("word"))
    }
}

async fn echo(Strict(Word(word)): Strict<Word>) -> String {
    word
}

async fn events() -> HttpResponse {
    let chunks = ["one ", "two ", "three"].map(|chunk| Ok::<_, std::convert::Infallible>(Bytes::from(chunk)));
    HttpResponse::Ok().streaming(stream::iter(chunks))
}

fn start() -> SocketAddr {
    let routes = |config: &mut ServiceConfig| {
        config
            .service(path("/echo").post(echo))
            .service(path("/events").get(events))
            .default_service(actix_web::web::to(nowhere));
    };
    let app = listen(&bounds(), routes);
    rt::spawn(app.run);
    app.address
}

async fn connect(address: SocketAddr, bytes: &str) -> TcpStream {
    let mut connection = TcpStream::connect(address).await.unwrap();
    connection.write_all(bytes.as_bytes()).await.unwrap();
    connection
}

/// Reads until the answers have contained `end` so often.
async fn read_until(connection: &mut TcpStream, end: &str, times: usize) -> String {
    let mut said = String::new();
    let reading = async {
        while said.matches(end).count() < times {
            let mut buffer = [0; 4096];
            let read = connection.read(&mut buffer).await.unwrap();
            assert_ne!(read, 0, "the connection was closed after: {said}");
            said.push_str(str::from_utf8(&buffer[..read]).unwrap());
        }
    };
    timeout(PATIENCE, reading).await.unwrap();
    said
}

/// Reads until the connection is closed.
async fn read_to_end(mut connection: TcpStream) -> String {
    let mut said = String::new();
    timeout(PATIENCE, connection.read_to_string(&mut said)).await.unwrap().unwrap();
    said
}

/// A request that offers HTTP/2, with its body in one piece or in chunks.
fn offering(word: &str, in_chunks: bool) -> String {
    let body = format!(r#"{{"word": "{word}"}}"#);
    let framed = if in_chunks {
        format!("Transfer-Encoding: chunked\r\n\r\n{:x}\r\n{body}\r\n0\r\n\r\n", body.len())
    } else {
        format!("Content-Length: {}\r\n\r\n{body}", body.len())
    };
    format!("POST /echo HTTP/1.1\r\n{OFFER}Host: a\r\nContent-Type: application/json\r\n{framed}")
}

#[actix_web::test]
async fn an_offer_of_http_2_is_ignored_and_the_connection_is_kept() {
    let mut connection = connect(start(), "").await;
    for number in 0..20 {
        let word = format!("upgrade-{number}-connection");
        connection.write_all(offering(&word, number % 2 == 0).as_bytes()).await.unwrap();
        let said = read_until(&mut connection, &word, 1).await;
        let (head, body) = said.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 200 OK\r\n") && body == word, "{said}");
        assert!(!head.contains("\r\nconnection: ") && !head.contains("\r\nupgrade: "), "{said}");
    }
}

#[actix_web::test]
async fn offers_that_are_pipelined_are_ignored_one_by_one() {
    let requests: String = (0..4).map(|number| offering("word", number % 2 == 0)).collect();
    let mut connection = connect(start(), &requests).await;
    connection.write_all(offering("last", false).as_bytes()).await.unwrap();
    let said = read_until(&mut connection, "last", 1).await;
    assert_eq!((said.matches("HTTP/1.1 200 OK").count(), said.matches("word").count()), (5, 4), "{said}");
    assert!(!said.contains("connection: "), "{said}");
}

#[actix_web::test]
async fn a_client_that_offers_http_2_and_wants_to_close_is_closed() {
    let request = offering("word", false).replace("Connection: ", "Connection: close, ");
    let said = read_to_end(connect(start(), &request).await).await;
    assert!(said.starts_with("HTTP/1.1 200 OK\r\n") && said.contains("\r\nconnection: close\r\n"), "{said}");
}

#[actix_web::test]
async fn an_answer_of_unknown_length_ends_for_http_1_0_with_the_connection() {
    let address = start();
    for fields in ["", "Connection: keep-alive\r\n"] {
        let said =
            read_to_end(connect(address, &format!("GET /events HTTP/1.0\r\n{fields}\r\n")).await).await;
        let (head, body) = said.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.0 200 OK\r\n") && body == "one two three", "{said}");
        for unknown in ["transfer-encoding", "content-length", "keep-alive"] {
            assert!(!head.contains(unknown), "{said}");
        }
    }
    let mut newer = connect(address, "GET /events HTTP/1.1\r\nHost: a\r\n\r\n").await;
    let said = read_until(&mut newer, "\r\n0\r\n\r\n", 1).await;
    assert!(
        said.contains("\r\ntransfer-encoding: chunked\r\n") && said.contains("\r\n5\r\nthree\r\n"),
        "{said}"
    );
}

#[actix_web::test]
async fn an_answer_of_known_length_leaves_a_connection_of_http_1_0_open_where_that_is_asked_for() {
    let get = "GET /nowhere HTTP/1.0\r\nConnection: keep-alive\r\n\r\n";
    let mut connection = connect(start(), get).await;
    for _ in 0..2 {
        let said = read_until(&mut connection, "not_found\"}", 1).await;
        assert!(
            said.starts_with("HTTP/1.0 404 ") && said.contains("\r\nconnection: keep-alive\r\n"),
            "{said}"
        );
        connection.write_all(get.as_bytes()).await.unwrap();
    }
}

/// An address from which no other test asks.
const OWN: &str = "127.0.0.77";

async fn connect_from(own: &str, address: SocketAddr, bytes: &str) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(SocketAddr::new(own.parse().unwrap(), 0)).unwrap();
    let mut connection = socket.connect(address).await.unwrap();
    connection.write_all(bytes.as_bytes()).await.unwrap();
    connection
}

#[actix_web::test]
async fn a_request_that_cannot_be_read_leaves_a_line_with_its_peer_and_the_reason() {
    logged::start();
    let address = start();
    let unread = "was refused before it could be read: ";
    let rows = [
        (
            "POST /echo HTTP/1.0\r\nHost: a\r\n\r\n",
            "WARN ",
            "400: a POST over HTTP/1.0 without Content-Length",
        ),
        ("POST /echo HTTP/1.1\r\n\r\n", "INFO ", &format!("{unread}invalid Header provided")),
        ("GET / HTTP/1.1\r\nContent-Length: x\r\n\r\n", "INFO ", &format!("{unread}invalid Header provided")),
        ("G{T / HTTP/1.1\r\nHost: a\r\n\r\n", "INFO ", unread),
        ("GET /\u{7f} HTTP/1.1\r\nHost: a\r\n\r\n", "INFO ", unread),
    ];
    for (request, level, reason) in rows {
        let connection = connect_from(OWN, address, request).await;
        assert!(read_to_end(connection).await.contains(" 400 Bad Request\r\n"), "{request}");
        let line = logged::next(&format!("a request from {OWN} was refused")).await;
        assert!(line.starts_with(level) && line.contains(reason), "{request}: {line}");
    }
}
