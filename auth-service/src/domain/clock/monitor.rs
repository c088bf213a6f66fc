//! Whether the wall clock can be believed: its progress is compared with that of a clock that nobody sets. Pure.

/// A difference beyond this many seconds is a disagreement. Clocks are read in whole seconds, and small steps are how they are
/// kept right.
pub(in crate::domain) const TOLERANCE: i64 = 60;
/// How long the two clocks must have agreed before the wall clock is believed again, in seconds.
const AGREEMENT: i64 = 3600;
/// How long what is over is kept beyond its time, in seconds: so far a clock that is believed may still be wrong.
const MARGIN: i64 = 24 * 3600;

/// What time it is, and how far that is to be trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    /// Unix seconds.
    pub now: i64,
    /// The latest time that it may be, in unix seconds: while the clock is in doubt, by whichever of its readings is ahead.
    pub latest: i64,
    /// Whether the clock disagreed with the time that passed within the last hour: what time alone decides is then left open.
    pub in_doubt: bool,
    /// Whether the two have been seen to agree for an hour. Not in a process's first hour.
    pub settled: bool,
}

impl Moment {
    /// Up to which time what is over may be left out of what is published: nothing may, until the clock is settled.
    #[must_use]
    pub fn over(&self) -> i64 {
        if self.settled { self.now } else { i64::MIN }
    }

    /// Before which time something must have been over to be deleted; `None` while nothing may be.
    #[must_use]
    pub fn deletable(&self) -> Option<i64> {
        self.settled.then(|| self.now.saturating_sub(MARGIN))
    }
}

/// What became of the trust in the clock with a reading.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Change {
    /// The clock is in doubt from now on; it went this many seconds ahead of the time that passed, or behind it.
    Doubted(i64),
    /// It is believed again.
    Believed,
}

/// Compares readings of the wall clock with those of a clock that only counts the seconds that pass.
#[derive(Debug, Default)]
pub(super) struct Monitor(Option<Seen>);

/// All offsets are those of the wall clock from the other one.
#[derive(Debug)]
struct Seen {
    /// The offsets that a reading is compared with: of an hour ago or more, and of less than that. So no two steps within an
    /// hour add up unseen, while the drift of a clock over days does not count.
    references: [i64; 2],
    /// When the younger of the two was taken, by the other clock.
    referred_at: i64,
    /// Since when the two clocks agree, by the other clock.
    agreed_since: i64,
    /// While the clock is in doubt: the largest offset of the time before and since.
    doubt: Option<i64>,
}

impl Monitor {
    /// Takes in that it is `wall`, in unix seconds, and that `elapsed` seconds have passed since some fixed moment.
    pub(super) fn read(&mut self, wall: i64, elapsed: i64) -> (Moment, Option<Change>) {
        let offset = wall.saturating_sub(elapsed);
        let seen = self.0.get_or_insert(Seen {
            references: [offset; 2],
            referred_at: elapsed,
            agreed_since: elapsed,
            doubt: None,
        });
        let change = seen.compare(offset, elapsed);
        let settled = elapsed.saturating_sub(seen.agreed_since) >= AGREEMENT;
        let latest = seen.doubt.map_or(wall, |largest| largest.saturating_add(elapsed).max(wall));
        (Moment { now: wall, latest, in_doubt: seen.doubt.is_some(), settled }, change)
    }
}

impl Seen {
    fn compare(&mut self, offset: i64, elapsed: i64) -> Option<Change> {
        let apart = |reference: i64| offset.saturating_sub(reference);
        let largest = self.references.map(apart).into_iter().max_by_key(|apart| apart.unsigned_abs());
        let apart = largest.unwrap_or(0);
        if apart.unsigned_abs() > TOLERANCE.unsigned_abs() {
            let [old, young] = self.references;
            let before = self.doubt.replace(self.doubt.unwrap_or(i64::MIN).max(old).max(young).max(offset));
            self.references = [offset; 2];
            (self.referred_at, self.agreed_since) = (elapsed, elapsed);
            return before.is_none().then_some(Change::Doubted(apart));
        }
        if elapsed.saturating_sub(self.referred_at) >= AGREEMENT {
            self.references = [self.references[1], offset];
            self.referred_at = elapsed;
        }
        if elapsed.saturating_sub(self.agreed_since) < AGREEMENT {
            return None;
        }
        self.doubt.take().map(|_| Change::Believed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WALL: i64 = 1_800_000_000;
    const DAY: i64 = 24 * 3600;

    /// A monitor, and two clocks that the test moves.
    struct Clocks {
        monitor: Monitor,
        wall: i64,
        elapsed: i64,
    }

    impl Clocks {
        fn new() -> Self {
            let mut clocks = Self { monitor: Monitor::default(), wall: WALL, elapsed: 77 };
            clocks.read();
            clocks
        }

        fn read(&mut self) -> (Moment, Option<Change>) {
            self.monitor.read(self.wall, self.elapsed)
        }

        /// Time passes, and both clocks say so.
        fn pass(&mut self, seconds: i64) -> (Moment, Option<Change>) {
            (self.wall, self.elapsed) = (self.wall + seconds, self.elapsed + seconds);
            self.read()
        }

        /// The wall clock is set.
        fn jump(&mut self, seconds: i64) -> (Moment, Option<Change>) {
            self.wall += seconds;
            self.read()
        }
    }

    #[test]
    fn in_its_first_hour_a_process_deletes_nothing_and_doubts_nothing() {
        let mut clocks = Clocks::new();
        let (moment, change) = clocks.pass(3599);
        assert_eq!((moment.in_doubt, moment.settled, change), (false, false, None));
        assert_eq!((moment.deletable(), moment.over()), (None, i64::MIN));
        let (moment, change) = clocks.pass(1);
        assert_eq!((moment.in_doubt, moment.settled, change), (false, true, None));
        assert_eq!((moment.deletable(), moment.over()), (Some(WALL + 3600 - DAY), WALL + 3600));
    }

    #[test]
    fn a_jump_is_doubted_at_its_first_reading_and_for_an_hour_after_its_last_one() {
        for seconds in [1200, -1200, 17 * DAY, -17 * DAY, 61, -61] {
            let mut clocks = Clocks::new();
            clocks.pass(DAY);
            let (moment, change) = clocks.jump(seconds);
            assert_eq!(change, Some(Change::Doubted(seconds)));
            assert!(moment.in_doubt && moment.deletable().is_none(), "{moment:?}");
            clocks.pass(3599);
            let (moment, change) = clocks.jump(-seconds);
            assert_eq!((moment.in_doubt, change), (true, None), "said once");
            let (moment, _) = clocks.pass(3599);
            assert!(moment.in_doubt && !moment.settled, "{moment:?}");
            let (moment, change) = clocks.pass(1);
            assert_eq!((moment.in_doubt, moment.settled, change), (false, true, Some(Change::Believed)));
        }
    }

    #[test]
    fn while_in_doubt_the_latest_time_is_that_of_the_clock_that_is_ahead() {
        let mut clocks = Clocks::new();
        let right = |clocks: &Clocks| WALL + clocks.elapsed - 77;
        let (moment, _) = clocks.jump(-7200);
        assert_eq!((moment.now, moment.latest), (right(&clocks) - 7200, right(&clocks)));
        let (moment, _) = clocks.pass(1800);
        assert_eq!(moment.latest, right(&clocks));
        let (moment, _) = clocks.jump(7200 + 600);
        assert_eq!((moment.now, moment.latest), (right(&clocks) + 600, right(&clocks) + 600));
        let (moment, _) = clocks.jump(-600);
        assert_eq!((moment.now, moment.latest), (right(&clocks), right(&clocks) + 600));
        let (moment, _) = clocks.pass(3600);
        assert_eq!(moment.latest, moment.now);
    }

    #[test]
    fn steps_within_a_minute_are_accepted_unless_they_add_up_within_an_hour() {
        let mut clocks = Clocks::new();
        for _ in 0..48 {
            clocks.pass(3600);
            clocks.pass(3600);
            assert!(!clocks.jump(25).0.in_doubt, "a clock that drifts over days is right");
        }
        let mut clocks = Clocks::new();
        clocks.pass(3599);
        assert!(!clocks.jump(40).0.in_doubt);
        clocks.pass(1);
        assert!(clocks.jump(40).0.in_doubt, "also where a reference is taken in between");
    }

    #[test]
    fn clocks_at_the_end_of_their_range_do_not_panic() {
        let mut monitor = Monitor::default();
        for (wall, elapsed) in [(i64::MAX, 0), (0, i64::MAX), (i64::MIN, i64::MAX), (i64::MAX, i64::MIN)] {
            monitor.read(wall, elapsed);
        }
    }
}
