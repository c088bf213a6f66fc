//! The forms, one by one: hashes that the real libraries made (`scripts/make-foreign-hashes`), and what is not read.

use serde::Deserialize;

use crate::domain::authn::passwords::stored::{Bounds, Stored, Unusable};

const BOUNDS: Bounds = Bounds { bcrypt_cost: 15, memory_kib: 262_144, iterations: 4_000_000 };

#[derive(Deserialize)]
struct Made {
    library: String,
    form: String,
    kind: String,
    password: String,
    hash: String,
}

/// The cheap ones: those with the libraries' own parameters are logged in with in `tests/api/foreign_hashes.rs`.
fn cheap() -> Vec<Made> {
    let all: Vec<Made> =
        serde_json::from_str(include_str!("../../../../../tests/data/foreign_hashes.json")).unwrap();
    let bounds = Bounds { bcrypt_cost: 6, memory_kib: 1024, iterations: 2000 };
    all.into_iter().filter(|made| Stored::read(&made.hash, &bounds).is_ok()).collect()
}

fn verify(hash: &str, password: &str) -> bool {
    Stored::read(hash, &BOUNDS).unwrap().verify(password)
}

#[test]
fn what_real_libraries_made_verifies_its_password_and_no_other() {
    let hashes = cheap();
    assert!(hashes.len() >= 20, "{}", hashes.len());
    for Made { library, form, kind, password, hash } in hashes {
        assert_eq!(Stored::read(&hash, &BOUNDS).unwrap().kind(), kind, "{library} {form}");
        assert!(verify(&hash, &password), "{library} {form}");
        for wrong in [&format!("{password} "), "", &password.to_uppercase()] {
            assert!(!verify(&hash, wrong), "{library} {form}: {wrong:?}");
        }
    }
}

#[test]
fn a_hash_with_any_character_changed_lost_or_added_is_refused_or_another_hash() {
    for Made { library, form, password, hash, .. } in cheap() {
        let is_right = |text: &str| Stored::read(text, &BOUNDS).is_ok_and(|hash| hash.verify(&password));
        // The one form whose digests have any length, and whose shorter ones are the beginnings of longer ones.
        let any_length = hash.starts_with("$scrypt$");
        for cut in (0..hash.len()).filter(|_| !any_length) {
            assert!(
                Stored::read(&hash[..cut], &BOUNDS).is_err() || !is_right(&hash[..cut]),
                "{library} {form} {cut}"
            );
        }
        for tail in ["$", "A", "=", " ", "\n", "\0"] {
            assert!(!is_right(&format!("{hash}{tail}")), "{library} {form} {tail:?}");
        }
        let digest = hash.rfind(['$', '.']).unwrap().max(hash.len() - 20);
        let mut other = hash.clone();
        let new = if hash[digest..=digest] == *"0" { "1" } else { "0" };
        other.replace_range(digest..=digest, new);
        assert!(!is_right(&other), "{library} {form}: {other}");
    }
}

#[test]
fn what_is_not_written_as_its_kind_is_not_read() {
    let salt = "c2FsdHNhbHRzYWx0";
    let digest = "A".repeat(43);
    let hex = "00".repeat(32);
    let bcrypt = "A".repeat(53);
    let damaged = [
        format!("$2b$5${bcrypt}"),
        format!("$2b$+5${bcrypt}"),
        format!("$2b$005${bcrypt}"),
        format!("$2b$03${bcrypt}"),
        format!("$2b$32${bcrypt}"),
        format!("$2c$05${bcrypt}"),
        format!("$2$05${bcrypt}"),
        format!("$2b$05${}", "é".repeat(27)),
        format!("bcrypt_sha256$2b$05${bcrypt}"),
        format!("$bcrypt-sha256$v=3,t=2b,r=5${}${}", "A".repeat(22), "A".repeat(31)),
        format!("$bcrypt-sha256$v=2,t=2x,r=5${}${}", "A".repeat(22), "A".repeat(31)),
        format!("$argon2id$v=18$m=64,t=1,p=1${salt}${digest}"),
        format!("$argon2x$v=19$m=64,t=1,p=1${salt}${digest}"),
        format!("$argon2id$v=19$m=064,t=1,p=1${salt}${digest}"),
        format!("$argon2id$v=19$t=1,m=64,p=1${salt}${digest}"),
        format!("$argon2id$v=19$m=64,t=1,p=1,keyid=AAAA${salt}${digest}"),
        format!("$argon2id$v=19$m=7,t=1,p=1${salt}${digest}"),
        format!("$argon2id$v=19$m=64,t=0,p=1${salt}${digest}"),
        format!("$argon2id$v=19$m=64,t=1,p=1$c2FsdA${digest}"),
        format!("$argon2id$v=19$m=64,t=1,p=1${salt}$AAAA"),
        format!("$argon2id$v=19$m=64,t=1,p=1${salt}${}", "A".repeat(400)),
        format!("$argon2id$v=19$m=4294967296,t=1,p=1${salt}${digest}"),
        format!("$argon2id$v=19$m=4294967295,t=1,p=4294967295${salt}${digest}"),
        format!("scrypt:1000:8:1$salt${hex}"),
        format!("scrypt:1024:8$salt${hex}"),
        format!("scrypt:1024:0:1$salt${hex}"),
        format!("scrypt:0:8:1$salt${hex}"),
        format!("scrypt:1024:8:1$s${hex}"),
        "scrypt:1024:8:1$salt$zz".to_owned(),
        "scrypt:1024:8:1$salt$+1".repeat(2),
        format!("scrypt$1024$salt$8$1${digest}=$"),
        format!("$scrypt$ln=64,r=8,p=1${salt}${digest}"),
        format!("$scrypt$ln=10,r=4294967295,p=4294967295${salt}${digest}"),
        format!("pbkdf2:sha256$salt${hex}"),
        format!("pbkdf2:md5:1000$salt${hex}"),
        format!("pbkdf2:sha256:-1$salt${hex}"),
        format!("pbkdf2:sha256:0$salt${hex}"),
        format!("pbkdf2_sha256$1e6$salt${digest}="),
        format!("pbkdf2_sha256$1000$salt${digest}=$more"),
        format!("$pbkdf2-sha256$i=1000,l=64${salt}${digest}"),
        format!("$pbkdf2-sha256$1000${salt}${digest}="),
        "x".repeat(5000),
    ];
    for hash in damaged {
        assert_eq!(Stored::read(&hash, &BOUNDS).unwrap_err(), Unusable::Damaged, "{hash}");
    }
    for hash in [
        "",
        "!",
        "plain text",
        "5f4dcc3b5aa765d61d8327deb882cf99",
        "{SSHA}abc",
        "sha1$salt$hex",
        "$1$salt$x",
        "$6$salt$x",
    ] {
        assert_eq!(Stored::read(hash, &BOUNDS).unwrap_err(), Unusable::Unknown, "{hash}");
    }
    assert_eq!(Stored::read(&format!("$2x$05${bcrypt}"), &BOUNDS).unwrap_err(), Unusable::Faulty);
}

#[test]
fn what_would_cost_too_much_is_not_computed() {
    let salt = "c2FsdHNhbHRzYWx0";
    let digest = "A".repeat(43);
    let hex = "00".repeat(32);
    let costly = [
        format!("$2b$31${}", "A".repeat(53)),
        format!("$2b$16${}", "A".repeat(53)),
        format!("bcrypt_sha256$$2b$31${}", "A".repeat(53)),
        format!("$bcrypt-sha256$v=2,t=2b,r=31${}${}", "A".repeat(22), "A".repeat(31)),
        format!("$argon2id$v=19$m=2097152,t=1,p=1${salt}${digest}"),
        format!("$argon2id$v=19$m=64,t=4294967295,p=1${salt}${digest}"),
        format!("$argon2id$v=19$m=262144,t=5,p=1${salt}${digest}"),
        format!("$scrypt$ln=22,r=8,p=1${salt}${digest}"),
        format!("$scrypt$ln=10,r=8,p=1000000${salt}${digest}"),
        format!("$scrypt$ln=10,r=8000000,p=1${salt}${digest}"),
        format!("scrypt:4194304:8:1$salt${hex}{hex}"),
        format!("scrypt$4194304$salt$8$1${}==", "A".repeat(86)),
        format!("pbkdf2:sha256:2147483648$salt${hex}"),
        format!("pbkdf2_sha256$4294967295$salt${digest}="),
        format!("$pbkdf2-sha256$4000001${salt}${digest}"),
        format!("$pbkdf2-sha256$i=1000001,l=128${salt}${}", "A".repeat(171)),
    ];
    for hash in costly {
        assert_eq!(Stored::read(&hash, &BOUNDS).unwrap_err(), Unusable::TooCostly, "{hash}");
    }
}
