//! Knows from the jobs of this process whether the database answers and accepts writes. The log has one line when an outage
//! begins, one a minute with a count during it, and one when it ends.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::store::error::StoreError;

/// Between two lines about the same outage.
const REPORT_EVERY: Duration = Duration::from_secs(60);

/// What a job does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::store) enum Access {
    Read,
    Write,
}

/// What is known about the database. Clones share it.
#[derive(Debug, Clone, Default)]
pub(in crate::store) struct Watch(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    outage: Option<Outage>,
    /// A damaged file does not heal: it stays until the process ends.
    corrupt: Option<StoreError>,
}

#[derive(Debug)]
struct Outage {
    /// What is known not to work. A database that cannot be read cannot be written either.
    access: Access,
    began: Instant,
    reported: Instant,
    failed: u64,
    error: StoreError,
}

/// A line for the log.
#[derive(Debug, PartialEq, Eq)]
enum News {
    Began(Access),
    Lasts { seconds: u64, failed: u64 },
    Ended { seconds: u64, failed: u64 },
    Corrupt,
}

impl Watch {
    pub(in crate::store) fn succeeded(&self, access: Access) {
        let news = self.state().succeeded(access, Instant::now());
        if let Some(News::Ended { seconds, failed }) = news {
            log::warn!("the database is back after {seconds}s, in which {failed} operations failed");
        }
    }

    /// Notes an error. Errors that are not about the database itself are ignored.
    pub(in crate::store) fn failed(&self, access: Access, error: &StoreError) {
        match self.state().failed(access, error, Instant::now()) {
            Some(News::Began(Access::Read)) => log::error!("the database does not answer: {error}"),
            Some(News::Began(Access::Write)) => log::error!("the database takes no writes: {error}"),
            Some(News::Lasts { seconds, failed }) => {
                log::error!(
                    "the database has been failing for {seconds}s, with {failed} operations: {error}"
                );
            }
            Some(News::Corrupt) => log::error!("{error}"),
            Some(News::Ended { .. }) | None => {}
        }
    }

    /// Returns why the database does not answer, if it does not.
    pub(in crate::store) fn unreadable(&self) -> Option<StoreError> {
        self.outage(Access::Read)
    }

    /// Returns why the database accepts no writes although it answers.
    pub(in crate::store) fn unwritable(&self) -> Option<StoreError> {
        self.outage(Access::Write)
    }

    /// Returns how the database is damaged, if it is.
    pub(in crate::store) fn corrupt(&self) -> Option<StoreError> {
        self.state().corrupt.clone()
    }

    fn outage(&self, access: Access) -> Option<StoreError> {
        self.state()
            .outage
            .as_ref()
            .filter(|outage| outage.access == access)
            .map(|outage| outage.error.clone())
    }

    /// No code panics while it holds this lock, so its content is always consistent.
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn succeeded(&mut self, access: Access, now: Instant) -> Option<News> {
        let outage =
            self.outage.take_if(|outage| access == Access::Write || outage.access == Access::Read)?;
        let seconds = now.duration_since(outage.began).as_secs();
        Some(News::Ended { seconds, failed: outage.failed })
    }

    fn failed(&mut self, access: Access, error: &StoreError, now: Instant) -> Option<News> {
        match error {
            _ if !error.is_reported() => None,
            StoreError::Corrupt(_) => self.corrupt.replace(error.clone()).is_none().then_some(News::Corrupt),
            StoreError::Unavailable(_) => self.lasts(access, error, now),
            _ => None,
        }
    }

    fn lasts(&mut self, access: Access, error: &StoreError, now: Instant) -> Option<News> {
        let Some(outage) = &mut self.outage else {
            let error = error.clone();
            self.outage = Some(Outage { access, began: now, reported: now, failed: 1, error });
            return Some(News::Began(access));
        };
        outage.failed += 1;
        if access == Access::Read {
            outage.access = Access::Read;
        }
        outage.error = error.clone();
        if now.duration_since(outage.reported) < REPORT_EVERY {
            return None;
        }
        outage.reported = now;
        Some(News::Lasts { seconds: now.duration_since(outage.began).as_secs(), failed: outage.failed })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AWAY: fn() -> StoreError = || StoreError::Unavailable("away".to_owned());

    fn after(seconds: u64) -> Instant {
        static BEGIN: std::sync::LazyLock<Instant> = std::sync::LazyLock::new(Instant::now);
        *BEGIN + Duration::from_secs(seconds)
    }

    #[test]
    fn an_outage_is_one_line_then_one_each_minute_with_a_count_and_one_at_its_end() {
        let mut state = State::default();
        assert_eq!(state.succeeded(Access::Read, after(0)), None);
        assert_eq!(state.failed(Access::Write, &AWAY(), after(0)), Some(News::Began(Access::Write)));
        for second in 1..60 {
            assert_eq!(state.failed(Access::Read, &AWAY(), after(second)), None);
        }
        let lasts = Some(News::Lasts { seconds: 60, failed: 61 });
        assert_eq!(state.failed(Access::Read, &AWAY(), after(60)), lasts);
        assert_eq!(state.failed(Access::Read, &AWAY(), after(61)), None);
        let ended = Some(News::Ended { seconds: 75, failed: 62 });
        assert_eq!(state.succeeded(Access::Read, after(75)), ended);
        assert_eq!(state.succeeded(Access::Write, after(76)), None);
    }

    #[test]
    fn a_read_does_not_end_an_outage_of_writes() {
        let mut state = State::default();
        state.failed(Access::Write, &AWAY(), after(0));
        assert_eq!(state.succeeded(Access::Read, after(1)), None);
        assert_eq!(state.succeeded(Access::Write, after(2)), Some(News::Ended { seconds: 2, failed: 1 }));
    }

    #[test]
    fn what_says_nothing_about_the_database_is_no_outage_and_damage_stays() {
        let mut state = State::default();
        let ours = StoreError::Query("no such column".to_owned());
        assert_eq!(state.failed(Access::Read, &ours, after(0)), None);
        let damaged = StoreError::Corrupt("malformed".to_owned());
        assert_eq!(state.failed(Access::Read, &damaged, after(0)), Some(News::Corrupt));
        assert_eq!(state.failed(Access::Read, &damaged, after(0)), None, "it is said once");
        state.succeeded(Access::Write, after(1));
        assert!(state.corrupt.is_some());
    }
}
