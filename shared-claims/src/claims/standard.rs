//! The JSON of an access token's payload (RFC 9068 section 2.2), nothing else.
//!
//! A claim that is present has its type or the token is refused: a `null` is not an absent claim, and a
//! string is not a date. Whether the values are acceptable is the policy's business, not this file's.

use serde::{Deserialize, Deserializer, Serialize, de};

/// The last second of the year 9999: later dates are mistakes.
const LAST_SECOND: f64 = 253_402_300_799.0;

/// What a token says. Unknown claims are ignored.
///
/// Values of this type can be written by anyone; only an [`AccessToken`](crate::AccessToken) has been
/// verified.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claims {
    /// Who issued the token.
    pub iss: String,
    /// Whom the token is about: the user's id, or the client's for a client's own token.
    #[serde(deserialize_with = "not_empty")]
    pub sub: String,
    /// For whom the token is meant. One string or a list in JSON; written as a list.
    #[serde(deserialize_with = "one_or_many")]
    pub aud: Vec<String>,
    /// From when on the token is no longer valid, in seconds since 1970.
    #[serde(deserialize_with = "numeric_date")]
    pub exp: u64,
    /// When the token was issued, in seconds since 1970.
    #[serde(deserialize_with = "numeric_date")]
    pub iat: u64,
    /// Before when the token is not yet valid, in seconds since 1970.
    #[serde(default, deserialize_with = "optional_date", skip_serializing_if = "Option::is_none")]
    pub nbf: Option<u64>,
    /// The token's own id.
    #[serde(deserialize_with = "not_empty")]
    pub jti: String,
    /// The client that asked for the token.
    #[serde(deserialize_with = "not_empty")]
    pub client_id: String,
    /// The session the token belongs to.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub sid: Option<String>,
    /// What the token may be used for, separated by spaces (RFC 8693 section 4.2).
    #[serde(default)]
    pub scope: String,
    /// The roles of the user (RFC 7643 section 4.1.2).
    #[serde(default)]
    pub roles: Vec<String>,
    /// The name the user signs in with.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
    /// When the user last proved who they are, in seconds since 1970.
    #[serde(default, deserialize_with = "optional_date", skip_serializing_if = "Option::is_none")]
    pub auth_time: Option<u64>,
    /// The user's e-mail address.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    /// Whether the address has been shown to be the user's.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub email_verified: Option<bool>,
    /// Where it can be looked up whether the token was revoked (draft-ietf-oauth-status-list section 6.1).
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub status: Option<Status>,
}

/// The `status` claim. Other mechanisms than a status list are not understood: a token that names only those is
/// refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// The token's place in a Token Status List.
    pub status_list: StatusReference,
}

/// A place in a Token Status List.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StatusReference {
    /// Which of the list's entries it is, from 0.
    pub idx: u64,
    /// Where the list is, which is also its `sub`.
    pub uri: String,
}

impl Claims {
    /// The scopes one by one.
    pub fn scopes(&self) -> impl Iterator<Item = &str> {
        self.scope.split(' ').filter(|scope| !scope.is_empty())
    }

    /// Whether `scope` is among the scopes.
    #[must_use]
    pub fn has_scope(&self, scope: &str) -> bool {
        self.scopes().any(|own| own == scope)
    }

    /// Whether `role` is among the roles.
    #[must_use]
    pub fn has_role(&self, role: &str) -> bool {
        self.roles.iter().any(|own| own == role)
    }

    /// A name to greet with: `username`, or `sub` where there is none.
    #[must_use]
    pub fn name(&self) -> &str {
        self.username.as_deref().filter(|name| !name.is_empty()).unwrap_or(&self.sub)
    }
}

fn not_empty<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let text = String::deserialize(deserializer)?;
    if text.is_empty() { Err(de::Error::custom("an empty string")) } else { Ok(text) }
}

/// For `Option` fields: absent is `None` by `default`, but a `null` is an error.
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

/// A `NumericDate` (RFC 7519 section 2): seconds since 1970, possibly with a fraction, which is cut off.
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
