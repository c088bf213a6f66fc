//! The audit trail.

use std::time::Duration;

use serde::Deserialize;
use service_kit::settings::{DAY, HOUR, Number, Seconds};

use crate::settings::choice::{Choice, choice};
use crate::settings::limits::Rate;

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "config.default.toml documents every key")]
pub struct Audit {
    #[serde(with = "Seconds::<1, { 3650 * DAY }>")]
    pub keep: Duration,
    #[serde(with = "Number::<16, 1_000_000>")]
    pub queue: usize,
    #[serde(with = "Seconds::<0, 5>")] // a killed process loses what it has collected
    pub flush_interval: Duration,
    #[serde(with = "Number::<1, 1000>")]
    pub batch: usize,
    #[serde(with = "Seconds::<1, { 3650 * DAY }>")]
    pub anchor: Duration,
    #[serde(with = "Number::<1, 1_000_000>")]
    pub refusals_per_second: u32,
    pub refusals_from_source: Rate,
    pub refusals_of_holder: Rate,
    pub first_refusals_of_holder: Rate,
    #[serde(with = "Seconds::<1, HOUR>")]
    pub refusals_interval: Duration,
    #[serde(deserialize_with = "choice")]
    pub refreshes: Refreshes,
}

/// Which refreshes have a row in the audit trail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "config.default.toml says what they mean")]
pub enum Refreshes {
    All,
    FirstOfDay,
    None,
}

impl Choice for Refreshes {
    const WORDS: &'static [(&'static str, Self)] =
        &[("all", Self::All), ("first_of_day", Self::FirstOfDay), ("none", Self::None)];
}
