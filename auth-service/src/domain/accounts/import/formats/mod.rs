//! Files of accounts, read one account after the other: memory does not grow with the file.

mod auth0;
mod json;
mod keycloak;
mod lines;
mod supabase;

use std::io::{self, BufRead};

use aws_lc_rs::digest::{SHA256, digest};

use crate::domain::accounts::import::{Import, Read};
use crate::domain::accounts::usernames::parse_username;
use crate::domain::invalid::Invalid;

pub use lines::read_line;

/// Whose file it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// JSON lines: `{username, password_hash, email?, email_verified?, roles?, disabled?}`.
    Lines,
    /// A realm as Keycloak exports it.
    Keycloak {
        /// Whether realm roles are taken by their names: `admin` there would be `admin` here.
        with_roles: bool,
    },
    /// Users as Auth0 exports them, or as its bulk import takes them.
    Auth0,
    /// The table `auth.users` of Supabase, as CSV or as JSON.
    Supabase,
}

/// Why a file is not read any further.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The file cannot be read.
    #[error("cannot read the file: {0}")]
    Io(#[from] io::Error),
    /// It is not what it should be.
    #[error("{0}")]
    Malformed(String),
    /// Whoever listened has gone.
    #[error("stopped")]
    Stopped,
}

/// Hands out what was read, with the number of its line or its place; says whether to go on.
pub type Sink<'a> = &'a mut dyn FnMut(u64, Read) -> bool;

/// Reads accounts to the end of the file.
///
/// # Errors
/// [`ReadError`]; a single account that makes no sense goes to `sink` as refused.
pub fn read(format: Format, reader: &mut dyn BufRead, sink: Sink<'_>) -> Result<(), ReadError> {
    match format {
        Format::Lines => json::lines(reader, &mut |line, text| sink(line, text.and_then(read_line))),
        Format::Keycloak { with_roles } => keycloak::read(reader, with_roles, sink),
        Format::Auth0 => {
            json::records(reader, &mut |place, value| sink(place, value.and_then(auth0::account)))
        }
        Format::Supabase => supabase::read(reader, sink),
    }
}

fn refusal(field: &'static str, code: &'static str, message: &str) -> Vec<Invalid> {
    vec![Invalid { field, code, message: message.to_owned() }]
}

fn no_password() -> Vec<Invalid> {
    refusal("password_hash", "required", "This account has no password.")
}

/// The name that an account gets when it had none that is allowed here: made from its address, so that it is the same one
/// whenever the file is read. Its owner logs in with the address.
fn name(username: Option<&str>, email: Option<&str>) -> String {
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

    fn all(format: Format, text: &str) -> (Vec<(u64, Read)>, Result<(), ReadError>) {
        let mut seen = Vec::new();
        let result = read(format, &mut text.as_bytes(), &mut |place, read| {
            seen.push((place, read));
            true
        });
        (seen, result)
    }

    #[test]
    fn a_line_says_what_is_wrong_with_it_and_never_repeats_a_value() {
        let rows = [
            ("", "line", "malformed"),
            ("[]", "line", "malformed"),
            ("\"secret\"", "line", "malformed"),
            (r#"{"username": "alice""#, "line", "malformed"),
            (r#"{"username": "alice"}"#, "password_hash", "required"),
            (r#"{"password_hash": "secret"}"#, "username", "required"),
            (r#"{"username": "alice", "password_hash": ["secret"]}"#, "password_hash", "wrong_type"),
            (
                r#"{"username": "alice", "password_hash": "x", "disabled": "secret"}"#,
                "disabled",
                "wrong_type",
            ),
            (r#"{"username": "alice", "password_hash": "x", "roles": "secret"}"#, "roles", "wrong_type"),
            (r#"{"username": "alice", "password_hash": "x", "password": "secret"}"#, "line", "unknown_field"),
            (r#"{"username": "a", "username": "b", "password_hash": "x"}"#, "line", "malformed"),
        ];
        for (line, field, code) in rows {
            let mistakes = read_line(line.to_owned()).err().unwrap();
            assert_eq!((mistakes[0].field, mistakes[0].code), (field, code), "{line}");
            assert!(!mistakes[0].message.contains("secret"), "{line}: {}", mistakes[0].message);
        }
    }

    #[test]
    fn unknown_fields_are_named_escaped_and_cut() {
        let line = format!(
            r#"{{"username": "alice", "password_hash": "x", "e\u001b[0m": 1, "{}": 1}}"#,
            "x".repeat(9999)
        );
        let mistakes = read_line(line).err().unwrap();
        assert_eq!(mistakes[0].message, r#"The field "e\u{1b}[0m" does not exist here."#);
        assert!(mistakes[1].message.len() < 110 && mistakes.len() == 2);
        let many: Vec<String> = (0..1000).map(|number| format!(", \"f{number}\": 0")).collect();
        let many = many.concat();
        let line = format!(r#"{{"username": "alice", "password_hash": "x"{many}}}"#);
        assert_eq!(read_line(line).err().unwrap().len(), 8);
    }

    #[test]
    fn one_bad_line_does_not_keep_the_others_from_being_read() {
        let good = r#"{"username": "alice", "password_hash": "x", "email": null, "roles": ["a"]}"#;
        let long = "x".repeat(200_000);
        let text = format!("{good}\r\n\n{long}\n\u{feff}\n{good}");
        let (seen, result) = all(Format::Lines, &text);
        result.unwrap();
        let read: Vec<(u64, bool)> = seen.iter().map(|(line, read)| (*line, read.is_ok())).collect();
        assert_eq!(read, [(1, true), (3, false), (4, false), (5, true)], "empty lines are nothing");
        let (seen, result) = all(Format::Lines, "\u{feff}\n");
        assert!(result.is_ok() && seen.len() == 1);
    }

    #[test]
    fn records_may_stand_in_an_array_as_well_as_on_lines() {
        let (seen, result) = all(Format::Auth0, r#" [{"email": "a@b.c", "passwordHash": "x"}, 7, {}] "#);
        result.unwrap();
        let read: Vec<(u64, bool)> = seen.iter().map(|(place, read)| (*place, read.is_ok())).collect();
        assert_eq!(read, [(1, true), (2, false), (3, false)]);
        let (seen, result) = all(Format::Auth0, r#"[{"email": "a@b.c", "passwordHash": "x"}, {"#);
        assert!(seen.len() == 1 && matches!(result, Err(ReadError::Malformed(_))));
        for text in ["", "[]", "{\"realm\": \"x\"}", "7"] {
            assert!(matches!(
                all(Format::Keycloak { with_roles: false }, text).1,
                Err(ReadError::Malformed(_))
            ));
        }
        assert!(matches!(all(Format::Supabase, "id,name\n1,2\n").1, Err(ReadError::Malformed(_))));
    }

    #[test]
    fn reading_ends_when_nobody_listens_any_more() {
        let keycloak = Format::Keycloak { with_roles: false };
        for (format, text) in [
            (Format::Lines, "{}\n{}\n"),
            (Format::Auth0, "[{}, {}]"),
            (keycloak, r#"{"users": [{}, {}]}"#),
            (Format::Supabase, "email,encrypted_password\na,b\nc,d\n"),
        ] {
            let mut seen = 0;
            let result = read(format, &mut text.as_bytes(), &mut |_, _| {
                seen += 1;
                false
            });
            assert!(matches!(result, Err(ReadError::Stopped)) && seen == 1, "{format:?}");
        }
    }
}
