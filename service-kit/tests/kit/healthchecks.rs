//! The command `healthcheck`.

use std::error::Error as _;
use std::net::{Ipv6Addr, SocketAddr};
use std::time::{Duration, Instant};

use actix_web::rt;
use service_kit::healthcheck::{Unhealthy, check};
use service_kit::{Listen, TlsSettings};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, UnixListener};

/// Without a certificate.
fn plain() -> TlsSettings {
    TlsSettings {
        certificate: None,
        key: None,
        poll_interval: Duration::from_secs(10),
        handshake_timeout: Duration::from_secs(5),
        expiry_warning: Duration::ZERO,
        hsts_max_age: Duration::ZERO,
        hsts_include_subdomains: false,
    }
}

/// Reads a request and answers with these bytes. Returns the request.
async fn answer(mut connection: impl AsyncRead + AsyncWrite + Unpin, said: &str) -> String {
    let mut asked = Vec::new();
    while !asked.ends_with(b"\r\n\r\n") {
        assert_ne!(connection.read_buf(&mut asked).await.unwrap(), 0);
    }
    connection.write_all(said.as_bytes()).await.unwrap();
    String::from_utf8(asked).unwrap()
}

/// Checks a service that answers with these bytes. Returns the result and the request.
async fn checked(said: &'static str) -> (Result<(), Unhealthy>, String) {
    let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let listen = Listen::from(socket.local_addr().unwrap());
    let served = rt::spawn(async move { answer(socket.accept().await.unwrap().0, said).await });
    let result = check(&listen, &plain()).await;
    (result, served.await.unwrap())
}

#[actix_web::test]
async fn a_service_is_ready_when_readyz_says_200_and_nothing_else_is_read() {
    for said in
        ["HTTP/1.1 200 OK\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n", "HTTP/1.0 200 OK\n"]
    {
        let (result, asked) = checked(said).await;
        assert!(result.is_ok(), "{said:?}: {result:?}");
        assert!(
            asked.starts_with("GET /readyz HTTP/1.1\r\nHost: ") && asked.contains("Connection: close"),
            "{asked}"
        );
    }
}

#[actix_web::test]
async fn any_other_answer_is_shown_as_it_came() {
    for said in [
        "HTTP/1.1 503 Service Unavailable\r\n\r\n",
        "HTTP/1.1 404 Not Found\r\n\r\n",
        "HTTP/1.1 2000 OK\r\n\r\n",
        "SSH-2.0-x\r\n",
    ] {
        let (result, _) = checked(said).await;
        let error = result.unwrap_err();
        assert!(matches!(error, Unhealthy::NotReady(..)), "{error:?}");
        assert!(error.to_string().contains(said.trim_end()), "{error}");
    }
    let (result, _) = checked("").await;
    assert!(result.is_err(), "a connection that is closed is no answer");
}

#[actix_web::test]
async fn a_line_without_end_is_not_read_for_ever() {
    let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let listen = Listen::from(socket.local_addr().unwrap());
    rt::spawn(async move {
        let (mut connection, _) = socket.accept().await.unwrap();
        while connection.write_all(&[b'x'; 4096]).await.is_ok() {}
    });
    let error = check(&listen, &plain()).await.unwrap_err().to_string();
    assert!(error.len() < 2000, "{error}");
}

#[actix_web::test]
async fn where_nothing_listens_the_error_says_where_it_looked_and_why() {
    let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let listen = Listen::from(socket.local_addr().unwrap());
    drop(socket);
    let error = check(&listen, &plain()).await.unwrap_err();
    assert_eq!(error.to_string(), format!("no answer from {listen}"));
    assert!(error.source().unwrap().to_string().to_lowercase().contains("refused"), "{error:?}");
}

#[actix_web::test]
async fn a_service_that_does_not_answer_is_given_five_seconds() {
    let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let listen = Listen::from(socket.local_addr().unwrap());
    let begin = Instant::now();
    let error = check(&listen, &plain()).await.unwrap_err();
    assert!(matches!(error, Unhealthy::Slow(_)), "{error:?}");
    assert!(begin.elapsed() >= Duration::from_secs(5), "{:?}", begin.elapsed());
}

#[actix_web::test]
async fn a_service_that_listens_everywhere_is_asked_by_the_loopback() {
    let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = socket.local_addr().unwrap().port();
    rt::spawn(async move {
        loop {
            answer(socket.accept().await.unwrap().0, "HTTP/1.1 200 OK\r\n\r\n").await;
        }
    });
    let everywhere = [
        Listen::Everywhere(port),
        Listen::Localhost(port),
        SocketAddr::from(([0, 0, 0, 0], port)).into(),
        SocketAddr::from((Ipv6Addr::UNSPECIFIED, port)).into(),
    ];
    for listen in everywhere {
        check(&listen, &plain()).await.unwrap_or_else(|error| panic!("{listen}: {error}"));
    }
}

#[actix_web::test]
async fn a_service_on_port_0_cannot_be_found() {
    for listen in [Listen::Localhost(0), Listen::Everywhere(0), SocketAddr::from(([127, 0, 0, 1], 0)).into()]
    {
        let error = check(&listen, &plain()).await.unwrap_err();
        assert!(matches!(error, Unhealthy::UnknownPort), "{error:?}");
        assert!(error.to_string().contains("port 0"), "{error}");
    }
}

#[actix_web::test]
async fn a_service_on_a_unix_socket_is_asked_there() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("http.sock");
    let listen = Listen::Unix(path.clone());
    assert!(matches!(check(&listen, &plain()).await, Err(Unhealthy::Unreachable(..))));
    let socket = UnixListener::bind(&path).unwrap();
    rt::spawn(async move { answer(socket.accept().await.unwrap().0, "HTTP/1.1 200 OK\r\n\r\n").await });
    check(&listen, &plain()).await.unwrap();
}
