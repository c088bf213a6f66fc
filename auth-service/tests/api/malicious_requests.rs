//! Well-formed malicious requests: SQL in every field, headers that only a proxy may set, other spellings of paths, redirects.

use reqwest::{Method, redirect};
use serde_json::{Value, json};
use url::form_urlencoded;

use crate::api::support::{PASSWORD, Service, send};

const SQL: [&str; 6] = [
    "' OR '1'='1",
    "alice'--",
    "\"; DROP TABLE users; --",
    "x') UNION SELECT password_hash FROM users --",
    "%' OR username LIKE '%",
    "\\'; SELECT pg_sleep(10); --",
];

#[actix_web::test]
async fn sql_is_text_like_any_other() {
    let variables = [("AUTH__LIMITS__ENABLED", "false"), ("AUTH__PASSWORDS__ALGORITHM", "argon2id")];
    let service = Service::with(&variables).await;
    service.register("alice").await;
    let alice = service.login_here("alice").await;
    let encode = |sql: &str| form_urlencoded::byte_serialize(sql.as_bytes()).collect::<String>();
    for (index, sql) in SQL.into_iter().enumerate() {
        let name = json!({ "username": sql, "password": PASSWORD });
        service.post("/register", &name).await.assert_problem(422, "invalid_fields");
        let email = json!({ "username": format!("user-{index}"), "password": PASSWORD, "email": sql });
        service.post("/register", &email).await.assert_problem(422, "invalid_fields");
        for login in [
            name,
            json!({ "email": sql, "password": PASSWORD }),
            json!({ "username": "alice", "password": sql }),
        ] {
            service.post("/login", &login).await.assert_problem(401, "invalid_credentials");
            service.post("/token", &login).await.assert_oauth_error(400, "invalid_grant");
        }
        let resource = json!({ "username": "alice", "password": PASSWORD, "resource": sql });
        service.post("/login", &resource).await.assert_problem(422, "invalid_target");
        // As a password it is like any other, and logs in to its own account.
        let password = format!("{sql} and more");
        let own = json!({ "username": format!("user-{index}"), "password": password });
        assert_eq!(service.post("/register", &own).await.status, 201, "{sql}");
        assert_eq!(service.try_login(&format!("user-{index}"), &password).await.status, 200, "{sql}");
        let sql = encode(sql);
        service.try_refresh(&sql).await.assert_oauth_error(400, "invalid_grant");
        service.try_refresh(&format!("rt_{sql}")).await.assert_oauth_error(400, "invalid_grant");
        let session = format!("/me/sessions/{sql}");
        let ended = service.send_as(Method::DELETE, &session, &alice.access, &Value::Null).await;
        ended.assert_problem(404, "not_found");
        let cursor = service.get_as(&format!("/me/sessions?cursor={sql}"), &alice.access).await;
        cursor.assert_problem(422, "invalid_fields");
    }
    assert_eq!(service.count("users"), 7);
    service.refresh(&alice.refresh).await;
}

#[actix_web::test]
async fn no_header_changes_the_caller_or_the_route() {
    let service = Service::start().await;
    let alice = service.register_and_login("alice").await;
    let id = alice.claims()["sub"].as_str().unwrap().to_owned();
    for header in [
        "x-forwarded-user",
        "x-remote-user",
        "remote-user",
        "x-auth-request-user",
        "x-authenticated-userid",
        "x-user-id",
        "x-original-url",
        "x-rewrite-url",
        "x-forwarded-uri",
        "x-http-method-override",
        "x-method-override",
        "x-http-method",
    ] {
        for value in ["alice", &id, "admin", "/livez", "DELETE", "GET"] {
            for path in ["/me", "/me/sessions", "/admin/users"] {
                let answer = send(service.request(Method::GET, path).header(header, value)).await;
                answer.assert_problem(401, "missing_token");
            }
            // With a token these headers change nothing either.
            let me = service.request(Method::GET, "/me").bearer_auth(&alice.access).header(header, value);
            assert_eq!(send(me).await.json()["username"], "alice", "{header}: {value}");
            let nowhere = service.request(Method::GET, "/nowhere").header(header, value);
            send(nowhere).await.assert_problem(404, "not_found");
        }
    }
    for query in ["_method=DELETE", "access_token=x&user=alice", "username=alice", "sub=alice"] {
        service.get(&format!("/me?{query}")).await.assert_problem(401, "missing_token");
    }
    assert_eq!(service.get_as("/me", &alice.access).await.status, 200, "the account still exists");
}

#[actix_web::test]
async fn no_spelling_of_a_path_bypasses_its_checks() {
    let service = Service::start().await;
    let alice = service.register_and_login("alice").await;
    for path in [
        "/%6de",
        "/ME",
        "//me",
        "/./me",
        "/me/",
        "/me;x=1",
        "/me%00",
        "/me%2f",
        "/livez/../me",
        "/livez/..%2fme",
        "/livez%2f..%2fme",
        "/%2e/me",
        "/me%20",
        "/me.json",
        "/admin%2fusers",
        "/admin//users",
        "/ADMIN/users",
        "/admin/users;x",
        "/livez/..;/admin/users",
    ] {
        let answer = service.get(path).await;
        assert!([401, 404].contains(&answer.status.as_u16()), "{path}: {}", answer.status);
        answer.assert_envelope();
        if path.to_lowercase().contains("admin") {
            let answer = service.get_as(path, &alice.access).await;
            assert!([403, 404].contains(&answer.status.as_u16()), "{path}: {}", answer.status);
        }
    }
}

#[actix_web::test]
async fn no_answer_is_a_redirect() {
    let mut service = Service::start().await;
    service.client = reqwest::Client::builder().redirect(redirect::Policy::none()).build().unwrap();
    let alice = service.register_and_login("alice").await;
    let evil = "https://evil.example/";
    let wishes = format!("next={evil}&redirect_uri={evil}&return_to={evil}&url={evil}");
    for path in [
        "/",
        "//evil.example",
        "/login",
        "/logout",
        "/register",
        "/token",
        "/revoke",
        "/me",
        "/livez",
        "/status-lists",
        "/.well-known/openid-configuration",
        "/authorize",
    ] {
        for method in [Method::GET, Method::POST] {
            let request = service.request(method, &format!("{path}?{wishes}")).bearer_auth(&alice.access);
            let request = request.header("host", "evil.example").header("x-forwarded-host", "evil.example");
            let answer = send(request).await;
            assert!(!answer.status.is_redirection(), "{path}: {}", answer.status);
            assert!(
                answer.headers.get("location").is_none() && answer.headers.get("refresh").is_none(),
                "{path}"
            );
            assert!(!answer.text.contains("evil"), "{path}: {}", answer.text);
        }
    }
}
