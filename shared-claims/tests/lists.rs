//! Status lists that tokens name: fetched when they are needed, asked for again, poisoned, old, away.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod support;

use std::time::Duration;

use serde_json::{Value, json};
use shared_claims::{ManualClock, Policy, Refusal, Remote, Verifier};
use support::{
    AUDIENCE, ISSUER, NOW, Signer, b64, claims, jwks,
    lists::{List, PATH, claims_at, gzip, is_revoked, lst, revocations, serve, token_at},
    outcome,
    server::{Reply, Server, jump, remote, until},
    with, without,
};
use tokio::task::JoinSet;

const KEYS: &str = "/jwks.json";

/// An issuer that names no lists and has no events, as most have none, and a verifier that has its keys.
async fn started(signer: &Signer, list: &List) -> (Server, Verifier) {
    started_with(signer, list, |remote| remote).await
}

async fn started_with(
    signer: &Signer,
    list: &List,
    setting: impl Fn(Remote) -> Remote,
) -> (Server, Verifier) {
    let server = Server::start().await;
    server.route(KEYS, Reply::ok(jwks(&[signer])));
    let metadata = json!({"issuer": ISSUER, "jwks_uri": format!("{ISSUER}{KEYS}")});
    server.route("/.well-known/oauth-authorization-server", Reply::ok(metadata.to_string()));
    serve(&server, list, signer);
    let verifier = remote(ISSUER, setting(Remote::discover().internal_url(&server.url))).unwrap();
    verifier.start();
    verifier.verify(&signer.token()).await.unwrap();
    (server, verifier)
}

#[tokio::test]
async fn a_token_is_refused_whose_place_in_the_list_is_set() {
    let signer = Signer::es256("es");
    let (server, verifier) = started(&signer, &List::new(&[7, 1023])).await;
    assert_eq!(server.hits(PATH), 0, "nobody has asked for it");
    assert_eq!(verifier.verify_known(&token_at(&signer, 6)).unwrap_err(), Refusal::Unavailable);
    verifier.verify(&token_at(&signer, 6)).await.unwrap();
    for idx in [7, 1023] {
        assert_eq!(verifier.verify(&token_at(&signer, idx)).await.unwrap_err(), Refusal::Revoked);
    }
    for idx in [0, 5, 8, 1022] {
        verifier.verify_known(&token_at(&signer, idx)).unwrap();
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
async fn what_is_wrong_with_the_token_itself_is_said_first_and_fetches_nothing() {
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
async fn a_list_that_cannot_be_had_is_waited_for_once_and_is_nobodys_401() {
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
        verifier.verify_known(&signer.token()).unwrap();
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
async fn lists_are_asked_for_again_as_often_as_they_say() {
    let signer = Signer::es256("es");
    let list = List::new(&[]).with("ttl", json!(20));
    let (server, verifier) = started(&signer, &list).await;
    server.route(PATH, Reply::list("ETag: W/\"1\"\r\n", list.signed(&signer)));
    verifier.verify(&token_at(&signer, 7)).await.unwrap();
    server.route(PATH, Reply::status("304 Not Modified"));
    jump(17).await;
    assert_eq!(revocations(&verifier).oldest_age_secs, 17);
    assert_eq!(server.hits(PATH), 1);
    for expected in [2, 3] {
        jump(23).await; // 20 s and a tenth
        until("it is asked for again", || server.hits(PATH) == expected).await;
        until("it is confirmed", || revocations(&verifier).oldest_age_secs == 0).await;
    }
    let conditional = |head: &&String| head.to_lowercase().contains("if-none-match: w/\"1\"");
    assert_eq!(server.requests(PATH).iter().filter(conditional).count(), 2);

    serve(&server, &List::new(&[7]).with("iat", json!(NOW + 1)), &signer);
    jump(23).await;
    until("the new list is there", || is_revoked(&verifier, &token_at(&signer, 7))).await;
    assert!(!revocations(&verifier).streaming);
}

#[tokio::test]
async fn a_tiny_ttl_is_a_second_and_none_is_five() {
    let signer = Signer::es256("es");
    for (ttl, early, late) in [(json!(0.001), 0, 2), (json!(1e9), 260, 331)] {
        let (server, verifier) = started(&signer, &List::new(&[]).with("ttl", ttl)).await;
        verifier.verify(&token_at(&signer, 7)).await.unwrap();
        jump(early).await;
        assert_eq!(server.hits(PATH), 1);
        jump(late - early).await;
        until("it is asked for again", || server.hits(PATH) == 2).await;
    }
    let list = List { payload: without(List::new(&[]).payload, "ttl") };
    let (server, verifier) = started(&signer, &list).await;
    verifier.verify(&token_at(&signer, 7)).await.unwrap();
    jump(4).await;
    assert_eq!(server.hits(PATH), 1);
    jump(2).await;
    until("it is asked for again", || server.hits(PATH) == 2).await;
}

#[tokio::test]
async fn a_bad_answer_never_replaces_a_good_list() {
    let (signer, stranger) = (Signer::es256("es"), Signer::es256("stranger"));
    let good = List::new(&[7]).revision(9);
    let (server, verifier) = started(&signer, &good).await;
    verifier.verify(&token_at(&signer, 6)).await.unwrap();
    let next = List::new(&[6]).revision(10).with("iat", json!(NOW + 10));
    let status_list =
        |bits: u8, lst: String| next.clone().with("status_list", json!({"bits": bits, "lst": lst}));
    let typ = |typ: &str| next.signed_as(&json!({"typ": typ, "alg": "ES256", "kid": "es"}), &signer);
    let mut tampered = next.signed(&signer);
    tampered.replace_range(tampered.len() - 10.., "AAAAAAAAAA");
    let signed = [
        ("another list", next.clone().with("sub", json!(format!("{ISSUER}/status-lists/2")))),
        ("another issuer", next.clone().with("iss", json!("https://evil.example"))),
        ("of the future", next.clone().with("iat", json!(NOW + 31))),
        ("expired", next.clone().with("exp", json!(NOW - 31))),
        ("older", List::new(&[6]).revision(8).with("iat", json!(NOW + 10))),
        ("no iat", List { payload: without(next.payload.clone(), "iat") }),
        ("no sub", List { payload: without(next.payload.clone(), "sub") }),
        ("no list", List { payload: without(next.payload.clone(), "status_list") }),
        ("an odd ttl", next.clone().with("ttl", json!(-1))),
        ("an odd revision", next.clone().with("revision", json!("10"))),
        ("three bits", status_list(3, lst(&[0; 128]))),
        ("empty", status_list(1, lst(&[]))),
        ("a bomb", status_list(1, lst(&vec![0; 1024 * 1024 + 1]))),
        ("a large bomb", status_list(1, lst(&vec![0; 200 * 1024 * 1024]))),
        ("no zlib", status_list(1, b64([0; 128]))),
        ("no base64url", status_list(1, "=".to_owned())),
    ];
    let mut replies: Vec<_> = signed.iter().map(|(name, list)| (*name, list.reply(&signer))).collect();
    replies.extend([
        ("a stranger's", Reply::list("", next.signed(&stranger))),
        ("a forged signature", Reply::list("", tampered)),
        ("an access token", Reply::list("", typ("at+jwt"))),
        ("any JWT", Reply::list("", typ("JWT"))),
        ("another type", Reply::ok_with("Content-Type: text/plain", next.signed(&signer))),
        ("broken gzip", Reply::list("Content-Encoding: gzip\r\n", next.signed(&signer))),
        ("another coding", Reply::list("Content-Encoding: br\r\n", next.signed(&signer))),
        ("a gzip bomb", Reply::list("Content-Encoding: gzip\r\n", gzip(vec![b' '; 3 * 1024 * 1024]))),
        ("huge", Reply::list("", format!("{}{}", next.signed(&signer), " ".repeat(2 * 1024 * 1024)))),
        ("endless", Reply::Endless),
        ("nothing", Reply::list("", "")),
        ("404", Reply::status("404 Not Found")),
        ("304 unasked for", Reply::status("304 Not Modified")),
        ("closed", Reply::Close),
    ]);
    for (name, reply) in replies {
        let before = server.hits(PATH);
        server.route(PATH, reply);
        for more in [1, 2] {
            past_any_pause(&server, before + more).await; // so the first answer has been looked at
        }
        assert!(is_revoked(&verifier, &token_at(&signer, 7)), "{name}");
        assert!(!is_revoked(&verifier, &token_at(&signer, 6)), "{name}");
    }
    serve(&server, &next, &signer);
    past_any_pause(&server, server.hits(PATH) + 1).await;
    until("the good one is taken", || is_revoked(&verifier, &token_at(&signer, 6))).await;
}

/// Lets time pass until the list has been asked for so many times. A jump may also cut an answer off that was on its way.
async fn past_any_pause(server: &Server, hits: usize) {
    for _ in 0..10 {
        jump(61).await;
        for _ in 0..100 {
            if server.hits(PATH) >= hits {
                return;
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }
    panic!("it is not asked for again");
}

#[tokio::test]
async fn of_lists_without_a_revision_the_one_signed_earlier_is_the_older_one() {
    let signer = Signer::es256("es");
    let (server, verifier) = started(&signer, &List::new(&[7])).await;
    verifier.verify(&token_at(&signer, 6)).await.unwrap();
    serve(&server, &List::new(&[6]).with("iat", json!(NOW - 1)), &signer);
    past_any_pause(&server, 3).await;
    assert!(is_revoked(&verifier, &token_at(&signer, 7)));
    serve(&server, &List::new(&[6]).with("iat", json!(NOW + 1)), &signer);
    past_any_pause(&server, server.hits(PATH) + 1).await;
    until("the newer one is taken", || is_revoked(&verifier, &token_at(&signer, 6))).await;
    assert!(!is_revoked(&verifier, &token_at(&signer, 7)));
}

/// With a clock that can be set.
async fn with_clock(signer: &Signer, list: &List) -> (Server, Verifier, ManualClock) {
    let time = ManualClock::at(NOW);
    let server = Server::start().await;
    server.publish(ISSUER, &jwks(&[signer]));
    serve(&server, list, signer);
    let remote = Remote::discover().jwks_uri(format!("{}{KEYS}", server.url)).internal_url(&server.url);
    let policy = Policy::new(ISSUER, [AUDIENCE]).unwrap();
    let verifier = Verifier::remote(policy, remote).unwrap().with_clock(time.clock());
    verifier.start();
    verifier.verify(&long_lived(signer)).await.unwrap();
    (server, verifier, time)
}

fn long_lived(signer: &Signer) -> String {
    signer.token_of(&with(claims_at(&format!("{ISSUER}{PATH}"), 6), "exp", json!(NOW + 1_000_000)))
}

#[tokio::test]
async fn an_expired_list_is_not_used_and_the_next_one_is() {
    let signer = Signer::es256("es");
    let list = List::new(&[]).with("exp", json!(NOW + 100));
    let (server, verifier, time) = with_clock(&signer, &list).await;
    server.route(PATH, Reply::Close);
    time.advance(Duration::from_secs(129)); // the leeway is 30 s
    verifier.verify_known(&long_lived(&signer)).unwrap();
    time.advance(Duration::from_secs(1));
    assert_eq!(verifier.verify(&long_lived(&signer)).await.unwrap_err(), Refusal::Unavailable);
    jump(11).await;
    serve(&server, &list.with("exp", json!(NOW + 1000)).with("iat", json!(NOW + 130)), &signer);
    verifier.verify(&long_lived(&signer)).await.unwrap();
}

#[tokio::test]
async fn a_list_that_cannot_be_confirmed_for_a_day_is_not_used() {
    let signer = Signer::es256("es");
    let list = List { payload: without(List::new(&[7]).payload, "exp") };
    let (server, verifier, _) = with_clock(&signer, &list).await;
    server.route(PATH, Reply::Close);
    for hours in [12, 11] {
        jump(hours * 60 * 60).await;
        until("the keys are confirmed", || verifier.verify_known(&signer.token()).is_ok()).await;
    }
    verifier.verify_known(&long_lived(&signer)).unwrap();
    assert!(revocations(&verifier).oldest_age_secs >= 23 * 60 * 60);
    jump(2 * 60 * 60).await;
    assert_eq!(verifier.verify(&long_lived(&signer)).await.unwrap_err(), Refusal::Unavailable);
    jump(11).await;
    serve(&server, &list, &signer);
    verifier.verify(&long_lived(&signer)).await.unwrap();
}

#[tokio::test]
async fn a_list_near_its_end_is_asked_for_whole() {
    let signer = Signer::es256("es");
    let list = List::new(&[]).with("exp", json!(NOW + 1000));
    let (server, verifier, time) = with_clock(&signer, &list).await;
    server.route(PATH, Reply::list("ETag: \"same\"\r\n", list.signed(&signer)));
    jump(6).await;
    until("it is asked for", || server.hits(PATH) == 2).await;
    time.advance(Duration::from_secs(800));
    jump(6).await;
    until("it is asked for", || server.hits(PATH) == 3).await;
    jump(6).await;
    until("it is asked for", || server.hits(PATH) == 4).await;
    let heads = server.requests(PATH);
    assert!(heads[2].to_lowercase().contains("if-none-match"));
    assert!(!heads[3].to_lowercase().contains("if-none-match"), "the server may have signed the same anew");
    verifier.verify_known(&long_lived(&signer)).unwrap();
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
async fn a_logout_does_not_look_the_status_up() {
    let signer = Signer::es256("es");
    let (server, verifier) = started(&signer, &List::new(&[7])).await;
    verifier.verify_expired(&token_at(&signer, 7)).unwrap();
    assert_eq!(server.hits(PATH), 0);
}

#[tokio::test]
async fn a_verifier_without_status_lists_looks_none_up() {
    let signer = Signer::es256("es");
    let (server, verifier) = started_with(&signer, &List::new(&[7]), Remote::without_status_lists).await;
    verifier.verify(&token_at(&signer, 7)).await.unwrap();
    assert_eq!(server.hits(PATH), 0);
    support::verifier(&[&signer]).verify(&token_at(&signer, 7)).await.unwrap();
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
    verifier.set_keys(support::key_set(&[&signer]));
    assert_eq!(verifier.verify(&token_at(&signer, 1)).await.unwrap_err(), Refusal::Unavailable);
    assert_eq!(server.hits(PATH), 0);
}
