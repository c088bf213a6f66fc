//! The issuer's event stream: what it causes, even if it is forged, silent or endless.

use std::time::Duration;

use crate::support::{
    ISSUER, Signer,
    connected::{EVENTS, connected, reached_inside},
    jwks,
    lists::{KEYS, List, PATH, is_revoked, keys_event, list_event, revocations, serve, token_at},
    server::{Reply, Server, jump, remote, until},
};
use serde_json::json;
use shared_claims::{Remote, error::Refusal};

fn keys_of(revision: u64, signers: &[&Signer]) -> Reply {
    let keys: Vec<_> = signers.iter().map(|signer| signer.jwk()).collect();
    Reply::ok(json!({"keys": keys, "revision": revision}).to_string())
}

/// Lets time pass with a live stream and without changes.
async fn quiet(server: &Server, seconds: u64) {
    for _ in 0..seconds.div_ceil(5) {
        server.say(": alive\n\n");
        tokio::time::sleep(Duration::from_millis(10)).await;
        jump(5).await;
    }
    tokio::time::sleep(Duration::from_millis(10)).await;
}

#[tokio::test]
async fn an_event_brings_a_revocation_at_once_and_without_events_nothing_is_asked() {
    let signer = Signer::es256("es");
    let (server, verifier) = connected(&signer).await;
    quiet(&server, 10).await; // a poll may have been scheduled before the stream was connected
    let polled = server.hits(PATH);
    quiet(&server, 60).await;
    assert_eq!(server.hits(PATH), polled);
    serve(&server, &List::new(&[7]).revision(2), &signer);
    server.say(list_event(2));
    until("the token is refused", || is_revoked(&verifier, &token_at(&signer, 7))).await;
    assert_eq!(server.hits(PATH), polled + 1);
    server.say(list_event(2));
    quiet(&server, 10).await;
    assert_eq!(server.hits(PATH), polled + 1, "what is known already is not fetched");
    assert!(revocations(&verifier).streaming);
}

#[tokio::test]
async fn a_published_revision_is_requested_until_it_arrives() {
    let signer = Signer::es256("es");
    let (server, verifier) = connected(&signer).await;
    server.say(list_event(3));
    until("it has been asked for", || server.hits(PATH) >= 2).await;
    serve(&server, &List::new(&[7]).revision(2), &signer);
    until("an earlier one is taken", || is_revoked(&verifier, &token_at(&signer, 7))).await;
    serve(&server, &List::new(&[7, 8]).revision(3), &signer);
    until("the one is there", || is_revoked(&verifier, &token_at(&signer, 8))).await;
    let hits = server.hits(PATH);
    tokio::time::sleep(Duration::from_millis(600)).await;
    assert_eq!(server.hits(PATH), hits);
}

#[tokio::test]
async fn an_announced_list_that_cannot_be_had_is_tried_again_and_the_old_one_holds() {
    let signer = Signer::es256("es");
    let (server, verifier) = connected(&signer).await;
    server.route(PATH, Reply::status("500 Internal Server Error"));
    server.say(list_event(2));
    until("it is tried again", || server.hits(PATH) >= 3).await;
    assert!(!is_revoked(&verifier, &token_at(&signer, 7)));
    serve(&server, &List::new(&[7]).revision(2), &signer);
    until("the token is refused", || is_revoked(&verifier, &token_at(&signer, 7))).await;
}

#[tokio::test]
async fn a_revision_that_never_comes_is_given_up() {
    let signer = Signer::es256("es");
    let (server, verifier) = connected(&signer).await;
    server.say(list_event(u64::MAX));
    for _ in 0..40 {
        server.say(": alive\n\n");
        jump(10).await;
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let hits = server.hits(PATH);
    assert!((3..=16).contains(&hits), "{hits}");
    // The verifier recovers.
    serve(&server, &List::new(&[7]).revision(2), &signer);
    server.say(list_event(2));
    until("the token is refused", || is_revoked(&verifier, &token_at(&signer, 7))).await;
}

#[tokio::test]
async fn a_flood_of_events_causes_a_few_fetches_a_second() {
    let signer = Signer::es256("es");
    let (server, verifier) = connected(&signer).await;
    let begun = std::time::Instant::now();
    for revision in 2..20_000_u64 {
        server.say(format!("{}{}", list_event(revision * 1000), keys_event(revision)));
        if revision % 500 == 0 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
    tokio::time::sleep(Duration::from_millis(300)).await;
    let most = 3 + begun.elapsed().as_millis() / 250;
    assert!(server.hits(PATH) as u128 <= most, "{} lists of {most}", server.hits(PATH));
    assert!(server.hits(KEYS) as u128 <= most, "{} keys of {most}", server.hits(KEYS));
    verifier.verify_now(&token_at(&signer, 7)).unwrap();
}

#[tokio::test]
async fn a_stream_that_falls_silent_or_ends_is_replaced_and_lists_are_polled_meanwhile() {
    let signer = Signer::es256("es");
    let (server, verifier) = connected(&signer).await;
    server.route(EVENTS, Reply::status("503 Service Unavailable"));
    jump(26).await;
    until("it notices", || !revocations(&verifier).streaming).await;
    serve(&server, &List::new(&[7]).revision(2), &signer);
    jump(6).await;
    until("the token is refused by polling", || is_revoked(&verifier, &token_at(&signer, 7))).await;

    serve(&server, &List::new(&[7, 8]).revision(3), &signer);
    server.route(EVENTS, Reply::Events(list_event(3)));
    jump(61).await;
    until("it is connected again", || revocations(&verifier).streaming).await;
    until("the token is refused", || is_revoked(&verifier, &token_at(&signer, 8))).await;

    server.hang_up();
    until("it notices", || !revocations(&verifier).streaming).await;
    jump(2).await;
    until("it is connected again", || revocations(&verifier).streaming).await;
    assert_eq!(server.listeners(), 1);
}

#[tokio::test]
async fn what_is_no_event_stream_counts_for_nothing() {
    let signer = Signer::es256("es");
    for (name, reply) in [
        ("not there", Reply::status("404 Not Found")),
        ("HTML", Reply::ok_with("Content-Type: text/html", "<html></html>")),
        ("an answer of another type", Reply::ok(": hello\n\n")),
        ("a redirect", Reply::Full(format!("302 Found\r\nLocation: {EVENTS}/2\r\n"), Vec::new())),
        ("closed", Reply::Close),
        ("never", Reply::Never),
        ("endless", Reply::Endless),
        ("garbage", Reply::Events("<html>\n\nid: 1\n\ndata: 1\n\n".repeat(10))),
        ("an endless line", Reply::Events(": ".repeat(5000))),
        ("too much data", Reply::Events("data: 0123456789\n".repeat(1000))),
    ] {
        let server = Server::start().await;
        server.publish_with_lists(ISSUER, &jwks(&[&signer]), &[&format!("{ISSUER}{PATH}")]);
        reached_inside(&server);
        serve(&server, &List::new(&[]).revision(1), &signer);
        server.route(EVENTS, reply);
        let verifier = remote(ISSUER, Remote::discover().internal_url(&server.url)).unwrap();
        verifier.start();
        verifier.verify(&token_at(&signer, 7)).await.unwrap();
        until(name, || server.hits(EVENTS) >= 1).await;
        serve(&server, &List::new(&[7]).revision(2), &signer);
        jump(6).await;
        until(name, || is_revoked(&verifier, &token_at(&signer, 7))).await;
        assert!(!revocations(&verifier).streaming, "{name}");
        assert_eq!(server.hits(&format!("{EVENTS}/2")), 0);
    }
}

#[tokio::test]
async fn a_key_that_is_withdrawn_is_refused_as_soon_as_the_stream_says_so() {
    let (old, new) = (Signer::es256("old"), Signer::es256("new"));
    let (server, verifier) = connected(&old).await;
    verifier.verify_now(&token_at(&old, 7)).unwrap();
    server.route(KEYS, keys_of(2, &[&new]));
    serve(&server, &List::new(&[8]).revision(1), &new); // signed anew
    server.say(keys_event(2));
    until("the old key is refused", || verifier.verify_now(&old.token()).is_err()).await;
    assert_eq!(verifier.verify_now(&old.token()).unwrap_err(), Refusal::UnknownKey);
    verifier.verify_now(&token_at(&new, 7)).unwrap();
    until("the list is fetched anew", || is_revoked(&verifier, &token_at(&new, 8))).await;
}

#[tokio::test]
async fn an_older_key_set_never_replaces_a_newer_one() {
    let (old, new) = (Signer::es256("old"), Signer::es256("new"));
    let (server, verifier) = connected(&old).await;
    server.route(KEYS, keys_of(5, &[&new]));
    server.say(keys_event(5));
    until("the new key is there", || verifier.verify_now(&new.token()).is_ok()).await;
    for older in [keys_of(4, &[&old, &new]), keys_of(0, &[&old])] {
        let before = server.hits(KEYS);
        server.route(KEYS, older);
        server.say(keys_event(6));
        until("it is asked for", || server.hits(KEYS) >= before + 2).await;
        verifier.verify_now(&new.token()).unwrap();
        assert_eq!(verifier.verify_now(&old.token()).unwrap_err(), Refusal::UnknownKey);
    }
    server.route(KEYS, keys_of(6, &[&old, &new]));
    until("what was announced is there", || verifier.verify_now(&old.token()).is_ok()).await;
}

#[tokio::test]
async fn all_ends_with_the_last_verifier() {
    let signer = Signer::es256("es");
    let (server, verifier) = connected(&signer).await;
    assert_eq!(server.listeners(), 1);
    drop(verifier);
    until("the stream is closed", || server.listeners() == 0).await;
}
