//! Many connections of one address or network: they close connections of their own, and none of others.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use actix_web::web::{Bytes, ServiceConfig};
use actix_web::{HttpResponse, rt};
use futures_util::stream;
use service_kit::HttpSettings;
use service_kit::routes::{nowhere, path};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;

use crate::server::{bounds, listen};

/// How long a test waits for an expected event.
const PATIENCE: Duration = Duration::from_secs(30);
const NOW_AND_THEN: Duration = Duration::from_millis(20);

const CROWD: &str = "127.0.0.2";
const OTHER: &str = "127.0.0.3";

/// Returns bounds with so many connections per address, which may be idle for longer than any test takes.
fn at_most(max_connections_per_address: usize) -> HttpSettings {
    HttpSettings {
        max_connections_per_address,
        keep_alive: PATIENCE * 4,
        head_timeout: PATIENCE * 4,
        ..bounds()
    }
}

/// An endless answer, with a chunk now and then.
async fn endless() -> HttpResponse {
    let chunks = stream::unfold((), |()| async {
        rt::time::sleep(NOW_AND_THEN).await;
        Some((Ok::<_, std::convert::Infallible>(Bytes::from_static(b"still")), ()))
    });
    HttpResponse::Ok().streaming(chunks)
}

fn start(http: &HttpSettings) -> SocketAddr {
    let routes = |config: &mut ServiceConfig| {
        config
            .service(path("/hello").get(async || "hello"))
            .service(path("/endless").get(endless))
            .default_service(actix_web::web::to(nowhere));
    };
    let app = listen(http, routes);
    rt::spawn(app.run);
    app.address
}

async fn connect(service: SocketAddr, from: &str) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(SocketAddr::new(from.parse::<IpAddr>().unwrap(), 0)).unwrap();
    socket.connect(service).await.unwrap()
}

/// Returns whether the connection answers a request with this word.
async fn answers(connection: &mut TcpStream, path: &str, word: &str) -> bool {
    let request = format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n");
    let asked = async {
        connection.write_all(request.as_bytes()).await.ok()?;
        let mut text = Vec::new();
        while !String::from_utf8_lossy(&text).contains(word) {
            (connection.read_buf(&mut text).await.ok()? > 0).then_some(())?;
        }
        Some(())
    };
    timeout(PATIENCE, asked).await.expect("an answer, or the end").is_some()
}

async fn is_closed(connection: &mut TcpStream) -> bool {
    matches!(timeout(PATIENCE, connection.read(&mut [0])).await, Ok(Ok(0) | Err(_)))
}

#[actix_web::test]
async fn above_the_bound_the_longest_idle_connection_of_the_address_closes() {
    let service = start(&at_most(2));
    let mut first = connect(service, CROWD).await;
    assert!(answers(&mut first, "/hello", "hello").await);
    let mut second = connect(service, CROWD).await;
    assert!(answers(&mut second, "/hello", "hello").await);
    assert!(answers(&mut first, "/hello", "hello").await, "the second one is idle for longer now");
    let mut bystander = connect(service, OTHER).await;
    assert!(answers(&mut bystander, "/hello", "hello").await);
    let mut third = connect(service, CROWD).await;
    assert!(answers(&mut third, "/hello", "hello").await);
    assert!(is_closed(&mut second).await);
    assert!(answers(&mut first, "/hello", "hello").await);
    assert!(answers(&mut bystander, "/hello", "hello").await);
}

#[actix_web::test]
async fn connections_without_a_request_are_idle_as_well() {
    let service = start(&at_most(3));
    let mut silent = Vec::new();
    for _ in 0..3 {
        silent.push(connect(service, CROWD).await);
    }
    for _ in 0..3 {
        let mut usual = connect(service, CROWD).await;
        assert!(answers(&mut usual, "/hello", "hello").await);
        assert!(is_closed(&mut silent.remove(0)).await);
        silent.push(usual);
    }
}

#[actix_web::test]
async fn a_connection_that_answers_is_not_closed_for_another_one_which_is_refused_instead() {
    let service = start(&at_most(2));
    let mut busy = [connect(service, CROWD).await, connect(service, CROWD).await];
    for connection in &mut busy {
        assert!(answers(connection, "/endless", "still").await);
    }
    let mut refused = connect(service, CROWD).await;
    assert!(!answers(&mut refused, "/hello", "hello").await);
    let mut other = connect(service, OTHER).await;
    assert!(answers(&mut other, "/hello", "hello").await, "others are served");
    // Once one of them is over, there is a place again.
    let [over, _on] = busy;
    drop(over);
    let again = async {
        while !answers(&mut connect(service, CROWD).await, "/hello", "hello").await {
            rt::time::sleep(NOW_AND_THEN).await;
        }
    };
    timeout(PATIENCE, again).await.unwrap();
}

#[actix_web::test]
async fn many_addresses_of_one_network_have_a_quarter_of_all_connections_together() {
    let service = start(&HttpSettings { max_connections: 40, ..at_most(40) });
    let mut bystander = connect(service, CROWD).await;
    assert!(answers(&mut bystander, "/hello", "hello").await);
    let mut crowd = Vec::new();
    for last in 1..=60 {
        crowd.push(connect(service, &format!("127.0.1.{last}")).await);
    }
    for silent in &mut crowd[..50] {
        assert!(is_closed(silent).await);
    }
    assert!(answers(&mut bystander, "/hello", "hello").await);
    assert!(answers(&mut connect(service, "127.0.2.1").await, "/hello", "hello").await);
    for silent in &mut crowd[50..] {
        assert!(answers(silent, "/hello", "hello").await, "it is within the quarter");
    }
}

#[actix_web::test]
async fn a_trusted_proxy_has_as_many_connections_as_it_likes() {
    let trusted_proxies = vec!["127.0.0.2/32".parse().unwrap()];
    let service = start(&HttpSettings { trusted_proxies, ..at_most(1) });
    let mut many = Vec::new();
    for _ in 0..20 {
        let mut connection = connect(service, CROWD).await;
        assert!(answers(&mut connection, "/endless", "still").await);
        many.push(connection);
    }
    let mut other = connect(service, OTHER).await;
    assert!(answers(&mut other, "/endless", "still").await);
    assert!(!answers(&mut connect(service, OTHER).await, "/hello", "hello").await);
}
