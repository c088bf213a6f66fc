//! Why a token was refused, in words for the log: which member, what was wanted, what came.
//!
//! The token is taken apart once more for that, so that the path of a token formats nothing. All that it says is cut and
//! escaped; its text is never shown, and neither is a text that is no token: it may be another secret.

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

/// Every claim that must be there, each good by itself.
const REQUIRED: &str = r#"{"iss":"i","sub":"s","aud":"a","exp":1,"iat":1,"jti":"j","client_id":"c"}"#;

/// A refusal with the token that it is about; shown, it is the reason.
pub(super) struct Why<'a> {
    pub(super) judge: &'a Verifier,
    pub(super) text: &'a str,
    pub(super) refusal: &'a Refusal,
}

/// What a member is, or that it is not there.
pub(super) struct Came(Option<Value>);

impl Display for Came {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Some(value) => Shown(value).fmt(f),
            None => f.write_str("nothing"),
        }
    }
}

impl Display for Why<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.refusal.code(), self.refusal)?;
        let policy = &self.judge.shared.policy;
        match self.refusal {
            Refusal::Malformed(_) => self.form(f),
            Refusal::Type => {
                write!(f, "; typ: wanted \"{}\", came {}", ACCESS_TOKEN.typ(), self.member("typ"))
            }
            Refusal::Algorithm => self.algorithm(f),
            Refusal::UnknownKey => self.unknown_key(f),
            Refusal::Signature => {
                let (kid, alg) = (self.member("kid"), self.member("alg"));
                write!(f, "; kid {kid}, alg {alg}: the text was changed, or another key has this id")
            }
            Refusal::SenderConstrained => f.write_str("; cnf: wanted nothing, came a key of the sender"),
            Refusal::Issuer => {
                write!(f, "; iss: wanted \"{}\", came {}", Shown(policy.issuer()), self.came("iss"))
            }
            Refusal::Audience => {
                let wanted = format!("{:?}", policy.audiences());
                write!(f, "; aud: wanted one of {}, came {}", Shown(wanted), self.came("aud"))
            }
            Refusal::Expired => self.dates(&["exp"], f),
            Refusal::NotYetValid => self.dates(&["iat", "nbf"], f),
            Refusal::Revoked => write!(f, "; status: {} is set", self.came("status")),
            Refusal::Unavailable => self.unavailable(f),
        }
    }
}

impl Why<'_> {
    /// A claim as it came.
    pub(super) fn came(&self, name: &str) -> Came {
        Came(self.payload().and_then(|mut claims| claims.remove(name)))
    }

    /// A claim that is a date, in seconds since 1970.
    pub(super) fn date(&self, name: &str) -> Option<u64> {
        let claims = serde_json::from_slice::<Claims>(&self.part(1)?).ok()?;
        match name {
            "exp" => Some(claims.exp),
            "iat" => Some(claims.iat),
            "nbf" => claims.nbf,
            _ => None,
        }
    }

    /// A member of the header as it came.
    fn member(&self, name: &str) -> Came {
        Came(self.header().and_then(|mut header| header.remove(name)))
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
            return write!(f, "; wanted at most {longest} bytes, came {length}");
        }
        let parts = self.text.split('.').count();
        if parts != 3 {
            return write!(f, "; wanted three parts with dots between them, came {parts} in {length} bytes");
        }
        for (at, name) in ["header", "payload", "signature"].into_iter().enumerate() {
            let Some(bytes) = self.part(at) else {
                return write!(f, "; the {name}: wanted base64url without padding");
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
            write!(f, "; {name}: wanted nothing, came {}", self.member(name))?;
        }
        for name in ["alg", "typ", "kid"] {
            if !matches!(header.get(name), Some(Value::String(_))) {
                write!(f, "; {name}: wanted a text, came {}", self.member(name))?;
            }
        }
        match header.get("kid") {
            Some(Value::String(kid)) if kid.is_empty() || kid.len() > MAX_KID => {
                write!(f, "; kid: wanted 1 to {MAX_KID} bytes, came {}", kid.len())
            }
            _ => Ok(()),
        }
    }

    /// Each claim is tried among others that are good: what is refused then is its own fault.
    fn claims(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let claims = self.payload().unwrap_or_default();
        let good: Map<String, Value> = serde_json::from_str(REQUIRED).unwrap_or_default();
        for name in good.keys().filter(|name| !claims.contains_key(*name)) {
            write!(f, "; {name}: is wanted, came nothing")?;
        }
        let mut wrong = false;
        for (name, value) in &claims {
            let mut tried = good.clone();
            tried.insert(name.clone(), value.clone());
            if serde_json::from_str::<Claims>(&Value::Object(tried).to_string()).is_err() {
                wrong = true;
                write!(f, "; {}: another type or value is wanted, came {}", Shown(name), Shown(value))?;
            }
        }
        match claims.get("status") {
            Some(status) if !wrong => write!(f, "; status: {}", Shown(status)),
            _ => Ok(()),
        }
    }

    fn algorithm(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let came = self.member("alg");
        let Keys::Public(store) = &self.judge.shared.keys else {
            return write!(f, "; alg: wanted HS256, came {came}");
        };
        let of_key = match (self.member("kid").0, store.usable(&self.judge.clock)) {
            (Some(Value::String(kid)), Ok((keys, _))) => keys.algorithm_of(&kid),
            _ => None,
        };
        match of_key {
            Some(algorithm) => write!(f, "; alg: wanted {algorithm}, which is the key's, came {came}")?,
            None => write!(f, "; alg: came {came}")?,
        }
        let accepted: Vec<_> = self.judge.shared.policy.accepted().iter().map(|one| one.as_str()).collect();
        write!(f, "; accepted are {}", accepted.join(", "))
    }

    fn unknown_key(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let known = match &self.judge.shared.keys {
            Keys::Public(store) => store.usable(&self.judge.clock).ok(),
            Keys::Secret(_) => None,
        };
        let mut kids: Vec<_> = known.iter().flat_map(|(keys, _)| keys.kids()).collect();
        kids.sort_unstable();
        write!(f, "; kid: wanted one of {}, came {}", Shown(kids.join(", ")), self.member("kid"))?;
        write!(f, "; iss, unverified: wanted \"{}\", came {}", Shown(self.judge.issuer()), self.came("iss"))
    }

    fn dates(&self, names: &[&str], f: &mut Formatter<'_>) -> fmt::Result {
        let (now, leeway) = (self.judge.clock.now(), self.judge.shared.policy.leeway_secs());
        write!(f, "; this machine's clock says {now}, with a leeway of {leeway} s")?;
        for name in names {
            if let Some(date) = self.date(name) {
                let way = if date > now { "ahead" } else { "ago" };
                write!(f, "; {name}: came {date}, {} s {way}", date.abs_diff(now))?;
            }
        }
        Ok(())
    }

    fn unavailable(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self.judge.own_readiness() {
            Readiness::NotReady { reason } => write!(f, "; {}", Shown(reason)),
            Readiness::Ready { .. } => {
                write!(f, "; status list: {}; kid: {}", self.came("status"), self.member("kid"))
            }
        }
    }
}
