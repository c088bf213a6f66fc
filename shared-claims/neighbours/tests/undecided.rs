//! A program without an installed crypto provider, in which two are available.

use std::panic::catch_unwind;

use shared_claims_neighbours as neighbours;

#[test]
fn the_traps_are_set() {
    let key = jsonwebtoken::DecodingKey::from_secret(&[0; 32]);
    let token = "eyJhbGciOiJIUzI1NiJ9.e30.AAAA";
    let decode = || {
        jsonwebtoken::decode::<serde_json::Value>(token, &key, &jsonwebtoken::Validation::default()).is_ok()
    };
    assert!(catch_unwind(std::panic::AssertUnwindSafe(decode)).is_err(), "jsonwebtoken has chosen");
    assert!(catch_unwind(rustls::ClientConfig::builder).is_err(), "rustls has chosen");
    let exact = serde_json::from_str::<serde_json::Number>("1e400");
    assert!(exact.is_ok_and(|number| number.to_string() == "1e+400"), "numbers are not exact");
}

#[test]
fn good_tokens_pass() {
    neighbours::good_tokens_pass();
}

#[actix_web::test]
async fn no_forgery_passes() {
    neighbours::no_forgery_passes().await;
}

#[test]
fn own_claims_are_read() {
    neighbours::own_claims_are_read();
}

#[test]
fn odd_keys_are_left_out() {
    neighbours::odd_keys_are_left_out();
}

#[test]
fn revocations_are_seen() {
    neighbours::revocations_are_seen();
}

#[actix_web::test]
async fn keys_come_over_https() {
    neighbours::keys_come_over_https().await;
}
