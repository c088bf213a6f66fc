//! The client's credentials in the settings, and the requests that contain them.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};

use serde_json::json;

use crate::support::{World, until};

/// Starts an issuer that has metadata and nothing else, and records the heads of requests. It ends with the process.
fn issuer() -> (String, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let metadata = json!({
        "issuer": url,
        "jwks_uri": format!("{url}/keys"),
        "status_list_aggregation_endpoint": format!("{url}/status-lists"),
        "status_list_events_endpoint": format!("{url}/status-lists/events"),
    });
    let metadata = metadata.to_string();
    let heads = Arc::new(Mutex::new(Vec::new()));
    let noted = Arc::clone(&heads);
    std::thread::spawn(move || {
        for connection in listener.incoming() {
            let mut connection = connection.unwrap();
            let mut head = Vec::new();
            let mut byte = [0];
            while !head.ends_with(b"\r\n\r\n") && connection.read(&mut byte).is_ok_and(|read| read > 0) {
                head.extend(byte);
            }
            let head = String::from_utf8_lossy(&head).to_lowercase();
            let (status, body) = if head.starts_with("get /.well-known/oauth") {
                ("200 OK", metadata.as_str())
            } else {
                ("404 Not Found", "")
            };
            let length = body.len();
            let _ = write!(
                connection,
                "HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
            );
            noted.lock().unwrap().push(head);
        }
    });
    (url, heads)
}

#[actix_web::test]
async fn the_clients_credentials_are_sent_to_the_event_stream_only() {
    let (url, heads) = issuer();
    let settings = [
        ("RESOURCE__ISSUER", url.as_str()),
        ("RESOURCE__CLIENT_ID", "orders"),
        ("RESOURCE__CLIENT_SECRET", "s3cret/+"),
    ];
    let _world = World::without_issuer(&[], &settings);
    let of = |path: &str| {
        let heads = heads.lock().unwrap();
        heads.iter().filter(|head| head.starts_with(&format!("get {path} "))).cloned().collect::<Vec<_>>()
    };
    until(|| async {
        ["/status-lists/events", "/keys", "/status-lists"].iter().all(|path| !of(path).is_empty())
    })
    .await;
    // orders:s3cret%2F%2B
    let basic = "authorization: basic b3jkzxjzonmzy3jldcuyriuyqg==\r\n";
    assert!(of("/status-lists/events")[0].contains(basic), "{:?}", of("/status-lists/events"));
    for path in ["/keys", "/status-lists", "/.well-known/oauth-authorization-server"] {
        assert!(of(path).iter().all(|head| !head.contains("authorization:")), "{path}");
    }
}
