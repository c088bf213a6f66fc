//! Forgeries, and the valid tokens that they are made from.

use std::{collections::HashMap, fmt, sync::Arc};

use super::attacks::{Attack, Expect};
use crate::algorithm::Algorithm;

/// The headers of a request that carry credentials: names in lower case, and values, some of which are not text.
pub type Headers = Vec<(&'static str, Vec<u8>)>;

/// A request that a protected route must refuse.
#[derive(Clone)]
#[non_exhaustive]
pub struct Forgery {
    /// What was changed, in a few words. It is unique.
    pub name: String,
    /// The kind of attack.
    pub why: &'static Attack,
    /// The expected answer.
    pub expect: Expect,
    /// What this crate reports: the code of the [`Refusal`](crate::error::Refusal), or of the answer if the forgery is not about
    /// a token. Empty if there are several correct codes.
    pub code: &'static str,
    pub(super) sent: Sent,
    originals: Arc<[Genuine]>,
}

/// A valid token in one of the forms that must be accepted: a verifier that is stricter than the standards does not help
/// anyone.
#[derive(Clone)]
#[non_exhaustive]
pub struct Genuine {
    /// What is special about it.
    pub name: String,
    /// The algorithm of its signature.
    pub algorithm: Algorithm,
    pub(super) sent: Sent,
}

#[derive(Clone)]
pub(super) enum Sent {
    /// Sent as `Authorization: Bearer …`.
    Token(String),
    /// Credentials in another form.
    Headers(Headers),
}

impl Forgery {
    /// Returns the token, if the forgery is one. Others are requests with a valid token in the wrong place.
    #[must_use]
    pub fn token(&self) -> Option<&str> {
        self.sent.token()
    }

    /// Returns the valid tokens that this forgery was made from, one for each of the issuer's keys. They are the same for
    /// all forgeries of one call. A verifier that has cached them must still refuse the forgery.
    #[must_use]
    pub fn originals(&self) -> &[Genuine] {
        &self.originals
    }

    /// Returns the headers of the request; `None` if HTTP cannot carry the token, as with a line break.
    #[must_use]
    pub fn headers(&self) -> Option<Headers> {
        self.sent.headers()
    }
}

impl Genuine {
    /// Returns the token; `None` if the header is what is special.
    #[must_use]
    pub fn token(&self) -> Option<&str> {
        self.sent.token()
    }

    /// Returns the headers of the request.
    #[must_use]
    pub fn headers(&self) -> Headers {
        self.sent.headers().unwrap_or_default() // good tokens can be carried
    }
}

impl Sent {
    fn token(&self) -> Option<&str> {
        match self {
            Self::Token(token) => Some(token),
            Self::Headers(_) => None,
        }
    }

    fn headers(&self) -> Option<Headers> {
        match self {
            Self::Token(token) => can_be_carried(token).then(|| bearer(token)),
            Self::Headers(headers) => Some(headers.clone()),
        }
    }
}

/// Returns whether the token can be a header value (RFC 9110 section 5.5): it has no control characters and no white space
/// around it.
fn can_be_carried(token: &str) -> bool {
    token.trim_matches([' ', '\t']) == token && token.chars().all(|c| c == '\t' || !c.is_ascii_control())
}

pub(super) fn bearer(token: &str) -> Headers {
    vec![("authorization", format!("Bearer {token}").into_bytes())]
}

/// The forgeries while they are collected.
pub(super) struct Rows {
    all: Vec<Forgery>,
    names: HashMap<String, u32>,
    originals: Arc<[Genuine]>,
}

impl Rows {
    /// Starts a collection of forgeries that are made from these valid tokens.
    pub(super) fn of(originals: impl Into<Arc<[Genuine]>>) -> Self {
        Self { all: Vec::new(), names: HashMap::new(), originals: originals.into() }
    }

    /// Adds a token. `number` is the attack's.
    pub(super) fn token(
        &mut self,
        number: u8,
        name: impl Into<String>,
        token: impl Into<String>,
        code: &'static str,
    ) {
        self.add(number, name.into(), Sent::Token(token.into()), code);
    }

    pub(super) fn request(&mut self, number: u8, name: &str, headers: Headers, code: &'static str) {
        self.add(number, name.to_owned(), Sent::Headers(headers), code);
    }

    fn add(&mut self, number: u8, mut name: String, sent: Sent, code: &'static str) {
        let why = Attack::of(number);
        let same = self.names.entry(name.clone()).or_default();
        *same += 1;
        if *same > 1 {
            name = format!("{name} ({same})");
        }
        let originals = Arc::clone(&self.originals);
        self.all.push(Forgery { name, why, expect: why.expect, code, sent, originals });
    }

    pub(super) fn into_iter(self) -> std::vec::IntoIter<Forgery> {
        self.all.into_iter()
    }
}

impl fmt::Debug for Forgery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Forgery({self})")
    }
}

impl fmt::Display for Forgery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.name, self.why)
    }
}

impl fmt::Debug for Genuine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Genuine({})", self.name)
    }
}
