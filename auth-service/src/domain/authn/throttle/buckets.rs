//! Whose password is tried, from where, and under which names that is counted.

use aws_lc_rs::digest::{Context, SHA256};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::domain::authn::passwords::{Arrival, Class};
use crate::domain::authn::source::Source;
use crate::store::engine::connection::Connection;
use crate::store::error::StoreError;
use crate::store::guesses;
use crate::store::guesses::Tally;

/// Whose password is tried.
#[derive(Debug, Clone, Copy)]
pub enum Target<'a> {
    /// An account, by its id, whatever it was called.
    Account(&'a str),
    /// A name that nobody has.
    Nobody(&'a str),
}

/// A try: whose password it is, which name or address was submitted, and from where.
#[derive(Debug, Clone, Copy)]
pub(in crate::domain) struct Attempt<'a> {
    pub(in crate::domain) target: Target<'a>,
    /// Folded, where an account can be called so.
    pub(in crate::domain) identifier: &'a str,
    pub(in crate::domain) source: &'a Source,
}

impl Attempt<'_> {
    /// Keyed by what was submitted, not by account: otherwise the times of two concurrent requests would show whether a name
    /// and an address belong to one account.
    pub(super) fn arrival(&self, class: Class) -> Arrival {
        Arrival::new(self.source, self.identifier, class)
    }
}

/// The tallies of one try.
#[derive(Debug, Clone)]
pub(super) struct Buckets {
    pub(super) pair: String,
    account: String,
    source: String,
    /// Shown to the client, by what it submitted. Limits nothing.
    pub(super) shown: String,
}

impl Buckets {
    pub(super) fn of(attempt: Attempt<'_>) -> Self {
        let (kind, whose) = match attempt.target {
            Target::Account(id) => ("account", id),
            Target::Nobody(name) => ("nobody", name),
        };
        let address = attempt.source.text();
        Self {
            pair: bucket(&["pair", kind, whose, &address]),
            account: bucket(&["all", kind, whose]),
            source: bucket(&["source", &address]),
            shown: bucket(&["shown", attempt.identifier, &address]),
        }
    }

    /// Holds the tallies that limit and, with `shown`, the one that is shown: in one order everywhere, so that transactions do
    /// not deadlock.
    pub(super) fn hold(&self, db: &mut Connection, shown: bool) -> Result<[Tally; 3], StoreError> {
        let mut names = vec![&self.pair, &self.account, &self.source];
        names.extend(shown.then_some(&self.shown));
        names.sort_unstable();
        for name in names {
            guesses::hold(db, name)?;
        }
        self.read(db)
    }

    /// The tallies of the pair, the account and the source.
    pub(super) fn read(&self, db: &mut Connection) -> Result<[Tally; 3], StoreError> {
        let [pair, account, source] =
            [&self.pair, &self.account, &self.source].map(|name| find_or_new(db, name));
        Ok([pair?, account?, source?])
    }

    /// The tally that is shown.
    pub(super) fn read_shown(&self, db: &mut Connection) -> Result<Tally, StoreError> {
        find_or_new(db, &self.shown)
    }
}

fn find_or_new(db: &mut Connection, name: &str) -> Result<Tally, StoreError> {
    Ok(guesses::find(db, name)?.unwrap_or_else(|| Tally::new(name)))
}

/// Names nobody in the clear, and cannot be made to be another's.
fn bucket(parts: &[&str]) -> String {
    let mut digest = Context::new(&SHA256);
    for part in parts {
        digest.update(&(part.len() as u64).to_be_bytes());
        digest.update(part.as_bytes());
    }
    URL_SAFE_NO_PAD.encode(digest.finish())
}
