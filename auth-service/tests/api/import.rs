//! `POST /admin/users/import`.

use reqwest::Method;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::api::administrators;
use crate::api::support::{Answer, PASSWORD, Service, send};

const NDJSON: &str = "application/x-ndjson";
/// bcrypt with cost 4 of [`PASSWORD`].
const HASH: &str = "$2b$04$oFKlZ3ENzEvFmT5CMwekBuVBDm2BElvtSpHmYpUTT7hjnI.L6EzTS";

async fn import(service: &Service, token: &str, query: &str, lines: &[Value]) -> Answer {
    let lines: Vec<String> = lines.iter().map(Value::to_string).collect();
    let body = lines.join("\n");
    import_text(service, token, query, body).await
}

async fn import_text(service: &Service, token: &str, query: &str, body: String) -> Answer {
    let request = service.request(Method::POST, &format!("/admin/users/import{query}")).bearer_auth(token);
    send(request.header("content-type", NDJSON).body(body)).await
}

/// Returns the outcome of each line, or the first error of a refused one.
fn outcomes(answer: &Answer) -> Vec<String> {
    assert_eq!(
        (answer.status.as_u16(), answer.header("cache-control")),
        (200, "no-store"),
        "{}",
        answer.text
    );
    let items = answer.json()["items"].as_array().unwrap().clone();
    let shown = items.iter().map(|item| {
        let error = &item["errors"][0];
        match error["field"].as_str() {
            Some(field) => format!("{field} {}", error["code"].as_str().unwrap()),
            None => item["outcome"].as_str().unwrap().to_owned(),
        }
    });
    shown.collect()
}

#[derive(Deserialize)]
struct Made {
    library: String,
    form: String,
    kind: String,
    password: String,
    hash: String,
}

#[actix_web::test]
async fn hashes_of_real_libraries_are_imported_and_log_in() {
    let service = Service::start().await;
    let token = administrators::log_in(&service).await.access;
    let made: Vec<Made> = serde_json::from_str(include_str!("../data/foreign_hashes.json")).unwrap();
    let line = |(index, made): (usize, &Made)| json!({ "username": format!("User-{index}"), "password_hash": made.hash });
    let lines: Vec<Value> = made.iter().enumerate().map(line).collect();
    let answer = import(&service, &token, "", &lines).await;
    assert_eq!(outcomes(&answer), vec!["created"; made.len()], "{}", answer.text);
    for kind in made.iter().map(|made| made.kind.as_str()) {
        let count = made.iter().filter(|made| made.kind == kind).count();
        assert_eq!(answer.json()["kinds"][kind], count, "{kind}");
    }
    // `foreign_hashes.rs` logs in with all of them; here it is enough that each hash is stored as it was sent.
    for (index, Made { library, form, password, .. }) in made.iter().enumerate().step_by(7) {
        let login = service.try_login(&format!("user-{index}"), password).await;
        assert_eq!(login.status, 200, "{library} {form}");
    }
    for (index, Made { library, form, hash, .. }) in made.iter().enumerate() {
        let middle = hash.len() / 2;
        for damaged in
            [&hash[..middle], &hash[1..], &format!("{hash}$"), &format!(" {hash}"), &hash.replace('$', "")]
        {
            let line = json!({ "username": format!("damaged-{index}"), "password_hash": damaged });
            let outcome = outcomes(&import(&service, &token, "", &[line]).await).remove(0);
            assert!(outcome.starts_with("password_hash "), "{library} {form} {damaged}: {outcome}");
        }
    }
}

#[actix_web::test]
async fn a_repeated_import_changes_nothing() {
    let service = Service::start().await;
    let token = administrators::log_in(&service).await.access;
    let lines = [
        json!({ "username": "Anna", "password_hash": HASH, "email": "Anna@Example.com", "email_verified": true,
                "roles": ["subscriber", "subscriber"], "disabled": null }),
        json!({ "username": "bert", "password_hash": HASH, "disabled": true, "email_verified": true }),
    ];
    let dry = import(&service, &token, "?dry_run=true", &lines).await;
    assert_eq!((outcomes(&dry), &dry.json()["dry_run"]), (vec!["created".to_owned(); 2], &json!(true)));
    let list = service.get_as("/admin/users", &token).await.json();
    assert_eq!(list["items"].as_array().unwrap().len(), 1, "nothing was stored");
    assert_eq!(outcomes(&import(&service, &token, "?dry_run=false", &lines).await), ["created", "created"]);
    assert_eq!(outcomes(&import(&service, &token, "", &lines).await), ["present", "present"]);
    let list = service.get_as("/admin/users", &token).await.json();
    let anna = &list["items"][0];
    assert_eq!(
        (&anna["username"], &anna["email"], &anna["email_verified"], &anna["roles"], &anna["disabled"]),
        (&json!("anna"), &json!("anna@example.com"), &json!(true), &json!(["subscriber"]), &json!(false))
    );
    let bert = &list["items"][1];
    assert_eq!((&bert["email_verified"], &bert["disabled"]), (&json!(false), &json!(true)));
    service.try_login("bert", PASSWORD).await.assert_problem(401, "invalid_credentials");
}

#[actix_web::test]
async fn a_dry_run_reports_what_the_import_would_do_also_for_repeated_names_far_apart() {
    let service = Service::with(&[("AUTH__IMPORT__MAX_BODY_BYTES", "2000000")]).await;
    let token = administrators::log_in(&service).await.access;
    let other = HASH.replace("$04", "$05");
    let line = |index: usize, hash: &str, mailbox: usize| {
        let email = format!("mailbox-{mailbox}@example.com");
        json!({ "username": format!("user-{index}"), "password_hash": hash, "email": email })
    };
    let mut lines: Vec<Value> = (0..1200).map(|index| line(index, HASH, index)).collect();
    // Again: the same account, a name with another hash, a name in capitals, an address with another name. The name and
    // the address of a refused line are still free.
    lines.extend([line(3, HASH, 3), line(4, &other, 4), line(2000, HASH, 5), line(5, HASH, 2005)]);
    lines.push(json!({ "username": "USER-6", "password_hash": other }));
    lines
        .push(json!({ "username": "user-2000", "password_hash": HASH, "email": "mailbox-2005@example.com" }));
    let dry = outcomes(&import(&service, &token, "?dry_run=true", &lines).await);
    let expected = ["present", "username taken", "email taken", "present", "username taken", "created"];
    assert_eq!(dry[1200..], expected);
    assert_eq!(service.count("users"), 1, "nothing was stored");
    assert_eq!(outcomes(&import(&service, &token, "", &lines).await), dry);
}

#[actix_web::test]
async fn each_line_that_breaks_a_rule_is_refused_and_the_others_are_imported() {
    let service = Service::start().await;
    let token = administrators::log_in(&service).await.access;
    service.register("taken").await;
    let salt = "c2FsdHNhbHRzYWx0";
    let rows = [
        (json!({ "username": "first", "password_hash": HASH, "email": "a@example.com" }), "created"),
        (json!({ "username": "taken", "password_hash": HASH }), "username taken"),
        (json!({ "username": "second", "password_hash": HASH, "email": "A@example.com" }), "email taken"),
        (json!({ "username": "FIRST", "password_hash": HASH }), "present"),
        (json!({ "username": "al", "password_hash": HASH }), "username not_allowed"),
        (json!({ "username": "аlice", "password_hash": HASH }), "username not_allowed"),
        (json!({ "username": "third", "password_hash": HASH, "email": "no-address" }), "email not_allowed"),
        (json!({ "username": "third", "password_hash": HASH, "roles": ["two words"] }), "roles not_allowed"),
        (json!({ "username": "third", "password_hash": PASSWORD }), "password_hash unknown_kind"),
        (json!({ "username": "third", "password_hash": HASH.replace("$2b", "$2x") }), "password_hash faulty"),
        (
            json!({ "username": "third", "password_hash": HASH.replace("$04", "$31") }),
            "password_hash too_costly",
        ),
        (
            json!({ "username": "third", "password_hash": format!("$scrypt$ln=22,r=8,p=1${salt}${}", "A".repeat(43)) }),
            "password_hash too_costly",
        ),
        (
            json!({ "username": "third", "password_hash": format!("pbkdf2:sha256:2147483648$salt${}", "0".repeat(64)) }),
            "password_hash too_costly",
        ),
        (
            json!({ "username": "third", "password_hash": format!("$pepper$k=00000000{HASH}") }),
            "password_hash other_pepper",
        ),
        (json!({ "username": "third" }), "password_hash required"),
        (json!({ "username": "third", "password": PASSWORD, "password_hash": HASH }), "line unknown_field"),
        (json!(["third", HASH]), "line malformed"),
        (json!({ "username": "third", "password_hash": HASH }), "created"),
    ];
    let (lines, expected): (Vec<Value>, Vec<&str>) = rows.into_iter().unzip();
    let answer = import(&service, &token, "", &lines).await;
    assert_eq!(outcomes(&answer), expected);
    let counts = answer.json();
    assert_eq!(
        (&counts["created"], &counts["present"], &counts["refused"]),
        (&json!(2), &json!(1), &json!(15))
    );
    assert!(!answer.text.contains(HASH) && !answer.text.contains(PASSWORD), "no value is in the answer");
    assert_eq!(service.try_login("third", PASSWORD).await.status, 200);
}

#[actix_web::test]
async fn an_import_that_is_too_large_or_of_another_type_is_refused_as_a_whole() {
    let variables = [("AUTH__IMPORT__MAX_BODY_BYTES", "4096"), ("AUTH__IMPORT__MAX_LINES", "3")];
    let service = Service::with(&variables).await;
    let token = administrators::log_in(&service).await.access;
    let line = json!({ "username": "anna", "password_hash": HASH });
    let lines = [(); 4].map(|()| line.clone());
    import(&service, &token, "", &lines).await.assert_problem(413, "too_many_lines");
    import_text(&service, &token, "", " ".repeat(5000)).await.assert_problem(413, "body_too_large");
    import(&service, &token, "?dry_run=maybe", &lines[..1]).await.assert_problem(400, "malformed_query");
    import(&service, &token, "?dry=true", &lines[..1]).await.assert_problem(400, "malformed_query");
    let as_json = service.send_as(Method::POST, "/admin/users/import", &token, &line).await;
    as_json.assert_problem(415, "unsupported_media_type");
    let list = service.get_as("/admin/users", &token).await.json();
    assert_eq!(list["items"].as_array().unwrap().len(), 1, "nothing was stored");
    assert_eq!(import(&service, &token, "", &[]).await.json()["items"], json!([]));
}

#[actix_web::test]
async fn only_administrators_can_import() {
    let service = Service::start().await;
    let line = json!({ "username": "anna", "password_hash": HASH });
    service.register("user").await;
    let lines = std::slice::from_ref(&line);
    for (user, code) in [
        (service.login("user").await, "audience_missing"),
        (service.login_here("user").await, "insufficient_scope"),
    ] {
        import(&service, &user.access, "", lines).await.assert_problem(403, code);
    }
    import(&service, "x", "", &[line]).await.assert_problem(401, "invalid_token");
}

#[actix_web::test]
async fn concurrent_imports_and_registrations_do_not_disturb_each_other() {
    let service = Service::start().await;
    let token = administrators::log_in(&service).await.access;
    let lines: Vec<Value> =
        (0..40).map(|index| json!({ "username": format!("user-{index}"), "password_hash": HASH })).collect();
    let imports = futures_util::future::join_all((0..3).map(|_| import(&service, &token, "", &lines)));
    let registrations = futures_util::future::join_all((0..40).map(async |index| {
        let body = json!({ "username": format!("user-{index}"), "password": PASSWORD });
        service.post("/register", &body).await.status.as_u16()
    }));
    let (imports, registrations) = futures_util::future::join(imports, registrations).await;
    assert!(registrations.iter().all(|status| [201, 409].contains(status)), "{registrations:?}");
    let by_registration = registrations.iter().filter(|status| **status == 201).count();
    let created: u64 = imports.iter().map(|answer| answer.json()["created"].as_u64().unwrap()).sum();
    assert_eq!(created + by_registration as u64, 40);
}
