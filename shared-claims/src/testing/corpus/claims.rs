//! Attacks 16 to 19 and 22: properly signed, and yet no token for us (RFC 9068 section 4, RFC 7519 section 4.1).

use serde_json::{Value, json};

use super::original::{Original, short, without, without_last, wrong_types};
use crate::testing::forgery::Rows;

/// Values for a date that are not valid JSON or not a date.
const NO_DATES: [&str; 22] = [
    "null",
    "true",
    "\"1900000000\"",
    "\"2030-01-01T00:00:00Z\"",
    "\"\"",
    "[1900000000]",
    "[]",
    "{}",
    "{\"$numberLong\":\"1900000000\"}",
    "-1",
    "-0.5",
    "-1900000000",
    "0",
    "0.0",
    "-0",
    "1e400",
    "NaN",
    "Infinity",
    "0x713fb300",
    "01900000000",
    "1_900_000_000",
    "1900000000 ,\"exp\":1900000000",
];

/// Numbers that are not a date before the year 10000.
const TOO_LATE: [&str; 7] = [
    "1e308",
    "253402300800",
    "1900000000000000",
    "9223372036854775808",
    "18446744073709551615",
    "18446744073709551616",
    "18446744075509551616", // 2^64 plus a date of today
];

pub(super) fn add(original: &Original, rows: &mut Rows) {
    dates(original, rows);
    audiences(original, rows);
    issuers(original, rows);
    types(original, rows);
}

fn dates(original: &Original, rows: &mut Rows) {
    let now = original.now;
    rows.token(16, "no exp", original.saying(without(&original.claims, "exp").to_string()), "malformed");
    for text in NO_DATES.into_iter().chain(TOO_LATE) {
        rows.token(16, format!("exp {text}"), original.claiming_raw("exp", text), "malformed");
    }
    // Longer ago than any leeway: policies allow at most 300 seconds.
    for (name, exp) in [
        ("long ago", json!(1)),
        ("in 1970", json!(0.5)),
        ("yesterday", json!(now - 86_400)),
        ("301 seconds ago", json!(now - 301)),
        ("300.5 seconds ago, cut to a second", json!(as_float(now - 301) + 0.5)),
    ] {
        let code = if name == "in 1970" { "" } else { "expired" };
        rows.token(16, format!("it expired {name}"), original.claiming("exp", exp), code);
    }
    for claim in ["nbf", "iat", "auth_time"] {
        for text in NO_DATES.iter().take(20).chain(&TOO_LATE) {
            rows.token(17, format!("{claim} {text}"), original.claiming_raw(claim, text), "malformed");
        }
    }
    for claim in ["nbf", "iat"] {
        for ahead in [301, 3600, 86_400, 1_000_000_000] {
            let name = format!("{claim} {ahead} seconds ahead");
            rows.token(17, name, original.claiming(claim, now + ahead), "not_yet_valid");
        }
        let half = original.claiming(claim, as_float(now + 301) + 0.5);
        rows.token(17, format!("{claim} ahead, with a fraction"), half, "not_yet_valid");
    }
}

fn audiences(original: &Original, rows: &mut Rows) {
    let own = original.audience.as_str();
    let near = [
        format!("{own}2"),
        format!("{own}/"),
        format!("{own} "),
        format!(" {own}"),
        format!("{own}\0"),
        format!("{own}\n"),
        format!("{own}, other"),
        format!("{own} other"),
        format!("other {own}"),
        format!("https://{own}"),
        format!("{own}.evil.test"),
        format!("{own}*"),
        own.to_uppercase(),
        without_last(own),
        own.chars().skip(1).collect(),
        "*".to_owned(),
        String::new(),
        original.issuer.clone(),
        format!("[\"{own}\"]"),
        "other".to_owned(),
    ];
    for audience in near.iter().filter(|audience| !original.is_for(audience)) {
        rows.token(18, format!("aud {audience:?}"), original.claiming("aud", audience.as_str()), "audience");
        let list = original.claiming("aud", json!([audience]));
        rows.token(18, format!("aud [{audience:?}]"), list, "audience");
    }
    rows.token(18, "aud []", original.claiming("aud", json!([])), "audience");
    for aud in [
        Value::Null,
        json!(true),
        json!(1),
        json!([[own]]),
        json!([own, 1]),
        json!([own, null]),
        json!([{"aud": own}]),
        json!({"aud": own}),
        json!({own: true}),
        json!({"0": own}),
    ] {
        rows.token(18, format!("aud {}", short(&aud)), original.claiming("aud", aud), "malformed");
    }
    rows.token(18, "no aud", original.saying(without(&original.claims, "aud").to_string()), "malformed");
    let other =
        without(&original.claims, "aud").to_string().replacen('{', &format!("{{\"AUD\":\"{own}\","), 1);
    rows.token(18, "aud in capitals", original.saying(other), "malformed");
}

fn issuers(original: &Original, rows: &mut Rows) {
    let own = original.issuer.as_str();
    let near = [
        format!("{own}/"),
        format!("{own}."),
        format!("{own}/."),
        format!("{own}#"),
        format!("{own}?"),
        format!("{own}:443"),
        format!("{own}.evil.test"),
        format!("{own}@evil.test"),
        format!("{own}\0"),
        format!("{own}\n"),
        format!("{own} "),
        format!(" {own}"),
        own.to_uppercase(),
        own.replacen("//", "//user@", 1),
        own.replacen("//", "//evil.test/", 1),
        own.replacen("//", "////", 1),
        own.replacen('s', "\u{17f}", 1),
        own.replacen('.', "\u{3002}", 1),
        without_last(own),
        own.split_once("://").map_or("evil.test", |(_, name)| name).to_owned(),
        "https://evil.test".to_owned(),
        "accounts.google.com".to_owned(),
        format!("https://evil.test/{own}"),
        String::new(),
    ];
    for issuer in near.iter().filter(|issuer| *issuer != own) {
        rows.token(19, format!("iss {issuer:?}"), original.claiming("iss", issuer.as_str()), "issuer");
    }
    for iss in [
        Value::Null,
        json!([own]),
        json!([own, "https://evil.test"]),
        json!({"iss": own}),
        json!(1),
        json!(true),
    ] {
        rows.token(19, format!("iss {}", short(&iss)), original.claiming("iss", iss), "malformed");
    }
    rows.token(19, "no iss", original.saying(without(&original.claims, "iss").to_string()), "malformed");
}

fn types(original: &Original, rows: &mut Rows) {
    for claim in ["sub", "jti", "client_id"] {
        let missing = original.saying(without(&original.claims, claim).to_string());
        rows.token(22, format!("no {claim}"), missing, "malformed");
        for value in wrong_types().into_iter().chain([json!("")]) {
            let name = format!("{claim} {}", short(&value));
            rows.token(22, name, original.claiming(claim, value), "malformed");
        }
    }
    let missing = original.saying(without(&original.claims, "iat").to_string());
    rows.token(22, "no iat", missing, "malformed");
    for value in wrong_types() {
        rows.token(22, format!("scope {}", short(&value)), original.claiming("scope", value), "malformed");
    }
    let wrong = [
        Value::Null,
        json!("admin"),
        json!(1),
        json!({"admin": true}),
        json!([1]),
        json!([["admin"]]),
        json!([null]),
    ];
    for value in wrong {
        rows.token(22, format!("roles {}", short(&value)), original.claiming("roles", value), "malformed");
    }
}

fn as_float(seconds: u64) -> f64 {
    u32::try_from(seconds).map_or(0.0, f64::from)
}
