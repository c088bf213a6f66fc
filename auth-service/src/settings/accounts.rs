//! Accounts: registration, names, imports, roles, and what administrators need for changes.

use std::time::Duration;

use serde::Deserialize;
use service_kit::settings::{DAY, Number, Seconds, comma_list};

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "config.default.toml documents every key")]
pub struct Registration {
    pub open: bool,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "config.default.toml documents every key")]
pub struct Accounts {
    #[serde(with = "Seconds::<0, { 3650 * DAY }>")]
    pub rest: Duration,
    #[serde(with = "Number::<1, 100>")]
    pub max_resting: u32,
    #[serde(deserialize_with = "comma_list")]
    pub reserved: Vec<String>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "config.default.toml documents every key")]
pub struct Import {
    #[serde(with = "Number::<1024, { 64 << 20 }>")]
    pub max_body_bytes: usize,
    #[serde(with = "Number::<1, 100_000>")]
    pub max_lines: usize,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "config.default.toml documents every key")]
pub struct Admin {
    #[serde(with = "Seconds::<1, DAY>")] // a longer time would never ask on the same day
    pub reauthenticate_within: Duration,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "config.default.toml documents every key")]
pub struct Role {
    #[serde(deserialize_with = "comma_list")]
    pub scopes: Vec<String>,
}
