//! A verifier without an event stream: its readiness, and how it finds changes.

use crate::support::{
    ISSUER, Signer,
    connected::{EVENTS, NAMES, connected, names, reached_inside},
    jwks,
    lists::{KEYS, List, PATH, claims_at, is_revoked, list_event, revocations, serve, token_at},
    server::{Reply, Server, header, jump, remote, until},
};
use serde_json::json;
use shared_claims::{Remote, Verifier, verifier::Polling};

const SECOND: &str = "/status-lists/2";

/// An issuer with two lists of revision 1, whose event stream is full, and a verifier that has both lists.
async fn without_a_stream(signer: &Signer) -> (Server, Verifier) {
    let server = Server::start().await;
    server.publish_with_lists(ISSUER, &jwks(&[signer]), &[]);
    reached_inside(&server);
    server.route(EVENTS, Reply::status("503 Service Unavailable"));
    serve(&server, &List::new(&[]).revision(1), signer);
    server.route(SECOND, List::of(ISSUER, SECOND, &[]).revision(1).reply(signer));
    server.route(NAMES, names(&[(PATH, 1), (SECOND, 1)]));
    let verifier = remote(ISSUER, Remote::discover().internal_url(&server.url)).unwrap();
    verifier.start();
    verifier.verify(&signer.token()).await.unwrap();
    until("both lists are there", || revocations(&verifier).lists == 2).await;
    until("it polls", || revocations(&verifier).polling == Some(Polling::Revisions)).await;
    (server, verifier)
}

/// The aggregation of these lists, and the revision of the keys.
fn names_with_keys(revision: u64, lists: &[(&str, u64)]) -> Reply {
    let revisions: serde_json::Map<_, _> =
        lists.iter().map(|(path, revision)| (format!("{ISSUER}{path}"), json!(revision))).collect();
    let uris: Vec<_> = revisions.keys().collect();
    let body = json!({"status_lists": uris, "revisions": revisions}).to_string();
    Reply::ok_with(&format!("X-Keys-Revision: {revision}\r\nETag: \"names\""), body)
}

/// Lets the next polls happen.
async fn poll(server: &Server, times: usize) {
    let before = server.hits(NAMES);
    for more in 1..=times {
        jump(1).await;
        until("it is asked again", || server.hits(NAMES) >= before + more).await;
    }
}

#[tokio::test]
async fn readiness_shows_polling_and_one_small_request_is_sent_each_second() {
    let signer = Signer::es256("es");
    let (server, verifier) = without_a_stream(&signer).await;
    let fetched = (server.hits(PATH), server.hits(SECOND));
    let asked = server.hits(NAMES);
    poll(&server, 20).await;
    let known = revocations(&verifier);
    assert_eq!((known.streaming, known.polling), (false, Some(Polling::Revisions)));
    assert_eq!((server.hits(PATH), server.hits(SECOND)), fetched, "20 s are longer than the lists' ttl");
    for head in &server.requests(NAMES)[asked..] {
        assert!(header(head, "if-none-match").is_some(), "{head}");
        assert_eq!(header(head, "cache-control"), Some("no-cache"), "{head}");
        assert_eq!(header(head, "authorization"), None, "{head}");
    }
    assert!(server.hits(NAMES) <= asked + 25, "{} times in 20 s", server.hits(NAMES) - asked);
}

#[tokio::test]
async fn a_revocation_is_seen_by_the_next_poll_and_only_the_list_that_changed_is_fetched() {
    let signer = Signer::es256("es");
    let (server, verifier) = without_a_stream(&signer).await;
    let fetched = (server.hits(PATH), server.hits(SECOND));
    let in_second = signer.token_of(&claims_at(&format!("{ISSUER}{SECOND}"), 3));
    assert!(!is_revoked(&verifier, &in_second));
    server.route(SECOND, List::of(ISSUER, SECOND, &[3]).revision(2).reply(&signer));
    server.route(NAMES, names(&[(PATH, 1), (SECOND, 2)]));
    poll(&server, 1).await;
    until("the token is refused", || is_revoked(&verifier, &in_second)).await;
    assert_eq!((server.hits(PATH), server.hits(SECOND)), (fetched.0, fetched.1 + 1));
    let head = server.requests(SECOND).pop().unwrap();
    assert_eq!(header(&head, "cache-control"), Some("no-cache"));
    poll(&server, 3).await;
    assert_eq!((server.hits(PATH), server.hits(SECOND)), (fetched.0, fetched.1 + 1));
}

#[tokio::test]
async fn a_key_that_is_withdrawn_is_refused_after_the_next_poll() {
    let (old, new) = (Signer::es256("old"), Signer::es256("new"));
    let (server, verifier) = without_a_stream(&old).await;
    let lists = [(PATH, 1), (SECOND, 1)];
    let keys = |revision: u64, signer: &Signer| {
        Reply::ok_with(&format!("X-Keys-Revision: {revision}"), jwks(&[signer]))
    };
    server.route(KEYS, keys(1, &old));
    server.route(NAMES, names_with_keys(1, &lists));
    poll(&server, 3).await;
    until("the keys are known", || verifier.verify_now(&old.token()).is_ok()).await;
    let fetched = server.hits(KEYS);
    poll(&server, 10).await;
    assert!(server.hits(KEYS) <= fetched + 1, "what has been said is no news");

    let (fetched, of_lists) = (server.hits(KEYS), server.hits(PATH));
    server.route(KEYS, keys(2, &new));
    serve(&server, &List::new(&[]).revision(1), &new);
    server.route(SECOND, List::of(ISSUER, SECOND, &[]).revision(1).reply(&new));
    let unchanged = "304 Not Modified\r\nX-Keys-Revision: 2\r\n".to_owned();
    server.route(NAMES, Reply::Full(unchanged, Vec::new()));
    poll(&server, 1).await;
    until("the old key is refused", || verifier.verify_now(&old.token()).is_err()).await;
    verifier.verify_now(&new.token()).unwrap();
    assert!(server.hits(KEYS) > fetched);
    let head = server.requests(KEYS).pop().unwrap();
    assert_eq!(header(&head, "cache-control"), Some("no-cache"));
    until("lists with an unknown key are fetched again", || server.hits(PATH) > of_lists).await;
}

#[tokio::test]
async fn a_polled_revision_of_the_keys_that_never_arrives_is_given_up() {
    let signer = Signer::es256("es");
    let (server, _verifier) = without_a_stream(&signer).await;
    server.route(KEYS, Reply::ok_with("X-Keys-Revision: 1", jwks(&[&signer])));
    server.route(NAMES, names_with_keys(u64::MAX, &[(PATH, 1), (SECOND, 1)]));
    let before = server.hits(KEYS);
    for _ in 0..20 {
        poll(&server, 1).await;
        jump(12).await;
    }
    let hits = server.hits(KEYS) - before;
    assert!((3..=14).contains(&hits), "{hits} times in four minutes");
}

#[tokio::test]
async fn a_list_that_is_named_for_the_first_time_is_fetched_at_once() {
    let signer = Signer::es256("es");
    let (server, verifier) = without_a_stream(&signer).await;
    let third = "/status-lists/3";
    server.route(third, List::of(ISSUER, third, &[5]).revision(0).reply(&signer));
    server.route(NAMES, names(&[(PATH, 1), (SECOND, 1), (third, 0)]));
    poll(&server, 1).await;
    until("it is there", || revocations(&verifier).lists == 3).await;
    assert!(is_revoked(&verifier, &signer.token_of(&claims_at(&format!("{ISSUER}{third}"), 5))));
}

#[tokio::test]
async fn a_list_that_cannot_be_had_is_not_asked_for_each_second() {
    let signer = Signer::es256("es");
    let (server, verifier) = without_a_stream(&signer).await;
    server.route(PATH, Reply::status("500 Internal Server Error"));
    let before = server.hits(PATH);
    for revision in 0..60 {
        server.route(NAMES, names(&[(PATH, 2), (SECOND, 1), (&format!("/none/{revision}"), 1)]));
        poll(&server, 1).await;
    }
    let hits = server.hits(PATH) - before;
    assert!((2..=15).contains(&hits), "{hits} times in a minute");
    serve(&server, &List::new(&[7]).revision(2), &signer);
    jump(61).await;
    until("the token is refused", || is_revoked(&verifier, &token_at(&signer, 7))).await;
}

#[tokio::test]
async fn while_the_question_is_not_answered_each_list_is_asked_for() {
    let signer = Signer::es256("es");
    let (server, verifier) = without_a_stream(&signer).await;
    for reply in [Reply::status("503 Service Unavailable"), Reply::Close, Reply::ok("{}")] {
        server.route(NAMES, reply);
        jump(61).await;
        until("it says so", || revocations(&verifier).polling == Some(Polling::Lists)).await;
        let before = server.hits(PATH);
        jump(6).await;
        until("the list is asked for", || server.hits(PATH) > before).await;
        server.route(NAMES, names(&[(PATH, 1), (SECOND, 1)]));
        jump(61).await;
        until("it polls again", || revocations(&verifier).polling == Some(Polling::Revisions)).await;
    }
}

#[tokio::test]
async fn an_issuer_that_says_no_revisions_is_asked_for_each_list_as_often_as_it_says() {
    let signer = Signer::es256("es");
    let (server, verifier) = without_a_stream(&signer).await;
    let uris = json!([format!("{ISSUER}{PATH}"), format!("{ISSUER}{SECOND}")]);
    for odd in [json!(null), json!(7), json!({"a": "b"}), json!({"a": -1}), json!([1, 2])] {
        server.route(NAMES, Reply::ok(json!({"status_lists": uris, "revisions": odd}).to_string()));
        // Not longer than the timeout of a poll: one in flight would fail, and be repeated.
        jump(1).await;
        until("it says so", || revocations(&verifier).polling == Some(Polling::Lists)).await;
        let (before, asked) = (server.hits(PATH), server.hits(NAMES));
        jump(6).await;
        until("the list is asked for", || server.hits(PATH) > before).await;
        assert!(server.hits(NAMES) <= asked + 1, "{odd}");
        server.route(NAMES, names(&[(PATH, 1), (SECOND, 1)]));
        jump(331).await;
        until("it polls again", || revocations(&verifier).polling == Some(Polling::Revisions)).await;
    }
}

#[tokio::test]
async fn a_stream_ends_the_polls_and_its_end_begins_them_again() {
    let signer = Signer::es256("es");
    let (server, verifier) = connected(&signer).await;
    assert_eq!(revocations(&verifier).polling, None);
    server.route(NAMES, names(&[(PATH, 1)]));
    let asked = server.hits(NAMES);
    server.say(crate::support::lists::event_of(&format!("{ISSUER}/status-lists/9"), 1)); // causes a read of the aggregation
    jump(3).await;
    until("the names are read", || server.hits(NAMES) > asked).await;
    let asked = server.hits(NAMES);
    for _ in 0..4 {
        server.say(": alive\n\n");
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        jump(5).await;
    }
    assert!(server.hits(NAMES) <= asked + 1, "{} times in 20 s", server.hits(NAMES) - asked);

    serve(&server, &List::new(&[7]).revision(2), &signer);
    server.route(NAMES, names(&[(PATH, 2)]));
    server.route(EVENTS, Reply::status("503 Service Unavailable"));
    server.hang_up();
    until("the token is refused", || is_revoked(&verifier, &token_at(&signer, 7))).await;
    assert_eq!(revocations(&verifier).polling, Some(Polling::Revisions));

    server.route(EVENTS, Reply::Events(list_event(2)));
    jump(61).await;
    until("it is connected again", || revocations(&verifier).streaming).await;
    assert_eq!(revocations(&verifier).polling, None);
}
