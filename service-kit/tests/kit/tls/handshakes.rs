//! Handshakes: versions, protocols, time-outs, and the health check.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use service_kit::healthcheck::{self, Unhealthy};
use service_kit::{HttpSettings, Listen, TlsSettings};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::support::{Files, NEVER, NOW, connect, handshake, serve, start};
use crate::client::{PATIENCE, request, talk};
use crate::server::bounds;

/// Sends these bytes; returns the answer until the service closes the connection.
async fn said_to(address: SocketAddr, bytes: &[u8]) -> Vec<u8> {
    let mut connection = TcpStream::connect(address).await.unwrap();
    connection.write_all(bytes).await.unwrap();
    until_its_end(connection).await
}

async fn until_its_end(mut connection: TcpStream) -> Vec<u8> {
    let mut said = Vec::new();
    let _ = timeout(PATIENCE, connection.read_to_end(&mut said)).await.expect("it ends"); // a reset is an end as well
    said
}

#[actix_web::test]
async fn a_service_with_a_certificate_answers_in_tls_and_says_nothing_in_plain_text() {
    let files = Files::new();
    let address = start(&files, NEVER);
    let answer = talk(connect(&files, address).await, &request("GET /hello", &[], "")).await;
    assert_eq!((answer.status, answer.body.as_str()), (200, "hello"));
    assert_eq!(answer.header("strict-transport-security"), Some("max-age=31536000"));
    let plain = said_to(address, b"GET /hello HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert!(plain.is_empty() || plain.starts_with(&[0x15]), "an alert, or nothing: {plain:?}");
}

/// Returns the unencrypted `ClientHello` of a client that supports at most TLS 1.1.
fn old_hello(minor: u8) -> Vec<u8> {
    let mut body = vec![3, minor];
    body.extend([7; 32]);
    body.extend([0, 0, 4, 0xc0, 0x09, 0x00, 0x2f, 1, 0]); // no session, two suites, no compression
    let length = u8::try_from(body.len()).unwrap();
    [&[0x16, 3, 1, 0, length + 4, 1, 0, 0, length], &body[..]].concat()
}

#[actix_web::test]
async fn tls_1_0_and_1_1_are_refused() {
    let files = Files::new();
    let address = start(&files, NEVER);
    for minor in [1, 2] {
        let said = said_to(address, &old_hello(minor)).await;
        let [0x15, 3, _, 0, 2, 2, 40 | 70] = said[..] else {
            panic!("{said:?} is neither of the alerts handshake_failure and protocol_version");
        };
    }
}

#[actix_web::test]
async fn tls_1_2_and_1_3_carry_http_1_1() {
    let files = Files::new();
    let address = start(&files, NEVER);
    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        let agreed = async |protocols: &[&[u8]]| {
            let stream = handshake(&files, address, &[version], protocols).await?;
            io::Result::Ok(stream.get_ref().1.alpn_protocol().map(<[u8]>::to_vec))
        };
        assert_eq!(agreed(&[b"h2", b"http/1.1"]).await.unwrap(), Some(b"http/1.1".to_vec()));
        assert_eq!(agreed(&[]).await.unwrap(), None);
        agreed(&[b"h2"]).await.unwrap_err();
    }
}

#[actix_web::test]
async fn a_stalled_handshake_is_closed_and_delays_no_other_client() {
    let files = Files::new();
    let settings = TlsSettings { handshake_timeout: Duration::from_secs(1), ..files.settings(NEVER) };
    let address = serve(&settings, &bounds(), || NOW);
    let mut stalled = Vec::new();
    for _ in 0..300 {
        let mut connection = TcpStream::connect(address).await.unwrap();
        connection.write_all(&old_hello(3)[..20]).await.unwrap();
        stalled.push(connection);
    }
    let answer = talk(connect(&files, address).await, &request("GET /hello", &[], "")).await;
    assert_eq!(answer.status, 200);
    for connection in stalled {
        assert_eq!(until_its_end(connection).await, b"");
    }
}

#[actix_web::test]
async fn a_stalled_handshake_makes_room_for_another_connection_of_its_address() {
    let files = Files::new();
    let settings = TlsSettings { handshake_timeout: PATIENCE * 4, ..files.settings(NEVER) };
    let address = serve(&settings, &HttpSettings { max_connections_per_address: 1, ..bounds() }, || NOW);
    let stalled = TcpStream::connect(address).await.unwrap();
    assert_eq!(talk(connect(&files, address).await, &request("GET /hello", &[], "")).await.status, 200);
    assert_eq!(until_its_end(stalled).await, b"");
}

#[actix_web::test]
async fn a_healthcheck_follows_the_settings_into_tls_whatever_name_the_certificate_has() {
    let files = Files::new();
    let settings = files.settings(NEVER);
    let address = serve(&settings, &bounds(), || NOW);
    healthcheck::check(&Listen::from(address), &settings).await.unwrap();
    let plain = TlsSettings { certificate: None, key: None, ..settings };
    let error = healthcheck::check(&Listen::from(address), &plain).await.unwrap_err();
    assert!(matches!(error, Unhealthy::Unreachable(..) | Unhealthy::NotReady(..)), "{error:?}");
}
