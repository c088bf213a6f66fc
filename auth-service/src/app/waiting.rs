//! Waits for the database at the start: services that start together become ready in any order.

use std::time::{Duration, Instant};

use tokio::task::spawn_blocking;
use tokio::time::sleep;

use crate::app::rules;
use crate::app::start_error::StartError;
use crate::settings::Settings;
use crate::store::engine::store::Store;
use crate::store::error::StoreError;

/// Between two attempts.
const PAUSE: Duration = Duration::from_millis(250);

/// Returns as soon as the database accepts a connection.
///
/// # Errors
/// Why it accepts none, after `database.start_timeout`.
pub(super) async fn for_database(settings: &Settings) -> Result<(), StartError> {
    let (begun, patience) = (Instant::now(), settings.database.start_timeout);
    let mut waits = false;
    loop {
        let (url, limits) = (settings.database_url(), rules::store_limits(settings));
        let tried = spawn_blocking(move || Store::try_connect(&url, limits)).await;
        let error = match tried
            .unwrap_or_else(|_| Err(StoreError::Query("the attempt to connect panicked".to_owned())))
        {
            Ok(()) => break,
            Err(error) => error,
        };
        if !matches!(error, StoreError::Unavailable(_)) || begun.elapsed() >= patience {
            return Err(error.into());
        }
        if !std::mem::replace(&mut waits, true) {
            log::warn!("waits up to {}s for the database: {error}", patience.as_secs());
        }
        sleep(PAUSE.min(patience.saturating_sub(begun.elapsed()))).await;
    }
    if waits {
        log::info!("the database answers after {}s", begun.elapsed().as_secs());
    }
    Ok(())
}
