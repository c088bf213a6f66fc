//! Checks the invariants of `ARCHITECTURE.md` in the source: which folder may name what.

use std::fs;
use std::path::{Path, PathBuf};

use crate::imports::Crate;

/// Words that the files of a folder must not contain, and why.
struct Rule {
    room: &'static str,
    except: &'static [&'static str],
    words: &'static [&'static str],
    why: &'static str,
}

const RULES: &[Rule] = &[
    Rule {
        room: "auth-service/src/domain",
        except: &[],
        words: &[
            "actix",
            "diesel",
            "crate::settings",
            "crate::http",
            "crate::app",
            "crate::cli",
            "StatusCode",
        ],
        why: "the rules are readable without a framework",
    },
    Rule {
        room: "auth-service/src/http",
        except: &[],
        words: &[
            "diesel",
            "aws_lc_rs",
            "bcrypt",
            "argon2",
            "jsonwebtoken",
            "crate::store",
            "crate::settings",
            "crate::app",
            "crate::cli",
        ],
        why: "handlers translate; they neither query nor encrypt, and are configured by app",
    },
    Rule {
        room: "auth-service/src/cli",
        except: &[],
        words: &["crate::http", "actix"],
        why: "commands work without HTTP",
    },
    Rule {
        room: "auth-service/src/settings",
        except: &[],
        words: &["crate::domain", "crate::http", "crate::app", "crate::cli"],
        why: "app says what the settings mean to the domain",
    },
    Rule {
        room: "auth-service/src/store",
        except: &[],
        words: &["actix", "crate::domain", "crate::http", "crate::settings"],
        why: "the store knows nothing above it",
    },
    Rule {
        room: "auth-service/src",
        except: &["auth-service/src/domain/change.rs", "auth-service/src/domain/status_lists/revoke.rs"],
        words: &[
            "sessions::end(",
            "sessions::end_all",
            "sessions::drop_status_indexes",
            "status_lists::revoke(",
            "status_lists::raise",
            "revocations::insert",
            "lists.publish()",
        ],
        why: "only a change ends sessions, revokes and publishes",
    },
    Rule {
        room: "auth-service/src/domain",
        except: &["auth-service/src/domain/change.rs", "auth-service/src/domain/audit"],
        words: &["audit.record("],
        why: "use cases record events through changes",
    },
    Rule {
        room: "auth-service/src",
        except: &["auth-service/src/store"],
        words: &["diesel"],
        why: "SQL lives in one place",
    },
    Rule {
        room: "auth-service/src",
        except: &["auth-service/src/domain/keyring"],
        words: &["KeyPair", "pkcs8", "aead"],
        why: "private keys appear in the keyring alone",
    },
    Rule {
        room: "auth-service/src",
        except: &["auth-service/src/domain/keyring", "auth-service/src/domain/authn/passwords"],
        words: &["hmac", "pbkdf2::", "scrypt::", "bcrypt::", "argon2::Argon2"],
        why: "computations with a key or a password are in two folders",
    },
    Rule {
        room: "auth-service/src",
        except: &["auth-service/src/domain/random.rs"],
        words: &["rand::fill", "now_v7", "new_v4", "getrandom"],
        why: "randomness is made in one place",
    },
    Rule {
        room: "shared-claims/src",
        except: &["shared-claims/src/clock.rs"],
        words: &["SystemTime"],
        why: "the wall clock is read in one place",
    },
    Rule {
        room: "auth-service/src",
        except: &[],
        words: &["SystemTime", "std::env::"],
        why: "time comes from the clock, variables from service-kit's settings",
    },
    Rule {
        room: "auth-service/src",
        except: &["auth-service/src/domain/clock"],
        words: &["clock_gettime", "CLOCK_BOOTTIME"],
        why: "whether the clock can be believed is decided in one place",
    },
    Rule {
        room: "resource-service/src",
        except: &[],
        words: &["SystemTime", "std::env::", "auth_service"],
        why: "resource-service knows auth-service only in its tests",
    },
    Rule {
        room: "shared-claims/src",
        except: &["shared-claims/src/actix", "shared-claims/src/axum"],
        words: &["actix_web", "axum::", "tower_layer", "tower_service"],
        why: "the core knows no framework",
    },
    Rule {
        room: "shared-claims/src",
        except: &["shared-claims/src/testing"],
        words: &[
            "EcdsaKeyPair",
            "Ed25519KeyPair",
            "RsaKeyPair",
            "EncodingKey",
            "hmac::sign",
            "hmac::Context",
        ],
        why: "nothing that is built into a product here can sign",
    },
    Rule {
        room: "shared-claims/src",
        except: &[],
        words: &["std::env", "diesel", "bcrypt", "auth_service"],
        why: "nothing here reads the environment, or knows a server",
    },
    Rule {
        room: "shared-claims/src",
        except: &["shared-claims/src/remote"],
        words: &["reqwest"],
        why: "all input and output is in one folder",
    },
];

pub(super) fn top() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

pub(super) fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut files = Vec::new();
    for path in entries {
        if path.is_dir() {
            files.extend(rust_files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files
}

/// Returns the code of a file that is built into the product: without comments, and without the tests at its end.
pub(super) fn product_code(path: &Path) -> String {
    let text = fs::read_to_string(path).unwrap();
    let product = text.split("#[cfg(test)]\nmod tests").next().unwrap();
    product.lines().map(|line| line.split("//").next().unwrap()).collect::<Vec<_>>().join("\n")
}

#[test]
fn no_folder_names_what_it_must_not_know() {
    let mut broken = Vec::new();
    for rule in RULES {
        let files = rust_files(&top().join(rule.room));
        assert!(!files.is_empty(), "{} is empty: the rule guards nothing", rule.room);
        for file in files {
            let name = file.strip_prefix(top()).unwrap().to_str().unwrap().to_owned();
            if rule.except.iter().any(|except| name.starts_with(except)) {
                continue;
            }
            let code = product_code(&file);
            let found = rule.words.iter().filter(|word| code.contains(**word));
            broken.extend(found.map(|word| format!("{name} names `{word}`: {}", rule.why)));
        }
    }
    assert!(broken.is_empty(), "\n{}", broken.join("\n"));
}

/// An import through a re-export counts as an import of the re-exporting file, so items are imported where they are defined.
#[test]
fn no_crate_has_an_import_cycle() {
    for name in ["auth-service", "resource-service", "service-kit", "shared-claims"] {
        let folder = top().join(name).join("src");
        let files = rust_files(&folder).into_iter().map(|path| {
            let name = path.strip_prefix(&folder).unwrap().to_str().unwrap().to_owned();
            (name, product_code(&path))
        });
        let cycles = Crate::new(files).cycles();
        assert!(cycles.is_empty(), "import cycles in {name}:\n{}", cycles.join("\n"));
    }
}

#[test]
fn signing_code_in_shared_claims_is_built_for_tests_alone() {
    let code = product_code(&top().join("shared-claims/src/lib.rs"));
    let declared: Vec<_> = code.split("mod testing;").collect();
    let under_the_feature = "\n#[cfg(feature = \"testing\")]\npub ";
    assert!(declared.len() == 2 && declared[0].ends_with(under_the_feature), "`mod testing` has no feature");
    for folder in ["", "auth-service", "resource-service", "service-kit", "shared-claims"] {
        let manifest = fs::read_to_string(top().join(folder).join("Cargo.toml")).unwrap();
        let mut section = "";
        for line in manifest.lines() {
            if line.starts_with('[') {
                section = line;
            }
            let asks = line.starts_with("required-features"); // turns nothing on
            let turned_on = !asks && ["\"testing\"", "/testing\""].iter().any(|named| line.contains(named));
            let for_tests = section == "[dev-dependencies]";
            assert!(!turned_on || for_tests, "{folder}/Cargo.toml turns it on in {section}: {line}");
        }
    }
}

#[test]
fn the_root_of_shared_claims_has_about_a_dozen_names() {
    let code = product_code(&top().join("shared-claims/src/lib.rs"))
        .replace("#[cfg(fuzzing)]\npub use remote::fuzzing;", "");
    let modules = code.lines().filter(|line| line.starts_with("pub mod ")).count();
    let used = code.split("pub use ").skip(1).filter_map(|rest| rest.split(';').next());
    let types: usize = used.map(|tree| tree.split(',').count()).sum();
    assert!((8..=12).contains(&(modules + types)), "{modules} modules and {types} types at its root");
}

#[test]
fn every_file_begins_with_a_doc_comment() {
    let crates = ["auth-service", "resource-service", "service-kit", "shared-claims"];
    let files = crates.iter().flat_map(|name| rust_files(&top().join(name).join("src")));
    let without_doc_comment: Vec<_> = files
        .filter(|file| {
            let text = fs::read_to_string(file).unwrap();
            let readme = text.starts_with("#![") && text.contains("doc = include_str!(\"../README.md\")");
            !text.starts_with("//!") && !readme
        })
        .collect();
    assert!(without_doc_comment.is_empty(), "no `//!` at the top of {without_doc_comment:?}");
}

#[test]
fn there_is_no_module_for_everything_else() {
    let crates = ["auth-service", "resource-service", "service-kit", "shared-claims"];
    let files = crates.iter().flat_map(|name| rust_files(&top().join(name).join("src")));
    let miscellaneous: Vec<_> = files
        .filter(|file| {
            let stem = file.file_stem().unwrap().to_str().unwrap();
            ["util", "utils", "common", "helper", "helpers", "misc"].contains(&stem)
        })
        .collect();
    assert!(miscellaneous.is_empty(), "{miscellaneous:?}");
}
