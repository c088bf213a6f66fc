//! THE ROUTE TABLE: every path of the service on one screen. Handlers live in the file that the path's line names;
//! each extracts, calls one use case, and responds.

mod account_changes;
mod accounts;
mod admin;
mod audit;
mod caller;
mod client;
mod cookies;
mod delivery;
mod device;
mod discovery;
mod error;
mod health;
mod import;
mod index;
mod introspection;
mod my_sessions;
mod oauth;
mod origin;
mod password_policy;
mod rates;
mod revocation;
mod serving;
mod sessions;
mod status_lists;
mod token;

use actix_web::middleware::from_fn;
use actix_web::web::{self, ServiceConfig};
use service_kit::routes::{nowhere, path};

pub(crate) use audit::Item as AuditItem;
pub(crate) use cookies::CookieMode;
pub(crate) use device::Devices;
pub(crate) use discovery::Metadata;
pub(crate) use import::ImportLimits;
pub(crate) use oauth::refusal;
pub(crate) use rates::Rates;
pub(crate) use status_lists::Listeners;

/// Registers every route. `issuer_path` is the path of the issuer's URL, which RFC 8414 puts behind the well-known name.
pub(crate) fn routes(config: &mut ServiceConfig, issuer_path: &str) {
    let metadata = format!("/.well-known/oauth-authorization-server{}", issuer_path.trim_end_matches('/'));
    // Around every route: what happens in a request is remembered with where that came from.
    let all = web::scope("").wrap(from_fn(serving::while_it_can)).wrap(from_fn(origin::remember));
    let all = all
        .service(path("/").get(index::index))
        .service(path("/docs").get(index::docs))
        .service(path("/register").post(accounts::register))
        .service(path("/password-policy").get(password_policy::password_policy))
        .service(path("/login").post(sessions::login))
        .service(path("/token").post(token::token))
        .service(path("/logout").post(sessions::logout))
        .service(path("/revoke").post(revocation::revoke))
        .service(path("/introspect").post(introspection::introspect))
        .service(path("/me").get(accounts::me).patch(account_changes::names).delete(account_changes::delete))
        .service(path("/me/password").put(account_changes::password))
        .service(path("/me/sessions").get(my_sessions::list).delete(my_sessions::end_others))
        .service(path("/me/sessions/{id}").delete(my_sessions::end))
        .service(path("/admin/users").get(admin::users))
        .service(path("/admin/audit").get(audit::list))
        .service(path("/admin/users/import").post(import::import))
        .service(path("/.well-known/jwks.json").for_any_page().get(discovery::key_set))
        .service(path(metadata).for_any_page().get(discovery::metadata))
        .service(path("/.well-known/openid-configuration").for_any_page().get(discovery::metadata))
        .service(path("/status-lists").for_any_page().get(status_lists::aggregation))
        .service(path("/status-lists/events").for_any_page().get(status_lists::events))
        .service(path("/status-lists/{list}").for_any_page().get(status_lists::list))
        .service(path("/livez").get(health::livez))
        .service(path("/readyz").get(health::readyz))
        .default_service(web::to(nowhere));
    config.service(all);
}
