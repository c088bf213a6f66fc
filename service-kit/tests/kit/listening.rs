//! The addresses and sockets of a service, and its stop.

use std::io::ErrorKind;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use actix_web::web::{Bytes, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse, ResponseError as _, rt};
use futures_util::stream;
use service_kit::routes::path;
use service_kit::{
    App, Capacity, Closing, Descriptors, Endpoint, HttpSettings, Listen, Peer, SocketSettings,
};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream, UnixStream};
use tokio::time::timeout;

use crate::client::{Answer, PATIENCE, request, talk};
use crate::logged;
use crate::server::{bounds, listen};

/// Returns the peer of the request.
async fn who(req: HttpRequest) -> String {
    Peer::of(&req).map_or_else(String::new, |peer| format!("{peer:?}"))
}

async fn slow() -> &'static str {
    rt::time::sleep(Duration::from_millis(500)).await;
    "slow"
}

/// An answer that continues until the service stops.
async fn events(mut closing: Closing) -> HttpResponse {
    let first = stream::once(async { Ok::<_, std::convert::Infallible>(Bytes::from_static(b"event\n")) });
    let last = stream::once(async move {
        closing.closed().await;
        Ok(Bytes::from_static(b"bye\n"))
    });
    HttpResponse::Ok().streaming(stream::StreamExt::chain(first, last))
}

fn routes(config: &mut ServiceConfig) {
    config
        .service(path("/who").get(who))
        .service(path("/slow").get(slow))
        .service(path("/events").get(events));
}

fn at(address: Listen, socket: SocketSettings) -> std::io::Result<App> {
    let http = bounds();
    App::listen(
        Endpoint {
            name: "test",
            address,
            socket,
            http: &http,
            capacity: Capacity::claim(&http, Descriptors { reserve: 0, per_connection: 1 }).unwrap(),
            tls: None,
            hsts: None,
            refusal: |_, problem| problem.error_response(),
        },
        routes,
    )
}

async fn get(address: SocketAddr, path: &str) -> Answer {
    let connection = TcpStream::connect(address).await.unwrap();
    talk(connection, &request(&format!("GET {path}"), &[], "")).await
}

/// Returns a port that was free a moment ago.
async fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port()
}

async fn has_ipv6() -> bool {
    TcpListener::bind("[::1]:0").await.is_ok()
}

#[actix_web::test]
async fn port_0_takes_a_free_port_and_the_log_names_it() {
    logged::start();
    let app = at("127.0.0.1:0".parse().unwrap(), SocketSettings::default()).unwrap();
    let address = app.address;
    rt::spawn(app.run);
    assert_ne!(address.port(), 0);
    assert_eq!(get(address, "/who").await.status, 200);
    let line = logged::next(&format!("http://{address}")).await;
    assert_eq!(line, format!("INFO test listens on http://{address}"));
}

#[actix_web::test]
async fn localhost_is_the_loopback_by_ipv4_and_ipv6() {
    let port = free_port().await;
    let app = at(Listen::Localhost(port), SocketSettings::default()).unwrap();
    rt::spawn(app.run);
    assert_eq!(get((Ipv4Addr::LOCALHOST, port).into(), "/who").await.body, "Address(127.0.0.1)");
    if has_ipv6().await {
        assert_eq!(get((Ipv6Addr::LOCALHOST, port).into(), "/who").await.body, "Address(::1)");
    }
}

#[actix_web::test]
async fn everywhere_is_every_address_and_an_ipv4_peer_is_known_by_its_own_address() {
    let port = free_port().await;
    let app = at(Listen::Everywhere(port), SocketSettings::default()).unwrap();
    rt::spawn(app.run);
    assert_eq!(get((Ipv4Addr::LOCALHOST, port).into(), "/who").await.body, "Address(127.0.0.1)");
    assert_eq!(get(([127, 0, 0, 9], port).into(), "/who").await.status, 200);
}

#[actix_web::test]
async fn an_address_that_is_taken_or_of_another_machine_is_an_error() {
    let taken = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let _holder = std::net::TcpListener::bind(taken).unwrap();
    for (listen, kind) in [
        (Listen::Address(taken), ErrorKind::AddrInUse),
        (Listen::Localhost(taken.port()), ErrorKind::AddrInUse),
        ("192.0.2.1:0".parse().unwrap(), ErrorKind::AddrNotAvailable),
        ("unix:/does/not/exist.sock".parse().unwrap(), ErrorKind::NotFound),
    ] {
        let error = at(listen.clone(), SocketSettings::default()).err().unwrap();
        assert_eq!(error.kind(), kind, "{listen}: {error}");
    }
}

async fn on_socket(path: &Path, fields: &[&str]) -> Answer {
    let connection = UnixStream::connect(path).await.unwrap();
    talk(connection, &request("GET /who", fields, "")).await
}

fn socket() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("http.sock");
    (folder, path)
}

#[actix_web::test]
async fn a_unix_socket_has_the_mode_of_the_settings_and_is_removed_at_the_end() {
    let (_folder, path) = socket();
    let settings = SocketSettings { mode: 0o660, owner: None };
    let app = at(Listen::Unix(path.clone()), settings).unwrap();
    let (handle, run) = (app.handle, rt::spawn(app.run));
    let metadata = std::fs::metadata(&path).unwrap();
    assert!(metadata.file_type().is_socket());
    assert_eq!(metadata.permissions().mode() & 0o777, 0o660);
    assert_eq!(on_socket(&path, &[]).await.body, "UnixSocket");
    handle.stop(true).await;
    run.await.unwrap().unwrap();
    assert!(!path.exists());
}

#[actix_web::test]
async fn a_program_on_a_unix_socket_is_a_proxy_if_it_sends_a_forwarding_header() {
    let (_folder, path) = socket();
    let app = at(Listen::Unix(path.clone()), SocketSettings::default()).unwrap();
    rt::spawn(app.run);
    let id = "X-Request-Id: from-the-proxy";
    let believed = on_socket(&path, &[id, "X-Forwarded-For: 192.0.2.1"]).await;
    assert_eq!(believed.header("x-request-id"), Some("from-the-proxy"));
    let own = on_socket(&path, &[id]).await;
    assert_ne!(own.header("x-request-id"), Some("from-the-proxy"));
}

#[actix_web::test]
async fn a_socket_that_another_service_uses_is_left_alone() {
    let (_folder, path) = socket();
    let app = at(Listen::Unix(path.clone()), SocketSettings::default()).unwrap();
    rt::spawn(app.run);
    let error = at(Listen::Unix(path.clone()), SocketSettings::default()).err().unwrap();
    assert_eq!(error.kind(), ErrorKind::AddrInUse);
    assert!(error.to_string().contains("another process listens there"), "{error}");
    assert_eq!(on_socket(&path, &[]).await.status, 200);
}

#[actix_web::test]
async fn a_socket_without_a_listener_is_replaced_and_a_file_is_not() {
    let (folder, path) = socket();
    drop(std::os::unix::net::UnixListener::bind(&path).unwrap()); // its file stays
    let app = at(Listen::Unix(path.clone()), SocketSettings::default()).unwrap();
    rt::spawn(app.run);
    assert_eq!(on_socket(&path, &[]).await.status, 200);
    let file = folder.path().join("a.txt");
    std::fs::write(&file, "a letter").unwrap();
    let error = at(Listen::Unix(file.clone()), SocketSettings::default()).err().unwrap();
    assert_eq!(error.kind(), ErrorKind::AlreadyExists);
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "a letter");
}

#[actix_web::test]
async fn an_owner_that_does_not_exist_is_an_error_that_names_the_setting() {
    let (_folder, path) = socket();
    let owner = "no such user:".parse().ok();
    let error = at(Listen::Unix(path.clone()), SocketSettings { mode: 0o600, owner }).err().unwrap();
    assert!(error.to_string().contains("socket.owner: there is no user named \"no such user\""), "{error}");
    assert!(!path.exists());
}

#[actix_web::test]
async fn a_stop_lets_requests_in_flight_end_and_ends_answers_without_end_at_once() {
    let app = listen(&HttpSettings { shutdown_timeout: PATIENCE, ..bounds() }, routes);
    let (address, handle) = (app.address, app.handle);
    let run = rt::spawn(app.run);
    let mut events = TcpStream::connect(address).await.unwrap();
    events.write_all(b"GET /events HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    let mut said = Vec::new();
    while !String::from_utf8_lossy(&said).contains("event\n") {
        events.read_buf(&mut said).await.unwrap();
    }
    let in_flight = rt::spawn(async move { get(address, "/slow").await });
    rt::time::sleep(Duration::from_millis(100)).await;
    let begin = Instant::now();
    handle.stop(true).await;
    run.await.unwrap().unwrap();
    assert!(begin.elapsed() < PATIENCE, "the answer without end was not waited for");
    assert_eq!(in_flight.await.unwrap().body, "slow");
    let _ = timeout(PATIENCE, events.read_to_end(&mut said)).await.expect("it ends");
    assert!(String::from_utf8_lossy(&said).contains("bye\n"), "{}", String::from_utf8_lossy(&said));
    assert!(TcpStream::connect(address).await.is_err(), "nothing listens there any more");
}

#[actix_web::test]
async fn work_in_the_background_runs_as_long_as_the_service_does() {
    struct Ended(Arc<AtomicBool>);
    impl Drop for Ended {
        fn drop(&mut self) {
            self.0.store(true, Ordering::SeqCst);
        }
    }
    let (began, ended) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
    let (guard, begins) = (Ended(Arc::clone(&ended)), Arc::clone(&began));
    let app = listen(&bounds(), routes).beside(async move {
        let _guard = guard;
        begins.store(true, Ordering::SeqCst);
        std::future::pending::<()>().await;
    });
    let (address, handle, run) = (app.address, app.handle, rt::spawn(app.run));
    assert_eq!(get(address, "/who").await.status, 200);
    assert!(began.load(Ordering::SeqCst) && !ended.load(Ordering::SeqCst));
    handle.stop(true).await;
    run.await.unwrap().unwrap();
    let ends = async {
        while !ended.load(Ordering::SeqCst) {
            rt::time::sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(PATIENCE, ends).await.unwrap();
}

#[actix_web::test]
async fn work_after_the_last_request_is_done_before_the_service_has_ended() {
    let done = Arc::new(AtomicBool::new(false));
    let doing = Arc::clone(&done);
    let app = listen(&bounds(), routes).afterwards(async move {
        rt::time::sleep(Duration::from_millis(100)).await;
        doing.store(true, Ordering::SeqCst);
    });
    let (handle, run) = (app.handle, rt::spawn(app.run));
    handle.stop(true).await;
    run.await.unwrap().unwrap();
    assert!(done.load(Ordering::SeqCst));
}

#[actix_web::test]
async fn work_after_the_last_request_that_takes_too_long_is_given_up_with_a_warning() {
    logged::start();
    let app = listen(&bounds(), routes).afterwards(std::future::pending());
    let (handle, run) = (app.handle, rt::spawn(app.run));
    handle.stop(true).await;
    timeout(PATIENCE, run).await.expect("it ends").unwrap().unwrap();
    logged::next("after the last request").await;
}

#[actix_web::test]
async fn a_request_on_a_unix_socket_that_cannot_be_read_is_logged_without_an_address() {
    logged::start();
    let (_folder, path) = socket();
    let app = at(Listen::Unix(path.clone()), SocketSettings::default()).unwrap();
    rt::spawn(app.run);
    let connection = UnixStream::connect(&path).await.unwrap();
    let answer = talk(connection, "GET / HTTP/1.1\r\nContent-Length: x\r\n\r\n").await;
    assert_eq!(answer.status, 400);
    let line = logged::next("a request from the Unix socket").await;
    assert!(line.starts_with("INFO ") && line.contains("was refused before it could be read"), "{line}");
}

#[actix_web::test]
async fn the_capacity_is_logged_at_the_start() {
    logged::start();
    let http = HttpSettings { max_connections: 123, ..bounds() };
    listen(&http, routes);
    let line = logged::next("serves up to 123 connections").await;
    assert!(
        line.contains("1 threads with 123 each") && line.contains("30 of them from one network"),
        "{line}"
    );
}

#[actix_web::test]
async fn a_stop_that_is_not_graceful_waits_for_no_request() {
    let app = listen(&HttpSettings { shutdown_timeout: PATIENCE, ..bounds() }, routes);
    let (address, handle, run) = (app.address, app.handle, rt::spawn(app.run));
    let mut asking = TcpStream::connect(address).await.unwrap();
    asking.write_all(b"GET /slow HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    rt::time::sleep(Duration::from_millis(100)).await;
    let begin = Instant::now();
    handle.stop(false).await;
    timeout(PATIENCE, run).await.expect("it ends").unwrap().unwrap();
    assert!(begin.elapsed() < PATIENCE / 2, "{:?}", begin.elapsed());
}
