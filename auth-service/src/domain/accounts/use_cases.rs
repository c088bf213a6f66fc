//! What the use cases of this folder work with.

use std::sync::Arc;

use crate::domain::accounts::names::Names;
use crate::domain::authn::authenticator::Authenticator;
use crate::domain::authn::passwords::Hasher;
use crate::domain::change::Changes;
use crate::domain::clock::DatabaseClock;
use crate::domain::policy::Policy;
use crate::domain::sessions::session::Sessions;
use crate::store::engine::store::Store;

/// Accounts: registration, and what their owners and operators change about them.
pub struct Accounts {
    /// Where accounts are looked up.
    pub store: Store,
    /// Changes them.
    pub changes: Changes,
    /// Names that rest.
    pub names: Names,
    /// Checks the current password of an owner.
    pub authenticator: Arc<Authenticator>,
    /// Hashes new passwords, and knows which imported hashes can be checked.
    pub hasher: Arc<Hasher>,
    /// Begins the session after a password was changed.
    pub sessions: Arc<Sessions>,
    /// What names, passwords and roles are allowed.
    pub policy: Arc<Policy>,
    /// The database's time.
    pub clock: DatabaseClock,
}
