//! Settings that are lists: TOML arrays, or text with commas in a variable.

use std::net::{AddrParseError, IpAddr};
use std::str::FromStr;

use ipnet::{IpNet, Ipv4Net};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};

/// Reads a list of strings, written as a TOML array or, in a variable, separated by commas.
///
/// # Errors
/// The value is neither.
pub fn comma_list<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Written {
        List(Vec<String>),
        Text(String),
    }
    Ok(match Written::deserialize(deserializer)? {
        Written::List(items) => items,
        Written::Text(text) => {
            text.split(',').map(str::trim).filter(|item| !item.is_empty()).map(str::to_owned).collect()
        }
    })
}

/// Reads a list of items that are parsed from text; written as for [`comma_list`].
///
/// # Errors
/// An item cannot be parsed.
pub fn parsed_list<'de, D, T>(deserializer: D) -> Result<Vec<T>, D::Error>
where
    D: Deserializer<'de>,
    T: FromStr<Err: std::fmt::Display>,
{
    comma_list(deserializer)?.iter().map(|item| item.parse().map_err(D::Error::custom)).collect()
}

/// Reads a list of networks or single addresses; written as for [`comma_list`].
///
/// # Errors
/// An item is neither.
pub fn network_list<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<IpNet>, D::Error> {
    comma_list(deserializer)?.iter().map(|item| network(item).map_err(D::Error::custom)).collect()
}

#[derive(Debug, thiserror::Error)]
#[error("{text:?} is neither a network nor an address, such as 10.0.0.0/8, fd00::/8 or 192.0.2.7")]
struct NetworkError {
    text: String,
    source: AddrParseError,
}

fn network(text: &str) -> Result<IpNet, NetworkError> {
    let single = || text.parse().map(|address: IpAddr| IpNet::from(address.to_canonical()));
    let written = text
        .parse()
        .or_else(|_| single())
        .map_err(|source| NetworkError { text: text.to_owned(), source })?;
    // Peers are compared by their canonical address: no such address is in an IPv4 network that is mapped into IPv6.
    let IpNet::V6(mapped) = written else { return Ok(written) };
    let v4 = mapped.addr().to_ipv4_mapped().zip(mapped.prefix_len().checked_sub(96));
    let v4 = v4.and_then(|(address, length)| Ipv4Net::new(address, length).ok());
    Ok(v4.map_or(written, IpNet::V4))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_may_be_a_single_address_in_either_form() {
        for (text, meant) in [
            ("10.0.0.0/8", "10.0.0.0/8"),
            ("192.0.2.7", "192.0.2.7/32"),
            ("2001:db8::7", "2001:db8::7/128"),
            ("::ffff:192.0.2.7", "192.0.2.7/32"),
            ("::ffff:10.0.0.0/104", "10.0.0.0/8"),
        ] {
            assert_eq!(network(text).unwrap().to_string(), meant, "{text}");
        }
        for wrong in ["10.0.0.0/99", "everyone", "192.0.2.7:80", ""] {
            assert!(network(wrong).unwrap_err().to_string().contains("such as 10.0.0.0/8"), "{wrong}");
        }
    }
}
