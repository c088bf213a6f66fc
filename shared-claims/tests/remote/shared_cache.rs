//! An HTTP cache between issuer and verifier: outdated content is requested from the issuer itself until it arrives.

use crate::support::{
    Signer,
    connected::connected,
    jwks,
    lists::{KEYS, List, PATH, is_revoked, keys_event, list_event, serve, token_at},
    server::{Reply, Server, header, jump, until},
};
use serde_json::json;
use shared_claims::error::Refusal;

const METADATA: &str = "/.well-known/oauth-authorization-server";

/// A key set as a cache has it: its revision is only in the header.
fn keys_of(revision: u64, signers: &[&Signer]) -> Reply {
    Reply::ok_with(&format!("X-Keys-Revision: {revision}\r\nETag: \"{revision}\""), jwks(signers))
}

/// Returns the `Cache-Control` of the latest request for a path.
fn cache_control(server: &Server, path: &str) -> Option<String> {
    header(&server.requests(path).pop().unwrap(), "cache-control").map(str::to_owned)
}

#[tokio::test]
async fn what_an_event_reports_is_fetched_past_every_cache() {
    let (old, new) = (Signer::es256("old"), Signer::es256("new"));
    let (server, verifier) = connected(&old).await;
    assert_eq!(cache_control(&server, KEYS), None);
    assert_eq!(cache_control(&server, PATH), None);
    serve(&server, &List::new(&[7]).revision(2), &old);
    server.say(list_event(2));
    until("the token is refused", || is_revoked(&verifier, &token_at(&old, 7))).await;
    assert_eq!(cache_control(&server, PATH).as_deref(), Some("no-cache"));

    server.route(KEYS, keys_of(2, &[&new]));
    serve(&server, &List::new(&[7, 8]).revision(2), &new); // signed anew
    server.say(keys_event(2));
    until("the old key is refused", || verifier.verify_now(&old.token()).is_err()).await;
    assert_eq!(cache_control(&server, KEYS).as_deref(), Some("no-cache"));
    until("the list is fetched anew", || is_revoked(&verifier, &token_at(&new, 8))).await;
    assert_eq!(cache_control(&server, PATH).as_deref(), Some("no-cache"));
    assert_eq!(header(&server.requests(PATH).pop().unwrap(), "if-none-match"), None);
}

#[tokio::test]
async fn an_unknown_key_is_looked_for_past_every_cache_and_a_regular_refresh_is_not() {
    let (old, new) = (Signer::es256("old"), Signer::es256("new"));
    let (server, verifier) = connected(&old).await;
    server.route(KEYS, keys_of(2, &[&old, &new]));
    verifier.verify(&new.token()).await.unwrap();
    assert_eq!(cache_control(&server, KEYS).as_deref(), Some("no-cache"));
    let before = server.hits(KEYS);
    for _ in 0..17 {
        server.say(": alive\n\n");
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        jump(20).await;
    }
    until("the regular refresh", || server.hits(KEYS) > before).await;
    assert_eq!(cache_control(&server, KEYS), None);
}

#[tokio::test]
async fn a_search_for_an_unknown_key_that_fails_goes_on_past_every_cache() {
    let (old, new) = (Signer::es256("old"), Signer::es256("new"));
    let (server, verifier) = connected(&old).await;
    assert_eq!(cache_control(&server, METADATA), None);
    server.route(KEYS, Reply::status("503 Service Unavailable"));
    verifier.verify(&new.token()).await.unwrap_err();
    let before = server.hits(METADATA);
    server.route(KEYS, keys_of(2, &[&old, &new]));
    jump(2).await;
    until("the new key is known", || verifier.verify_now(&new.token()).is_ok()).await;
    assert_eq!(cache_control(&server, KEYS).as_deref(), Some("no-cache"));
    // After a failure the metadata is read again: the keys may be elsewhere.
    assert!(server.hits(METADATA) > before);
    assert_eq!(cache_control(&server, METADATA).as_deref(), Some("no-cache"));
}

#[tokio::test]
async fn metadata_that_is_read_because_of_an_event_is_read_past_every_cache() {
    let (old, new) = (Signer::es256("old"), Signer::es256("new"));
    let (server, verifier) = connected(&old).await;
    server.route(KEYS, Reply::status("503 Service Unavailable"));
    let (before, asked) = (server.hits(METADATA), server.hits(KEYS));
    server.say(keys_event(2));
    until("it fails", || server.hits(KEYS) > asked).await;
    server.route(KEYS, keys_of(2, &[&new]));
    until("the old key is refused", || verifier.verify_now(&old.token()).is_err()).await;
    assert!(server.hits(METADATA) > before);
    assert_eq!(cache_control(&server, METADATA).as_deref(), Some("no-cache"));
}

#[tokio::test]
async fn a_key_set_older_than_the_event_is_asked_for_again_until_the_newer_one_is_there() {
    let (old, new) = (Signer::es256("old"), Signer::es256("new"));
    let (server, verifier) = connected(&old).await;
    server.route(KEYS, keys_of(1, &[&old])); // a cache that ignores `no-cache`
    let before = server.hits(KEYS);
    server.say(keys_event(2));
    until("it is asked for again", || server.hits(KEYS) >= before + 3).await;
    for head in &server.requests(KEYS)[before..] {
        assert_eq!(header(head, "cache-control"), Some("no-cache"));
        assert_eq!(header(head, "if-none-match"), None, "it would be answered that nothing has changed");
    }
    serve(&server, &List::new(&[]).revision(1), &new); // otherwise its unknown key would be requested
    server.route(KEYS, keys_of(2, &[&new]));
    until("the old key is refused", || verifier.verify_now(&old.token()).is_err()).await;
    assert_eq!(verifier.verify_now(&old.token()).unwrap_err(), Refusal::UnknownKey);
    let hits = server.hits(KEYS);
    for _ in 0..6 {
        server.say(keys_event(2));
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        jump(5).await;
    }
    assert_eq!(server.hits(KEYS), hits, "what is known is not asked for");
    server.route(KEYS, keys_of(1, &[&old]));
    server.say(keys_event(3));
    until("it is asked for", || server.hits(KEYS) >= hits + 2).await;
    assert_eq!(verifier.verify_now(&old.token()).unwrap_err(), Refusal::UnknownKey, "nothing goes back");
}

#[tokio::test]
async fn a_published_revision_of_the_keys_that_never_arrives_is_given_up() {
    let signer = Signer::es256("es");
    let (server, verifier) = connected(&signer).await;
    server.route(KEYS, keys_of(1, &[&signer]));
    let before = server.hits(KEYS);
    server.say(keys_event(u64::MAX));
    for _ in 0..14 {
        server.say(": alive\n\n");
        jump(20).await;
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    let hits = server.hits(KEYS) - before;
    assert!((3..=12).contains(&hits), "{hits}");
    verifier.verify_now(&signer.token()).unwrap();
}

#[tokio::test]
async fn keys_without_a_revision_are_fetched_once_for_each_event() {
    let (old, new) = (Signer::es256("old"), Signer::es256("new"));
    let (server, verifier) = connected(&old).await;
    serve(&server, &List::new(&[]).revision(1), &new);
    server.route(KEYS, Reply::ok(json!({"keys": [new.jwk()]}).to_string()));
    let before = server.hits(KEYS);
    server.say(keys_event(2));
    until("the old key is refused", || verifier.verify_now(&old.token()).is_err()).await;
    jump(20).await;
    tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    assert_eq!(server.hits(KEYS), before + 1);
}
