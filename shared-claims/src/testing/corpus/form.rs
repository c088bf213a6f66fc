//! Attacks 1 to 3, 12 and 14: text that is not a token, or not in its canonical form.

use data_encoding::HEXLOWER;
use serde_json::json;

use super::original::{Original, Variant, parts, with};
use crate::testing::{forgery::Rows, key::b64};

const TEXTS: [&str; 31] = [
    "",
    ".",
    "..",
    "...",
    "....",
    "a",
    "a.",
    ".a",
    "a.b",
    "a.b.",
    ".a.b",
    "a..b",
    "a.b.c",
    "a.b.c.d",
    "a.b.c.d.e",
    "a b c",
    "not a token",
    "null",
    "undefined",
    "true",
    "0",
    "[object Object]",
    "{}",
    "[]",
    "\"\"",
    "none",
    "%00",
    "../../etc/passwd",
    "<script>alert(1)</script>",
    "\u{1f511}",
    "\u{0}",
];

pub(super) fn add(original: &Original, rows: &mut Rows) {
    for text in TEXTS {
        rows.token(1, format!("the text {text:?}"), text, "malformed");
    }
    let good = original.good();
    let [header, payload, signature] = parts(good);
    let malformed: [(u8, &str, String); 51] = [
        (1, "without its signature", format!("{header}.{payload}")),
        (1, "with an empty signature", format!("{header}.{payload}.")),
        (1, "with an empty payload", format!("{header}..{signature}")),
        (1, "with an empty header", format!(".{payload}.{signature}")),
        (1, "its payload alone", payload.to_owned()),
        (1, "with a fourth part", format!("{good}.{signature}")),
        (1, "with a dot before it", format!(".{good}")),
        (1, "with a dot behind it", format!("{good}.")),
        (1, "with a dot too many", format!("{header}..{payload}.{signature}")),
        (1, "with a blank before it", format!(" {good}")),
        (1, "with a blank behind it", format!("{good} ")),
        (1, "with a tab before it", format!("\t{good}")),
        (1, "with a tab behind it", format!("{good}\t")),
        (1, "with a blank within", format!("{header}. {payload}.{signature}")),
        (1, "with a tab within", format!("{header}.{payload}\t.{signature}")),
        (1, "with a line break behind it", format!("{good}\n")),
        (1, "with a line break within", format!("{header}.\r\n{payload}.{signature}")),
        (1, "with a NUL behind it", format!("{good}\0")),
        (1, "with a NUL and more behind it", format!("{good}\0.x")),
        (1, "in double quotes", format!("\"{good}\"")),
        (1, "in single quotes", format!("'{good}'")),
        (1, "in angle brackets", format!("<{good}>")),
        (1, "with a comma behind it", format!("{good},")),
        (1, "with a semicolon behind it", format!("{good};")),
        (1, "with its dots percent-encoded", good.replace('.', "%2e")),
        (1, "with its dots percent-encoded in capitals", good.replace('.', "%2E")),
        (1, "with full-width dots", good.replace('.', "\u{ff0e}")),
        (1, "with ideographic full stops", good.replace('.', "\u{3002}")),
        (1, "with its case swapped", swapped_case(good)),
        (1, "in capitals", good.to_ascii_uppercase()),
        (1, "with a byte order mark", format!("\u{feff}{good}")),
        (1, "with a zero-width space", format!("{header}.\u{200b}{payload}.{signature}")),
        (1, "with a no-break space behind it", format!("{good}\u{a0}")),
        (1, "with a key as emoji", format!("{good}\u{1f511}")),
        (1, "with its parts in another order", format!("{payload}.{header}.{signature}")),
        (1, "backwards", good.chars().rev().collect()),
        (1, "encoded once more", b64(good)),
        (1, "percent-encoded as a whole", percent_encoded(good)),
        (1, "in hexadecimal", HEXLOWER.encode(good.as_bytes())),
        (2, "with a padded signature", format!("{good}=")),
        (2, "with a signature padded twice", format!("{good}==")),
        (2, "with percent-encoded padding", format!("{good}%3D")),
        (2, "with a padded header", format!("{header}=.{payload}.{signature}")),
        (2, "with a padded payload", format!("{header}.{payload}=.{signature}")),
        (2, "with a character that is not in the alphabet", format!("{good}!")),
        (2, "with a tilde for its hyphens", format!("{header}.{payload}.~{}", &signature[1..])),
        (2, "with one character too many", format!("{header}.{payload}.{signature}AAA")),
        (14, "with five parts as a JWE has", format!("{good}.{payload}.{signature}")),
        (14, "with an empty part as a JWE has", format!("{header}..{payload}.{signature}.{signature}")),
        (14, "with six parts", format!("{good}.{good}")),
        (14, "in a list", format!("[{good}]")),
    ];
    for (number, name, token) in malformed {
        rows.token(number, format!("a good token {name}"), token, "malformed");
    }
    spellings(original, rows);
    as_json(original, rows);
    sizes(original, rows);
}

/// Correctly signed, but in non-canonical base64url.
fn spellings(original: &Original, rows: &mut Rows) {
    for Variant { key, header, .. } in original.each() {
        // White space at the end changes the length: two bytes over a multiple of three leave spare bits and need padding.
        let header = padded_to(&header.to_string(), 1);
        let claims = padded_to(&original.claims.to_string(), 1);
        let (plain_header, plain_claims) = (b64(&header), b64(&claims));
        let algorithm = key.algorithm();
        let both: [(&str, String, String); 6] = [
            ("spare bits in its header", spare_bits(&plain_header), plain_claims.clone()),
            ("spare bits in its payload", plain_header.clone(), spare_bits(&plain_claims)),
            ("a padded header", format!("{plain_header}=="), plain_claims.clone()),
            ("a padded payload", plain_header.clone(), format!("{plain_claims}==")),
            ("a header in the other alphabet", other_alphabet(&header), plain_claims.clone()),
            ("a payload in the other alphabet", plain_header.clone(), other_alphabet(&claims)),
        ];
        for (name, header, payload) in both {
            let token = key.signed(format!("{header}.{payload}"));
            rows.token(2, format!("{algorithm} over {name}"), token, "malformed");
        }
        for at in [1, 64] {
            let (start, end) = plain_claims.split_at(at);
            for (name, between) in [("a blank", " "), ("a line break", "\r\n"), ("an equals sign", "=")] {
                let token = key.signed(format!("{plain_header}.{start}{between}{end}"));
                rows.token(2, format!("{algorithm} over {name} after {at} characters"), token, "malformed");
            }
        }
    }
    for Variant { key, good, .. } in original.each() {
        // 64 and 256 bytes leave four bits of the last character unused.
        let name = format!("{} with spare bits in its signature", key.algorithm());
        rows.token(2, name, spare_bits(good), "malformed");
    }
}

/// The JSON forms of RFC 7515 section 7.2, and mixtures.
fn as_json(original: &Original, rows: &mut Rows) {
    let good = original.good();
    let [header, payload, signature] = parts(good);
    let one = json!({"protected": header, "signature": signature});
    let flattened = json!({"payload": payload, "protected": header, "signature": signature});
    let unprotected =
        json!({"payload": payload, "header": original.header(), "protected": header, "signature": signature});
    for (name, text) in [
        ("in general JSON", json!({"payload": payload, "signatures": [one]}).to_string()),
        ("in general JSON, twice", json!({"payload": payload, "signatures": [one, one]}).to_string()),
        ("in general JSON without a signature", json!({"payload": payload, "signatures": []}).to_string()),
        ("in flattened JSON", flattened.to_string()),
        ("in flattened JSON with an unprotected header", unprotected.to_string()),
        ("in a JSON list", json!([good]).to_string()),
        ("in a JSON object", json!({"access_token": good}).to_string()),
        ("as a name in JSON", format!("{{\"{good}\":1}}")),
        ("between JSON and dots", format!("{{\"a\":\".{good}.\"}}")),
        ("as a header that is JSON", format!("{}.{payload}.{signature}", original.header())),
        ("as a payload that is JSON", format!("{header}.{}.{signature}", original.claims)),
    ] {
        rows.token(3, format!("a good token {name}"), text, "malformed");
    }
}

fn sizes(original: &Original, rows: &mut Rows) {
    let pad = |bytes: usize| "x".repeat(bytes);
    for kib in [8, 64, 1024] {
        let token = original.claiming("pad", pad(kib * 1024));
        rows.token(12, format!("a good token with {kib} KiB of claims"), token, "malformed");
    }
    let header = with(&original.header(), "pad", pad(100_000));
    rows.token(12, "a good token with a header of 100 kB", original.under(&header), "malformed");
    rows.token(12, "a megabyte of one letter", pad(1 << 20), "malformed");
    rows.token(12, "a megabyte of dots", ".".repeat(1 << 20), "malformed");
    for (depth, name) in [(33, "33"), (2000, "2000")] {
        let deep = format!("{}{}", "[".repeat(depth - 1), "]".repeat(depth - 1));
        let token = original.claiming_raw("deep", &deep);
        rows.token(12, format!("a good token with claims that are {name} deep"), token, "malformed");
        let header = original.header().to_string();
        let header = header.replacen('{', &format!("{{\"deep\":{deep},"), 1);
        let token = original.key().compact(header, original.claims.to_string());
        rows.token(12, format!("a good token with a header that is {name} deep"), token, "malformed");
    }
}

/// Appends white space, so that the length divided by three leaves `rest`.
fn padded_to(text: &str, rest: usize) -> String {
    let blanks = (0..3).find(|blanks| (text.len() + blanks) % 3 == rest).unwrap_or_default();
    format!("{text}{}", " ".repeat(blanks))
}

/// Encodes the same bytes, with unused bits of the last character set.
fn spare_bits(text: &str) -> String {
    let mut bytes = text.as_bytes().to_vec();
    if let Some(last) = bytes.last_mut() {
        *last += 1; // it is A, Q, g or w
    }
    String::from_utf8(bytes).unwrap_or_default()
}

/// Encodes the same bytes with the alphabet with `+` and `/`, and makes sure that one of them occurs.
fn other_alphabet(json: &str) -> String {
    use base64::{Engine, engine::general_purpose::STANDARD_NO_PAD};
    let end = json.trim_end().trim_end_matches('}').to_owned();
    (0..3)
        .map(|blanks| STANDARD_NO_PAD.encode(format!("{end},\"z\":\"{}>>>???~~~\"}}", " ".repeat(blanks))))
        .find(|text| text.contains(['+', '/']))
        .unwrap_or_default()
}

fn swapped_case(text: &str) -> String {
    let swap = |c: char| if c.is_ascii_lowercase() { c.to_ascii_uppercase() } else { c.to_ascii_lowercase() };
    text.chars().map(swap).collect()
}

fn percent_encoded(text: &str) -> String {
    HEXLOWER
        .encode(text.as_bytes())
        .as_bytes()
        .chunks(2)
        .flat_map(|byte| [&b"%"[..], byte])
        .flatten()
        .copied()
        .map(char::from)
        .collect()
}
