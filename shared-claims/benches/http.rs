//! The CPU time that authentication adds to a request: the same handler with and without a required token gets the same
//! headers, alternately.
//!
//!     cargo bench -p shared-claims --features actix --bench http
//!
//! The server is actix-web with one worker on core 0; `wrk` runs on core 1. The verifier has keys, a status list and an event
//! stream from an issuer in this program.

#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::cast_precision_loss,
    clippy::print_stdout,
    reason = "a benchmark talks and stops"
)]

#[path = "../tests/support/mod.rs"]
mod support;

use std::{
    fs,
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{Child, Command, Stdio},
    time::{SystemTime, UNIX_EPOCH},
};

use actix_web::{App, HttpResponse, HttpServer, web};
use serde::Serialize;
use serde_json::{Value, json};
use shared_claims::{AccessToken, Policy, Remote, Verifier};
use support::{
    AUDIENCE, ISSUER, Signer,
    connected::{EVENTS, reached_inside},
    jwks,
    lists::{List, PATH, claims_at, list_event, serve},
    server::{Reply, Server},
};

const ROUNDS: usize = 9;
const SECONDS: u32 = 2;
const ENTRIES: u64 = 1024;

/// Sends the tokens of a file one after the other.
const SCRIPT: &str = r#"
local requests, index = {}, 0
function init(args)
  for token in io.lines(args[1]) do
    requests[#requests + 1] = wrk.format("GET", nil, { ["Authorization"] = "Bearer " .. token })
  end
end
function request()
  index = index % #requests + 1
  return requests[index]
end
"#;

#[derive(Serialize)]
struct Body {
    message: &'static str,
    sub: &'static str,
    roles: [&'static str; 1],
}

const BODY: Body = Body { message: "Welcome, ada!", sub: "user-1", roles: ["reader"] };

async fn open() -> HttpResponse {
    HttpResponse::Ok().json(BODY)
}

async fn protected(token: AccessToken) -> HttpResponse {
    std::hint::black_box(&token.sub);
    HttpResponse::Ok().json(BODY)
}

fn main() {
    match std::env::var("SHARED_CLAIMS_BENCH_ISSUER") {
        Ok(issuer) => actix_web::rt::System::new().block_on(server(&issuer)),
        Err(_) => tokio::runtime::Runtime::new().unwrap().block_on(measure()),
    }
}

async fn server(issuer: &str) {
    let policy = Policy::new(ISSUER, [AUDIENCE]).unwrap();
    let verifier = Verifier::remote(policy, Remote::discover().internal_url(issuer)).unwrap();
    verifier.start();
    let server = HttpServer::new(move || {
        App::new()
            .app_data(verifier.clone())
            .route("/open", web::get().to(open))
            .route("/protected", web::get().to(protected))
    });
    let server = server.workers(1).bind("127.0.0.1:0").unwrap();
    println!("{}", server.addrs()[0]);
    std::io::stdout().flush().unwrap();
    server.run().await.unwrap();
}

struct Running(Child, String);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn start(issuer: &str) -> Running {
    let mut child = Command::new("taskset")
        .args(["-c", "0"])
        .arg(std::env::current_exe().unwrap())
        .env("SHARED_CLAIMS_BENCH_ISSUER", issuer)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut address = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut address).unwrap();
    Running(child, format!("http://{}", address.trim()))
}

async fn measure() {
    let signer = Signer::es256("key");
    let issuer = Server::start().await;
    issuer.publish_with_lists(ISSUER, &jwks(&[&signer]), &[&format!("{ISSUER}{PATH}")]);
    reached_inside(&issuer);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let list = List::new(&[7]).revision(1).with("iat", json!(now)).with("exp", json!(now + 86_400));
    serve(&issuer, &list, &signer);
    issuer.route(EVENTS, Reply::Events(format!(": hello\n\n{}", list_event(1))));
    let folder = tempfile::tempdir().unwrap();
    let script = folder.path().join("tokens.lua");
    fs::write(&script, SCRIPT).unwrap();
    for count in [1, 1_000] {
        let tokens = folder.path().join(format!("{count}.txt"));
        let text: String = (0..count).map(|number| token(&signer, number, now) + "\n").collect();
        fs::write(&tokens, text).unwrap();
        let running = start(&issuer.url);
        let paths = ["/open", "/protected"];
        for path in paths {
            load(&running, path, &script, &tokens);
        }
        let (mut rounds, mut added) = (vec![Vec::new(), Vec::new()], Vec::new());
        for round in 0..ROUNDS {
            // Each goes first as often as the other.
            let order = if round % 2 == 0 { [0, 1] } else { [1, 0] };
            for which in order {
                rounds[which].push(load(&running, paths[which], &script, &tokens));
            }
            added.push(rounds[1][round] - rounds[0][round]);
        }
        let ratios = rounds[0].iter().zip(&rounds[1]).map(|(open, protected)| protected / open);
        println!(
            "{count} tokens: open {:.2} us, protected {:.2} us, added {:.2} us, ratio {:.3} (medians of {ROUNDS} rounds)",
            median(rounds[0].clone()),
            median(rounds[1].clone()),
            median(added),
            median(ratios.collect())
        );
    }
}

fn token(signer: &Signer, number: u64, now: u64) -> String {
    let mut claims: Value = claims_at(&format!("{ISSUER}{PATH}"), 8 + number % (ENTRIES - 8));
    for name in ["iat", "nbf", "auth_time"] {
        claims[name] = json!(now);
    }
    claims["exp"] = json!(now + 3600);
    claims["jti"] = json!(format!("token-{number:07}"));
    signer.token_of(&claims)
}

/// Microseconds of the server's processor time for a request.
fn load(running: &Running, path: &str, script: &Path, tokens: &Path) -> f64 {
    let before = processor_time(running.0.id());
    let output = Command::new("taskset")
        .args(["-c", "1", "wrk", "-t1", "-c64"])
        .arg(format!("-d{SECONDS}s"))
        .arg("-s")
        .arg(script)
        .arg(format!("{}{path}", running.1))
        .arg("--")
        .arg(tokens)
        .output()
        .expect("this needs wrk and taskset (Debian: apt-get install wrk util-linux)");
    let used = processor_time(running.0.id()) - before;
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(!text.contains("Non-2xx") && !text.contains("Socket errors"), "{text}");
    let requests = text.lines().find_map(|line| line.trim().split_once(" requests in")).unwrap().0;
    used / requests.parse::<f64>().unwrap()
}

/// Of all threads of a process, in microseconds.
fn processor_time(pid: u32) -> f64 {
    let threads = fs::read_dir(format!("/proc/{pid}/task")).unwrap();
    let nanoseconds = threads.map(|thread| {
        let text = fs::read_to_string(thread.unwrap().path().join("schedstat")).unwrap_or_default();
        text.split(' ').next().and_then(|first| first.parse::<f64>().ok()).unwrap_or(0.0)
    });
    nanoseconds.sum::<f64>() / 1e3
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
