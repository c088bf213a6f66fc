//! The results of fetching status lists and their aggregation.

use std::collections::HashMap;

use reqwest::header::HeaderValue;

use super::signed_list::SignedList;

/// The result of fetching a list.
pub(in crate::remote) enum FetchedList {
    /// The known list is current.
    Unchanged(Option<HeaderValue>),
    List(Box<SignedList>, Option<HeaderValue>),
}

/// The result of fetching the aggregation.
pub(in crate::remote) enum FetchedAggregation {
    /// The response that was read last is current.
    Unchanged,
    Read {
        names: Vec<String>,
        /// The revision of each list. Only auth-service publishes them.
        revisions: Option<HashMap<String, u64>>,
        etag: Option<HeaderValue>,
    },
}
