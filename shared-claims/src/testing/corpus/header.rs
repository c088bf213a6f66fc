//! Attacks 13, 14, 20 and 21: tokens of another kind, and headers that change the meaning of the rest.

use serde_json::{Value, json};

use super::original::{Original, short, with, without, wrong_types};
use crate::testing::forgery::Rows;

/// Kinds of JWT that an issuer may sign with the same keys.
const OTHER_KINDS: [&str; 16] = [
    "id+jwt",
    "logout+jwt",
    "dpop+jwt",
    "statuslist+jwt",
    "application/statuslist+jwt",
    "secevent+jwt",
    "rt+jwt",
    "oauth-authz-req+jwt",
    "token-introspection+jwt",
    "client-authentication+jwt",
    "oauth-id-jag+jwt",
    "entity-statement+jwt",
    "kb+jwt",
    "dc+sd-jwt",
    "JOSE",
    "JOSE+JSON",
];

const NO_TYPES: [&str; 26] = [
    "JWT",
    "jwt",
    "application/jwt",
    "at",
    "jwt+at",
    "at-jwt",
    "at_jwt",
    "at jwt",
    "at+jwt ",
    " at+jwt",
    "at+jwt\0",
    "at+jwt\n",
    "at+jwt,JWT",
    "at+jwt; charset=utf-8",
    "at+jwt+json",
    "at+jwts",
    "xat+jwt",
    "text/at+jwt",
    "application/",
    "application//at+jwt",
    "application/application/at+jwt",
    "application /at+jwt",
    "/at+jwt",
    "a\u{442}+jwt",
    "at%2Bjwt",
    "",
];

pub(super) fn add(original: &Original, status_list: &str, rows: &mut Rows) {
    for (number, types) in [(13, &OTHER_KINDS[..]), (20, &NO_TYPES[..])] {
        for typ in types {
            let token = original.header_with("typ", *typ);
            rows.token(number, format!("typ {typ:?}"), token, "type");
        }
    }
    let code = "type";
    rows.token(13, "the issuer's status list", status_list, code);
    for opaque in ["rt_3q2-7w3q2-7w3q2-7w3q2-7w3q2-7w3q2-7w", "3q2-7w3q2-7w3q2-7w3q2-7w3q2-7w"] {
        rows.token(13, format!("a refresh token such as {opaque}"), opaque, "malformed");
    }
    rows.token(20, "no typ", original.under(&without(&original.header(), "typ")), "type");
    for typ in wrong_types().into_iter().chain([json!(["at+jwt"]), json!({"typ": "at+jwt"})]) {
        let token = original.header_with("typ", typ.clone());
        rows.token(20, format!("typ {}", short(&typ)), token, "malformed");
    }
    let capital = with(&without(&original.header(), "typ"), "Typ", "at+jwt");
    rows.token(20, "typ under another name", original.under(&capital), "type");
    let in_claims = original.key().compact(
        without(&original.header(), "typ").to_string(),
        with(&original.claims, "typ", "at+jwt").to_string(),
    );
    rows.token(20, "typ among the claims", in_claims, "type");
    nested(original, rows);
    extensions(original, rows);
}

fn nested(original: &Original, rows: &mut Rows) {
    for (name, payload) in [
        ("a good token as payload", original.good().to_owned()),
        ("a good token as payload, quoted", json!(original.good()).to_string()),
        ("a list with a good token as payload", json!([original.good()]).to_string()),
    ] {
        rows.token(14, name, original.saying(&payload), "malformed");
        let header = with(&original.header(), "cty", "JWT");
        let token = original.key().compact(header.to_string(), payload);
        rows.token(14, format!("{name}, and said so"), token, "malformed");
    }
    for cty in ["JWT", "jwt", "at+jwt", "json", ""] {
        rows.token(14, format!("cty {cty:?}"), original.header_with("cty", cty), "malformed");
    }
    for alg in ["dir", "RSA-OAEP", "ECDH-ES", "PBES2-HS256+A128KW"] {
        let header =
            json!({"alg": alg, "enc": "A256GCM", "zip": "DEF", "typ": "at+jwt", "kid": original.key().kid()});
        let payload = original.claims.to_string();
        let token = original.key().compact(header.to_string(), payload);
        rows.token(14, format!("the header of a JWE by {alg}"), token, "algorithm");
    }
}

/// Critical extensions (RFC 7515 section 4.1.11) that are unknown, or are marked critical where that is not allowed.
fn extensions(original: &Original, rows: &mut Rows) {
    let crits = [
        json!(["exp"]),
        json!(["unknown"]),
        json!(["http://openbanking.org.uk/iat"]),
        json!(["b64"]),
        json!(["alg"]),
        json!(["typ", "kid"]),
        json!(["crit"]),
        json!(["exp", "exp"]),
        json!([""]),
        json!([1]),
        json!([null]),
        json!([["exp"]]),
        json!([]),
        json!("exp"),
        json!({"exp": true}),
        json!(true),
        json!(1),
        Value::Null,
    ];
    for crit in crits {
        let token = original.header_with("crit", crit.clone());
        rows.token(21, format!("crit {crit}"), token, "malformed");
        let mut present = with(&original.header(), "crit", crit.clone());
        for name in ["exp", "unknown", "http://openbanking.org.uk/iat"] {
            present[name] = json!(original.now);
        }
        rows.token(21, format!("crit {crit}, and what it names"), original.under(&present), "malformed");
    }
    for b64 in [json!(false), json!(true), json!("false"), json!(0), Value::Null] {
        rows.token(21, format!("b64 {b64}"), original.header_with("b64", b64.clone()), "malformed");
        let both = with(&with(&original.header(), "b64", b64.clone()), "crit", json!(["b64"]));
        rows.token(21, format!("b64 {b64}, critical"), original.under(&both), "malformed");
    }
    // RFC 7797: the payload is signed as it is, not encoded.
    let header = with(&with(&original.header(), "b64", false), "crit", json!(["b64"])).to_string();
    let header = crate::testing::key::b64(header);
    let plain = original.key().signed(format!("{header}.{}", original.claims));
    rows.token(21, "b64 false and a payload in the clear", plain, "malformed");
    let signature = original.key().sign(format!("{header}.{}", original.claims).as_bytes());
    let detached = format!("{header}..{}", crate::testing::key::b64(signature));
    rows.token(21, "b64 false and a detached payload", detached, "malformed");
}
