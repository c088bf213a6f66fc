//! Revocation of status list indexes, inside a transaction.

use std::collections::BTreeSet;

use crate::domain::status_lists::status_index::StatusIndex;
use crate::store::engine::connection::Connection;
use crate::store::error::StoreError;
use crate::store::{revocations, status_lists};

/// Revokes indexes until `until`, in unix seconds. Indexes are written and lists are raised in ascending order, so that no two
/// transactions wait for each other.
pub(in crate::domain) fn revoke(
    db: &mut Connection,
    indexes: &mut [i64],
    until: i64,
) -> Result<(), StoreError> {
    indexes.sort_unstable();
    let mut lists = BTreeSet::new();
    for index in indexes {
        revocations::insert(db, *index, until)?;
        lists.insert(StatusIndex::from(*index).list());
    }
    lists.into_iter().try_for_each(|list| status_lists::raise(db, list))
}
