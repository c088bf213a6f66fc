//! A program that has chosen providers of cryptography for its whole process, others than this crate's.

use shared_claims_neighbours as neighbours;

#[actix_web::test]
async fn all_holds_with_other_providers() {
    rustls::crypto::ring::default_provider().install_default().expect("nobody was faster");
    jsonwebtoken::crypto::rust_crypto::DEFAULT_PROVIDER.install_default().expect("nobody was faster");
    neighbours::good_tokens_pass();
    neighbours::no_forgery_passes().await;
    neighbours::keys_come_over_https().await;
}
