//! `{username, password_hash, email?, email_verified?, roles?, disabled?}` on each line: what the command and the route take.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use crate::domain::accounts::import::formats::record::refusal;
use crate::domain::accounts::import::{Import, Read};
use crate::domain::invalid::Invalid;

/// Any value is read, so that a mistake can be named without repeating what was written.
#[derive(Deserialize)]
struct Line {
    #[serde(default)]
    username: Value,
    #[serde(default)]
    password_hash: Value,
    #[serde(default)]
    email: Value,
    #[serde(default)]
    email_verified: Value,
    #[serde(default)]
    roles: Value,
    #[serde(default)]
    disabled: Value,
    #[serde(flatten)]
    unknown: BTreeMap<String, Value>,
}

/// So many unknown fields of a line are named.
const NAMED: usize = 8;
/// The name of an unknown field is cut to that.
const MAX_NAME_CHARS: usize = 64;

/// The names come from the file: they are cut, and escaped for terminals.
fn unknown_fields<'a>(names: impl Iterator<Item = &'a String>) -> Vec<Invalid> {
    let one = |name: &String| {
        let name: String = name.chars().take(MAX_NAME_CHARS).collect();
        let message = format!("The field {name:?} does not exist here.");
        Invalid { field: "line", code: "unknown_field", message }
    };
    names.take(NAMED).map(one).collect()
}

/// Reads one line.
///
/// # Errors
/// What is wrong with it.
#[expect(clippy::needless_pass_by_value, reason = "the sink's own line, and nobody's afterwards")]
pub fn read_line(line: String) -> Read {
    let malformed = "This line is not a JSON object with username, password_hash, and if there are any email, \
                     email_verified, roles, disabled, each of them once.";
    let object = line.starts_with('{');
    let parsed: Option<Line> = if object { serde_json::from_str(&line).ok() } else { None };
    let line = parsed.ok_or_else(|| refusal("line", "malformed", malformed))?;
    let mut mistakes = unknown_fields(line.unknown.keys());
    let mut wrong = |field, code, message: &str| {
        mistakes.push(Invalid { field, code, message: message.to_owned() });
    };
    let mut text = |field, value, required| match value {
        Value::String(text) => Some(text),
        Value::Null => {
            if required {
                wrong(field, "required", "This field is required.");
            }
            None
        }
        _ => {
            wrong(field, "wrong_type", "This field must be a string.");
            None
        }
    };
    let username = text("username", line.username, true).unwrap_or_default();
    let password_hash = text("password_hash", line.password_hash, true).unwrap_or_default();
    let email = text("email", line.email, false);
    let mut flag = |field, value| match value {
        Value::Bool(flag) => flag,
        Value::Null => false,
        _ => {
            wrong(field, "wrong_type", "This field must be true or false.");
            false
        }
    };
    let email_verified = flag("email_verified", line.email_verified);
    let disabled = flag("disabled", line.disabled);
    let roles = match line.roles {
        Value::Null => Some(Vec::new()),
        Value::Array(items) => items.iter().map(|item| item.as_str().map(str::to_owned)).collect(),
        _ => None,
    };
    if roles.is_none() {
        wrong("roles", "wrong_type", "This field must be a list of strings.");
    }
    let roles = roles.unwrap_or_default();
    if mistakes.is_empty() {
        Ok(Import { username, password_hash, email, email_verified, roles, disabled })
    } else {
        Err(mistakes)
    }
}
