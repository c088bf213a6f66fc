//! Measures how much one network can delay the logins of others: a user logs in a hundred times in sequence, while an attacker
//! uses 120 connections.
//!
//!     scripts/bench fairness
//!     cargo bench --profile dev -p auth-service --bench fairness -- 10      bcrypt cost 10; without a release build
//!
//! Times are in units of one hash, which is the time of a login without other logins. The goal is that 99 of 100 logins succeed,
//! 95 of them within 10 hashes. The attacker shares the cores with the service, so it waits 250 ms after each refusal: the cost of
//! refusals is not what is measured. Sources are simulated with X-Forwarded-For; all traffic is on the loopback.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a benchmark prints, and panics on failure"
)]

use std::fs::{self, File};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use reqwest::{Client, StatusCode};
use serde_json::{Value, json};

const PASSWORD: &str = "correct horse battery";
const LOGINS: usize = 100;
const CONNECTIONS: usize = 120;
const ACCOUNTS: usize = 12;
const WARM_UP: usize = 9;
const DEFAULT_COST: &str = "10";
const AFTER_A_REFUSAL: Duration = Duration::from_millis(250);
/// Upper bound for a case.
const LONGEST: Duration = Duration::from_secs(600);
const ATTACKER: &str = "198.51.100.7";

/// One attacker and one victim.
struct Case {
    name: &'static str,
    /// The victim's address.
    victim: &'static str,
    /// `limits.known_after`: with one second, every pair with a right password becomes known.
    known_after: &'static str,
    /// Address and user name of the n-th request.
    attack: fn(usize) -> (String, String),
}

fn own_accounts(index: usize) -> (String, String) {
    (ATTACKER.to_owned(), format!("own-{}", index % ACCOUNTS))
}

fn of_a_48(index: usize) -> (String, String) {
    (format!("2001:db8:0:{:x}::1", index % 65_536), format!("unknown-{index}"))
}

fn of_a_16(index: usize) -> (String, String) {
    (format!("198.51.{}.{}", index / 256 % 256, index % 256), format!("unknown-{index}"))
}

const CASES: [Case; 6] = [
    Case {
        name: "12 accounts from one address, right passwords",
        victim: "192.0.2.1",
        known_after: "24h",
        attack: own_accounts,
    },
    Case {
        name: "the same, attacker and victim known",
        victim: "192.0.2.1",
        known_after: "1s",
        attack: own_accounts,
    },
    Case {
        name: "65,536 /64s of one /48, unknown names",
        victim: "192.0.2.1",
        known_after: "24h",
        attack: of_a_48,
    },
    Case {
        name: "the same, a known victim in that /48",
        victim: "2001:db8:0:7::9",
        known_after: "1s",
        attack: of_a_48,
    },
    Case {
        name: "65,536 addresses of one /16, unknown names",
        victim: "192.0.2.1",
        known_after: "24h",
        attack: of_a_16,
    },
    Case {
        name: "the same, a known victim in that /16",
        victim: "198.51.7.9",
        known_after: "1s",
        attack: of_a_16,
    },
];

struct Service {
    child: Child,
    url: String,
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[tokio::main]
async fn main() {
    let given = std::env::args().skip(1).find(|argument| argument.parse::<u32>().is_ok());
    let cost = given.unwrap_or_else(|| DEFAULT_COST.to_owned());
    println!("bcrypt cost {cost}, {LOGINS} logins beside {CONNECTIONS} connections");
    for case in CASES {
        measure(&case, &cost).await;
    }
}

async fn measure(case: &Case, cost: &str) {
    let folder = tempfile::tempdir().unwrap();
    let service = start(folder.path(), cost, case.known_after);
    let client = Client::builder()
        .pool_idle_timeout(Duration::from_secs(5))
        .timeout(Duration::from_secs(60))
        .build()
        .unwrap();
    register(&client, &service.url, case.victim, "victim").await;
    for index in 0..ACCOUNTS {
        register(&client, &service.url, ATTACKER, &format!("own-{index}")).await;
    }
    let mut alone = Vec::new();
    for _ in 0..WARM_UP {
        let (status, time) = login(&client, &service.url, case.victim, "victim").await;
        assert_eq!(status, Some(StatusCode::OK));
        alone.push(time);
    }
    let hash = at(&mut alone, 0.5);
    if case.known_after == "1s" {
        tokio::time::sleep(Duration::from_secs(2)).await;
    }
    let (times, attacks) = beside(case, &client, &service.url).await;
    report(case.name, hash, times, &attacks);
}

/// How many of the attacker's passwords were checked, and how many requests were refused.
#[derive(Default)]
struct Attacks {
    checked: AtomicUsize,
    refused: AtomicUsize,
}

/// Returns the times of the victim's successful logins.
async fn beside(case: &Case, client: &Client, url: &str) -> (Vec<Duration>, Attacks) {
    let (stop, sent, attacks) = (AtomicBool::new(false), AtomicUsize::new(0), Attacks::default());
    let end = Instant::now() + LONGEST;
    let one = async || {
        while !stop.load(Ordering::Relaxed) && Instant::now() < end {
            let (address, name) = (case.attack)(sent.fetch_add(1, Ordering::Relaxed));
            let (status, _) = login(client, url, &address, &name).await;
            if matches!(status, Some(StatusCode::OK | StatusCode::UNAUTHORIZED)) {
                attacks.checked.fetch_add(1, Ordering::Relaxed);
            } else {
                attacks.refused.fetch_add(1, Ordering::Relaxed);
                tokio::time::sleep(AFTER_A_REFUSAL).await;
            }
        }
    };
    let victim = async {
        while attacks.refused.load(Ordering::Relaxed) < CONNECTIONS && Instant::now() < end {
            tokio::time::sleep(Duration::from_millis(25)).await; // until the queue is full
        }
        let mut times = Vec::new();
        for _ in 0..LOGINS {
            if Instant::now() < end {
                let (status, time) = login(client, url, case.victim, "victim").await;
                times.extend((status == Some(StatusCode::OK)).then_some(time));
            }
        }
        stop.store(true, Ordering::Relaxed);
        times
    };
    let (_, times) = tokio::join!(join_all((0..CONNECTIONS).map(|_| one())), victim);
    (times, attacks)
}

fn report(name: &str, hash: Duration, mut times: Vec<Duration>, attacks: &Attacks) {
    let successes = times.len();
    let (checked, refused) =
        (attacks.checked.load(Ordering::Relaxed), attacks.refused.load(Ordering::Relaxed));
    println!("{name}: {successes} of {LOGINS} logins succeeded");
    if successes > 0 {
        let in_hashes = |time: Duration| time.as_secs_f64() / hash.as_secs_f64();
        let (half, most) = (in_hashes(at(&mut times, 0.5)), in_hashes(at(&mut times, 0.95)));
        let hash = hash.as_secs_f64() * 1000.0;
        println!(
            "  p50 {half:.2}, p95 {most:.2} hashes of {hash:.0} ms; of the attacker's requests {checked} were checked, {refused} refused"
        );
    }
}

fn at(times: &mut [Duration], share: f64) -> Duration {
    times.sort_unstable();
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "an index"
    )]
    let index = ((times.len() - 1) as f64 * share).round() as usize;
    times[index]
}

fn credentials(name: &str) -> Value {
    json!({ "username": name, "password": PASSWORD })
}

async fn register(client: &Client, url: &str, address: &str, name: &str) {
    let request = client.post(format!("{url}/register")).header("x-forwarded-for", address);
    let answer = request.json(&credentials(name)).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::CREATED, "{}", answer.text().await.unwrap());
}

/// Returns the status, if there was an answer, and its time.
async fn login(client: &Client, url: &str, address: &str, name: &str) -> (Option<StatusCode>, Duration) {
    let begun = Instant::now();
    let request = client.post(format!("{url}/login")).header("x-forwarded-for", address);
    let Ok(answer) = request.json(&credentials(name)).send().await else { return (None, begun.elapsed()) };
    let status = answer.status();
    assert_eq!(status == StatusCode::SERVICE_UNAVAILABLE, answer.headers().contains_key("retry-after"));
    let _ = answer.bytes().await;
    (Some(status), begun.elapsed())
}

fn start(folder: &Path, cost: &str, known_after: &str) -> Service {
    let log = folder.join("log");
    let child = Command::new(env!("CARGO_BIN_EXE_auth-service"))
        .env_clear()
        .env("AUTH__DATA_DIR", folder.join("data"))
        .env("AUTH__LISTEN", "127.0.0.1:0")
        .env("AUTH__HTTP__TRUSTED_PROXIES", "127.0.0.1/32")
        .env("AUTH__PASSWORDS__BCRYPT_COST", cost)
        .env("AUTH__LIMITS__KNOWN_AFTER", known_after)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(File::create(&log).unwrap())
        .spawn()
        .unwrap();
    let mut service = Service { child, url: String::new() };
    while service.url.is_empty() {
        std::thread::sleep(Duration::from_millis(20));
        let said = fs::read_to_string(&log).unwrap();
        let address = said.lines().find_map(|line| line.split_once("listens on "));
        service.url = address.map(|(_, url)| url.trim().to_owned()).unwrap_or_default();
    }
    service
}
