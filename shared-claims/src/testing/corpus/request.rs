//! Attacks 29 and 30: a valid token that is not sent as bearer token (RFC 6750 section 2, RFC 9110 section 11).

use base64::{Engine, engine::general_purpose::STANDARD};

use super::original::Original;
use crate::testing::forgery::{Headers, Rows};

/// Schemes that are not `Bearer`, with the separator before the token.
const SCHEMES: [&str; 18] = [
    "",
    "Basic ",
    "Digest ",
    "DPoP ",
    "MAC ",
    "Token ",
    "JWT ",
    "Negotiate ",
    "Bearer2 ",
    "Bear er ",
    "XBearer ",
    "Bearer\u{a0}",
    "Bearer:",
    "Bearer=",
    "Bearer\t",
    "Bearer,",
    "B\u{435}arer ", // Cyrillic
    "\"Bearer\" ",
];

/// Headers in which a verifier might look for a token.
const ELSEWHERE: [&str; 22] = [
    "proxy-authorization",
    "x-authorization",
    "x-forwarded-authorization",
    "x-original-authorization",
    "x-access-token",
    "x-auth-token",
    "x-amzn-oidc-data",
    "x-goog-iap-jwt-assertion",
    "cf-access-jwt-assertion",
    "x-ms-token-aad-access-token",
    "x-id-token",
    "x-jwt-assertion",
    "x-api-key",
    "access-token",
    "access_token",
    "token",
    "auth",
    "jwt",
    "authentication",
    "www-authenticate",
    "sec-websocket-protocol",
    "dpop",
];

pub(super) fn add(original: &Original, rows: &mut Rows) {
    let good = original.good();
    let header = |value: String| -> Headers { vec![("authorization", value.into_bytes())] };
    let bearer = format!("Bearer {good}");
    for scheme in SCHEMES {
        rows.request(
            29,
            &format!("the scheme {scheme:?}"),
            header(format!("{scheme}{good}")),
            "missing_token",
        );
    }
    let basic = format!("Basic {}", STANDARD.encode(format!("alice:{good}")));
    rows.request(29, "the token as a password", header(basic), "missing_token");
    rows.request(30, "no credentials", Vec::new(), "missing_token");
    for (name, value) in [
        ("Bearer without a token", "Bearer".to_owned()),
        ("Bearer and a blank", "Bearer ".to_owned()),
        ("Bearer and blanks", "Bearer    ".to_owned()),
    ] {
        rows.request(30, name, header(value), "invalid_request");
    }
    for (name, value) in [
        ("two tokens in one header", format!("{bearer} {good}")),
        ("two tokens with a comma", format!("{bearer}, {good}")),
        ("two schemes in one header", format!("{bearer}, {bearer}")),
        ("another scheme behind it", format!("{bearer}, Basic YTpi")),
        ("Bearer twice", format!("Bearer {bearer}")),
        ("a parameter", format!("Bearer token={good}")),
        ("a quoted parameter", format!("Bearer token=\"{good}\"")),
        ("a parameter behind it", format!("{bearer}; realm=x")),
        ("a tab before the token", format!("Bearer \t{good}")),
        ("two tabs before the token", format!("Bearer \t\t{good}")),
    ] {
        rows.request(30, name, header(value), "malformed");
    }
    let bytes = [b"Bearer ", good.as_bytes(), b"\xff"].concat();
    rows.request(30, "a byte that is no text behind it", vec![("authorization", bytes)], "malformed");
    for (name, first, second) in [
        ("the same header twice", bearer.clone(), bearer.clone()),
        ("a bad token behind a good one", bearer.clone(), "Bearer x".to_owned()),
        ("a good token behind a bad one", "Bearer x".to_owned(), bearer.clone()),
        ("Basic behind a good token", bearer.clone(), "Basic YTpi".to_owned()),
        ("an empty header behind a good token", bearer.clone(), String::new()),
    ] {
        let headers = vec![("authorization", first.into_bytes()), ("authorization", second.into_bytes())];
        rows.request(30, name, headers, "invalid_request");
    }
    let headers =
        ["Basic YTpi".to_owned(), bearer.clone()].map(|value| ("authorization", value.into_bytes()));
    rows.request(30, "a good token behind Basic", headers.into(), "invalid_request");
    for name in ELSEWHERE {
        for (how, value) in [("", bearer.clone()), (", bare", good.to_owned())] {
            let headers = vec![(name, value.into_bytes())];
            rows.request(30, &format!("a good token in {name}{how}"), headers, "missing_token");
        }
    }
    for name in ["access_token", "token", "jwt", "Authorization", "Bearer", "session", "id_token"] {
        let headers = vec![("cookie", format!("{name}={good}").into_bytes())];
        rows.request(30, &format!("a good token in the cookie {name}"), headers, "missing_token");
    }
    for name in ["x-original-url", "x-rewrite-url", "referer"] {
        let headers = vec![(name, format!("/?access_token={good}").into_bytes())];
        rows.request(30, &format!("a good token in the query of {name}"), headers, "missing_token");
    }
}
