//! Limits of `/status-lists/events`: no address and no client can keep others from listening.

use std::net::SocketAddr;
use std::time::Duration;

use reqwest::{Client, Method, RequestBuilder, Response};
use tokio::io::AsyncReadExt as _;
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;

use crate::api::support::{Answer, Credentials, FORM, Service, send};

/// How long a test waits for an expected event.
const PATIENCE: Duration = Duration::from_secs(30);
const PATH: &str = "/status-lists/events";
/// Source address of the many streams.
const CROWD: &str = "127.0.0.2";
const OTHERS: [&str; 3] = ["127.0.0.3", "127.0.0.4", "127.0.0.5"];

/// Returns a request for the stream of events from an address.
fn ask_from(service: &Service, address: &str) -> RequestBuilder {
    // Without a timeout, and with its own connections.
    let client = Client::builder().local_address(Some(address.parse().unwrap())).build().unwrap();
    client.get(format!("http://{}{PATH}", service.address))
}

async fn listen_from(service: &Service, address: &str) -> Response {
    open(ask_from(service, address)).await
}

async fn listen_as(service: &Service, client: &Credentials, address: &str) -> Response {
    open(ask_from(service, address).basic_auth(&client.id, Some(&client.secret))).await
}

/// Opens a stream, and waits for its first event.
async fn open(request: RequestBuilder) -> Response {
    let mut stream = request.send().await.unwrap();
    assert_eq!(stream.status(), 200);
    read_until(&mut stream, "event: keys").await;
    stream
}

/// Reads until the stream has sent this text.
async fn read_until(stream: &mut Response, words: &str) -> String {
    let mut text = String::new();
    let reading = async {
        while !text.contains(words) {
            let chunk = stream.chunk().await.unwrap().expect("the stream is open");
            text.push_str(str::from_utf8(&chunk).unwrap());
        }
    };
    assert!(timeout(PATIENCE, reading).await.is_ok(), "{words:?} in {text:?}");
    text
}

async fn assert_open(stream: &mut Response) {
    read_until(stream, ": alive").await;
}

async fn assert_ends(stream: &mut Response) {
    let reading = async { while let Ok(Some(_)) = stream.chunk().await {} };
    timeout(PATIENCE, reading).await.expect("the stream ends");
}

#[track_caller]
fn assert_too_many(answer: &Answer) {
    answer.assert_problem(503, "too_many_listeners");
    assert_eq!(answer.header("retry-after"), "10");
}

#[actix_web::test]
async fn anonymous_streams_are_limited_by_address_and_other_addresses_can_still_listen() {
    let service = Service::start().await;
    let mut crowd = Vec::new();
    for _ in 0..8 {
        crowd.push(listen_from(&service, CROWD).await);
    }
    assert_too_many(&send(ask_from(&service, CROWD)).await);
    listen_from(&service, OTHERS[0]).await;
}

#[actix_web::test]
async fn when_all_anonymous_streams_are_taken_a_new_listener_replaces_the_newest_of_the_largest_holder() {
    let variables = [("AUTH__STATUS_LISTS__MAX_LISTENERS", "8"), ("AUTH__STATUS_LISTS__HEARTBEAT", "1s")];
    let service = Service::with(&variables).await;
    let mut other = listen_from(&service, OTHERS[0]).await;
    let mut crowd = Vec::new();
    for _ in 0..3 {
        crowd.push(listen_from(&service, CROWD).await);
    }
    assert_too_many(&send(ask_from(&service, CROWD)).await);
    let mut new_listener = listen_from(&service, OTHERS[1]).await;
    assert_ends(&mut crowd[2]).await;
    assert_too_many(&send(ask_from(&service, CROWD)).await);
    for stream in [&mut other, &mut new_listener].into_iter().chain(&mut crowd[..2]) {
        assert_open(stream).await;
    }
}

#[actix_web::test]
async fn behind_a_trusted_proxy_streams_are_counted_by_the_forwarded_address() {
    let one = [("AUTH__STATUS_LISTS__MAX_LISTENERS_PER_ADDRESS", "1")];
    let proxied = [one[0], ("AUTH__HTTP__TRUSTED_PROXIES", "127.0.0.0/8")];
    let service = Service::with(&proxied).await;
    let ask = |client: &str| ask_from(&service, CROWD).header("x-forwarded-for", client);
    let _streams =
        [open(ask("192.0.2.1")).await, open(ask("192.0.2.2")).await, open(ask("2001:db8::1")).await];
    for same in ["192.0.2.1", "6.6.6.6, 192.0.2.2", "2001:db8::ffff"] {
        assert_too_many(&send(ask(same)).await);
    }
    // Forwarding headers of an untrusted peer are ignored.
    let service = Service::with(&one).await;
    let ask = |client: &str| ask_from(&service, CROWD).header("x-forwarded-for", client);
    let _stream = open(ask("192.0.2.1")).await;
    assert_too_many(&send(ask("192.0.2.2")).await);
}

#[actix_web::test]
async fn half_of_the_streams_are_reserved_for_authenticated_clients() {
    let variables = [("AUTH__STATUS_LISTS__MAX_LISTENERS", "4"), ("AUTH__STATUS_LISTS__HEARTBEAT", "1s")];
    let service = Service::with(&variables).await;
    let client = service.create_client("books", &[], &[]).await;
    let mut anonymous = [listen_from(&service, OTHERS[0]).await, listen_from(&service, OTHERS[1]).await];
    assert_too_many(&send(ask_from(&service, OTHERS[0])).await);
    let mut clients = [listen_as(&service, &client, CROWD).await, listen_as(&service, &client, CROWD).await];
    let one_more = ask_from(&service, CROWD).basic_auth(&client.id, Some(&client.secret));
    assert_too_many(&send(one_more).await);
    for stream in anonymous.iter_mut().chain(&mut clients) {
        assert_open(stream).await;
    }
    // One client cannot keep out another one either.
    let other = service.create_client("billing", &[], &[]).await;
    let mut new_listener = listen_as(&service, &other, CROWD).await;
    assert_ends(&mut clients[1]).await;
    assert_open(&mut new_listener).await;
}

#[actix_web::test]
async fn the_streams_of_a_client_are_limited_over_all_its_addresses() {
    let service = Service::with(&[("AUTH__STATUS_LISTS__MAX_LISTENERS_PER_CLIENT", "2")]).await;
    let client = service.create_client("books", &[], &[]).await;
    let _streams = [listen_as(&service, &client, CROWD).await, listen_as(&service, &client, OTHERS[0]).await];
    // With its name or its id.
    for id in ["client:books", "books"] {
        let request = ask_from(&service, OTHERS[1]).basic_auth(id, Some(&client.secret));
        assert_too_many(&send(request).await);
    }
    listen_from(&service, CROWD).await;
}

#[actix_web::test]
async fn wrong_credentials_are_401_whatever_is_wrong_with_them() {
    let service = Service::start().await;
    let client = service.create_client("books", &[], &[]).await;
    let disabled = service.create_client("old", &[], &[]).await;
    service.operator().await.clients.set_disabled("old", true).await.unwrap().unwrap();
    let basic = |id: &str, secret: &str| ask_from(&service, CROWD).basic_auth(id, Some(secret));
    let wrong = [
        basic("unknown", &client.secret),
        basic(&client.id, &disabled.secret),
        basic(&client.id, ""),
        basic(&disabled.id, &disabled.secret),
        basic("not a valid name", &client.secret),
        ask_from(&service, CROWD).header("authorization", "Basic"),
        ask_from(&service, CROWD).header("authorization", "Basic !"),
        ask_from(&service, CROWD).header("authorization", "basic YQ=="),
    ];
    let mut texts = Vec::new();
    for request in wrong {
        let refused = send(request).await;
        refused.assert_problem(401, "invalid_client");
        assert_eq!(refused.header("www-authenticate"), r#"Basic realm="auth-service""#);
        texts.push(refused.text);
    }
    assert!(texts.iter().all(|text| *text == texts[0]), "the answer does not show the reason");
    listen_as(&service, &client, CROWD).await;
    open(ask_from(&service, CROWD).bearer_auth("of a user")).await;
}

#[actix_web::test]
async fn two_authorization_headers_are_a_problem_document_here_and_an_oauth_error_at_the_oauth_endpoints() {
    let service = Service::start().await;
    let client = service.create_client("books", &[], &[]).await;
    let twice = |method: Method, path: &str| {
        let request = service.request(method, path).basic_auth(&client.id, Some(&client.secret));
        request.header("authorization", "Basic YTpi")
    };
    send(twice(Method::GET, "/status-lists/events")).await.assert_problem(400, "invalid_request");
    for path in ["/token", "/revoke", "/introspect"] {
        let request = twice(Method::POST, path).header("content-type", FORM).body("token=x");
        send(request).await.assert_oauth_error(400, "invalid_request");
    }
}

#[actix_web::test]
async fn the_streams_of_a_client_end_when_it_is_disabled_or_gets_a_new_secret() {
    let service = Service::with(&[("AUTH__STATUS_LISTS__HEARTBEAT", "1s")]).await;
    let clients = [
        service.create_client("disabled", &[], &[]).await,
        service.create_client("renewed", &[], &[]).await,
        service.create_client("unchanged", &[], &[]).await,
    ];
    let [mut disabled, mut renewed, mut unchanged] = [
        listen_as(&service, &clients[0], CROWD).await,
        listen_as(&service, &clients[1], CROWD).await,
        listen_as(&service, &clients[2], CROWD).await,
    ];
    let mut anonymous = listen_from(&service, CROWD).await;
    let operator = service.operator().await;
    operator.clients.set_disabled("disabled", true).await.unwrap().unwrap();
    assert_ends(&mut disabled).await;
    let secret = operator.clients.renew_secret("renewed").await.unwrap().unwrap();
    assert_ends(&mut renewed).await;
    for client in &clients[..2] {
        let again = ask_from(&service, CROWD).basic_auth(&client.id, Some(&client.secret));
        send(again).await.assert_problem(401, "invalid_client");
    }
    let secret = secrecy::ExposeSecret::expose_secret(&secret).to_owned();
    let mut new = listen_as(&service, &Credentials { secret, ..clients[1].clone() }, CROWD).await;
    for stream in [&mut unchanged, &mut anonymous, &mut new] {
        assert_open(stream).await;
        assert_open(stream).await;
    }
}

/// Opens a connection that sends nothing.
async fn connect_from(service: &Service, address: &str) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(SocketAddr::new(address.parse().unwrap(), 0)).unwrap();
    socket.connect(service.address).await.unwrap()
}

async fn is_closed(connection: &mut TcpStream) -> bool {
    matches!(timeout(PATIENCE, connection.read(&mut [0])).await, Ok(Ok(0) | Err(_)))
}

#[actix_web::test]
async fn new_listeners_are_notified_of_a_revocation_while_one_address_holds_every_stream_it_can_get() {
    let variables = [
        ("AUTH__STATUS_LISTS__MAX_LISTENERS", "16"),
        ("AUTH__HTTP__MAX_CONNECTIONS_PER_ADDRESS", "20"),
        ("AUTH__HTTP__HEAD_TIMEOUT", "10m"),
    ];
    let service = Service::with(&variables).await;
    let client = service.create_client("books", &[], &[]).await;
    let tokens = service.register_and_login("alice").await;
    // All anonymous streams, and all the connections that one address may have.
    let mut crowd = Vec::new();
    for _ in 0..8 {
        crowd.push(listen_from(&service, CROWD).await);
    }
    assert_too_many(&send(ask_from(&service, CROWD)).await);
    let mut silent = Vec::new();
    for _ in 0..30 {
        silent.push(connect_from(&service, CROWD).await);
    }
    assert!(is_closed(&mut silent[0]).await, "the address is at its limit of connections");
    // Other addresses get their streams, and so does a client from the same address.
    for _ in 0..3 {
        listen_from(&service, OTHERS[0]).await;
        listen_as(&service, &client, OTHERS[1]).await;
    }
    let mut listening = [
        listen_from(&service, OTHERS[0]).await,
        listen_as(&service, &client, OTHERS[1]).await,
        listen_as(&service, &client, CROWD).await,
    ];
    assert_eq!(service.logout(&tokens.access).await.status, 204);
    for stream in &mut listening {
        read_until(stream, "event: list").await;
    }
    assert!(service.revokes(&tokens).await);
}
