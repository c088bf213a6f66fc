//! The test issuer's status list (draft-ietf-oauth-status-list): every token it makes has a place in it.

use std::io::Write;

use flate2::{Compression, write::ZlibEncoder};
use serde_json::{Value, json};

use super::key::{TestKey, b64};

/// How long a list may be used, in seconds.
const LIFE: u64 = 24 * 60 * 60;
const FIRST_BYTES: usize = 1024;

/// The places, a bit each.
pub(super) struct Places {
    bits: Vec<u8>,
    given: usize,
    /// Rises with each change.
    revision: u64,
}

impl Places {
    pub(super) fn new() -> Self {
        Self { bits: vec![0; FIRST_BYTES], given: 0, revision: 1 }
    }

    /// The next place; `true`: the list has grown for it.
    pub(super) fn give(&mut self) -> (usize, bool) {
        let place = self.given;
        self.given += 1;
        let grows = place / 8 == self.bits.len();
        if grows {
            self.bits.resize(self.bits.len() * 2, 0);
            self.revision += 1;
        }
        (place, grows)
    }

    pub(super) fn revoke(&mut self, place: usize) {
        if let Some(byte) = self.bits.get_mut(place / 8) {
            *byte |= 1 << (place % 8);
            self.revision += 1;
        }
    }

    /// The list as it is published.
    pub(super) fn signed(&self, issuer: &str, key: &TestKey, now: u64) -> String {
        let header = json!({"typ": "statuslist+jwt", "alg": key.algorithm(), "kid": key.kid()});
        let payload = json!({
            "iss": issuer, "sub": uri(issuer), "iat": now, "exp": now + LIFE, "ttl": 5, "revision": self.revision,
            "status_list": {"bits": 1, "lst": lst(&self.bits)},
        });
        key.compact(header.to_string(), payload.to_string())
    }
}

/// Where the list of `issuer` is.
pub(super) fn uri(issuer: &str) -> String {
    format!("{}/status-lists/1", issuer.trim_end_matches('/'))
}

/// The place that these claims name, if it is one of `issuer`'s.
pub(super) fn place_in(claims: &Value, issuer: &str) -> Option<usize> {
    let named = &claims["status"]["status_list"];
    (named["uri"] == uri(issuer)).then(|| named["idx"].as_u64()?.try_into().ok())?
}

fn lst(bits: &[u8]) -> String {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bits).expect("memory takes everything");
    b64(encoder.finish().expect("memory takes everything"))
}
