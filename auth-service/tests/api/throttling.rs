//! Login throttling: guessing passwords is slowed down across all replicas, and locks no user out.

use std::pin::pin;
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::future::{Either, join, join_all, select};
use futures_util::stream::FuturesUnordered;
use reqwest::Method;
use serde_json::{Value, json};

use super::support::{Answer, PASSWORD, Service, send};

const PROXIED: (&str, &str) = ("AUTH__HTTP__TRUSTED_PROXIES", "127.0.0.0/8");
const WRONG: &str = "not the right one";

async fn login_from(service: &Service, address: &str, login: &Value) -> Answer {
    let request = service.request(Method::POST, "/login").header("x-forwarded-for", address);
    send(request.json(login)).await
}

fn by_name(username: &str, password: &str) -> Value {
    json!({ "username": username, "password": password })
}

fn retry_after(answer: &Answer) -> u64 {
    answer.assert_problem(429, "too_many_attempts");
    answer.header("retry-after").parse().unwrap()
}

fn wait(service: &Service, seconds: u64) {
    service.clock.advance(Duration::from_secs(seconds));
}

#[actix_web::test]
async fn after_ten_wrong_passwords_waits_grow_and_the_right_one_works_after_the_wait() {
    let service = Service::start().await;
    service.register("alice").await;
    for left in (0..10).rev() {
        let answer = service.try_login("alice", WRONG).await;
        answer.assert_problem(401, "invalid_credentials");
        assert_eq!(answer.header("ratelimit-policy"), r#""passwords";q=10;w=86400"#);
        assert!(answer.header("ratelimit").starts_with(&format!(r#""passwords";r={left};t="#)));
    }
    for expected in [5, 10, 20] {
        let refused = service.try_login("alice", PASSWORD).await; // not even the right password is checked
        assert_eq!(retry_after(&refused), expected);
        assert_eq!(refused.header("ratelimit"), format!(r#""passwords";r=0;t={expected}"#));
        wait(&service, expected - 1);
        assert_eq!(retry_after(&service.try_login("alice", PASSWORD).await), 1);
        wait(&service, 1);
        service.try_login("alice", WRONG).await.assert_problem(401, "invalid_credentials");
    }
    wait(&service, 40);
    service.login("alice").await;
    for _ in 0..10 {
        service.try_login("alice", WRONG).await.assert_problem(401, "invalid_credentials");
    }
    assert_eq!(retry_after(&service.try_login("alice", WRONG).await), 5);
}

#[actix_web::test]
async fn every_name_of_an_account_and_every_route_that_takes_its_password_share_one_counter() {
    let service = Service::start().await;
    let email = json!({ "username": "alice", "password": PASSWORD, "email": "alice@example.com" });
    assert_eq!(service.post("/register", &email).await.status, 201);
    let tokens = service.login("alice").await;
    let guesses = [
        ("/login", by_name("alice", WRONG)),
        ("/login", by_name("ALICE", WRONG)),
        ("/login", json!({ "email": "Alice@Example.com", "password": WRONG })),
        ("/token", by_name("alice", WRONG)),
    ];
    for (path, guess) in &guesses {
        assert!([400, 401].contains(&service.post(path, guess).await.status.as_u16()));
    }
    let changes = [
        (
            Method::PUT,
            "/me/password",
            json!({ "current_password": WRONG, "new_password": "another long one" }),
        ),
        (Method::PATCH, "/me", json!({ "current_password": WRONG, "username": "eve" })),
        (Method::DELETE, "/me", json!({ "current_password": WRONG })),
    ];
    for (method, path, body) in changes.iter().chain(&changes) {
        let answer = service.send_as(method.clone(), path, &tokens.access, body).await;
        answer.assert_problem(403, "invalid_credentials");
    }
    retry_after(&service.try_login("alice", PASSWORD).await);
    for (method, path, body) in &changes {
        retry_after(&service.send_as(method.clone(), path, &tokens.access, body).await);
    }
    assert_eq!(service.post("/token", &by_name("alice", PASSWORD)).await.status, 429);
}

#[actix_web::test]
async fn an_unknown_name_is_counted_and_answered_like_a_known_one() {
    let service = Service::start().await;
    service.register("alice").await;
    service.register("carol").await;
    service.operator().await.accounts.set_disabled("carol", true).await.unwrap();
    let mut bodies = Vec::new();
    for (name, password) in [("alice", WRONG), ("bob", WRONG), ("no such name!", WRONG), ("carol", PASSWORD)]
    {
        let mut said = Vec::new();
        for _ in 0..12 {
            let answer = service.try_login(name, password).await;
            let headers = ["ratelimit", "ratelimit-policy", "retry-after", "www-authenticate"];
            let headers = headers.map(|header| answer.headers.get(header).cloned());
            said.push((answer.status, headers, answer.json()["detail"].clone()));
        }
        bodies.push(said);
    }
    assert!(bodies.iter().all(|said| *said == bodies[0]), "{bodies:#?}");
}

#[actix_web::test]
async fn a_thousand_concurrent_attempts_over_two_replicas_get_no_more_answers_than_the_limit() {
    let service = Service::start().await;
    let replica = service.replica().await;
    service.register("alice").await;
    // Most are refused with 503 because too many wait at a time; so they are repeated until the counter answers 429.
    let (mut answers, mut rounds) = (Vec::new(), 0);
    while answers.iter().all(|answer: &Answer| answer.status != 429) && rounds < 50 {
        rounds += 1;
        let attempts = (0..100).map(|index| {
            let by = if index % 2 == 0 { &service } else { &replica };
            by.try_login("alice", WRONG)
        });
        answers.extend(join_all(attempts).await);
    }
    let count = |status: u16| answers.iter().filter(|answer| answer.status == status).count();
    assert_eq!((count(401), count(429) + count(503)), (10, rounds * 100 - 10));
    assert!(count(429) > 0);
    retry_after(&service.try_login("alice", PASSWORD).await);
}

#[actix_web::test]
async fn concurrent_right_passwords_all_log_in_while_the_queue_has_room() {
    let service = Service::with(&[("AUTH__LIMITS__WAITING_PER_ACCOUNT", "60")]).await;
    let replica = service.replica().await;
    service.register("alice").await;
    let logins = (0..60).map(|index| {
        let by = if index % 2 == 0 { &service } else { &replica };
        by.try_login("alice", PASSWORD)
    });
    assert!(join_all(logins).await.iter().all(|answer| answer.status == 200));
}

#[actix_web::test]
async fn attempts_that_wait_for_each_other_delay_no_other_user() {
    let service =
        Service::with(&[("AUTH__PASSWORDS__BCRYPT_COST", "11"), ("AUTH__HASHING__THREADS", "1")]).await;
    service.register("alice").await;
    service.register("bob").await;
    let mut attempts: FuturesUnordered<_> = (0..120).map(|_| service.try_login("alice", WRONG)).collect();
    // The first answer is a refusal because the queue is full.
    assert_eq!(attempts.next().await.unwrap().status, 503);
    let (bob, ()) =
        join(service.try_login("bob", PASSWORD), async { while attempts.next().await.is_some() {} }).await;
    assert_eq!(bob.status, 200, "{}", bob.text);
}

#[actix_web::test]
async fn an_attacker_cannot_lock_a_user_out() {
    let service = Service::with(&[
        PROXIED,
        ("AUTH__LIMITS__ACCOUNT__ATTEMPTS", "30"),
        ("AUTH__LIMITS__SOURCE__ATTEMPTS", "1000"),
    ])
    .await;
    service.register("alice").await;
    let (right, wrong) = (by_name("alice", PASSWORD), by_name("alice", WRONG));
    let session = login_from(&service, "192.0.2.1", &right).await.tokens();
    // Thirty attempts from many addresses use up the account's limit for unknown sources.
    for index in 0..30 {
        let from = format!("198.51.100.{}", index % 10);
        login_from(&service, &from, &wrong).await.assert_problem(401, "invalid_credentials");
    }
    retry_after(&login_from(&service, "203.0.113.1", &right).await);
    // The user's session continues, and the user's own address is not affected, even after a mistake. Other addresses may
    // try again after the wait.
    service.refresh(&session.refresh).await;
    login_from(&service, "192.0.2.1", &wrong).await.assert_problem(401, "invalid_credentials");
    assert_eq!(login_from(&service, "192.0.2.1", &right).await.status, 200);
    wait(&service, 5);
    assert_eq!(login_from(&service, "203.0.113.1", &right).await.status, 200);
}

#[actix_web::test]
async fn an_address_that_tries_many_accounts_is_slowed_down_and_others_are_not() {
    let service = Service::with(&[PROXIED, ("AUTH__LIMITS__SOURCE__ATTEMPTS", "20")]).await;
    service.register("alice").await;
    for index in 0..20 {
        let guess = by_name(&format!("name-{index}"), WRONG);
        login_from(&service, "198.51.100.7", &guess).await.assert_problem(401, "invalid_credentials");
    }
    let right = by_name("alice", PASSWORD);
    assert_eq!(retry_after(&login_from(&service, "198.51.100.7", &right).await), 5);
    assert_eq!(login_from(&service, "198.51.100.8", &right).await.status, 200);
    wait(&service, 5);
    assert_eq!(login_from(&service, "198.51.100.7", &right).await.status, 200);
}

#[actix_web::test]
async fn an_ipv6_network_is_one_source_and_a_mapped_address_counts_as_ipv4() {
    let service = Service::with(&[PROXIED]).await;
    service.register("alice").await;
    let guess = by_name("alice", WRONG);
    for index in 0..10 {
        let from = format!("2001:db8:1:2:{index:x}::1");
        login_from(&service, &from, &guess).await.assert_problem(401, "invalid_credentials");
    }
    retry_after(&login_from(&service, "2001:db8:1:2:ffff::", &guess).await);
    login_from(&service, "2001:db8:1:3::", &guess).await.assert_problem(401, "invalid_credentials");
    for index in 0..10 {
        let from = if index % 2 == 0 { "::ffff:192.0.2.9" } else { "192.0.2.9" };
        login_from(&service, from, &guess).await.assert_problem(401, "invalid_credentials");
    }
    retry_after(&login_from(&service, "[::ffff:192.0.2.9]:4711", &guess).await);
}

#[actix_web::test]
async fn forwarding_headers_of_untrusted_peers_are_ignored() {
    for variables in [&[][..], &[("AUTH__HTTP__TRUSTED_PROXIES", "10.0.0.0/8")]] {
        let service = Service::with(variables).await;
        service.register("alice").await;
        for index in 0..11 {
            let address = format!("192.0.2.{index}");
            let request = service
                .request(Method::POST, "/login")
                .header("x-forwarded-for", &address)
                .header("forwarded", format!("for={address}"))
                .header("x-real-ip", &address);
            let answer = send(request.json(&by_name("alice", WRONG))).await;
            assert_eq!(answer.status, if index < 10 { 401 } else { 429 });
        }
    }
    // Behind a proxy, addresses before the last untrusted one are ignored.
    let service = Service::with(&[PROXIED]).await;
    service.register("alice").await;
    for index in 0..11 {
        let from = format!("192.0.2.{index}, 198.51.100.1, 127.0.0.9");
        let answer = login_from(&service, &from, &by_name("alice", WRONG)).await;
        assert_eq!(answer.status, if index < 10 { 401 } else { 429 });
    }
}

#[actix_web::test]
async fn a_sessions_address_is_that_of_the_client_in_either_forwarding_header() {
    let forwarded = [PROXIED, ("AUTH__LIMITS__FORWARDED_HEADER", "forwarded")];
    let cases: [(&[_], _, _, _); 6] = [
        (&[PROXIED], "x-forwarded-for", "192.0.2.1", "192.0.2.1"),
        (&[PROXIED], "x-forwarded-for", "6.6.6.6, 192.0.2.1:4711,127.0.0.2", "192.0.2.1"),
        (&[PROXIED], "x-forwarded-for", "192.0.2.1, unknown", "127.0.0.1"),
        (&[PROXIED], "forwarded", "for=192.0.2.1", "127.0.0.1"),
        (
            &forwarded,
            "forwarded",
            r#"for=6.6.6.6, for="[2001:db8::1]:4711";proto=https, for=127.0.0.2"#,
            "2001:db8::1",
        ),
        (&forwarded, "forwarded", "for=_hidden", "127.0.0.1"),
    ];
    for (variables, header, value, expected) in cases {
        let service = Service::with(variables).await;
        service.register("alice").await;
        let request = service.request(Method::POST, "/login").header(header, value);
        let body = json!({ "username": "alice", "password": PASSWORD, "resource": service.issuer() });
        let tokens = send(request.json(&body)).await.tokens();
        let sessions = service.get_as("/me/sessions", &tokens.access).await.json();
        assert!(sessions.to_string().contains(&format!(r#""ip":"{expected}""#)), "{value}: {sessions}");
    }
}

#[actix_web::test]
async fn an_attempt_whose_client_disconnects_is_counted() {
    let service = Service::with(&[("AUTH__PASSWORDS__BCRYPT_COST", "12")]).await;
    service.register("alice").await;
    let begun = async || service.count("guesses WHERE undecided > 0") > 0;
    // The login is dropped: the client disconnects while its password is being hashed.
    let disconnected = {
        let seen = pin!(service.wait_until("the attempt has begun", begun));
        let login = pin!(service.try_login("alice", WRONG));
        matches!(select(seen, login).await, Either::Left(_))
    };
    assert!(disconnected, "the login was answered first");
    let counted = async || service.count("guesses WHERE failures > 0") > 0;
    service.wait_until("the attempt is counted", counted).await;
}

#[actix_web::test]
async fn wrong_passwords_are_forgotten_in_time_and_their_rows_are_deleted() {
    let service = Service::with(&[("AUTH__CLEANUP__INTERVAL", "1s")]).await;
    service.register("alice").await;
    for name in ["alice", "bob", "carol"] {
        for _ in 0..10 {
            service.try_login(name, WRONG).await.assert_problem(401, "invalid_credentials");
        }
        retry_after(&service.try_login(name, WRONG).await);
    }
    wait(&service, 25 * 3600);
    service.try_login("alice", WRONG).await.assert_problem(401, "invalid_credentials");
    wait(&service, 23 * 3600 + 1800); // rows are kept for a day after they have any effect
    let gone = async || service.count("guesses") == 4; // alice's pair, alice, the address, the name
    service.wait_until("bob's and carol's rows are deleted", gone).await;
}

#[actix_web::test]
async fn registrations_and_refreshes_from_one_address_are_limited() {
    let service = Service::with(&[
        PROXIED,
        ("AUTH__LIMITS__REGISTER__BURST", "3"),
        ("AUTH__LIMITS__REGISTER__PER_MINUTE", "1"),
        ("AUTH__LIMITS__REFRESH__BURST", "3"),
        ("AUTH__LIMITS__REFRESH__PER_MINUTE", "1"),
    ])
    .await;
    for name in ["alice", "bob", "carol"] {
        service.register(name).await;
    }
    let dave = json!({ "username": "dave", "password": PASSWORD });
    let refused = service.post("/register", &dave).await;
    refused.assert_problem(429, "too_many_requests");
    assert!((1..=60).contains(&refused.header("retry-after").parse::<u32>().unwrap()));
    let elsewhere = service.request(Method::POST, "/register").header("x-forwarded-for", "192.0.2.4");
    assert_eq!(send(elsewhere.json(&dave)).await.status, 201);
    let mut tokens = service.login("alice").await;
    for _ in 0..3 {
        tokens = service.refresh(&tokens.refresh).await;
    }
    let refused = service.try_refresh(&tokens.refresh).await;
    assert_eq!((refused.status.as_u16(), refused.header("retry-after").is_empty()), (429, false));
}

#[actix_web::test]
async fn nothing_is_limited_where_limits_are_switched_off() {
    let service = Service::with(&[("AUTH__LIMITS__ENABLED", "false")]).await;
    service.register("alice").await;
    for _ in 0..30 {
        service.try_login("alice", WRONG).await.assert_problem(401, "invalid_credentials");
    }
    service.login("alice").await;
}
