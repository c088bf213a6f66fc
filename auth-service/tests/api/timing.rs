//! The time of a refusal does not show which accounts exist (OWASP ASVS 5, 6.3.8). Distributions are compared with each other,
//! never with a number of milliseconds. In the same run, the same rule must distinguish kinds that do differ.

use std::hash::{BuildHasher as _, RandomState};
use std::time::Instant;

use reqwest::Method;
use serde_json::{Value, json};

use crate::api::load::Load;
use crate::api::support::{PASSWORD, Service, send};

/// Samples of each kind in each round.
const SAMPLES: usize = 100;
/// On a busy machine, equal kinds may differ in one round, but not in every round.
const ROUNDS: usize = 3;
/// Greatest accepted distance from one half of the probability that one kind takes longer than the other: 3.7 standard
/// deviations of Mann and Whitney's U for this number of samples, divided by its greatest value.
const MAX_EFFECT: f64 = 0.15;
/// Greatest accepted ratio of the medians.
const MAX_RATIO: f64 = 1.1;

/// A login that is sent repeatedly, and the service that gets it.
struct Kind<'a> {
    name: &'static str,
    by: &'a Service,
    body: Value,
}

/// The kinds of password hashes in a database: auth-service's own, or those of another system.
const DATABASES: [(&str, Option<&str>); 2] = [("own hashes", None), ("imported hashes", Some(IMPORTED))];
/// A hash of an unknown password, several times as expensive as the service's own here.
const IMPORTED: &str =
    "pbkdf2:sha256:10000$lYOwy84ktqg2zOAs$678be60c9c7d6ee40c8d3e0f6e6f7a6c7d6ee40c8d3e0f6e6f7a6c7d6ee40c8d";

#[actix_web::test]
async fn a_refusal_takes_as_long_with_an_account_as_without() {
    for (database, hash) in DATABASES {
        let [service, costlier] = [with_accounts("5", hash).await, with_accounts("6", None).await];
        let kind = |name, by, body| Kind { name, by, body };
        let by_name = |name: &str, password: &str| json!({ "username": name, "password": password });
        let by_email = |email: &str| json!({ "email": email, "password": "not the right one" });
        // Names that no account can have are not looked up. That is visible, and shows an attacker nothing new.
        let kinds = [
            kind("a wrong password", &service, by_name("alice", "not the right one")),
            kind("an unknown name", &service, by_name("unknown", "not the right one")),
            kind("a wrong password, by address", &service, by_email("alice@example.com")),
            kind("an unknown address", &service, by_email("unknown@example.com")),
            kind("a disabled account", &service, by_name("disabled", PASSWORD)),
        ];
        let different = [
            kind("a hash of another cost", &costlier, by_name("unknown", "not the right one")),
            kind("a password that is not hashed", &service, by_name("alice", &"x".repeat(2000))),
        ];
        for path in ["/login", "/token"] {
            let load = Load::watch();
            let distinguishable = distinguishable_in_every_round(path, &kinds, &different, &load).await;
            load.assert(distinguishable.is_empty(), &format!("{database}, {path}: {distinguishable:#?}"));
        }
    }
}

/// Starts a service without login throttling that has two accounts, one of them disabled.
async fn with_accounts(cost: &str, hash: Option<&str>) -> Service {
    let variables = [("AUTH__LIMITS__ENABLED", "false"), ("AUTH__PASSWORDS__BCRYPT_COST", cost)];
    let service = Service::with(&variables).await;
    for name in ["alice", "disabled"] {
        let body = json!({ "username": name, "password": PASSWORD, "email": format!("{name}@example.com") });
        assert_eq!(service.post("/register", &body).await.status, 201);
    }
    service.operator().await.accounts.set_disabled("disabled", true).await.unwrap().unwrap();
    if let Some(hash) = hash {
        service.run_sql(&format!("UPDATE users SET password_hash = '{hash}'"));
        return service.restart(&[]).await;
    }
    service
}

/// Returns the kinds that were distinguishable from the first one in every round; those in `different` must be.
async fn distinguishable_in_every_round(
    path: &str,
    kinds: &[Kind<'_>],
    different: &[Kind<'_>],
    load: &Load,
) -> Vec<String> {
    let mut suspects: Vec<&Kind<'_>> = kinds[1..].iter().collect();
    let mut reasons = Vec::new();
    for round in 0..ROUNDS {
        let all: Vec<&Kind<'_>> =
            kinds[..1].iter().chain(suspects.iter().copied()).chain(different).collect();
        let times = measure(path, &all).await;
        let (first, rest) = times.split_first().unwrap();
        let (suspected, others) = rest.split_at(suspects.len());
        for (kind, others) in different.iter().zip(others) {
            let reason = format!("{path}: {} is not distinguishable", kind.name);
            load.assert(difference(first, others).is_some(), &reason);
        }
        let compared = suspects.iter().zip(suspected);
        let found = compared.filter_map(|(kind, times)| Some((*kind, difference(first, times)?)));
        let found: Vec<_> = found.collect();
        reasons = found.iter().map(|(kind, why)| format!("round {round}, {}: {why}", kind.name)).collect();
        suspects = found.into_iter().map(|(kind, _)| kind).collect();
        if suspects.is_empty() {
            break;
        }
    }
    reasons
}

/// Returns the times of the answers in seconds, by kind. Requests are sent one at a time, in random order.
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

/// Returns by what an attacker could distinguish the two; `None` if nothing distinguishes them.
fn difference(some: &[f64], others: &[f64]) -> Option<String> {
    let pairs = || some.iter().flat_map(|one| others.iter().map(move |other| one.total_cmp(other)));
    let count: f64 = pairs().map(|_| 1.0).sum();
    let effect = pairs().map(|order| f64::from(order as i8)).sum::<f64>() / (2.0 * count);
    let ratio = median(some) / median(others);
    let alike = effect.abs() <= MAX_EFFECT && ratio <= MAX_RATIO && ratio >= MAX_RATIO.recip();
    (!alike).then(|| format!("one is longer with probability {:.3}, medians {ratio:.3}", effect + 0.5))
}

fn median(times: &[f64]) -> f64 {
    let mut sorted = times.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted[sorted.len() / 2]
}
