//! The good token that forgeries are made of, and how one is made of it.

use serde_json::{Value, json};

use crate::{
    algorithm::Algorithm,
    testing::{
        forgery::{Genuine, Sent},
        key::TestKey,
        token::TestToken,
    },
};

/// What forgeries are made of: a token that would be good, and the issuer's keys.
pub(super) struct Original {
    /// One of each kind.
    pub(super) keys: [TestKey; 3],
    /// The good token, signed by each of the keys.
    pub(super) good: [String; 3],
    /// The headers of those.
    pub(super) headers: [Value; 3],
    pub(super) claims: Value,
    /// In seconds since 1970.
    pub(super) now: u64,
    pub(super) issuer: String,
    pub(super) audience: String,
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

    /// The key that the issuer signs with.
    pub(super) fn key(&self) -> &TestKey {
        &self.keys[0]
    }

    pub(super) fn header(&self) -> Value {
        self.headers[0].clone()
    }

    /// Whether the good token is meant for `audience`.
    pub(super) fn is_for(&self, audience: &str) -> bool {
        match &self.claims["aud"] {
            Value::Array(all) => all.iter().any(|one| one == audience),
            one => one == audience,
        }
    }

    /// The good token by that key.
    pub(super) fn good(&self) -> &str {
        &self.good[0]
    }

    /// The good tokens.
    pub(super) fn genuine(&self) -> [Genuine; 3] {
        [0, 1, 2].map(|is| {
            let algorithm = self.keys[is].algorithm();
            let sent = Sent::Token(self.good[is].clone());
            Genuine { name: format!("{algorithm}: what forgeries are made of"), algorithm, sent }
        })
    }

    /// Each key with its header and its good token.
    pub(super) fn each(&self) -> impl Iterator<Item = (&TestKey, &Value, &str)> {
        let all = self.keys.iter().zip(&self.headers).zip(&self.good);
        all.map(|((key, header), good)| (key, header, good.as_str()))
    }

    /// Properly signed, with another header.
    pub(super) fn under(&self, header: &Value) -> String {
        self.key().compact(header.to_string(), self.claims.to_string())
    }

    /// The same with one member that is other.
    pub(super) fn header_with(&self, name: &str, value: impl Into<Value>) -> String {
        self.under(&with(&self.header(), name, value))
    }

    /// Properly signed, with other claims.
    pub(super) fn saying(&self, claims: impl AsRef<[u8]>) -> String {
        self.key().compact(self.header().to_string(), claims)
    }

    /// The same with one claim that is other.
    pub(super) fn claiming(&self, name: &str, value: impl Into<Value>) -> String {
        self.saying(with(&self.claims, name, value).to_string())
    }

    /// Properly signed, with this text where the value of a claim is.
    pub(super) fn claiming_raw(&self, name: &str, text: &str) -> String {
        let marked = with(&self.claims, name, "\u{1}marked").to_string();
        self.saying(marked.replace("\"\\u0001marked\"", text))
    }
}

/// Header, payload, signature.
pub(super) fn parts(token: &str) -> [&str; 3] {
    let mut parts = token.split('.');
    [(); 3].map(|()| parts.next().unwrap_or_default())
}

/// A copy with `name` set to `value`.
pub(super) fn with(object: &Value, name: &str, value: impl Into<Value>) -> Value {
    let mut changed = object.clone();
    changed[name] = value.into();
    changed
}

/// A copy without `name`.
pub(super) fn without(object: &Value, name: &str) -> Value {
    let mut changed = object.clone();
    if let Some(members) = changed.as_object_mut() {
        members.remove(name);
    }
    changed
}

/// Cut by a character.
pub(super) fn without_last(text: &str) -> String {
    let mut text = text.to_owned();
    text.pop();
    text
}

/// JSON that is none of text, number, list: what types are mistaken for.
pub(super) fn wrong_types() -> Vec<Value> {
    vec![Value::Null, json!(true), json!(1), json!(["x"]), json!({"x": 1})]
}

/// A value in the name of a row, cut short.
pub(super) fn short(value: &Value) -> String {
    format!("{:.60}", value.to_string())
}
