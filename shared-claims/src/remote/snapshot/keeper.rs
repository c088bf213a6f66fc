//! Reads and writes the snapshot.
//!
//! Lists are verified again when they are read. Keys and merged content are trusted because the file and its folder are
//! private. A snapshot that is not private, broken, of another issuer, or too old is ignored.

use std::{
    hash::{DefaultHasher, Hash, Hasher},
    io,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tokio::{
    select,
    task::spawn_blocking,
    time::{interval, sleep},
};

use super::{
    format::{Saved, SavedKeys, SavedList, VERSION},
    private_file::{self, NotPrivate},
};
use crate::{
    clock::{Clock, Freshness},
    keys::key_set::KeySet,
    remote::{
        lists::held::{Earlier, Held, Remembered, Seen},
        lock::lock,
        state::{Revocation, State},
    },
    shown::Shown,
    status::{EncodedList, StatusList},
};

/// The shortest time between two writes.
const SHORTEST: Duration = Duration::from_secs(1);
/// The delay after a failed write.
const AGAIN: Duration = Duration::from_secs(4);
/// How often the file is written if only the times of confirmation have changed.
const CONFIRMED: Duration = Duration::from_secs(60);
/// How far in the future a snapshot may lie, in seconds, because the machine's clock was set back.
const AHEAD: u64 = 60;

/// The snapshot of one verifier.
pub(in crate::remote) struct Snapshot {
    path: PathBuf,
    state: Arc<State>,
    /// The log has warned that the file cannot be kept or is not trusted.
    warned: AtomicBool,
}

impl Snapshot {
    pub(in crate::remote) fn new(path: PathBuf, state: Arc<State>) -> Self {
        Self { path, state, warned: AtomicBool::new(false) }
    }

    /// Restores keys and lists from the file, unless there are keys already.
    pub(in crate::remote) fn restore(&self, clock: &Clock) {
        if self.state.keys.latest().is_some() {
            return;
        }
        match self.read(clock).and_then(|saved| self.apply(saved, clock)) {
            Ok((age, lists)) => {
                let path = self.path.display();
                log::info!("{path}: keys from {} s ago, status lists: {lists}", age.as_secs());
            }
            Err(Unusable::File(NotPrivate::Io(error))) if error.kind() == io::ErrorKind::NotFound => {}
            Err(unusable) => self.warn(&format!("is ignored: {}", Shown(unusable))),
        }
    }

    /// Warns once, and then logs at `debug`.
    fn warn(&self, what: &str) {
        let again = self.warned.swap(true, Ordering::Relaxed);
        let level = if again { log::Level::Debug } else { log::Level::Warn };
        log::log!(level, "the snapshot {} {what}", self.path.display());
    }

    fn read(&self, clock: &Clock) -> Result<Saved, Unusable> {
        let place = private_file::place(&self.path)?;
        if place != self.path && self.path.symlink_metadata().is_ok() {
            let (folder, path) = (self.path.parent().unwrap_or(&self.path), place.display());
            let folder = folder.display();
            self.warn(&format!(
                "is ignored: others may write to the folder {folder}. It is kept as {path} from now on. Delete it, or \
                 make the folder private (mode 0700, owned by this user)"
            ));
        }
        if let Err(error) = private_file::tidy(&place, clock.now()) {
            log::debug!("drafts beside {} cannot be deleted: {error}", place.display());
        }
        let saved: Saved =
            serde_json::from_slice(&private_file::read(&place)?).map_err(|_| Unusable::Broken)?;
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
        if revocation.lists.len() >= revocation.limits.lists {
            return false;
        }
        let Some(held) = self.held(saved, revocation, clock) else { return false };
        let uri = Arc::from(saved.uri.as_str());
        revocation.lists.put(&uri, held);
        revocation.lists.need(&uri, clock.now().saturating_add(self.state.max_age.as_secs()));
        true
    }

    /// Returns a list with its merged content; `None` if it is too old or not valid.
    fn held(&self, saved: &SavedList, revocation: &Revocation, clock: &Clock) -> Option<Held> {
        let most = revocation.limits.list_bytes;
        let verified = |token: &str| self.state.read_list(token, &saved.uri, most, clock).ok().map(Arc::new);
        let seen = |at: u64| {
            let age = Duration::from_secs(clock.now().saturating_sub(at));
            Seen { at, freshness: Freshness::aged(age, clock.instant()) }
        };
        self.age(saved.confirmed_at, clock.now())?;
        let held = Held::new(verified(&saved.token)?, seen(saved.confirmed_at));
        let earlier = saved.earlier.as_ref().and_then(|earlier| {
            let (seen, since) = (seen(earlier.confirmed_at), seen(earlier.since));
            Some(Earlier { signed: verified(&earlier.token)?, seen, since })
        });
        let remembered = saved.remembered.as_ref().and_then(|remembered| {
            let list = StatusList::read(&EncodedList::new(remembered.bits, &remembered.lst), most).ok()?;
            Some(Remembered { list: Arc::new(list), learnt: seen(remembered.learnt) })
        });
        Some(held.with_merged(earlier, remembered, &self.state.terms(&revocation.limits, clock)))
    }

    /// Returns the age; `None` if it is too old or in the future.
    fn age(&self, confirmed_at: u64, now: u64) -> Option<Duration> {
        let age = Duration::from_secs(now.saturating_sub(confirmed_at));
        (confirmed_at <= now.saturating_add(AHEAD) && age <= self.state.max_age).then_some(age)
    }

    /// Writes the file whenever something has changed, forever.
    pub(in crate::remote) async fn keep(self) {
        let mut written = None;
        let mut confirmed = interval(CONFIRMED);
        confirmed.tick().await; // the first tick is immediate
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
            let writing = spawn_blocking(move || write(&path, &saved));
            match writing.await.unwrap_or_else(|gone| Err(io::Error::other(gone).into())) {
                Ok(()) => {
                    written = hash;
                    self.warned.store(false, Ordering::Relaxed);
                }
                Err(error) => {
                    self.warn(&format!("cannot be written: {error}"));
                    sleep(AGAIN).await;
                    self.state.unsaved.notify_one();
                }
            }
            sleep(SHORTEST).await;
        }
    }

    /// Returns the content to save; `None` without keys.
    fn collect(&self) -> Option<Saved> {
        let (document, confirmed_at) = lock(&self.state.key_document).clone()?;
        let mut held = self.state.lists.as_ref().map(|lists| lists.lists.all()).unwrap_or_default();
        held.sort_by(|(one, _), (other, _)| one.cmp(other));
        let lists = held.into_iter().map(|(uri, held)| SavedList::of(&uri, &held));
        Some(Saved {
            version: VERSION,
            issuer: self.state.policy.issuer().to_owned(),
            keys: SavedKeys { document: document.to_string(), confirmed_at },
            lists: lists.collect(),
        })
    }
}

fn write(path: &Path, saved: &Saved) -> Result<(), NotPrivate> {
    let bytes = serde_json::to_vec(saved).map_err(io::Error::from)?;
    private_file::write(&private_file::place(path)?, &bytes)?;
    Ok(())
}

/// The reason why a snapshot is ignored.
#[derive(Debug, thiserror::Error)]
enum Unusable {
    #[error(transparent)]
    File(#[from] NotPrivate),
    #[error("it is broken")]
    Broken,
    #[error("it has version {0}")]
    Version(u32),
    #[error("it is of the issuer {0:?}")]
    Foreign(String),
    #[error("it is too old, or from the future")]
    Old,
}
