//! Parses the fields of a request. Collects every violation of a message with the field's path and how to fix it, so that the
//! caller gets all violations at once. Checks only that values are well-formed; the rules decide whether they are allowed.
//!
//! Texts are parsed here, `text.rs` cleans texts instead of refusing them, `name.rs` parses texts that name something,
//! `coupon_code.rs` coupon codes, `metadata.rs` texts by key, and `value.rs` money, times and values of closed sets.

pub(super) mod coupon_code;
mod metadata;
pub(in crate::rpc) mod name;
pub(super) mod text;
mod value;

pub(in crate::rpc) use text::email_as_sent;

/// What was cleaned, cut or left out of a request.
pub(in crate::rpc) type Warnings = Vec<pb::Warning>;

use std::collections::BTreeSet;

use crate::error::{Error, FieldViolation};
use crate::pb;

/// The maximum length of the merchant's own ids, event ids and request ids.
pub(in crate::rpc) const KEY_LENGTH_MAX: usize = 128;
/// The maximum length of names and other short texts.
pub(in crate::rpc) const NAME_LENGTH_MAX: usize = 200;
/// The maximum length of notes and other long texts.
const NOTE_LENGTH_MAX: usize = 2_000;
/// The maximum number of ids or events in one request.
pub(in crate::rpc) const LIST_LENGTH_MAX: usize = 1_000;

/// How many characters of a caller's own text a description repeats.
const REPEATED_LENGTH_MAX: usize = 64;

/// The violations found so far in one message.
#[derive(Debug, Default)]
pub(in crate::rpc) struct Fields {
    violations: Vec<FieldViolation>,
    warnings: Vec<pb::Warning>,
    /// The path of the message being parsed, with a dot at its end. Empty for the request itself.
    path: String,
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

    /// Adds a warning: the field, and what was done with its value.
    pub(in crate::rpc) fn warn(&mut self, field: &str, explanation: impl Into<String>) {
        self.warnings.push(pb::Warning { field: format!("{}{field}", self.path), explanation: explanation.into() });
    }

    /// The warnings so far.
    pub(in crate::rpc) fn take_warnings(&mut self) -> Vec<pb::Warning> {
        std::mem::take(&mut self.warnings)
    }

    /// Parses a value without which the event is recorded too. If it is wrong, it is left out, and its violations become warnings.
    pub(in crate::rpc) fn or_without<T>(&mut self, read: impl FnOnce(&mut Self) -> Option<T>) -> Option<T> {
        let before = self.violations.len();
        let value = read(self);
        if self.violations.len() == before {
            return value;
        }
        for violation in self.violations.split_off(before) {
            let explanation = format!("{}; it was left out", violation.description);
            self.warnings.push(pb::Warning { field: violation.field, explanation });
        }
        None
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

    /// The caller's own texts that are told with an event: a set, in order. What does not fit is left out with a warning.
    pub(in crate::rpc) fn told_set(&mut self, field: &str, sent: &[String], most: usize) -> Vec<String> {
        let is_good = |text: &str| {
            !text.trim().is_empty() && text.chars().count() <= KEY_LENGTH_MAX && !text.chars().any(char::is_control)
        };
        let told = || sent.iter().filter(|text| !text.is_empty());
        let wrong_count = told().filter(|text| !is_good(text)).count();
        if wrong_count > 0 {
            let explanation = format!(
                "must be texts of 1 to {KEY_LENGTH_MAX} characters without control characters; {wrong_count} were left out"
            );
            self.warn(field, explanation);
        }
        let good: BTreeSet<&String> = told().filter(|text| is_good(text)).collect();
        if good.len() > most {
            self.warn(field, format!("has {} texts; the first {most} in order were kept", good.len()));
        }
        good.into_iter().take(most).cloned().collect()
    }

    /// Checks the optional id that makes a call safe to repeat.
    pub(in crate::rpc) fn request_id(&mut self, text: &str) {
        self.key("request_id", text);
    }
}

/// The beginning of a caller's text, short enough for a description.
fn shortened(text: &str) -> String {
    text.chars().filter(|character| !character.is_control()).take(REPEATED_LENGTH_MAX).collect()
}

#[cfg(test)]
mod tests;
