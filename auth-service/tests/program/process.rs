//! The program as a separate process, for tests with variables, signals and crashes.

#![allow(unreachable_pub, reason = "a test program has no public items")]

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use serde_json::{Value, json};

pub const PASSWORD: &str = "correct horse battery";

/// Returns the program with an environment of its own: a cheap hash, a free port, its data in a folder.
pub fn program(data: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_auth-service"));
    command
        .env_clear()
        .env("AUTH__DATA_DIR", data)
        .env("AUTH__LISTEN", "127.0.0.1:0")
        .env("AUTH__PASSWORDS__BCRYPT_COST", "4")
        .env("AUTH__HASHING__LOW_PRIORITY", "false")
        .stdin(Stdio::null());
    command
}

/// A running service, which is killed at the end of the test.
pub struct Running {
    child: Child,
    pub address: String,
    /// The log until it listened.
    beginning: String,
    /// Lines of its log, which are read continuously: a full pipe would block the service.
    log: Receiver<String>,
    client: reqwest::Client,
}

impl Running {
    /// Starts the service, and waits until it listens.
    pub fn start(command: &mut Command) -> Self {
        let mut child = command.stderr(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
        let (lines, log) = channel();
        let stderr = BufReader::new(child.stderr.take().unwrap());
        std::thread::spawn(move || stderr.lines().try_for_each(|line| lines.send(line.unwrap())));
        // To read the system's root certificates takes longer than most tests.
        let client = reqwest::Client::builder().tls_certs_only([]).timeout(Duration::from_secs(30));
        let client = client.build().unwrap();
        let mut running = Self { child, address: String::new(), beginning: String::new(), log, client };
        let said = running.until_it_says("listens on ");
        let (beginning, address) = said.rsplit_once("listens on ").unwrap();
        address.trim().clone_into(&mut running.address);
        beginning.clone_into(&mut running.beginning);
        running
    }

    /// The log until it listened.
    pub fn said(&self) -> &str {
        &self.beginning
    }

    pub fn signal(&self, name: &str) {
        let done = Command::new("kill").args([name, &self.child.id().to_string()]).status().unwrap();
        assert!(done.success());
    }

    /// Waits for its end; returns its exit code and the rest of its log.
    pub fn end(mut self) -> (Option<i32>, String) {
        let rest: String = self.log.iter().map(|line| line + "\n").collect();
        (self.child.wait().unwrap().code(), rest)
    }

    /// Makes the test's client trust this certificate authority from now on.
    pub fn trust(&mut self, pem: &str) {
        let authority = reqwest::Certificate::from_pem(pem.as_bytes()).unwrap();
        let client = reqwest::Client::builder().tls_certs_only([authority]).tls_info(true);
        self.client = client.timeout(Duration::from_secs(30)).build().unwrap();
    }

    /// Waits until the log contains this text; returns the log until then.
    pub fn until_it_says(&self, text: &str) -> String {
        let mut seen = String::new();
        while !seen.contains(text) {
            let line = self.log.recv();
            seen += &line.unwrap_or_else(|_| panic!("the log ended before {text:?}: {seen}"));
            seen.push('\n');
        }
        seen
    }

    pub async fn post(&self, path: &str, body: &Value) -> (u16, Value) {
        self.try_post(path, body).await.expect("an answer")
    }

    /// Returns the answer, unless the connection breaks.
    pub async fn try_post(&self, path: &str, body: &Value) -> Option<(u16, Value)> {
        let request = self.client.post(format!("{}{path}", self.address)).json(body);
        let response = request.send().await.ok()?;
        let status = response.status().as_u16();
        // An incomplete body is no answer either.
        let bytes = response.bytes().await.ok()?;
        Some((status, serde_json::from_slice(&bytes).unwrap_or_default()))
    }

    pub async fn register(&self, username: &str) -> Option<u16> {
        Some(self.try_post("/register", &json!({ "username": username, "password": PASSWORD })).await?.0)
    }

    pub async fn refresh(&self, refresh_token: &str) -> Option<(u16, Value)> {
        let body = json!({ "grant_type": "refresh_token", "refresh_token": refresh_token });
        self.try_post("/token", &body).await
    }

    /// Returns the status, whether there was a `Retry-After`, and how long the answer took.
    pub async fn get(&self, path: &str) -> (u16, bool, Duration) {
        let begin = std::time::Instant::now();
        let response = self.client.get(format!("{}{path}", self.address)).send().await.unwrap();
        (response.status().as_u16(), response.headers().contains_key("retry-after"), begin.elapsed())
    }

    /// Returns the server's certificate on the connection of this request, in DER.
    pub async fn certificate(&self, path: &str) -> Vec<u8> {
        let response = self.client.get(format!("{}{path}", self.address)).send().await.unwrap();
        let tls = response.extensions().get::<reqwest::tls::TlsInfo>().unwrap();
        let certificate = tls.peer_certificate().unwrap().to_vec();
        response.bytes().await.unwrap(); // lets the connection be used again
        certificate
    }

    /// Polls until `condition` holds, for a bounded time.
    pub async fn wait_until(&self, what: &str, condition: impl AsyncFn() -> bool) {
        let polling = async {
            while !condition().await {
                actix_web::rt::time::sleep(Duration::from_millis(50)).await;
            }
        };
        let patience = actix_web::rt::time::timeout(Duration::from_secs(60), polling);
        patience.await.unwrap_or_else(|_| panic!("timed out waiting for: {what}"));
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    pub async fn login(&self, username: &str) -> (u16, Value) {
        self.post("/login", &json!({ "username": username, "password": PASSWORD })).await
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
