//! Attack 9: signatures that are wrong in the ways mathematics allows (RFC 8725 section 3.4).

use aws_lc_rs::signature::{
    RSA_PKCS1_SHA384, RSA_PKCS1_SHA512, RSA_PSS_SHA256, RSA_PSS_SHA384, RSA_PSS_SHA512, RsaEncoding,
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use data_encoding::HEXLOWER;

use super::original::{Original, Variant, parts};
use crate::{
    algorithm::Algorithm,
    testing::{
        forgery::Rows,
        key::{TestKey, b64},
        numbers::{ED25519_L, P256_N, add as plus, reversed, subtract as minus},
    },
};

/// Points of Ed25519 of small order (RFC 7748 section 7), some in spellings that are not canonical.
const SMALL_ORDER: [&str; 11] = [
    "0100000000000000000000000000000000000000000000000000000000000000",
    "0100000000000000000000000000000000000000000000000000000000000080",
    "0000000000000000000000000000000000000000000000000000000000000080",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
];

const ONE: [u8; 32] =
    [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1];
const ZERO: [u8; 32] = [0; 32];

pub(super) fn add(original: &Original, rows: &mut Rows) {
    for Variant { key, good, .. } in original.each() {
        let [header, payload, signature] = parts(good);
        let text = format!("{header}.{payload}");
        let signature = URL_SAFE_NO_PAD.decode(signature).unwrap_or_default();
        let forged = match key.algorithm() {
            Algorithm::ES256 => ecdsa(key, &signature),
            Algorithm::EdDSA => ed25519(&signature),
            _ => rsa(key, &signature, text.as_bytes()),
        };
        for (name, forged) in forged {
            let code = if forged.is_empty() { "malformed" } else { "signature" };
            let token = format!("{text}.{}", b64(forged));
            rows.token(9, format!("{}: {name}", key.algorithm()), token, code);
        }
    }
}

type Forged = Vec<(String, Vec<u8>)>;

fn named<const N: usize>(table: [(&str, Vec<u8>); N]) -> Forged {
    table.map(|(name, signature)| (name.to_owned(), signature)).into()
}

fn ecdsa(key: &TestKey, signature: &[u8]) -> Forged {
    let (r, s) = signature.split_at(32);
    let pair = |r: &[u8], s: &[u8]| [r, s].concat();
    let n = &P256_N;
    let der = |r: &[u8], s: &[u8]| {
        let integer = |number: &[u8]| {
            let sign: &[u8] = if number[0] < 0x80 { &[] } else { &[0] };
            [&[2, u8::try_from(number.len() + sign.len()).unwrap_or_default()], sign, number].concat()
        };
        let both = [integer(r), integer(s)].concat();
        [&[0x30, u8::try_from(both.len()).unwrap_or_default()], &both[..]].concat()
    };
    let raw = &key.public_bytes()[1];
    named([
        ("r = s = 0", pair(&ZERO, &ZERO)),
        ("r = 0", pair(&ZERO, s)),
        ("s = 0", pair(r, &ZERO)),
        ("r = 1, s = 0", pair(&ONE, &ZERO)),
        ("r = 0, s = 1", pair(&ZERO, &ONE)),
        ("r = s = 1", pair(&ONE, &ONE)),
        ("r = 1", pair(&ONE, s)),
        ("s = 1", pair(r, &ONE)),
        ("r = n", pair(n, s)),
        ("s = n", pair(r, n)),
        ("r = s = n", pair(n, n)),
        ("r = s = n - 1", pair(&minus(n, &ONE), &minus(n, &ONE))),
        ("r = n, s = 0", pair(n, &ZERO)),
        ("r = s", pair(r, r)),
        ("the greatest numbers", vec![0xff; 64]),
        ("r + n", pair(&plus(r, n), s)),
        ("s + n", pair(r, &plus(s, n))),
        ("n - r", pair(&minus(n, r), s)),
        ("swapped", pair(s, r)),
        ("little-endian", pair(&reversed(r), &reversed(s))),
        ("s + n in 33 bytes each", pair(&[&[0], r].concat(), &plus(&[&[0], s].concat(), n))),
        ("in 33 bytes each", pair(&[&[0], r].concat(), &[&[0], s].concat())),
        ("a zero before it", pair(&[0], signature)),
        ("a zero behind it", pair(signature, &[0])),
        ("in 96 bytes, as for P-384", [&[0; 16], r, &[0; 16], s].concat()),
        ("DER", der(r, s)),
        ("DER of zeros", vec![0x30, 6, 2, 1, 0, 2, 1, 0]),
        ("DER of nothing", vec![0x30, 0]),
        ("hexadecimal", HEXLOWER.encode(signature).into_bytes()),
        ("the public key's point", raw[1..].to_vec()),
        ("r of the public key", pair(&raw[1..33], s)),
    ])
}

fn ed25519(signature: &[u8]) -> Forged {
    let (r, s) = signature.split_at(32);
    let pair = |r: &[u8], s: &[u8]| [r, s].concat();
    let many = |times: usize| {
        let l = reversed(&ED25519_L);
        reversed(&(0..times).fold(reversed(s), |sum, _| plus(&sum, &l)))
    };
    let mut forged = named([
        ("zero", vec![0; 64]),
        ("the greatest numbers", vec![0xff; 64]),
        ("R = 0", pair(&ZERO, s)), // a point of small order
        ("S = 0", pair(r, &ZERO)),
        ("S = L", pair(r, &ED25519_L)),
        ("S + L", pair(r, &many(1))),
        ("S + 2 L", pair(r, &many(2))),
        ("S + 8 L", pair(r, &many(8))),
        ("S with its highest bit", pair(r, &[&s[..31], &[s[31] | 0x80]].concat())),
        ("R with its sign changed", pair(&[&r[..31], &[r[31] ^ 0x80]].concat(), s)),
        ("swapped", pair(s, r)),
        ("big-endian", pair(&reversed(r), &reversed(s))),
        ("a zero behind it", pair(signature, &[0])),
        ("hexadecimal", HEXLOWER.encode(signature).into_bytes()),
    ]);
    for point in SMALL_ORDER {
        let bytes = HEXLOWER.decode(point.as_bytes()).unwrap_or_default();
        forged.push((format!("the point {point} and S = 0"), pair(&bytes, &ZERO)));
        forged.push((format!("the point {point} and the real S"), pair(&bytes, s)));
    }
    forged
}

fn rsa(key: &TestKey, signature: &[u8], text: &[u8]) -> Forged {
    let jwk = key.jwk();
    let n = jwk["n"].as_str().and_then(|n| URL_SAFE_NO_PAD.decode(n).ok()).unwrap_or_default();
    let zero = vec![0; n.len()];
    let number = |number: u8| plus(&zero, &[number]);
    let longer = |bytes: &[u8]| [&[0], bytes].concat();
    let mut forged = named([
        ("0", zero.clone()),
        ("1", number(1)),
        ("2", number(2)),
        ("n - 1", minus(&n, &[1])),
        ("n", n.clone()),
        ("n + 1", plus(&n, &[1])),
        ("the greatest number", vec![0xff; n.len()]),
        ("s + n", plus(&longer(signature), &n)),
        ("n - s", minus(&n, signature)),
        ("a zero before it", longer(signature)),
        ("a zero behind it", [signature, &[0]].concat()),
        ("without its first byte", signature[1..].to_vec()),
        ("little-endian", reversed(signature)),
        ("a single zero", vec![0]),
        ("the message in plain PKCS #1, as if e were 1", unsigned_pkcs1(n.len(), text)),
    ]);
    let encodings: [(&str, &'static dyn RsaEncoding); 5] = [
        ("RS384", &RSA_PKCS1_SHA384),
        ("RS512", &RSA_PKCS1_SHA512),
        ("PS256", &RSA_PSS_SHA256),
        ("PS384", &RSA_PSS_SHA384),
        ("PS512", &RSA_PSS_SHA512),
    ];
    for (name, encoding) in encodings {
        let signature = key.sign_rsa(encoding, text).unwrap_or_default();
        forged.push((format!("a real {name} signature"), signature));
    }
    forged
}

/// Returns the encoded message that an RSA signature is computed from (RFC 8017 section 9.2).
fn unsigned_pkcs1(length: usize, text: &[u8]) -> Vec<u8> {
    const SHA256: [u8; 19] = [
        0x30, 0x31, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01, 0x05, 0x00,
        0x04, 0x20,
    ];
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, text);
    let end = [&[0], &SHA256[..], digest.as_ref()].concat();
    [&[0, 1], &vec![0xff; length - 2 - end.len()][..], &end].concat()
}
