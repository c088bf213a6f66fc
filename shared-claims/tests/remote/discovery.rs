//! Discovery: from the name of an issuer to its key set, and which URLs may be fetched.

use crate::support::{
    ISSUER, Signer, claims, jwks,
    server::{Reply, Server, is_ready, reason, remote, until},
    with,
};
use serde_json::json;
use shared_claims::{Remote, error::SetupError};

const METADATA: &str = "/.well-known/oauth-authorization-server";
const KEYS: &str = "/jwks.json";

#[tokio::test]
async fn keys_are_found_by_the_issuers_name_alone() {
    let (server, signer) = (Server::start().await, Signer::es256("es"));
    server.publish(&server.url, &jwks(&[&signer]));
    let verifier = remote(&server.url, Remote::discover()).unwrap();
    verifier.start();
    let token = signer.token_of(&with(claims(), "iss", json!(server.url)));
    verifier.verify(&token).await.unwrap(); // waits for the first fetch
    assert!(is_ready(&verifier));
}

#[tokio::test]
async fn metadata_lies_before_the_issuers_path_and_else_after_it() {
    for path in ["/.well-known/oauth-authorization-server/a/b", "/a/b/.well-known/openid-configuration"] {
        for slash in ["", "/"] {
            let (server, signer) = (Server::start().await, Signer::es256("es"));
            let issuer = format!("{}/a/b{slash}", server.url);
            let metadata = json!({"issuer": issuer, "jwks_uri": format!("{}{KEYS}", server.url)});
            server.route(path, Reply::ok(metadata.to_string()));
            server.route(KEYS, Reply::ok(jwks(&[&signer])));
            let verifier = remote(&issuer, Remote::discover()).unwrap();
            verifier.start();
            let token = signer.token_of(&with(claims(), "iss", json!(issuer)));
            verifier.verify(&token).await.unwrap();
        }
    }
}

#[tokio::test]
async fn openid_metadata_is_found_whatever_is_in_the_other_place() {
    let (server, signer) = (Server::start().await, Signer::es256("es"));
    server.publish(&server.url, &jwks(&[&signer]));
    let metadata = json!({"issuer": server.url, "jwks_uri": format!("{}{KEYS}", server.url)});
    server.route("/.well-known/openid-configuration", Reply::ok(metadata.to_string()));
    let token = signer.token_of(&with(claims(), "iss", json!(server.url)));
    let other = json!({"issuer": "http://other.example", "jwks_uri": "http://127.0.0.1:1/"});
    for reply in [
        Reply::status("404 Not Found"),
        Reply::status("403 Forbidden"),
        Reply::status("405 Method Not Allowed"),
        Reply::status("302 Found"),
        Reply::ok("<!doctype html>"),
        Reply::ok(other.to_string()),
    ] {
        server.route(METADATA, reply);
        let verifier = remote(&server.url, Remote::discover()).unwrap();
        verifier.start();
        verifier.verify(&token).await.unwrap();
    }
}

#[tokio::test]
async fn metadata_that_is_not_the_issuers_is_refused() {
    let server = Server::start().await;
    let uri = format!("{}{KEYS}", server.url);
    let rows = [
        (json!({"issuer": format!("{}/", server.url), "jwks_uri": uri}), "of another issuer"),
        (json!({"issuer": "http://evil.example", "jwks_uri": uri}), r#"expected "http://"#),
        (json!({"issuer": "evil\n".repeat(1000), "jwks_uri": uri}), r#"evil\nevil\n""#),
        (json!({"issuer": server.url}), "not the metadata"),
        (json!({"issuer": server.url, "jwks_uri": "jwks.json"}), "not a URL"),
        (json!({"issuer": server.url, "jwks_uri": "http://evil.example/jwks.json"}), "plain HTTP"),
        (json!({"issuer": server.url, "jwks_uri": "file:///etc/passwd"}), "neither https nor http"),
    ];
    for (metadata, expected) in rows {
        server.route(METADATA, Reply::ok(metadata.to_string()));
        let verifier = remote(&server.url, Remote::discover()).unwrap();
        verifier.start();
        until(expected, || reason(&verifier).contains(expected)).await;
    }
    assert_eq!(server.hits(KEYS), 0);
}

#[tokio::test]
async fn an_issuer_is_reached_from_inside() {
    let (server, signer) = (Server::start().await, Signer::es256("es"));
    let metadata = json!({"issuer": ISSUER, "jwks_uri": format!("{ISSUER}{KEYS}")});
    server.route(METADATA, Reply::ok(metadata.to_string()));
    server.route(KEYS, Reply::ok(jwks(&[&signer])));
    let verifier = remote(ISSUER, Remote::discover().internal_url(&server.url)).unwrap();
    verifier.start();
    verifier.verify(&signer.token()).await.unwrap();
}

#[tokio::test]
async fn a_url_that_must_not_be_asked_is_an_error_at_once() {
    let at = |url: &str| remote(url, Remote::discover()).map(drop);
    for url in [
        "http://127.0.0.1:1",
        "http://127.9.9.9",
        "http://localhost:1",
        "http://[::1]:1",
        "https://auth.example.com",
    ] {
        assert_eq!(at(url), Ok(()), "{url}");
    }
    for url in [
        "http://auth.example.com",
        "http://10.0.0.1",
        "http://localhost.evil.example",
        "http://127.0.0.1.evil.example",
        "https://user:secret@auth.example.com",
        "ftp://127.0.0.1",
        "auth.example.com",
        "/",
        "https://",
        "mailto:a@b",
        "https://a.example/?x=1",
        "https://a.example/#x",
    ] {
        assert!(matches!(at(url), Err(SetupError::Url(..))), "{url}");
    }
    let inside = |remote_: Remote| remote(ISSUER, remote_).map(drop);
    let plain = || Remote::discover().internal_url("http://auth:8080");
    assert!(matches!(inside(plain()), Err(SetupError::Url(..))));
    assert!(matches!(inside(plain().allow_http_hosts(["other"])), Err(SetupError::Url(..))));
    assert_eq!(inside(plain().allow_http_hosts(["other", "AUTH"])), Ok(()));
    assert!(matches!(inside(Remote::discover().internal_url("https://auth/path")), Err(SetupError::Url(..))));
    assert!(matches!(inside(Remote::discover().jwks_uri("http://auth/jwks.json")), Err(SetupError::Url(..))));
    assert_eq!(inside(Remote::discover().jwks_uri("https://auth/jwks.json?p=x")), Ok(()));
    assert_eq!(inside(Remote::discover().ca_file_pem("no PEM")), Err(SetupError::Certificates));
}
