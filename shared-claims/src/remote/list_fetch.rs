//! Single fetches of status lists, and of the names of all of them. Each may run beside others.

use reqwest::header::HeaderValue;
use serde::Deserialize;
use tokio::time::Instant;
use url::Url;

use super::{
    http::FetchError,
    list_token::SignedList,
    state::{PATIENCE, State},
};
use crate::{error::Refusal, verifier::Clock};

/// What a fetch has brought.
pub(super) enum Brought {
    /// What was known is current.
    Unchanged(Option<HeaderValue>),
    List(Box<SignedList>, Option<HeaderValue>),
}

/// The answer of `status_list_aggregation_endpoint`.
#[derive(Deserialize)]
struct Names {
    status_lists: Vec<String>,
}

/// Fetches a list, from the first place that has it, and verifies it.
pub(super) async fn fetch_list(
    state: &State,
    clock: &Clock,
    uri: &str,
    etag: Option<&HeaderValue>,
) -> Result<Brought, FetchError> {
    let mut result = Err(FetchError::Url(uri.to_owned(), "it is not the issuer's"));
    for url in state.list_urls(uri).unwrap_or_default() {
        result = fetch_from(state, clock, uri, &url, etag).await;
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
    etag: Option<&HeaderValue>,
) -> Result<Brought, FetchError> {
    let most = state.lists.as_ref().map_or(0, |lists| lists.limits.list_bytes);
    let answer = state.http.get_list(url, etag).await?;
    let Some(body) = answer.body else { return Ok(Brought::Unchanged(answer.etag.or(etag.cloned()))) };
    let text = str::from_utf8(&body).map_err(|_| FetchError::Content(url.clone(), "not text"))?.trim();
    let read = match state.read_list(text, uri, most, clock) {
        Err(Refusal::UnknownKey | Refusal::Unavailable) => {
            state.wait_for_keys(Instant::now() + PATIENCE).await;
            state.read_list(text, uri, most, clock)
        }
        read => read,
    };
    let list = read.map_err(|refusal| FetchError::List(url.clone(), refusal))?;
    Ok(Brought::List(Box::new(list), answer.etag))
}

/// Fetches the names of all lists.
pub(super) async fn fetch_directory(state: &State, url: &Url) -> Result<Vec<String>, FetchError> {
    let body = state.http.get(url, None).await?.body.unwrap_or_default();
    let names: Names = serde_json::from_slice(&body)
        .map_err(|_| FetchError::Content(url.clone(), "not the names of status lists"))?;
    Ok(names.status_lists)
}
