//! `POST /register` and `GET /me`.

use serde_json::json;

use crate::api::support::{PASSWORD, START, Service};

#[actix_web::test]
async fn a_new_account_is_shown_to_its_owner_as_it_was_registered() {
    let service = Service::start().await;
    let body = json!({ "username": "Alice.B_1-x", "password": PASSWORD, "email": "Alice@Example.com" });
    let made = service.post("/register", &body).await;
    assert_eq!(made.status, 201);
    made.assert_envelope();
    let account = made.json();
    assert_eq!(account["username"], "alice.b_1-x", "folded");
    assert_eq!(account["email"], "alice@example.com", "folded");
    assert_eq!(account["roles"], json!([]));
    assert_eq!(account["created_at"], START);
    let tokens = service.login("ALICE.b_1-x").await;
    let me = service.get_as("/me", &tokens.access).await;
    assert_eq!((me.status.as_u16(), me.json()), (200, account));
    assert_eq!(me.header("cache-control"), "no-store");
}

#[actix_web::test]
async fn an_email_may_be_missing_or_null() {
    let service = Service::start().await;
    for (username, email) in [("anna", json!(null)), ("bert", json!(null))] {
        let made = service
            .post("/register", &json!({ "username": username, "password": PASSWORD, "email": email }))
            .await;
        assert_eq!((made.status.as_u16(), &made.json()["email"]), (201, &json!(null)));
    }
    service.register("carl").await;
}

#[actix_web::test]
async fn a_name_and_an_address_are_taken_once_in_any_letter_case() {
    let service = Service::start().await;
    let alice = json!({ "username": "alice", "password": PASSWORD, "email": "a@example.com" });
    assert_eq!(service.post("/register", &alice).await.status, 201);
    let same_name = json!({ "username": "ALICE", "password": PASSWORD });
    service.post("/register", &same_name).await.assert_problem(409, "username_taken");
    let same_address = json!({ "username": "bob", "password": PASSWORD, "email": "A@EXAMPLE.com" });
    service.post("/register", &same_address).await.assert_problem(409, "email_taken");
}

#[actix_web::test]
async fn twenty_racing_registrations_of_one_name_give_one_account() {
    let service = Service::start().await;
    let body = json!({ "username": "alice", "password": PASSWORD });
    let answers = futures_util::future::join_all((0..20).map(|_| service.post("/register", &body))).await;
    let made = answers.iter().filter(|answer| answer.status == 201).count();
    let taken = answers.iter().filter(|answer| answer.status == 409).count();
    assert_eq!((made, taken), (1, 19));
}

#[actix_web::test]
async fn a_closed_registration_is_refused_with_that_reason() {
    let service = Service::with(&[("AUTH__REGISTRATION__OPEN", "false")]).await;
    let body = json!({ "username": "alice", "password": PASSWORD });
    service.post("/register", &body).await.assert_problem(403, "registration_closed");
}

#[actix_web::test]
async fn each_rule_for_a_new_account_is_named_when_it_is_broken() {
    let service = Service::start().await;
    let long_name = "a".repeat(33);
    let longest_for_bcrypt = "ä".repeat(36);
    let rows = [
        ("al", PASSWORD, "a@example.com", "username", "not_allowed"),
        (long_name.as_str(), PASSWORD, "a@example.com", "username", "not_allowed"),
        ("", PASSWORD, "a@example.com", "username", "not_allowed"),
        ("alice\0", PASSWORD, "a@example.com", "username", "not_allowed"),
        ("alice\r\nx", PASSWORD, "a@example.com", "username", "not_allowed"),
        ("аlice", PASSWORD, "a@example.com", "username", "not_allowed"), // Cyrillic
        ("ａlice", PASSWORD, "a@example.com", "username", "not_allowed"), // full width
        ("al ice", PASSWORD, "a@example.com", "username", "not_allowed"),
        ("alice", "", "a@example.com", "password", "too_short"),
        ("alice", "elevenchars", "a@example.com", "password", "too_short"),
        ("alice", longest_for_bcrypt.as_str(), "a@example.com", "password", "too_long"),
        ("alice", "twelve\0chars", "a@example.com", "password", "not_allowed"),
        ("alice", "1q2w3e4r5t6y", "a@example.com", "password", "common"),
        ("alice", "PassWord1234", "a@example.com", "password", "common"),
        ("a.long.user.name", "A.Long.User.Name", "a@example.com", "password", "contains_name"),
        ("alice", "someone@example.com", "Someone@example.com", "password", "contains_name"),
        ("alice", PASSWORD, "not an address", "email", "not_allowed"),
        ("alice", PASSWORD, "a@b@c", "email", "not_allowed"),
        ("alice", PASSWORD, "", "email", "not_allowed"),
    ];
    for (username, password, email, field, code) in rows {
        let body = json!({ "username": username, "password": password, "email": email });
        let answer = service.post("/register", &body).await;
        answer.assert_problem(422, "invalid_fields");
        let errors = answer.json()["errors"].clone();
        assert_eq!(
            (&errors[0]["field"], &errors[0]["code"]),
            (&json!(field), &json!(code)),
            "{body}: {errors}"
        );
        assert_eq!(errors.as_array().unwrap().len(), 1, "{body}: {errors}");
        assert!(errors[0]["message"].is_string());
    }
}

#[actix_web::test]
async fn lookalike_characters_do_not_lead_to_another_account() {
    let service = Service::start().await;
    let mike = json!({ "username": "mike-s", "password": PASSWORD, "email": "mike.s@example.com" });
    assert_eq!(service.post("/register", &mike).await.status, 201);
    // The Kelvin sign, dotted and dotless i, long s, full-width, combining and invisible characters, Cyrillic.
    let rows = [
        ("mi\u{212a}e-s", "mi\u{212a}e.s@example.com"),
        ("m\u{130}ke-s", "m\u{130}ke.s@example.com"),
        ("m\u{131}ke-s", "m\u{131}ke.s@example.com"),
        ("mike-\u{17f}", "mike.\u{17f}@example.com"),
        ("\u{ff4d}ike-s", "\u{ff4d}ike.s@example.com"),
        ("mi\u{301}ke-s", "mi\u{301}ke.s@example.com"),
        ("mike\u{200b}-s", "mike\u{200b}.s@example.com"),
        ("\u{202e}s-ekim", "\u{202e}mike.s@example.com"),
        ("m\u{456}ke-s", "m\u{456}ke.s@example.com"),
        ("mike-s ", "mike.s@example.com "),
    ];
    for (index, (username, email)) in rows.into_iter().enumerate() {
        let body = json!({ "username": username, "password": PASSWORD });
        service.post("/register", &body).await.assert_problem(422, "invalid_fields");
        service.try_login(username, PASSWORD).await.assert_problem(401, "invalid_credentials");
        let by_email = json!({ "email": email, "password": PASSWORD });
        service.post("/login", &by_email).await.assert_problem(401, "invalid_credentials");
        let body = json!({ "username": format!("user-{index}"), "password": PASSWORD, "email": email });
        let status = service.post("/register", &body).await.status.as_u16();
        assert!(
            [201, 422].contains(&status),
            "{email:?} must be another account's address or invalid: {status}"
        );
    }
}

#[actix_web::test]
async fn the_password_policy_is_published() {
    let service = Service::start().await;
    let answer = service.get("/password-policy").await;
    assert_eq!((answer.status.as_u16(), answer.header("cache-control")), (200, "public, max-age=300"));
    answer.assert_envelope();
    let rules = answer.json();
    let expected = json!({
        "min_length": 12, "max_length": 1024, "max_bytes": 71, "blocklist": true, "normalization": "NFC",
        "sentences": rules["sentences"],
    });
    assert_eq!(rules, expected);
    let sentences = rules["sentences"].as_array().unwrap();
    assert!(
        sentences.len() == 4 && sentences.iter().all(|sentence| sentence.as_str().unwrap().ends_with('.'))
    );
    service.post("/password-policy", &json!({})).await.assert_problem(405, "method_not_allowed");
    let service = service.restart(&[("AUTH__PASSWORDS__ALGORITHM", "argon2id")]).await;
    assert_eq!(service.get("/password-policy").await.json()["max_bytes"], json!(null));
}

#[actix_web::test]
async fn a_password_that_contains_the_name_of_the_user_or_of_the_service_is_refused() {
    let variables = [
        ("AUTH__ISSUER", "https://auth.bookshop.example"),
        ("AUTH__PASSWORDS__SERVICE_NAMES", "The Reading Room"),
    ];
    let service = Service::with(&variables).await;
    let rows = [
        ("alice-archer1", "contains_name"),
        ("Bookshop-2026", "contains_service"),
        ("the reading room 1", "contains_service"),
        ("archer+bookshop", "contains_service"),
    ];
    for (password, code) in rows {
        let body = json!({ "username": "archer", "email": "alice@example.com", "password": password });
        let answer = service.post("/register", &body).await;
        answer.assert_problem(422, "invalid_fields");
        assert_eq!(answer.json()["errors"][0]["code"], code, "{password}");
    }
}

#[actix_web::test]
async fn a_password_is_the_same_in_every_unicode_normalization_form() {
    let service = Service::start().await;
    let (composed, decomposed) = ("zuf\u{e4}llig gew\u{e4}hlt", "zufa\u{308}llig gewa\u{308}hlt");
    for (username, password) in [("composed", composed), ("decomposed", decomposed)] {
        let body = json!({ "username": username, "password": password });
        assert_eq!(service.post("/register", &body).await.status, 201);
        for typed in [composed, decomposed] {
            assert_eq!(service.try_login(username, typed).await.status, 200, "{username}");
        }
        service.try_login(username, "zufallig gewahlt").await.assert_problem(401, "invalid_credentials");
    }
}

#[actix_web::test]
async fn all_broken_rules_are_reported_together() {
    let service = Service::start().await;
    let body = json!({ "username": "a", "password": "b", "email": "c" });
    let errors = service.post("/register", &body).await.json()["errors"].clone();
    let fields: Vec<_> =
        errors.as_array().unwrap().iter().map(|error| error["field"].as_str().unwrap()).collect();
    assert_eq!(fields, ["username", "email", "password"]);
}

#[actix_web::test]
async fn the_longest_password_for_bcrypt_is_compared_to_its_last_byte() {
    let service = Service::start().await;
    let longest = "x".repeat(71);
    let body = json!({ "username": "alice", "password": longest });
    assert_eq!(service.post("/register", &body).await.status, 201);
    assert_eq!(service.try_login("alice", &longest).await.status, 200);
    for other in ["x".repeat(70), format!("{}y", "x".repeat(70)), "x".repeat(72), "x".repeat(2000)] {
        service.try_login("alice", &other).await.assert_problem(401, "invalid_credentials");
    }
    // bcrypt repeats a password with its terminating NUL, so it would give this one the same hash.
    service.register("bob").await;
    let twice = format!("{PASSWORD}\0{PASSWORD}");
    service.try_login("bob", &twice).await.assert_problem(401, "invalid_credentials");
}

#[actix_web::test]
async fn argon2id_takes_long_passwords_and_both_kinds_of_hash_verify() {
    let service = Service::start().await;
    service.register("bcrypt-user").await;
    let argon2id = [
        ("AUTH__PASSWORDS__ALGORITHM", "argon2id"),
        ("AUTH__PASSWORDS__ARGON2ID__MEMORY_KIB", "64"),
        ("AUTH__PASSWORDS__ARGON2ID__ITERATIONS", "1"),
    ];
    let service = service.restart(&argon2id).await;
    let long = "long password ".repeat(20);
    let body = json!({ "username": "argon2-user", "password": long });
    assert_eq!(service.post("/register", &body).await.status, 201);
    assert_eq!(service.try_login("argon2-user", &long).await.status, 200);
    assert_eq!(service.try_login("bcrypt-user", PASSWORD).await.status, 200);
}
