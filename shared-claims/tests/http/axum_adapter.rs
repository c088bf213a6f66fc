//! What is specific to axum and tower: states that contain a verifier, and services with any body.

use std::convert::Infallible;

use crate::support::{ISSUER, Signer, key_set, verifier};
use axum::{
    Router,
    body::Body,
    extract::FromRef,
    http::{Request, Response, header::AUTHORIZATION},
    routing::get,
};
use shared_claims::{AccessToken, Policy, Verifier, axum::RequireToken, guard::scope};
use tower::{Layer, ServiceExt, service_fn};

async fn me(token: AccessToken) -> String {
    format!("Welcome, {}!", token.name())
}

#[derive(Clone)]
struct State {
    verifier: Verifier,
}

impl FromRef<State> for Verifier {
    fn from_ref(state: &State) -> Self {
        state.verifier.clone()
    }
}

async fn status(app: Router, token: &str) -> u16 {
    let request = Request::get("/me").header(AUTHORIZATION, format!("Bearer {token}"));
    app.oneshot(request.body(Body::empty()).unwrap()).await.unwrap().status().as_u16()
}

#[tokio::test]
async fn the_state_is_a_verifier_or_has_one() {
    let signer = Signer::es256("es");
    let verifier = verifier(&[&signer]);
    let bare = Router::new().route("/me", get(me)).with_state(verifier.clone());
    assert_eq!(status(bare, &signer.token()).await, 200);
    let of_an_application =
        || Router::new().route("/me", get(me)).with_state(State { verifier: verifier.clone() });
    assert_eq!(status(of_an_application(), &signer.token()).await, 200);
    assert_eq!(status(of_an_application(), "garbage").await, 401);
}

#[tokio::test]
async fn a_handler_does_not_take_the_word_of_a_layer_that_trusts_others() {
    let signer = Signer::es256("es");
    let elsewhere = Verifier::with_keys(Policy::new(ISSUER, ["books"]).unwrap(), key_set(&[&signer]))
        .with_clock(crate::support::clock());
    let layer = RequireToken::new(&verifier(&[&signer]));
    let app = Router::new().route("/me", get(me)).layer(layer).with_state(elsewhere);
    assert_eq!(status(app, &signer.token()).await, 401, "another audience");
}

#[tokio::test]
async fn a_layer_protects_any_tower_service() {
    let signer = Signer::es256("es");
    let greet = service_fn(|request: Request<()>| async move {
        let token: &AccessToken = request.extensions().get().unwrap();
        Ok::<_, Infallible>(Response::new(token.name().to_owned()))
    });
    let layer = RequireToken::new(&verifier(&[&signer])).rule(scope("books:download"));
    let ask = |token: &str| {
        let request = Request::get("/").header(AUTHORIZATION, format!("Bearer {token}")).body(()).unwrap();
        layer.layer(greet).oneshot(request)
    };
    let answer = ask(&signer.token()).await.unwrap();
    assert_eq!((answer.status().as_u16(), answer.body().as_str()), (200, "ada"));
    let refused = ask("garbage").await.unwrap();
    assert_eq!(refused.status().as_u16(), 401);
    assert!(refused.body().contains("invalid_token"));
}
