//! Decides whether the clock can be believed. Workers do what cannot be undone: they approve, forget and remove what is due. A clock
//! that jumped must not make them do it too early, so they wait until it has been steady for a while. Knows no worker.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::clock::Clock;
use crate::domain::time::Time;

/// By how much the clock may deviate from the monotonic clock between two looks. A clock that is only corrected deviates less.
const DEVIATION_MAX: Duration = Duration::from_secs(60);

/// How far the clock may be from the newest commit when the server starts, in days.
const GAP_DAYS_MAX: i32 = 1;

/// How long the clock must be steady after a jump. A person or a time service has this long to set it right.
pub(super) const SETTLE_TIME: Duration = Duration::from_secs(600);

/// Looks at the clock whenever it is asked.
pub(super) struct ClockWatch {
    clock: Arc<dyn Clock>,
    state: Mutex<State>,
}

struct State {
    /// The clock and the monotonic clock at the last look.
    seen: (Time, Duration),
    /// Until when, by the monotonic clock, the clock is not believed.
    doubted_until: Duration,
}

impl ClockWatch {
    /// Starts to watch. If the newest commit is more than a day before or after now, the clock is doubted at first.
    pub(super) fn new(clock: Arc<dyn Clock>, newest_commit: Option<Time>) -> Self {
        let seen = (clock.now(), clock.monotonic());
        let mut state = State { seen, doubted_until: Duration::ZERO };
        if let Some(commit) = newest_commit
            && (seen.0 > commit.plus_days(GAP_DAYS_MAX) || commit > seen.0.plus_days(GAP_DAYS_MAX))
        {
            state.doubt(&format!("is {} from the newest commit", span(seen.0.micros().abs_diff(commit.micros()))));
        }
        Self { clock, state: Mutex::new(state) }
    }

    /// How long the clock is still doubted. `None`: it is believed.
    pub(super) fn doubt(&self) -> Option<Duration> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let now = (self.clock.now(), self.clock.monotonic());
        let moved = i128::from(now.0.micros()) - i128::from(state.seen.0.micros());
        let passed = now.1.saturating_sub(state.seen.1).as_micros();
        let deviation = moved.abs_diff(i128::try_from(passed).unwrap_or(i128::MAX));
        state.seen = now;
        if deviation > DEVIATION_MAX.as_micros() {
            let direction = if moved < 0 || moved.unsigned_abs() < passed { "back" } else { "ahead" };
            state.doubt(&format!("jumped {direction} by {}", span(u64::try_from(deviation).unwrap_or(u64::MAX))));
        }
        state.doubted_until.checked_sub(now.1).filter(|left| !left.is_zero())
    }
}

impl State {
    fn doubt(&mut self, what: &str) {
        self.doubted_until = self.seen.1.saturating_add(SETTLE_TIME);
        let wait_seconds = SETTLE_TIME.as_secs();
        tracing::warn!(wait_seconds, "the clock {what}, so the workers wait; set the clock right if it is wrong");
    }
}

/// A span of time in words.
fn span(micros: u64) -> String {
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
        for days in [30, -30] {
            let (clock, watch) = watch(Some(START));
            clock.jump_days(days);
            assert_eq!(watch.doubt(), Some(SETTLE_TIME));
            clock.pass(SETTLE_TIME / 2);
            assert_eq!(watch.doubt(), Some(SETTLE_TIME / 2));
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
