//! Periods of the calendar in which something is counted. They begin at midnight in the account's time zone. Knows no rows.

use jiff::Span;
use jiff::civil::Date;

use super::calendar::Day;
use super::text_enum::text_enum;

text_enum! {
    /// The length of a period. Weeks begin on Monday.
    Period {
        /// A day.
        Day = "day",
        /// A week.
        Week = "week",
        /// A month.
        Month = "month",
        /// A quarter of a year.
        Quarter = "quarter",
        /// A year.
        Year = "year",
        /// For ever.
        AllTime = "all_time",
    }
}

impl Period {
    /// The first day of the period that a day is in. That of all time is the first day of all, 1970-01-01.
    pub fn first_day(self, day: Day) -> Day {
        if self == Self::AllTime {
            return Day(0);
        }
        day.date().and_then(|date| self.first_date(date)).and_then(Day::of_date).unwrap_or(day)
    }

    fn first_date(self, date: Date) -> Option<Date> {
        let first_of = |month| Date::new(date.year(), month, 1).ok();
        match self {
            Self::Day | Self::AllTime => Some(date),
            Self::Week => {
                let days = date.weekday().to_monday_zero_offset();
                date.checked_sub(Span::new().try_days(days).ok()?).ok()
            }
            Self::Month => first_of(date.month()),
            Self::Quarter => first_of((date.month() - 1) / 3 * 3 + 1),
            Self::Year => first_of(1),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn periods_begin_on_their_first_days() {
        for (day, expected) in [
            ("2026-11-28", ["2026-11-28", "2026-11-23", "2026-11-01", "2026-10-01", "2026-01-01", "1970-01-01"]),
            ("2028-02-29", ["2028-02-29", "2028-02-28", "2028-02-01", "2028-01-01", "2028-01-01", "1970-01-01"]),
            ("2027-01-03", ["2027-01-03", "2026-12-28", "2027-01-01", "2027-01-01", "2027-01-01", "1970-01-01"]),
            ("2026-06-30", ["2026-06-30", "2026-06-29", "2026-06-01", "2026-04-01", "2026-01-01", "1970-01-01"]),
            ("2026-12-31", ["2026-12-31", "2026-12-28", "2026-12-01", "2026-10-01", "2026-01-01", "1970-01-01"]),
        ] {
            let first = |period: &Period| period.first_day(day.parse().unwrap()).to_string();
            let found: Vec<_> = Period::ALL.iter().map(first).collect();
            assert_eq!(found, expected, "{day}");
        }
    }
}
