//! Rotates and withdraws signing keys while the workers run.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use reqwest::Method;
use serde_json::json;
use tokio::time::{Instant, sleep};

use crate::replicas::{ISSUER, Replicas};
use crate::worker::PASSWORD;

/// How long replicas may take to notice a withdrawal: several poll intervals of the status lists.
const NOTICED: Duration = Duration::from_secs(5);
/// Pause between two turns.
const PAUSE: Duration = Duration::from_secs(7);

/// Rotates keys at each turn; at each third turn, withdraws all keys.
pub async fn rotate_until(replicas: Arc<Replicas>, end: Instant) {
    let account = json!({ "username": "key-watcher", "password": PASSWORD });
    replicas.post(0, "/register", &account).await;
    for turn in 1_usize.. {
        sleep(PAUSE).await;
        if Instant::now() >= end {
            return;
        }
        if turn % 3 == 0 {
            withdraw(&replicas, turn, &account).await;
        } else {
            let done = replicas.command(&["key", "rotate"]).await;
            replicas.ledger.check("`key rotate` succeeds", done, || "it failed".into());
        }
    }
}

async fn withdraw(replicas: &Replicas, turn: usize, account: &serde_json::Value) {
    let ledger = &replicas.ledger;
    let before = replicas.post(turn, "/login", account).await;
    replicas.withdrawals.fetch_add(1, Ordering::SeqCst);
    let done = replicas.command(&["key", "rotate", "--emergency"]).await;
    ledger.check("`key rotate --emergency` succeeds", done, || "it failed".into());
    let heard = Instant::now() + NOTICED;
    for replica in 0..2 {
        let mut status = 200;
        while status == 200 && Instant::now() < heard {
            sleep(Duration::from_millis(50)).await;
            let token = before.text("access_token");
            status = replicas.send(replica, (Method::GET, "/me"), Some(&token), None).await.status;
        }
        ledger.check("a token of a withdrawn key is refused at each replica", status == 401, || {
            format!("{status} at replica {replica}")
        });
    }
    let next = replicas.refresh(turn + 1, &before.text("refresh_token")).await;
    ledger.check("a session continues after the withdrawal of keys", next.status == 200, || next.summary());
    sleep(Duration::from_secs(1)).await;
    replicas.withdrawals.fetch_add(1, Ordering::SeqCst);
    for replica in 0..2 {
        let token = next.text("access_token");
        let answer = replicas.send(replica, (Method::GET, "/me"), Some(&token), None).await;
        ledger.check("a token of a new key is accepted at each replica", answer.status == 200, || {
            format!("{} at replica {replica}, {ISSUER}", answer.summary())
        });
    }
}
