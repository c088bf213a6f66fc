//! The JSON of a snapshot. Keys and lists are kept as they were fetched, with the content that was merged into lists.

use serde::{Deserialize, Serialize};

use crate::remote::lists::held::Held;

/// The version of this format.
pub(super) const VERSION: u32 = 1;

#[derive(Serialize, Deserialize, Hash)]
pub(super) struct Saved {
    pub(super) version: u32,
    pub(super) issuer: String,
    pub(super) keys: SavedKeys,
    pub(super) lists: Vec<SavedList>,
}

#[derive(Serialize, Deserialize, Hash)]
pub(super) struct SavedKeys {
    /// The key set's JSON.
    pub(super) document: String,
    /// Seconds since 1970.
    pub(super) confirmed_at: u64,
}

#[derive(Serialize, Deserialize, Hash)]
pub(super) struct SavedList {
    pub(super) uri: String,
    /// The signed list.
    pub(super) token: String,
    /// Seconds since 1970.
    pub(super) confirmed_at: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) earlier: Option<SavedEarlier>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) remembered: Option<SavedRemembered>,
}

/// A list of an earlier revision, with which the issuer responds. Times are in seconds since 1970.
#[derive(Serialize, Deserialize, Hash)]
pub(super) struct SavedEarlier {
    pub(super) token: String,
    pub(super) confirmed_at: u64,
    pub(super) since: u64,
}

/// The content of lists that are no longer kept themselves, in the form of the claim `status_list`.
#[derive(Serialize, Deserialize, Hash)]
pub(super) struct SavedRemembered {
    pub(super) bits: u8,
    pub(super) lst: String,
    /// Seconds since 1970.
    pub(super) learnt: u64,
}

impl SavedList {
    pub(super) fn of(uri: &str, held: &Held) -> Self {
        let earlier = held.earlier.as_ref().map(|earlier| SavedEarlier {
            token: earlier.signed.token.to_string(),
            confirmed_at: earlier.seen.at,
            since: earlier.since.at,
        });
        let remembered = held.remembered.as_ref().map(|remembered| {
            let (bits, lst) = remembered.list.encode();
            SavedRemembered { bits, lst, learnt: remembered.learnt.at }
        });
        let (token, confirmed_at) = (held.signed.token.to_string(), held.seen.at);
        Self { uri: uri.to_owned(), token, confirmed_at, earlier, remembered }
    }
}
