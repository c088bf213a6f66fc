//! The published key set.

/// The key set as it is published (RFC 7517 section 5).
#[derive(Debug, Clone)]
pub struct PublishedKeys {
    /// The document.
    pub json: String,
    /// A strong validator of it (RFC 9110 section 8.8.3), with its quotes.
    pub etag: String,
    /// As events tell it.
    pub revision: i64,
}
