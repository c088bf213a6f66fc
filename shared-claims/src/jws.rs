//! Parses the compact form of a signed token (RFC 7515 section 7.1) without verifying it.
//!
//! Errors in the form and the header are found here, before a key is looked up. Header members that name or embed a key
//! (`jwk`, `jku`, `x5c`, `x5u`, …) are never read.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::Deserialize;

use crate::{
    algorithm::Algorithm, claims::standard::present, error::refusal::Refusal, policy::Policy, strict,
};

/// A kind of signed token. A token that was signed as one kind is not accepted as another.
pub(crate) struct Kind {
    /// The header's `typ`, compared as a media type (RFC 7515 section 4.1.9).
    typ: &'static str,
    /// The same with its prefix.
    media_type: &'static str,
    /// The longest text of this kind that is read, in bytes.
    longest: usize,
}

/// The longest access token that a verifier accepts, in bytes. Verifiers refuse longer ones unread, so an issuer must not
/// issue them.
pub const MAX_ACCESS_TOKEN_BYTES: usize = 8 * 1024;
/// The longest signed status list that a verifier accepts, in bytes.
pub const MAX_STATUS_LIST_BYTES: usize = 2 * 1024 * 1024;

impl Kind {
    /// Returns the longest text of this kind that is read, in bytes.
    pub(crate) fn longest(&self) -> usize {
        self.longest
    }

    /// Returns the header's `typ`, without its prefix.
    pub(crate) fn typ(&self) -> &'static str {
        self.typ
    }
}

/// RFC 9068 section 4.
pub(crate) const ACCESS_TOKEN: Kind =
    Kind { typ: "at+jwt", media_type: "application/at+jwt", longest: MAX_ACCESS_TOKEN_BYTES };
/// Draft-ietf-oauth-status-list section 5.1.
#[cfg(feature = "remote")]
pub(crate) const STATUS_LIST: Kind =
    Kind { typ: "statuslist+jwt", media_type: "application/statuslist+jwt", longest: MAX_STATUS_LIST_BYTES };

/// The longest key id that is accepted, in bytes.
pub(crate) const MAX_KID: usize = 256;
/// Header members that change the meaning of the rest (RFC 7515 section 4.1.11, RFC 7797, a nested token). None of them is
/// supported.
pub(crate) const REFUSED_MEMBERS: [&str; 3] = ["crit", "b64", "cty"];

/// A well-formed token whose signature has not been checked.
pub(crate) struct Unverified<'a> {
    pub(crate) header: Header,
    /// The signed text: header and payload as they were sent.
    pub(crate) signed: &'a str,
    pub(crate) payload: Vec<u8>,
    pub(crate) signature: Vec<u8>,
}

/// The key that a header names, and the algorithm that it must have.
#[derive(Clone, Copy)]
pub(crate) struct KeyReference<'a> {
    pub(crate) kid: &'a str,
    pub(crate) algorithm: Algorithm,
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
    /// Parses a token of this kind.
    pub(crate) fn parse(token: &'a str, kind: &Kind) -> Result<Self, Refusal> {
        if token.len() > kind.longest {
            return Err(Refusal::Malformed("too long"));
        }
        let parts = || {
            let (signed, signature) = token.rsplit_once('.')?;
            let (header, payload) = signed.split_once('.')?;
            Some((signed, header, payload, signature))
        };
        let (signed, header, payload, signature) = parts().ok_or(Refusal::Malformed("not three parts"))?;
        Ok(Self {
            header: Header::parse(&decode(header)?, kind)?,
            signed,
            payload: decode(payload)?, // a fourth dot is no base64url
            signature: decode(signature)?,
        })
    }

    /// Returns the key id and the algorithm of the header, if `policy` accepts the algorithm.
    pub(crate) fn key(&self, policy: &Policy) -> Result<KeyReference<'_>, Refusal> {
        let algorithm = self.header.alg.parse().map_err(|_| Refusal::Algorithm)?;
        if !policy.accepts(algorithm) {
            return Err(Refusal::Algorithm);
        }
        let kid = self.header.kid.as_deref().ok_or(Refusal::Malformed("no key id"))?;
        Ok(KeyReference { kid, algorithm })
    }
}

impl Header {
    fn parse(bytes: &[u8], kind: &Kind) -> Result<Self, Refusal> {
        let object = strict::Object::check(bytes).map_err(Refusal::Malformed)?;
        if REFUSED_MEMBERS.iter().any(|name| object.has(name)) {
            return Err(Refusal::Malformed("a header member that is not understood"));
        }
        let header: Self = object.read().map_err(|_| Refusal::Malformed("the header"))?;
        if header.kid.as_ref().is_some_and(|kid| kid.is_empty() || kid.len() > MAX_KID) {
            return Err(Refusal::Malformed("the key id"));
        }
        let names =
            |typ: &String| typ.eq_ignore_ascii_case(kind.typ) || typ.eq_ignore_ascii_case(kind.media_type);
        if header.typ.as_ref().is_some_and(names) { Ok(header) } else { Err(Refusal::Type) }
    }
}

/// Decodes base64url without padding. Empty text and non-canonical encodings are refused.
pub(crate) fn decode(part: &str) -> Result<Vec<u8>, Refusal> {
    match URL_SAFE_NO_PAD.decode(part) {
        Ok(bytes) if !bytes.is_empty() => Ok(bytes),
        _ => Err(Refusal::Malformed("not base64url")),
    }
}
