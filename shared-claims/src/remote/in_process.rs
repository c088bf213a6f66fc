//! For tests: an issuer in the same process. What it publishes is stored by the same code as a response, and nothing is
//! fetched.

use std::sync::{Arc, Weak};

use tokio::sync::oneshot;
use url::Url;

use super::{
    discovery::{Endpoints, Location},
    http::{FetchError, Http},
    lists::{fetched::FetchedList, plan::Plan},
    refresher::Refresher,
    remote::Remote,
    state::State,
};
use crate::{
    clock::Clock, error::setup::SetupError, key_store::KeyStore, keys::key_set::KeySet, policy::Policy,
};

/// A connection from the issuer to one verifier. It ends with the verifier.
pub(crate) struct Link {
    state: Weak<State>,
    /// While this exists, the verifier considers its issuer connected.
    _end: oneshot::Receiver<()>,
}

/// What an issuer publishes at one time.
pub(crate) struct Published {
    /// The key set's JSON.
    pub(crate) key_set: Arc<str>,
    /// The signed status lists, by their URIs.
    pub(crate) lists: Vec<(Arc<str>, String)>,
}

impl Remote {
    /// Creates a refresher like [`refresher`](Self::refresher), which is fed by the link. Of the settings, only the limits and
    /// the staleness apply.
    pub(crate) fn in_process(
        self,
        policy: &Policy,
        keys: Arc<KeyStore>,
    ) -> Result<(Refresher, Link), SetupError> {
        let location = Location::new(policy.issuer(), None, None)?;
        let own = location.first_urls().filter_map(|url| url.host_str().map(str::to_owned));
        let http = Http::without_network(self.http_hosts.into_iter().chain(own).collect())?;
        let (state, _) = State::new(policy.clone(), http, location, keys, self.max_staleness, self.limits);
        let endpoints = state.location.first_urls().next().map(|url| Endpoints::of_keys(url.clone()));
        state.endpoints.send_replace(endpoints);
        let (refresher, end) = Refresher::without_task(state);
        let line = Link { state: Arc::downgrade(refresher.state()), _end: end };
        Ok((refresher, line))
    }
}

impl Link {
    /// Returns whether the verifier still exists.
    pub(crate) fn is_open(&self) -> bool {
        self.state.strong_count() > 0
    }

    /// Stores what is published, as if it had been fetched just now.
    pub(crate) fn deliver(&self, published: &Published, clock: &Clock) {
        let Some(state) = self.state.upgrade() else { return };
        match KeySet::from_json(published.key_set.as_bytes()) {
            Ok(keys) => {
                state.put_keys(&Arc::new(keys), &published.key_set, clock);
                state.report(None);
            }
            Err(error) => state.report(Some(&error.to_string())),
        }
        state.streaming.send_replace(true);
        let now = clock.instant();
        let Some(mut plan) = Plan::new(Arc::clone(&state), clock.clone(), now) else { return };
        for (uri, text) in &published.lists {
            plan.take_list(uri, read(&state, uri, text, clock), now);
        }
    }

    /// Simulates an issuer that cannot be reached, with this error.
    pub(crate) fn cut(&self, why: &str) {
        let Some(state) = self.state.upgrade() else { return };
        state.streaming.send_replace(false);
        state.report(Some(why));
    }
}

fn read(state: &State, uri: &str, text: &str, clock: &Clock) -> Result<FetchedList, FetchError> {
    let url = Url::parse(uri).map_err(|_| FetchError::Url(uri.to_owned(), "it is not a URL"))?;
    state.list_urls(uri).map_err(|refusal| FetchError::List(url.clone(), refusal))?;
    let most = state.lists.as_ref().map_or(0, |lists| lists.limits.list_bytes);
    let list = state.read_list(text, uri, most, clock).map_err(|refusal| FetchError::List(url, refusal))?;
    Ok(FetchedList::List(Box::new(list), None))
}
