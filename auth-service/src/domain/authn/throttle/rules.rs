//! What the counters of an attempt say together.

use std::time::Duration;

use crate::domain::authn::passwords::Class;
use crate::domain::authn::throttle::budget::Budget;
use crate::domain::authn::throttle::counter::{Decision, Outcome};
use crate::domain::authn::throttle::error::AttemptError;
use crate::domain::authn::throttle::rule::Rule;
use crate::domain::clock::{Moment, seconds};
use crate::store::guesses::Counter;

/// An attempt that is not decided this long after its deadline counts as a failure.
const SLACK: Duration = Duration::from_secs(10);

/// The limits of login throttling.
#[derive(Debug, Clone, Copy)]
pub struct ThrottleRules {
    /// For an account from one source. A right password resets it.
    pub account_from_source: Rule,
    /// For an account from all sources that are not known to be its user's.
    pub account: Rule,
    /// For a source, whatever the accounts.
    pub source: Rule,
    /// How long after a right password its source is known to be the user's.
    pub trusted_for: Duration,
    /// How long after the first right password from a source the user is known there, and is served first.
    pub known_after: Duration,
    /// How long a password check may take.
    pub patience: Duration,
}

/// What the counters say about the next attempt.
pub(super) enum Reservation {
    /// It has begun.
    Begun {
        /// Whether its source is known to be the user's.
        trusted: bool,
    },
    /// That depends on attempts that are not decided.
    Undecided,
    TooMany(Budget),
}

impl ThrottleRules {
    /// The rules of the counters that count: not the account's when the source is known to be its user's.
    fn counted(&self, trusted: bool) -> [Option<Rule>; 3] {
        [Some(self.account_from_source), (!trusted).then_some(self.account), Some(self.source)]
    }

    /// Reads the counters, and begins an attempt if all of them allow it.
    pub(super) fn reserve(&self, counters: &mut [Counter; 3], moment: Moment) -> Reservation {
        let now = moment.now;
        if !moment.in_doubt {
            // A login while the clock was ahead makes no source trusted for longer than any other does.
            let longest = now.saturating_add(seconds(self.trusted_for));
            counters[0].trusted_until = counters[0].trusted_until.min(longest);
        }
        let trusted = now < counters[0].trusted_until;
        let mut reservation = Reservation::Begun { trusted };
        for (counter, rule) in counters.iter_mut().zip(self.counted(trusted)) {
            let Some(rule) = rule else { continue };
            counter.bring_up_to(moment, &rule);
            match counter.decision(now, &rule) {
                Decision::Allowed => {}
                Decision::Undecided => reservation = Reservation::Undecided,
                Decision::Wait(until) => {
                    let budget = counters[0].budget(now, &self.account_from_source);
                    return Reservation::TooMany(Budget { left: 0, next_in: until - now, ..budget });
                }
            }
        }
        if let Reservation::Begun { .. } = reservation {
            let decided_in = seconds(self.patience + SLACK);
            for (counter, rule) in counters.iter_mut().zip(self.counted(trusted)) {
                if let Some(rule) = rule {
                    counter.begin(moment, decided_in, &rule);
                }
            }
        }
        reservation
    }

    /// Counts the outcome of an attempt.
    pub(super) fn decide(
        &self,
        counters: &mut [Counter; 3],
        trusted: bool,
        outcome: Outcome,
        moment: Moment,
    ) {
        let now = moment.now;
        for (counter, rule) in counters.iter_mut().zip(self.counted(trusted)) {
            if let Some(rule) = rule {
                counter.bring_up_to(moment, &rule);
                counter.decide(outcome, now, &rule);
            }
        }
        if outcome == Outcome::Right {
            counters[0].reset(moment, seconds(self.trusted_for));
        }
    }

    /// Brings the displayed counter up to date, and returns what the client learns.
    pub(super) fn show(&self, displayed: &mut Counter, outcome: Outcome, moment: Moment) -> Budget {
        displayed.bring_up_to(moment, &self.account_from_source);
        if outcome == Outcome::Wrong {
            displayed.count(moment, &self.account_from_source);
        }
        displayed.budget(moment.now, &self.account_from_source)
    }

    /// Returns the class in which an attempt waits for its turn, or refuses it.
    pub(super) fn class(&self, mut counters: [Counter; 3], moment: Moment) -> Result<Class, AttemptError> {
        let known = counters[0].is_known(moment.now, seconds(self.trusted_for), seconds(self.known_after));
        match self.reserve(&mut counters, moment) {
            Reservation::TooMany(budget) => Err(AttemptError::TooMany(budget)),
            Reservation::Begun { .. } | Reservation::Undecided => {
                Ok(if known { Class::Known } else { Class::Other })
            }
        }
    }
}
