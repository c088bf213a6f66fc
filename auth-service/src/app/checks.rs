//! Settings that the rules of the domain refuse.

use secrecy::{ExposeSecret as _, SecretString};
use service_kit::settings::{SettingsError, Variables};

use crate::domain::accounts::roles::is_role_name;
use crate::domain::accounts::usernames::folded_username;
use crate::domain::authn::passwords::MIN_PEPPER_BYTES;
use crate::domain::keyring::Sealer;
use crate::settings::Settings;

/// Reads the settings, and checks them by the rules of the domain too.
///
/// # Errors
/// The first key that is unknown or was renamed, or whose value is not allowed.
pub fn load(env: &Variables) -> Result<Settings, SettingsError> {
    let settings = Settings::load(env)?;
    check(&settings)?;
    Ok(settings)
}

/// Checks settings by the rules of the domain.
///
/// # Errors
/// The first key whose value is not allowed.
pub(super) fn check(settings: &Settings) -> Result<(), SettingsError> {
    check_reserved_names(&settings.accounts.reserved)?;
    check_role_names(settings.roles.keys())?;
    check_pepper("passwords.pepper", settings.passwords.pepper.as_ref())?;
    check_pepper("passwords.pepper_previous", settings.passwords.pepper_previous.as_ref())?;
    check_master_key("master_key", settings.master_key.as_ref())?;
    check_master_key("master_key_previous", settings.master_key_previous.as_ref())
}

/// A reserved name that breaks the rules for names is an error: a typing error would leave the intended name free.
fn check_reserved_names(reserved: &[String]) -> Result<(), SettingsError> {
    let Some(wrong) = reserved.iter().find(|name| folded_username(name).is_none()) else { return Ok(()) };
    let reason = format!("{wrong:?} is not 3 to 32 letters, digits, `.`, `_`, `-`");
    Err(SettingsError::invalid("accounts.reserved", reason))
}

/// Roles are separated by spaces in the database.
fn check_role_names<'r>(mut names: impl Iterator<Item = &'r String>) -> Result<(), SettingsError> {
    let Some(wrong) = names.find(|name| !is_role_name(name)) else { return Ok(()) };
    let reason = "the name of a role is 1 to 64 letters, digits, `.`, `_`, `:`, `-`";
    Err(SettingsError::invalid(&format!("roles.{wrong}"), reason))
}

fn check_pepper(key: &str, pepper: Option<&SecretString>) -> Result<(), SettingsError> {
    if pepper.is_some_and(|pepper| pepper.expose_secret().len() < MIN_PEPPER_BYTES) {
        let reason = format!("must have at least {MIN_PEPPER_BYTES} bytes");
        return Err(SettingsError::invalid(key, reason));
    }
    Ok(())
}

fn check_master_key(key: &str, given: Option<&SecretString>) -> Result<(), SettingsError> {
    let Some(given) = given else { return Ok(()) };
    Sealer::new(given, None).map(drop).map_err(|error| SettingsError::invalid(key, error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_names_the_setting_that_the_domain_refuses() {
        let too_long = format!("AUTH__ROLES__{}__SCOPES", "A".repeat(65));
        for (name, value, key) in [
            ("AUTH__PASSWORDS__PEPPER", "short", "`passwords.pepper`"),
            ("AUTH__PASSWORDS__PEPPER_PREVIOUS", "short", "`passwords.pepper_previous`"),
            ("AUTH__MASTER_KEY", "c2hvcnQ=", "`master_key`"),
            ("AUTH__MASTER_KEY_PREVIOUS", "!", "`master_key_previous`"),
            ("AUTH__ACCOUNTS__RESERVED", "admin,al", "accounts.reserved"),
            (too_long.as_str(), "books", "`roles.aaa"),
        ] {
            let variables = Variables::from([(name.to_owned(), value.to_owned())]);
            let error = load(&variables).unwrap_err().to_string();
            assert!(error.contains(key), "{name}={value}: {error}");
        }
        load(&Variables::new()).unwrap();
    }
}
