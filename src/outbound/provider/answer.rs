//! Parts that the readings of all providers' answers share: JSON, words of the provider, and the results of calls without a usable answer.

use std::time::Duration;

use serde_json::Value;

use super::outcome::{Cancellation, Doubt, DoubtReason, LookUp, Submission};
use crate::domain::money::{Currency, Money};
use crate::outbound::client::{Answer, NoAnswer};

use super::amount::parse_decimal;

/// The longest word of a provider that is kept.
const WORD_LENGTH_MAX: usize = 64;

/// Why a call has no usable answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum NoUse {
    /// It was certainly not carried out.
    Later(Option<Duration>),
    /// It may have been carried out.
    Doubt(Doubt),
}

impl From<NoUse> for Submission {
    fn from(no_use: NoUse) -> Self {
        match no_use {
            NoUse::Later(after) => Self::Later { after },
            NoUse::Doubt(doubt) => Self::Unknown(doubt),
        }
    }
}

impl From<NoUse> for LookUp {
    fn from(no_use: NoUse) -> Self {
        match no_use {
            NoUse::Later(after) => Self::Later { after },
            NoUse::Doubt(doubt) => Self::Unknown(doubt),
        }
    }
}

impl From<NoUse> for Cancellation {
    fn from(no_use: NoUse) -> Self {
        match no_use {
            NoUse::Later(after) => Self::Later { after },
            NoUse::Doubt(doubt) => Self::Unknown(doubt),
        }
    }
}

impl From<NoAnswer> for NoUse {
    fn from(no_answer: NoAnswer) -> Self {
        match no_answer {
            NoAnswer::NotSent => Self::Later(None),
            NoAnswer::TimedOut | NoAnswer::Cut => Self::Doubt(Doubt::of(DoubtReason::NoAnswer)),
            NoAnswer::TooLarge => Self::Doubt(Doubt::of(DoubtReason::Unreadable)),
        }
    }
}

/// An answer that says something about the request: a success or a refusal, with its JSON.
pub(super) struct Reply {
    pub(super) answer: Answer,
    pub(super) body: Value,
}

impl Reply {
    /// Whether the request was carried out.
    pub(super) fn is_success(&self) -> bool {
        self.answer.status.is_success()
    }
}

/// The answer, unless it says nothing about the request: too many requests, an error of the provider, no JSON.
pub(super) fn usable(answer: Result<Answer, NoAnswer>) -> Result<Reply, NoUse> {
    let answer = answer?;
    let status = answer.status;
    let body = serde_json::from_slice(&answer.body);
    // Limits are checked before anything is done.
    if status.as_u16() == 429 {
        return Err(NoUse::Later(answer.retry_after()));
    }
    let doubt = |reason| {
        let code = body.as_ref().ok().and_then(code_of);
        Err(NoUse::Doubt(Doubt { reason, after: answer.retry_after(), code, debug_id: None }))
    };
    if status.is_server_error() || status.as_u16() == 408 {
        return doubt(DoubtReason::ProviderError);
    }
    if !(status.is_success() || status.is_client_error()) {
        return doubt(DoubtReason::Unreadable);
    }
    match body {
        Ok(body) => Ok(Reply { answer, body }),
        Err(_) => doubt(DoubtReason::Unreadable),
    }
}

/// The word for an error, where the providers have it.
fn code_of(body: &Value) -> Option<String> {
    let places = [&body["name"], &body["error"]["code"], &body["error"]["type"], &body["errors"][0]["code"]];
    places.into_iter().find_map(word)
}

/// A word of the provider that may stand in logs and messages: short, and of letters and digits.
pub(super) fn word(value: &Value) -> Option<String> {
    let is_plain = |text: &&str| {
        !text.is_empty()
            && text.len() <= WORD_LENGTH_MAX
            && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.'))
    };
    value.as_str().filter(is_plain).map(str::to_owned)
}

/// A positive JSON number of ours, or of the provider.
pub(super) fn number(value: &Value) -> Option<i64> {
    value.as_i64().filter(|number| *number >= 0)
}

/// The money in a decimal text, or in a JSON number of major units. The shortest text of such a number is exact up to 15 digits.
pub(super) fn money(value: &Value, currency: Currency) -> Option<Money> {
    match value {
        Value::String(text) => parse_decimal(text, currency),
        Value::Number(number) => parse_decimal(&number.to_string(), currency),
        _ => None,
    }
}

/// The currency in a field.
pub(super) fn currency(value: &Value) -> Option<Currency> {
    value.as_str().and_then(|code| code.to_ascii_uppercase().parse().ok())
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use http::{HeaderMap, HeaderValue, StatusCode};
    use serde_json::json;

    use super::*;

    fn answer(status: u16, body: &str) -> Answer {
        let mut headers = HeaderMap::new();
        headers.insert("retry-after", HeaderValue::from_static("7"));
        Answer { status: StatusCode::from_u16(status).unwrap(), headers, body: Bytes::copy_from_slice(body.as_bytes()) }
    }

    #[test]
    fn only_a_whole_answer_of_success_or_refusal_is_used() {
        for status in [200, 201, 400, 401, 403, 404, 409, 422] {
            assert!(usable(Ok(answer(status, "{}"))).is_ok(), "{status}");
        }
        let no_use = |status, body: &str| usable(Ok(answer(status, body))).err().unwrap();
        let seven = Some(Duration::from_secs(7));
        assert_eq!(no_use(429, ""), NoUse::Later(seven));
        for (status, body, reason, code) in [
            (500, r#"{"name": "INTERNAL_ERROR"}"#, DoubtReason::ProviderError, Some("INTERNAL_ERROR")),
            (500, r#"{"error": {"type": "api_error"}}"#, DoubtReason::ProviderError, Some("api_error")),
            (503, "<html>", DoubtReason::ProviderError, None),
            (408, "", DoubtReason::ProviderError, None),
            (302, "{}", DoubtReason::Unreadable, None),
            (200, "{\"id\": ", DoubtReason::Unreadable, None),
            (201, "", DoubtReason::Unreadable, None),
            // A refusal that cannot be read may be another machine's on the way.
            (400, "<html>", DoubtReason::Unreadable, None),
        ] {
            let doubt = Doubt { reason, after: seven, code: code.map(str::to_owned), debug_id: None };
            assert_eq!(no_use(status, body), NoUse::Doubt(doubt), "{status} {body}");
        }
        assert_eq!(usable(Err(NoAnswer::NotSent)).err(), Some(NoUse::Later(None)));
        for none in [NoAnswer::TimedOut, NoAnswer::Cut, NoAnswer::TooLarge] {
            assert!(matches!(usable(Err(none)), Err(NoUse::Doubt(_))), "{none}");
        }
    }

    #[test]
    fn a_providers_words_are_kept_only_if_they_are_plain() {
        assert_eq!(word(&json!("transfer.insufficient_funds")).as_deref(), Some("transfer.insufficient_funds"));
        for value in [json!(""), json!("a b"), json!("a\nb"), json!("é"), json!(7), json!("x".repeat(65))] {
            assert_eq!(word(&value), None, "{value}");
        }
    }
}
