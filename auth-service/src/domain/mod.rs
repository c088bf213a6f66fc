//! The rules: accounts, sessions, tokens, keys, passwords. Readable without a framework: nothing here knows HTTP, SQL
//! or settings. Each use case is a method of [`Issuer`], in the file named after what it is about.

mod access_token;
pub mod account_changes;
pub mod accounts;
mod address_check;
mod addresses;
pub mod admission;
pub mod audit;
pub mod clients;
mod clock;
pub mod csrf;
mod entity_tag;
pub mod guessing;
pub mod import;
pub mod introspection;
pub mod keyring;
pub mod login;
mod login_line;
pub mod marks;
pub mod names;
pub mod operators;
pub mod passwords;
pub mod processes;
pub mod random;
pub mod rate;
pub mod readiness;
pub mod recovery;
pub mod refresh;
pub mod revocation;
pub mod rights;
pub mod sessions;
pub mod source;
mod stand_in;
pub mod token_size;
pub mod upkeep;
pub mod users;

pub use access_token::FIRST_PARTY;
pub use address_check::{AddressReport, settle_addresses};
pub use clock::{DatabaseClock, Moment};
pub use entity_tag::entity_tag;
pub use login_line::refused_for_its_page;

use std::sync::Arc;
use std::time::Duration;

use shared_claims::Verifier;

use crate::store::Store;
use audit::Audit;
use guessing::Guessing;
use keyring::Keyring;
use marks::Marks;
use names::NameRules;
use passwords::{Hasher, PasswordPolicy};
use processes::Presence;
use rate::GrantLimits;
use readiness::MissingTables;
use refresh::RefreshRows;
use revocation::StatusLists;
use rights::Roles;

/// The one place that owns users and signs tokens: what it needs, and what it was told to do.
pub struct Issuer {
    /// What is kept.
    pub store: Store,
    /// What time it is: the database's, so that replicas agree.
    pub clock: DatabaseClock,
    /// The private keys.
    pub keyring: Keyring,
    /// The threads that hash passwords.
    pub hasher: Hasher,
    /// How often passwords were wrong; `None` when nobody counts.
    pub guessing: Option<Guessing>,
    /// How often tokens are given.
    pub grant_limits: GrantLimits,
    /// What is remembered about all that happens.
    pub audit: Audit,
    /// What verifiers learn about ended sessions.
    pub lists: StatusLists,
    /// How far the database had come when it was last seen.
    pub marks: Arc<Marks>,
    /// This process among the servers; `None` for a command.
    pub presence: Option<Presence>,
    /// What the database lacks of what the service needs.
    pub tables: MissingTables,
    /// Where tokens stand in requests, and how a request without a good one is answered. It holds no keys: the keyring
    /// judges tokens.
    pub verifier: Verifier,
    /// What tokens and sessions are like.
    pub policy: Arc<Policy>,
}

/// What the operator decided about tokens, sessions and accounts.
#[derive(Debug, Clone)]
pub struct Policy {
    /// The `iss` of every token.
    pub issuer: String,
    /// The `aud` when none is asked for.
    pub default_audience: Vec<String>,
    /// Every `aud` that may be asked for.
    pub allowed_audiences: Vec<String>,
    /// How long an access token lives.
    pub access_ttl: Duration,
    /// How long a repeated refresh gets the same answer.
    pub refresh_grace: Duration,
    /// Whether a repeat from another address and another user agent is theft even then.
    pub repeat_elsewhere_is_theft: bool,
    /// Whether tokens carry a place in a status list: not with HS256, where nobody could verify one.
    pub statuses: bool,
    /// For which refreshes the audit trail has a row.
    pub refresh_rows: RefreshRows,
    /// A session ends when it was not refreshed for this long.
    pub idle_ttl: Duration,
    /// A session ends after this long in any case.
    pub absolute_ttl: Duration,
    /// Whether anybody may register.
    pub registration_open: bool,
    /// Which passwords are accepted.
    pub passwords: PasswordPolicy,
    /// How long names rest, and which are reserved.
    pub names: NameRules,
    /// What each role allows.
    pub roles: Roles,
    /// With fewer bytes left on the disk of an embedded database the service is not ready.
    pub min_free: u64,
    /// How long ago a login may be for what gives rights or verified addresses.
    pub reauthenticate_within: Duration,
}

/// One value of the user's that breaks a rule; `field` is its name in the contract.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invalid {
    /// The member's name.
    pub field: &'static str,
    /// Stable and machine-readable.
    pub code: &'static str,
    /// One sentence for a person.
    pub message: String,
}

impl Issuer {
    /// Unix seconds, as the database stores them.
    fn now(&self) -> i64 {
        self.clock.now()
    }

    /// The same, with how far it is to be trusted: for what could not be undone.
    fn moment(&self) -> Moment {
        self.clock.moment()
    }
}

/// Whole seconds, as the database stores them.
fn seconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_secs()).unwrap_or(i64::MAX)
}
