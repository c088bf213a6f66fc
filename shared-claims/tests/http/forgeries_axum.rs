//! The corpus of forgeries against routes in axum.

use axum::{
    Router,
    body::Body,
    http::{Request, StatusCode},
    routing::get,
};
use shared_claims::{
    AccessToken,
    axum::{OptionalToken, RequireToken},
    error::AuthError,
    guard::scope,
    testing::{Headers, TestIssuer},
};
use tower::ServiceExt;

async fn guarded(token: AccessToken) -> Result<String, AuthError> {
    token.require(scope("orders:read"))?;
    Ok(token.sub.clone())
}

async fn anonymous_too(OptionalToken(token): OptionalToken) -> StatusCode {
    // This route must not succeed without a token.
    if token.is_some() { StatusCode::OK } else { StatusCode::UNAUTHORIZED }
}

async fn behind_a_layer() -> &'static str {
    "orders"
}

#[tokio::test]
async fn no_forgery_gets_through_the_extractors_or_the_layer() {
    let issuer = TestIssuer::new();
    let verifier = issuer.verifier("orders");
    let layer = RequireToken::new(&verifier).rule(scope("orders:read"));
    let app = Router::new()
        .route("/behind-a-layer", get(behind_a_layer))
        .route_layer(layer)
        .route("/guarded", get(guarded))
        .route("/anonymous-too", get(anonymous_too))
        .with_state(verifier);
    for path in ["/guarded", "/anonymous-too", "/behind-a-layer"] {
        let ask = async |headers: Headers| {
            let mut request = Request::get(path);
            for (name, value) in headers {
                request = request.header(name, value);
            }
            app.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap().status().as_u16()
        };
        let tried = issuer.token("alice").scope("orders:read").try_on(ask).await.unwrap();
        assert!(tried > 1800, "{tried}");
    }
}
