//! The database, and when rows are deleted from it.

use std::time::Duration;

use serde::Deserialize;
use service_kit::settings::{DAY, HOUR, Number, Seconds};

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "config.default.toml documents every key")]
pub struct Database {
    #[serde(with = "Number::<1, 1024>")]
    pub pool_size: u32,
    #[serde(with = "Seconds::<1, { 3650 * DAY }>")]
    pub timeout: Duration,
    #[serde(with = "Seconds::<0, HOUR>")] // what restarts the service gives up sooner
    pub start_timeout: Duration,
    #[serde(with = "Number::<1, 1_000_000>")]
    pub write_queue: usize,
    #[serde(with = "Number::<1, 4096>")]
    pub write_group: usize,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "config.default.toml documents every key")]
pub struct Cleanup {
    #[serde(with = "Seconds::<1, { 3650 * DAY }>")]
    pub keep: Duration,
    #[serde(with = "Number::<1, 10_000>")]
    pub batch_size: u32,
    #[serde(with = "Seconds::<1, { 3650 * DAY }>")]
    pub interval: Duration,
}

/// Returns a URL without user, password and parameters. Where a password that is not percent-encoded ends cannot be known: such
/// a URL is not shown at all.
pub(super) fn public_part(url: &str) -> String {
    if url.starts_with("sqlite://") {
        return url.to_owned();
    }
    let hidden = || "a PostgreSQL database".to_owned();
    let Some((_, rest)) = url.split_once("://") else { return hidden() };
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    let host = match authority.split_once('@') {
        Some((_, host)) => host,
        None => authority,
    };
    if host.contains('@') || path.contains('@') {
        return hidden();
    }
    let path = path.split(['?', '#']).next().unwrap_or_default();
    format!("postgres://{host}{path}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_database_is_named_without_any_part_of_its_password() {
        let rows = [
            (
                "postgres://alice:secret@db.example:5432/auth?sslmode=require",
                "postgres://db.example:5432/auth",
            ),
            ("postgres:///auth?host=/run/x&password=secret", "postgres:///auth"),
            ("postgresql://db/auth", "postgres://db/auth"),
            ("postgres://alice:12/secret@db/auth", "a PostgreSQL database"),
            ("postgres://alice:sec@ret@db/auth", "a PostgreSQL database"),
            ("postgres://alice:12?secret@db/auth", "a PostgreSQL database"),
            ("postgres://alice:1#secret@db/auth", "a PostgreSQL database"),
            ("sqlite:///srv/auth.db", "sqlite:///srv/auth.db"),
        ];
        for (url, shown) in rows {
            assert_eq!(public_part(url), shown, "{url}");
        }
    }
}
