//! Protected resource metadata (RFC 9728), if the public URL of this service is set.

use service_kit::settings::SettingsError;
use shared_claims::{Verifier, http::ResourceMetadata};

use crate::settings::Settings;

/// The scopes that routes require.
const SCOPES: [&str; 1] = ["books:download"];

/// Returns the document to serve, with the token sources of the verifier.
///
/// # Errors
/// As for [`describe`].
pub(crate) fn from_settings(
    settings: &Settings,
    verifier: &Verifier,
) -> Result<Option<ResourceMetadata>, SettingsError> {
    Ok(describe(settings)?.map(|metadata| metadata.sources(verifier.sources())))
}

/// Returns the document; `None` without a public URL, which is never taken from a request.
///
/// # Errors
/// The public URL cannot be used.
pub(crate) fn describe(settings: &Settings) -> Result<Option<ResourceMetadata>, SettingsError> {
    let Some(url) = &settings.public_url else { return Ok(None) };
    let metadata = ResourceMetadata::new(url, [&settings.issuer])
        .map_err(|error| SettingsError::invalid("public_url", error))?;
    Ok(Some(metadata.scopes(SCOPES).name("resource-service")))
}
