//! Opens or creates the database, the master key, and the row of a server. docs/decisions/0022-what-makes-what.md says which
//! process may create what.

use std::path::PathBuf;

use service_kit::folder::make_private;
use shared_claims::verifier::Clock;

use crate::app::rules;
use crate::app::start_error::StartError;
use crate::domain::keyring::Sealer;
use crate::domain::keyring::sealing;
use crate::domain::keyring::sealing::MasterKeyError;
use crate::domain::processes;
use crate::domain::processes::{IssuerError, IssuerSetting, Presence, RevertError};
use crate::settings::Settings;
use crate::store::engine::store::Store;
use crate::store::engine::{connection, wal};
use crate::store::keys;

/// Creates the data folder, unless it exists.
///
/// # Errors
/// The folder cannot be created.
pub fn make_data_dir(settings: &Settings) -> Result<(), StartError> {
    let folder = &settings.data_dir;
    make_private(folder).map_err(|error| StartError::DataDir(folder.display().to_string(), error))
}

/// Opens the database, and brings its tables up to date. Only with `makes` a new database is created, and before it the data folder.
pub(super) fn open(settings: &Settings, makes: bool) -> Result<Store, StartError> {
    let (url, limits) = (settings.database_url(), rules::store_limits(settings));
    if makes {
        make_data_dir(settings)?;
        return Ok(Store::open(&url, limits)?);
    }
    let found = Store::open_existing(&url, limits)?;
    let store = found.ok_or_else(|| StartError::NoDatabase(settings.database_shown()))?;
    make_data_dir(settings)?; // for the marks of a database that is elsewhere
    Ok(store)
}

pub(super) fn master_key_path(settings: &Settings) -> PathBuf {
    settings.data_dir.join("master.key")
}

/// Returns a sealer with the master key of the settings or of the data folder. A new master key is created only with `makes`, and
/// only if the database has no sealed keys.
pub(super) async fn sealer(settings: &Settings, store: &Store, makes: bool) -> Result<Sealer, StartError> {
    let seal_with = |key| Ok(Sealer::new(key, settings.master_key_previous.as_ref())?);
    if let Some(given) = &settings.master_key {
        return seal_with(given);
    }
    let path = master_key_path(settings);
    if let Some(key) = sealing::load(&path)? {
        return seal_with(&key);
    }
    let is_sealed = store.read(keys::any).await?;
    if makes && !is_sealed {
        let (key, created) = sealing::load_or_create(&path)?;
        if created {
            log::info!(
                "made a master key in {}: keep a copy, without it the signing keys are lost",
                path.display()
            );
        }
        return seal_with(&key);
    }
    // Another process with this folder may be starting: it creates the file before it seals anything.
    match sealing::load(&path)? {
        Some(key) => seal_with(&key),
        None if is_sealed => Err(MasterKeyError::Missing(path).into()),
        None => Err(MasterKeyError::NotYet(path).into()),
    }
}

/// Creates a new master key in place of one that was lost. A recovery then puts the database into service.
///
/// # Errors
/// There is no database, or there is a master key.
pub fn new_master_key(settings: &Settings) -> Result<PathBuf, StartError> {
    if settings.master_key.is_some() {
        return Err(MasterKeyError::Given.into());
    }
    wal::refuse_foreign(&settings.database_url())?;
    drop(open(settings, false)?);
    let path = master_key_path(settings);
    match sealing::load_or_create(&path)? {
        (_, true) => Ok(path),
        (_, false) => Err(MasterKeyError::Exists(path).into()),
    }
}

/// Compares the issuer of the settings with the stored one. A server is added to the live servers, and its issuer is stored, unless
/// the database is behind its marks and must not be written.
pub(super) async fn take_part(
    settings: &Settings,
    store: &Store,
    serves: bool,
    is_whole: bool,
    now: i64,
) -> Result<Option<Presence>, IssuerError> {
    let setting = IssuerSetting { issuer: settings.issuer.clone(), replaces: settings.issuer_change.clone() };
    let folder = settings.data_dir.clone();
    if serves && is_whole {
        let presence = Presence::enter(&folder);
        processes::join(store, &presence, setting, &folder, now).await?;
        return Ok(Some(presence));
    }
    let entered = serves.then(|| Presence::enter(&folder));
    store.read(move |db| processes::check_issuer(db, &setting, &folder, now)).await?;
    Ok(entered)
}

/// Undoes the newest `count` migrations, and returns their versions. Migrations that are not additive are undone only if that is
/// `confirmed` and no server is live.
///
/// # Errors
/// Why nothing was undone.
pub fn revert(
    settings: &Settings,
    count: usize,
    confirmed: bool,
    clock: &Clock,
) -> Result<Vec<String>, StartError> {
    let (url, limits) = (settings.database_url(), rules::store_limits(settings));
    if !Store::exists(&url, limits)? {
        return Err(StartError::NoDatabase(settings.database_shown()));
    }
    let local = i64::try_from(clock.now()).unwrap_or(i64::MAX);
    let reverted = Store::revert(&url, count, limits, |db, plan| {
        let now = connection::time(db)?.unwrap_or(local);
        processes::may_revert(db, plan, confirmed, &settings.data_dir, now)
    });
    reverted.map_err(|error: RevertError| error.into())
}
