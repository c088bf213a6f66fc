//! Refuses budgets that make no sense: how often tokens are given, and how many refusals are stored.

use std::time::Duration;

use service_kit::settings::{SettingsError, check_ranges};

use crate::settings::{Rate, Settings};

impl Settings {
    pub(super) fn check_budgets(&self) -> Result<(), SettingsError> {
        check_rate("limits.session_refresh", self.limits.session_refresh)?;
        check_rate("limits.account_refresh", self.limits.account_refresh)?;
        check_rate("limits.client_grant", self.limits.client_grant)?;
        check_rate("audit.refusals_from_source", self.audit.refusals_from_source)?;
        check_rate("audit.refusals_of_holder", self.audit.refusals_of_holder)?;
        check_rate("audit.first_refusals_of_holder", self.audit.first_refusals_of_holder)?;
        let meant = Duration::from_secs(1)..=Duration::from_secs(3600);
        if meant.contains(&self.audit.refusals_interval) {
            return Ok(());
        }
        Err(SettingsError::invalid("audit.refusals_interval", "must be between 1s and 1h"))
    }
}

fn check_rate(key: &str, rate: Rate) -> Result<(), SettingsError> {
    check_ranges(&[
        (&format!("{key}.burst"), rate.burst as usize, 1, 1_000_000),
        (&format!("{key}.per_minute"), rate.per_minute as usize, 1, 1_000_000),
    ])
}

#[cfg(test)]
mod tests {
    use service_kit::settings::Variables;

    use super::*;

    #[test]
    fn budgets_that_cannot_be_meant_are_named() {
        let rows = [
            ("AUTH__LIMITS__SESSION_REFRESH__BURST", "0", "limits.session_refresh.burst"),
            ("AUTH__LIMITS__SESSION_REFRESH__PER_MINUTE", "0", "limits.session_refresh.per_minute"),
            ("AUTH__LIMITS__ACCOUNT_REFRESH__BURST", "2000000", "limits.account_refresh.burst"),
            ("AUTH__LIMITS__ACCOUNT_REFRESH__PER_MINUTE", "0", "limits.account_refresh.per_minute"),
            ("AUTH__LIMITS__CLIENT_GRANT__BURST", "2000000", "limits.client_grant.burst"),
            ("AUTH__LIMITS__CLIENT_GRANT__PER_MINUTE", "0", "limits.client_grant.per_minute"),
            ("AUTH__AUDIT__REFUSALS_FROM_SOURCE__BURST", "0", "audit.refusals_from_source.burst"),
            ("AUTH__AUDIT__REFUSALS_FROM_SOURCE__PER_MINUTE", "0", "audit.refusals_from_source.per_minute"),
            ("AUTH__AUDIT__REFUSALS_OF_HOLDER__BURST", "2000000", "audit.refusals_of_holder.burst"),
            ("AUTH__AUDIT__REFUSALS_OF_HOLDER__PER_MINUTE", "0", "audit.refusals_of_holder.per_minute"),
            ("AUTH__AUDIT__FIRST_REFUSALS_OF_HOLDER__BURST", "0", "audit.first_refusals_of_holder.burst"),
            (
                "AUTH__AUDIT__FIRST_REFUSALS_OF_HOLDER__PER_MINUTE",
                "0",
                "audit.first_refusals_of_holder.per_minute",
            ),
            ("AUTH__AUDIT__REFUSALS_INTERVAL", "2h", "audit.refusals_interval"),
            ("AUTH__AUDIT__REFRESHES", "some", "refreshes"),
            ("AUTH__LOG__BURST", "0", "log.burst"),
        ];
        for (name, value, key) in rows {
            let variables = Variables::from([(name.to_owned(), value.to_owned())]);
            let error = Settings::load(&variables).unwrap_err().to_string();
            assert!(error.contains(key), "{name}={value}: {error}");
        }
    }
}
