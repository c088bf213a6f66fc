//! Protected resource metadata (RFC 9728): a document that tells clients which issuers' tokens a service accepts. The adapters
//! serve it.

use std::sync::Arc;

use serde::Serialize;

use crate::{
    error::setup::SetupError,
    http::{origin, sources::Sources},
};

const WELL_KNOWN: &str = "/.well-known/oauth-protected-resource";

/// The adapters' `Cache-Control` for the document, and their answer to other methods.
#[cfg(any(feature = "actix", feature = "axum"))]
pub(crate) const CACHED: &str = "public, max-age=3600";
#[cfg(any(feature = "actix", feature = "axum"))]
pub(crate) const ALLOWED: &str = "GET, HEAD";
#[cfg(any(feature = "actix", feature = "axum"))]
pub(crate) const ONLY_READ: &str = "This path takes GET, HEAD.";

/// The metadata of a service. Cheap to clone.
///
/// ```
/// # use shared_claims::{Policy, http::ResourceMetadata};
/// let metadata = ResourceMetadata::new("https://api.example.com/orders", ["https://auth.example.com"])?
///     .scopes(["orders:read", "orders:write"])
///     .name("Orders");
/// assert_eq!(metadata.path(), "/.well-known/oauth-protected-resource/orders");
///
/// // Challenges name the URL of the document:
/// let policy = Policy::new("https://auth.example.com", ["orders"])?.resource_metadata(metadata.url());
/// # Ok::<(), shared_claims::error::SetupError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResourceMetadata {
    url: Arc<str>,
    /// The offset of the path in `url`.
    path_at: usize,
    document: Arc<Document>,
}

/// The document (RFC 9728 section 2). Empty lists are omitted, as section 3.2 requires, except for the methods: an empty list
/// of these means that there is no method.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct Document {
    resource: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    authorization_servers: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    scopes_supported: Vec<String>,
    bearer_methods_supported: Vec<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    resource_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    resource_documentation: Option<String>,
}

impl ResourceMetadata {
    /// Describes the service at the URL `resource`, which accepts tokens of these issuers, sent in the header.
    ///
    /// # Errors
    /// [`SetupError::Url`] if `resource` is not an `https` URL (or `http` on a loopback host), if it has a query or a fragment,
    /// or if its path has characters other than letters, digits, `-`, `.`, `_`, `~` and `/`.
    pub fn new<I>(resource: impl Into<String>, authorization_servers: I) -> Result<Self, SetupError>
    where
        I: IntoIterator<Item: Into<String>>,
    {
        let resource = resource.into();
        let (url, path_at) = well_known_url(&resource)?;
        let document = Document {
            resource,
            authorization_servers: authorization_servers.into_iter().map(Into::into).collect(),
            scopes_supported: Vec::new(),
            bearer_methods_supported: Sources::default().bearer_methods(),
            resource_name: None,
            resource_documentation: None,
        };
        Ok(Self { url: url.into(), path_at, document: Arc::new(document) })
    }

    /// Sets the scopes that a client may need.
    #[must_use]
    pub fn scopes<I>(mut self, scopes: I) -> Self
    where
        I: IntoIterator<Item: Into<String>>,
    {
        self.change().scopes_supported = scopes.into_iter().map(Into::into).collect();
        self
    }

    /// Sets where tokens are accepted: [`Verifier::sources`](crate::Verifier::sources).
    #[must_use]
    pub fn sources(mut self, sources: &Sources) -> Self {
        self.change().bearer_methods_supported = sources.bearer_methods();
        self
    }

    /// Sets the name of the service, for people.
    #[must_use]
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.change().resource_name = Some(name.into());
        self
    }

    /// Sets the URL of a page for developers.
    #[must_use]
    pub fn documentation(mut self, url: impl Into<String>) -> Self {
        self.change().resource_documentation = Some(url.into());
        self
    }

    /// Returns the URL of the document (RFC 9728 section 3).
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Returns the path of that URL.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.url[self.path_at..]
    }

    /// Returns the document, of type `application/json`.
    #[must_use]
    pub fn to_json(&self) -> String {
        serde_json::to_string(&*self.document).unwrap_or_default() // strings and lists: serialising cannot fail
    }

    fn change(&mut self) -> &mut Document {
        Arc::make_mut(&mut self.document)
    }
}

/// Inserts the well-known path between the host and the path (RFC 9728 section 3.1). Also returns the length of the origin.
fn well_known_url(resource: &str) -> Result<(String, usize), SetupError> {
    let wrong = |why| SetupError::Url(resource.to_owned(), why);
    let parts = origin::parts(resource).ok_or_else(|| wrong("it is not an https URL"))?;
    if !parts.https && !origin::is_loopback(parts.authority) {
        return Err(wrong("it is not https"));
    }
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte);
    if !parts.rest.bytes().all(plain) {
        return Err(wrong("its path may hold only letters, digits, - . _ ~ and /, and nothing may follow"));
    }
    let origin = resource.strip_suffix(parts.rest).unwrap_or(resource);
    let path = if parts.rest == "/" { "" } else { parts.rest };
    Ok((format!("{origin}{WELL_KNOWN}{path}"), origin.len()))
}
