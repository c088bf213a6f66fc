//! Login throttling. A few wrong passwords are free of a wait; each further attempt must wait longer than the one before. The
//! right password after the wait works, and no attacker can lock a user out.
//!
//! Wrong passwords are counted in the database, so that all replicas agree: for an account from one source, for an account
//! from all sources that are not known to be its user's, and for a source. An attempt is counted before its hash is computed,
//! so that concurrent attempts get no more answers than sequential ones. Every row that an attacker causes costs a hash, and
//! is deleted in time.

mod attempt;
mod budget;
mod counter;
mod counters;
mod error;
mod pending;
mod rule;
mod rules;
mod throttling;

use crate::domain::authn::authenticator::Authenticator;
use std::time::Duration;

use secrecy::SecretString;

use crate::domain::audit::Reason;
use crate::domain::authn::passwords::{Against, Arrival, Class, HashingError};
pub(in crate::domain) use attempt::Attempt;
pub use attempt::Target;
pub use budget::Budget;
pub(in crate::domain) use crate::store::engine::connection::Connection;
use error::AttemptError;
pub use rule::Rule;
pub use rules::ThrottleRules;
pub use throttling:: Rule,
    /// For an account from all sources that are not known to be the user's.
    pub account: Rule,
    /// For a source, whatever the accounts.
    pub source: Rule,
    /// How long after a login its source is known to be the user's.
    pub welcome: Duration,
    /// How long after the first login from a source the user is known there, and is served before others.
    pub known_after: Duration,
    /// How long judging may take.
    pub patience: Duration,
}

/// How many wrong passwords are taken for a name or an address from one source, for the client to know. Those for the
/// account's other identifier are left out: they would show that both belong to one account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Budget {
    /// How many are free.
    pub free: i64,
    /// Within how many seconds.
    pub window: i64,
    /// How many are left.
    pub left: i64,
    /// In how many seconds there is one more.
    pub next_in: i64,
}

/// What became of a try.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Checked {
    /// The password is right.
    Right {
        /// What to store instead of its hash, if that is outdated and was asked for.
        renewed: Option<String>,
        /// As what further hashes for the same request wait.
        arrival: Arrival,
    },
    /// It is not; `None` when nobody counts.
    Wrong(Option<Budget>),
}

/// Whether an outdated hash is to be renewed, which costs another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::domain) enum Renewal {
    Offered,
    No,
}

/// Why a password was not even looked at.
#[derive(Debug, thiserror::Error)]
pub enum GuessError {
    /// Too many were wrong.
    #[error("too many wrong passwords: the next try in {} seconds", .0.next_in)]
    TooMany(Budget),
    /// No hash could be made in time.
    #[error(transparent)]
    Hashing(#[from] HashingError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl GuessError {
    /// What the audit trail says about it; nothing about a failure of ours.
    pub(in crate::domain) fn reason(&self) -> Option<Reason> {
        match self {
            Self::TooMany(_) => Some(Reason::TooManyAttempts),
            Self::Hashing(HashingError::Overloaded) => Some(Reason::Overloaded),
            Self::Hashing(HashingError::Impossible) | Self::Store(_) => None,
        }
    }
}

/// What is counted.
#[derive(Debug)]
pub struct Guessing {
    rules: GuessingRules,
}

/// What the tallies say about the next try.
enum Reservation {
    /// It has begun; `true`: from a source that is the user's.
    Begun(bool),
    Undecided,
    TooMany(Budget),
}

impl Guessing {
    /// Counts by these rules.
    #[must_use]
    pub fn new(rules: GuessingRules) -> Self {
        Self { rules }
    }
}

impl GuessingRules {
    /// The rules for the tallies that count: not the account's when the source is its user's.
    fn counted(&self, welcome: bool) -> [Option<Rule>; 3] {
        [Some(self.account_from_source), (!welcome).then_some(self.account), Some(self.source)]
    }

    /// Looks at the tallies, and begins a try if all agree.
    fn reserve(&self, tallies: &mut [Tally; 3], moment: Moment) -> Reservation {
        let now = moment.now;
        if !moment.in_doubt {
            // A login while the clock was ahead makes no source known for longer than any.
            let longest = now.saturating_add(seconds(self.welcome));
            tallies[0].welcome_until = tallies[0].welcome_until.min(longest);
        }
        let welcome = now < tallies[0].welcome_until;
        let mut reservation = Reservation::Begun(welcome);
        for (tally, rule) in tallies.iter_mut().zip(self.counted(welcome)) {
            let Some(rule) = rule else { continue };
            tally.bring_up_to(moment, &rule);
            match tally.turn(now, &rule) {
                Turn::Free => {}
                Turn::Undecided => reservation = Reservation::Undecided,
                Turn::Wait(until) => {
                    let budget = tallies[0].budget(now, &self.account_from_source);
                    return Reservation::TooMany(Budget { left: 0, next_in: until - now, ..budget });
                }
            }
        }
        if let Reservation::Begun(_) = reservation {
            let decided_in = seconds(self.patience + SLACK);
            for (tally, rule) in tallies.iter_mut().zip(self.counted(welcome)) {
                if let Some(rule) = rule {
                    tally.begin(moment, decided_in, &rule);
                }
            }
        }
        reservation
    }

    fn decide(&self, tallies: &mut [Tally; 3], welcome: bool, outcome: Outcome, moment: Moment) {
        let now = moment.now;
        for (tally, rule) in tallies.iter_mut().zip(self.counted(welcome)) {
            if let Some(rule) = rule {
                tally.bring_up_to(moment, &rule);
                tally.decide(outcome, now, &rule);
            }
        }
        if outcome == Outcome::Right {
            tallies[0].forgive(moment, seconds(self.welcome));
        }
    }

    /// Brings the shown tally up to date, and gives what the client is shown.
    fn show(&self, shown: &mut Tally, outcome: Outcome, moment: Moment) -> Budget {
        shown.bring_up_to(moment, &self.account_from_source);
        if outcome == Outcome::Wrong {
            shown.count(moment, &self.account_from_source);
        }
        shown.budget(moment.now, &self.account_from_source)
    }

    /// The class in which the try waits for a turn.
    fn class(&self, mut tallies: [Tally; 3], moment: Moment) -> Result<Class, GuessError> {
        let known = tallies[0].is_known(moment.now, seconds(self.welcome), seconds(self.known_after));
        match self.reserve(&mut tallies, moment) {
            Reservation::TooMany(budget) => Err(GuessError::TooMany(budget)),
            Reservation::Begun(_) | Reservation::Undecided => {
                Ok(if known { Class::Known } else { Class::Other })
            }
        }
    }
}

impl Authenticator {
    /// Checks a password, and counts it when it is wrong.
    pub(in crate::domain::authn) async fn check_password(
        &self,
        attempt: Attempt<'_>,
        password: SecretString,
        against: Against,
        renewal: Renewal,
    ) -> Result<Checked, GuessError> {
        let renew = renewal == Renewal::Offered;
        let Some(Guessing { rules }) = &self.throttle else {
            let arrival = attempt.arrival(Class::Other);
            let mut turn = self.hasher.turn(arrival).await?;
            let verdict = self.hasher.verify(&mut turn, password, against, renew).await?;
            let renewed = verdict.renewed;
            return Ok(if verdict.correct {
                Checked::Right { renewed, arrival }
            } else {
                Checked::Wrong(None)
            });
        };
        let buckets = Buckets::of(attempt);
        // A try that is too early is refused by a read alone, before it waits for a turn: a flood costs next to nothing.
        let looked_up = buckets.clone();
        let tallies = self.store.read(move |db| looked_up.read(db)).await?;
        let arrival = attempt.arrival(rules.class(tallies, self.clock.moment())?);
        // Held until the outcome is stored: the next try for the same identifier from the same source depends on it.
        let mut turn = self.hasher.turn(arrival).await?;
        let begun = self.begin_try(*rules, buckets).await?;
        let verified = self.hasher.verify(&mut turn, password, against, renew).await;
        let outcome = match &verified {
            Ok(verdict) if verdict.correct => Outcome::Right,
            Ok(_) => Outcome::Wrong,
            Err(_) => Outcome::Withdrawn,
        };
        let budget = begun.decide(outcome).await?;
        let verdict = verified?;
        let renewed = verdict.renewed;
        Ok(if verdict.correct { Checked::Right { renewed, arrival } } else { Checked::Wrong(budget) })
    }

    /// Counts a try before it is judged. It already has its turn, so every row costs its maker a hash.
    async fn begin_try(&self, rules: GuessingRules, buckets: Buckets) -> Result<Try, GuessError> {
        let (held, moment) = (buckets.clone(), self.clock.moment());
        let reserve = move |db: &mut Connection| {
            let mut tallies = held.hold(db, false)?;
            let reservation = rules.reserve(&mut tallies, moment);
            if let Reservation::Begun(_) = reservation {
                tallies.iter().try_for_each(|tally| guesses::put(db, tally))?;
            }
            Ok::<_, StoreError>(reservation)
        };
