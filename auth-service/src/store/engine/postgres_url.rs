//! Checks of PostgreSQL URLs: those in which libpq could mistake a part of the password for something else, and print it, are
//! refused.
//!
//! libpq ends the password at the first `@`, and looks for no `@` behind a `/`. Of `postgres://u:a/b@host/db` it makes the port
//! `a`, of `postgres://u:a@b@host/db` the host `b@host`, and its messages quote both. So a URL must be unambiguous before
//! libpq gets it, and of libpq's messages about the URL only the constant part is passed on (`public_text`).

use std::time::Duration;

/// Checks that the URL is unambiguous. The error never quotes the URL.
///
/// # Errors
/// What is wrong with the URL, as the end of a sentence about the setting.
pub fn check(url: &str) -> Result<(), &'static str> {
    let Some(rest) = after_scheme(url) else { return Err("must start with postgres:// or postgresql://") };
    if rest.chars().any(|char| char.is_whitespace() || char.is_control()) {
        return Err("has a space or a control character: write a space in the password as %20");
    }
    check_escapes(rest)?;
    let (address, parameters) = match rest.split_once('@') {
        Some((credentials, _)) if credentials.contains('/') => {
            return Err(
                "has an @ behind a /: in the user name and the password write / as %2F, elsewhere @ as %40",
            );
        }
        Some((_, host)) if host.contains('@') => {
            return Err("has more than one @: in the user name and the password write @ as %40");
        }
        Some((_, host)) => split_address(host),
        None => split_address(rest),
    };
    check_address(address)?;
    check_parameters(parameters)
}

/// Adds a connection timeout to the URL unless it has one. Without it libpq waits as long as the operating system does.
pub(in crate::store) fn with_connect_timeout(url: &str, timeout: Duration) -> String {
    if url.contains("connect_timeout=") {
        return url.to_owned();
    }
    let separator = if url.contains('?') { '&' } else { '?' };
    // libpq takes whole seconds, and treats 1 as 2.
    format!("{url}{separator}connect_timeout={}", timeout.as_secs().max(2))
}

/// Returns what may be logged of libpq's reason for a failed connection. Messages about a server name the server. Messages about
/// the URL quote it, and everything before the first quote is constant.
pub(in crate::store) fn public_text(reason: &str) -> String {
    let reason = reason.trim();
    let is_of_server = ["connection to server ", "could not translate host name "];
    if is_of_server.iter().any(|start| reason.starts_with(start)) {
        return reason.to_owned();
    }
    let constant = reason.split('"').next().unwrap_or_default().trim();
    format!(
        "database_url is not accepted ({constant} …); the rest is not shown, as it could be of the password"
    )
}

fn after_scheme(url: &str) -> Option<&str> {
    url.strip_prefix("postgres://").or_else(|| url.strip_prefix("postgresql://"))
}

fn check_escapes(text: &str) -> Result<(), &'static str> {
    let wrong = "has a % that does not begin an escape such as %2F: in the password write % as %25";
    for (at, _) in text.match_indices('%') {
        let digits = text.get(at + 1..at + 3).ok_or(wrong)?;
        if !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) || digits == "00" {
            return Err(wrong);
        }
    }
    Ok(())
}

/// Splits the part after the credentials into hosts with ports, and parameters.
fn split_address(text: &str) -> (&str, Option<&str>) {
    let (before, parameters) =
        text.split_once('?').map_or((text, None), |(before, after)| (before, Some(after)));
    (before.split('/').next().unwrap_or_default(), parameters)
}

/// Hosts are names, addresses or, escaped, folders of sockets; ports are digits.
fn check_address(hosts: &str) -> Result<(), &'static str> {
    for host in hosts.split(',') {
        let (name, port) = match host.strip_prefix('[') {
            Some(inner) => {
                let (address, after) = inner.split_once(']').ok_or("has a [ without its ]")?;
                (address, if after.is_empty() { None } else { Some(after.strip_prefix(':').unwrap_or("?")) })
            }
            None => host.split_once(':').map_or((host, None), |(name, port)| (name, Some(port))),
        };
        let in_names = |byte: u8| byte.is_ascii_alphanumeric() || b".-_%:~".contains(&byte);
        if !name.bytes().all(|byte| in_names(byte) || !byte.is_ascii()) {
            return Err(
                "has a host with characters that no host has: in the password write them escaped, such as [ as %5B",
            );
        }
        if port.is_some_and(|port| !port.bytes().all(|byte| byte.is_ascii_digit())) {
            return Err(
                "has a port that is no number; a password stands before an @, and / in it is written %2F",
            );
        }
    }
    Ok(())
}

fn check_parameters(parameters: Option<&str>) -> Result<(), &'static str> {
    let Some(parameters) = parameters.filter(|text| !text.is_empty()) else { return Ok(()) };
    let has_form =
        |pair: &str| pair.split_once('=').is_some_and(|(key, value)| !key.is_empty() && !value.contains('='));
    if parameters.split('&').all(has_form) {
        return Ok(());
    }
    Err("has parameters that are not name=value: in a value write & as %26 and = as %3D")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_with_one_reading_are_accepted() {
        for url in [
            "postgres://user@host/database",
            "postgresql://user:p%2Fa%40s%25s%5B@host:5433/database?sslmode=verify-full&sslrootcert=/etc/ca.pem",
            "postgres:///test?host=/tmp/folder&port=5432&user=postgres",
            "postgres://%2Fvar%2Frun%2Fpostgresql/database",
            "postgres://user:a?b#c:d!e@[::1]:5432,other:5433/database",
            "postgres://",
        ] {
            assert_eq!(check(url), Ok(()), "{url}");
        }
    }

    #[test]
    fn urls_that_libpq_would_cut_inside_the_password_are_refused() {
        for url in [
            "postgres://user:se/cret@host/database",
            "postgres://user:se@cret@host/database",
            "postgres://user:se%cret@host/database",
            "postgres://user:se%00cret@host/database",
            "postgres://user:se cret@host/database",
            "postgres://user:se@[cret@host/database",
            "postgres://user:se@[cret/database",
            "postgres://user:secret/database",
            "postgres://host/database?password=se&cret",
            "postgres://host/database?password=se=cret",
            "postgres://host/se@cret",
        ] {
            let reason = check(url).unwrap_err();
            assert!(!reason.contains("cret"), "{url}: {reason}");
        }
    }

    #[test]
    fn only_what_is_constant_is_passed_on_of_a_reason_that_quotes_the_url() {
        let shown = public_text("invalid sslmode value: \"secret\"\n");
        assert!(shown.contains("invalid sslmode value") && !shown.contains("secret"), "{shown}");
        let shown = public_text("connection to server at \"host\", port 5432 failed: FATAL:  no such role");
        assert!(shown.ends_with("no such role"), "{shown}");
    }

    #[test]
    fn a_connection_is_waited_for_no_longer_than_for_a_query() {
        let timed = |url| with_connect_timeout(url, Duration::from_secs(4));
        assert_eq!(timed("postgres://host/db"), "postgres://host/db?connect_timeout=4");
        assert_eq!(timed("postgres://host/db?user=a"), "postgres://host/db?user=a&connect_timeout=4");
        assert_eq!(timed("postgres://host/db?connect_timeout=9"), "postgres://host/db?connect_timeout=9");
    }
}
