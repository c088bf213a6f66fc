//! The key set (RFC 7517) and the metadata (RFC 8414), by which any verifier can configure itself from the issuer's URL.

use std::collections::BTreeSet;
use std::fmt::Display;
use std::time::Duration;

use actix_web::http::header::{CACHE_CONTROL, ETAG, EntityTag, Header as _, HeaderName, IfNoneMatch};
use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use serde::Serialize;

use crate::domain::clock::DatabaseClock;
use crate::domain::entity_tag::entity_tag;
use crate::domain::keyring::Keyring;
use crate::domain::policy::Policy;
use crate::domain::status_lists::StatusLists;

/// The metadata. Nothing in it depends on a request, in particular not on its `Host`. [`WithAlgorithms`] adds what depends on
/// the keys.
#[derive(Debug)]
pub(crate) struct Metadata(Document);

/// The metadata as it is answered.
#[derive(Serialize)]
struct WithAlgorithms<'a> {
    #[serde(flatten)]
    document: &'a Document,
    /// A member of `OpenID` Connect Discovery; some generic clients require it.
    id_token_signing_alg_values_supported: BTreeSet<&'static str>,
}

#[derive(Debug, Serialize)]
struct Document {
    issuer: String,
    token_endpoint: String,
    jwks_uri: String,
    // RFC 8414 section 3.2: a claim with zero elements is left out.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    scopes_supported: BTreeSet<String>,
    response_types_supported: [&'static str; 1],
    grant_types_supported: [&'static str; 2],
    token_endpoint_auth_methods_supported: [&'static str; 3],
    revocation_endpoint: String,
    revocation_endpoint_auth_methods_supported: [&'static str; 3],
    introspection_endpoint: String,
    introspection_endpoint_auth_methods_supported: [&'static str; 2],
    // Without asymmetric signatures there are no status lists.
    #[serde(skip_serializing_if = "Option::is_none")]
    status_list_aggregation_endpoint: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    status_list_events_endpoint: Option<String>,
    // OpenID's; some generic clients require it.
    subject_types_supported: [&'static str; 1],
}

impl Metadata {
    /// Creates the metadata of an issuer with this policy.
    pub(crate) fn new(policy: &Policy) -> Self {
        let at = |path: &str| format!("{}{path}", policy.issuer);
        Self(Document {
            issuer: policy.issuer.clone(),
            token_endpoint: at("/token"),
            jwks_uri: at("/.well-known/jwks.json"),
            scopes_supported: policy.roles.0.values().flatten().cloned().collect(),
            // Required, and some clients refuse an empty list. There is no authorization endpoint.
            response_types_supported: ["none"],
            grant_types_supported: ["refresh_token", "client_credentials"],
            token_endpoint_auth_methods_supported: ["none", "client_secret_basic", "client_secret_post"],
            revocation_endpoint: at("/revoke"),
            revocation_endpoint_auth_methods_supported: ["none", "client_secret_basic", "client_secret_post"],
            introspection_endpoint: at("/introspect"),
            introspection_endpoint_auth_methods_supported: ["client_secret_basic", "client_secret_post"],
            status_list_aggregation_endpoint: policy.statuses.then(|| at("/status-lists")),
            status_list_events_endpoint: policy.statuses.then(|| at("/status-lists/events")),
            subject_types_supported: ["public"],
        })
    }
}

pub(in crate::http) async fn metadata(
    metadata: Data<Metadata>,
    lists: Data<StatusLists>,
    keyring: Data<Keyring>,
    clock: Data<DatabaseClock>,
    req: HttpRequest,
) -> HttpResponse {
    // The algorithms are those of the keys that are published now.
    let _ = tokio::time::timeout(PATIENCE, lists.poll()).await;
    let answer =
        WithAlgorithms { document: &metadata.0, id_token_signing_alg_values_supported: keyring.algorithms() };
    let Ok(json) = serde_json::to_string(&answer) else {
        return HttpResponse::InternalServerError().finish(); // strings become JSON
    };
    let etag = entity_tag(&json);
    let known = if_none_match(&req, &etag);
    let max_age = keyring.max_age(clock.now());
    let mut response = if known { HttpResponse::NotModified() } else { HttpResponse::Ok() };
    response.insert_header((CACHE_CONTROL, cache_control(max_age))).insert_header((ETAG, etag));
    if known {
        return response.finish();
    }
    response.content_type("application/json").body(json)
}

/// Lets a client keep the answer for `max_age` seconds. A shared cache has to revalidate it each time (RFC 9111 section
/// 5.2.2.10): it gets no events, and would go on serving withdrawn keys, or lack the algorithm of new ones.
fn cache_control(max_age: impl Display) -> String {
    format!("public, max-age={max_age}, s-maxage=0")
}

/// The revision of the key set, by which a verifier sees whether it is as new as the event that made it fetch.
pub(in crate::http) const X_KEYS_REVISION: HeaderName = HeaderName::from_static("x-keys-revision");

/// How long the answer waits for the database, which knows whether a key has just been withdrawn.
const PATIENCE: Duration = Duration::from_millis(250);

pub(in crate::http) async fn key_set(
    lists: Data<StatusLists>,
    keyring: Data<Keyring>,
    clock: Data<DatabaseClock>,
    req: HttpRequest,
) -> HttpResponse {
    // Without the database these are the keys that were valid a moment ago.
    let _ = tokio::time::timeout(PATIENCE, lists.poll()).await;
    let published = keyring.published();
    let known = if_none_match(&req, &published.etag);
    let mut response = if known { HttpResponse::NotModified() } else { HttpResponse::Ok() };
    let max_age = keyring.max_age(clock.now());
    response
        .insert_header((CACHE_CONTROL, cache_control(max_age)))
        .insert_header((ETAG, published.etag.as_str()))
        .insert_header((X_KEYS_REVISION, published.revision));
    if known {
        return response.finish();
    }
    response.content_type("application/json").body(published.json.clone())
}

/// Whether `If-None-Match` names this entity tag (RFC 9110 section 13.1.2).
pub(in crate::http) fn if_none_match(req: &HttpRequest, etag: &str) -> bool {
    let Ok(ours) = etag.parse::<EntityTag>() else { return false };
    match IfNoneMatch::parse(req) {
        Ok(IfNoneMatch::Any) => true,
        Ok(IfNoneMatch::Items(items)) => items.iter().any(|item| item.weak_eq(&ours)),
        Err(_) => false,
    }
}
