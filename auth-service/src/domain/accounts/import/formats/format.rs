//! The formats, each read by a file of its own.

use std::io::BufRead;

use crate::domain::accounts::import::formats::lines::read_line;
use crate::domain::accounts::import::formats::record::{ReadError, Sink};
use crate::domain::accounts::import::formats::{auth0, json, keycloak, supabase};

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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::accounts::import::Read;

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
