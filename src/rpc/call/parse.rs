//! Parses the fields of a request. Collects every violation of a message with the field's path and how to fix it, so that the
//! caller gets all violations at once. Checks only that values are well-formed; the rules decide whether they are allowed.

use std::str::FromStr;

use url::Url;

use super::wire_enum::WireEnum;
use crate::domain::id::{ClickId, MalformedId};
use crate::domain::money::{AMOUNT_MINOR_MAX, Currency, Money};
use crate::domain::time::{Interval, Time};
use crate::error::{Error, FieldViolation};
use crate::pb;

/// The maximum length of the merchant's own ids, event ids and request ids.
pub(in crate::rpc) const KEY_LENGTH_MAX: usize = 128;
/// The maximum length of names and other short texts.
pub(in crate::rpc) const NAME_LENGTH_MAX: usize = 200;
/// The maximum length of notes and other long texts.
const NOTE_LENGTH_MAX: usize = 2_000;
const URL_LENGTH_MAX: usize = 2_048;
const EMAIL_LENGTH_MAX: usize = 254;
const CODE_LENGTH_MIN: usize = 2;
const CODE_LENGTH_MAX: usize = 64;
/// The maximum number of ids or events in one request.
pub(in crate::rpc) const LIST_LENGTH_MAX: usize = 1_000;

/// How far in the future an event may be by our clock, because clocks differ. In microseconds.
const AHEAD_MICROS_MAX: i64 = 10 * 60 * 1_000_000;
/// The first second of the year 10000. RFC 3339 ends there.
const SECONDS_END: i64 = 253_402_300_800;

/// How many characters of a caller's own text a description repeats.
const REPEATED_LENGTH_MAX: usize = 64;

/// The violations found so far in one message.
#[derive(Debug, Default)]
pub(in crate::rpc) struct Fields {
    violations: Vec<FieldViolation>,
    /// The path of the message being parsed, with a dot at its end. Empty for the request itself.
    path: String,
}

/// The amounts that a field accepts.
#[derive(Debug, Clone, Copy)]
pub(in crate::rpc) enum Amounts {
    /// More than zero.
    Positive,
    /// Zero or more.
    NotNegative,
}

/// Values that are all present when a message has no violation.
pub(in crate::rpc) trait Complete {
    /// The values themselves.
    type Whole;

    /// All of them, or none.
    fn whole(self) -> Option<Self::Whole>;
}

impl<A> Complete for Option<A> {
    type Whole = A;

    fn whole(self) -> Option<A> {
        self
    }
}

impl<A, B> Complete for (Option<A>, Option<B>) {
    type Whole = (A, B);

    fn whole(self) -> Option<(A, B)> {
        self.0.zip(self.1)
    }
}

impl Fields {
    /// Adds a violation: the field, and how to fix it.
    pub(in crate::rpc) fn wrong(&mut self, field: &str, description: impl Into<String>) {
        self.violations
            .push(FieldViolation { field: format!("{}{field}", self.path), description: description.into() });
    }

    /// Parses a message nested in this one.
    pub(in crate::rpc) fn within<T>(&mut self, field: &str, read: impl FnOnce(&mut Self) -> T) -> T {
        let length = self.path.len();
        self.path.push_str(field);
        self.path.push('.');
        let value = read(self);
        self.path.truncate(length);
        value
    }

    /// An error if there was any violation.
    pub(in crate::rpc) fn finish(self) -> Result<(), Error> {
        if self.violations.is_empty() { Ok(()) } else { Err(Error::InvalidFields(self.violations)) }
    }

    /// The values, or an error if there was any violation. Without a violation, all values are present.
    pub(in crate::rpc) fn complete<V: Complete>(self, values: V) -> Result<V::Whole, Error> {
        match values.whole() {
            Some(whole) => self.finish().map(|()| whole),
            None => Err(self.into_error()),
        }
    }

    /// The error of a message that lacks required fields.
    pub(in crate::rpc) fn into_error(self) -> Error {
        match self.finish() {
            Err(error) => error,
            Ok(()) => Error::Internal("a field could not be read, and nothing says why".to_owned()),
        }
    }

    /// The value of a required field.
    pub(in crate::rpc) fn required<T>(&mut self, field: &str, value: Option<T>) -> Option<T> {
        if value.is_none() {
            self.wrong(field, "is required");
        }
        value
    }

    /// A one-line text, trimmed; may be empty.
    pub(in crate::rpc) fn line(&mut self, field: &str, text: &str, length_max: usize) -> String {
        let text = text.trim();
        self.check(field, text, length_max, char::is_control);
        text.to_owned()
    }

    /// A one-line text, trimmed and required.
    pub(in crate::rpc) fn required_line(&mut self, field: &str, text: &str, length_max: usize) -> String {
        let line = self.line(field, text, length_max);
        if line.is_empty() {
            self.wrong(field, "is required");
        }
        line
    }

    /// A text of any number of lines, trimmed; may be empty.
    pub(in crate::rpc) fn paragraph(&mut self, field: &str, text: &str) -> String {
        self.paragraph_up_to(field, text, NOTE_LENGTH_MAX)
    }

    /// Like `paragraph`, with another maximum length.
    pub(in crate::rpc) fn paragraph_up_to(&mut self, field: &str, text: &str, length_max: usize) -> String {
        let text = text.trim();
        let is_refused = |character: char| character.is_control() && !matches!(character, '\n' | '\r' | '\t');
        self.check(field, text, length_max, is_refused);
        text.to_owned()
    }

    fn check(&mut self, field: &str, text: &str, length_max: usize, is_refused: impl Fn(char) -> bool) {
        let length = text.chars().count();
        if length > length_max {
            self.wrong(field, format!("has {length} characters; at most {length_max} are taken"));
        }
        if text.chars().any(is_refused) {
            self.wrong(field, "must not contain control characters");
        }
    }

    /// One of the caller's own ids, unchanged; `None` when it is empty.
    pub(in crate::rpc) fn key(&mut self, field: &str, text: &str) -> Option<String> {
        if text.is_empty() {
            return None;
        }
        if text.trim().is_empty() {
            self.wrong(field, "must not be blank");
        }
        self.check(field, text, KEY_LENGTH_MAX, char::is_control);
        Some(text.to_owned())
    }

    /// One of the caller's own ids, required.
    pub(in crate::rpc) fn required_key(&mut self, field: &str, text: &str) -> String {
        let key = self.key(field, text);
        self.required(field, key).unwrap_or_default()
    }

    /// One of our ids, required.
    pub(in crate::rpc) fn id<I: FromStr<Err = MalformedId>>(&mut self, field: &str, text: &str) -> Option<I> {
        if text.is_empty() {
            self.wrong(field, "is required");
            return None;
        }
        self.optional_id(field, text)
    }

    /// One of our ids; `None` when it is empty.
    pub(in crate::rpc) fn optional_id<I: FromStr<Err = MalformedId>>(&mut self, field: &str, text: &str) -> Option<I> {
        if text.is_empty() {
            return None;
        }
        text.parse().map_err(|malformed: MalformedId| self.wrong(field, malformed.to_string())).ok()
    }

    /// 1 to 1,000 of our ids, without repeats.
    pub(in crate::rpc) fn ids<I>(&mut self, field: &str, texts: &[String]) -> Vec<I>
    where
        I: FromStr<Err = MalformedId> + Copy + Ord,
    {
        if texts.is_empty() || texts.len() > LIST_LENGTH_MAX {
            self.wrong(field, format!("has {} ids; send 1 to {LIST_LENGTH_MAX}", texts.len()));
            return Vec::new();
        }
        let mut seen = std::collections::BTreeMap::new();
        for (index, text) in texts.iter().enumerate() {
            let place = format!("{field}[{index}]");
            if let Some(id) = self.id::<I>(&place, text)
                && let Some(first) = seen.insert(id, index)
            {
                self.wrong(&place, format!("is the same as {field}[{first}]; send each id once"));
                seen.insert(id, first);
            }
        }
        texts.iter().filter_map(|text| text.parse().ok()).collect()
    }

    /// An email address in lower case; `None` when it is empty.
    pub(in crate::rpc) fn optional_email(&mut self, field: &str, text: &str) -> Option<String> {
        let email = text.trim().to_lowercase();
        if email.is_empty() {
            return None;
        }
        let is_refused = |character: char| character.is_whitespace() || character.is_control();
        let parts: Vec<&str> = email.split('@').collect();
        let is_address = matches!(parts.as_slice(), [name, host] if !name.is_empty() && !host.is_empty())
            && !email.chars().any(is_refused);
        if !is_address {
            self.wrong(field, "must be an email address such as jo@example.com");
            return None;
        }
        if email.len() > EMAIL_LENGTH_MAX {
            self.wrong(field, format!("has {} bytes; at most {EMAIL_LENGTH_MAX} are taken", email.len()));
            return None;
        }
        Some(email)
    }

    /// An email address in lower case, required.
    pub(in crate::rpc) fn email(&mut self, field: &str, text: &str) -> Option<String> {
        if text.trim().is_empty() {
            self.wrong(field, "is required");
        }
        self.optional_email(field, text)
    }

    /// A new code: letters, digits, `-` and `_`; `None` when it is empty. The case is unchanged.
    pub(in crate::rpc) fn new_code(&mut self, field: &str, text: &str) -> Option<String> {
        let code = text.trim();
        if code.is_empty() {
            return None;
        }
        let is_code = (CODE_LENGTH_MIN..=CODE_LENGTH_MAX).contains(&code.len())
            && code.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
        if !is_code {
            let lengths = format!("{CODE_LENGTH_MIN} to {CODE_LENGTH_MAX}");
            self.wrong(field, format!("must be {lengths} letters, digits, `-` or `_`"));
            return None;
        }
        Some(code.to_owned())
    }

    /// A code that a visitor or customer sent. Any text is accepted, because an unknown code must not make the sale fail. `None`
    /// when it is empty.
    pub(in crate::rpc) fn brought_code(&mut self, field: &str, text: &str) -> Option<String> {
        let code = self.line(field, text, KEY_LENGTH_MAX);
        (!code.is_empty()).then_some(code)
    }

    /// A visitor's tracking id; `None` when it is empty. `Err` keeps a text that is not one of our ids, to explain the
    /// attribution.
    pub(in crate::rpc) fn brought_tid(&mut self, field: &str, text: &str) -> Option<Result<ClickId, String>> {
        let tid = self.line(field, text, KEY_LENGTH_MAX);
        (!tid.is_empty()).then(|| tid.parse().map_err(|_| tid))
    }

    /// An http or https URL, normalized; empty when it is empty.
    pub(in crate::rpc) fn optional_url(&mut self, field: &str, text: &str) -> String {
        let text = text.trim();
        if text.is_empty() {
            return String::new();
        }
        let fault = "must be an http or https URL such as https://example.com/page, without user name or password";
        let url = match Url::parse(text) {
            Ok(url) if matches!(url.scheme(), "http" | "https") && url.has_host() => url,
            _ => {
                self.wrong(field, fault);
                return String::new();
            }
        };
        if !url.username().is_empty() || url.password().is_some() {
            self.wrong(field, fault);
        }
        let length = url.as_str().len().max(text.len());
        if length > URL_LENGTH_MAX {
            self.wrong(field, format!("has {length} bytes; at most {URL_LENGTH_MAX} are taken"));
        }
        url.into()
    }

    /// An http or https URL, normalized and required.
    pub(in crate::rpc) fn url(&mut self, field: &str, text: &str) -> String {
        if text.trim().is_empty() {
            self.wrong(field, "is required");
        }
        self.optional_url(field, text)
    }

    /// The page that a visitor came from, as the browser sent it. Any text is accepted, because some referrers are not URLs.
    pub(in crate::rpc) fn referrer(&mut self, field: &str, text: &str) -> String {
        self.line(field, text, URL_LENGTH_MAX)
    }

    /// An ISO 4217 currency code, required.
    pub(in crate::rpc) fn currency(&mut self, field: &str, code: &str) -> Option<Currency> {
        if code.is_empty() {
            self.wrong(field, "is required");
            return None;
        }
        code.parse()
            .map_err(|unknown: crate::domain::money::UnknownCurrency| self.wrong(field, unknown.to_string()))
            .ok()
    }

    /// An amount; `None` when it is not set.
    pub(in crate::rpc) fn optional_money(
        &mut self,
        field: &str,
        money: Option<&pb::Money>,
        amounts: Amounts,
    ) -> Option<Money> {
        let money = money?;
        self.within(field, |fields| {
            let currency = fields.currency("currency_code", &money.currency_code);
            let (least, words) = match amounts {
                Amounts::Positive => (1, "more than zero"),
                Amounts::NotNegative => (0, "zero or more"),
            };
            if money.amount_minor < least {
                fields.wrong("amount_minor", format!("must be {words}"));
            } else if money.amount_minor > AMOUNT_MINOR_MAX {
                fields.wrong("amount_minor", format!("must be at most {AMOUNT_MINOR_MAX}"));
            }
            Some(Money::new(money.amount_minor, currency?))
        })
    }

    /// An amount, required.
    pub(in crate::rpc) fn money(&mut self, field: &str, money: Option<&pb::Money>, amounts: Amounts) -> Option<Money> {
        self.required(field, money)?;
        self.optional_money(field, money, amounts)
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
            self.wrong(field, "must be a time of the years 1970 to 9999");
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
        if time.micros() > now.micros().saturating_add(AHEAD_MICROS_MAX) {
            self.wrong(field, "is more than 10 minutes ahead of the server's clock; send the time when it happened");
            return None;
        }
        Some(time)
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

    /// Checks the optional id that makes a call safe to repeat.
    pub(in crate::rpc) fn request_id(&mut self, text: &str) {
        self.key("request_id", text);
    }
}

fn alternatives<E: WireEnum>(values: &[E]) -> String {
    format!("must be one of {}", values.iter().map(|value| value.wire_name()).collect::<Vec<_>>().join(", "))
}

/// The beginning of a caller's text, short enough for a description.
fn shortened(text: &str) -> String {
    text.chars().filter(|character| !character.is_control()).take(REPEATED_LENGTH_MAX).collect()
}

#[cfg(test)]
mod tests;
