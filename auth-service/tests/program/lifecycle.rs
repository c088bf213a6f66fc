//! auth-service from an operator's side: variables, exit codes, signals and the command line.

use std::io::Write as _;
use std::path::Path;
use std::process::{Output, Stdio};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::process::{PASSWORD, Running, program};

fn create_user(data: &Path, arguments: &[&str], password: &str) -> Output {
    let mut command = program(data);
    command.args(["user", "create", "--password-stdin"]).args(arguments);
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(password.as_bytes()).unwrap();
    child.wait_with_output().unwrap()
}

fn run(data: &Path, arguments: &[&str]) -> (Option<i32>, String) {
    let output = program(data).args(arguments).output().unwrap();
    (output.status.code(), String::from_utf8([output.stdout, output.stderr].concat()).unwrap())
}

fn folder() -> TempDir {
    tempfile::tempdir().unwrap()
}

#[actix_web::test]
async fn no_command_and_serve_are_the_same_and_sigterm_ends_either_with_0() {
    let data = folder();
    for arguments in [&[][..], &["serve"]] {
        let service = Running::start(program(data.path()).args(arguments));
        let alive = reqwest::get(format!("{}/livez", service.address)).await.unwrap();
        assert_eq!(alive.status(), 200);
        service.signal("-TERM");
        let (code, log) = service.end();
        assert_eq!(code, Some(0), "{log}");
    }
}

#[test]
fn a_wrong_setting_is_one_error_message_that_names_the_key_and_exit_code_2() {
    let data = folder();
    let rows = [
        ("AUTH__TOKENS__ACCESS_TTL", "soon", "tokens.access_ttl"),
        ("AUTH__TOKENS__ALGORITHM", "none", "tokens.algorithm"),
        ("AUTH__LISTEN", "everywhere", "listen"),
        ("AUTH__LISTEN", "0.0.0.0:0", "http.allow_plain_text"),
        ("AUTH__LISTEN", "[::]:0", "http.allow_plain_text"),
        ("AUTH__TLS__CERTIFICATE", "/does/not/exist.pem", "tls.key"),
        ("AUTH__MASTER_KEY", "c2hvcnQ=", "`master_key`"),
        ("AUTH__DATABASE_URL", "mysql://user@host", "database_url"),
        ("AUTH__NO_SUCH_KEY", "1", "no_such_key"),
        ("AUTH__PASSWORDS__NO_SUCH_KEY", "1", "no_such_key"),
        ("AUTH__HTTP__TRUSTED_PROXIES", "10.0.0.0/99", "http.trusted_proxies"),
        ("AUTH_CONFIG", "/does/not/exist.toml", "AUTH_CONFIG"),
        ("AUTH__MASTER_KEY_FILE", "/does/not/exist", "AUTH__MASTER_KEY_FILE"),
    ];
    for (name, value, named) in rows {
        let output = program(data.path()).env(name, value).output().unwrap();
        let text = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{name}: {text}");
        assert!(text.contains(named) && !text.contains("panicked"), "{name}: {text}");
        assert_eq!(text.lines().count(), 1, "{text}");
    }
}

#[test]
fn every_variable_of_the_contract_is_accepted() {
    let data = folder();
    let key = "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=";
    let mut command = program(data.path());
    command
        .env("AUTH__ISSUER", "https://id.example")
        .env("AUTH__AUDIENCE", "a,b")
        .env("AUTH__DATABASE_URL", format!("sqlite://{}/other.db", data.path().display()))
        .env("AUTH__MASTER_KEY", key)
        .env("AUTH__MASTER_KEY_PREVIOUS", key)
        .env("AUTH__TOKENS__ALGORITHM", "HS256")
        .env("AUTH__TOKENS__SHARED_SECRET", "a shared secret of forty-two bytes, no less")
        .env("AUTH__TOKENS__ACCESS_TTL", "5m")
        .env("AUTH__TOKENS__REFRESH_GRACE", "0s")
        .env("AUTH__SESSIONS__IDLE_TTL", "1d")
        .env("AUTH__SESSIONS__ABSOLUTE_TTL", "30d")
        .env("AUTH__PASSWORDS__ALGORITHM", "argon2id")
        .env("AUTH__LIMITS__ENABLED", "false")
        .env("AUTH__REGISTRATION__OPEN", "false")
        .env("AUTH__HTTP__TRUSTED_PROXIES", "10.0.0.0/8,fd00::/8")
        .env("RUST_LOG", "info");
    let service = Running::start(&mut command);
    assert!(data.path().join("other.db").exists());
    assert!(!data.path().join("master.key").exists(), "the key was given");
    drop(service);
}

#[test]
fn everything_that_prevents_the_start_is_one_error_message_and_exit_code_1() {
    let data = folder();
    let file = data.path().join("file");
    std::fs::write(&file, "").unwrap();
    let broken = data.path().join("broken");
    std::fs::create_dir(&broken).unwrap();
    std::fs::write(broken.join("auth.db"), "this is not a database, it only has the name of one").unwrap();
    let rows = [
        (vec![("AUTH__DATA_DIR", file.to_str().unwrap())], "cannot make the data folder"),
        (vec![("AUTH__DATA_DIR", broken.to_str().unwrap())], "not a database"),
        (
            vec![("AUTH__LISTEN", "203.0.113.1:80"), ("AUTH__HTTP__ALLOW_PLAIN_TEXT", "true")],
            "cannot listen on 203.0.113.1:80",
        ),
        (vec![("AUTH__DATABASE_URL", "postgres://alice:secret@127.0.0.1:1/x")], "Connection refused"),
    ];
    for (variables, reason) in rows {
        let patience = ("AUTH__DATABASE__START_TIMEOUT", "0s");
        let variables = variables.into_iter().chain([patience]);
        let output = program(data.path()).envs(variables).env("RUST_LOG", "off").output().unwrap();
        let text = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{reason}: {text}");
        assert!(
            text.contains(reason) && !text.contains("panicked") && !text.contains("secret"),
            "{reason}: {text}"
        );
        assert_eq!(text.lines().count(), 1, "{text}");
    }
}

#[test]
fn a_taken_port_is_one_error_message() {
    let data = folder();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = listener.local_addr().unwrap().to_string();
    let output = program(data.path()).env("AUTH__LISTEN", &taken).env("RUST_LOG", "off").output().unwrap();
    let text = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(text.contains(&format!("cannot listen on {taken}")), "{text}");
}

#[test]
fn a_lost_master_key_is_one_error_message_at_start() {
    let data = folder();
    drop(Running::start(&mut program(data.path())));
    let original = std::fs::read_to_string(data.path().join("master.key")).unwrap();
    std::fs::remove_file(data.path().join("master.key")).unwrap();
    let (code, text) = run(data.path(), &[]);
    assert_eq!(code, Some(1));
    assert!(text.contains("there is no master key in"), "{text}");
    assert!(!data.path().join("master.key").exists(), "and none is created");
    drop(Running::start(program(data.path()).env("AUTH__MASTER_KEY", original)));
}

#[actix_web::test]
async fn a_registration_that_was_answered_survives_kill_9() {
    let data = folder();
    for round in 0..3 {
        let service = Running::start(&mut program(data.path()));
        for number in 0..5 {
            let name = format!("user-{round}-{number}");
            let (status, _) =
                service.post("/register", &json!({ "username": name, "password": PASSWORD })).await;
            assert_eq!(status, 201);
        }
        service.signal("-KILL");
        service.end();
        let service = Running::start(&mut program(data.path()));
        for number in 0..5 {
            assert_eq!(service.login(&format!("user-{round}-{number}")).await.0, 200);
        }
    }
}

#[actix_web::test]
async fn operators_work_on_accounts_beside_a_running_server() {
    let data = folder();
    let service = Running::start(&mut program(data.path()));
    let created = create_user(
        data.path(),
        &["--username", "Root", "--email", "r@example.com", "--role", "admin"],
        &format!("{PASSWORD}\n"),
    );
    assert_eq!(created.status.code(), Some(0), "{created:?}");
    let (status, tokens) = service.login("root").await;
    assert_eq!((status, &tokens["scope"]), (200, &json!("")));
    let (code, text) =
        run(data.path(), &["user", "roles", "ROOT", "--add", "subscriber", "--remove", "admin"]);
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains("root has roles: subscriber"), "{text}");
    assert_eq!(service.login("root").await.1["scope"], "books:download");
    assert_eq!(run(data.path(), &["user", "disable", "root"]).0, Some(0));
    assert_eq!(service.login("root").await.0, 401);
    assert_eq!(run(data.path(), &["user", "enable", "root"]).0, Some(0));
    assert_eq!(service.login("root").await.0, 200);
}

#[test]
fn the_command_line_says_what_is_wrong() {
    let data = folder();
    let _service = Running::start(&mut program(data.path()));
    assert_eq!(create_user(data.path(), &["--username", "alice"], PASSWORD).status.code(), Some(0));
    let again = create_user(data.path(), &["--username", "ALICE"], PASSWORD);
    assert_eq!(again.status.code(), Some(1));
    assert!(String::from_utf8(again.stderr).unwrap().contains("taken"));
    let weak = create_user(data.path(), &["--username", "bob"], "short");
    assert_eq!(weak.status.code(), Some(1));
    assert!(String::from_utf8(weak.stderr).unwrap().contains("at least 12 characters"));
    let rows: [(&[&str], i32, &str); 5] = [
        (&["user", "disable", "unknown"], 1, "there is no account named"),
        (&["user", "roles", "alice", "--add", "two words"], 2, "two words"),
        (&["user", "create", "--username", "carl"], 2, "--password-stdin"),
        (&["frobnicate"], 2, "frobnicate"),
        (&["user", "roles", "alice", "--add", "typo"], 0, "Check the spelling"),
    ];
    for (arguments, code, said) in rows {
        let (actual, text) = run(data.path(), arguments);
        assert_eq!(actual, Some(code), "{arguments:?}: {text}");
        assert!(text.contains(said), "{arguments:?}: {text}");
    }
}

#[actix_web::test]
async fn operators_rotate_and_withdraw_keys_and_recover_beside_a_running_server() {
    let data = folder();
    let service = Running::start(&mut program(data.path()));
    service.register("alice").await;
    let kids = async || {
        let keys = reqwest::get(format!("{}/.well-known/jwks.json", service.address)).await.unwrap();
        let keys: Value = serde_json::from_str(&keys.text().await.unwrap()).unwrap();
        let kid = |key: &Value| key["kid"].as_str().unwrap().to_owned();
        keys["keys"].as_array().unwrap().iter().map(kid).collect::<Vec<_>>()
    };
    let first = kids().await;
    let (code, text) = run(data.path(), &["key", "rotate"]);
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains("it signs in 7200s") || text.contains("it signs in 7199s"), "{text}");
    assert_eq!(kids().await.len(), 2, "published immediately");
    let (_, listed) = run(data.path(), &["key", "list"]);
    assert!(
        listed.contains(&format!("{} ES256 signs\n", first[0])) && listed.contains("signs in 7"),
        "{listed}"
    );
    let (_, tokens) = service.login("alice").await;
    let (code, text) = run(data.path(), &["key", "rotate", "--emergency"]);
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains("every signing key was withdrawn"), "{text}");
    let now = kids().await;
    assert!(now.len() == 1 && !first.contains(&now[0]));
    let (status, tokens) = service.refresh(tokens["refresh_token"].as_str().unwrap()).await.unwrap();
    assert_eq!(status, 200, "sessions continue");
    let (code, text) = run(data.path(), &["recover"]);
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains("ended 1 sessions"), "{text}");
    let (status, _) = service.refresh(tokens["refresh_token"].as_str().unwrap()).await.unwrap();
    assert_eq!(status, 400);
    assert_eq!(service.login("alice").await.0, 200);
}

#[actix_web::test]
async fn sigterm_ends_streams_of_events_at_once() {
    let data = folder();
    let service = Running::start(&mut program(data.path()));
    let url = format!("{}/status-lists/events", service.address);
    let mut stream = reqwest::get(url).await.unwrap();
    assert!(stream.chunk().await.unwrap().is_some());
    let begin = std::time::Instant::now();
    service.signal("-TERM");
    let (code, log) = service.end();
    assert_eq!(code, Some(0), "{log}");
    assert!(
        begin.elapsed() < std::time::Duration::from_secs(9),
        "the stop did not wait for the end of the drain"
    );
    while let Ok(Some(_)) = stream.chunk().await {}
}

/// Returns the credentials that `client create` and `client secret` print for scripts.
fn credentials(data: &Path, arguments: &[&str]) -> Value {
    let output = program(data).args(arguments).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    serde_json::from_slice(&output.stdout).unwrap()
}

#[actix_web::test]
async fn operators_work_on_clients_beside_a_running_server() {
    let data = folder();
    let service = Running::start(&mut program(data.path()));
    let grant = async |credentials: &Value| {
        let mut body = credentials.clone();
        body["grant_type"] = json!("client_credentials");
        service.post("/token", &body).await
    };
    let is_active = async |asking: &Value, token: &Value| {
        let mut body = asking.clone();
        body["token"] = token["access_token"].clone();
        let (status, answer) = service.post("/introspect", &body).await;
        assert_eq!(status, 200);
        answer["active"].clone()
    };
    let create = ["client", "create", "--name", "billing", "--scope", "a:read", "--scope", "a:write"];
    let first = credentials(data.path(), &create);
    assert_eq!(first["client_id"], "client:billing");
    assert!(first["client_secret"].as_str().unwrap().starts_with("cs_"));
    let audience = ["--audience", "http://127.0.0.1:8080", "--audience", "resource-service"];
    let asking = [&["client", "create", "--name", "asking"][..], &audience].concat();
    let asking = credentials(data.path(), &asking);
    let (status, token) = grant(&first).await;
    assert_eq!((status, &token["scope"]), (200, &json!("a:read a:write")));
    let (code, list) = run(data.path(), &["client", "list"]);
    assert_eq!(code, Some(0), "{list}");
    assert!(list.contains("client:billing scopes: a:read a:write; audience: resource-service\n"), "{list}");
    assert!(list.contains("client:asking scopes: none; audience: http://127.0.0.1:8080 resource-service\n"));
    assert!(!list.contains(first["client_secret"].as_str().unwrap()), "{list}");
    // The id from the list is accepted like the name.
    for name in ["billing", "client:billing"] {
        let (status, token) = grant(&first).await;
        assert_eq!((status, is_active(&asking, &token).await), (200, json!(true)));
        let (code, text) = run(data.path(), &["client", "disable", name]);
        assert_eq!(code, Some(0), "{text}");
        assert!(text.contains("billing is disabled"), "{text}");
        assert_eq!(grant(&first).await.0, 401);
        assert_eq!(is_active(&asking, &token).await, json!(false));
        assert!(run(data.path(), &["client", "list"]).1.contains("client:billing (disabled) scopes:"));
        assert_eq!(run(data.path(), &["client", "enable", name]).0, Some(0));
        assert_eq!(is_active(&asking, &token).await, json!(false));
    }
    let (_, token) = grant(&first).await;
    for name in ["billing", "client:billing"] {
        let second = credentials(data.path(), &["client", "secret", name]);
        assert_eq!(second["client_id"], "client:billing");
        assert_ne!(second["client_secret"], first["client_secret"]);
        assert_eq!((grant(&first).await.0, grant(&second).await.0), (401, 200));
    }
    assert_eq!(is_active(&asking, &token).await, json!(false));
}

#[test]
fn the_command_line_says_what_is_wrong_with_a_client() {
    let data = folder();
    let _service = Running::start(&mut program(data.path()));
    credentials(data.path(), &["client", "create", "--name", "billing"]);
    let create = |name: &'static str, more: &[&'static str]| {
        [&["client", "create", "--name", name][..], more].concat()
    };
    let rows: Vec<(Vec<&str>, i32, &str)> = vec![
        (create("billing", &[]), 1, "there is a client of that name already"),
        (create("client:new", &[]), 2, "letters, digits"),
        (create("client", &[]), 2, "and not `client`"),
        (create("", &[]), 2, "1 to 64"),
        (create("new", &["--scope", "two words"]), 2, "one word"),
        (create("new", &["--audience", ""]), 2, "one word"),
        (create("new", &["--audience", "elsewhere"]), 1, "\"elsewhere\" is neither in `audience`"),
        (vec!["client", "create"], 2, "--name"),
        (vec!["client", "disable", "unknown"], 1, "there is no client named \"unknown\""),
        (vec!["client", "enable", "client:unknown"], 1, "there is no client named \"unknown\""),
        (vec!["client", "secret", "unknown"], 1, "there is no client named"),
        (vec!["client", "secret", "Billing"], 1, "there is no client named"),
        (vec!["client"], 2, "Usage"),
    ];
    for (arguments, code, said) in rows {
        let (actual, text) = run(data.path(), &arguments);
        assert_eq!(actual, Some(code), "{arguments:?}: {text}");
        assert!(text.contains(said) && !text.contains("cs_"), "{arguments:?}: {text}");
    }
}
