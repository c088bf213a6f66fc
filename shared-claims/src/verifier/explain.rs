//! Explains a refusal in the log: which member is wrong, what was expected, what the token has.
//!
//! The token is parsed once more for this, so that verification itself formats nothing. Everything from the token is
//! truncated and escaped. Its whole text is never shown, nor is text that is not a token: it may be another secret.

use std::fmt::{self, Display, Formatter};

use serde_json::{Map, Value};

use super::verifier::{Keys, Verifier};
use crate::{
    claims::standard::Claims,
    error::refusal::Refusal,
    jws::{ACCESS_TOKEN, MAX_KID, REFUSED_MEMBERS, decode},
    readiness::Readiness,
    shown::Shown,
    strict,
};

/// All required claims, each with a valid value.
const REQUIRED: &str = r#"{"iss":"i","sub":"s","aud":"a","exp":1,"iat":1,"jti":"j","client_id":"c"}"#;

/// A refusal and the token that it is about; displays the reason.
pub(super) struct Explanation<'a> {
    pub(super) verifier: &'a Verifier,
    pub(super) text: &'a str,
    pub(super) refusal: &'a Refusal,
}

/// The value of a member, or its absence.
pub(super) struct Received(Option<Value>);

impl Display for Received {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Some(value) => Shown(value).fmt(f),
            None => f.write_str("nothing"),
        }
    }
}

impl Display for Explanation<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.refusal.code(), self.refusal)?;
        let policy = &self.verifier.shared.policy;
        match self.refusal {
            Refusal::Malformed(_) => self.form(f),
            Refusal::Type => {
                write!(f, "; typ: expected \"{}\", got {}", ACCESS_TOKEN.typ(), self.member("typ"))
            }
            Refusal::Algorithm => self.algorithm(f),
            Refusal::UnknownKey => self.unknown_key(f),
            Refusal::Signature => {
                let (kid, alg) = (self.member("kid"), self.member("alg"));
                write!(f, "; kid {kid}, alg {alg}: the text was changed, or another key has this id")
            }
            Refusal::SenderConstrained => f.write_str("; cnf: expected nothing, got a key of the client"),
            Refusal::Issuer => {
                write!(f, "; iss: expected \"{}\", got {}", Shown(policy.issuer()), self.received("iss"))
            }
            Refusal::Audience => {
                let expected = format!("{:?}", policy.audiences());
                write!(f, "; aud: expected one of {}, got {}", Shown(expected), self.received("aud"))
            }
            Refusal::Expired => self.dates(&["exp"], f),
            Refusal::NotYetValid => self.dates(&["iat", "nbf"], f),
            Refusal::Revoked => write!(f, "; status: {} is set", self.received("status")),
            Refusal::Unavailable => self.unavailable(f),
        }
    }
}

impl Explanation<'_> {
    /// Returns a claim as it was received.
    pub(super) fn received(&self, name: &str) -> Received {
        Received(self.payload().and_then(|mut claims| claims.remove(name)))
    }

    /// Returns a claim that is a date, in seconds since 1970.
    pub(super) fn date(&self, name: &str) -> Option<u64> {
        let claims = serde_json::from_slice::<Claims>(&self.part(1)?).ok()?;
        match name {
            "exp" => Some(claims.exp),
            "iat" => Some(claims.iat),
            "nbf" => claims.nbf,
            _ => None,
        }
    }

    /// Returns a member of the header as it was received.
    fn member(&self, name: &str) -> Received {
        Received(self.header().and_then(|mut header| header.remove(name)))
    }

    fn header(&self) -> Option<Map<String, Value>> {
        serde_json::from_slice(&self.part(0)?).ok()
    }

    fn payload(&self) -> Option<Map<String, Value>> {
        serde_json::from_slice(&self.part(1)?).ok()
    }

    fn part(&self, at: usize) -> Option<Vec<u8>> {
        decode(self.text.split('.').nth(at)?).ok()
    }

    fn form(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let (longest, length) = (ACCESS_TOKEN.longest(), self.text.len());
        if length > longest {
            return write!(f, "; expected at most {longest} bytes, got {length}");
        }
        let parts = self.text.split('.').count();
        if parts != 3 {
            return write!(f, "; expected three parts separated by dots, got {parts} in {length} bytes");
        }
        for (at, name) in ["header", "payload", "signature"].into_iter().enumerate() {
            let Some(bytes) = self.part(at) else {
                return write!(f, "; the {name}: expected base64url without padding");
            };
            if at < 2
                && let Err(why) = strict::Object::check(&bytes)
            {
                return write!(f, "; the {name}: {why}");
            }
        }
        self.header_members(f)?;
        self.claims(f)
    }

    fn header_members(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let header = self.header().unwrap_or_default();
        for name in REFUSED_MEMBERS.into_iter().filter(|name| header.contains_key(*name)) {
            write!(f, "; {name}: expected nothing, got {}", self.member(name))?;
        }
        for name in ["alg", "typ", "kid"] {
            if !matches!(header.get(name), Some(Value::String(_))) {
                write!(f, "; {name}: expected a string, got {}", self.member(name))?;
            }
        }
        match header.get("kid") {
            Some(Value::String(kid)) if kid.is_empty() || kid.len() > MAX_KID => {
                write!(f, "; kid: expected 1 to {MAX_KID} bytes, got {}", kid.len())
            }
            _ => Ok(()),
        }
    }

    /// Tries each claim among valid ones, to find those that are wrong themselves.
    fn claims(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let claims = self.payload().unwrap_or_default();
        let good: Map<String, Value> = serde_json::from_str(REQUIRED).unwrap_or_default();
        for name in good.keys().filter(|name| !claims.contains_key(*name)) {
            write!(f, "; {name}: expected a value, got nothing")?;
        }
        let mut wrong = false;
        for (name, value) in &claims {
            let mut tried = good.clone();
            tried.insert(name.clone(), value.clone());
            if serde_json::from_str::<Claims>(&Value::Object(tried).to_string()).is_err() {
                wrong = true;
                write!(f, "; {}: wrong type or value, got {}", Shown(name), Shown(value))?;
            }
        }
        match claims.get("status") {
            Some(status) if !wrong => write!(f, "; status: {}", Shown(status)),
            _ => Ok(()),
        }
    }

    fn algorithm(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let received = self.member("alg");
        let Keys::Public(store) = &self.verifier.shared.keys else {
            return write!(f, "; alg: expected HS256, got {received}");
        };
        let of_key = match (self.member("kid").0, store.usable(&self.verifier.clock)) {
            (Some(Value::String(kid)), Ok((keys, _))) => keys.algorithm_of(&kid),
            _ => None,
        };
        match of_key {
            Some(algorithm) => write!(f, "; alg: expected {algorithm}, which is the key's, got {received}")?,
            None => write!(f, "; alg: got {received}")?,
        }
        let accepted: Vec<_> =
            self.verifier.shared.policy.accepted().iter().map(|one| one.as_str()).collect();
        write!(f, "; accepted are {}", accepted.join(", "))
    }

    fn unknown_key(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let known = match &self.verifier.shared.keys {
            Keys::Public(store) => store.usable(&self.verifier.clock).ok(),
            Keys::Secret(_) => None,
        };
        let mut kids: Vec<_> = known.iter().flat_map(|(keys, _)| keys.kids()).collect();
        kids.sort_unstable();
        write!(f, "; kid: expected one of {}, got {}", Shown(kids.join(", ")), self.member("kid"))?;
        write!(
            f,
            "; iss, unverified: expected \"{}\", got {}",
            Shown(self.verifier.issuer()),
            self.received("iss")
        )
    }

    fn dates(&self, names: &[&str], f: &mut Formatter<'_>) -> fmt::Result {
        let (now, leeway) = (self.verifier.clock.now(), self.verifier.shared.policy.leeway_secs());
        write!(f, "; this machine's clock says {now}, with a leeway of {leeway} s")?;
        for name in names {
            if let Some(date) = self.date(name) {
                let way = if date > now { "ahead" } else { "ago" };
                write!(f, "; {name}: got {date}, {} s {way}", date.abs_diff(now))?;
            }
        }
        Ok(())
    }

    fn unavailable(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self.verifier.own_readiness() {
            Readiness::NotReady { reason } => write!(f, "; {}", Shown(reason)),
            Readiness::Ready { .. } => {
                write!(f, "; status list: {}; kid: {}", self.received("status"), self.member("kid"))
            }
        }
    }
}
