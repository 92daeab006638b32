//! The days of an account: which day a time belongs to, in the account's time zone. Pure; the time zones are in the program.
//!
//! A change of the time zone counts from its time on, so the day of an earlier time never changes. A day of a change is shorter or
//! longer than others, as days are when clocks change.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use super::time::Time;

/// The time zone of an account that has set none.
pub const UTC: &str = "UTC";

/// How many changes of an account's time zone are kept. It cannot be changed more often.
pub const ZONES_MAX: usize = 50;

/// A time zone of the account, and since when its days are those of this zone.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "fields are named after what they hold")]
pub struct ZoneSince {
    pub name: String,
    pub since: Time,
}

/// The text is not the name of a time zone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be the name of a time zone, such as Europe/Berlin or UTC")]
pub struct UnknownZone;

/// The name of a time zone, as the database of time zones spells it.
///
/// # Errors
/// [`UnknownZone`].
pub fn zone_name(text: &str) -> Result<String, UnknownZone> {
    let zone = zone(text)?;
    zone.iana_name().map(ToOwned::to_owned).ok_or(UnknownZone)
}

fn zone(name: &str) -> Result<TimeZone, UnknownZone> {
    TimeZone::get(name).ok().filter(|zone| !zone.is_unknown()).ok_or(UnknownZone)
}

/// A quarter of an hour in UTC, counted from 1970. Every day of every time zone begins with one, so an event is counted by its quarter
/// before its day is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Quarter(pub u32);

impl Quarter {
    const MICROS: i64 = 15 * 60 * Time::MICROS_PER_SECOND;
    const PER_DAY: usize = 24 * 4;

    /// The quarter of a time. No event is from before 1970.
    pub fn of(time: Time) -> Self {
        Self(u32::try_from(time.micros().div_euclid(Self::MICROS).max(0)).unwrap_or(u32::MAX))
    }

    /// The first moment.
    pub fn start(self) -> Time {
        Time::from_micros(i64::from(self.0) * Self::MICROS)
    }
}

/// A day of the calendar, counted from 1970-01-01.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
pub struct Day(pub i32);

impl Day {
    /// The date.
    pub fn date(self) -> Option<Date> {
        Date::new(1970, 1, 1).ok()?.checked_add(jiff::Span::new().try_days(self.0).ok()?).ok()
    }

    /// The first day of a year.
    pub(super) fn first_of(year: i16) -> Option<Self> {
        Self::of_date(Date::new(year, 1, 1).ok()?)
    }

    pub(super) fn of_date(date: Date) -> Option<Self> {
        let epoch = Date::new(1970, 1, 1).ok()?;
        Some(Self(date.since(epoch).ok()?.get_days()))
    }
}

/// As 2026-11-27.
impl fmt::Display for Day {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.date() {
            Some(date) => date.fmt(formatter),
            None => write!(formatter, "day {}", self.0),
        }
    }
}

/// The text is not a day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be a day of the years 1970 to 9999, written like 2026-11-27")]
pub struct UnknownDay;

impl FromStr for Day {
    type Err = UnknownDay;

    fn from_str(text: &str) -> Result<Self, UnknownDay> {
        let is_plain = text.len() == 10 && text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-');
        let date: Option<Date> = text.parse().ok().filter(|_| is_plain);
        date.and_then(Self::of_date).filter(|day| day.0 >= 0).ok_or(UnknownDay)
    }
}

/// The time zones of an account.
#[derive(Debug, Clone, Default)]
pub struct Calendar {
    /// In the order of their times.
    zones: Vec<(Time, TimeZone)>,
    /// The last quarter that was asked for. Neighbours are asked for together.
    last: Option<(Quarter, Day)>,
}

impl Calendar {
    /// The calendar with these time zones.
    ///
    /// # Errors
    /// [`UnknownZone`] if this program does not know one of them.
    pub fn new(zones: &[ZoneSince]) -> Result<Self, UnknownZone> {
        let zones = zones.iter().map(|since| Ok((since.since, zone(&since.name)?)));
        Ok(Self { zones: zones.collect::<Result<_, _>>()?, last: None })
    }

    /// The day of a quarter.
    pub fn day(&mut self, quarter: Quarter) -> Day {
        if let Some((last, day)) = self.last
            && last == quarter
        {
            return day;
        }
        let start = quarter.start();
        let zone = self.zones.iter().rfind(|(since, _)| *since <= start).map(|(_, zone)| zone);
        let in_zone = zone.and_then(|zone| {
            let date = zone.to_datetime(Timestamp::from_microsecond(start.micros()).ok()?).date();
            Day::of_date(date)
        });
        let day = in_zone.unwrap_or_else(|| Day(start.day()));
        self.last = Some((quarter, day));
        day
    }

    /// The year of a time.
    pub fn year(&mut self, time: Time) -> i32 {
        self.day(Quarter::of(time)).date().map_or(0, |date| i32::from(date.year()))
    }

    /// The first moment of a day, or of the first day after it if a change of the zone has skipped it.
    pub fn start(&mut self, day: Day) -> Time {
        // Zones differ from UTC by less than a day.
        let midnight = Time::from_micros(0).plus_days(day.0);
        let first = Quarter::of(midnight.plus_days(-1)).0;
        let mut quarters = (first..).map(Quarter).take(3 * Quarter::PER_DAY);
        quarters.find(|quarter| self.day(*quarter) >= day).map_or(midnight, Quarter::start)
    }
}

/// How long ago something was.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "fields are named after what they hold")]
pub struct Age {
    pub days: i32,
    /// Whole months of the calendar. A month that has no such day is over on its last day.
    pub months: i32,
}

impl Calendar {
    /// The age that something of `since` has at a later time. Only the days count, not the times of the day.
    pub fn age(&mut self, since: Time, at: Time) -> Age {
        let (first, last) = (self.day(Quarter::of(since)), self.day(Quarter::of(at)));
        Age { days: last.0.saturating_sub(first.0).max(0), months: months_between(first, last).unwrap_or(0) }
    }
}

fn months_between(first: Day, last: Day) -> Option<i32> {
    let (first, last) = (first.date()?, last.date()?);
    let number = |date: Date| i32::from(date.year()) * 12 + i32::from(date.month());
    let months = number(last) - number(first);
    // The last of these months is over from the day on that has the number of the first day, or on the last day of the month.
    let end = first.checked_add(jiff::Span::new().try_months(months).ok()?).ok()?;
    Some(if last < end { months - 1 } else { months }.max(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn time(text: &str) -> Time {
        Time::from_micros(text.parse::<Timestamp>().unwrap().as_microsecond())
    }

    fn day(calendar: &mut Calendar, text: &str) -> String {
        calendar.day(Quarter::of(time(text))).to_string()
    }

    fn calendar(zones: &[(&str, &str)]) -> Calendar {
        let zones: Vec<_> =
            zones.iter().map(|(since, name)| ZoneSince { name: (*name).to_owned(), since: time(since) }).collect();
        Calendar::new(&zones).unwrap()
    }

    #[test]
    fn days_are_written_and_read() {
        assert_eq!("2026-11-27".parse::<Day>().unwrap().to_string(), "2026-11-27");
        assert_eq!("1970-01-01".parse(), Ok(Day(0)));
        assert_eq!("9999-12-31".parse::<Day>().unwrap().to_string(), "9999-12-31");
        for wrong in ["", "2026-02-29", "2026-2-3", "1969-12-31", "20261127", "2026-11-27T00", "+02026-1-1"] {
            assert_eq!(wrong.parse::<Day>(), Err(UnknownDay), "{wrong}");
        }
    }

    #[test]
    fn zones_have_one_spelling() {
        assert_eq!(zone_name("europe/berlin"), Ok("Europe/Berlin".to_owned()));
        assert_eq!(zone_name("UTC"), Ok(UTC.to_owned()));
        for wrong in ["", "Europe/Nowhere", "+02:00", "Etc/Unknown", "../etc/passwd"] {
            assert_eq!(zone_name(wrong), Err(UnknownZone), "{wrong}");
        }
    }

    #[test]
    fn days_begin_at_midnight_of_the_zone_also_when_clocks_change() {
        let mut utc = calendar(&[]);
        assert_eq!(
            [day(&mut utc, "2026-03-28T23:59:59Z"), day(&mut utc, "2026-03-29T00:00:00Z")],
            ["2026-03-28", "2026-03-29"]
        );
        // In Berlin the 29th of March 2026 has 23 hours, and the 25th of October 25.
        let mut berlin = calendar(&[("1970-01-01T00:00:00Z", "Europe/Berlin")]);
        assert_eq!(
            [day(&mut berlin, "2026-03-28T22:59:59Z"), day(&mut berlin, "2026-03-28T23:00:00Z")],
            ["2026-03-28", "2026-03-29"]
        );
        assert_eq!(
            [day(&mut berlin, "2026-03-29T21:59:59Z"), day(&mut berlin, "2026-03-29T22:00:00Z")],
            ["2026-03-29", "2026-03-30"]
        );
        assert_eq!(
            [day(&mut berlin, "2026-10-24T22:00:00Z"), day(&mut berlin, "2026-10-25T22:59:59Z")],
            ["2026-10-25", "2026-10-25"]
        );
        assert_eq!(day(&mut berlin, "2026-10-25T23:00:00Z"), "2026-10-26");
        // The days of Nepal begin at 18:15 in UTC.
        let mut nepal = calendar(&[("1970-01-01T00:00:00Z", "Asia/Kathmandu")]);
        assert_eq!(
            [day(&mut nepal, "2026-05-01T18:14:59Z"), day(&mut nepal, "2026-05-01T18:15:00Z")],
            ["2026-05-01", "2026-05-02"]
        );
    }

    #[test]
    fn a_day_starts_at_its_first_moment() {
        let zone = |name| calendar(&[("1970-01-01T00:00:00Z", name)]);
        for (name, day, start) in [
            ("UTC", "2024-02-29", "2024-02-29T00:00:00Z"),
            ("Europe/Berlin", "2026-03-29", "2026-03-28T23:00:00Z"),
            ("Europe/Berlin", "2026-03-30", "2026-03-29T22:00:00Z"),
            ("Europe/Berlin", "2026-10-26", "2026-10-25T23:00:00Z"),
            ("Asia/Kathmandu", "2026-05-02", "2026-05-01T18:15:00Z"),
            ("Pacific/Kiritimati", "2026-05-02", "2026-05-01T10:00:00Z"),
            ("Pacific/Pago_Pago", "2026-05-02", "2026-05-02T11:00:00Z"),
            // Clocks in Beirut went from 23:59 to 01:00.
            ("Asia/Beirut", "2026-03-29", "2026-03-28T22:00:00Z"),
            // Samoa left out the 30th of December 2011.
            ("Pacific/Apia", "2011-12-30", "2011-12-30T10:00:00Z"),
            ("Pacific/Apia", "2011-12-31", "2011-12-30T10:00:00Z"),
        ] {
            assert_eq!(zone(name).start(day.parse().unwrap()), time(start), "{name} {day}");
        }
        assert_eq!(calendar(&[]).start("1970-01-01".parse().unwrap()), Time::from_micros(0));
        // A parsed time ends a day earlier than the days do.
        assert_eq!(calendar(&[]).start("9999-12-30".parse().unwrap()), time("9999-12-30T00:00:00Z"));
        assert!(calendar(&[]).start("9999-12-31".parse().unwrap()) > time("9999-12-30T00:00:00Z"));
    }

    #[test]
    fn months_end_on_the_day_of_their_number_or_on_the_last_day() {
        let mut utc = calendar(&[]);
        let mut months = |first: &str, last: &str| {
            let [first, last] = [first, last].map(|day| time(&format!("{day}T12:00:00Z")));
            utc.age(first, last).months
        };
        for (first, last, expected) in [
            ("2026-01-15", "2026-02-14", 0),
            ("2026-01-15", "2026-02-15", 1),
            ("2026-01-15", "2027-01-14", 11),
            ("2026-01-15", "2027-01-15", 12),
            ("2026-01-31", "2026-02-27", 0),
            ("2026-01-31", "2026-02-28", 1),
            ("2026-01-31", "2026-03-30", 1),
            ("2026-01-31", "2026-03-31", 2),
            ("2028-01-31", "2028-02-28", 0),
            ("2028-01-31", "2028-02-29", 1),
            ("2028-02-29", "2029-02-27", 11),
            ("2028-02-29", "2029-02-28", 12),
            ("2028-02-29", "2032-02-28", 47),
            ("2028-02-29", "2032-02-29", 48),
            ("2026-12-31", "2027-02-28", 2),
            ("2026-05-10", "2026-05-10", 0),
            ("2026-05-10", "2026-05-09", 0),
        ] {
            assert_eq!(months(first, last), expected, "{first} to {last}");
        }
    }

    #[test]
    fn ages_are_counted_in_days_of_the_zone() {
        let mut berlin = calendar(&[("1970-01-01T00:00:00Z", "Europe/Berlin")]);
        // 23:30 on the 14th of March, and midnight on the 15th of April: a month and a day, also by clocks of summer.
        let age = berlin.age(time("2026-03-14T22:30:00Z"), time("2026-04-14T22:00:00Z"));
        assert_eq!(age, Age { days: 32, months: 1 });
        let age = berlin.age(time("2026-03-14T23:00:00Z"), time("2026-04-14T21:59:59Z"));
        assert_eq!(age, Age { days: 30, months: 0 });
    }

    #[test]
    fn a_change_of_the_zone_counts_from_its_time_on() {
        let mut moved =
            calendar(&[("1970-01-01T00:00:00Z", "Asia/Tokyo"), ("2026-06-15T16:00:00Z", "America/New_York")]);
        assert_eq!(day(&mut moved, "2026-06-15T15:30:00Z"), "2026-06-16", "it was past midnight in Tokyo");
        assert_eq!(day(&mut moved, "2026-06-15T16:00:00Z"), "2026-06-15", "and is noon in New York");
        assert_eq!(day(&mut moved, "2026-06-16T04:00:00Z"), "2026-06-16");
    }
}
