//! Valid tokens in all the forms that must be accepted (RFC 9068 section 4, RFC 7519 section 2, RFC 9110 section 11.1).

use serde_json::json;

use super::{
    forgery::{Genuine, Sent},
    key::TestKey,
    token::TestToken,
};
use crate::algorithm::Algorithm;

const TYPES: [&str; 7] = [
    "at+jwt",
    "AT+JWT",
    "At+Jwt",
    "at+JWT",
    "application/at+jwt",
    "APPLICATION/AT+JWT",
    "Application/at+jwt",
];

/// Text for the value of a claim; `{}` is replaced by the usual value.
const SPELLINGS: [(&str, &str, &str); 6] = [
    ("exp", "{}.5", "with a fraction"),
    ("exp", "{}.999999", "with a long fraction"),
    ("exp", "{}e0", "with an exponent"),
    ("exp", "253402300799", "at the end of the year 9999"),
    ("iat", "{}.25", "with a fraction"),
    ("nbf", "{}.0", "with a fraction that is zero"),
];

pub(super) fn genuine(token: &TestToken<'_>) -> std::vec::IntoIter<Genuine> {
    let mut all = Vec::new();
    for key in [Algorithm::ES256, Algorithm::EdDSA, Algorithm::RS256].map(|of| token.issuer.key_of(of)) {
        let mut add = |name: &str, token: String| {
            let name = format!("{}: {name}", key.algorithm());
            all.push(Genuine { name, algorithm: key.algorithm(), sent: Sent::Token(token) });
        };
        of_key(token, &key, &mut add);
    }
    let (good, algorithm) = (token.sign(), token.key().algorithm());
    for scheme in ["Bearer ", "bearer ", "BEARER ", "bEaReR ", "Bearer   "] {
        let headers = vec![("authorization", format!("{scheme}{good}").into_bytes())];
        all.push(Genuine { name: format!("scheme {scheme:?}"), algorithm, sent: Sent::Headers(headers) });
    }
    all.into_iter()
}

fn of_key(token: &TestToken<'_>, key: &TestKey, add: &mut impl FnMut(&str, String)) {
    let token = token.clone().signed_by(key);
    let claims = token.claims();
    let raw = |header: &str, payload: &str| key.compact(header, payload);
    let header = token.header_of(key).to_string();
    add("plain", token.sign());
    for typ in TYPES {
        add(&format!("typ {typ:?}"), token.clone().header("typ", typ).sign());
    }
    for (claim, text, name) in SPELLINGS {
        let text = text.replace("{}", &claims[claim].to_string());
        let payload = token.clone().claim(claim, "marked").claims().to_string();
        let payload = payload.replace("\"marked\"", &text);
        add(&format!("{claim} {name}"), raw(&header, &payload));
    }
    let own = match &claims["aud"] {
        serde_json::Value::Array(all) => all.first().cloned().unwrap_or_default(),
        one => one.clone(),
    };
    add("aud as one string", token.clone().claim("aud", own.clone()).sign());
    add("aud among others", token.clone().claim("aud", json!(["other", own, "another"])).sign());
    add("aud twice", token.clone().claim("aud", json!([own, own])).sign());
    add("an unknown header member", token.clone().header("nonce", json!({"a": [1]})).sign());
    add("an unknown claim", token.clone().claim("tenant", json!({"id": [1, null, "x"]})).sign());
    add("a claim in other scripts", token.clone().claim("city", "Zürich 東京 \u{1f511} \u{0}").sign());
    add("a claim of 4 kB", token.clone().claim("pad", "x".repeat(4096)).sign());
    for optional in ["nbf", "sid", "status"] {
        add(&format!("no {optional}"), token.clone().without(optional).sign());
    }
    add("white space in its JSON", raw(&format!(" {header}\n"), &format!("\r\n\t{claims:#} ")));
    let escaped = claims.to_string().replacen("\"sub\"", "\"\\u0073ub\"", 1);
    add("a claim's name with escapes", raw(&header, &escaped));
    let deep = format!("{}{}", "[".repeat(31), "]".repeat(31));
    let payload = token.clone().claim("deep", "marked").claims().to_string();
    for (innermost, name) in [("", ""), ("1.5", ", around a number")] {
        let deep = format!("{}{innermost}{}", "[".repeat(31), "]".repeat(31));
        add(&format!("claims that are 32 deep{name}"), raw(&header, &payload.replace("\"marked\"", &deep)));
    }
    let deep_header = header.replacen('{', &format!("{{\"deep\":{deep},"), 1);
    add("a header that is 32 deep", raw(&deep_header, &claims.to_string()));
    if key.algorithm() == Algorithm::EdDSA {
        add("by its name of RFC 9864", token.clone().header("alg", "Ed25519").sign());
    }
}
