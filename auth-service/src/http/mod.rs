//! THE ROUTE TABLE: every path of the service on one screen. Handlers live in the file that the path's line names;
//! each extracts, calls one use case, and responds.

mod accounts;
mod caller;
mod device;
mod discovery;
mod error;
mod health;
mod oauth;
mod sessions;
mod token;

use actix_web::web::{ServiceConfig, post, resource};
use service_kit::routes::{get, nowhere, only};

pub(crate) use device::MaxUserAgentChars;
pub(crate) use discovery::Metadata;

/// Registers every route. `issuer_path` is the path of the issuer's URL, which RFC 8414 puts behind the well-known name.
pub(crate) fn routes(config: &mut ServiceConfig, issuer_path: &str) {
    let metadata = format!("/.well-known/oauth-authorization-server{}", issuer_path.trim_end_matches('/'));
    config
        .service(resource("/register").route(post().to(accounts::register)).default_service(only("POST")))
        .service(resource("/me").route(get().to(accounts::me)).default_service(only("GET, HEAD")))
        .service(resource("/login").route(post().to(sessions::login)).default_service(only("POST")))
        .service(resource("/logout").route(post().to(sessions::logout)).default_service(only("POST")))
        .service(resource("/token").route(post().to(token::token)).default_service(only("POST")))
        .service(
            resource("/.well-known/jwks.json")
                .route(get().to(discovery::key_set))
                .default_service(only("GET, HEAD")),
        )
        .service(resource(metadata).route(get().to(discovery::metadata)).default_service(only("GET, HEAD")))
        .service(
            resource("/.well-known/openid-configuration")
                .route(get().to(discovery::metadata))
                .default_service(only("GET, HEAD")),
        )
        .service(resource("/livez").route(get().to(health::livez)).default_service(only("GET, HEAD")))
        .service(resource("/readyz").route(get().to(health::readyz)).default_service(only("GET, HEAD")))
        .default_service(actix_web::web::to(nowhere));
}
