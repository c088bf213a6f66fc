//! `ResourceMetadata` as a router of axum: `router.merge(metadata.router())`.

use ::axum::{
    Router,
    http::{
        StatusCode,
        header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE},
    },
    routing::get,
};

use crate::http::{
    ResourceMetadata,
    bearer::problem,
    resource_metadata::{ALLOWED, CACHED, ONLY_READ},
};

impl ResourceMetadata {
    /// Serves the document at [its path](Self::path) (RFC 9728 section 3).
    pub fn router<S>(&self) -> Router<S>
    where
        S: Clone + Send + Sync + 'static,
    {
        let document = self.to_json();
        let show =
            move || async move { ([(CACHE_CONTROL, CACHED), (CONTENT_TYPE, "application/json")], document) };
        let others = || async {
            let headers = [(ALLOW, ALLOWED), (CONTENT_TYPE, "application/problem+json")];
            (StatusCode::METHOD_NOT_ALLOWED, headers, problem(405, ONLY_READ, "method_not_allowed"))
        };
        Router::new().route(self.path(), get(show).fallback(others))
    }
}
