//! How a session begins: from a proof, and from nothing else.

use std::collections::BTreeSet;

use crate::domain::audit::{Event, EventKind, Reason};
use crate::domain::authn::proven::Proven;
use crate::domain::change::{Change, ReservedIndex};
use crate::domain::sessions::device::Device;
use crate::domain::sessions::session::Sessions;
use crate::domain::tokens::size::{TokenTooLarge, Transport};
use crate::store::engine::connection::Connection;
use crate::store::error::StoreError;
use crate::store::sessions::{self, Session};
use crate::store::users::{self, User};

/// A session that is not stored yet, with the status list index that its tokens carry.
pub struct NewSession {
    session: Session,
    index: ReservedIndex,
}

impl NewSession {
    /// Returns the session as it will be stored.
    #[must_use]
    pub fn session(&self) -> &Session {
        &self.session
    }

    /// Stores the session.
    ///
    /// # Errors
    /// The store's.
    pub fn insert(self, change: &mut Change<'_>) -> Result<Session, StoreError> {
        sessions::insert(change.db(), &self.session)?;
        change.keep(self.index);
        Ok(self.session)
    }
}

/// Why a session cannot begin.
#[derive(Debug, thiserror::Error)]
pub enum PrepareError {
    /// Its access token would be too long.
    #[error(transparent)]
    TokenTooLarge(#[from] TokenTooLarge),
    /// No status list index could be reserved.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Why a session was not begun.
#[derive(Debug, thiserror::Error)]
pub enum BeginError {
    /// The password was changed, or the account disabled, while the password was being checked.
    #[error("the account has just been changed")]
    Overtaken,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Sessions {
    /// Prepares a session for a user who has proven who they are: its access token is short enough.
    pub(in crate::domain) async fn prepare(
        &self,
        proven: &Proven,
        audience: &[String],
        device: Device,
        transport: Transport,
    ) -> Result<NewSession, PrepareError> {
        let user = proven.user();
        let index = self.changes.reserve_index().await?;
        let mut session = self.policy.new_session(user, audience, device, self.clock.moment());
        session.status_index = index.get();
        self.tokens.check_size(&session, user, audience, transport)?;
        Ok(NewSession { session, index })
    }

    /// Stores a session. The sessions with the ids `replaced` end, and a renewed hash of the password is stored.
    pub(in crate::domain) async fn begin(
        &self,
        proven: &Proven,
        new: NewSession,
        replaced: Vec<String>,
    ) -> Result<Session, BeginError> {
        let (user, renewed_hash) = (proven.user().clone(), proven.renewed_hash().map(str::to_owned));
        let begin = move |change: &mut Change<'_>| {
            if !hold_accounts(change.db(), &user, &replaced)? {
                change.record_refusal(Event::refused(EventKind::Login, Reason::Overtaken).to(&user.id));
                return Err(BeginError::Overtaken);
            }
            if let Some(renewed) = renewed_hash {
                users::renew_hash(change.db(), &user.id, &user.password_hash, &renewed)?;
            }
            let session = new.insert(change)?;
            change.record(Event::of(EventKind::Login).to(&user.id).in_session(&session.id));
            for id in &replaced {
                if let Some(ended) = change.end_session(id)? {
                    change
                        .record(Event::of(EventKind::SessionEnded).to(&ended.user_id).in_session(&ended.id));
                }
            }
            Ok(session)
        };
        self.changes.run(begin).await
    }
}

/// Holds the account, and the owners of sessions that are to end, in one order: two that take the sessions of an account in
/// different orders would wait for each other for ever. `false` when the account itself has changed.
fn hold_accounts(db: &mut Connection, user: &User, replaced: &[String]) -> Result<bool, StoreError> {
    let mut owners = BTreeSet::from([user.id.clone()]);
    for session in replaced {
        owners.extend(sessions::with_user(db, session)?.map(|(_, owner)| owner.id));
    }
    for owner in &owners {
        if *owner != user.id {
            users::hold_as_it_is(db, owner)?;
        } else if !users::hold(db, &user.id, user.auth_version)? {
            return Ok(false);
        }
    }
    Ok(true)
}
