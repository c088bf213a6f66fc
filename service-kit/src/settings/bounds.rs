//! Bounds of numbers and durations, declared at the field of a settings type:
//!
//! ```
//! # use std::time::Duration;
//! # use serde::Deserialize;
//! # use service_kit::settings::{DAY, Number, Seconds};
//! #[derive(Deserialize)]
//! struct Cache {
//!     #[serde(with = "Number::<1, 10_000>")]
//!     entries: usize,
//!     #[serde(with = "Seconds::<1, { 30 * DAY }>")]
//!     max_age: Duration,
//! }
//! ```
//!
//! A value beyond its bounds is an error of the field, so [`load`](super::load) names the key, the variable and the default.

use std::ops::RangeInclusive;
use std::time::Duration;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer};

/// Seconds of a minute.
pub const MINUTE: u64 = 60;
/// Seconds of an hour.
pub const HOUR: u64 = 60 * MINUTE;
/// Seconds of a day.
pub const DAY: u64 = 24 * HOUR;

/// A whole number from `MIN` to `MAX`, for a field of any integer type.
#[derive(Debug)]
pub struct Number<const MIN: i64, const MAX: i64>;

/// A duration from `MIN` to `MAX` seconds.
#[derive(Debug)]
pub struct Seconds<const MIN: u64, const MAX: u64>;

/// A duration from `MIN` to `MAX` seconds, without a fraction of a second.
#[derive(Debug)]
pub struct WholeSeconds<const MIN: u64, const MAX: u64>;

/// A duration from `MIN` to `MAX` milliseconds.
#[derive(Debug)]
pub struct Millis<const MIN: u64, const MAX: u64>;

impl<const MIN: i64, const MAX: i64> Number<MIN, MAX> {
    /// Reads the number.
    ///
    /// # Errors
    /// The value is no whole number, or is out of bounds.
    pub fn deserialize<'de, D: Deserializer<'de>, T: TryFrom<i64>>(deserializer: D) -> Result<T, D::Error> {
        let given = i64::deserialize(deserializer)?;
        let allowed = Some(given).filter(|given| (MIN..=MAX).contains(given));
        let fitting = allowed.and_then(|given| given.try_into().ok());
        fitting.ok_or_else(|| D::Error::custom(format!("{given} is not between {MIN} and {MAX}")))
    }
}

impl<const MIN: u64, const MAX: u64> Seconds<MIN, MAX> {
    /// Reads the duration.
    ///
    /// # Errors
    /// The value is no duration, or is out of bounds.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
        let given = humantime_serde::deserialize(deserializer)?;
        between(given, Duration::from_secs(MIN)..=Duration::from_secs(MAX))
    }
}

impl<const MIN: u64, const MAX: u64> WholeSeconds<MIN, MAX> {
    /// Reads the duration.
    ///
    /// # Errors
    /// The value is no duration, is out of bounds, or has a fraction of a second.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
        let given = Seconds::<MIN, MAX>::deserialize(deserializer)?;
        if given.subsec_nanos() == 0 {
            return Ok(given);
        }
        Err(D::Error::custom(format!("{} is not a number of whole seconds", written(given))))
    }
}

impl<const MIN: u64, const MAX: u64> Millis<MIN, MAX> {
    /// Reads the duration.
    ///
    /// # Errors
    /// The value is no duration, or is out of bounds.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
        let given = humantime_serde::deserialize(deserializer)?;
        between(given, Duration::from_millis(MIN)..=Duration::from_millis(MAX))
    }
}

fn between<E: serde::de::Error>(given: Duration, allowed: RangeInclusive<Duration>) -> Result<Duration, E> {
    if allowed.contains(&given) {
        return Ok(given);
    }
    let (least, most) = (written(*allowed.start()), written(*allowed.end()));
    Err(E::custom(format!("{} is not between {least} and {most}", written(given))))
}

/// Returns a duration as it is written in settings, in the largest unit that leaves no rest.
fn written(duration: Duration) -> String {
    let (seconds, rest) = (duration.as_secs(), duration.subsec_nanos());
    if rest != 0 {
        return format!("{}ms", duration.as_millis());
    }
    let units = [(DAY, "d"), (HOUR, "h"), (MINUTE, "m")];
    let unit = units.into_iter().find(|(unit, _)| seconds >= *unit && seconds.is_multiple_of(*unit));
    let (unit, name) = unit.unwrap_or((1, "s"));
    format!("{}{name}", seconds / unit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_written_in_the_largest_unit_that_leaves_no_rest() {
        for (millis, expected) in [
            (0, "0s"),
            (10, "10ms"),
            (1_500, "1500ms"),
            (90_000, "90s"),
            (120_000, "2m"),
            (86_400_000, "1d"),
            (90_000_000, "25h"),
        ] {
            assert_eq!(written(Duration::from_millis(millis)), expected);
        }
    }
}
