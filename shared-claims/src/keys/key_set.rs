//! A map from key ids to public keys, each parsed once and bound to one algorithm (RFC 7517, RFC 8725).
//!
//! An entry that cannot be used is skipped, and the others keep working. A set without usable keys is an error, so that a bad
//! response cannot replace good keys.

use std::{
    collections::{HashMap, HashSet},
    fmt,
    ops::RangeInclusive,
};

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ED25519, ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents,
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, KeyOperations, PublicKeyUse};
use serde::{Deserialize, de::IgnoredAny};
use serde_json::Value;

use crate::{
    algorithm::Algorithm,
    claims::standard::present,
    error::{refusal::Refusal, setup::KeySetError},
    jws::{KeyReference, MAX_KID, Unverified},
};

const MAX_KEYS: usize = 100;
/// The accepted lengths of RSA moduli, in bits. The lower bound is from RFC 7518 section 3.3, the upper one limits the cost of
/// a signature.
const RSA_BITS: RangeInclusive<usize> = 2048..=8192;
/// The smallest public exponent, 65537, big-endian.
const MIN_RSA_EXPONENT: &[u8] = &[1, 0, 1];

/// The public keys of an issuer, by their `kid`.
#[derive(Debug)]
pub struct KeySet {
    pub(super) by_kid: HashMap<String, VerifyingKey>,
    #[cfg_attr(not(feature = "remote"), expect(dead_code, reason = "only fetched key sets are compared"))]
    revision: Option<u64>,
}

impl KeySet {
    /// Reads a JSON Web Key Set.
    ///
    /// These keys are skipped: symmetric keys; RSA keys outside 2048 to 8192 bits or with an exponent under 65537; points off
    /// the curve; keys with a `use` other than `sig`, with `key_ops` without `verify`, with an `alg` that does not match, with
    /// no `kid` or one over 256 bytes, or with a published private part. If different keys have the same `kid`, all of them
    /// are skipped.
    ///
    /// # Errors
    /// If the JSON is not a key set, or has more than 100 keys or no usable one.
    pub fn from_json(json: &[u8]) -> Result<Self, KeySetError> {
        #[derive(Deserialize)]
        struct Document {
            keys: Vec<Entry>,
            /// Any JSON: other issuers may use the name for something else.
            #[serde(default)]
            revision: Value,
        }
        let Document { keys, revision } =
            serde_json::from_slice(json).map_err(|_| KeySetError::NotAKeySet)?;
        if keys.len() > MAX_KEYS {
            return Err(KeySetError::TooMany);
        }
        let by_kid = Self::collect(keys.into_iter().filter_map(VerifyingKey::from_entry));
        if by_kid.is_empty() {
            return Err(KeySetError::Empty);
        }
        Ok(Self { by_kid, revision: revision.as_u64() })
    }

    /// Creates an empty key set, with which every token is refused as [of an unknown key](crate::error::Refusal::UnknownKey).
    /// For an issuer that verifies its own tokens and has withdrawn every key. A fetched key set is never empty.
    #[must_use]
    pub fn empty() -> Self {
        Self { by_kid: HashMap::new(), revision: None }
    }

    fn collect(keys: impl Iterator<Item = (String, VerifyingKey)>) -> HashMap<String, VerifyingKey> {
        let mut by_kid: HashMap<String, VerifyingKey> = HashMap::new();
        let mut ambiguous = HashSet::new();
        for (kid, key) in keys {
            if by_kid.get(&kid).is_some_and(|other| *other != key) {
                ambiguous.insert(kid);
            } else {
                by_kid.insert(kid, key);
            }
        }
        by_kid.retain(|kid, _| !ambiguous.contains(kid));
        by_kid
    }

    /// Returns the key ids, in no particular order.
    pub fn kids(&self) -> impl Iterator<Item = &str> {
        self.by_kid.keys().map(String::as_str)
    }

    /// Returns the member `revision`, which rises with each change of auth-service's key sets.
    #[cfg(feature = "remote")]
    pub(crate) fn revision(&self) -> Option<u64> {
        self.revision
    }

    /// Returns whether there is a key with this id.
    #[cfg(feature = "remote")]
    pub(crate) fn has(&self, kid: &str) -> bool {
        self.by_kid.contains_key(kid)
    }

    /// Returns the algorithm of the key with this id.
    pub(crate) fn algorithm_of(&self, kid: &str) -> Option<Algorithm> {
        self.by_kid.get(kid).map(|key| key.algorithm)
    }

    /// Checks the signature of `token` with `key`, which must have the algorithm that the header names.
    pub(crate) fn verify(&self, key: KeyReference<'_>, token: &Unverified<'_>) -> Result<(), Refusal> {
        let KeyReference { kid, algorithm } = key;
        let key = self.by_kid.get(kid).ok_or(Refusal::UnknownKey)?;
        if key.algorithm != algorithm {
            return Err(Refusal::Algorithm);
        }
        key.verify(token.signed.as_bytes(), &token.signature)
    }

    /// Returns whether both have the same keys under the same ids.
    pub(crate) fn is_same_as(&self, other: &Self) -> bool {
        self.by_kid == other.by_kid
    }
}

/// One entry of a key set. It is not a `serde_json::Value`, whose handling of numbers depends on features that other crates
/// may enable.
#[derive(Deserialize)]
#[serde(untagged)]
enum Entry {
    Key {
        /// Read separately, because `Jwk` does not know RFC 9864's name for `EdDSA`.
        #[serde(default, deserialize_with = "present")]
        alg: Option<Algorithm>,
        /// The private part.
        #[serde(default, deserialize_with = "present")]
        d: Option<IgnoredAny>,
        #[serde(flatten)]
        jwk: Box<Jwk>,
    },
    Odd(IgnoredAny),
}

/// A public key with its one algorithm.
pub(super) struct VerifyingKey {
    algorithm: Algorithm,
    parsed: ParsedPublicKey,
}

impl VerifyingKey {
    pub(super) fn verify(&self, message: &[u8], signature: &[u8]) -> Result<(), Refusal> {
        self.parsed.verify_sig(message, signature).map_err(|_| Refusal::Signature)
    }

    /// Returns the key of an entry and its id, or `None` if it cannot be used.
    fn from_entry(entry: Entry) -> Option<(String, Self)> {
        let Entry::Key { alg, d: None, jwk } = entry else { return None };
        let key = Self::from_parameters(&jwk.algorithm)?;
        let alg_fits = alg.is_none_or(|alg| alg == key.algorithm);
        let kid = jwk.common.key_id.as_ref().filter(|kid| (1..=MAX_KID).contains(&kid.len()))?.clone();
        (alg_fits && is_for_verifying(&jwk)).then_some((kid, key))
    }

    fn from_parameters(parameters: &AlgorithmParameters) -> Option<Self> {
        let (algorithm, parsed) = match parameters {
            AlgorithmParameters::EllipticCurve(ec) if ec.curve == EllipticCurve::P256 => {
                (Algorithm::ES256, p256(&ec.x, &ec.y))
            }
            AlgorithmParameters::OctetKeyPair(okp) if okp.curve == EllipticCurve::Ed25519 => {
                (Algorithm::EdDSA, ed25519(&okp.x))
            }
            AlgorithmParameters::RSA(key) => (Algorithm::RS256, rsa(&key.n, &key.e)),
            _ => return None,
        };
        Some(Self { algorithm, parsed: parsed? })
    }
}

impl PartialEq for VerifyingKey {
    fn eq(&self, other: &Self) -> bool {
        self.algorithm == other.algorithm && self.parsed.as_ref() == other.parsed.as_ref()
    }
}

impl fmt::Debug for VerifyingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "VerifyingKey({})", self.algorithm)
    }
}

fn is_for_verifying(jwk: &Jwk) -> bool {
    let signs = jwk.common.public_key_use.as_ref().is_none_or(|is| *is == PublicKeyUse::Signature);
    let verifies = jwk.common.key_operations.as_ref().is_none_or(|are| are.contains(&KeyOperations::Verify));
    signs && verifies
}

/// Parses a point in its uncompressed form, which checks that it lies on the curve.
fn p256(x: &str, y: &str) -> Option<ParsedPublicKey> {
    let (x, y) = (decode(x)?, decode(y)?);
    let point = [&[4], x.as_slice(), y.as_slice()].concat();
    (x.len() == 32 && y.len() == 32).then(|| ParsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point).ok())?
}

fn ed25519(x: &str) -> Option<ParsedPublicKey> {
    let x = decode(x)?;
    (x.len() == 32).then(|| ParsedPublicKey::new(&ED25519, x).ok())?
}

fn rsa(n: &str, e: &str) -> Option<ParsedPublicKey> {
    let (n, e) = (decode(n)?, decode(e)?);
    let (n, e) = (without_leading_zeros(&n), without_leading_zeros(&e));
    let bits = n.len() * 8 - n.first()?.leading_zeros() as usize;
    let exponent_is_large = (e.len(), e) >= (MIN_RSA_EXPONENT.len(), MIN_RSA_EXPONENT);
    (RSA_BITS.contains(&bits) && exponent_is_large)
        .then(|| RsaPublicKeyComponents { n, e }.to_parsed_public_key(&RSA_PKCS1_2048_8192_SHA256).ok())?
}

fn without_leading_zeros(number: &[u8]) -> &[u8] {
    let zeros = number.iter().take_while(|byte| **byte == 0).count();
    &number[zeros..]
}

fn decode(text: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text).ok()
}
