//! Key sets as they are found in practice: entries that cannot be used are skipped, and the others keep working.

use crate::support::{Signer, b64, key_set, verifier, with, without};
use aws_lc_rs::{rsa::KeySize, signature::KeyPair, signature::RsaKeyPair};
use serde_json::{Value, json};
use shared_claims::{
    error::{KeySetError, Refusal},
    verifier::KeySet,
};

fn kids(keys: &[Value]) -> Result<Vec<String>, KeySetError> {
    let set = KeySet::from_json(json!({"keys": keys}).to_string().as_bytes())?;
    let mut kids: Vec<_> = set.kids().map(str::to_owned).collect();
    kids.sort();
    Ok(kids)
}

#[test]
fn a_key_that_cannot_verify_tokens_is_left_out() {
    let (es, ed, rsa, good) =
        (Signer::es256("odd"), Signer::eddsa("odd"), Signer::rs256("odd"), Signer::es256("good"));
    let y = json!(b64([7; 32]));
    let odd = [
        ("no kid", without(es.jwk(), "kid")),
        ("empty kid", with(es.jwk(), "kid", json!(""))),
        ("long kid", with(es.jwk(), "kid", json!("k".repeat(257)))),
        ("kid is a number", with(es.jwk(), "kid", json!(1))),
        ("use enc", with(es.jwk(), "use", json!("enc"))),
        ("use is a number", with(es.jwk(), "use", json!(1))),
        ("key_ops encrypt", with(es.jwk(), "key_ops", json!(["encrypt"]))),
        ("alg of another type", with(es.jwk(), "alg", json!("RS256"))),
        ("alg of another curve", with(es.jwk(), "alg", json!("ES384"))),
        ("alg none", with(es.jwk(), "alg", json!("none"))),
        ("alg null", with(es.jwk(), "alg", Value::Null)),
        ("alg HS256 on EC", with(es.jwk(), "alg", json!("HS256"))),
        ("alg HS256 on RSA", with(rsa.jwk(), "alg", json!("HS256"))),
        ("alg PS256", with(rsa.jwk(), "alg", json!("PS256"))),
        ("alg RSA-OAEP", with(rsa.jwk(), "alg", json!("RSA-OAEP"))),
        ("oct", with(Signer::hs256(&[7; 32]).jwk(), "kid", json!("odd"))),
        ("unknown kty", with(es.jwk(), "kty", json!("AKP"))),
        ("no kty", without(es.jwk(), "kty")),
        ("unknown curve", with(es.jwk(), "crv", json!("secp256k1"))),
        ("P-384", with(es.jwk(), "crv", json!("P-384"))),
        ("Ed448", with(ed.jwk(), "crv", json!("Ed448"))),
        ("off the curve", with(es.jwk(), "y", y)),
        ("point at infinity", with(with(es.jwk(), "x", json!(b64([0; 32]))), "y", json!(b64([0; 32])))),
        ("short x", with(es.jwk(), "x", json!(b64([7; 31])))),
        ("padded x", with(es.jwk(), "x", json!(format!("{}=", es.jwk()["x"].as_str().unwrap())))),
        ("short Ed25519", with(ed.jwk(), "x", json!(b64([7; 31])))),
        ("e = 1", with(rsa.jwk(), "e", json!(b64([1])))),
        ("e = 3", with(rsa.jwk(), "e", json!(b64([3])))),
        ("e = 3 with zeros", with(rsa.jwk(), "e", json!(b64([0, 0, 0, 3])))),
        ("e = 65536", with(rsa.jwk(), "e", json!(b64([1, 0, 0])))),
        ("RSA-1024", with(rsa.jwk(), "n", json!(b64([0xff; 128])))),
        ("RSA-2040 with zeros", with(rsa.jwk(), "n", json!(b64([vec![0; 8], vec![0xff; 255]].concat())))),
        ("RSA-16384", with(rsa.jwk(), "n", json!(b64([0xff; 2048])))),
        ("private key", with(es.jwk(), "d", json!(b64([7; 32])))),
        ("a string", json!("key")),
        ("null", Value::Null),
        ("a list", json!([es.jwk()])),
    ];
    for (name, entry) in odd {
        let kids = kids(&[entry.clone(), good.jwk(), entry]);
        assert_eq!(kids, Ok(vec!["good".to_owned()]), "{name}");
    }
}

#[test]
fn a_key_without_use_or_alg_is_taken_for_what_it_is() {
    for signer in [Signer::es256("k"), Signer::eddsa("k"), Signer::rs256("k")] {
        let bare = without(without(signer.jwk(), "use"), "alg");
        let with_ops = with(bare.clone(), "key_ops", json!(["verify"]));
        for entry in [bare, with_ops, with(signer.jwk(), "x5c", json!(["MIIB"]))] {
            assert_eq!(kids(&[entry]), Ok(vec!["k".to_owned()]), "{}", signer.alg());
        }
    }
    let ed = Signer::eddsa("k");
    assert_eq!(kids(&[with(ed.jwk(), "alg", json!("Ed25519"))]), Ok(vec!["k".to_owned()]));
}

#[test]
fn an_rsa_key_of_another_length_verifies() {
    // 3072 bits, as ASVS 11.2.3 requires; the signer of the tests has 2048.
    let key = RsaKeyPair::generate(KeySize::Rsa3072).unwrap();
    let (n, e) = (key.public_key().modulus(), key.public_key().exponent());
    let n = b64(n.big_endian_without_leading_zero());
    let entry = json!({"kty": "RSA", "kid": "k", "n": n, "e": b64(e.big_endian_without_leading_zero())});
    assert_eq!(kids(&[entry]), Ok(vec!["k".to_owned()]));
}

#[test]
fn different_keys_under_one_kid_are_all_left_out() {
    let (first, second, third) = (Signer::es256("same"), Signer::es256("same"), Signer::rs256("same"));
    let good = Signer::es256("good");
    let set = key_set(&[&first, &second, &good, &third, &first]);
    assert_eq!(set.kids().collect::<Vec<_>>(), ["good"]);
    let verifier = verifier(&[&first, &second, &good]);
    assert_eq!(verifier.verify_now(&first.token()).unwrap_err(), Refusal::UnknownKey);
    verifier.verify_now(&good.token()).unwrap();
}

#[test]
fn the_same_key_twice_is_one_key() {
    let signer = Signer::es256("es");
    let encryption = with(Signer::rs256("es").jwk(), "use", json!("enc"));
    assert_eq!(kids(&[signer.jwk(), without(signer.jwk(), "alg"), encryption]), Ok(vec!["es".to_owned()]));
}

#[test]
fn what_is_no_key_set_is_an_error_as_a_whole() {
    for text in [
        "",
        "null",
        "[]",
        "{}",
        "{\"keys\":null}",
        "{\"keys\":{}}",
        "<html>",
        "{\"keys\":[]} x",
        "\u{feff}{\"keys\":[]}",
    ] {
        assert_eq!(KeySet::from_json(text.as_bytes()).unwrap_err(), KeySetError::NotAKeySet, "{text}");
    }
    assert_eq!(KeySet::from_json(&[0xff, 0xfe]).unwrap_err(), KeySetError::NotAKeySet);
    assert_eq!(kids(&[]), Err(KeySetError::Empty));
    assert_eq!(kids(&[Signer::hs256(&[7; 32]).jwk()]), Err(KeySetError::Empty));
    let jwk = Signer::es256("es").jwk();
    assert_eq!(kids(&vec![jwk.clone(); 100]), Ok(vec!["es".to_owned()]));
    assert_eq!(kids(&vec![jwk; 101]), Err(KeySetError::TooMany));
}

#[test]
fn replaced_keys_count_at_once() {
    let (old, new) = (Signer::es256("old"), Signer::es256("new"));
    let verifier = verifier(&[&old]);
    let clone = verifier.clone();
    verifier.set_keys(key_set(&[&new]));
    clone.verify_now(&new.token()).unwrap();
    assert_eq!(clone.verify_now(&old.token()).unwrap_err(), Refusal::UnknownKey);
}
