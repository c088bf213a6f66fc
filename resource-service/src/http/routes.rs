//! THE ROUTE TABLE: every path of the service on one screen. A handler with a parameter `token: AccessToken` is protected; its
//! first line has the right that it requires.

use actix_web::web::{ServiceConfig, scope, to};
use service_kit::routes::{nowhere, path};
use shared_claims::{Verifier, actix::PrivateAnswers, http::ResourceMetadata};

use super::{admin, books, comments, health, index, protected, records};

/// Registers every route. `index` lists them for clients. `metadata` is a route of its own, if there is a public URL.
pub(crate) fn routes(config: &mut ServiceConfig, verifier: &Verifier, metadata: Option<ResourceMetadata>) {
    let mut routes = scope("")
        .wrap(PrivateAnswers::new(verifier)) // only where tokens may stand in the query
        .service(path("/").get(index::index))
        .service(path("/protected").get(protected::protected))
        .service(path("/records/{user_id}").get(records::list).post(records::add))
        .service(path("/books").get(books::list))
        .service(path("/books/{id}/download").get(books::download))
        .service(path("/comments").get(comments::list).post(comments::add))
        .service(path("/admin/report").get(admin::report))
        .service(path("/livez").get(health::livez))
        .service(path("/readyz").get(health::readyz))
        .default_service(to(nowhere));
    if let Some(metadata) = metadata {
        routes = routes.service(metadata); // /.well-known/oauth-protected-resource
    }
    config.service(routes);
}
