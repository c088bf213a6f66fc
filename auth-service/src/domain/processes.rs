//! The servers that use the database now, and their issuer.
//!
//! Each server writes a row every 10 seconds and counts as live for 30. It also holds a lock on a file in its data folder: the
//! system drops that lock when the process ends, however it ends, so the row of a server that was killed does not count for
//! others with the same data folder. Why it is so: docs/decisions/0022-what-makes-what.md.

use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use url::{Host, Url};

use crate::domain::clock::DatabaseClock;
use crate::domain::marks::Marks;
use crate::domain::random;
use crate::store::engine::connection::Connection;
use crate::store::engine::migrations::Planned;
use crate::store::engine::store::Store;
use crate::store::error::StoreError;
use crate::store::{issuance, processes};

/// The interval of heartbeats.
pub(super) const BEAT: Duration = Duration::from_secs(10);
/// How long a server counts as live after a heartbeat, in seconds.
const LIVE_FOR: i64 = 30;

/// A locked file in the data folder. The system unlocks it when the process ends.
#[derive(Debug)]
struct Lock {
    _file: File,
    path: PathBuf,
}

/// The presence of this process among the servers. The lock is held for as long as this value lives.
#[derive(Debug)]
pub struct Presence {
    id: String,
    lock: Option<Lock>,
}

impl Presence {
    /// Takes the lock in `folder`. Where the folder cannot be written, only the row shows that the process is alive.
    #[must_use]
    pub fn enter(folder: &Path) -> Self {
        let id = random::id();
        let lock = lock(folder, &id);
        if let Err(error) = &lock {
            log::info!("the lock of this process could not be created in {}: {error}", folder.display());
        }
        Self { id, lock: lock.ok() }
    }
}

impl Drop for Presence {
    fn drop(&mut self) {
        if let Some(Lock { path, .. }) = &self.lock {
            let _ = std::fs::remove_file(path); // one that stays is removed by a later start
        }
    }
}

fn lock_path(folder: &Path, id: &str) -> PathBuf {
    folder.join(format!("process-{id}.lock"))
}

/// Creates a locked file. It is locked before it gets its name, so a file that can be locked belongs to a process that has ended.
fn lock(folder: &Path, id: &str) -> io::Result<Lock> {
    let (path, draft) = (lock_path(folder, id), folder.join(format!("process-{id}.new")));
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&draft)?;
    file.lock().and_then(|()| std::fs::rename(&draft, &path)).inspect_err(|_| {
        let _ = std::fs::remove_file(&draft);
    })?;
    Ok(Lock { _file: file, path })
}

/// Whether the server with this id had this data folder, and has ended. `false` for those of other folders and machines.
fn is_gone(folder: &Path, id: &str) -> bool {
    // An id from the database must not be a path.
    let plain = id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    plain && is_unlocked(&lock_path(folder, id))
}

fn is_unlocked(path: &Path) -> bool {
    let Ok(file) = File::open(path) else { return false };
    !matches!(file.try_lock(), Err(TryLockError::WouldBlock | TryLockError::Error(_)))
}

/// Removes the locks of processes in this folder that ended without doing so.
fn remove_stale_locks(folder: &Path) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let (name, path) = (entry.file_name(), entry.path());
        let name = name.to_string_lossy();
        if name.starts_with("process-") && name.ends_with(".lock") && is_unlocked(&path) {
            let _ = std::fs::remove_file(path);
        }
    }
}

/// Counts the live servers: those with a heartbeat within the last 30 seconds that are not known to have ended.
///
/// # Errors
/// The store's.
pub fn count_live(db: &mut Connection, folder: &Path, now: i64) -> Result<usize, StoreError> {
    let recent = |seen_at: i64| now.abs_diff(seen_at) <= LIVE_FOR.unsigned_abs();
    let rows = processes::all(db)?;
    Ok(rows.iter().filter(|(id, seen_at)| recent(*seen_at) && !is_gone(folder, id)).count())
}

/// Why migrations are not reverted.
#[derive(Debug, thiserror::Error)]
pub enum RevertError {
    /// The tables of a live server would go.
    #[error(
        "{live} servers use this database right now, and the migration {version} holds tables that every version needs: \
         nothing was reverted. Stop the servers first; one that was killed on another machine counts for 30 seconds"
    )]
    Live {
        /// How many.
        live: usize,
        /// The first migration that is not additive.
        version: String,
    },
    /// The revert was not confirmed.
    #[error(
        "the migration {version} is not additive, and everything that is stored in its tables would be lost: nothing was \
         reverted. If that is meant, add --yes"
    )]
    Unconfirmed {
        /// The first migration that is not additive.
        version: String,
    },
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Whether these migrations may be undone: additive ones always, others only when that was confirmed and no server is live.
///
/// # Errors
/// [`RevertError`].
pub fn may_revert(
    db: &mut Connection,
    plan: &[Planned],
    confirmed: bool,
    folder: &Path,
    now: i64,
) -> Result<(), RevertError> {
    let Some(first) = plan.iter().find(|migration| !migration.additive) else { return Ok(()) };
    let version = first.version.clone();
    match count_live(db, folder, now)? {
        0 if confirmed => Ok(()),
        0 => Err(RevertError::Unconfirmed { version }),
        live => Err(RevertError::Live { live, version }),
    }
}

/// The issuer that the settings name.
#[derive(Debug, Clone)]
pub struct IssuerSetting {
    /// The issuer.
    pub issuer: String,
    /// The issuer that it replaces, if the operator wants to change it.
    pub replaces: Option<String>,
}

/// Why a process does not use this database.
#[derive(Debug, thiserror::Error)]
pub enum IssuerError {
    /// Its tokens are another issuer's.
    #[error(
        "the tokens of this database have the issuer {stored}, and `issuer` (AUTH__ISSUER) is {set}. If it is the right \
         database and its issuer is to change, stop every server and start with AUTH__ISSUER_CHANGE={stored}"
    )]
    Another {
        /// As it is stored.
        stored: String,
        /// As the settings have it.
        set: String,
    },
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Checks whether a process with this setting may use the database.
///
/// # Errors
/// [`IssuerError`].
pub fn check_issuer(
    db: &mut Connection,
    setting: &IssuerSetting,
    folder: &Path,
    now: i64,
) -> Result<(), IssuerError> {
    let Some(stored) = issuance::read(db)?.issuer.filter(|stored| *stored != setting.issuer) else {
        return Ok(());
    };
    if setting.replaces.as_ref() == Some(&stored) {
        return Ok(());
    }
    if is_loopback(&stored) && is_loopback(&setting.issuer) && count_live(db, folder, now)? == 0 {
        log::warn!("tokens of this database had the issuer {stored}; those are refused now");
        return Ok(());
    }
    Err(IssuerError::Another { stored, set: setting.issuer.clone() })
}

/// Adds a server to the live ones, and stores its issuer. When several start at the same time with different issuers, the first
/// one counts.
///
/// # Errors
/// [`IssuerError`].
pub async fn join(
    store: &Store,
    presence: &Presence,
    setting: IssuerSetting,
    folder: &Path,
    now: i64,
) -> Result<(), IssuerError> {
    let (id, folder) = (presence.id.clone(), folder.to_owned());
    let join = move |db: &mut Connection| {
        issuance::hold(db)?; // locks, so that one server joins at a time
        check_issuer(db, &setting, &folder, now)?;
        let gone: Vec<String> = processes::all(db)?
            .into_iter()
            .filter(|(id, seen_at)| *seen_at < now.saturating_sub(24 * 3600) || is_gone(&folder, id))
            .map(|(id, _)| id)
            .collect();
        processes::forget(db, &gone)?;
        remove_stale_locks(&folder);
        issuance::set_issuer(db, &setting.issuer)?;
        Ok::<_, IssuerError>(processes::see(db, &id, now)?)
    };
    store.write(join).await
}

/// Whether an issuer can be reached from this machine only.
fn is_loopback(issuer: &str) -> bool {
    match Url::parse(issuer).ok().as_ref().and_then(Url::host) {
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

/// Keeps this process in the table of live servers.
pub struct Processes {
    store: Store,
    clock: DatabaseClock,
    marks: Arc<Marks>,
    /// `None` for a command.
    presence: Option<Presence>,
}

impl Processes {
    /// Creates it for a server that has [joined](join), or for a command.
    #[must_use]
    pub fn new(store: Store, clock: DatabaseClock, marks: Arc<Marks>, presence: Option<Presence>) -> Self {
        Self { store, clock, marks, presence }
    }

    /// Writes that this server is alive. A database that is behind its marks is not written to.
    pub(in crate::domain) async fn beat(&self) {
        let Some(presence) = self.presence.as_ref().filter(|_| !self.marks.is_behind()) else { return };
        let (id, now) = (presence.id.clone(), self.clock.now());
        let see = move |db: &mut Connection| processes::see(db, &id, now);
        if let Err(error) = self.store.write(see).await {
            log::debug!("the heartbeat of this process could not be stored: {error}");
        }
    }

    /// Removes this server from those that are live.
    pub async fn leave(&self) {
        let Some(presence) = &self.presence else { return };
        let id = vec![presence.id.clone()];
        if let Err(error) = self.store.write(move |db| processes::forget(db, &id)).await {
            log::debug!("this process counts as live for up to {LIVE_FOR} seconds: {error}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_gone_when_its_lock_is_and_only_in_its_own_folder() {
        let (folder, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let presence = Presence::enter(folder.path());
        assert!(!is_gone(folder.path(), &presence.id));
        remove_stale_locks(folder.path());
        let path = lock_path(folder.path(), &presence.id);
        assert!(path.exists(), "it is held");
        std::fs::write(lock_path(folder.path(), "killed"), "").unwrap();
        assert!(is_gone(folder.path(), "killed") && !is_gone(elsewhere.path(), "killed"));
        remove_stale_locks(folder.path());
        assert!(!lock_path(folder.path(), "killed").exists());
        drop(presence);
        assert!(!path.exists());
    }

    #[test]
    fn loopback_issuers_are_known() {
        for issuer in ["http://127.0.0.1:8080", "http://127.9.9.9", "http://[::1]:1", "http://localhost:1/a"]
        {
            assert!(is_loopback(issuer), "{issuer}");
        }
        for issuer in ["https://id.example", "http://localhost.example", "http://10.0.0.1", "not a URL"] {
            assert!(!is_loopback(issuer), "{issuer}");
        }
    }
}
