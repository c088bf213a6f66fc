//! Auth0: what its support exports (`passwordHash`, bcrypt), and what its bulk import takes (`password_hash`, or
//! `custom_password_hash` with an algorithm of one's own).

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use serde::Deserialize;
use serde_json::Value;

use crate::domain::accounts::import::formats::record::{name, no_password, refusal};
use crate::domain::accounts::import::{Import, Read};
use crate::domain::invalid::Invalid;

#[derive(Deserialize)]
struct User {
    username: Option<String>,
    email: Option<String>,
    #[serde(default)]
    email_verified: bool,
    #[serde(rename = "passwordHash")]
    exported: Option<String>,
    password_hash: Option<String>,
    custom_password_hash: Option<Custom>,
    #[serde(default)]
    blocked: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Custom {
    algorithm: String,
    hash: Encoded,
    salt: Option<Encoded>,
    cost: Option<u64>,
    block_size: Option<u32>,
    parallelization: Option<u32>,
}

#[derive(Deserialize)]
struct Encoded {
    value: String,
    encoding: Option<String>,
}

impl Encoded {
    fn bytes(&self) -> Option<Vec<u8>> {
        match self.encoding.as_deref() {
            None | Some("utf8") => Some(self.value.clone().into_bytes()),
            Some("base64") => STANDARD.decode(&self.value).ok(),
            Some("hex") => {
                let digits: Option<Vec<u32>> = self.value.chars().map(|char| char.to_digit(16)).collect();
                let digits = digits.filter(|digits| digits.len().is_multiple_of(2))?;
                digits
                    .chunks(2)
                    .map(|pair| u8::try_from(pair.iter().fold(0, |byte, digit| byte * 16 + digit)).ok())
                    .collect()
            }
            Some(_) => None,
        }
    }
}

pub(super) fn account(value: Value) -> Read {
    let user: User = serde_json::from_value(value)
        .map_err(|_| refusal("line", "malformed", "This is not a user as Auth0 exports or imports them."))?;
    let password_hash = match (user.exported.or(user.password_hash), user.custom_password_hash) {
        (Some(hash), _) => hash,
        (None, Some(custom)) => of_custom(&custom)?,
        (None, None) => return Err(no_password()),
    };
    Ok(Import {
        username: name(user.username.as_deref(), user.email.as_deref()),
        password_hash,
        email: user.email,
        email_verified: user.email_verified,
        roles: Vec::new(),
        disabled: user.blocked,
    })
}

fn of_custom(custom: &Custom) -> Result<String, Vec<Invalid>> {
    let damaged = || refusal("password_hash", "damaged", "This hash is not written as Auth0 asks for.");
    let hash = custom.hash.bytes().ok_or_else(damaged)?;
    match custom.algorithm.as_str() {
        // These say everything themselves, as text.
        "argon2" | "bcrypt" | "pbkdf2" => String::from_utf8(hash).map_err(|_| damaged()),
        "scrypt" => {
            let salt = custom.salt.as_ref().and_then(Encoded::bytes).ok_or_else(damaged)?;
            let cost = custom.cost.unwrap_or(16384);
            let log_n = cost.checked_ilog2().filter(|_| cost.is_power_of_two()).ok_or_else(damaged)?;
            let (r, p) = (custom.block_size.unwrap_or(8), custom.parallelization.unwrap_or(1));
            let (salt, hash) = (STANDARD_NO_PAD.encode(salt), STANDARD_NO_PAD.encode(hash));
            Ok(format!("$scrypt$ln={log_n},r={r},p={p}${salt}${hash}"))
        }
        _ => Err(refusal("password_hash", "unknown_kind", "This is not an algorithm that is known here.")),
    }
}
