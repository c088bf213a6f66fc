//! Addresses that were stored before they had one spelling: what can be rewritten safely is, the rest is reported. Nothing is
//! deleted, and nobody loses an address.

use std::collections::BTreeMap;

use crate::domain::accounts::addresses::parse_email;
use crate::store::engine::connection::Connection;
use crate::store::engine::store::Store;
use crate::store::error::StoreError;
use crate::store::user_addresses;
use crate::store::user_addresses::OddAddress;

/// Accounts that are looked at together.
const STEP: i64 = 10_000;
/// Accounts that are named in the log; of more there is a count.
const NAMED: usize = 100;

/// What was found, and what became of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AddressReport {
    /// Addresses that are written in their one spelling now.
    pub respelled: usize,
    /// Accounts whose address is another spelling of one that another account has.
    pub collisions: Vec<String>,
    /// Accounts whose address is not valid under the current rules.
    pub refused: Vec<String>,
}

/// Looks at all addresses, rewrites those that only one account has in any spelling, and writes a report into the log. Run
/// when the tables were brought up to date and when a service starts: an older program beside it may have added some.
///
/// # Errors
/// The store's: what was rewritten stays so.
pub async fn settle_addresses(store: &Store) -> Result<AddressReport, StoreError> {
    let mut report = AddressReport::default();
    let mut spellings: BTreeMap<String, Vec<OddAddress>> = BTreeMap::new();
    let mut after = Some(String::new());
    while let Some(from) = after.take() {
        let (found, last) = store.read(move |db| user_addresses::odd_addresses(db, &from, STEP)).await?;
        for odd in found {
            match parse_email(&odd.email) {
                Ok(email) if email == odd.email => {}
                Ok(email) => spellings.entry(email).or_default().push(odd),
                Err(_) => report.refused.push(named(&odd)),
            }
        }
        after = last;
    }
    for (email, accounts) in spellings {
        let alone = accounts.len() == 1;
        for odd in accounts {
            if alone && respell(store, odd.clone(), email.clone()).await? {
                report.respelled += 1;
            } else {
                report.collisions.push(named(&odd));
            }
        }
    }
    report.log();
    Ok(report)
}

/// Whether the account's address is spelled anew; not when another account has it in that way.
async fn respell(store: &Store, odd: OddAddress, email: String) -> Result<bool, StoreError> {
    let change = move |db: &mut Connection| user_addresses::respell_email(db, &odd.id, &odd.email, &email);
    match store.write(change).await {
        Err(StoreError::Conflict(_)) => Ok(false),
        done => done,
    }
}

fn named(odd: &OddAddress) -> String {
    format!("{} ({})", odd.username, odd.id)
}

impl AddressReport {
    fn log(&self) {
        if self.respelled > 0 {
            log::info!("{} addresses are stored in the ASCII form of their domain now", self.respelled);
        }
        warn(
            &self.collisions,
            "the address is another spelling of one that another account has; logins by it reach that one. \
             `auth-service user free-email --id` takes it from either",
        );
        warn(
            &self.refused,
            "the address is not one by the rules of today; it still logs in, and tokens still carry it if it is verified",
        );
    }
}

fn warn(accounts: &[String], what: &str) {
    for account in accounts.iter().take(NAMED) {
        log::warn!("account {account}: {what}");
    }
    if accounts.len() > NAMED {
        log::warn!("{} more accounts: {what}", accounts.len() - NAMED);
    }
}
