//! Reads the sources of settings, and the process environment: nothing else in the workspace reads that.

use std::path::Path;

use config::{Config, Environment, File, FileFormat};
use serde::de::DeserializeOwned;

use super::error::SettingsError;
use super::renamed::{Renamed, refuse_old_names};
use super::variables::{Variables, variable};
use super::{environment, hints};
use crate::access::{warn_if_shared, warn_if_writable};

/// How the names of variables end whose files every user may read: certificates of authorities.
const PUBLIC: &str = "_CA";

/// Reads the variables of this process that belong to the service with this prefix (`AUTH`, `RESOURCE`). Other variables may
/// hold any bytes.
///
/// # Errors
/// A variable of the service is not UTF-8.
#[expect(clippy::disallowed_methods, reason = "this is the one place that reads the environment")]
pub fn process_environment(prefix: &str) -> Result<Variables, SettingsError> {
    environment::select(prefix, std::env::vars_os())
}

/// Reads settings of type `T`.
///
/// `prefix` is `AUTH` or `RESOURCE`: the file is named by `{prefix}_CONFIG`, and `{prefix}__TOKENS__ACCESS_TTL` sets
/// `tokens.access_ttl`. For every variable, the same name with `_FILE` names a file that holds the value. An empty
/// variable counts as absent; an empty file does not. Old names of keys are in `renamed`.
///
/// # Errors
/// A file cannot be read, or is empty or blank; a key does not exist or was renamed; a value has the wrong type.
pub fn load<T: DeserializeOwned>(
    prefix: &str,
    defaults: &str,
    renamed: &[Renamed],
    env: &Variables,
) -> Result<T, SettingsError> {
    let mut sources = Config::builder().add_source(File::from_str(defaults, FileFormat::Toml));
    if let Some(path) = env.get(&format!("{prefix}_CONFIG")).filter(|path| !path.is_empty()) {
        sources = sources.add_source(File::new(path, FileFormat::Toml));
    }
    for (given, meant) in hints::misspelt(prefix, defaults, env) {
        log::warn!("the variable {given} sets nothing: did you mean {meant}?");
    }
    let variables = resolve_files(prefix, env)?;
    let environment = Environment::with_prefix(prefix)
        .prefix_separator("__")
        .separator("__")
        .ignore_empty(true)
        .source(Some(variables));
    // Before any key is read, only the file can fail.
    let config = sources.add_source(environment).build();
    let config = config.map_err(|error| SettingsError::text(format!("{prefix}_CONFIG: {error}")))?;
    refuse_old_names(prefix, renamed, &config)?;
    serde_path_to_error::deserialize(config).map_err(|error| describe(prefix, defaults, &error))
}

fn describe(
    prefix: &str,
    defaults: &str,
    error: &serde_path_to_error::Error<config::ConfigError>,
) -> SettingsError {
    let path = error.path().to_string();
    if path == "." {
        return SettingsError::text(format!("settings: {}", error.inner()));
    }
    let reason = hints::explain(prefix, defaults, &path, &error.inner().to_string());
    SettingsError::text(format!("setting `{path}` ({}): {reason}", variable(prefix, &path)))
}

/// Replaces each `NAME_FILE` by `NAME` with the file's content, less the line break that editors add at its end.
fn resolve_files(prefix: &str, env: &Variables) -> Result<Variables, SettingsError> {
    let start = format!("{prefix}__");
    let mut resolved = Variables::new();
    for (name, value) in env.iter().filter(|(name, value)| name.starts_with(&start) && !value.is_empty()) {
        let Some(target) = name.strip_suffix("_FILE") else {
            resolved.insert(name.clone(), value.clone());
            continue;
        };
        if env.get(target).is_some_and(|direct| !direct.is_empty()) {
            return Err(SettingsError::text(format!(
                "{target} and {name} are both set; one of them is enough"
            )));
        }
        let text = std::fs::read_to_string(Path::new(value))
            .map_err(|error| SettingsError::text(format!("{name}: cannot read {value}: {error}")))?;
        let (what, path) = (format!("the file of {target},"), Path::new(value));
        if target.ends_with(PUBLIC) {
            warn_if_writable(&what, path);
        } else {
            warn_if_shared(&what, path);
        }
        // An empty variable counts as absent, but an empty file is an error: its secret never arrived.
        if text.trim().is_empty() {
            return Err(SettingsError::text(format!(
                "{name}: the file {value} is empty; it must hold the value"
            )));
        }
        resolved.insert(target.to_owned(), text.trim_end_matches(['\r', '\n']).to_owned());
    }
    Ok(resolved)
}
