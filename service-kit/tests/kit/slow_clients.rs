//! Clients that are slow on purpose: they are disconnected, and delay no other client.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use actix_web::web::{Bytes, Data, ServiceConfig};
use actix_web::{HttpResponse, rt};
use futures_util::future::join_all;
use futures_util::stream;
use service_kit::fields::Strict;
use service_kit::routes::{nowhere, path};
use service_kit::{Fields, FromFields, Handle, HttpSettings};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::Notify;
use tokio::time::{interval, timeout};

use crate::server::{bounds, listen};

/// How long a test waits for an expected event.
const PATIENCE: Duration = Duration::from_secs(30);
/// More often than any bound here.
const NOW_AND_THEN: Duration = Duration::from_millis(20);

const GET: &[u8] = b"GET /hello HTTP/1.1\r\nHost: a\r\n\r\n";

struct Nothing;

impl FromFields for Nothing {
    fn from_fields(_: &mut Fields) -> Self {
        Self
    }
}

/// Notifies when an answer is given up.
struct GivenUp(Arc<Notify>);

impl Drop for GivenUp {
    fn drop(&mut self) {
        self.0.notify_one();
    }
}

async fn hello() -> &'static str {
    "hello"
}

async fn read(_: Strict<Nothing>) -> &'static str {
    "read"
}

async fn endless(given_up: Data<Notify>) -> HttpResponse {
    let guard = GivenUp(given_up.into_inner());
    let chunks = stream::repeat_with(move || {
        let _ = &guard;
        Ok::<_, std::convert::Infallible>(Bytes::from_static(&[b'x'; 16 * 1024]))
    });
    HttpResponse::Ok().streaming(chunks)
}

struct Service {
    address: SocketAddr,
    given_up: Data<Notify>,
    handle: Handle,
}

impl Service {
    fn start(http: &HttpSettings) -> Self {
        let given_up = Data::new(Notify::new());
        let notify = given_up.clone();
        let routes = move |config: &mut ServiceConfig| {
            config
                .app_data(notify.clone())
                .service(path("/hello").get(hello).post(read))
                .service(path("/endless").get(endless))
                .default_service(actix_web::web::to(nowhere));
        };
        let app = listen(http, routes);
        rt::spawn(app.run);
        Self { address: app.address, given_up, handle: app.handle }
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    async fn answers(&self) {
        let mut connection = self.connect().await;
        connection.write_all(GET).await.unwrap();
        assert!(read_until(&mut connection, "hello").await.starts_with("HTTP/1.1 200 OK"));
    }
}

/// Reads until `end` has come.
async fn read_until(connection: &mut TcpStream, end: &str) -> String {
    let mut text = Vec::new();
    let reading = async {
        while !String::from_utf8_lossy(&text).ends_with(end) {
            assert_ne!(
                connection.read_buf(&mut text).await.unwrap(),
                0,
                "{}",
                String::from_utf8_lossy(&text)
            );
        }
    };
    timeout(PATIENCE, reading).await.unwrap();
    String::from_utf8(text).unwrap()
}

/// Sends a byte now and then until the service closes the connection; returns the answer.
async fn drip(mut connection: TcpStream, bytes: &[u8]) -> String {
    let mut said = Vec::new();
    let dripping = async {
        let mut ticks = interval(NOW_AND_THEN);
        let mut bytes = bytes.iter().cycle();
        loop {
            tokio::select! {
                read = connection.read_buf(&mut said) => if matches!(read, Ok(0) | Err(_)) { return },
                _ = ticks.tick() => if connection.write_all(&[*bytes.next().unwrap()]).await.is_err() { return },
            }
        }
    };
    timeout(PATIENCE, dripping).await.expect("the service closes the connection");
    String::from_utf8_lossy(&said).into_owned()
}

#[actix_web::test]
async fn heads_that_come_byte_by_byte_are_cut_while_other_clients_are_answered() {
    let service = Service::start(&bounds());
    let slow = join_all((0..200).map(async |_| drip(service.connect().await, b"A").await));
    let others = async {
        for _ in 0..10 {
            service.answers().await;
        }
    };
    let (said, ()) = futures_util::future::join(slow, others).await;
    assert!(said.iter().all(|said| said.is_empty() || said.starts_with("HTTP/1.1 408 ")), "{:?}", said[0]);
}

#[actix_web::test]
async fn a_second_head_on_a_connection_is_bounded_as_the_first_is() {
    let service = Service::start(&bounds());
    let mut connection = service.connect().await;
    connection.write_all(GET).await.unwrap();
    read_until(&mut connection, "hello").await;
    assert_eq!(drip(connection, b"A").await, "");
}

#[actix_web::test]
async fn a_connection_that_is_used_stays_open_for_longer_than_any_bound() {
    let keep_alive = Duration::from_secs(2); // a busy machine is not a slow client
    let service = Service::start(&HttpSettings { keep_alive, ..bounds() });
    let mut connection = service.connect().await;
    let mut ticks = interval(Duration::from_millis(100));
    for _ in 0..35 {
        ticks.tick().await;
        connection.write_all(GET).await.unwrap();
        read_until(&mut connection, "hello").await;
    }
}

#[actix_web::test]
async fn a_body_that_stalls_or_drips_is_answered_with_408() {
    let service = Service::start(&bounds());
    let head =
        "POST /hello HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n{";
    let mut stalled = service.connect().await;
    stalled.write_all(head.as_bytes()).await.unwrap();
    let mut said = String::new();
    timeout(PATIENCE, stalled.read_to_string(&mut said)).await.unwrap().unwrap();
    assert!(said.starts_with("HTTP/1.1 408 ") && said.contains("request_timeout"), "{said}");

    let mut dripping = service.connect().await;
    dripping.write_all(head.as_bytes()).await.unwrap();
    let said = drip(dripping, b" ").await;
    assert!(said.starts_with("HTTP/1.1 408 ") && said.contains("request_timeout"), "{said}");
}

#[actix_web::test]
async fn a_body_that_is_not_read_does_not_keep_a_connection() {
    let service = Service::start(&bounds());
    for framing in ["Content-Length: 1000000", "Transfer-Encoding: chunked"] {
        let mut connection = service.connect().await;
        let head = format!("GET /hello HTTP/1.1\r\nHost: a\r\n{framing}\r\n\r\n");
        connection.write_all(head.as_bytes()).await.unwrap();
        let said = drip(connection, b"1\r\na\r\n").await;
        assert!(
            said.starts_with("HTTP/1.1 200 ") && said.matches("HTTP/1.1").count() == 1,
            "{framing}: {said}"
        );
    }
}

#[actix_web::test]
async fn an_answer_that_is_not_read_is_given_up() {
    let service = Service::start(&bounds());
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    let mut connection = socket.connect(service.address).await.unwrap();
    connection.write_all(b"GET /endless HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    timeout(PATIENCE, service.given_up.notified()).await.unwrap();
    service.answers().await;
}

#[actix_web::test]
async fn an_answer_that_is_read_goes_on_for_longer_than_any_bound() {
    let service = Service::start(&HttpSettings { write_timeout: Duration::from_secs(2), ..bounds() });
    let mut connection = service.connect().await;
    connection.write_all(b"GET /endless HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    let mut buffer = vec![0; 64 * 1024];
    let mut ticks = interval(Duration::from_millis(100));
    for _ in 0..25 {
        ticks.tick().await;
        assert_ne!(connection.read(&mut buffer).await.unwrap(), 0);
    }
    drop(connection);
    timeout(PATIENCE, service.given_up.notified()).await.unwrap();
}

#[actix_web::test]
async fn more_connections_than_there_may_be_wait_and_get_their_turn() {
    // Of a peer that is no proxy, one of them would be too many.
    let trusted_proxies = vec!["127.0.0.0/8".parse().unwrap()];
    let service = Service::start(&HttpSettings { max_connections: 5, trusted_proxies, ..bounds() });
    let silent = join_all((0..5).map(|_| service.connect())).await;
    service.answers().await; // once the silent ones are cut
    for mut connection in silent {
        let mut said = String::new();
        timeout(PATIENCE, connection.read_to_string(&mut said)).await.unwrap().unwrap();
        assert!(said.starts_with("HTTP/1.1 408 "), "{said}");
    }
}

#[actix_web::test]
async fn idle_connections_do_not_delay_the_stop() {
    let service = Service::start(&HttpSettings { keep_alive: PATIENCE * 2, ..bounds() });
    let mut connection = service.connect().await;
    connection.write_all(GET).await.unwrap();
    read_until(&mut connection, "hello").await;
    timeout(PATIENCE, service.handle.stop(true)).await.unwrap();
    assert_eq!(timeout(PATIENCE, connection.read(&mut [0])).await.unwrap().unwrap(), 0);
}
