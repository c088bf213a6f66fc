//! An issuer's HTTP server that answers what a test tells it to, well or badly, on a loopback port.

use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use serde_json::json;
use shared_claims::{Policy, Readiness, Remote, SetupError, Verifier};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};

use super::{AUDIENCE, clock};

/// What a path answers.
#[derive(Clone)]
pub(crate) enum Reply {
    /// The head of the answer after `HTTP/1.1 `, and the body.
    Full(String, Vec<u8>),
    /// Closes the connection.
    Close,
    /// Says nothing.
    Never,
    /// A body without an end.
    Endless,
}

impl Reply {
    pub(crate) fn ok(body: impl Into<Vec<u8>>) -> Self {
        Self::Full("200 OK\r\n".to_owned(), body.into())
    }

    pub(crate) fn ok_with(header: &str, body: impl Into<Vec<u8>>) -> Self {
        Self::Full(format!("200 OK\r\n{header}\r\n"), body.into())
    }

    pub(crate) fn status(status: &str) -> Self {
        Self::Full(format!("{status}\r\n"), Vec::new())
    }
}

/// A running server. Paths that nobody set answer `404`.
pub(crate) struct Server {
    pub(crate) url: String,
    pub(crate) address: SocketAddr,
    state: Arc<State>,
    task: JoinHandle<()>,
}

#[derive(Default)]
struct State {
    routes: Mutex<HashMap<String, Reply>>,
    requests: Mutex<Vec<String>>,
}

impl Server {
    pub(crate) async fn start() -> Self {
        Self::start_at("127.0.0.1:0".parse().unwrap()).await
    }

    pub(crate) async fn start_at(address: SocketAddr) -> Self {
        let listener = TcpListener::bind(address).await.unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::new(State::default());
        let shared = Arc::clone(&state);
        let task = tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                tokio::spawn(serve(stream, Arc::clone(&shared)));
            }
        });
        Self { url: format!("http://{address}"), address, state, task }
    }

    pub(crate) fn route(&self, path: &str, reply: Reply) {
        self.state.routes.lock().unwrap().insert(path.to_owned(), reply);
    }

    /// Publishes metadata at the place of RFC 8414, and a key set.
    pub(crate) fn publish(&self, issuer: &str, jwks: &str) {
        let metadata = json!({"issuer": issuer, "jwks_uri": format!("{}/jwks.json", self.url)});
        self.route("/.well-known/oauth-authorization-server", Reply::ok(metadata.to_string()));
        self.route("/jwks.json", Reply::ok(jwks));
    }

    /// The heads of the requests for `path`, in order.
    pub(crate) fn requests(&self, path: &str) -> Vec<String> {
        let start = format!("GET {path} ");
        self.state.requests.lock().unwrap().iter().filter(|head| head.starts_with(&start)).cloned().collect()
    }

    pub(crate) fn hits(&self, path: &str) -> usize {
        self.requests(path).len()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(mut stream: TcpStream, state: Arc<State>) {
    let mut head = Vec::new();
    let mut buffer = [0; 4096];
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read(&mut buffer).await {
            Ok(read) if read > 0 => head.extend_from_slice(&buffer[..read]),
            _ => return,
        }
    }
    let head = String::from_utf8(head).unwrap();
    let path = head.split(' ').nth(1).unwrap().to_owned();
    state.requests.lock().unwrap().push(head);
    let reply = state.routes.lock().unwrap().get(&path).cloned().unwrap_or(Reply::status("404 Not Found"));
    answer(&mut stream, reply).await;
}

/// Errors mean that the client has gone away, which some tests want.
async fn answer(stream: &mut TcpStream, reply: Reply) {
    match reply {
        Reply::Close => {}
        Reply::Never => std::future::pending().await,
        Reply::Full(head, body) => {
            let head = format!("HTTP/1.1 {head}Content-Length: {}\r\nConnection: close\r\n\r\n", body.len());
            let _ = stream.write_all(&[head.as_bytes(), &body].concat()).await;
        }
        Reply::Endless => {
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n").await;
            while stream.write_all(&[b' '; 8192]).await.is_ok() {}
        }
    }
}

/// Waits until `condition` holds, ten seconds at most.
pub(crate) async fn until(what: &str, condition: impl Fn() -> bool) {
    let deadline = std::time::Instant::now() + Duration::from_secs(10);
    while !condition() {
        assert!(std::time::Instant::now() < deadline, "waited in vain until {what}");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

/// Lets that much time pass at once, as far as tokio is concerned.
pub(crate) async fn jump(seconds: u64) {
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(seconds)).await;
    tokio::time::resume();
}

/// A verifier for tokens of `issuer` that is not started yet.
pub(crate) fn remote(issuer: &str, remote: Remote) -> Result<Verifier, SetupError> {
    let policy = Policy::new(issuer, [AUDIENCE])?;
    Ok(Verifier::remote(policy, remote)?.with_clock(clock()))
}

pub(crate) fn is_ready(verifier: &Verifier) -> bool {
    matches!(verifier.readiness(), Readiness::Ready { .. })
}

/// Why it is not ready.
pub(crate) fn reason(verifier: &Verifier) -> String {
    match verifier.readiness() {
        Readiness::NotReady { reason } => reason,
        Readiness::Ready { .. } => "ready".to_owned(),
    }
}
