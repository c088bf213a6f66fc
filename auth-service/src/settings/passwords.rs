//! Which passwords are accepted, and how they are hashed.

use std::time::Duration;

use secrecy::SecretString;
use serde::Deserialize;
use service_kit::settings::{MINUTE, Number, Seconds, comma_list};

use crate::settings::choice::{Choice, choice};

/// The bounds of the library are the bounds of Argon2's parameters.
const ANY: i64 = u32::MAX as i64;

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "config.default.toml documents every key")]
pub struct Passwords {
    #[serde(deserialize_with = "choice")]
    pub algorithm: PasswordAlgorithm,
    #[serde(with = "Number::<4, 31>")]
    pub bcrypt_cost: u32,
    #[serde(with = "Number::<8, 64>")]
    pub min_length: usize,
    #[serde(with = "Number::<64, 4096>")]
    pub max_length: usize,
    #[serde(deserialize_with = "comma_list")]
    pub service_names: Vec<String>,
    #[serde(default)]
    pub pepper: Option<SecretString>,
    #[serde(default)]
    pub pepper_previous: Option<SecretString>,
    pub argon2id: Argon2id,
    pub bounds: HashBounds,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "config.default.toml documents every key")]
pub struct HashBounds {
    #[serde(with = "Number::<4, 31>")]
    pub bcrypt_cost: u32,
    #[serde(with = "Number::<0, ANY>")]
    pub memory_kib: u32,
    #[serde(with = "Number::<0, ANY>")]
    pub iterations: u32,
}

/// How new passwords are hashed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "named after what they are")]
pub enum PasswordAlgorithm {
    Bcrypt,
    Argon2id,
}

impl Choice for PasswordAlgorithm {
    const WORDS: &'static [(&'static str, Self)] = &[("bcrypt", Self::Bcrypt), ("argon2id", Self::Argon2id)];
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "config.default.toml documents every key")]
pub struct Argon2id {
    #[serde(with = "Number::<0, ANY>")]
    pub memory_kib: u32,
    #[serde(with = "Number::<0, ANY>")]
    pub iterations: u32,
    #[serde(with = "Number::<0, ANY>")]
    pub parallelism: u32,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "config.default.toml documents every key")]
pub struct Hashing {
    #[serde(with = "Number::<0, 1024>")]
    pub threads: usize,
    pub low_priority: bool,
    #[serde(with = "Number::<64, 1_000_000>")]
    pub queue: usize,
    #[serde(with = "Seconds::<0, { 5 * MINUTE }>")] // no client waits longer for an answer
    pub deadline: Duration,
}
