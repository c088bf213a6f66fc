//! Attack 15: JSON that two parsers read differently, in the header and in the payload (RFC 8259, RFC 7515 section 4).

use super::original::Original;
use crate::testing::forgery::Rows;

/// Members that are added at the end of an object.
const MEMBERS: [(&str, &str); 24] = [
    ("an unknown name twice", r#""x":1,"x":1"#),
    ("an unknown name twice, escaped", r#""x":1,"\u0078":1"#),
    ("a name twice within", r#""x":{"a":1,"a":2}"#),
    ("a name twice within, escaped", r#""x":{"a":1,"\u0061":2}"#),
    ("a name twice within a list", r#""x":[[{"a":1,"a":1}]]"#),
    ("an empty name twice", r#""":1,"":2"#),
    ("a lone surrogate", r#""x":"\ud800""#),
    ("surrogates the wrong way round", r#""x":"\udc00\ud800""#),
    ("a raw control character", "\"x\":\"\u{1}\""),
    ("a raw line break", "\"x\":\"\n\""),
    ("a raw NUL", "\"x\":\"\u{0}\""),
    ("an escape that does not exist", r#""x":"\x41""#),
    ("a number out of range", r#""x":1e400"#),
    ("a number with a leading zero", r#""x":01"#),
    ("a number with a plus", r#""x":+1"#),
    ("a number that ends in a dot", r#""x":1."#),
    ("a number that begins with a dot", r#""x":.5"#),
    ("a hexadecimal number", r#""x":0x10"#),
    ("NaN", r#""x":NaN"#),
    ("Infinity", r#""x":Infinity"#),
    ("undefined", r#""x":undefined"#),
    ("a name without quotes", "x:1"),
    ("a value that is missing", r#""x":"#),
    ("a comma too many", r#""x":1,"#),
];

pub(super) fn add(original: &Original, rows: &mut Rows) {
    let (header, claims) = (original.header().to_string(), original.claims.to_string());
    let header_token = |text: &[u8]| original.key().compact(text, &claims);
    let payload_token = |text: &[u8]| original.key().compact(&header, text);
    for (text, name) in forms(&header) {
        rows.token(15, format!("a header with {name}"), header_token(&text), "malformed");
    }
    for (text, name) in forms(&claims) {
        rows.token(15, format!("a payload with {name}"), payload_token(&text), "malformed");
    }
    for name in ["alg", "kid", "typ"] {
        let value = &original.header()[name];
        for (how, member) in twice(name, &value.to_string(), "\"other\"") {
            let text = plus(&header, &member);
            rows.token(15, format!("a header with {name} {how}"), header_token(text.as_bytes()), "malformed");
        }
    }
    for name in ["iss", "sub", "aud", "exp", "iat", "jti", "client_id", "scope", "roles"] {
        let value = &original.claims[name];
        for (how, member) in twice(name, &value.to_string(), "\"other\"") {
            let text = plus(&claims, &member);
            rows.token(
                15,
                format!("a payload with {name} {how}"),
                payload_token(text.as_bytes()),
                "malformed",
            );
        }
    }
}

/// Whole texts that are not one JSON object.
fn forms(json: &str) -> Vec<(Vec<u8>, String)> {
    let utf16 = |units: &mut dyn Iterator<Item = u16>, big: bool| -> Vec<u8> {
        units.flat_map(|unit| if big { unit.to_be_bytes() } else { unit.to_le_bytes() }).collect()
    };
    let mut bad_utf8 = plus(json, r#""x":"?""#).into_bytes();
    if let Some(byte) = bad_utf8.iter_mut().rev().find(|byte| **byte == b'?') {
        *byte = 0xff;
    }
    let overlong = plus(json, "\"x\":\"").into_bytes();
    let overlong = [&overlong[..overlong.len() - 1], b"\xc0\xaf\"}"].concat();
    let marked = format!("\u{feff}{json}");
    let mut forms: Vec<(Vec<u8>, &str)> = vec![
        (marked.clone().into(), "a byte order mark"),
        (utf16(&mut json.encode_utf16(), false), "UTF-16"),
        (utf16(&mut json.encode_utf16(), true), "UTF-16, big-endian"),
        (utf16(&mut marked.encode_utf16(), false), "UTF-16 and a byte order mark"),
        (json.chars().flat_map(|c| u32::from(c).to_le_bytes()).collect(), "UTF-32"),
        (bad_utf8, "bytes that are no UTF-8"),
        (overlong, "an overlong character"),
        (format!("/* */{json}").into(), "a comment before it"),
        (format!("{json}// comment").into(), "a comment behind it"),
        (format!("{json}{json}").into(), "the object twice"),
        (format!("{json}{{}}").into(), "an empty object behind it"),
        (format!("{json} x").into(), "text behind it"),
        (format!("{json},").into(), "a comma behind it"),
        (format!("{json}}}").into(), "a brace too many"),
        (json[..json.len() - 1].into(), "a brace too few"),
        (format!("{json}\0").into(), "a NUL behind it"),
        (format!("\u{a0}{json}").into(), "a blank that is none in JSON"),
        (format!("[{json}]").into(), "a list instead"),
        (json.replace('"', "'").into(), "single quotes"),
        (json.replace(':', "=").into(), "equals signs"),
        (b"{}".into(), "nothing in it"),
        (b"[]".into(), "an empty list instead"),
        (b"\"text\"".into(), "a string instead"),
        (b"1".into(), "a number instead"),
        (b"true".into(), "a truth instead"),
        (b"null".into(), "null instead"),
        (b" ".into(), "a blank instead"),
        (b"\0".into(), "a NUL instead"),
        (format!("a={}", json.len()).into(), "a form instead"),
    ];
    let members = MEMBERS.iter().map(|(name, member)| (plus(json, member).into_bytes(), *name));
    forms.extend(members);
    forms.into_iter().map(|(text, name)| (text, name.to_owned())).collect()
}

/// Repeats a member: with the same value, with another value, and with escapes in its name.
fn twice(name: &str, value: &str, other: &str) -> [(&'static str, String); 4] {
    let escaped = format!("\\u{:04x}{}", u32::from(name.as_bytes()[0]), &name[1..]);
    [
        ("twice", format!("\"{name}\":{value}")),
        ("twice, escaped", format!("\"{escaped}\":{value}")),
        ("twice, with another value", format!("\"{name}\":{other}")),
        ("twice, with another value, escaped", format!("\"{escaped}\":{other}")),
    ]
}

/// Returns the object with one more member.
fn plus(json: &str, member: &str) -> String {
    format!("{},{member}}}", json.strip_suffix('}').unwrap_or(json))
}
