//! Times of the calendar, and a slow model that finds them by looking at the clock minute by minute.

use proptest::collection::btree_set;
use proptest::prelude::{Just, ProptestConfig, Strategy, prop_assert_eq, prop_oneof, proptest};
use proptest::sample::{select, subsequence};

use super::*;

fn time(text: &str) -> Time {
    Time::from_micros(text.parse::<Timestamp>().unwrap().as_microsecond())
}

fn text(time: Time) -> String {
    Timestamp::from_microsecond(time.micros()).unwrap().to_string()
}

/// The next times after this one.
fn times(timing: &Timing, zone: &str, after: &str, count: usize) -> Vec<String> {
    let clock = WallClock::of(zone);
    let mut after = time(after);
    let next = || {
        after = timing.next_after(after, &clock).unwrap();
        text(after)
    };
    std::iter::repeat_with(next).take(count).collect()
}

fn monthly(days: &[i32], minute_of_day: i32) -> Timing {
    Timing { recurrence: Recurrence::MonthDays(days.to_vec()), minute_of_day }
}

fn weekly(days: &[Weekday], minute_of_day: i32) -> Timing {
    Timing { recurrence: Recurrence::Weekdays(days.to_vec()), minute_of_day }
}

fn cycle(interval_days: i32, first: &str, minute_of_day: i32) -> Timing {
    Timing { recurrence: Recurrence::Cycle { interval_days, first: first.parse().unwrap() }, minute_of_day }
}

#[test]
fn p30_the_31st_is_the_last_day_of_a_short_month() {
    assert_eq!(
        times(&monthly(&[31], 0), "UTC", "2026-12-01T00:00:00Z", 6),
        [
            "2026-12-31T00:00:00Z",
            "2027-01-31T00:00:00Z",
            "2027-02-28T00:00:00Z",
            "2027-03-31T00:00:00Z",
            "2027-04-30T00:00:00Z",
            "2027-05-31T00:00:00Z",
        ]
    );
    // In a leap year, and three days of which February has one.
    assert_eq!(times(&monthly(&[30], 0), "UTC", "2028-02-01T00:00:00Z", 1), ["2028-02-29T00:00:00Z"]);
    assert_eq!(
        times(&monthly(&[29, 30, 31], 0), "UTC", "2026-02-01T00:00:00Z", 3),
        ["2026-02-28T00:00:00Z", "2026-03-29T00:00:00Z", "2026-03-30T00:00:00Z"]
    );
    assert_eq!(
        times(&monthly(&[1, 15], 9 * 60), "UTC", "2026-12-15T09:00:00Z", 3),
        ["2027-01-01T09:00:00Z", "2027-01-15T09:00:00Z", "2027-02-01T09:00:00Z"]
    );
}

#[test]
fn p30_weeks_and_cycles_go_on_over_months_and_years() {
    use Weekday::{Friday, Monday};
    assert_eq!(
        times(&weekly(&[Monday, Friday], 60), "UTC", "2026-12-25T00:59:59Z", 4),
        ["2026-12-25T01:00:00Z", "2026-12-28T01:00:00Z", "2027-01-01T01:00:00Z", "2027-01-04T01:00:00Z"]
    );
    assert_eq!(
        times(&cycle(14, "2026-12-20", 0), "UTC", "2026-01-01T00:00:00Z", 3),
        ["2026-12-20T00:00:00Z", "2027-01-03T00:00:00Z", "2027-01-17T00:00:00Z"]
    );
    assert_eq!(times(&cycle(14, "2026-01-05", 0), "UTC", "2026-12-20T00:00:01Z", 1), ["2026-12-21T00:00:00Z"]);
    assert_eq!(
        times(&cycle(1, "2028-02-28", 0), "UTC", "2028-02-28T12:00:00Z", 2),
        ["2028-02-29T00:00:00Z", "2028-03-01T00:00:00Z"]
    );
}

#[test]
fn p30_clocks_that_change_skip_nothing_and_do_nothing_twice() {
    // In Berlin the clocks went from 02:00 to 03:00 on the 29th of March 2026, and from 03:00 back to 02:00 on the 25th of October.
    let daily = cycle(1, "2026-01-01", 2 * 60 + 30);
    assert_eq!(
        times(&daily, "Europe/Berlin", "2026-03-27T12:00:00Z", 3),
        ["2026-03-28T01:30:00Z", "2026-03-29T01:00:00Z", "2026-03-30T00:30:00Z"]
    );
    assert_eq!(
        times(&daily, "Europe/Berlin", "2026-10-24T12:00:00Z", 2),
        ["2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"]
    );
    // The moment of the change itself, and the hours around it.
    for (minute_of_day, expected) in [
        (119, "2026-03-29T00:59:00Z"),
        (120, "2026-03-29T01:00:00Z"),
        (179, "2026-03-29T01:00:00Z"),
        (180, "2026-03-29T01:00:00Z"),
        (181, "2026-03-29T01:01:00Z"),
    ] {
        let timing = cycle(1, "2026-01-01", minute_of_day);
        assert_eq!(times(&timing, "Europe/Berlin", "2026-03-28T12:00:00Z", 1), [expected], "{minute_of_day}");
    }
    // Clocks in Beirut went from 23:59 to 01:00, so midnight is a moment of the change. Samoa left a day out, whose moments are the next one's.
    assert_eq!(times(&monthly(&[29], 0), "Asia/Beirut", "2026-03-10T00:00:00Z", 1), ["2026-03-28T22:00:00Z"]);
    assert_eq!(
        times(&cycle(1, "2011-12-01", 12 * 60), "Pacific/Apia", "2011-12-29T12:00:00Z", 3),
        ["2011-12-29T22:00:00Z", "2011-12-30T10:00:00Z", "2011-12-30T22:00:00Z"]
    );
}

#[test]
fn p30_a_cutoff_is_days_before_by_the_clock_or_the_month_before() {
    let berlin = WallClock::of("Europe/Berlin");
    // 09:00 of the 1st of April is in summer time, 09:00 of the 17th of March is not.
    let planned = time("2026-04-01T07:00:00Z");
    assert_eq!(berlin.days_before(planned, 9 * 60, 15).map(text).unwrap(), "2026-03-17T08:00:00Z");
    assert_eq!(berlin.days_before(planned, 9 * 60, 0), Some(planned));
    assert_eq!(berlin.month_start(planned).map(text).unwrap(), "2026-03-31T22:00:00Z");
    assert_eq!(berlin.month_start(time("2026-03-31T22:00:00Z")).map(text).unwrap(), "2026-03-31T22:00:00Z");
    assert_eq!(berlin.month_start(time("2026-03-31T21:59:59Z")).map(text).unwrap(), "2026-02-28T23:00:00Z");
}

#[test]
fn p30_missed_times_end_with_the_last_one() {
    let (daily, utc) = (cycle(1, "2026-01-01", 0), WallClock::of("UTC"));
    let first = time("2026-01-02T00:00:00Z");
    assert_eq!(daily.last_until(first, first, &utc), first);
    assert_eq!(daily.last_until(first, time("2026-01-02T23:59:59Z"), &utc), first);
    assert_eq!(text(daily.last_until(first, time("2026-03-01T00:00:00Z"), &utc)), "2026-03-01T00:00:00Z");
}

#[test]
fn after_the_last_year_there_is_no_next_time() {
    let utc = WallClock::of("UTC");
    assert_eq!(monthly(&[1], 0).next_after(time("9999-12-15T00:00:00Z"), &utc), None);
    assert_eq!(monthly(&[1], 0).next_after(Time::from_micros(i64::MAX), &utc), None);
    assert_eq!(
        text(WallClock::of("Europe/Nowhere").month_start(time("2026-05-05T05:05:05Z")).unwrap()),
        "2026-05-01T00:00:00Z"
    );
}

/// The model: whether a date is one of the days, told from the words of the rule.
fn is_day(recurrence: &Recurrence, date: Date) -> bool {
    match recurrence {
        Recurrence::MonthDays(days) => days.iter().any(|day| {
            let is_last = date.tomorrow().unwrap().month() != date.month();
            i32::from(date.day()) == *day || (is_last && *day > i32::from(date.day()))
        }),
        Recurrence::Weekdays(days) => {
            days.iter().any(|day| format!("{:?}", date.weekday()).to_lowercase() == day.as_str())
        }
        Recurrence::Cycle { interval_days, first } => {
            let mut next = first.date().unwrap();
            while next < date {
                next = next.checked_add(Span::new().days(*interval_days)).unwrap();
            }
            next == date
        }
    }
}

/// The model: looks at the clock every minute, and remembers how far it has gone.
fn slow_next(timing: &Timing, after: Time, zone: &TimeZone) -> Time {
    let clock = |minute: i64| zone.to_datetime(Timestamp::from_second(minute * 60).unwrap());
    let mut minute = after.micros().div_euclid(60_000_000) - 3 * 1_440;
    let mut furthest = clock(minute);
    loop {
        minute += 1;
        let shown = clock(minute);
        if shown > furthest {
            // All times that the clock has reached now for the first time. It jumps over some.
            let mut reached = furthest.checked_add(Span::new().minutes(1)).unwrap();
            while reached <= shown {
                let of_day = i32::from(reached.hour()) * 60 + i32::from(reached.minute());
                let moment = Time::from_micros(minute * 60_000_000);
                if of_day == timing.minute_of_day && moment > after && is_day(&timing.recurrence, reached.date()) {
                    return moment;
                }
                reached = reached.checked_add(Span::new().minutes(1)).unwrap();
            }
            furthest = shown;
        }
    }
}

fn any_timing() -> impl Strategy<Value = Timing> {
    let recurrence = prop_oneof![
        btree_set(1..=31, 1..3).prop_map(|days| Recurrence::MonthDays(days.into_iter().collect())),
        subsequence(Weekday::ALL, 1..4).prop_map(Recurrence::Weekdays),
        (1..=20, 20_400..20_600)
            .prop_map(|(interval_days, first)| Recurrence::Cycle { interval_days, first: Day(first) }),
    ];
    // Clocks change at night.
    (recurrence, 0..5 * 60).prop_map(|(recurrence, minute_of_day)| Timing { recurrence, minute_of_day })
}

/// Zones that change their clocks by an hour, by half an hour and never, and one in which midnight is left out.
const ZONES: [&str; 6] =
    ["Europe/Berlin", "America/New_York", "Asia/Beirut", "Australia/Lord_Howe", "America/St_Johns", "UTC"];

/// The weeks in which clocks change, the end of a year and that of a leap February.
const WEEKS: [&str; 7] =
    ["2026-03-25", "2026-10-22", "2026-03-05", "2026-10-30", "2026-12-28", "2028-02-26", "2026-04-02"];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn p30_next_times_are_those_that_the_clock_shows(
        timing in any_timing(),
        zone in select(&ZONES[..]),
        week in select(&WEEKS[..]),
        second in prop_oneof![Just(0), 0..6 * 86_400_i64],
    ) {
        let week: Day = week.parse().unwrap();
        let after = Time::from_micros(0).plus_days(week.0).plus_micros(second * Time::MICROS_PER_SECOND);
        let found = timing.next_after(after, &WallClock::of(zone)).unwrap();
        let expected = slow_next(&timing, after, &TimeZone::get(zone).unwrap());
        prop_assert_eq!(text(found), text(expected));
    }
}
