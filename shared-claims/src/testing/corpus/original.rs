//! The valid token that forgeries are made from, and functions that change it.

use serde_json::{Value, json};

use crate::{
    algorithm::Algorithm,
    testing::{
        forgery::{Genuine, Sent},
        key::TestKey,
        token::TestToken,
    },
};

/// The material for forgeries: a valid token and the issuer's keys.
pub(super) struct Original {
    /// One key of each kind.
    pub(super) keys: [TestKey; 3],
    /// The valid token, signed with each of the keys.
    pub(super) good: [String; 3],
    /// The headers of these.
    pub(super) headers: [Value; 3],
    pub(super) claims: Value,
    /// In seconds since 1970.
    pub(super) now: u64,
    pub(super) issuer: String,
    pub(super) audience: String,
}

/// The valid token as one of the keys has signed it.
#[derive(Clone, Copy)]
pub(super) struct Variant<'a> {
    pub(super) key: &'a TestKey,
    pub(super) header: &'a Value,
    pub(super) good: &'a str,
}

impl Original {
    pub(super) fn of(token: &TestToken<'_>) -> Self {
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

    /// Returns the key that the issuer signs with.
    pub(super) fn key(&self) -> &TestKey {
        &self.keys[0]
    }

    pub(super) fn header(&self) -> Value {
        self.headers[0].clone()
    }

    /// Returns whether the valid token has the audience `audience`.
    pub(super) fn is_for(&self, audience: &str) -> bool {
        match &self.claims["aud"] {
            Value::Array(all) => all.iter().any(|one| one == audience),
            one => one == audience,
        }
    }

    /// Returns the valid token that the issuer's key has signed.
    pub(super) fn good(&self) -> &str {
        &self.good[0]
    }

    /// Returns the valid tokens.
    pub(super) fn genuine(&self) -> [Genuine; 3] {
        [0, 1, 2].map(|is| {
            let algorithm = self.keys[is].algorithm();
            let sent = Sent::Token(self.good[is].clone());
            Genuine { name: format!("{algorithm}: the token that forgeries are made from"), algorithm, sent }
        })
    }

    /// Returns each key with its header and its valid token.
    pub(super) fn each(&self) -> impl Iterator<Item = Variant<'_>> {
        let all = self.keys.iter().zip(&self.headers).zip(&self.good);
        all.map(|((key, header), good)| Variant { key, header, good })
    }

    /// Returns a correctly signed token with another header.
    pub(super) fn under(&self, header: &Value) -> String {
        self.key().compact(header.to_string(), self.claims.to_string())
    }

    /// Returns a correctly signed token with another value of a header member.
    pub(super) fn header_with(&self, name: &str, value: impl Into<Value>) -> String {
        self.under(&with(&self.header(), name, value))
    }

    /// Returns a correctly signed token with other claims.
    pub(super) fn saying(&self, claims: impl AsRef<[u8]>) -> String {
        self.key().compact(self.header().to_string(), claims)
    }

    /// Returns a correctly signed token with another value of a claim.
    pub(super) fn claiming(&self, name: &str, value: impl Into<Value>) -> String {
        self.saying(with(&self.claims, name, value).to_string())
    }

    /// Returns a correctly signed token with this text as the value of a claim.
    pub(super) fn claiming_raw(&self, name: &str, text: &str) -> String {
        let marked = with(&self.claims, name, "\u{1}marked").to_string();
        self.saying(marked.replace("\"\\u0001marked\"", text))
    }
}

/// Splits a token into header, payload and signature.
pub(super) fn parts(token: &str) -> [&str; 3] {
    let mut parts = token.split('.');
    [(); 3].map(|()| parts.next().unwrap_or_default())
}

/// Returns a copy with `name` set to `value`.
pub(super) fn with(object: &Value, name: &str, value: impl Into<Value>) -> Value {
    let mut changed = object.clone();
    changed[name] = value.into();
    changed
}

/// Returns a copy without `name`.
pub(super) fn without(object: &Value, name: &str) -> Value {
    let mut changed = object.clone();
    if let Some(members) = changed.as_object_mut() {
        members.remove(name);
    }
    changed
}

/// Returns the text without its last character.
pub(super) fn without_last(text: &str) -> String {
    let mut text = text.to_owned();
    text.pop();
    text
}

/// Returns values that are mistaken for a string, a number or a list.
pub(super) fn wrong_types() -> Vec<Value> {
    vec![Value::Null, json!(true), json!(1), json!(["x"]), json!({"x": 1})]
}

/// Returns a value for the name of a forgery, truncated.
pub(super) fn short(value: &Value) -> String {
    format!("{:.60}", value.to_string())
}
