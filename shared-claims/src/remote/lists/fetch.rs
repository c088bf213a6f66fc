//! Fetches status lists and their aggregation. Fetches may run concurrently.

use reqwest::header::HeaderValue;
use serde::Deserialize;
use serde_json::Value;
use tokio::time::Instant;
use url::Url;

use super::fetched::{FetchedAggregation, FetchedList};
use crate::{
    clock::Clock,
    error::refusal::Refusal,
    remote::{
        http::{Conditions, FetchError},
        state::{MAX_WAIT, State},
    },
};

/// The response of the `status_list_aggregation_endpoint`.
#[derive(Deserialize)]
struct AggregationResponse {
    status_lists: Vec<String>,
    /// Any JSON: other issuers may use the name for something else.
    #[serde(default)]
    revisions: Value,
}

/// Fetches a list from the first URL that has it, and verifies it.
pub(super) async fn fetch_list(
    state: &State,
    clock: &Clock,
    uri: &str,
    known: Conditions<'_>,
) -> Result<FetchedList, FetchError> {
    let mut result = Err(FetchError::Url(uri.to_owned(), "it is not the issuer's"));
    for url in state.list_urls(uri).unwrap_or_default() {
        result = fetch_from(state, clock, uri, &url, known).await;
        if result.is_ok() {
            break;
        }
    }
    result
}

/// Fetches a list from `url`. If its key is unknown, waits for a fetch of the keys.
async fn fetch_from(
    state: &State,
    clock: &Clock,
    uri: &str,
    url: &Url,
    known: Conditions<'_>,
) -> Result<FetchedList, FetchError> {
    let most = state.lists.as_ref().map_or(0, |lists| lists.limits.list_bytes);
    let answer = state.http.get_list(url, known).await?;
    state.saw_date(answer.date, clock);
    let Some(body) = answer.body else {
        return Ok(FetchedList::Unchanged(answer.etag.or(known.etag.cloned())));
    };
    let text = str::from_utf8(&body).map_err(|_| FetchError::Content(url.clone(), "not text"))?.trim();
    let read = match state.read_list(text, uri, most, clock) {
        Err(Refusal::UnknownKey | Refusal::Unavailable) => {
            state.wait_for_keys(Instant::now() + MAX_WAIT).await;
            state.read_list(text, uri, most, clock)
        }
        read => read,
    };
    let list = read.map_err(|refusal| FetchError::List(url.clone(), refusal))?;
    Ok(FetchedList::List(Box::new(list), answer.etag))
}

/// Fetches the names of all lists, with their revisions if the issuer has them, and notes the revision of the keys. It
/// takes the place of an event, so caches are bypassed.
pub(super) async fn fetch_aggregation(
    state: &State,
    clock: &Clock,
    url: &Url,
    etag: Option<&HeaderValue>,
) -> Result<FetchedAggregation, FetchError> {
    let answer = state.http.get(url, Conditions { etag, bypass_caches: true }).await?;
    state.saw_date(answer.date, clock);
    if let Some(revision) = answer.keys_revision {
        state.key_revision_polled(revision);
    }
    let Some(body) = answer.body else { return Ok(FetchedAggregation::Unchanged) };
    let read: AggregationResponse = serde_json::from_slice(&body)
        .map_err(|_| FetchError::Content(url.clone(), "not the names of status lists"))?;
    let revisions = serde_json::from_value(read.revisions).ok();
    Ok(FetchedAggregation::Read { names: read.status_lists, revisions, etag: answer.etag })
}
