//! THE ROUTE TABLE: every path of the service on one screen. Handlers live in the file that the path's line names; a
//! handler with a parameter `token: AccessToken` is protected, and says in its first line which right it asks for.

mod admin;
mod books;
mod comments;
mod error;
mod health;
mod index;
mod paging;
mod protected;
mod records;
mod text;

use actix_web::web::{ServiceConfig, post, resource, to};
use service_kit::routes::{get, nowhere, only};

/// Registers every route. `index` tells clients about them.
pub(crate) fn routes(config: &mut ServiceConfig) {
    config
        .service(resource("/").route(get().to(index::index)).default_service(only("GET, HEAD")))
        .service(
            resource("/protected").route(get().to(protected::protected)).default_service(only("GET, HEAD")),
        )
        .service(
            resource("/records/{user_id}")
                .route(get().to(records::list))
                .route(post().to(records::add))
                .default_service(only("GET, HEAD, POST")),
        )
        .service(resource("/books").route(get().to(books::list)).default_service(only("GET, HEAD")))
        .service(
            resource("/books/{id}/download")
                .route(get().to(books::download))
                .default_service(only("GET, HEAD")),
        )
        .service(
            resource("/comments")
                .route(get().to(comments::list))
                .route(post().to(comments::add))
                .default_service(only("GET, HEAD, POST")),
        )
        .service(resource("/admin/report").route(get().to(admin::report)).default_service(only("GET, HEAD")))
        .service(resource("/livez").route(get().to(health::livez)).default_service(only("GET, HEAD")))
        .service(resource("/readyz").route(get().to(health::readyz)).default_service(only("GET, HEAD")))
        .default_service(to(nowhere));
}
