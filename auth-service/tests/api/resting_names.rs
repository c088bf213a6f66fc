//! Names and verified addresses rest after a rename or a deletion; reserved names; operators and names that changed hands.

use std::time::Duration;

use auth_service::domain::accounts::import::{Import, Outcome};
use auth_service::domain::accounts::operators::{AccountRef, OperatorError};
use auth_service::domain::accounts::register::{ByOperator, RegisterError, Registration};
use auth_service::domain::maintenance::MaintenanceRules;
use auth_service::store::error::Unique;
use futures_util::future::{join, join_all};
use reqwest::Method;
use serde_json::{Value, json};

use crate::api::administrators;
use crate::api::support::{Answer, PASSWORD, Service};

const DAY: Duration = Duration::from_secs(24 * 3600);
const REST: Duration = Duration::from_secs(90 * 24 * 3600);
/// bcrypt with cost 4 of [`PASSWORD`].
const HASH: &str = "$2b$04$oFKlZ3ENzEvFmT5CMwekBuVBDm2BElvtSpHmYpUTT7hjnI.L6EzTS";

async fn try_register(service: &Service, username: &str, email: Option<&str>) -> Answer {
    service.post("/register", &json!({ "username": username, "password": PASSWORD, "email": email })).await
}

/// Changes names with the tokens of a new login.
async fn change(service: &Service, username: &str, names: Value) -> Answer {
    let mut body = names;
    body["current_password"] = json!(PASSWORD);
    let access = service.login(username).await.access;
    service.send_as(Method::PATCH, "/me", &access, &body).await
}

async fn rename(service: &Service, from: &str, to: &str) -> Answer {
    change(service, from, json!({ "username": to })).await
}

async fn delete(service: &Service, username: &str) {
    let access = service.login(username).await.access;
    let body = json!({ "current_password": PASSWORD });
    assert_eq!(service.send_as(Method::DELETE, "/me", &access, &body).await.status, 204);
}

fn verify_addresses(service: &Service) {
    service.run_sql("UPDATE users SET email_verified = TRUE WHERE email IS NOT NULL");
}

/// Returns what a client sees of a refusal, except the request id and the time.
fn seen(answer: &Answer) -> (u16, Vec<String>, String) {
    let names = answer.headers.keys().map(ToString::to_string).collect();
    (answer.status.as_u16(), names, answer.text.clone())
}

#[actix_web::test]
async fn a_name_that_was_given_up_rests_for_all_but_its_former_owner() {
    let service = Service::start().await;
    for name in ["alice", "bob", "carl"] {
        service.register(name).await;
    }
    assert_eq!(rename(&service, "alice", "alicia").await.status, 200);
    let (resting, taken) =
        (try_register(&service, "Alice", None).await, try_register(&service, "Bob", None).await);
    resting.assert_problem(409, "username_taken");
    assert_eq!(seen(&resting), seen(&taken), "the answer does not show that the name rests");
    let (resting, taken) = (rename(&service, "carl", "ALICE").await, rename(&service, "carl", "bob").await);
    resting.assert_problem(409, "username_taken");
    assert_eq!(seen(&resting), seen(&taken));
    service.login("carl").await;
    service.try_login("alice", PASSWORD).await.assert_problem(401, "invalid_credentials");
    // The former owner takes it back, and then the other name rests.
    assert_eq!(rename(&service, "alicia", "alice").await.status, 200);
    try_register(&service, "alicia", None).await.assert_problem(409, "username_taken");
    service.clock.advance(REST.saturating_sub(Duration::from_secs(1)));
    try_register(&service, "alicia", None).await.assert_problem(409, "username_taken");
    service.clock.advance(Duration::from_secs(1));
    assert_eq!(try_register(&service, "alicia", None).await.status, 201);
    rename(&service, "alice", "alicia").await.assert_problem(409, "username_taken");
}

#[actix_web::test]
async fn a_verified_address_that_was_given_up_rests_and_an_unverified_one_does_not() {
    let service = Service::start().await;
    let (proven, claimed) = ("proven@example.com", "claimed@example.com");
    assert_eq!(try_register(&service, "alice", Some(proven)).await.status, 201);
    verify_addresses(&service);
    assert_eq!(try_register(&service, "bob", Some(claimed)).await.status, 201);
    assert_eq!(change(&service, "alice", json!({ "email": "new@example.com" })).await.status, 200);
    assert_eq!(change(&service, "bob", json!({ "email": null })).await.status, 200);
    for spelling in [proven, "Proven@ｅxample.com"] {
        try_register(&service, "carl", Some(spelling)).await.assert_problem(409, "email_taken");
        change(&service, "bob", json!({ "email": spelling })).await.assert_problem(409, "email_taken");
    }
    assert_eq!(try_register(&service, "carl", Some(claimed)).await.status, 201);
    assert_eq!(
        change(&service, "alice", json!({ "email": proven })).await.status,
        200,
        "the address is her own"
    );
    assert_eq!(change(&service, "alice", json!({ "email": null })).await.status, 200);
    // She has not verified it again.
    assert_eq!(change(&service, "bob", json!({ "email": proven })).await.status, 200);
}

#[actix_web::test]
async fn the_names_of_a_deleted_account_rest_and_nothing_but_digests_of_them_is_kept() {
    let service = Service::start().await;
    assert_eq!(try_register(&service, "alice", Some("a@example.com")).await.status, 201);
    verify_addresses(&service);
    assert_eq!(rename(&service, "alice", "alicia").await.status, 200);
    let id = service.login("alicia").await.claims()["sub"].as_str().unwrap().to_owned();
    assert_eq!(service.count(&format!("resting_names WHERE owner = '{id}'")), 1);
    delete(&service, "alicia").await;
    for name in ["alice", "alicia"] {
        try_register(&service, name, None).await.assert_problem(409, "username_taken");
    }
    try_register(&service, "bob", Some("A@example.com")).await.assert_problem(409, "email_taken");
    assert_eq!(service.count("resting_names WHERE owner IS NULL AND length(digest) = 43"), 3);
    assert_eq!(service.count("resting_names"), 3);
    // The digests depend on a sealed key, which is different for each service, so a copy of them shows no names.
    let other = Service::start().await;
    other.register("alice").await;
    delete(&other, "alice").await;
    let digests = |service: &Service| service.texts("SELECT digest AS text FROM resting_names");
    assert!(digests(&other).iter().all(|digest| !digests(&service).contains(digest)));
    service.clock.advance(REST);
    assert_eq!(try_register(&service, "alice", Some("a@example.com")).await.status, 201);
}

#[actix_web::test]
async fn at_most_three_names_of_an_account_rest_and_a_further_rename_is_refused() {
    let service = Service::start().await;
    service.register("one").await;
    for (from, to) in [("one", "two"), ("two", "three"), ("three", "four")] {
        assert_eq!(rename(&service, from, to).await.status, 200, "{to}");
    }
    rename(&service, "four", "five").await.assert_problem(409, "too_many_renames");
    assert_eq!(change(&service, "four", json!({ "email": "four@example.com" })).await.status, 200);
    let both = json!({ "username": "five", "email": "five@example.com" });
    change(&service, "four", both).await.assert_problem(409, "too_many_renames");
    let account = service.get_as("/me", &service.login("four").await.access).await.json();
    assert_eq!((&account["username"], &account["email"]), (&json!("four"), &json!("four@example.com")));
    assert_eq!(
        try_register(&service, "five", None).await.status,
        201,
        "the name is neither taken nor resting"
    );
    // Going back to one of them keeps their number.
    assert_eq!(rename(&service, "four", "two").await.status, 200);
    rename(&service, "two", "six").await.assert_problem(409, "too_many_renames");
    for name in ["one", "three", "four"] {
        try_register(&service, name, None).await.assert_problem(409, "username_taken");
    }
    service.clock.advance(REST);
    assert_eq!(rename(&service, "two", "six").await.status, 200);
    let service = service.restart(&[("AUTH__ACCOUNTS__MAX_RESTING", "1")]).await;
    rename(&service, "six", "seven").await.assert_problem(409, "too_many_renames");
    let service = service.restart(&[("AUTH__ACCOUNTS__REST", "0s")]).await;
    for (from, to) in [("six", "seven"), ("seven", "eight"), ("eight", "nine")] {
        assert_eq!(rename(&service, from, to).await.status, 200, "nothing rests");
    }
    service.register("eight").await;
}

#[actix_web::test]
async fn reserved_names_are_for_operators_alone() {
    let service = Service::with(&[("AUTH__ACCOUNTS__RESERVED", "admin,First-Party,root")]).await;
    service.register("alice").await;
    for name in ["admin", "ADMIN", "first-party", "Root"] {
        for answer in [try_register(&service, name, None).await, rename(&service, "alice", name).await] {
            answer.assert_problem(422, "invalid_fields");
            let errors = answer.json()["errors"].clone();
            assert_eq!(errors.as_array().unwrap().len(), 1, "{errors}");
            assert_eq!((&errors[0]["field"], &errors[0]["code"]), (&json!("username"), &json!("reserved")));
        }
    }
    administrators::create(&service, "Root", "admin").await;
    let import = Import { username: "Admin".to_owned(), password_hash: HASH.to_owned(), ..Import::default() };
    let outcomes = service.operator().await.accounts.import(vec![Ok(import)], None).await.unwrap();
    assert!(matches!(outcomes[..], [Outcome::Created(_)]), "{outcomes:?}");
    // An account keeps a reserved name until it gives the name up.
    let names = json!({ "username": "ROOT", "email": "root@example.com" });
    assert_eq!(change(&service, "root", names).await.status, 200);
    assert_eq!(rename(&service, "root", "ruth").await.status, 200);
    rename(&service, "ruth", "root").await.assert_problem(422, "invalid_fields");
    let defaults = Service::start().await;
    for name in ["admin", "root", "support", "system", "first-party"] {
        try_register(&defaults, name, None).await.assert_problem(422, "invalid_fields");
    }
}

#[actix_web::test]
async fn a_name_is_never_free_during_a_rename() {
    let one = Service::start().await;
    let other = one.replica().await;
    for round in 0..8 {
        let (old, new) = (format!("old-{round}"), format!("new-{round}"));
        one.register(&old).await;
        let access = one.login(&old).await.access;
        let body = json!({ "username": new, "current_password": PASSWORD });
        let wanted = [&old, &new, &old, &new, &old, &old];
        let registrations = join_all(wanted.iter().enumerate().map(|(at, name)| {
            let service = if at % 2 == 0 { &one } else { &other };
            try_register(service, name, None)
        }));
        let renamed = one.send_as(Method::PATCH, "/me", &access, &body);
        let (renamed, registered) = join(renamed, registrations).await;
        let winners = |name: &String| {
            let registered = wanted.iter().zip(&registered).filter(|(wanted, _)| **wanted == name);
            registered.filter(|(_, answer)| answer.status == 201).count()
        };
        assert!(
            registered.iter().all(|answer| [201, 409].contains(&answer.status.as_u16())),
            "{registered:?}"
        );
        assert_eq!(winners(&old), 0, "the name was the account's, or it rested");
        assert_eq!(winners(&new) + usize::from(renamed.status == 200), 1, "{renamed:?}");
        for name in [&old, &new] {
            assert!(one.count(&format!("users WHERE username = '{name}'")) <= 1);
            try_register(&other, name, None).await.assert_problem(409, "username_taken");
        }
    }
}

#[actix_web::test]
async fn of_concurrent_registrations_of_a_name_none_succeeds_while_it_rests_and_one_afterwards() {
    let one = Service::start().await;
    let other = one.replica().await;
    one.register("alice").await;
    assert_eq!(rename(&one, "alice", "alicia").await.status, 200);
    let all = async || {
        let each = (0..10).map(|at| try_register(if at % 2 == 0 { &one } else { &other }, "alice", None));
        let mut statuses: Vec<u16> =
            join_all(each).await.iter().map(|answer| answer.status.as_u16()).collect();
        statuses.sort_unstable();
        statuses
    };
    assert_eq!(all().await, [409; 10]);
    one.clock.advance(REST);
    let statuses = all().await;
    assert_eq!((statuses[0], &statuses[1..]), (201, &[409; 9][..]));
}

#[actix_web::test]
async fn two_accounts_can_exchange_their_names_without_waiting() {
    let one = Service::start().await;
    let other = one.replica().await;
    for round in 0..5 {
        let [left, right] = [format!("left-{round}"), format!("right-{round}")];
        let tokens = [one.register_and_login(&left).await, one.register_and_login(&right).await];
        let body = |name: &str| json!({ "username": name, "current_password": PASSWORD });
        let (bodies, [first, second]) = ([body(&right), body(&left)], tokens);
        let answers = join(
            one.send_as(Method::PATCH, "/me", &first.access, &bodies[0]),
            other.send_as(Method::PATCH, "/me", &second.access, &bodies[1]),
        )
        .await;
        answers.0.assert_problem(409, "username_taken");
        answers.1.assert_problem(409, "username_taken");
    }
}

#[actix_web::test]
async fn names_keep_resting_when_the_master_key_is_replaced_and_are_free_when_it_is_lost() {
    let service = Service::start().await;
    service.register("alice").await;
    delete(&service, "alice").await;
    let (old, new) = (service.master_key(), "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=");
    let both = [("AUTH__MASTER_KEY", new), ("AUTH__MASTER_KEY_PREVIOUS", old.trim())];
    let service = service.restart(&both).await;
    try_register(&service, "alice", None).await.assert_problem(409, "username_taken");
    let service = service.restart(&[("AUTH__MASTER_KEY_PREVIOUS", new)]).await;
    try_register(&service, "alice", None).await.assert_problem(409, "username_taken");
    // Without the key no digest can be computed, so resting names are lost.
    let lost = "MTEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=";
    let mut variables = service.variables.clone();
    for name in ["AUTH__MASTER_KEY", "AUTH__MASTER_KEY_PREVIOUS"] {
        variables.insert(name.to_owned(), lost.to_owned());
    }
    let settings = auth_service::settings::Settings::load(&variables).unwrap();
    auth_service::app::recover(&settings, service.clock.clock()).await.unwrap();
    assert_eq!(service.count("resting_names"), 0);
    let service = service.restart(&[("AUTH__MASTER_KEY", lost), ("AUTH__MASTER_KEY_PREVIOUS", lost)]).await;
    service.register("alice").await;
    delete(&service, "alice").await;
    try_register(&service, "alice", None).await.assert_problem(409, "username_taken");
}

#[actix_web::test]
async fn a_recovery_with_the_same_master_key_frees_no_name() {
    let service = Service::start().await;
    service.register("alice").await;
    delete(&service, "alice").await;
    let settings = auth_service::settings::Settings::load(&service.variables).unwrap();
    auth_service::app::recover(&settings, service.clock.clock()).await.unwrap();
    let service = service.restart(&[]).await;
    try_register(&service, "alice", None).await.assert_problem(409, "username_taken");
}

#[actix_web::test]
async fn resting_names_are_deleted_in_small_batches_after_twice_their_rest() {
    let service = Service::start().await;
    for index in 0..5 {
        let name = format!("user-{index}");
        service.register(&name).await;
        delete(&service, &name).await;
    }
    let hour = Duration::from_secs(3600);
    let rules = MaintenanceRules {
        poll_interval: hour,
        clean_up: hour,
        keep_ended: hour,
        batch_size: 2,
        keep_audit: 400 * DAY,
    };
    let operator = service.operator().await;
    service.clock.advance(2 * REST);
    operator.maintenance.clean_up(rules).await.unwrap();
    assert_eq!(service.count("resting_names"), 5, "a second owner can still be recognized");
    // Deletion keeps a margin of a day.
    service.clock.advance(3 * DAY);
    operator.maintenance.clean_up(rules).await.unwrap();
    assert_eq!(service.count("resting_names"), 0, "in batches of two");
}

#[actix_web::test]
async fn an_operator_who_calls_an_account_by_a_name_that_changed_hands_is_asked_for_its_id() {
    let service = Service::start().await;
    service.register("alice").await;
    assert_eq!(rename(&service, "alice", "alicia").await.status, 200);
    service.clock.advance(REST);
    service.register("mallory").await;
    assert_eq!(rename(&service, "mallory", "alice").await.status, 200);
    let operator = service.operator().await;
    let admin = || vec!["admin".to_owned()];
    let id = service.login("alice").await.claims()["sub"].as_str().unwrap().to_owned();
    let roles = operator.accounts.change_roles("Alice", admin(), vec![]).await;
    let Err(OperatorError::ChangedHands(who)) = roles else { panic!("{roles:?}") };
    assert_eq!((who.username.as_str(), who.id.as_str()), ("alice", id.as_str()));
    for disabled in [true, false] {
        let changed = operator.accounts.set_disabled("alice", disabled).await;
        assert!(matches!(changed, Err(OperatorError::ChangedHands(_))), "{changed:?}");
    }
    let claims = service.login("alice").await.claims();
    assert_eq!(claims["roles"], json!([]), "nothing was changed");
    let by_id =
        |username: Option<&str>| AccountRef { username: username.map(str::to_owned), id: Some(id.clone()) };
    for username in [None, Some("alice")] {
        let named = operator.accounts.change_roles(by_id(username), vec![], vec![]).await.unwrap().unwrap();
        assert_eq!((named.user.id.as_str(), named.named_since), (id.as_str(), who.taken_over_at));
    }
    let other = operator.accounts.change_roles(by_id(Some("alicia")), admin(), vec![]).await;
    assert!(matches!(other, Err(OperatorError::Mismatch { .. })), "{other:?}");
    let unknown = AccountRef { id: Some("0".to_owned()), username: Some("alice".to_owned()) };
    assert!(operator.accounts.change_roles(unknown, admin(), vec![]).await.unwrap().is_none());
    // Another name in between changes nothing: neither name has been the account's for long enough.
    assert_eq!(rename(&service, "alice", "malice").await.status, 200);
    let other = operator.accounts.change_roles("malice", admin(), vec![]).await;
    assert!(matches!(other, Err(OperatorError::ChangedHands(_))), "{other:?}");
    assert_eq!(rename(&service, "malice", "alice").await.status, 200);
    let roles = operator.accounts.change_roles("alice", admin(), vec![]).await;
    let Err(OperatorError::ChangedHands(again)) = roles else { panic!("{roles:?}") };
    assert_eq!(again, who);
    // Names without an earlier owner, and names that their owners took back, need no id; with time, neither does this one.
    operator.accounts.change_roles("alicia", vec![], vec![]).await.unwrap().unwrap();
    assert_eq!(rename(&service, "alicia", "alison").await.status, 200);
    assert_eq!(rename(&service, "alison", "alicia").await.status, 200);
    let named = operator.accounts.change_roles("alicia", vec![], vec![]).await.unwrap().unwrap();
    assert_eq!(named.named_since, i64::try_from(service.clock.clock().now()).unwrap());
    service.clock.advance(REST);
    operator.accounts.change_roles("alice", vec![], vec![]).await.unwrap().unwrap();
}

fn registration(username: &str, email: Option<&str>) -> Registration {
    Registration {
        username: username.to_owned(),
        password: PASSWORD.to_owned().into(),
        email: email.map(str::to_owned),
        roles: Vec::new(),
    }
}

#[actix_web::test]
async fn an_operator_takes_a_resting_name_only_with_an_explicit_option() {
    let service = Service::start().await;
    assert_eq!(try_register(&service, "alice", Some("a@example.com")).await.status, 201);
    verify_addresses(&service);
    delete(&service, "alice").await;
    let operator = service.operator().await;
    for (email, what) in [(None, Unique::Username), (Some("a@example.com"), Unique::Email)] {
        let username = if email.is_some() { "bob" } else { "alice" };
        let made = operator.accounts.create_account(registration(username, email)).await;
        assert!(matches!(made, Err(RegisterError::Resting(found)) if found == what), "{made:?}");
    }
    let import = |username: &str, email: Option<&str>| {
        Ok(Import {
            username: username.to_owned(),
            password_hash: HASH.to_owned(),
            email: email.map(str::to_owned),
            ..Import::default()
        })
    };
    let lines = || vec![import("alice", None), import("bob", Some("A@example.com")), import("carl", None)];
    let outcomes = async |allow| {
        let mut rehearsal = Some(auth_service::domain::accounts::import::Rehearsal::default());
        let dry = operator.accounts.import_with(lines(), rehearsal.as_mut(), allow).await.unwrap();
        let stored = operator.accounts.import_with(lines(), None, allow).await.unwrap();
        assert_eq!(format!("{dry:?}"), format!("{stored:?}"));
        let shown = |outcome: &Outcome| match outcome {
            Outcome::Created(_) => "created".to_owned(),
            Outcome::Present(_) => "present".to_owned(),
            Outcome::Refused(mistakes) => format!("{} {}", mistakes[0].field, mistakes[0].code),
        };
        stored.iter().map(shown).collect::<Vec<_>>()
    };
    assert_eq!(outcomes(false).await, ["username resting", "email resting", "created"]);
    service.run_sql("DELETE FROM users WHERE username = 'carl'");
    assert_eq!(outcomes(true).await, ["created", "created", "created"]);
    let by_name = operator.accounts.set_disabled("alice", true).await;
    assert!(matches!(by_name, Err(OperatorError::ChangedHands(_))), "the name changed hands: {by_name:?}");
    operator.accounts.set_disabled("carl", true).await.unwrap().unwrap();
    // The same for a single account at the command line.
    delete(&service, "bob").await;
    let by = ByOperator { allow_resting: true, ..ByOperator::default() };
    operator.accounts.create_account_with(registration("bob", None), by).await.unwrap();
    assert!(operator.accounts.set_disabled("bob", true).await.is_err());
}
