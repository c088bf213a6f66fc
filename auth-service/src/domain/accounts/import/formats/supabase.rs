//! Supabase's `auth.users`: as CSV with a header (the dashboard, `COPY … TO … CSV HEADER`), as a JSON array, or as JSON lines.

use std::io::BufRead;

use serde::Deserialize;
use serde_json::Value;

use crate::domain::accounts::import::formats::json;
use crate::domain::accounts::import::formats::record::{ReadError, Sink, name, no_password, refusal};
use crate::domain::accounts::import::{Import, Read};

/// In CSV, nothing is an empty text. Whatever else stands in the table is not looked at.
#[derive(Deserialize)]
struct Row {
    email: Option<String>,
    encrypted_password: Option<String>,
    email_confirmed_at: Option<String>,
    confirmed_at: Option<String>,
    banned_until: Option<String>,
    deleted_at: Option<String>,
}

pub(super) fn read(reader: &mut dyn BufRead, sink: Sink<'_>) -> Result<(), ReadError> {
    if matches!(json::first_byte(reader)?, Some(b'[' | b'{')) {
        let malformed = || refusal("line", "malformed", "This is not a row of `auth.users`.");
        let row = |value: Value| serde_json::from_value(value).map_err(|_| malformed()).and_then(account);
        return json::records(reader, &mut |place, value| sink(place, value.and_then(row)));
    }
    let mut table = csv::Reader::from_reader(reader);
    let header = table.headers().map_err(|error| malformed(&error))?.clone();
    for column in ["email", "encrypted_password"] {
        if !header.iter().any(|name| name == column) {
            return Err(ReadError::Malformed(format!("the table has no column `{column}`")));
        }
    }
    let mut record = csv::StringRecord::new();
    loop {
        let line = table.position().line();
        let found = match table.read_record(&mut record) {
            Ok(false) => return Ok(()),
            Ok(true) => record
                .deserialize(Some(&header))
                .map_err(|_| refusal("line", "malformed", "This is not a row of `auth.users`."))
                .and_then(account),
            Err(error) if error.is_io_error() => return Err(malformed(&error)),
            Err(_) => Err(refusal("line", "malformed", "This row does not have the columns of the header.")),
        };
        if !sink(line, found) {
            return Err(ReadError::Stopped);
        }
    }
}

fn malformed(error: &csv::Error) -> ReadError {
    ReadError::Malformed(format!("the file is not a table: {error}"))
}

fn account(row: Row) -> Read {
    let said = |text: &Option<String>| text.as_deref().is_some_and(|text| !text.is_empty());
    if said(&row.deleted_at) {
        return Err(refusal("line", "deleted", "This account was deleted."));
    }
    let email = row.email.filter(|email| !email.is_empty());
    Ok(Import {
        username: name(None, email.as_deref()),
        email,
        email_verified: said(&row.email_confirmed_at) || said(&row.confirmed_at),
        password_hash: row.encrypted_password.filter(|hash| !hash.is_empty()).ok_or_else(no_password)?,
        roles: Vec::new(),
        // Also when the ban is over: it is better to enable somebody than to have enabled them.
        disabled: said(&row.banned_until),
    })
}
