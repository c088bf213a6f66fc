//! The forgeries, put together from tables by what they attack.

mod algorithm;
mod binding;
mod claims;
mod form;
mod header;
mod json;
mod key_id;
mod request;
mod signature;
mod tampering;

use serde_json::{Value, json};

use super::{
    TestKey, TestToken,
    forgery::{Forgery, Genuine, Rows, Sent},
};
use crate::verifier::Algorithm;

/// What forgeries are made of: a token that would be good, and the issuer's keys.
struct Original {
    /// One of each kind.
    keys: [TestKey; 3],
    /// The good token, signed by each of the keys.
    good: [String; 3],
    /// The headers of those.
    headers: [Value; 3],
    claims: Value,
    /// In seconds since 1970.
    now: u64,
    issuer: String,
    audience: String,
}

pub(super) fn forgeries(token: &TestToken<'_>) -> std::vec::IntoIter<Forgery> {
    let original = Original::of(token);
    let mut rows = Rows::of(original.genuine());
    form::add(&original, &mut rows);
    algorithm::add(&original, &mut rows);
    key_id::add(&original, &token.issuer.odd_keys(), &mut rows);
    signature::add(&original, &mut rows);
    tampering::add(&original, &mut rows);
    header::add(&original, &token.issuer.status_list().1, &mut rows);
    json::add(&original, &mut rows);
    claims::add(&original, &mut rows);
    binding::add(&original, &mut rows);
    request::add(&original, &mut rows);
    rows.into_iter()
}

impl Original {
    fn of(token: &TestToken<'_>) -> Self {
        let mut keys = [Algorithm::ES256, Algorithm::EdDSA, Algorithm::RS256].map(|a| token.issuer.key_of(a));
        keys.sort_by_key(|key| key.algorithm() != token.issuer.algorithm()); // the issuer's own first
        let (headers, claims) = (keys.clone().map(|key| token.header_of(&key)), token.claims());
        let good = [0, 1, 2].map(|is| keys[is].compact(headers[is].to_string(), claims.to_string()));
        let audience = match &claims["aud"] {
            Value::Array(all) => all.first().and_then(Value::as_str),
            one => one.as_str(),
        };
        let audience = audience.unwrap_or_default().to_owned();
        let issuer = token.issuer.name().to_owned();
        Self { keys, good, headers, claims, now: token.now(), issuer, audience }
    }

    /// The key that the issuer signs with.
    fn key(&self) -> &TestKey {
        &self.keys[0]
    }

    fn header(&self) -> Value {
        self.headers[0].clone()
    }

    /// Whether the good token is meant for `audience`.
    fn is_for(&self, audience: &str) -> bool {
        match &self.claims["aud"] {
            Value::Array(all) => all.iter().any(|one| one == audience),
            one => one == audience,
        }
    }

    /// The good token by that key.
    fn good(&self) -> &str {
        &self.good[0]
    }

    /// The good tokens.
    fn genuine(&self) -> [Genuine; 3] {
        [0, 1, 2].map(|is| {
            let algorithm = self.keys[is].algorithm();
            let sent = Sent::Token(self.good[is].clone());
            Genuine { name: format!("{algorithm}: what forgeries are made of"), algorithm, sent }
        })
    }

    /// Each key with its header and its good token.
    fn each(&self) -> impl Iterator<Item = (&TestKey, &Value, &str)> {
        let all = self.keys.iter().zip(&self.headers).zip(&self.good);
        all.map(|((key, header), good)| (key, header, good.as_str()))
    }

    /// Properly signed, with another header.
    fn under(&self, header: &Value) -> String {
        self.key().compact(header.to_string(), self.claims.to_string())
    }

    /// The same with one member that is other.
    fn header_with(&self, name: &str, value: impl Into<Value>) -> String {
        self.under(&with(&self.header(), name, value))
    }

    /// Properly signed, with other claims.
    fn saying(&self, claims: impl AsRef<[u8]>) -> String {
        self.key().compact(self.header().to_string(), claims)
    }

    /// The same with one claim that is other.
    fn claiming(&self, name: &str, value: impl Into<Value>) -> String {
        self.saying(with(&self.claims, name, value).to_string())
    }

    /// Properly signed, with this text where the value of a claim is.
    fn claiming_raw(&self, name: &str, text: &str) -> String {
        let marked = with(&self.claims, name, "\u{1}marked").to_string();
        self.saying(marked.replace("\"\\u0001marked\"", text))
    }
}

/// Header, payload, signature.
fn parts(token: &str) -> [&str; 3] {
    let mut parts = token.split('.');
    [(); 3].map(|()| parts.next().unwrap_or_default())
}

/// A copy with `name` set to `value`.
fn with(object: &Value, name: &str, value: impl Into<Value>) -> Value {
    let mut changed = object.clone();
    changed[name] = value.into();
    changed
}

/// A copy without `name`.
fn without(object: &Value, name: &str) -> Value {
    let mut changed = object.clone();
    if let Some(members) = changed.as_object_mut() {
        members.remove(name);
    }
    changed
}

/// Cut by a character.
fn without_last(text: &str) -> String {
    let mut text = text.to_owned();
    text.pop();
    text
}

/// JSON that is none of text, number, list: what types are mistaken for.
fn wrong_types() -> Vec<Value> {
    vec![Value::Null, json!(true), json!(1), json!(["x"]), json!({"x": 1})]
}

/// A value in the name of a row, cut short.
fn short(value: &Value) -> String {
    format!("{:.60}", value.to_string())
}
