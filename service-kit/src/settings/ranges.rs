//! Bounds of numbers.

use super::error::SettingsError;

/// Checks numbers: each row is a key, its value, and the least and the greatest value that are allowed.
///
/// # Errors
/// The first key that is out of range.
pub fn check_ranges(rows: &[(&str, usize, usize, usize)]) -> Result<(), SettingsError> {
    match rows.iter().find(|(_, value, least, most)| !(least..=most).contains(&value)) {
        None => Ok(()),
        Some((key, value, least, most)) => {
            Err(SettingsError::invalid(key, format!("{value} is not between {least} and {most}")))
        }
    }
}
