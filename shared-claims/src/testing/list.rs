//! The test issuer's status list (draft-ietf-oauth-status-list), in which every token has an index.

use std::io::Write;

use flate2::{Compression, write::ZlibEncoder};
use serde_json::{Value, json};

use super::key::{TestKey, b64};

/// How long a list may be used, in seconds.
const LIFE: u64 = 24 * 60 * 60;
const FIRST_BYTES: usize = 1024;

/// The statuses, one bit each.
pub(super) struct StatusBits {
    bits: Vec<u8>,
    /// How many indexes have been assigned.
    given: usize,
    /// Rises with each change.
    revision: u64,
}

/// An index that was assigned.
pub(super) struct Assigned {
    pub(super) index: usize,
    /// Whether the list has grown for it.
    pub(super) grown: bool,
}

impl StatusBits {
    pub(super) fn new() -> Self {
        Self { bits: vec![0; FIRST_BYTES], given: 0, revision: 1 }
    }

    /// Assigns the next index.
    pub(super) fn assign(&mut self) -> Assigned {
        let index = self.given;
        self.given += 1;
        let grows = index / 8 == self.bits.len();
        if grows {
            self.bits.resize(self.bits.len() * 2, 0);
            self.revision += 1;
        }
        Assigned { index, grown: grows }
    }

    pub(super) fn revoke(&mut self, index: usize) {
        if let Some(byte) = self.bits.get_mut(index / 8) {
            *byte |= 1 << (index % 8);
            self.revision += 1;
        }
    }

    /// Returns the list as it is published.
    pub(super) fn signed(&self, issuer: &str, key: &TestKey, now: u64) -> String {
        let header = json!({"typ": "statuslist+jwt", "alg": key.algorithm(), "kid": key.kid()});
        let payload = json!({
            "iss": issuer, "sub": uri(issuer), "iat": now, "exp": now + LIFE, "ttl": 5, "revision": self.revision,
            "status_list": {"bits": 1, "lst": lst(&self.bits)},
        });
        key.compact(header.to_string(), payload.to_string())
    }
}

/// Returns the URI of the list of `issuer`.
pub(super) fn uri(issuer: &str) -> String {
    format!("{}/status-lists/1", issuer.trim_end_matches('/'))
}

/// Returns the index that these claims name, if it is in the list of `issuer`.
pub(super) fn index_in(claims: &Value, issuer: &str) -> Option<usize> {
    let named = &claims["status"]["status_list"];
    (named["uri"] == uri(issuer)).then(|| named["idx"].as_u64()?.try_into().ok())?
}

fn lst(bits: &[u8]) -> String {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bits).expect("writing to memory cannot fail");
    b64(encoder.finish().expect("writing to memory cannot fail"))
}
