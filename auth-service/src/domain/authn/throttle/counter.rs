//! One counter: how many passwords were wrong, how many are being checked, and when the next attempt may be made. Pure.

use crate::domain::authn::throttle::budget::Budget;
use crate::domain::authn::throttle::rule::Rule;
use crate::domain::clock::{Moment, seconds};
use crate::store::guesses::Counter;

/// What a counter says about the next attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Decision {
    /// Its password may be checked.
    Allowed,
    /// That depends on attempts that are being checked.
    Undecided,
    /// Not before this time, in unix seconds.
    Wait(i64),
}

/// The outcome of an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::domain) enum Outcome {
    Right,
    Wrong,
    /// Its password was not checked.
    Withdrawn,
}

impl Counter {
    pub(super) fn new(bucket: &str) -> Self {
        Self {
            bucket: bucket.to_owned(),
            failures: 0,
            counted_at: 0,
            undecided: 0,
            undecided_until: 0,
            next_at: 0,
            trusted_until: 0,
            forget_at: 0,
            known_since: None,
        }
    }

    /// Lets failures leak, and counts undecided attempts whose deadline has passed.
    pub(super) fn bring_up_to(&mut self, moment: Moment, rule: &Rule) {
        let now = moment.now;
        // When the clock was put back, a wait that is longer than any is over: it must not last until the clock is there
        // again. That allows one attempt too many.
        if self.next_at > now.saturating_add(seconds(rule.longest_wait)) {
            self.next_at = now;
        }
        if self.failures == 0 {
            self.counted_at = moment.latest;
        } else if !moment.in_doubt {
            // A failure that has leaked is gone. While the clock is in doubt none does; they leak afterwards.
            self.leak(now, rule);
        }
        if self.undecided > 0 && now >= self.undecided_until {
            self.failures += self.undecided;
            self.undecided = 0;
            self.make_wait(self.undecided_until, rule);
        }
    }

    fn leak(&mut self, now: i64, rule: &Rule) {
        let window = seconds(rule.window).max(1);
        // When the clock was put back, failures leak from now on.
        self.counted_at = self.counted_at.min(now);
        let elapsed = (now - self.counted_at).clamp(0, window);
        let leaked = elapsed.saturating_mul(rule.attempts()) / window;
        if leaked >= self.failures {
            self.failures = 0;
            self.counted_at = now;
        } else {
            self.failures -= leaked;
            self.counted_at += leaked * window / rule.attempts().max(1);
        }
    }

    /// Decides about the next attempt.
    pub(super) fn decision(&self, now: i64, rule: &Rule) -> Decision {
        if self.failures < rule.attempts() {
            if self.failures + self.undecided < rule.attempts() {
                Decision::Allowed
            } else {
                Decision::Undecided
            }
        } else if now < self.next_at {
            Decision::Wait(self.next_at)
        } else if self.undecided > 0 {
            Decision::Undecided
        } else {
            Decision::Allowed
        }
    }

    /// Begins an attempt that is decided within `decided_in` seconds.
    pub(super) fn begin(&mut self, moment: Moment, decided_in: i64, rule: &Rule) {
        // No undecided attempt has a later deadline, except one that began while the clock was ahead.
        let until = moment.now.saturating_add(decided_in);
        self.undecided += 1;
        self.undecided_until = until;
        let forget_at = moment.latest.saturating_add(decided_in).saturating_add(rule.memory());
        self.forget_at = self.forget_at.max(forget_at);
    }

    /// Ends an attempt. One that was counted already, because its deadline had passed, changes nothing.
    pub(super) fn decide(&mut self, outcome: Outcome, now: i64, rule: &Rule) {
        if self.undecided == 0 {
            return;
        }
        self.undecided -= 1;
        if outcome == Outcome::Wrong {
            self.failures += 1;
            self.make_wait(now, rule);
        }
    }

    /// Counts a wrong password that did not begin in this counter: for the displayed one.
    pub(super) fn count(&mut self, moment: Moment, rule: &Rule) {
        self.begin(moment, 0, rule);
        self.decide(Outcome::Wrong, moment.now, rule);
    }

    /// Resets the counter after a right password, and trusts the source for `trusted_for` seconds.
    pub(super) fn reset(&mut self, moment: Moment, trusted_for: i64) {
        let now = moment.now;
        let first = self.first_right(now, trusted_for).unwrap_or(now);
        self.known_since = Some(first);
        self.failures = 0;
        self.next_at = now;
        self.trusted_until = moment.latest.saturating_add(trusted_for);
        self.forget_at = self.forget_at.max(self.trusted_until);
    }

    /// Whether the first right password came at least `after` seconds ago, and none was missing for `trusted_for` seconds since.
    pub(super) fn is_known(&self, now: i64, trusted_for: i64, after: i64) -> bool {
        self.first_right(now, trusted_for).is_some_and(|first| now - first >= after)
    }

    /// When the first right password came. Older versions do not store it; then the last one counts.
    fn first_right(&self, now: i64, trusted_for: i64) -> Option<i64> {
        let last = self.trusted_until.saturating_sub(trusted_for);
        (now < self.trusted_until).then(|| self.known_since.unwrap_or(last).min(now))
    }

    pub(super) fn budget(&self, now: i64, rule: &Rule) -> Budget {
        let left = (rule.attempts() - self.failures - self.undecided).max(0);
        let one = seconds(rule.window) / rule.attempts().max(1);
        let next_in =
            if now < self.next_at { self.next_at - now } else { (self.counted_at + one - now).min(one) };
        Budget { attempts: rule.attempts(), window: seconds(rule.window), left, next_in: next_in.max(1) }
    }

    fn make_wait(&mut self, from: i64, rule: &Rule) {
        if self.failures >= rule.attempts() {
            self.next_at = self.next_at.max(from.saturating_add(rule.wait(self.failures)));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const RULE: Rule = Rule {
        attempts: 3,
        window: Duration::from_secs(300),
        first_wait: Duration::from_secs(5),
        longest_wait: Duration::from_secs(40),
    };

    fn at(now: i64) -> Moment {
        Moment { now, latest: now, in_doubt: false, settled: true }
    }

    fn doubtful(now: i64, latest: i64) -> Moment {
        Moment { now, latest, in_doubt: true, settled: false }
    }

    fn fail(counter: &mut Counter, now: i64) {
        counter.bring_up_to(at(now), &RULE);
        assert_eq!(counter.decision(now, &RULE), Decision::Allowed);
        counter.begin(at(now), 10, &RULE);
        counter.decide(Outcome::Wrong, now, &RULE);
    }

    #[test]
    fn a_few_are_free_and_then_each_wait_is_twice_as_long_up_to_the_longest() {
        let (mut counter, mut now) = (Counter::new("b"), 1000);
        for _ in 0..3 {
            fail(&mut counter, now);
        }
        for wait in [5, 10, 20, 40, 40] {
            assert_eq!(counter.decision(now, &RULE), Decision::Wait(now + wait));
            now += wait;
            fail(&mut counter, now);
        }
    }

    #[test]
    fn failures_leak_away_one_by_one_and_in_the_end_nothing_is_remembered() {
        let mut counter = Counter::new("b");
        for _ in 0..3 {
            fail(&mut counter, 1000);
        }
        counter.bring_up_to(at(1099), &RULE);
        assert_eq!(counter.failures, 3);
        counter.bring_up_to(at(1150), &RULE);
        assert_eq!((counter.failures, counter.counted_at), (2, 1100));
        counter.bring_up_to(at(1200), &RULE);
        assert_eq!(counter.failures, 1);
        counter.bring_up_to(at(90_000), &RULE);
        assert_eq!((counter.failures, counter.decision(90_000, &RULE)), (0, Decision::Allowed));
    }

    #[test]
    fn concurrent_attempts_are_no_more_than_the_free_ones_and_after_those_one_by_one() {
        let mut counter = Counter::new("b");
        for _ in 0..3 {
            assert_eq!(counter.decision(1000, &RULE), Decision::Allowed);
            counter.begin(at(1000), 10, &RULE);
        }
        assert_eq!(counter.decision(1000, &RULE), Decision::Undecided);
        counter.decide(Outcome::Withdrawn, 1000, &RULE);
        assert_eq!(counter.decision(1000, &RULE), Decision::Allowed);
        counter.decide(Outcome::Wrong, 1000, &RULE);
        counter.decide(Outcome::Right, 1000, &RULE);
        assert_eq!((counter.failures, counter.undecided), (1, 0));
        fail(&mut counter, 1000);
        fail(&mut counter, 1000);
        counter.begin(at(1005), 10, &RULE);
        assert_eq!(counter.decision(1006, &RULE), Decision::Undecided);
    }

    #[test]
    fn an_undecided_attempt_becomes_a_failure_and_deciding_it_late_changes_nothing() {
        let mut counter = Counter::new("b");
        counter.begin(at(1000), 10, &RULE);
        counter.bring_up_to(at(1010), &RULE);
        assert_eq!((counter.failures, counter.undecided), (1, 0));
        counter.decide(Outcome::Wrong, 1011, &RULE);
        assert_eq!(counter.failures, 1);
    }

    #[test]
    fn while_the_clock_is_in_doubt_nothing_leaks_and_what_is_stored_is_not_forgotten_early() {
        let mut counter = Counter::new("b");
        for _ in 0..3 {
            fail(&mut counter, 1000);
        }
        counter.bring_up_to(doubtful(90_000, 90_000), &RULE);
        assert_eq!(counter.failures, 3, "ahead");
        counter.bring_up_to(at(1050), &RULE);
        assert_eq!((counter.failures, counter.counted_at), (3, 1000));
        counter.bring_up_to(doubtful(100, 1050), &RULE);
        counter.begin(doubtful(100, 1050), 10, &RULE);
        counter.decide(Outcome::Wrong, 100, &RULE);
        assert_eq!((counter.failures, counter.counted_at), (4, 1000), "behind");
        assert!(counter.forget_at >= 1050 + 300, "{}", counter.forget_at);
        counter.bring_up_to(at(1100), &RULE);
        assert_eq!((counter.failures, counter.counted_at), (3, 1100), "and leaks afterwards");
        let mut first = Counter::new("b");
        first.bring_up_to(doubtful(100, 1050), &RULE);
        assert_eq!(first.counted_at, 1050, "what fails now leaks no sooner when the clock returns");
    }

    #[test]
    fn a_pair_is_known_some_time_after_its_first_right_password_until_none_came_for_long() {
        const TRUSTED_FOR: i64 = 1000;
        let known = |counter: &Counter, now| counter.is_known(now, TRUSTED_FOR, 100);
        let mut counter = Counter::new("b");
        assert!(!known(&counter, 5000), "no right password yet");
        counter.reset(at(5000), TRUSTED_FOR);
        assert!(!known(&counter, 5099) && known(&counter, 5100));
        counter.reset(at(5050), TRUSTED_FOR);
        assert!(known(&counter, 5100), "the first one counts");
        assert!(known(&counter, 6049) && !known(&counter, 6050), "forgotten");
        counter.reset(at(7000), TRUSTED_FOR);
        assert!(!known(&counter, 7099) && known(&counter, 7100), "from the beginning");
        counter.known_since = None;
        assert!(!known(&counter, 7099) && known(&counter, 7100), "as an older version leaves it");
        counter.reset(at(6900), TRUSTED_FOR);
        assert_eq!(counter.known_since, Some(6900), "the clock was put back");
    }
}
