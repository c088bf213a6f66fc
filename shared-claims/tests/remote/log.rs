//! What is logged about refused tokens: the reason at `debug`, and warnings about what an operator has to correct.

use std::time::Duration;

use crate::support::{
    AUDIENCE, NOW, Signer, b64, claims, jwks, key_set,
    lists::{KEYS, List, PATH, revocations, serve},
    logs,
    server::{Reply, Server, is_ready, remote, until},
    with, without,
};
use log::LevelFilter;
use serde_json::{Value, json};
use shared_claims::{Policy, Remote, Verifier, verifier::ManualClock};

/// Returns a verifier with a fixed key. Each test has its own issuer, by which its lines are found.
fn of(issuer: &str, signer: &Signer) -> (Verifier, ManualClock) {
    logs::collect_up_to(LevelFilter::Debug);
    let time = ManualClock::at(NOW);
    let policy = Policy::new(issuer, [AUDIENCE]).unwrap();
    (Verifier::with_keys(policy, key_set(&[signer])).with_clock(time.clock()), time)
}

#[test]
fn the_log_says_which_claim_was_refused_what_was_expected_and_what_it_has() {
    let signer = Signer::es256("the-key");
    let (verifier, _) = of(crate::support::ISSUER, &signer);
    let header = |name: &str, value: Value| signer.token_under(&with(signer.header(), name, value));
    let claim = |name: &str, value: Value| signer.token_of(&with(claims(), name, value));
    let rows: Vec<(String, &[&str])> = vec![
        (
            claim("iss", json!("https://row-iss")),
            &["issuer", "iss: expected \"https://auth.example.com\", got \"https://row-iss\""],
        ),
        (
            claim("aud", json!(["row-aud"])),
            &["audience", "aud: expected one of [\"orders\"], got [\"row-aud\"]"],
        ),
        (claim("exp", json!(NOW - 101)), &["expired", "exp: got 1799999899, 101 s ago", "leeway of 30 s"]),
        (claim("nbf", json!(NOW + 102)), &["not_yet_valid", "nbf: got 1800000102, 102 s ahead"]),
        (claim("sid", json!(4711)), &["malformed", "sid: wrong type or value, got 4711"]),
        (
            signer.token_of(&without(claims(), "client_id")),
            &["malformed", "client_id: expected a value, got nothing"],
        ),
        (claim("cnf", json!({"jkt": "row-cnf"})), &["sender_constrained", "cnf: expected nothing"]),
        (header("typ", json!("row-typ")), &["type", "typ: expected \"at+jwt\", got \"row-typ\""]),
        (
            header("alg", json!("row-alg")),
            &["algorithm", "expected ES256, which is the key's, got \"row-alg\""],
        ),
        (header("kid", json!("row-kid")), &["unknown_key", "kid: expected one of the-key, got \"row-kid\""]),
        (header("crit", json!(["row-crit"])), &["malformed", "crit: expected nothing, got [\"row-crit\"]"]),
        (Signer::es256("the-key").token(), &["signature", "kid \"the-key\", alg \"ES256\""]),
        ("x".repeat(43), &["malformed", "expected three parts separated by dots, got 1 in 43 bytes"]),
    ];
    for (token, says) in rows {
        verifier.verify_now(&token).unwrap_err();
        let lines = logs::debug_lines(says[says.len() - 1]);
        assert!(lines.iter().any(|line| says.iter().all(|text| line.contains(text))), "{says:?}: {lines:?}");
    }
}

#[test]
fn claims_are_truncated_and_escaped_in_the_log_and_the_tokens_text_is_not_logged() {
    let signer = Signer::es256("es");
    let (verifier, _) = of(crate::support::ISSUER, &signer);
    let long = format!("cut-here\r\n2026 ERROR FORGED {}", "x".repeat(5_000));
    let token = signer.token_of(&with(claims(), "aud", json!([long])));
    verifier.verify_now(&token).unwrap_err();
    let secret = "rt_a-secret-that-is-no-token";
    verifier.verify_now(secret).unwrap_err();
    let lines = logs::debug_lines("cut-here");
    assert!(lines.iter().all(|line| line.len() < 1_000 && !line.contains(['\r', '\n'])), "{lines:?}");
    assert!(!lines.is_empty());
    let part = token.split('.').nth(1).unwrap();
    for hidden in [part, token.split('.').nth(2).unwrap(), secret] {
        assert_eq!(logs::debug_lines(hidden), Vec::<String>::new());
        assert_eq!(logs::warnings(hidden), Vec::<String>::new());
    }
}

#[test]
fn an_audience_that_never_matches_is_warned_of_once_a_minute_until_one_does() {
    let (issuer, signer) = ("https://audience.example", Signer::es256("es"));
    let (verifier, time) = of(issuer, &signer);
    let good = with(claims(), "iss", json!(issuer));
    let other = signer.token_of(&with(good.clone(), "aud", json!(["never-ours"])));
    let warned = || logs::warnings("never-ours").len();
    for expected in [1, 1, 1] {
        verifier.verify_now(&other).unwrap_err();
        assert_eq!(warned(), expected);
    }
    time.advance(Duration::from_secs(61));
    verifier.verify_now(&other).unwrap_err();
    assert_eq!(warned(), 2);
    verifier.verify_now(&signer.token_of(&good)).unwrap();
    time.advance(Duration::from_secs(61));
    verifier.verify_now(&other).unwrap_err();
    assert_eq!(warned(), 2, "some tokens are ours: this one was sent to the wrong service");
}

#[test]
fn an_issuer_that_never_matches_is_warned_of_once_a_minute() {
    let (issuer, signer) = ("https://localhost.example", Signer::es256("es"));
    let (verifier, time) = of(issuer, &signer);
    let strangers = Signer::es256("another");
    let token = |signer: &Signer| signer.token_of(&with(claims(), "iss", json!("https://called-otherwise")));
    for signer in [&signer, &strangers, &signer] {
        verifier.verify_now(&token(signer)).unwrap_err();
    }
    let lines = logs::warnings("the latest one names https://called-otherwise");
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert!(lines[0].contains(issuer), "{lines:?}");
    time.advance(Duration::from_secs(61));
    verifier.verify_now(&token(&signer)).unwrap_err();
    assert_eq!(logs::warnings("the latest one names https://called-otherwise").len(), 2);
}

#[test]
fn a_token_over_the_bound_is_warned_of_once_a_minute() {
    let signer = Signer::es256("es");
    let (verifier, _) = of(crate::support::ISSUER, &signer);
    for _ in 0..3 {
        verifier.verify_now(&b64("y".repeat(9_000))).unwrap_err();
    }
    let lines = logs::warnings("a token of 12000 bytes was refused unread: the limit is 8192");
    assert_eq!(lines.len(), 1, "{lines:?}");
}

#[test]
fn a_token_from_the_future_shows_a_clock_that_is_off() {
    let (issuer, signer) = ("https://future.example", Signer::es256("es"));
    let (verifier, _) = of(issuer, &signer);
    let claims = with(with(claims(), "iss", json!(issuer)), "iat", json!(NOW + 95));
    for _ in 0..3 {
        verifier.verify_now(&signer.token_of(&claims)).unwrap_err();
    }
    let lines = logs::warnings("clock is 95 s behind that of https://future.example");
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert_eq!(verifier.clock_skew(), None, "no issuer was asked");
}

#[tokio::test]
async fn a_clock_that_is_off_is_seen_by_the_date_of_the_issuers_answers() {
    logs::collect_up_to(LevelFilter::Debug);
    let (server, signer) = (Server::start().await, Signer::es256("es"));
    server.publish(&server.url, &jwks(&[&signer]));
    // 80 s before the time of the tests, 10 of which a cache has kept it.
    let headers = "Date: Fri, 15 Jan 2027 07:58:40 GMT\r\nAge: 10";
    server.route(KEYS, Reply::ok_with(headers, jwks(&[&signer])));
    let verifier = remote(&server.url, Remote::discover()).unwrap();
    assert_eq!(verifier.clock_skew(), None);
    verifier.start();
    until("the keys are there", || is_ready(&verifier)).await;
    assert_eq!(verifier.clock_skew(), Some(-70));
    let lines = logs::warnings(&format!("clock is 70 s ahead of that of {}", server.url));
    assert_eq!(lines.len(), 1, "{lines:?}");
}

#[tokio::test]
async fn a_clock_that_is_off_is_seen_by_the_iat_of_a_list() {
    logs::collect_up_to(LevelFilter::Debug);
    let signer = Signer::es256("es");
    for (ahead, lists) in [(20, 1), (500, 0)] {
        let server = Server::start().await;
        let uri = format!("{}{PATH}", server.url);
        server.publish_with_lists(&server.url, &jwks(&[&signer]), &[&uri]);
        let list = List::of(&server.url, PATH, &[]).with("iat", json!(NOW + ahead));
        serve(&server, &list, &signer);
        let verifier = remote(&server.url, Remote::discover()).unwrap();
        verifier.start();
        until("it is seen", || verifier.clock_skew() == i64::try_from(ahead).ok()).await;
        until("the list is there or not", || revocations(&verifier).lists == lists).await;
        let lines = logs::warnings(&format!("clock is {ahead} s behind that of {}", server.url));
        assert_eq!(lines.len(), 1, "{lines:?}");
    }
}

#[tokio::test]
async fn a_verifier_that_was_never_started_says_so_once_a_minute() {
    logs::collect_up_to(LevelFilter::Debug);
    let (issuer, signer) = ("https://not-started.example", Signer::es256("es"));
    let verifier = remote(issuer, Remote::discover()).unwrap();
    for _ in 0..3 {
        verifier.verify(&signer.token_of(&with(claims(), "iss", json!(issuer)))).await.unwrap_err();
    }
    let lines = logs::warnings("the verifier of https://not-started.example has not been started");
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert!(
        !logs::debug_lines("unavailable (no usable keys or status list); no keys yet: the verifier has not")
            .is_empty()
    );
}
