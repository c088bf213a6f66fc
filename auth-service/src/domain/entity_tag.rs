//! Validators of documents that others keep (RFC 9110 section 8.8.3).

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// A strong validator of a document, with its quotes. Replicas with the same document agree on it.
#[must_use]
pub fn entity_tag(document: &str) -> String {
    let hash = digest(&SHA256, document.as_bytes());
    format!("\"{}\"", URL_SAFE_NO_PAD.encode(&hash.as_ref()[..16]))
}
