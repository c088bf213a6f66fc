//! What this service tells clients about itself (RFC 9728), once it knows under which URL they reach it.

use service_kit::settings::SettingsError;
use shared_claims::{Verifier, http::ResourceMetadata};

use crate::settings::Settings;

/// The scopes that some route asks for.
const SCOPES: [&str; 1] = ["books:download"];

/// The document as it is served.
///
/// # Errors
/// As [`describe`].
pub(crate) fn from_settings(
    settings: &Settings,
    verifier: &Verifier,
) -> Result<Option<ResourceMetadata>, SettingsError> {
    Ok(describe(settings)?.map(|metadata| metadata.sources(verifier.sources())))
}

/// The document; `None` without a public URL, which is never guessed from a request.
///
/// # Errors
/// When the setting is no URL that can be described.
pub(crate) fn describe(settings: &Settings) -> Result<Option<ResourceMetadata>, SettingsError> {
    let Some(url) = &settings.public_url else { return Ok(None) };
    let metadata = ResourceMetadata::new(url, [&settings.issuer])
        .map_err(|error| SettingsError::invalid("public_url", error))?;
    Ok(Some(metadata.scopes(SCOPES).name("resource-service")))
}
