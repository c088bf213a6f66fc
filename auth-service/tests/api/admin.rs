//! `GET /admin/users`.

use serde_json::{Value, json};

use crate::api::administrators::{self, ISSUER};
use crate::api::support::{PASSWORD, START, Service};

/// Returns an access token with this audience for a new user with this role.
async fn token_of(service: &Service, username: &str, role: &str, audience: &str) -> String {
    administrators::create(service, username, role).await;
    let body = json!({ "username": username, "password": PASSWORD, "resource": audience });
    service.post("/login", &body).await.tokens().access
}

fn names(list: &Value) -> Vec<&str> {
    list["items"].as_array().unwrap().iter().map(|item| item["username"].as_str().unwrap()).collect()
}

#[actix_web::test]
async fn an_administrator_pages_through_all_users_by_cursor() {
    let service = Service::start().await;
    let admin = token_of(&service, "root", "admin", ISSUER).await;
    // In byte order, on both databases.
    for name in ["b-b", "b.b", "b_b", "bbb", "aa9", "aa10", "z.z"] {
        let email = format!("{name}@example.com");
        let body = json!({ "username": name, "password": PASSWORD, "email": email });
        assert_eq!(service.post("/register", &body).await.status, 201);
    }
    let (mut seen, mut cursor) = (Vec::new(), String::new());
    loop {
        let answer = service.get_as(&format!("/admin/users?limit=3&cursor={cursor}"), &admin).await;
        assert_eq!((answer.status.as_u16(), answer.header("cache-control")), (200, "no-store"));
        let list = answer.json();
        seen.extend(names(&list).into_iter().map(str::to_owned));
        match list["next"].as_str() {
            Some(next) => next.clone_into(&mut cursor),
            None => break,
        }
    }
    assert_eq!(seen, ["aa10", "aa9", "b-b", "b.b", "b_b", "bbb", "root", "z.z"]);
    let everybody = service.get_as("/admin/users", &admin).await.json();
    let root = everybody["items"]
        .as_array()
        .unwrap()
        .iter()
        .find(|item| item["username"] == "root")
        .unwrap()
        .clone();
    let expected = json!({
        "id": root["id"], "username": "root", "email": null, "email_verified": false,
        "roles": ["admin"], "disabled": false, "created_at": START,
    });
    assert_eq!(root, expected, "no other member, above all no hash");
}

#[actix_web::test]
async fn users_are_found_by_a_prefix_of_their_name_or_address() {
    let service = Service::start().await;
    let admin = token_of(&service, "root", "admin", ISSUER).await;
    for (name, email) in
        [("anna", "x@example.com"), ("annabel", "anna@example.com"), ("bert", "anna@example.org")]
    {
        let body = json!({ "username": name, "password": PASSWORD, "email": email });
        assert_eq!(service.post("/register", &body).await.status, 201);
    }
    let rows: [(&str, &[&str]); 6] = [
        ("ann", &["anna", "annabel"]),
        ("ANNA", &["anna", "annabel"]),
        ("anna@", &["annabel", "bert"]),
        ("anna@example.c", &["annabel"]),
        ("%25", &[]),
        ("unknown", &[]),
    ];
    for (search, found) in rows {
        let list = service.get_as(&format!("/admin/users?search={search}"), &admin).await.json();
        assert_eq!(names(&list), found, "{search}");
    }
    let first = service.get_as("/admin/users?search=anna@&limit=1", &admin).await.json();
    let cursor = first["next"].as_str().unwrap();
    let rest =
        service.get_as(&format!("/admin/users?search=anna@&limit=1&cursor={cursor}"), &admin).await.json();
    assert_eq!((names(&first), names(&rest), &rest["next"]), (vec!["annabel"], vec!["bert"], &json!(null)));
}

#[actix_web::test]
async fn only_administrators_with_a_token_for_this_service_get_the_list() {
    let service = Service::start().await;
    service.get("/admin/users").await.assert_problem(401, "missing_token");
    service.get_as("/admin/users", "x").await.assert_problem(401, "invalid_token");
    let rows = [
        (token_of(&service, "subscriber", "subscriber", ISSUER).await, "insufficient_scope"),
        (token_of(&service, "admin-elsewhere", "admin", "resource-service").await, "audience_missing"),
    ];
    for (token, code) in rows {
        let answer = service.get_as("/admin/users", &token).await;
        answer.assert_problem(403, code);
        let challenged = answer.header("www-authenticate").contains(r#"error="insufficient_scope""#);
        assert_eq!(challenged, code == "insufficient_scope");
    }
    // The current rights count, not those in the token.
    let admin = token_of(&service, "root", "admin", ISSUER).await;
    let operator = service.operator().await;
    operator.accounts.change_roles("root", vec![], vec!["admin".to_owned()]).await.unwrap().unwrap();
    service.get_as("/admin/users", &admin).await.assert_problem(403, "insufficient_scope");
}

#[actix_web::test]
async fn an_invalid_query_is_a_client_error() {
    let service = Service::start().await;
    let admin = token_of(&service, "root", "admin", ISSUER).await;
    for query in ["limit=0", "limit=201", "search=%00", &format!("cursor={}", "x".repeat(300))] {
        service.get_as(&format!("/admin/users?{query}"), &admin).await.assert_problem(422, "invalid_fields");
    }
    for query in ["limit=many", "limit=-1", "unknown=1", "limit=1&limit=2", "search=a&search=b"] {
        service.get_as(&format!("/admin/users?{query}"), &admin).await.assert_problem(400, "malformed_query");
    }
}
