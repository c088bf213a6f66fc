//! What is known, on disk: so that a service that starts while the issuer is away can judge tokens at once.
//!
//! Everything is kept as it was fetched. Lists are verified again when they are read; keys are believed because the file
//! is private (mode 0600) and beside it lies nothing that is worth more. What is broken, another issuer's or too old is
//! passed over.

use std::{
    hash::{DefaultHasher, Hash, Hasher},
    io,
    path::PathBuf,
    sync::Arc,
    time::Duration,
};

use serde::{Deserialize, Serialize};
use tokio::{
    select,
    task::spawn_blocking,
    time::{interval, sleep},
};

use super::{
    private_file,
    shown::Shown,
    state::{State, lock},
};
use crate::{
    clock::Freshness,
    verifier::{Clock, KeySet},
};

/// Of the form below.
const VERSION: u32 = 1;
/// It is not written more often.
const SHORTEST: Duration = Duration::from_secs(1);
/// After a failure it is tried again.
const AGAIN: Duration = Duration::from_secs(4);
/// How often it is written when nothing has changed but that it was confirmed.
const CONFIRMED: Duration = Duration::from_secs(60);
/// A machine's clock may have been put back by so much since it was written, in seconds.
const AHEAD: u64 = 60;

/// Reads and writes the file.
pub(super) struct Snapshot {
    path: PathBuf,
    state: Arc<State>,
}

#[derive(Serialize, Deserialize, Hash)]
struct Saved {
    version: u32,
    issuer: String,
    keys: SavedKeys,
    lists: Vec<SavedList>,
}

#[derive(Serialize, Deserialize, Hash)]
struct SavedKeys {
    /// The key set's JSON.
    document: String,
    /// Seconds since 1970.
    confirmed_at: u64,
}

#[derive(Serialize, Deserialize, Hash)]
struct SavedList {
    uri: String,
    /// The signed list.
    token: String,
    /// Seconds since 1970.
    confirmed_at: u64,
}

impl Snapshot {
    pub(super) fn new(path: PathBuf, state: Arc<State>) -> Self {
        Self { path, state }
    }

    /// Puts what the file holds in force, unless somebody has set keys already.
    pub(super) fn restore(&self, clock: &Clock) {
        if self.state.keys.latest().is_some() {
            return;
        }
        let path = self.path.display();
        if let Err(error) = private_file::tidy(&self.path, clock.now()) {
            log::debug!("what lies beside {path} is left there: {error}");
        }
        match self.read().and_then(|saved| self.apply(saved, clock)) {
            Ok((age, lists)) => {
                log::info!("{path}: keys from {} s ago, status lists: {lists}", age.as_secs());
            }
            Err(Unusable::Io(error)) if error.kind() == io::ErrorKind::NotFound => {}
            Err(unusable) => log::warn!("{path} is passed over: {}", Shown(unusable)),
        }
    }

    fn read(&self) -> Result<Saved, Unusable> {
        let saved: Saved =
            serde_json::from_slice(&private_file::read(&self.path)?).map_err(|_| Unusable::Broken)?;
        if saved.version != VERSION {
            return Err(Unusable::Version(saved.version));
        }
        if saved.issuer != self.state.policy.issuer() {
            return Err(Unusable::Foreign(saved.issuer));
        }
        Ok(saved)
    }

    fn apply(&self, saved: Saved, clock: &Clock) -> Result<(Duration, usize), Unusable> {
        let now = clock.now();
        let keys = KeySet::from_json(saved.keys.document.as_bytes()).map_err(|_| Unusable::Broken)?;
        let age = self.age(saved.keys.confirmed_at, now).ok_or(Unusable::Old)?;
        self.state.keys.set_aged(&Arc::new(keys), Freshness::aged(age, clock.instant()));
        self.state.key_generation.send_replace(self.state.keys.generation());
        *lock(&self.state.key_document) = Some((saved.keys.document.into(), saved.keys.confirmed_at));
        let put = saved.lists.into_iter().filter(|list| self.apply_list(list, clock)).count();
        Ok((age, put))
    }

    fn apply_list(&self, saved: &SavedList, clock: &Clock) -> bool {
        let Some(revocation) = &self.state.lists else { return false };
        let now = clock.now();
        let Some(age) = self.age(saved.confirmed_at, now) else { return false };
        let most = revocation.limits.list_bytes;
        match self.state.read_list(&saved.token, &saved.uri, most, clock) {
            Ok(list) if revocation.lists.len() < revocation.limits.lists => {
                let kept_until = now.saturating_add(self.state.max_age.as_secs());
                let uri = Arc::from(saved.uri.as_str());
                let freshness = Freshness::aged(age, clock.instant());
                revocation.lists.put(&uri, Arc::new(list), saved.confirmed_at, freshness);
                revocation.lists.need(&uri, kept_until);
                true
            }
            _ => false,
        }
    }

    /// How old that is; `None`: too old, or of a time to come.
    fn age(&self, confirmed_at: u64, now: u64) -> Option<Duration> {
        let age = Duration::from_secs(now.saturating_sub(confirmed_at));
        (confirmed_at <= now.saturating_add(AHEAD) && age <= self.state.max_age).then_some(age)
    }

    /// Writes the file whenever there is something new, for ever.
    pub(super) async fn keep(self) {
        let (mut written, mut failed) = (None, false);
        let mut confirmed = interval(CONFIRMED);
        confirmed.tick().await; // the first one is at once
        loop {
            select! {
                () = self.state.unsaved.notified() => {}
                _ = confirmed.tick() => {}
            }
            let Some(saved) = self.collect() else { continue };
            let mut hasher = DefaultHasher::new();
            saved.hash(&mut hasher);
            let hash = Some(hasher.finish());
            if hash == written {
                continue;
            }
            let path = self.path.clone();
            let writing = spawn_blocking(move || private_file::write(&path, &serde_json::to_vec(&saved)?));
            match writing.await.unwrap_or_else(|gone| Err(io::Error::other(gone))) {
                Ok(()) => (written, failed) = (hash, false),
                Err(error) => {
                    let level = if failed { log::Level::Debug } else { log::Level::Warn };
                    log::log!(level, "{} cannot be written: {error}", self.path.display());
                    failed = true;
                    sleep(AGAIN).await;
                    self.state.unsaved.notify_one();
                }
            }
            sleep(SHORTEST).await;
        }
    }

    /// What is known; `None` without keys.
    fn collect(&self) -> Option<Saved> {
        let (document, confirmed_at) = lock(&self.state.key_document).clone()?;
        let mut held = self.state.lists.as_ref().map(|lists| lists.lists.all()).unwrap_or_default();
        held.sort_by(|(one, _), (other, _)| one.cmp(other));
        let lists = held.into_iter().map(|(uri, held)| SavedList {
            uri: uri.to_string(),
            token: held.signed.token.to_string(),
            confirmed_at: held.confirmed_at,
        });
        Some(Saved {
            version: VERSION,
            issuer: self.state.policy.issuer().to_owned(),
            keys: SavedKeys { document: document.to_string(), confirmed_at },
            lists: lists.collect(),
        })
    }
}

/// Why a snapshot is passed over.
#[derive(Debug, thiserror::Error)]
enum Unusable {
    #[error("{0}")]
    Io(#[from] io::Error),
    #[error("it is broken")]
    Broken,
    #[error("it has the form {0}")]
    Version(u32),
    #[error("it is of the issuer {0:?}")]
    Foreign(String),
    #[error("it is too old, or of a time to come")]
    Old,
}
