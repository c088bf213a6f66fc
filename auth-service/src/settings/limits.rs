//! Limits of guessing and of rates, and which address of a request they count.

use std::time::Duration;

use serde::Deserialize;
use service_kit::settings::{DAY, Number, Seconds};

use crate::settings::choice::{Choice, choice};

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "config.default.toml documents every key")]
pub struct Limits {
    pub enabled: bool,
    #[serde(deserialize_with = "choice")]
    pub forwarded_header: ForwardedHeader,
    #[serde(with = "Seconds::<1, { 3650 * DAY }>")]
    pub trusted_for: Duration,
    #[serde(with = "Seconds::<1, { 3650 * DAY }>")]
    pub known_after: Duration,
    #[serde(with = "Number::<1, 1_000_000>")]
    pub waiting_per_account: usize,
    pub account_from_source: WrongPasswords,
    pub account: WrongPasswords,
    pub source: WrongPasswords,
    pub register: Rate,
    pub refresh: Rate,
    pub session_refresh: Rate,
    pub account_refresh: Rate,
    pub client_grant: Rate,
}

/// The header in which a trusted proxy names the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "named after what they are")]
pub enum ForwardedHeader {
    XForwardedFor,
    Forwarded,
}

impl Choice for ForwardedHeader {
    const WORDS: &'static [(&'static str, Self)] =
        &[("x-forwarded-for", Self::XForwardedFor), ("forwarded", Self::Forwarded)];
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "config.default.toml documents every key")]
pub struct WrongPasswords {
    #[serde(with = "Number::<1, 1_000_000>")]
    pub attempts: u32,
    #[serde(with = "Seconds::<1, { 3650 * DAY }>")]
    pub window: Duration,
    #[serde(with = "Seconds::<1, { 3650 * DAY }>")]
    pub first_wait: Duration,
    #[serde(with = "Seconds::<1, { 3650 * DAY }>")]
    pub longest_wait: Duration,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "config.default.toml documents every key")]
pub struct Rate {
    #[serde(with = "Number::<1, 1_000_000>")]
    pub burst: u32,
    #[serde(with = "Number::<1, 1_000_000>")]
    pub per_minute: u32,
}
