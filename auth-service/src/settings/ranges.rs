//! Which numbers and durations of the settings are accepted, key by key.

use std::time::Duration;

use service_kit::settings::{SettingsError, check_ranges};

use crate::settings::Settings;

/// Ten years: what is longer is a slip.
const LONGEST: Duration = Duration::from_secs(3650 * 24 * 3600);
/// Within the grace period a thief may ride along; a lost answer is asked for again much sooner.
const LONGEST_GRACE: Duration = Duration::from_secs(5 * 60);
/// No client waits longer for an answer.
const LONGEST_DEADLINE: Duration = Duration::from_secs(5 * 60);
/// What starts the service again gives up sooner.
const LONGEST_START: Duration = Duration::from_secs(3600);
/// Events wait no longer in memory.
const LONGEST_FLUSH_INTERVAL: Duration = Duration::from_secs(5);

impl Settings {
    pub(super) fn check_counts(&self) -> Result<(), SettingsError> {
        check_ranges(&[
            ("passwords.bcrypt_cost", self.passwords.bcrypt_cost as usize, 4, 31),
            ("passwords.min_length", self.passwords.min_length, 8, 64),
            ("passwords.max_length", self.passwords.max_length, 64, 4096),
            ("passwords.bounds.bcrypt_cost", self.passwords.bounds.bcrypt_cost as usize, 4, 31),
            ("import.max_body_bytes", self.import.max_body_bytes, 1024, 64 * 1024 * 1024),
            ("import.max_lines", self.import.max_lines, 1, 100_000),
            ("sessions.max_user_agent_chars", self.sessions.max_user_agent_chars, 0, 4096),
            ("accounts.max_resting", self.accounts.max_resting as usize, 1, 100),
            ("hashing.threads", self.hashing.threads, 0, 1024),
            ("hashing.queue", self.hashing.queue, 64, 1_000_000),
            ("database.pool_size", self.database.pool_size as usize, 1, 1024),
            ("database.write_queue", self.database.write_queue, 1, 1_000_000),
            ("database.write_group", self.database.write_group, 1, 4096),
            ("cleanup.batch_size", self.cleanup.batch_size as usize, 1, 10_000),
            (
                "limits.account_from_source.attempts",
                self.limits.account_from_source.attempts as usize,
                1,
                100,
            ),
            ("limits.account.attempts", self.limits.account.attempts as usize, 1, 1_000_000),
            ("limits.source.attempts", self.limits.source.attempts as usize, 1, 1_000_000),
            ("limits.waiting_per_account", self.limits.waiting_per_account, 1, 1_000_000),
            ("limits.register.burst", self.limits.register.burst as usize, 1, 1_000_000),
            ("limits.register.per_minute", self.limits.register.per_minute as usize, 1, 1_000_000),
            ("limits.refresh.burst", self.limits.refresh.burst as usize, 1, 1_000_000),
            ("limits.refresh.per_minute", self.limits.refresh.per_minute as usize, 1, 1_000_000),
            ("audit.queue", self.audit.queue, 16, 1_000_000),
            ("audit.batch", self.audit.batch, 1, 1000),
            ("audit.refusals_per_second", self.audit.refusals_per_second as usize, 1, 1_000_000),
            ("status_lists.max_listeners", self.status_lists.max_listeners, 0, 1_000_000),
            (
                "status_lists.max_listeners_per_address",
                self.status_lists.max_listeners_per_address,
                0,
                1_000_000,
            ),
            (
                "status_lists.max_listeners_per_client",
                self.status_lists.max_listeners_per_client,
                0,
                1_000_000,
            ),
        ])
    }

    pub(super) fn check_durations(&self) -> Result<(), SettingsError> {
        let durations = [
            ("tokens.access_ttl", self.tokens.access_ttl),
            ("sessions.idle_ttl", self.sessions.idle_ttl),
            ("sessions.absolute_ttl", self.sessions.absolute_ttl),
            ("keys.rotate_every", self.keys.rotate_every),
            ("keys.publish_ahead", self.keys.publish_ahead),
            ("status_lists.lifetime", self.status_lists.lifetime),
            ("status_lists.ttl", self.status_lists.ttl),
            ("status_lists.heartbeat", self.status_lists.heartbeat),
            ("keys.max_age", self.keys.max_age),
            ("cleanup.keep", self.cleanup.keep),
            ("cleanup.interval", self.cleanup.interval),
            ("audit.keep", self.audit.keep),
            ("audit.anchor", self.audit.anchor),
            ("database.timeout", self.database.timeout),
            ("limits.trusted_for", self.limits.trusted_for),
            ("limits.known_after", self.limits.known_after),
            ("limits.account_from_source.window", self.limits.account_from_source.window),
            ("limits.account_from_source.first_wait", self.limits.account_from_source.first_wait),
            ("limits.account_from_source.longest_wait", self.limits.account_from_source.longest_wait),
            ("limits.account.window", self.limits.account.window),
            ("limits.account.first_wait", self.limits.account.first_wait),
            ("limits.account.longest_wait", self.limits.account.longest_wait),
            ("limits.source.window", self.limits.source.window),
            ("limits.source.first_wait", self.limits.source.first_wait),
            ("limits.source.longest_wait", self.limits.source.longest_wait),
        ];
        for (key, value) in durations {
            if !(Duration::from_secs(1)..=LONGEST).contains(&value) {
                return Err(SettingsError::invalid(key, "must be between 1s and 3650d"));
            }
        }
        let relations = [
            ("tokens.refresh_grace", "5m", self.tokens.refresh_grace > LONGEST_GRACE),
            ("hashing.deadline", "5m", self.hashing.deadline > LONGEST_DEADLINE),
            ("database.start_timeout", "1h", self.database.start_timeout > LONGEST_START),
            ("audit.flush_interval", "5s", self.audit.flush_interval > LONGEST_FLUSH_INTERVAL),
            ("accounts.rest", "3650d", self.accounts.rest > LONGEST),
        ];
        for (key, longest, is_longer) in relations {
            if is_longer {
                return Err(SettingsError::invalid(key, format!("must not be longer than {longest}")));
            }
        }
        if self.limits.known_after >= self.limits.trusted_for {
            return Err(SettingsError::invalid(
                "limits.known_after",
                "must be shorter than limits.trusted_for",
            ));
        }
        Ok(())
    }
}
