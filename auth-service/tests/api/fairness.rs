//! Hashing threads are shared fairly between networks, not requests: one network cannot keep others from logging in.

use std::cell::Cell;
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::future::{join, join_all};
use futures_util::stream::FuturesUnordered;
use reqwest::Method;
use serde_json::{Value, json};

use super::load::Load;
use super::support::{Answer, PASSWORD, Service, send};

const PROXIED: (&str, &str) = ("AUTH__HTTP__TRUSTED_PROXIES", "127.0.0.0/8");
const ONE_THREAD: (&str, &str) = ("AUTH__HASHING__THREADS", "1");
/// High enough for a queue to form.
const COST: (&str, &str) = ("AUTH__PASSWORDS__BCRYPT_COST", "7");
const CONNECTIONS: usize = 120;
const LOGINS: usize = 5;
/// The attacker pauses, because it shares the machine with the service.
const AFTER_A_REFUSAL: Duration = Duration::from_millis(300);
const VICTIM: &str = "192.0.2.1";

/// Address, path and body of an attacker's n-th request.
type Attack = fn(usize) -> (String, &'static str, Value);

fn credentials(username: &str, password: &str) -> Value {
    json!({ "username": username, "password": password })
}

async fn post_from(service: &Service, address: &str, path: &str, body: &Value) -> Answer {
    let request = service.request(Method::POST, path).header("x-forwarded-for", address);
    send(request.json(body)).await
}

async fn login_from(service: &Service, address: &str, username: &str) -> Answer {
    post_from(service, address, "/login", &credentials(username, PASSWORD)).await
}

/// Logs in repeatedly from the victim's address beside an attacker with many connections. Returns the victim's statuses, and
/// how often the attacker was refused.
async fn beside(service: &Service, attack: Attack) -> (Vec<u16>, usize) {
    let (stop, sent, refused) = (Cell::new(false), Cell::new(0_usize), Cell::new(0_usize));
    let one = async || {
        while !stop.get() {
            let (address, path, body) = attack(sent.replace(sent.get() + 1));
            let answer = post_from(service, &address, path, &body).await;
            if answer.status == 503 {
                refused.set(refused.get() + 1);
                actix_web::rt::time::sleep(AFTER_A_REFUSAL).await;
            }
        }
    };
    let victim = async {
        let full = async || refused.get() > 0;
        service.wait_until("the queue is full", full).await;
        let mut answers = Vec::new();
        for _ in 0..LOGINS {
            answers.push(login_from(service, VICTIM, "victim").await.status.as_u16());
        }
        stop.set(true);
        answers
    };
    let (_, answers) = join(join_all((0..CONNECTIONS).map(|_| one())), victim).await;
    (answers, refused.get())
}

async fn with_victim(variables: &[(&str, &str)]) -> Service {
    let all = [&[PROXIED, ONE_THREAD, COST], variables].concat();
    let service = Service::with(&all).await;
    service.register("victim").await;
    service
}

#[actix_web::test]
async fn one_address_with_right_passwords_does_not_keep_others_from_logging_in() {
    let service = with_victim(&[]).await;
    for index in 0..12 {
        service.register(&format!("own-{index}")).await;
    }
    let right = |index: usize| {
        let body = credentials(&format!("own-{}", index % 12), PASSWORD);
        ("198.51.100.7".to_owned(), "/login", body)
    };
    let (answers, refused) = beside(&service, right).await;
    assert_eq!(answers, [200; LOGINS], "{refused} requests of the attacker were refused");
}

#[actix_web::test]
async fn no_network_keeps_another_from_logging_in_by_any_number_of_sources_or_by_registrations() {
    let attacks: [(&str, Attack); 3] = [
        ("the /64s of a /48", |index| {
            let body = credentials(&format!("unknown-{index}"), PASSWORD);
            (format!("2001:db8:0:{:x}::1", index % 65_536), "/login", body)
        }),
        ("the addresses of a /16", |index| {
            let body = credentials(&format!("unknown-{index}"), PASSWORD);
            (format!("198.51.{}.{}", index / 256 % 256, index % 256), "/login", body)
        }),
        ("registrations", |index| {
            ("198.51.100.7".to_owned(), "/register", credentials(&format!("new-{index}"), PASSWORD))
        }),
    ];
    for (name, attack) in attacks {
        let service = with_victim(&[("AUTH__LIMITS__REGISTER__BURST", "1000000")]).await;
        let (answers, refused) = beside(&service, attack).await;
        assert_eq!(answers, [200; LOGINS], "{name}; {refused} requests of the attacker were refused");
    }
}

#[actix_web::test]
async fn a_known_pair_is_served_before_unknown_ones_of_all_networks() {
    let service = with_victim(&[]).await;
    assert_eq!(login_from(&service, VICTIM, "victim").await.status, 200);
    service.clock.advance(Duration::from_secs(24 * 3600));
    let unknown_user = async |index: usize| {
        let (address, name) =
            (format!("{}.{}.0.1", 20 + index / 256, index % 256), format!("unknown-{index}"));
        post_from(&service, &address, "/login", &credentials(&name, PASSWORD)).await.status.as_u16()
    };
    let mut unknown_users: FuturesUnordered<_> = (0..200).map(unknown_user).collect();
    // Each comes from a different network, so no network is larger than the victim's.
    while unknown_users.next().await.unwrap() != 503 {}
    let (logged_in, before) = (Cell::new(false), Cell::new(0));
    let login = async {
        let answer = login_from(&service, VICTIM, "victim").await;
        logged_in.set(true);
        answer
    };
    let others = async {
        while let Some(status) = unknown_users.next().await {
            before.set(before.get() + usize::from(status == 401 && !logged_in.get()));
        }
    };
    let load = Load::watch();
    let (answer, ()) = join(login, others).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    let reason = format!("{} of the 64 waiting requests were served first", before.get());
    load.assert(before.get() < 32, &reason);
}

#[actix_web::test]
async fn a_pair_becomes_known_by_its_first_right_password_and_wrong_ones_do_not_count() {
    let service = Service::start().await;
    service.register("alice").await;
    service.try_login("alice", "not the right one").await.assert_problem(401, "invalid_credentials");
    assert_eq!(service.count("guesses WHERE known_since IS NOT NULL"), 0);
    service.login("alice").await;
    let first = || service.count("guesses WHERE known_since = 1800000000");
    assert_eq!(first(), 1);
    service.clock.advance(Duration::from_secs(3600));
    service.login("alice").await;
    assert_eq!(first(), 1, "the time of the first one stays");
    service.clock.advance(Duration::from_secs(91 * 24 * 3600));
    service.login("alice").await;
    assert_eq!(first(), 0, "after limits.trusted_for without a login it begins again");
}

#[actix_web::test]
async fn one_hash_runs_and_two_wait_for_an_account_from_one_address_unless_limits_are_off() {
    let costly = [PROXIED, ONE_THREAD, ("AUTH__PASSWORDS__BCRYPT_COST", "11")];
    let service = Service::with(&costly).await;
    service.register("alice").await;
    let statuses = async |service: &Service| {
        let logins = (0..20).map(|_| login_from(service, VICTIM, "alice"));
        let answers = join_all(logins).await;
        for refused in answers.iter().filter(|answer| answer.status != 200) {
            refused.assert_problem(503, "overloaded");
            assert!(!refused.header("retry-after").is_empty());
        }
        answers.iter().filter(|answer| answer.status == 200).count()
    };
    // All requests are sent within the time of a few hashes.
    let load = Load::watch();
    let accepted = statuses(&service).await;
    load.assert((3..20).contains(&accepted), &format!("{accepted} of 20 logins were accepted"));
    // Requests from other addresses to the same account have their own limit.
    let logins = (0..10).map(async |index| login_from(&service, &format!("192.0.2.{index}"), "alice").await);
    assert!(join_all(logins).await.iter().all(|answer| answer.status == 200));
    let service = service.restart(&[("AUTH__LIMITS__ENABLED", "false")]).await;
    assert_eq!(statuses(&service).await, 20);
}
