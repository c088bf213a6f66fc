//! The JSON of an access token's payload (RFC 9068 section 2.2).
//!
//! A token is refused if a claim has the wrong type: a `null` is not an absent claim, and a string is not a date. The values
//! are checked by the policy.

use serde::{Deserialize, Deserializer, Serialize, de};

/// The last second of the year 9999. Later dates are refused.
const LAST_SECOND: f64 = 253_402_300_799.0;

/// The claims of a token. Unknown claims are ignored.
///
/// A value of this type need not come from a verified token; only an [`AccessToken`](crate::AccessToken) has been verified.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claims {
    /// The issuer.
    pub iss: String,
    /// The subject: the user's id, or the client's id in a token of the client itself.
    #[serde(deserialize_with = "not_empty")]
    pub sub: String,
    /// The audiences. Read from a string or a list; written as a list.
    #[serde(deserialize_with = "one_or_many")]
    pub aud: Vec<String>,
    /// When the token expires, in seconds since 1970.
    #[serde(deserialize_with = "numeric_date")]
    pub exp: u64,
    /// When the token was issued, in seconds since 1970.
    #[serde(deserialize_with = "numeric_date")]
    pub iat: u64,
    /// When the token becomes valid, in seconds since 1970.
    #[serde(default, deserialize_with = "optional_date", skip_serializing_if = "Option::is_none")]
    pub nbf: Option<u64>,
    /// The token's id.
    #[serde(deserialize_with = "not_empty")]
    pub jti: String,
    /// The client that requested the token.
    #[serde(deserialize_with = "not_empty")]
    pub client_id: String,
    /// The session that the token belongs to.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub sid: Option<String>,
    /// The scopes, separated by spaces (RFC 8693 section 4.2).
    #[serde(default)]
    pub scope: String,
    /// The roles of the user (RFC 7643 section 4.1.2).
    #[serde(default)]
    pub roles: Vec<String>,
    /// The user name that the user logs in with.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
    /// When the user last authenticated, in seconds since 1970.
    #[serde(default, deserialize_with = "optional_date", skip_serializing_if = "Option::is_none")]
    pub auth_time: Option<u64>,
    /// The user's e-mail address.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    /// Whether the e-mail address has been verified to be the user's.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub email_verified: Option<bool>,
    /// Where the revocation status of the token is published (draft-ietf-oauth-status-list section 6.1).
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub status: Option<Status>,
}

/// The `status` claim. Only status lists are supported: a token that names only other mechanisms is refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// The token's entry in a Token Status List.
    pub status_list: StatusReference,
}

/// A reference to an entry of a Token Status List.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StatusReference {
    /// The index of the entry, from 0.
    pub idx: u64,
    /// The URI of the list, which is also its `sub`.
    pub uri: String,
}

impl Claims {
    /// Returns each scope.
    pub fn scopes(&self) -> impl Iterator<Item = &str> {
        self.scope.split(' ').filter(|scope| !scope.is_empty())
    }

    /// Returns whether `scope` is among the scopes.
    #[must_use]
    pub fn has_scope(&self, scope: &str) -> bool {
        self.scopes().any(|own| own == scope)
    }

    /// Returns whether `role` is among the roles.
    #[must_use]
    pub fn has_role(&self, role: &str) -> bool {
        self.roles.iter().any(|own| own == role)
    }

    /// Returns a name to display: `username`, or `sub` if there is none.
    #[must_use]
    pub fn name(&self) -> &str {
        self.username.as_deref().filter(|name| !name.is_empty()).unwrap_or(&self.sub)
    }
}

fn not_empty<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let text = String::deserialize(deserializer)?;
    if text.is_empty() { Err(de::Error::custom("an empty string")) } else { Ok(text) }
}

/// Reads an `Option` field: an absent one is `None` by `default`, but a `null` is an error.
pub(crate) fn present<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    deserializer: D,
) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

fn one_or_many<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Audience {
        One(String),
        Many(Vec<String>),
    }
    Ok(match Audience::deserialize(deserializer)? {
        Audience::One(audience) => vec![audience],
        Audience::Many(audiences) => audiences,
    })
}

pub(crate) fn optional_date<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    numeric_date(deserializer).map(Some)
}

/// Reads a `NumericDate` (RFC 7519 section 2): seconds since 1970. A fraction is truncated.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "checked to lie between 1 and 9999"
)]
pub(crate) fn numeric_date<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    // A double holds every second up to the year 9999 exactly.
    let seconds = f64::deserialize(deserializer)?;
    if seconds > 0.0 && seconds <= LAST_SECOND {
        Ok(seconds as u64)
    } else {
        Err(de::Error::custom("not a date between 1970 and 9999"))
    }
}
