//! The settings as a whole.

use std::collections::BTreeMap;
use std::path::PathBuf;

use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use service_kit::settings::{SettingsError, Variables, comma_list, load};
use service_kit::{HttpSettings, Listen, LogSettings, SocketSettings, StorageSettings, TlsSettings};

use crate::settings::accounts::{Accounts, Admin, Import, Registration, Role};
use crate::settings::audit::Audit;
use crate::settings::cors::CorsSettings;
use crate::settings::database::{Cleanup, Database, public_part};
use crate::settings::limits::Limits;
use crate::settings::passwords::{Hashing, Passwords};
use crate::settings::renamed::RENAMED;
use crate::settings::tokens::{Keys, Sessions, StatusLists, Tokens};

/// Every setting with its default and its reason; also the documentation.
pub const DEFAULTS: &str = include_str!("../../config.default.toml");

/// The settings of auth-service.
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

impl Settings {
    /// Reads the settings and checks them.
    ///
    /// # Errors
    /// The first key that is unknown or was renamed, or whose value is not allowed.
    pub fn load(env: &Variables) -> Result<Self, SettingsError> {
        let settings: Self = load("AUTH", DEFAULTS, &RENAMED, env)?;
        settings.check()?;
        Ok(settings)
    }

    /// Returns the URL of the database: the one that is set, or SQLite in the data folder.
    #[must_use]
    pub fn database_url(&self) -> SecretString {
        let embedded = || format!("sqlite://{}", self.data_dir.join("auth.db").display()).into();
        self.database_url.clone().unwrap_or_else(embedded)
    }

    /// Names the database without any secret, and the setting that chose it, for people.
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
