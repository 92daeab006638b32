//! Parses money, numbers, times and values of closed sets.

use super::{Fields, LIST_LENGTH_MAX, shortened};
use crate::domain::calendar::{Day, UTC, zone_name};
use crate::domain::money::{AMOUNT_MINOR_MAX, Currency, Money, PPM};
use crate::domain::reward::RewardUnit;
use crate::domain::time::{Interval, Time};
use crate::pb;
use crate::rpc::call::wire_enum::WireEnum;

/// Events of this time or before are of a sender that never set the time: 1970-01-02, in seconds since 1970.
const SECONDS_UNSET_MAX: i64 = 86_400;
/// The first second of the year 10000. RFC 3339 ends there.
const SECONDS_END: i64 = 253_402_300_800;

impl Fields {
    /// An ISO 4217 currency code, required.
    pub(in crate::rpc) fn currency(&mut self, field: &str, code: &str) -> Option<Currency> {
        if code.is_empty() {
            self.wrong(field, "is required");
            return None;
        }
        Currency::of_payment(code).map_err(|problem| self.wrong(field, problem.to_string())).ok()
    }

    /// Currencies of a list filter.
    pub(in crate::rpc) fn currencies(&mut self, field: &str, codes: &[String]) -> Vec<Currency> {
        if codes.len() > LIST_LENGTH_MAX {
            self.wrong(field, format!("has {} values; at most {LIST_LENGTH_MAX} are taken", codes.len()));
            return Vec::new();
        }
        let places = codes.iter().enumerate();
        places.filter_map(|(index, code)| self.currency(&format!("{field}[{index}]"), code)).collect()
    }

    /// An amount of zero or more; `None` when it is not set.
    pub(in crate::rpc) fn optional_money(&mut self, field: &str, money: Option<&pb::Money>) -> Option<Money> {
        let money = money?;
        self.within(field, |fields| {
            let currency = fields.currency("currency_code", &money.currency_code);
            if money.amount_minor < 0 {
                fields.wrong("amount_minor", "must be zero or more");
            } else if money.amount_minor > AMOUNT_MINOR_MAX {
                fields.wrong("amount_minor", format!("must be at most {AMOUNT_MINOR_MAX}"));
            }
            Some(Money::new(money.amount_minor, currency?))
        })
    }

    /// An amount that may be negative; `None` when it is not set.
    pub(in crate::rpc) fn optional_difference(&mut self, field: &str, money: Option<&pb::Money>) -> Option<Money> {
        let money = money?;
        self.within(field, |fields| {
            let currency = fields.currency("currency_code", &money.currency_code);
            if !(-AMOUNT_MINOR_MAX..=AMOUNT_MINOR_MAX).contains(&money.amount_minor) {
                fields.wrong("amount_minor", format!("must be {} to {AMOUNT_MINOR_MAX}", -AMOUNT_MINOR_MAX));
            }
            Some(Money::new(money.amount_minor, currency?))
        })
    }

    /// An amount of zero or more, required.
    pub(in crate::rpc) fn money(&mut self, field: &str, money: Option<&pb::Money>) -> Option<Money> {
        self.required(field, money)?;
        self.optional_money(field, money)
    }

    /// The value of a reward, more than zero and required: its unit, and how much of it.
    pub(in crate::rpc) fn reward_value(
        &mut self,
        field: &str,
        sent: Option<&pb::RewardValue>,
    ) -> Option<(RewardUnit, Money)> {
        use pb::reward_value::Amount;
        let sent = self.required(field, sent)?;
        let Some(amount) = &sent.amount else {
            let units = "cash, points, credits, free_months, discount_percent_ppm and discount_money";
            self.wrong(field, format!("must have one of {units}"));
            return None;
        };
        self.within(field, |fields| match amount {
            Amount::Cash(money) => Some((RewardUnit::Cash, fields.some_money("cash", money)?)),
            Amount::DiscountMoney(money) => {
                Some((RewardUnit::DiscountMoney, fields.some_money("discount_money", money)?))
            }
            Amount::Points(count) => Some((RewardUnit::Points, fields.counted("points", *count, AMOUNT_MINOR_MAX))),
            Amount::Credits(count) => Some((RewardUnit::Credits, fields.counted("credits", *count, AMOUNT_MINOR_MAX))),
            Amount::FreeMonths(count) => {
                let months = fields.counted("free_months", (*count).into(), i32::MAX.into());
                Some((RewardUnit::FreeMonths, months))
            }
            Amount::DiscountPercentPpm(ppm) => {
                let part = fields.counted("discount_percent_ppm", (*ppm).into(), PPM);
                Some((RewardUnit::DiscountPercent, part))
            }
        })
    }

    /// An amount of more than zero.
    fn some_money(&mut self, field: &str, sent: &pb::Money) -> Option<Money> {
        let money = self.optional_money(field, Some(sent));
        if sent.amount_minor == 0 {
            self.wrong(&format!("{field}.amount_minor"), "must be more than zero");
        }
        money
    }

    /// A number of more than zero of what is no money.
    fn counted(&mut self, field: &str, count: i64, most: i64) -> Money {
        if !(1..=most).contains(&count) {
            self.wrong(field, format!("must be 1 to {most}"));
        }
        Money::new(count, Currency::NONE)
    }

    /// The ISO 3166-1 code of a country, in capitals; `None` when it is empty.
    pub(in crate::rpc) fn country(&mut self, field: &str, text: &str) -> Option<String> {
        let code = text.trim().to_ascii_uppercase();
        if code.is_empty() {
            return None;
        }
        if code.len() != 2 || code.parse::<iso_country::Country>().is_err() {
            self.wrong(field, "must be an ISO 3166-1 code of two letters, such as US");
            return None;
        }
        Some(code)
    }

    /// The country of an event, which is recorded whatever was sent. Empty if there is none.
    pub(in crate::rpc) fn told_country(&mut self, field: &str, text: &str) -> String {
        self.or_without(|fields| fields.country(field, text)).unwrap_or_default()
    }

    /// A number within a range.
    pub(in crate::rpc) fn number(&mut self, field: &str, number: i32, range: std::ops::RangeInclusive<i32>) -> i32 {
        if !range.contains(&number) {
            self.wrong(field, format!("must be {} to {}", range.start(), range.end()));
        }
        number
    }

    /// A point in time; `None` when it is not set.
    pub(in crate::rpc) fn time(&mut self, field: &str, time: Option<&prost_types::Timestamp>) -> Option<Time> {
        let time = time?;
        if !(0..SECONDS_END).contains(&time.seconds) || !(0..1_000_000_000).contains(&time.nanos) {
            // Today in milliseconds, as seconds, is a time after the year 50000.
            let hint = if time.seconds >= SECONDS_END { "; seconds are expected, not milliseconds" } else { "" };
            self.wrong(field, format!("must be a time of the years 1970 to 9999{hint}"));
            return None;
        }
        Some(Time::from_micros(time.seconds * 1_000_000 + i64::from(time.nanos / 1_000)))
    }

    /// A span of time. A side that is not set is open.
    pub(in crate::rpc) fn interval(&mut self, field: &str, sent: Option<&pb::TimeInterval>) -> Interval {
        let Some(sent) = sent else { return Interval::default() };
        self.within(field, |fields| {
            let start = fields.time("start_time", sent.start_time.as_ref());
            let end = fields.time("end_time", sent.end_time.as_ref());
            if start.zip(end).is_some_and(|(start, end)| end <= start) {
                fields.wrong("end_time", "must be later than start_time: it is the first moment after the interval");
            }
            Interval { start, end }
        })
    }

    /// When an event happened; `None` for now.
    pub(in crate::rpc) fn occur_time(
        &mut self,
        field: &str,
        time: Option<&prost_types::Timestamp>,
        now: Time,
    ) -> Option<Time> {
        let time = self.time(field, time)?;
        if time.micros() <= SECONDS_UNSET_MAX * Time::MICROS_PER_SECOND {
            self.wrong(
                field,
                "is 1970-01-02 or earlier, so it was never set; send the time when it happened, or leave it out",
            );
            return None;
        }
        if time > now.plus_micros(Time::CLOCK_DIFFERENCE_MICROS_MAX) {
            self.wrong(field, "is more than 10 minutes ahead of the server's clock; send the time when it happened");
            return None;
        }
        Some(time)
    }

    /// The name of a time zone, as the database of time zones spells it. Empty is UTC.
    pub(in crate::rpc) fn time_zone(&mut self, field: &str, name: &str) -> Option<String> {
        let name = if name.trim().is_empty() { UTC } else { name.trim() };
        zone_name(name).map_err(|error| self.wrong(field, error.to_string())).ok()
    }

    /// A day.
    pub(in crate::rpc) fn day(&mut self, field: &str, text: &str) -> Option<Day> {
        text.parse::<Day>().map_err(|error| self.wrong(field, error.to_string())).ok()
    }

    /// A value of a closed set; `None` when it is not set.
    pub(in crate::rpc) fn optional_value<E: WireEnum>(&mut self, field: &str, number: i32) -> Option<E> {
        self.optional_value_of(field, number, E::VALUES)
    }

    /// One of these values of a closed set; `None` when it is not set.
    pub(in crate::rpc) fn optional_value_of<E: WireEnum>(
        &mut self,
        field: &str,
        number: i32,
        values: &[E],
    ) -> Option<E> {
        if number == 0 {
            return None;
        }
        let value = values.iter().copied().find(|value| value.number() == number);
        if value.is_none() {
            self.wrong(field, alternatives(values));
        }
        value
    }

    /// Values of a closed set, each once. A list filter has few of them.
    pub(in crate::rpc) fn values<E: WireEnum>(&mut self, field: &str, numbers: &[i32]) -> Vec<E> {
        if numbers.len() > LIST_LENGTH_MAX {
            self.wrong(field, format!("has {} values; at most {LIST_LENGTH_MAX} are taken", numbers.len()));
        }
        let mut values = Vec::new();
        for (index, number) in numbers.iter().take(LIST_LENGTH_MAX).enumerate() {
            match self.value_of(&format!("{field}[{index}]"), *number, E::VALUES) {
                Some(value) if !values.contains(&value) => values.push(value),
                _ => {}
            }
        }
        values
    }

    /// One of these values of a closed set, required.
    pub(in crate::rpc) fn value_of<E: WireEnum>(&mut self, field: &str, number: i32, values: &[E]) -> Option<E> {
        if number == 0 {
            self.wrong(field, format!("is required and {}", alternatives(values)));
        }
        self.optional_value_of(field, number, values)
    }

    /// The names in an update mask. Each must be one of `known`.
    pub(in crate::rpc) fn update_mask<'mask>(
        &mut self,
        mask: Option<&'mask prost_types::FieldMask>,
        known: &[&str],
    ) -> Vec<&'mask str> {
        let paths = mask.map(|mask| mask.paths.as_slice()).unwrap_or_default();
        if paths.is_empty() {
            self.wrong("update_mask", format!("is required: name the fields to change, of {}", known.join(", ")));
        }
        for path in paths {
            if !known.contains(&path.as_str()) {
                self.wrong("update_mask", format!("names `{}`; it may name {}", shortened(path), known.join(", ")));
            }
        }
        paths.iter().map(String::as_str).collect()
    }
}

/// More values are not listed in a violation, so that many violations fit into an answer.
const LISTED_VALUES_MAX: usize = 12;

fn alternatives<E: WireEnum>(values: &[E]) -> String {
    if let Some(first) = values.first().filter(|_| values.len() > LISTED_VALUES_MAX) {
        return format!("must be a value of {}, such as {}", E::NAME, first.wire_name());
    }
    format!("must be one of {}", values.iter().map(|value| value.wire_name()).collect::<Vec<_>>().join(", "))
}
