//! How long an access token may be. One that is longer is refused unread by every verifier, or dropped by browsers, so none is
//! made.

use serde_json::Value;
use shared_claims::{claims::Claims, verifier::MAX_ACCESS_TOKEN_BYTES};

use crate::domain::keyring::encoded_length;

/// The name of the cookie that an access token is kept in.
pub const ACCESS_COOKIE: &str = "__Host-access";

/// Browsers drop a cookie whose name and value are longer together (RFC 6265bis section 5.7).
const MAX_COOKIE_BYTES: usize = 4096;

/// How an access token is handed over.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Transport {
    /// In the body of the answer.
    #[default]
    Body,
    /// In a browser's cookie.
    Cookie,
}

impl Transport {
    fn most(self) -> usize {
        match self {
            Self::Body => MAX_ACCESS_TOKEN_BYTES,
            Self::Cookie => MAX_COOKIE_BYTES - ACCESS_COOKIE.len(),
        }
    }

    fn takers(self) -> &'static str {
        match self {
            Self::Body => "verifiers accept",
            Self::Cookie => "fit into a browser's cookie",
        }
    }
}

/// An access token that is not made, because it would be too long.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "the access token would have {bytes} bytes, and at most {} {}; the longest claim is {claim}",
    .transport.most(), .transport.takers()
)]
pub struct TokenTooLarge {
    /// The claim that takes most of it.
    pub claim: String,
    /// How long the token would be.
    pub bytes: usize,
    /// Whose bound it exceeds: the verifiers', or else only that of cookies.
    pub transport: Transport,
}

/// Refuses claims whose token would be too long. `frame` is what header and signature take at the most.
pub(in crate::domain) fn check(
    claims: &Claims,
    frame: usize,
    transport: Transport,
) -> Result<(), TokenTooLarge> {
    let length = |value: &Value| serde_json::to_vec(value).map_or(0, |json| json.len());
    let payload = serde_json::to_vec(claims).map_or(0, |json| json.len());
    let bytes = frame + encoded_length(payload);
    let exceeded = [Transport::Body, transport].into_iter().find(|transport| bytes > transport.most());
    let Some(transport) = exceeded else { return Ok(()) };
    // Claims are strings and numbers: they become JSON.
    let members = serde_json::to_value(claims).ok();
    let members = members.as_ref().and_then(Value::as_object).into_iter().flatten();
    let longest = members.max_by_key(|(_, value)| length(value));
    let claim = longest.map(|(name, _)| name.clone()).unwrap_or_default();
    Err(TokenTooLarge { claim, bytes, transport })
}

impl TokenTooLarge {
    /// Where logins are refused, for sentences that say so.
    #[must_use]
    pub fn scope_of_refusal(&self) -> &'static str {
        match self.transport {
            Transport::Body => "",
            Transport::Cookie => " with cookies",
        }
    }
}
