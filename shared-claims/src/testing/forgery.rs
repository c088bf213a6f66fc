//! What a stranger sends, why it must be refused, and the good tokens beside it.

use std::{collections::HashMap, fmt, sync::Arc};

use super::attacks::{Attack, Expect};
use crate::algorithm::Algorithm;

/// The headers of a request that have to do with credentials: names in lower case, and values, of which some are no text.
pub type Headers = Vec<(&'static str, Vec<u8>)>;

/// Something that no protected route may take for a good token.
#[derive(Clone)]
#[non_exhaustive]
pub struct Forgery {
    /// What was done, in a few words. No two forgeries have the same name.
    pub name: String,
    /// Why it is to be refused.
    pub why: &'static Attack,
    /// How.
    pub expect: Expect,
    /// What this crate says of it: the code of the [`Refusal`](crate::error::Refusal), or of the answer where it is not about a
    /// token. Empty when there is more than one right way to find out.
    pub code: &'static str,
    pub(super) sent: Sent,
    originals: Arc<[Genuine]>,
}

/// A token in one of the spellings that must pass: what is stricter than the standards helps nobody either.
#[derive(Clone)]
#[non_exhaustive]
pub struct Genuine {
    /// What is special about it.
    pub name: String,
    /// Whose signature it has.
    pub algorithm: Algorithm,
    pub(super) sent: Sent,
}

#[derive(Clone)]
pub(super) enum Sent {
    /// As `Authorization: Bearer …`.
    Token(String),
    /// Credentials in another form.
    Headers(Headers),
}

impl Forgery {
    /// The token, if the forgery is one: some are requests that put a good token in the wrong place.
    #[must_use]
    pub fn token(&self) -> Option<&str> {
        self.sent.token()
    }

    /// The good tokens that this one was made of, one for each of the issuer's keys: the same ones for all forgeries of one
    /// call. Who has seen them, and remembers them, must refuse the forgery all the same.
    #[must_use]
    pub fn originals(&self) -> &[Genuine] {
        &self.originals
    }

    /// The headers of the request; `None` when it is a token that HTTP cannot carry, such as one with a line break.
    #[must_use]
    pub fn headers(&self) -> Option<Headers> {
        self.sent.headers()
    }
}

impl Genuine {
    /// The token; `None` when the header is what is special.
    #[must_use]
    pub fn token(&self) -> Option<&str> {
        self.sent.token()
    }

    /// The headers of the request.
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

/// RFC 9110 section 5.5: no control characters; and blanks around a value are not part of it.
fn can_be_carried(token: &str) -> bool {
    token.trim_matches([' ', '\t']) == token && token.chars().all(|c| c == '\t' || !c.is_ascii_control())
}

pub(super) fn bearer(token: &str) -> Headers {
    vec![("authorization", format!("Bearer {token}").into_bytes())]
}

/// Rows of the corpus while they are put together.
pub(super) struct Rows {
    all: Vec<Forgery>,
    names: HashMap<String, u32>,
    originals: Arc<[Genuine]>,
}

impl Rows {
    /// All are made of these good tokens.
    pub(super) fn of(originals: impl Into<Arc<[Genuine]>>) -> Self {
        Self { all: Vec::new(), names: HashMap::new(), originals: originals.into() }
    }

    /// `number` is the attack's.
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
