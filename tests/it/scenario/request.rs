//! Converts words of steps to parts of requests. Knows the notation of scenarios and the messages, not how they are executed.

use headwater::domain::calendar::Day;
use headwater::domain::time::Time;
use headwater::pb;
use prost_types::Timestamp;

use super::script::{Step, minor_units};
use crate::support::server::START_MICROS;

/// When the event of a step happened: `day=` counts from day 0, and `second=` within that day. `None`: now.
pub(super) fn occur_time(step: &Step) -> Option<Timestamp> {
    let (day, second) = (step.option("day"), step.option("second"));
    day.or(second)?;
    let micros = time(day.unwrap_or("0"), second).micros();
    timestamp(micros)
}

/// The beginning of a day, see [`time`].
pub(super) fn day_time(day: &str) -> Option<Timestamp> {
    timestamp(time(day, None).micros())
}

pub(super) fn timestamp(micros: i64) -> Option<Timestamp> {
    let nanos = i32::try_from(micros.rem_euclid(1_000_000) * 1_000).unwrap();
    Some(Timestamp { seconds: micros.div_euclid(1_000_000), nanos })
}

/// A time by its day and its second, which may have a fraction of up to six digits. Days are counted from the first one, or are dates such
/// as 2026-01-31, which begin at midnight in UTC.
pub(super) fn time(day: &str, second: Option<&str>) -> Time {
    let (whole, fraction) = second.unwrap_or("0").split_once('.').unwrap_or((second.unwrap_or("0"), "0"));
    let micros = whole.parse::<i64>().unwrap() * 1_000_000 + format!("{fraction:0<6}").parse::<i64>().unwrap();
    if let Ok(date) = day.parse::<Day>() {
        return Time::from_micros(micros).plus_days(date.0);
    }
    Time::from_micros(START_MICROS + micros).plus_days(day.parse().unwrap())
}

pub(super) fn money(text: &str, currency: &str) -> pb::Money {
    pb::Money { amount_minor: minor_units(text, currency.parse().unwrap()), currency_code: currency.to_owned() }
}

/// The email address and the external_id of a customer. The text is `bob@shop.example`, `external_id:42`, both joined by `+`, or
/// `-` for nobody.
pub(super) fn customer(text: &str) -> (String, String) {
    let (mut email, mut external_id) = (String::new(), String::new());
    for name in text.split('+').filter(|name| *name != "-") {
        match name.strip_prefix("external_id:") {
            Some(id) => external_id = id.to_owned(),
            None => email = name.to_owned(),
        }
    }
    (email, external_id)
}

/// `20%` is 200,000 parts per million, `12.5%` is 125,000.
fn percent_ppm(text: &str) -> i32 {
    let digits = text.strip_suffix('%').unwrap_or_else(|| panic!("{text} is no commission"));
    let (whole, decimals) = digits.split_once('.').unwrap_or((digits, ""));
    let decimals = format!("{decimals:0<4}");
    format!("{whole}{decimals}").parse().unwrap()
}

/// `20%`, `12.5%`, or `flat:5.00`.
pub(super) fn commission(text: &str, currency: &str) -> pb::Commission {
    let commission = match text.strip_prefix("flat:") {
        Some(flat) => pb::commission::Rate::Flat(money(flat, currency)),
        None => pb::commission::Rate::PercentPpm(percent_ppm(text)),
    };
    pb::Commission { rate: Some(commission) }
}

pub(super) fn terms(step: &Step, commission_place: usize, currency: &str) -> pb::Terms {
    let precedence = step.option("precedence").map_or_else(Vec::new, |order| {
        let sources = order.split(',').map(|name| match name {
            "binding" => pb::AttributionSource::LeadBinding,
            "coupon" => pb::AttributionSource::Coupon,
            "click" => pb::AttributionSource::Click,
            other => panic!("no such source: {other}"),
        });
        sources.map(i32::from).collect()
    });
    let rounding = step.option("rounding").map(|name| match name {
        "half_even" => pb::Rounding::HalfEven,
        "half_up" => pb::Rounding::HalfUp,
        "down" => pb::Rounding::Down,
        other => panic!("no such rounding: {other}"),
    });
    let model = step.option("model").map(|name| match name {
        "first" => pb::AttributionModel::FirstClick,
        "linear" => pb::AttributionModel::Linear,
        "position" => pb::AttributionModel::Position,
        "last" => pb::AttributionModel::LastClick,
        other => panic!("no such model: {other}"),
    });
    let reach = step.option("reach").map(|name| match name {
        "new" | "customers" | "new_customers" => pb::TermsReach::NewCustomers,
        "new_affiliates" => pb::TermsReach::NewAffiliates,
        other => panic!("no such reach: {other}"),
    });
    pb::Terms {
        commission: Some(commission(step.word(commission_place), currency)),
        hold_period_days: step.option("hold").map(|days| days.parse().unwrap()),
        attribution_window_days: step.option("window").map(|days| days.parse().unwrap()),
        attribution_model: model.unwrap_or_default().into(),
        rounding: rounding.unwrap_or_default().into(),
        reach: reach.unwrap_or_default().into(),
        precedence,
        new_customers_only: step.words.iter().any(|word| word == "new-customers-only"),
        custom_kinds: step.option("kinds").map_or_else(Vec::new, |names| names.split(',').map(str::to_owned).collect()),
        ..pb::Terms::default()
    }
}
