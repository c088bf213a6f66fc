//! E-mail addresses: one stored spelling for each mailbox. An unverified address does not block the owner of the mailbox.

use auth_service::domain::accounts::address_check::{AddressReport, settle_addresses};
use auth_service::domain::accounts::import::{Import, Outcome, Rehearsal};
use auth_service::domain::accounts::register::{ByOperator, RegisterError, Registration};
use auth_service::store::error::Unique;
use futures_util::future::join_all;
use reqwest::Method;
use serde_json::{Value, json};

use crate::api::support::{Answer, PASSWORD, Service};

/// bcrypt with cost 4 of [`PASSWORD`].
const HASH: &str = "$2b$04$oFKlZ3ENzEvFmT5CMwekBuVBDm2BElvtSpHmYpUTT7hjnI.L6EzTS";
/// Addresses, each with other spellings of it.
const SPELLINGS: [(&str, &[&str]); 3] = [
    ("ceo@bank.example", &["ceo@ｂank.example", "CEO@BANK.example", "ceo@bank。example"]),
    ("idn@xn--bcher-kva.example", &["idn@bücher.example", "IDN@BÜCHER.example", "idn@bu\u{308}cher.example"]),
    ("jörg@example.com", &["JÖRG@Example.com", "jörg@ｅxample.com"]),
];

async fn try_register(service: &Service, username: &str, email: &str) -> Answer {
    service.post("/register", &json!({ "username": username, "password": PASSWORD, "email": email })).await
}

async fn try_login(service: &Service, email: &str) -> Answer {
    service.post("/login", &json!({ "email": email, "password": PASSWORD })).await
}

async fn change(service: &Service, username: &str, email: Value) -> Answer {
    let access = service.login(username).await.access;
    let body = json!({ "email": email, "current_password": PASSWORD });
    service.send_as(Method::PATCH, "/me", &access, &body).await
}

async fn email_of(service: &Service, username: &str) -> Value {
    service.get_as("/me", &service.login(username).await.access).await.json()["email"].clone()
}

fn import(username: &str, email: &str, email_verified: bool) -> Import {
    Import {
        username: username.to_owned(),
        password_hash: HASH.to_owned(),
        email: Some(email.to_owned()),
        email_verified,
        ..Import::default()
    }
}

fn shown(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Created(_) => "created".to_owned(),
        Outcome::Present(_) => "present".to_owned(),
        Outcome::Refused(mistakes) => format!("{} {}", mistakes[0].field, mistakes[0].code),
    }
}

#[actix_web::test]
async fn every_spelling_of_an_address_is_the_same_at_registration_login_import_and_change() {
    let service = Service::start().await;
    service.register("other").await;
    let operator = service.operator().await;
    for (index, (address, others)) in SPELLINGS.into_iter().enumerate() {
        let username = format!("user-{index}");
        let made = try_register(&service, &username, others[0]).await;
        assert_eq!((made.status.as_u16(), &made.json()["email"]), (201, &json!(address)));
        for spelling in others.iter().chain([&address]) {
            try_register(&service, "another", spelling).await.assert_problem(409, "email_taken");
            change(&service, "other", json!(spelling)).await.assert_problem(409, "email_taken");
            let outcomes =
                operator.accounts.import(vec![Ok(import("another", spelling, false))], None).await.unwrap();
            assert_eq!(shown(&outcomes[0]), "email taken", "{spelling}");
            let login = try_login(&service, spelling).await;
            assert_eq!(login.status, 200, "{spelling}");
            assert_eq!(login.tokens().claims()["username"], json!(username));
            assert_eq!(change(&service, &username, json!(spelling)).await.json()["email"], json!(address));
        }
        let outcomes =
            operator.accounts.import(vec![Ok(import("imported", others[1], true))], None).await.unwrap();
        assert_eq!(shown(&outcomes[0]), "created");
        assert_eq!(email_of(&service, "imported").await, json!(address));
        service.run_sql("DELETE FROM users WHERE username = 'imported'");
    }
}

#[actix_web::test]
async fn an_address_that_is_not_normalized_is_refused_with_that_reason() {
    let service = Service::start().await;
    service.register("alice").await;
    let operator = service.operator().await;
    for (address, code) in [
        ("ｃeo@bank.example", "not_normalized"),
        ("ﬁnance@bank.example", "not_normalized"),
        ("jo\u{308}rg@bank.example", "not_normalized"),
        ("\"ceo\"@bank.example", "not_allowed"),
        ("ceo@xn--a.example", "not_allowed"),
    ] {
        for answer in
            [try_register(&service, "bob", address).await, change(&service, "alice", json!(address)).await]
        {
            answer.assert_problem(422, "invalid_fields");
            let error = answer.json()["errors"][0].clone();
            assert_eq!((&error["field"], &error["code"]), (&json!("email"), &json!(code)), "{address}");
        }
        let outcomes = operator.accounts.import(vec![Ok(import("bob", address, true))], None).await.unwrap();
        assert_eq!(shown(&outcomes[0]), format!("email {code}"));
        try_login(&service, address).await.assert_problem(401, "invalid_credentials");
    }
}

#[actix_web::test]
async fn of_concurrent_registrations_with_spellings_of_one_address_one_succeeds() {
    let service = Service::start().await;
    let spellings = ["a@bücher.example", "A@BÜCHER.example", "a@xn--bcher-kva.example", "a@ｂücher.example"];
    let names: Vec<String> = (0..12).map(|index| format!("user-{index}")).collect();
    let each = names.iter().zip(spellings.iter().cycle());
    let answers = join_all(each.map(|(name, email)| try_register(&service, name, email))).await;
    let made = answers.iter().filter(|answer| answer.status == 201).count();
    let taken = answers.iter().filter(|answer| answer.status == 409).count();
    assert_eq!((made, taken), (1, 11));
}

#[actix_web::test]
async fn tokens_carry_an_address_only_when_it_is_verified_unless_the_settings_say_otherwise() {
    let service = Service::start().await;
    assert_eq!(try_register(&service, "alice", "alice@example.com").await.status, 201);
    let asking = service.create_client("asking", &[], &[]).await;
    let first = service.login("alice").await;
    let claims = first.claims();
    assert!(claims.get("email").is_none() && claims.get("email_verified").is_none(), "{claims}");
    let introspected = service.introspect(&asking, &first.access).await;
    assert!(
        introspected.get("email").is_none() && introspected.get("email_verified").is_none(),
        "{introspected}"
    );
    assert_eq!(email_of(&service, "alice").await, json!("alice@example.com"), "the owner sees it");
    service.run_sql("UPDATE users SET email_verified = TRUE");
    let claims = service.refresh(&first.refresh).await.claims();
    assert_eq!((&claims["email"], &claims["email_verified"]), (&json!("alice@example.com"), &json!(true)));
    let service = service.restart(&[("AUTH__TOKENS__UNVERIFIED_EMAIL", "true")]).await;
    service.run_sql("UPDATE users SET email_verified = FALSE");
    let claims = service.login("alice").await.claims();
    assert_eq!((&claims["email"], &claims["email_verified"]), (&json!("alice@example.com"), &json!(false)));
}

#[actix_web::test]
async fn an_unverified_address_goes_to_the_account_for_which_it_is_verified() {
    let service = Service::with(&[("AUTH__TOKENS__UNVERIFIED_EMAIL", "true")]).await;
    let victims = "victim@example.com";
    assert_eq!(try_register(&service, "mallory", victims).await.status, 201);
    let squatter = service.login("mallory").await;
    // Accounts without verification cannot take it.
    try_register(&service, "alice", victims).await.assert_problem(409, "email_taken");
    let operator = service.operator().await;
    let unverified = operator.accounts.import(vec![Ok(import("alice", victims, false))], None).await.unwrap();
    assert_eq!(shown(&unverified[0]), "email taken");
    let lines = || vec![Ok(import("alice", "VICTIM@example.com", true)), Ok(import("bob", victims, true))];
    let mut rehearsal = Some(Rehearsal::default());
    let dry = operator.accounts.import(lines(), rehearsal.as_mut()).await.unwrap();
    let done = operator.accounts.import(lines(), None).await.unwrap();
    for outcomes in [dry, done] {
        let outcomes: Vec<_> = outcomes.iter().map(shown).collect();
        assert_eq!(outcomes, ["created", "email taken"], "only one account has it verified");
    }
    assert_eq!(try_login(&service, victims).await.tokens().claims()["username"], "alice");
    assert_eq!(email_of(&service, "mallory").await, json!(null));
    assert!(service.revokes(&squatter).await, "the address in it is out of date");
    let next = service.refresh(&squatter.refresh).await;
    assert!(next.claims().get("email").is_none(), "the session continues without it");
    let freed = "audit_events WHERE event = 'email_freed' AND details LIKE '%verified_elsewhere%'";
    operator.audit.flush().await;
    assert_eq!(service.count(freed), 1);
    // Within one file, and for an account that an operator creates.
    let other = "other@example.com";
    let lines = vec![Ok(import("carl", other, false)), Ok(import("dora", other, true))];
    let mut rehearsal = Some(Rehearsal::default());
    let dry = operator.accounts.import(lines.clone(), rehearsal.as_mut()).await.unwrap();
    let done = operator.accounts.import(lines, None).await.unwrap();
    for outcomes in [dry, done] {
        assert!(outcomes.iter().all(|outcome| shown(outcome) == "created"), "{outcomes:?}");
    }
    assert_eq!(try_login(&service, other).await.tokens().claims()["username"], "dora");
    assert_eq!(try_register(&service, "emil", "third@example.com").await.status, 201);
    let create = |username: &str, email_verified| {
        let registration = Registration {
            username: username.to_owned(),
            password: PASSWORD.to_owned().into(),
            email: Some("third@example.com".to_owned()),
            roles: Vec::new(),
        };
        operator
            .accounts
            .create_account_with(registration, ByOperator { email_verified, ..ByOperator::default() })
    };
    let taken = create("frida", false).await;
    assert!(matches!(taken, Err(RegisterError::Taken(Unique::Email))), "{taken:?}");
    create("frida", true).await.unwrap();
    let taken = create("gustav", true).await;
    assert!(matches!(taken, Err(RegisterError::Taken(Unique::Email))), "{taken:?}");
    operator.audit.flush().await;
    assert_eq!(service.count(freed), 3);
}

#[actix_web::test]
async fn an_operator_frees_an_address() {
    let service = Service::start().await;
    let address = "idn@bücher.example";
    assert_eq!(try_register(&service, "mallory", address).await.status, 201);
    let squatter = service.login("mallory").await;
    let id = squatter.claims()["sub"].as_str().unwrap().to_owned();
    let operator = service.operator().await;
    let free = async |address: Option<&str>, id: Option<&str>| {
        let freed = operator.accounts.free_email(address.map(str::to_owned), id.map(str::to_owned)).await;
        freed.map(|freed| {
            (freed.holders.into_iter().map(|user| user.username).collect::<Vec<_>>(), freed.rested)
        })
    };
    assert_eq!(free(Some("unknown@example.com"), None).await.unwrap(), (vec![], false));
    assert!(free(Some("unknown@example.com"), Some(&id)).await.is_err(), "the account has another address");
    assert_eq!(free(None, Some("no-such-id")).await.unwrap(), (vec![], false));
    let found = free(Some("IDN@xn--bcher-kva.example"), Some(&id)).await.unwrap();
    assert_eq!(found, (vec!["mallory".to_owned()], false));
    assert!(service.revokes(&squatter).await, "the address in it is out of date");
    service.refresh(&squatter.refresh).await;
    try_login(&service, address).await.assert_problem(401, "invalid_credentials");
    assert_eq!(try_register(&service, "owner", address).await.status, 201);
    // Verified or not. A freed address does not rest, and a resting one can be freed as well.
    service.run_sql("UPDATE users SET email_verified = TRUE WHERE username = 'owner'");
    assert_eq!(free(Some(address), None).await.unwrap(), (vec!["owner".to_owned()], false));
    assert_eq!(change(&service, "mallory", json!(address)).await.status, 200);
    service.run_sql("UPDATE users SET email_verified = TRUE WHERE username = 'mallory'");
    assert_eq!(change(&service, "mallory", json!(null)).await.status, 200);
    change(&service, "owner", json!(address)).await.assert_problem(409, "email_taken");
    assert_eq!(free(Some(address), None).await.unwrap(), (vec![], true));
    assert_eq!(change(&service, "owner", json!(address)).await.status, 200);
    let owner = service.login("owner").await.claims()["sub"].as_str().unwrap().to_owned();
    assert_eq!(free(None, Some(&owner)).await.unwrap(), (vec!["owner".to_owned()], false));
    assert_eq!(free(None, Some(&owner)).await.unwrap(), (vec![], false));
    operator.audit.flush().await;
    let freed = "audit_events WHERE event = 'email_freed' AND details LIKE '%operator%'";
    assert_eq!(service.count(freed), 4);
    assert_eq!(service.count(&format!("{freed} AND subject IS NULL")), 1, "the address was only resting");
    assert_eq!(service.count(&format!("{freed} AND actor IS NULL")), 0, "every event has an actor");
}

/// Stores an address like an older version, which only changed it to lower case.
async fn register_like_an_older_version(service: &Service, username: &str, email: &str) {
    service.register(username).await;
    service.run_sql(&format!("UPDATE users SET email = '{email}' WHERE username = '{username}'"));
}

#[actix_web::test]
async fn addresses_from_older_versions_are_rewritten_when_that_is_safe_and_reported_otherwise() {
    let service = Service::start().await;
    register_like_an_older_version(&service, "plain", "plain@example.com").await;
    register_like_an_older_version(&service, "alone", "alone@bücher.example").await;
    register_like_an_older_version(&service, "owner", "ceo@bank.example").await;
    register_like_an_older_version(&service, "squatter", "ceo@ｂank.example").await;
    register_like_an_older_version(&service, "left", "twin@ｂank.example").await;
    register_like_an_older_version(&service, "right", "twin@bａnk.example").await;
    register_like_an_older_version(&service, "odd", "ﬁnance@bank.example").await;
    register_like_an_older_version(&service, "mailbox", "jörg@example.com").await;
    // Until then the stored spelling logs in; a spelling of another account's address logs in to that account.
    for (email, username) in [
        ("alone@bücher.example", "alone"),
        ("ceo@ｂank.example", "owner"),
        ("twin@ｂank.example", "left"),
        ("twin@bａnk.example", "right"),
        ("ﬁnance@bank.example", "odd"),
    ] {
        assert_eq!(try_login(&service, email).await.tokens().claims()["username"], username);
    }
    let operator = service.operator().await;
    let names = |accounts: &[String]| {
        let mut names: Vec<_> =
            accounts.iter().map(|account| account.split(' ').next().unwrap().to_owned()).collect();
        names.sort();
        names
    };
    let report = settle_addresses(&operator.store).await.unwrap();
    assert_eq!(report.respelled, 1);
    assert_eq!(names(&report.collisions), ["left", "right", "squatter"]);
    assert_eq!(names(&report.refused), ["odd"]);
    let again = settle_addresses(&operator.store).await.unwrap();
    assert_eq!(again, AddressReport { respelled: 0, ..report }, "a second run changes nothing");
    for (username, email) in [
        ("alone", "alone@xn--bcher-kva.example"),
        ("owner", "ceo@bank.example"),
        ("squatter", "ceo@ｂank.example"),
        ("left", "twin@ｂank.example"),
        ("odd", "ﬁnance@bank.example"),
        ("mailbox", "jörg@example.com"),
    ] {
        assert_eq!(email_of(&service, username).await, json!(email));
    }
    for email in ["alone@bücher.example", "ﬁnance@bank.example", "twin@ｂank.example"] {
        assert_eq!(try_login(&service, email).await.status, 200, "{email}");
    }
    // An operator can free any of them, also those that are no longer valid.
    let squatter = service.login("squatter").await.claims()["sub"].as_str().unwrap().to_owned();
    assert_eq!(operator.accounts.free_email(None, Some(squatter)).await.unwrap().holders.len(), 1);
    let odd = "ﬁnance@bank.example".to_owned();
    assert_eq!(operator.accounts.free_email(Some(odd), None).await.unwrap().holders.len(), 1);
    assert_eq!(try_login(&service, "ceo@ｂank.example").await.tokens().claims()["username"], "owner");
    assert_eq!(names(&settle_addresses(&operator.store).await.unwrap().collisions), ["left", "right"]);
}

#[actix_web::test]
async fn a_service_rewrites_addresses_that_an_older_replica_stored() {
    let service = Service::start().await;
    register_like_an_older_version(&service, "alone", "alone@bücher.example").await;
    let service = service.restart(&[]).await;
    assert_eq!(email_of(&service, "alone").await, json!("alone@xn--bcher-kva.example"));
    try_register(&service, "other", "alone@BÜCHER.example").await.assert_problem(409, "email_taken");
}
