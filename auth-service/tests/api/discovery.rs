//! The key set, the metadata, and the health of the service.

use reqwest::Method;
use serde_json::json;

use crate::api::support::{Service, send};

#[actix_web::test]
async fn the_key_set_can_be_cached_and_revalidated() {
    let service = Service::start().await;
    let answer = service.get("/.well-known/jwks.json").await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("content-type"), "application/json");
    assert_eq!(answer.header("cache-control"), "public, max-age=300, s-maxage=0");
    let etag = answer.header("etag").to_owned();
    for known in [etag.clone(), format!("\"other\", W/{etag}"), "*".to_owned()] {
        let request = service.request(Method::GET, "/.well-known/jwks.json").header("if-none-match", known);
        let answer = send(request).await;
        assert_eq!((answer.status.as_u16(), answer.text.as_str()), (304, ""));
        assert_eq!(answer.header("etag"), etag);
    }
    let request = service.request(Method::GET, "/.well-known/jwks.json").header("if-none-match", "\"other\"");
    assert_eq!(send(request).await.status, 200);
}

#[actix_web::test]
async fn the_metadata_names_the_issuer_and_every_endpoint() {
    let service = Service::with(&[("AUTH__ISSUER", "https://id.example/tenant")]).await;
    for path in ["/.well-known/oauth-authorization-server/tenant", "/.well-known/openid-configuration"] {
        let request = service
            .request(Method::GET, path)
            .header("host", "evil.example")
            .header("x-forwarded-host", "evil.example");
        let answer = send(request).await;
        assert_eq!(answer.status, 200, "{path}");
        assert_eq!(answer.header("cache-control"), "public, max-age=300, s-maxage=0");
        let document = answer.json();
        assert_eq!(document["issuer"], "https://id.example/tenant");
        assert_eq!(document["jwks_uri"], "https://id.example/tenant/.well-known/jwks.json");
        assert_eq!(document["token_endpoint"], "https://id.example/tenant/token");
        assert_eq!(document["grant_types_supported"], json!(["refresh_token", "client_credentials"]));
        for (name, path) in [
            ("revocation_endpoint", "/revoke"),
            ("introspection_endpoint", "/introspect"),
            ("status_list_aggregation_endpoint", "/status-lists"),
            ("status_list_events_endpoint", "/status-lists/events"),
        ] {
            assert_eq!(document[name], format!("https://id.example/tenant{path}"));
        }
        assert_eq!(document["scopes_supported"], json!(["books:download"]));
        assert!(!answer.text.contains("evil"), "no part of the request is in the answer");
    }
}

#[actix_web::test]
async fn a_running_service_is_alive_and_ready() {
    let service = Service::start().await;
    for (path, status) in [("/livez", "alive"), ("/readyz", "ready")] {
        let answer = service.get(path).await;
        assert_eq!((answer.status.as_u16(), answer.json()), (200, json!({ "status": status })));
        answer.assert_envelope();
        let head = send(service.request(Method::HEAD, path)).await;
        assert_eq!((head.status.as_u16(), head.text.as_str()), (200, ""));
    }
}

#[actix_web::test]
async fn only_a_trusted_proxy_sets_the_request_id() {
    let untrusted = Service::start().await;
    let answer =
        send(untrusted.request(Method::GET, "/livez").header("x-request-id", "from-an-untrusted-peer")).await;
    assert_ne!(answer.header("x-request-id"), "from-an-untrusted-peer");
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("auth.toml");
    std::fs::write(&file, "[http]\ntrusted_proxies = [\"127.0.0.0/8\"]\n").unwrap();
    let service = Service::with(&[("AUTH_CONFIG", file.to_str().unwrap())]).await;
    let answer = send(service.request(Method::GET, "/livez").header("x-request-id", "from-the-proxy")).await;
    assert_eq!(answer.header("x-request-id"), "from-the-proxy");
    let answer = send(service.request(Method::GET, "/livez").header("x-request-id", "a b\"c")).await;
    assert_ne!(answer.header("x-request-id"), "a b\"c");
}

#[actix_web::test]
async fn the_algorithms_of_the_metadata_are_those_of_the_published_keys_at_every_moment() {
    let one = Service::start().await;
    let algorithms = async |service: &Service| {
        let metadata = service.get("/.well-known/openid-configuration").await;
        assert_eq!(metadata.header("cache-control"), "public, max-age=300, s-maxage=0");
        metadata.json()["id_token_signing_alg_values_supported"].clone()
    };
    assert_eq!(algorithms(&one).await, json!(["ES256"]));
    let before = one.get("/.well-known/oauth-authorization-server").await.header("etag").to_owned();
    let other = one.replica_with(&[("AUTH__TOKENS__ALGORITHM", "EdDSA")]).await;
    for service in [&one, &other] {
        assert_eq!(algorithms(service).await, json!(["ES256", "EdDSA"]), "the next key is published");
        let request = service.request(Method::GET, "/.well-known/oauth-authorization-server");
        let changed = send(request.header("if-none-match", &before)).await;
        assert_eq!(changed.status, 200);
    }
    other.operator().await.maintenance.withdraw_signing_keys().await.unwrap();
    for service in [&one, &other] {
        assert_eq!(algorithms(service).await, json!(["EdDSA"]));
    }
}
