//! Tokens that must be accepted: those of the test kit and those of the jsonwebtoken crate, which is the reference in both
//! directions.

use crate::support::{
    AUDIENCE, ISSUER, Signer, check_table, claims, key_set, outcome, policy, subtracted_from_n, verifier,
    with,
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{DecodingKey, EncodingKey, Header, Validation, jwk::Jwk};
use serde_json::{Value, json};
use shared_claims::{
    Policy, Verifier,
    error::SetupError,
    testing::TestIssuer,
    verifier::{Algorithm, Readiness},
};
use std::time::Duration;

const SECRET: &[u8] = b"a secret of thirty-two bytes, or more";

#[test]
fn spellings_that_mean_the_same_are_accepted() {
    let (es, ed) = (Signer::es256("es"), Signer::eddsa("ed"));
    let token = |name: &str, value: &str| es.token_under(&with(es.header(), name, json!(value)));
    let rows = [
        ("typ in upper case", token("typ", "AT+JWT")),
        ("typ in mixed case", token("typ", "At+Jwt")),
        ("typ with application/", token("typ", "application/at+jwt")),
        ("typ with APPLICATION/", token("typ", "APPLICATION/AT+JWT")),
        ("an unknown header member", token("nonce", "x")),
        ("an unknown claim", es.token_of(&with(claims(), "tenant", json!({"id": [1, null]})))),
        ("JSON with blanks", es.compact(es.header().to_string(), format!(" {:#}\r\n", claims()))),
        ("EdDSA by its new name", ed.token_under(&with(ed.header(), "alg", json!("Ed25519")))),
        (
            "an exponent",
            es.compact(es.header().to_string(), claims().to_string().replace("1800000600", "18000006e2")),
        ),
    ];
    check_table(&verifier(&[&es, &ed]), rows.map(|(name, token)| (name.to_owned(), token, "accepted")));
}

#[test]
fn tokens_of_the_jsonwebtoken_crate_verify() {
    for signer in [Signer::es256("k"), Signer::eddsa("k"), Signer::rs256("k")] {
        let mut header = Header::new(signer.alg().parse().unwrap());
        header.typ = Some("at+jwt".to_owned());
        header.kid = Some("k".to_owned());
        let token = jsonwebtoken::encode(&header, &claims(), &foreign_key(&signer)).unwrap();
        let verified = verifier(&[&signer]).verify_now(&token).unwrap();
        assert_eq!(serde_json::to_value(&*verified).unwrap(), claims(), "{}", signer.alg());
    }
}

#[test]
fn the_other_ecdsa_signature_of_a_token_is_valid_too_and_is_no_way_around_a_revocation() {
    // (r, n - s) is a valid signature too, so the text of a token must never identify it.
    let issuer = TestIssuer::new();
    let orders = issuer.verifier(AUDIENCE);
    let token = issuer.token("alice").sign();
    let (text, signature) = token.rsplit_once('.').unwrap();
    let signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
    let mirrored = [&signature[..32], &subtracted_from_n(&signature[32..])].concat();
    let mirrored = format!("{text}.{}", crate::support::b64(mirrored));
    assert_eq!(outcome(orders.verify_now(&mirrored)), "accepted");
    issuer.revoke(&token);
    assert_eq!(outcome(orders.verify_now(&mirrored)), "revoked");
}

fn foreign_key(signer: &Signer) -> EncodingKey {
    let der = signer.pkcs8();
    match signer.alg() {
        "ES256" => EncodingKey::from_ec_der(&der),
        "EdDSA" => EncodingKey::from_ed_der(&der),
        _ => EncodingKey::from_rsa_der(&der[26..]), // PKCS #1 is inside PKCS #8
    }
}

#[test]
fn tokens_that_we_accept_verify_with_the_jsonwebtoken_crate() {
    for signer in [Signer::es256("k"), Signer::eddsa("k"), Signer::rs256("k")] {
        // That crate uses the system clock; this token is valid until the year 2100.
        let token = signer.token_of(&with(with(claims(), "exp", json!(4_102_444_800_u64)), "nbf", json!(1)));
        verifier(&[&signer]).verify_now(&token).unwrap();
        let jwk: Jwk = serde_json::from_value(signer.jwk()).unwrap();
        let mut validation = Validation::new(signer.alg().parse().unwrap());
        validation.set_audience(&[AUDIENCE]);
        validation.set_issuer(&[ISSUER]);
        let read = jsonwebtoken::decode::<Value>(&token, &DecodingKey::from_jwk(&jwk).unwrap(), &validation);
        assert_eq!(read.unwrap().claims["sub"], "user-1");
    }
}

#[test]
fn a_shared_secret_verifies_hs256_and_nothing_else() {
    let (shared, es) = (Signer::hs256(SECRET), Signer::es256("es"));
    let verifier =
        Verifier::with_shared_secret(policy(), SECRET).unwrap().with_clock(crate::support::clock());
    let header = |alg: &str| json!({"typ": "at+jwt", "alg": alg});
    let rows = [
        ("any kid", shared.token(), "accepted"),
        ("no kid", shared.token_under(&header("HS256")), "accepted"),
        ("another secret", Signer::hs256(&[7; 32]).token(), "signature"),
        ("an empty secret", Signer::hs256(&[]).token(), "signature"),
        ("HS384 in name", shared.token_under(&header("HS384")), "algorithm"),
        ("none", shared.token_under(&header("none")), "algorithm"),
        ("ES256", es.token(), "algorithm"),
        ("ES256 in name", shared.token_under(&header("ES256")), "algorithm"),
    ];
    check_table(&verifier, rows.map(|(name, token, expected)| (name.to_owned(), token, expected)));
    verifier.set_keys(key_set(&[&es]));
    assert_eq!(outcome(verifier.verify_now(&es.token())), "algorithm");
    assert_eq!(verifier.readiness(), Readiness::Ready { keys_age_secs: 0, revocations: None });
    assert!(!format!("{verifier:?}").contains("secret of"));
}

#[test]
fn only_the_algorithms_of_the_policy_are_accepted() {
    let (es, rsa) = (Signer::es256("es"), Signer::rs256("rsa"));
    let policy = policy().algorithms(&[Algorithm::ES256]).unwrap();
    let verifier = Verifier::with_keys(policy, key_set(&[&es, &rsa])).with_clock(crate::support::clock());
    assert_eq!(outcome(verifier.verify_now(&es.token())), "accepted");
    assert_eq!(outcome(verifier.verify_now(&rsa.token())), "algorithm");
}

#[test]
fn a_policy_that_would_check_nothing_cannot_be_made() {
    let none: [&str; 0] = [];
    assert_eq!(Policy::new(ISSUER, none).unwrap_err(), SetupError::NoAudience);
    assert_eq!(Policy::new(ISSUER, ["orders", ""]).unwrap_err(), SetupError::NoAudience);
    assert_eq!(Policy::new("", ["orders"]).unwrap_err(), SetupError::NoIssuer);
    assert_eq!(policy().algorithms(&[]).unwrap_err(), SetupError::Algorithms);
    assert_eq!(
        policy().algorithms(&[Algorithm::ES256, Algorithm::HS256]).unwrap_err(),
        SetupError::Algorithms
    );
    assert_eq!(policy().leeway(Duration::from_millis(300_001)).unwrap_err(), SetupError::Leeway);
    policy().leeway(Duration::from_secs(300)).unwrap();
    assert_eq!(Verifier::with_shared_secret(policy(), &[7; 31]).unwrap_err(), SetupError::ShortSecret);
}

#[test]
fn algorithms_are_known_by_their_jose_names() {
    for name in ["ES256", "EdDSA", "RS256", "HS256"] {
        let algorithm: Algorithm = name.parse().unwrap();
        assert_eq!(algorithm.to_string(), name);
        assert_eq!(serde_json::to_value(algorithm).unwrap(), json!(name));
        assert_eq!(serde_json::from_value::<Algorithm>(json!(name)).unwrap(), algorithm);
    }
    assert_eq!("Ed25519".parse(), Ok(Algorithm::EdDSA));
    assert!("none".parse::<Algorithm>().is_err() && "es256".parse::<Algorithm>().is_err());
}
