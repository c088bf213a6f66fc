//! Whose password is tried, from where, and under which names that is counted.

use std::net::{IpAddr, Ipv6Addr};

use aws_lc_rs::digest::{Context, SHA256};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::store::guesses::{self, Tally};
use crate::store::{Connection, StoreError};

/// Whose password is tried.
#[derive(Debug, Clone, Copy)]
pub enum Target<'a> {
    /// An account, by its id, whatever it was called.
    Account(&'a str),
    /// A name that nobody has.
    Nobody(&'a str),
}

/// Where tries come from: an IPv4 address, or the /64 of an IPv6 address, which is one customer's.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Source(Option<IpAddr>);

impl Source {
    /// By the address that is stored with a session; whoever has none is one source.
    #[must_use]
    pub fn of(address: Option<&str>) -> Self {
        let address = address.and_then(|address| address.parse().ok()).map(|address: IpAddr| {
            match address.to_canonical() {
                IpAddr::V6(v6) => {
                    let [a, b, c, d, ..] = v6.segments();
                    IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
                }
                v4 @ IpAddr::V4(_) => v4,
            }
        });
        Self(address)
    }
}

/// The tallies of one try.
#[derive(Debug, Clone)]
pub(super) struct Buckets {
    pub(super) pair: String,
    account: String,
    source: String,
}

impl Buckets {
    pub(super) fn of(target: Target<'_>, source: &Source) -> Self {
        let (kind, whose) = match target {
            Target::Account(id) => ("account", id),
            Target::Nobody(name) => ("nobody", name),
        };
        let address = source.0.map_or_else(String::new, |address| address.to_string());
        Self {
            pair: bucket(&["pair", kind, whose, &address]),
            account: bucket(&["all", kind, whose]),
            source: bucket(&["source", &address]),
        }
    }

    /// Held in one order by everybody, so that nobody waits in a circle.
    pub(super) fn hold(&self, db: &mut Connection) -> Result<[Tally; 3], StoreError> {
        let mut names = [&self.pair, &self.account, &self.source];
        names.sort_unstable();
        for name in names {
            guesses::hold(db, name)?;
        }
        self.read(db)
    }

    /// The tallies of the pair, the account and the source.
    pub(super) fn read(&self, db: &mut Connection) -> Result<[Tally; 3], StoreError> {
        let [pair, account, source] = [&self.pair, &self.account, &self.source].map(|name| {
            let found = guesses::find(db, name)?;
            Ok::<_, StoreError>(found.unwrap_or_else(|| Tally::new(name)))
        });
        Ok([pair?, account?, source?])
    }
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
