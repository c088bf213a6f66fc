//! Intervals and back-off with jitter, so that verifiers that were started together do not send requests together.

use std::time::Duration;

/// Returns `pause` with up to ten percent added or subtracted.
pub(super) fn jittered(pause: Duration) -> Duration {
    pause.mul_f64(0.9 + 0.2 * fastrand::f64())
}

/// Returns the delay after `failures` consecutive failures: `first`, doubled with each further failure, up to `max`. Jitter
/// takes off up to a half.
pub(super) fn back_off(failures: u32, first: Duration, max: Duration) -> Duration {
    let doubled = first.saturating_mul(1 << failures.saturating_sub(1).min(16));
    doubled.min(max).mul_f64(0.5 + 0.5 * fastrand::f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_grow_up_to_a_limit_and_differ() {
        let (first, most) = (Duration::from_secs(1), Duration::from_secs(60));
        for (failures, whole) in [(0, 1), (1, 1), (2, 2), (3, 4), (6, 32), (7, 60), (40, 60), (u32::MAX, 60)]
        {
            let whole = Duration::from_secs(whole);
            let pauses: Vec<_> = (0..50).map(|_| back_off(failures, first, most)).collect();
            assert!(pauses.iter().all(|pause| (whole / 2..=whole).contains(pause)), "{failures}");
            assert!(pauses.iter().any(|pause| *pause != pauses[0]), "{failures}");
        }
        let jittered: Vec<_> = (0..50).map(|_| jittered(most)).collect();
        assert!(
            jittered.iter().all(|pause| (Duration::from_secs(54)..=Duration::from_secs(66)).contains(pause))
        );
    }
}
