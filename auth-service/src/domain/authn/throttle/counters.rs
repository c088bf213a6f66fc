//! The counters of an attempt, by the keys under which they are stored.

use aws_lc_rs::digest::{Context, SHA256};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::domain::authn::throttle::attempt::{Attempt, Target};
use crate::store::engine::connection::Connection;
use crate::store::error::StoreError;
use crate::store::guesses;
use crate::store::guesses::Counter;

/// The keys of the counters of one attempt.
#[derive(Debug, Clone)]
pub(super) struct CounterKeys {
    pair: String,
    account: String,
    source: String,
    /// The one that is displayed to the client, by the name that it sent. It limits nothing.
    pub(super) displayed: String,
}

impl CounterKeys {
    pub(super) fn of(attempt: Attempt<'_>) -> Self {
        let (kind, whose) = match attempt.target {
            Target::Account(id) => ("account", id),
            Target::UnknownName(name) => ("nobody", name), // part of stored keys
        };
        let address = attempt.source.text();
        Self {
            pair: key(&["pair", kind, whose, &address]),
            account: key(&["all", kind, whose]),
            source: key(&["source", &address]),
            displayed: key(&["shown", attempt.identifier, &address]),
        }
    }

    /// Locks the counters that limit and, with `displayed`, the displayed one, in one order everywhere: so transactions do not
    /// deadlock.
    pub(super) fn hold(&self, db: &mut Connection, displayed: bool) -> Result<[Counter; 3], StoreError> {
        let mut keys = vec![&self.pair, &self.account, &self.source];
        keys.extend(displayed.then_some(&self.displayed));
        keys.sort_unstable();
        for key in keys {
            guesses::hold(db, key)?;
        }
        self.read(db)
    }

    /// Reads the counters of the pair, the account and the source.
    pub(super) fn read(&self, db: &mut Connection) -> Result<[Counter; 3], StoreError> {
        let [pair, account, source] =
            [&self.pair, &self.account, &self.source].map(|key| find_or_new(db, key));
        Ok([pair?, account?, source?])
    }

    /// Reads the displayed counter.
    pub(super) fn read_displayed(&self, db: &mut Connection) -> Result<Counter, StoreError> {
        find_or_new(db, &self.displayed)
    }
}

fn find_or_new(db: &mut Connection, key: &str) -> Result<Counter, StoreError> {
    Ok(guesses::find(db, key)?.unwrap_or_else(|| Counter::new(key)))
}

/// Returns the digest of these parts. It contains no name, and no two lists of parts share one.
fn key(parts: &[&str]) -> String {
    let mut digest = Context::new(&SHA256);
    for part in parts {
        digest.update(&(part.len() as u64).to_be_bytes());
        digest.update(part.as_bytes());
    }
    URL_SAFE_NO_PAD.encode(digest.finish())
}
