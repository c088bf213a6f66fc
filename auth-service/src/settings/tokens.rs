//! Tokens, the sessions and keys behind them, and how verifiers learn what changed.

use std::time::Duration;

use secrecy::SecretString;
use serde::Deserialize;
use service_kit::settings::{DAY, MINUTE, Millis, Number, Seconds};
use shared_claims::verifier::Algorithm;

use crate::settings::choice::choice;

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "config.default.toml documents every key")]
pub struct Tokens {
    #[serde(deserialize_with = "choice")]
    pub algorithm: Algorithm,
    #[serde(default)]
    pub shared_secret: Option<SecretString>,
    #[serde(with = "Seconds::<1, { 3650 * DAY }>")]
    pub access_ttl: Duration,
    // A thief may use the same token within this time, and a lost answer is asked for again much sooner.
    #[serde(with = "Seconds::<0, { 5 * MINUTE }>")]
    pub refresh_grace: Duration,
    pub repeat_elsewhere_is_theft: bool,
    pub unverified_email: bool,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "config.default.toml documents every key")]
pub struct Sessions {
    #[serde(with = "Seconds::<1, { 3650 * DAY }>")]
    pub idle_ttl: Duration,
    #[serde(with = "Seconds::<1, { 3650 * DAY }>")]
    pub absolute_ttl: Duration,
    #[serde(with = "Number::<0, 4096>")]
    pub max_user_agent_chars: usize,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "config.default.toml documents every key")]
pub struct Keys {
    #[serde(with = "Seconds::<1, { 3650 * DAY }>")]
    pub rotate_every: Duration,
    #[serde(with = "Seconds::<1, { 3650 * DAY }>")]
    pub publish_ahead: Duration,
    #[serde(with = "Seconds::<1, { 3650 * DAY }>")]
    pub max_age: Duration,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "config.default.toml documents every key")]
pub struct StatusLists {
    #[serde(with = "Millis::<10, { 1000 * MINUTE }>")]
    pub poll_interval: Duration,
    #[serde(with = "Seconds::<1, { 3650 * DAY }>")]
    pub lifetime: Duration,
    #[serde(with = "Seconds::<1, { 3650 * DAY }>")]
    pub ttl: Duration,
    #[serde(with = "Seconds::<1, { 3650 * DAY }>")]
    pub heartbeat: Duration,
    #[serde(with = "Number::<0, 1_000_000>")]
    pub max_listeners: usize,
    #[serde(with = "Number::<0, 1_000_000>")]
    pub max_listeners_per_address: usize,
    #[serde(with = "Number::<0, 1_000_000>")]
    pub max_listeners_per_client: usize,
}
