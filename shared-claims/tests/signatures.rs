//! Signatures that are wrong in the ways mathematics allows (attack table, rows 9 to 11).

mod support;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::json;
use support::{
    Signer, b64,
    bench::{Rows, bench, parts, refuse_all, row},
    check_table, claims, verifier, with,
};

/// The order of P-256.
const P256_N: [u8; 32] = [
    0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xbc, 0xe6, 0xfa,
    0xad, 0xa7, 0x17, 0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51,
];
/// The order of Ed25519's group, big-endian.
const ED25519_L: [u8; 32] = [
    0x10, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x14, 0xde, 0xf9, 0xde, 0xa2, 0xf7, 0x9c, 0xd6, 0x58,
    0x12, 0x63, 0x1a, 0x5c, 0xf5, 0xd3, 0xed,
];

/// A forger: a name, and what it makes of a message.
type Forger<'a> = (&'static str, Box<dyn FnOnce(&[u8]) -> Vec<u8> + 'a>);

fn check(signer: &Signer, forgers: Vec<Forger<'_>>, expected: &'static str) {
    let rows =
        forgers.into_iter().map(|(name, forge)| (name.to_owned(), signer.token_signed_by(forge), expected));
    check_table(&verifier(&[signer]), rows);
}

#[test]
fn a_forged_ecdsa_signature_is_refused() {
    let signer = Signer::es256("es");
    let (zero, one) = ([0; 32], add(&[0; 32], &[1]));
    let pair = |r: &[u8], s: &[u8]| [r, s].concat();
    let real = |message: &[u8]| {
        let signature = signer.sign(message);
        (signature[..32].to_vec(), signature[32..].to_vec())
    };
    let forgers: Vec<Forger<'_>> = vec![
        ("r = s = 0", Box::new(|_| pair(&zero, &zero))),
        ("r = 0", Box::new(|m| pair(&zero, &real(m).1))),
        ("s = 0", Box::new(|m| pair(&real(m).0, &zero))),
        ("r = n", Box::new(|m| pair(&P256_N, &real(m).1))),
        ("s = n", Box::new(|m| pair(&real(m).0, &P256_N))),
        ("r = s = n", Box::new(|_| pair(&P256_N, &P256_N))),
        ("r = s = 1", Box::new(|_| pair(&one, &one))),
        ("swapped", Box::new(|m| pair(&real(m).1, &real(m).0))),
        ("s + n", Box::new(|m| pair(&real(m).0, &add(&real(m).1, &P256_N)))),
        (
            "s + n in 33 bytes each",
            Box::new(|m| {
                let (r, s) = real(m);
                pair(&[&[0], &r[..]].concat(), &add(&[&[0], &s[..]].concat(), &P256_N))
            }),
        ),
        (
            "DER",
            Box::new(|m| {
                let (r, s) = real(m);
                [&[0x30, 70, 2, 33, 0], &r[..], &[2, 33, 0], &s[..]].concat()
            }),
        ),
        ("hexadecimal", Box::new(|m| hex(&signer.sign(m)))),
        ("leading zero", Box::new(|m| pair(&[0], &signer.sign(m)))),
    ];
    check(&signer, forgers, "signature");
}

#[test]
fn the_other_ecdsa_signature_of_the_same_key_is_valid() {
    // (r, n - s) verifies by mathematics; nothing may therefore take a token's text for its identity.
    let signer = Signer::es256("es");
    let mirrored = |message: &[u8]| {
        let signature = signer.sign(message);
        [signature[..32].to_vec(), subtract(&P256_N, &signature[32..])].concat()
    };
    check(&signer, vec![("mirrored", Box::new(mirrored))], "accepted");
}

#[test]
fn a_forged_ed25519_signature_is_refused() {
    let signer = Signer::eddsa("ed");
    let identity = [&[1], &[0; 31][..]].concat();
    let real = |message: &[u8]| {
        let signature = signer.sign(message);
        (signature[..32].to_vec(), signature[32..].to_vec())
    };
    let forgers: Vec<Forger<'_>> = vec![
        ("zero", Box::new(|_| vec![0; 64])),
        ("identity and zero", Box::new(|_| [identity.clone(), vec![0; 32]].concat())),
        ("identity and the real S", Box::new(|m| [identity.clone(), real(m).1].concat())),
        (
            "S + L",
            Box::new(|m| {
                let (r, mut s) = real(m);
                s.reverse(); // little-endian
                let mut s = add(&s, &ED25519_L);
                s.reverse();
                [r, s].concat()
            }),
        ),
    ];
    check(&signer, forgers, "signature");
}

#[test]
fn a_forged_rsa_signature_is_refused() {
    let signer = Signer::rs256("rsa");
    let n = URL_SAFE_NO_PAD.decode(signer.jwk()["n"].as_str().unwrap()).unwrap();
    let zero = vec![0; n.len()];
    let forgers: Vec<Forger<'_>> = vec![
        ("0", Box::new(|_| zero.clone())),
        ("1", Box::new(|_| add(&zero, &[1]))),
        ("n - 1", Box::new(|_| subtract(&n, &[1]))),
        ("n", Box::new(|_| n.clone())),
        ("s + n", Box::new(|m| add(&[&[0], &signer.sign(m)[..]].concat(), &n))),
        ("n - s", Box::new(|m| subtract(&n, &signer.sign(m)))),
        ("leading zero", Box::new(|m| [vec![0], signer.sign(m)].concat())),
    ];
    check(&signer, forgers, "signature");
}

#[test]
fn a_tampered_token_is_refused_also_right_after_the_good_one() {
    let bench = bench();
    let mut rows = Rows::new();
    for signer in [&bench.es, &bench.ed, &bench.rsa] {
        let good = signer.token();
        bench.verifier.verify_known(&good).unwrap();
        let (header, payload, signature) = parts(&good);
        let admin = b64(with(claims(), "roles", json!(["admin"])).to_string());
        let other = signer.token_of(&with(claims(), "sub", json!("user-2")));
        let (.., other_signature) = parts(&other);
        let bytes = signer.sign(b"something else");
        rows.extend([
            row("11 other claims", format!("{header}.{admin}.{signature}"), "signature"),
            row("11 another token's signature", format!("{header}.{payload}.{other_signature}"), "signature"),
            row(
                "11 a signature of something else",
                format!("{header}.{payload}.{}", b64(&bytes)),
                "signature",
            ),
            row(
                "11 doubled signature",
                format!("{header}.{payload}.{}", b64([bytes.clone(), bytes].concat())),
                "signature",
            ),
        ]);
        rows.extend((0..64).map(|byte| {
            let token = signer.token_signed_by(|message| {
                let mut signature = signer.sign(message);
                signature[byte] ^= 1 << (byte % 8);
                signature
            });
            row(format!("11 {} bit flip in byte {byte}", signer.alg()), token, "signature")
        }));
        rows.extend([1, 31, 32, 63].map(|length| {
            let token = signer.token_signed_by(|message| signer.sign(message)[..length].to_vec());
            row(format!("11 {} cut to {length}", signer.alg()), token, "signature")
        }));
    }
    refuse_all(&bench, rows);
}

/// `a + b`, big-endian, as long as `a`; what does not fit is cut off.
fn add(a: &[u8], b: &[u8]) -> Vec<u8> {
    let mut carry = 0;
    digits(a, b, |a, b| {
        let sum = u16::from(a) + u16::from(b) + carry;
        carry = sum >> 8;
        sum.to_le_bytes()[0]
    })
}

/// `a - b`, big-endian, as long as `a`.
fn subtract(a: &[u8], b: &[u8]) -> Vec<u8> {
    let mut borrow = false;
    digits(a, b, |a, b| {
        let (rest, first) = a.overflowing_sub(b);
        let (rest, second) = rest.overflowing_sub(u8::from(borrow));
        borrow = first || second;
        rest
    })
}

fn digits(a: &[u8], b: &[u8], mut step: impl FnMut(u8, u8) -> u8) -> Vec<u8> {
    let b = b.iter().rev().copied().chain(std::iter::repeat(0));
    let mut result: Vec<u8> = a.iter().rev().zip(b).map(|(a, b)| step(*a, b)).collect();
    result.reverse();
    result
}

fn hex(bytes: &[u8]) -> Vec<u8> {
    bytes.iter().flat_map(|byte| format!("{byte:02x}").into_bytes()).collect()
}
