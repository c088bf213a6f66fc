//! Key sets fetched from a real server on the loopback: discovered, rotated, poisoned, slow, unreachable.

use std::time::Duration;

use crate::support::{
    ISSUER, Signer, claims, jwks, key_set,
    server::{Reply, Server, is_ready, jump, reason, remote, until},
    with,
};
use serde_json::json;
use shared_claims::{Remote, Verifier, error::Refusal, verifier::Readiness};
use tokio::task::JoinSet;

const KEYS: &str = "/jwks.json";

/// Fetches from `server`, the internal URL of `ISSUER`.
fn started(server: &Server) -> Verifier {
    let verifier = remote(ISSUER, Remote::discover().jwks_uri(format!("{}{KEYS}", server.url))).unwrap();
    verifier.start();
    verifier
}

/// A server with the keys of `signer`, and a verifier that has them.
async fn loaded(signer: &Signer) -> (Server, Verifier) {
    let server = Server::start().await;
    server.publish(ISSUER, &jwks(&[signer]));
    let verifier = started(&server);
    until("the keys are there", || is_ready(&verifier)).await;
    (server, verifier)
}

#[tokio::test]
async fn a_bad_answer_never_replaces_good_keys() {
    let signer = Signer::es256("es");
    let (server, verifier) = loaded(&signer).await;
    let stranger = Signer::es256("stranger").token();
    let rsa_1024 =
        json!({"keys": [{"kty": "RSA", "kid": "es", "n": crate::support::b64([0xff; 128]), "e": "AQAB"}]});
    let elsewhere = format!("302 Found\r\nLocation: {}/elsewhere\r\n", server.url);
    let replies = [
        ("500", Reply::status("500 Internal Server Error")),
        ("404", Reply::status("404 Not Found")),
        ("204", Reply::status("204 No Content")),
        ("206", Reply::Full("206 Partial Content\r\n".to_owned(), jwks(&[]).into())),
        ("304 unasked for", Reply::status("304 Not Modified")),
        ("redirect", Reply::Full(elsewhere, Vec::new())),
        ("HTML", Reply::ok("<html><body>Welcome</body></html>")),
        ("nothing", Reply::ok("")),
        ("malformed", Reply::ok("{\"keys\": [")),
        ("no keys", Reply::ok(jwks(&[]))),
        ("no usable keys", Reply::ok(rsa_1024.to_string())),
        ("huge", Reply::ok(format!("{}{}", jwks(&[&Signer::es256("stranger")]), " ".repeat(512 * 1024)))),
        ("endless", Reply::Endless),
        ("closed", Reply::Close),
    ];
    server.route("/elsewhere", Reply::ok(jwks(&[&Signer::es256("stranger")])));
    for (name, reply) in replies {
        let before = server.hits(KEYS);
        server.route(KEYS, reply);
        jump(11).await; // past the cool-down
        // It may be a new key of the issuer.
        assert_eq!(verifier.verify(&stranger).await.unwrap_err(), Refusal::Unavailable, "{name}");
        assert!(server.hits(KEYS) > before, "{name} was never fetched");
        verifier.verify_now(&signer.token()).unwrap();
        assert!(is_ready(&verifier), "{name}");
    }
    assert_eq!(server.hits("/elsewhere"), 0);
}

#[tokio::test]
async fn nothing_is_fetched_from_where_a_token_says() {
    let signer = Signer::es256("es");
    let (server, verifier) = loaded(&signer).await;
    let (evil, stranger) = (Server::start().await, Signer::es256("stranger"));
    evil.publish(&evil.url, &jwks(&[&stranger]));
    evil.route("/certificate", Reply::ok("none"));
    let metadata = "/.well-known/oauth-authorization-server";
    for (member, path) in [("jku", KEYS), ("x5u", "/certificate"), ("iss", ""), ("jwks_uri", KEYS)] {
        let place = json!(format!("{}{path}", evil.url));
        for kid in ["stranger", "es", place.as_str().unwrap()] {
            let header = with(with(stranger.header(), "kid", json!(kid)), member, place.clone());
            assert!(verifier.verify(&stranger.token_under(&header)).await.is_err(), "{member}, {kid}");
        }
    }
    let claims = with(claims(), "iss", json!(evil.url));
    assert!(verifier.verify(&stranger.token_of(&claims)).await.is_err());
    assert_eq!([KEYS, "/certificate", metadata, "/"].map(|path| evil.hits(path)), [0; 4]);
    assert!(server.hits(KEYS) <= 2, "and the issuer once more, for key ids that are not known");
    verifier.verify(&signer.token()).await.unwrap();
}

#[tokio::test]
async fn a_slow_issuer_delays_no_known_key_and_an_unknown_one_by_a_second() {
    let signer = Signer::es256("es");
    let (server, verifier) = loaded(&signer).await;
    server.route(KEYS, Reply::Never);
    let (waiting, stranger) = (verifier.clone(), Signer::es256("stranger").token());
    let waiting = tokio::spawn(async move { waiting.verify(&stranger).await });
    until("the fetch is under way", || server.hits(KEYS) == 2).await;
    verifier.verify(&signer.token()).await.unwrap();
    assert!(!waiting.is_finished());
    jump(1).await;
    assert_eq!(
        waiting.await.unwrap().unwrap_err(),
        Refusal::Unavailable,
        "it may be the issuer's newest key"
    );
}

#[tokio::test]
async fn eighty_unknown_key_ids_cause_one_fetch_and_known_ones_still_pass() {
    let signer = Signer::es256("es");
    let (server, verifier) = loaded(&signer).await;
    let stranger = Signer::es256("stranger");
    let mut requests = JoinSet::new();
    for index in 0..80 {
        let token = stranger.token_under(&with(stranger.header(), "kid", json!(format!("made-up-{index}"))));
        let verifier = verifier.clone();
        requests.spawn(async move { verifier.verify(&token).await.unwrap_err() });
    }
    assert!(requests.join_all().await.iter().all(|refusal| *refusal == Refusal::UnknownKey));
    verifier.verify(&signer.token()).await.unwrap();
    assert_eq!(server.hits(KEYS), 2);

    jump(9).await;
    verifier.verify(&stranger.token()).await.unwrap_err();
    assert_eq!(server.hits(KEYS), 2, "fetched within the cool-down");
    jump(2).await;
    verifier.verify(&stranger.token()).await.unwrap_err();
    assert_eq!(server.hits(KEYS), 3);
}

#[tokio::test]
async fn a_regular_refresh_leaves_the_fetch_for_unknown_keys_alone() {
    let signer = Signer::es256("es");
    let (server, verifier) = loaded(&signer).await;
    jump(331).await; // 300 s and a tenth
    until("the regular refresh", || server.hits(KEYS) == 2).await;
    verifier.verify(&Signer::es256("stranger").token()).await.unwrap_err();
    assert_eq!(server.hits(KEYS), 3);
}

#[tokio::test]
async fn a_new_key_is_accepted_within_one_fetch_and_a_withdrawn_one_no_longer() {
    let (old, new) = (Signer::es256("old"), Signer::eddsa("new"));
    let (server, verifier) = loaded(&old).await;
    server.route(KEYS, Reply::ok(jwks(&[&old, &new])));
    verifier.verify(&new.token()).await.unwrap();
    verifier.verify(&old.token()).await.unwrap();
    assert_eq!(server.hits(KEYS), 2);
    server.route(KEYS, Reply::ok(jwks(&[&new])));
    jump(331).await;
    until("the old key is gone", || verifier.verify_now(&old.token()).is_err()).await;
    verifier.verify_now(&new.token()).unwrap();
}

#[tokio::test]
async fn keys_are_fetched_again_when_the_issuer_says_but_not_more_than_once_a_minute() {
    let (server, signer) = (Server::start().await, Signer::es256("es"));
    server.route(KEYS, Reply::ok_with("Cache-Control: public, max-age=1", jwks(&[&signer])));
    let verifier = started(&server);
    until("the keys are there", || is_ready(&verifier)).await;
    jump(53).await;
    assert_eq!(server.hits(KEYS), 1);
    jump(14).await;
    until("the refresh", || server.hits(KEYS) == 2).await;
}

#[tokio::test]
async fn an_unchanged_key_set_is_confirmed_by_its_etag() {
    let (server, signer) = (Server::start().await, Signer::es256("es"));
    server.route(KEYS, Reply::ok_with("ETag: \"one\"", jwks(&[&signer])));
    let verifier = started(&server);
    until("the keys are there", || is_ready(&verifier)).await;
    server.route(KEYS, Reply::status("304 Not Modified"));
    for expected in [2, 3] {
        jump(331).await;
        until("the refresh", || server.hits(KEYS) == expected).await;
        until("it is confirmed", || {
            matches!(verifier.readiness(), Readiness::Ready { keys_age_secs: 0, .. })
        })
        .await;
    }
    let sent = server
        .requests(KEYS)
        .iter()
        .filter(|head| head.to_lowercase().contains("if-none-match: \"one\""))
        .count();
    assert_eq!(sent, 2);
    verifier.verify_now(&signer.token()).unwrap();
}

#[tokio::test]
async fn keys_that_cannot_be_confirmed_for_a_day_are_not_used() {
    let signer = Signer::es256("es");
    let (server, verifier) = loaded(&signer).await;
    server.route(KEYS, Reply::Close);
    jump(23 * 60 * 60).await;
    verifier.verify_now(&signer.token()).unwrap();
    jump(2 * 60 * 60).await;
    assert_eq!(verifier.verify_now(&signer.token()).unwrap_err(), Refusal::Unavailable);
    until("it says why", || reason(&verifier).starts_with("the keys are too old: http://127.0.0.1")).await;

    server.route(KEYS, Reply::ok(jwks(&[&signer])));
    verifier.verify(&signer.token()).await.unwrap();
    assert!(is_ready(&verifier));
}

#[tokio::test]
async fn an_issuer_that_comes_up_late_is_found_without_being_asked_for() {
    let signer = Signer::es256("es");
    let server = Server::start().await;
    let (address, url) = (server.address, server.url.clone());
    drop(server);
    let verifier = remote(&url, Remote::discover()).unwrap();
    verifier.start();
    let token = signer.token_of(&with(claims(), "iss", json!(url)));
    assert_eq!(verifier.verify(&token).await.unwrap_err(), Refusal::Unavailable);
    assert_eq!(verifier.verify_now("garbage").unwrap_err().code(), "malformed");
    until("it says why", || reason(&verifier).contains("refused")).await;

    let server = Server::start_at(address).await;
    server.publish(&url, &jwks(&[&signer]));
    jump(70).await; // longer than any delay
    until("the keys are there", || is_ready(&verifier)).await;
    verifier.verify_now(&token).unwrap();
}

#[tokio::test]
async fn the_first_fetch_is_waited_for_a_second_and_no_longer() {
    let (server, signer) = (Server::start().await, Signer::es256("es"));
    server.route(KEYS, Reply::Never);
    let verifier = started(&server);
    let (waiting, token) = (verifier.clone(), signer.token());
    let waiting = tokio::spawn(async move { waiting.verify(&token).await });
    until("the fetch is under way", || server.hits(KEYS) == 1).await;
    assert!(!waiting.is_finished());
    jump(1).await;
    assert_eq!(waiting.await.unwrap().unwrap_err(), Refusal::Unavailable);
}

#[tokio::test]
async fn a_verifier_that_was_not_started_waits_for_nothing() {
    let (server, signer) = (Server::start().await, Signer::es256("es"));
    server.publish(ISSUER, &jwks(&[&signer]));
    let verifier = remote(ISSUER, Remote::discover().jwks_uri(format!("{}{KEYS}", server.url))).unwrap();
    assert_eq!(verifier.verify(&signer.token()).await.unwrap_err(), Refusal::Unavailable);
    assert_eq!(reason(&verifier), "no keys yet: the verifier has not been started");
    verifier.set_keys(key_set(&[&signer])); // as from a snapshot
    verifier.verify(&signer.token()).await.unwrap();
    assert_eq!(server.hits(KEYS), 0);

    verifier.start();
    verifier.start();
    verifier.clone().start();
    until("the fetch", || server.hits(KEYS) == 1).await;
    jump(30).await;
    verifier.verify(&Signer::es256("stranger").token()).await.unwrap_err();
    assert!(server.hits(KEYS) <= 2);
}

#[tokio::test]
async fn the_task_ends_with_the_last_verifier() {
    let signer = Signer::es256("es");
    let (_server, verifier) = loaded(&signer).await;
    let tasks = || tokio::runtime::Handle::current().metrics().num_alive_tasks();
    until("only server and verifier are left", || tasks() <= 2 + 1).await;
    let before = tasks();
    let clone = verifier.clone();
    drop(verifier);
    tokio::time::sleep(Duration::from_millis(20)).await;
    assert_eq!(tasks(), before);
    drop(clone);
    until("the task has ended", || tasks() == before - 1).await;
}
