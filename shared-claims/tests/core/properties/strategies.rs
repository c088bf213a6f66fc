//! Generators for claims, dates, rules, requests and key sets.

use proptest::{collection::vec, option, prelude::*, sample::select};
use serde_json::{Map, Value, json};

use crate::support::{AUDIENCE, ISSUER, NOW};

/// Never empty, of any script.
pub(crate) fn name() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-z]{1,8}",
        vec(any::<char>(), 1..12).prop_map(String::from_iter),
        vec(
            select(vec![
                '\0',
                '"',
                '\\',
                '/',
                '\u{7f}',
                '\u{301}',
                '\u{feff}',
                '\u{202e}',
                '東',
                '🔑',
                '\u{10ffff}'
            ]),
            1..6
        )
        .prop_map(String::from_iter),
    ]
}

/// Any JSON, not deep.
pub(crate) fn json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(|number| if number.is_finite() { json!(number) } else { json!(0.5) }),
        name().prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 16, 4, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(Value::from),
            vec((name(), inner), 0..4).prop_map(|members| Map::from_iter(members).into()),
        ]
    })
}

/// RFC 6749 section 3.3.
fn scope() -> impl Strategy<Value = String> {
    vec(vec("[!#-\\[\\]-~]{1,10}", 1..2).prop_map(|parts| parts.concat()), 0..5)
        .prop_map(|scopes| scopes.join(" "))
}

/// The claims of a valid token at [`NOW`], as they are read: `aud` is a list.
pub(crate) fn claims() -> impl Strategy<Value = Value> {
    let times =
        (NOW - 29..NOW + 100_000, 1..=NOW + 30, option::of(1..=NOW + 30), option::of(1..=NOW + 10_000));
    let texts = (name(), name(), name(), option::of(name()), option::of(name()), option::of(name()));
    let rights = (scope(), vec(name(), 0..4), vec(name(), 0..4), 0..5_usize);
    let status = option::of((any::<u64>(), name()));
    (times, texts, rights, option::of(any::<bool>()), status).prop_map(|(times, texts, rights, verified, status)| {
        let (exp, iat, nbf, auth_time) = times;
        let (sub, jti, client_id, sid, username, email) = texts;
        let (scope, roles, mut aud, at) = rights;
        aud.insert(at.min(aud.len()), AUDIENCE.to_owned());
        let mut claims = json!({
            "iss": ISSUER, "sub": sub, "aud": aud, "exp": exp, "iat": iat, "jti": jti, "client_id": client_id,
            "scope": scope, "roles": roles,
        });
        let optional = [
            ("nbf", json!(nbf)), ("auth_time", json!(auth_time)), ("sid", json!(sid)), ("username", json!(username)),
            ("email", json!(email)), ("email_verified", json!(verified)),
            ("status", status.map_or(Value::Null, |(idx, uri)| json!({"status_list": {"idx": idx, "uri": uri}}))),
        ];
        for (name, value) in optional {
            if !value.is_null() {
                claims[name] = value;
            }
        }
        claims
    })
}

/// Text that looks like a token, unsigned.
pub(crate) fn unsigned() -> impl Strategy<Value = String> {
    use crate::support::b64;
    let part = || vec(any::<u8>(), 0..40).prop_map(b64);
    let alg = select(vec!["ES256", "EdDSA", "RS256", "HS256", "none", "Ed25519"]);
    let kid = select(vec!["es", "ed", "rsa", "shared", "other"]);
    let signature =
        select(vec![0_usize, 1, 32, 63, 64, 65, 256]).prop_flat_map(|length| vec(any::<u8>(), length));
    let forged = (alg, kid, claims(), signature).prop_map(|(alg, kid, claims, signature)| {
        let header = json!({"typ": "at+jwt", "alg": alg, "kid": kid}).to_string();
        [b64(header), b64(claims.to_string()), b64(signature)].join(".")
    });
    prop_oneof![
        any::<String>(),
        vec(any::<char>(), 0..200).prop_map(String::from_iter),
        "[A-Za-z0-9_=.-]{0,200}",
        (part(), part(), part())
            .prop_map(|(header, payload, signature)| [header, payload, signature].join(".")),
        (json(), json(), part()).prop_map(|(header, payload, signature)| {
            [b64(header.to_string()), b64(payload.to_string()), signature].join(".")
        }),
        forged,
    ]
}

/// A rule as a tree, which is evaluated independently.
#[derive(Clone, Debug)]
pub(crate) enum Tree {
    Scope(&'static str),
    Role(&'static str),
    Owner(&'static str),
    Login(u64),
    AnyScope(Vec<&'static str>),
    AllScopes(Vec<&'static str>),
    And(Box<Tree>, Box<Tree>),
    Or(Box<Tree>, Box<Tree>),
    Any(Vec<Tree>),
    All(Vec<Tree>),
}

pub(crate) const WORDS: [&str; 4] = ["a", "b", "c", "d"];

pub(crate) fn tree() -> impl Strategy<Value = Tree> {
    let word = || select(&WORDS[..]);
    let leaf = prop_oneof![
        word().prop_map(Tree::Scope),
        word().prop_map(Tree::Role),
        word().prop_map(Tree::Owner),
        (0..100_u64).prop_map(Tree::Login),
        vec(word(), 0..3).prop_map(Tree::AnyScope),
        vec(word(), 0..3).prop_map(Tree::AllScopes),
    ];
    leaf.prop_recursive(4, 24, 3, |inner| {
        let pair =
            || (inner.clone(), inner.clone()).prop_map(|(one, other)| (Box::new(one), Box::new(other)));
        prop_oneof![
            pair().prop_map(|(one, other)| Tree::And(one, other)),
            pair().prop_map(|(one, other)| Tree::Or(one, other)),
            vec(inner.clone(), 0..4).prop_map(Tree::Any),
            vec(inner.clone(), 0..4).prop_map(Tree::All),
        ]
    })
}

/// The tokens of a request, by source; those in headers with the scheme.
#[derive(Clone, Debug)]
pub(crate) struct Sent {
    pub(crate) method: &'static str,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) cookies: Vec<String>,
    pub(crate) query: Vec<String>,
}

pub(crate) fn sent() -> impl Strategy<Value = Sent> {
    let token = || prop_oneof![4 => "[a-z.]{1,6}", 1 => Just(String::new())];
    let scheme = select(vec!["Bearer", "bearer", "BEARER", "Basic", "DPoP", "Bearerx", ""]);
    let method = select(vec!["GET", "HEAD", "POST", "DELETE"]);
    (method, vec((scheme, token()), 0..3), vec(token(), 0..3), vec(token(), 0..3))
        .prop_map(|(method, headers, cookies, query)| Sent { method, headers, cookies, query })
}

/// An event for a verifier. Numbers select among what exists.
#[derive(Clone, Debug)]
pub(crate) enum Event {
    Verify(usize),
    /// The keys of the set, a bit each.
    Keys(u8),
    Time(u64),
}

pub(crate) fn events() -> impl Strategy<Value = Vec<Event>> {
    let event = prop_oneof![
        6 => any::<usize>().prop_map(Event::Verify),
        1 => (1..8_u8).prop_map(Event::Keys),
        3 => (select(vec![NOW - 30, NOW, NOW + 60, NOW + 80, NOW + 180, NOW + 630]), 0..3_u64)
            .prop_map(|(edge, more)| Event::Time(edge + more - 1)),
    ];
    vec(event, 1..40)
}
