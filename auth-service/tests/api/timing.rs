//! How long a refusal takes tells nobody who has an account (OWASP ASVS 5, 6.3.8). Distributions are compared with each other,
//! never with a number of milliseconds; and what must be told apart, is, by the same rule in the same breath.

use std::hash::{BuildHasher as _, RandomState};
use std::time::Instant;

use reqwest::Method;
use serde_json::{Value, json};

use crate::api::support::{PASSWORD, Service, send};

/// Of each kind, in each round.
const SAMPLES: usize = 100;
/// A machine that does something else at the same time may tell two of a kind apart once, but not every time.
const ROUNDS: usize = 3;
/// How far from one half the probability may be that one kind takes longer than the other: 3.7 standard deviations of
/// Mann and Whitney's U over so many samples, divided by its greatest value.
const MOST_EFFECT: f64 = 0.15;
/// How far apart the medians may be.
const MOST_RATIO: f64 = 1.1;

/// What is sent again and again, and to whom.
struct Kind<'a> {
    name: &'static str,
    by: &'a Service,
    body: Value,
}

/// Databases by what they know their accounts' passwords by: our own hashes, or those of another system.
const DATABASES: [(&str, Option<&str>); 2] =
    [("hashes of our own", None), ("imported hashes", Some(IMPORTED))];
/// It costs several times what a hash of our own costs here. Nobody knows its password.
const IMPORTED: &str =
    "pbkdf2:sha256:20000$lYOwy84ktqg2zOAs$678be60c9c7d6ee40c8d3e0f6e6f7a6c7d6ee40c8d3e0f6e6f7a6c7d6ee40c8d";

#[actix_web::test]
async fn a_refusal_takes_as_long_with_an_account_as_without() {
    for (database, hash) in DATABASES {
        let [service, costlier] = [with_accounts("5", hash).await, with_accounts("6", None).await];
        let kind = |name, by, body| Kind { name, by, body };
        let by_name = |name: &str, password: &str| json!({ "username": name, "password": password });
        let by_email = |email: &str| json!({ "email": email, "password": "not the right one" });
        // Names that no account can have are not looked up, which shows, and which anybody knows without asking.
        let kinds = [
            kind("a wrong password", &service, by_name("alice", "not the right one")),
            kind("an unknown name", &service, by_name("nobody", "not the right one")),
            kind("a wrong password, by address", &service, by_email("alice@example.com")),
            kind("an unknown address", &service, by_email("nobody@example.com")),
            kind("a disabled account", &service, by_name("disabled", PASSWORD)),
        ];
        let different = [
            kind("a hash of another cost", &costlier, by_name("nobody", "not the right one")),
            kind("a password that is not hashed", &service, by_name("alice", &"x".repeat(2000))),
        ];
        for path in ["/login", "/token"] {
            let told_apart = told_apart_each_time(path, &kinds, &different).await;
            assert!(told_apart.is_empty(), "{database}, {path}: {told_apart:#?}");
        }
    }
}

/// A service that counts no tries, with two accounts: one of them is disabled.
async fn with_accounts(cost: &str, hash: Option<&str>) -> Service {
    let variables = [("AUTH__LIMITS__ENABLED", "false"), ("AUTH__PASSWORDS__BCRYPT_COST", cost)];
    let service = Service::with(&variables).await;
    for name in ["alice", "disabled"] {
        let body = json!({ "username": name, "password": PASSWORD, "email": format!("{name}@example.com") });
        assert_eq!(service.post("/register", &body).await.status, 201);
    }
    service.operator().await.set_disabled("disabled", true).await.unwrap().unwrap();
    if let Some(hash) = hash {
        service.run_sql(&format!("UPDATE users SET password_hash = '{hash}'"));
        return service.restart(&[]).await;
    }
    service
}

/// Which kinds were told apart from the first one in every round; those that are `different` must be.
async fn told_apart_each_time(path: &str, kinds: &[Kind<'_>], different: &[Kind<'_>]) -> Vec<String> {
    let mut suspects: Vec<&Kind<'_>> = kinds[1..].iter().collect();
    let mut reasons = Vec::new();
    for round in 0..ROUNDS {
        let all: Vec<&Kind<'_>> =
            kinds[..1].iter().chain(suspects.iter().copied()).chain(different).collect();
        let times = measure(path, &all).await;
        let (first, rest) = times.split_first().unwrap();
        let (suspected, others) = rest.split_at(suspects.len());
        for (kind, others) in different.iter().zip(others) {
            assert!(difference(first, others).is_some(), "{path}: {} is not told apart", kind.name);
        }
        let judged = suspects.iter().zip(suspected);
        let found = judged.filter_map(|(kind, times)| Some((*kind, difference(first, times)?)));
        let found: Vec<_> = found.collect();
        reasons = found.iter().map(|(kind, why)| format!("round {round}, {}: {why}", kind.name)).collect();
        suspects = found.into_iter().map(|(kind, _)| kind).collect();
        if suspects.is_empty() {
            break;
        }
    }
    reasons
}

/// How long the answers took, in seconds, by kind. One request at a time, in an order that nobody can foresee.
async fn measure(path: &str, kinds: &[&Kind<'_>]) -> Vec<Vec<f64>> {
    let random = RandomState::new();
    let mut order: Vec<usize> = (0..kinds.len() * SAMPLES).collect();
    order.sort_by_cached_key(|index| random.hash_one(index));
    let mut times = vec![Vec::with_capacity(SAMPLES); kinds.len()];
    for index in order {
        let Kind { by, body, .. } = kinds[index % kinds.len()];
        let request = by.request(Method::POST, path).json(body);
        let begin = Instant::now();
        let answer = send(request).await;
        times[index % kinds.len()].push(begin.elapsed().as_secs_f64());
        assert!([400, 401].contains(&answer.status.as_u16()), "{}", answer.text);
    }
    times
}

/// By what somebody who measures both would tell them apart; `None` when there is nothing.
fn difference(some: &[f64], others: &[f64]) -> Option<String> {
    let pairs = || some.iter().flat_map(|one| others.iter().map(move |other| one.total_cmp(other)));
    let count: f64 = pairs().map(|_| 1.0).sum();
    let effect = pairs().map(|order| f64::from(order as i8)).sum::<f64>() / (2.0 * count);
    let ratio = median(some) / median(others);
    let alike = effect.abs() <= MOST_EFFECT && ratio <= MOST_RATIO && ratio >= MOST_RATIO.recip();
    (!alike).then(|| format!("one is longer with probability {:.3}, medians {ratio:.3}", effect + 0.5))
}

fn median(times: &[f64]) -> f64 {
    let mut sorted = times.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted[sorted.len() / 2]
}
