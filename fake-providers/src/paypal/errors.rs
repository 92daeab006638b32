//! PayPal's errors: their names, statuses and form. Callers decide by the name, never by the message.

use serde_json::{Value, json};

use crate::exchange::Answer;
use crate::ids::Ids;

/// The HTTP status of an error.
fn status_of(name: &str) -> u16 {
    match name {
        "AUTHORIZATION_ERROR" | "REQUIRED_SCOPE_MISSING" | "ACCOUNT_RESTRICTED" | "CIP_NOT_VERIFIED" => 403,
        "INVALID_RESOURCE_ID" => 404,
        "INSUFFICIENT_FUNDS" | "NEGATIVE_BALANCE" => 422,
        "RATE_LIMIT_REACHED" | "RATE_LIMIT_VALIDATION_FAILURES" => 429,
        "INTERNAL_ERROR" => 500,
        "REQUEST_TIMEOUT_EXCEEDED" => 504,
        name if name.starts_with("SENDER_") => 403,
        _ => 400,
    }
}

/// What the message says for people.
fn message_of(name: &str) -> &'static str {
    match name {
        "VALIDATION_ERROR" => "Invalid request - see details",
        "USER_BUSINESS_ERROR" => "User business error.",
        "INSUFFICIENT_FUNDS" => "Sender does not have sufficient funds. Please add funds and retry.",
        "INTERNAL_ERROR" => "An internal service error has occurred",
        "RATE_LIMIT_REACHED" => "Too many requests. Blocked due to rate limiting.",
        "INVALID_RESOURCE_ID" => "The requested resource was not found",
        "AUTHORIZATION_ERROR" => "Authorization error occurred",
        "NON_HOLDING_CURRENCY" => "Non Holding currency should not be used for payout",
        _ => "The request was refused",
    }
}

/// An error with its usual message.
pub(crate) fn named(ids: &mut Ids, name: &str) -> Answer {
    detailed(ids, name, Value::Null)
}

/// An error with details.
pub(crate) fn detailed(ids: &mut Ids, name: &str, details: Value) -> Answer {
    let mut body = json!({
        "name": name, "message": message_of(name), "debug_id": ids.upper(13).to_lowercase(),
        "information_link": "https://developer.paypal.com/docs/api/payments.payouts-batch/v1/#errors",
        "links": [],
    });
    if !details.is_null() {
        body["details"] = details;
    }
    Answer::json(status_of(name), &body)
}

/// An error that only has a status.
pub(crate) fn of_status(ids: &mut Ids, status: u16) -> Answer {
    let name = match status {
        429 => "RATE_LIMIT_REACHED",
        504 => "REQUEST_TIMEOUT_EXCEEDED",
        403 => "AUTHORIZATION_ERROR",
        _ => "INTERNAL_ERROR",
    };
    Answer { status, ..named(ids, name) }
}

/// A wrong field of the request.
pub(crate) fn wrong_field(field: &str, issue: &str) -> Value {
    json!({"field": field, "location": "body", "issue": issue})
}
