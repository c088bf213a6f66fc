//! Attack 11: a good token, changed afterwards (RFC 7515 section 5.2). A verifier may have cached it by then.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use super::original::{Original, Variant, parts, with, without};
use crate::{
    algorithm::Algorithm,
    testing::{
        forgery::Rows,
        key::{TestKey, b64},
    },
};

pub(super) fn add(original: &Original, rows: &mut Rows) {
    for Variant { key, header, good } in original.each() {
        let algorithm = key.algorithm();
        let [head, payload, signature] = parts(good);
        for (name, claims) in changed_claims(original) {
            let token = format!("{head}.{}.{signature}", b64(claims.to_string()));
            rows.token(11, format!("{algorithm}, {name}"), token, "signature");
        }
        for (name, header) in [
            ("another member in its header", with(header, "x", 1)),
            ("its type spelled otherwise", with(header, "typ", "application/at+jwt")),
        ] {
            let token = format!("{}.{payload}.{signature}", b64(header.to_string()));
            rows.token(11, format!("{algorithm}, {name}"), token, "signature");
        }
        let spaced = format!("{head}.{}.{signature}", b64(format!("{} ", original.claims)));
        rows.token(11, format!("{algorithm}, a blank behind its claims"), spaced, "signature");
        let another = key.compact(header.to_string(), with(&original.claims, "jti", "another").to_string());
        let [.., another] = parts(&another);
        let token = format!("{head}.{payload}.{another}");
        rows.token(11, format!("{algorithm}, the signature of another token"), token, "signature");
        bytes_of_signatures(original, &Variant { key, header, good }, rows);
    }
    characters(original.good(), rows);
    strangers(original, rows);
}

/// What an attacker would like a token to say.
fn changed_claims(original: &Original) -> Vec<(&'static str, Value)> {
    let claims = &original.claims;
    vec![
        ("with the role admin", with(claims, "roles", json!(["admin"]))),
        ("with every scope", with(claims, "scope", "admin read write")),
        ("about another user", with(claims, "sub", "another-user")),
        ("with another username", with(claims, "username", "admin")),
        ("with a longer lifetime", with(claims, "exp", original.now + 1_000_000)),
        ("with another id", with(claims, "jti", "another-id")),
        ("of another client", with(claims, "client_id", "another-client")),
        (
            "with another index in the status list",
            with(claims, "status", json!({"status_list": {"idx": 0, "uri": "x"}})),
        ),
        ("without its status", without(claims, "status")),
        ("with a claim more", with(claims, "is_admin", true)),
    ]
}

fn bytes_of_signatures(original: &Original, variant: &Variant<'_>, rows: &mut Rows) {
    let Variant { key, header, good } = *variant;
    let algorithm = key.algorithm();
    let [head, payload, signature] = parts(good);
    let signature = URL_SAFE_NO_PAD.decode(signature).unwrap_or_default();
    let mut row = |name: String, signature: &[u8]| {
        let token = format!("{head}.{payload}.{}", b64(signature));
        rows.token(11, format!("{algorithm}, {name}"), token, "signature");
    };
    for place in 0..64 {
        let mut changed = signature.clone();
        let at = place * signature.len() / 64;
        let bit = (place + 3) % 8;
        changed[at] ^= 1 << bit;
        row(format!("bit {bit} of byte {at} of its signature changed"), &changed);
    }
    for length in [1, 31, 32, signature.len() / 2 + 1, signature.len() - 1] {
        row(format!("its signature cut to {length} bytes"), &signature[..length]);
    }
    row("its signature twice".to_owned(), &[&signature[..], &signature].concat());
    row("random bytes for a signature".to_owned(), &b64(&signature).as_bytes()[..signature.len()]);
    let elsewhere = key.sign(original.claims.to_string().as_bytes());
    row("a signature of its claims alone".to_owned(), &elsewhere);
    row("a signature of its payload alone".to_owned(), &key.sign(payload.as_bytes()));
    row("a signature of its header alone".to_owned(), &key.sign(head.as_bytes()));
    let json = format!("{header}.{}", original.claims);
    row("a signature of its JSON".to_owned(), &key.sign(json.as_bytes()));
    row(
        "a signature of its text with a blank".to_owned(),
        &key.sign(format!("{head}.{payload} ").as_bytes()),
    );
}

/// Changes to each part as text. Which check fails depends on what becomes of the JSON.
fn characters(good: &str, rows: &mut Rows) {
    for cut in [1, 3, 4, 10, 40, 100] {
        if let Some(token) = good.get(..good.len() - cut) {
            rows.token(11, format!("cut short by {cut} characters"), token, "");
        }
        if let Some(token) = good.get(cut..) {
            rows.token(11, format!("without its first {cut} characters"), token, "");
        }
    }
    for more in ["B", "AA", "AAAA", "_", "AAAAAAAAAAAAAAAA"] {
        rows.token(11, format!("{more:?} behind it"), format!("{good}{more}"), "");
        rows.token(11, format!("{more:?} before it"), format!("{more}{good}"), "");
    }
    let signed = good.rfind('.').unwrap_or_default();
    for at in (0..signed).step_by(5).filter(|at| good.as_bytes()[*at] != b'.') {
        let other = if &good[at..=at] == "B" { "C" } else { "B" };
        let token = format!("{}{other}{}", &good[..at], &good[at + 1..]);
        rows.token(11, format!("another character at {at}"), token, "");
    }
}

/// Valid tokens that are signed by an attacker.
fn strangers(original: &Original, rows: &mut Rows) {
    for Variant { key, .. } in original.each() {
        let stranger = match key.algorithm() {
            Algorithm::EdDSA => TestKey::eddsa("stranger"),
            Algorithm::RS256 => TestKey::rs256("stranger"),
            _ => TestKey::es256("stranger"),
        };
        let [head, payload, _] = parts(original.good());
        let name = format!("a stranger's {} signature beneath it", key.algorithm());
        let token =
            format!("{head}.{payload}.{}", b64(stranger.sign(format!("{head}.{payload}").as_bytes())));
        rows.token(11, name, token, "signature");
    }
}
