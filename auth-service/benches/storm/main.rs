//! Stress test: concurrent account, session and key operations over two replicas, whose answers are checked against a model.
//!
//!     scripts/storm                         ten minutes on each database
//!     scripts/storm postgresql 60           a minute on one of them
//!
//! Each worker owns one account and knows for every token of it whether it must be accepted. It races uses of one refresh token,
//! logouts, renames, password changes, role changes and deletions over both replicas, and then checks the tokens at both.
//! Beside the workers, signing keys are rotated and withdrawn. At the end shared-claims verifies the same tokens, and the audit
//! trail is verified. Each violation is printed with its account and operation; then the exit status is 1.

#![allow(unreachable_pub, reason = "a benchmark has no public items")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a stress test prints, and panics on the unexpected"
)]

#[path = "../../tests/database/mod.rs"]
mod database;
mod keys;
mod ledger;
mod replicas;
mod worker;

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use database::postgresql::Server;
use ledger::Ledger;
use replicas::Replicas;
use tokio::time::Instant;
use worker::Worker;

const WORKERS: usize = 24;

#[tokio::main]
async fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|text| !text.starts_with("--")).collect();
    let databases: Vec<&str> = match arguments.first().map(String::as_str) {
        Some(name @ ("sqlite" | "postgresql")) => vec![name],
        None => vec!["sqlite", "postgresql"],
        Some(other) => panic!("unknown database {other}: use sqlite or postgresql"),
    };
    let seconds = arguments.get(1).map_or(600, |text| text.parse().expect("seconds"));
    let mut calm = true;
    for name in databases {
        calm &= storm(name, Duration::from_secs(seconds)).await;
    }
    if calm { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Runs one stress test; returns `false` when a rule was violated.
async fn storm(name: &str, length: Duration) -> bool {
    let folder = tempfile::tempdir().unwrap();
    let server = (name == "postgresql").then(|| Server::start(5432, "-c max_connections=100", |_| ()));
    let database = server.as_ref().map(Server::fresh_database);
    let ledger = Arc::new(Ledger::default());
    let replicas = Arc::new(Replicas::start(folder.path(), database, Arc::clone(&ledger)));
    println!("\n{name}: two replicas, {WORKERS} accounts at a time, {} s", length.as_secs());

    let end = Instant::now() + length;
    let mut tasks: Vec<_> =
        (0..WORKERS).map(|index| tokio::spawn(Worker::new(index, Arc::clone(&replicas)).run(end))).collect();
    tasks.push(tokio::spawn(keys::rotate_until(Arc::clone(&replicas), end)));
    for task in tasks {
        if task.await.is_err() {
            ledger.violation("a worker got an answer that it could not read (see above)");
        }
    }
    replicas.check_with_verifiers().await;
    replicas.check_audit();
    replicas.check_logs();
    if let Some(server) = &server {
        ledger.check("no deadlock in PostgreSQL's log", !server.log().contains("deadlock detected"), || {
            "deadlock detected".to_owned()
        });
    }
    ledger.report()
}
