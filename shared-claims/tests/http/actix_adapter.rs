//! What is specific to actix-web: where an application keeps its verifier.

use crate::support::{ISSUER, Signer, key_set, verifier};
use actix_web::{
    App,
    http::header::CONTENT_TYPE,
    test::{TestRequest, call_service, init_service, read_body},
    web::{Data, ServiceConfig, resource, scope},
};
use shared_claims::{
    AccessToken, Policy, Verifier,
    actix::{OptionalToken, RequireToken},
};

async fn me(token: AccessToken) -> String {
    format!("Welcome, {}!", token.name())
}

async fn home(OptionalToken(token): OptionalToken) -> String {
    token.map_or("anonymous".to_owned(), |token| token.name().to_owned())
}

/// Asks an application for `path`: status, content type and body.
async fn ask(config: impl FnOnce(&mut ServiceConfig), path: &str, token: &str) -> (u16, String, String) {
    let routes = |config: &mut ServiceConfig| {
        config.service(resource("/me").get(me)).service(resource("/").get(home));
    };
    let app = init_service(App::new().configure(config).configure(routes)).await;
    let request = TestRequest::with_uri(path).insert_header(("authorization", format!("Bearer {token}")));
    let response = call_service(&app, request.to_request()).await;
    let media = response.headers().get(CONTENT_TYPE).unwrap().to_str().unwrap().to_owned();
    let status = response.status().as_u16();
    (status, media, String::from_utf8(read_body(response).await.to_vec()).unwrap())
}

#[actix_web::test]
async fn the_verifier_may_be_wrapped_in_data_or_not() {
    let signer = Signer::es256("es");
    let verifier = verifier(&[&signer]);
    for wrapped in [false, true] {
        let verifier = verifier.clone();
        let data = |config: &mut ServiceConfig| {
            if wrapped {
                config.app_data(Data::new(verifier))
            } else {
                config.app_data(verifier)
            };
        };
        let (status, _, body) = ask(data, "/me", &signer.token()).await;
        assert_eq!((status, body.as_str()), (200, "Welcome, ada!"), "{wrapped}");
    }
}

#[actix_web::test]
async fn an_app_without_a_verifier_fails_without_details_for_the_client() {
    for path in ["/me", "/"] {
        let (status, media, body) = ask(|_| (), path, "a.b.c").await;
        assert_eq!((status, media.as_str()), (500, "application/problem+json"), "{path}");
        assert!(!body.contains("erifier"));
    }
}

#[actix_web::test]
async fn a_guard_is_verifier_enough_for_the_handlers_behind_it() {
    let signer = Signer::es256("es");
    let guard = RequireToken::new(&verifier(&[&signer]));
    let guarded = |config: &mut ServiceConfig| {
        config.service(scope("/guarded").wrap(guard).service(resource("/me").get(me)));
    };
    assert_eq!(ask(guarded, "/guarded/me", &signer.token()).await.0, 200);
}

#[actix_web::test]
async fn a_handler_does_not_take_the_word_of_a_guard_that_trusts_others() {
    let signer = Signer::es256("es");
    let guard = RequireToken::new(&verifier(&[&signer]));
    let elsewhere = Verifier::with_keys(Policy::new(ISSUER, ["books"]).unwrap(), key_set(&[&signer]))
        .with_clock(crate::support::clock());
    let guarded = |config: &mut ServiceConfig| {
        config.app_data(elsewhere).service(scope("/guarded").wrap(guard).service(resource("/me").get(me)));
    };
    assert_eq!(ask(guarded, "/guarded/me", &signer.token()).await.0, 401, "another audience");
}
