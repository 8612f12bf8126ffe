//! How long to leave alone what fails again and again.

use std::time::{Duration, Instant};

/// The failure in a row after which a pause begins: a card that is just being laid down gives two or three.
const FAILURES_BEFORE_PAUSE: u32 = 3;

/// The first pause; each further one is twice as long.
const FIRST_PAUSE: Duration = Duration::from_secs(1);

/// The longest pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// A program that asks each second must not wait most of its life for an attempt that takes long.
const PAUSES_PER_ATTEMPT: u32 = 4;

/// Failures in a row.
#[derive(Debug, Default, Clone)]
pub(super) struct Backoff {
    count: u32,
    /// Monotonic: it does not jump with the clock on the wall.
    rests_until: Option<Instant>,
}

impl Backoff {
    /// Shall it be left alone at this moment?
    pub(super) fn rests(&self, now: Instant) -> bool {
        self.rests_until.is_some_and(|end| now < end)
    }

    /// An attempt that began then has failed now, after it has waited as long as it may: the pause
    /// begins at once.
    pub(super) fn waited_in_vain(&mut self, began: Instant, now: Instant) {
        self.count = self.count.max(FAILURES_BEFORE_PAUSE - 1);
        self.failed(began, now);
    }

    /// An attempt that began then has failed now.
    pub(super) fn failed(&mut self, began: Instant, now: Instant) {
        self.count = self.count.saturating_add(1);
        let Some(beyond) = self.count.checked_sub(FAILURES_BEFORE_PAUSE) else {
            return;
        };
        let doubled = FIRST_PAUSE.saturating_mul(2_u32.saturating_pow(beyond));
        let took = now.saturating_duration_since(began);
        let pause = doubled.max(took.saturating_mul(PAUSES_PER_ATTEMPT));
        self.rests_until = now.checked_add(pause.min(LONGEST_PAUSE));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_a_minute() {
        let mut strikes = Backoff::default();
        let mut now = Instant::now();
        let mut pauses = Vec::new();
        for _ in 0..12 {
            assert!(!strikes.rests(now));
            strikes.failed(now, now);
            let start = now;
            while strikes.rests(now) {
                now += Duration::from_millis(500);
            }
            pauses.push((now - start).as_secs());
        }
        assert_eq!(pauses, [0, 0, 1, 2, 4, 8, 16, 32, 60, 60, 60, 60]);
    }

    #[test]
    fn what_takes_long_rests_longer() {
        let mut strikes = Backoff::default();
        let began = Instant::now();
        let now = began + Duration::from_secs(5);
        for _ in 0..3 {
            strikes.failed(began, now);
        }
        assert!(strikes.rests(now + Duration::from_millis(19_999)));
        assert!(!strikes.rests(now + Duration::from_secs(20)));
    }

    #[test]
    fn what_was_waited_for_in_vain_rests_at_once() {
        let mut strikes = Backoff::default();
        let now = Instant::now();
        strikes.waited_in_vain(now, now);
        assert!(strikes.rests(now + Duration::from_millis(999)));
        assert!(!strikes.rests(now + Duration::from_secs(1)));
        strikes.waited_in_vain(now, now);
        assert!(strikes.rests(now + Duration::from_millis(1999)));
        assert!(!strikes.rests(now + Duration::from_secs(2)));
    }
}
