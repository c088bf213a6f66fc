//! What the issuer publishes, and to whom: its keys, the places in its status list, the verifiers.

use std::mem;

use serde_json::json;

use super::{
    key::TestKey,
    list::{self, Places},
    odd_keys::OddKey,
};
use crate::{
    algorithm::Algorithm,
    clock::Clock,
    remote::in_process::{Line, Published},
};

const AWAY: &str = "the test issuer has gone away";

/// All that changes in an issuer.
pub(super) struct State {
    /// The one of these keys that signs, unless a token says otherwise.
    pub(super) algorithm: Algorithm,
    keys: [TestKey; 3],
    pub(super) former: Vec<TestKey>,
    /// Entries of the key set that nobody may use.
    pub(super) odd_keys: Vec<OddKey>,
    rotations: u32,
    pub(super) places: Places,
    pub(super) audiences: Vec<String>,
    pub(super) tokens: u64,
    pub(super) away: bool,
    lines: Vec<Line>,
}

/// Who publishes, and when.
pub(super) struct Place<'a> {
    pub(super) name: &'a str,
    pub(super) clock: Clock,
}

impl State {
    pub(super) fn new() -> Self {
        Self {
            algorithm: Algorithm::ES256,
            keys: new_keys(1),
            former: Vec::new(),
            odd_keys: OddKey::all(),
            rotations: 1,
            places: Places::new(),
            audiences: Vec::new(),
            tokens: 0,
            away: false,
            lines: Vec::new(),
        }
    }

    pub(super) fn rotate(&mut self) {
        self.rotations += 1;
        self.former.extend(mem::replace(&mut self.keys, new_keys(self.rotations)));
    }

    pub(super) fn key_of(&self, algorithm: Algorithm) -> Option<&TestKey> {
        self.keys.iter().find(|key| key.algorithm() == algorithm)
    }

    pub(super) fn key_set(&self) -> String {
        let good = self.keys.iter().chain(&self.former).map(TestKey::jwk);
        let keys: Vec<_> = good.chain(self.odd_keys.iter().map(|odd| odd.jwk.clone())).collect();
        json!({"keys": keys}).to_string()
    }

    pub(super) fn status_list(&self, place: &Place<'_>) -> String {
        let key = self.key_of(self.algorithm).unwrap_or(&self.keys[0]);
        self.places.signed(place.name, key, place.clock.now())
    }

    /// There is one more verifier.
    pub(super) fn connect(&mut self, line: Line, place: &Place<'_>) {
        if self.away {
            line.cut(AWAY);
        } else {
            line.deliver(&self.published(place), &place.clock);
        }
        self.lines.push(line);
    }

    /// Tells all verifiers, unless the issuer is away.
    pub(super) fn publish(&mut self, place: &Place<'_>) {
        self.lines.retain(Line::is_open);
        if !self.away && !self.lines.is_empty() {
            let published = self.published(place);
            self.lines.iter().for_each(|line| line.deliver(&published, &place.clock));
        }
    }

    pub(super) fn go_away(&mut self) {
        self.away = true;
        self.lines.iter().for_each(|line| line.cut(AWAY));
    }

    /// Tokens are meant for these too, unless they say otherwise.
    pub(super) fn know(&mut self, audiences: Vec<String>) {
        for audience in audiences {
            if !self.audiences.contains(&audience) {
                self.audiences.push(audience);
            }
        }
    }

    fn published(&self, place: &Place<'_>) -> Published {
        let list = (list::uri(place.name).into(), self.status_list(place));
        Published { key_set: self.key_set().into(), lists: vec![list] }
    }
}

fn new_keys(rotation: u32) -> [TestKey; 3] {
    [
        TestKey::es256(&format!("es-{rotation}")),
        TestKey::eddsa(&format!("ed-{rotation}")),
        TestKey::issuers_rs256(&format!("rsa-{rotation}")),
    ]
}
