//! Hashes that other systems made, with their own libraries: `scripts/make-foreign-hashes` writes the data.

use auth_service::store::users;
use auth_service::store::users::{Login, User};
use serde::Deserialize;
use serde_json::json;

use crate::api::support::{PASSWORD, Service};

#[derive(Deserialize)]
struct Made {
    library: String,
    version: String,
    form: String,
    password: String,
    hash: String,
}

fn hashes() -> Vec<Made> {
    serde_json::from_str(include_str!("../data/foreign_hashes.json")).unwrap()
}

async fn insert(service: &Service, username: &str, hash: &str) {
    let user = User {
        id: format!("id of {username}"),
        username: username.to_owned(),
        email: None,
        email_verified: false,
        password_hash: hash.to_owned(),
        roles: String::new(),
        disabled: false,
        auth_version: 0,
        created_at: 0,
    };
    let operator = service.operator().await;
    operator.store.write(move |db| users::insert(db, &user)).await.unwrap();
}

async fn stored(service: &Service, username: &str) -> User {
    let login = Login::Username(username.to_owned());
    service.operator().await.store.read(move |db| users::find(db, &login)).await.unwrap().unwrap()
}

#[actix_web::test]
async fn hashes_of_other_systems_verify_are_replaced_at_login_and_verify_again() {
    let service = Service::start().await;
    for (index, Made { library, version, form, password, hash }) in hashes().into_iter().enumerate() {
        let (username, name) = (format!("user-{index}"), format!("{library} {version} {form}"));
        insert(&service, &username, &hash).await;
        service.try_login(&username, "not this one").await.assert_problem(401, "invalid_credentials");
        assert_eq!(
            stored(&service, &username).await.password_hash,
            hash,
            "{name}: a failed login replaces nothing"
        );
        let session = service.try_login(&username, &password).await;
        assert_eq!(session.status, 200, "{name}: {}", session.text);
        let renewed = stored(&service, &username).await;
        let too_long_for_bcrypt = password.len() > 71;
        assert_eq!(renewed.password_hash.starts_with("$2b$04$"), !too_long_for_bcrypt, "{name}");
        assert_eq!(renewed.auth_version, 0, "{name}: sessions continue");
        assert_eq!(service.try_login(&username, &password).await.status, 200, "{name}");
        service.try_login(&username, "not this one").await.assert_problem(401, "invalid_credentials");
        service.refresh(&session.tokens().refresh).await;
    }
}

#[actix_web::test]
async fn a_hash_that_is_damaged_or_too_costly_is_a_wrong_password_at_login() {
    let service = Service::start().await;
    let salt = "c2FsdHNhbHRzYWx0";
    let rows = [
        String::new(),
        "not a hash".to_owned(),
        format!("$2b$31${}", "A".repeat(53)),
        format!("$argon2id$v=19$m=2097152,t=1,p=1${salt}${}", "A".repeat(43)),
        format!("scrypt:4194304:8:1$salt${}", "00".repeat(64)),
        format!("pbkdf2:sha256:2147483648$salt${}", "00".repeat(32)),
        format!("$pepper$k=00000000$2b$04${}", "A".repeat(53)),
        "$pepper$k=é".to_owned(),
    ];
    for (index, hash) in rows.iter().enumerate() {
        let username = format!("user-{index}");
        insert(&service, &username, hash).await;
        service.try_login(&username, PASSWORD).await.assert_problem(401, "invalid_credentials");
    }
}

#[actix_web::test]
async fn a_password_change_is_not_undone_by_a_login_that_replaces_the_hash() {
    let service = Service::start().await;
    service.register("alice").await;
    let before = stored(&service, "alice").await;
    let tokens = service.login("alice").await;
    let body = json!({ "current_password": PASSWORD, "new_password": "another horse battery" });
    let changed = service.send_as(reqwest::Method::PUT, "/me/password", &tokens.access, &body).await;
    assert_eq!(changed.status, 200);
    let after = stored(&service, "alice").await;
    let operator = service.operator().await;
    let renew = move |db: &mut _| users::renew_hash(db, &before.id, &before.password_hash, "renewed");
    operator.store.write(renew).await.unwrap();
    assert_eq!(stored(&service, "alice").await.password_hash, after.password_hash);
}

#[actix_web::test]
async fn concurrent_logins_that_replace_a_hash_all_succeed() {
    let service = Service::with(&[("AUTH__LIMITS__WAITING_PER_ACCOUNT", "60")]).await;
    service.register("alice").await;
    let service = service.restart(&[("AUTH__PASSWORDS__BCRYPT_COST", "5")]).await;
    let logins = (0..10).map(|_| service.try_login("alice", PASSWORD));
    for answer in futures_util::future::join_all(logins).await {
        assert_eq!(answer.status, 200, "{}", answer.text);
    }
    assert!(stored(&service, "alice").await.password_hash.starts_with("$2b$05$"));
}

#[actix_web::test]
async fn a_pepper_is_applied_at_the_next_login_and_can_be_replaced() {
    let (first, second) = ("the first pepper, with enough bytes", "the second pepper, with enough bytes");
    let service = Service::start().await;
    service.register("alice").await;
    let service = service.restart(&[("AUTH__PASSWORDS__PEPPER", first)]).await;
    service.login("alice").await;
    let peppered = stored(&service, "alice").await.password_hash;
    assert!(peppered.starts_with("$pepper$k="), "{peppered}");
    let long = "a passphrase of many words, ".repeat(10);
    let body = json!({ "username": "bob", "password": long });
    assert_eq!(
        service.post("/register", &body).await.status,
        201,
        "the length limit of bcrypt does not apply"
    );
    assert_eq!(service.try_login("bob", &long).await.status, 200);
    let rotated = [("AUTH__PASSWORDS__PEPPER", second), ("AUTH__PASSWORDS__PEPPER_PREVIOUS", first)];
    let service = service.restart(&rotated).await;
    service.login("alice").await;
    assert_ne!(stored(&service, "alice").await.password_hash[..20], peppered[..20]);
    let service = service.restart(&[("AUTH__PASSWORDS__PEPPER_PREVIOUS", "")]).await;
    service.login("alice").await;
    service.try_login("bob", &long).await.assert_problem(401, "invalid_credentials");
}
