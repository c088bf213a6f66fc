//! An HTTP client that sends exactly the bytes of a test.

use std::net::SocketAddr;
use std::time::Duration;

use actix_web::rt;
use actix_web::web::ServiceConfig;
use serde_json::Value;
use service_kit::HttpSettings;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::server::{bounds, listen};

/// How long a test waits for an expected event.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// A service that runs until the test ends.
pub struct Service {
    pub address: SocketAddr,
}

impl Service {
    /// Starts a service with these routes and the bounds of [`bounds`].
    pub fn start(routes: impl Fn(&mut ServiceConfig) + Clone + Send + 'static) -> Self {
        Self::with(&bounds(), routes)
    }

    pub fn with(http: &HttpSettings, routes: impl Fn(&mut ServiceConfig) + Clone + Send + 'static) -> Self {
        let app = listen(http, routes);
        rt::spawn(app.run);
        Self { address: app.address }
    }

    /// Sends a request without a body; `fields` are header lines.
    pub async fn ask(&self, first_line: &str, fields: &[&str]) -> Answer {
        self.send(first_line, fields, "").await
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.ask(&format!("GET {path}"), &[]).await
    }

    pub async fn post_json(&self, path: &str, body: &str) -> Answer {
        self.send(&format!("POST {path}"), &["Content-Type: application/json"], body).await
    }

    pub async fn send(&self, first_line: &str, fields: &[&str], body: &str) -> Answer {
        let connection = TcpStream::connect(self.address).await.unwrap();
        talk(connection, &request(first_line, fields, body)).await
    }
}

/// Returns a request that ends its connection.
pub fn request(first_line: &str, fields: &[&str], body: &str) -> String {
    let length = format!("Content-Length: {}", body.len());
    let mut lines = vec!["Host: a", "Connection: close"];
    lines.extend(fields);
    if !body.is_empty() {
        lines.push(&length);
    }
    format!("{first_line} HTTP/1.1\r\n{}\r\n\r\n{body}", lines.join("\r\n"))
}

/// Sends bytes and reads the answer up to the end of the connection.
pub async fn talk<T>(mut connection: T, sent: &str) -> Answer
where
    T: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
{
    connection.write_all(sent.as_bytes()).await.unwrap();
    let mut said = Vec::new();
    let read = timeout(PATIENCE, connection.read_to_end(&mut said)).await.expect("the connection ends");
    read.unwrap();
    Answer::parse(&String::from_utf8(said).unwrap())
}

/// A complete answer.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub head: String,
    pub body: String,
}

impl Answer {
    fn parse(said: &str) -> Self {
        let (head, body) = said.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no answer: {said:?}"));
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap();
        let answer = Self { status, head: head.to_owned(), body: body.to_owned() };
        let is_chunked = answer.header("transfer-encoding") == Some("chunked");
        Self { body: if is_chunked { without_chunks(body) } else { answer.body }, ..answer }
    }

    /// Returns the value of this header, which must not be repeated.
    pub fn header(&self, name: &str) -> Option<&str> {
        let lines = self.head.lines().skip(1).filter_map(|line| line.split_once(": "));
        let mut values = lines.filter(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value);
        let first = values.next();
        assert!(values.next().is_none(), "{name} is repeated: {}", self.head);
        first
    }

    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// Checks that this is a problem document with this status and code, and returns it.
    pub fn problem(&self, status: u16, code: &str) -> Value {
        assert_eq!(self.status, status, "{self:?}");
        assert_eq!(self.header("content-type"), Some("application/problem+json"), "{self:?}");
        let document = self.json();
        assert_eq!((&document["status"], &document["code"]), (&status.into(), &code.into()), "{self:?}");
        document
    }

    /// Returns the fields that a `422` names, each with its code.
    pub fn mistakes(&self) -> Vec<(String, String)> {
        let document = self.problem(422, "invalid_fields");
        let errors = document["errors"].as_array().unwrap().iter();
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        errors.map(|error| (text(&error["field"]), text(&error["code"]))).collect()
    }
}

fn without_chunks(mut chunks: &str) -> String {
    let mut body = String::new();
    while let Some((size, rest)) = chunks.split_once("\r\n") {
        let size = usize::from_str_radix(size, 16).unwrap();
        body.push_str(&rest[..size]);
        chunks = &rest[size + 2..];
    }
    body
}
