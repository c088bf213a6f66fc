//! What strict client libraries require in the answers of the OAuth endpoints.

use reqwest::Method;
use serde_json::json;

use crate::api::support::{FORM, Service, send};

const METADATA: &str = "/.well-known/oauth-authorization-server";

#[actix_web::test]
async fn the_metadata_has_no_empty_list_and_says_that_there_is_no_code_flow() {
    let service = Service::start().await;
    let document = service.get(METADATA).await.json();
    assert_eq!(document["response_types_supported"], json!(["none"]));
    assert_eq!(document["scopes_supported"], json!(["books:download"]));
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("auth.toml");
    std::fs::write(&file, "[roles.subscriber]\nscopes = []\n").unwrap();
    let service = Service::with(&[("AUTH_CONFIG", file.to_str().unwrap())]).await;
    for path in [METADATA, "/.well-known/openid-configuration"] {
        let document = service.get(path).await.json();
        assert!(document.get("scopes_supported").is_none(), "{document}");
        for (name, value) in document.as_object().unwrap() {
            assert!(*value != json!([]) && !value.is_null(), "{name}: {document}");
        }
    }
}

#[actix_web::test]
async fn a_revocation_is_answered_with_json() {
    let service = Service::start().await;
    let tokens = service.register_and_login("alice").await;
    for token in [tokens.refresh.as_str(), "unknown"] {
        let answer = service.post_form("/revoke", &format!("token={token}")).await;
        assert_eq!((answer.status.as_u16(), answer.text.as_str()), (200, "{}"));
        assert_eq!(answer.header("content-type"), "application/json");
        assert_eq!(answer.header("cache-control"), "no-store");
    }
    service.try_refresh(&tokens.refresh).await.assert_oauth_error(400, "invalid_grant");
}

#[actix_web::test]
async fn after_a_wrong_media_type_an_oauth_endpoint_names_the_form_first() {
    let service = Service::start().await;
    for path in ["/token", "/revoke"] {
        for media_type in ["text/plain", "multipart/form-data; boundary=x", "application/xml"] {
            let request = service.request(Method::POST, path).header("content-type", media_type);
            let answer = send(request.body("grant_type=refresh_token")).await;
            answer.assert_oauth_error(415, "invalid_request");
            let description = answer.json()["error_description"].as_str().unwrap().to_owned();
            let (form, json) = (description.find(FORM), description.find("application/json"));
            assert!(form.is_some() && form < json, "{description}");
        }
        let answer = send(service.request(Method::POST, path).body("token=x")).await;
        assert!(answer.json()["error_description"].as_str().unwrap().contains(FORM), "{}", answer.text);
    }
}
