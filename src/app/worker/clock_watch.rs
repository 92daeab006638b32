//! Decides whether the clock can be believed. Workers do what cannot be undone: they approve, forget and remove what is due. A clock
//! that jumped must not make them do it too early, so they wait until it has been steady for a while. Knows no worker.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::clock::Clock;
use crate::domain::time::Time;

/// By how much the clock may deviate from the monotonic clock between two looks. A clock that is only corrected deviates less.
const DEVIATION_MAX: Duration = Duration::from_secs(60);

/// After a jump by more than this the clock is doubted until it is back, or the server was started again.
const JUMP_MAX: Duration = Duration::from_secs(24 * 3_600);

/// How far the clock may be from the newest commit when the server starts, in days.
const GAP_DAYS_MAX: i32 = 1;

/// How long the clock must be steady after a smaller jump. A person or a time service has this long to set it right.
pub(super) const SETTLE_TIME: Duration = Duration::from_secs(600);

/// Looks at the clock whenever it is asked.
pub(super) struct ClockWatch {
    clock: Arc<dyn Clock>,
    state: Mutex<State>,
}

/// The clock and the monotonic clock at one moment.
type Look = (Time, Duration);

struct State {
    /// The last look.
    seen: Look,
    /// The last look at which the clock was believed.
    believed: Look,
    /// Until when, by the monotonic clock, the clock must be steady.
    steady_until: Duration,
}

impl ClockWatch {
    /// Starts to watch. If the newest commit is more than a day before or after now, the clock is doubted at first.
    pub(super) fn new(clock: Arc<dyn Clock>, newest_commit: Option<Time>) -> Self {
        let seen = (clock.now(), clock.monotonic());
        let mut state = State { seen, believed: seen, steady_until: Duration::ZERO };
        if let Some(commit) = newest_commit {
            let gap = span(seen.0.micros().abs_diff(commit.micros()).into());
            if seen.0 > commit.plus_days(GAP_DAYS_MAX) {
                state.doubt(&format!("is {gap} after the newest event"));
            } else if commit > seen.0.plus_days(GAP_DAYS_MAX) {
                state.doubt(&format!("is {gap} before the newest event"));
            }
        }
        Self { clock, state: Mutex::new(state) }
    }

    /// How long the clock is doubted at least. `None`: it is believed.
    pub(super) fn doubt(&self) -> Option<Duration> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let now = (self.clock.now(), self.clock.monotonic());
        let step = deviation(state.seen, now);
        state.seen = now;
        if step.unsigned_abs() > DEVIATION_MAX.as_micros() {
            let direction = if step < 0 { "back" } else { "ahead" };
            state.doubt(&format!("jumped {direction} by {}", span(step.unsigned_abs())));
        }
        if deviation(state.believed, now).unsigned_abs() > JUMP_MAX.as_micros() {
            return Some(SETTLE_TIME);
        }
        let left = state.steady_until.checked_sub(now.1).filter(|left| !left.is_zero());
        if left.is_none() {
            state.believed = now;
        }
        left
    }
}

/// By how many microseconds the clock moved more than the monotonic clock. Negative: less.
fn deviation(before: Look, now: Look) -> i128 {
    let moved = i128::from(now.0.micros()) - i128::from(before.0.micros());
    moved - i128::try_from(now.1.saturating_sub(before.1).as_micros()).unwrap_or(i128::MAX)
}

impl State {
    fn doubt(&mut self, what: &str) {
        self.steady_until = self.seen.1.saturating_add(SETTLE_TIME);
        let wait_seconds = SETTLE_TIME.as_secs();
        tracing::warn!(
            wait_seconds,
            "the clock {what}, so the workers wait; set it right if it is wrong, or start the server again if it is right"
        );
    }
}

/// A span of time in words.
fn span(micros: u128) -> String {
    let seconds = micros / 1_000_000;
    match seconds {
        0..3_600 => format!("{seconds} seconds"),
        3_600..172_800 => format!("{} hours", seconds / 3_600),
        _ => format!("{} days", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::ManualClock;

    const START: Time = Time::from_micros(1_767_225_600_000_000);

    fn watch(newest_commit: Option<Time>) -> (ManualClock, ClockWatch) {
        let clock = ManualClock::new(START);
        (clock.clone(), ClockWatch::new(Arc::new(clock), newest_commit))
    }

    #[test]
    fn a_clock_that_only_passes_is_believed() {
        let (clock, watch) = watch(Some(START));
        for days in [0, 1, 30, 365] {
            clock.advance_days(days);
            assert_eq!(watch.doubt(), None, "{days}");
        }
    }

    #[test]
    fn a_jump_is_doubted_until_the_clock_was_steady() {
        for hours in [1, -1, 23] {
            let (clock, watch) = watch(Some(START));
            clock.jump(hours * 3_600 * 1_000_000);
            assert_eq!(watch.doubt(), Some(SETTLE_TIME));
            clock.pass(SETTLE_TIME / 2);
            assert_eq!(watch.doubt(), Some(SETTLE_TIME / 2));
            clock.pass(SETTLE_TIME / 2);
            assert_eq!(watch.doubt(), None);
        }
    }

    #[test]
    fn a_jump_by_more_than_a_day_is_doubted_until_the_clock_is_back() {
        for days in [30, -30] {
            let (clock, watch) = watch(Some(START));
            clock.jump_days(days);
            for _ in 0..3 {
                assert_eq!(watch.doubt(), Some(SETTLE_TIME));
                clock.pass(SETTLE_TIME);
            }
            // The clock is set right again, which is another jump.
            clock.jump_days(-days);
            assert_eq!(watch.doubt(), Some(SETTLE_TIME));
            clock.pass(SETTLE_TIME);
            assert_eq!(watch.doubt(), None);
        }
    }

    #[test]
    fn a_correction_is_no_jump() {
        let (clock, watch) = watch(Some(START));
        clock.jump(60_000_000);
        assert_eq!(watch.doubt(), None);
        clock.jump(-60_000_001);
        assert_eq!(watch.doubt(), Some(SETTLE_TIME));
    }

    #[test]
    fn a_start_far_from_the_newest_commit_is_doubted() {
        for (days, is_doubted) in [(0, false), (1, false), (2, true), (-1, false), (-2, true)] {
            let (clock, watch) = watch(Some(START.plus_days(-days)));
            assert_eq!(watch.doubt().is_some(), is_doubted, "{days}");
            clock.pass(SETTLE_TIME);
            assert_eq!(watch.doubt(), None);
        }
        assert_eq!(watch(None).1.doubt(), None, "a new database has no commit");
    }
}
