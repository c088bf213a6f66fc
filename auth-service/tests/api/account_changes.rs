//! `PUT /me/password`, `PATCH /me` and `DELETE /me`.

use std::cell::Cell;
use std::time::Duration;

use futures_util::future::{join, join3};
use reqwest::Method;
use serde_json::{Value, json};

use crate::api::support::{Answer, PASSWORD, START, Service, send};

const NEW_PASSWORD: &str = "a different staple";
/// Rounds of a race after which the test fails if the awaited outcome never came.
const ROUNDS: usize = 20;

/// The refused fields, each with its code.
type Mistakes = &'static [(&'static str, &'static str)];
type Route = (Method, &'static str);

async fn put_password(service: &Service, access: &str, current: &str, new: &str) -> Answer {
    let body = json!({ "current_password": current, "new_password": new });
    service.send_as(Method::PUT, "/me/password", access, &body).await
}

async fn assert_alive(service: &Service, access: &str) {
    assert_eq!(service.get_as("/me", access).await.status, 200);
}

async fn register_with_email(service: &Service, username: &str, email: &str) {
    let body = json!({ "username": username, "password": PASSWORD, "email": email });
    assert_eq!(service.post("/register", &body).await.status, 201);
}

#[actix_web::test]
async fn a_new_password_ends_every_earlier_session_and_begins_one() {
    let service = Service::start().await;
    let asking = service.create_client("asking", &[], &["resource-service", service.issuer()]).await;
    let bystander = service.register_and_login("bob").await;
    service.register("alice").await;
    let first = service.login_here("alice").await;
    let second = service.login("alice").await;
    let third = service.refresh(&service.login("alice").await.refresh).await;
    service.clock.advance(Duration::from_secs(5));
    let request = service.request(Method::PUT, "/me/password").header("user-agent", "new device/1");
    let body = json!({ "current_password": PASSWORD, "new_password": NEW_PASSWORD });
    let answer = send(request.bearer_auth(&first.access).json(&body)).await;
    assert_eq!((answer.status.as_u16(), answer.header("cache-control")), (200, "no-store"));
    let new = answer.tokens();
    assert_ne!(new.claims()["sid"], first.claims()["sid"]);
    assert_eq!(new.claims()["auth_time"], START + 5);
    for ended in [&first, &second, &third] {
        service.try_refresh(&ended.refresh).await.assert_oauth_error(400, "invalid_grant");
        service.get_as("/me", &ended.access).await.assert_problem(401, "token_revoked");
        assert!(!service.is_active(&asking, &ended.access).await);
    }
    let list = service.get_as("/me/sessions", &new.access).await.json();
    let expected = json!({ "items": [{
        "id": new.claims()["sid"], "created_at": START + 5, "last_used_at": START + 5,
        "ip": "127.0.0.1", "user_agent": "new device/1", "current": true,
    }], "next": null });
    assert_eq!(list, expected);
    service.try_login("alice", PASSWORD).await.assert_problem(401, "invalid_credentials");
    assert_eq!(service.try_login("alice", NEW_PASSWORD).await.status, 200);
    let new = service.refresh(&new.refresh).await;
    assert_alive(&service, &new.access).await;
    assert!(service.is_active(&asking, &new.access).await);
    assert_alive(&service, &bystander.access).await;
    // Once more, in the session that began with the change.
    assert_eq!(put_password(&service, &new.access, NEW_PASSWORD, PASSWORD).await.status, 200);
    service.get_as("/me", &new.access).await.assert_problem(401, "token_revoked");
    service.login("alice").await;
}

#[actix_web::test]
async fn a_wrong_current_password_changes_nothing() {
    let service = Service::with(&[("AUTH__LIMITS__ACCOUNT_FROM_SOURCE__ATTEMPTS", "100")]).await;
    let tokens = service.register_and_login("alice").await;
    let wrong = ["wrong password", "", &PASSWORD.to_uppercase(), &format!("{PASSWORD} "), "with a \0 inside"];
    let too_long = "x".repeat(5000);
    for current in wrong.into_iter().chain([too_long.as_str()]) {
        for (method, path, mut body) in [
            (Method::PUT, "/me/password", json!({ "new_password": NEW_PASSWORD })),
            (Method::PATCH, "/me", json!({ "username": "malice" })),
            (Method::DELETE, "/me", json!({})),
        ] {
            body["current_password"] = json!(current);
            let answer = service.send_as(method, path, &tokens.access, &body).await;
            answer.assert_problem(403, "invalid_credentials");
            assert_eq!(answer.header("www-authenticate"), "", "the token is valid");
        }
    }
    service.try_login("alice", NEW_PASSWORD).await.assert_problem(401, "invalid_credentials");
    service.try_login("malice", PASSWORD).await.assert_problem(401, "invalid_credentials");
    service.login("alice").await;
    assert_alive(&service, &tokens.access).await;
    service.refresh(&tokens.refresh).await;
}

#[actix_web::test]
async fn a_change_that_breaks_a_rule_is_refused_with_its_field_and_code() {
    let service = Service::start().await;
    register_with_email(&service, "alice.liddell", "rabbit.hole@example.com").await;
    let tokens = service.login("alice.liddell").await;
    let asking = service.create_client("asking", &[], &[]).await;
    let password = |new: &str| json!({ "current_password": PASSWORD, "new_password": new });
    let names = |member: &str, value: &str| json!({ "current_password": PASSWORD, member: value });
    let put = || (Method::PUT, "/me/password");
    let patch = || (Method::PATCH, "/me");
    let delete = || (Method::DELETE, "/me");
    let rows: Vec<(Route, Value, Mistakes)> = vec![
        (put(), password("short"), &[("new_password", "too_short")]),
        (put(), password("with a \0 inside"), &[("new_password", "not_allowed")]),
        (put(), password(&"ab1 ".repeat(18)), &[("new_password", "too_long")]),
        (put(), password(&"ä".repeat(36)), &[("new_password", "too_long")]),
        (put(), password(&"x".repeat(1025)), &[("new_password", "too_long")]),
        (put(), password("Alice.Liddell"), &[("new_password", "contains_name")]),
        (put(), password("Rabbit.Hole@example.com"), &[("new_password", "contains_name")]),
        (put(), password("passwordpassword"), &[("new_password", "common")]),
        (put(), json!({}), &[("current_password", "required"), ("new_password", "required")]),
        (put(), json!({ "new_password": NEW_PASSWORD }), &[("current_password", "required")]),
        (put(), json!({ "current_password": PASSWORD }), &[("new_password", "required")]),
        (
            put(),
            json!({ "current_password": PASSWORD, "new_password": null }),
            &[("new_password", "wrong_type")],
        ),
        (
            put(),
            json!({ "current_password": PASSWORD, "new_password": NEW_PASSWORD, "username": "mallory" }),
            &[("username", "unknown_field")],
        ),
        (patch(), names("username", "al"), &[("username", "not_allowed")]),
        (patch(), names("username", ""), &[("username", "not_allowed")]),
        (patch(), names("username", "al\0ice"), &[("username", "not_allowed")]),
        (patch(), names("username", "аlice"), &[("username", "not_allowed")]),
        (patch(), names("username", &"a".repeat(33)), &[("username", "not_allowed")]),
        (patch(), names("email", "nowhere"), &[("email", "not_allowed")]),
        (patch(), names("email", ""), &[("email", "not_allowed")]),
        (patch(), names("email", "a\0@example.com"), &[("email", "not_allowed")]),
        (
            patch(),
            json!({ "current_password": PASSWORD, "username": "a b", "email": "a b" }),
            &[("username", "not_allowed"), ("email", "not_allowed")],
        ),
        (patch(), json!({ "current_password": PASSWORD }), &[("username", "required")]),
        (patch(), json!({ "current_password": PASSWORD, "username": null }), &[("username", "required")]),
        (patch(), json!({ "username": "mallory" }), &[("current_password", "required")]),
        (
            patch(),
            json!({ "current_password": PASSWORD, "username": 7, "email": true }),
            &[("username", "wrong_type"), ("email", "wrong_type")],
        ),
        (
            patch(),
            json!({ "current_password": PASSWORD, "username": "mallory", "roles": ["admin"] }),
            &[("roles", "unknown_field")],
        ),
        (delete(), json!({}), &[("current_password", "required")]),
        (
            delete(),
            json!({ "current_password": PASSWORD, "id": "x", "username": "bob" }),
            &[("id", "unknown_field"), ("username", "unknown_field")],
        ),
    ];
    for ((method, path), body, mistakes) in rows {
        let answer = service.send_as(method.clone(), path, &tokens.access, &body).await;
        answer.assert_problem(422, "invalid_fields");
        let errors = answer.json()["errors"].clone();
        let found = errors.as_array().unwrap().iter().map(|error| (&error["field"], &error["code"]));
        let found: Vec<_> =
            found.map(|(field, code)| (field.as_str().unwrap(), code.as_str().unwrap())).collect();
        assert_eq!(found, mistakes, "{method} {path} {body}");
    }
    for (method, path) in [put(), patch(), delete()] {
        send(service.request(method.clone(), path).json(&json!({})))
            .await
            .assert_problem(401, "missing_token");
        let form =
            service.request(method.clone(), path).bearer_auth(&tokens.access).body("current_password=x");
        send(form).await.assert_problem(415, "unsupported_media_type");
        let repeated = r#"{"current_password":"a","current_password":"b"}"#;
        let request = service.request(method, path).bearer_auth(&tokens.access).body(repeated);
        send(request.header("content-type", "application/json")).await.assert_problem(400, "malformed_body");
    }
    assert!(service.is_active(&asking, &tokens.access).await, "nothing was changed");
    service.login("alice.liddell").await;
}

#[actix_web::test]
async fn of_concurrent_password_changes_one_succeeds() {
    let one = Service::start().await;
    let other = one.replica().await;
    let mut current = PASSWORD.to_owned();
    one.register("alice").await;
    for round in 0..5 {
        let [left, right] = [format!("{NEW_PASSWORD} left {round}"), format!("{NEW_PASSWORD} right {round}")];
        let sessions = [one.try_login("alice", &current).await, other.try_login("alice", &current).await]
            .map(|it| it.tokens());
        let answers = join(
            put_password(&one, &sessions[0].access, &current, &left),
            put_password(&other, &sessions[1].access, &current, &right),
        )
        .await;
        let (won, lost, password, refused) = if answers.0.status == 200 {
            (answers.0, answers.1, left, right)
        } else {
            (answers.1, answers.0, right, left)
        };
        // The second request finds its session ended, another password, or an account that changed in the meantime.
        match lost.status.as_u16() {
            401 => lost.assert_problem(401, "token_revoked"),
            403 => lost.assert_problem(403, "invalid_credentials"),
            _ => lost.assert_problem(409, "account_changed"),
        }
        one.try_login("alice", &refused).await.assert_problem(401, "invalid_credentials");
        for ended in &sessions {
            one.get_as("/me", &ended.access).await.assert_problem(401, "token_revoked");
        }
        one.refresh(&won.tokens().refresh).await;
        current = password;
    }
}

/// A change to an account while the password of a login to it is being hashed.
#[derive(Debug, Clone, Copy)]
enum Change {
    Password,
    Names,
    Deletion,
    Disabling,
    FewerRoles,
}

impl Change {
    async fn make(self, service: &Service, username: &str, access: &str) {
        let answer = match self {
            Self::Password => put_password(service, access, PASSWORD, NEW_PASSWORD).await,
            Self::Names => {
                let body = json!({ "username": format!("{username}.new"), "current_password": PASSWORD });
                service.send_as(Method::PATCH, "/me", access, &body).await
            }
            Self::Deletion => {
                let body = json!({ "current_password": PASSWORD });
                service.send_as(Method::DELETE, "/me", access, &body).await
            }
            Self::Disabling => {
                service.operator().await.accounts.set_disabled(username, true).await.unwrap().unwrap();
                return;
            }
            Self::FewerRoles => {
                let fewer = vec!["subscriber".to_owned()];
                service
                    .operator()
                    .await
                    .accounts
                    .change_roles(username, vec![], fewer)
                    .await
                    .unwrap()
                    .unwrap();
                return;
            }
        };
        assert!(answer.status.is_success(), "{self:?}: {}", answer.text);
    }
}

#[actix_web::test]
async fn a_login_gets_no_session_when_the_account_changes_while_its_password_is_hashed() {
    let service = Service::start().await;
    let variables = [("AUTH__PASSWORDS__BCRYPT_COST", "11"), ("AUTH__HASHING__THREADS", "1")];
    let slow = service.replica_with(&variables).await;
    let asking = service.create_client("asking", &[], &[]).await;
    for change in [Change::Password, Change::Names, Change::Deletion, Change::Disabling, Change::FewerRoles] {
        let mut late = false;
        for round in 0..ROUNDS {
            let username = format!("{change:?}-{round}");
            service.register(&username).await;
            let operator = service.operator().await;
            let more = vec!["subscriber".to_owned()];
            operator.accounts.change_roles(&username, more, vec![]).await.unwrap().unwrap();
            let tokens = service.login(&username).await;
            let changed = Cell::new(false);
            // The only hashing thread of the slow service first hashes something else.
            let (_, (answer, after_the_change), ()) = join3(
                slow.register(&format!("{username}.other")),
                async { (slow.try_login(&username, PASSWORD).await, changed.get()) },
                async {
                    change.make(&service, &username, &tokens.access).await;
                    changed.set(true);
                },
            )
            .await;
            if answer.status == 200 {
                // The login came before the change or after it: its token is inactive, or up to date.
                let access = answer.tokens().access;
                let true_now = answer.tokens().claims()["roles"] == json!([]);
                assert!(!service.is_active(&asking, &access).await || true_now, "{change:?}");
            } else {
                answer.assert_problem(401, "invalid_credentials");
                late = after_the_change;
            }
            if late {
                break;
            }
        }
        assert!(late, "{change:?}: no login was slow enough");
    }
}

#[actix_web::test]
async fn a_user_changes_name_and_address_and_the_sessions_continue_with_them() {
    let variables = [("AUTH__TOKENS__UNVERIFIED_EMAIL", "true"), ("AUTH__ACCOUNTS__MAX_RESTING", "9")];
    let service = Service::with(&variables).await;
    let asking = service.create_client("asking", &[], &[]).await;
    register_with_email(&service, "alice", "alice@example.com").await;
    service.run_sql("UPDATE users SET email_verified = TRUE");
    let mut tokens = service.login("alice").await;
    let id = tokens.claims()["sub"].clone();
    let rows = [
        (json!({ "username": "Alicia" }), "alicia", json!("alice@example.com"), true),
        (json!({ "email": "Alicia@Example.com" }), "alicia", json!("alicia@example.com"), false),
        (
            json!({ "username": "ally", "email": "ally@example.com" }),
            "ally",
            json!("ally@example.com"),
            false,
        ),
        (json!({ "email": null }), "ally", json!(null), false),
        (json!({ "username": "alice", "email": null }), "alice", json!(null), false),
    ];
    for (mut change, username, email, verified) in rows {
        let before = tokens.claims()["username"].as_str().unwrap().to_owned();
        change["current_password"] = json!(PASSWORD);
        let answer = service.send_as(Method::PATCH, "/me", &tokens.access, &change).await;
        assert_eq!(
            (answer.status.as_u16(), answer.header("cache-control")),
            (200, "no-store"),
            "{}",
            answer.text
        );
        let account =
            json!({ "id": id, "username": username, "email": email, "roles": [], "created_at": START });
        assert_eq!(answer.json(), account);
        assert_eq!(
            service.get_as("/me", &tokens.access).await.json(),
            account,
            "auth-service's own routes read the account"
        );
        assert!(!service.is_active(&asking, &tokens.access).await, "the name in it is out of date");
        let next = service.refresh(&tokens.refresh).await;
        let claims = next.claims();
        assert_eq!((&claims["sub"], &claims["sid"]), (&id, &tokens.claims()["sid"]));
        assert_ne!(claims["status"], tokens.claims()["status"]);
        assert_eq!(claims["username"], username);
        let shown = if email.is_null() { json!([null, null]) } else { json!([email, verified]) };
        assert_eq!(json!([claims["email"], claims["email_verified"]]), shown);
        assert!(service.is_active(&asking, &next.access).await);
        service.login(username).await;
        if before != username {
            service.try_login(&before, PASSWORD).await.assert_problem(401, "invalid_credentials");
        }
        tokens = next;
    }
}

#[actix_web::test]
async fn a_change_to_the_present_values_changes_nothing() {
    let service = Service::start().await;
    let asking = service.create_client("asking", &[], &[]).await;
    register_with_email(&service, "alice", "alice@example.com").await;
    let tokens = service.login("alice").await;
    let same = json!({ "username": "ALICE", "email": "Alice@example.com", "current_password": PASSWORD });
    assert_eq!(service.send_as(Method::PATCH, "/me", &tokens.access, &same).await.status, 200);
    assert!(service.is_active(&asking, &tokens.access).await);
}

#[actix_web::test]
async fn a_name_or_an_address_of_another_account_is_a_conflict() {
    let service = Service::start().await;
    let asking = service.create_client("asking", &[], &[]).await;
    register_with_email(&service, "bob", "bob@example.com").await;
    let tokens = service.register_and_login("alice").await;
    for (change, code) in [
        (json!({ "username": "bob" }), "username_taken"),
        (json!({ "username": "BOB", "email": "new@example.com" }), "username_taken"),
        (json!({ "email": "Bob@Example.com" }), "email_taken"),
        (json!({ "username": "malice", "email": "bob@example.com" }), "email_taken"),
    ] {
        let mut body = change;
        body["current_password"] = json!(PASSWORD);
        service.send_as(Method::PATCH, "/me", &tokens.access, &body).await.assert_problem(409, code);
    }
    assert!(service.is_active(&asking, &tokens.access).await, "nothing was changed");
    service.try_login("malice", PASSWORD).await.assert_problem(401, "invalid_credentials");
    // Of two concurrent renames to the same name, one succeeds.
    let carl = service.register_and_login("carl").await;
    let want = json!({ "username": "wanted", "current_password": PASSWORD });
    let answers = join(
        service.send_as(Method::PATCH, "/me", &tokens.access, &want),
        service.send_as(Method::PATCH, "/me", &carl.access, &want),
    )
    .await;
    let mut statuses = [answers.0.status.as_u16(), answers.1.status.as_u16()];
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 409]);
}

#[actix_web::test]
async fn a_deleted_account_is_gone_and_its_name_is_free_again_after_its_rest() {
    let service = Service::start().await;
    let asking = service.create_client("asking", &[], &[]).await;
    register_with_email(&service, "alice", "alice@example.com").await;
    let (first, second) = (service.login("alice").await, service.login("alice").await);
    let bystander = service.register_and_login("bob").await;
    let body = json!({ "current_password": PASSWORD });
    let answer = service.send_as(Method::DELETE, "/me", &first.access, &body).await;
    assert_eq!((answer.status.as_u16(), answer.text.as_str()), (204, ""));
    let assert_gone = async || {
        for tokens in [&first, &second] {
            service.get_as("/me", &tokens.access).await.assert_problem(401, "token_revoked");
            service.try_refresh(&tokens.refresh).await.assert_oauth_error(400, "invalid_grant");
            assert!(!service.is_active(&asking, &tokens.access).await);
        }
        service
            .send_as(Method::DELETE, "/me", &second.access, &body)
            .await
            .assert_problem(401, "token_revoked");
        service.logout(&second.access).await.assert_problem(401, "token_revoked");
    };
    service.try_login("alice", PASSWORD).await.assert_problem(401, "invalid_credentials");
    assert_gone().await;
    let again = json!({ "username": "alice", "password": PASSWORD });
    service.post("/register", &again).await.assert_problem(409, "username_taken");
    let without_rest = service.replica_with(&[("AUTH__ACCOUNTS__REST", "0s")]).await;
    register_with_email(&without_rest, "alice", "alice@example.com").await;
    let again = service.login("alice").await;
    assert_ne!(again.claims()["sub"], first.claims()["sub"], "an id is never given twice");
    assert_gone().await;
    assert_alive(&service, &again.access).await;
    assert_alive(&service, &bystander.access).await;
    service.refresh(&bystander.refresh).await;
}

#[actix_web::test]
async fn a_name_cannot_be_changed_to_the_password() {
    let service = Service::start().await;
    let password = "horse.battery-staple";
    service.post("/register", &json!({ "username": "alice", "password": password })).await;
    let tokens = service.try_login("alice", password).await.tokens();
    for names in [
        json!({ "username": "Horse.Battery-Staple" }),
        json!({ "email": "horse.battery-staple@example.com" }),
    ] {
        let mut body = names;
        body["current_password"] = json!(password);
        let request = service.request(Method::PATCH, "/me").bearer_auth(&tokens.access).json(&body);
        send(request).await.assert_problem(422, "invalid_fields");
    }
}
