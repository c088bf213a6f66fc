//! Measures the cost of logins: logins per second beside the hashes per second of the cores, and the latency of other requests
//! during ten times as many logins.
//!
//!     scripts/bench logins            bcrypt, cost 12
//!     scripts/bench argon2id
//!
//! auth-service runs on SQLite with its defaults. Rounds of hashing alone and rounds of logins alternate on the same cores, which
//! the clients share.

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

use argon2::{Argon2, Block};
use futures_util::future::join_all;
use reqwest::{Client, StatusCode};
use serde_json::{Value, json};
use shared_claims::{Policy, Remote, Verifier};

const ISSUER: &str = "https://id.example";
const PASSWORD: &str = "correct horse battery";
const USERS: usize = 64;
const ROUNDS: usize = 5;
const ROUND: Duration = Duration::from_secs(6);
const OVERLOAD: Duration = Duration::from_secs(30);
/// Interval between other requests of one kind during the overload.
const EVERY: Duration = Duration::from_millis(25);

/// Argon2's memory: allocated once per thread, as in the service, or once per hash.
#[derive(Clone, Copy, PartialEq)]
enum Memory {
    Kept,
    Fresh,
}

#[derive(Clone, Copy, PartialEq)]
enum Scheme {
    Bcrypt,
    Argon2id,
}

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
    let scheme = if std::env::args().any(|argument| argument == "argon2id") {
        Scheme::Argon2id
    } else {
        Scheme::Bcrypt
    };
    let folder = tempfile::tempdir().unwrap();
    let service = start(folder.path(), scheme);
    let client = Client::builder()
        .pool_idle_timeout(Duration::from_secs(5))
        .timeout(Duration::from_secs(60))
        .build()
        .unwrap();
    join_all((0..USERS).map(|user| register(&client, &service.url, user))).await;

    let capacity = throughput(&client, &service.url, scheme).await;
    overload(&client, &service.url, capacity).await;
}

/// Alternates rounds of hashing alone and rounds of logins; returns the hashes per second.
async fn throughput(client: &Client, url: &str, scheme: Scheme) -> f64 {
    let cores = std::thread::available_parallelism().unwrap().get();
    let (mut hashed, mut logged_in) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        hashed.push(
            tokio::task::spawn_blocking(move || hash_alone(cores, scheme, Memory::Kept)).await.unwrap(),
        );
        logged_in.push(log_in(client, url, 4 * cores).await);
    }
    let ratios: Vec<f64> = hashed.iter().zip(&logged_in).map(|(hashes, logins)| logins / hashes).collect();
    if scheme == Scheme::Argon2id {
        let fresh =
            tokio::task::spawn_blocking(move || hash_alone(cores, scheme, Memory::Fresh)).await.unwrap();
        println!("hashes per second with new memory for each hash: {fresh:.2}");
    }
    println!("hashes per second, {cores} threads: {:.2}", median(hashed.clone()));
    println!("logins per second: {:.2}", median(logged_in));
    println!("ratio of each round: {ratios:.3?}, median {:.3}", median(ratios.clone()));
    median(hashed)
}

/// Hashes on one thread per core, without other load.
fn hash_alone(cores: usize, scheme: Scheme, kept: Memory) -> f64 {
    let begun = Instant::now();
    let threads: Vec<_> = (0..cores)
        .map(|_| {
            std::thread::spawn(move || {
                let (argon2, mut count) = (Argon2::default(), 0_u32);
                let mut memory = vec![Block::default(); argon2.params().block_count()];
                while begun.elapsed() < ROUND {
                    if kept == Memory::Fresh {
                        memory = vec![Block::default(); argon2.params().block_count()];
                    }
                    match scheme {
                        Scheme::Bcrypt => drop(bcrypt::hash(PASSWORD, 12).unwrap()),
                        Scheme::Argon2id => argon2
                            .hash_password_into_with_memory(
                                PASSWORD.as_bytes(),
                                &[7; 16],
                                &mut [0; 32],
                                &mut memory,
                            )
                            .unwrap(),
                    }
                    count += 1;
                }
                f64::from(count) / begun.elapsed().as_secs_f64()
            })
        })
        .collect();
    threads.into_iter().map(|thread| thread.join().unwrap()).sum()
}

/// Runs `clients` clients that log in repeatedly.
async fn log_in(client: &Client, url: &str, clients: usize) -> f64 {
    let begun = Instant::now();
    let one = async |user: usize| {
        let mut count = 0_u32;
        while begun.elapsed() < ROUND {
            assert_eq!(login(client, url, user).await, StatusCode::OK);
            count += 1;
        }
        f64::from(count) / begun.elapsed().as_secs_f64()
    };
    join_all((0..clients).map(one)).await.into_iter().sum()
}

/// Sends ten times as many logins as can be hashed, at a steady rate, and other requests beside them.
async fn overload(client: &Client, url: &str, capacity: f64) {
    let (verifier, token, refresh) = prepare(client, url).await;
    println!("other requests, in ms: without logins");
    let refresh = beside(client, url, &verifier, &token, refresh, Duration::from_secs(10)).await;

    let (stop, refused, accepted) = (AtomicBool::new(false), AtomicUsize::new(0), AtomicUsize::new(0));
    let mut slowest = Vec::new();
    let offered = async {
        let (mut logins, mut user) = (Vec::new(), 0);
        let mut tick = tokio::time::interval(Duration::from_secs_f64(1.0 / (10.0 * capacity)));
        while !stop.load(Ordering::Relaxed) {
            tick.tick().await;
            user += 1;
            let (client, url) = (client.clone(), url.to_owned());
            logins.push(tokio::spawn(async move {
                let begun = Instant::now();
                (login(&client, &url, user % USERS).await, begun.elapsed())
            }));
        }
        for login in logins {
            let (status, time) = login.await.unwrap();
            match status {
                StatusCode::OK => accepted.fetch_add(1, Ordering::Relaxed),
                StatusCode::SERVICE_UNAVAILABLE => {
                    slowest.push(time);
                    refused.fetch_add(1, Ordering::Relaxed)
                }
                other => panic!("{other}"),
            };
        }
    };
    let measured = async {
        tokio::time::sleep(Duration::from_secs(2)).await; // until the queue is full
        println!("other requests, in ms: with ten times as many logins as can be hashed");
        beside(client, url, &verifier, &token, refresh, OVERLOAD).await;
        stop.store(true, Ordering::Relaxed);
    };
    tokio::join!(offered, measured);
    let (refused, accepted) = (refused.into_inner(), accepted.into_inner());
    println!("logins: {accepted} accepted, {refused} refused with 503; a refusal in ms: {}", spread(slowest));
}

/// Returns a verifier, an access token and a refresh token.
async fn prepare(client: &Client, url: &str) -> (Verifier, String, String) {
    let policy = Policy::new(ISSUER, ["resource-service"]).unwrap().cached_tokens(0);
    let verifier = Verifier::remote(policy, Remote::discover().internal_url(url)).unwrap();
    verifier.start();
    let answer = client.post(format!("{url}/login")).json(&credentials(0)).send().await.unwrap();
    let tokens: Value = answer.json().await.unwrap();
    let text = |name: &str| tokens[name].as_str().unwrap().to_owned();
    verifier.verify(&text("access_token")).await.unwrap();
    (verifier, text("access_token"), text("refresh_token"))
}

/// Sends refreshes, key set requests and requests with a token to auth-service, and verifies tokens, at a steady rate. Returns
/// the current refresh token.
async fn beside(
    client: &Client,
    url: &str,
    verifier: &Verifier,
    token: &str,
    refresh: String,
    time: Duration,
) -> String {
    let until = Instant::now() + time;
    let keys = paced(until, async || {
        let answer = client.get(format!("{url}/.well-known/jwks.json")).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK);
    });
    let me = paced(until, async || {
        let answer = client.get(format!("{url}/me")).bearer_auth(token).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK);
    });
    let mut current = refresh;
    let refreshes = paced_mut(until, async || {
        let form = format!("grant_type=refresh_token&refresh_token={current}");
        let request = client.post(format!("{url}/token")).header("content-type", FORM).body(form);
        let answer: Value = request.send().await.unwrap().json().await.unwrap();
        answer["refresh_token"].as_str().unwrap().clone_into(&mut current);
    });
    let verifications = paced(until, async || drop(verifier.verify(token).await.unwrap()));
    let (keys, me, refreshes, verifications) = tokio::join!(keys, me, refreshes, verifications);
    for (name, times) in
        [("refresh", refreshes), ("key set", keys), ("/me", me), ("verification, anew", verifications)]
    {
        println!("  {name}: {}", spread(times));
    }
    current
}

const FORM: &str = "application/x-www-form-urlencoded";

async fn paced(until: Instant, request: impl AsyncFn()) -> Vec<Duration> {
    paced_mut(until, async || request().await).await
}

async fn paced_mut(until: Instant, mut request: impl AsyncFnMut()) -> Vec<Duration> {
    let (mut times, mut tick) = (Vec::new(), tokio::time::interval(EVERY));
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    while Instant::now() < until {
        tick.tick().await;
        let begun = Instant::now();
        request().await;
        times.push(begun.elapsed());
    }
    times
}

fn spread(mut times: Vec<Duration>) -> String {
    times.sort_unstable();
    let at = |share: f64| {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            clippy::cast_precision_loss,
            reason = "an index"
        )]
        let index = ((times.len() - 1) as f64 * share) as usize;
        times[index].as_secs_f64() * 1000.0
    };
    if times.is_empty() {
        return "none".to_owned();
    }
    format!("median {:.2}, 99% {:.2}, slowest {:.2} of {}", at(0.5), at(0.99), at(1.0), times.len())
}

fn median(mut numbers: Vec<f64>) -> f64 {
    numbers.sort_by(f64::total_cmp);
    numbers[numbers.len() / 2]
}

fn credentials(user: usize) -> Value {
    json!({ "username": format!("user-{user}"), "password": PASSWORD })
}

async fn register(client: &Client, url: &str, user: usize) {
    let answer = client.post(format!("{url}/register")).json(&credentials(user)).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::CREATED, "{}", answer.text().await.unwrap());
}

async fn login(client: &Client, url: &str, user: usize) -> StatusCode {
    let answer = client.post(format!("{url}/login")).json(&credentials(user)).send().await.unwrap();
    let status = answer.status();
    assert_eq!(status == StatusCode::SERVICE_UNAVAILABLE, answer.headers().contains_key("retry-after"));
    let _ = answer.bytes().await;
    status
}

fn start(folder: &Path, scheme: Scheme) -> Service {
    let log = folder.join("log");
    let algorithm = if scheme == Scheme::Bcrypt { "bcrypt" } else { "argon2id" };
    let child = Command::new(env!("CARGO_BIN_EXE_auth-service"))
        .env_clear()
        .env("AUTH__ISSUER", ISSUER)
        .env("AUTH__DATA_DIR", folder.join("data"))
        .env("AUTH__LISTEN", "127.0.0.1:0")
        .env("AUTH__PASSWORDS__ALGORITHM", algorithm)
        .env("AUTH__LIMITS__SESSION_REFRESH__BURST", "1000000") // one session is refreshed continuously
        .env("AUTH__LIMITS__ACCOUNT_REFRESH__BURST", "1000000")
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
