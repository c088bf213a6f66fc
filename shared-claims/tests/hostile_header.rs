//! Attacks on the header of a token: each is a row with the code it must be refused with.
//! The numbers are those of the requirements' attack table.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod support;

use serde_json::{Value, json};
use support::{
    Signer, b64,
    bench::{Rows, bench, refuse_all, row},
    claims, hmac_sha256, with, without,
};

#[test]
fn an_algorithm_that_is_not_the_keys_own_is_refused() {
    let bench = bench();
    let mut rows = Rows::new();
    let names = [
        "none",
        "None",
        "NONE",
        "nOnE",
        " none",
        "none ",
        "none\0",
        "",
        "n\u{43e}ne",
        "es256",
        "ES256 ",
        "Es256",
        "ES384",
        "ES512",
        "ES256K",
        "PS256",
        "RS384",
        "RS512",
        "HS384",
        "HS512",
        "dir",
        "RSA-OAEP",
        "A128KW",
        "PBES2-HS256+A128KW",
    ];
    for name in names {
        let header = with(bench.es.header(), "alg", json!(name));
        let token = bench.es.token_under(&header);
        rows.push(row(format!("4/5 alg {name:?}"), &token, "algorithm"));
        let unsigned = format!("{}.", token.rsplit_once('.').unwrap().0);
        rows.push(row(format!("4 alg {name:?} without signature"), unsigned, "malformed"));
    }
    for value in [Value::Null, json!(0), json!(true), json!(["ES256"]), json!({"alg": "ES256"})] {
        let header = with(bench.es.header(), "alg", value.clone());
        rows.push(row(format!("4 alg {value}"), bench.es.token_under(&header), "malformed"));
    }
    rows.push(row("4 no alg", bench.es.token_under(&without(bench.es.header(), "alg")), "malformed"));
    let signers = [&bench.es, &bench.ed, &bench.rsa];
    for signer in signers {
        for other in signers.iter().filter(|other| other.alg() != signer.alg()) {
            let header = with(signer.header(), "alg", json!(other.alg()));
            rows.push(row(
                format!("5 {} key as {}", signer.alg(), other.alg()),
                signer.token_under(&header),
                "algorithm",
            ));
            let header = with(signer.header(), "kid", json!(other.kid));
            rows.push(row(
                format!("5 {} under {}'s kid", signer.alg(), other.alg()),
                signer.token_under(&header),
                "algorithm",
            ));
        }
    }
    refuse_all(&bench, rows);
}

#[test]
fn a_token_signed_with_the_public_key_as_secret_is_refused() {
    let bench = bench();
    let mut rows = Rows::new();
    for signer in [&bench.es, &bench.ed, &bench.rsa] {
        let jwk = signer.jwk();
        let mut secrets = signer.public_bytes();
        for pem in signer.public_bytes().iter().flat_map(|der| pems(der)) {
            secrets.push(pem.into_bytes());
        }
        secrets.extend([
            jwk.to_string().into_bytes(),
            support::jwks(&[signer]).into_bytes(),
            signer.kid.clone().into_bytes(),
        ]);
        secrets.extend(
            ["x", "y", "n"].iter().filter_map(|part| jwk[part].as_str()).map(|part| part.as_bytes().to_vec()),
        );
        secrets.extend([Vec::new(), vec![0]]);
        for (index, secret) in secrets.iter().enumerate() {
            for alg in ["HS256", "HS384", "HS512"] {
                let signed = format!(
                    "{}.{}",
                    b64(with(signer.header(), "alg", json!(alg)).to_string()),
                    b64(claims().to_string())
                );
                let token = format!("{signed}.{}", b64(hmac_sha256(secret, signed.as_bytes())));
                rows.push(row(
                    format!("6 {alg} by form {index} of the {} key", signer.alg()),
                    token,
                    "algorithm",
                ));
            }
        }
    }
    refuse_all(&bench, rows);
}

#[test]
fn a_key_id_is_only_ever_looked_up() {
    let bench = bench();
    let mut rows = Rows::new();
    let kids = [
        "../../../../dev/null",
        "/dev/null",
        "es' OR '1'='1",
        "es; DROP TABLE keys",
        "$(id)",
        "`id`",
        "{{7*7}}",
        "es\r\nX: y",
        "es\0",
        "ES",
        " es",
        "es ",
        "https://evil.example/jwks.json",
        "file:///etc/passwd",
    ];
    for kid in kids {
        let header = with(bench.es.header(), "kid", json!(kid));
        rows.push(row(format!("7 kid {kid:?}"), bench.es.token_under(&header), "unknown_key"));
    }
    for kid in [
        json!(""),
        json!("k".repeat(257)),
        json!("k".repeat(4096)),
        Value::Null,
        json!(1),
        json!(["es"]),
        json!({"es": 1}),
    ] {
        let header = with(bench.es.header(), "kid", kid.clone());
        rows.push(row(format!("7 kid {:.40}", kid.to_string()), bench.es.token_under(&header), "malformed"));
    }
    rows.push(row("7 no kid", bench.es.token_under(&without(bench.es.header(), "kid")), "malformed"));
    refuse_all(&bench, rows);
}

#[test]
fn a_key_in_the_header_is_not_used() {
    let (bench, attacker) = (bench(), Signer::es256("es"));
    let members = [
        ("jwk", attacker.jwk()),
        ("jwk", Signer::hs256(b"attacker").jwk()),
        ("jku", json!("https://evil.example/jwks.json")),
        ("jku", json!("https://auth.example.com@evil.example/#/jwks.json")),
        ("x5u", json!("http://169.254.169.254/latest/meta-data")),
        ("x5c", json!(["MIIB"])),
        ("x5t", json!("AAAA")),
    ];
    let rows = members.iter().map(|(name, value)| {
        let header = with(attacker.header(), name, value.clone());
        row(format!("8 {name} {value:.30}"), attacker.token_under(&header), "signature")
    });
    refuse_all(&bench, rows.collect());
}

#[test]
fn a_token_of_another_type_is_refused() {
    let bench = bench();
    let header = || bench.es.header();
    let mut rows = Rows::new();
    let types = [
        "JWT",
        "jwt",
        "at",
        "at-jwt",
        "at+jwt ",
        " at+jwt",
        "",
        "application/",
        "application/jwt",
        "text/at+jwt",
        "at+jwt; a=b",
        "logout+jwt",
        "dpop+jwt",
        "statuslist+jwt",
        "id+jwt",
        "application/application/at+jwt",
    ];
    for typ in types {
        let token = bench.es.token_under(&with(header(), "typ", json!(typ)));
        rows.push(row(format!("13/20 typ {typ:?}"), token, "type"));
    }
    rows.push(row("20 no typ", bench.es.token_under(&without(header(), "typ")), "type"));
    for typ in [Value::Null, json!(1), json!(["at+jwt"])] {
        rows.push(row(
            format!("20 typ {typ}"),
            bench.es.token_under(&with(header(), "typ", typ)),
            "malformed",
        ));
    }
    let extensions = [
        ("crit", json!(["exp"])),
        ("crit", json!([])),
        ("crit", json!("exp")),
        ("crit", json!(["alg"])),
        ("crit", json!(["b64"])),
        ("crit", Value::Null),
        ("b64", json!(false)),
        ("b64", json!(true)),
        ("b64", Value::Null),
        ("cty", json!("JWT")),
    ];
    for (name, value) in extensions {
        let token = bench.es.token_under(&with(header(), name, value.clone()));
        rows.push(row(format!("21 {name} {value}"), token, "malformed"));
    }
    let nested = bench.es.compact(header().to_string(), bench.es.token());
    rows.push(row("14 a token as payload", nested, "malformed"));
    refuse_all(&bench, rows);
}

/// A public key as PEM with four kinds of line ends.
fn pems(der: &[u8]) -> [String; 4] {
    use base64::{Engine, engine::general_purpose::STANDARD};
    let lines: Vec<_> = STANDARD
        .encode(der)
        .into_bytes()
        .chunks(64)
        .map(|line| String::from_utf8(line.to_vec()).unwrap())
        .collect();
    let pem = format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----", lines.join("\n"));
    [format!("{pem}\n"), pem.clone(), pem.replace('\n', "\r\n"), pem.replace('\n', "")]
}
