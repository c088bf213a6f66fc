//! Which database the settings name, in words that hold no secret.

use secrecy::ExposeSecret as _;

use crate::settings::Settings;

impl Settings {
    /// Which database it is, and which setting says so: for people.
    #[must_use]
    pub fn database_shown(&self) -> String {
        let url = self.database_url();
        let place = public_part(url.expose_secret());
        match &self.database_url {
            Some(_) => format!("{place} (setting `database_url`, AUTH__DATABASE_URL)"),
            None => format!("{place} (setting `data_dir`, AUTH__DATA_DIR)"),
        }
    }
}

/// A URL without user, password and parameters. A password that is not percent-encoded may end anywhere: then nothing is shown.
fn public_part(url: &str) -> String {
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
