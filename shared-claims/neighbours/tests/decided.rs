//! A program that has installed process-wide crypto providers other than the one of this crate.

use shared_claims_neighbours as neighbours;

#[actix_web::test]
async fn all_holds_with_other_providers() {
    rustls::crypto::ring::default_provider().install_default().expect("no provider was installed before");
    jsonwebtoken::crypto::rust_crypto::DEFAULT_PROVIDER.install_default().expect("no provider was installed before");
    neighbours::good_tokens_pass();
    neighbours::no_forgery_passes().await;
    neighbours::keys_come_over_https().await;
}
