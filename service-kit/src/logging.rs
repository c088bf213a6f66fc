//! Log lines: time, level, the request they belong to, and the message.

use std::io::Write as _;

use env_logger::{Builder, Env};

use crate::envelope::REQUEST_ID;

/// actix tells of each worker it starts; that is of no use to an operator.
const DEFAULT_FILTER: &str = "info,actix_server=warn";
/// Whatever the level: anybody could write an error into the log with each malformed request. `RUST_LOG=actix_http=error`
/// shows them.
const UNLESS_NAMED: &str = "actix_http=off";

/// Sends the `log` crate's records to standard error, filtered by `RUST_LOG` (default `info`).
///
/// A line that was written while a request was handled carries its id. Control characters are escaped, so that no
/// input can forge a line (OWASP ASVS 5, 16.4.1).
pub fn init() {
    Builder::new()
        .parse_filters(UNLESS_NAMED)
        .parse_env(Env::default().default_filter_or(DEFAULT_FILTER))
        .format(|out, record| {
            let message = escape_controls(&record.args().to_string());
            let (time, level) = (out.timestamp_millis(), record.level());
            let style = out.default_level_style(level);
            match REQUEST_ID.try_with(Clone::clone) {
                Ok(id) => writeln!(out, "{time} {style}{level:5}{style:#} [{id}] {message}"),
                Err(_) => writeln!(out, "{time} {style}{level:5}{style:#} {message}"),
            }
        })
        .init();
}

fn escape_controls(text: &str) -> String {
    text.chars().fold(String::with_capacity(text.len()), |mut line, char| {
        if char.is_control() {
            line.extend(char.escape_default());
        } else {
            line.push(char);
        }
        line
    })
}

#[cfg(test)]
mod tests {
    #[test]
    fn input_cannot_start_a_line_of_its_own() {
        assert_eq!(
            super::escape_controls("bob\r\n2026 INFO all is well\x1b[0m"),
            "bob\\r\\n2026 INFO all is well\\u{1b}[0m"
        );
    }
}
