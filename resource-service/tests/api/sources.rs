//! Tokens in cookies and in the query, if the settings allow them, and the metadata of the service.

use reqwest::{Method, RequestBuilder};
use serde_json::json;

use crate::support::{User, World, send};

const EVERYWHERE: (&str, &str) = ("RESOURCE__TOKEN_SOURCES", "header,cookie,query");
const APP: &str = "https://app.example.com";

/// Returns a request of a browser with the cookies of a login.
fn with_cookies(world: &World, method: Method, path: &str, user: &User) -> RequestBuilder {
    let cookies = format!("__Host-access={}; __Host-csrf=secret", user.access);
    world.request(method, path, None).header("cookie", cookies)
}

#[actix_web::test]
async fn by_default_only_the_header_is_read() {
    let world = World::start().await;
    let alice = world.register_and_login("alice").await;
    let in_query = format!("/protected?access_token={}", alice.access);
    world.get(&in_query, None).await.assert_problem(401, "missing_token");
    send(with_cookies(&world, Method::GET, "/protected", &alice)).await.assert_problem(401, "missing_token");
    let answer = world.get(&in_query, alice.token()).await;
    assert_eq!((answer.status, answer.header("cache-control")), (200, "no-store"));
}

#[actix_web::test]
async fn a_cookie_opens_what_the_header_does_for_own_and_listed_pages() {
    let world = World::with(&[], &[EVERYWHERE, ("RESOURCE__ALLOWED_ORIGINS", APP)]).await;
    let alice = world.register_and_login("alice").await;
    let get = || with_cookies(&world, Method::GET, "/protected", &alice);
    assert_eq!(send(get()).await.status, 200);
    assert_eq!(send(get().header("origin", APP)).await.status, 200);
    send(get().header("origin", "https://evil.example")).await.assert_problem(403, "foreign_origin");
    send(get().bearer_auth(&alice.access)).await.assert_problem(400, "invalid_request");

    let text = json!({ "text": "hello" });
    let post = || with_cookies(&world, Method::POST, "/comments", &alice).json(&text);
    let own = format!("http://{}", world.address);
    for origin in [own.as_str(), APP] {
        let request = post().header("origin", origin);
        send(request).await.assert_problem(403, "csrf_token");
        let request = post().header("origin", origin).header("x-csrf-token", "secret");
        assert_eq!(send(request).await.status, 201, "{origin}");
    }
    send(post().header("x-csrf-token", "secret")).await.assert_problem(403, "foreign_origin");
    let evil = post().header("x-csrf-token", "secret").header("origin", "https://evil.example");
    send(evil).await.assert_problem(403, "foreign_origin");
    assert_eq!(world.get("/comments", None).await.texts().len(), 2);
}

#[actix_web::test]
async fn pages_of_a_listed_origin_read_answers_and_no_others_do() {
    let world = World::with(&[], &[EVERYWHERE, ("RESOURCE__ALLOWED_ORIGINS", APP)]).await;
    let alice = world.register_and_login("alice").await;
    let get = |path| world.request(Method::GET, path, alice.token());
    for (path, status) in [("/protected", 200), ("/admin/report", 403), ("/nowhere", 404)] {
        let answer = send(get(path).header("origin", APP)).await;
        assert_eq!(answer.status, status);
        assert_eq!(answer.header("access-control-allow-origin"), APP);
        assert_eq!(answer.header("access-control-allow-credentials"), "true");
        for origin in ["https://evil.example", "null", "https://app.example.com.evil.example"] {
            let answer = send(get(path).header("origin", origin)).await;
            assert_eq!((answer.status, answer.header("vary")), (status, "Origin"));
            assert!(answer.headers.keys().all(|name| !name.as_str().starts_with("access-control-")));
        }
    }
    let preflight = |origin| {
        let request = world.request(Method::OPTIONS, "/comments", None).header("origin", origin);
        request.header("access-control-request-method", "POST")
    };
    let answer = send(preflight(APP)).await;
    assert_eq!((answer.status, answer.header("access-control-allow-methods")), (204, "GET, HEAD, POST"));
    let refused = send(preflight("https://evil.example")).await;
    assert_eq!((refused.status, refused.header("access-control-allow-origin")), (204, ""));
}

#[actix_web::test]
async fn the_answer_to_a_token_in_the_query_stays_out_of_shared_caches() {
    let world = World::with(&[], &[EVERYWHERE]).await;
    let sam = world.register_with_role("sam", "subscriber").await;
    let download = format!("/books/the-lighthouse/download?access_token={}", sam.access);
    let answer = world.get(&download, None).await;
    assert_eq!((answer.status, answer.header("cache-control")), (200, "private, no-cache"));
    let report = world.get(&format!("/admin/report?access_token={}", sam.access), None).await;
    report.assert_problem(403, "insufficient_scope");
    assert_eq!(report.header("cache-control"), "private");
    world.get(&download, sam.token()).await.assert_problem(400, "invalid_request");
}

#[actix_web::test]
async fn the_service_has_metadata_if_its_url_is_set() {
    let path = "/.well-known/oauth-protected-resource";
    let silent = World::start().await;
    silent.get(path, None).await.assert_problem(404, "not_found");

    let url = "https://api.example.com";
    let world = World::with(&[], &[("RESOURCE__PUBLIC_URL", url), EVERYWHERE]).await;
    let answer = world.get(path, None).await;
    assert_eq!((answer.status, answer.header("content-type")), (200, "application/json"));
    answer.assert_envelope();
    let expected = json!({
        "resource": url,
        "authorization_servers": [world.issuer_url()],
        "scopes_supported": ["books:download"],
        "bearer_methods_supported": ["header", "query"],
        "resource_name": "resource-service",
    });
    assert_eq!(answer.json(), expected);
    let forged =
        send(world.client.get(format!("http://{}{path}", world.address)).header("host", "evil.example"));
    assert_eq!(forged.await.json(), expected);
    let refused = world.get("/protected", None).await;
    let challenge = format!(r#"Bearer realm="resource-service", resource_metadata="{url}{path}""#);
    assert_eq!(refused.header("www-authenticate"), challenge);
    let posted = send(world.request(Method::POST, path, None)).await;
    posted.assert_problem(405, "method_not_allowed");
    assert_eq!(posted.header("allow"), "GET, HEAD");
}
