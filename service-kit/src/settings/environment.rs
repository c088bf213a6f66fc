//! Selects the variables of a service from the process environment. Only these are decoded: others may hold any bytes, such as
//! `PWD` in a folder whose name is not UTF-8.

use std::ffi::{OsStr, OsString};

use super::error::SettingsError;
use super::variables::Variables;

/// Read by the logger, which would use its default if it could not decode the value.
const RUST_LOG: &str = "RUST_LOG";

/// Selects the variables of the service with this prefix, and those with similar names, of which `hints` may warn.
///
/// # Errors
/// The name or value of a variable of the service is not UTF-8. The text does not repeat the value.
pub(crate) fn select(
    prefix: &str,
    all: impl Iterator<Item = (OsString, OsString)>,
) -> Result<Variables, SettingsError> {
    let mut selected = Variables::new();
    for (name, value) in all.filter(|(name, _)| is_similar(prefix, name)) {
        match (name.to_str(), value.into_string()) {
            (Some(name), Ok(value)) => {
                selected.insert(name.to_owned(), value);
            }
            _ if belongs(prefix, &name) => {
                return Err(SettingsError::text(format!("the variable {} is not UTF-8", name.display())));
            }
            _ => {}
        }
    }
    Ok(selected)
}

/// Returns whether the service reads a variable of this name.
fn belongs(prefix: &str, name: &OsStr) -> bool {
    let rest = name.as_encoded_bytes().strip_prefix(prefix.as_bytes());
    name == RUST_LOG || rest.is_some_and(|rest| rest == b"_CONFIG" || rest.starts_with(b"__"))
}

fn is_similar(prefix: &str, name: &OsStr) -> bool {
    let start = name.as_encoded_bytes().split_at_checked(prefix.len());
    name == RUST_LOG
        || start.is_some_and(|(start, rest)| {
            start.eq_ignore_ascii_case(prefix.as_bytes()) && rest.starts_with(b"_")
        })
}

#[cfg(test)]
mod tests {
    use std::os::unix::ffi::OsStringExt as _;

    use super::*;

    const NO_UTF8: &[u8] = b"secret \xff";

    fn select_from(rows: &[(&[u8], &[u8])]) -> Result<Variables, SettingsError> {
        let os = |bytes: &[u8]| OsString::from_vec(bytes.to_vec());
        select("AUTH", rows.iter().map(|(name, value)| (os(name), os(value))))
    }

    #[test]
    fn variables_of_others_may_hold_any_bytes() {
        let others: [&[u8]; 6] = [b"PWD", b"OLDPWD", b"RESOURCE__LISTEN", b"AUTHOR__X", b"AUTH_X", b"a\xff"];
        let mut rows: Vec<_> = others.iter().map(|name| (*name, NO_UTF8)).collect();
        rows.push((b"AUTH__LISTEN", b"127.0.0.1:0"));
        let selected = select_from(&rows).unwrap();
        assert_eq!(selected, Variables::from([("AUTH__LISTEN".to_owned(), "127.0.0.1:0".to_owned())]));
    }

    #[test]
    fn one_of_ours_that_is_not_utf_8_is_an_error_by_name_and_without_its_value() {
        let names: [&[u8]; 5] =
            [b"AUTH__MASTER_KEY", b"AUTH__MASTER_KEY_FILE", b"AUTH_CONFIG", b"RUST_LOG", b"AUTH__\xff"];
        for name in names {
            let text = select_from(&[(name, NO_UTF8)]).unwrap_err().to_string();
            assert!(text.contains(&*String::from_utf8_lossy(name)) && text.contains("UTF-8"), "{text}");
            assert!(!text.contains("secret"), "{text}");
        }
    }
}
