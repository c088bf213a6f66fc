//! Status lists that tokens name: fetched on demand, waited for, made up, unreachable.

use crate::support::{
    ISSUER, NOW, Signer, claims, jwks,
    lists::{KEYS, List, PATH, claims_at, gzip, revocations, serve, started, started_with, token_at},
    outcome,
    server::{Reply, Server, jump, remote, until},
    with,
};
use serde_json::{Value, json};
use shared_claims::{Remote, error::Refusal};
use tokio::task::JoinSet;

#[tokio::test]
async fn a_token_is_refused_if_its_status_is_set() {
    let signer = Signer::es256("es");
    let (server, verifier) = started(&signer, &List::new(&[7, 1023])).await;
    assert_eq!(server.hits(PATH), 0, "it has not been requested");
    assert_eq!(verifier.verify_now(&token_at(&signer, 6)).unwrap_err(), Refusal::Unavailable);
    verifier.verify(&token_at(&signer, 6)).await.unwrap();
    for idx in [7, 1023] {
        assert_eq!(verifier.verify(&token_at(&signer, idx)).await.unwrap_err(), Refusal::Revoked);
    }
    for idx in [0, 5, 8, 1022] {
        verifier.verify_now(&token_at(&signer, idx)).unwrap();
    }
    assert_eq!(server.hits(PATH), 1);
    let head = server.requests(PATH).remove(0).to_lowercase();
    assert!(
        head.contains("accept: application/statuslist+jwt") && head.contains("accept-encoding: gzip"),
        "{head}"
    );
    assert_eq!(revocations(&verifier).lists, 1);
}

#[tokio::test]
async fn an_error_in_the_token_itself_comes_first_and_causes_no_fetch() {
    let signer = Signer::es256("es");
    let (server, verifier) = started(&signer, &List::new(&[7])).await;
    let claims = claims_at(&format!("{ISSUER}{PATH}"), 7);
    let rows = [
        (with(claims.clone(), "exp", json!(NOW - 31)), "expired"),
        (with(claims.clone(), "aud", json!("other")), "audience"),
        (with(claims, "nbf", json!(NOW + 31)), "not_yet_valid"),
    ];
    for (claims, expected) in rows {
        assert_eq!(outcome(verifier.verify(&signer.token_of(&claims)).await), expected);
    }
    let forged = format!("{}{}", token_at(&signer, 7), "A");
    assert_ne!(outcome(verifier.verify(&forged).await), "unavailable");
    assert_eq!(server.hits(PATH), 0);
}

#[tokio::test]
async fn a_status_that_is_malformed_or_names_another_origin_is_refused_without_a_fetch() {
    let signer = Signer::es256("es");
    let (server, verifier) = started(&signer, &List::new(&[])).await;
    let uri = format!("{ISSUER}{PATH}");
    let evil = Server::start().await;
    let mut rows: Vec<Value> = vec![
        Value::Null,
        json!({}),
        json!("valid"),
        json!([]),
        json!({"status_list": {}}),
        json!({"status_list": {"idx": 1}}),
        json!({"status_list": {"uri": uri}}),
        json!({"status_list": {"idx": -1, "uri": uri}}),
        json!({"status_list": {"idx": "1", "uri": uri}}),
        json!({"status_list": {"idx": 1.5, "uri": uri}}),
        json!({"status_list": {"idx": null, "uri": uri}}),
        json!({"status_list": {"idx": 1, "uri": [uri]}}),
        json!({"other_mechanism": {"uri": uri}}),
    ];
    let uris = [
        String::new(),
        "no url".to_owned(),
        PATH.to_owned(),
        format!("file://{PATH}"),
        "file:///etc/passwd".to_owned(),
        format!("http://auth.example.com{PATH}"),
        format!("https://auth.example.com:444{PATH}"),
        format!("https://auth.example.com.evil.example{PATH}"),
        format!("https://evil.example{PATH}"),
        format!("https://user:secret@auth.example.com{PATH}"),
        format!("https://auth.example.com@evil.example{PATH}"),
        format!("{}{PATH}", server.url),
        format!("{}{PATH}", evil.url),
        "http://169.254.169.254/latest".to_owned(),
        "data:,x".to_owned(),
    ];
    rows.extend(uris.iter().map(|uri| json!({"status_list": {"idx": 1, "uri": uri}})));
    for status in rows {
        let token = signer.token_of(&with(claims(), "status", status.clone()));
        assert_eq!(outcome(verifier.verify(&token).await), "malformed", "{status}");
    }
    assert_eq!((server.hits(PATH), evil.hits(PATH)), (0, 0));
    verifier.verify(&token_at(&signer, 1)).await.unwrap();
    for idx in [1024, 1 << 32, u64::MAX] {
        assert_eq!(outcome(verifier.verify(&token_at(&signer, idx)).await), "malformed", "{idx}");
    }
}

#[tokio::test]
async fn a_list_that_cannot_be_fetched_is_waited_for_once_and_gives_no_401() {
    let signer = Signer::es256("es");
    let (server, verifier) = started(&signer, &List::new(&[])).await;
    let good = List::new(&[]);
    let other_key = Signer::es256("es");
    let replies = [
        ("404", Reply::status("404 Not Found")),
        ("500", Reply::status("500 Internal Server Error")),
        ("closed", Reply::Close),
        ("another type", Reply::ok_with("Content-Type: application/json", good.signed(&signer))),
        ("no type", Reply::ok(good.signed(&signer))),
        ("empty", Reply::list("", "")),
        ("HTML", Reply::list("", "<html></html>")),
        ("not text", Reply::list("", [0xff, 0xfe].as_slice())),
        ("another's signature", Reply::list("", good.signed(&other_key))),
        ("redirect", Reply::Full(format!("302 Found\r\nLocation: {}/good\r\n", server.url), Vec::new())),
    ];
    server.route("/good", good.reply(&signer));
    for (name, reply) in replies {
        server.route(PATH, reply);
        let before = server.hits(PATH);
        assert_eq!(verifier.verify(&token_at(&signer, 1)).await.unwrap_err(), Refusal::Unavailable, "{name}");
        assert_eq!(server.hits(PATH), before + 1, "{name}");
        verifier.verify(&token_at(&signer, 1)).await.unwrap_err();
        assert_eq!(server.hits(PATH), before + 1, "{name}: fetched within the cool-down");
        verifier.verify_now(&signer.token()).unwrap();
        jump(11).await;
    }
    assert_eq!(server.hits("/good"), 0);
    serve(&server, &good, &signer);
    verifier.verify(&token_at(&signer, 1)).await.unwrap();
}

#[tokio::test]
async fn a_slow_list_holds_a_request_for_a_second() {
    let signer = Signer::es256("es");
    let (server, verifier) = started(&signer, &List::new(&[])).await;
    server.route(PATH, Reply::Never);
    let (waiting, token) = (verifier.clone(), token_at(&signer, 1));
    let waiting = tokio::spawn(async move { waiting.verify(&token).await });
    until("the fetch is under way", || server.hits(PATH) == 1).await;
    verifier.verify(&signer.token()).await.unwrap();
    assert!(!waiting.is_finished());
    jump(1).await;
    assert_eq!(waiting.await.unwrap().unwrap_err(), Refusal::Unavailable);
}

#[tokio::test]
async fn eighty_requests_for_one_list_cause_one_fetch_and_made_up_ones_are_bounded() {
    let signer = Signer::es256("es");
    let (server, verifier) = started(&signer, &List::new(&[])).await;
    let mut requests = JoinSet::new();
    for idx in 0..80 {
        let (verifier, token) = (verifier.clone(), token_at(&signer, idx));
        requests.spawn(async move { verifier.verify(&token).await.map(drop) });
    }
    assert!(requests.join_all().await.iter().all(Result::is_ok));
    assert_eq!(server.hits(PATH), 1);

    let mut requests = JoinSet::new();
    for made_up in 0..300 {
        let token = signer.token_of(&claims_at(&format!("{ISSUER}/made-up/{made_up}"), 1));
        let verifier = verifier.clone();
        requests.spawn(async move { verifier.verify(&token).await.map(drop) });
    }
    assert!(requests.join_all().await.iter().all(|result| *result == Err(Refusal::Unavailable)));
    let hits: usize = (0..300).map(|made_up| server.hits(&format!("/made-up/{made_up}"))).sum();
    assert!((1..=100).contains(&hits), "{hits}");
    verifier.verify(&token_at(&signer, 1)).await.unwrap();
}

#[tokio::test]
async fn a_list_may_come_compressed() {
    let signer = Signer::es256("es");
    let (server, verifier) = started(&signer, &List::new(&[])).await;
    let token = List::new(&[7]).signed(&signer);
    server.route(PATH, Reply::list("Content-Encoding: gzip\r\n", gzip(token)));
    assert_eq!(verifier.verify(&token_at(&signer, 7)).await.unwrap_err(), Refusal::Revoked);
}

#[tokio::test]
async fn a_list_signed_by_a_new_key_has_the_keys_fetched_first() {
    let (old, new) = (Signer::es256("old"), Signer::eddsa("new"));
    let (server, verifier) = started(&old, &List::new(&[7])).await;
    serve(&server, &List::new(&[7]), &new);
    server.route(KEYS, Reply::ok(jwks(&[&old, &new])));
    assert_eq!(verifier.verify(&token_at(&old, 7)).await.unwrap_err(), Refusal::Revoked);
    assert_eq!((server.hits(KEYS), server.hits(PATH)), (2, 1));
}

#[tokio::test]
async fn a_logout_does_not_check_the_status() {
    let signer = Signer::es256("es");
    let (server, verifier) = started(&signer, &List::new(&[7])).await;
    verifier.verify_expired(&token_at(&signer, 7)).unwrap();
    assert_eq!(server.hits(PATH), 0);
}

#[tokio::test]
async fn a_verifier_without_status_lists_checks_no_status() {
    let signer = Signer::es256("es");
    let (server, verifier) = started_with(&signer, &List::new(&[7]), Remote::without_status_lists).await;
    verifier.verify(&token_at(&signer, 7)).await.unwrap();
    assert_eq!(server.hits(PATH), 0);
    crate::support::verifier(&[&signer]).verify(&token_at(&signer, 7)).await.unwrap();
}

#[tokio::test]
async fn no_more_lists_are_kept_than_is_set() {
    let signer = Signer::es256("es");
    let limits = |remote: Remote| remote.status_list_limits(3, 128);
    let (server, verifier) = started_with(&signer, &List::new(&[]), limits).await;
    let mut outcomes = Vec::new();
    for number in 0..5 {
        let path = format!("/status-lists/many/{number}");
        server.route(&path, List::of(ISSUER, &path, &[]).reply(&signer));
        let token = signer.token_of(&claims_at(&format!("{ISSUER}{path}"), 1));
        outcomes.push(outcome(verifier.verify(&token).await));
    }
    assert_eq!(outcomes, ["accepted", "accepted", "accepted", "unavailable", "unavailable"]);
    assert_eq!(revocations(&verifier).lists, 3);
}

#[tokio::test]
async fn a_verifier_that_was_not_started_waits_for_no_list() {
    let (server, signer) = (Server::start().await, Signer::es256("es"));
    serve(&server, &List::new(&[]), &signer);
    let verifier = remote(ISSUER, Remote::discover().internal_url(&server.url)).unwrap();
    verifier.set_keys(crate::support::key_set(&[&signer]));
    assert_eq!(verifier.verify(&token_at(&signer, 1)).await.unwrap_err(), Refusal::Unavailable);
    assert_eq!(server.hits(PATH), 0);
}

#[tokio::test]
async fn with_a_configured_key_set_the_lists_are_fetched_from_its_origin_too() {
    let (inside, public, signer) = (Server::start().await, Server::start().await, Signer::es256("es"));
    inside.route(KEYS, Reply::ok(jwks(&[&signer])));
    let keys = format!("{}{KEYS}", inside.url);
    let verifier = remote(&public.url, Remote::discover().jwks_uri(keys)).unwrap();
    verifier.start();
    inside.route(PATH, List::of(&public.url, PATH, &[7]).reply(&signer));
    let elsewhere = "/status-lists/2";
    public.route(elsewhere, List::of(&public.url, elsewhere, &[7]).reply(&signer));
    for path in [PATH, elsewhere] {
        let claims = with(claims_at(&format!("{}{path}", public.url), 7), "iss", json!(public.url));
        assert_eq!(verifier.verify(&signer.token_of(&claims)).await.unwrap_err(), Refusal::Revoked);
    }
    assert_eq!((inside.hits(PATH), public.hits(PATH)), (1, 0));
    assert_eq!((inside.hits(elsewhere), public.hits(elsewhere)), (1, 1));
}
