//! When something recurs: on days of the month, on weekdays, or every so many days, at one time of the day in a time zone. Pure; knows nothing
//! of what is done then.
//!
//! Clocks change. A time of the day that a day leaves out is its next moment, so nothing is skipped. A time that a day has twice is its first
//! one, so nothing is done twice.

use jiff::civil::{Date, DateTime};
use jiff::tz::{AmbiguousOffset, TimeZone};
use jiff::{Span, Timestamp};

use super::calendar::{Day, UTC};
use super::text_enum::text_enum;
use super::time::Time;

/// The longest cycle, in days.
pub const CYCLE_DAYS_MAX: i32 = 366;

/// How many minutes a day has.
pub const MINUTES_PER_DAY: i32 = 24 * 60;

text_enum! {
    /// A day of the week.
    Weekday {
        /// Monday.
        Monday = "monday",
        /// Tuesday.
        Tuesday = "tuesday",
        /// Wednesday.
        Wednesday = "wednesday",
        /// Thursday.
        Thursday = "thursday",
        /// Friday.
        Friday = "friday",
        /// Saturday.
        Saturday = "saturday",
        /// Sunday.
        Sunday = "sunday",
    }
}

impl Weekday {
    fn of(date: Date) -> Option<Self> {
        let place = usize::try_from(date.weekday().to_monday_zero_offset()).ok()?;
        Self::ALL.get(place).copied()
    }
}

/// The days on which something recurs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Recurrence {
    /// These days of each month, from 1 to 31, in order and without repeats. A month that has no such day has its last day instead.
    MonthDays(Vec<i32>),
    /// These days of each week, in order and without repeats.
    Weekdays(Vec<Weekday>),
    /// Every so many days.
    Cycle {
        /// How many days, from 1 to [`CYCLE_DAYS_MAX`].
        interval_days: i32,
        /// The first day.
        first: Day,
    },
}

impl Recurrence {
    /// The first of its days that is not before this one. `None` after the last year of the calendar.
    fn day_from(&self, from: Date) -> Option<Date> {
        match self {
            Self::MonthDays(days) => {
                let this_month = from.first_of_month();
                let next_month = this_month.checked_add(Span::new().months(1)).ok();
                [Some(this_month), next_month].into_iter().flatten().find_map(|month| {
                    let in_month = |day: &i32| {
                        let day = i8::try_from(*day).unwrap_or(i8::MAX).min(month.days_in_month());
                        Date::new(month.year(), month.month(), day).ok()
                    };
                    days.iter().filter_map(in_month).find(|date| *date >= from)
                })
            }
            Self::Weekdays(days) => {
                let in_week = |ahead| from.checked_add(Span::new().days(ahead)).ok();
                let is_one = |date: &Date| Weekday::of(*date).is_some_and(|day| days.contains(&day));
                (0..7_i32).filter_map(in_week).find(is_one)
            }
            Self::Cycle { interval_days, first } => {
                let ahead = Day::of_date(from)?.0.saturating_sub(first.0).max(0);
                let interval_days = (*interval_days).max(1);
                let rest = (interval_days - ahead % interval_days) % interval_days;
                Day(first.0.checked_add(ahead)?.checked_add(rest)?).date()
            }
        }
    }
}

/// When something recurs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Timing {
    /// The days.
    pub recurrence: Recurrence,
    /// The time of the day, in minutes since midnight, less than [`MINUTES_PER_DAY`].
    pub minute_of_day: i32,
}

/// A clock on the wall: the times of days in a time zone.
#[derive(Debug, Clone)]
pub struct WallClock(TimeZone);

impl WallClock {
    /// The clock of the zone with this name. A zone that this program does not know is UTC.
    pub fn of(zone: &str) -> Self {
        Self(TimeZone::get(zone).or_else(|_| TimeZone::get(UTC)).unwrap_or(TimeZone::UTC))
    }

    fn date(&self, time: Time) -> Option<Date> {
        Some(self.0.to_datetime(Timestamp::from_microsecond(time.micros()).ok()?).date())
    }

    /// The first moment at which the clock has reached this time.
    fn moment(&self, date: Date, minute_of_day: i32) -> Option<Time> {
        let (hour, minute) = (i8::try_from(minute_of_day / 60).ok()?, i8::try_from(minute_of_day % 60).ok()?);
        let wanted = DateTime::new(date.year(), date.month(), date.day(), hour, minute, 0, 0).ok()?;
        let moment = match self.0.to_ambiguous_timestamp(wanted).offset() {
            AmbiguousOffset::Unambiguous { offset } => offset.to_timestamp(wanted).ok()?,
            AmbiguousOffset::Fold { before, .. } => before.to_timestamp(wanted).ok()?,
            AmbiguousOffset::Gap { before, .. } => {
                // By the clock of before the change this is the moment of the change, or one soon after.
                let late = before.to_timestamp(wanted).ok()?;
                let just_after = late.checked_add(Span::new().nanoseconds(1)).ok()?;
                self.0.preceding(just_after).next().map_or(late, |change| change.timestamp())
            }
        };
        Some(Time::from_micros(moment.as_microsecond()))
    }

    /// The same time of the day this many days before the day of `time`.
    pub fn days_before(&self, time: Time, minute_of_day: i32, days: i32) -> Option<Time> {
        self.moment(self.date(time)?.checked_sub(Span::new().days(days)).ok()?, minute_of_day)
    }

    /// The beginning of the month of `time`.
    pub fn month_start(&self, time: Time) -> Option<Time> {
        self.moment(self.date(time)?.first_of_month(), 0)
    }
}

impl Timing {
    /// The next time after this one. `None` after the last year of the calendar.
    pub fn next_after(&self, after: Time, clock: &WallClock) -> Option<Time> {
        // A zone may have left a day out, whose moments are on the next one.
        let mut from = clock.date(after)?.checked_sub(Span::new().days(2)).ok()?;
        loop {
            let date = self.recurrence.day_from(from)?;
            match clock.moment(date, self.minute_of_day)? {
                moment if moment > after => return Some(moment),
                _ => from = date.tomorrow().ok()?,
            }
        }
    }

    /// The last time that is not after `until`, of `first` and those that follow it.
    pub fn last_until(&self, first: Time, until: Time, clock: &WallClock) -> Time {
        let mut last = first;
        while let Some(next) = self.next_after(last, clock).filter(|next| *next <= until) {
            last = next;
        }
        last
    }
}

#[cfg(test)]
mod tests;
