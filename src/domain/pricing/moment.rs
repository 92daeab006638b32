//! Times as texts in RFC 3339, such as `2026-11-28T00:00:00Z`.

use crate::domain::time::Time;

/// The time of a text. `None` if it is none, and for times before 1970.
pub fn read(text: &str) -> Option<Time> {
    let moment: jiff::Timestamp = text.trim().parse().ok()?;
    let time = Time::from_micros(moment.as_microsecond());
    (time.micros() >= 0).then_some(time)
}

/// A time as a text, in UTC.
pub fn written(time: Time) -> String {
    jiff::Timestamp::from_microsecond(time.micros()).map(|moment| moment.to_string()).unwrap_or_default()
}
