//! THE ROUTE TABLE: every path of the service on one screen. Handlers are in the module that the line names. Each extracts,
//! calls one use case, and responds.

use actix_web::middleware::from_fn;
use actix_web::web::{self, ServiceConfig};
use service_kit::routes::{nowhere, path};

use crate::http::admin::{audit, import, users};
use crate::http::first_party::{account, changes, login, password_policy, sessions};
use crate::http::oauth::{introspect, metadata, revoke, token};
use crate::http::request::{audit_context, serving};
use crate::http::{health, index, status_lists};

/// Registers every route. `issuer_path` is the path of the issuer's URL, which RFC 8414 appends to the well-known path.
pub(crate) fn routes(config: &mut ServiceConfig, issuer_path: &str) {
    let metadata = format!("/.well-known/oauth-authorization-server{}", issuer_path.trim_end_matches('/'));
    // Audit events of a refused request too have its source and its id.
    let all = web::scope("")
        .wrap(from_fn(serving::refuse_unless_able))
        .wrap(from_fn(audit_context::with_audit_context));
    let all = all
        .service(path("/").get(index::index))
        .service(path("/docs").get(index::docs))
        .service(path("/register").post(account::register))
        .service(path("/password-policy").get(password_policy::password_policy))
        .service(path("/login").post(login::login))
        .service(path("/token").post(token::token))
        .service(path("/logout").post(login::logout))
        .service(path("/revoke").post(revoke::revoke))
        .service(path("/introspect").post(introspect::introspect))
        .service(path("/me").get(account::me).patch(changes::names).delete(changes::delete))
        .service(path("/me/password").put(changes::password))
        .service(path("/me/sessions").get(sessions::list).delete(sessions::end_others))
        .service(path("/me/sessions/{id}").delete(sessions::end))
        .service(path("/admin/users").get(users::users))
        .service(path("/admin/audit").get(audit::list))
        .service(path("/admin/users/import").post(import::import))
        .service(path("/.well-known/jwks.json").for_any_page().get(metadata::key_set))
        .service(path(metadata).for_any_page().get(metadata::metadata))
        .service(path("/.well-known/openid-configuration").for_any_page().get(metadata::metadata))
        .service(path("/status-lists").for_any_page().get(status_lists::aggregation))
        .service(path("/status-lists/events").for_any_page().get(status_lists::events))
        .service(path("/status-lists/{list}").for_any_page().get(status_lists::list))
        .service(path("/livez").get(health::livez))
        .service(path("/readyz").get(health::readyz))
        .default_service(web::to(nowhere));
    config.service(all);
}
