//! What the test issuer publishes, and to which verifiers.

use std::mem;

use serde_json::json;

use super::{
    key::TestKey,
    list::{self, StatusBits},
    odd_keys::OddKey,
};
use crate::{
    algorithm::Algorithm,
    clock::Clock,
    remote::in_process::{Link, Published},
};

const OFFLINE: &str = "the test issuer is offline";

/// The changing state of an issuer.
pub(super) struct State {
    /// The algorithm of the key that signs, unless a token sets another one.
    pub(super) algorithm: Algorithm,
    keys: [TestKey; 3],
    pub(super) former: Vec<TestKey>,
    /// Entries of the key set that no verifier may use.
    pub(super) odd_keys: Vec<OddKey>,
    rotations: u32,
    pub(super) statuses: StatusBits,
    pub(super) audiences: Vec<String>,
    pub(super) tokens: u64,
    pub(super) offline: bool,
    links: Vec<Link>,
}

/// The name and the clock of the issuer.
pub(super) struct Publisher<'a> {
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
            statuses: StatusBits::new(),
            audiences: Vec::new(),
            tokens: 0,
            offline: false,
            links: Vec::new(),
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

    pub(super) fn status_list(&self, publisher: &Publisher<'_>) -> String {
        let key = self.key_of(self.algorithm).unwrap_or(&self.keys[0]);
        self.statuses.signed(publisher.name, key, publisher.clock.now())
    }

    /// Connects another verifier.
    pub(super) fn connect(&mut self, link: Link, publisher: &Publisher<'_>) {
        if self.offline {
            link.cut(OFFLINE);
        } else {
            link.deliver(&self.published(publisher), &publisher.clock);
        }
        self.links.push(link);
    }

    /// Publishes to all verifiers, unless the issuer is offline.
    pub(super) fn publish(&mut self, publisher: &Publisher<'_>) {
        self.links.retain(Link::is_open);
        if !self.offline && !self.links.is_empty() {
            let content = self.published(publisher);
            self.links.iter().for_each(|link| link.deliver(&content, &publisher.clock));
        }
    }

    pub(super) fn go_offline(&mut self) {
        self.offline = true;
        self.links.iter().for_each(|link| link.cut(OFFLINE));
    }

    /// Adds default audiences of tokens.
    pub(super) fn add_audiences(&mut self, audiences: Vec<String>) {
        for audience in audiences {
            if !self.audiences.contains(&audience) {
                self.audiences.push(audience);
            }
        }
    }

    fn published(&self, publisher: &Publisher<'_>) -> Published {
        let list = (list::uri(publisher.name).into(), self.status_list(publisher));
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
