//! The responses that a client gets: every request goes to an application in actix-web and to the same one in axum, and both
//! must give the same response.

use std::time::Duration;

use crate::support::{
    AUDIENCE, ISSUER, NOW, Signer,
    both::{Ask, Both, MakeRule, ask},
    claims, key_set, policy, server, verifier, with, without,
};
use serde_json::{Value, json};
use shared_claims::{
    Policy, Remote, Verifier,
    error::SetupError,
    guard::{all_of, all_scopes, any_of, any_scope, login_within, owner, role, scope},
    http::{CookieSource, ResourceMetadata, Sources, TokenSource},
};

const FIVE_MINUTES: Duration = Duration::from_secs(300);

const NONE: &str = r#"Bearer realm="orders""#;
const INVALID: &str =
    r#"Bearer realm="orders", error="invalid_token", error_description="The access token is not valid""#;
const EXPIRED: &str =
    r#"Bearer realm="orders", error="invalid_token", error_description="The access token expired""#;
const ONE_HEADER: &str = r#"Bearer realm="orders", error="invalid_request", error_description="Send one Authorization header with one token""#;
const ONE_PLACE: &str =
    r#"Bearer realm="orders", error="invalid_request", error_description="Send one token, in one place""#;
const WRONG_OBJECT: &str = r#"Bearer realm="orders", error="insufficient_scope", error_description="The access token does not give this right""#;
const LOGIN: &str = r#"Bearer realm="orders", error="insufficient_user_authentication", error_description="A more recent login is required", scope="books:download", max_age="300""#;

/// A request, and the status, challenge and problem code of its response.
type Row<'a> = (&'a str, Ask, u16, &'a str, &'a str);

/// Checks the response to every row, and that no guarded handler was called.
async fn refuse_all(both: &Both, rows: Vec<Row<'_>>) {
    for (name, ask, status, challenge, code) in rows {
        let answer = both.ask(&ask).await;
        assert_eq!((answer.status, answer.header("www-authenticate")), (status, challenge), "{name}");
        assert_eq!(answer.header("content-type"), "application/problem+json", "{name}");
        assert_eq!(answer.header("retry-after"), if status == 503 { "1" } else { "" }, "{name}");
        let body: Value = serde_json::from_str(&answer.body).unwrap();
        assert_eq!((&body["code"], &body["status"]), (&json!(code), &json!(status)), "{name}");
        assert_eq!(both.calls(), 0, "{name}");
    }
}

#[actix_web::test]
async fn a_good_token_reaches_the_handler_in_any_case_of_the_scheme() {
    let signer = Signer::es256("es");
    let both = Both::new(&verifier(&[&signer]));
    for scheme in ["Bearer", "bearer", "BEARER", "bEARER"] {
        let authorization = format!("{scheme} {}", signer.token());
        let answer = both.ask(&ask("GET", "/me").with("authorization", authorization)).await;
        assert_eq!((answer.status, answer.body.as_str()), (200, "ada"), "{scheme}");
    }
}

#[actix_web::test]
async fn a_request_without_a_usable_token_is_challenged_before_any_handler() {
    let signer = Signer::es256("es");
    let both = Both::new(&verifier(&[&signer]));
    let expired = signer.token_of(&with(claims(), "exp", json!(NOW - 60)));
    let (forged, good) = (Signer::es256("es").token(), signer.token());
    for path in ["/me", "/guarded/books", "/guarded/records/user-1"] {
        let get = || ask("GET", path);
        let rows = vec![
            ("none", get(), 401, NONE, "missing_token"),
            ("another scheme", get().with("authorization", "Basic YTpi"), 401, NONE, "missing_token"),
            ("no scheme", get().with("authorization", &good), 401, NONE, "missing_token"),
            ("a cookie", get().cookies(&good), 401, NONE, "missing_token"),
            ("garbage", get().bearer("garbage"), 401, INVALID, "invalid_token"),
            ("two tokens in one", get().bearer("a b"), 401, INVALID, "invalid_token"),
            ("forged", get().bearer(&forged), 401, INVALID, "invalid_token"),
            ("expired", get().bearer(&expired), 401, EXPIRED, "token_expired"),
            ("two headers", get().bearer(&good).bearer(&good), 400, ONE_HEADER, "invalid_request"),
            ("no token", get().with("authorization", "Bearer"), 400, ONE_HEADER, "invalid_request"),
        ];
        refuse_all(&both, rows).await;
    }
    assert_eq!(both.status(&ask("GET", "/guarded/books").bearer(&good)).await, 200);
    assert_eq!(both.calls(), 2, "one of each");
}

#[actix_web::test]
async fn a_missing_right_is_forbidden_without_naming_the_object() {
    let signer = Signer::es256("es");
    let both = Both::new(&verifier(&[&signer]));
    let good = signer.token();
    let no_scope = signer.token_of(&with(claims(), "scope", json!("")));
    let get = |path| ask("GET", path).bearer(&good);
    let scope = |name| format!(r#"Bearer realm="orders", error="insufficient_scope", scope="{name}""#);
    let (write, download) = (scope("books:write"), scope("books:download"));
    let guarded = ask("GET", "/guarded/books").bearer(&no_scope);
    let rows = vec![
        ("a scope", get("/books"), 403, write.as_str(), "insufficient_scope"),
        ("an owner", get("/records/user-2"), 403, WRONG_OBJECT, "insufficient_scope"),
        ("a scope before the handler", guarded, 403, download.as_str(), "insufficient_scope"),
        (
            "an owner before the handler",
            get("/guarded/records/user-2"),
            403,
            WRONG_OBJECT,
            "insufficient_scope",
        ),
        ("an encoded owner", get("/guarded/records/user%2D2"), 403, WRONG_OBJECT, "insufficient_scope"),
        ("nearly the owner", get("/guarded/records/user-1%2F"), 403, WRONG_OBJECT, "insufficient_scope"),
    ];
    refuse_all(&both, rows).await;
    let admin = signer.token_of(&with(claims(), "roles", json!(["admin"])));
    for ask in [
        get("/records/user-1"),
        get("/guarded/records/user-1"),
        get("/guarded/records/user%2D1"),
        ask("GET", "/records/user-2").bearer(&admin),
        ask("GET", "/guarded/records/user-2").bearer(&admin),
    ] {
        assert_eq!(both.status(&ask).await, 200, "{ask:?}");
    }
}

#[actix_web::test]
async fn a_login_that_was_too_long_ago_is_asked_for_again() {
    let signer = Signer::es256("es");
    let both = Both::new(&verifier(&[&signer]));
    let stale = signer.token_of(&with(claims(), "auth_time", json!(NOW - 301)));
    let pay = |token| ask("GET", "/pay").bearer(token);
    let rows = vec![("stale", pay(&stale), 401, LOGIN, "insufficient_user_authentication")];
    refuse_all(&both, rows).await;
    assert_eq!(both.status(&pay(&signer.token())).await, 200);
}

#[actix_web::test]
async fn a_token_without_the_claims_that_a_handler_needs_is_refused() {
    let signer = Signer::es256("es");
    let both = Both::new(&verifier(&[&signer]));
    let get = |token: &str| ask("GET", "/tenant").bearer(token);
    let answer = both.ask(&get(&signer.token_of(&with(claims(), "tenant", json!("acme"))))).await;
    assert_eq!((answer.status, answer.body.as_str()), (200, "ada of acme"));
    let other = signer.token_of(&with(claims(), "tenant", json!(7)));
    let rows = vec![
        ("none", ask("GET", "/tenant"), 401, NONE, "missing_token"),
        ("without", get(&signer.token()), 401, INVALID, "invalid_token"),
        ("another type", get(&other), 401, INVALID, "invalid_token"),
    ];
    refuse_all(&both, rows).await;
    let behind = |token: &str| ask("GET", "/guarded/tenant").bearer(token);
    assert_eq!(both.status(&behind(&signer.token())).await, 401);
    let tenant = with(claims(), "tenant", json!("acme"));
    assert_eq!(both.ask(&behind(&signer.token_of(&tenant))).await.body, "ada of acme");
    let no_scope = signer.token_of(&with(tenant, "scope", json!("")));
    assert_eq!(both.status(&behind(&no_scope)).await, 403, "the guard is asked first");
}

#[actix_web::test]
async fn every_guard_answers_alike_before_a_handler_and_in_it() {
    let signer = Signer::es256("es");
    let verifier = verifier(&[&signer]);
    let fresh = signer.token(); // of user-1, with comments:write and books:download, who has just logged in
    let of = |name, value| signer.token_of(&with(claims(), name, value));
    let stale = of("auth_time", json!(NOW - 301));
    let unknown = signer.token_of(&without(claims(), "auth_time"));
    let admin = of("roles", json!(["reader", "admin"]));
    let lacks = |scopes| format!(r#"Bearer realm="orders", error="insufficient_scope", scope="{scopes}""#);
    let (write, pay, both) = (lacks("books:write"), lacks("pay"), lacks("comments:write books:write"));
    let login = LOGIN.replace(r#"scope="books:download", "#, "");
    let denied = "insufficient_scope";
    let rows: [(&str, MakeRule, &str, u16, &str); 21] = [
        ("a scope", |_| scope("comments:write"), &fresh, 200, ""),
        ("a missing scope", |_| scope("books:write"), &fresh, 403, &write),
        ("any scope", |_| any_scope(["books:write", "comments:write"]), &fresh, 200, ""),
        ("none of several scopes", |_| any_scope(["pay", "books:write"]), &fresh, 403, &pay),
        ("any of no scopes", |_| any_scope([]), &fresh, 403, WRONG_OBJECT),
        ("all scopes", |_| all_scopes(["comments:write", "books:download"]), &fresh, 200, ""),
        ("one scope of two", |_| all_scopes(["comments:write", "books:write"]), &fresh, 403, &both),
        ("a role", |_| role("admin"), &admin, 200, ""),
        ("a missing role", |_| role("admin"), &fresh, 403, WRONG_OBJECT),
        ("any of several rules", |_| any_of([role("admin"), scope("comments:write")]), &fresh, 200, ""),
        ("none of several rules", |_| any_of([role("admin"), role("boss")]), &fresh, 403, WRONG_OBJECT),
        ("all of several rules", |_| all_of([role("admin"), scope("comments:write")]), &admin, 200, ""),
        ("one rule of two", |_| all_of([role("admin"), scope("comments:write")]), &fresh, 403, WRONG_OBJECT),
        ("the owner", owner, &fresh, 200, ""),
        ("not the owner", |_| owner("user-2"), &fresh, 403, WRONG_OBJECT),
        ("neither owner nor admin", |_| owner("user-2").or(role("admin")), &fresh, 403, WRONG_OBJECT),
        ("an admin who is no owner", |_| owner("user-2").or(role("admin")), &admin, 200, ""),
        ("a recent login", |_| login_within(FIVE_MINUTES), &fresh, 200, ""),
        ("an old login", |_| login_within(FIVE_MINUTES), &stale, 401, &login),
        ("an unknown login", |_| login_within(FIVE_MINUTES), &unknown, 401, &login),
        (
            "an old login of another",
            |_| owner("user-2").and(login_within(FIVE_MINUTES)),
            &stale,
            403,
            WRONG_OBJECT,
        ),
    ];
    for (name, rule, token, status, challenge) in rows {
        let both = Both::new(&verifier).ruled_by(rule);
        for path in ["/ruled/user-1", "/guarded-by-rule/user-1"] {
            let ask = ask("GET", path).bearer(token);
            if status == 200 {
                assert_eq!((both.status(&ask).await, both.calls()), (200, 2), "{name}: one of each");
            } else {
                let code = if status == 401 { "insufficient_user_authentication" } else { denied };
                refuse_all(&both, vec![(name, ask, status, challenge, code)]).await;
            }
        }
    }
}

#[actix_web::test]
async fn an_issuer_is_known_by_its_metadata_its_keys_or_a_secret() {
    let signer = Signer::es256("es");
    let metadata = |server: &server::Server| {
        json!({"issuer": ISSUER, "jwks_uri": format!("{}/jwks.json", server.url)}).to_string()
    };
    let secret = [7; 32];
    let mut servers = Vec::new();
    let mut verifiers = vec![
        ("keys", Verifier::with_keys(policy(), key_set(&[&signer])), signer.token()),
        (
            "a secret",
            Verifier::with_shared_secret(policy(), &secret).unwrap(),
            Signer::hs256(&secret).token(),
        ),
    ];
    for document in ["oauth-authorization-server", "openid-configuration"] {
        let server = server::Server::start().await;
        server.route(&format!("/.well-known/{document}"), server::Reply::ok(metadata(&server)));
        server.route("/jwks.json", server::Reply::ok(crate::support::jwks(&[&signer])));
        let remote = Remote::discover().internal_url(&server.url);
        verifiers.push((document, Verifier::remote(policy(), remote).unwrap(), signer.token()));
        servers.push(server);
    }
    let remote = Remote::discover().jwks_uri(format!("{}/jwks.json", servers[0].url));
    verifiers.push(("a URL of keys", Verifier::remote(policy(), remote).unwrap(), signer.token()));
    let forged = Signer::es256("es").token();
    for (name, verifier, token) in verifiers {
        let verifier = verifier.with_clock(crate::support::clock());
        verifier.start();
        let both = Both::new(&verifier);
        assert_eq!(both.ask(&ask("GET", "/me").bearer(&token)).await.body, "ada", "{name}");
        refuse_all(&both, vec![(name, ask("GET", "/me").bearer(&forged), 401, INVALID, "invalid_token")])
            .await;
    }
}

#[actix_web::test]
async fn an_optional_token_may_be_absent_but_not_bad() {
    let signer = Signer::es256("es");
    let both = Both::new(&verifier(&[&signer]));
    let home = || ask("GET", "/");
    assert_eq!(both.ask(&home()).await.body, "anonymous");
    assert_eq!(both.ask(&home().bearer(&signer.token())).await.body, "ada");
    assert_eq!(both.status(&home().bearer("garbage")).await, 401);
    assert_eq!(both.status(&home().bearer("a").bearer("b")).await, 400);
}

#[actix_web::test]
async fn a_cookie_counts_where_it_is_switched_on_and_the_page_is_an_own_one() {
    let signer = Signer::es256("es");
    let sources = Sources::from([TokenSource::Header, TokenSource::Cookie(CookieSource::default())]);
    let both = Both::new(&verifier(&[&signer]).with_sources(sources));
    let good = signer.token();
    let get = |path| ask("GET", path).cookies(&good);
    let post = |path| ask("POST", path).cookies(&good);
    let own = |ask: Ask| ask.with("origin", "https://orders.example.com");
    let evil = |ask: Ask| ask.with("origin", "https://evil.example");
    for path in ["/me", "/guarded/books"] {
        let rows = vec![
            ("two places", get(path).bearer(&good), 400, ONE_PLACE, "invalid_request"),
            ("two cookies", get(path).cookies(&good), 400, ONE_PLACE, "invalid_request"),
            ("a bad one", ask("GET", path).cookies("a.b.c"), 401, INVALID, "invalid_token"),
            ("a foreign page that reads", evil(get(path)), 403, "", "foreign_origin"),
            ("a form without an origin", post(path), 403, "", "foreign_origin"),
            ("a foreign page", evil(post(path)).with("x-csrf-token", "secret"), 403, "", "foreign_origin"),
            ("no CSRF token", own(post(path)), 403, "", "csrf_token"),
            ("another", own(post(path)).with("x-csrf-token", "secreT"), 403, "", "csrf_token"),
        ];
        refuse_all(&both, rows).await;
        assert_eq!(both.status(&get(path)).await, 200);
        assert_eq!(both.status(&own(post(path)).with("x-csrf-token", "secret")).await, 200);
        assert_eq!(both.status(&evil(ask("POST", path)).bearer(&good)).await, 200, "no cookie, no demands");
        both.calls();
    }
    assert_eq!(both.ask(&evil(get("/"))).await.status, 403, "a request from a bad page is not anonymous");
}

#[actix_web::test]
async fn the_answer_to_a_token_in_the_query_is_private() {
    let signer = Signer::es256("es");
    let verifier = verifier(&[&signer]);
    let in_query = |path: &str| ask("GET", &format!("{path}?access_token={}", signer.token()));
    assert_eq!(Both::new(&verifier).status(&in_query("/me")).await, 401, "by default it is not read");

    let sources = Sources::from([TokenSource::Header, TokenSource::Query]);
    let verifier = verifier.with_sources(sources);
    let both = Both::new(&verifier);
    for (path, says) in [
        ("/me", "private"),
        ("/", "private"),
        ("/guarded/books", "private"),
        ("/guarded/records/user-1", "private"),
        ("/cached", "private, max-age=60"),
    ] {
        let answer = both.ask(&in_query(path)).await;
        assert_eq!((answer.status, answer.header("cache-control")), (200, says), "{path}");
        assert_eq!(
            both.ask(&ask("GET", path).bearer(&signer.token())).await.header("cache-control"),
            match path {
                "/cached" => "public, max-age=60, S-Maxage=90",
                _ => "",
            }
        );
    }
    let refused = both.ask(&in_query("/books")).await;
    assert_eq!((refused.status, refused.header("cache-control")), (403, "private"));
    let twice = both.ask(&in_query("/me").bearer(&signer.token())).await;
    assert_eq!((twice.status, twice.header("cache-control")), (400, "private"));

    let unmarked = Both::new(&verifier).without_marks();
    assert_eq!(unmarked.ask(&in_query("/guarded/books")).await.header("cache-control"), "private");
    assert_eq!(unmarked.status(&ask("GET", "/me").bearer(&signer.token())).await, 200);
    unmarked.calls();
    let rows = vec![("its response would not be private", in_query("/me"), 500, "", "internal_error")];
    refuse_all(&unmarked, rows).await;
}

#[actix_web::test]
async fn a_verifier_without_keys_says_so_without_a_challenge() {
    let remote = Remote::discover().jwks_uri("http://127.0.0.1:1/jwks.json");
    let policy = Policy::new(ISSUER, [AUDIENCE]).unwrap();
    let both = Both::new(&Verifier::remote(policy, remote).unwrap().with_clock(crate::support::clock()));
    let token = Signer::es256("es").token();
    let mut rows = Vec::new();
    for path in ["/me", "/", "/guarded/books"] {
        rows.push(("a good one", ask("GET", path).bearer(&token), 503, "", "keys_unavailable"));
        rows.push(("garbage", ask("GET", path).bearer("garbage"), 401, INVALID, "invalid_token"));
    }
    refuse_all(&both, rows).await;
}

#[actix_web::test]
async fn a_request_waits_for_the_first_keys() {
    for path in ["/me", "/guarded/books"] {
        let (server, signer) = (server::Server::start().await, Signer::es256("es"));
        server.publish(ISSUER, &crate::support::jwks(&[&signer]));
        let remote = Remote::discover().jwks_uri(format!("{}/jwks.json", server.url));
        let verifier = Verifier::remote(policy(), remote).unwrap().with_clock(crate::support::clock());
        verifier.start();
        assert_eq!(
            Both::new(&verifier).status(&ask("GET", path).bearer(&signer.token())).await,
            200,
            "{path}"
        );
    }
}

#[actix_web::test]
async fn the_service_describes_itself_and_every_challenge_says_where() {
    let signer = Signer::es256("es");
    let sources = Sources::from([TokenSource::Header, TokenSource::Query]);
    let metadata = ResourceMetadata::new("https://api.example.com/orders", [ISSUER])
        .unwrap()
        .scopes(["books:download"])
        .sources(&sources)
        .name("Orders")
        .documentation("https://docs.example.com/orders");
    let policy = policy().resource_metadata(metadata.url());
    let verifier = Verifier::with_keys(policy, key_set(&[&signer])).with_clock(crate::support::clock());
    let both = Both::new(&verifier).describing(&metadata);
    let url = "https://api.example.com/.well-known/oauth-protected-resource/orders";
    assert_eq!(metadata.url(), url);

    let refused = both.ask(&ask("GET", "/me")).await;
    assert_eq!(refused.header("www-authenticate"), format!(r#"{NONE}, resource_metadata="{url}""#));
    let answer = both.ask(&ask("GET", metadata.path())).await;
    assert_eq!((answer.status, answer.header("content-type")), (200, "application/json"));
    assert_eq!(answer.header("cache-control"), "public, max-age=3600");
    let expected = json!({
        "resource": "https://api.example.com/orders",
        "authorization_servers": [ISSUER],
        "scopes_supported": ["books:download"],
        "bearer_methods_supported": ["header", "query"],
        "resource_name": "Orders",
        "resource_documentation": "https://docs.example.com/orders",
    });
    assert_eq!(serde_json::from_str::<Value>(&answer.body).unwrap(), expected);
    let posted = both.ask(&ask("POST", metadata.path())).await;
    assert_eq!((posted.status, posted.header("allow")), (405, "GET, HEAD"));
    assert!(posted.body.contains("method_not_allowed"));
}

#[test]
fn the_document_is_where_rfc_9728_says() {
    let none: [&str; 0] = [];
    let rows = [
        ("https://api.example.com", "https://api.example.com/.well-known/oauth-protected-resource"),
        ("https://api.example.com/", "https://api.example.com/.well-known/oauth-protected-resource"),
        (
            "https://api.example.com:8443/a/b",
            "https://api.example.com:8443/.well-known/oauth-protected-resource/a/b",
        ),
        ("http://127.0.0.1:8081", "http://127.0.0.1:8081/.well-known/oauth-protected-resource"),
    ];
    for (resource, url) in rows {
        let metadata = ResourceMetadata::new(resource, none).unwrap();
        assert_eq!(metadata.url(), url);
        assert!(url.ends_with(metadata.path()) && metadata.path().starts_with("/.well-known/"));
        assert_eq!(
            metadata.to_json(),
            format!(r#"{{"resource":"{resource}","bearer_methods_supported":["header"]}}"#)
        );
    }
    for resource in [
        "",
        "orders",
        "http://api.example.com",
        "ftp://api.example.com",
        "https://api.example.com/a?b",
        "https://api.example.com#c",
        "https://user@api.example.com",
        "https://api.example.com/{id}",
        "https://api.example.com/a b",
        "https://api.example.com/\"",
    ] {
        let made = ResourceMetadata::new(resource, none);
        assert!(matches!(made, Err(SetupError::Url(url, _)) if url == resource), "{resource}");
    }
}
