//! The limit of open files: the program raises the soft limit, lowers its own limits to what fits, and logs both.

use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use reqwest::{Client, Response};
use serde_json::Value;
use tempfile::TempDir;
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;

use crate::process::{Running, program};

/// How long a test waits for an expected event.
const PATIENCE: Duration = Duration::from_secs(60);

fn folder() -> TempDir {
    tempfile::tempdir().unwrap()
}

/// Returns the program with these limits of open files.
fn limited(data: &Path, soft: usize, hard: usize) -> Command {
    let usual = program(data);
    let mut command = Command::new("/bin/sh");
    let script = format!("ulimit -Sn {soft} && ulimit -Hn {hard} && exec \"$0\"");
    command.env_clear().args(["-c", &script]).arg(usual.get_program()).stdin(Stdio::null());
    command.envs(usual.get_envs().filter_map(|(name, value)| Some((name, value?))));
    command.env("AUTH__HTTP__WORKERS", "2");
    command
}

/// Returns the soft and the hard limit of a process, and how many files it has open.
fn open_files(service: &Running) -> (usize, usize, usize) {
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", service.id())).unwrap();
    let line = limits.lines().find(|line| line.starts_with("Max open files")).unwrap();
    let mut numbers = line.split_whitespace().filter_map(|word| word.parse().ok());
    let open = std::fs::read_dir(format!("/proc/{}/fd", service.id())).unwrap().count();
    (numbers.next().unwrap(), numbers.next().unwrap(), open)
}

fn socket(service: &Running) -> SocketAddr {
    service.address.strip_prefix("http://").unwrap().parse().unwrap()
}

async fn connect_from(service: &Running, address: IpAddr) -> Option<TcpStream> {
    let socket_of_ours = TcpSocket::new_v4().unwrap();
    socket_of_ours.bind(SocketAddr::new(address, 0)).unwrap();
    timeout(Duration::from_secs(1), socket_of_ours.connect(socket(service))).await.ok()?.ok()
}

/// Returns a stream of events, unless this address is refused one.
async fn listen(service: &Running, address: IpAddr, client: Option<&Value>) -> Option<Response> {
    let ours = Client::builder().local_address(Some(address)).build().unwrap();
    let mut request = ours.get(format!("{}/status-lists/events", service.address));
    if let Some(client) = client {
        request = request.basic_auth(client["client_id"].as_str().unwrap(), client["client_secret"].as_str());
    }
    let mut stream = timeout(PATIENCE, request.send()).await.unwrap().ok()?;
    if stream.status() != 200 {
        assert_eq!(stream.status(), 503);
        return None;
    }
    stream.chunk().await.ok()??;
    Some(stream)
}

/// Returns an address in a network of its own, as connections are counted.
fn address(network: u8) -> IpAddr {
    [127, 0, network, 1].into()
}

#[actix_web::test]
async fn the_soft_limit_is_raised_to_the_hard_one_and_the_log_says_what_it_allows() {
    let data = folder();
    let mut command = limited(data.path(), 64, 1500);
    let service = Running::start(command.env("AUTH__HTTP__MAX_CONNECTIONS", "300"));
    let (soft, hard, _) = open_files(&service);
    assert_eq!((soft, hard), (1500, 1500));
    // More than the original soft limit.
    let mut silent = Vec::new();
    for network in 2..4 {
        for _ in 0..50 {
            silent.push(connect_from(&service, address(network)).await.unwrap());
        }
    }
    service.wait_until("they are open", async || open_files(&service).2 > 100).await;
    assert_eq!(service.register("alice").await, Some(201));
    assert_eq!(service.login("alice").await.0, 200);
    service.signal("-TERM");
    let (code, _) = service.end();
    assert_eq!(code, Some(0));
}

#[test]
fn settings_that_are_above_the_limit_of_open_files_are_lowered_and_warned_of() {
    let data = folder();
    for (hard, connections, lowered) in [(1500, "300", false), (400, "300", true)] {
        let mut command = limited(data.path(), 64, hard);
        command
            .env("AUTH__HTTP__MAX_CONNECTIONS", connections)
            .env("AUTH__STATUS_LISTS__MAX_LISTENERS", "250");
        let service = Running::start(command.env("RUST_LOG", "info"));
        let said = service.said();
        assert!(said.contains(&format!("up to {hard} files may be open")), "{said}");
        assert!(said.contains("streams of events"), "{said}");
        for warned in ["http.max_connections is 300, but", "status_lists.max_listeners is 250, but"] {
            assert_eq!(said.contains(warned), lowered, "{warned}: {said}");
        }
    }
}

#[test]
fn a_limit_of_open_files_that_is_too_low_to_serve_is_one_error_message() {
    let data = folder();
    for hard in [24, 64, 90] {
        let output = limited(data.path(), hard, hard).env("RUST_LOG", "off").output().unwrap();
        let text = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{hard}: {text}");
        assert!(text.contains(&format!("the limit of open files is {hard}, and at least ")), "{text}");
        assert!(!text.contains("panicked") && text.lines().count() == 1, "{text}");
    }
}

#[actix_web::test]
async fn logins_work_under_a_low_limit_while_attackers_take_every_connection_they_can_get() {
    let data = folder();
    // Commands need a database that was served before.
    let first = Running::start(&mut program(data.path()));
    first.signal("-TERM");
    assert_eq!(first.end().0, Some(0));
    // The command runs with its own limits.
    let created = program(data.path()).args(["client", "create", "--name", "books"]).output().unwrap();
    let client: Value = serde_json::from_slice(&created.stdout).unwrap();
    let service = Running::start(&mut limited(data.path(), 64, 200));
    assert_eq!(service.register("alice").await, Some(201));
    // A hundred addresses open streams until none is left, and then connections that send nothing.
    let (mut streams, mut refused) = (Vec::new(), 0);
    for network in 2..102 {
        match listen(&service, address(network), None).await {
            Some(stream) => streams.push(stream),
            None => refused += 1,
        }
    }
    let mut more = Vec::new();
    for _ in 0..10 {
        more.extend(listen(&service, address(2), None).await);
    }
    assert!(streams.len() >= 16 && refused + more.len() <= 100, "{} {refused}", streams.len());
    for _ in 0..3 {
        assert_eq!(service.login("alice").await.0, 200);
        assert!(
            listen(&service, address(200), Some(&client)).await.is_some(),
            "half of the streams are reserved"
        );
    }
    let (_, limit, open) = open_files(&service);
    assert!(open < limit - 20, "some files are left: {open} of {limit}");
    // One of them opens connections as fast as it can.
    let mut silent = Vec::new();
    for _ in 0..200 {
        silent.extend(connect_from(&service, address(2)).await);
    }
    for _ in 0..3 {
        assert_eq!(service.login("alice").await.0, 200);
    }
    // So do all addresses of its network.
    for last in 2..202 {
        silent.extend(connect_from(&service, [127, 0, 2, last].into()).await);
    }
    for _ in 0..3 {
        assert_eq!(service.login("alice").await.0, 200);
    }
    assert!(open_files(&service).2 < limit, "the open files stay below the limit");
}
