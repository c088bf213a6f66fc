//! Status lists in memory: fetched again, replaced by bad or older ones, too old to be used.

use std::time::Duration;

use crate::support::{
    AUDIENCE, ISSUER, NOW, Signer, b64, jwks,
    lists::{KEYS, List, PATH, claims_at, gzip, is_revoked, lst, revocations, serve, started, token_at},
    server::{Reply, Server, jump, until},
    with, without,
};
use serde_json::json;
use shared_claims::{Policy, Remote, Verifier, error::Refusal, verifier::ManualClock};

/// Lets time pass until the list has been requested this often. A jump may also time out a response that was on its way.
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

/// The same, with a manual clock.
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
    let lists = [
        ("another list", next.clone().with("sub", json!(format!("{ISSUER}/status-lists/2")))),
        ("another issuer", next.clone().with("iss", json!("https://evil.example"))),
        ("of the future", next.clone().with("iat", json!(NOW + 31))),
        ("expired", next.clone().with("exp", json!(NOW - 31))),
        ("no iat", List { payload: without(next.payload.clone(), "iat") }),
        ("no sub", List { payload: without(next.payload.clone(), "sub") }),
        ("no list", List { payload: without(next.payload.clone(), "status_list") }),
        ("an odd ttl", next.clone().with("ttl", json!(-1))),
        ("an odd revision", next.clone().with("revision", json!("10"))),
        ("three bits", status_list(3, lst(&[0; 128]))),
        ("empty", status_list(1, lst(&[]))),
        ("a bomb", status_list(1, lst(&vec![0; 1024 * 1024 + 1]))),
        ("a large bomb", status_list(1, lst(&vec![0; 20 * 1024 * 1024]))),
        ("no zlib", status_list(1, b64([0; 128]))),
        ("no base64url", status_list(1, "=".to_owned())),
    ];
    let mut replies: Vec<_> = lists.iter().map(|(name, list)| (*name, list.reply(&signer))).collect();
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
            past_any_pause(&server, before + more).await; // so the first response has been processed
        }
        assert!(is_revoked(&verifier, &token_at(&signer, 7)), "{name}");
        assert!(!is_revoked(&verifier, &token_at(&signer, 6)), "{name}");
    }
    serve(&server, &next, &signer);
    past_any_pause(&server, server.hits(PATH) + 1).await;
    until("the good one is taken", || is_revoked(&verifier, &token_at(&signer, 6))).await;
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

#[tokio::test]
async fn an_expired_list_is_not_used_and_the_next_one_is() {
    let signer = Signer::es256("es");
    let list = List::new(&[]).with("exp", json!(NOW + 100));
    let (server, verifier, time) = with_clock(&signer, &list).await;
    server.route(PATH, Reply::Close);
    time.advance(Duration::from_secs(129)); // the leeway is 30 s
    verifier.verify_now(&long_lived(&signer)).unwrap();
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
        until("the keys are confirmed", || verifier.verify_now(&signer.token()).is_ok()).await;
    }
    verifier.verify_now(&long_lived(&signer)).unwrap();
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
    until("it is confirmed", || revocations(&verifier).oldest_age_secs == 0).await;
    time.advance(Duration::from_secs(800));
    jump(6).await;
    until("it is asked for", || server.hits(PATH) == 3).await;
    until("it is confirmed", || revocations(&verifier).oldest_age_secs == 0).await;
    jump(6).await;
    until("it is asked for", || server.hits(PATH) == 4).await;
    let heads = server.requests(PATH);
    assert!(heads[2].to_lowercase().contains("if-none-match"));
    assert!(!heads[3].to_lowercase().contains("if-none-match"), "the server may have signed the same anew");
    verifier.verify_now(&long_lived(&signer)).unwrap();
}
