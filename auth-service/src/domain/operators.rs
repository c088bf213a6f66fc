//! Which account an operator means, and what operators do about addresses.
//!
//! A name may have changed hands since the operator learned it. So a name that an account took from another one within the
//! time that names rest is not enough: the id is wanted as well.

use super::addresses::spellings;
use super::audit::Event;
use super::{Issuer, revocation};
use crate::store::users::{self, User};
use crate::store::{Connection, StoreError, sessions};

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
    "the name {username:?} was another account's: the account {id} has had it only since {taken_over_at} (unix seconds). \
     If you mean that one, give its id (--id {id})"
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
pub(super) fn hold_named(
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
    Ok(Some(NamedAccount { user, named_since }))
}

/// Takes a verified address from an account for which it is not verified, before the claimant is stored; returns the id of the
/// account that lost it.
pub(super) fn take_unproven_address(
    db: &mut Connection,
    claimant: &User,
    until: i64,
) -> Result<Option<String>, StoreError> {
    let Some(email) = claimant.email.as_deref().filter(|_| claimant.email_verified) else { return Ok(None) };
    Ok(drop_email(db, email, true, until)?.map(|loser| loser.id))
}

/// Takes an address away. Tokens that carry it die; the sessions go on with their next refresh.
fn drop_email(
    db: &mut Connection,
    email: &str,
    unverified_only: bool,
    until: i64,
) -> Result<Option<User>, StoreError> {
    let Some(loser) = users::drop_email(db, email, unverified_only)? else { return Ok(None) };
    let numbers = sessions::drop_numbers(db, &loser.id)?;
    revocation::revoke(db, numbers, until)?;
    Ok(Some(loser))
}

/// What became of an address that an operator freed.
#[derive(Debug, Clone, Default)]
pub struct FreedAddress {
    /// The accounts that had it: more than one only if one has it in a spelling of before.
    pub holders: Vec<User>,
    /// Whether it rested.
    pub rested: bool,
}

impl Issuer {
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
        let (rest, until) = (self.rest(), self.revoked_until());
        let free = move |db: &mut Connection| {
            let mut spelled = address.as_deref().map(spellings).unwrap_or_default();
            if let Some(id) = id {
                let Some(user) = users::hold_by_id(db, &id)? else { return Ok(FreedAddress::default()) };
                spelled = own_address(user, address.is_some(), &spelled)?;
            }
            let mut freed = FreedAddress::default();
            for email in spelled {
                freed.holders.extend(drop_email(db, &email, false, until)?);
                freed.rested |= rest.end_of_address(db, &email)?;
            }
            Ok(freed)
        };
        let describe = |done: &Result<FreedAddress, OperatorError>| {
            let holders = done.as_ref().map(|freed| freed.holders.as_slice()).unwrap_or_default();
            let one = |user: &User| Event::email_freed(&user.id, "operator");
            holders.iter().map(one).collect::<Vec<_>>()
        };
        let freed = self.write_recorded(free, describe).await?;
        self.lists.announce();
        Ok(freed)
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
