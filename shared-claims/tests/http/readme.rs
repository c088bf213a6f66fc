//! The tests in the README.

use actix_web::{App, get, http::StatusCode, test::{TestRequest, call_service, init_service}};
use shared_claims::{AccessToken, error::AuthError, guard::scope, testing::TestIssuer};

#[get("/orders")]
async fn orders(token: AccessToken) -> Result<&'static str, AuthError> {
    token.require(scope("orders:read"))?;
    Ok("three orders")
}

#[actix_web::test]
async fn a_token_with_the_scope_opens_the_orders_until_it_is_revoked() {
    let issuer = TestIssuer::new();
    let app = init_service(App::new().app_data(issuer.verifier("orders")).service(orders)).await;
    let ask = async |token: &str| {
        let request = TestRequest::get().uri("/orders").append_header(("Authorization", format!("Bearer {token}")));
        call_service(&app, request.to_request()).await.status()
    };

    let token = issuer.token("alice").scope("orders:read").sign();
    assert_eq!(ask(&token).await, StatusCode::OK);
    assert_eq!(ask(&issuer.token("alice").sign()).await, StatusCode::FORBIDDEN);
    assert_eq!(ask(&issuer.token("alice").expired().sign()).await, StatusCode::UNAUTHORIZED);

    issuer.revoke(&token);
    assert_eq!(ask(&token).await, StatusCode::UNAUTHORIZED);
}

#[actix_web::test]
async fn no_forgery_opens_the_orders() {
    let issuer = TestIssuer::new();
    let app = init_service(App::new().app_data(issuer.verifier("orders")).service(orders)).await;
    let ask = async |headers: shared_claims::testing::Headers| {
        let mut request = TestRequest::get().uri("/orders");
        for (name, value) in headers {
            request = request.append_header((name, value.as_slice()));
        }
        call_service(&app, request.to_request()).await.status().as_u16()
    };
    issuer.token("alice").scope("orders:read").try_on(ask).await.unwrap(); // the error lists what was accepted
}

#[test]
fn every_test_of_the_readme_is_here_and_no_block_has_hidden_lines() {
    let (readme, here) = (include_str!("../../README.md"), include_str!("readme.rs"));
    let blocks: Vec<&str> = readme.split("```").skip(1).step_by(2).filter(|block| block.starts_with("rust")).collect();
    assert!(blocks.len() > 10, "{}", blocks.len());
    let mut tests = 0;
    for block in blocks {
        let (_, block) = block.split_once('\n').unwrap();
        assert!(block.lines().all(|line| line != "#" && !line.starts_with("# ")), "{block}");
        if block.contains("#[actix_web::test]") {
            assert!(here.contains(block), "{block}");
            tests += 1;
        }
    }
    assert_eq!(tests, 2);
}
