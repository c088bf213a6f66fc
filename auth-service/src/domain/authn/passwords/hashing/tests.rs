//! Hashing with the cheapest parameters that there are.

use crate::domain::authn::passwords::hashing::{Candidate, Hashing};
use crate::domain::authn::passwords::pepper::Peppers;
use crate::domain::authn::passwords::scheme::Scheme;
use crate::domain::authn::passwords::stored::{Bounds, Unusable};

const BOUNDS: Bounds = Bounds { bcrypt_cost: 6, memory_kib: 1024, iterations: 10_000 };

fn by(scheme: Scheme) -> Hashing {
    Hashing::new(scheme, BOUNDS, Peppers::default())
}

fn stored(hash: &str) -> Candidate {
    Candidate::Stored(hash.to_owned())
}

fn bcrypt(cost: u32) -> Hashing {
    by(Scheme::Bcrypt { cost })
}

fn argon2id() -> Hashing {
    by(Scheme::argon2id(64, 1, 1).unwrap())
}

fn peppered(current: Option<&str>, previous: Option<&str>) -> Hashing {
    let secret = |text: &str| SecretString::from(text.to_owned());
    let (current, previous) = (current.map(secret), previous.map(secret));
    let peppers = Peppers::new(current.as_ref(), previous.as_ref());
    Hashing::new(Scheme::Bcrypt { cost: 4 }, BOUNDS, peppers)
}

use secrecy::SecretString;

#[test]
fn a_hash_verifies_its_password_and_no_other() {
    for hashing in [bcrypt(4), argon2id(), peppered(Some("p"), None)] {
        let hash = hashing.hash("correct horse").unwrap();
        let verification = hashing.verify("correct horse", &stored(&hash), true);
        assert!(verification.correct && verification.renewed.is_none(), "{hash}");
        for other in ["correct horsf", "Correct horse", "correct horse ", "", "correct horse\0"] {
            assert!(!hashing.verify(other, &stored(&hash), true).correct, "{other:?}");
        }
        assert_ne!(hashing.hash("correct horse").unwrap(), hash, "salted");
    }
}

#[test]
fn a_decoy_is_a_hash_that_no_password_has() {
    for hashing in [bcrypt(4), argon2id(), peppered(Some("p"), None)] {
        assert!(!hashing.verify("", &Candidate::Decoy(None), true).correct);
        assert!(!hashing.verify("", &stored(&hashing.decoy), true).correct);
        hashing.kind_of(&hashing.decoy).expect("it is worked through");
    }
}

#[test]
fn the_password_of_somebody_else_is_wrong() {
    let hashing = bcrypt(4);
    let decoy = Candidate::Decoy(hashing.hash("correct horse"));
    let verification = hashing.verify("correct horse", &decoy, true);
    assert!(!verification.correct && verification.renewed.is_none());
    assert!(!hashing.verify("correct horse", &Candidate::Decoy(Some("damaged".to_owned())), true).correct);
}

#[test]
fn bcrypt_never_cuts() {
    let hashing = bcrypt(4);
    assert!(hashing.hash(&"x".repeat(71)).is_some());
    assert!(hashing.hash(&"x".repeat(72)).is_none());
    assert!(hashing.hash("P\0P").is_none());
    let hash = hashing.hash("P").unwrap();
    assert!(!hashing.verify("P\0P", &stored(&hash), true).correct);
    let long = peppered(Some("p"), None);
    let hash = long.hash(&"x".repeat(500)).unwrap();
    assert!(long.verify(&"x".repeat(500), &stored(&hash), true).correct, "behind a pepper it need not");
    assert!(!long.verify(&"x".repeat(499), &stored(&hash), true).correct);
}

#[test]
fn what_is_made_otherwise_than_today_is_renewed_and_only_with_its_password() {
    let rows = vec![
        (bcrypt(4), bcrypt(5)),
        (bcrypt(5), bcrypt(4)),
        (bcrypt(4), argon2id()),
        (argon2id(), bcrypt(4)),
    ];
    for (before, now) in rows {
        let old = before.hash("correct horse").unwrap();
        assert!(now.verify("correct horse", &stored(&old), false).renewed.is_none(), "nobody asked");
        assert!(now.verify("wrong horse", &stored(&old), true).renewed.is_none());
        let verification = now.verify("correct horse", &stored(&old), true);
        let new = verification.renewed.unwrap();
        let verification = now.verify("correct horse", &stored(&new), true);
        assert!(verification.correct && verification.renewed.is_none(), "{old} became {new}");
    }
    let old = argon2id().hash(&"x".repeat(100)).unwrap();
    let verification = bcrypt(4).verify(&"x".repeat(100), &stored(&old), true);
    assert!(verification.correct && verification.renewed.is_none(), "bcrypt cannot take it, so it stays");
}

#[test]
fn a_password_is_the_same_in_every_normal_form() {
    let (composed, decomposed) = ("zuf\u{e4}llig", "zufa\u{308}llig");
    let hashing = bcrypt(4);
    for password in [composed, decomposed] {
        let hash = hashing.hash(password).unwrap();
        for typed in [composed, decomposed] {
            assert!(hashing.verify(typed, &stored(&hash), true).correct);
        }
    }
    let old = hashing.scheme.hash(decomposed).unwrap();
    let verification = hashing.verify(decomposed, &stored(&old), true);
    assert!(verification.correct, "a hash from before there was this rule");
    let renewed = stored(&verification.renewed.unwrap());
    assert!(hashing.verify(composed, &renewed, true).correct, "renewed in NFC");
}

#[test]
fn peppers_come_change_and_go_by_logins() {
    let (none, first) = (peppered(None, None), peppered(Some("first"), None));
    let second = peppered(Some("second"), Some("first"));
    let back = peppered(None, Some("second"));
    let mut hash = none.hash("correct horse").unwrap();
    for (before, now) in [(&none, &first), (&first, &second), (&second, &back)] {
        assert!(before.verify("correct horse", &stored(&hash), true).renewed.is_none());
        let verification = now.verify("correct horse", &stored(&hash), true);
        assert!(verification.correct);
        hash = verification.renewed.unwrap();
    }
    assert!(hash.starts_with("$2b$04$"), "{hash}");
    let lost = first.hash("correct horse").unwrap();
    assert!(lost.starts_with("$pepper$k="), "{lost}");
    for without in [&none, &back] {
        assert_eq!(without.kind_of(&lost), Err(Unusable::OtherPepper));
        assert!(!without.verify("correct horse", &stored(&lost), true).correct);
    }
    let inner = lost.get("$pepper$k=12345678".len()..).unwrap();
    assert!(!none.verify("correct horse", &stored(inner), true).correct, "the table alone is of no use");
}

#[test]
fn the_scheme_itself_is_never_beyond_the_bounds() {
    for hashing in
        [bcrypt(8), by(Scheme::argon2id(2048, 1, 1).unwrap()), by(Scheme::argon2id(8, 600, 1).unwrap())]
    {
        let hash = hashing.hash("correct horse").unwrap();
        assert!(hashing.verify("correct horse", &stored(&hash), true).correct, "{hash}");
    }
    assert_eq!(bcrypt(4).kind_of(&bcrypt(8).hash("correct horse").unwrap()), Err(Unusable::TooCostly));
}
