//! The marks that this process keeps.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::domain::marks::book::{Book, Progress};
use crate::domain::marks::file::{MarksError, MarksFile};
use crate::domain::marks::standing::Standing;
use crate::domain::random;
use crate::store::engine::connection::Connection;
use crate::store::engine::store::Store;
use crate::store::error::StoreError;
use crate::store::{audit_heads, issuance, status_lists};

/// What this process, and others with the same data folder, have seen of databases.
#[derive(Debug)]
pub struct Marks {
    file: MarksFile,
    state: Mutex<State>,
    /// Whether the database is not served. Beside the state, because each request asks.
    behind: AtomicBool,
}

#[derive(Debug, Default)]
struct State {
    book: Book,
    /// Whether the book says more than the file.
    unsaved: bool,
    /// Whether the file could not be read or written the last time.
    unsavable: bool,
    /// The name of the database when it was last found whole. Another one under the same process means a recovery.
    serving: Option<String>,
    /// Which database is behind, and in what.
    behind: Option<(String, String)>,
    /// The chain of the audit trail that this process writes.
    chain: Option<String>,
}

/// What the marks said before the database was asked: only that can be held against its answer, since other processes go
/// on meanwhile.
#[derive(Debug, Clone)]
struct Expected(Book);

impl Marks {
    /// The marks in this data folder, which need not be writable.
    ///
    /// # Errors
    /// [`MarksError`] when there are marks, and they are not what a process wrote.
    pub fn open(data_dir: &Path) -> Result<Self, MarksError> {
        let file = MarksFile::in_folder(data_dir);
        let mut state = State::default();
        match file.read() {
            Ok(book) => state.book = book,
            Err(MarksError::Unreadable(path)) => return Err(MarksError::Unreadable(path)),
            Err(error) => state.complain(&error),
        }
        Ok(Self { file, state: Mutex::new(state), behind: AtomicBool::new(false) })
    }

    /// Asks the database how far it is, and gives it a name if it has none. `None` when it is behind its marks.
    ///
    /// # Errors
    /// The store's.
    pub async fn check(&self, store: &Store) -> Result<Option<Standing>, StoreError> {
        let (expected, chains) = self.expected();
        let asked = chains.clone();
        let standing = match store.read(move |db| read(db, &asked)).await? {
            standing if standing.issuance.database_id.is_some() => standing,
            _ => {
                let name = random::id();
                store.write(move |db| issuance::name_database(db, &name)).await?;
                store.read(move |db| read(db, &chains)).await?
            }
        };
        Ok(self.judge(&expected, &standing).then_some(standing))
    }

    /// The same on a connection that was just made, before anything else is done with it.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the database behind it was set back.
    pub fn inspect(&self, db: &mut Connection) -> Result<(), StoreError> {
        let (expected, chains) = self.expected();
        let standing = read(db, &chains)?;
        if self.judge(&expected, &standing) { Ok(()) } else { Err(set_back()) }
    }

    /// Whether the database is behind its marks, and is not to be served.
    #[must_use]
    pub fn is_behind(&self) -> bool {
        self.behind.load(Ordering::Acquire)
    }

    /// In what the database is behind, for the log and for operators.
    #[must_use]
    pub fn why_behind(&self) -> Option<String> {
        self.state().behind.as_ref().map(|(_, why)| why.clone())
    }

    /// Whether marks are in memory alone, because the file could not be read or written.
    #[must_use]
    pub fn is_unsaved(&self) -> bool {
        self.state().unsavable
    }

    /// The highest epoch of any database that was seen here.
    #[must_use]
    pub fn highest_epoch(&self) -> i64 {
        self.state().book.highest_epoch()
    }

    /// Remembers which chain of the audit trail this process writes. Where it stands is read from the database.
    pub fn follow_chain(&self, chain: String) {
        self.state().chain = Some(chain);
    }

    /// Remembers that the database of this name was recovered: what has this name still is a copy from before.
    pub fn supersede(&self, name: &str) {
        let mut state = self.state();
        state.unsaved |= state.book.set_back(name);
    }

    /// Writes what is new into the file, together with what other processes wrote there. Blocks.
    pub fn save(&self, now: i64) {
        let book = {
            let mut state = self.state();
            let is_new = std::mem::take(&mut state.unsaved) || state.unsavable;
            is_new.then(|| state.book.clone())
        };
        let Some(book) = book else {
            // What others wrote counts here as well.
            if let Ok(others) = self.file.read() {
                self.state().book.merge(others);
            }
            return;
        };
        let saved = self.file.merge(book, now);
        let mut state = self.state();
        match saved {
            Ok(merged) => {
                state.book.merge(merged);
                state.unsavable = false;
            }
            Err(error) => {
                state.unsaved = true;
                state.complain(&error);
            }
        }
    }

    /// What the marks say now, and the chains to ask for.
    fn expected(&self) -> (Expected, Vec<String>) {
        let state = self.state();
        let mut chains = state.book.chains();
        chains.extend(state.chain.clone().filter(|own| !chains.contains(own)));
        (Expected(state.book.clone()), chains)
    }

    /// Whether the database has everything that was expected of it. If so it is the new mark.
    fn judge(&self, expected: &Expected, standing: &Standing) -> bool {
        let Some(id) = &standing.issuance.database_id else { return true };
        let (mut state, found) = (self.state(), Progress::of(standing));
        match expected.0.lacks(id, &found, standing.newest_chain) {
            None => {
                state.unsaved |= state.book.raise(id, found);
                if let Some(former) = state.serving.replace(id.clone()).filter(|former| former != id) {
                    state.unsaved |= state.book.set_back(&former);
                }
                if state.behind.as_ref().is_some_and(|(behind, _)| behind != id) {
                    state.behind = None;
                    self.behind.store(false, Ordering::Release);
                    log::warn!("the database was recovered, and is served again");
                }
                // Another connection may lead to the copy that is behind.
                state.behind.is_none()
            }
            Some(lack) => {
                if state.behind.is_none() {
                    log::error!(
                        "the database is older than what was answered from it before ({lack}): it is a backup, or a \
                         standby that lacks the last commits. Nothing is served until `auth-service recover` was run"
                    );
                }
                state.unsaved |= state.book.set_back(id);
                state.behind = Some((id.clone(), lack));
                self.behind.store(true, Ordering::Release);
                false
            }
        }
    }

    /// Nothing panics while it holds this lock, and what it guards is whole at any time.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Says once that marks cannot be kept.
    fn complain(&mut self, error: &MarksError) {
        if !std::mem::replace(&mut self.unsavable, true) {
            log::warn!(
                "{error}: whether the database was set back is known only while this process runs. Nothing else \
                 depends on it"
            );
        }
    }
}

/// How a caller of the store learns that the database is behind.
pub(in crate::domain) fn set_back() -> StoreError {
    StoreError::Unavailable("it is behind its marks; run `auth-service recover`".to_owned())
}

/// Number and position of chains, and the highest number of all.
type Heads = (Vec<(String, i64, i64)>, i64);

/// Where these chains stand, and the highest number of all, if one of them is missing. Heads that cannot be read say nothing:
/// that the trail was touched is for `audit verify` to find.
fn read_heads(db: &mut Connection, chains: &[String]) -> Result<Heads, StoreError> {
    let read = |db: &mut Connection| {
        let heads = audit_heads::positions(db, chains)?;
        let newest = if heads.len() < chains.len() {
            audit_heads::down_from(db, None, 1)?.first().map_or(0, |head| head.number)
        } else {
            i64::MAX
        };
        Ok((heads, newest))
    };
    match read(db) {
        Err(StoreError::Query(error)) => {
            log::debug!("the heads of audit chains cannot be read: {error}");
            Ok((Vec::new(), i64::MAX))
        }
        read => read,
    }
}

/// Everything at one moment, or at least of one database: a recovery in between gives it another name.
fn read(db: &mut Connection, chains: &[String]) -> Result<Standing, StoreError> {
    const TRIES: usize = 3;
    for _ in 0..TRIES {
        let issuance = issuance::read(db)?;
        let lists = status_lists::all(db)?;
        let (heads, newest_chain) = read_heads(db, chains)?;
        if issuance::read(db)?.database_id == issuance.database_id {
            return Ok(Standing { issuance, lists, newest_chain, heads });
        }
    }
    Err(StoreError::Unavailable("it is being recovered".to_owned()))
}
