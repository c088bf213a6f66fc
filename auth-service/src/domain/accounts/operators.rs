//! Which account an operator means, and what operators do about addresses.
//!
//! A name may have changed hands since the operator learned it. So a name that an account took from another one within the
//! time that names rest is not enough: the id is wanted as well.

use crate::domain::accounts::addresses::spellings;
use crate::domain::accounts::use_cases::Accounts;
use crate::domain::audit::{Event, EventKind};
use crate::domain::change::Change;
use crate::store::engine::connection::Connection;
use crate::store::error::StoreError;
use crate::store::users;
use crate::store::users::{Login, User};

/// An account as an operator calls it: by its name, by its id, or by both.
#[derive(Debug, Clone, Default)]
pub struct AccountRef {
    /// Not folded yet.
    pub username: Option<String>,
    /// The `sub` of its tokens.
    pub id: Option<String>,
}

impl From<&str> for AccountRef {
    fn from(username: &str) -> Self {
        Self { username: Some(username.to_owned()), id: None }
    }
}

impl From<&String> for AccountRef {
    fn from(username: &String) -> Self {
        Self::from(username.as_str())
    }
}

/// An account, and since when its name is its own.
#[derive(Debug, Clone)]
pub struct NamedAccount {
    /// The account.
    pub user: User,
    /// Unix seconds.
    pub named_since: i64,
}

/// Why an operator's change was not made.
#[derive(Debug, thiserror::Error)]
pub enum OperatorError {
    /// The name was another account's not long ago.
    #[error("{0}")]
    ChangedHands(ChangedHands),
    /// The account of the id has another name or address.
    #[error("the account {id} is {username:?}, and has another {what} than that")]
    Mismatch {
        /// Its id.
        id: String,
        /// What it is called.
        username: String,
        /// `name` or `address`.
        what: &'static str,
    },
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The account that has a name now.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "the account {id} is called {username:?}, and took a name that was another account's at {taken_over_at} (unix seconds)"
)]
pub struct ChangedHands {
    /// The name.
    pub username: String,
    /// The account that has it now.
    pub id: String,
    /// Since when, in unix seconds.
    pub taken_over_at: i64,
}

/// Holds the account that an operator means until the transaction ends. A name that changed hands after the time `since` is
/// not enough to mean one.
pub(in crate::domain) fn hold_named(
    db: &mut Connection,
    account: &AccountRef,
    since: i64,
) -> Result<Option<NamedAccount>, OperatorError> {
    let username = account.username.as_ref().map(|username| username.to_lowercase());
    let held = match (&account.id, &username) {
        (Some(id), _) => users::hold_by_id(db, id)?,
        (None, Some(username)) => users::hold_by_name(db, username)?,
        (None, None) => None,
    };
    let Some(user) = held else { return Ok(None) };
    judge_name(db, account, user, since).map(Some)
}

/// The account that has a name now, for a command that only reads; `None` when none has it. By the same rule.
pub(in crate::domain) fn find_named(
    db: &mut Connection,
    username: &str,
    since: i64,
) -> Result<Option<NamedAccount>, OperatorError> {
    let found = users::find(db, &Login::Username(username.to_lowercase()))?;
    found.map(|user| judge_name(db, &AccountRef::from(username), user, since)).transpose()
}

/// Whether what an operator said is enough to mean this account.
fn judge_name(
    db: &mut Connection,
    account: &AccountRef,
    user: User,
    since: i64,
) -> Result<NamedAccount, OperatorError> {
    let username = account.username.as_ref().map(|username| username.to_lowercase());
    if username.is_some_and(|username| username != user.username) {
        return Err(OperatorError::Mismatch { id: user.id, username: user.username, what: "name" });
    }
    let history = users::name_history(db, &user.id)?;
    let taken_over = history.and_then(|history| history.username_taken_over_at).filter(|at| *at > since);
    if let (None, Some(taken_over_at)) = (&account.id, taken_over) {
        let changed = ChangedHands { username: user.username, id: user.id, taken_over_at };
        return Err(OperatorError::ChangedHands(changed));
    }
    let named_since = history.and_then(|history| history.username_since).unwrap_or(user.created_at);
    Ok(NamedAccount { user, named_since })
}

/// Takes verified addresses from accounts for which they are not verified, before the claimants are stored. The transaction
/// began with [`users::will_insert_several`]; when the claimants are stored comes [`revoke_tokens_of`], and at its end the
/// revocation.
pub(in crate::domain) fn take_unproven_addresses<'a>(
    db: &mut Connection,
    claimants: impl IntoIterator<Item = &'a User>,
) -> Result<Vec<User>, StoreError> {
    let verified = claimants.into_iter().filter(|claimant| claimant.email_verified);
    let emails: Vec<&str> = verified.filter_map(|claimant| claimant.email.as_deref()).collect();
    if emails.is_empty() { Ok(Vec::new()) } else { users::drop_emails(db, &emails, true) }
}

/// Revokes the access tokens of the accounts that lost an address, because they carry it. The sessions go on with their next
/// refresh.
pub(in crate::domain) fn revoke_tokens_of(
    change: &mut Change<'_>,
    losers: &[User],
) -> Result<(), StoreError> {
    let ids: Vec<&str> = losers.iter().map(|loser| loser.id.as_str()).collect();
    change.revoke_tokens_of(&ids)
}

/// What became of an address that an operator freed.
#[derive(Debug, Clone, Default)]
pub struct FreedAddress {
    /// The accounts that had it: more than one only if one has it in a spelling of before.
    pub holders: Vec<User>,
    /// Whether it rested.
    pub rested: bool,
}

impl Accounts {
    /// Finds the account that an operator names, whose id the audit trail has. `None` when no account has that name: then it is
    /// an id.
    ///
    /// # Errors
    /// [`OperatorError::ChangedHands`] when the name does not say which account is meant.
    pub async fn audit_subject(&self, called: &str) -> Result<Option<NamedAccount>, OperatorError> {
        let (called, since) = (called.to_owned(), self.names.rest().since());
        self.store.read(move |db| find_named(db, &called, since)).await
    }

    /// Frees an address: the account that has it loses it, verified or not, and it does not rest. Of an account that is named
    /// by its id, `None` means whatever address it has.
    ///
    /// # Errors
    /// [`OperatorError`].
    pub async fn free_email(
        &self,
        address: Option<String>,
        id: Option<String>,
    ) -> Result<FreedAddress, OperatorError> {
        let rest = self.names.rest();
        let free = move |change: &mut Change<'_>| {
            let db = change.db();
            users::will_insert_several(db)?; // an account that gives up an address takes the same lock as one that takes it
            let mut spelled = address.as_deref().map(spellings).unwrap_or_default();
            if let Some(id) = id {
                let Some(user) = users::hold_by_id(db, &id)? else { return Ok(FreedAddress::default()) };
                spelled = own_address(user, address.is_some(), &spelled)?;
            }
            let emails: Vec<&str> = spelled.iter().map(String::as_str).collect();
            let holders = users::drop_emails(db, &emails, false)?;
            revoke_tokens_of(change, &holders)?;
            let rested = rest.end_of_addresses(change.db(), &emails)?;
            for user in &holders {
                change.record(Event::email_freed(&user.id, "operator"));
            }
            if holders.is_empty() && rested {
                // It is not known which account had it.
                change.record(Event::of(EventKind::EmailFreed).with("why", "operator"));
            }
            Ok(FreedAddress { holders, rested })
        };
        self.changes.run(free).await
    }
}

/// The address of an account that was named by its id, if it is one of those that were given.
fn own_address(user: User, given: bool, spelled: &[String]) -> Result<Vec<String>, OperatorError> {
    match user.email {
        Some(email) if !given || spelled.contains(&email) => Ok(vec![email]),
        None if !given => Ok(Vec::new()),
        _ => Err(OperatorError::Mismatch { id: user.id, username: user.username, what: "address" }),
    }
}
