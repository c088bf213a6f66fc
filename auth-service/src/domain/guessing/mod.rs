//! Guessing: everything that takes a password asks here first. A few tries are free, then each must wait longer than the
//! one before; the right password after the wait works, and nobody can lock another out.
//!
//! Wrong passwords are counted in the database, so that all replicas agree: for an account from one source, for an
//! account from all sources that are not known to be its user's, and for a source. A try is counted before it is judged,
//! so that no number of tries at once gets more answers. Every row that an attacker makes costs the hash of a password,
//! and is forgotten in time.

mod buckets;
mod tally;
mod tries;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use secrecy::SecretString;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::{Instant, sleep, timeout_at};

use self::buckets::Buckets;
pub use self::buckets::{Source, Target};
pub use self::tally::Rule;
use self::tally::{Outcome, Turn};
use self::tries::Try;
use super::audit::Reason;
use super::passwords::{Against, HashingError};
use super::{Issuer, Moment, seconds};
use crate::store::guesses::{self, Tally};
use crate::store::{Connection, StoreError};

/// How often to see whether another replica has decided.
const LOOK: Duration = Duration::from_millis(50);
/// A try that has not been decided so long after the last moment for it counts as a failure.
const SLACK: Duration = Duration::from_secs(10);
/// Gates of accounts that nobody tries any more are cleared away when there are so many.
const GATES: usize = 1024;

/// How much guessing is accepted.
#[derive(Debug, Clone, Copy)]
pub struct GuessingRules {
    /// For an account from one source: a right password forgives all.
    pub account_from_source: Rule,
    /// For an account from all sources that are not known to be the user's.
    pub account: Rule,
    /// For a source, whatever the accounts.
    pub source: Rule,
    /// How long after a login its source is known to be the user's.
    pub welcome: Duration,
    /// Tries that may wait because others for the same account are being judged: no more than may wait to be hashed.
    pub waiting: usize,
    /// How long they wait.
    pub patience: Duration,
}

/// How many wrong passwords an account takes from one source, for the client to know.
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
    /// The password is right. What to store instead of its hash, if that is outdated and was asked for.
    Right(Option<String>),
    /// It is not; `None` when nobody counts.
    Wrong(Option<Budget>),
}

/// Whether an outdated hash is to be renewed, which costs another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Renewal {
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
    pub(super) fn reason(&self) -> Option<Reason> {
        match self {
            Self::TooMany(_) => Some(Reason::TooManyAttempts),
            Self::Hashing(HashingError::Overloaded) => Some(Reason::Overloaded),
            Self::Hashing(HashingError::Impossible) | Self::Store(_) => None,
        }
    }
}

/// What is counted, and where tries wait for each other.
#[derive(Debug)]
pub struct Guessing {
    rules: GuessingRules,
    waiting: Semaphore,
    /// For each account and source as many tries at once as are free, in the order of their coming.
    gates: Mutex<HashMap<String, Weak<Semaphore>>>,
}

/// What the tallies say about the next try.
enum Reservation {
    /// It has begun; `true`: from a source that is the user's.
    Begun(bool),
    Undecided,
    TooMany(Budget),
}

impl Guessing {
    /// Nothing is counted yet.
    #[must_use]
    pub fn new(rules: GuessingRules) -> Self {
        Self { rules, waiting: Semaphore::new(rules.waiting), gates: Mutex::default() }
    }

    /// Only who has to wait takes one of the places: a crowd at one account's gate is nobody else's.
    fn wait_in_line(&self) -> Result<SemaphorePermit<'_>, HashingError> {
        self.waiting.try_acquire().map_err(|_| HashingError::Overloaded)
    }

    async fn take_turn<'a>(
        &self,
        gate: &'a Semaphore,
        latest: Instant,
    ) -> Result<SemaphorePermit<'a>, HashingError> {
        if let Ok(turn) = gate.try_acquire() {
            return Ok(turn);
        }
        let _place = self.wait_in_line()?;
        let turn = timeout_at(latest, gate.acquire()).await;
        turn.ok().and_then(Result::ok).ok_or(HashingError::Overloaded)
    }

    fn gate(&self, pair: &str) -> Arc<Semaphore> {
        let mut gates = self.gates.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(gate) = gates.get(pair).and_then(Weak::upgrade) {
            return gate;
        }
        if gates.len() >= GATES {
            gates.retain(|_, gate| gate.strong_count() > 0);
        }
        let gate = Arc::new(Semaphore::new(self.rules.account_from_source.at_once()));
        gates.insert(pair.to_owned(), Arc::downgrade(&gate));
        gate
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

    fn decide(&self, tallies: &mut [Tally; 3], welcome: bool, outcome: Outcome, moment: Moment) -> Budget {
        let now = moment.now;
        for (tally, rule) in tallies.iter_mut().zip(self.counted(welcome)) {
            if let Some(rule) = rule {
                tally.bring_up_to(moment, &rule);
                tally.decide(outcome, now, &rule);
            }
        }
        if outcome == Outcome::Right {
            tallies[0].forgive(now, moment.latest.saturating_add(seconds(self.welcome)));
        }
        tallies[0].budget(now, &self.account_from_source)
    }
}

impl Issuer {
    /// Checks a password, and counts it when it is wrong.
    pub(super) async fn check_password(
        &self,
        (target, source): (Target<'_>, &Source),
        password: SecretString,
        against: Against,
        renewal: Renewal,
    ) -> Result<Checked, GuessError> {
        let renew = renewal == Renewal::Offered;
        let Some(guessing) = &self.guessing else {
            let verdict = self.hasher.verify(password, against, renew).await?;
            return Ok(if verdict.correct { Checked::Right(verdict.renewed) } else { Checked::Wrong(None) });
        };
        let buckets = Buckets::of(target, source);
        let latest = Instant::now() + guessing.rules.patience;
        let gate = guessing.gate(&buckets.pair);
        let _turn = guessing.take_turn(&gate, latest).await?;
        let begun = self.begin_try(guessing, buckets, latest).await?;
        let verified = self.hasher.verify(password, against, renew).await;
        let outcome = match &verified {
            Ok(verdict) if verdict.correct => Outcome::Right,
            Ok(_) => Outcome::Wrong,
            Err(_) => Outcome::Withdrawn,
        };
        let budget = begun.decide(outcome).await?;
        let verdict = verified?;
        Ok(if verdict.correct { Checked::Right(verdict.renewed) } else { Checked::Wrong(budget) })
    }

    async fn begin_try(
        &self,
        guessing: &Guessing,
        buckets: Buckets,
        latest: Instant,
    ) -> Result<Try, GuessError> {
        let rules = guessing.rules;
        let mut waiting = None;
        loop {
            let moment = self.moment();
            // Who has to wait is told without a write: a flood of tries costs next to nothing.
            let looked_up = buckets.clone();
            let mut tallies = self.store.read(move |db| looked_up.read(db)).await?;
            if let Reservation::TooMany(budget) = rules.reserve(&mut tallies, moment) {
                return Err(GuessError::TooMany(budget));
            }
            let held = buckets.clone();
            let reserve = move |db: &mut Connection| {
                let mut tallies = held.hold(db)?;
                let reservation = rules.reserve(&mut tallies, moment);
                if let Reservation::Begun(_) = reservation {
                    tallies.iter().try_for_each(|tally| guesses::put(db, tally))?;
                }
                Ok::<_, StoreError>(reservation)
            };
            match self.store.write(reserve).await? {
                Reservation::Begun(welcome) => {
                    return Ok(Try::new(self, rules, buckets, welcome));
                }
                Reservation::TooMany(budget) => return Err(GuessError::TooMany(budget)),
                Reservation::Undecided if Instant::now() + LOOK < latest => {
                    if waiting.is_none() {
                        waiting = Some(guessing.wait_in_line()?);
                    }
                    sleep(LOOK).await;
                }
                Reservation::Undecided => return Err(HashingError::Overloaded.into()),
            }
        }
    }
}
