//! What fetches of status lists, and of the names of all of them, have brought.

use std::collections::HashMap;

use reqwest::header::HeaderValue;

use super::signed_list::SignedList;

/// What a fetch has brought.
pub(in crate::remote) enum FetchedList {
    /// What was known is current.
    Unchanged(Option<HeaderValue>),
    List(Box<SignedList>, Option<HeaderValue>),
}

/// What asking for the names of all lists has brought.
pub(in crate::remote) enum FetchedNames {
    /// What was read last is current.
    Unchanged,
    Read {
        names: Vec<String>,
        /// The revision of each; issuers that are not auth-service do not say.
        revisions: Option<HashMap<String, u64>>,
        etag: Option<HeaderValue>,
    },
}
