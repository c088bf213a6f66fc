//! A storm of account, session and key operations over two replicas, whose answers are judged against a model.
//!
//!     scripts/storm                         ten minutes on each database
//!     scripts/storm postgresql 60           a minute on one of them
//!
//! Each worker owns one account and knows what every token of it must do: it races uses of one refresh token, logouts,
//! renames, password changes, role changes and deletions over both replicas, and then asks both what became of the tokens.
//! Beside the workers, signing keys are rotated and withdrawn. At the end shared-claims judges the same tokens, and
//! the audit trail is verified. A violation is printed with its account and operation; the exit status is 1.

#![allow(unreachable_pub, reason = "a benchmark has no public items")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a storm talks and stops at what it did not expect"
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
        Some(other) => panic!("{other} is no database of this storm: sqlite or postgresql"),
    };
    let seconds = arguments.get(1).map_or(600, |text| text.parse().expect("seconds"));
    let mut calm = true;
    for name in databases {
        calm &= storm(name, Duration::from_secs(seconds)).await;
    }
    if calm { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Runs one storm; `false` when a rule was violated.
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
            ledger.violation("a worker met an answer that it could not read (see above)");
        }
    }
    replicas.judge_by_verifiers().await;
    replicas.judge_audit();
    replicas.judge_logs();
    if let Some(server) = &server {
        ledger.judge("no deadlock in PostgreSQL's log", !server.log().contains("deadlock detected"), || {
            "deadlock detected".to_owned()
        });
    }
    ledger.report()
}
