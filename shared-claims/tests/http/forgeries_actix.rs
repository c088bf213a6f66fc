//! The corpus of forgeries against routes in actix-web, as an application would run it.

use actix_web::{
    App, HttpRequest, HttpResponse, get,
    test::{TestRequest, init_service},
    web,
};
use shared_claims::{
    AccessToken,
    actix::{OptionalToken, RequireToken},
    error::AuthError,
    guard::scope,
    testing::{Breach, Headers, TestIssuer},
};

#[get("/guarded")]
async fn guarded(token: AccessToken) -> Result<String, AuthError> {
    token.require(scope("orders:read"))?;
    Ok(token.sub.clone())
}

#[get("/anonymous-too")]
async fn anonymous_too(OptionalToken(token): OptionalToken) -> HttpResponse {
    // This route must not succeed without a token.
    if token.is_some() { HttpResponse::Ok().finish() } else { HttpResponse::Unauthorized().finish() }
}

/// A careless route, which accepts any token.
#[get("/careless")]
async fn careless(request: HttpRequest) -> HttpResponse {
    let believed = request.headers().contains_key("authorization");
    if believed { HttpResponse::Ok().finish() } else { HttpResponse::Unauthorized().finish() }
}

async fn try_on(path: &str) -> Result<usize, Breach> {
    let issuer = TestIssuer::new();
    let verifier = issuer.verifier("orders");
    let middleware = RequireToken::new(&verifier).rule(scope("orders:read"));
    let behind = web::resource("/behind-middleware").wrap(middleware).get(async || "orders");
    let app = App::new().app_data(verifier).service(guarded).service(anonymous_too).service(careless);
    let app = app.service(behind);
    let app = init_service(app).await;
    let ask = async |headers: Headers| {
        let mut request = TestRequest::get().uri(path);
        for (name, value) in headers {
            request = request.append_header((name, value.as_slice()));
        }
        match actix_web::test::try_call_service(&app, request.to_request()).await {
            Ok(response) => response.status().as_u16(),
            Err(error) => error.as_response_error().status_code().as_u16(),
        }
    };
    issuer.token("alice").scope("orders:read").try_on(ask).await
}

#[actix_web::test]
async fn no_forgery_gets_through_the_extractors_or_the_middleware() {
    for path in ["/guarded", "/anonymous-too", "/behind-middleware"] {
        let tried = try_on(path).await.unwrap();
        assert!(tried > 1800, "{tried}");
    }
}

#[actix_web::test]
async fn the_report_about_a_careless_route_names_what_it_accepted() {
    let breach = try_on("/careless").await.unwrap_err();
    assert!(breach.forgeries().len() > 1800 && breach.refused().is_empty());
    let text = breach.to_string();
    assert!(
        text.contains("200 for alg \"none\", unsigned (attack 4, no algorithm: RFC 8725 section 3.2)"),
        "{text:.9000}"
    );
}

#[actix_web::test]
async fn a_route_that_refuses_everybody_proves_nothing() {
    let breach = try_on("/nowhere").await.unwrap_err();
    assert!(breach.refused().len() > 10);
    assert!(breach.to_string().contains("404 for a good token"));
}
