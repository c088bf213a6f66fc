//! What keeps the service from its work, by name: `/readyz` says it, and what cannot be done right is not done.

use super::Issuer;

/// What is still served while something is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Serves {
    /// Only whether the process runs, and why it does nothing else.
    Nothing,
    /// What asks and changes nothing.
    Reads,
    /// Everything: operators are to know of it.
    Everything,
}

/// Something that is wrong.
#[derive(Debug, Clone)]
pub struct Reason {
    /// Stable and machine-readable.
    pub name: &'static str,
    /// One sentence for an operator.
    pub detail: String,
    /// What is served all the same.
    pub serves: Serves,
}

impl Issuer {
    /// Everything that is wrong; the gravest first. The database is not asked.
    #[must_use]
    pub fn reasons(&self) -> Vec<Reason> {
        let mut reasons = Vec::new();
        if self.marks.is_behind() {
            let detail = "The database is older than what was answered from it before; an operator has to run \
                          `auth-service recover`.";
            reasons.push(Reason {
                name: DATABASE_BEHIND,
                detail: detail.to_owned(),
                serves: Serves::Nothing,
            });
        }
        if self.keyring.is_closed() {
            let detail = "The database has keys that this replica cannot read, or cannot open with its master key: \
                          nothing is signed.";
            reasons.push(Reason { name: KEYS_NOT_LOADED, detail: detail.to_owned(), serves: Serves::Reads });
        }
        if self.marks.is_unsaved() {
            let detail = "Marks cannot be kept in the data folder (the log says why): whether the database was set back \
                          is known only while this process runs.";
            reasons.push(Reason {
                name: MARKS_NOT_KEPT,
                detail: detail.to_owned(),
                serves: Serves::Everything,
            });
        }
        if self.clock.in_doubt() {
            let detail = "The clock disagreed with the time that passed within the last hour: nothing is deleted, and what \
                          time alone would end is answered with 503.";
            reasons.push(Reason {
                name: CLOCK_IN_DOUBT,
                detail: detail.to_owned(),
                serves: Serves::Everything,
            });
        }
        reasons.sort_by_key(|reason| reason.serves);
        reasons
    }

    /// Why a request is not served, if it is not. Asked for each request.
    #[must_use]
    pub fn refuses(&self, only_asks: bool) -> Option<&'static str> {
        if self.marks.is_behind() {
            return Some(DATABASE_BEHIND);
        }
        (self.keyring.is_closed() && !only_asks).then_some(KEYS_NOT_LOADED)
    }
}

const DATABASE_BEHIND: &str = "database_behind";
const KEYS_NOT_LOADED: &str = "keys_not_loaded";
const CLOCK_IN_DOUBT: &str = "clock_in_doubt";
const MARKS_NOT_KEPT: &str = "marks_not_kept";
