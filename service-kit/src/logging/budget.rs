//! Bounds the number of lines of each place in the code, so that none fills the disk or hides the lines of others.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::num::NonZeroU32;
use std::sync::{Mutex, MutexGuard, PoisonError};

use arc_swap::ArcSwap;
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};
use log::Record;

/// How many places a report names; the lines of the others are added up.
const NAMED: usize = 8;

/// A place in the code that writes lines: the module and the line in its file. Their number is that of the log statements of the
/// program; records without a place share one.
type Place = (&'static str, u32);

/// The budget of each place, and the number of lines that were left out.
pub(super) struct Budget {
    limiter: ArcSwap<DefaultKeyedRateLimiter<Place>>,
    left_out: Mutex<BTreeMap<Place, u64>>,
}

impl Budget {
    pub(super) fn new(burst: u32, per_minute: u32) -> Self {
        Self {
            limiter: ArcSwap::from_pointee(RateLimiter::keyed(quota(burst, per_minute))),
            left_out: Mutex::default(),
        }
    }

    /// Changes the budgets. Every place starts with a full one.
    pub(super) fn set(&self, burst: u32, per_minute: u32) {
        self.limiter.store(RateLimiter::keyed(quota(burst, per_minute)).into());
    }

    /// Returns whether this line may be written. Counts it as left out otherwise.
    pub(super) fn admits(&self, record: &Record<'_>) -> bool {
        let place = (record.module_path_static().unwrap_or_default(), record.line().unwrap_or_default());
        let admitted = self.limiter.load().check_key(&place).is_ok();
        if !admitted {
            *self.counts().entry(place).or_default() += 1;
        }
        admitted
    }

    /// Returns a line with the numbers of lines left out since the last report; `None` if there are none.
    pub(super) fn report(&self) -> Option<String> {
        let mut counts: Vec<_> = std::mem::take(&mut *self.counts()).into_iter().collect();
        counts.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        let mut line =
            format!("{} log lines were left out: ", counts.iter().map(|(_, count)| count).sum::<u64>());
        let (named, others) = counts.split_at(counts.len().min(NAMED));
        for (index, ((module, at), count)) in named.iter().enumerate() {
            let module = if module.is_empty() { "elsewhere" } else { module };
            let separator = if index == 0 { "" } else { ", " };
            let _ = write!(line, "{separator}{count} of {module}:{at}"); // into a string
        }
        if !others.is_empty() {
            let count: u64 = others.iter().map(|(_, count)| count).sum();
            let _ = write!(line, ", {count} of {} other places", others.len());
        }
        (!counts.is_empty()).then_some(line)
    }

    /// No code panics while it holds this lock.
    fn counts(&self) -> MutexGuard<'_, BTreeMap<Place, u64>> {
        self.left_out.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn quota(burst: u32, per_minute: u32) -> Quota {
    let at_least_one = |number| NonZeroU32::new(number).unwrap_or(NonZeroU32::MIN);
    Quota::per_minute(at_least_one(per_minute)).allow_burst(at_least_one(burst))
}

#[cfg(test)]
mod tests {
    use log::Level;

    use super::*;

    fn at(line: u32) -> Record<'static> {
        Record::builder().module_path_static(Some("a::b")).line(Some(line)).level(Level::Warn).build()
    }

    #[test]
    fn a_place_that_writes_too_much_is_counted_and_no_other_place_is() {
        let budget = Budget::new(3, 1);
        let written = (0..1000).filter(|_| budget.admits(&at(1))).count();
        assert_eq!(written, 3);
        assert!(budget.admits(&at(2)), "another place has a budget of its own");
        assert_eq!(budget.report().unwrap(), "997 log lines were left out: 997 of a::b:1");
        assert_eq!(budget.report(), None, "it was reported");
        budget.set(1, 1);
        assert!(budget.admits(&at(1)) && !budget.admits(&at(1)));
    }

    #[test]
    fn a_report_is_one_short_line_however_many_places_there_are() {
        let budget = Budget::new(1, 1);
        for line in 0..200 {
            for _ in 0..=line + 1 {
                budget.admits(&at(line));
            }
        }
        let report = budget.report().unwrap();
        assert!(report.starts_with("20100 log lines were left out: 200 of a::b:199, 199 of"), "{report}");
        assert!(report.ends_with(" of 192 other places") && report.len() < 300, "{report}");
    }
}
