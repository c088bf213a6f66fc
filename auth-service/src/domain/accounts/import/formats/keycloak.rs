//! Keycloak's realm export (`kc.sh export`): `users`, each with `credentials` whose `credentialData` and `secretData` are
//! JSON in strings.

use std::io::BufRead;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use serde::Deserialize;
use serde_json::Value;

use crate::domain::accounts::import::formats::json;
use crate::domain::accounts::import::formats::record::{ReadError, Sink, name, no_password, refusal};
use crate::domain::accounts::import::{Import, Read};
use crate::domain::invalid::Invalid;

/// Roles that Keycloak gives to everybody, for purposes of its own.
const OWN_ROLES: [&str; 2] = ["offline_access", "uma_authorization"];

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct User {
    username: Option<String>,
    email: Option<String>,
    #[serde(default)]
    email_verified: bool,
    enabled: Option<bool>,
    #[serde(default)]
    credentials: Vec<Credential>,
    #[serde(default)]
    realm_roles: Vec<String>,
}

#[derive(Deserialize)]
struct Credential {
    r#type: Option<String>,
    #[serde(rename = "secretData")]
    secret: Option<String>,
    #[serde(rename = "credentialData")]
    data: Option<String>,
}

#[derive(Deserialize)]
struct Secret {
    value: String,
    salt: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Data {
    hash_iterations: u32,
    algorithm: String,
    #[serde(default)]
    additional_parameters: Value,
}

pub(super) fn read(reader: &mut dyn BufRead, with_roles: bool, sink: Sink<'_>) -> Result<(), ReadError> {
    json::member_users(reader, &mut |place, value| {
        sink(place, value.and_then(|value| account(value, with_roles)))
    })
}

fn account(value: Value, with_roles: bool) -> Read {
    let user: User = serde_json::from_value(value)
        .map_err(|_| refusal("line", "malformed", "This is not a user as Keycloak exports them."))?;
    let mut passwords =
        user.credentials.iter().filter(|credential| credential.r#type.as_deref() == Some("password"));
    let password_hash = hash(passwords.next().ok_or_else(no_password)?)?;
    let wanted = |role: &String| {
        with_roles && !role.starts_with("default-roles-") && !OWN_ROLES.contains(&role.as_str())
    };
    Ok(Import {
        username: name(user.username.as_deref(), user.email.as_deref()),
        password_hash,
        email: user.email,
        email_verified: user.email_verified,
        roles: user.realm_roles.into_iter().filter(wanted).collect(),
        disabled: user.enabled == Some(false),
    })
}

/// The credential as a PHC string.
fn hash(credential: &Credential) -> Result<String, Vec<Invalid>> {
    let damaged =
        || refusal("password_hash", "damaged", "This credential is not written as Keycloak writes them.");
    let secret: Option<Secret> =
        credential.secret.as_deref().and_then(|text| serde_json::from_str(text).ok());
    let data: Option<Data> = credential.data.as_deref().and_then(|text| serde_json::from_str(text).ok());
    let (secret, data) = secret.zip(data).ok_or_else(damaged)?;
    let bytes = |text: &str| STANDARD.decode(text).map_err(|_| damaged());
    let (salt, digest) = (bytes(&secret.salt)?, bytes(&secret.value)?);
    let (length, iterations) = (digest.len(), data.hash_iterations);
    let (salt, digest) = (STANDARD_NO_PAD.encode(salt), STANDARD_NO_PAD.encode(digest));
    let digest_of = |name: &str| format!("$pbkdf2-{name}$i={iterations},l={length}${salt}${digest}");
    // Each parameter is a list with one text in it.
    let parameter = |name: &str| data.additional_parameters[name][0].as_str();
    match data.algorithm.as_str() {
        "pbkdf2" => Ok(digest_of("sha1")),
        "pbkdf2-sha256" => Ok(digest_of("sha256")),
        "pbkdf2-sha512" => Ok(digest_of("sha512")),
        "argon2" => {
            let version = match parameter("version") {
                Some("1.3") => 19,
                Some("1.0") => 16,
                _ => return Err(damaged()),
            };
            let (kind, memory, lanes) = (parameter("type"), parameter("memory"), parameter("parallelism"));
            let ((kind, memory), lanes) = kind.zip(memory).zip(lanes).ok_or_else(damaged)?;
            Ok(format!("$argon2{kind}$v={version}$m={memory},t={iterations},p={lanes}${salt}${digest}"))
        }
        _ => Err(refusal("password_hash", "unknown_kind", "This is not an algorithm that is known here.")),
    }
}
