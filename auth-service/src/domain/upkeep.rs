//! What a process does by itself, beside answering requests.

use std::convert::Infallible;
use std::time::Duration;

use super::keyring::KeyringError;
use super::{Issuer, seconds};
use crate::store::{StoreError, sessions};

/// How often, and how much at once.
#[derive(Debug, Clone, Copy)]
pub struct Upkeep {
    /// How often to look for signing keys of other processes.
    pub reload_keys: Duration,
    /// How often to look for sessions to delete.
    pub clean_up: Duration,
    /// How long after their end sessions are deleted.
    pub keep_ended: Duration,
    /// How many sessions are looked at, and at the most deleted, at once.
    pub step: u32,
}

/// Between two steps of a clean-up requests get their turn.
const PAUSE: Duration = Duration::from_millis(100);

impl Issuer {
    /// Keeps the service in order for as long as it is polled. Failures are logged; the next turn tries again.
    pub async fn keep_up(&self, upkeep: Upkeep) -> Infallible {
        let mut reload_keys = tokio::time::interval(upkeep.reload_keys);
        let mut clean_up = tokio::time::interval(upkeep.clean_up);
        loop {
            tokio::select! {
                _ = reload_keys.tick() => {
                    if let Err(error) = self.reload_keys().await {
                        log::warn!("the signing keys could not be looked up again: {error}");
                    }
                }
                _ = clean_up.tick() => {
                    if let Err(error) = self.clean_up(upkeep).await {
                        log::warn!("ended sessions could not be deleted: {error}");
                    }
                }
            }
        }
    }

    /// Takes over the signing keys that other processes have made.
    ///
    /// # Errors
    /// [`KeyringError`]: the keys stay as they were.
    pub async fn reload_keys(&self) -> Result<(), KeyringError> {
        if self.keyring.reload(&self.store).await?
            && let Ok(keys) = shared_claims::KeySet::from_json(self.keyring.published().json.as_bytes())
        {
            self.verifier.set_keys(keys);
        }
        Ok(())
    }

    /// Deletes sessions that ended long ago. It walks through all of them in small steps, so that nobody waits for it:
    /// an index by their end would have to be written at each refresh. Says how many were deleted.
    ///
    /// # Errors
    /// The store's.
    pub async fn clean_up(&self, upkeep: Upkeep) -> Result<usize, StoreError> {
        let before = self.now().saturating_sub(seconds(upkeep.keep_ended));
        let (mut deleted, mut last) = (0, String::new());
        loop {
            let (after, most) = (last.clone(), i64::from(upkeep.step));
            let step = self.store.read(move |db| sessions::ends(db, &after, most)).await?;
            let full = step.len() == upkeep.step as usize;
            if let Some((id, _)) = step.last() {
                id.clone_into(&mut last);
            }
            let ended: Vec<String> =
                step.into_iter().filter(|(_, end)| *end < before).map(|(id, _)| id).collect();
            if !ended.is_empty() {
                deleted += self.store.write(move |db| sessions::delete_ended(db, &ended, before)).await?;
            }
            if !full {
                return Ok(deleted);
            }
            tokio::time::sleep(PAUSE).await;
        }
    }
}
