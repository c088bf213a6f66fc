//! The part of the background task that reads the issuer's event stream, and reconnects when it breaks off.
//!
//! Events are not trusted: they only cause fetches.

use std::{sync::Arc, time::Duration};

use reqwest::StatusCode;
use tokio::{
    sync::mpsc,
    time::{Instant, sleep, timeout_at},
};
use url::Url;

use super::parser::{Events, ListChange, Signal, TooLong};
use crate::{
    remote::{backoff::back_off, http::FetchError, state::State},
    shown::Shown,
};

/// A stream without a sign of life for this long is dead. The issuer sends one every ten seconds.
const SILENCE: Duration = Duration::from_secs(25);
/// A stream with more bytes than this within `FLOOD_TIME` is closed.
const FLOOD: usize = 4 * 1024 * 1024;
const FLOOD_TIME: Duration = Duration::from_secs(10);
/// The first delay before a new connection, and the longest one.
const BACK_OFF: Duration = Duration::from_secs(1);
const MAX_BACK_OFF: Duration = Duration::from_secs(60);
/// How long to connect anonymously after credentials were refused.
const ANONYMOUS: Duration = Duration::from_secs(10 * 60);

/// The reader; [`run`](Self::run) is its task.
pub(in crate::remote) struct Stream {
    state: Arc<State>,
    lists: mpsc::Sender<ListChange>,
    /// When the credentials were last refused.
    refused: Option<Instant>,
}

/// The reason for which a stream has ended.
#[derive(Debug, thiserror::Error)]
enum Over {
    #[error(transparent)]
    Fetch(#[from] FetchError),
    #[error("it broke off: {0}")]
    Broken(#[from] reqwest::Error),
    #[error("it was closed")]
    Closed,
    #[error("no sign of life for {} s", SILENCE.as_secs())]
    Silent(#[from] tokio::time::error::Elapsed),
    #[error(transparent)]
    TooLong(#[from] TooLong),
    #[error("too much data")]
    Flood,
}

impl Stream {
    pub(in crate::remote) fn new(state: Arc<State>, lists: mpsc::Sender<ListChange>) -> Self {
        Self { state, lists, refused: None }
    }

    /// Runs forever.
    pub(in crate::remote) async fn run(mut self) {
        let mut endpoints = self.state.endpoints.subscribe();
        let mut failures = 0_u32;
        loop {
            let known =
                endpoints.wait_for(|known| known.as_ref().is_some_and(|known| known.events.is_some()));
            let Ok(Some(url)) = known.await.map(|known| known.as_ref()?.events.clone()) else { return };
            let named = self.has_credentials();
            let Err(over) = self.listen(&url, named).await;
            if named && is_refused(&over) {
                self.fall_back_to_anonymous();
                continue;
            }
            let lived = self.state.streaming.send_replace(false);
            failures = if lived { 1 } else { failures.saturating_add(1) };
            let level = if failures == 1 { log::Level::Info } else { log::Level::Debug };
            log::log!(
                level,
                "the event stream of {}: {}; polling meanwhile",
                self.state.policy.issuer(),
                Shown(&over)
            );
            sleep(pause(&over, failures)).await;
        }
    }

    /// Returns whether to send the client's credentials now.
    fn has_credentials(&self) -> bool {
        let refused = self.refused.is_some_and(|at| at.elapsed() < ANONYMOUS);
        self.state.http.has_credentials() && !refused
    }

    /// Falls back to an anonymous stream. Warns once, until the credentials are accepted again.
    fn fall_back_to_anonymous(&mut self) {
        let level = if self.refused.is_none() { log::Level::Warn } else { log::Level::Debug };
        let issuer = self.state.policy.issuer();
        log::log!(
            level,
            "{issuer} refuses the client's credentials at its event stream: the verifier connects anonymously, and may find no \
             free connection. Check the client's id and secret, and that it is enabled"
        );
        self.refused = Some(Instant::now());
    }

    /// Reads one stream to its end.
    async fn listen(&mut self, url: &Url, named: bool) -> Result<std::convert::Infallible, Over> {
        let mut response = self.state.http.open_stream(url, named).await?;
        if named {
            self.refused = None;
        }
        let (mut events, mut signals) = (Events::default(), Vec::new());
        let mut last_signal = Instant::now();
        let (mut since, mut bytes) = (last_signal, 0);
        loop {
            let piece = timeout_at(last_signal + SILENCE, response.chunk()).await??.ok_or(Over::Closed)?;
            if since.elapsed() > FLOOD_TIME {
                (since, bytes) = (Instant::now(), 0);
            }
            bytes += piece.len();
            if bytes > FLOOD {
                return Err(Over::Flood);
            }
            events.feed(&piece, &mut signals)?;
            for signal in signals.drain(..) {
                last_signal = Instant::now();
                self.process(signal).await;
            }
        }
    }

    async fn process(&self, signal: Signal) {
        if self.state.streaming.send_if_modified(|streaming| !std::mem::replace(streaming, true)) {
            log::info!("connected to the event stream of {}", self.state.policy.issuer());
        }
        match signal {
            Signal::Alive => {}
            Signal::Keys { revision } => _ = self.state.published_keys_revision.send_replace(Some(revision)),
            // Not received if status lists are turned off.
            Signal::List(change) => _ = self.lists.send(change).await,
        }
    }
}

fn is_refused(over: &Over) -> bool {
    let refusals = [StatusCode::UNAUTHORIZED, StatusCode::FORBIDDEN];
    matches!(over, Over::Fetch(FetchError::Status { status, .. }) if refusals.contains(status))
}

/// Returns the delay before the next connection: as the issuer says, up to a limit.
fn pause(over: &Over, failures: u32) -> Duration {
    let usual = back_off(failures, BACK_OFF, MAX_BACK_OFF);
    match over {
        Over::Fetch(FetchError::Status { retry_after: Some(after), .. }) => {
            usual.max((*after).min(MAX_BACK_OFF))
        }
        _ => usual,
    }
}
