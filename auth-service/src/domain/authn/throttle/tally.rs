//! Counting: how many wrong passwords there were, how many are being judged, and when the next may be tried. Pure.

use std::time::Duration;

use crate::domain::authn::throttle::Budget;
use crate::domain::clock::{Moment, seconds};
use crate::store::guesses::Tally;

/// How many wrong passwords are free, and how long one waits after that.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rule {
    /// So many.
    pub free: u32,
    /// In this time; they leak away one by one.
    pub window: Duration,
    /// The wait after the last free one; each wrong one after that doubles it ...
    pub first_wait: Duration,
    /// ... up to this.
    pub longest_wait: Duration,
}

/// What a tally says about the next try.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Turn {
    /// It may be judged.
    Free,
    /// That depends on those that are being judged.
    Undecided,
    /// Not before this time, in unix seconds.
    Wait(i64),
}

/// What became of a try.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    Right,
    Wrong,
    /// It was never judged.
    Withdrawn,
}

impl Rule {
    fn free(&self) -> i64 {
        i64::from(self.free)
    }

    /// In seconds, after so many failures.
    fn wait(&self, failures: i64) -> i64 {
        let doublings = u32::try_from(failures - self.free()).unwrap_or(0).min(62);
        seconds(self.first_wait).saturating_mul(1 << doublings).min(seconds(self.longest_wait))
    }

    /// How long a row says anything, in seconds.
    fn memory(&self) -> i64 {
        seconds(self.window).saturating_add(seconds(self.longest_wait))
    }
}

impl Tally {
    pub(super) fn new(bucket: &str) -> Self {
        Self {
            bucket: bucket.to_owned(),
            failures: 0,
            counted_at: 0,
            undecided: 0,
            undecided_until: 0,
            next_at: 0,
            welcome_until: 0,
            forget_at: 0,
            known_since: None,
        }
    }

    /// Lets leak what has leaked, and counts what nobody will decide any more.
    pub(super) fn bring_up_to(&mut self, moment: Moment, rule: &Rule) {
        let now = moment.now;
        // When the clock was put back, a wait longer than any is over: it must not last until the clock is there again. That
        // gives away one try.
        if self.next_at > now.saturating_add(seconds(rule.longest_wait)) {
            self.next_at = now;
        }
        if self.failures == 0 {
            self.counted_at = moment.latest;
        } else if !moment.in_doubt {
            // What has leaked is gone: while the clock is in doubt nothing does, and it is made up for when it is not.
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
        let leaked = elapsed.saturating_mul(rule.free()) / window;
        if leaked >= self.failures {
            self.failures = 0;
            self.counted_at = now;
        } else {
            self.failures -= leaked;
            self.counted_at += leaked * window / rule.free().max(1);
        }
    }

    pub(super) fn turn(&self, now: i64, rule: &Rule) -> Turn {
        if self.failures < rule.free() {
            if self.failures + self.undecided < rule.free() { Turn::Free } else { Turn::Undecided }
        } else if now < self.next_at {
            Turn::Wait(self.next_at)
        } else if self.undecided > 0 {
            Turn::Undecided
        } else {
            Turn::Free
        }
    }

    /// A try begins that is decided within so many seconds.
    pub(super) fn begin(&mut self, moment: Moment, decided_in: i64, rule: &Rule) {
        // No try that is undecided has longer; one that seems to began while the clock was ahead.
        let until = moment.now.saturating_add(decided_in);
        self.undecided += 1;
        self.undecided_until = until;
        let forget_at = moment.latest.saturating_add(decided_in).saturating_add(rule.memory());
        self.forget_at = self.forget_at.max(forget_at);
    }

    /// A try ends. One that was counted already, because its time was over, changes nothing.
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

    /// Counts a wrong try that did not begin in this tally: for the one that is only shown.
    pub(super) fn count(&mut self, moment: Moment, rule: &Rule) {
        self.begin(moment, 0, rule);
        self.decide(Outcome::Wrong, moment.now, rule);
    }

    /// Resets the count after a right password, and remembers it for `welcome` seconds.
    pub(super) fn forgive(&mut self, moment: Moment, welcome: i64) {
        let now = moment.now;
        let first = self.first_right(now, welcome).unwrap_or(now);
        self.known_since = Some(first);
        self.failures = 0;
        self.next_at = now;
        self.welcome_until = moment.latest.saturating_add(welcome);
        self.forget_at = self.forget_at.max(self.welcome_until);
    }

    /// Whether a right password came at least `after` seconds ago, and none was missing for `welcome` seconds since.
    pub(super) fn is_known(&self, now: i64, welcome: i64, after: i64) -> bool {
        self.first_right(now, welcome).is_some_and(|first| now - first >= after)
    }

    /// An older program does not write the time of the first one. Then the last one counts.
    fn first_right(&self, now: i64, welcome: i64) -> Option<i64> {
        let last = self.welcome_until.saturating_sub(welcome);
        (now < self.welcome_until).then(|| self.known_since.unwrap_or(last).min(now))
    }

    pub(super) fn budget(&self, now: i64, rule: &Rule) -> Budget {
        let left = (rule.free() - self.failures - self.undecided).max(0);
        let one = seconds(rule.window) / rule.free().max(1);
        let next_in =
            if now < self.next_at { self.next_at - now } else { (self.counted_at + one - now).min(one) };
        Budget { free: rule.free(), window: seconds(rule.window), left, next_in: next_in.max(1) }
    }

    fn make_wait(&mut self, from: i64, rule: &Rule) {
        if self.failures >= rule.free() {
            self.next_at = self.next_at.max(from.saturating_add(rule.wait(self.failures)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULE: Rule = Rule {
        free: 3,
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

    fn fail(tally: &mut Tally, now: i64) {
        tally.bring_up_to(at(now), &RULE);
        assert_eq!(tally.turn(now, &RULE), Turn::Free);
        tally.begin(at(now), 10, &RULE);
        tally.decide(Outcome::Wrong, now, &RULE);
    }

    #[test]
    fn a_few_are_free_and_then_each_wait_is_twice_as_long_up_to_the_longest() {
        let (mut tally, mut now) = (Tally::new("b"), 1000);
        for _ in 0..3 {
            fail(&mut tally, now);
        }
        for wait in [5, 10, 20, 40, 40] {
            assert_eq!(tally.turn(now, &RULE), Turn::Wait(now + wait));
            now += wait;
            fail(&mut tally, now);
        }
    }

    #[test]
    fn failures_leak_away_one_by_one_and_in_the_end_nothing_is_remembered() {
        let mut tally = Tally::new("b");
        for _ in 0..3 {
            fail(&mut tally, 1000);
        }
        tally.bring_up_to(at(1099), &RULE);
        assert_eq!(tally.failures, 3);
        tally.bring_up_to(at(1150), &RULE);
        assert_eq!((tally.failures, tally.counted_at), (2, 1100));
        tally.bring_up_to(at(1200), &RULE);
        assert_eq!(tally.failures, 1);
        tally.bring_up_to(at(90_000), &RULE);
        assert_eq!((tally.failures, tally.turn(90_000, &RULE)), (0, Turn::Free));
    }

    #[test]
    fn tries_at_once_are_no_more_than_the_free_ones_and_after_those_one_by_one() {
        let mut tally = Tally::new("b");
        for _ in 0..3 {
            assert_eq!(tally.turn(1000, &RULE), Turn::Free);
            tally.begin(at(1000), 10, &RULE);
        }
        assert_eq!(tally.turn(1000, &RULE), Turn::Undecided);
        tally.decide(Outcome::Withdrawn, 1000, &RULE);
        assert_eq!(tally.turn(1000, &RULE), Turn::Free);
        tally.decide(Outcome::Wrong, 1000, &RULE);
        tally.decide(Outcome::Right, 1000, &RULE);
        assert_eq!((tally.failures, tally.undecided), (1, 0));
        fail(&mut tally, 1000);
        fail(&mut tally, 1000);
        tally.begin(at(1005), 10, &RULE);
        assert_eq!(tally.turn(1006, &RULE), Turn::Undecided);
    }

    #[test]
    fn a_try_that_nobody_decides_is_a_failure_and_deciding_it_late_changes_nothing() {
        let mut tally = Tally::new("b");
        tally.begin(at(1000), 10, &RULE);
        tally.bring_up_to(at(1010), &RULE);
        assert_eq!((tally.failures, tally.undecided), (1, 0));
        tally.decide(Outcome::Wrong, 1011, &RULE);
        assert_eq!(tally.failures, 1);
    }

    #[test]
    fn while_the_clock_is_in_doubt_nothing_leaks_and_what_is_stored_is_not_forgotten_early() {
        let mut tally = Tally::new("b");
        for _ in 0..3 {
            fail(&mut tally, 1000);
        }
        tally.bring_up_to(doubtful(90_000, 90_000), &RULE);
        assert_eq!(tally.failures, 3, "ahead");
        tally.bring_up_to(at(1050), &RULE);
        assert_eq!((tally.failures, tally.counted_at), (3, 1000));
        tally.bring_up_to(doubtful(100, 1050), &RULE);
        tally.begin(doubtful(100, 1050), 10, &RULE);
        tally.decide(Outcome::Wrong, 100, &RULE);
        assert_eq!((tally.failures, tally.counted_at), (4, 1000), "behind");
        assert!(tally.forget_at >= 1050 + 300, "{}", tally.forget_at);
        tally.bring_up_to(at(1100), &RULE);
        assert_eq!((tally.failures, tally.counted_at), (3, 1100), "and then it is made up for");
        let mut first = Tally::new("b");
        first.bring_up_to(doubtful(100, 1050), &RULE);
        assert_eq!(first.counted_at, 1050, "what fails now leaks no sooner when the clock returns");
    }

    #[test]
    fn a_pair_is_known_some_time_after_its_first_right_password_until_none_came_for_long() {
        const WELCOME: i64 = 1000;
        let known = |tally: &Tally, now| tally.is_known(now, WELCOME, 100);
        let mut tally = Tally::new("b");
        assert!(!known(&tally, 5000), "no right password yet");
        tally.forgive(at(5000), WELCOME);
        assert!(!known(&tally, 5099) && known(&tally, 5100));
        tally.forgive(at(5050), WELCOME);
        assert!(known(&tally, 5100), "the first one counts");
        assert!(known(&tally, 6049) && !known(&tally, 6050), "forgotten");
        tally.forgive(at(7000), WELCOME);
        assert!(!known(&tally, 7099) && known(&tally, 7100), "from the beginning");
        tally.known_since = None;
        assert!(!known(&tally, 7099) && known(&tally, 7100), "as an older program leaves it");
        tally.forgive(at(6900), WELCOME);
        assert_eq!(tally.known_since, Some(6900), "the clock was put back");
    }
}
