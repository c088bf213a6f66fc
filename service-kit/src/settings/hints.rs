//! Hints for operators: the right name of a misspelt variable, and the right form of a value.
//!
//! They come from the defaults of a service, which are also its documentation: keys without a default are comments there
//! (`# database_url = …`).

use std::collections::BTreeMap;

use config::{Config, File, FileFormat};
use serde_json::Value;

use super::variables::{Variables, variable};

/// Finds variables that set nothing, and differ only in underscores or case from one that does, such as `AUTH_LISTEN`. Returns
/// each with the right name. Others with the prefix are ignored: if a service is named `auth`, Kubernetes sets `AUTH_PORT` for
/// every container.
pub(crate) fn misspelt<'a>(prefix: &str, defaults: &str, env: &'a Variables) -> Vec<(&'a str, String)> {
    let settings = format!("{prefix}__");
    let file = format!("{prefix}_CONFIG");
    let suspects = env
        .iter()
        .filter(|(name, value)| !value.is_empty() && !name.starts_with(&settings) && **name != file);
    let suspects: Vec<_> = suspects.map(|(name, _)| name.as_str()).collect();
    if suspects.is_empty() {
        return Vec::new();
    }
    let known = known(prefix, defaults);
    let mut found: Vec<_> =
        suspects.into_iter().filter_map(|name| Some((name, similar(&known, name)?))).collect();
    found.sort_unstable();
    found
}

/// Adds the right form of a value, or the right name of a key, to the reason for which it was refused.
pub(crate) fn explain(prefix: &str, defaults: &str, key: &str, reason: &str) -> String {
    let (keys, values) = (keys(defaults), values(defaults));
    let is_text_for_a_section = reason.contains("expected struct") || reason.contains("expected a map");
    let below = format!("{key}.");
    if let Some(first) = keys.iter().find(|known| known.starts_with(&below)).filter(|_| is_text_for_a_section)
    {
        let example = variable(prefix, first);
        return format!(
            "this is a section, and has no value itself: its keys are set one by one, such as {example}"
        );
    }
    let reason = reason.replace("expected a duration", "expected a duration, such as 10s, 5m, 12h or 14d");
    if !keys.iter().any(|known| known == key) {
        let meant = similar(&known(prefix, defaults), &variable(prefix, key));
        return meant.map_or(reason.clone(), |meant| format!("{reason}; did you mean {meant}?"));
    }
    match values.pointer(&format!("/{}", key.replace('.', "/"))) {
        None | Some(Value::Null) => reason,
        Some(default) => format!("{reason}; the default is {default}"),
    }
}

/// Returns the variable that is like `name`, if there is one.
fn similar(known: &BTreeMap<String, String>, name: &str) -> Option<String> {
    let plain = plain(name);
    let file = || Some(format!("{}_FILE", known.get(plain.strip_suffix("_FILE")?)?));
    known.get(&plain).cloned().or_else(file)
}

/// Returns all variables of a service by their plain names.
fn known(prefix: &str, defaults: &str) -> BTreeMap<String, String> {
    let mut names: Vec<_> = keys(defaults).iter().map(|key| variable(prefix, key)).collect();
    names.push(format!("{prefix}_CONFIG"));
    names.into_iter().map(|name| (plain(&name), name)).collect()
}

/// Returns a name in upper case with single underscores.
fn plain(name: &str) -> String {
    let words: Vec<_> = name.split('_').filter(|word| !word.is_empty()).collect();
    words.join("_").to_uppercase()
}

/// Returns every key of the defaults; those that have a line of their own are in their order.
fn keys(defaults: &str) -> Vec<String> {
    let mut keys = written(defaults);
    let mut parsed = Vec::new();
    collect("", &values(defaults), &mut parsed);
    parsed.retain(|key| !keys.contains(key));
    keys.append(&mut parsed);
    keys
}

/// Returns the keys at the beginning of lines, including commented ones.
fn written(defaults: &str) -> Vec<String> {
    let mut section = String::new();
    let mut keys = Vec::new();
    for line in defaults.lines() {
        if let Some(name) = line.strip_prefix('[').and_then(|line| line.split_once(']')) {
            section = format!("{}.", name.0);
        }
        let Some((key, _)) = line.strip_prefix("# ").unwrap_or(line).split_once(" = ") else { continue };
        if key.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_') {
            keys.push(format!("{section}{key}"));
        }
    }
    keys
}

fn values(defaults: &str) -> Value {
    let parsed = Config::builder().add_source(File::from_str(defaults, FileFormat::Toml)).build();
    parsed.and_then(Config::try_deserialize).unwrap_or_default()
}

fn collect(section: &str, value: &Value, keys: &mut Vec<String>) {
    match value {
        Value::Object(entries) => {
            for (name, value) in entries {
                let key = if section.is_empty() { name.clone() } else { format!("{section}.{name}") };
                collect(&key, value, keys);
            }
        }
        _ => keys.push(section.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEFAULTS: &str = "\
        listen = \"127.0.0.1:8080\"\n\
        # database_url = \"sqlite://…\"      or another\n\
        [tokens]\n\
        access_ttl = \"10m\"\n\
        # shared_secret = at least 32 bytes\n\
        [limits]\n\
        source = { free = 10, wait = \"1s\" }\n";

    fn found(names: &[&str]) -> Vec<(String, String)> {
        let env = names.iter().map(|name| ((*name).to_owned(), "x".to_owned())).collect();
        misspelt("AUTH", DEFAULTS, &env).into_iter().map(|(name, meant)| (name.to_owned(), meant)).collect()
    }

    #[test]
    fn a_variable_with_too_few_underscores_or_in_lower_case_is_found_with_the_right_name() {
        for (name, meant) in [
            ("AUTH_LISTEN", "AUTH__LISTEN"),
            ("auth__listen", "AUTH__LISTEN"),
            ("AUTH_DATABASE_URL", "AUTH__DATABASE_URL"),
            ("AUTH_DATABASE_URL_FILE", "AUTH__DATABASE_URL_FILE"),
            ("AUTH_TOKENS_ACCESS_TTL", "AUTH__TOKENS__ACCESS_TTL"),
            ("AUTH_TOKENS__SHARED_SECRET", "AUTH__TOKENS__SHARED_SECRET"),
            ("AUTH_LIMITS_SOURCE_FREE", "AUTH__LIMITS__SOURCE__FREE"),
            ("auth_config", "AUTH_CONFIG"),
        ] {
            assert_eq!(found(&[name]), [(name.to_owned(), meant.to_owned())]);
        }
    }

    #[test]
    fn what_kubernetes_and_others_set_is_ignored() {
        let set = ["AUTH_PORT", "AUTH_SERVICE_HOST", "AUTH_PORT_8080_TCP", "AUTH_SUBNET", "AUTH_TOKENS"];
        assert_eq!(found(&set), []);
        assert_eq!(found(&["AUTH__LISTEN", "AUTH_CONFIG", "AUTH__TOKENS__ACCESS_TTL"]), []);
    }

    #[test]
    fn the_right_form_of_a_value_is_named() {
        let explain = |key, reason| explain("AUTH", DEFAULTS, key, reason);
        let text = explain("tokens.access_ttl", "invalid value: string \"soon\", expected a duration");
        assert!(text.contains("such as 10s, 5m, 12h or 14d; the default is \"10m\""), "{text}");
        let text = explain("tokens", "invalid type: string \"10m\", expected struct Tokens");
        assert!(text.contains("AUTH__TOKENS__ACCESS_TTL") && !text.contains("struct"), "{text}");
        let text = explain("tokens_access_ttl", "unknown field");
        assert_eq!(text, "unknown field; did you mean AUTH__TOKENS__ACCESS_TTL?");
        assert_eq!(explain("nothing", "unknown field"), "unknown field");
    }
}
