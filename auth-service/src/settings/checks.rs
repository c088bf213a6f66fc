//! Which settings cannot be meant. Each check names its key.

use std::time::Duration;

use secrecy::ExposeSecret as _;
use service_kit::settings::SettingsError;
use shared_claims::{http::CookieSource, verifier::Algorithm};
use url::Url;

use crate::domain::accounts::register::folded_username;
use crate::domain::accounts::roles::is_role_name;
use crate::domain::authn::passwords::MIN_PEPPER_BYTES;
use crate::domain::keyring::Sealer;
use crate::settings::Settings;
use crate::store::engine::postgres_url;

/// An administrator who logged in yesterday is not asked again today: then the setting does nothing.
const LONGEST_REAUTHENTICATION: Duration = Duration::from_secs(24 * 3600);
/// No browser remembers a preflight for longer.
const LONGEST_PREFLIGHT: Duration = Duration::from_secs(24 * 3600);

impl Settings {
    pub(super) fn check(&self) -> Result<(), SettingsError> {
        self.check_issuer()?;
        self.check_algorithm()?;
        self.http.check()?;
        self.tls.check()?;
        self.http.check_listen(&self.listen, &self.tls)?;
        self.check_counts()?;
        self.check_durations()?;
        self.check_reserved()?;
        self.check_budgets()?;
        self.check_keys()?;
        self.check_database_url()?;
        self.check_roles()?;
        self.check_peppers()?;
        self.check_cors()?;
        for (key, value) in
            [("master_key", &self.master_key), ("master_key_previous", &self.master_key_previous)]
        {
            if let Some(value) = value {
                Sealer::new(value, None).map_err(|error| SettingsError::invalid(key, error))?;
            }
        }
        self.check_audience()?;
        self.check_admin()
    }

    /// Every token that nobody asked for specially goes to other services: none of them may be good for this one.
    fn check_audience(&self) -> Result<(), SettingsError> {
        if self.audience.is_empty() {
            return Err(SettingsError::invalid("audience", "at least one audience is needed"));
        }
        if self.audience.contains(&self.issuer) {
            let reason = "must not name the issuer: a login asks for that by `resource`";
            return Err(SettingsError::invalid("audience", reason));
        }
        Ok(())
    }

    fn check_admin(&self) -> Result<(), SettingsError> {
        let within = self.admin.reauthenticate_within;
        if (Duration::from_secs(1)..=LONGEST_REAUTHENTICATION).contains(&within) {
            return Ok(());
        }
        Err(SettingsError::invalid("admin.reauthenticate_within", "must be between 1s and 24h"))
    }

    /// RFC 8414 section 2: a URL without query and fragment. Verifiers compare it letter by letter.
    fn check_issuer(&self) -> Result<(), SettingsError> {
        if let Some(old) = &self.issuer_change {
            Url::parse(old).map_err(|error| SettingsError::invalid("issuer_change", error))?;
        }
        let url = Url::parse(&self.issuer).map_err(|error| {
            SettingsError::invalid(
                "issuer",
                format!("{error}: an issuer is a URL, such as https://auth.example.com"),
            )
        })?;
        let plain =
            matches!(url.scheme(), "http" | "https") && url.query().is_none() && url.fragment().is_none();
        // A cookie's path, in which the issuer's stands, ends at a semicolon (RFC 6265 section 4.1.1).
        if plain && !self.issuer.ends_with('/') && !url.path().contains(';') {
            return Ok(());
        }
        Err(SettingsError::invalid(
            "issuer",
            "must be an http or https URL without query, fragment, trailing slash and semicolon, such as \
             https://auth.example.com",
        ))
    }

    /// What replicas tell each other by the database must be known before it counts.
    fn check_keys(&self) -> Result<(), SettingsError> {
        let poll_interval = self.status_lists.poll_interval;
        if !(Duration::from_millis(10)..=Duration::from_secs(60)).contains(&poll_interval) {
            return Err(SettingsError::invalid("status_lists.poll_interval", "must be between 10ms and 60s"));
        }
        if self.keys.publish_ahead < 4 * poll_interval {
            let reason = "must be at least four times status_lists.poll_interval";
            return Err(SettingsError::invalid("keys.publish_ahead", reason));
        }
        if self.keys.rotate_every <= self.keys.publish_ahead {
            return Err(SettingsError::invalid(
                "keys.rotate_every",
                "must be longer than keys.publish_ahead",
            ));
        }
        if self.status_lists.ttl > self.status_lists.lifetime {
            let reason = "must not be longer than status_lists.lifetime";
            return Err(SettingsError::invalid("status_lists.ttl", reason));
        }
        Ok(())
    }

    fn check_database_url(&self) -> Result<(), SettingsError> {
        let url = self.database_url();
        let url = url.expose_secret();
        if url.starts_with("sqlite://") {
            return Ok(());
        }
        if !url.starts_with("postgres://") && !url.starts_with("postgresql://") {
            return Err(SettingsError::invalid("database_url", "must start with sqlite:// or postgres://"));
        }
        postgres_url::check(url).map_err(|reason| SettingsError::invalid("database_url", reason))
    }

    /// Scopes are written with spaces between them (RFC 6749 section 3.3), and so are roles in the database.
    fn check_roles(&self) -> Result<(), SettingsError> {
        for (name, role) in &self.roles {
            let key = format!("roles.{name}");
            if !is_role_name(name) {
                return Err(SettingsError::invalid(
                    &key,
                    "a role is 1 to 64 letters, digits, `.`, `_`, `:`, `-`",
                ));
            }
            let allowed = |byte: u8| byte.is_ascii_graphic() && !b"\"\\".contains(&byte);
            if let Some(scope) =
                role.scopes.iter().find(|scope| scope.is_empty() || !scope.bytes().all(allowed))
            {
                return Err(SettingsError::invalid(&key, format!("{scope:?} is not one scope")));
            }
        }
        Ok(())
    }

    /// A reserved name that breaks the rules for names is an error: a typing mistake would leave the intended name free.
    fn check_reserved(&self) -> Result<(), SettingsError> {
        let slip = self.accounts.reserved.iter().find(|name| folded_username(name).is_none());
        let message = |name| format!("{name:?} is not 3 to 32 letters, digits, `.`, `_`, `-`");
        slip.map_or(Ok(()), |name| Err(SettingsError::invalid("accounts.reserved", message(name))))
    }

    fn check_peppers(&self) -> Result<(), SettingsError> {
        let peppers = [
            ("passwords.pepper", &self.passwords.pepper),
            ("passwords.pepper_previous", &self.passwords.pepper_previous),
        ];
        for (key, value) in peppers {
            if value.as_ref().is_some_and(|value| value.expose_secret().len() < MIN_PEPPER_BYTES) {
                return Err(SettingsError::invalid(
                    key,
                    format!("must have at least {MIN_PEPPER_BYTES} bytes"),
                ));
            }
        }
        Ok(())
    }

    /// A browser writes an origin in one way, and it is compared letter by letter.
    fn check_cors(&self) -> Result<(), SettingsError> {
        CookieSource::default()
            .allow_origins(&self.cors.allowed_origins)
            .map_err(|error| SettingsError::invalid("cors.allowed_origins", error))?;
        if self.cors.preflight_max_age > LONGEST_PREFLIGHT {
            return Err(SettingsError::invalid("cors.preflight_max_age", "must not be longer than 24h"));
        }
        Ok(())
    }

    fn check_algorithm(&self) -> Result<(), SettingsError> {
        let key = "tokens.shared_secret";
        match (self.tokens.algorithm, &self.tokens.shared_secret) {
            (Algorithm::HS256, None) => Err(SettingsError::invalid(key, "is needed for HS256")),
            (Algorithm::HS256, Some(secret)) if secret.expose_secret().len() < 32 => {
                Err(SettingsError::invalid(key, "must have at least 32 bytes"))
            }
            (Algorithm::HS256, Some(_)) | (_, None) => Ok(()),
            (_, Some(_)) => Err(SettingsError::invalid(key, "is only for tokens.algorithm = HS256")),
        }
    }
}

#[cfg(test)]
mod tests {
    use service_kit::settings::Variables;

    use super::*;

    fn error_for(name: &str, value: &str) -> String {
        let env = Variables::from([(name.to_owned(), value.to_owned())]);
        Settings::load(&env).unwrap_err().to_string()
    }

    #[test]
    fn the_defaults_are_valid() {
        Settings::load(&Variables::new()).unwrap();
    }

    #[test]
    fn settings_that_cannot_be_meant_are_named() {
        let rows = [
            ("AUTH__ISSUER", "https://a.example/?x=1", "issuer"),
            ("AUTH__ISSUER", "ftp://a.example", "issuer"),
            ("AUTH__ISSUER_CHANGE", "id.example", "issuer_change"),
            ("AUTH__ISSUER", "https://a.example/b;c", "issuer"),
            ("AUTH__AUDIENCE", ",", "audience"),
            ("AUTH__AUDIENCE", "orders,http://127.0.0.1:8080", "`audience`"),
            ("AUTH__ADMIN__REAUTHENTICATE_WITHIN", "0s", "admin.reauthenticate_within"),
            ("AUTH__ADMIN__REAUTHENTICATE_WITHIN", "25h", "admin.reauthenticate_within"),
            ("AUTH__TOKENS__ALGORITHM", "none", "tokens.algorithm"),
            ("AUTH__TOKENS__ALGORITHM", "HS256", "tokens.shared_secret"),
            (
                "AUTH__TOKENS__SHARED_SECRET",
                "ES256 does not take a secret of any length",
                "tokens.shared_secret",
            ),
            ("AUTH__TOKENS__ACCESS_TTL", "10 parsecs", "tokens.access_ttl"),
            ("AUTH__TOKENS__ACCESS_TTL", "0s", "tokens.access_ttl"),
            ("AUTH__TOKENS__REFRESH_GRACE", "1h", "tokens.refresh_grace"),
            ("AUTH__HASHING__DEADLINE", "1h", "hashing.deadline"),
            ("AUTH__HTTP__SHUTDOWN_TIMEOUT", "0s", "http.shutdown_timeout"),
            ("AUTH__HTTP__SHUTDOWN_TIMEOUT", "1500ms", "http.shutdown_timeout"),
            ("AUTH__HTTP__MAX_HEADER_BYTES", "122880", "http.max_header_bytes"),
            ("AUTH__CLEANUP__KEEP", "0s", "cleanup.keep"),
            ("AUTH__PASSWORDS__BCRYPT_COST", "32", "passwords.bcrypt_cost"),
            ("AUTH__PASSWORDS__ALGORITHM", "md5", "passwords.algorithm"),
            ("AUTH__PASSWORDS__PEPPER", "short", "`passwords.pepper`"),
            ("AUTH__PASSWORDS__PEPPER_PREVIOUS", "short", "`passwords.pepper_previous`"),
            ("AUTH__PASSWORDS__BOUNDS__BCRYPT_COST", "32", "passwords.bounds.bcrypt_cost"),
            ("AUTH__PASSWORDS__BOUNDS__ITERATIONS", "-1", "passwords.bounds.iterations"),
            ("AUTH__HASHING__QUEUE", "1", "hashing.queue"),
            ("AUTH__DATABASE_URL", "mysql://secret@host", "database_url"),
            ("AUTH__DATABASE_URL", "postgres://user:a@b@host/database", "database_url"),
            ("AUTH__MASTER_KEY", "c2hvcnQ=", "`master_key`"),
            ("AUTH__MASTER_KEY_PREVIOUS", "!", "`master_key_previous`"),
            ("AUTH__ROLES__READER__SCOPES", "two words", "roles.reader"),
            ("AUTH__TOKENS__ACCESS_TTL", "99999999d", "tokens.access_ttl"),
            ("AUTH__KEYS__PUBLISH_AHEAD", "30d", "keys.rotate_every"),
            ("AUTH__KEYS__PUBLISH_AHEAD", "0s", "keys.publish_ahead"),
            ("AUTH__STATUS_LISTS__POLL_INTERVAL", "0s", "status_lists.poll_interval"),
            ("AUTH__STATUS_LISTS__TTL", "2d", "status_lists.ttl"),
            ("AUTH__STATUS_LISTS__MAX_LISTENERS", "1000001", "`status_lists.max_listeners`"),
            ("AUTH__STATUS_LISTS__MAX_LISTENERS_PER_ADDRESS", "-1", "status_lists.max_listeners_per_address"),
            (
                "AUTH__STATUS_LISTS__MAX_LISTENERS_PER_CLIENT",
                "1000001",
                "status_lists.max_listeners_per_client",
            ),
            ("AUTH__HTTP__MAX_CONNECTIONS_PER_ADDRESS", "0", "http.max_connections_per_address"),
            ("AUTH__CORS__ALLOWED_ORIGINS", "*", "cors.allowed_origins"),
            ("AUTH__CORS__ALLOWED_ORIGINS", "null", "cors.allowed_origins"),
            ("AUTH__CORS__ALLOWED_ORIGINS", "https://a.example,https://*.a.example", "cors.allowed_origins"),
            ("AUTH__CORS__ALLOWED_ORIGINS", "https://a.example/", "cors.allowed_origins"),
            ("AUTH__CORS__ALLOWED_ORIGINS", "https://a.example:443", "cors.allowed_origins"),
            ("AUTH__CORS__ALLOWED_ORIGINS", "https://A.example", "cors.allowed_origins"),
            ("AUTH__CORS__ALLOWED_ORIGINS", "a.example", "cors.allowed_origins"),
            ("AUTH__CORS__PREFLIGHT_MAX_AGE", "2d", "cors.preflight_max_age"),
            ("AUTH__LISTEN", "192.0.2.1:8080", "`listen`"),
            ("AUTH__TLS__CERTIFICATE", "certificate.pem", "`tls.key`"),
            ("AUTH__TLS__KEY", "key.pem", "`tls.certificate`"),
            ("AUTH__TLS__POLL_INTERVAL", "0s", "`tls.poll_interval`"),
            ("AUTH__HTTP__HEAD_TIMEOUT", "0s", "`http.head_timeout`"),
            ("AUTH__HTTP__KEEP_ALIVE", "0s", "`http.keep_alive`"),
            ("AUTH__HTTP__MAX_HEADERS", "1000", "`http.max_headers`"),
            ("AUTH__LIMITS__KNOWN_AFTER", "91d", "limits.known_after"),
            ("AUTH__LIMITS__KNOWN_AFTER", "0s", "limits.known_after"),
            ("AUTH__LIMITS__WAITING_PER_ACCOUNT", "0", "limits.waiting_per_account"),
            ("AUTH__DATABASE__START_TIMEOUT", "2h", "database.start_timeout"),
            ("AUTH__STORAGE__MIN_FREE", "2000000000000", "storage.min_free"),
            ("AUTH__AUDIT__KEEP", "0s", "audit.keep"),
            ("AUTH__AUDIT__BATCH", "1001", "audit.batch"),
            ("AUTH__AUDIT__FLUSH_INTERVAL", "6s", "audit.flush_interval"),
            ("AUTH__ACCOUNTS__REST", "4000d", "accounts.rest"),
            ("AUTH__ACCOUNTS__MAX_RESTING", "0", "accounts.max_resting"),
            ("AUTH__ACCOUNTS__RESERVED", "admin,al", "accounts.reserved"),
            ("AUTH__NO_SUCH_THING", "1", "no_such_thing"),
        ];
        for (name, value, key) in rows {
            let error = error_for(name, value);
            assert!(error.contains(key), "{name}={value}: {error}");
        }
    }

    #[test]
    fn origins_without_tls_are_known_but_for_those_of_this_machine() {
        let safe = "https://a.example,http://localhost:3000,http://127.0.0.1,http://[::1]:1";
        let origins = format!("{safe},http://a.example,http://localhost.example");
        let env = Variables::from([("AUTH__CORS__ALLOWED_ORIGINS".to_owned(), origins)]);
        let cors = Settings::load(&env).unwrap().cors;
        assert_eq!(
            cors.plain_origins().collect::<Vec<_>>(),
            ["http://a.example", "http://localhost.example"]
        );
    }

    #[test]
    fn plain_text_stays_on_the_loopback_unless_it_is_allowed_by_name() {
        let load = |variables: &[(&str, &str)]| {
            Settings::load(
                &variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
            )
        };
        for loopback in ["127.0.0.1:0", "127.8.8.8:80", "[::1]:80", "[::ffff:127.0.0.1]:80"] {
            load(&[("AUTH__LISTEN", loopback)]).unwrap();
        }
        let everywhere = ("AUTH__LISTEN", "[::]:8080");
        load(&[everywhere]).unwrap_err();
        load(&[everywhere, ("AUTH__HTTP__ALLOW_PLAIN_TEXT", "true")]).unwrap();
        load(&[everywhere, ("AUTH__TLS__CERTIFICATE", "c.pem"), ("AUTH__TLS__KEY", "k.pem")]).unwrap();
    }

    #[test]
    fn secrets_do_not_show_in_debug_output() {
        let secret = "a-secret-of-more-than-thirty-two-bytes";
        let env = Variables::from([
            ("AUTH__TOKENS__ALGORITHM".to_owned(), "HS256".to_owned()),
            ("AUTH__TOKENS__SHARED_SECRET".to_owned(), secret.to_owned()),
            ("AUTH__PASSWORDS__PEPPER".to_owned(), secret.to_owned()),
            ("AUTH__DATABASE_URL".to_owned(), format!("postgres://user:{secret}@host/db")),
        ]);
        assert!(!format!("{:?}", Settings::load(&env).unwrap()).contains(secret));
    }
}
