//! Single fetches of status lists, and of the names of all of them. Each may run beside others.

use reqwest::header::HeaderValue;
use serde::Deserialize;
use serde_json::Value;
use tokio::time::Instant;
use url::Url;

use super::fetched::{FetchedList, FetchedNames};
use crate::{
    clock::Clock,
    error::refusal::Refusal,
    remote::{
        http::{FetchError, Known},
        state::{PATIENCE, State},
    },
};

/// The answer of `status_list_aggregation_endpoint`.
#[derive(Deserialize)]
struct Aggregation {
    status_lists: Vec<String>,
    /// Other issuers may mean anything by it.
    #[serde(default)]
    revisions: Value,
}

/// Fetches a list, from the first place that has it, and verifies it.
pub(super) async fn fetch_list(
    state: &State,
    clock: &Clock,
    uri: &str,
    known: Known<'_>,
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

/// A list that is signed by a key that is not known waits for a fetch of the keys first.
async fn fetch_from(
    state: &State,
    clock: &Clock,
    uri: &str,
    url: &Url,
    known: Known<'_>,
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
            state.wait_for_keys(Instant::now() + PATIENCE).await;
            state.read_list(text, uri, most, clock)
        }
        read => read,
    };
    let list = read.map_err(|refusal| FetchError::List(url.clone(), refusal))?;
    Ok(FetchedList::List(Box::new(list), answer.etag))
}

/// Fetches the names of all lists, and their revisions where the issuer says them; passes on which revision the keys have. No cache may answer by itself: this takes
/// the place of an event.
pub(super) async fn fetch_directory(
    state: &State,
    clock: &Clock,
    url: &Url,
    etag: Option<&HeaderValue>,
) -> Result<FetchedNames, FetchError> {
    let answer = state.http.get(url, Known { etag, outdated: true }).await?;
    state.saw_date(answer.date, clock);
    if let Some(revision) = answer.keys_revision {
        state.keys_have(revision);
    }
    let Some(body) = answer.body else { return Ok(FetchedNames::Unchanged) };
    let read: Aggregation = serde_json::from_slice(&body)
        .map_err(|_| FetchError::Content(url.clone(), "not the names of status lists"))?;
    let revisions = serde_json::from_value(read.revisions).ok();
    Ok(FetchedNames::Read { names: read.status_lists, revisions, etag: answer.etag })
}
