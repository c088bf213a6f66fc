//! The index of the status lists (section 9.3 of the draft), with their revisions: a verifier without a stream of events
//! learns from one small answer which lists it has to fetch.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::domain::entity_tag::entity_tag;
use crate::domain::status_lists::revisions::Revisions;

/// The published lists and their revisions at one time.
#[derive(Debug)]
pub struct ListIndex {
    /// The document.
    pub json: String,
    /// Its validator.
    pub etag: String,
    lists: BTreeMap<i64, i64>,
}

#[derive(Serialize)]
struct Document {
    status_lists: Vec<String>,
    /// A member of our own.
    revisions: BTreeMap<String, i64>,
}

impl ListIndex {
    /// Writes the document of these revisions; `uri` returns the URI of a list.
    pub(super) fn new(revisions: &Revisions, uri: impl Fn(i64) -> String) -> Result<Self, serde_json::Error> {
        let status_lists = revisions.lists.keys().map(|list| uri(*list)).collect();
        let by_uri = revisions.lists.iter().map(|(list, revision)| (uri(*list), *revision)).collect();
        let json = serde_json::to_string(&Document { status_lists, revisions: by_uri })?;
        Ok(Self { etag: entity_tag(&json), json, lists: revisions.lists.clone() })
    }

    /// Whether the document has these revisions.
    pub(super) fn is_of(&self, revisions: &Revisions) -> bool {
        self.lists == revisions.lists
    }
}
