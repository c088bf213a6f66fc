//! A handler that panics takes nobody along, and tells nobody why.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on fails")]

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use actix_web::HttpResponse;
use actix_web::web::{ServiceConfig, get};
use service_kit::{App, HttpSettings};

const PATIENCE: Duration = Duration::from_secs(10);

async fn panics() -> HttpResponse {
    let innocent = true;
    assert!(!innocent, "a message with a secret");
    HttpResponse::Ok().finish()
}

async fn waits() -> HttpResponse {
    actix_web::rt::time::sleep(Duration::from_millis(300)).await;
    HttpResponse::Ok().body("it was in flight")
}

fn routes(config: &mut ServiceConfig) {
    config.route("/panics", get().to(panics)).route("/waits", get().to(waits));
}

/// The answer, head and body.
fn ask(address: SocketAddr, path: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[actix_web::test]
async fn a_handler_that_panics_is_a_500_without_detail_and_harms_no_other_request() {
    let http = HttpSettings {
        workers: 1,
        max_connections: 100,
        max_body_bytes: 1024,
        body_timeout: PATIENCE,
        head_timeout: PATIENCE,
        keep_alive: PATIENCE,
        shutdown_timeout: PATIENCE,
        trusted_proxies: Vec::new(),
    };
    let app = App::listen("panicking", "127.0.0.1:0".parse().unwrap(), &http, routes).unwrap();
    let address = app.address;
    actix_web::rt::spawn(app.run);
    let asking = std::thread::spawn(move || {
        // The one worker has this request in its hands while others panic.
        let in_flight = std::thread::spawn(move || ask(address, "/waits"));
        let failed: Vec<_> = (0..10).map(|_| ask(address, "/panics")).collect();
        (in_flight.join().unwrap(), failed, ask(address, "/waits"))
    });
    while !asking.is_finished() {
        actix_web::rt::time::sleep(Duration::from_millis(10)).await;
    }
    let (in_flight, failed, after) = asking.join().unwrap();
    for answer in [in_flight, after] {
        assert!(answer.starts_with("HTTP/1.1 200 OK") && answer.ends_with("it was in flight"), "{answer}");
    }
    for answer in failed {
        assert!(answer.starts_with("HTTP/1.1 500 "), "{answer}");
        for part in ["content-type: application/problem+json", "x-request-id: ", "\"status\":500"] {
            assert!(answer.contains(part), "{part} is missing: {answer}");
        }
        assert!(!answer.contains("secret") && !answer.contains("panics.rs"), "{answer}");
    }
    app.handle.stop(false).await;
}
