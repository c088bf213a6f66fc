//! Parses origins (RFC 6454): the scheme, host and port of a text that may not be a URL.

use std::net::{Ipv4Addr, Ipv6Addr};

/// The parts of a URL with the scheme `http` or `https`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Parts<'a> {
    pub(crate) https: bool,
    /// The host, and the port if there is one.
    pub(crate) authority: &'a str,
    /// From the first `/`, `?` or `#` on.
    pub(crate) rest: &'a str,
}

/// Splits a URL; `None` if its scheme is neither `http` nor `https`, or its host is not a plain name or address.
pub(crate) fn parts(url: &str) -> Option<Parts<'_>> {
    let (https, rest) = match (url.strip_prefix("https://"), url.strip_prefix("http://")) {
        (Some(rest), _) => (true, rest),
        (_, Some(rest)) => (false, rest),
        _ => return None,
    };
    let (authority, rest) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._:[]".contains(&byte);
    let named = !host(authority).is_empty() && authority.bytes().all(plain);
    named.then_some(Parts { https, authority, rest })
}

/// Returns whether the host of `authority` is this machine.
pub(crate) fn is_loopback(authority: &str) -> bool {
    let host = host(authority);
    host.eq_ignore_ascii_case("localhost")
        || host.parse().is_ok_and(|address: Ipv4Addr| address.is_loopback())
        || host.parse().is_ok_and(|address: Ipv6Addr| address.is_loopback())
}

/// Returns the host without the port and without the brackets of an IPv6 address.
fn host(authority: &str) -> &str {
    match authority.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((address, _)) => address,
        None => authority.split(':').next().unwrap_or(authority),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_taken_apart_or_refused() {
        let taken = |url| parts(url).map(|parts| (parts.https, parts.authority, parts.rest));
        assert_eq!(taken("https://a.example"), Some((true, "a.example", "")));
        assert_eq!(taken("http://a.example:81/x?y#z"), Some((false, "a.example:81", "/x?y#z")));
        assert_eq!(taken("https://[::1]:8443?x"), Some((true, "[::1]:8443", "?x")));
        let refused = [
            "",
            "null",
            "a.example",
            "ftp://a.example",
            "https://",
            "https:///x",
            "https://:80",
            "https://a@b",
        ];
        for url in refused {
            assert_eq!(taken(url), None, "{url}");
        }
    }

    #[test]
    fn this_machine_has_several_names() {
        for name in ["localhost", "LOCALHOST:80", "127.0.0.1", "127.9.9.9:1", "[::1]", "[::1]:8080"] {
            assert!(is_loopback(name), "{name}");
        }
        for name in ["", "localhost.example", "128.0.0.1", "[::2]", "127.0.0.1.example", "[::1"] {
            assert!(!is_loopback(name), "{name}");
        }
    }
}
