//! One signing key: made, opened, used, and shown as its public half. It is parsed once, not at each signature.

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::encoding::AsDer as _;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _, RSA_PKCS1_SHA256, RsaKeyPair,
};
use aws_lc_rs::{encoding::Pkcs8V1Der, error::Unspecified, hmac};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::jwk::{
    AlgorithmParameters, CommonParameters, EllipticCurve, EllipticCurveKeyParameters, EllipticCurveKeyType,
    Jwk, KeyAlgorithm, OctetKeyPairParameters, OctetKeyPairType, PublicKeyUse, RSAKeyParameters, RSAKeyType,
};
use shared_claims::verifier::Algorithm;
use zeroize::Zeroizing;

use crate::domain::keyring::times::Times;

/// The secret of HS256 has no public half; its tokens name it so.
const SHARED_SECRET_KID: &str = "shared-secret";

/// RSA with less than 3072 bits does not reach a strength of 128 bits (OWASP ASVS 5, 11.2.3).
const RSA_SIZE: KeySize = KeySize::Rsa3072;

/// A private key that signs tokens. Deliberately without `Debug`.
pub(super) struct SigningKey {
    pub(super) kid: String,
    pub(super) algorithm: Algorithm,
    pub(super) times: Times,
    /// `None` for HS256.
    pub(super) public: Option<Jwk>,
    secret: Secret,
}

/// What is signed: the `typ` of its header keeps each kind from passing for another (RFC 8725 section 3.11).
#[derive(Debug, Clone, Copy)]
pub(super) enum Kind {
    /// RFC 9068 section 2.1.
    AccessToken,
    /// draft-ietf-oauth-status-list section 5.1.
    StatusList,
}

impl Kind {
    fn typ(self) -> &'static str {
        match self {
            Self::AccessToken => "at+jwt",
            Self::StatusList => "statuslist+jwt",
        }
    }
}

enum Secret {
    Es256(EcdsaKeyPair),
    EdDsa(Ed25519KeyPair),
    Rs256(Box<RsaKeyPair>),
    Hs256(Box<hmac::Key>),
}

impl SigningKey {
    /// Makes a new private key, in PKCS #8 (RFC 5958).
    pub(super) fn generate(algorithm: Algorithm) -> Result<Zeroizing<Vec<u8>>, Unspecified> {
        let rng = SystemRandom::new();
        let pkcs8 = match algorithm {
            Algorithm::ES256 => {
                EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &rng)?.as_ref().to_vec()
            }
            Algorithm::EdDSA => Ed25519KeyPair::generate_pkcs8(&rng)?.as_ref().to_vec(),
            Algorithm::RS256 => {
                let pair = RsaKeyPair::generate(RSA_SIZE)?;
                let der: Pkcs8V1Der<'static> = pair.as_der()?;
                der.as_ref().to_vec()
            }
            _ => return Err(Unspecified), // HS256: its secret is given, never made
        };
        Ok(Zeroizing::new(pkcs8))
    }

    /// Opens a key that `generate` made. The public half comes from the private one, so that nothing else in the
    /// database decides what is published. The `kid` is the RFC 7638 thumbprint of that half.
    pub(super) fn from_pkcs8(algorithm: Algorithm, pkcs8: &[u8], times: Times) -> Option<Self> {
        let (secret, parameters, name) = match algorithm {
            Algorithm::ES256 => {
                let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8).ok()?;
                let parameters = p256_parameters(pair.public_key().as_ref())?;
                (Secret::Es256(pair), parameters, KeyAlgorithm::ES256)
            }
            Algorithm::EdDSA => {
                let pair = Ed25519KeyPair::from_pkcs8(pkcs8).ok()?;
                let parameters = AlgorithmParameters::OctetKeyPair(OctetKeyPairParameters {
                    key_type: OctetKeyPairType::OctetKeyPair,
                    curve: EllipticCurve::Ed25519,
                    x: URL_SAFE_NO_PAD.encode(pair.public_key().as_ref()),
                });
                (Secret::EdDsa(pair), parameters, KeyAlgorithm::EdDSA)
            }
            Algorithm::RS256 => {
                let pair = RsaKeyPair::from_pkcs8(pkcs8).ok()?;
                let public = pair.public_key();
                let parameters = AlgorithmParameters::RSA(RSAKeyParameters {
                    key_type: RSAKeyType::RSA,
                    n: URL_SAFE_NO_PAD.encode(public.modulus().big_endian_without_leading_zero()),
                    e: URL_SAFE_NO_PAD.encode(public.exponent().big_endian_without_leading_zero()),
                });
                (Secret::Rs256(Box::new(pair)), parameters, KeyAlgorithm::RS256)
            }
            _ => return None,
        };
        let common = CommonParameters {
            public_key_use: Some(PublicKeyUse::Signature),
            key_algorithm: Some(name),
            ..CommonParameters::default()
        };
        let kid = thumbprint(&parameters)?;
        let mut public = Jwk { common, algorithm: parameters };
        public.common.key_id = Some(kid.clone());
        Some(Self { kid, algorithm, times, public: Some(public), secret })
    }

    /// HS256 with a secret that every service knows.
    pub(super) fn shared_secret(secret: &[u8]) -> Self {
        Self {
            kid: SHARED_SECRET_KID.to_owned(),
            algorithm: Algorithm::HS256,
            times: Times { created_at: 0, active_from: 0 },
            public: None,
            secret: Secret::Hs256(Box::new(hmac::Key::new(hmac::HMAC_SHA256, secret))),
        }
    }

    /// A JWS in compact form (RFC 7515 section 7.1).
    pub(super) fn sign_jws(&self, kind: Kind, payload: &[u8]) -> Result<String, Unspecified> {
        let mut token = String::with_capacity(payload.len() * 4 / 3 + 700);
        URL_SAFE_NO_PAD.encode_string(self.header(kind), &mut token);
        token.push('.');
        URL_SAFE_NO_PAD.encode_string(payload, &mut token);
        let signature = self.sign(token.as_bytes())?;
        token.push('.');
        URL_SAFE_NO_PAD.encode_string(signature, &mut token);
        Ok(token)
    }

    /// What a token of this key has beside its payload: header, signature and two dots.
    pub(super) fn frame_bytes(&self, kind: Kind) -> usize {
        let signature = match &self.secret {
            Secret::Es256(_) | Secret::EdDsa(_) => 64,
            Secret::Hs256(_) => 32,
            Secret::Rs256(pair) => pair.public_modulus_len(),
        };
        encoded_length(self.header(kind).len()) + encoded_length(signature) + 2
    }

    fn header(&self, kind: Kind) -> String {
        serde_json::json!({ "typ": kind.typ(), "alg": self.algorithm, "kid": self.kid }).to_string()
    }

    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, Unspecified> {
        let rng = SystemRandom::new();
        Ok(match &self.secret {
            Secret::Es256(pair) => pair.sign(&rng, message)?.as_ref().to_vec(),
            Secret::EdDsa(pair) => pair.try_sign(message)?.as_ref().to_vec(),
            Secret::Hs256(key) => hmac::sign(key, message).as_ref().to_vec(),
            Secret::Rs256(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(&RSA_PKCS1_SHA256, &rng, message, &mut signature)?;
                signature
            }
        })
    }
}

/// RFC 7638: the SHA-256 of the required members in alphabetical order. (jsonwebtoken's own wants a process-wide choice
/// of a crypto provider.)
fn thumbprint(parameters: &AlgorithmParameters) -> Option<String> {
    let members = match parameters {
        AlgorithmParameters::EllipticCurve(point) => {
            format!(r#"{{"crv":"P-256","kty":"EC","x":"{}","y":"{}"}}"#, point.x, point.y)
        }
        AlgorithmParameters::OctetKeyPair(pair) => {
            format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{}"}}"#, pair.x)
        }
        AlgorithmParameters::RSA(rsa) => format!(r#"{{"e":"{}","kty":"RSA","n":"{}"}}"#, rsa.e, rsa.n),
        _ => return None,
    };
    Some(URL_SAFE_NO_PAD.encode(digest(&SHA256, members.as_bytes())))
}

/// From the uncompressed point `04 || x || y` (SEC 1 section 2.3.3).
fn p256_parameters(point: &[u8]) -> Option<AlgorithmParameters> {
    let (x, y) = point.strip_prefix(&[4])?.split_at_checked(32)?;
    Some(AlgorithmParameters::EllipticCurve(EllipticCurveKeyParameters {
        key_type: EllipticCurveKeyType::EC,
        curve: EllipticCurve::P256,
        x: URL_SAFE_NO_PAD.encode(x),
        y: URL_SAFE_NO_PAD.encode(y),
    }))
}

/// Returns the length of this many bytes in base64url without padding.
pub(in crate::domain) fn encoded_length(bytes: usize) -> usize {
    (bytes * 4).div_ceil(3)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_frame_is_what_a_token_has_beside_its_payload() {
        let times = Times { created_at: 0, active_from: 0 };
        let made = [Algorithm::ES256, Algorithm::EdDSA, Algorithm::RS256].map(|algorithm| {
            let pkcs8 = SigningKey::generate(algorithm).unwrap();
            SigningKey::from_pkcs8(algorithm, &pkcs8, times).unwrap()
        });
        for key in made.into_iter().chain([SigningKey::shared_secret(&[7; 32])]) {
            for payload in [&b"{}"[..], b"{ }", b"{  }"] {
                let token = key.sign_jws(Kind::AccessToken, payload).unwrap();
                let expected = key.frame_bytes(Kind::AccessToken) + encoded_length(payload.len());
                assert_eq!(token.len(), expected, "{:?}", key.algorithm);
            }
        }
    }

    #[test]
    fn the_thumbprint_is_the_one_of_rfc_7638_section_3_1() {
        let n = "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRX\
                 jBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAt\
                 aSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPk\
                 sINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw";
        let rsa = RSAKeyParameters { key_type: RSAKeyType::RSA, n: n.to_owned(), e: "AQAB".to_owned() };
        let print = thumbprint(&AlgorithmParameters::RSA(rsa)).unwrap();
        assert_eq!(print, "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs");
    }
}
