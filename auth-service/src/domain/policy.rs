//! What the operator decided about tokens, sessions and accounts.

use std::time::Duration;

use crate::domain::accounts::name_rules::NameRules;
use crate::domain::accounts::roles::Roles;
use crate::domain::authn::passwords::PasswordPolicy;
use crate::domain::sessions::refresh_rows::RefreshRows;

/// What the operator decided about tokens, sessions and accounts.
#[derive(Debug, Clone)]
pub struct Policy {
    /// The `iss` of every token.
    pub issuer: String,
    /// The `aud` when none is asked for.
    pub default_audience: Vec<String>,
    /// Every `aud` that may be asked for.
    pub allowed_audiences: Vec<String>,
    /// How long an access token lives.
    pub access_ttl: Duration,
    /// How long a repeated refresh gets the same answer.
    pub refresh_grace: Duration,
    /// Whether a repeat from another address and another user agent is theft even then.
    pub repeat_elsewhere_is_theft: bool,
    /// Whether tokens carry a status list index: not with HS256, where no other service could verify a list.
    pub statuses: bool,
    /// For which refreshes the audit trail has a row.
    pub refresh_rows: RefreshRows,
    /// A session ends when it was not refreshed for this long.
    pub idle_ttl: Duration,
    /// A session ends after this long in any case.
    pub absolute_ttl: Duration,
    /// Whether registration is open.
    pub registration_open: bool,
    /// Which passwords are accepted.
    pub passwords: PasswordPolicy,
    /// How long names rest, and which are reserved.
    pub names: NameRules,
    /// What each role allows.
    pub roles: Roles,
    /// With fewer bytes left on the disk of an embedded database the service is not ready.
    pub min_free: u64,
    /// How long ago a login may be for what gives rights or verified addresses.
    pub reauthenticate_within: Duration,
}
