//! The signature algorithms that this crate can verify, by their JOSE names (RFC 7518, RFC 8037, RFC 9864).
//!
//! There is no `none`. A policy, a key or a token cannot have an algorithm that is not listed here.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// A signature algorithm. Names are compared case-sensitively, as RFC 7515 says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Algorithm {
    /// ECDSA on P-256 with SHA-256.
    ES256,
    /// Ed25519. Encoded as `EdDSA`; `Ed25519`, its fully specified name in RFC 9864, is read as well.
    EdDSA,
    /// RSASSA-PKCS1-v1_5 with SHA-256, which RFC 9068 requires of every verifier.
    RS256,
    /// HMAC with SHA-256: every verifier could also sign. Only for
    /// [`Verifier::with_shared_secret`](crate::Verifier::with_shared_secret).
    HS256,
}

impl Algorithm {
    /// Returns the name in a JOSE header.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ES256 => "ES256",
            Self::EdDSA => "EdDSA",
            Self::RS256 => "RS256",
            Self::HS256 => "HS256",
        }
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The name is not one of this crate's algorithms.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not one of the algorithms ES256, EdDSA, RS256, HS256")]
pub struct UnknownAlgorithm;

impl FromStr for Algorithm {
    type Err = UnknownAlgorithm;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        match name {
            "ES256" => Ok(Self::ES256),
            "EdDSA" | "Ed25519" => Ok(Self::EdDSA),
            "RS256" => Ok(Self::RS256),
            "HS256" => Ok(Self::HS256),
            _ => Err(UnknownAlgorithm),
        }
    }
}

impl Serialize for Algorithm {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for Algorithm {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}
