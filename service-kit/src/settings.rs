//! Typed settings from embedded defaults, a file and the environment, in that order; later ones win.
//!
//! The only reader of the process environment. A service describes its settings as a type with
//! `#[serde(deny_unknown_fields)]`; whatever does not fit it is an error that names the key.

use std::collections::HashMap;
use std::net::IpAddr;
use std::path::Path;
use std::str::FromStr;

use config::{Config, Environment, File, FileFormat};
use ipnet::{IpNet, Ipv4Net};
use serde::de::{DeserializeOwned, Error as _};
use serde::{Deserialize, Deserializer};

use crate::access::{warn_if_shared, warn_if_writable};
use crate::{environment, hints};

/// How variables end whose files everybody may read: certificates of authorities.
const PUBLIC: &str = "_CA";

/// The process environment, or a test's stand-in for it.
pub type Variables = HashMap<String, String>;

/// A setting that is missing, unknown or wrong. Its text names the key and never repeats a secret.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct SettingsError(String);

impl SettingsError {
    /// A value that has the right type and still cannot be meant; `key` is written like `tokens.access_ttl`.
    #[must_use]
    pub fn invalid(key: &str, reason: impl std::fmt::Display) -> Self {
        Self(format!("setting `{key}`: {reason}"))
    }

    /// A variable that cannot be read.
    pub(crate) fn of_variable(name: &str, reason: &str) -> Self {
        Self(format!("the variable {name} {reason}"))
    }
}

/// Reads the variables of this process that belong to the service with this prefix (`AUTH`, `RESOURCE`). All others may hold
/// any bytes.
///
/// # Errors
/// A variable of the service that is not UTF-8.
#[expect(clippy::disallowed_methods, reason = "this is the one place that reads the environment")]
pub fn process_environment(prefix: &str) -> Result<Variables, SettingsError> {
    environment::select(prefix, std::env::vars_os())
}

/// Reads settings of type `T`.
///
/// `prefix` is `AUTH` or `RESOURCE`: the file is named by `{prefix}_CONFIG`, and `{prefix}__TOKENS__ACCESS_TTL` sets
/// `tokens.access_ttl`. For every variable, the same name with `_FILE` names a file that holds the value. An empty
/// variable counts as absent; an empty file does not.
///
/// # Errors
/// A file that cannot be read or is empty or blank, a key that does not exist, a value of the wrong type.
pub fn load<T: DeserializeOwned>(prefix: &str, defaults: &str, env: &Variables) -> Result<T, SettingsError> {
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
    // What can fail before a key is looked at is the file.
    let config = sources.add_source(environment).build();
    let config = config.map_err(|error| SettingsError(format!("{prefix}_CONFIG: {error}")))?;
    serde_path_to_error::deserialize(config).map_err(|error| describe(prefix, defaults, &error))
}

fn describe(
    prefix: &str,
    defaults: &str,
    error: &serde_path_to_error::Error<config::ConfigError>,
) -> SettingsError {
    let path = error.path().to_string();
    if path == "." {
        return SettingsError(format!("settings: {}", error.inner()));
    }
    let reason = hints::explain(prefix, defaults, &path, &error.inner().to_string());
    SettingsError(format!("setting `{path}` ({}): {reason}", hints::variable(prefix, &path)))
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
            return Err(SettingsError(format!("{target} and {name} are both set; one of them is enough")));
        }
        let text = std::fs::read_to_string(Path::new(value))
            .map_err(|error| SettingsError(format!("{name}: cannot read {value}: {error}")))?;
        let (what, path) = (format!("the file of {target},"), Path::new(value));
        if target.ends_with(PUBLIC) {
            warn_if_writable(&what, path);
        } else {
            warn_if_shared(&what, path);
        }
        // An empty variable counts as absent. A file that was named and says nothing is a secret that never arrived.
        if text.trim().is_empty() {
            return Err(SettingsError(format!("{name}: the file {value} is empty; it must hold the value")));
        }
        resolved.insert(target.to_owned(), text.trim_end_matches(['\r', '\n']).to_owned());
    }
    Ok(resolved)
}

/// A list of strings, written as a TOML array or, in a variable, separated by commas.
///
/// # Errors
/// Anything else.
pub fn comma_list<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Written {
        List(Vec<String>),
        Text(String),
    }
    Ok(match Written::deserialize(deserializer)? {
        Written::List(items) => items,
        Written::Text(text) => {
            text.split(',').map(str::trim).filter(|item| !item.is_empty()).map(str::to_owned).collect()
        }
    })
}

/// A list of anything that is written as text, as [`comma_list`].
///
/// # Errors
/// An item that cannot be read.
pub fn parsed_list<'de, D, T>(deserializer: D) -> Result<Vec<T>, D::Error>
where
    D: Deserializer<'de>,
    T: FromStr<Err: std::fmt::Display>,
{
    comma_list(deserializer)?.iter().map(|item| item.parse().map_err(D::Error::custom)).collect()
}

/// Networks, written as a list of them ([`comma_list`]) or of single addresses.
///
/// # Errors
/// An item that is neither.
pub fn network_list<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<IpNet>, D::Error> {
    comma_list(deserializer)?.iter().map(|item| network(item).map_err(D::Error::custom)).collect()
}

fn network(text: &str) -> Result<IpNet, String> {
    let single = || text.parse().map(|address: IpAddr| IpNet::from(address.to_canonical()));
    let written = text.parse().or_else(|_| single()).map_err(|_| {
        format!("{text:?} is neither a network nor an address, such as 10.0.0.0/8, fd00::/8 or 192.0.2.7")
    })?;
    // Peers are compared by their canonical address: an IPv4 network that is mapped into IPv6 would have none of them.
    let IpNet::V6(mapped) = written else { return Ok(written) };
    let v4 = mapped.addr().to_ipv4_mapped().zip(mapped.prefix_len().checked_sub(96));
    let v4 = v4.and_then(|(address, length)| Ipv4Net::new(address, length).ok());
    Ok(v4.map_or(written, IpNet::V4))
}

/// Checks numbers: each row is a key, its value, and the least and the greatest that can be meant.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Sample {
        #[serde(deserialize_with = "comma_list")]
        audience: Vec<String>,
        limits: Limits,
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Limits {
        size: u32,
    }

    const DEFAULTS: &str = "audience = [\"a\"]\n[limits]\nsize = 1\n";

    fn sample(variables: &[(&str, &str)]) -> Result<Sample, SettingsError> {
        let env = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        load("SAMPLE", DEFAULTS, &env)
    }

    #[test]
    fn a_variable_overrides_the_default_and_an_empty_one_does_not() {
        assert_eq!(sample(&[("SAMPLE__LIMITS__SIZE", "7")]).unwrap().limits.size, 7);
        assert_eq!(sample(&[("SAMPLE__LIMITS__SIZE", "")]).unwrap().limits.size, 1);
    }

    #[test]
    fn a_list_may_be_written_with_commas() {
        assert_eq!(sample(&[("SAMPLE__AUDIENCE", "x, y")]).unwrap().audience, ["x", "y"]);
        assert_eq!(sample(&[]).unwrap().audience, ["a"]);
    }

    #[test]
    fn a_file_named_by_a_variable_gives_its_content() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "9\n").unwrap();
        let path = file.path().to_str().unwrap();
        assert_eq!(sample(&[("SAMPLE__LIMITS__SIZE_FILE", path)]).unwrap().limits.size, 9);
        let both = sample(&[("SAMPLE__LIMITS__SIZE_FILE", path), ("SAMPLE__LIMITS__SIZE", "1")]);
        assert!(both.unwrap_err().to_string().contains("both set"));
    }

    #[test]
    fn a_network_may_be_a_single_address_in_either_form() {
        for (text, meant) in [
            ("10.0.0.0/8", "10.0.0.0/8"),
            ("192.0.2.7", "192.0.2.7/32"),
            ("2001:db8::7", "2001:db8::7/128"),
            ("::ffff:192.0.2.7", "192.0.2.7/32"),
            ("::ffff:10.0.0.0/104", "10.0.0.0/8"),
        ] {
            assert_eq!(network(text).unwrap().to_string(), meant, "{text}");
        }
        for wrong in ["10.0.0.0/99", "everyone", "192.0.2.7:80", ""] {
            assert!(network(wrong).unwrap_err().contains("such as 10.0.0.0/8"), "{wrong}");
        }
    }

    #[test]
    fn an_empty_or_blank_file_is_an_error_that_names_variable_and_file() {
        for content in ["", "\n", " \r\n\t\n"] {
            let file = tempfile::NamedTempFile::new().unwrap();
            std::fs::write(file.path(), content).unwrap();
            let path = file.path().to_str().unwrap();
            let error = sample(&[("SAMPLE__LIMITS__SIZE_FILE", path)]).unwrap_err().to_string();
            assert!(
                error.contains("SAMPLE__LIMITS__SIZE_FILE") && error.contains(path),
                "{content:?}: {error}"
            );
        }
        assert_eq!(sample(&[("SAMPLE__LIMITS__SIZE_FILE", "")]).unwrap().limits.size, 1, "an empty variable");
    }

    #[test]
    fn errors_name_the_key() {
        let wrong = sample(&[("SAMPLE__LIMITS__SIZE", "many")]).unwrap_err().to_string();
        assert!(wrong.contains("`limits.size` (SAMPLE__LIMITS__SIZE)"), "{wrong}");
        let unknown = sample(&[("SAMPLE__LIMITS__SIZES", "1")]).unwrap_err().to_string();
        assert!(unknown.contains("sizes"), "{unknown}");
        let missing = sample(&[("SAMPLE_CONFIG", "/nowhere.toml")]).unwrap_err().to_string();
        assert!(missing.contains("/nowhere.toml"), "{missing}");
    }
}
