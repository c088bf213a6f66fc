//! What settings must be to one another, and the form of URLs, origins and scopes. Each check names its key.

use secrecy::ExposeSecret as _;
use service_kit::settings::SettingsError;
use shared_claims::{http::CookieSource, verifier::Algorithm};
use url::Url;

use crate::settings::service::Settings;
use crate::store::engine::postgres_url;

/// More wrong passwords of one source for one account are guessing.
const MOST_ATTEMPTS_FROM_SOURCE: u32 = 100;

impl Settings {
    pub(super) fn check(&self) -> Result<(), SettingsError> {
        self.check_issuer()?;
        self.check_algorithm()?;
        self.http.check()?;
        self.tls.check()?;
        self.http.check_listen(&self.listen, &self.tls)?;
        self.check_limits()?;
        self.check_keys()?;
        self.check_database_url()?;
        self.check_scopes()?;
        self.check_origins()?;
        self.check_audience()
    }

    /// Tokens of logins without `resource` go to other services, so they must not be valid at this one.
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

    fn check_limits(&self) -> Result<(), SettingsError> {
        if self.limits.account_from_source.attempts > MOST_ATTEMPTS_FROM_SOURCE {
            let reason = format!("must not be more than {MOST_ATTEMPTS_FROM_SOURCE}");
            return Err(SettingsError::invalid("limits.account_from_source.attempts", reason));
        }
        if self.limits.known_after >= self.limits.trusted_for {
            let reason = "must be shorter than limits.trusted_for";
            return Err(SettingsError::invalid("limits.known_after", reason));
        }
        Ok(())
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

    /// A replica must learn of a change in the database before the change takes effect.
    fn check_keys(&self) -> Result<(), SettingsError> {
        if self.keys.publish_ahead < 4 * self.status_lists.poll_interval {
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

    /// Scopes are separated by spaces in tokens (RFC 6749 section 3.3).
    fn check_scopes(&self) -> Result<(), SettingsError> {
        let allowed = |byte: u8| byte.is_ascii_graphic() && !b"\"\\".contains(&byte);
        let is_scope = |scope: &String| !scope.is_empty() && scope.bytes().all(allowed);
        for (name, role) in &self.roles {
            if let Some(wrong) = role.scopes.iter().find(|scope| !is_scope(scope)) {
                let reason = format!("{wrong:?} is not one scope");
                return Err(SettingsError::invalid(&format!("roles.{name}"), reason));
            }
        }
        Ok(())
    }

    /// Browsers write an origin in one way only, and origins are compared byte by byte.
    fn check_origins(&self) -> Result<(), SettingsError> {
        let checked = CookieSource::default().allow_origins(&self.cors.allowed_origins);
        checked.map(|_| ()).map_err(|error| SettingsError::invalid("cors.allowed_origins", error))
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
    fn an_error_names_the_setting_that_is_wrong() {
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
            ("AUTH__PASSWORDS__BOUNDS__BCRYPT_COST", "32", "passwords.bounds.bcrypt_cost"),
            ("AUTH__PASSWORDS__BOUNDS__ITERATIONS", "-1", "passwords.bounds.iterations"),
            ("AUTH__HASHING__QUEUE", "1", "hashing.queue"),
            ("AUTH__DATABASE_URL", "mysql://secret@host", "database_url"),
            ("AUTH__DATABASE_URL", "postgres://user:a@b@host/database", "database_url"),
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
            ("AUTH__LIMITS__SESSION_REFRESH__BURST", "0", "limits.session_refresh.burst"),
            ("AUTH__LIMITS__SESSION_REFRESH__PER_MINUTE", "0", "limits.session_refresh.per_minute"),
            ("AUTH__LIMITS__ACCOUNT_REFRESH__BURST", "2000000", "limits.account_refresh.burst"),
            ("AUTH__LIMITS__ACCOUNT_REFRESH__PER_MINUTE", "0", "limits.account_refresh.per_minute"),
            ("AUTH__LIMITS__CLIENT_GRANT__BURST", "2000000", "limits.client_grant.burst"),
            ("AUTH__LIMITS__CLIENT_GRANT__PER_MINUTE", "0", "limits.client_grant.per_minute"),
            ("AUTH__AUDIT__REFUSALS_FROM_SOURCE__BURST", "0", "audit.refusals_from_source.burst"),
            ("AUTH__AUDIT__REFUSALS_FROM_SOURCE__PER_MINUTE", "0", "audit.refusals_from_source.per_minute"),
            ("AUTH__AUDIT__REFUSALS_OF_HOLDER__BURST", "2000000", "audit.refusals_of_holder.burst"),
            ("AUTH__AUDIT__REFUSALS_OF_HOLDER__PER_MINUTE", "0", "audit.refusals_of_holder.per_minute"),
            ("AUTH__AUDIT__FIRST_REFUSALS_OF_HOLDER__BURST", "0", "audit.first_refusals_of_holder.burst"),
            (
                "AUTH__AUDIT__FIRST_REFUSALS_OF_HOLDER__PER_MINUTE",
                "0",
                "audit.first_refusals_of_holder.per_minute",
            ),
            ("AUTH__AUDIT__REFUSALS_INTERVAL", "2h", "audit.refusals_interval"),
            ("AUTH__AUDIT__REFRESHES", "some", "refreshes"),
            ("AUTH__LOG__BURST", "0", "log.burst"),
            ("AUTH__LIMITS__ACCOUNT_FROM_SOURCE__ATTEMPTS", "101", "limits.account_from_source.attempts"),
            ("AUTH__NO_SUCH_THING", "1", "no_such_thing"),
        ];
        for (name, value, key) in rows {
            let error = error_for(name, value);
            assert!(error.contains(key), "{name}={value}: {error}");
        }
    }

    #[test]
    fn origins_without_tls_are_named_except_those_of_this_machine() {
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

    #[test]
    fn every_number_and_every_duration_has_bounds_at_its_field() {
        let files = [
            include_str!("accounts.rs"),
            include_str!("audit.rs"),
            include_str!("cors.rs"),
            include_str!("database.rs"),
            include_str!("limits.rs"),
            include_str!("passwords.rs"),
            include_str!("service.rs"),
            include_str!("tokens.rs"),
        ];
        let mut seen = 0;
        for text in files {
            let lines: Vec<&str> = text.lines().map(str::trim).collect();
            for pair in lines.windows(2) {
                let [above, field] = pair else { continue };
                let types = [": usize,", ": u32,", ": u64,", ": i64,", ": Duration,"];
                if field.starts_with("pub ") && types.iter().any(|end| field.ends_with(end)) {
                    let bound = ["Number::<", "Seconds::<", "Millis::<"];
                    assert!(bound.iter().any(|name| above.contains(name)), "no bounds: {field}");
                    seen += 1;
                }
            }
        }
        assert!(seen > 50, "only {seen} fields were found");
    }
}
