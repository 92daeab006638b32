//! A point in time: microseconds since 1970 in UTC. Callers pass it in; nothing here reads a clock.

use serde::{Deserialize, Serialize};

/// Microseconds since 1970-01-01T00:00:00Z. Stored as that number, for ever.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Time(i64);

impl Time {
    /// A second in microseconds.
    pub const MICROS_PER_SECOND: i64 = 1_000_000;
    /// By how much the clocks of Headwater and of a caller may differ, in microseconds.
    pub const CLOCK_DIFFERENCE_MICROS_MAX: i64 = 10 * 60 * Self::MICROS_PER_SECOND;
    const MICROS_PER_DAY: i64 = 24 * 60 * 60 * Self::MICROS_PER_SECOND;

    /// The time this many microseconds after 1970.
    pub const fn from_micros(micros: i64) -> Self {
        Self(micros)
    }

    /// Microseconds since 1970.
    pub const fn micros(self) -> i64 {
        self.0
    }

    /// This many microseconds later; earlier for a negative number. Saturates at the smallest and the largest time.
    pub const fn plus_micros(self, micros: i64) -> Self {
        Self(self.0.saturating_add(micros))
    }

    /// This many hours later; earlier for a negative number. Saturates at the smallest and the largest time.
    #[must_use]
    pub const fn plus_hours(self, hours: i32) -> Self {
        self.plus_micros(hours as i64 * 3_600 * Self::MICROS_PER_SECOND)
    }

    /// This many days of 24 hours later; earlier for a negative number. Saturates at the smallest and the largest time.
    pub const fn plus_days(self, days: i32) -> Self {
        self.plus_micros((days as i64).saturating_mul(Self::MICROS_PER_DAY))
    }

    /// Whether the time is no later than another one, or only seems later because clocks differ.
    pub const fn may_precede(self, other: Self) -> bool {
        self.0 <= other.plus_micros(Self::CLOCK_DIFFERENCE_MICROS_MAX).0
    }

    /// The number of whole days since 1970-01-01 in UTC.
    pub fn day(self) -> i32 {
        i32::try_from(self.0.div_euclid(Self::MICROS_PER_DAY)).unwrap_or(i32::MAX)
    }

    /// Whether the time has no fraction of a second, as times of senders that count in seconds.
    pub const fn is_whole_second(self) -> bool {
        self.0 % Self::MICROS_PER_SECOND == 0
    }
}

/// A span of time. It is open on a side that is `None`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Interval {
    /// The first moment.
    pub start: Option<Time>,
    /// The first moment after it.
    pub end: Option<Time>,
}
