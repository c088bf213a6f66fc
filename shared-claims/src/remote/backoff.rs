//! How long to wait, never to the tick: verifiers that were started together must not ask together.
//!
//! Not for secrets: the hasher's random seed is good enough here and needs no generator.

use std::{
    hash::{BuildHasher, RandomState},
    time::Duration,
};

/// `pause`, give or take a tenth.
pub(super) fn scattered(pause: Duration) -> Duration {
    pause.mul_f64(0.9 + 0.2 * random())
}

/// After `failures` in a row, at least one: `first`, twice that, and so on up to `most`; of that, at least a half.
pub(super) fn back_off(failures: u32, first: Duration, most: Duration) -> Duration {
    let doubled = first.saturating_mul(1 << failures.saturating_sub(1).min(16));
    doubled.min(most).mul_f64(0.5 + 0.5 * random())
}

/// At least 0, less than 1.
fn random() -> f64 {
    let bits = u32::try_from(RandomState::new().hash_one(0) >> 32).unwrap_or_default();
    f64::from(bits) / (f64::from(u32::MAX) + 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_up_to_a_bound_and_differ() {
        let (first, most) = (Duration::from_secs(1), Duration::from_secs(60));
        for (failures, whole) in [(0, 1), (1, 1), (2, 2), (3, 4), (6, 32), (7, 60), (40, 60), (u32::MAX, 60)]
        {
            let whole = Duration::from_secs(whole);
            let pauses: Vec<_> = (0..50).map(|_| back_off(failures, first, most)).collect();
            assert!(pauses.iter().all(|pause| (whole / 2..=whole).contains(pause)), "{failures}");
            assert!(pauses.iter().any(|pause| *pause != pauses[0]), "{failures}");
        }
        let scattered: Vec<_> = (0..50).map(|_| scattered(most)).collect();
        assert!(
            scattered.iter().all(|pause| (Duration::from_secs(54)..=Duration::from_secs(66)).contains(pause))
        );
    }
}
