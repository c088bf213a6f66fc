//! No secret is in the log, at any level.

use serde_json::{Value, json};

use crate::process::{PASSWORD, Running, program};

/// Returns the members of `tokens` that are credentials.
fn credentials(tokens: &Value) -> Vec<String> {
    let names = ["access_token", "refresh_token"];
    names.iter().map(|name| tokens[name].as_str().unwrap().to_owned()).collect()
}

#[actix_web::test]
async fn no_secret_is_in_the_log_at_any_level() {
    let data = tempfile::tempdir().unwrap();
    let (master_key, pepper) =
        ("MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=", "a pepper that is long enough for it");
    let variables = [
        ("RUST_LOG", "trace"),
        ("AUTH__MASTER_KEY", master_key),
        ("AUTH__PASSWORDS__PEPPER", pepper),
        ("AUTH__TOKENS__REFRESH_GRACE", "0s"),
    ];
    let service = Running::start(program(data.path()).envs(variables));
    let create = ["client", "create", "--name", "billing"];
    let client = program(data.path()).envs(variables).args(create).output().unwrap();
    let client: Value = serde_json::from_slice(&client.stdout).unwrap();
    let mut secrets = vec![PASSWORD.to_owned(), master_key.to_owned(), pepper.to_owned()];
    secrets.push(client["client_secret"].as_str().unwrap().to_owned());

    assert_eq!(service.register("alice").await, Some(201));
    let wrong = "a wrong password that is secret, too";
    secrets.push(wrong.to_owned());
    let (status, _) = service.post("/login", &json!({ "username": "alice", "password": wrong })).await;
    assert_eq!(status, 401);
    let (_, first) = service.login("alice").await;
    let (_, second) = service.refresh(first["refresh_token"].as_str().unwrap()).await.unwrap();
    let mut grant = client.clone();
    grant["grant_type"] = json!("client_credentials");
    let (status, granted) = service.post("/token", &grant).await;
    assert_eq!(status, 200);
    secrets.push(granted["access_token"].as_str().unwrap().to_owned());
    let mut question = client.clone();
    question["token"] = second["access_token"].clone();
    assert_eq!(service.post("/introspect", &question).await.0, 200);
    let me = reqwest::Client::new().get(format!("{}/me", service.address));
    let bearer = me.bearer_auth(second["access_token"].as_str().unwrap());
    assert_eq!(bearer.send().await.unwrap().status(), 200);
    let in_query =
        format!("{}/me?access_token={}", service.address, second["access_token"].as_str().unwrap());
    assert_eq!(reqwest::get(in_query).await.unwrap().status(), 401);
    // Theft is in the log, and the stolen token is not.
    assert_eq!(service.refresh(first["refresh_token"].as_str().unwrap()).await.unwrap().0, 400);
    let (_, third) = service.login("alice").await;
    assert_eq!(service.post("/revoke", &json!({ "token": third["refresh_token"] })).await.0, 200);
    for tokens in [first, second, third] {
        secrets.extend(credentials(&tokens));
    }
    service.signal("-TERM");
    let (code, log) = service.end();
    assert_eq!(code, Some(0));
    for said in ["refresh token reuse", "POST /login 200", " TRACE "] {
        assert!(log.contains(said), "the log is not empty: {log}");
    }
    let hash = "$2b$04$";
    for secret in secrets.iter().map(String::as_str).chain([hash]) {
        let lines: Vec<_> = log.lines().filter(|line| line.contains(secret)).collect();
        assert!(lines.is_empty(), "{secret}: {lines:#?}");
    }
}
