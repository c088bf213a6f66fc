//! The settings as types. `config.default.toml` says what each one means; `service-kit` reads the sources; `checks` refuses
//! what cannot be meant.

mod budgets;
mod checks;
mod place;
mod ranges;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use secrecy::SecretString;
use serde::Deserialize;
use service_kit::settings::{SettingsError, Variables, comma_list, load};
use service_kit::{HttpSettings, Listen, LogSettings, SocketSettings, StorageSettings, TlsSettings};
use shared_claims::verifier::Algorithm;
use url::{Host, Url};

/// Every setting with its default and its reason; also the documentation.
pub const DEFAULTS: &str = include_str!("../../config.default.toml");

/// How auth-service is set up.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "config.default.toml documents every key")]
pub struct Settings {
    pub listen: Listen,
    pub issuer: String,
    #[serde(default)]
    pub issuer_change: Option<String>,
    #[serde(deserialize_with = "comma_list")]
    pub audience: Vec<String>,
    #[serde(deserialize_with = "comma_list")]
    pub resources: Vec<String>,
    pub data_dir: PathBuf,
    #[serde(default)]
    pub database_url: Option<SecretString>,
    #[serde(default)]
    pub master_key: Option<SecretString>,
    #[serde(default)]
    pub master_key_previous: Option<SecretString>,
    pub tokens: Tokens,
    pub sessions: Sessions,
    pub passwords: Passwords,
    pub hashing: Hashing,
    pub keys: Keys,
    pub status_lists: StatusLists,
    pub cleanup: Cleanup,
    pub audit: Audit,
    pub limits: Limits,
    pub registration: Registration,
    pub accounts: Accounts,
    pub cors: CorsSettings,
    pub import: Import,
    pub admin: Admin,
    pub roles: BTreeMap<String, Role>,
    pub database: Database,
    pub socket: SocketSettings,
    pub storage: StorageSettings,
    pub http: HttpSettings,
    pub tls: TlsSettings,
    pub log: LogSettings,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "config.default.toml documents every key")]
pub struct Tokens {
    pub algorithm: Algorithm,
    #[serde(default)]
    pub shared_secret: Option<SecretString>,
    #[serde(with = "humantime_serde")]
    pub access_ttl: Duration,
    #[serde(with = "humantime_serde")]
    pub refresh_grace: Duration,
    pub repeat_elsewhere_is_theft: bool,
    pub unverified_email: bool,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "config.default.toml documents every key")]
pub struct Sessions {
    #[serde(with = "humantime_serde")]
    pub idle_ttl: Duration,
    #[serde(with = "humantime_serde")]
    pub absolute_ttl: Duration,
    pub max_user_agent_chars: usize,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "config.default.toml documents every key")]
pub struct Passwords {
    pub algorithm: PasswordAlgorithm,
    pub bcrypt_cost: u32,
    pub min_length: usize,
    pub max_length: usize,
    #[serde(deserialize_with = "comma_list")]
    pub service_names: Vec<String>,
    #[serde(default)]
    pub pepper: Option<SecretString>,
    #[serde(default)]
    pub pepper_previous: Option<SecretString>,
    pub argon2id: Argon2id,
    pub bounds: HashBounds,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "config.default.toml documents every key")]
pub struct HashBounds {
    pub bcrypt_cost: u32,
    pub memory_kib: u32,
    pub iterations: u32,
}

/// How new passwords are hashed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "named after what they are")]
pub enum PasswordAlgorithm {
    Bcrypt,
    Argon2id,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "config.default.toml documents every key")]
pub struct Argon2id {
    pub memory_kib: u32,
    pub iterations: u32,
    pub parallelism: u32,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "config.default.toml documents every key")]
pub struct Hashing {
    pub threads: usize,
    pub queue: usize,
    #[serde(with = "humantime_serde")]
    pub deadline: Duration,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "config.default.toml documents every key")]
pub struct Keys {
    #[serde(with = "humantime_serde")]
    pub rotate_every: Duration,
    #[serde(with = "humantime_serde")]
    pub publish_ahead: Duration,
    #[serde(with = "humantime_serde")]
    pub max_age: Duration,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "config.default.toml documents every key")]
pub struct StatusLists {
    #[serde(with = "humantime_serde")]
    pub poll_interval: Duration,
    #[serde(with = "humantime_serde")]
    pub lifetime: Duration,
    #[serde(with = "humantime_serde")]
    pub ttl: Duration,
    #[serde(with = "humantime_serde")]
    pub heartbeat: Duration,
    pub max_listeners: usize,
    pub max_listeners_per_address: usize,
    pub max_listeners_per_client: usize,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "config.default.toml documents every key")]
pub struct Cleanup {
    #[serde(with = "humantime_serde")]
    pub keep: Duration,
    pub batch_size: u32,
    #[serde(with = "humantime_serde")]
    pub interval: Duration,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "config.default.toml documents every key")]
pub struct Audit {
    #[serde(with = "humantime_serde")]
    pub keep: Duration,
    pub queue: usize,
    #[serde(with = "humantime_serde")]
    pub flush_interval: Duration,
    pub batch: usize,
    #[serde(with = "humantime_serde")]
    pub anchor: Duration,
    pub refusals_per_second: u32,
    pub refusals_from_source: Rate,
    pub refusals_of_holder: Rate,
    pub first_refusals_of_holder: Rate,
    #[serde(with = "humantime_serde")]
    pub refusals_interval: Duration,
    pub refreshes: Refreshes,
}

/// Which refreshes the audit trail has a row for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "config.default.toml says what they mean")]
pub enum Refreshes {
    All,
    FirstOfDay,
    None,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "config.default.toml documents every key")]
pub struct Limits {
    pub enabled: bool,
    pub forwarded_header: ForwardedHeader,
    #[serde(with = "humantime_serde")]
    pub trusted_for: Duration,
    #[serde(with = "humantime_serde")]
    pub known_after: Duration,
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

/// In which header a trusted proxy says for whom it asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[expect(missing_docs, reason = "named after what they are")]
pub enum ForwardedHeader {
    XForwardedFor,
    Forwarded,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "config.default.toml documents every key")]
pub struct WrongPasswords {
    pub attempts: u32,
    #[serde(with = "humantime_serde")]
    pub window: Duration,
    #[serde(with = "humantime_serde")]
    pub first_wait: Duration,
    #[serde(with = "humantime_serde")]
    pub longest_wait: Duration,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "config.default.toml documents every key")]
pub struct Rate {
    pub burst: u32,
    pub per_minute: u32,
}

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
    #[serde(with = "humantime_serde")]
    pub rest: Duration,
    pub max_resting: u32,
    #[serde(deserialize_with = "comma_list")]
    pub reserved: Vec<String>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "config.default.toml documents every key")]
pub struct CorsSettings {
    #[serde(deserialize_with = "comma_list")]
    pub allowed_origins: Vec<String>,
    #[serde(with = "humantime_serde")]
    pub preflight_max_age: Duration,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "config.default.toml documents every key")]
pub struct Import {
    pub max_body_bytes: usize,
    pub max_lines: usize,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "config.default.toml documents every key")]
pub struct Admin {
    #[serde(with = "humantime_serde")]
    pub reauthenticate_within: Duration,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "config.default.toml documents every key")]
pub struct Role {
    #[serde(deserialize_with = "comma_list")]
    pub scopes: Vec<String>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "config.default.toml documents every key")]
pub struct Database {
    pub pool_size: u32,
    #[serde(with = "humantime_serde")]
    pub timeout: Duration,
    #[serde(with = "humantime_serde")]
    pub start_timeout: Duration,
    pub write_queue: usize,
    pub write_group: usize,
}

impl CorsSettings {
    /// The allowed origins that anybody on the way can write pages of: without TLS, and not on this machine.
    pub fn plain_origins(&self) -> impl Iterator<Item = &str> {
        let plain = |origin: &&str| match Url::parse(origin).ok().as_ref().and_then(Url::host) {
            Some(Host::Domain(name)) => name != "localhost",
            Some(Host::Ipv4(address)) => !address.is_loopback(),
            Some(Host::Ipv6(address)) => !address.is_loopback(),
            None => false,
        };
        let origins = self.allowed_origins.iter().map(String::as_str);
        origins.filter(|origin| origin.starts_with("http://")).filter(plain)
    }
}

impl Settings {
    /// Reads and checks the settings.
    ///
    /// # Errors
    /// The first key that is unknown, has the wrong type, or cannot be meant.
    pub fn load(env: &Variables) -> Result<Self, SettingsError> {
        let settings: Self = load("AUTH", DEFAULTS, &[], env)?;
        settings.check()?;
        Ok(settings)
    }

    /// Where the database is: the URL that was given, or SQLite in the data folder.
    #[must_use]
    pub fn database_url(&self) -> SecretString {
        let embedded = || format!("sqlite://{}", self.data_dir.join("auth.db").display()).into();
        self.database_url.clone().unwrap_or_else(embedded)
    }
}
