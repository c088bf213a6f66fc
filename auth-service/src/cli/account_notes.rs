//! Messages of several commands about accounts.

use std::time::{Duration, UNIX_EPOCH};

use anyhow::anyhow;
use humantime::format_rfc3339_seconds;

use crate::app::Services;
use crate::domain::accounts::operators::{ChangedHands, NamedAccount, OperatorError};
use crate::domain::tokens::size::TokenTooLarge;

/// Describes the account that a command has found. Another account may have had its name before.
pub(super) fn introduction(named: &NamedAccount) -> String {
    let since = Duration::from_secs(u64::try_from(named.named_since).unwrap_or_default());
    let since = format_rfc3339_seconds(UNIX_EPOCH + since);
    format!("{} is the account {}, under this name since {since}", named.user.username, named.user.id)
}

/// Adds to a refusal how the operator can name the account; `option` is the one that takes an id.
pub(super) fn advise(error: OperatorError, option: &str) -> anyhow::Error {
    match error {
        OperatorError::ChangedHands(ChangedHands { ref id, .. }) => {
            anyhow!("{error}. If you mean that account, give its id ({option} {id})")
        }
        other => other.into(),
    }
}

/// Warns of roles that the settings do not define.
pub(super) fn warn_about_unknown_roles<'a>(services: &Services, roles: impl IntoIterator<Item = &'a String>) {
    for role in roles.into_iter().filter(|role| !services.policy.roles.knows(role)) {
        eprintln!(
            "auth-service: the role {role:?} is not in the settings, so it has no scopes. Check the spelling"
        );
    }
}

/// Warns of an account whose logins are refused, all of them or those with cookies.
pub(super) fn warn_about_refused_logins(username: &str, too_large: &TokenTooLarge) {
    let refused = too_large.scope_of_refusal();
    eprintln!(
        "auth-service: {username} cannot log in{refused}: {too_large}. Give fewer roles, or roles with fewer scopes."
    );
}
