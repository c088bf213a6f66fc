//! A handler that panics affects no other request, and its message is not in the answer.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use actix_web::HttpResponse;
use actix_web::web::{ServiceConfig, get};
use service_kit::Cors;

use crate::server::{bounds, listen};

const PATIENCE: Duration = Duration::from_secs(10);
const APP: &str = "https://app.example.com";

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
    config.app_data(Cors::new(&[APP.to_owned()], Duration::ZERO));
    config.route("/panics", get().to(panics)).route("/waits", get().to(waits));
}

/// The answer, head and body.
fn ask(address: SocketAddr, path: &str, origin: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: here\r\nOrigin: {origin}\r\nConnection: close\r\n\r\n")
        .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[actix_web::test]
async fn a_handler_that_panics_is_a_500_without_detail_and_harms_no_other_request() {
    let app = listen(&bounds(), routes);
    let address = app.address;
    actix_web::rt::spawn(app.run);
    let asking = std::thread::spawn(move || {
        // The one worker has this request in its hands while others panic.
        let in_flight = std::thread::spawn(move || ask(address, "/waits", APP));
        let failed: Vec<_> = (0..10).map(|_| ask(address, "/panics", APP)).collect();
        let stranger = ask(address, "/panics", "https://evil.example");
        (in_flight.join().unwrap(), failed, ask(address, "/waits", APP), stranger)
    });
    while !asking.is_finished() {
        actix_web::rt::time::sleep(Duration::from_millis(10)).await;
    }
    let (in_flight, failed, after, stranger) = asking.join().unwrap();
    for answer in [in_flight, after] {
        assert!(answer.starts_with("HTTP/1.1 200 OK") && answer.ends_with("it was in flight"), "{answer}");
    }
    for answer in failed {
        assert!(answer.starts_with("HTTP/1.1 500 "), "{answer}");
        for part in [
            "content-type: application/problem+json",
            "x-request-id: ",
            "\"status\":500",
            "access-control-allow-origin: https://app",
        ] {
            assert!(answer.contains(part), "{part} is missing: {answer}");
        }
        assert!(!answer.contains("secret") && !answer.contains("panics.rs"), "{answer}");
    }
    assert!(stranger.starts_with("HTTP/1.1 500 ") && !stranger.contains("access-control-allow-origin"));
    app.handle.stop(false).await;
}
