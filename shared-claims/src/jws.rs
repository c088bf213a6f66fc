//! The compact form of a signed token (RFC 7515 section 7.1): text in, parts out, nothing verified yet.
//!
//! What is wrong with the form or the header is found here, before any key is looked at. Everything a header
//! could say about where a key comes from (`jwk`, `jku`, `x5c`, `x5u`, …) is left unread.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::Deserialize;

use crate::{Refusal, claims::present, strict};

/// Longer tokens are refused unread, in bytes.
const MAX_TOKEN: usize = 8 * 1024;
/// A key id is looked up in a map; nobody needs a longer one, in bytes.
pub(crate) const MAX_KID: usize = 256;
/// Members that change what the rest means (RFC 7515 section 4.1.11, RFC 7797, a nested token): none is
/// understood.
const REFUSED_MEMBERS: [&str; 3] = ["crit", "b64", "cty"];

/// A token of the right form whose signature nobody has looked at.
pub(crate) struct Unverified<'a> {
    pub(crate) header: Header,
    /// What the signature is over: header and payload as they were sent.
    pub(crate) signed: &'a str,
    pub(crate) payload: Vec<u8>,
    pub(crate) signature: Vec<u8>,
}

/// The members of the protected header that are read.
#[derive(Deserialize)]
pub(crate) struct Header {
    pub(crate) alg: String,
    #[serde(default, deserialize_with = "present")]
    pub(crate) kid: Option<String>,
    #[serde(default, deserialize_with = "present")]
    typ: Option<String>,
}

impl<'a> Unverified<'a> {
    /// Takes a token apart.
    pub(crate) fn parse(token: &'a str) -> Result<Self, Refusal> {
        if token.len() > MAX_TOKEN {
            return Err(Refusal::Malformed("longer than 8 KiB"));
        }
        let parts = || {
            let (signed, signature) = token.rsplit_once('.')?;
            let (header, payload) = signed.split_once('.')?;
            Some((signed, header, payload, signature))
        };
        let (signed, header, payload, signature) = parts().ok_or(Refusal::Malformed("not three parts"))?;
        Ok(Self {
            header: Header::parse(&decode(header)?)?,
            signed,
            payload: decode(payload)?, // a fourth dot is no base64url
            signature: decode(signature)?,
        })
    }
}

impl Header {
    fn parse(bytes: &[u8]) -> Result<Self, Refusal> {
        let object = strict::Object::check(bytes).map_err(Refusal::Malformed)?;
        if REFUSED_MEMBERS.iter().any(|name| object.has(name)) {
            return Err(Refusal::Malformed("a header member that is not understood"));
        }
        let header: Self = object.read().map_err(|_| Refusal::Malformed("the header"))?;
        if header.kid.as_ref().is_some_and(|kid| kid.is_empty() || kid.len() > MAX_KID) {
            return Err(Refusal::Malformed("the key id"));
        }
        if header.is_access_token() { Ok(header) } else { Err(Refusal::Type) }
    }

    /// RFC 9068 section 4, compared as a media type (RFC 7515 section 4.1.9).
    fn is_access_token(&self) -> bool {
        self.typ.as_ref().is_some_and(|typ| {
            typ.eq_ignore_ascii_case("at+jwt") || typ.eq_ignore_ascii_case("application/at+jwt")
        })
    }
}

/// Base64url without padding, in the one spelling that the bytes have: unused bits are zero. Never empty.
fn decode(part: &str) -> Result<Vec<u8>, Refusal> {
    match URL_SAFE_NO_PAD.decode(part) {
        Ok(bytes) if !bytes.is_empty() => Ok(bytes),
        _ => Err(Refusal::Malformed("not base64url")),
    }
}
