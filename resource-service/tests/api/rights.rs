//! The rights that every route requires. `GET /` lists the same.

use std::collections::BTreeSet;

use reqwest::Method;
use serde_json::json;

use crate::support::{World, send};

/// Method, path (`{alice}` is Alice's id), and the statuses without a token and for: Alice, Bob, a subscriber, an admin.
const TABLE: [(&str, &str, [u16; 5]); 12] = [
    ("GET", "/", [200, 200, 200, 200, 200]),
    ("GET", "/protected", [401, 200, 200, 200, 200]),
    ("GET", "/records/{alice}", [401, 200, 403, 403, 200]),
    ("POST", "/records/{alice}", [401, 201, 403, 403, 201]),
    ("GET", "/books", [200, 200, 200, 200, 200]),
    ("GET", "/books/the-lighthouse/download", [401, 403, 403, 200, 403]),
    ("GET", "/books/no-such-book/download", [401, 403, 403, 404, 403]),
    ("GET", "/comments", [200, 200, 200, 200, 200]),
    ("POST", "/comments", [401, 201, 201, 201, 201]),
    ("GET", "/admin/report", [401, 403, 403, 403, 200]),
    ("GET", "/livez", [200, 200, 200, 200, 200]),
    ("GET", "/readyz", [200, 200, 200, 200, 200]),
];

#[actix_web::test]
async fn every_route_lets_in_those_and_only_those_who_have_the_right() {
    let world = World::start().await;
    let alice = world.register_and_login("alice").await;
    let bob = world.register_and_login("bob").await;
    let subscriber = world.register_with_role("sam", "subscriber").await;
    let admin = world.register_with_role("ada", "admin").await;
    let everybody = [None, alice.token(), bob.token(), subscriber.token(), admin.token()];
    for (method, path, statuses) in TABLE {
        let path = path.replace("{alice}", &alice.id);
        for (who, (token, status)) in everybody.iter().zip(statuses).enumerate() {
            let mut request = world.request(method.parse().unwrap(), &path, *token);
            if method == "POST" {
                request = request.json(&json!({ "text": "hello" }));
            }
            let answer = send(request).await;
            assert_eq!(answer.status, status, "{method} {path} by person {who}: {}", answer.text);
            answer.assert_envelope();
            let challenged = answer.headers.contains_key("www-authenticate");
            assert_eq!(challenged, matches!(status, 401 | 403), "{method} {path} by person {who}");
        }
    }
}

#[actix_web::test]
async fn the_front_page_lists_exactly_the_routes_that_are_in_the_table() {
    let world = World::start().await;
    let index = world.get("/", None).await.json();
    assert_eq!(index["service"], "resource-service");
    let listed: BTreeSet<_> = index["routes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|route| (route["method"].as_str().unwrap(), route["path"].as_str().unwrap()))
        .collect();
    let tested: BTreeSet<_> = TABLE
        .iter()
        .map(|(method, path, _)| match *path {
            "/records/{alice}" => (*method, "/records/{user_id}"),
            path if path.ends_with("/download") => (*method, "/books/{id}/download"),
            path => (*method, path),
        })
        .collect();
    assert_eq!(listed, tested);
}

#[actix_web::test]
async fn a_right_that_is_missing_is_named_when_it_is_a_scope() {
    let world = World::start().await;
    let alice = world.register_and_login("alice").await;
    let refused = world.get("/books/the-lighthouse/download", alice.token()).await;
    refused.assert_problem(403, "insufficient_scope");
    assert_eq!(
        refused.header("www-authenticate"),
        r#"Bearer realm="resource-service", error="insufficient_scope", scope="books:download""#
    );
    let refused = world.get("/admin/report", alice.token()).await;
    refused.assert_problem(403, "insufficient_scope");
    assert!(!refused.header("www-authenticate").contains("scope="), "{refused:?}");
}

#[actix_web::test]
async fn the_report_counts_what_is_there() {
    let world = World::start().await;
    let admin = world.register_with_role("ada", "admin").await;
    let text = json!({ "text": "hello" });
    for path in ["/comments", "/comments", "/records/some-user"] {
        assert_eq!(world.post(path, admin.token(), &text).await.status, 201);
    }
    let report = world.get("/admin/report", admin.token()).await.json();
    assert_eq!(report, json!({ "comments": 2, "records": 1, "books": 3 }));
}

#[actix_web::test]
async fn every_path_says_which_methods_it_has_and_answers_head_like_get() {
    let world = World::start().await;
    let rows = [
        ("/", "GET, HEAD"),
        ("/protected", "GET, HEAD"),
        ("/records/x", "GET, HEAD, POST"),
        ("/books", "GET, HEAD"),
        ("/books/x/download", "GET, HEAD"),
        ("/comments", "GET, HEAD, POST"),
        ("/admin/report", "GET, HEAD"),
        ("/livez", "GET, HEAD"),
        ("/readyz", "GET, HEAD"),
    ];
    for (path, allow) in rows {
        let answer = send(world.request(Method::DELETE, path, None)).await;
        answer.assert_problem(405, "method_not_allowed");
        assert_eq!(answer.header("allow"), allow, "{path}");
        let (get, head) = (world.get(path, None).await, send(world.request(Method::HEAD, path, None)).await);
        assert_eq!((head.status, head.text.as_str()), (get.status, ""), "{path}");
        assert_eq!(head.header("content-type"), get.header("content-type"), "{path}");
    }
    for path in ["/nowhere", "/books/", "/records", "/records/", "/records/a/b", "/comments/1", "/admin"] {
        world.get(path, None).await.assert_problem(404, "not_found");
    }
}
