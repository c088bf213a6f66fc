//! Measures how long a logout takes to reach a hundred verifiers by their streams, and the cost of a large status list.
//!
//!     cargo bench -p auth-service --bench revocation              all cases
//!     cargo bench -p auth-service --bench revocation -- crowd     while one address takes all streams and connections
//!
//! Two auth-service processes share one PostgreSQL. Each verifier is a shared-claims verifier with its own HTTP client and stream
//! of events. All of them, and PostgreSQL, share this machine, which the times include.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a benchmark prints, and panics on failure"
)]

#[path = "../tests/database/mod.rs"]
mod database;

use std::collections::VecDeque;
use std::fs::File;
use std::io::Read as _;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use database::postgresql::Server;
use diesel::connection::SimpleConnection as _;
use diesel::{Connection as _, PgConnection};
use reqwest::Client;
use serde_json::{Value, json};
use shared_claims::{Policy, Remote, Verifier, error::Refusal, verifier::Readiness};
use tokio::net::TcpSocket;

const ISSUER: &str = "https://id.example";
const PASSWORD: &str = "correct horse battery";
const VERIFIERS: usize = 100;
const ROUNDS: usize = 40;
const CALLS: usize = 100_000;
/// Source address of the many connections.
const CROWD: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 9));
/// The default of `status_lists.max_listeners_per_address`.
const STREAMS_OF_ONE_ADDRESS: usize = 8;
/// More than the default of `http.max_connections_per_address`.
const CONNECTIONS_OF_THE_CROWD: usize = 1200;
/// Number of indexes in a status list; a million sessions fill eight lists.
const LIST_SIZE: u64 = 1 << 17;

/// A running replica whose log goes to a file.
struct Replica {
    child: Child,
    url: String,
    log: PathBuf,
}

impl Replica {
    fn start(folder: &Path, name: &str, database: &str, variables: &[(&str, &str)]) -> Self {
        let log = folder.join(format!("{name}.log"));
        let child = Command::new(env!("CARGO_BIN_EXE_auth-service"))
            .env_clear()
            .env("AUTH__ISSUER", ISSUER)
            .env("AUTH__DATA_DIR", folder.join("data"))
            .env("AUTH__DATABASE_URL", database)
            .env("AUTH__LISTEN", "127.0.0.1:0")
            .env("AUTH__PASSWORDS__BCRYPT_COST", "4")
            .envs(variables.iter().copied())
            .env("RUST_LOG", "info,service_kit::envelope=debug")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(File::create(&log).unwrap())
            .spawn()
            .unwrap();
        let mut replica = Self { child, url: String::new(), log };
        while replica.url.is_empty() {
            std::thread::sleep(Duration::from_millis(20));
            let log = replica.log();
            let address = log.lines().find_map(|line| line.split_once("listens on "));
            replica.url = address.map(|(_, url)| url.trim().to_owned()).unwrap_or_default();
        }
        replica
    }

    fn log(&self) -> String {
        let mut text = String::new();
        File::open(&self.log).unwrap().read_to_string(&mut text).unwrap();
        text
    }

    /// Returns how many requests it has answered.
    fn requests(&self) -> usize {
        self.log().lines().filter(|line| line.contains("GET /") || line.contains("POST /")).count()
    }
}

impl Drop for Replica {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[tokio::main]
async fn main() {
    let server = Server::start(5432, "-c max_connections=100", |_| ());
    let folder = tempfile::tempdir().unwrap();
    let database = server.fresh_database();
    let client = Client::new();
    // All verifiers of this benchmark listen from one address.
    let listeners = [("AUTH__STATUS_LISTS__MAX_LISTENERS_PER_ADDRESS", "1000")];
    let replicas = ["one", "two"].map(|name| Replica::start(folder.path(), name, &database, &listeners));
    let body = json!({ "username": "alice", "password": PASSWORD });
    post(&client, &replicas[0].url, "/register", &body).await;
    if std::env::args().any(|argument| argument == "crowd") {
        return crowd(&client, folder.path(), &database).await;
    }

    // With one replica, all verifiers listen to the one that gets the logout; with two, half of them listen to the other one.
    let all_at_one: Vec<Verifier> = (0..VERIFIERS).map(|_| verifier(&replicas[0].url)).collect();
    ready(&all_at_one).await;
    spread("one replica", &client, &replicas[0].url, &all_at_one).await;
    drop(all_at_one);
    let half: Vec<Verifier> = (0..VERIFIERS).map(|index| verifier(&replicas[index % 2].url)).collect();
    ready(&half).await;
    spread("two replicas", &client, &replicas[0].url, &half).await;
    requests_of_verifiers(&client, &replicas, &half).await;
    drop(half);
    crowd(&client, folder.path(), &database).await;
    large_lists(&client, &replicas[0].url, &database).await;
}

fn verifier(url: &str) -> Verifier {
    let policy = Policy::new(ISSUER, ["resource-service"]).unwrap();
    let verifier = Verifier::remote(policy, Remote::discover().internal_url(url)).unwrap();
    verifier.start();
    verifier
}

async fn ready(verifiers: &[Verifier]) {
    for verifier in verifiers {
        while !matches!(
            verifier.readiness(),
            Readiness::Ready { revocations: Some(known), .. } if known.streaming
        ) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

async fn post(client: &Client, url: &str, path: &str, body: &Value) -> Value {
    let answer = client.post(format!("{url}{path}")).json(body).send().await.unwrap();
    assert!(answer.status().is_success(), "{path}: {}", answer.status());
    serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap_or_default()
}

async fn login(client: &Client, url: &str) -> String {
    let body = json!({ "username": "alice", "password": PASSWORD });
    post(client, url, "/login", &body).await["access_token"].as_str().unwrap().to_owned()
}

/// Measures the time from the answer to a logout to each verifier's first refusal.
async fn spread(name: &str, client: &Client, url: &str, verifiers: &[Verifier]) {
    let mut times = Vec::new();
    for _ in 0..ROUNDS {
        times.extend(logout(client, url, verifiers).await);
    }
    println!("{name}: {VERIFIERS} verifiers, {ROUNDS} logouts; refused after {}", summary(times));
}

/// Logs in and out once; returns for how long each verifier still accepted the token.
async fn logout(client: &Client, url: &str, verifiers: &[Verifier]) -> Vec<Duration> {
    let mut times = Vec::new();
    let token = login(client, url).await;
    for verifier in verifiers {
        verifier.verify(&token).await.unwrap();
    }
    let logout = client.post(format!("{url}/logout")).bearer_auth(&token).send().await.unwrap();
    assert_eq!(logout.status(), 204);
    let begin = Instant::now();
    let mut accepting: Vec<&Verifier> = verifiers.iter().collect();
    while !accepting.is_empty() {
        accepting.retain(|verifier| {
            let refused = verifier.verify_now(&token).is_err_and(|why| why == Refusal::Revoked);
            if refused {
                times.push(begin.elapsed());
            }
            !refused
        });
        assert!(begin.elapsed() < Duration::from_secs(30), "{} still accept it", accepting.len());
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    // A pause that is no multiple of another interval.
    tokio::time::sleep(Duration::from_millis(300 + u64::from(begin.elapsed().subsec_nanos()) % 300)).await;
    times
}

fn summary(mut times: Vec<Duration>) -> String {
    times.sort();
    let ms = |time: Duration| time.as_secs_f64() * 1e3;
    format!(
        "{:.0} ms (median), {:.0} ms (99%), {:.0} ms (slowest)",
        ms(times[times.len() / 2]),
        ms(times[times.len() * 99 / 100]),
        ms(*times.last().unwrap()),
    )
}

/// Runs logouts while one address holds all streams and connections that it can get, and keeps requesting more of both. For
/// each logout a new verifier at another address connects.
async fn crowd(client: &Client, folder: &Path, database: &str) {
    let replica = Replica::start(folder, "three", database, &[]);
    let (url, gathered) = (replica.url.clone(), Arc::new(AtomicUsize::new(0)));
    let crowds = [
        tokio::spawn(take_streams(url.clone(), Arc::clone(&gathered))),
        tokio::spawn(take_connections(url.clone())),
    ];
    while gathered.load(Ordering::Relaxed) < 2 * STREAMS_OF_ONE_ADDRESS {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let (mut connecting, mut times) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let begin = Instant::now();
        let verifiers = [verifier(&url)];
        ready(&verifiers).await;
        connecting.push(begin.elapsed());
        times.extend(logout(client, &url, &verifiers).await);
    }
    println!(
        "while one address holds all streams and connections it can get: {ROUNDS} logouts, each with a verifier that has just connected; it \
         listened after {}, and refused the token after {}",
        summary(connecting),
        summary(times)
    );
    for crowd in crowds {
        crowd.abort();
    }
}

/// Opens streams until some are refused, and keeps trying.
async fn take_streams(url: String, asked: Arc<AtomicUsize>) {
    let client = Client::builder().local_address(Some(CROWD)).build().unwrap();
    let mut streams = Vec::new();
    loop {
        if let Ok(stream) = client.get(format!("{url}/status-lists/events")).send().await
            && stream.status() == 200
        {
            streams.push(stream);
        }
        asked.fetch_add(1, Ordering::Relaxed);
        if asked.load(Ordering::Relaxed) > STREAMS_OF_ONE_ADDRESS {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

/// Opens connections that send nothing.
async fn take_connections(url: String) {
    let address: SocketAddr = url.strip_prefix("http://").unwrap().parse().unwrap();
    let mut connections = VecDeque::new();
    loop {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind(SocketAddr::new(CROWD, 0)).unwrap();
        if let Ok(connection) = socket.connect(address).await {
            connections.push_back(connection);
        }
        if connections.len() > CONNECTIONS_OF_THE_CROWD {
            connections.pop_front();
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

/// Counts the requests of verifiers to auth-service while they verify and no user logs out.
async fn requests_of_verifiers(client: &Client, replicas: &[Replica; 2], verifiers: &[Verifier]) {
    let token = login(client, &replicas[0].url).await;
    let count = || replicas.iter().map(Replica::requests).sum::<usize>();
    let (before, begin) = (count(), Instant::now());
    for call in 0..CALLS {
        verifiers[call % verifiers.len()].verify_now(&token).unwrap();
    }
    println!(
        "{CALLS} tokens verified by {VERIFIERS} verifiers in {:.0} s: {} requests to auth-service",
        begin.elapsed().as_secs_f64(),
        count() - before,
    );
}

/// Measures a million sessions, one in a hundred of them ended.
async fn large_lists(client: &Client, url: &str, database: &str) {
    let mut connection = PgConnection::establish(database).unwrap();
    // Indexes are random, and a million sessions fill eight lists; lists from 8 on are for measuring memory.
    connection
        .batch_execute(&format!(
            "INSERT INTO status_lists (id, revision) SELECT n, 0 FROM generate_series(2, 7) n ON CONFLICT DO NOTHING;
             INSERT INTO revocations (number, until)
             SELECT DISTINCT (random() * {})::bigint, 99999999999 FROM generate_series(1, 10538) ON CONFLICT DO NOTHING;
             UPDATE status_lists SET revision = revision + 1",
            8 * LIST_SIZE - 1
        ))
        .unwrap();
    let (mut plain, mut compressed) = (0, 0);
    for list in 0..8 {
        let list = format!("{url}/status-lists/{list}");
        plain += client.get(&list).send().await.unwrap().bytes().await.unwrap().len();
        let request = client.get(&list).header("accept-encoding", "gzip");
        compressed += request.send().await.unwrap().bytes().await.unwrap().len();
    }
    println!("a million sessions, 1% ended: 8 lists, {compressed} bytes sent with gzip, {plain} without");

    let few: Vec<Verifier> = (0..10).map(|_| verifier(url)).collect();
    known_lists(&few, 8).await;
    let before = resident();
    connection
        .batch_execute(
            "INSERT INTO status_lists (id, revision) SELECT n, 0 FROM generate_series(8, 263) n;
             INSERT INTO revocations (number, until)
             SELECT DISTINCT 8 * 131072 + (random() * 256 * 131071)::bigint, 99999999999
             FROM generate_series(1, 337241) ON CONFLICT DO NOTHING",
        )
        .unwrap();
    known_lists(&few, 264).await;
    let each = (resident() - before) / (10.0 * 256.0);
    println!(
        "memory of a verifier: {:.1} KiB for a list of 131,072 indexes, {:.0} KiB for a million sessions",
        each / 1024.0,
        8.0 * each / 1024.0
    );
}

async fn known_lists(verifiers: &[Verifier], count: usize) {
    let begin = Instant::now();
    for verifier in verifiers {
        while !matches!(
            verifier.readiness(),
            Readiness::Ready { revocations: Some(known), .. } if known.lists >= count
        ) {
            assert!(begin.elapsed() < Duration::from_secs(120), "{:?}", verifier.readiness());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

/// Returns the resident memory of this process in bytes.
fn resident() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<f64>().unwrap() * 1024.0
}
