//! Repeated fields, the headers of every answer, and both services in TLS.

use std::path::Path;
use std::time::Duration;

use rcgen::{CertificateParams, CertifiedIssuer, KeyPair};
use reqwest::{Certificate, Client, Method};
use serde_json::{Value, json};
use service_kit::settings::Variables;
use shared_claims::verifier::Clock;

use crate::support::{World, free_address, send, until};

#[actix_web::test]
async fn a_head_with_a_repeated_field_is_refused_on_every_route() {
    let world = World::start().await;
    let alice = world.register_and_login("alice").await;
    for path in ["/", "/protected", "/books", "/comments", "/livez", "/nowhere"] {
        let request = || world.request(Method::GET, path, None);
        let two = request().bearer_auth(&alice.access).bearer_auth(&alice.access);
        let answer = send(two).await;
        answer.assert_problem(400, "invalid_request");
        let challenge = r#"Bearer realm="resource-service", error="invalid_request""#;
        assert!(answer.header("www-authenticate").starts_with(challenge), "{answer:?}");
        for name in ["cookie", "origin", "content-type", "x-csrf-token"] {
            let answer = send(request().header(name, "a").header(name, "b")).await;
            answer.assert_problem(400, "repeated_header");
        }
        world.get(&format!("{path}?a=1&a=2"), None).await.assert_problem(400, "malformed_query");
        let long = format!("{path}?{}", "a".repeat(9000));
        world.get(&long, None).await.assert_problem(414, "target_too_long");
        let large = request().bearer_auth("a".repeat(17_000));
        send(large).await.assert_problem(431, "headers_too_large");
    }
}

#[actix_web::test]
async fn every_answer_is_protected() {
    let world = World::start().await;
    let alice = world.register_and_login("alice").await;
    for path in ["/", "/protected", "/books", "/books/the-lighthouse/download", "/nowhere"] {
        for token in [None, alice.token()] {
            let answer = world.get(path, token).await;
            let policy = "default-src 'none'; frame-ancestors 'none'";
            assert_eq!(answer.header("content-security-policy"), policy, "{path}");
            assert_eq!(answer.header("referrer-policy"), "no-referrer");
            assert_eq!(answer.header("cross-origin-resource-policy"), "same-origin");
            assert!(!answer.header("cache-control").is_empty(), "{path}");
            answer.assert_envelope();
        }
    }
}

/// Writes a certificate for the loopback and its key. Returns the authority that signed it.
fn make_certificate(folder: &Path) -> String {
    let mut params = CertificateParams::new([]).unwrap();
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(["127.0.0.1".to_owned()]).unwrap();
    let certificate = params.signed_by(&key, &authority).unwrap();
    std::fs::write(folder.join("certificate.pem"), certificate.pem()).unwrap();
    std::fs::write(folder.join("key.pem"), key.serialize_pem()).unwrap();
    authority.pem()
}

/// Returns the settings of a service with TLS.
fn settings(prefix: &str, folder: &Path, rows: &[(&str, &str)]) -> Variables {
    let file = |name: &str| folder.join(name).to_str().unwrap().to_owned();
    let mut all = Variables::from([
        (format!("{prefix}__TLS__CERTIFICATE"), file("certificate.pem")),
        (format!("{prefix}__TLS__KEY"), file("key.pem")),
        (format!("{prefix}__HTTP__WORKERS"), "1".to_owned()),
        (format!("{prefix}__DATA_DIR"), file(prefix)),
    ]);
    all.extend(rows.iter().map(|(name, value)| (format!("{prefix}__{name}"), (*value).to_owned())));
    all
}

#[actix_web::test]
async fn both_services_in_tls_from_a_login_to_its_revocation() {
    let folder = tempfile::tempdir().unwrap();
    let authority = make_certificate(folder.path());
    let issuer_address = free_address().to_string();
    let issuer = format!("https://{issuer_address}");

    let rows = [("LISTEN", issuer_address.as_str()), ("ISSUER", &issuer), ("PASSWORDS__BCRYPT_COST", "4")];
    let auth = auth_service::settings::Settings::load(&settings("AUTH", folder.path(), &rows)).unwrap();
    let auth = auth_service::app::build(&auth, Clock::system()).await.unwrap();
    actix_web::rt::spawn(auth.run);
    let rows = [("LISTEN", "127.0.0.1:0"), ("ISSUER", &issuer), ("ISSUER_CA", &authority)];
    let resource =
        resource_service::settings::Settings::load(&settings("RESOURCE", folder.path(), &rows)).unwrap();
    let resource = resource_service::app::build(&resource, Clock::system()).unwrap();
    let protected = format!("https://{}/protected", resource.address);
    let ready = format!("https://{}/readyz", resource.address);
    actix_web::rt::spawn(resource.run);

    let trusted = Certificate::from_pem(authority.as_bytes()).unwrap();
    let client =
        Client::builder().tls_certs_only([trusted]).timeout(Duration::from_secs(30)).build().unwrap();
    until(|| async { send(client.get(&ready)).await.json()["status_lists"]["streaming"] == true }).await;
    let post = async |path: &str, body: &Value| send(client.post(format!("{issuer}{path}")).json(body)).await;
    let account = json!({ "username": "alice", "password": "correct horse battery" });
    assert_eq!(post("/register", &account).await.status, 201);
    let tokens = post("/login", &account).await.json();
    let access = tokens["access_token"].as_str().unwrap();

    let welcome = send(client.get(&protected).bearer_auth(access)).await;
    assert_eq!((welcome.status, welcome.header("strict-transport-security")), (200, "max-age=31536000"));
    let out = send(client.post(format!("{issuer}/logout")).bearer_auth(access)).await;
    assert_eq!(out.status, 204);
    until(|| async { send(client.get(&protected).bearer_auth(access)).await.status == 401 }).await;
}
