//! Attacks 4 to 6: the algorithm is `none`, not the key's, or one that uses the public key as a secret (RFC 8725 sections 2.1,
//! 3.1 and 3.2).

use aws_lc_rs::hmac;
use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Value, json};

use super::original::{Original, Variant, parts, short, with, without, wrong_types};
use crate::testing::{
    forgery::Rows,
    key::{TestKey, b64, hmac_of},
};

const NONE: [&str; 17] = [
    "none",
    "None",
    "NONE",
    "nOnE",
    "nonE",
    " none",
    "none ",
    "none\t",
    "none\n",
    "none\0",
    "\0none",
    "",
    "null",
    "n\u{43e}ne", // Cyrillic
    "\u{ff4e}one",
    "none,ES256",
    "plain",
];

const OTHERS: [&str; 36] = [
    "es256",
    "Es256",
    "ES256 ",
    " ES256",
    "ES256\0",
    "ES-256",
    "ES384",
    "ES512",
    "ES256K",
    "ESB256",
    "ED25519",
    "Ed448",
    "eddsa",
    "PS256",
    "PS384",
    "PS512",
    "rs256",
    "RS1",
    "RS384",
    "RS512",
    "HS1",
    "hs256",
    "HS256/64",
    "dir",
    "RSA1_5",
    "RSA-OAEP",
    "RSA-OAEP-256",
    "A128KW",
    "A256GCMKW",
    "ECDH-ES",
    "ECDH-ES+A128KW",
    "PBES2-HS256+A128KW",
    "PBES2-HS512+A256KW",
    "ML-DSA-44",
    "SHA256",
    "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256",
];

const HMACS: [(&str, hmac::Algorithm); 3] =
    [("HS256", hmac::HMAC_SHA256), ("HS384", hmac::HMAC_SHA384), ("HS512", hmac::HMAC_SHA512)];

pub(super) fn add(original: &Original, rows: &mut Rows) {
    for name in NONE {
        for header in [original.header(), without(&original.header(), "kid")] {
            let with_kid = if header.get("kid").is_some() { "" } else { " and no key" };
            let token = original.under(&with(&header, "alg", name));
            let unsigned = token.rsplit_once('.').unwrap_or_default().0;
            let forged = format!("{unsigned}.{}", b64("none"));
            rows.token(4, format!("alg {name:?}{with_kid}, with its signature"), &token, "algorithm");
            rows.token(4, format!("alg {name:?}{with_kid}, unsigned"), format!("{unsigned}."), "malformed");
            rows.token(4, format!("alg {name:?}{with_kid}, signed with a word"), forged, "algorithm");
        }
    }
    for value in wrong_types().into_iter().chain([json!(["none"]), json!(["ES256"]), json!({"alg": "none"})])
    {
        let token = original.header_with("alg", value.clone());
        rows.token(4, format!("alg {}", short(&value)), token, "malformed");
    }
    rows.token(4, "no alg", original.under(&without(&original.header(), "alg")), "malformed");
    let capital = with(&without(&original.header(), "alg"), "ALG", original.header()["alg"].clone());
    rows.token(4, "alg in capitals alone", original.under(&capital), "malformed");
    others(original, rows);
    public_keys_as_secrets(original, rows);
}

fn others(original: &Original, rows: &mut Rows) {
    for Variant { key, header, .. } in original.each() {
        let own = key.algorithm();
        for name in OTHERS {
            let token = key.compact(with(header, "alg", name).to_string(), original.claims.to_string());
            rows.token(5, format!("the {own} key, called {name:?}"), token, "algorithm");
        }
        for other in original.keys.iter().filter(|other| other.algorithm() != own) {
            let called = with(header, "alg", other.algorithm().as_str());
            let token = key.compact(called.to_string(), original.claims.to_string());
            rows.token(5, format!("the {own} key, called {}", other.algorithm()), token, "algorithm");
            let named = with(header, "kid", other.kid());
            let token = key.compact(named.to_string(), original.claims.to_string());
            rows.token(
                5,
                format!("the {own} key, by the id of the {} key", other.algorithm()),
                token,
                "algorithm",
            );
            let both = with(&called, "kid", other.kid());
            let token = key.compact(both.to_string(), original.claims.to_string());
            rows.token(5, format!("the {own} key for the {} key", other.algorithm()), token, "signature");
        }
    }
    for count in [1_u64 << 31, u64::MAX, 1] {
        let mut header = with(&original.header(), "alg", "PBES2-HS256+A128KW");
        header["p2c"] = json!(count);
        header["p2s"] = json!(b64("salt"));
        header["enc"] = json!("A128GCM");
        rows.token(5, format!("{count} rounds of PBES2"), original.under(&header), "algorithm");
    }
}

fn public_keys_as_secrets(original: &Original, rows: &mut Rows) {
    for Variant { key, header, .. } in original.each() {
        for (form, secret) in secrets(key, original) {
            for (name, algorithm) in HMACS {
                let text = format!(
                    "{}.{}",
                    b64(with(header, "alg", name).to_string()),
                    b64(original.claims.to_string())
                );
                let token = format!("{text}.{}", b64(hmac_of(algorithm, &secret, text.as_bytes())));
                let name = format!("{name} keyed with {form} of the {} key", key.algorithm());
                rows.token(6, name, token, "algorithm");
            }
        }
        // The same with the original header, for verifiers that guess the algorithm from the length of a signature.
        let [header, payload, _] = parts(original.good()).map(str::to_owned);
        let text = format!("{header}.{payload}");
        let secret = key.public_bytes().remove(0);
        let token = format!("{text}.{}", b64(hmac_of(hmac::HMAC_SHA256, &secret, text.as_bytes())));
        rows.token(
            6,
            format!("a MAC by the {} key where a signature is", key.algorithm()),
            token,
            "signature",
        );
    }
}

/// Everything that a verifier may take for the bytes of a public key.
fn secrets(key: &TestKey, original: &Original) -> Vec<(String, Vec<u8>)> {
    let (jwk, raw) = (key.jwk(), key.public_bytes());
    let mut secrets =
        vec![("the X.509".to_owned(), raw[0].clone()), ("the raw form".to_owned(), raw[1].clone())];
    for (form, pem) in pems("PUBLIC KEY", &raw[0]) {
        secrets.push((format!("the PEM {form}"), pem));
    }
    if key.algorithm() == crate::algorithm::Algorithm::RS256 {
        for (form, pem) in pems("RSA PUBLIC KEY", &raw[1]) {
            secrets.push((format!("the PKCS #1 PEM {form}"), pem));
        }
    }
    let sets = json!({"keys": original.keys.iter().map(TestKey::jwk).collect::<Vec<_>>()});
    secrets.extend([
        ("the JWK".to_owned(), jwk.to_string().into_bytes()),
        ("the key set".to_owned(), sets.to_string().into_bytes()),
        ("the key set of it alone".to_owned(), json!({"keys": [jwk]}).to_string().into_bytes()),
        ("the id".to_owned(), key.kid().as_bytes().to_vec()),
        ("nothing".to_owned(), Vec::new()), // equivalent to any number of NULs for a MAC
        ("the issuer's name".to_owned(), original.issuer.clone().into_bytes()),
    ]);
    for member in ["x", "y", "n", "e"] {
        if let Some(Value::String(text)) = jwk.get(member) {
            secrets.push((format!("the text of {member}"), text.clone().into_bytes()));
        }
    }
    secrets
}

/// Returns PEM with four kinds of line ends.
fn pems(label: &str, der: &[u8]) -> [(&'static str, Vec<u8>); 4] {
    let text = STANDARD.encode(der);
    let lines: Vec<_> = text.as_bytes().chunks(64).map(String::from_utf8_lossy).collect();
    let pem = format!("-----BEGIN {label}-----\n{}\n-----END {label}-----", lines.join("\n"));
    [
        ("with a last line break", format!("{pem}\n").into_bytes()),
        ("without a last line break", pem.clone().into_bytes()),
        ("with Windows' line breaks", pem.replace('\n', "\r\n").into_bytes()),
        ("without line breaks", pem.replace('\n', "").into_bytes()),
    ]
}
