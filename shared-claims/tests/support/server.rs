//! An issuer's HTTP server on a loopback port, which responds as a test configures it.

use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use serde_json::json;
use shared_claims::{Policy, Remote, Verifier, error::SetupError, verifier::Readiness};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::broadcast,
    task::JoinHandle,
};

use super::{AUDIENCE, clock};

/// The response at a path.
#[derive(Clone)]
pub(crate) enum Reply {
    /// The head of the response after `HTTP/1.1 `, and the body.
    Full(String, Vec<u8>),
    /// Closes the connection.
    Close,
    /// Never responds.
    Never,
    /// An endless body.
    Endless,
    /// An event stream, which starts with this text.
    Events(String),
    /// The responses to a client with this `Authorization` and to one without; any other gets `401`.
    Members(String, Box<Reply>, Box<Reply>),
    /// A body with this `ETag`: `304` for a client that has it.
    Tagged(String, Vec<u8>),
}

impl Reply {
    pub(crate) fn ok(body: impl Into<Vec<u8>>) -> Self {
        Self::Full("200 OK\r\n".to_owned(), body.into())
    }

    pub(crate) fn ok_with(header: &str, body: impl Into<Vec<u8>>) -> Self {
        Self::Full(format!("200 OK\r\n{header}\r\n"), body.into())
    }

    /// A status list, with a header line of its own or none.
    pub(crate) fn list(header: &str, token: impl Into<Vec<u8>>) -> Self {
        Self::ok_with(&format!("{header}Content-Type: application/statuslist+jwt"), token)
    }

    pub(crate) fn tagged(etag: &str, body: impl Into<Vec<u8>>) -> Self {
        Self::Tagged(etag.to_owned(), body.into())
    }

    pub(crate) fn members(authorization: &str, to_members: Self, to_others: Self) -> Self {
        Self::Members(authorization.to_owned(), Box::new(to_members), Box::new(to_others))
    }

    pub(crate) fn status(status: &str) -> Self {
        Self::Full(format!("{status}\r\n"), Vec::new())
    }
}

impl Reply {
    /// Returns the response to a request with this head.
    fn to(self, head: &str) -> Self {
        match self {
            Self::Members(authorization, to_members, to_others) => match header(head, "authorization") {
                Some(shown) if shown == authorization => to_members.to(head),
                Some(_) => Self::status("401 Unauthorized"),
                None => to_others.to(head),
            },
            Self::Tagged(etag, _) if header(head, "if-none-match") == Some(&etag) => {
                Self::Full(format!("304 Not Modified\r\nETag: {etag}\r\n"), Vec::new())
            }
            Self::Tagged(etag, body) => Self::ok_with(&format!("ETag: {etag}"), body),
            other => other,
        }
    }
}

/// The value of a header in the head of a request.
pub(crate) fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    let lines = head.lines().filter_map(|line| line.split_once(": "));
    lines.filter(|(is, _)| is.eq_ignore_ascii_case(name)).map(|(_, value)| value).next()
}

/// A running server. Paths without a reply respond with `404`.
pub(crate) struct Server {
    pub(crate) url: String,
    pub(crate) address: SocketAddr,
    state: Arc<State>,
    task: JoinHandle<()>,
}

struct State {
    routes: Mutex<HashMap<String, Reply>>,
    requests: Mutex<Vec<String>>,
    /// What all event streams send; `None` ends them.
    events: broadcast::Sender<Option<Vec<u8>>>,
}

impl Server {
    pub(crate) async fn start() -> Self {
        Self::start_at("127.0.0.1:0".parse().unwrap()).await
    }

    pub(crate) async fn start_at(address: SocketAddr) -> Self {
        let listener = TcpListener::bind(address).await.unwrap();
        let address = listener.local_addr().unwrap();
        let events = broadcast::Sender::new(1000);
        let state = Arc::new(State { routes: Mutex::default(), requests: Mutex::default(), events });
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

    /// Publishes metadata at the URL of RFC 8414, and a key set.
    pub(crate) fn publish(&self, issuer: &str, jwks: &str) {
        let metadata = json!({"issuer": issuer, "jwks_uri": format!("{}/jwks.json", self.url)});
        self.route("/.well-known/oauth-authorization-server", Reply::ok(metadata.to_string()));
        self.route("/jwks.json", Reply::ok(jwks));
    }

    /// The same, with status lists and events.
    pub(crate) fn publish_with_lists(&self, issuer: &str, jwks: &str, lists: &[&str]) {
        self.publish(issuer, jwks);
        let metadata = json!({
            "issuer": issuer,
            "jwks_uri": format!("{}/jwks.json", self.url),
            "status_list_aggregation_endpoint": format!("{}/status-lists", self.url),
            "status_list_events_endpoint": format!("{}/status-lists/events", self.url),
        });
        self.route("/.well-known/oauth-authorization-server", Reply::ok(metadata.to_string()));
        self.route("/status-lists", Reply::ok(json!({"status_lists": lists}).to_string()));
    }

    /// Sends a text on all event streams.
    pub(crate) fn say(&self, text: impl Into<Vec<u8>>) {
        let _ = self.state.events.send(Some(text.into())); // there may be no listener
    }

    /// Ends all event streams.
    pub(crate) fn hang_up(&self) {
        let _ = self.state.events.send(None);
    }

    pub(crate) fn listeners(&self) -> usize {
        self.state.events.receiver_count()
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
    let reply = state.routes.lock().unwrap().get(&path).cloned().unwrap_or(Reply::status("404 Not Found"));
    let reply = reply.to(&head);
    state.requests.lock().unwrap().push(head);
    let events = state.events.subscribe();
    match reply {
        Reply::Events(start) => tell(&mut stream, &start, events).await,
        other => {
            drop(events);
            answer(&mut stream, other).await;
        }
    }
}

/// Serves an event stream until it is ended or the client disconnects.
async fn tell(stream: &mut TcpStream, start: &str, mut events: broadcast::Receiver<Option<Vec<u8>>>) {
    let head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n";
    let mut ok = stream.write_all(format!("{head}{start}").as_bytes()).await.is_ok();
    let mut byte = [0];
    while ok {
        tokio::select! {
            event = events.recv() => match event {
                Ok(Some(text)) => ok = stream.write_all(&text).await.is_ok(),
                _ => return,
            },
            read = stream.read(&mut byte) => ok = read.is_ok_and(|read| read > 0),
        }
    }
}

/// Errors mean that the client has disconnected, which some tests cause.
async fn answer(stream: &mut TcpStream, reply: Reply) {
    match reply {
        Reply::Close => {}
        Reply::Never => std::future::pending().await,
        Reply::Events(_) | Reply::Members(..) | Reply::Tagged(..) => unreachable!(),
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

/// Waits until `condition` holds, for at most ten seconds.
pub(crate) async fn until(what: &str, condition: impl Fn() -> bool) {
    let deadline = std::time::Instant::now() + Duration::from_secs(10);
    while !condition() {
        assert!(std::time::Instant::now() < deadline, "waited in vain until {what}");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

/// Advances tokio's clock.
pub(crate) async fn jump(seconds: u64) {
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(seconds)).await;
    tokio::time::resume();
}

/// Returns a verifier for tokens of `issuer` that is not started yet.
pub(crate) fn remote(issuer: &str, remote: Remote) -> Result<Verifier, SetupError> {
    let policy = Policy::new(issuer, [AUDIENCE])?;
    Ok(Verifier::remote(policy, remote)?.with_clock(clock()))
}

pub(crate) fn is_ready(verifier: &Verifier) -> bool {
    matches!(verifier.readiness(), Readiness::Ready { .. })
}

/// Returns why it is not ready.
pub(crate) fn reason(verifier: &Verifier) -> String {
    match verifier.readiness() {
        Readiness::NotReady { reason } => reason,
        Readiness::Ready { .. } => "ready".to_owned(),
    }
}
