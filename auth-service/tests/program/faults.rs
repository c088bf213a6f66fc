//! Faults of the machine: the database unavailable, the disk full, the process killed or stopped.

use std::collections::HashMap;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::time::Duration;

use diesel::{Connection as _, RunQueryDsl as _, SqliteConnection};
use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use serde_json::{Value, json};

use crate::database::Database;
use crate::database::postgresql::Server;
use crate::process::{PASSWORD, Running, program};

fn on(data: &Path, url: &str) -> Running {
    // The load refreshes each session as often as it can.
    let unlimited = [
        ("AUTH__LIMITS__SESSION_REFRESH__BURST", "1000000"),
        ("AUTH__LIMITS__ACCOUNT_REFRESH__BURST", "1000000"),
    ];
    Running::start(program(data).env("AUTH__DATABASE_URL", url).envs(unlimited))
}

#[actix_web::test]
async fn without_its_database_the_service_reports_that_and_recovers_by_itself() {
    let server = Server::start(5432, "", |_| ());
    let folder = tempfile::tempdir().unwrap();
    let service = on(folder.path(), &server.fresh_database());
    assert_eq!(service.register("alice").await, Some(201));
    let (_, tokens) = service.login("alice").await;
    server.crash();
    // Twice: with connections that worked a moment ago, and with none.
    for _ in 0..2 {
        let (status, retry_after, took) = service.get("/readyz").await;
        assert_eq!((status, retry_after), (503, true));
        assert!(took < Duration::from_secs(10), "{took:?}");
        assert_eq!(service.login("alice").await.0, 503);
        assert_eq!(service.register("bob").await, Some(503));
        let (status, body) = service.refresh(tokens["refresh_token"].as_str().unwrap()).await.unwrap();
        assert_eq!((status, &body["error"]), (503, &json!("temporarily_unavailable")));
        for path in ["/livez", "/.well-known/jwks.json", "/.well-known/openid-configuration"] {
            assert_eq!(service.get(path).await.0, 200, "{path} needs no database");
        }
    }
    server.go_on();
    service.wait_until("it is ready again", async || service.get("/readyz").await.0 == 200).await;
    // From now on no request fails.
    for number in 0..20 {
        assert_eq!(service.register(&format!("user-{number}")).await, Some(201));
        assert_eq!(service.login("alice").await.0, 200);
    }
    assert_eq!(service.refresh(tokens["refresh_token"].as_str().unwrap()).await.unwrap().0, 200);
}

#[actix_web::test]
async fn a_database_that_hangs_is_answered_in_a_bounded_time() {
    let server = Server::start(5432, "", |_| ());
    let folder = tempfile::tempdir().unwrap();
    let service = on(folder.path(), &server.fresh_database());
    assert_eq!(service.register("alice").await, Some(201));
    server.signal("STOP");
    let (status, retry_after, took) = service.get("/readyz").await;
    server.signal("CONT");
    assert_eq!((status, retry_after), (503, true));
    assert!(took < Duration::from_secs(10), "{took:?}");
    service.wait_until("it is ready again", async || service.get("/readyz").await.0 == 200).await;
    assert_eq!(service.login("alice").await.0, 200);
}

#[actix_web::test]
async fn tls_to_the_database_is_verified() {
    let authority =
        rcgen::CertifiedIssuer::self_signed(ca_params(), rcgen::KeyPair::generate().unwrap()).unwrap();
    let stranger =
        rcgen::CertifiedIssuer::self_signed(ca_params(), rcgen::KeyPair::generate().unwrap()).unwrap();
    let key = rcgen::KeyPair::generate().unwrap();
    let params = rcgen::CertificateParams::new(["localhost".to_owned()]).unwrap();
    let certificate = params.signed_by(&key, &authority).unwrap();
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let write_key = |folder: &Path| {
        use std::os::unix::fs::PermissionsExt as _;
        std::fs::write(folder.join("tls.crt"), certificate.pem()).unwrap();
        std::fs::write(folder.join("tls.key"), key.serialize_pem()).unwrap();
        std::fs::set_permissions(folder.join("tls.key"), std::fs::Permissions::from_mode(0o600)).unwrap();
    };
    let options =
        "-c listen_addresses=127.0.0.1 -c ssl=on -c ssl_cert_file=../tls.crt -c ssl_key_file=../tls.key";
    let server = Server::start(port, options, write_key);
    let folder = tempfile::tempdir().unwrap();
    for (name, issuer) in [("ca.pem", &authority), ("stranger.pem", &stranger)] {
        std::fs::write(folder.path().join(name), issuer.pem()).unwrap();
    }
    let url = |host: &str, ca: &str| {
        let ca = folder.path().join(ca);
        format!("postgres://postgres@{host}:{port}/postgres?sslmode=verify-full&sslrootcert={}", ca.display())
    };
    let service = on(folder.path(), &url("localhost", "ca.pem"));
    assert_eq!(service.register("alice").await, Some(201));
    assert!(server.connections_with_tls() > 0, "the connections use TLS");
    for (host, ca, reason) in
        [("localhost", "stranger.pem", "SSL error"), ("127.0.0.1", "ca.pem", "does not match host name")]
    {
        let output =
            program(folder.path()).env("AUTH__DATABASE_URL", url(host, ca)).arg("migrate").output().unwrap();
        let text = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{text}");
        assert!(text.contains(reason), "{text}");
    }
}

fn ca_params() -> rcgen::CertificateParams {
    let mut params = rcgen::CertificateParams::new([]).unwrap();
    // Two certificates with one name would be taken for a self-signed one.
    params.distinguished_name.push(rcgen::DnType::CommonName, "an authority");
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    params
}

/// Writes that were answered before the process was killed.
#[derive(Default)]
struct Answered {
    registered: Vec<String>,
    /// By session, the newest refresh token that was answered.
    refreshed: HashMap<String, String>,
}

#[actix_web::test]
async fn answered_writes_survive_kill_9_under_load_on_sqlite() {
    let folder = tempfile::tempdir().unwrap();
    let url = Database::Sqlite.fresh_url(folder.path());
    for round in 0..3 {
        kill_under_load(folder.path(), &url, round, |service| service.signal("-KILL"), || ()).await;
    }
    let mut connection = SqliteConnection::establish(url.strip_prefix("sqlite://").unwrap()).unwrap();
    let check = diesel::dsl::sql::<diesel::sql_types::Text>("integrity_check FROM pragma_integrity_check");
    assert_eq!(diesel::select(check).load::<String>(&mut connection).unwrap(), ["ok"]);
}

#[actix_web::test]
async fn answered_writes_survive_kill_9_under_load_on_postgresql() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(5432, "", |_| ());
    let url = server.fresh_database();
    for round in 0..3 {
        let kill = |service: &Running| {
            server.crash();
            service.signal("-KILL");
        };
        kill_under_load(folder.path(), &url, round, kill, || server.go_on()).await;
    }
}

/// Registers and refreshes concurrently, kills everything in the middle, and checks what is stored afterwards.
async fn kill_under_load(
    data: &Path,
    url: &str,
    round: usize,
    kill: impl FnOnce(&Running),
    revive: impl FnOnce(),
) {
    let service = on(data, url);
    let answered = Mutex::new(Answered::default());
    let registering = (0..4).map(|lane| register_until_the_end(&service, &answered, round, lane));
    let refreshing = (0..8).map(|lane| refresh_until_the_end(&service, &answered, round, lane));
    let work = futures_util::future::join(
        futures_util::future::join_all(registering),
        futures_util::future::join_all(refreshing),
    );
    let end = async {
        service
            .wait_until("the load is running", async || {
                let answered = answered.lock().unwrap();
                answered.registered.len() > 40 && answered.refreshed.len() == 8
            })
            .await;
        kill(&service);
    };
    futures_util::future::join(work, end).await;
    drop(service);
    let answered = answered.into_inner().unwrap();
    revive();
    let service = on(data, url);
    for name in &answered.registered {
        assert_eq!(service.login(name).await.0, 200, "{name} was answered with 201");
    }
    for (session, token) in &answered.refreshed {
        let (status, body) = service.refresh(token).await.unwrap();
        // The newest answered token works: it is unused, or its use is a repeat within the grace period.
        assert_eq!(status, 200, "{session}: {body}");
    }
}

async fn register_until_the_end(service: &Running, answered: &Mutex<Answered>, round: usize, lane: usize) {
    for number in 0.. {
        let name = format!("user-{round}-{lane}-{number}");
        match service.register(&name).await {
            Some(201) => answered.lock().unwrap().registered.push(name),
            Some(503) => {}
            Some(status) => panic!("{status}"),
            None => return,
        }
    }
}

async fn refresh_until_the_end(service: &Running, answered: &Mutex<Answered>, round: usize, lane: usize) {
    let name = format!("session-{round}-{lane}");
    let Some(201) = service.register(&name).await else { return };
    let login = json!({ "username": name, "password": PASSWORD });
    let Some((200, tokens)) = service.try_post("/login", &login).await else { return };
    let text = |tokens: &Value| tokens["refresh_token"].as_str().unwrap().to_owned();
    let mut token = text(&tokens);
    loop {
        answered.lock().unwrap().refreshed.insert(name.clone(), token.clone());
        match service.refresh(&token).await {
            Some((200, tokens)) => token = text(&tokens),
            Some((503, _)) => {}
            Some((status, body)) => panic!("{status}: {body}"),
            None => return,
        }
    }
}

/// Returns whether `unshare` works as the test below uses it.
fn may_mount() -> bool {
    let mut tried = Command::new("unshare");
    tried.args(["--map-root-user", "--mount", "mount", "-t", "tmpfs", "none", "/mnt"]);
    tried.stderr(Stdio::null()).status().is_ok_and(|status| status.success())
}

/// Reports on the test program's own standard error, which is not captured, that a test was skipped.
#[expect(clippy::explicit_write, reason = "what eprintln writes is captured")]
fn skip(name: &str, reason: &str) {
    writeln!(std::io::stderr(), "\nSKIPPED: {name}: {reason}").unwrap();
}

#[actix_web::test]
async fn a_full_disk_is_answered_with_503_and_loses_nothing() {
    if !may_mount() {
        skip(
            "a full disk",
            "this system does not let a process make a mount namespace, like most containers",
        );
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    // A small disk in a separate mount namespace, which needs no root.
    let mount = format!("mount -t tmpfs -o size=1500k none {} && exec \"$0\"", folder.path().display());
    let inner = program(folder.path());
    let mut command = Command::new("unshare");
    command.args(["--map-root-user", "--mount", "sh", "-c", &mount, env!("CARGO_BIN_EXE_auth-service")]);
    command.env_clear().env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
    command.envs(inner.get_envs().filter_map(|(name, value)| Some((name, value?))));
    let service = Running::start(&mut command);
    let mut registered = Vec::new();
    loop {
        let name = format!("user-{}", registered.len());
        let (status, body) =
            service.post("/register", &json!({ "username": name, "password": PASSWORD })).await;
        match status {
            201 => registered.push(name),
            503 => {
                assert_eq!(body["code"], "store_unavailable");
                break;
            }
            _ => panic!("{status}: {body}"),
        }
    }
    assert!(!registered.is_empty());
    assert_eq!(service.get("/readyz").await.0, 503, "and it reports that");
    let grow = format!("mount -o remount,size=64m {}", folder.path().display());
    let id = service.id().to_string();
    let enter = ["-t", &id, "-U", "-m", "--preserve-credentials", "sh", "-c", &grow];
    assert!(Command::new("nsenter").args(enter).status().unwrap().success());
    for name in &registered {
        assert_eq!(service.login(name).await.0, 200, "{name} was answered with 201");
    }
    assert_eq!(service.register("after").await, Some(201), "and it recovers by itself");
    service.wait_until("it is ready", async || service.get("/readyz").await.0 == 200).await;
    service.signal("-TERM");
    let (_, log) = service.end();
    assert!(log.contains("disk is full") || log.contains("disk I/O error"), "{log}");
}

#[actix_web::test]
async fn requests_in_flight_are_answered_before_the_service_stops() {
    let data = tempfile::tempdir().unwrap();
    let variables = [
        ("AUTH__PASSWORDS__BCRYPT_COST", "10"),
        ("AUTH__HASHING__THREADS", "1"),
        ("AUTH__LIMITS__ENABLED", "false"),
    ];
    let service = Running::start(program(data.path()).envs(variables));
    assert_eq!(service.register("alice").await, Some(201));
    let mut logins: FuturesUnordered<_> = (0..12).map(|_| service.login("alice")).collect();
    // One thread hashes them in sequence: when the first is answered, the others are still waiting.
    assert_eq!(logins.next().await.unwrap().0, 200);
    service.signal("-TERM");
    while let Some((status, _)) = logins.next().await {
        assert_eq!(status, 200);
    }
    drop(logins);
    let address = service.address.clone();
    let (code, log) = service.end();
    assert_eq!(code, Some(0), "{log}");
    assert!(reqwest::get(format!("{address}/livez")).await.is_err(), "the listener is closed");
}
