//! One account of a file, and what may be wrong with it.

use std::io;

use aws_lc_rs::digest::{SHA256, digest};

use crate::domain::accounts::import::Read;
use crate::domain::accounts::usernames::parse_username;
use crate::domain::invalid::Invalid;

/// Why a file is not read any further.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The file cannot be read.
    #[error("cannot read the file: {0}")]
    Io(#[from] io::Error),
    /// It is not what it should be.
    #[error("{0}")]
    Malformed(String),
    /// The receiver has gone.
    #[error("stopped")]
    Stopped,
}

/// Hands out what was read, with the number of its line or its place; says whether to go on.
pub type Sink<'a> = &'a mut dyn FnMut(u64, Read) -> bool;

pub(super) fn refusal(field: &'static str, code: &'static str, message: &str) -> Vec<Invalid> {
    vec![Invalid { field, code, message: message.to_owned() }]
}

pub(super) fn no_password() -> Vec<Invalid> {
    refusal("password_hash", "required", "This account has no password.")
}

/// The name that an account gets when it had none that is allowed here: made from its address, so that it is the same one
/// whenever the file is read. Its owner logs in with the address.
pub(super) fn name(username: Option<&str>, email: Option<&str>) -> String {
    const MAILBOX_CHARS: usize = 23;
    match (username, email) {
        (Some(username), _) if parse_username(username).is_ok() => username.to_owned(),
        (_, Some(email)) => {
            let email = email.to_lowercase();
            let mailbox = email.split('@').next().unwrap_or_default();
            let allowed = |char: &char| char.is_ascii_alphanumeric() || "._-".contains(*char);
            let mailbox: String = mailbox.chars().filter(allowed).take(MAILBOX_CHARS).collect();
            let mark: String = digest(&SHA256, email.as_bytes())
                .as_ref()
                .iter()
                .take(4)
                .fold(String::new(), |mark, byte| mark + &format!("{byte:02x}"));
            format!("{mailbox}-{mark}")
        }
        (username, None) => username.unwrap_or_default().to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_is_not_allowed_is_made_from_the_address() {
        assert_eq!(name(Some("Alice"), Some("a@example.com")), "Alice");
        assert_eq!(name(Some("al"), None), "al", "and is refused later");
        let made = name(None, Some("Anna.Müller+shop@Example.com"));
        assert_eq!(made, name(Some("anna@example.com"), Some("anna.müller+shop@example.com")));
        assert!(made.starts_with("anna.mllershop-"), "{made}");
        assert_ne!(made, name(None, Some("Anna.Müller+shop@example.org")));
        assert!(parse_username(&name(None, Some(&format!("{}@example.com", "x".repeat(64))))).is_ok());
        assert!(parse_username(&name(None, Some("ä@example.com"))).is_ok());
    }
}
