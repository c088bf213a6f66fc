//! The index of the status lists (section 9.3 of the draft), with their revisions: a verifier without a stream of events
//! learns from one small answer which lists it has to fetch.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Serialize;

use crate::domain::entity_tag::entity_tag;
use crate::domain::issuer::Issuer;
use crate::domain::keyring::KeyringError;
use crate::domain::status_lists::News;

/// The published lists and their revisions at one time.
#[derive(Debug)]
pub struct ListIndex {
    /// The document.
    pub json: String,
    /// Its validator.
    pub etag: String,
    made_of: Arc<News>,
}

#[derive(Serialize)]
struct Document {
    status_lists: Vec<String>,
    /// Ours.
    revisions: BTreeMap<String, i64>,
}

impl Issuer {
    /// The index as it is now in the database, and the revision of the keys, which is no part of what is kept: it may rise
    /// while no list changes.
    ///
    /// # Errors
    /// The store is away.
    pub async fn list_index(&self) -> Result<(Arc<ListIndex>, i64), KeyringError> {
        let news = self.look().await?;
        let keys = news.keys;
        let known = self.lists.index.load_full();
        if let Some(known) = known.filter(|known| known.made_of.lists == news.lists) {
            return Ok((known, keys));
        }
        let index = Arc::new(self.index_of(news).map_err(|_| KeyringError::Crypto)?);
        self.lists.index.store(Some(Arc::clone(&index)));
        Ok((index, keys))
    }

    fn index_of(&self, news: Arc<News>) -> Result<ListIndex, serde_json::Error> {
        let lists = || news.lists.iter().map(|(list, revision)| (self.list_uri(*list), *revision));
        let status_lists = lists().map(|(uri, _)| uri).collect();
        let json = serde_json::to_string(&Document { status_lists, revisions: lists().collect() })?;
        Ok(ListIndex { etag: entity_tag(&json), json, made_of: news })
    }
}
