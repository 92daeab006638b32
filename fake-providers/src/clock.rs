//! The time of the fakes: it runs, or it stands still until it is moved. The only file that reads the system's time.
#![expect(clippy::disallowed_methods, reason = "the one place that reads the system's time")]

use std::time::{SystemTime, UNIX_EPOCH};

/// How time passes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Time {
    /// As in the world outside.
    Running,
    /// Only when it is moved. It starts at this time, in milliseconds since 1970.
    Standing(i64),
}

/// Time in milliseconds since 1970.
#[derive(Debug)]
pub(crate) struct Clock {
    time: Time,
    moved_ms: i64,
}

impl Clock {
    pub(crate) fn new(time: Time) -> Clock {
        Clock { time, moved_ms: 0 }
    }

    pub(crate) fn now_ms(&self) -> i64 {
        let base = match self.time {
            Time::Running => system_now_ms(),
            Time::Standing(start) => start,
        };
        base.saturating_add(self.moved_ms)
    }

    /// Moves the time forward, or back.
    pub(crate) fn advance(&mut self, milliseconds: i64) {
        self.moved_ms = self.moved_ms.saturating_add(milliseconds);
    }
}

fn system_now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

/// A time as PayPal and Wise write it, in whole seconds: `2026-11-28T06:40:00Z`.
pub(crate) fn text(milliseconds: i64) -> String {
    let time = jiff::Timestamp::from_second(milliseconds.div_euclid(1000)).unwrap_or(jiff::Timestamp::MAX);
    time.to_string()
}

/// The time of such a text.
pub(crate) fn parse(text: &str) -> Option<i64> {
    text.parse::<jiff::Timestamp>().ok().map(jiff::Timestamp::as_millisecond)
}
