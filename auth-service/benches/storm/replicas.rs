//! Two auth-service processes that share a database, requests to them, and commands beside them.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use reqwest::{Client, Method};
use serde_json::{Value, json};
use shared_claims::{Policy, Remote, Verifier, error::Refusal};

use crate::ledger::Ledger;

/// The `iss` of all tokens; verifiers connect to the replicas for it.
pub const ISSUER: &str = "https://id.example";
/// Number of ended tokens that are kept for the verifiers at the end.
const KEPT: usize = 2_000;
/// How often a failing command is run.
const ATTEMPTS: usize = 10;

/// A complete answer.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub json: Value,
}

impl Answer {
    /// Returns a member of the answer as text.
    pub fn text(&self, name: &str) -> String {
        self.json[name].as_str().unwrap_or_default().to_owned()
    }

    /// Returns one line for a report, without tokens.
    pub fn summary(&self) -> String {
        let code = [&self.json["code"], &self.json["error"], &self.json["detail"]];
        format!("{} {:?}", self.status, code.iter().filter_map(|value| value.as_str()).collect::<Vec<_>>())
    }
}

/// Both replicas.
pub struct Replicas {
    processes: Vec<(Child, String, PathBuf)>,
    environment: Vec<(String, String)>,
    client: Client,
    pub ledger: Arc<Ledger>,
    /// Odd while signing keys are being withdrawn, so that the same even number before and after means "none in between".
    pub withdrawals: AtomicU64,
    ended: Mutex<Vec<String>>,
}

impl Replicas {
    /// Starts both replicas, and waits until they listen.
    pub fn start(folder: &Path, database: Option<String>, ledger: Arc<Ledger>) -> Self {
        let mut environment = vec![
            ("AUTH__ISSUER".to_owned(), ISSUER.to_owned()),
            ("AUTH__DATA_DIR".to_owned(), folder.join("data").display().to_string()),
            ("AUTH__LISTEN".to_owned(), "127.0.0.1:0".to_owned()),
            ("AUTH__PASSWORDS__BCRYPT_COST".to_owned(), "4".to_owned()),
            ("AUTH__TOKENS__REFRESH_GRACE".to_owned(), "60s".to_owned()), // this machine is busy
            ("AUTH__HASHING__QUEUE".to_owned(), "1024".to_owned()),
            ("AUTH__LIMITS__ENABLED".to_owned(), "false".to_owned()),
            ("AUTH__AUDIT__REFRESHES".to_owned(), "all".to_owned()),
        ];
        environment.extend(database.map(|url| ("AUTH__DATABASE_URL".to_owned(), url)));
        let processes = ["one", "two"].map(|name| start(folder, name, &environment)).into();
        // Closes idle connections before the service does (`http.keep_alive`): a request on a closing connection is lost.
        let client =
            Client::builder().timeout(Duration::from_secs(60)).pool_idle_timeout(Duration::from_secs(5));
        let client = client.build().unwrap();
        let withdrawals = AtomicU64::new(0);
        Self { processes, environment, client, ledger, withdrawals, ended: Mutex::default() }
    }

    /// Sends a request to one replica, again after a `503`, which means that nothing was done.
    pub async fn send(
        &self,
        replica: usize,
        (method, path): (Method, &str),
        token: Option<&str>,
        body: Option<&Value>,
    ) -> Answer {
        loop {
            let url = format!("{}{path}", self.processes[replica % 2].1);
            let mut request = self.client.request(method.clone(), url);
            if let Some(token) = token {
                request = request.bearer_auth(token);
            }
            if let Some(body) = body {
                request = request.json(body);
            }
            let response = request.send().await.unwrap();
            let status = response.status().as_u16();
            let patience = response.headers().get("retry-after").is_some();
            let json = serde_json::from_slice(&response.bytes().await.unwrap()).unwrap_or_default();
            let answer = Answer { status, json };
            self.ledger.answered(&format!("{method} {}", path_of(path)), status);
            let known = status < 500 || (status == 503 && patience);
            self.ledger.check("no 5xx but 503 with Retry-After", known, || {
                format!("{method} {path}: {}", answer.summary())
            });
            if status != 503 {
                return answer;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// Sends `POST path` with a JSON body.
    pub async fn post(&self, replica: usize, path: &str, body: &Value) -> Answer {
        self.send(replica, (Method::POST, path), None, Some(body)).await
    }

    /// Uses a refresh token.
    pub async fn refresh(&self, replica: usize, token: &str) -> Answer {
        self.post(replica, "/token", &json!({ "grant_type": "refresh_token", "refresh_token": token })).await
    }

    /// Runs an operator's command beside the replicas, and repeats it when it fails: on a busy machine the database may be locked
    /// for longer than the command waits. Returns whether it succeeded.
    pub async fn command(&self, arguments: &[&str]) -> bool {
        for _ in 0..ATTEMPTS {
            let mut command = command(&self.environment);
            command.args(arguments).stdout(Stdio::null()).stderr(Stdio::null());
            let done = tokio::task::spawn_blocking(move || command.status().unwrap().success());
            let done = done.await.unwrap();
            self.ledger.answered(&format!("auth-service {}", arguments[..2].join(" ")), u16::from(!done));
            if done {
                return true;
            }
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
        false
    }

    /// Stores a token that must be refused from now on.
    pub fn keep_ended(&self, token: &str) {
        let mut ended = self.ended.lock().unwrap_or_else(PoisonError::into_inner);
        if ended.len() == KEPT {
            ended.remove(0);
        }
        ended.push(token.to_owned());
    }

    /// Verifies all ended tokens with a verifier at each replica: those whose key is still published must be revoked.
    pub async fn check_with_verifiers(&self) {
        let ended = self.ended.lock().unwrap_or_else(PoisonError::into_inner).clone();
        for (_, url, _) in &self.processes {
            let policy = Policy::new(ISSUER, ["resource-service", ISSUER]).unwrap();
            let verifier = Verifier::remote(policy, Remote::discover().internal_url(url)).unwrap();
            verifier.start();
            for token in &ended {
                let verdict = verifier.verify(token).await;
                let refused = verdict.is_err();
                self.ledger
                    .check("a verifier refuses every token that was ended", refused, || "accepted".into());
                let rule = "for the right reason: revoked, or its key was withdrawn";
                let reason = verdict.err();
                let known = matches!(reason, Some(Refusal::Revoked | Refusal::UnknownKey | Refusal::Expired));
                self.ledger.check(rule, known, || format!("{reason:?}"));
            }
        }
    }

    /// Verifies the audit trail while both replicas are running.
    pub fn check_audit(&self) {
        let mut command = command(&self.environment);
        let output = command.args(["audit", "verify"]).output().unwrap();
        self.ledger.check("the audit trail verifies", output.status.success(), || {
            String::from_utf8_lossy(&output.stdout).into_owned()
        });
    }

    /// Checks the logs for errors and panics.
    pub fn check_logs(&self) {
        for (_, _, log) in &self.processes {
            let text = std::fs::read_to_string(log).unwrap();
            let bad = text.lines().find(|line| line.contains(" ERROR ") || line.contains("panicked"));
            self.ledger
                .check("no error and no panic in the logs", bad.is_none(), || bad.unwrap_or("").into());
        }
    }
}

impl Drop for Replicas {
    fn drop(&mut self) {
        for (process, _, _) in &mut self.processes {
            let _ = process.kill();
            let _ = process.wait();
        }
    }
}

/// Returns the path without ids.
fn path_of(path: &str) -> &str {
    if path.starts_with("/me/sessions/") { "/me/sessions/{id}" } else { path }
}

fn command(environment: &[(String, String)]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_auth-service"));
    command.env_clear().envs(environment.iter().cloned()).stdin(Stdio::null());
    command
}

fn start(folder: &Path, name: &str, environment: &[(String, String)]) -> (Child, String, PathBuf) {
    let log = folder.join(format!("{name}.log"));
    let mut command = command(environment);
    command.stdout(Stdio::null()).stderr(File::create(&log).unwrap());
    (command.spawn().unwrap(), address_in(&log), log)
}

/// Waits for the address of the replica in its log.
fn address_in(log: &Path) -> String {
    let begun = Instant::now();
    loop {
        std::thread::sleep(Duration::from_millis(20));
        let text = std::fs::read_to_string(log).unwrap();
        if let Some((_, url)) = text.lines().find_map(|line| line.split_once("listens on ")) {
            return url.trim().to_owned();
        }
        assert!(begun.elapsed() < Duration::from_secs(60), "the replica does not start: {text}");
    }
}

/// Returns the count of withdrawals; odd during one.
pub fn withdrawals(replicas: &Replicas) -> u64 {
    replicas.withdrawals.load(Ordering::SeqCst)
}
